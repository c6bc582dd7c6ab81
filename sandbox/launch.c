#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/json.h"

#define PLAN_FD 3
#define RESULT_FD 4
#define OUT_FD 5
/* Above every number that the helper uses. */
#define SAFE_FD 10

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

static int write_plan(struct ps_launch *l, const struct ps_plan *plan,
                      struct ps_error *err)
{
    PS_AUTO_JSON json_t *json = NULL;
    PS_AUTO_FREE char *text = NULL;

    if (ps_plan_to_json(plan, &json, err) < 0)
        return err->code;
    text = ps_json_canonical(json);
    l->plan = memfd_create("pkgsync-plan", MFD_CLOEXEC);
    if (l->plan < 0)
        return ps_fail_errno(err, errno, "make a memory file for the plan");
    if (raise_fd(&l->plan, err) < 0 ||
        ps_write_all(l->plan, text, strlen(text), err) < 0)
        return err->code;
    if (lseek(l->plan, 0, SEEK_SET) < 0)
        return ps_fail_errno(err, errno, "rewind the plan");
    return PS_OK;
}

static int file_actions(const struct ps_launch *l, int out_dir,
                        posix_spawn_file_actions_t *a)
{
    int rc = posix_spawn_file_actions_addopen(a, 0, "/dev/null", O_RDONLY, 0);

    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(a, l->out_write, 1);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(a, l->out_write, 2);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(a, l->plan, PLAN_FD);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(a, l->result_write, RESULT_FD);
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

static int start(struct ps_launch *l, const char *helper, int out_dir,
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
    rc = file_actions(l, out_dir, &actions);
    if (rc == 0)
        rc = spawn_attributes(&attr);
    if (rc == 0)
        rc = posix_spawn(&l->pid, helper, &actions, &attr, (char *const *)argv,
                         env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0) {
        l->pid = -1;
        return ps_fail_errno(err, rc, "start the sandbox helper '%s'", helper);
    }
    close_fd(&l->out_write);
    close_fd(&l->result_write);
    close_fd(&l->plan);
    return PS_OK;
}

/* Reap the helper; a helper that still runs has outstayed its time. */
int ps_launch_reap(struct ps_launch *l)
{
    int status = 0;

    if (l->pid < 0)
        return 0;
    (void)kill(l->pid, SIGKILL);
    while (waitpid(l->pid, &status, 0) < 0 && errno == EINTR)
        continue;
    l->pid = -1;
    return status;
}

int ps_launch_start(struct ps_launch *l, const char *helper,
                    const struct ps_plan *plan, struct ps_error *err)
{
    int out_dir = plan->spec.out_path ? plan->spec.out_dir : -1;
    int rc;

    if (write_plan(l, plan, err) < 0 ||
        open_pipe(&l->out_read, &l->out_write, err) < 0 ||
        open_pipe(&l->result_read, &l->result_write, err) < 0)
        return err->code;
    if (out_dir >= 0) {
        out_dir = fcntl(out_dir, F_DUPFD_CLOEXEC, SAFE_FD);
        if (out_dir < 0)
            return ps_fail_errno(err, errno, "duplicate the output directory");
    }
    rc = start(l, helper, out_dir, err);
    close_fd(&out_dir);
    return rc;
}

void ps_launch_release(struct ps_launch *l)
{
    (void)ps_launch_reap(l);
    close_fd(&l->plan);
    close_fd(&l->out_read);
    close_fd(&l->out_write);
    close_fd(&l->result_read);
    close_fd(&l->result_write);
}
