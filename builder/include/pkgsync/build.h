/*
 * Build one wheel: the phases of a build and what each may do.
 *
 *   requirements  [build-system].requires, then the back-end's
 *                 get_requires_for_build_wheel           sandboxed, no network
 *   fetch         pip download --only-binary :all:       index hosts only
 *   environment   installed once, kept, shared read-only sandboxed, no network
 *   build         pip wheel --no-deps --no-index         sandboxed, no network
 *   verify        the one wheel, before anybody sees it
 *
 * A project's code runs only through `struct ps_runner`.  Blocking; any
 * thread; one `struct ps_build` a thread.
 */
#ifndef PKGSYNC_BUILD_H
#define PKGSYNC_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/cancel.h"
#include "pkgsync/error.h"
#include "pkgsync/fetch.h"
#include "pkgsync/json.h"
#include "pkgsync/project.h"
#include "pkgsync/python.h"
#include "pkgsync/runner.h"
#include "pkgsync/wheel.h"

struct ps_build_limits {
    uint64_t wall_limit_ms;    /* of the build phase; 0: none */
    uint64_t tmp_max_bytes;    /* 0: the runner's default */
    uint64_t memory_max_bytes; /* 0: none */
    uint64_t pids_max;         /* 0: the runner's default */
};

/* What went wrong in a build, beside the error's text.  Strings in the arena
 * of the call; NULL where it is not known. */
struct ps_build_failure {
    const char *phase;
    const char *cause;   /* one line for people: the likely cause */
    const char *missing; /* with PS_ENOTFOUND of ps_build_prepare(): the build
                            requirement that the index has no wheel of */
};

/* Called at the start of each phase, with its name as above. */
typedef void(ps_build_phase_fn)(const char *phase, void *user);

struct ps_build {
    struct ps_runner *runner;       /* Required */
    const struct ps_python *python; /* Required */
    const struct ps_index *index;   /* Required */
    const char *cache_dir;          /* Required */
    const struct ps_cancel *cancel; /* Optional */

    const char *tree;         /* Required: the job's own copy */
    const char *subdirectory; /* Optional: of the project in the tree */
    const char *display;      /* Optional: the source, for messages */
    const char *expect_name;  /* Optional: distribution it must be */
    int64_t source_date_s;    /* SOURCE_DATE_EPOCH; 0: 1980-01-02 */
    const char *const *build_requires; /* Optional: in addition */
    json_t *config_settings;           /* Optional: object of strings; PEP 517;
                                          borrowed, not changed */
    const char *const *env;            /* Optional: "NAME=value" let through */
    bool network;                      /* for the build phase */
    struct ps_build_limits limits;

    struct ps_build_failure *failure; /* Required: filled on failure */
    ps_sink_fn *log;                  /* Optional: everything that is printed */
    ps_build_phase_fn *phase;         /* Optional */
    void *user;                       /* for both */
};

/* The requirements as resolved, before the build itself. */
struct ps_prepared {
    struct ps_project project;
    struct ps_wheel_set wheels; /* build requirements, pip among them */
    const char *environment;    /* directory of the prepared environment */
    const char *toolchain;      /* further host directory shown, or NULL */
    bool reused;                /* the environment was there already */
};

/*
 * Requirements, fetch, environment.
 */
PS_MUST_USE int ps_build_prepare(struct ps_arena *arena,
                                 const struct ps_build *build,
                                 struct ps_prepared *out, struct ps_error *err);

/*
 * Build and verify.  The wheel lands in the directory `out_dir` (a descriptor,
 * borrowed), which must be empty.
 *
 *   PS_EBUILD  the back-end failed, wrote no wheel, two, or a wrong one
 *   PS_ELIMIT  time, disk, processes or output ran out: which, its value, and
 *              the flag that raises it
 */
PS_MUST_USE int ps_build_wheel(struct ps_arena *arena,
                               const struct ps_build *build,
                               const struct ps_prepared *prepared, int out_dir,
                               struct ps_wheel_info *out, struct ps_error *err);

#endif
