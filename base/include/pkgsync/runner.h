/*
 * What it is to run a command in isolation: the contract between whoever
 * wants project code run (builder) and whoever can do it safely (sandbox).
 * Neither knows the other; `service` introduces them, tests pass a fake.
 *
 * The command sees a minimal root: the host's toolchain read-only, the mounts
 * named here, an empty writable /tmp, and one writable output directory.  What
 * is not listed is not there.  What it leaves in the output directory is read
 * back by the runner itself, never by following anything that the command
 * made: regular files and directories only, no links, within the limits.
 */
#ifndef PKGSYNC_RUNNER_H
#define PKGSYNC_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/cancel.h"
#include "pkgsync/error.h"
#include "pkgsync/process.h"

enum ps_mount_kind {
    PS_MOUNT_READ_ONLY, /* a file or directory of the host, as it is */
    PS_MOUNT_SCRATCH,   /* a directory of the host; the command may change
                           what it sees, the host's directory never changes,
                           and the changes are gone afterwards */
};

struct ps_mount {
    enum ps_mount_kind kind;
    const char *host_path; /* absolute; must exist */
    const char *path;      /* where it appears inside; absolute, no ".." */
};

struct ps_run_spec {
    const char *const *argv; /* NULL-terminated; argv[0] absolute, inside */
    const char *const *env;  /* NULL-terminated "NAME=value"; all of it */
    const char *cwd;         /* absolute, inside */
    const struct ps_mount *mounts;
    size_t mount_count;

    const char *out_path;   /* where the output directory appears inside, or
                               NULL for none */
    int out_dir;            /* host directory that receives its contents after
                               exit status 0; borrowed; -1 for none */
    uint64_t out_max_bytes; /* Required with out_path */
    uint64_t out_max_files; /* Required with out_path */

    uint64_t tmp_max_bytes;    /* each of /tmp, scratch; 0: 1 GiB */
    uint64_t tmp_max_inodes;   /* 0: 200,000 */
    uint64_t memory_max_bytes; /* 0: no limit */
    uint64_t pids_max;         /* 0: 512 */
    uint64_t wall_limit_ms;    /* 0: no limit */
    uint64_t log_max_bytes;    /* 0: 64 MiB; more output ends the command */
    bool network;              /* false: a loopback interface and no more */

    ps_sink_fn *sink; /* standard output and error as they arrive, on the
                         calling thread; NULL: discarded */
    void *sink_user;
};

enum ps_run_outcome {
    PS_RUN_EXIT,    /* ended by itself: exit_status */
    PS_RUN_SIGNAL,  /* killed by term_signal, not by the runner */
    PS_RUN_TIMEOUT, /* wall_limit_ms */
    PS_RUN_OOM,     /* memory_max_bytes */
    PS_RUN_PIDS,    /* pids_max, and the command failed */
    PS_RUN_DISK,    /* tmp_max_*, and the command failed */
    PS_RUN_OUTPUT,  /* log_max_bytes, or out_max_*, or something in the
                       output directory that is not a plain file: `detail` */
};

struct ps_run_result {
    enum ps_run_outcome outcome;
    int exit_status;
    int term_signal;
    uint64_t wall_ms;
    uint64_t memory_peak_bytes; /* 0: not known */
    char detail[256];           /* for OUTPUT and DISK: what and where */
};

/* A word for each outcome: "exit", "signal", "timeout", ... */
const char *ps_run_outcome_name(enum ps_run_outcome outcome);

struct ps_runner {
    /*
     * Run one command and wait.  PS_OK when it ran, whatever became of it.
     * PS_EUNSUPPORTED when a layer of isolation is missing on this machine
     * and was not waived; the token's code after a cancel; PS_EIO and others
     * when it could not be set up.  Blocking; several threads may call this
     * at once on one runner.
     */
    int (*run)(struct ps_runner *self, const struct ps_run_spec *spec,
               const struct ps_cancel *cancel, struct ps_run_result *result,
               struct ps_error *err);

    /*
     * How strong the isolation is, for build keys and build records: a
     * canonical JSON object, borrowed from the runner.
     */
    const char *(*strength)(struct ps_runner *self);

    void (*free)(struct ps_runner *self); /* NULL-safe through ps_runner_free */
};

static inline void ps_runner_free(struct ps_runner *r)
{
    if (r)
        r->free(r);
}

#endif
