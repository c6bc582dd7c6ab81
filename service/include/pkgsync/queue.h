/*
 * The job queue: at-least-once execution, exactly-once visible result.
 *
 * One live job per key (single flight), any number of waiters; a lease with
 * heartbeats and an epoch that fences a worker which was thought dead; an
 * artifact row written once inside the fenced commit; retry by cause; a
 * separate budget for lost workers; cancel by waiter.
 *
 * Engines: `sqlite:` (a file; WAL, synchronous=FULL; one database thread per
 * process with group commit).  Calls block until their transaction is durable
 * and may come from any thread; several processes may share the file.  Each
 * process opens its own after fork(2).  No call may start once
 * ps_queue_close() has been called; those in flight finish.
 *
 * Every call may also give PS_EBUSY (locked for long), PS_ENOSPACE, PS_EDENIED
 * and, for a damaged file, PS_EINVALID: nothing has happened then.  After
 * PS_EIO it may have.
 */
#ifndef PKGSYNC_QUEUE_H
#define PKGSYNC_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"

struct ps_queue;

struct ps_queue_options {
    const char *location;   /* Required: "sqlite:/path/queue.db"; copied */
    const char *worker;     /* Required: who claims; unique; copied.  See
                               ps_queue_worker_name() */
    uint64_t lease_ms;      /* 0: 60,000 */
    uint64_t retry_base_ms; /* 0: 1,000 */
    uint64_t retry_cap_ms;  /* 0: 600,000 */
};

/*
 * "host/boot/pid/start/n": lets another process of the same host and boot see
 * that a worker is dead without waiting for its lease.  Caller frees.
 */
char *ps_queue_worker_name(unsigned n);

PS_MUST_USE int ps_queue_open(const struct ps_queue_options *options,
                              struct ps_queue **out, struct ps_error *err);
void ps_queue_close(struct ps_queue *q);

enum ps_job_state {
    PS_JOB_READY = 0,
    PS_JOB_RUNNING = 1,
    PS_JOB_DONE = 2,
    PS_JOB_FAILED = 3, /* permanent: nothing but a person changes that */
    PS_JOB_DEAD = 4,   /* tries or workers used up */
    PS_JOB_CANCELLED = 5,
    PS_JOB_DELAYED = 6, /* waits for run_at */
};
const char *ps_job_state_name(enum ps_job_state state);

/* A result that everybody reads from the artifact table. */
struct ps_artifact {
    struct ps_sha256 sha256;
    uint64_t size;
    char *name; /* file name; in the arena of the call */
};

struct ps_enqueue {
    struct ps_sha256 key;
    const char *request; /* Required: idempotency key of this waiter; unique */
    const char *tenant;  /* NULL: "default"; is made on first use */
    const char *spec;    /* Required: JSON; what to do, enough for any worker */
    int64_t priority;    /* higher first */
    bool rebuild;        /* do not accept the artifact that is there: its row
                            is removed in the same transaction */
};

struct ps_enqueued {
    bool hit; /* artifact is set; no job was made */
    struct ps_artifact artifact;
    int64_t job; /* otherwise */
    bool is_new; /* false: joined a live job */
};

/*
 * A request that was sent before gets the answer it got, or the result by
 * now; one that was cancelled waits again.  PS_EINVALID when it was for
 * another key.
 */
PS_MUST_USE int ps_queue_enqueue(struct ps_queue *q, struct ps_arena *arena,
                                 const struct ps_enqueue *what,
                                 struct ps_enqueued *out, struct ps_error *err);

/* The artifact of a key; *found says whether there is one.  For warm runs. */
PS_MUST_USE int ps_queue_lookup(struct ps_queue *q, struct ps_arena *arena,
                                const struct ps_sha256 *key, bool *found,
                                struct ps_artifact *out, struct ps_error *err);

/* Forget an artifact whose bytes are gone from the store. */
PS_MUST_USE int ps_queue_forget(struct ps_queue *q, const struct ps_sha256 *key,
                                struct ps_error *err);

struct ps_claim {
    int64_t job; /* 0: nothing to do now */
    int64_t epoch;
    struct ps_sha256 key;
    const char *spec;
    int64_t attempt; /* 1 for the first */
    bool has_built;  /* an earlier run got as far as a wheel: */
    struct ps_artifact built;
};

/*
 * Take one job.  only/only_count: job ids to choose from, for a process that
 * works for its own waiters; 0: any.  Promotes delayed jobs that are due.  A
 * job whose artifact exists by now is completed in passing.
 */
PS_MUST_USE int ps_queue_claim(struct ps_queue *q, struct ps_arena *arena,
                               const int64_t *only, size_t only_count,
                               struct ps_claim *out, struct ps_error *err);

/*
 * Keep the lease; tell the phase (NULL: as it was).  PS_ELOST when it is gone:
 * kill the build at once.  *cancel: every waiter has gone, stop and call
 * _acknowledge_cancel.
 */
PS_MUST_USE int ps_queue_heartbeat(struct ps_queue *q, int64_t job,
                                   int64_t epoch, const char *phase,
                                   bool *cancel, struct ps_error *err);

/* Checkpoint before the upload.  PS_ELOST. */
PS_MUST_USE int ps_queue_built(struct ps_queue *q, int64_t job, int64_t epoch,
                               const struct ps_artifact *artifact,
                               struct ps_error *err);

/* PS_ELOST: drop the result.  First writer wins: read *final. */
PS_MUST_USE int ps_queue_complete(struct ps_queue *q, struct ps_arena *arena,
                                  int64_t job, int64_t epoch,
                                  const struct ps_artifact *artifact,
                                  struct ps_artifact *final,
                                  struct ps_error *err);

/*
 * End a run in failure.  Whether it is tried again follows from the code
 * (ps_code_is_retryable) and the budget.  `detail` is a JSON document kept
 * with the job: phase, cause, message, log.
 */
PS_MUST_USE int ps_queue_fail(struct ps_queue *q, int64_t job, int64_t epoch,
                              int code, const char *detail,
                              enum ps_job_state *now, struct ps_error *err);

PS_MUST_USE int ps_queue_acknowledge_cancel(struct ps_queue *q, int64_t job,
                                            int64_t epoch,
                                            enum ps_job_state *now,
                                            struct ps_error *err);

/* Give back without penalty: drain, Ctrl-C.  A job that every waiter has left
 * ends as cancelled. */
PS_MUST_USE int ps_queue_release(struct ps_queue *q, int64_t job, int64_t epoch,
                                 struct ps_error *err);

/*
 * Take jobs away from workers that are gone: leases that ran out, and at once
 * those of dead processes of this host and boot.
 */
PS_MUST_USE int ps_queue_reap(struct ps_queue *q, size_t *reaped,
                              struct ps_error *err);

/* A waiter goes; the last one cancels the job.  Too late or a second time is
 * success.  PS_ENOTFOUND: no such waiter (a hit leaves none). */
PS_MUST_USE int ps_queue_cancel_request(struct ps_queue *q, const char *request,
                                        struct ps_error *err);
/* All waiters of a job: `pkgsync cancel`.  PS_ENOTFOUND; PS_EINVALID when it
 * has ended. */
PS_MUST_USE int ps_queue_cancel_job(struct ps_queue *q, int64_t job,
                                    struct ps_error *err);

/* A failed, dead or cancelled job becomes ready again with fresh budgets.
 * PS_EEXISTS naming the live twin; PS_EINVALID when it is live or done. */
PS_MUST_USE int ps_queue_retry(struct ps_queue *q, int64_t job,
                               struct ps_error *err);

/* One row, for `jobs`, `logs` and waiters.  Strings in the arena. */
struct ps_job {
    int64_t id;
    enum ps_job_state state;
    struct ps_sha256 key;
    const char *spec;
    const char *tenant;
    const char *worker;      /* NULL unless running */
    const char *phase;       /* NULL before the first heartbeat */
    const char *error_class; /* "BUILD", "lost", ...; NULL */
    const char *error;       /* detail document of the last failure; NULL */
    int64_t attempt;
    int64_t lost;
    int64_t waiters; /* that have not gone */
    uint64_t created_ms;
    uint64_t started_ms;  /* 0: not yet */
    uint64_t finished_ms; /* 0: not yet */
    uint64_t run_at_ms;
    bool has_artifact;
    struct ps_artifact artifact;
};

PS_MUST_USE int ps_queue_get(struct ps_queue *q, struct ps_arena *arena,
                             int64_t job, struct ps_job *out,
                             struct ps_error *err);

struct ps_job_filter {
    bool live_only;
    size_t limit; /* 0: 100 */
};

/* Newest first; *out is an array in the arena. */
PS_MUST_USE int ps_queue_list(struct ps_queue *q, struct ps_arena *arena,
                              const struct ps_job_filter *filter,
                              struct ps_job **out, size_t *count,
                              struct ps_error *err);

/* Remove ended jobs that finished before a time; returns how many. */
PS_MUST_USE int ps_queue_prune(struct ps_queue *q, uint64_t before_ms,
                               size_t *removed, struct ps_error *err);

#endif
