/*
 * Sources: what a person names, from its text to a tree that can be built.
 *
 *   ./mypkg, /p/mypkg, .           a directory (an editable install's, if one
 *                                  is found there)
 *   mypkg                          an editable install of the environment
 *   git+https://..., git+ssh://... a git repository (git.h); also git+file://
 *   ./repo.git, /p/bare            a bare repository by plain path
 *   ./pkg-1.0.tar.gz, .zip         an sdist
 *   https://host/pkg-1.0.tar.gz    an sdist by URL, `#sha256=` believed
 *
 * Resolving is cheap (no copy, no build) and gives the digest that keys are
 * made of; materializing gives the job its own copy and checks that it is
 * still the same.  Blocking; any thread.
 */
#ifndef PKGSYNC_SOURCE_H
#define PKGSYNC_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/build.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"
#include "pkgsync/git.h"
#include "pkgsync/json.h"
#include "pkgsync/python.h"
#include "pkgsync/tree.h"

enum ps_source_kind {
    PS_SOURCE_DIRECTORY,
    PS_SOURCE_EDITABLE,
    PS_SOURCE_GIT,
    PS_SOURCE_SDIST,
    PS_SOURCE_SDIST_URL,
};
const char *ps_source_kind_name(enum ps_source_kind kind); /* "git", ... */

/* Strings live in the arena of the parse. */
struct ps_source {
    enum ps_source_kind kind;
    const char *given; /* as typed, without credentials */
    const char *path;  /* absolute: DIRECTORY, EDITABLE, SDIST */
    const char *url;   /* SDIST_URL */
    struct ps_git_url git;
    const char *name;         /* EDITABLE: the distribution; else NULL */
    const char *subdirectory; /* of the project; NULL: the root */
    bool has_sha256;          /* of an sdist: it must hash to this */
    struct ps_sha256 sha256;
};

/*
 * Parse one argument.  cwd: absolute directory that relative paths start from.
 * Looks at the file system and at the environment's installed distributions,
 * never at the network.
 *
 *   PS_ENOTFOUND  neither a path nor an editable install (says what was
 *                 looked for, and that index names are not built)
 *   PS_EINVALID   a malformed URL, a file that is no sdist
 */
PS_MUST_USE int ps_source_parse(struct ps_arena *arena, const char *text,
                                const char *cwd, const struct ps_python *python,
                                struct ps_source *out, struct ps_error *err);

/* What fetching needs beside the build's own settings. */
struct ps_source_context {
    const struct ps_build *build;     /* runner, interpreter, cache, cancel */
    const char *const *include;       /* Optional: beside [tool.pkgsync] */
    const char *const *exclude;       /* Optional */
    bool offline;                     /* Optional: no network */
    ps_git_progress_fn *git_progress; /* Optional */
    void *git_user;
    /* Required for SDIST_URL: fetch a URL to a descriptor, within a limit. */
    int (*download)(const char *url, int fd, uint64_t max_bytes,
                    const struct ps_cancel *cancel, void *user,
                    struct ps_error *err);
    void *download_user;
};

struct ps_resolved {
    struct ps_sha256 digest; /* of what will be built */
    const char *commit;      /* git, or HEAD of a directory; NULL */
    int64_t time_s;          /* of the commit; 0: none */
    struct ps_git_commit git;
    const char *archive; /* sdists: the file, in place or in the cache */
    uint64_t files;      /* directories: how many, and how many of them */
    uint64_t files_read; /*   the stat cache did not answer for */
};

PS_MUST_USE int ps_source_resolve(struct ps_arena *arena,
                                  const struct ps_source *source,
                                  const struct ps_source_context *context,
                                  struct ps_resolved *out,
                                  struct ps_error *err);

/*
 * Put the source into the empty directory `dest`.  PS_EBUSY when it is no
 * longer what was resolved: resolve it anew.
 */
PS_MUST_USE int ps_source_materialize(struct ps_arena *arena,
                                      const struct ps_source *source,
                                      const struct ps_resolved *resolved,
                                      const struct ps_source_context *context,
                                      const char *dest, struct ps_error *err);

/* For keys, job specs and records: no credentials; caller decrefs. */
json_t *ps_source_json(const struct ps_source *source);

/* The project root of an editable install of this name; *path NULL if there
 * is none.  PEP 610 direct_url.json; name by PEP 503. */
PS_MUST_USE int ps_editable_find(struct ps_arena *arena,
                                 const struct ps_python *python,
                                 const char *name, const char **path,
                                 struct ps_error *err);

/* The name of the editable install whose project root this is; NULL. */
const char *ps_editable_at(struct ps_arena *arena,
                           const struct ps_python *python, const char *path);

#endif
