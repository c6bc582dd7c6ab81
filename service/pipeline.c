#include "pkgsync/pipeline.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "pipeline_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/clock.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define POLL_MS 200
#define SOURCE_TRIES 3
#define THREADS_MAX 256

const char *ps_wheel_status_name(enum ps_wheel_status status)
{
    static const char *const names[] = {
        [PS_WHEEL_BUILT] = "built",
        [PS_WHEEL_HIT] = "hit",
        [PS_WHEEL_FAILED] = "failed",
    };

    return names[status];
}

void ps_work_event(struct ps_work *w, struct ps_event event)
{
    const struct ps_pipeline_options *o = w->p->o;

    if (!o->event)
        return;
    event.index = w->index;
    event.source = w->result.source;
    (void)pthread_mutex_lock(&w->p->lock);
    o->event(&event, o->user);
    (void)pthread_mutex_unlock(&w->p->lock);
}

void ps_work_phase(struct ps_work *w, const char *phase)
{
    w->result.phase = phase;
    if (w->beat)
        atomic_store(&w->beat->phase, phase);
    ps_work_event(w,
                  (struct ps_event){ .kind = PS_EVENT_PHASE, .phase = phase });
}

static void on_git(uint64_t objects, uint64_t total, uint64_t bytes, void *user)
{
    (void)bytes;
    ps_work_event(user, (struct ps_event){ .kind = PS_EVENT_PROGRESS,
                                           .phase = "clone",
                                           .done = objects,
                                           .total = total });
}

/* A plain URL is a grant that needs no signature. */
static int plain_grant(void *user, int64_t skew_s, struct ps_grant *out,
                       struct ps_error *err)
{
    (void)skew_s;
    (void)err;
    *out = (struct ps_grant){ .url = ps_strdup(*(const char *const *)user),
                              .expires_ms = UINT64_MAX };
    return PS_OK;
}

static int download(const char *url, int fd, uint64_t max_bytes,
                    const struct ps_cancel *cancel, void *user,
                    struct ps_error *err)
{
    struct ps_work *w = user;
    struct ps_transfer_result result;
    struct ps_transfer transfer = {
        .grant = plain_grant,
        .grant_user = &url,
        .fd = fd,
        .size = max_bytes,
        .what = "download the sdist",
    };

    ps_work_phase(w, "download");
    return ps_uploader_get(w->p->o->uploader, &transfer, cancel, &result, err);
}

void ps_work_init(struct ps_work *w, struct ps_pipeline *p, size_t index,
                  const char *text)
{
    const struct ps_pipeline_options *o = p->o;

    *w = (struct ps_work){ .p = p,
                           .index = index,
                           .text = text,
                           .log_fd = -1,
                           .started_ms = ps_now_ms() };
    w->arena = PS_ARENA_INIT;

    w->build = (struct ps_build){
        .runner = o->runner,
        .python = o->python,
        .index = o->index,
        .failure = &w->failure,
        .cache_dir = o->dirs->cache,
        .cancel = o->cancel,
        .build_requires = o->build_requires,
        .config_settings = o->config_settings,
        .env = o->env,
        .network = o->network,
        .limits = o->limits,
    };
    w->context = (struct ps_source_context){
        .build = &w->build,
        .include = o->include,
        .exclude = o->exclude,
        .git_progress = on_git,
        .git_user = w,
        .download = download,
        .download_user = w,
    };
}

int ps_work_resolve(struct ps_work *w, struct ps_error *err)
{
    const struct ps_pipeline_options *o = w->p->o;
    int rc =
        ps_source_parse(&w->arena, w->text, o->cwd, o->python, &w->source, err);

    if (rc < 0)
        return rc;
    w->result.source = w->source.given;
    rc = ps_source_resolve(&w->arena, &w->source, &w->context, &w->resolved,
                           err);
    if (rc < 0)
        return rc;
    w->build.display = w->source.given;
    w->build.subdirectory = w->source.subdirectory;
    w->build.source_date_s = w->resolved.time_s;
    w->build.expect_name =
        w->source.kind == PS_SOURCE_GIT ? w->source.git.egg : w->source.name;
    w->key = ps_work_key(w);
    w->result.key = w->key;
    return PS_OK;
}

/* Known already, and its bytes still there?  Then the result is filled. */
static int try_known(struct ps_work *w, bool *known, struct ps_error *err)
{
    struct ps_artifact artifact;
    bool found = false;
    bool gone = false;
    int rc = ps_queue_lookup(w->p->o->queue, &w->arena, &w->key, &found,
                             &artifact, err);

    if (rc < 0)
        return rc;
    if (!found || w->p->o->rebuild)
        return PS_OK;
    rc = ps_work_accept(w, &artifact, PS_WHEEL_HIT, &gone, err);
    if (!gone) {
        *known = true;
        return rc;
    }
    *err = PS_ERROR_INIT;
    return ps_queue_forget(w->p->o->queue, &w->key, err);
}

static int enqueue(struct ps_work *w, struct ps_enqueued *out,
                   struct ps_error *err)
{
    PS_AUTO_FREE char *spec = ps_work_spec(w);
    unsigned char unique[16];
    struct ps_sha256 request;
    char hex[PS_SHA256_HEX_SIZE];
    struct ps_enqueue what = {
        .key = w->key, .request = hex, .spec = spec, .rebuild = w->p->o->rebuild
    };

    if (getrandom(unique, sizeof(unique), 0) != sizeof(unique))
        return ps_fail_errno(err, errno, "getrandom");
    request = ps_sha256_of(unique, sizeof(unique));
    ps_sha256_hex(&request, hex);
    return ps_queue_enqueue(w->p->o->queue, &w->arena, &what, out, err);
}

static int pause_ms(const struct ps_cancel *cancel, int ms,
                    struct ps_error *err)
{
    struct pollfd p = { .fd = cancel ? cancel->fd : -1, .events = POLLIN };

    (void)poll(&p, 1, ms);
    return ps_cancel_check(cancel, err);
}

/* Somebody else's run ended in failure: say the same as they do. */
static int others_failure(struct ps_work *w, const struct ps_job *job,
                          struct ps_error *err)
{
    PS_AUTO_JSON json_t *detail = NULL;
    struct ps_error ignored = PS_ERROR_INIT;
    PS_AUTO_FREE char *log = ps_pipeline_log_path(w->p->o->dirs, job->id);

    w->result.log = ps_arena_strdup(&w->arena, log);
    if (job->state == PS_JOB_CANCELLED)
        return ps_fail(err, PS_ECANCELED, "job %lld was cancelled",
                       (long long)job->id);
    if (job->error && ps_json_parse(ps_str_from(job->error), "job", &detail,
                                    &ignored) == PS_OK) {
        w->result.phase = ps_arena_strdup(
            &w->arena, ps_json_string_or(detail, "phase", NULL));
        w->result.cause = ps_arena_strdup(
            &w->arena, ps_json_string_or(detail, "cause", NULL));
        return ps_fail(
            err,
            ps_code_from_name(ps_json_string_or(detail, "code", ""), PS_EBUILD),
            "%s", ps_json_string_or(detail, "message", "build failed"));
    }
    return ps_fail(err, PS_EBUILD, "job %lld ended in state '%s' (%s)",
                   (long long)job->id, ps_job_state_name(job->state),
                   job->error_class ? job->error_class : "no reason given");
}

static bool has_ended(enum ps_job_state state)
{
    return state == PS_JOB_DONE || state == PS_JOB_FAILED ||
           state == PS_JOB_DEAD || state == PS_JOB_CANCELLED;
}

/* Nothing to claim: it runs elsewhere, or waits for its time. */
static int look_at_job(struct ps_work *w, int64_t id, bool *ended,
                       struct ps_error *err)
{
    struct ps_job job = { .id = 0 };
    bool gone = false;
    int rc = ps_queue_get(w->p->o->queue, &w->arena, id, &job, err);

    if (rc < 0)
        return rc;
    *ended = has_ended(job.state);
    /* Somebody rebuilds it, so its result is on its way: begin anew. */
    if (job.state == PS_JOB_DONE && !job.has_artifact)
        return ps_fail(err, PS_EBUSY, "job %lld is being done again",
                       (long long)id);
    /* Runs that were killed used its budget up, but a person asks again. */
    if (job.state == PS_JOB_DEAD && !w->has_revived && job.error_class &&
        strcmp(job.error_class, "lost") == 0) {
        w->has_revived = true;
        *ended = false;
        return ps_queue_retry(w->p->o->queue, id, err);
    }
    if (*ended && job.state == PS_JOB_DONE)
        return ps_work_accept(w, &job.artifact, PS_WHEEL_HIT, &gone, err);
    if (*ended)
        return others_failure(w, &job, err);
    ps_work_event(
        w, (struct ps_event){ .kind = PS_EVENT_WAIT, .phase = job.phase });
    return pause_ms(w->p->o->cancel, POLL_MS, err);
}

/* Work on the job until it has ended, whoever ends it. */
static int see_through(struct ps_work *w, int64_t id, struct ps_error *err)
{
    struct ps_queue *queue = w->p->o->queue;
    bool ended = false;

    while (!ended) {
        struct ps_claim claim = { .job = 0 };
        size_t reaped = 0;
        int rc = ps_queue_reap(queue, &reaped, err);

        if (rc == PS_OK)
            rc = ps_queue_claim(queue, &w->arena, &id, 1, &claim, err);
        if (rc < 0)
            return rc;
        if (claim.job) {
            rc = ps_work_run(w, &claim, err);
            /* The lease went to somebody else: wait for what they make. */
            if (rc != PS_ELOST)
                return rc;
            *err = PS_ERROR_INIT;
        }
        rc = look_at_job(w, id, &ended, err);
        if (rc < 0)
            return rc;
    }
    return PS_OK;
}

static int work_once(struct ps_work *w, struct ps_error *err)
{
    struct ps_enqueued job = { .hit = false };
    bool known = false;
    int rc = 0;

    ps_work_phase(w, "resolve");
    rc = ps_work_resolve(w, err);
    if (rc < 0)
        return rc;
    rc = try_known(w, &known, err);
    if (rc < 0 || known)
        return rc;
    rc = enqueue(w, &job, err);
    if (rc < 0)
        return rc;
    if (job.hit)
        return ps_work_accept(w, &job.artifact, PS_WHEEL_HIT, &known, err);
    w->result.job = job.job;
    return see_through(w, job.job, err);
}

/* Copy the result into the caller's arena. */
static void deliver(struct ps_work *w)
{
    struct ps_wheel_result *r = &w->p->results[w->index];
    struct ps_arena *arena = w->p->arena;

    (void)pthread_mutex_lock(&w->p->lock);
    *r = w->result;
    r->source = ps_arena_strdup(arena, r->source);
    r->name = ps_arena_strdup(arena, r->name);
    r->version = ps_arena_strdup(arena, r->version);
    r->file_name = ps_arena_strdup(arena, r->file_name);
    r->path = ps_arena_strdup(arena, r->path);
    r->url = ps_arena_strdup(arena, r->url);
    r->phase = ps_arena_strdup(arena, r->phase);
    r->cause = ps_arena_strdup(arena, r->cause);
    r->log = ps_arena_strdup(arena, r->log);
    (void)pthread_mutex_unlock(&w->p->lock);
    ps_work_event(w, (struct ps_event){ .kind = PS_EVENT_DONE, .result = r });
}

int ps_work_do(struct ps_work *w, struct ps_error *err)
{
    int rc = ps_cancel_check(w->p->o->cancel, err);

    /* A source that is edited under our hands is resolved anew. */
    for (int i = 0; i < SOURCE_TRIES && rc == PS_OK; i++) {
        *err = PS_ERROR_INIT;
        rc = work_once(w, err);
        if (rc != PS_EBUSY)
            break;
        if (i + 1 < SOURCE_TRIES)
            rc = pause_ms(w->p->o->cancel, POLL_MS, err);
    }
    return rc;
}

static void work_on(struct ps_pipeline *p, size_t index)
{
    PS_AUTO_FREE char *shown = ps_url_redact(p->sources[index]);
    struct ps_error err = PS_ERROR_INIT;
    uint64_t began = ps_boot_ms();
    struct ps_work w;

    ps_work_init(&w, p, index, p->sources[index]);
    w.result.source = shown;
    if (ps_work_do(&w, &err) < 0) {
        w.result.status = PS_WHEEL_FAILED;
        w.result.error = err;
        w.result.name = w.result.version = w.result.file_name = NULL;
        w.result.path = w.result.url = NULL;
    }
    w.result.wall_ms = ps_boot_ms() - began;
    deliver(&w);
    ps_arena_release(&w.arena);
}

static void *worker_main(void *user)
{
    struct ps_pipeline *p = user;

    for (;;) {
        size_t index = atomic_fetch_add(&p->next, 1);

        if (index >= p->count)
            return NULL;
        work_on(p, index);
    }
}

int ps_pipeline_wheels(struct ps_arena *arena,
                       const struct ps_pipeline_options *options,
                       const char *const *sources, size_t count,
                       struct ps_wheel_result *results, struct ps_error *err)
{
    struct ps_pipeline p = { .o = options,
                             .sources = sources,
                             .count = count,
                             .results = results,
                             .arena = arena };
    size_t wanted = PS_MIN(PS_MAX(options->jobs, 1U), THREADS_MAX);
    pthread_t threads[THREADS_MAX];
    size_t started = 0;
    PS_AUTO_FD int lock = -1;
    int rc = ps_python_can_build(options->python, err);

    if (rc == PS_OK)
        rc = ps_cache_share(options->dirs, &lock, err);
    if (rc == PS_OK)
        rc = ps_heart_start(&p.heart, options->queue, options->cancel, err);
    if (rc < 0)
        return rc;
    (void)pthread_mutex_init(&p.lock, NULL);
    atomic_init(&p.next, 0);
    ps_pipeline_clean(options->dirs);
    for (size_t i = 1; i < PS_MIN(wanted, count); i++) {
        if (pthread_create(&threads[started], NULL, worker_main, &p) == 0)
            started++;
    }
    /* The calling thread is one of them: no thread, no loss but of speed. */
    (void)worker_main(&p);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    ps_heart_stop(&p.heart);
    (void)pthread_mutex_destroy(&p.lock);
    /* Of those that were killed while we waited for what they made. */
    ps_pipeline_clean(options->dirs);
    return PS_OK;
}
