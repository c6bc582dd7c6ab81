/*
 * Where a distribution was installed from (PEP 610, with PEP 660's editables
 * and the fields that pip, uv, Poetry and PDM really write).  Any thread.
 */
#ifndef PKGSYNC_DIRECT_URL_H
#define PKGSYNC_DIRECT_URL_H

#include <stdbool.h>

#include "pkgsync/arena.h"
#include "pkgsync/error.h"
#include "pkgsync/str.h"

enum ps_direct_kind {
    PS_DIRECT_NONE, /* no direct_url.json: from an index */
    PS_DIRECT_VCS,
    PS_DIRECT_ARCHIVE,
    PS_DIRECT_DIR,
};

/* Strings in the arena of the parse; NULL when absent. */
struct ps_direct_url {
    enum ps_direct_kind kind;
    const char *url;  /* without credentials, but for what PEP 610 allows:
                         ${VARIABLE} and the user "git" */
    const char *path; /* of a file: URL, percent-decoded; absolute */
    const char *subdirectory;
    bool editable;   /* DIR */
    const char *vcs; /* "git", "hg", "bzr", "svn" */
    const char *requested_revision;
    const char *commit;
    const char *sha256; /* of an archive: hex, from `hash` or `hashes` */
};

/*
 * Parse the document.  PS_EINVALID says what is wrong with it: exactly one
 * info block, its required members, types, a URL that is none.  A vcs_info
 * without commit_id is accepted (old uv wrote it) with `commit` NULL.
 */
PS_MUST_USE int ps_direct_url_parse(struct ps_arena *arena, struct ps_str json,
                                    struct ps_direct_url *out,
                                    struct ps_error *err);

/*
 * A text as it may be shown or written down: the URLs in it (words between
 * blanks) have no query, no fragment but sha256=, subdirectory= and egg=, and
 * no user but "git", users of ssh without a password, and ${VARIABLE}.  In the
 * arena.
 */
char *ps_url_shown(struct ps_arena *arena, const char *text);

/*
 * What installs it again: with its query, so never to be shown:
 * "git+https://host/repo@commit#subdirectory=x",
 * "https://host/x.whl#sha256=...", "/path"; in the arena.
 */
char *ps_direct_url_requirement(struct ps_arena *arena,
                                const struct ps_direct_url *d);

#endif
