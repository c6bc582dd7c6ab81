/*
 * Child side: from a fresh set of namespaces to the command.
 *
 * The child is PID 1 of its namespace.  It builds the root, forks the part
 * that becomes the command, and becomes a fresh copy of this program: a PID 1
 * that was merely forked would show its memory and environment in
 * /proc/1.  The command part waits until that has happened.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harden.h"
#include "job.h"
#include "landlock.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/util.h"
#include "sys.h"

#define REPORT_FD PS_INIT_REPORT_FD
#define READY_FD PS_INIT_READY_FD
#define ALIVE_FD PS_INIT_ALIVE_FD
/* Above everything that is put at a fixed number. */
#define SAFE_FD 16

static _Noreturn void give_up(int fd, const struct ps_error *err)
{
    struct ps_report report = { .kind = PS_REPORT_ERROR, .err = *err };

    (void)!write(fd, &report, sizeof(report));
    _exit(125);
}

/* The helper has written the id maps, or it has ended. */
static int wait_for_maps(const struct ps_job *job, struct ps_error *err)
{
    char byte;
    ssize_t got;

    do {
        got = read(job->go[0], &byte, 1);
    } while (got < 0 && errno == EINTR);
    if (got != 1)
        return ps_fail(err, PS_ECANCELED, "the sandbox's parent has ended");
    return PS_OK;
}

static int become_user(const struct ps_job *job, struct ps_error *err)
{
    if (job->is_privileged &&
        (setresgid(PS_INNER_ID, PS_INNER_ID, PS_INNER_ID) < 0 ||
         setresuid(PS_INNER_ID, PS_INNER_ID, PS_INNER_ID) < 0))
        return ps_fail_errno(err, errno, "become the sandbox's user");
    return ps_sys_die_with_parent(job->go[0], err);
}

/* Put a descriptor at a fixed number, to be kept or not across execve. */
static int place_fd(int fd, int at, bool is_kept, struct ps_error *err)
{
    if (dup3(fd, at, is_kept ? 0 : O_CLOEXEC) < 0)
        return ps_fail_errno(err, errno, "place descriptor %d", at);
    return PS_OK;
}

static int raise_fd(int fd, int *out, struct ps_error *err)
{
    *out = fcntl(fd, F_DUPFD_CLOEXEC, SAFE_FD);
    if (*out < 0)
        return ps_fail_errno(err, errno, "duplicate a descriptor");
    return PS_OK;
}

static int confine(const struct ps_job *job, struct ps_error *err)
{
    const char *const *weaken = job->plan->weaken;

    if (ps_harden_rlimits(&job->plan->spec, err) < 0)
        return err->code;
    if (!ps_plan_list_has(weaken, "landlock") &&
        ps_landlock_enforce(job, err) < 0)
        return err->code;
    return PS_OK;
}

static int wait_for_init(int fd, struct ps_error *err)
{
    char byte;

    /* PID 1 closes its end once it shows nothing; it never writes. */
    if (read(fd, &byte, 1) != 0)
        return ps_fail(err, PS_EINTERNAL, "PID 1 of the sandbox is not ready");
    return PS_OK;
}

static int command_setup(const struct ps_job *job, int ready,
                         struct ps_error *err)
{
    const struct ps_run_spec *s = &job->plan->spec;
    PS_AUTO_FD int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t none;

    sigemptyset(&none);
    if (in < 0)
        return ps_fail_errno(err, errno, "open '/dev/null'");
    if (setsid() < 0)
        return ps_fail_errno(err, errno, "start a session");
    if (place_fd(in, 0, true, err) < 0 || place_fd(1, 2, true, err) < 0 ||
        place_fd(ready, READY_FD, false, err) < 0)
        return err->code;
    if (chdir(s->cwd) < 0)
        return ps_fail_errno(err, errno, "enter '%s' in the sandbox", s->cwd);
    if (confine(job, err) < 0 || wait_for_init(READY_FD, err) < 0)
        return err->code;
    if (ps_sys_close_from(READY_FD) < 0)
        return ps_fail_errno(err, errno, "close what was inherited");
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0)
        return ps_fail_errno(err, errno, "unblock signals");
    if (!ps_plan_list_has(job->plan->weaken, "seccomp"))
        return ps_harden_seccomp(err);
    return PS_OK;
}

static _Noreturn void command_main(const struct ps_job *job, int ready)
{
    const struct ps_run_spec *s = &job->plan->spec;
    struct ps_error err = PS_ERROR_INIT;
    static const char *const no_env[] = { NULL };

    if (command_setup(job, ready, &err) == PS_OK) {
        execve(s->argv[0], (char *const *)s->argv,
               (char *const *)(s->env ? s->env : no_env));
        (void)ps_fail_errno(&err, errno, "execute '%s' in the sandbox",
                            s->argv[0]);
    }
    give_up(REPORT_FD, &err);
}

/* Become the PID 1 of `--init`; never returns on success. */
static int become_init(int self, int report, int ready, int alive, pid_t main,
                       struct ps_error *err)
{
    char pid[16];
    char name[] = "pkgsync-init";
    char mode[] = "--init";
    char *const argv[] = { name, mode, pid, NULL };
    char *const env[] = { NULL };

    snprintf(pid, sizeof(pid), "%d", (int)main);
    if (place_fd(report, REPORT_FD, true, err) < 0 ||
        place_fd(ready, READY_FD, true, err) < 0 ||
        place_fd(alive, ALIVE_FD, true, err) < 0)
        return err->code;
    execveat(self, "", argv, env, AT_EMPTY_PATH);
    return ps_fail_errno(err, errno, "start PID 1 of the sandbox");
}

static int split(struct ps_job *job, struct ps_error *err)
{
    PS_AUTO_FD int report = -1;
    PS_AUTO_FD int alive = -1;
    PS_AUTO_FD int self = -1;
    PS_AUTO_FD int ready_read = -1;
    PS_AUTO_FD int ready_write = -1;
    int ready[2];
    pid_t pid;

    if (pipe2(ready, O_CLOEXEC) < 0)
        return ps_fail_errno(err, errno, "make a pipe");
    if (raise_fd(ready[0], &ready_read, err) < 0 ||
        raise_fd(ready[1], &ready_write, err) < 0 ||
        raise_fd(job->report[1], &report, err) < 0 ||
        raise_fd(job->go[0], &alive, err) < 0 ||
        raise_fd(job->self_fd, &self, err) < 0)
        return err->code;
    (void)close(ready[0]);
    (void)close(ready[1]);
    pid = fork();
    if (pid < 0)
        return ps_fail_errno(err, errno, "fork the command");
    if (pid == 0) {
        (void)close(ready_write);
        if (place_fd(report, REPORT_FD, false, err) < 0)
            give_up(report, err);
        command_main(job, ready_read);
    }
    return become_init(self, report, ready_write, alive, pid, err);
}

static int child_run(struct ps_job *job, struct ps_error *err)
{
    /* Only the helper may hold the writing end: its end is our signal. */
    (void)close(job->go[1]);
    (void)close(job->report[0]);
    if (wait_for_maps(job, err) < 0 || become_user(job, err) < 0)
        return err->code;
    if (setsid() < 0)
        return ps_fail_errno(err, errno, "start a session");
    /* Both halves go on without capabilities. */
    if (ps_root_enter(job, err) < 0 || ps_harden_surroundings(job, err) < 0 ||
        ps_harden_capabilities(err) < 0)
        return err->code;
    return split(job, err);
}

void ps_child_main(struct ps_job *job)
{
    struct ps_error err = PS_ERROR_INIT;

    (void)child_run(job, &err);
    give_up(job->report[1], &err);
}
