/*
 * A child of the host, watched with poll(2) through a pidfd, its pipes and
 * the cancel token.  posix_spawn(3), not fork(2): the caller has threads; but
 * for children that end with it (process_fork.c).
 */
#include "pkgsync/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkgsync/clock.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "process_private.h"

#define GRACE_MS 1000
#define CHUNK_SIZE ((size_t)64 * 1024)

enum slot { SLOT_PID, SLOT_CANCEL, SLOT_IN, SLOT_OUT, SLOT_ERR, SLOT_COUNT };

struct child {
    const struct ps_process_spec *spec;
    pid_t pid;
    int pidfd;
    int in[2];  /* [1] is ours */
    int out[2]; /* [0] is ours */
    int errs[2];
    size_t written;
    uint64_t started_ms;
    uint64_t kill_at_ms; /* boot clock; 0: not being stopped */
    uint64_t ended_ms;   /* boot clock; 0: it has not ended */
    bool killed;
    bool timed_out;
    bool cancelled;
    char *chunk; /* owned */
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

static void child_release(struct child *c)
{
    int *fds[] = { &c->pidfd,  &c->in[0],   &c->in[1],  &c->out[0],
                   &c->out[1], &c->errs[0], &c->errs[1] };

    for (size_t i = 0; i < PS_ARRAY_SIZE(fds); i++)
        close_fd(fds[i]);
    free(c->chunk);
}

static int add_files(const struct child *c, posix_spawn_file_actions_t *files)
{
    const struct ps_process_spec *s = c->spec;
    int rc = 0;

    if (c->in[0] >= 0)
        rc |= posix_spawn_file_actions_adddup2(files, c->in[0], 0);
    else
        rc |= posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY,
                                               0);
    rc |= posix_spawn_file_actions_adddup2(files,
                                           s->out ? c->out[1] : c->errs[1], 1);
    rc |= posix_spawn_file_actions_adddup2(files, c->errs[1], 2);
    /* A dup2 onto itself clears close-on-exec in posix_spawn. */
    for (size_t i = 0; i < s->pass_fd_count; i++)
        rc |= posix_spawn_file_actions_adddup2(files, s->pass_fds[i],
                                               s->pass_fds[i]);
    if (s->cwd)
        rc |= posix_spawn_file_actions_addchdir_np(files, s->cwd);
    return rc;
}

/* posix_spawn wants char *const[] for historical reasons only. */
static char *const *strings(const char *const *v)
{
    union {
        const char *const *given;
        char *const *wanted;
    } u = { .given = v };

    return u.wanted;
}

static int spawn_with(struct child *c, posix_spawn_file_actions_t *files,
                      posix_spawnattr_t *attr)
{
    const struct ps_process_spec *s = c->spec;
    sigset_t none;
    sigset_t defaults;

    (void)sigemptyset(&none);
    (void)sigemptyset(&defaults);
    (void)sigaddset(&defaults, SIGINT);
    (void)sigaddset(&defaults, SIGTERM);
    (void)sigaddset(&defaults, SIGPIPE);
    (void)sigaddset(&defaults, SIGCHLD);
    if (s->ends_with_us)
        return ps_process_fork(s,
                               &(struct ps_process_streams){
                                   .in = c->in[0],
                                   .out = s->out ? c->out[1] : c->errs[1],
                                   .err = c->errs[1] },
                               &c->pid);
    if (posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP |
                                           POSIX_SPAWN_SETSIGMASK |
                                           POSIX_SPAWN_SETSIGDEF) ||
        posix_spawnattr_setpgroup(attr, 0) ||
        posix_spawnattr_setsigmask(attr, &none) ||
        posix_spawnattr_setsigdefault(attr, &defaults) || add_files(c, files))
        return ENOMEM;
    return posix_spawn(&c->pid, s->argv[0], files, attr, strings(s->argv),
                       s->env ? strings(s->env) : environ);
}

static int child_spawn(struct child *c, struct ps_error *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    int rc = 0;

    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawnattr_init(&attr);
    rc = spawn_with(c, &files, &attr);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&attr);
    if (rc != 0 && c->spec->cwd)
        return ps_fail_errno(err, rc, "start '%s' in '%s'", c->spec->argv[0],
                             c->spec->cwd);
    if (rc != 0)
        return ps_fail_errno(err, rc, "start '%s'", c->spec->argv[0]);

    close_fd(&c->in[0]);
    close_fd(&c->out[1]);
    close_fd(&c->errs[1]);
    c->started_ms = ps_boot_ms();
    c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    if (c->pidfd < 0) {
        int errnum = errno;

        (void)kill(-c->pid, SIGKILL);
        (void)waitpid(c->pid, NULL, 0);
        return ps_fail_errno(err, errnum, "pidfd_open");
    }
    return PS_OK;
}

/*
 * A pipe beside the standard streams: in a caller that has closed some of
 * them, one dup2() would overwrite the source of the next.
 */
static int pipe_above_streams(int fds[2], struct ps_error *err)
{
    int rc = ps_pipe(fds, err);

    for (size_t i = 0; rc == PS_OK && i < 2; i++) {
        int low = fds[i];

        if (low > STDERR_FILENO)
            continue;
        fds[i] = fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (fds[i] < 0)
            rc = ps_fail_errno(err, errno, "fcntl");
        (void)close(low);
    }
    return rc;
}

static int child_start(struct child *c, struct ps_error *err)
{
    const struct ps_process_spec *s = c->spec;
    int rc = pipe_above_streams(c->errs, err);

    if (rc == PS_OK && s->out)
        rc = pipe_above_streams(c->out, err);
    if (rc == PS_OK && s->input.len > 0)
        rc = pipe_above_streams(c->in, err);
    if (rc == PS_OK && s->input.len > 0 &&
        fcntl(c->in[1], F_SETFL, O_NONBLOCK) < 0)
        rc = ps_fail_errno(err, errno, "fcntl");
    if (rc == PS_OK)
        rc = child_spawn(c, err);
    return rc;
}

/* To the group, and to the child itself if it has left the group. */
static void child_signal(const struct child *c, int sig)
{
    (void)kill(-c->pid, sig);
    if (getpgid(c->pid) != c->pid)
        (void)syscall(SYS_pidfd_send_signal, c->pidfd, sig, NULL, 0);
}

/* Ask the group to end; a second later there is no asking. */
static void child_stop(struct child *c)
{
    if (c->kill_at_ms)
        return;
    child_signal(c, SIGTERM);
    c->kill_at_ms = ps_boot_ms() + GRACE_MS;
}

static void on_readable(struct child *c, int *fd, struct ps_buf *capture)
{
    ssize_t got = read(*fd, c->chunk, CHUNK_SIZE);

    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (got <= 0) {
        close_fd(fd);
        return;
    }
    if (capture) {
        ps_buf_add(capture, c->chunk, (size_t)got);
        if (capture->overflow) /* it is a failure already */
            child_stop(c);
    } else if (c->spec->sink)
        c->spec->sink(c->chunk, (size_t)got, c->spec->sink_user);
}

static void on_writable(struct child *c)
{
    struct ps_str rest = ps_str_skip(c->spec->input, c->written);
    ssize_t put = write(c->in[1], rest.data, rest.len);

    if (put < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (put > 0)
        c->written += (size_t)put;
    if (put < 0 || c->written == c->spec->input.len)
        close_fd(&c->in[1]);
}

/* Milliseconds to the next thing to do by the clock; -1: there is none. */
static int poll_timeout(const struct child *c)
{
    uint64_t now = ps_boot_ms();
    uint64_t passed = now - c->started_ms;
    uint64_t left = 0;

    if (c->kill_at_ms && !c->killed)
        left = c->kill_at_ms > now ? c->kill_at_ms - now : 0;
    else if (!c->kill_at_ms && c->spec->wall_limit_ms)
        left = c->spec->wall_limit_ms > passed ? c->spec->wall_limit_ms - passed
                                               : 0;
    else
        return -1;
    return (int)PS_MIN(left, (uint64_t)60000);
}

static void check_limits(struct child *c)
{
    uint64_t now = ps_boot_ms();

    if (c->kill_at_ms && !c->killed && now >= c->kill_at_ms) {
        child_signal(c, SIGKILL);
        c->killed = true;
    }
    if (!c->kill_at_ms && c->spec->wall_limit_ms &&
        now - c->started_ms >= c->spec->wall_limit_ms) {
        c->timed_out = true;
        child_stop(c);
    }
}

/*
 * The child has ended.  What it wrote before is in the pipes and is read dry;
 * a grandchild that left the group and goes on writing gets a second.
 */
static bool child_is_drained(struct child *c, const struct pollfd *p)
{
    if (c->ended_ms == 0) {
        c->ended_ms = ps_boot_ms();
        (void)kill(-c->pid, SIGKILL);
    }
    return (!p[SLOT_OUT].revents && !p[SLOT_ERR].revents) ||
           ps_boot_ms() - c->ended_ms > GRACE_MS;
}

/* Serve the pipes until the child itself has ended. */
static void child_watch(struct child *c, const struct ps_cancel *cancel)
{
    for (;;) {
        struct pollfd p[SLOT_COUNT] = {
            [SLOT_PID] = { .fd = c->pidfd, .events = POLLIN },
            [SLOT_CANCEL] = { .fd = cancel && !c->cancelled ? cancel->fd : -1,
                              .events = POLLIN },
            [SLOT_IN] = { .fd = c->in[1], .events = POLLOUT },
            [SLOT_OUT] = { .fd = c->out[0], .events = POLLIN },
            [SLOT_ERR] = { .fd = c->errs[0], .events = POLLIN },
        };

        if (poll(p, SLOT_COUNT, poll_timeout(c)) < 0 && errno != EINTR)
            child_stop(c);
        if (p[SLOT_CANCEL].revents) {
            c->cancelled = true;
            child_stop(c);
        }
        if (p[SLOT_IN].revents)
            on_writable(c);
        if (p[SLOT_OUT].revents)
            on_readable(c, &c->out[0], c->spec->out);
        if (p[SLOT_ERR].revents)
            on_readable(c, &c->errs[0], NULL);
        if (!p[SLOT_PID].revents)
            check_limits(c);
        else if (child_is_drained(c, p))
            return;
    }
}

/* SIGPIPE would end us if the child closes its input early. */
static void block_sigpipe(sigset_t *before)
{
    sigset_t pipe_only;

    (void)sigemptyset(&pipe_only);
    (void)sigaddset(&pipe_only, SIGPIPE);
    (void)pthread_sigmask(SIG_BLOCK, &pipe_only, before);
}

static void unblock_sigpipe(const sigset_t *before)
{
    const struct timespec now = { 0 };
    sigset_t pipe_only;

    if (!sigismember(before, SIGPIPE)) {
        (void)sigemptyset(&pipe_only);
        (void)sigaddset(&pipe_only, SIGPIPE);
        (void)sigtimedwait(&pipe_only, NULL, &now);
    }
    (void)pthread_sigmask(SIG_SETMASK, before, NULL);
}

/*
 * Where SIGCHLD is ignored, which a careless parent passes on, the kernel
 * forgets exit statuses and gives the process id to somebody else.
 */
static int check_sigchld(const char *program, struct ps_error *err)
{
    struct sigaction act;

    if (sigaction(SIGCHLD, NULL, &act) == 0 && act.sa_handler != SIG_IGN &&
        !(act.sa_flags & SA_NOCLDWAIT))
        return PS_OK;
    return ps_fail(err, PS_EIO,
                   "start '%s': SIGCHLD is ignored, so its exit status would "
                   "be lost; set SIGCHLD to its default",
                   program);
}

/* Reap the child and say how it ended. */
static int child_reap(const struct child *c, struct ps_process_result *result,
                      struct ps_error *err)
{
    int status = 0;
    pid_t got = 0;

    do
        got = waitpid(c->pid, &status, 0);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return ps_fail_errno(err, errno, "wait for '%s'", c->spec->argv[0]);
    *result = (struct ps_process_result){
        .exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0,
        .term_signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
        .timed_out = c->timed_out,
        .wall_ms = ps_boot_ms() - c->started_ms,
    };
    return PS_OK;
}

int ps_process_run(const struct ps_process_spec *spec,
                   const struct ps_cancel *cancel,
                   struct ps_process_result *result, struct ps_error *err)
{
    struct child c = { .spec = spec,
                       .pidfd = -1,
                       .in = { -1, -1 },
                       .out = { -1, -1 },
                       .errs = { -1, -1 } };
    sigset_t before;
    int rc = ps_cancel_check(cancel, err);

    if (rc == PS_OK)
        rc = check_sigchld(spec->argv[0], err);
    if (rc < 0)
        return rc;
    block_sigpipe(&before);
    rc = child_start(&c, err);
    if (rc == PS_OK) {
        c.chunk = ps_calloc(1, CHUNK_SIZE);
        child_watch(&c, cancel);
        rc = child_reap(&c, result, err);
    }
    if (rc == PS_OK && c.cancelled)
        rc = ps_cancel_check(cancel, err);
    else if (rc == PS_OK && spec->out)
        rc = ps_buf_check(spec->out, spec->argv[0], err);
    unblock_sigpipe(&before);
    child_release(&c);
    return rc;
}

static void keep_tail(const char *data, size_t len, void *user)
{
    struct ps_buf *tail = user;

    if (len > tail->max) {
        data += len - tail->max;
        len = tail->max;
    }
    if (tail->len + len > tail->max) {
        size_t drop = tail->len + len - tail->max;

        memmove(tail->data, tail->data + drop, tail->len - drop);
        tail->len -= drop;
    }
    ps_buf_add(tail, data, len);
}

static struct ps_str last_line(struct ps_str text)
{
    struct ps_str rest = ps_str_trim(text);
    struct ps_str before;

    return ps_str_cut_last(&rest, '\n', &before) ? rest : before;
}

int ps_process_output(const char *const *argv, const char *const *env,
                      const struct ps_cancel *cancel, struct ps_buf *out,
                      struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf tail = PS_BUF_INIT(4096);
    struct ps_process_spec spec = {
        .argv = argv,
        .env = env,
        .out = out,
        .sink = keep_tail,
        .sink_user = &tail,
        .wall_limit_ms = 60000,
    };
    struct ps_process_result result = { .exit_status = 0 };
    struct ps_str line;
    int rc = ps_process_run(&spec, cancel, &result, err);

    if (rc < 0)
        return rc;
    if (result.exit_status == 0 && result.term_signal == 0 && !result.timed_out)
        return PS_OK;
    if (result.timed_out)
        return ps_fail(err, PS_ETIMEOUT, "'%s' did not end within 60 s",
                       argv[0]);
    if (result.term_signal)
        return ps_fail(err, PS_EIO, "'%s' was ended by signal %d", argv[0],
                       result.term_signal);
    line = last_line(ps_buf_str(&tail));
    return ps_fail(err, PS_EIO, "'%s' ended with status %d%s%.*s", argv[0],
                   result.exit_status, line.len > 0 ? ": " : "",
                   PS_STR_FMT(line));
}
