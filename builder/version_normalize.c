/*
 * PEP 440 versions: any permitted spelling to the normal one.
 *
 * The grammar, in the order in which it is read (blanks and case ignored):
 *
 *   v? (N!)? N(.N)* pre? post? dev? (+local)?
 *
 * Numbers stay text: they have no upper bound.
 */
#include <string.h>

#include "pkgsync/buf.h"
#include "wheel_private.h"

#define VERSION_MAX 512

struct scan {
    struct ps_str rest;
    struct ps_buf *out;
};

/* A row of spellings: longest first where one begins another. */
struct spelling {
    const char *text;
    const char *normal;
};

static const struct spelling pre_spellings[] = {
    { "alpha", "a" }, { "a", "a" },        { "beta", "b" },
    { "b", "b" },     { "preview", "rc" }, { "pre", "rc" },
    { "rc", "rc" },   { "c", "rc" },       { NULL, NULL },
};
static const struct spelling post_spellings[] = {
    { "post", ".post" },
    { "rev", ".post" },
    { "r", ".post" },
    { NULL, NULL },
};
static const struct spelling dev_spellings[] = {
    { "dev", ".dev" },
    { NULL, NULL },
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_separator(char c)
{
    return c == '.' || c == '-' || c == '_';
}

/* The digits at the front; empty if there is none. */
static struct ps_str take_digits(struct ps_str *s)
{
    size_t n = 0;
    struct ps_str digits;

    while (n < s->len && is_digit(s->data[n]))
        n++;
    digits = ps_str_first(*s, n);
    *s = ps_str_skip(*s, n);
    return digits;
}

static void add_number(struct ps_buf *out, struct ps_str digits)
{
    while (digits.len > 1 && digits.data[0] == '0')
        digits = ps_str_skip(digits, 1);
    if (digits.len == 0)
        digits = PS_STR_LIT("0");
    ps_buf_add(out, digits.data, digits.len);
}

static struct ps_str skip_separator(struct ps_str s)
{
    return s.len && is_separator(s.data[0]) ? ps_str_skip(s, 1) : s;
}

/* [-_.]? spelling [-_.]? N?  Nothing is taken when no spelling fits. */
static bool take_suffix(struct scan *sc, const struct spelling *row)
{
    struct ps_str s = skip_separator(sc->rest);
    struct ps_str digits;

    while (row->text && !ps_str_starts(s, row->text))
        row++;
    if (!row->text)
        return false;
    /* Also without a number: "1.0a." is a version. */
    s = skip_separator(ps_str_skip(s, strlen(row->text)));
    digits = take_digits(&s);
    ps_buf_adds(sc->out, row->normal);
    add_number(sc->out, digits);
    sc->rest = s;
    return true;
}

/* "-N" is a post release too. */
static void take_post(struct scan *sc)
{
    struct ps_str s = sc->rest;
    struct ps_str digits;

    if (take_suffix(sc, post_spellings) || !ps_str_starts(s, "-"))
        return;
    s = ps_str_skip(s, 1);
    digits = take_digits(&s);
    if (!digits.len)
        return;
    ps_buf_adds(sc->out, ".post");
    add_number(sc->out, digits);
    sc->rest = s;
}

static bool take_release(struct scan *sc)
{
    struct ps_str digits;
    struct ps_str s;

    if (ps_str_starts(sc->rest, "v"))
        sc->rest = ps_str_skip(sc->rest, 1);
    digits = take_digits(&sc->rest);
    if (digits.len && ps_str_starts(sc->rest, "!")) {
        /* Epoch 0 is the one that is not written. */
        if (strspn(digits.data, "0") < digits.len) {
            add_number(sc->out, digits);
            ps_buf_addc(sc->out, '!');
        }
        sc->rest = ps_str_skip(sc->rest, 1);
        digits = take_digits(&sc->rest);
    }
    if (!digits.len)
        return false;
    add_number(sc->out, digits);

    while (ps_str_starts(sc->rest, ".")) {
        s = ps_str_skip(sc->rest, 1);
        digits = take_digits(&s);
        if (!digits.len)
            break;
        ps_buf_addc(sc->out, '.');
        add_number(sc->out, digits);
        sc->rest = s;
    }
    return true;
}

static bool is_local_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z');
}

/* One segment of the local label; only an all-digit one is a number. */
static bool take_local_segment(struct scan *sc)
{
    struct ps_str segment;
    size_t digits = 0;
    size_t n = 0;

    while (n < sc->rest.len && is_local_char(sc->rest.data[n])) {
        digits += is_digit(sc->rest.data[n]);
        n++;
    }
    if (n == 0)
        return false;
    segment = ps_str_first(sc->rest, n);
    sc->rest = ps_str_skip(sc->rest, n);
    if (digits == n)
        add_number(sc->out, segment);
    else
        ps_buf_add(sc->out, segment.data, segment.len);
    return true;
}

static bool take_local(struct scan *sc)
{
    if (!ps_str_starts(sc->rest, "+"))
        return true;
    sc->rest = ps_str_skip(sc->rest, 1);
    ps_buf_addc(sc->out, '+');
    for (;;) {
        if (!take_local_segment(sc))
            return false;
        if (sc->rest.len == 0 || !is_separator(sc->rest.data[0]))
            return true;
        ps_buf_addc(sc->out, '.');
        sc->rest = ps_str_skip(sc->rest, 1);
    }
}

int ps_version_normalize(struct ps_arena *arena, struct ps_str version,
                         char **out, struct ps_error *err)
{
    struct ps_str text = ps_str_trim(version);
    PS_AUTO_BUF struct ps_buf buf = PS_BUF_INIT(VERSION_MAX);
    struct scan sc = { .out = &buf };
    char *lower = NULL;
    bool ok = false;

    if (text.len > VERSION_MAX)
        return ps_fail(err, PS_EINVALID, "a version of more than %d characters",
                       VERSION_MAX);
    lower = ps_arena_dup(arena, text);
    for (char *p = lower; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    sc.rest = (struct ps_str){ .data = lower, .len = text.len };

    ok = take_release(&sc);
    if (ok) {
        (void)take_suffix(&sc, pre_spellings);
        take_post(&sc);
        (void)take_suffix(&sc, dev_spellings);
        ok = take_local(&sc) && sc.rest.len == 0;
    }
    if (buf.overflow)
        return ps_fail(err, PS_EINVALID,
                       "a version of more than %d characters in normal form",
                       VERSION_MAX);
    if (!ok)
        return ps_fail(err, PS_EINVALID, "'%.*s' is not a PEP 440 version",
                       PS_STR_FMT(text));
    *out = ps_arena_dup(arena, ps_buf_str(&buf));
    return PS_OK;
}
