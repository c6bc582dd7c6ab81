/*
 * URLs as people and files see them.
 *
 * Tokens stand in queries ("?sig=", "?token=", under any name), in fragments
 * and before the host; none of it says where a thing came from.  What is
 * fetched keeps its query and is never shown.
 */
#include <string.h>

#include "direct_url_private.h"

#include "pkgsync/buf.h"

static bool is_digits(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] < '0' || p[i] > '9')
            return false;
    return true;
}

/* "host.org", "localhost"; with a port or without. */
static bool is_dotted(const char *p, size_t len)
{
    const char *colon = memchr(p, ':', len);
    size_t name = colon ? (size_t)(colon - p) : len;

    return memchr(p, '.', name) != NULL ||
           (name == 9 && strncasecmp(p, "localhost", 9) == 0);
}

/*
 * Whether what stands where the host belongs is the first part of a password
 * that has a '/', '?' or '#' in it, `after` being behind the last '@'.
 */
static bool is_part_of_user(const char *host, size_t len, const char *after,
                            size_t after_len)
{
    const char *colon = memrchr(host, ':', len);
    size_t n = 0;

    if (len > 0 && host[0] == '[')
        return false;
    if (colon && !is_digits(colon + 1, (size_t)(host + len - colon - 1)))
        return true;
    while (n < after_len && !strchr("/?#", after[n]))
        n++;
    return !is_dotted(host, len) && is_dotted(after, n) && n < after_len;
}

bool ps_url_user(struct ps_str rest, bool is_web, size_t *len)
{
    size_t n = 0;
    const char *at = NULL;
    const char *last = NULL;
    const char *host = rest.data;

    while (n < rest.len && !strchr("/?#", rest.data[n]))
        n++;
    at = n > 0 ? memrchr(rest.data, '@', n) : NULL;
    if (at)
        host = at + 1;
    last = is_web && rest.len > n ? memrchr(rest.data + n, '@', rest.len - n)
                                  : NULL;
    if (last && is_part_of_user(host, (size_t)(rest.data + n - host), last + 1,
                                (size_t)(rest.data + rest.len - last - 1)))
        at = last;
    *len = at ? (size_t)(at - rest.data) : 0;
    return at != NULL;
}

/* "git+https" is of https. */
static struct ps_str plain_scheme(struct ps_str scheme)
{
    struct ps_str rest = scheme;
    struct ps_str before;

    return ps_str_cut_last(&rest, '+', &before) ? rest : scheme;
}

bool ps_url_scheme_is_web(struct ps_str scheme)
{
    scheme = plain_scheme(scheme);
    return (scheme.len == 4 && strncasecmp(scheme.data, "http", 4) == 0) ||
           (scheme.len == 5 && strncasecmp(scheme.data, "https", 5) == 0);
}

static bool is_ssh(struct ps_str scheme)
{
    scheme = plain_scheme(scheme);
    return scheme.len == 3 && strncasecmp(scheme.data, "ssh", 3) == 0;
}

/* "${USER}:${TOKEN}": names of secrets, not secrets. */
static bool is_variables(struct ps_str user)
{
    while (user.len > 0) {
        struct ps_str name;

        if (user.data[0] == ':') {
            user = ps_str_skip(user, 1);
            continue;
        }
        if (!ps_str_starts(user, "${"))
            return false;
        user = ps_str_skip(user, 2);
        if (!ps_str_cut(&user, '}', &name) || name.len == 0 ||
            memchr(name.data, '$', name.len) ||
            memchr(name.data, '/', name.len))
            return false;
    }
    return true;
}

static void add_user(struct ps_buf *b, struct ps_str scheme, struct ps_str user)
{
    struct ps_str name = user;
    struct ps_str head;

    if (is_ssh(scheme) && ps_str_cut(&name, ':', &head))
        user = head;
    if (user.len > 0 &&
        (is_ssh(scheme) || ps_str_is(user, "git") || is_variables(user))) {
        ps_buf_add(b, user.data, user.len);
        ps_buf_addc(b, '@');
    }
}

/* Only what says which thing it is: sha256=, subdirectory=, egg=. */
static bool is_harmless(struct ps_str member)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789"
                                "-._~/%+[],";
    struct ps_str value = member;
    struct ps_str key;

    if (!ps_str_cut(&value, '=', &key) ||
        (!ps_str_is(key, "sha256") && !ps_str_is(key, "subdirectory") &&
         !ps_str_is(key, "egg")))
        return false;
    for (size_t i = 0; i < value.len; i++)
        if (!strchr(plain, value.data[i]) || value.data[i] == '\0')
            return false;
    return true;
}

static void add_fragment(struct ps_buf *b, struct ps_str fragment)
{
    char before = '#';
    struct ps_str member;
    bool more = fragment.len > 0;

    while (more) {
        more = ps_str_cut(&fragment, '&', &member);
        if (!is_harmless(member))
            continue;
        ps_buf_addc(b, before);
        ps_buf_add(b, member.data, member.len);
        before = '&';
    }
}

/* Behind "scheme:". */
static void add_rest(struct ps_buf *b, struct ps_str scheme, struct ps_str rest)
{
    struct ps_str hidden = { .data = rest.data, .len = 0 };
    struct ps_str fragment = { .data = NULL };
    bool has_authority = ps_str_starts(rest, "//");
    size_t n = 0;

    if (has_authority) {
        ps_buf_adds(b, "//");
        rest = ps_str_skip(rest, 2);
    }
    if (has_authority &&
        ps_url_user(rest, ps_url_scheme_is_web(scheme), &hidden.len)) {
        hidden.data = rest.data;
        add_user(b, scheme, hidden);
        rest = ps_str_skip(rest, hidden.len + 1);
    } else if (!has_authority) {
        /* "https:user:password@host" is no URL, and somebody wrote it. */
        struct ps_str host = rest;

        if (ps_str_cut_last(&host, '@', &hidden))
            rest = host;
    }
    while (n < rest.len && !strchr("?#", rest.data[n]))
        n++;
    ps_buf_add(b, rest.data, n);
    fragment = ps_str_skip(rest, n);
    if (ps_str_cut(&fragment, '#', &hidden))
        add_fragment(b, fragment);
}

/* A word that is a URL begins with a scheme; "C:" and "name:" do not. */
static bool is_url(struct ps_str word, struct ps_str *scheme,
                   struct ps_str *rest)
{
    *rest = word;
    if (!ps_str_cut(rest, ':', scheme) || scheme->len == 0)
        return false;
    for (size_t i = 0; i < scheme->len; i++) {
        char c = ps_ascii_lower(scheme->data[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr("+-.", c))))
            return false;
    }
    return ps_str_starts(*rest, "//") || ps_url_scheme_is_web(*scheme);
}

static void add_word(struct ps_buf *b, struct ps_str word)
{
    struct ps_str scheme;
    struct ps_str rest;
    struct ps_str name = { .data = word.data, .len = 0 };

    /* "name@https://..." as a requirement may be written. */
    while (name.len < word.len && !strchr("@:/", word.data[name.len]))
        name.len++;
    if (name.len < word.len && word.data[name.len] == '@' &&
        is_url(ps_str_skip(word, name.len + 1), &scheme, &rest)) {
        ps_buf_add(b, name.data, name.len + 1);
        word = ps_str_skip(word, name.len + 1);
    }
    if (!is_url(word, &scheme, &rest)) {
        ps_buf_add(b, word.data, word.len);
        return;
    }
    ps_buf_add(b, scheme.data, scheme.len);
    ps_buf_addc(b, ':');
    add_rest(b, scheme, rest);
}

char *ps_url_shown(struct ps_arena *arena, const char *text)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(SIZE_MAX / 4);
    struct ps_str rest = ps_str_from(text);
    struct ps_str word;
    bool more = true;

    while (more) {
        more = ps_str_cut(&rest, ' ', &word);
        add_word(&b, word);
        if (more)
            ps_buf_addc(&b, ' ');
    }
    return ps_arena_dup(arena, ps_buf_str(&b));
}
