/*
 * Source distributions: unpack an archive that somebody else made.
 *
 * .tar.gz (.tgz), .tar.bz2 (.tbz), .tar.xz (.txz), .tar.zst, .tar and .zip,
 * through libarchive; a tar's stream is read to its own end, checksum included.
 * Every member is checked before it is written: relative path without ".."
 * or empty parts, no device, FIFO or socket, no hard or symbolic link that
 * leaves the tree, nothing encrypted, no duplicate, no name that differs from
 * another by case only.  What is bounded is what is written, not what a header
 * says.
 * Blocking; any thread.
 */
#ifndef PKGSYNC_SDIST_H
#define PKGSYNC_SDIST_H

#include <stdbool.h>
#include <stdint.h>

#include "pkgsync/cancel.h"
#include "pkgsync/error.h"
#include "pkgsync/str.h"

struct ps_sdist_limits {
    uint64_t max_bytes; /* written in all; 0: 4 GiB */
    uint64_t max_files; /* members, or directories; 0: 200,000 */
    uint64_t max_ratio; /* written over archive size, beyond the first 64 MiB
                           written; 0: 200 */
};

/* By its name's ending, as PEP 625 and older sdists have it. */
bool ps_sdist_is_name(struct ps_str file_name);

/*
 * Unpack into the empty directory `dest`.  An sdist holds one top directory
 * (PEP 625); its content becomes the content of `dest`.  Modes become 0644 or
 * 0755; times are kept.  limits may be NULL.
 *
 *   PS_EINVALID  not such an archive, damaged, or a member that is refused
 *                (named)
 *   PS_ETOOBIG   over a limit (which, and its value)
 */
PS_MUST_USE int ps_sdist_unpack(const char *archive,
                                const struct ps_sdist_limits *limits,
                                const struct ps_cancel *cancel,
                                const char *dest, struct ps_error *err);

#endif
