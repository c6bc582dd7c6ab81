#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/util.h"
#include "sys.h"

#define DISK_LOOK_MS 50
/* A disk this near its limit counts as full. */
#define DISK_NEARLY_FULL PS_KIB(64)
/* The kernel should rather end a build than the service. */
#define OOM_SCORE_ADJ "500"

struct namespace
{
    uint64_t flag;
    const char *layer;
};

static const struct namespace namespaces[] = {
    { CLONE_NEWNS, "mount-namespace" },
    { CLONE_NEWPID, "pid-namespace" },
    { CLONE_NEWNET, "network-namespace" },
    { CLONE_NEWIPC, "ipc-namespace" },
    { CLONE_NEWUTS, "uts-namespace" },
    { CLONE_NEWCGROUP, "cgroup-namespace" },
};

static uint64_t now_ms(void)
{
    struct timespec ts = { .tv_sec = 0 };

    (void)clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void ps_job_init(struct ps_job *job, const struct ps_plan *plan, int out_dir)
{
    *job = (struct ps_job){
        .arena = PS_ARENA_INIT,
        .plan = plan,
        .is_privileged = ps_identity_has_pool(),
        .uid_lock = -1,
        .idmap_fd = -1,
        .root_fd = -1,
        .tmp_fd = -1,
        .out_fd = -1,
        .out_dir = out_dir,
        .go = { -1, -1 },
        .report = { -1, -1 },
        .self_fd = -1,
        .child = -1,
        .pidfd = -1,
    };
}

static void close_if_open(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

/* Ends the child and everything in its namespace, and waits for that. */
static void kill_child(struct ps_job *job)
{
    if (job->child < 0)
        return;
    (void)kill(job->child, SIGKILL);
    while (waitpid(job->child, NULL, 0) < 0 && errno == EINTR)
        continue;
    job->child = -1;
}

void ps_job_release(struct ps_job *job)
{
    kill_child(job);
    for (size_t i = 0; i < job->attach_count; i++) {
        close_if_open(&job->attach[i].fd);
        close_if_open(&job->attach[i].upper_fd);
    }
    close_if_open(&job->uid_lock);
    close_if_open(&job->idmap_fd);
    close_if_open(&job->root_fd);
    close_if_open(&job->out_fd);
    close_if_open(&job->go[0]);
    close_if_open(&job->go[1]);
    close_if_open(&job->report[0]);
    close_if_open(&job->report[1]);
    close_if_open(&job->self_fd);
    close_if_open(&job->pidfd);
    ps_arena_release(&job->arena);
}

int ps_job_prepare(struct ps_job *job, struct ps_error *err)
{
    struct stat st;

    umask(0);
    job->self_fd = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    if (job->self_fd < 0)
        return ps_fail_errno(err, errno, "open '/proc/self/exe'");
    if (ps_identity_choose(job, err) < 0)
        return err->code;
    if (!job->is_privileged && ps_identity_own_namespace(err) < 0)
        return err->code;
    /* Opening /dev/stdout again is a question of the pipe's owner. */
    if (job->is_privileged && fstat(1, &st) == 0 && S_ISFIFO(st.st_mode) &&
        fchown(1, job->host_uid, job->host_gid) < 0)
        return ps_fail_errno(err, errno,
                             "give the output pipe to the "
                             "sandbox's user");
    return ps_mounts_prepare(job, err);
}

static uint64_t clone_flags(const struct ps_job *job)
{
    const struct ps_plan *p = job->plan;
    uint64_t flags = job->is_privileged ? CLONE_NEWUSER : 0;

    for (size_t i = 0; i < PS_ARRAY_SIZE(namespaces); i++) {
        if (!ps_plan_list_has(p->weaken, namespaces[i].layer))
            flags |= namespaces[i].flag;
    }
    if (p->spec.network)
        flags &= ~(uint64_t)CLONE_NEWNET;
    return flags;
}

static void prefer_for_oom(pid_t pid)
{
    struct ps_error ignored = PS_ERROR_INIT;
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
    (void)!ps_sys_write_file(path, OOM_SCORE_ADJ, &ignored);
}

int ps_job_start(struct ps_job *job, struct ps_error *err)
{
    if (pipe2(job->go, O_CLOEXEC) < 0 || pipe2(job->report, O_CLOEXEC) < 0)
        return ps_fail_errno(err, errno, "make a pipe");
    job->child = ps_sys_clone(clone_flags(job), &job->pidfd);
    if (job->child < 0)
        return ps_fail_errno(err, errno, "make the sandbox's namespaces");
    if (job->child == 0)
        ps_child_main(job);
    (void)close(job->report[1]);
    job->report[1] = -1;
    if (job->is_privileged &&
        ps_identity_write_maps(job->child, PS_INNER_ID, job->host_uid,
                               job->host_gid, err) < 0)
        return err->code;
    prefer_for_oom(job->child);
    if (write(job->go[1], "g", 1) != 1)
        return ps_fail_errno(err, errno, "start the sandbox");
    return PS_OK;
}

static void look_at_disks(struct ps_job *job)
{
    for (size_t i = 0; i < job->disk_count; i++) {
        struct ps_disk *d = &job->disks[i];
        struct statfs fs;
        uint64_t total;
        uint64_t low;

        if (d->was_full || fstatfs(d->fd, &fs) < 0)
            continue;
        total = (uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize;
        low = PS_MIN(DISK_NEARLY_FULL, total / 64);
        d->was_full = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize <= low ||
                      fs.f_ffree == 0;
    }
}

static int take_report(struct ps_job *job, struct ps_job_end *end,
                       bool *has_ended, struct ps_error *err)
{
    struct ps_report report;
    ssize_t got = read(job->report[0], &report, sizeof(report));

    if (got < 0 && errno == EINTR)
        return PS_OK;
    if (got == 0) {
        /* Every writer is gone: PID 1 was killed before it could report. */
        end->wait_status = SIGKILL;
        *has_ended = true;
        return PS_OK;
    }
    if (got != (ssize_t)sizeof(report))
        return ps_fail(err, PS_EIO, "read the sandbox's report");
    *has_ended = true;
    if (report.kind == PS_REPORT_ERROR) {
        *err = report.err;
        return err->code;
    }
    end->wait_status = report.wait_status;
    return PS_OK;
}

/* The time until the next look, or 0 when the command's time is over. */
static int next_look_ms(const struct ps_job *job, uint64_t start)
{
    uint64_t limit = job->plan->spec.wall_limit_ms;
    uint64_t gone = now_ms() - start;

    if (limit == 0)
        return DISK_LOOK_MS;
    if (gone >= limit)
        return 0;
    return (int)PS_MIN(limit - gone, (uint64_t)DISK_LOOK_MS);
}

static int wait_loop(struct ps_job *job, int signals, struct ps_job_end *end,
                     struct ps_error *err)
{
    struct pollfd p[2] = {
        { .fd = signals, .events = POLLIN },
        { .fd = job->report[0], .events = POLLIN },
    };
    uint64_t start = now_ms();
    bool has_ended = false;

    while (!has_ended) {
        int ms = next_look_ms(job, start);
        int n = poll(p, PS_ARRAY_SIZE(p), ms);

        if (n < 0 && errno != EINTR)
            return ps_fail_errno(err, errno, "wait for the sandbox");
        look_at_disks(job);
        if (n > 0 && p[1].revents && take_report(job, end, &has_ended, err) < 0)
            return err->code;
        if (n > 0 && p[0].revents) {
            end->was_killed = true;
            break;
        }
        if (n == 0 && ms == 0) {
            end->timed_out = true;
            break;
        }
    }
    end->wall_ms = now_ms() - start;
    return PS_OK;
}

int ps_job_wait(struct ps_job *job, struct ps_job_end *end,
                struct ps_error *err)
{
    PS_AUTO_FD int signals = -1;
    sigset_t set;
    int rc;

    /* Blocked since the program began. */
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals < 0)
        return ps_fail_errno(err, errno, "listen for signals");
    *end = (struct ps_job_end){ .full_disk = NULL };
    rc = wait_loop(job, signals, end, err);
    /* Nothing in the sandbox is left after this: also what it daemonised. */
    kill_child(job);
    look_at_disks(job);
    for (size_t i = 0; i < job->disk_count && !end->full_disk; i++) {
        if (job->disks[i].was_full)
            end->full_disk = job->disks[i].path;
    }
    return rc;
}
