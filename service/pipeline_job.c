/* A claimed job, from the copy of its source to its end in the queue. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/clock.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/record.h"

#define LOG_MAX_BYTES (UINT64_C(64) << 20)
#define SUPPLY_MAX 20 /* requirements without a wheel, of one build */
#define RECORD_MAX ((size_t)1024 * 1024)

char *ps_pipeline_log_path(const struct ps_dirs *dirs, int64_t job)
{
    return ps_format("%s/logs/%lld.log", dirs->state, (long long)job);
}

static void on_log(const char *data, size_t len, void *user)
{
    struct ps_work *w = user;
    struct ps_error ignored = PS_ERROR_INIT;

    ps_work_event(
        w, (struct ps_event){ .kind = PS_EVENT_LOG, .data = data, .len = len });
    /* A log that cannot be written must not fail the build that it is of. */
    if (w->log_fd >= 0 && w->log_bytes + len <= LOG_MAX_BYTES) {
        w->log_bytes += len;
        (void)!ps_write_all(w->log_fd, data, len, &ignored);
    }
}

static void log_line(struct ps_work *w, const char *fmt, ...) PS_PRINTF(2, 3);

static void log_line(struct ps_work *w, const char *fmt, ...)
{
    PS_AUTO_FREE char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = ps_vformat(fmt, ap);
    va_end(ap);
    on_log(text, strlen(text), w);
}

static void on_phase(const char *phase, void *user)
{
    struct ps_work *w = user;

    ps_work_phase(w, phase);
    log_line(w, "== %s\n", phase);
}

static int open_log(struct ps_work *w, int64_t job, struct ps_error *err)
{
    PS_AUTO_FREE char *path = ps_pipeline_log_path(w->p->o->dirs, job);
    PS_AUTO_FREE char *dir = ps_format("%s/logs", w->p->o->dirs->state);
    int rc = ps_mkdirs(dir, 0700, err);

    if (rc < 0)
        return rc;
    w->log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (w->log_fd < 0)
        return ps_fail_errno(err, errno, "open '%s'", path);
    w->log_bytes = 0;
    w->result.log = ps_arena_strdup(&w->arena, path);
    return PS_OK;
}

/* The build record of this key in a store, if it names a wheel. */
static bool read_record(struct ps_work *w, struct ps_store *store,
                        const char *key, struct ps_artifact *out)
{
    PS_AUTO_FREE char *temp =
        ps_format("%s/record-XXXXXX", w->p->o->dirs->cache);
    PS_AUTO_FD int fd = mkostemp(temp, O_CLOEXEC);
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(RECORD_MAX);
    PS_AUTO_JSON json_t *doc = NULL;
    struct ps_error ignored = PS_ERROR_INIT;
    const json_t *subject = NULL;
    const char *name = NULL;
    const char *hex = NULL;

    if (fd < 0)
        return false;
    (void)unlink(temp);
    if (ps_store_get(store, key, fd, RECORD_MAX, &w->beat->cancel, NULL,
                     &ignored) < 0 ||
        lseek(fd, 0, SEEK_SET) < 0 || ps_read_all(fd, &text, &ignored) < 0 ||
        ps_json_parse(ps_buf_str(&text), key, &doc, &ignored) < 0)
        return false;
    subject = json_array_get(json_object_get(doc, "subject"), 0);
    name = ps_json_string_or(subject, "name", NULL);
    hex = ps_json_string_or(json_object_get(subject, "digest"), "sha256", "");
    if (!name || ps_sha256_parse(ps_str_from(hex), &out->sha256, &ignored) < 0)
        return false;
    out->name = ps_arena_strdup(&w->arena, name);
    return true;
}

/* A wheel that somebody else built from the very same things. */
static bool adopt(struct ps_work *w, const struct ps_sha256 *build_key,
                  struct ps_artifact *out)
{
    struct ps_store *stores[2] = { w->p->o->local, w->p->o->store };
    PS_AUTO_FREE char *record = NULL;
    char hex[PS_SHA256_HEX_SIZE];

    if (w->p->o->rebuild)
        return false;
    ps_sha256_hex(build_key, hex);
    record = ps_format("builds/%s.json", hex);
    for (size_t i = 0; i < 2; i++) {
        PS_AUTO_FREE char *key = NULL;
        struct ps_object_info info = { .exists = false };
        struct ps_error ignored = PS_ERROR_INIT;

        if (!stores[i] || !read_record(w, stores[i], record, out))
            continue;
        key = ps_store_wheel_key(&out->sha256, out->name);
        if (ps_store_stat(stores[i], key, &w->beat->cancel, &info, &ignored) <
                0 ||
            !info.exists)
            continue;
        out->size = info.size;
        log_line(w, "adopted '%s' from '%s'\n", out->name,
                 ps_store_location(stores[i]));
        return true;
    }
    return false;
}

static char *make_record(struct ps_work *w, const struct ps_claim *claim,
                         const struct ps_prepared *prepared,
                         const struct ps_sha256 *build_key,
                         const struct ps_wheel_info *wheel,
                         struct ps_error *err)
{
    const struct ps_pipeline_options *o = w->p->o;
    struct ps_record_requirement *requirements = ps_arena_alloc(
        &w->arena, prepared->wheels.count, sizeof(*requirements));
    char request_hex[PS_SHA256_HEX_SIZE];
    char *text = NULL;
    struct ps_build_record record = {
        .wheel_name = wheel->file_name,
        .wheel_sha256 = wheel->sha256,
        .wheel_size = wheel->size,
        .build_key = *build_key,
        .request_key = request_hex,
        .invocation_id =
            ps_arena_format(&w->arena, "job-%lld-epoch-%lld",
                            (long long)claim->job, (long long)claim->epoch),
        .source_kind = ps_source_kind_name(w->source.kind),
        .source_url = w->source.given,
        .source_commit = w->resolved.commit,
        .source_digest = w->resolved.digest,
        .subdirectory = w->source.subdirectory,
        .python_implementation = o->python->implementation,
        .python_version = o->python->version,
        .python_abi = o->python->abi,
        .python_platform = o->python->platform,
        .requirements = requirements,
        .requirement_count = prepared->wheels.count,
        .config_settings = o->config_settings,
        .builder_version = PKGSYNC_VERSION,
        .sandbox = o->runner->strength(o->runner),
        .network = o->network,
        .started_s = (int64_t)(w->started_ms / 1000),
        .finished_s = (int64_t)(ps_now_ms() / 1000),
    };

    ps_sha256_hex(&w->key, request_hex);
    for (size_t i = 0; i < prepared->wheels.count; i++) {
        requirements[i].file_name = prepared->wheels.files[i].name;
        requirements[i].sha256 = prepared->wheels.files[i].sha256;
    }
    return ps_build_record_json(&record, &text, err) < 0 ? NULL : text;
}

/* Requirements that have no wheel are built first, one after the other. */
static int prepare(struct ps_work *w, struct ps_prepared *prepared,
                   struct ps_error *err)
{
    for (unsigned i = 0;; i++) {
        int rc = ps_build_prepare(&w->arena, &w->build, prepared, err);

        if (rc != PS_ENOTFOUND || !w->failure.missing || i == SUPPLY_MAX)
            return rc;
        rc = ps_work_supply(w, w->failure.missing, err);
        if (rc < 0)
            return rc;
        w->failure.missing = NULL;
    }
}

/* A build, in its directory: everything between the copy and the wheel. */
static int build_in(struct ps_work *w, const struct ps_claim *claim,
                    const char *dir, struct ps_artifact *out, bool *adopted,
                    struct ps_error *err)
{
    const char *tree = ps_arena_format(&w->arena, "%s/src", dir);
    const char *wheels = ps_arena_format(&w->arena, "%s/out", dir);
    struct ps_prepared prepared = { .environment = NULL };
    struct ps_wheel_info wheel = { .size = 0 };
    struct ps_sha256 build_key = { .bytes = { 0 } };
    PS_AUTO_FREE char *record = NULL;
    PS_AUTO_FD int out_dir = -1;
    int rc = ps_mkdirs(tree, 0755, err);

    w->failure = (struct ps_build_failure){ .phase = "source" };
    on_phase("source", w);
    if (rc == PS_OK)
        rc = ps_open_dir(wheels, true, &out_dir, err);
    if (rc == PS_OK)
        rc = ps_source_materialize(&w->arena, &w->source, &w->resolved,
                                   &w->context, tree, err);
    w->build.tree = tree;
    if (rc == PS_OK)
        rc = prepare(w, &prepared, err);
    if (rc == PS_OK) {
        build_key = ps_work_build_key(w, &prepared);
        *adopted = adopt(w, &build_key, out);
        if (*adopted)
            return PS_OK;
        rc = ps_build_wheel(&w->arena, &w->build, &prepared, out_dir, &wheel,
                            err);
    }
    if (rc == PS_OK) {
        w->failure.phase = "store";
        rc = ps_work_keep(w, out_dir, wheel.file_name, &wheel.sha256,
                          wheel.size, err);
    }
    if (rc == PS_OK) {
        record = make_record(w, claim, &prepared, &build_key, &wheel, err);
        rc = record ? ps_work_keep_record(w, &build_key, record, err)
                    : err->code;
    }
    w->result.phase = w->failure.phase;
    w->result.cause = w->failure.cause;
    if (rc < 0)
        return rc;
    *out = (struct ps_artifact){ .sha256 = wheel.sha256,
                                 .size = wheel.size,
                                 .name = ps_arena_strdup(&w->arena,
                                                         wheel.file_name) };
    return ps_queue_built(w->p->o->queue, claim->job, claim->epoch, out, err);
}

/* Where this claim begins: at a wheel that an earlier run built, or not. */
static int produce(struct ps_work *w, const struct ps_claim *claim,
                   struct ps_artifact *out, enum ps_wheel_status *status,
                   struct ps_error *err)
{
    struct ps_job_dir dir = { .lock = -1 };
    bool adopted = false;
    bool gone = false;
    int rc = PS_OK;

    *status = PS_WHEEL_BUILT;
    if (claim->has_built) {
        *out = claim->built;
        w->result.phase = "upload";
        rc = ps_work_accept(w, out, *status, &gone, err);
        if (rc == PS_OK || !gone)
            return rc;
        *err = PS_ERROR_INIT;
    }
    rc = ps_job_dir_make(w->p->o->dirs, claim->job, &dir, err);
    if (rc < 0)
        return rc;
    rc = build_in(w, claim, dir.path, out, &adopted, err);
    ps_job_dir_remove(&dir);
    if (rc < 0)
        return rc;
    if (adopted)
        *status = PS_WHEEL_HIT;
    w->result.phase = "upload";
    return ps_work_accept(w, out, *status, &gone, err);
}

static char *failure_json(const struct ps_work *w, const struct ps_error *err)
{
    PS_AUTO_JSON json_t *doc = json_pack(
        "{s:o, s:o, s:o, s:s, s:o}", "phase", ps_json_string(w->result.phase),
        "cause", ps_json_string(w->result.cause), "message",
        ps_json_string(err->text), "code", ps_code_name(err->code), "log",
        ps_json_string(w->result.log));

    return ps_json_canonical(doc);
}

/* Tell the queue how a run failed; the work's own error stays as it is. */
static void end_failed(struct ps_work *w, const struct ps_claim *claim,
                       const struct ps_error *err)
{
    struct ps_queue *queue = w->p->o->queue;
    PS_AUTO_FREE char *detail = failure_json(w, err);
    struct ps_error ignored = PS_ERROR_INIT;
    enum ps_job_state now = PS_JOB_FAILED;

    log_line(w, "== failed: %s\n", err->text);
    if (err->code == PS_ELOST)
        return;
    if (ps_cancel_is_fired(w->p->o->cancel))
        (void)!ps_queue_release(queue, claim->job, claim->epoch, &ignored);
    else if (err->code == PS_ECANCELED)
        (void)!ps_queue_acknowledge_cancel(queue, claim->job, claim->epoch,
                                           &now, &ignored);
    else
        (void)!ps_queue_fail(queue, claim->job, claim->epoch,
                             /* The key is of a source that is no more. */
                             err->code == PS_EBUSY ? PS_EINVALID : err->code,
                             detail, &now, &ignored);
}

static int run_claimed(struct ps_work *w, const struct ps_claim *claim,
                       struct ps_error *err)
{
    struct ps_artifact made = { .size = 0 };
    struct ps_artifact final = { .size = 0 };
    enum ps_wheel_status status = PS_WHEEL_BUILT;
    bool gone = false;
    int rc = open_log(w, claim->job, err);

    if (rc == PS_OK)
        rc = produce(w, claim, &made, &status, err);
    if (rc == PS_OK)
        rc = ps_queue_complete(w->p->o->queue, &w->arena, claim->job,
                               claim->epoch, &made, &final, err);
    if (rc < 0) {
        end_failed(w, claim, err);
        return rc;
    }
    log_line(w, "== done: %s\n", final.name);
    /* Another worker may have been first: then its bytes are the result. */
    if (!ps_sha256_equal(&final.sha256, &made.sha256))
        return ps_work_accept(w, &final, status, &gone, err);
    return PS_OK;
}

int ps_work_run(struct ps_work *w, const struct ps_claim *claim,
                struct ps_error *err)
{
    struct ps_beat beat = { .job = claim->job, .epoch = claim->epoch };
    int rc = 0;

    atomic_init(&beat.phase, "source");
    rc = ps_heart_add(&w->p->heart, &beat, err);
    if (rc < 0)
        return rc;
    w->beat = &beat;
    w->build.cancel = &beat.cancel;
    w->build.log = on_log;
    w->build.phase = on_phase;
    w->build.user = w;
    w->log_fd = -1;
    rc = run_claimed(w, claim, err);
    if (w->log_fd >= 0)
        (void)close(w->log_fd);
    w->log_fd = -1;
    w->build.log = NULL;
    w->build.phase = NULL;
    w->build.cancel = w->p->o->cancel;
    w->beat = NULL;
    ps_heart_remove(&w->p->heart, &beat);
    return rc;
}
