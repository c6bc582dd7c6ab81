/*
 * The pipeline: from a source's name to a wheel in the store.
 *
 *   resolve ─▶ key ─▶ known? ─▶ hit
 *                      │no
 *                      ▼
 *        queue ─▶ claim ─▶ copy or clone ─▶ prepare ─▶ build ─▶ verify
 *                                                                 │
 *                       complete ◀─ upload ◀─ checkpoint ◀─ keep ─┘
 *
 * Every build goes through the queue, so two processes that want the same
 * wheel build it once, and what one leaves behind the next one takes up.
 * Sources are worked on by `jobs` threads; one that fails does not stop the
 * others.  Blocking: returns when all have ended.
 */
#ifndef PKGSYNC_PIPELINE_H
#define PKGSYNC_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/build.h"
#include "pkgsync/cancel.h"
#include "pkgsync/digest.h"
#include "pkgsync/dirs.h"
#include "pkgsync/error.h"
#include "pkgsync/queue.h"
#include "pkgsync/store.h"
#include "pkgsync/uploader.h"

enum ps_wheel_status { PS_WHEEL_BUILT, PS_WHEEL_HIT, PS_WHEEL_FAILED };
const char *ps_wheel_status_name(enum ps_wheel_status status);

/* What became of one source.  Strings in the arena of ps_pipeline_wheels(). */
struct ps_wheel_result {
    const char *source; /* as typed, without credentials */
    enum ps_wheel_status status;
    bool uploaded; /* into `store`: now, or it was there already */
    const char *name;
    const char *version;
    const char *file_name;
    const char *path; /* in the local store */
    const char *url;  /* in `store`, or in the local one */
    struct ps_sha256 sha256;
    uint64_t size;
    struct ps_sha256 key; /* of the request */
    int64_t job;          /* 0: none was needed */
    uint64_t wall_ms;

    /* When FAILED: */
    struct ps_error error;
    const char *phase;
    const char *cause; /* NULL when not known */
    const char *log;   /* path; NULL when there is none */
};

enum ps_event_kind {
    PS_EVENT_PHASE,    /* `phase` begins */
    PS_EVENT_PROGRESS, /* done of total (0: not known) bytes */
    PS_EVENT_WAIT,     /* another process works on it: `phase` is its name */
    PS_EVENT_LOG,      /* data, len: what the build printed */
    PS_EVENT_DONE,     /* `result` is final */
};

struct ps_event {
    enum ps_event_kind kind;
    size_t index; /* of the source */
    const char *source;
    const char *phase;
    uint64_t done;
    uint64_t total;
    const char *data;
    size_t len;
    const struct ps_wheel_result *result;
};

/* From any of the pipeline's threads, one call at a time. */
typedef void(ps_event_fn)(const struct ps_event *event, void *user);

struct ps_pipeline_options {
    const struct ps_dirs *dirs;     /* Required */
    struct ps_queue *queue;         /* Required */
    struct ps_runner *runner;       /* Required */
    struct ps_uploader *uploader;   /* Required */
    struct ps_store *local;         /* Required: <data>/store */
    struct ps_store *store;         /* Optional: and uploaded to here */
    const struct ps_python *python; /* Required */
    const struct ps_index *index;   /* Required */
    const char *cwd;                /* Required: where relative paths start */
    struct ps_build_limits limits;
    const char *const *build_requires; /* Optional; NULL-terminated */
    json_t *config_settings;           /* Optional: object */
    const char *const *env;            /* Optional: "NAME=value" */
    const char *const *include;        /* Optional */
    const char *const *exclude;        /* Optional */
    bool network;                      /* in the build phase */
    bool rebuild;                      /* do not accept what is known */
    unsigned jobs;                     /* at once; at least 1 */
    const struct ps_cancel *cancel;    /* Optional */
    ps_event_fn *event;                /* Optional */
    void *user;
};

/*
 * Build every source.  Fills results[0..count); a source that fails is a
 * result, not an error.  Fails itself only when nothing could be begun.
 */
PS_MUST_USE int ps_pipeline_wheels(struct ps_arena *arena,
                                   const struct ps_pipeline_options *options,
                                   const char *const *sources, size_t count,
                                   struct ps_wheel_result *results,
                                   struct ps_error *err);

/* Where the log of a job is, whether or not it exists; caller frees. */
char *ps_pipeline_log_path(const struct ps_dirs *dirs, int64_t job);

/*
 * A pipeline holds a lock on the cache, which it shares with other pipelines,
 * while it runs.  Take it for oneself, to remove what builds may be using:
 * PS_EBUSY while one runs.  Close *lock to let go.
 */
PS_MUST_USE int ps_pipeline_lock_cache(const struct ps_dirs *dirs, int *lock,
                                       struct ps_error *err);

/* Remove directories of jobs whose process is gone.  Best effort. */
void ps_pipeline_clean(const struct ps_dirs *dirs);

#endif
