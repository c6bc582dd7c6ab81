/*
 * The caller's side of the helper: start it with three descriptors and no
 * environment, hand it the plan, and watch four things at once: its result,
 * the command's output, the caller's token, and the clock.
 *
 *   0 /dev/null   1,2 output   3 plan   4 result   5 output directory
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkgsync/arena.h"
#include "pkgsync/clock.h"
#include "pkgsync/fd.h"
#include "pkgsync/json.h"
#include "pkgsync/mem.h"
#include "pkgsync/sandbox.h"
#include "pkgsync/util.h"
#include "plan.h"
#include "probe.h"
#include "report.h"

#define PLAN_FD 3
#define RESULT_FD 4
#define OUT_FD 5
/* Above every number that the helper uses. */
#define SAFE_FD 10

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

    pthread_mutex_t lock; /* guards what follows */
    bool is_probed;
    const char **missing;    /* owned; what the helper goes without */
    char *strength;          /* owned */
    struct ps_error refusal; /* code 0: everything required is there */
};

/* One run. */
struct run {
    const struct ps_run_spec *spec; /* borrowed; defaults filled in */
    const struct ps_cancel *cancel; /* borrowed; may be NULL */
    int plan;                       /* owned */
    int out_read;
    int out_write;
    int result_read;
    int result_write;
    pid_t pid; /* of the helper; -1 once reaped */
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
    if (ps_sandbox_probe(&options, layers, &count, err) < 0)
        return err->code;
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

/* ---- starting the helper ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static int raise_fd(int *fd, struct ps_error *err)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, SAFE_FD);

    if (high < 0)
        return ps_fail_errno(err, errno, "duplicate a descriptor");
    (void)close(*fd);
    *fd = high;
    return PS_OK;
}

static int open_pipe(int *read_end, int *write_end, struct ps_error *err)
{
    int ends[2];

    if (ps_pipe(ends, err) < 0)
        return err->code;
    *read_end = ends[0];
    *write_end = ends[1];
    if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0)
        return ps_fail_errno(err, errno, "set up a pipe");
    return raise_fd(write_end, err);
}

static int write_plan(struct run *r, const struct ps_plan *plan,
                      struct ps_error *err)
{
    PS_AUTO_JSON json_t *json = NULL;
    PS_AUTO_FREE char *text = NULL;

    if (ps_plan_to_json(plan, &json, err) < 0)
        return err->code;
    text = ps_json_canonical(json);
    r->plan = memfd_create("pkgsync-plan", MFD_CLOEXEC);
    if (r->plan < 0)
        return ps_fail_errno(err, errno, "make a memory file for the plan");
    if (raise_fd(&r->plan, err) < 0 ||
        ps_write_all(r->plan, text, strlen(text), err) < 0)
        return err->code;
    if (lseek(r->plan, 0, SEEK_SET) < 0)
        return ps_fail_errno(err, errno, "rewind the plan");
    return PS_OK;
}

static int file_actions(const struct run *r, int out_dir,
                        posix_spawn_file_actions_t *a)
{
    int rc = posix_spawn_file_actions_addopen(a, 0, "/dev/null", O_RDONLY, 0);

    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(a, r->out_write, 1);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(a, r->out_write, 2);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(a, r->plan, PLAN_FD);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(a, r->result_write, RESULT_FD);
    if (rc == 0 && out_dir >= 0)
        rc = posix_spawn_file_actions_adddup2(a, out_dir, OUT_FD);
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(
            a, out_dir >= 0 ? OUT_FD + 1 : OUT_FD);
    return rc;
}

/* A group of its own: Ctrl-C reaches the caller, who ends the helper. */
static int spawn_attributes(posix_spawnattr_t *attr)
{
    sigset_t none;
    sigset_t all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    rc = posix_spawnattr_setsigmask(attr, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attr, &all);
    if (rc == 0)
        rc = posix_spawnattr_setpgroup(attr, 0);
    if (rc == 0)
        rc = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
                                                POSIX_SPAWN_SETSIGDEF |
                                                POSIX_SPAWN_SETPGROUP);
    return rc;
}

static int spawn_helper(struct run *r, const char *helper, int out_dir,
                        struct ps_error *err)
{
    char parent[32];
    const char *argv[] = {
        "pkgsync-sandbox", "--plan-fd", "3",        "--result-fd", "4",
        "--parent",        parent,      "--out-fd", "5",           NULL
    };
    char *env[] = { NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int rc;

    snprintf(parent, sizeof(parent), "%ld", (long)getpid());
    if (out_dir < 0)
        argv[7] = NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    rc = file_actions(r, out_dir, &actions);
    if (rc == 0)
        rc = spawn_attributes(&attr);
    if (rc == 0)
        rc = posix_spawn(&r->pid, helper, &actions, &attr, (char *const *)argv,
                         env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0) {
        r->pid = -1;
        return ps_fail_errno(err, rc, "start the sandbox helper '%s'", helper);
    }
    close_fd(&r->out_write);
    close_fd(&r->result_write);
    close_fd(&r->plan);
    return PS_OK;
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
    (void)kill(r->pid, SIGTERM);
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
        ssize_t got = read(r->out_read, block, sizeof(block));

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
        ssize_t got = read(r->result_read, block, sizeof(block));

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
        { .fd = r->result_read, .events = POLLIN },
        { .fd = r->out_read, .events = POLLIN },
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

/* Reap the helper; a helper that still runs has outstayed its time. */
static int reap_helper(struct run *r)
{
    int status = 0;

    if (r->pid < 0)
        return 0;
    (void)kill(r->pid, SIGKILL);
    while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    r->pid = -1;
    return status;
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
        while (waitpid(r->pid, &status, 0) < 0 && errno == EINTR)
            continue;
        r->pid = -1;
    } else {
        status = reap_helper(r);
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
    int out_dir = plan->spec.out_path ? plan->spec.out_dir : -1;
    int rc;

    if (write_plan(r, plan, err) < 0 ||
        open_pipe(&r->out_read, &r->out_write, err) < 0 ||
        open_pipe(&r->result_read, &r->result_write, err) < 0)
        return err->code;
    if (plan->spec.wall_limit_ms > 0) {
        r->has_deadline = true;
        r->deadline_ms =
            ps_boot_ms() + plan->spec.wall_limit_ms + WALL_GRACE_MS;
    }
    if (out_dir >= 0) {
        out_dir = fcntl(out_dir, F_DUPFD_CLOEXEC, SAFE_FD);
        if (out_dir < 0)
            return ps_fail_errno(err, errno, "duplicate the output directory");
    }
    rc = spawn_helper(r, s->helper, out_dir, err);
    close_fd(&out_dir);
    if (rc < 0 || watch_run(r, err) < 0)
        return err->code;
    return conclude(r, result, err);
}

static void run_release(struct run *r)
{
    (void)reap_helper(r);
    close_fd(&r->plan);
    close_fd(&r->out_read);
    close_fd(&r->out_write);
    close_fd(&r->result_read);
    close_fd(&r->result_write);
    ps_buf_release(&r->result_text);
}

static int sandbox_run(struct ps_runner *self, const struct ps_run_spec *spec,
                       const struct ps_cancel *cancel,
                       struct ps_run_result *result, struct ps_error *err)
{
    struct sandbox *s = sandbox_of(self);
    struct ps_plan plan = { .spec = *spec, .extra_paths = s->extra_paths };
    struct run r = {
        .cancel = cancel,
        .plan = -1,
        .out_read = -1,
        .out_write = -1,
        .result_read = -1,
        .result_write = -1,
        .pid = -1,
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
    plan.weaken = s->missing;
    r.spec = &plan.spec;
    rc = run_plan(&r, s, &plan, result, err);
    run_release(&r);
    return rc;
}

static void sandbox_free(struct ps_runner *self)
{
    struct sandbox *s = sandbox_of(self);

    pthread_mutex_destroy(&s->lock);
    free(s->missing);
    free(s->strength);
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
    pthread_mutex_init(&s->lock, NULL);
    *out = &s->runner;
    return PS_OK;
}
