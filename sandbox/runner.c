/*
 * The caller's side of the helper: start it, and watch four things at once:
 * its result, the command's output, the caller's token, and the clock.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch.h"
#include "pkgsync/arena.h"
#include "pkgsync/clock.h"
#include "pkgsync/mem.h"
#include "pkgsync/sandbox.h"
#include "pkgsync/util.h"
#include "plan.h"
#include "probe.h"
#include "report.h"

/* The helper keeps the wall clock itself; this is for a helper that hangs. */
#define WALL_GRACE_MS 30000u
/* After SIGTERM the helper ends the namespace; then it is killed itself. */
#define END_GRACE_MS 10000u
#define READ_SIZE ((size_t)64 << 10)
/* What is kept of the output's end, to tell why a command failed. */
#define TAIL_SIZE ((size_t)4 << 10)

struct sandbox {
    struct ps_runner runner;
    struct ps_arena arena;
    const char *helper;             /* in the arena */
    const char *const *weaken;      /* in the arena; may be absent */
    const char *const *extra_paths; /* in the arena */
    const char *cache_dir;          /* in the arena; may be NULL */

    pthread_mutex_t lock; /* guards what follows */
    bool is_probed;
    const char **missing;    /* owned; what the helper goes without */
    char *strength;          /* owned */
    char *kept;              /* owned: file of the answer; NULL: not kept */
    struct ps_error refusal; /* code 0: everything required is there */
};

/* One run. */
struct run {
    const struct ps_run_spec *spec; /* borrowed; defaults filled in */
    const struct ps_cancel *cancel; /* borrowed; may be NULL */
    struct ps_launch launch;
    struct ps_buf result_text;
    uint64_t log_bytes;
    char tail[TAIL_SIZE + 1];
    size_t tail_len;
    bool log_is_over; /* log_max_bytes was passed */
    bool has_asked;   /* SIGTERM was sent */
    uint64_t deadline_ms;
    bool has_deadline;
};

static struct sandbox *sandbox_of(struct ps_runner *r)
{
    return PS_CONTAINER_OF(r, struct sandbox, runner);
}

static const char *const *copy_list(struct ps_arena *a, const char *const *list)
{
    const char **copy = NULL;
    size_t n = 0;

    while (list && list[n])
        n++;
    copy = ps_arena_alloc(a, n + 1, sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = ps_arena_strdup(a, list[i]);
    return copy;
}

/* ---- what the machine can do, found out once ---- */

/*
 * What the helper goes without: what is absent and was waived (anything else
 * absent was refused), and the overlay, for which it has a substitute.
 */
static const char **missing_of(const struct ps_layer *layers, size_t count)
{
    const char **list = ps_calloc(count + 1, sizeof(*list));
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        bool is_missing = layers[i].required
                              ? layers[i].state == PS_LAYER_ABSENT
                              : layers[i].state != PS_LAYER_PRESENT;

        if (is_missing)
            list[n++] = layers[i].name;
    }
    return list;
}

static int probe_locked(struct sandbox *s, struct ps_error *err)
{
    const struct ps_sandbox_options options = { .helper_path = s->helper };
    struct ps_layer layers[PS_LAYERS_MAX];
    size_t count = 0;

    if (s->is_probed)
        return PS_OK;
    free(s->kept);
    s->kept = ps_layers_kept_path(s->cache_dir, s->helper);
    if (!s->kept || !ps_layers_load(s->kept, layers, &count)) {
        if (ps_sandbox_probe(&options, layers, &count, err) < 0)
            return err->code;
        if (s->kept)
            ps_layers_save(s->kept, layers, count);
    }
    (void)!ps_layers_check(layers, count, s->weaken, &s->refusal);
    s->missing = missing_of(layers, count);
    s->strength = ps_layers_strength(layers, count);
    s->is_probed = true;
    return PS_OK;
}

static int sandbox_probe(struct sandbox *s, struct ps_error *err)
{
    int rc;

    pthread_mutex_lock(&s->lock);
    rc = probe_locked(s, err);
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static const char *sandbox_strength(struct ps_runner *self)
{
    struct sandbox *s = sandbox_of(self);
    struct ps_error err = PS_ERROR_INIT;

    /* Never changes once it is there. */
    if (sandbox_probe(s, &err) < 0)
        return "{\"layers\":{},\"weakened\":[]}";
    return s->strength;
}

/* ---- while it runs ---- */

/* Ask the helper to end the command, and give it a while for that. */
static void ask_to_end(struct run *r)
{
    if (r->has_asked)
        return;
    r->has_asked = true;
    r->has_deadline = true;
    r->deadline_ms = ps_boot_ms() + END_GRACE_MS;
    (void)kill(r->launch.pid, SIGTERM);
}

static void keep_tail(struct run *r, const char *data, size_t len)
{
    size_t keep;

    if (len >= TAIL_SIZE) {
        data += len - TAIL_SIZE;
        len = TAIL_SIZE;
    }
    keep = PS_MIN(r->tail_len, TAIL_SIZE - len);
    memmove(r->tail, r->tail + r->tail_len - keep, keep);
    memcpy(r->tail + keep, data, len);
    r->tail_len = keep + len;
    r->tail[r->tail_len] = '\0';
}

static void take_output(struct run *r, const char *data, size_t len)
{
    uint64_t left = r->spec->log_max_bytes - r->log_bytes;

    if (len > left) {
        len = (size_t)left;
        r->log_is_over = true;
    }
    r->log_bytes += len;
    keep_tail(r, data, len);
    if (len > 0 && r->spec->sink)
        r->spec->sink(data, len, r->spec->sink_user);
}

/* Everything that is there now.  True at the end of the pipe. */
static bool read_output(struct run *r)
{
    char block[READ_SIZE];

    for (;;) {
        ssize_t got = read(r->launch.out_read, block, sizeof(block));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno != EAGAIN;
        if (got == 0)
            return true;
        if (!r->log_is_over)
            take_output(r, block, (size_t)got);
        if (r->log_is_over) {
            ask_to_end(r);
            return false;
        }
    }
}

/* True at the end: the helper has said everything, or has died. */
static bool read_result(struct run *r)
{
    char block[4096];

    for (;;) {
        ssize_t got = read(r->launch.result_read, block, sizeof(block));

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno != EAGAIN;
        if (got == 0)
            return true;
        ps_buf_add(&r->result_text, block, (size_t)got);
    }
}

static int poll_timeout(const struct run *r)
{
    uint64_t now = ps_boot_ms();

    if (!r->has_deadline)
        return -1;
    if (now >= r->deadline_ms)
        return 0;
    return (int)PS_MIN(r->deadline_ms - now, (uint64_t)INT32_MAX);
}

static int watch_run(struct run *r, struct ps_error *err)
{
    struct pollfd p[3] = {
        { .fd = r->launch.result_read, .events = POLLIN },
        { .fd = r->launch.out_read, .events = POLLIN },
        { .fd = r->cancel ? r->cancel->fd : -1, .events = POLLIN },
    };

    for (;;) {
        int timeout = poll_timeout(r);
        int n = poll(p, PS_ARRAY_SIZE(p), timeout);

        if (n < 0 && errno != EINTR)
            return ps_fail_errno(err, errno, "wait for the sandbox");
        if (n <= 0 && timeout == 0) {
            if (r->has_asked)
                return PS_OK; /* it does not listen: finish() kills it */
            ask_to_end(r);
        }
        if (n <= 0)
            continue;
        if (p[2].revents) {
            ask_to_end(r);
            p[2].fd = -1;
        }
        if (p[1].revents && read_output(r))
            p[1].fd = -1;
        if (r->log_is_over)
            p[1].fd = -1;
        if (p[0].revents && read_result(r))
            return PS_OK;
    }
}

/* ---- what became of it ---- */

struct symptom {
    const char *text;
    enum ps_run_outcome outcome;
};

/*
 * The kernel tells nobody that a limit on processes was met, and what filled a
 * disk may be gone again by the time one looks; the command's own last words
 * are then the only sign.
 */
static const struct symptom symptoms[] = {
    { "No space left on device", PS_RUN_DISK },
    { "[Errno 28]", PS_RUN_DISK },
    { "Resource temporarily unavailable", PS_RUN_PIDS },
    { "can't start new thread", PS_RUN_PIDS },
};

static void diagnose(const struct run *r, struct ps_run_result *result)
{
    if (result->outcome != PS_RUN_EXIT || result->exit_status == 0)
        return;
    for (size_t i = 0; i < PS_ARRAY_SIZE(symptoms); i++) {
        if (!memmem(r->tail, r->tail_len, symptoms[i].text,
                    strlen(symptoms[i].text)))
            continue;
        result->outcome = symptoms[i].outcome;
        snprintf(result->detail, sizeof(result->detail),
                 "the command said '%s'", symptoms[i].text);
        return;
    }
}

static int conclude(struct run *r, struct ps_run_result *result,
                    struct ps_error *err)
{
    struct ps_run_result end = { .detail = "" };
    bool was_cut = r->result_text.len == 0;
    int status;

    /* The result is the last thing a helper writes; leave it time to end. */
    if (!was_cut) {
        while (waitpid(r->launch.pid, &status, 0) < 0 && errno == EINTR)
            continue;
        r->launch.pid = -1;
    } else {
        status = ps_launch_reap(&r->launch);
    }
    (void)read_output(r);
    if (ps_cancel_check(r->cancel, err) < 0)
        return err->code;
    if (was_cut && !r->log_is_over)
        return ps_fail(err, PS_EIO,
                       "the sandbox helper ended without a "
                       "result (%s %d)",
                       WIFSIGNALED(status) ? "signal" : "exit status",
                       WIFSIGNALED(status) ? WTERMSIG(status)
                                           : WEXITSTATUS(status));
    if (!was_cut && ps_report_parse(ps_buf_str(&r->result_text), &end, err) < 0)
        return err->code;
    diagnose(r, &end);
    if (r->log_is_over) {
        end.outcome = PS_RUN_OUTPUT;
        snprintf(end.detail, sizeof(end.detail),
                 "log: more than %llu bytes of output",
                 (unsigned long long)r->spec->log_max_bytes);
    }
    *result = end;
    return PS_OK;
}

static int run_plan(struct run *r, const struct sandbox *s,
                    const struct ps_plan *plan, struct ps_run_result *result,
                    struct ps_error *err)
{
    if (plan->spec.wall_limit_ms > 0) {
        r->has_deadline = true;
        r->deadline_ms =
            ps_boot_ms() + plan->spec.wall_limit_ms + WALL_GRACE_MS;
    }
    if (ps_launch_start(&r->launch, s->helper, plan, err) < 0 ||
        watch_run(r, err) < 0)
        return err->code;
    return conclude(r, result, err);
}

static void run_release(struct run *r)
{
    ps_launch_release(&r->launch);
    ps_buf_release(&r->result_text);
}

/* A limit that is asked for and cannot be kept is refused, like any layer. */
static int check_memory(const struct sandbox *s, const struct ps_run_spec *spec,
                        struct ps_error *err)
{
    static const char layer[] = "memory-limit";

    if (spec->memory_max_bytes == 0 || !ps_plan_list_has(s->missing, layer) ||
        ps_plan_list_has(s->weaken, layer))
        return PS_OK;
    return ps_fail(err, PS_EUNSUPPORTED,
                   "the memory of a build cannot be limited on this machine; "
                   "do without --memory-mb, or go on unlimited: --weaken %s",
                   layer);
}

static int sandbox_run(struct ps_runner *self, const struct ps_run_spec *spec,
                       const struct ps_cancel *cancel,
                       struct ps_run_result *result, struct ps_error *err)
{
    struct sandbox *s = sandbox_of(self);
    struct ps_plan plan = { .spec = *spec, .extra_paths = s->extra_paths };
    struct run r = {
        .cancel = cancel,
        .launch = PS_LAUNCH_INIT,
        .result_text = PS_BUF_INIT(PS_REPORT_MAX_BYTES),
    };
    int rc;

    if (ps_cancel_check(cancel, err) < 0)
        return err->code;
    ps_plan_defaults(&plan);
    if (ps_plan_check(&plan, err) < 0 || sandbox_probe(s, err) < 0)
        return err->code;
    if (s->refusal.code) {
        *err = s->refusal;
        return err->code;
    }
    if (check_memory(s, spec, err) < 0)
        return err->code;
    plan.weaken = s->missing;
    r.spec = &plan.spec;
    rc = run_plan(&r, s, &plan, result, err);
    /* The machine may have changed since it was asked: ask again next time. */
    if (rc < 0 && rc != PS_ECANCELED && s->kept)
        (void)unlink(s->kept);
    run_release(&r);
    return rc;
}

static void sandbox_free(struct ps_runner *self)
{
    struct sandbox *s = sandbox_of(self);

    pthread_mutex_destroy(&s->lock);
    free(s->missing);
    free(s->strength);
    free(s->kept);
    ps_arena_release(&s->arena);
    free(s);
}

int ps_sandbox_new(const struct ps_sandbox_options *options,
                   struct ps_runner **out, struct ps_error *err)
{
    struct sandbox *s = NULL;

    if (!options->helper_path || options->helper_path[0] != '/')
        return ps_fail(err, PS_EINVALID,
                       "sandbox helper '%s' must be an "
                       "absolute path",
                       options->helper_path ? options->helper_path : "");
    if (ps_layers_check_names(options->weaken, err) < 0)
        return err->code;
    if (access(options->helper_path, X_OK) < 0)
        return ps_fail_errno(err, errno, "sandbox helper '%s'",
                             options->helper_path);
    s = ps_calloc(1, sizeof(*s));
    s->runner.run = sandbox_run;
    s->runner.strength = sandbox_strength;
    s->runner.free = sandbox_free;
    s->helper = ps_arena_strdup(&s->arena, options->helper_path);
    s->weaken = copy_list(&s->arena, options->weaken);
    s->extra_paths = copy_list(&s->arena, options->extra_paths);
    s->cache_dir = ps_arena_strdup(&s->arena, options->cache_dir);
    pthread_mutex_init(&s->lock, NULL);
    *out = &s->runner;
    return PS_OK;
}
