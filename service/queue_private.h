/*
 * What the queue's front (queue.c) and its engines share.
 *
 * The front checks arguments, turns every public function into one
 * `struct ps_queue_call` and hands it to the engine that the location names.
 * An engine runs a call as one transaction and returns when it is durable.
 * Another engine is another `struct ps_queue_engine` in the front's table,
 * and passes the same conformance suite.
 */
#ifndef PKGSYNC_QUEUE_PRIVATE_H
#define PKGSYNC_QUEUE_PRIVATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "pkgsync/queue.h"

/* No retry is farther away than this, so a run_at beyond it means that the
 * clock was set back. */
#define PS_QUEUE_MAX_DELAY_MS INT64_C(3600000)

enum ps_queue_verb {
    PS_QUEUE_ENQUEUE,
    PS_QUEUE_LOOKUP,
    PS_QUEUE_FORGET,
    PS_QUEUE_CLAIM,
    PS_QUEUE_HEARTBEAT,
    PS_QUEUE_BUILT,
    PS_QUEUE_COMPLETE,
    PS_QUEUE_FAIL,
    PS_QUEUE_ACKNOWLEDGE_CANCEL,
    PS_QUEUE_RELEASE,
    PS_QUEUE_REAP,
    PS_QUEUE_CANCEL_REQUEST,
    PS_QUEUE_CANCEL_JOB,
    PS_QUEUE_RETRY,
    PS_QUEUE_GET,
    PS_QUEUE_LIST,
    PS_QUEUE_PRUNE,
    PS_QUEUE_TENANT,
    PS_QUEUE_VERBS
};

/* Parameters and results of one call; each verb uses those it needs.  The
 * caller blocks, so the engine may use its memory and its arena meanwhile. */
struct ps_queue_call {
    enum ps_queue_verb verb;
    struct ps_arena *arena;
    int64_t job;
    int64_t epoch;
    const struct ps_enqueue *enqueue;
    const struct ps_sha256 *key;
    const struct ps_artifact *artifact;
    const char *text; /* phase, request, detail or name of a tenant */
    int code;         /* of a failure */
    const int64_t *only;
    size_t only_count;
    const struct ps_job_filter *filter;
    int64_t before_ms;
    int64_t weight;
    int64_t max_running;
    size_t limit; /* PRUNE: at most so many rows in this transaction */

    struct ps_enqueued *enqueued;
    struct ps_claim *claim;
    struct ps_artifact *result;
    bool *flag; /* found or cancel */
    enum ps_job_state *state;
    struct ps_job *row;
    struct ps_job **rows;
    size_t *count;
};

/* Owned by the front, borrowed by the engine for its whole life. */
struct ps_queue_settings {
    char *worker;
    int64_t lease_ms;
    int64_t retry_base_ms;
    int64_t retry_cap_ms;
    atomic_int_least64_t clock_shift_ms; /* 0 but in tests */
    atomic_uint busy_ms; /* how long to wait for another process's lock */
};

struct ps_queue_engine {
    const char *scheme; /* of the location, without the colon */
    /* `where`: the location after the colon. */
    int (*open)(const struct ps_queue_settings *settings, const char *where,
                void **self, struct ps_error *err);
    /* Any thread; returns when the call's transaction is durable. */
    int (*run)(void *self, const struct ps_queue_call *call,
               struct ps_error *err);
    /* Lets calls in flight finish; nothing runs after it. */
    void (*close)(void *self);
};

extern const struct ps_queue_engine ps_queue_sqlite;

/* Can no longer come back: a process of this host, boot and PID namespace
 * that has ended.  Any other or unreadable name: false. */
bool ps_queue_worker_is_dead(const char *worker);

/* The share of a tenant and how many of its jobs may run at once. */
PS_MUST_USE int ps_queue_set_tenant(struct ps_queue *q, const char *name,
                                    int64_t weight, int64_t max_running,
                                    struct ps_error *err);

/* For tests: this handle's clock is that many ms off from now on. */
void ps_queue_shift_clock(struct ps_queue *q, int64_t shift_ms);
/* For tests: how many calls are in flight. */
size_t ps_queue_callers(struct ps_queue *q);
/* For tests: give up on a lock after that long. */
void ps_queue_set_busy_ms(struct ps_queue *q, unsigned busy_ms);

#endif
