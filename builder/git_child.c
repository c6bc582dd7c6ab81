/* A helper program (ssh, git credential) with pipes to talk through. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "git_private.h"
#include "pkgsync/fd.h"

#define END_WAIT_MS 2000
#define STEP_MS 5

static void close_fd(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Is `variable` one that says which repository git works on? */
static bool is_local(const char *variable)
{
    static const char *const names[] = {
        "GIT_DIR=",          "GIT_WORK_TREE=",
        "GIT_INDEX_FILE=",   "GIT_OBJECT_DIRECTORY=",
        "GIT_COMMON_DIR=",   "GIT_ALTERNATE_OBJECT_DIRECTORIES=",
        "GIT_NAMESPACE=",    "GIT_PREFIX=",
        "GIT_SHALLOW_FILE=", "GIT_QUARANTINE_PATH=",
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

char **ps_git_environment(struct ps_arena *arena, const char *setting)
{
    size_t name = setting ? strcspn(setting, "=") + 1 : 0;
    size_t count = 0;
    size_t n = 0;
    char **out = NULL;

    while (environ[count])
        count++;
    out = ps_arena_alloc(arena, count + 2, sizeof(*out));
    for (size_t i = 0; i < count; i++)
        if (!is_local(environ[i]) &&
            (!setting || strncmp(environ[i], setting, name) != 0))
            out[n++] = environ[i];
    out[n] = ps_arena_strdup(arena, setting);
    return out;
}

/* The ends of the child: 0 its input, 1 its output, 2 its messages. */
static int spawn(struct ps_git_child *child, const int ends[3],
                 const char *const *argv, char *const *envp)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    short flags = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
    sigset_t set;
    int rc = 0;

    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attr);
    for (int i = 0; i < 3 && rc == 0; i++)
        rc = posix_spawn_file_actions_adddup2(&actions, ends[i], i);
    (void)sigfillset(&set);
    (void)posix_spawnattr_setsigdefault(&attr, &set);
    (void)sigemptyset(&set);
    (void)posix_spawnattr_setsigmask(&attr, &set);
    if (child->own_group) {
        flags |= POSIX_SPAWN_SETPGROUP;
        (void)posix_spawnattr_setpgroup(&attr, 0);
    }
    (void)posix_spawnattr_setflags(&attr, flags);
    if (rc == 0)
        rc = posix_spawnp(&child->pid, argv[0], &actions, &attr, (char **)argv,
                          envp); /* which it only reads */
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attr);
    return rc;
}

int ps_git_child_start(struct ps_git_child *child, const char *const *argv,
                       char *const *envp, bool interactive,
                       struct ps_error *err)
{
    int in[2] = { -1, -1 };
    int out[2] = { -1, -1 };
    int errors[2] = { -1, -1 };
    int rc = 0;

    *child = PS_GIT_CHILD_INIT;
    child->own_group = !interactive;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in) < 0 ||
        pipe2(out, O_CLOEXEC) < 0 || pipe2(errors, O_CLOEXEC) < 0) {
        rc = errno;
    } else {
        int ends[3] = { in[1], out[1], errors[1] };

        rc = spawn(child, ends, argv, envp);
    }
    close_fd(&in[1]);
    close_fd(&out[1]);
    close_fd(&errors[1]);
    child->in = in[0];
    child->out = out[0];
    child->errors = errors[0];
    if (rc != 0) {
        child->pid = 0;
        ps_git_child_kill(child);
        return ps_fail_errno(err, rc, "start '%s'", argv[0]);
    }
    return PS_OK;
}

static void read_errors(struct ps_git_child *child)
{
    char chunk[1024];
    ssize_t got = read(child->errors, chunk, sizeof(chunk));

    if (got > 0)
        ps_buf_add(&child->log, chunk, (size_t)got);
    else if (got == 0 || errno != EINTR)
        close_fd(&child->errors);
}

ssize_t ps_git_child_read(struct ps_git_child *child, struct ps_git_op *op,
                          void *data, size_t size, uint64_t limit_ms)
{
    for (;;) {
        struct pollfd fds[2] = {
            { .fd = child->out, .events = POLLIN },
            { .fd = child->errors, .events = POLLIN },
        };
        ssize_t got = 0;

        if (ps_git_wait(op, fds, 2, limit_ms) < 0)
            return -1;
        if (fds[1].revents)
            read_errors(child);
        if (!fds[0].revents)
            continue;
        got = read(child->out, data, size);
        if (got >= 0)
            return got;
        if (errno != EINTR) {
            (void)ps_git_op_fail(op, PS_EIO, "read from the helper program");
            return -1;
        }
    }
}

int ps_git_child_write(struct ps_git_child *child, struct ps_git_op *op,
                       const void *data, size_t len, uint64_t limit_ms)
{
    const char *at = data;

    while (len > 0) {
        struct pollfd fds[2] = {
            { .fd = child->in, .events = POLLOUT },
            { .fd = child->errors, .events = POLLIN },
        };
        ssize_t sent = 0;
        int rc = ps_git_wait(op, fds, 2, limit_ms);

        if (rc < 0)
            return rc;
        if (fds[1].revents)
            read_errors(child);
        if (!fds[0].revents)
            continue;
        sent = send(child->in, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (sent < 0)
            return PS_EIO; /* it has ended: its status will say why */
        at += sent;
        len -= (size_t)sent;
    }
    return PS_OK;
}

static void send_signal(const struct ps_git_child *child, int number)
{
    (void)kill(child->own_group ? -child->pid : child->pid, number);
}

/* Wait for its end; false after wait_ms. */
static bool reap(struct ps_git_child *child, int wait_ms, int *status)
{
    const struct timespec step = { .tv_nsec = STEP_MS * 1000000L };

    for (int waited = 0;; waited += STEP_MS) {
        pid_t got = waitpid(child->pid, status, WNOHANG);

        if (got == child->pid)
            return true;
        if (got < 0 && errno != EINTR) {
            *status = 0;
            return true;
        }
        if (waited >= wait_ms)
            return false;
        (void)nanosleep(&step, NULL);
    }
}

static void drain_errors(struct ps_git_child *child)
{
    while (child->errors >= 0) {
        struct pollfd fd = { .fd = child->errors, .events = POLLIN };

        if (poll(&fd, 1, 0) <= 0)
            break;
        read_errors(child);
    }
}

int ps_git_child_finish(struct ps_git_child *child)
{
    int status = 0;

    close_fd(&child->in);
    close_fd(&child->out);
    if (child->pid > 0 && !reap(child, END_WAIT_MS, &status)) {
        send_signal(child, SIGTERM);
        if (!reap(child, END_WAIT_MS, &status)) {
            send_signal(child, SIGKILL);
            while (!reap(child, END_WAIT_MS, &status))
                continue;
        }
    }
    child->pid = 0;
    drain_errors(child);
    close_fd(&child->errors);
    return status;
}

void ps_git_child_kill(struct ps_git_child *child)
{
    if (child->pid > 0)
        send_signal(child, SIGKILL);
    (void)ps_git_child_finish(child);
    ps_buf_release(&child->log);
}
