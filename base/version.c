/*
 * Reading versions (PEP 440).
 *
 * The grammar, in the order in which it is read; case does not matter:
 *
 *   blank* v? (N!)? N(.N)* pre? post? dev? (+local)? blank*
 *
 * Numbers stay text: they have no upper bound.
 */
#include "pkgsync/version.h"

#include <string.h>

#include "version_private.h"

/* Against texts that are no version; no version that is one comes near. */
#define VERSION_MAX 65536u

struct scan {
    struct ps_arena *arena;
    struct ps_str rest; /* lower case */
    struct ps_version v;
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
    { "post", "post" },
    { "rev", "post" },
    { "r", "post" },
    { NULL, NULL },
};
static const struct spelling dev_spellings[] = {
    { "dev", "dev" },
    { NULL, NULL },
};

/* Unicode's blanks above ASCII, in UTF-8: what str.isspace() has. */
static const char *const wide_blanks[] = {
    "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80",
    "\xe2\x80\x81", "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84",
    "\xe2\x80\x85", "\xe2\x80\x86", "\xe2\x80\x87", "\xe2\x80\x88",
    "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8", "\xe2\x80\xa9",
    "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80", NULL,
};

static bool is_narrow_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

size_t ps_version_blank(struct ps_str s)
{
    if (s.len == 0)
        return 0;
    if (is_narrow_blank(s.data[0]))
        return 1;
    for (const char *const *b = wide_blanks; *b; b++)
        if (ps_str_starts(s, *b))
            return strlen(*b);
    return 0;
}

static size_t blank_at_end(struct ps_str s)
{
    if (s.len == 0)
        return 0;
    if (is_narrow_blank(s.data[s.len - 1]))
        return 1;
    for (const char *const *b = wide_blanks; *b; b++)
        if (ps_str_ends(s, *b))
            return strlen(*b);
    return 0;
}

struct ps_str ps_version_trim(struct ps_str s)
{
    size_t n = ps_version_blank(s);

    while (n > 0) {
        s = ps_str_skip(s, n);
        n = ps_version_blank(s);
    }
    n = blank_at_end(s);
    while (n > 0) {
        s = ps_str_first(s, s.len - n);
        n = blank_at_end(s);
    }
    return s;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_separator(char c)
{
    return c == '.' || c == '-' || c == '_';
}

static struct ps_str without_zeros(struct ps_str digits)
{
    while (digits.len > 1 && digits.data[0] == '0')
        digits = ps_str_skip(digits, 1);
    return digits;
}

/* The number at the front; false, and nothing taken, if there is none. */
static bool take_number(struct ps_str *s, struct ps_str *out)
{
    size_t n = 0;

    while (n < s->len && is_digit(s->data[n]))
        n++;
    if (n == 0)
        return false;
    *out = without_zeros(ps_str_first(*s, n));
    *s = ps_str_skip(*s, n);
    return true;
}

static struct ps_str skip_separator(struct ps_str s)
{
    return s.len && is_separator(s.data[0]) ? ps_str_skip(s, 1) : s;
}

/* [-_.]? spelling [-_.]? N?  Nothing is taken when no spelling fits. */
static bool take_suffix(struct scan *sc, const struct spelling *row,
                        struct ps_str *kind, struct ps_str *number)
{
    struct ps_str s = skip_separator(sc->rest);

    while (row->text && !ps_str_starts(s, row->text))
        row++;
    if (!row->text)
        return false;
    /* Also without a number: "1.0a." is a version. */
    s = skip_separator(ps_str_skip(s, strlen(row->text)));
    *kind = ps_str_from(row->normal);
    if (!take_number(&s, number))
        *number = PS_STR_LIT("0");
    sc->rest = s;
    return true;
}

/* "-N" is a post release too. */
static void take_post(struct scan *sc)
{
    struct ps_str kind;
    struct ps_str s = sc->rest;

    if (ps_str_starts(s, "-")) {
        s = ps_str_skip(s, 1);
        if (take_number(&s, &sc->v.post)) {
            sc->v.has_post = true;
            sc->rest = s;
            return;
        }
    }
    sc->v.has_post = take_suffix(sc, post_spellings, &kind, &sc->v.post);
}

/* The dots at the front of the text bound how many numbers there are. */
static size_t count_parts(struct ps_str s)
{
    size_t n = 1;

    for (size_t i = 0; i < s.len && (is_digit(s.data[i]) || s.data[i] == '.');
         i++)
        n += s.data[i] == '.';
    return n;
}

static bool take_release(struct scan *sc)
{
    struct ps_str *parts = NULL;
    struct ps_str number;
    struct ps_str s;

    if (ps_str_starts(sc->rest, "v"))
        sc->rest = ps_str_skip(sc->rest, 1);
    sc->v.epoch = PS_STR_LIT("0");
    s = sc->rest;
    if (take_number(&s, &number) && ps_str_starts(s, "!")) {
        sc->v.epoch = number;
        sc->rest = ps_str_skip(s, 1);
    }

    parts = ps_arena_alloc(sc->arena, count_parts(sc->rest), sizeof(*parts));
    s = sc->rest;
    while (take_number(&s, &parts[sc->v.release_count])) {
        sc->v.release_count++;
        sc->rest = s;
        if (!ps_str_starts(s, "."))
            break;
        s = ps_str_skip(s, 1);
    }
    sc->v.release = parts;
    return sc->v.release_count > 0;
}

/* One segment of the local label; only an all-digit one is a number. */
static bool take_local_segment(struct scan *sc, struct ps_str *out)
{
    struct ps_str s = sc->rest;
    size_t digits = 0;
    size_t n = 0;

    while (n < s.len &&
           (is_digit(s.data[n]) || (s.data[n] >= 'a' && s.data[n] <= 'z'))) {
        digits += is_digit(s.data[n]);
        n++;
    }
    if (n == 0)
        return false;
    *out = ps_str_first(s, n);
    if (digits == n)
        *out = without_zeros(*out);
    sc->rest = ps_str_skip(s, n);
    return true;
}

static bool take_local(struct scan *sc)
{
    struct ps_str *parts = NULL;
    size_t most = 1;

    if (!ps_str_starts(sc->rest, "+"))
        return true;
    sc->rest = ps_str_skip(sc->rest, 1);
    for (size_t i = 0; i < sc->rest.len; i++)
        most += is_separator(sc->rest.data[i]);
    parts = ps_arena_alloc(sc->arena, most, sizeof(*parts));
    sc->v.local = parts;
    for (;;) {
        if (!take_local_segment(sc, &parts[sc->v.local_count]))
            return false;
        sc->v.local_count++;
        if (sc->rest.len == 0 || !is_separator(sc->rest.data[0]))
            return true;
        sc->rest = ps_str_skip(sc->rest, 1);
    }
}

static struct ps_str lower(struct ps_arena *arena, struct ps_str s)
{
    return (struct ps_str){ .data = ps_arena_lower(arena, s), .len = s.len };
}

int ps_version_parse(struct ps_arena *arena, struct ps_str text,
                     struct ps_version *out, struct ps_error *err)
{
    struct ps_str trimmed = ps_version_trim(text);
    struct scan sc = { .arena = arena };
    struct ps_str kind;
    bool ok = false;

    if (trimmed.len > VERSION_MAX)
        return ps_fail(err, PS_EINVALID, "a version of more than %u characters",
                       VERSION_MAX);
    sc.rest = lower(arena, trimmed);

    ok = take_release(&sc);
    if (ok) {
        (void)take_suffix(&sc, pre_spellings, &sc.v.pre_kind, &sc.v.pre);
        take_post(&sc);
        sc.v.has_dev = take_suffix(&sc, dev_spellings, &kind, &sc.v.dev);
        ok = take_local(&sc) && sc.rest.len == 0;
    }
    if (!ok)
        return ps_fail(err, PS_EINVALID, "'%.*s' is not a PEP 440 version",
                       PS_STR_FMT(trimmed));
    *out = sc.v;
    return PS_OK;
}
