#include <string.h>

#include "direct_url_private.h"

#include "pkgsync/buf.h"

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Case means nothing in schemes and hosts. */
static bool is_nocase(struct ps_str s, const char *z)
{
    return s.len == strlen(z) &&
           (s.len == 0 || strncasecmp(s.data, z, s.len) == 0);
}

static bool is_scheme(struct ps_str s)
{
    if (s.len == 0 || !is_alpha(s.data[0]))
        return false;
    for (size_t i = 1; i < s.len; i++)
        if (!is_alpha(s.data[i]) && !is_digit(s.data[i]) &&
            !strchr("+-.", s.data[i]))
            return false;
    return true;
}

/* Bytes up to the first of `stop`, or all. */
static struct ps_str take_until(struct ps_str *rest, const char *stop)
{
    size_t n = 0;
    struct ps_str head = { 0 };

    while (n < rest->len && !strchr(stop, rest->data[n]))
        n++;
    head = ps_str_first(*rest, n);
    *rest = ps_str_skip(*rest, n);
    return head;
}

int ps_url_split(struct ps_str text, struct ps_url_parts *out,
                 struct ps_error *err)
{
    struct ps_url_parts u = { 0 };
    struct ps_str rest = text;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c < 0x20 || c == 0x7f)
            return ps_fail(err, PS_EINVALID,
                           "a control character in the URL, at byte %zu",
                           i + 1);
    }
    if (!ps_str_cut(&rest, ':', &u.scheme) || !is_scheme(u.scheme))
        return ps_fail(err, PS_EINVALID,
                       "the URL has no scheme (expected one such as "
                       "'https://...' or 'file:///...')");
    if (ps_str_starts(rest, "//")) {
        size_t user = 0;

        rest = ps_str_skip(rest, 2);
        u.has_authority = true;
        u.has_user = ps_url_user(rest, ps_url_scheme_is_web(u.scheme), &user);
        if (u.has_user) {
            u.user = ps_str_first(rest, user);
            rest = ps_str_skip(rest, user + 1);
        }
        u.host = take_until(&rest, "/?#");
    }
    u.path = take_until(&rest, "?#");
    if (ps_str_starts(rest, "?")) {
        rest = ps_str_skip(rest, 1);
        u.query = take_until(&rest, "#");
    }
    u.fragment = ps_str_skip(rest, 1);
    *out = u;
    return PS_OK;
}

/* ${NAME} */
static bool is_variable(struct ps_str s)
{
    if (s.len < 4 || !ps_str_starts(s, "${") || !ps_str_ends(s, "}"))
        return false;
    for (size_t i = 2; i + 1 < s.len; i++)
        if (!is_alpha(s.data[i]) && !is_digit(s.data[i]) && s.data[i] != '_' &&
            s.data[i] != '-')
            return false;
    return true;
}

/* What PEP 610 lets stand: names of variables, and the user that every git
 * host has. */
static bool is_harmless(struct ps_str user)
{
    struct ps_str password = user;
    struct ps_str name = { 0 };

    if (ps_str_is(user, "git"))
        return true;
    return ps_str_cut(&password, ':', &name)
               ? is_variable(name) && is_variable(password)
               : is_variable(user);
}

/* A blank would end the URL for whoever reads it in a requirement. */
static void add_encoded(struct ps_buf *b, struct ps_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] == ' ')
            ps_buf_adds(b, "%20");
        else
            ps_buf_addc(b, s.data[i]);
    }
}

char *ps_url_without_credentials(struct ps_arena *arena,
                                 const struct ps_url_parts *u)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(SIZE_MAX / 4);

    for (size_t i = 0; i < u->scheme.len; i++)
        ps_buf_addc(&b, ps_ascii_lower(u->scheme.data[i]));
    ps_buf_addc(&b, ':');
    if (u->has_authority || ps_url_is_file(u))
        ps_buf_adds(&b, "//");
    if (u->has_user && is_harmless(u->user)) {
        add_encoded(&b, u->user);
        ps_buf_addc(&b, '@');
    }
    add_encoded(&b, u->host);
    add_encoded(&b, u->path);
    if (u->query.len > 0) {
        ps_buf_addc(&b, '?');
        add_encoded(&b, u->query);
    }
    if (u->fragment.len > 0) {
        ps_buf_addc(&b, '#');
        add_encoded(&b, u->fragment);
    }
    return ps_arena_dup(arena, ps_buf_str(&b));
}

bool ps_url_is_file(const struct ps_url_parts *u)
{
    return is_nocase(u->scheme, "file");
}

/* /C:/dir, /C|/dir */
static bool has_drive(const char *path)
{
    return path[0] == '/' && is_alpha(path[1]) &&
           (path[2] == ':' || path[2] == '|') &&
           (path[3] == '/' || path[3] == '\\' || path[3] == '\0');
}

/* %41 becomes A; what is no escape stays, as browsers and Python have it.
 * NULL: there is a control character, NUL included. */
static char *decode(struct ps_arena *arena, struct ps_str s)
{
    char *z = ps_arena_alloc(arena, s.len + 1, 1);
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];

        if (c == '%' && i + 2 < s.len && ps_hex_digit(s.data[i + 1]) >= 0 &&
            ps_hex_digit(s.data[i + 2]) >= 0) {
            c = (unsigned char)(ps_hex_digit(s.data[i + 1]) * 16 +
                                ps_hex_digit(s.data[i + 2]));
            i += 2;
        }
        if (c < 0x20 || c == 0x7f)
            return NULL;
        z[n++] = (char)c;
    }
    return z;
}

int ps_url_file_path(struct ps_arena *arena, const struct ps_url_parts *u,
                     char **out, struct ps_error *err)
{
    char *path = NULL;
    size_t len = 0;

    if (!ps_str_starts(u->path, "/"))
        return ps_fail(err, PS_EINVALID,
                       "the file URL is not absolute (expected "
                       "'file:///...')");
    if (u->host.len > 0 && !is_nocase(u->host, "localhost"))
        return ps_fail(err, PS_EINVALID,
                       "the file URL is on another host, '%.*s'; only paths "
                       "of this machine can be read",
                       PS_STR_FMT(ps_str_first(u->host, 100)));
    path = decode(arena, u->path);
    if (!path)
        return ps_fail(err, PS_EINVALID,
                       "a control character in the path of the file URL");
    while (path[0] == '/' && path[1] == '/')
        path++;
    if (has_drive(path))
        return ps_fail(err, PS_EINVALID,
                       "'%.100s' is a path of Windows, which does not exist "
                       "here",
                       path);
    len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    *out = path;
    return PS_OK;
}
