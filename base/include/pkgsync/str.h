/*
 * String views: a pointer and a length, passed and returned by value.
 *
 * A view owns nothing and need not end in NUL.  It lives as long as the bytes
 * that it looks at.  Any thread.
 */
#ifndef PKGSYNC_STR_H
#define PKGSYNC_STR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/error.h"

struct ps_str {
    const char *data; /* may be NULL when len is 0 */
    size_t len;
};

/* For printf: "%.*s", PS_STR_FMT(view).  Cut at INT_MAX bytes. */
#define PS_STR_FMT(s) \
    (int)((s).len < INT_MAX ? (s).len : INT_MAX), (s).data ? (s).data : ""
#define PS_STR_LIT(lit) \
    ((struct ps_str){ .data = (lit), .len = sizeof(lit) - 1 })

struct ps_str ps_str_from(const char *z); /* NULL gives the empty view */
bool ps_str_equal(struct ps_str a, struct ps_str b);
bool ps_str_is(struct ps_str s, const char *z);
bool ps_str_starts(struct ps_str s, const char *prefix);
bool ps_str_ends(struct ps_str s, const char *suffix);
struct ps_str ps_str_trim(struct ps_str s);            /* ASCII blanks */
struct ps_str ps_str_skip(struct ps_str s, size_t n);  /* n clamped */
struct ps_str ps_str_first(struct ps_str s, size_t n); /* n clamped */
char *ps_str_dup(struct ps_str s);                     /* caller frees */

/*
 * Split *rest at the first (or, with _last, the last) `sep`: the part before
 * goes to *head and *rest keeps the part after.  Without a `sep`, *head takes
 * everything, *rest becomes empty and the result is false.
 */
bool ps_str_cut(struct ps_str *rest, char sep, struct ps_str *head);
bool ps_str_cut_last(struct ps_str *rest, char sep, struct ps_str *head);

/* A decimal number in [0, max], digits only; else PS_EINVALID. */
PS_MUST_USE int ps_str_to_u64(struct ps_str s, uint64_t max, uint64_t *out,
                              struct ps_error *err);

/* 'a' for 'A', and so on; what is no ASCII letter stays. */
static inline char ps_ascii_lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c;
}

/* The value of a hexadecimal digit, either case; -1 for anything else. */
int ps_hex_digit(char c);

/*
 * A copy of `text` without what may be a secret in URLs: everything before '@'
 * in the authority of an http or https URL (tokens are often put there as the
 * user), the password in any other, and the query of each but file:// ones
 * (signatures, tokens).  For showing and for records: what is fetched is the
 * text itself.  Caller frees.
 */
char *ps_url_redact(const char *text);

/* The number of leading bytes that are valid UTF-8 (RFC 3629). */
size_t ps_utf8_valid_prefix(struct ps_str s);

#endif
