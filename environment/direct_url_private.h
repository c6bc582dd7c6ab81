/*
 * What the parts of direct_url.h's implementation share.
 *
 *   direct_url      the document, and what installs it again
 *   direct_url_url  URLs: their parts, credentials, local paths
 *   url_shown       URLs as they may be shown
 */
#ifndef PKGSYNC_DIRECT_URL_PRIVATE_H
#define PKGSYNC_DIRECT_URL_PRIVATE_H

#include "pkgsync/direct_url.h"

/* RFC 3986's parts of a URL, unjudged. */
struct ps_url_parts {
    struct ps_str scheme; /* without ':' */
    bool has_authority;
    struct ps_str user; /* with the password; empty when absent */
    bool has_user;
    struct ps_str host; /* with the port */
    struct ps_str path;
    struct ps_str query;    /* without '?' */
    struct ps_str fragment; /* without '#' */
};

/* PS_EINVALID: no scheme, or a character that no URL may have. */
PS_MUST_USE int ps_url_split(struct ps_str text, struct ps_url_parts *out,
                             struct ps_error *err);

/* The URL without credentials; in the arena. */
char *ps_url_without_credentials(struct ps_arena *arena,
                                 const struct ps_url_parts *u);

/*
 * Whether `rest`, behind "scheme://", begins with a user, and how long that
 * is, without its '@'.  A password that was written as it is may have '/', '?'
 * and '#' in it (web schemes only: in others '@' belongs to paths).
 */
bool ps_url_user(struct ps_str rest, bool is_web, size_t *len);

/* http, https, and those with "git+" before them. */
bool ps_url_scheme_is_web(struct ps_str scheme);

bool ps_url_is_file(const struct ps_url_parts *u);

/* The local path that a file: URL names, without a '/' at its end. */
PS_MUST_USE int ps_url_file_path(struct ps_arena *arena,
                                 const struct ps_url_parts *u, char **out,
                                 struct ps_error *err);

#endif
