#include "pkgsync/str.h"

#include <string.h>

#include "pkgsync/mem.h"
#include "pkgsync/util.h"

struct ps_str ps_str_from(const char *z)
{
    return (struct ps_str){ .data = z, .len = z ? strlen(z) : 0 };
}

bool ps_str_equal(struct ps_str a, struct ps_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool ps_str_is(struct ps_str s, const char *z)
{
    return ps_str_equal(s, ps_str_from(z));
}

bool ps_str_starts(struct ps_str s, const char *prefix)
{
    size_t len = strlen(prefix);

    return s.len >= len && (len == 0 || memcmp(s.data, prefix, len) == 0);
}

bool ps_str_ends(struct ps_str s, const char *suffix)
{
    size_t len = strlen(suffix);

    return s.len >= len &&
           (len == 0 || memcmp(s.data + s.len - len, suffix, len) == 0);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' ||
           c == '\v';
}

struct ps_str ps_str_trim(struct ps_str s)
{
    while (s.len > 0 && is_blank(s.data[0]))
        s = ps_str_skip(s, 1);
    while (s.len > 0 && is_blank(s.data[s.len - 1]))
        s.len--;
    return s;
}

struct ps_str ps_str_skip(struct ps_str s, size_t n)
{
    n = PS_MIN(n, s.len);
    if (n == 0)
        return s;
    return (struct ps_str){ .data = s.data + n, .len = s.len - n };
}

struct ps_str ps_str_first(struct ps_str s, size_t n)
{
    return (struct ps_str){ .data = s.data, .len = PS_MIN(n, s.len) };
}

char *ps_str_dup(struct ps_str s)
{
    return ps_strndup(s.data, s.len);
}

static bool cut_at(struct ps_str *rest, const char *at, struct ps_str *head)
{
    if (!at) {
        *head = *rest;
        *rest = (struct ps_str){ .data = NULL, .len = 0 };
        return false;
    }
    *head = ps_str_first(*rest, (size_t)(at - rest->data));
    *rest = ps_str_skip(*rest, head->len + 1);
    return true;
}

bool ps_str_cut(struct ps_str *rest, char sep, struct ps_str *head)
{
    return cut_at(rest, rest->len ? memchr(rest->data, sep, rest->len) : NULL,
                  head);
}

bool ps_str_cut_last(struct ps_str *rest, char sep, struct ps_str *head)
{
    return cut_at(rest, rest->len ? memrchr(rest->data, sep, rest->len) : NULL,
                  head);
}

int ps_str_to_u64(struct ps_str s, uint64_t max, uint64_t *out,
                  struct ps_error *err)
{
    uint64_t value = 0;

    if (s.len == 0)
        return ps_fail(err, PS_EINVALID, "a number is missing");
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned char)s.data[i] - (unsigned)'0';

        if (digit > 9)
            return ps_fail(err, PS_EINVALID, "'%.*s' is not a whole number",
                           PS_STR_FMT(s));
        if (value > (max - PS_MIN(digit, max)) / 10 || value * 10 + digit > max)
            return ps_fail(err, PS_EINVALID, "'%.*s' is more than %llu",
                           PS_STR_FMT(s), (unsigned long long)max);
        value = value * 10 + digit;
    }
    *out = value;
    return PS_OK;
}

/* How many bytes the sequence at `p` takes, or 0 if it is not valid. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max, len;
    } rows[] = {
        { 0x00, 0x7f, 0, 0, 1 },       { 0xc2, 0xdf, 0x80, 0xbf, 2 },
        { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
        { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
        { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        if (p[0] < rows[i].first_min || p[0] > rows[i].first_max)
            continue;
        if (rows[i].len > left)
            return 0;
        if (rows[i].len > 1 &&
            (p[1] < rows[i].second_min || p[1] > rows[i].second_max))
            return 0;
        for (size_t k = 2; k < rows[i].len; k++) {
            if ((p[k] & 0xc0) != 0x80)
                return 0;
        }
        return rows[i].len;
    }
    return 0;
}

size_t ps_utf8_valid_prefix(struct ps_str s)
{
    const unsigned char *p = (const unsigned char *)s.data;
    size_t at = 0;

    while (at < s.len) {
        size_t len = utf8_sequence(p + at, s.len - at);

        if (len == 0)
            break;
        at += len;
    }
    return at;
}

/* Where the user part that must go begins, in "user:password" before `at`. */
static const char *secret_start(const char *text, const char *authority,
                                const char *at)
{
    static const char *const web[] = { "http", "https" };
    const char *colon = memchr(authority, ':', (size_t)(at - authority));

    for (size_t i = 0; i < PS_ARRAY_SIZE(web); i++) {
        size_t len = strlen(web[i]) + 3;

        if ((size_t)(authority - text) >= len &&
            memcmp(authority - len, web[i], len - 3) == 0)
            return authority;
    }
    return colon;
}

/* "file:" and "git+file:" have no query: '?' is part of a name. */
static bool is_file(const char *text, const char *scheme)
{
    return scheme - text >= 4 && memcmp(scheme - 4, "file", 4) == 0;
}

/* The query of the URL whose authority this is: a signature or a token under
 * any name. */
static void drop_query(char *authority)
{
    char *query = authority + strcspn(authority, "?# \t\n'\"<>");

    if (*query == '?') {
        const char *rest = query + strcspn(query, "# \t\n'\"<>");

        memmove(query, rest, strlen(rest) + 1);
    }
}

/* The '@' behind the user of the URL of "://"; NULL. */
static const char *user_end(const char *text, const char *scheme)
{
    const char *authority = scheme + 3;
    size_t len = strcspn(authority, "/?# ");
    const char *at = memrchr(authority, '@', len);
    bool is_s3 = scheme - text >= 2 && memcmp(scheme - 2, "s3", 2) == 0;

    /* A secret of S3 may have a '/', and no bucket has a ':'. */
    if (!at && is_s3 && memchr(authority, ':', len))
        at = strpbrk(authority + len, "@ ");
    return at && *at == '@' ? at : NULL;
}

char *ps_url_redact(const char *text)
{
    char *out = ps_strdup(text);
    const char *scheme = out ? strstr(out, "://") : NULL;

    while (scheme) {
        const char *authority = scheme + 3;
        const char *at = user_end(out, scheme);
        const char *from = at ? secret_start(out, authority, at) : NULL;

        if (from) {
            const char *rest = from == authority ? at + 1 : at;

            memmove(out + (from - out), rest, strlen(rest) + 1);
        }
        if (!is_file(out, scheme))
            drop_query(out + (authority - out));
        scheme = strstr(authority, "://");
    }
    return out;
}

int ps_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}
