/*
 * Pack a list of files into a wheel, without a back-end: what loose modules
 * (.py files beside a notebook) become.
 *
 * The version is made of the content, "0+loose.x" and 12 hexadecimal digits
 * of its digest:
 *   - an installer that finds the same version installed keeps it, and another
 *     one replaces it, which is right only when the version follows the
 *     content (pip decides by the version alone, also for a file);
 *   - release 0 is below all that an index could offer under this name, and a
 *     local label may not be uploaded to a public index;
 *   - the 'x' keeps PEP 440 from reading twelve digits as a number.
 * Such versions have no meaningful order, and need none: a wheel that was
 * built is pinned by its SHA-256.
 *
 * The same files give the same bytes: members in byte order, times of
 * 1980-01-01, modes 0644 and 0755.  Symbolic links are followed, as an
 * import would follow them.
 *
 * Blocking; any thread.
 */
#ifndef PKGSYNC_PACK_H
#define PKGSYNC_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/cancel.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"
#include "pkgsync/wheel.h"

#define PS_PACK_NAME "pkgsync-loose-modules"

struct ps_pack_file {
    const char *path; /* of a regular file; absolute */
    const char *name; /* in the wheel: "pkg/mod.py" */
};

struct ps_pack_options {
    const char *name; /* of the distribution; NULL: PS_PACK_NAME */
    const struct ps_pack_file *files; /* Required; any order */
    size_t count;                     /* at least one */
    const char *native_tag;           /* "cp311-cp311-linux_x86_64", for when a
                                         shared library is among the files;
                                         others give py3-none-any */
    const char *requires_python;      /* Optional: ">=3.11" */
    const char *cache_dir;            /* Optional: directory of stat caches, as
                                         in tree.h; is made */
    const struct ps_cancel *cancel;   /* Optional */
};

/* What the wheel of these files is, before it is written. */
struct ps_pack_plan {
    struct ps_sha256 digest; /* of the content, name, tag, requires_python */
    const char *name;
    const char *version;
    const char *file_name;
    uint64_t files_read; /* not answered by the stat cache */
};

/*
 * Digest the files; those that the stat cache knows are not opened.
 *
 *   PS_EINVALID  a name that no wheel may hold, two that would meet, a path
 *                that is no regular file, a native file without native_tag
 *   PS_EBUSY     a file changed twice while it was read
 */
PS_MUST_USE int ps_pack_plan(struct ps_arena *arena,
                             const struct ps_pack_options *options,
                             struct ps_pack_plan *out, struct ps_error *err);

/*
 * Write and verify the wheel.  It lands in the directory `out_dir` (a
 * descriptor, borrowed) under its own name, complete or not at all.  Files
 * that were edited since a plan was made give another version: compare.
 * Each file is read once, and fills the stat cache.  Errors as above.
 */
PS_MUST_USE int ps_pack_wheel(struct ps_arena *arena,
                              const struct ps_pack_options *options,
                              int out_dir, struct ps_wheel_info *out,
                              struct ps_error *err);

#endif
