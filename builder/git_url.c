/* URLs: pip's `git+...`, what is cloned, and what may be shown. */
#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <unistd.h>

#include "git_private.h"

#define URL_MAX 4096

/* The pieces of one text, before any of them is judged. */
struct parts {
    struct ps_str scheme; /* empty for a plain path */
    struct ps_str user;   /* with the password; empty when absent */
    struct ps_str host;   /* with the port */
    struct ps_str path;
    bool has_user;
};

static bool equal_nocase(struct ps_str s, const char *z)
{
    return s.len == strlen(z) && strncasecmp(s.data, z, s.len) == 0;
}

static enum ps_git_scheme scheme_of(struct ps_str name)
{
    if (equal_nocase(name, "http") || equal_nocase(name, "https"))
        return PS_GIT_HTTP;
    if (equal_nocase(name, "ssh"))
        return PS_GIT_SSH;
    if (equal_nocase(name, "git"))
        return PS_GIT_DAEMON;
    if (equal_nocase(name, "file"))
        return PS_GIT_FILE;
    return PS_GIT_OTHER;
}

static char *lower(struct ps_arena *arena, struct ps_str s)
{
    char *z = ps_arena_dup(arena, s);

    for (char *c = z; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return z;
}

/* %41 becomes A; what is no escape stays.  A control byte is refused, since
 * it would reach a command line or another protocol's line. */
static int decode(struct ps_arena *arena, struct ps_str s, char **out,
                  struct ps_error *err)
{
    char *z = ps_arena_alloc(arena, s.len + 1, 1);
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];

        if (c == '%' && i + 2 < s.len &&
            isxdigit((unsigned char)s.data[i + 1]) &&
            isxdigit((unsigned char)s.data[i + 2])) {
            char hex[3] = { s.data[i + 1], s.data[i + 2], '\0' };

            c = (unsigned char)strtoul(hex, NULL, 16);
            i += 2;
        }
        if (c < 0x20 || c == 0x7f)
            return ps_fail(err, PS_EINVALID,
                           "a control character is not allowed in a git URL");
        z[n++] = (char)c;
    }
    *out = z;
    return PS_OK;
}

/* Find `sep` in s; everything after it goes to *after. */
static bool split(struct ps_str s, const char *sep, struct ps_str *before,
                  struct ps_str *after)
{
    const char *hit = s.len ? memmem(s.data, s.len, sep, strlen(sep)) : NULL;

    if (!hit)
        return false;
    *before = ps_str_first(s, (size_t)(hit - s.data));
    *after = ps_str_skip(s, (size_t)(hit - s.data) + strlen(sep));
    return true;
}

static int refuse_scp_form(struct ps_str text, struct ps_error *err)
{
    struct ps_str path = text;
    struct ps_str host = { 0 };
    const char *at = text.len ? memchr(text.data, '@', text.len) : NULL;

    /* What stands between ':' and '@' may be a password. */
    if (at && memchr(text.data, ':', (size_t)(at - text.data)))
        return ps_fail(err, PS_EINVALID,
                       "a git URL without a scheme; write git+https://, "
                       "git+ssh:// or git+file://");
    if (ps_str_cut(&path, ':', &host) && host.len > 0 &&
        !memchr(host.data, '/', host.len))
        return ps_fail(err, PS_EINVALID,
                       "git URL '%.*s': the form HOST:PATH is not a URL; "
                       "write 'git+ssh://%.*s/%.*s'",
                       PS_STR_FMT(text), PS_STR_FMT(host), PS_STR_FMT(path));
    return ps_fail(err, PS_EINVALID,
                   "git URL '%.*s' has no scheme; write git+https://, "
                   "git+ssh:// or git+file://",
                   PS_STR_FMT(text));
}

static int split_parts(struct ps_str text, struct parts *p,
                       struct ps_error *err)
{
    struct ps_str rest = { 0 };
    size_t end = 0;

    *p = (struct parts){ 0 };
    if (ps_str_starts(text, "/")) {
        p->path = text;
        return PS_OK;
    }
    if (ps_str_starts(text, "file:/") && !ps_str_starts(text, "file://")) {
        p->scheme = ps_str_first(text, 4);
        p->path = ps_str_skip(text, 5);
        return PS_OK;
    }
    if (!split(text, "://", &p->scheme, &rest) || p->scheme.len == 0 ||
        memchr(p->scheme.data, '/', p->scheme.len))
        return refuse_scp_form(text, err);

    while (end < rest.len && rest.data[end] != '/' && rest.data[end] != '?')
        end++;
    p->host = ps_str_first(rest, end);
    p->path = ps_str_skip(rest, end);
    rest = p->host;
    p->has_user = ps_str_cut_last(&rest, '@', &p->user);
    if (p->has_user)
        p->host = rest;
    else
        p->user = (struct ps_str){ 0 };
    return PS_OK;
}

/* ssh://git@host:owner/repo is what people write for git@host:owner/repo. */
static int refuse_mixed_form(const struct parts *p, struct ps_str port,
                             struct ps_error *err)
{
    struct ps_str path = p->host;
    struct ps_str password = p->user;
    struct ps_str host = { 0 };
    struct ps_str user = { 0 };

    (void)ps_str_cut(&path, ':', &host);
    (void)ps_str_cut(&password, ':', &user);
    (void)ps_fail(err, PS_EINVALID, "git URL: '%.*s' is not a port",
                  PS_STR_FMT(port));
    return ps_hint(err,
                   "with ssh:// the path follows a slash: "
                   "'git+ssh://%.*s%s%.*s/%.*s%.*s'",
                   PS_STR_FMT(user), p->has_user ? "@" : "", PS_STR_FMT(host),
                   PS_STR_FMT(path), PS_STR_FMT(p->path));
}

static int check_port(struct ps_str port, const struct parts *p,
                      struct ps_error *err)
{
    struct ps_error ignored = PS_ERROR_INIT;
    uint64_t number = 0;

    if (ps_str_to_u64(port, 65535, &number, &ignored) == PS_OK && number > 0)
        return PS_OK;
    if (equal_nocase(p->scheme, "ssh"))
        return refuse_mixed_form(p, port, err);
    return ps_fail(err, PS_EINVALID, "git URL: '%.*s' is not a port",
                   PS_STR_FMT(port));
}

static int split_port(const struct parts *p, struct ps_str *host,
                      struct ps_str *port, struct ps_error *err)
{
    const char *colon = NULL;
    size_t search = 0;

    *host = p->host;
    *port = (struct ps_str){ 0 };
    if (ps_str_starts(*host, "[")) {
        const char *close =
            host->len ? memchr(host->data, ']', host->len) : NULL;

        if (!close)
            return ps_fail(err, PS_EINVALID,
                           "git URL: '%.*s' lacks its closing bracket",
                           PS_STR_FMT(p->host));
        search = (size_t)(close - host->data);
    }
    if (host->len > search)
        colon = memchr(host->data + search, ':', host->len - search);
    if (!colon)
        return PS_OK;
    *port = ps_str_skip(*host, (size_t)(colon - host->data) + 1);
    *host = ps_str_first(*host, (size_t)(colon - host->data));
    return check_port(*port, p, err);
}

static int check_host(const char *host, struct ps_error *err)
{
    if (host[0] == '\0')
        return ps_fail(err, PS_EINVALID, "git URL without a host");
    /* ssh would take it for an option (CVE-2017-1000117). */
    if (host[0] == '-')
        return ps_fail(err, PS_EINVALID,
                       "git URL: a host may not begin with '-': '%s'", host);
    for (const char *c = host; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-._:[]", *c) &&
            (unsigned char)*c < 0x80)
            return ps_fail(err, PS_EINVALID,
                           "git URL: '%c' is not allowed in the host '%s'", *c,
                           host);
    return PS_OK;
}

static int address_user(struct ps_arena *arena, const struct parts *p,
                        struct ps_git_address *out, struct ps_error *err)
{
    struct ps_str password = p->user;
    struct ps_str user = { 0 };
    bool has_password = false;
    char *name = NULL;

    if (!p->has_user)
        return PS_OK;
    has_password = ps_str_cut(&password, ':', &user);
    if (decode(arena, user, &name, err) < 0 ||
        (has_password && decode(arena, password, &out->password, err) < 0))
        return err->code;
    out->user = name;
    if (out->scheme == PS_GIT_SSH && ps_str_starts(ps_str_from(name), "-"))
        return ps_fail(err, PS_EINVALID,
                       "git URL: a user may not begin with '-': '%s'",
                       out->user);
    return PS_OK;
}

/* file:// has neither user nor port, and a host only if it is this one. */
static int check_file(const struct parts *p, struct ps_str host,
                      struct ps_str port, struct ps_error *err)
{
    if (p->has_user || port.len > 0 ||
        (host.len > 0 && !equal_nocase(host, "localhost")))
        return ps_fail(err, PS_EINVALID,
                       "git URL: file:// names a path of this machine; write "
                       "file:///%.*s",
                       PS_STR_FMT(ps_str_skip(p->path, 1)));
    if (!ps_str_starts(p->path, "/"))
        return ps_fail(err, PS_EINVALID,
                       "git URL: file:// needs an absolute path");
    return PS_OK;
}

static int check_remote(const struct parts *p, const char *host,
                        struct ps_error *err)
{
    if (p->path.len < 2)
        return ps_fail(err, PS_EINVALID,
                       "git URL names a host but no repository");
    return check_host(host, err);
}

static int address_from_parts(struct ps_arena *arena, const struct parts *p,
                              struct ps_git_address *out, struct ps_error *err)
{
    struct ps_str host = { 0 };
    struct ps_str port = { 0 };
    bool is_path = p->scheme.len == 0;
    int rc = 0;

    *out = (struct ps_git_address){ .host = ps_arena_strdup(arena, "") };
    out->scheme = is_path ? PS_GIT_FILE : scheme_of(p->scheme);
    if (out->scheme == PS_GIT_OTHER)
        return ps_fail(err, PS_EINVALID,
                       "git URL: unknown scheme '%.*s'; known are https, "
                       "http, ssh, git and file",
                       PS_STR_FMT(p->scheme));
    if (address_user(arena, p, out, err) < 0 ||
        split_port(p, &host, &port, err) < 0)
        return err->code;
    out->host = lower(arena, host);
    rc = out->scheme == PS_GIT_FILE ? check_file(p, host, port, err)
                                    : check_remote(p, out->host, err);
    if (rc < 0)
        return rc;
    if (port.len > 0)
        out->port = ps_arena_dup(arena, port);
    out->path = ps_arena_dup(arena, p->path);
    if (out->scheme != PS_GIT_HTTP && !is_path &&
        decode(arena, p->path, &out->path, err) < 0)
        return err->code;
    out->bare =
        is_path
            ? out->path
            : ps_arena_format(arena, "%s://%s%s%s%.*s", lower(arena, p->scheme),
                              out->host, out->port ? ":" : "",
                              out->port ? out->port : "", PS_STR_FMT(p->path));
    return PS_OK;
}

int ps_git_address_parse(struct ps_arena *arena, const char *url,
                         struct ps_git_address *out, struct ps_error *err)
{
    const char *colon = strchr(url, ':');
    const char *slash = strchr(url, '/');
    struct parts p = { 0 };

    /* insteadOf rules may yield git@host:path. */
    if (!strstr(url, "://") && url[0] != '/' && colon &&
        (!slash || colon < slash) && strncmp(url, "file:/", 6) != 0) {
        const char *path = colon[1] == '/' ? colon + 1 : colon;
        char *full = ps_arena_format(arena, "ssh://%.*s/%s", (int)(colon - url),
                                     url, path + 1);

        if (split_parts(ps_str_from(full), &p, err) < 0 ||
            address_from_parts(arena, &p, out, err) < 0)
            return err->code;
        /* Relative to the login directory, unlike ssh://host/path. */
        out->path = ps_arena_strdup(arena, colon + 1);
        return PS_OK;
    }
    if (split_parts(ps_str_from(url), &p, err) < 0)
        return err->code;
    return address_from_parts(arena, &p, out, err);
}

/* "rev" of ".../path@rev"; as pip, at the last '@' of the path. */
static int take_rev(struct ps_arena *arena, struct parts *p, const char **rev,
                    struct ps_error *err)
{
    struct ps_str after = p->path;
    struct ps_str before = { 0 };

    *rev = NULL;
    /* A directory whose own name has an '@' is no revision. */
    if (p->scheme.len == 0 && access(ps_arena_dup(arena, p->path), F_OK) == 0)
        return PS_OK;
    if (!ps_str_cut_last(&after, '@', &before))
        return PS_OK;
    if (after.len == 0)
        return ps_fail(err, PS_EINVALID,
                       "git URL: nothing follows the '@'; name a branch, tag "
                       "or commit, or leave the '@' out");
    if (after.data[0] == '-')
        return ps_fail(err, PS_EINVALID,
                       "git URL: a revision may not begin with '-': '%.*s'",
                       PS_STR_FMT(after));
    for (size_t i = 0; i < after.len; i++)
        if (strchr("~^:?*[\\", after.data[i]))
            return ps_fail(err, PS_EINVALID,
                           "git URL: '%c' is not allowed in the revision "
                           "'%.*s'; name a branch, tag or commit",
                           after.data[i], PS_STR_FMT(after));
    p->path = before;
    *rev = ps_arena_dup(arena, after);
    return PS_OK;
}

/* "a/b" of "./a//b/": no "..", not absolute; "" and "." are the root. */
static int take_subdirectory(struct ps_arena *arena, struct ps_str value,
                             const char **out, struct ps_error *err)
{
    char *clean = ps_arena_alloc(arena, value.len + 1, 1);
    struct ps_str rest = value;
    size_t n = 0;

    if (ps_str_starts(value, "/") ||
        (value.len > 0 && memchr(value.data, '\\', value.len)))
        return ps_fail(err, PS_EINVALID,
                       "git URL: subdirectory '%.*s' must be relative, with "
                       "forward slashes",
                       PS_STR_FMT(value));
    while (rest.len > 0) {
        struct ps_str part = { 0 };

        (void)ps_str_cut(&rest, '/', &part);
        if (ps_str_is(part, ".."))
            return ps_fail(err, PS_EINVALID,
                           "git URL: subdirectory '%.*s' leaves the "
                           "repository",
                           PS_STR_FMT(value));
        if (part.len == 0 || ps_str_is(part, "."))
            continue;
        if (n > 0)
            clean[n++] = '/';
        for (size_t i = 0; i < part.len; i++)
            clean[n++] = part.data[i];
    }
    *out = n > 0 ? clean : NULL;
    return PS_OK;
}

/* As pip: the first of each name counts, others are ignored. */
static int take_fragment(struct ps_arena *arena, struct ps_str fragment,
                         struct ps_git_url *out, struct ps_error *err)
{
    bool has_subdirectory = false;

    while (fragment.len > 0) {
        struct ps_str item = { 0 };
        struct ps_str value = { 0 };
        struct ps_str key = { 0 };

        (void)ps_str_cut(&fragment, '&', &item);
        value = item;
        if (!ps_str_cut(&value, '=', &key) || value.len == 0)
            continue;
        if (ps_str_is(key, "egg") && !out->egg)
            out->egg = ps_arena_dup(arena, value);
        if (!ps_str_is(key, "subdirectory") || has_subdirectory)
            continue;
        has_subdirectory = true;
        if (take_subdirectory(arena, value, &out->subdirectory, err) < 0)
            return err->code;
    }
    return PS_OK;
}

/* The name that logs in over ssh is part of the address (git@host); over
 * http it may be a token, so it is never shown. */
static void finish(struct ps_arena *arena, const struct parts *p,
                   const struct ps_git_address *address, struct ps_git_url *out)
{
    const char *tail = NULL;

    assert(address->bare);
    tail = strstr(address->bare, "://");
    out->display = address->bare;
    out->url = address->bare;
    if (!tail || !p->has_user)
        return;
    out->url =
        ps_arena_format(arena, "%.*s%.*s@%s", (int)(tail + 3 - address->bare),
                        address->bare, PS_STR_FMT(p->user), tail + 3);
    if (address->scheme != PS_GIT_HTTP && address->user[0] != '\0') {
        struct ps_str password = p->user;
        struct ps_str user = { 0 };

        (void)ps_str_cut(&password, ':', &user);
        out->display = ps_arena_format(
            arena, "%.*s%.*s@%s", (int)(tail + 3 - address->bare),
            address->bare, PS_STR_FMT(user), tail + 3);
    }
}

static int check_bytes(struct ps_str text, struct ps_error *err)
{
    if (text.len == 0 || !text.data)
        return ps_fail(err, PS_EINVALID, "empty git URL");
    if (text.len > URL_MAX)
        return ps_fail(err, PS_ETOOBIG, "git URL of more than %d bytes",
                       URL_MAX);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c < 0x20 || c == 0x7f)
            return ps_fail(err, PS_EINVALID,
                           "a control character is not allowed in a git URL");
        if (c == ' ' && text.data[0] != '/')
            return ps_fail(err, PS_EINVALID,
                           "a blank is not allowed in a git URL; write %%20");
    }
    return PS_OK;
}

int ps_git_url_parse(struct ps_arena *arena, struct ps_str text,
                     struct ps_git_url *out, struct ps_error *err)
{
    struct ps_git_url url = { 0 };
    struct ps_git_address address = { 0 };
    struct ps_str fragment = ps_str_trim(text);
    struct ps_str body = { 0 };
    struct parts p = { 0 };

    if (check_bytes(fragment, err) < 0)
        return err->code;
    if (ps_str_starts(fragment, "git+"))
        fragment = ps_str_skip(fragment, 4);
    (void)ps_str_cut(&fragment, '#', &body);
    if (body.len == 0)
        return ps_fail(err, PS_EINVALID, "empty git URL");
    if (split_parts(body, &p, err) < 0 ||
        take_rev(arena, &p, &url.rev, err) < 0)
        return err->code;
    while (p.path.len > 1 && p.path.data[p.path.len - 1] == '/')
        p.path.len--;
    if (address_from_parts(arena, &p, &address, err) < 0 ||
        take_fragment(arena, fragment, &url, err) < 0)
        return err->code;
    finish(arena, &p, &address, &url);
    *out = url;
    return PS_OK;
}

int ps_git_url_join(struct ps_arena *arena, const char *parent,
                    const char *relative, char **out, struct ps_error *err)
{
    char *base = ps_arena_strdup(arena, parent);
    const char *authority = strstr(base, "://");
    const char *rel = relative;
    char *root = base;

    /* Never above the root of the path. */
    if (authority) {
        root = strchr(authority + 3, '/');
        if (!root)
            return ps_fail(err, PS_EINVALID,
                           "relative URL '%s' has nothing to start from",
                           relative);
    }
    for (;;) {
        char *slash = NULL;

        if (strncmp(rel, "./", 2) == 0) {
            rel += 2;
            continue;
        }
        if (strncmp(rel, "../", 3) != 0)
            break;
        rel += 3;
        slash = strrchr(root, '/');
        if (!slash || slash[1] == '\0')
            return ps_fail(err, PS_EINVALID,
                           "relative URL '%s' leaves the host of '%s'",
                           relative, parent);
        *slash = '\0';
    }
    if (strstr(rel, "/../") || strcmp(rel, "..") == 0)
        return ps_fail(err, PS_EINVALID, "relative URL '%s' is not plain",
                       relative);
    *out = ps_arena_format(arena, "%s/%s", base, rel);
    return PS_OK;
}
