/* What the files of the pipeline share. */
#ifndef PKGSYNC_PIPELINE_PRIVATE_H
#define PKGSYNC_PIPELINE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "pkgsync/pipeline.h"
#include "pkgsync/source.h"

/* Jobs whose leases one thread keeps. */
struct ps_beat {
    struct ps_beat *next;
    int64_t job;
    int64_t epoch;
    struct ps_cancel cancel;     /* fired when the lease or the wish is gone */
    _Atomic(const char *) phase; /* static names only */
};

struct ps_heart {
    struct ps_queue *queue;         /* borrowed */
    const struct ps_cancel *cancel; /* borrowed: fires all */
    pthread_t thread;
    pthread_mutex_t lock;
    struct ps_beat *beats; /* under lock */
    struct ps_cancel stop;
};

PS_MUST_USE int ps_heart_start(struct ps_heart *h, struct ps_queue *queue,
                               const struct ps_cancel *cancel,
                               struct ps_error *err);
void ps_heart_stop(struct ps_heart *h);
PS_MUST_USE int ps_heart_add(struct ps_heart *h, struct ps_beat *beat,
                             struct ps_error *err);
void ps_heart_remove(struct ps_heart *h, struct ps_beat *beat);

/* The directory of a job: removed with its owner, found when it died. */
struct ps_job_dir {
    char *path; /* owned */
    int lock;   /* flock()ed while its process lives; owned */
};
PS_MUST_USE int ps_job_dir_make(const struct ps_dirs *dirs, int64_t job,
                                struct ps_job_dir *out, struct ps_error *err);
void ps_job_dir_remove(struct ps_job_dir *d);

/* Share the cache with other pipelines until *lock is closed; whoever comes
 * first removes what killed runs left in it. */
PS_MUST_USE int ps_cache_share(const struct ps_dirs *dirs, int *lock,
                               struct ps_error *err);

struct ps_pipeline {
    const struct ps_pipeline_options *o;
    const char *const *sources;
    size_t count;
    struct ps_wheel_result *results;
    struct ps_arena *arena; /* of the caller; under lock */
    struct ps_heart heart;
    pthread_mutex_t lock; /* of events and of the arena */
    atomic_size_t next;
};

/* One source on its way; lives on its thread. */
struct ps_work {
    struct ps_pipeline *p;
    size_t index;
    const char *text;       /* of the source; borrowed */
    struct ps_work *parent; /* whose build requirement it is; NULL */
    bool has_revived;       /* a job that killed runs had ended */
    unsigned depth;         /* how many parents */
    struct ps_arena arena;  /* owned: everything of this source */
    struct ps_source source;
    struct ps_resolved resolved;
    struct ps_sha256 key;
    struct ps_build build;
    struct ps_build_failure failure; /* what `build` fills */
    struct ps_source_context context;
    struct ps_beat *beat; /* while a claim is held */
    int log_fd;           /* while a claim is held; owned */
    uint64_t log_bytes;
    uint64_t started_ms;
    struct ps_wheel_result result; /* strings in the arena above */
};

void ps_work_event(struct ps_work *w, struct ps_event event);
void ps_work_phase(struct ps_work *w, const char *phase);

/* Set up what a work's build is given by the options. */
void ps_work_init(struct ps_work *w, struct ps_pipeline *p, size_t index,
                  const char *text);
/* Resolve it, and see it to its result: known, built, or built elsewhere. */
PS_MUST_USE int ps_work_do(struct ps_work *w, struct ps_error *err);

/*
 * Build the source distribution of a build requirement that the index has no
 * wheel of, as a job of its own, and let the next resolution find its wheel.
 */
PS_MUST_USE int ps_work_supply(struct ps_work *w, const char *requirement,
                               struct ps_error *err);

/* Parse, resolve, and compute the key. */
PS_MUST_USE int ps_work_resolve(struct ps_work *w, struct ps_error *err);
/* The key of what was resolved. */
struct ps_sha256 ps_work_key(const struct ps_work *w);
/* The same with the requirements as resolved: names the build record. */
struct ps_sha256 ps_work_build_key(const struct ps_work *w,
                                   const struct ps_prepared *prepared);
/* What the queue keeps of it: enough to do it again; caller frees. */
char *ps_work_spec(const struct ps_work *w);

/* Fill the result from an artifact and see that the stores have it.  *gone:
 * it failed because the bytes are nowhere any more. */
PS_MUST_USE int ps_work_accept(struct ps_work *w,
                               const struct ps_artifact *artifact,
                               enum ps_wheel_status status, bool *gone,
                               struct ps_error *err);
/* Into the local store. */
PS_MUST_USE int ps_work_keep(struct ps_work *w, int dir, const char *file_name,
                             const struct ps_sha256 *sha256, uint64_t size,
                             struct ps_error *err);

/* Put the build record into the local store; it follows the wheel from there
 * when that is uploaded. */
PS_MUST_USE int ps_work_keep_record(struct ps_work *w,
                                    const struct ps_sha256 *build_key,
                                    const char *text, struct ps_error *err);

/* Do a claimed job and end it in the queue. */
PS_MUST_USE int ps_work_run(struct ps_work *w, const struct ps_claim *claim,
                            struct ps_error *err);

#endif
