/* What the files of the build phases share. */
#ifndef PKGSYNC_BUILD_PRIVATE_H
#define PKGSYNC_BUILD_PRIVATE_H

#include "pkgsync/build.h"

extern const char ps_driver_py[]; /* scripts/driver.py */

/* Where things appear inside the sandbox. */
#define PS_IN_SOURCE "/build/src"
#define PS_IN_ENV "/env"
#define PS_IN_OUT "/out"
#define PS_IN_PIP "/pip"
#define PS_IN_WHEELS "/wheels"
#define PS_IN_PYTHON "/env/bin/python"
#define PS_IN_DRIVER "/pkgsync"
#define PS_IN_DRIVER_PY "/pkgsync/driver.py"

/* Mounts of one run, built up before it. */
#define PS_MOUNTS_MAX 32
struct ps_mounts {
    struct ps_mount items[PS_MOUNTS_MAX];
    size_t count;
};

void ps_mounts_add(struct ps_mounts *m, enum ps_mount_kind kind,
                   const char *host_path, const char *path);
/* What an interpreter outside /usr needs, at the same places. */
void ps_mounts_add_python(struct ps_mounts *m, const struct ps_python *p);

/* The directory that holds driver.py, under the cache; in the arena. */
PS_MUST_USE int ps_driver_dir(struct ps_arena *arena, const char *cache_dir,
                              const char **out, struct ps_error *err);

/* Runs a command of the driver and reads /out/answer.json; caller decrefs. */
struct ps_driver_call {
    struct ps_runner *runner;
    const char *const *argv; /* with the interpreter first */
    const char *const *env;
    const char *cwd;
    const struct ps_mounts *mounts;
    uint64_t wall_limit_ms;
    bool network;
    ps_sink_fn *log; /* Optional */
    void *log_user;
    const char *scratch; /* host directory for temporary ones */
};

/*
 * PS_OK for a command that ended by itself, whatever its status; else
 * PS_ELIMIT or PS_EBUILD: which limit was reached, and the flag that raises
 * it.
 */
PS_MUST_USE int ps_outcome_error(const struct ps_run_result *result,
                                 uint64_t wall_limit_ms, struct ps_error *err);

/*
 * PS_EBUILD when it ended with another status than 0, with the last line that
 * it printed as the text; PS_ELIMIT for the limits.
 */
PS_MUST_USE int ps_driver_run(const struct ps_driver_call *call,
                              const struct ps_cancel *cancel, json_t **answer,
                              struct ps_error *err);

/* The prepared environment for these wheels; made when it is not there. */
PS_MUST_USE int ps_environment_prepare(struct ps_arena *arena,
                                       const struct ps_build *build,
                                       const struct ps_wheel_set *wheels,
                                       const char **dir, bool *reused,
                                       struct ps_error *err);

/* The variables every project command gets; NULL-terminated, in the arena. */
const char *const *ps_build_environment(struct ps_arena *arena,
                                        const struct ps_build *build,
                                        const char *toolchain);

/* A directory of tools that requirements ask for (maturin: the Rust
 * toolchain), or NULL; in the arena. */
const char *ps_toolchain_find(struct ps_arena *arena,
                              const struct ps_wheel_set *wheels,
                              const struct ps_cancel *cancel);

/* Bounded memory of the last output, and what it says of the cause. */
#define PS_TAIL_MAX ((size_t)16 * 1024)
struct ps_tail {
    char data[PS_TAIL_MAX];
    size_t len;
    ps_sink_fn *next; /* Optional: everything goes on to here */
    void *next_user;
};
ps_sink_fn ps_tail_sink; /* user: struct ps_tail */

/* The last line that says why, else the last one that says something; in the
 * arena; "" if there is none. */
const char *ps_tail_last_line(struct ps_arena *arena, const struct ps_tail *t);

/* The likely cause with its remedy, from the table of known ones; NULL.
 * has_network: the remedy --network was given already. */
const char *ps_build_cause(struct ps_arena *arena, const struct ps_tail *t,
                           bool has_network);

#endif
