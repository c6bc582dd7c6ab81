/*
 * A child that ends with its parent.  posix_spawn(3) cannot ask for that, so
 * this one is forked: the caller has threads, so that between fork(2) and
 * exec(3) only what POSIX calls async-signal-safe is called.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/util.h"
#include "process_private.h"

/* ---- in the child ---- */

static void set_signals(void)
{
    static const int defaults[] = { SIGINT, SIGTERM, SIGPIPE, SIGCHLD };
    struct sigaction act = { .sa_handler = SIG_DFL };
    sigset_t none;

    (void)sigemptyset(&none);
    for (size_t i = 0; i < PS_ARRAY_SIZE(defaults); i++)
        (void)sigaction(defaults[i], &act, NULL);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static int set_streams(const struct ps_process_spec *s,
                       const struct ps_process_streams *streams)
{
    int in = streams->in;

    if (in < 0)
        in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (in < 0 || dup2(in, 0) < 0 || dup2(streams->out, 1) < 0 ||
        dup2(streams->err, 2) < 0)
        return errno;
    for (size_t i = 0; i < s->pass_fd_count; i++) {
        if (fcntl(s->pass_fds[i], F_SETFD, 0) < 0)
            return errno;
    }
    return s->cwd && chdir(s->cwd) < 0 ? errno : 0;
}

/* Becomes the program, or returns why not. */
static int become(const struct ps_process_spec *s,
                  const struct ps_process_streams *streams, pid_t parent)
{
    /* execve(2) wants char *const[] for historical reasons only. */
    union {
        const char *const *given;
        char *const *wanted;
    } argv = { .given = s->argv }, env = { .given = s->env };
    int error = 0;

    if (setpgid(0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return errno;
    /* It may have ended before there was anybody to tell. */
    if (getppid() != parent)
        _exit(127);
    error = set_streams(s, streams);
    if (error)
        return error;
    set_signals();
    (void)execve(s->argv[0], argv.wanted, s->env ? env.wanted : environ);
    return errno;
}

/* ---- in the parent ---- */

/* What the child could not do; the pipe ends without a word when it could. */
static int wait_for_exec(int from)
{
    int error = 0;
    ssize_t got = 0;

    do
        got = read(from, &error, sizeof(error));
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)sizeof(error) ? error : 0;
}

static pid_t fork_with_signals_blocked(sigset_t *before)
{
    sigset_t all;
    pid_t pid = -1;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, before);
    pid = fork();
    if (pid != 0)
        (void)pthread_sigmask(SIG_SETMASK, before, NULL);
    return pid;
}

int ps_process_fork(const struct ps_process_spec *spec,
                    const struct ps_process_streams *streams, pid_t *pid)
{
    int said[2] = { -1, -1 };
    PS_AUTO_FD int from = -1;
    pid_t parent = getpid();
    sigset_t before;
    int error = 0;

    if (pipe2(said, O_CLOEXEC) < 0)
        return errno;
    from = said[0];
    *pid = fork_with_signals_blocked(&before);
    if (*pid == 0) {
        /* Above the streams: dup2() is not to overwrite it. */
        int to = fcntl(said[1], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

        error = become(spec, streams, parent);
        (void)!write(to, &error, sizeof(error));
        _exit(127);
    }
    error = *pid < 0 ? errno : 0;
    (void)close(said[1]);
    if (error == 0)
        error = wait_for_exec(from);
    if (error && *pid > 0)
        (void)waitpid(*pid, NULL, 0);
    return error;
}
