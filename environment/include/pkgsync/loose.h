/*
 * Loose modules: .py files and packages that an interpreter would import from
 * the working directory or from PYTHONPATH, which no distribution owns.
 * Blocking; any thread.
 */
#ifndef PKGSYNC_LOOSE_H
#define PKGSYNC_LOOSE_H

#include <stddef.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/cancel.h"
#include "pkgsync/error.h"
#include "pkgsync/levels.h"
#include "pkgsync/scan.h"

/* One file of the wheel to be. */
struct ps_loose_file {
    const char *path; /* absolute */
    const char *name; /* in the wheel: "pkg/mod.py", '/' between parts */
    uint64_t size;
};

struct ps_loose {
    const struct ps_loose_file *files; /* by name, byte order */
    size_t count;
    const char *const *modules; /* top-level names, sorted; NULL-terminated */
    const char *const *roots;   /* directories they came from, in order */
    const struct ps_problem *problems; /* shadowed, skipped, too large */
    size_t problem_count;
    const struct ps_problem *refused; /* NULL, or the first of the problems by
                                         which a cluster would import another
                                         module than this machine does: these
                                         are left out, and serious */
    size_t refused_count;
    uint64_t bytes;
};

struct ps_loose_options {
    const char *cwd;         /* Optional: the working directory */
    const char *const *path; /* Optional: PYTHONPATH */
    const struct ps_environment *environment; /* Required: what is installed */
    const struct ps_decisions *decisions; /* Optional: what they ignore hides
                                             nothing on a cluster */
    const char *const *exclude;           /* Optional: patterns (fnmatch(3)) */
    const char *const *include; /* Optional: of what looks like a key */
    uint64_t max_bytes;         /* 0: 512 MiB, then PS_ETOOBIG naming
                                   the largest */
    uint64_t many_bytes; /* 0: 64 MiB, then a problem that names the largest */
    const struct ps_cancel *cancel;
};

/* count 0: there are none.  In the arena. */
PS_MUST_USE int ps_loose_find(struct ps_arena *arena,
                              const struct ps_loose_options *options,
                              struct ps_loose *out, struct ps_error *err);

#endif
