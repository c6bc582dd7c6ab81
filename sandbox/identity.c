/*
 * Who the command is on the host.
 *
 * An ordinary user stays who he is.  Root hands the command to a user of its
 * own: permission on /proc/sys compares the global uid, so a root that is
 * merely inside a namespace could still write there.  Each live job holds one
 * slot of a pool by a locked file, so that two jobs never share a uid.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/util.h"
#include "sys.h"

#define POOL_SLOTS 1024u
/* In the range that systemd's table of uids leaves unused. */
#define POOL_BASE 1996488704u

static const char *const lock_dirs[] = { "/run/pkgsync-sandbox",
                                         "/tmp/pkgsync-sandbox-uids" };

/* What /proc/self/uid_map says. */
struct id_space {
    uint64_t pool;     /* first uid for sandbox users; 0: no room */
    bool self_is_root; /* our uid is root outside as well */
};

/* A line of uid_map: first id here, first id outside, how many. */
static bool parse_range(const char *line, uint64_t range[3])
{
    struct ps_str rest = ps_str_trim(ps_str_from(line));
    struct ps_error ignored = PS_ERROR_INIT;

    for (size_t i = 0; i < 3; i++) {
        struct ps_str word;

        rest = ps_str_trim(rest);
        (void)ps_str_cut(&rest, ' ', &word);
        if (ps_str_to_u64(word, UINT32_MAX, &range[i], &ignored) < 0)
            return false;
    }
    return true;
}

/*
 * Where the pool may begin.  Inside a container only some ids exist: then it
 * lies near the end of the longest range, if that is long enough.
 */
static void add_range(struct id_space *space, const uint64_t range[3],
                      uint64_t *longest)
{
    uint64_t uid = geteuid();

    if (uid >= range[0] && uid - range[0] < range[2])
        space->self_is_root = range[1] + (uid - range[0]) == 0;
    if (range[0] <= POOL_BASE &&
        POOL_BASE + POOL_SLOTS <= range[0] + range[2]) {
        space->pool = POOL_BASE;
        *longest = UINT64_MAX;
    } else if (range[2] > *longest && range[2] > 4 * (uint64_t)POOL_SLOTS) {
        /* 65534 and its neighbours mean "nobody". */
        space->pool = range[0] + range[2] - 2 * (uint64_t)POOL_SLOTS;
        *longest = range[2];
    }
}

static struct id_space read_id_space(void)
{
    struct id_space space = { .self_is_root = geteuid() == 0 };
    FILE *f = fopen("/proc/self/uid_map", "re");
    uint64_t longest = 0;
    uint64_t range[3];
    char line[128];

    while (f && fgets(line, sizeof(line), f)) {
        if (parse_range(line, range))
            add_range(&space, range, &longest);
    }
    if (f)
        (void)fclose(f);
    return space;
}

bool ps_identity_has_pool(void)
{
    return ps_sys_is_privileged() && read_id_space().pool != 0;
}

bool ps_identity_is_host_root(void)
{
    return read_id_space().self_is_root;
}

/* Ours alone, not a link that somebody put there. */
static int open_lock_dir(int *out, struct ps_error *err)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(lock_dirs); i++) {
        PS_AUTO_FD int fd = -1;
        struct stat st;

        if (mkdir(lock_dirs[i], 0700) < 0 && errno != EEXIST)
            continue;
        fd =
            open(lock_dirs[i], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0 || st.st_uid != geteuid() ||
            (st.st_mode & 022) != 0)
            continue;
        *out = ps_take_fd(&fd);
        return PS_OK;
    }
    return ps_fail(err, PS_EIO,
                   "no directory for the locks of sandbox users: "
                   "'%s' and '%s' are not ours or not writable",
                   lock_dirs[0], lock_dirs[1]);
}

static int take_slot(struct ps_job *job, struct ps_error *err)
{
    PS_AUTO_FD int dir = -1;
    uid_t base = (uid_t)read_id_space().pool;

    if (open_lock_dir(&dir, err) < 0)
        return err->code;
    for (unsigned i = 0; i < POOL_SLOTS; i++) {
        PS_AUTO_FD int fd = -1;
        char name[32];

        snprintf(name, sizeof(name), "uid-%u", base + i);
        fd = openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
            return ps_fail_errno(err, errno,
                                 "open the lock of sandbox user "
                                 "%u",
                                 base + i);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
            continue;
        job->uid_lock = ps_take_fd(&fd);
        job->host_uid = base + i;
        job->host_gid = base + i;
        return PS_OK;
    }
    return ps_fail(err, PS_EBUSY, "all %u sandbox users are in use",
                   POOL_SLOTS);
}

int ps_identity_choose(struct ps_job *job, struct ps_error *err)
{
    if (job->is_privileged) {
        if (setgroups(0, NULL) < 0)
            return ps_fail_errno(err, errno, "drop supplementary groups");
        if (take_slot(job, err) < 0)
            return err->code;
        job->fs_id = job->host_uid;
        return PS_OK;
    }
    job->host_uid = geteuid();
    job->host_gid = getegid();
    job->fs_id = PS_INNER_ID;
    if (ps_identity_is_host_root() &&
        !ps_plan_list_has(job->plan->weaken, "host-user"))
        return ps_fail(err, PS_EUNSUPPORTED,
                       "sandbox layer 'host-user': root "
                       "without the capabilities to become another user; run "
                       "as an ordinary user, or add CAP_SYS_ADMIN, CAP_SETUID "
                       "and CAP_SETGID, or pass --weaken host-user");
    return PS_OK;
}

static int write_proc(pid_t pid, const char *name, const char *text,
                      struct ps_error *err)
{
    char path[64];

    /* 0: this process, without asking what its number is here. */
    if (pid == 0)
        snprintf(path, sizeof(path), "/proc/self/%s", name);
    else
        snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    return ps_sys_write_file(path, text, err);
}

int ps_identity_write_maps(pid_t pid, unsigned inner, uid_t uid, gid_t gid,
                           struct ps_error *err)
{
    char text[64];

    snprintf(text, sizeof(text), "%u %u 1\n", inner, uid);
    if (write_proc(pid, "uid_map", text, err) < 0 ||
        write_proc(pid, "setgroups", "deny", err) < 0)
        return ps_context(err, "map the sandbox's user");
    snprintf(text, sizeof(text), "%u %u 1\n", inner, gid);
    if (write_proc(pid, "gid_map", text, err) < 0)
        return ps_context(err, "map the sandbox's group");
    return PS_OK;
}

int ps_identity_own_namespace(struct ps_error *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    bool has_failed = unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0;

    /* What the kernel calls "no space left on device". */
    if (has_failed && errno == ENOSPC)
        return ps_fail(err, PS_EUNSUPPORTED,
                       "make a user and a mount namespace: the limit in sysctl "
                       "user.max_user_namespaces is reached");
    if (has_failed)
        return ps_fail_errno(err, errno, "make a user and a mount namespace");
    /* New credentials may have cleared it. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return ps_fail_errno(err, errno, "ask for the parent's death signal");
    return ps_identity_write_maps(0, PS_INNER_ID, uid, gid, err);
}

static int open_user_namespace(pid_t pid, int *out, struct ps_error *err)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
    *out = open(path, O_RDONLY | O_CLOEXEC);
    if (*out < 0)
        return ps_fail_errno(err, errno, "open '%s'", path);
    return PS_OK;
}

/* Does nothing; a namespace needs a process to begin with. */
static _Noreturn void idle(pid_t parent)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent)
        (void)pause();
    _exit(0);
}

/* As ps_identity_write_maps(), with ids of the host on the inner side. */
static int map_owner(const struct ps_job *job, pid_t pid, uid_t uid, gid_t gid,
                     struct ps_error *err)
{
    char text[64];

    snprintf(text, sizeof(text), "%u %u 1\n", uid, job->host_uid);
    if (write_proc(pid, "uid_map", text, err) < 0)
        return ps_context(err, "map the owner of a mount");
    snprintf(text, sizeof(text), "%u %u 1\n", gid, job->host_gid);
    if (write_proc(pid, "gid_map", text, err) < 0)
        return ps_context(err, "map the group of a mount");
    return PS_OK;
}

int ps_identity_idmap(struct ps_job *job, uid_t uid, gid_t gid,
                      struct ps_error *err)
{
    PS_AUTO_FD int pidfd = -1;
    pid_t self = getpid();
    int fd = -1;
    pid_t pid;
    int rc;

    if (job->idmap_fd >= 0 && job->idmap_uid == uid && job->idmap_gid == gid)
        return PS_OK;
    pid = ps_sys_clone(CLONE_NEWUSER, &pidfd);
    if (pid < 0)
        return ps_fail_errno(err, errno, "make a user namespace for mounts");
    if (pid == 0)
        idle(self);
    rc = map_owner(job, pid, uid, gid, err);
    if (rc == PS_OK)
        rc = open_user_namespace(pid, &fd, err);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    if (rc < 0)
        return rc;
    if (job->idmap_fd >= 0)
        (void)close(job->idmap_fd);
    job->idmap_fd = fd;
    job->idmap_uid = uid;
    job->idmap_gid = gid;
    return PS_OK;
}
