/*
 * Copy a tree between two directory descriptors, trusting nothing in it.
 *
 * Used to read the output directory back after the command has ended, and to
 * copy sources where an overlay is not to be had.  Never follows a link, never
 * leaves the tree or its file system, never blocks on a FIFO, and stops at the
 * limits: on what is written, not on what a header or a size promises.
 * Iterative; the depth is bounded.  One thread a tree.
 */
#ifndef PKGSYNC_SANDBOX_COPY_H
#define PKGSYNC_SANDBOX_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pkgsync/error.h"

#define PS_COPY_MAX_DEPTH 100u

struct ps_copy_options {
    bool keep_links;    /* symlinks are copied as they are, hard links as
                           files, modes kept; else both are refused */
    uid_t owner;        /* of the copies, user and group; (uid_t)-1: ours */
    uint64_t max_bytes; /* written */
    uint64_t max_files; /* files and directories */
};

struct ps_copy_problem {
    char detail[256]; /* "" while there is none; printable ASCII */
};

/*
 * PS_OK with problem->detail set: something in the tree is refused, and the
 * copy is incomplete.  Errors are those of the destination and of the system.
 */
PS_MUST_USE int ps_copy_tree(int from, int to,
                             const struct ps_copy_options *options,
                             struct ps_copy_problem *problem,
                             struct ps_error *err);

#endif
