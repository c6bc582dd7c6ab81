/* The queue's front: arguments, the choice of the engine, dispatch. */
#include "pkgsync/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/mem.h"
#include "pkgsync/str.h"
#include "pkgsync/util.h"
#include "queue_private.h"

#define DEFAULT_LEASE_MS 60000
#define DEFAULT_RETRY_BASE_MS 1000
#define DEFAULT_RETRY_CAP_MS 600000
#define DEFAULT_BUSY_MS 10000
#define PRUNE_STEP 1000

static const struct ps_queue_engine *const engines[] = { &ps_queue_sqlite };

struct ps_queue {
    const struct ps_queue_engine *engine;
    void *self; /* the engine's */
    struct ps_queue_settings settings;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t idle;
    size_t callers;
    bool closing;
};

const char *ps_job_state_name(enum ps_job_state state)
{
    switch (state) {
    case PS_JOB_READY:
        return "ready";
    case PS_JOB_RUNNING:
        return "running";
    case PS_JOB_DONE:
        return "done";
    case PS_JOB_FAILED:
        return "failed";
    case PS_JOB_DEAD:
        return "dead";
    case PS_JOB_CANCELLED:
        return "cancelled";
    case PS_JOB_DELAYED:
        return "delayed";
    }
    return "unknown";
}

static int take_ms(uint64_t given, uint64_t otherwise, const char *name,
                   int64_t *out, struct ps_error *err)
{
    uint64_t ms = given ? given : otherwise;

    if (ms > PS_QUEUE_MAX_DELAY_MS)
        return ps_fail(err, PS_EINVALID,
                       "queue: %s of %llu ms is over the limit of %lld ms",
                       name, (unsigned long long)ms,
                       (long long)PS_QUEUE_MAX_DELAY_MS);
    *out = (int64_t)ms;
    return PS_OK;
}

static int fill_settings(struct ps_queue_settings *s,
                         const struct ps_queue_options *options,
                         struct ps_error *err)
{
    if (!options->worker || options->worker[0] == '\0')
        return ps_fail(err, PS_EINVALID, "queue: no worker name given");
    if (take_ms(options->lease_ms, DEFAULT_LEASE_MS, "lease", &s->lease_ms,
                err) < 0 ||
        take_ms(options->retry_base_ms, DEFAULT_RETRY_BASE_MS, "retry base",
                &s->retry_base_ms, err) < 0 ||
        take_ms(options->retry_cap_ms, DEFAULT_RETRY_CAP_MS, "retry cap",
                &s->retry_cap_ms, err) < 0)
        return err->code;
    atomic_init(&s->clock_shift_ms, 0);
    atomic_init(&s->busy_ms, DEFAULT_BUSY_MS);
    s->worker = ps_strdup(options->worker);
    return PS_OK;
}

/* The location may hold a password: only its scheme is ever printed. */
static const struct ps_queue_engine *
find_engine(const char *location, const char **where, struct ps_error *err)
{
    struct ps_str rest = ps_str_from(location);
    struct ps_str scheme = { .data = NULL };

    if (!ps_str_cut(&rest, ':', &scheme)) {
        (void)ps_fail(err, PS_EINVALID,
                      "queue location without a scheme; write 'sqlite:/path'");
        return NULL;
    }
    for (size_t i = 0; i < PS_ARRAY_SIZE(engines); i++) {
        if (ps_str_is(scheme, engines[i]->scheme)) {
            *where = rest.data;
            return engines[i];
        }
    }
    (void)ps_fail(err, PS_EUNSUPPORTED,
                  "no queue engine '%.*s' in this build; write 'sqlite:/path'",
                  PS_STR_FMT(scheme));
    return NULL;
}

int ps_queue_open(const struct ps_queue_options *options, struct ps_queue **out,
                  struct ps_error *err)
{
    const struct ps_queue_engine *engine = NULL;
    const char *where = NULL;
    struct ps_queue *q = NULL;

    engine = find_engine(options->location, &where, err);
    if (!engine)
        return err->code;
    q = ps_calloc(1, sizeof(*q));
    q->engine = engine;
    if (fill_settings(&q->settings, options, err) < 0 ||
        engine->open(&q->settings, where, &q->self, err) < 0) {
        free(q->settings.worker);
        free(q);
        return err->code;
    }
    (void)pthread_mutex_init(&q->lock, NULL);
    (void)pthread_cond_init(&q->idle, NULL);
    *out = q;
    return PS_OK;
}

void ps_queue_close(struct ps_queue *q)
{
    if (!q)
        return;
    (void)pthread_mutex_lock(&q->lock);
    q->closing = true;
    while (q->callers > 0)
        (void)pthread_cond_wait(&q->idle, &q->lock);
    (void)pthread_mutex_unlock(&q->lock);
    q->engine->close(q->self);
    (void)pthread_cond_destroy(&q->idle);
    (void)pthread_mutex_destroy(&q->lock);
    free(q->settings.worker);
    free(q);
}

static int dispatch(struct ps_queue *q, const struct ps_queue_call *call,
                    struct ps_error *err)
{
    bool closing = false;
    int rc = 0;

    (void)pthread_mutex_lock(&q->lock);
    closing = q->closing;
    if (!closing)
        q->callers++;
    (void)pthread_mutex_unlock(&q->lock);
    if (closing)
        return ps_fail(err, PS_ECANCELED, "the queue is being closed");

    rc = q->engine->run(q->self, call, err);

    (void)pthread_mutex_lock(&q->lock);
    q->callers--;
    if (q->callers == 0)
        (void)pthread_cond_signal(&q->idle);
    (void)pthread_mutex_unlock(&q->lock);
    return rc;
}

int ps_queue_enqueue(struct ps_queue *q, struct ps_arena *arena,
                     const struct ps_enqueue *what, struct ps_enqueued *out,
                     struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_ENQUEUE,
                                  .arena = arena,
                                  .enqueue = what,
                                  .enqueued = out };

    if (!what->request || what->request[0] == '\0')
        return ps_fail(err, PS_EINVALID, "job without a request id");
    if (!what->spec)
        return ps_fail(err, PS_EINVALID, "request '%s': job without a spec",
                       what->request);
    return dispatch(q, &call, err);
}

int ps_queue_lookup(struct ps_queue *q, struct ps_arena *arena,
                    const struct ps_sha256 *key, bool *found,
                    struct ps_artifact *out, struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_LOOKUP,
                                  .arena = arena,
                                  .key = key,
                                  .flag = found,
                                  .result = out };

    return dispatch(q, &call, err);
}

int ps_queue_forget(struct ps_queue *q, const struct ps_sha256 *key,
                    struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_FORGET, .key = key };

    return dispatch(q, &call, err);
}

int ps_queue_claim(struct ps_queue *q, struct ps_arena *arena,
                   const int64_t *only, size_t only_count, struct ps_claim *out,
                   struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_CLAIM,
                                  .arena = arena,
                                  .only = only,
                                  .only_count = only_count,
                                  .claim = out };

    return dispatch(q, &call, err);
}

int ps_queue_heartbeat(struct ps_queue *q, int64_t job, int64_t epoch,
                       const char *phase, bool *cancel, struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_HEARTBEAT,
                                  .job = job,
                                  .epoch = epoch,
                                  .text = phase,
                                  .flag = cancel };

    return dispatch(q, &call, err);
}

static int check_artifact(const struct ps_artifact *a, struct ps_error *err)
{
    if (!a->name || a->name[0] == '\0')
        return ps_fail(err, PS_EINVALID, "artifact without a file name");
    if (a->size > INT64_MAX)
        return ps_fail(err, PS_EINVALID, "artifact '%s': impossible size",
                       a->name);
    return PS_OK;
}

int ps_queue_built(struct ps_queue *q, int64_t job, int64_t epoch,
                   const struct ps_artifact *artifact, struct ps_error *err)
{
    struct ps_queue_call call = {
        .verb = PS_QUEUE_BUILT, .job = job, .epoch = epoch, .artifact = artifact
    };

    if (check_artifact(artifact, err) < 0)
        return ps_context(err, "job %lld", (long long)job);
    return dispatch(q, &call, err);
}

/* The fence is two numbers and a result two more. */
// NOLINTNEXTLINE(readability-function-size)
int ps_queue_complete(struct ps_queue *q, struct ps_arena *arena, int64_t job,
                      int64_t epoch, const struct ps_artifact *artifact,
                      struct ps_artifact *final, struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_COMPLETE,
                                  .arena = arena,
                                  .job = job,
                                  .epoch = epoch,
                                  .artifact = artifact,
                                  .result = final };

    if (check_artifact(artifact, err) < 0)
        return ps_context(err, "job %lld", (long long)job);
    return dispatch(q, &call, err);
}

/* The fence is two numbers and the failure two more. */
// NOLINTNEXTLINE(readability-function-size)
int ps_queue_fail(struct ps_queue *q, int64_t job, int64_t epoch, int code,
                  const char *detail, enum ps_job_state *now,
                  struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_FAIL,
                                  .job = job,
                                  .epoch = epoch,
                                  .code = code,
                                  .text = detail,
                                  .state = now };

    return dispatch(q, &call, err);
}

int ps_queue_acknowledge_cancel(struct ps_queue *q, int64_t job, int64_t epoch,
                                enum ps_job_state *now, struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_ACKNOWLEDGE_CANCEL,
                                  .job = job,
                                  .epoch = epoch,
                                  .state = now };

    return dispatch(q, &call, err);
}

int ps_queue_release(struct ps_queue *q, int64_t job, int64_t epoch,
                     struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_RELEASE,
                                  .job = job,
                                  .epoch = epoch };

    return dispatch(q, &call, err);
}

int ps_queue_reap(struct ps_queue *q, size_t *reaped, struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_REAP, .count = reaped };

    return dispatch(q, &call, err);
}

int ps_queue_cancel_request(struct ps_queue *q, const char *request,
                            struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_CANCEL_REQUEST,
                                  .text = request };

    return dispatch(q, &call, err);
}

int ps_queue_cancel_job(struct ps_queue *q, int64_t job, struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_CANCEL_JOB, .job = job };

    return dispatch(q, &call, err);
}

int ps_queue_retry(struct ps_queue *q, int64_t job, struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_RETRY, .job = job };

    return dispatch(q, &call, err);
}

int ps_queue_get(struct ps_queue *q, struct ps_arena *arena, int64_t job,
                 struct ps_job *out, struct ps_error *err)
{
    struct ps_queue_call call = {
        .verb = PS_QUEUE_GET, .arena = arena, .job = job, .row = out
    };

    return dispatch(q, &call, err);
}

int ps_queue_list(struct ps_queue *q, struct ps_arena *arena,
                  const struct ps_job_filter *filter, struct ps_job **out,
                  size_t *count, struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_LIST,
                                  .arena = arena,
                                  .filter = filter,
                                  .rows = out,
                                  .count = count };

    return dispatch(q, &call, err);
}

int ps_queue_prune(struct ps_queue *q, uint64_t before_ms, size_t *removed,
                   struct ps_error *err)
{
    size_t now = 0;
    struct ps_queue_call call = { .verb = PS_QUEUE_PRUNE,
                                  .before_ms = (int64_t)PS_MIN(
                                      before_ms, (uint64_t)INT64_MAX),
                                  .limit = PRUNE_STEP,
                                  .count = &now };

    /* In steps, so that workers get their turn in between. */
    *removed = 0;
    do {
        if (dispatch(q, &call, err) < 0)
            return err->code;
        *removed += now;
    } while (now == PRUNE_STEP);
    return PS_OK;
}

int ps_queue_set_tenant(struct ps_queue *q, const char *name, int64_t weight,
                        int64_t max_running, struct ps_error *err)
{
    struct ps_queue_call call = { .verb = PS_QUEUE_TENANT,
                                  .text = name,
                                  .weight = weight,
                                  .max_running = max_running };

    if (weight < 1 || weight > 1000000 || max_running < 0)
        return ps_fail(err, PS_EINVALID,
                       "tenant '%s': weight must be 1 to 1000000, max_running "
                       "at least 0",
                       name);
    return dispatch(q, &call, err);
}

void ps_queue_shift_clock(struct ps_queue *q, int64_t shift_ms)
{
    atomic_store(&q->settings.clock_shift_ms, shift_ms);
}

void ps_queue_set_busy_ms(struct ps_queue *q, unsigned busy_ms)
{
    atomic_store(&q->settings.busy_ms, busy_ms);
}

size_t ps_queue_callers(struct ps_queue *q)
{
    size_t callers = 0;

    (void)pthread_mutex_lock(&q->lock);
    callers = q->callers;
    (void)pthread_mutex_unlock(&q->lock);
    return callers;
}
