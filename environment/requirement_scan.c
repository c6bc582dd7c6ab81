/*
 * Tokens as packaging's regular expressions cut them: greedy, and whatever
 * does not fit is left to the next token.
 *
 * Bytes of other alphabets count as letters.  That some of them are signs in
 * truth makes no difference: they are an error in every place where it would
 * matter.
 */
#include <stdio.h>
#include <string.h>

#include "requirement_private.h"

#include "pkgsync/util.h"

#define SHOWN_MAX 120 /* bytes of the text in an error */

int ps_cursor_init(struct ps_cursor *s, const char *what, struct ps_str text,
                   struct ps_error *err)
{
    size_t valid = ps_utf8_valid_prefix(text);

    *s = (struct ps_cursor){ .what = what, .text = text, .err = err };
    if (valid < text.len) {
        s->text.len = valid;
        return ps_cursor_fail(s, valid, "expected UTF-8");
    }
    return PS_OK;
}

size_t ps_cursor_column(const struct ps_cursor *s, size_t at)
{
    size_t n = 1;

    for (size_t i = 0; i < at && i < s->text.len; i++)
        n += ((unsigned char)s->text.data[i] & 0xc0) != 0x80;
    return n;
}

int ps_cursor_clean_error(const struct ps_cursor *s)
{
    for (char *c = s->err->text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    }
    return s->err->code;
}

int ps_cursor_fail(const struct ps_cursor *s, size_t at, const char *fmt, ...)
{
    struct ps_str text = ps_str_first(s->text, SHOWN_MAX);
    char shown[SHOWN_MAX + 1] = { 0 };
    char why[256];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    text.len = ps_utf8_valid_prefix(text); /* no half character */
    if (text.len > 0)
        memcpy(shown, text.data, text.len);
    (void)ps_fail(s->err, PS_EINVALID, "%s '%s%s', column %zu: %s", s->what,
                  shown, text.len < s->text.len ? "..." : "",
                  ps_cursor_column(s, at), why);
    return ps_cursor_clean_error(s);
}

/* The byte at `i`; 0 past the end. */
static unsigned char at(const struct ps_cursor *s, size_t i)
{
    return i < s->text.len ? (unsigned char)s->text.data[i] : 0;
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alnum(unsigned char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_word(unsigned char c)
{
    return is_alnum(c) || c == '_' || c >= 0x80;
}

/* The bytes of what Python's \s takes for a blank, Unicode's among them; 0:
 * it is none. */
static size_t space_at(const struct ps_cursor *s, size_t i)
{
    unsigned char a = at(s, i);
    unsigned char b = at(s, i + 1);
    unsigned char c = at(s, i + 2);

    if (a == ' ' || (a >= '\t' && a <= '\r') || (a >= 0x1c && a <= 0x1f))
        return 1;
    if (a == 0xc2) /* U+0085, U+00A0 */
        return b == 0x85 || b == 0xa0 ? 2 : 0;
    if (a == 0xe1) /* U+1680 */
        return b == 0x9a && c == 0x80 ? 3 : 0;
    if (a == 0xe2 && b == 0x80) /* U+2000 to U+200A, U+2028, 2029, 202F */
        return c <= 0x8a || c == 0xa8 || c == 0xa9 || c == 0xaf ? 3 : 0;
    if (a == 0xe2) /* U+205F */
        return b == 0x81 && c == 0x9f ? 3 : 0;
    return a == 0xe3 && b == 0x80 && c == 0x80 ? 3 : 0; /* U+3000 */
}

bool ps_cursor_at_end(const struct ps_cursor *s)
{
    return s->pos >= s->text.len;
}

bool ps_cursor_sees(const struct ps_cursor *s, char c)
{
    return s->pos < s->text.len && s->text.data[s->pos] == c;
}

void ps_cursor_blanks(struct ps_cursor *s)
{
    while (ps_cursor_sees(s, ' ') || ps_cursor_sees(s, '\t'))
        s->pos++;
}

bool ps_cursor_char(struct ps_cursor *s, char c)
{
    if (!ps_cursor_sees(s, c))
        return false;
    s->pos++;
    return true;
}

bool ps_cursor_text(struct ps_cursor *s, const char *z)
{
    if (!ps_str_starts(ps_str_skip(s->text, s->pos), z))
        return false;
    s->pos += strlen(z);
    return true;
}

bool ps_cursor_word(struct ps_cursor *s, const char *word)
{
    size_t begin = s->pos;

    if ((begin > 0 && is_word(at(s, begin - 1))) || !ps_cursor_text(s, word))
        return false;
    if (is_word(at(s, s->pos))) {
        s->pos = begin;
        return false;
    }
    return true;
}

bool ps_cursor_identifier(struct ps_cursor *s, struct ps_str *out)
{
    size_t end = s->pos;

    if (!is_alnum(at(s, end)))
        return false;
    while (is_alnum(at(s, end)) || at(s, end) == '_' || at(s, end) == '-' ||
           at(s, end) == '.')
        end++;
    while (at(s, end - 1) == '-' || at(s, end - 1) == '.')
        end--;
    *out = ps_str_first(ps_str_skip(s->text, s->pos), end - s->pos);
    s->pos = end;
    return true;
}

struct ps_str ps_cursor_until_blank(struct ps_cursor *s)
{
    size_t begin = s->pos;

    while (!ps_cursor_at_end(s) && !ps_cursor_sees(s, ' ') &&
           !ps_cursor_sees(s, '\t'))
        s->pos++;
    return ps_str_first(ps_str_skip(s->text, begin), s->pos - begin);
}

/* ---- version specifiers -------------------------------------------------- */

/* Each skip_* gives the position after what it found, or `i` itself. */

static size_t skip_digits(const struct ps_cursor *s, size_t i)
{
    while (is_digit(at(s, i)))
        i++;
    return i;
}

static size_t skip_space(const struct ps_cursor *s, size_t i)
{
    size_t n = space_at(s, i);

    while (n > 0) {
        i += n;
        n = space_at(s, i);
    }
    return i;
}

static size_t skip_separator(const struct ps_cursor *s, size_t i)
{
    unsigned char c = at(s, i);

    return c == '-' || c == '_' || c == '.' ? i + 1 : i;
}

/* One of `words`, lower case, in any case. */
static size_t skip_any(const struct ps_cursor *s, size_t i,
                       const char *const *words)
{
    for (; *words; words++) {
        size_t n = 0;

        while ((*words)[n] && (at(s, i + n) | 0x20) == (*words)[n])
            n++;
        if (!(*words)[n])
            return i + n;
    }
    return i;
}

/* "-rc1", "_post.2", "dev": a separator, a word, a separator, a number. */
static size_t skip_label(const struct ps_cursor *s, size_t i,
                         const char *const *words)
{
    size_t word = skip_separator(s, i);
    size_t end = skip_any(s, word, words);

    return end == word ? i : skip_digits(s, skip_separator(s, end));
}

static size_t skip_local(const struct ps_cursor *s, size_t i)
{
    size_t end = i + 1;

    if (at(s, i) != '+' || !is_alnum(at(s, end)))
        return i;
    for (;;) {
        size_t next = 0;

        while (is_alnum(at(s, end)))
            end++;
        next = skip_separator(s, end);
        if (next == end || !is_alnum(at(s, next)))
            return end;
        end = next;
    }
}

/* "v1!2.0"; `i` itself when there is none or not `parts` parts. */
static size_t skip_release(const struct ps_cursor *s, size_t i, size_t parts)
{
    size_t begin = (at(s, i) | 0x20) == 'v' ? i + 1 : i;
    size_t end = skip_digits(s, begin);
    size_t n = 1;

    if (end > begin && at(s, end) == '!') {
        begin = end + 1;
        end = skip_digits(s, begin);
    }
    if (end == begin)
        return i;
    while (at(s, end) == '.' && is_digit(at(s, end + 1))) {
        end = skip_digits(s, end + 1);
        n++;
    }
    return n < parts ? i : end;
}

static size_t skip_suffixes(const struct ps_cursor *s, size_t i)
{
    static const char *const pre[] = { "alpha", "beta", "preview", "pre", "a",
                                       "b",     "c",    "rc",      NULL };
    static const char *const post[] = { "post", "rev", "r", NULL };
    static const char *const dev[] = { "dev", NULL };

    i = skip_label(s, i, pre);
    if (at(s, i) == '-' && is_digit(at(s, i + 1)))
        i = skip_digits(s, i + 1);
    else
        i = skip_label(s, i, post);
    return skip_label(s, i, dev);
}

/* After ===, anything but blanks, ';', ')' and NUL. */
static size_t skip_arbitrary(const struct ps_cursor *s, size_t i)
{
    i = skip_space(s, i);
    while (at(s, i) && space_at(s, i) == 0 && at(s, i) != ';' &&
           at(s, i) != ')')
        i++;
    return i;
}

static size_t skip_version(const struct ps_cursor *s, size_t i, bool equality,
                           size_t parts)
{
    size_t begin = skip_space(s, i);
    size_t end = skip_release(s, begin, parts);

    if (end == begin)
        return i;
    if (equality && at(s, end) == '.' && at(s, end + 1) == '*')
        return end + 2;
    end = skip_suffixes(s, end);
    return equality ? skip_local(s, end) : end;
}

bool ps_cursor_specifier(struct ps_cursor *s, struct ps_str *out)
{
    struct ps_str rest = ps_str_skip(s->text, s->pos);
    size_t begin = s->pos;
    size_t op = 0;
    size_t end = 0;

    if (ps_str_starts(rest, "===")) {
        end = skip_arbitrary(s, begin + 3);
    } else if (ps_str_starts(rest, "==") || ps_str_starts(rest, "!=")) {
        op = begin + 2;
        end = skip_version(s, op, true, 1);
    } else if (ps_str_starts(rest, "~=")) {
        op = begin + 2;
        end = skip_version(s, op, false, 2);
    } else if (ps_str_starts(rest, "<=") || ps_str_starts(rest, ">=")) {
        op = begin + 2;
        end = skip_version(s, op, false, 1);
    } else if (ps_str_starts(rest, "<") || ps_str_starts(rest, ">")) {
        op = begin + 1;
        end = skip_version(s, op, false, 1);
    }
    if (end == op)
        return false;
    *out = ps_str_first(rest, end - begin);
    s->pos = end;
    return true;
}
