/*
 * Source trees of a person: which files belong, their digest, their copy.
 *
 * The digest covers, for every file that belongs, its path, kind, executable
 * bit, and content (or link target), in byte order of the paths, and the
 * state of `.git` (git.h), never the bytes of `.git`.  Times and other modes
 * do not count.
 *
 * Left out: `__pycache__`, `*.pyc`, virtual environments (`pyvenv.cfg`),
 * .tox .nox .mypy_cache .pytest_cache .ruff_cache .hypothesis
 * .ipynb_checkpoints, node_modules; `build/` and `dist/` beside a
 * pyproject.toml or setup.py, unless they are packages (`__init__.py`);
 * `*.egg-info` at the same place and in `src/` there; the stat caches
 * themselves.  Files that git ignores and empty directories are kept.
 * Include and exclude patterns change that; include wins.  To bring back
 * something from inside a directory that is left out takes a pattern with a
 * '/', or one that names the directory.
 *
 * A stat cache (path, size, mtime, ctime, inode, mode -> SHA-256) lets an
 * unchanged tree be digested without opening a file; an entry younger than
 * the cache's own clock is not believed (the racy-git rule).  A cache that
 * cannot be read or written is done without.
 *
 * A link that leaves the tree, a socket, a device, a FIFO: PS_EINVALID that
 * names it.  Blocking; any thread.
 */
#ifndef PKGSYNC_TREE_H
#define PKGSYNC_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "pkgsync/cancel.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"

#define PS_TREE_MAX_FILES 1000000u
#define PS_TREE_MAX_BYTES (UINT64_C(64) << 30)

struct ps_tree_options {
    const char *const *include; /* Optional; NULL-terminated; fnmatch(3) with
                                   FNM_PATHNAME against the relative path, a
                                   pattern without '/' against the name; a
                                   '/' at its end is ignored, "./a" and "/a"
                                   are `a` at the root */
    const char *const *exclude; /* Optional; the same */
    const char *cache_dir;      /* Optional: directory of stat caches, one
                                   file a tree; is made.  NULL: no cache */
};

struct ps_tree_info {
    struct ps_sha256 digest;
    uint64_t files; /* and links */
    uint64_t bytes;
    uint64_t files_read;   /* not answered by the cache */
    int64_t commit_time_s; /* of HEAD; 0 without a repository */
    char commit[41];       /* of HEAD; "" without a repository */
};

/* Digest the tree at `root` without copying it. */
PS_MUST_USE int ps_tree_digest(const char *root,
                               const struct ps_tree_options *options,
                               const struct ps_cancel *cancel,
                               struct ps_tree_info *out, struct ps_error *err);

/*
 * Copy what belongs into the empty directory `dest`, digesting what was
 * written; `.git` becomes a usable repository.  Modes become 0644 or 0755.
 * A file that changes while it is read is read again, three times at most,
 * then PS_EBUSY.  The digest is that of the copy.
 */
PS_MUST_USE int ps_tree_copy(const char *root,
                             const struct ps_tree_options *options,
                             const struct ps_cancel *cancel, const char *dest,
                             struct ps_tree_info *out, struct ps_error *err);

#endif
