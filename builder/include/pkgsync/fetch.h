/*
 * Build requirements: from requirement strings to files with hashes.
 *
 * `pip download --only-binary :all:` runs with the person's own rights and
 * pip settings, so private indexes work as they do by hand.  It never runs
 * code of a package: source distributions and direct URLs other than wheels
 * are refused.  What was resolved is kept for a while by requirements,
 * interpreter and index settings.
 *
 * Blocking; any thread; processes that share the cache do no harm.
 */
#ifndef PKGSYNC_FETCH_H
#define PKGSYNC_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/cancel.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"
#include "pkgsync/json.h"
#include "pkgsync/process.h"
#include "pkgsync/python.h"

/* Where requirements come from; unset members leave it to pip's settings. */
struct ps_index {
    const char *index_url;               /* Optional */
    const char *const *extra_index_urls; /* Optional; NULL-terminated */
    const char *const *find_links;       /* Optional; NULL-terminated */
    bool no_index;
    uint64_t keep_s; /* how long a resolution is believed; 0: not at all */
};

/* One file; strings in the arena. */
struct ps_wheel_file {
    const char *name;        /* file name */
    const char *path;        /* absolute, in the cache */
    struct ps_sha256 sha256; /* of its content, checked when it was stored */
};

struct ps_wheel_set {
    const struct ps_wheel_file *files; /* by file name, byte order */
    size_t count;
};

/* Hashes of which one must be a file's; none: any file will do. */
struct ps_hash_list {
    const struct ps_sha256 *items;
    size_t count;
};
bool ps_hash_list_has(const struct ps_hash_list *list,
                      const struct ps_sha256 *sha256);

/* One request. */
struct ps_fetch {
    const char *const *requirements; /* Required; NULL-terminated */
    const struct ps_index *index;    /* Required */
    const struct ps_python *python;  /* Required */
    const char *cache_dir;           /* Required */
    bool no_deps;                    /* these alone, not what they require */
    const struct ps_cancel *cancel;  /* Optional */
    ps_sink_fn *log;                 /* Optional: what pip prints */
    void *log_user;
    const char *const *options;        /* Optional: further ones of pip's, such
                                          as --pre; for find and sdist alone */
    const struct ps_hash_list *hashes; /* Optional: one for each requirement;
                                          for find alone */
    const char **missing; /* Optional: with PS_ENOTFOUND, the requirement that
                             has no wheel, in the arena */
};

/*
 * Resolve and fetch; what is returned lives in the arena.
 *
 *   PS_EINVALID      a requirement that is not allowed here (named, with why)
 *   PS_ENOTFOUND     no wheel of a requirement on the index (named)
 *   PS_EUNREACHABLE  the index does not answer
 *   PS_EAUTH         it wants other credentials
 */
PS_MUST_USE int ps_fetch_wheels(struct ps_arena *arena,
                                const struct ps_fetch *request,
                                struct ps_wheel_set *out, struct ps_error *err);

/*
 * The source distribution of a requirement that has no wheel, fetched from the
 * same places without running any code of it; *path, in the arena, is a file
 * in the cache.  PS_ENOTFOUND when there is none either, PS_EINTEGRITY when
 * what there is has none of `hashes` (Optional).
 */
PS_MUST_USE int ps_fetch_sdist(struct ps_arena *arena,
                               const struct ps_fetch *request,
                               const char *requirement,
                               const struct ps_hash_list *hashes,
                               const char **path, struct ps_error *err);

/* A file that an index has; strings in the arena. */
struct ps_found_file {
    const char *name; /* NULL: it has none */
    const char *url;  /* without credentials */
    bool is_wheel;    /* else a source distribution */
    bool has_sha256;  /* the index gives it, or it is a local file */
    struct ps_sha256 sha256;
    int code;        /* without a name: why, if not for lack of a file:
                        PS_EUNREACHABLE, PS_EAUTH; else 0 */
    const char *why; /* with `code`: which index, and what it did */
};

/*
 * What the index would give for each requirement, which is not fetched and not
 * resolved any further.  out: as many as there are requirements.  A file that
 * has one of the hashes asked for is preferred; whether it has is for the
 * caller to look at.  An index that does not answer is no error as long as
 * another one has the file.
 */
PS_MUST_USE int ps_fetch_find(struct ps_arena *arena,
                              const struct ps_fetch *request, bool wheels_only,
                              struct ps_found_file *out, struct ps_error *err);

/* The pip that ensurepip bundles, unpacked under the cache; in the arena. */
PS_MUST_USE int ps_fetch_pip(struct ps_arena *arena,
                             const struct ps_python *python,
                             const char *cache_dir,
                             const struct ps_cancel *cancel, const char **dir,
                             struct ps_error *err);

/* Index settings as they go into keys, without credentials; caller decrefs. */
json_t *ps_index_identity(const struct ps_index *index);

/*
 * The index settings in a uv.toml: [[index]], index-url, extra-index-url,
 * find-links and no-index; keep_s is left alone.  PS_EIO with the
 * interpreter's words when the file is wrong.
 */
PS_MUST_USE int ps_uv_settings_read(struct ps_arena *arena, const char *file,
                                    const struct ps_python *python,
                                    const char *cache_dir, struct ps_index *out,
                                    struct ps_error *err);

/* [{name, sha256}...] for keys and records; caller decrefs. */
json_t *ps_wheel_set_json(const struct ps_wheel_set *set);

#endif
