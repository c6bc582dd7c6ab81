#include "selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "harden.h"
#include "job.h"
#include "landlock.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/util.h"
#include "sys.h"

enum state { STATE_PRESENT, STATE_WEAK, STATE_ABSENT };

static const char *const state_names[] = { "present", "weak", "absent" };

/* Written through a pipe by the process that tries a layer. */
struct finding {
    enum state state;
    char detail[200];
};

struct layer {
    const char *name;
    bool is_required;
    enum state (*try)(struct finding *f, struct ps_error *err);
    const char *remedy;
};

#define USERNS_REMEDY                                                       \
    "allow user namespaces: sysctl user.max_user_namespaces above 0; on "   \
    "Ubuntu 24.04 an AppArmor profile with 'userns,' for pkgsync-sandbox; " \
    "in Docker --security-opt seccomp=unconfined"
#define MOUNT_REMEDY                                                        \
    "allow mounts in user namespaces: on Ubuntu 24.04 an AppArmor profile " \
    "with 'userns,' for pkgsync-sandbox; in Docker --security-opt "         \
    "seccomp=unconfined --security-opt apparmor=unconfined"

static void say(struct finding *f, const char *fmt, ...) PS_PRINTF(2, 3);

static void say(struct finding *f, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    /* Clang 14 does not see va_start here. */
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized)
    (void)vsnprintf(f->detail, sizeof(f->detail), fmt, ap);
    va_end(ap);
}

/* Enough rights for the next step, as the helper itself would get them. */
static int enter(struct ps_error *err)
{
    if (!ps_identity_has_pool())
        return ps_identity_own_namespace(err);
    if (unshare(CLONE_NEWNS) < 0)
        return ps_fail_errno(err, errno, "make a mount namespace");
    return PS_OK;
}

static enum state try_unshare(struct finding *f, int flag, struct ps_error *err)
{
    (void)f;
    if (enter(err) < 0)
        return STATE_ABSENT;
    if (unshare(flag) < 0) {
        (void)ps_fail_errno(err, errno, "make the namespace");
        return STATE_ABSENT;
    }
    return STATE_PRESENT;
}

static enum state try_user(struct finding *f, struct ps_error *err)
{
    (void)f;
    return ps_identity_own_namespace(err) < 0 ? STATE_ABSENT : STATE_PRESENT;
}

static enum state try_mount(struct finding *f, struct ps_error *err)
{
    struct ps_tmpfs_options o = {
        .max_bytes = PS_MIB(1),
        .max_inodes = 16,
        .mode = 0755,
    };
    PS_AUTO_FD int fd = -1;

    (void)f;
    if (enter(err) < 0)
        return STATE_ABSENT;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        (void)ps_fail_errno(err, errno, "make the mounts private");
        return STATE_ABSENT;
    }
    o.owner = geteuid();
    return ps_mounts_tmpfs(&o, 0, &fd, err) < 0 ? STATE_ABSENT : STATE_PRESENT;
}

static enum state try_pid(struct finding *f, struct ps_error *err)
{
    return try_unshare(f, CLONE_NEWPID, err);
}

static enum state try_network(struct finding *f, struct ps_error *err)
{
    if (try_unshare(f, CLONE_NEWNET, err) != STATE_PRESENT ||
        ps_harden_loopback(err) < 0)
        return STATE_ABSENT;
    return STATE_PRESENT;
}

static enum state try_ipc(struct finding *f, struct ps_error *err)
{
    return try_unshare(f, CLONE_NEWIPC, err);
}

static enum state try_uts(struct finding *f, struct ps_error *err)
{
    return try_unshare(f, CLONE_NEWUTS, err);
}

static enum state try_cgroup(struct finding *f, struct ps_error *err)
{
    return try_unshare(f, CLONE_NEWCGROUP, err);
}

static enum state try_root(struct finding *f, struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;

    (void)f;
    if (enter(err) < 0 ||
        ps_mounts_tree("/usr", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, &fd,
                       err) < 0)
        return STATE_ABSENT;
    return STATE_PRESENT;
}

/* In a PID namespace of its own: what proc shows is that of its mounter. */
static enum state mount_proc(struct ps_error *err)
{
    PS_AUTO_FD int fs = fsopen("proc", FSOPEN_CLOEXEC);
    PS_AUTO_FD int fd = -1;

    if (fs >= 0 && fsconfig(fs, FSCONFIG_SET_STRING, "subset", "pid", 0) == 0 &&
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID);
    if (fd < 0) {
        (void)ps_fail_errno(err, errno, "mount /proc with subset=pid");
        return STATE_ABSENT;
    }
    return STATE_PRESENT;
}

static enum state try_proc(struct finding *f, struct ps_error *err)
{
    PS_AUTO_FD int pidfd = -1;
    struct ps_report report = { .kind = PS_REPORT_ERROR };
    int ends[2];
    pid_t pid;

    say(f, "subset=pid");
    if (enter(err) < 0 || pipe2(ends, O_CLOEXEC) < 0)
        return STATE_ABSENT;
    pid = ps_sys_clone(CLONE_NEWPID | CLONE_NEWNS, &pidfd);
    if (pid == 0) {
        (void)mount_proc(&report.err);
        (void)!write(ends[1], &report, sizeof(report));
        _exit(0);
    }
    (void)close(ends[1]);
    if (pid < 0 || waitpid(pid, NULL, 0) != pid ||
        read(ends[0], &report, sizeof(report)) != (ssize_t)sizeof(report)) {
        (void)ps_fail_errno(err, errno, "make a PID namespace");
        return STATE_ABSENT;
    }
    *err = report.err;
    return err->code ? STATE_ABSENT : STATE_PRESENT;
}

static int mount_test_overlay(struct ps_error *err)
{
    PS_AUTO_FD int fs = fsopen("overlay", FSOPEN_CLOEXEC);
    PS_AUTO_FD int fd = -1;

    if (fs >= 0 &&
        fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", "/usr", 0) == 0 &&
        fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", "upper", 0) == 0 &&
        fsconfig(fs, FSCONFIG_SET_STRING, "workdir", "work", 0) == 0 &&
        fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) == 0 &&
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
        fd = fsmount(fs, FSMOUNT_CLOEXEC, 0);
    if (fd < 0)
        return ps_fail_errno(err, errno, "mount an overlay with userxattr");
    return PS_OK;
}

static enum state try_overlay(struct finding *f, struct ps_error *err)
{
    struct ps_tmpfs_options o = {
        .max_bytes = PS_MIB(1),
        .max_inodes = 64,
        .mode = 0755,
        .owner = PS_INNER_ID,
    };
    PS_AUTO_FD int fd = -1;

    if (ps_identity_own_namespace(err) < 0 ||
        ps_mounts_tmpfs(&o, 0, &fd, err) < 0)
        return STATE_WEAK;
    /* Layers are found by path, so the tmpfs must be mounted somewhere. */
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        move_mount(fd, "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH) < 0 ||
        fchdir(fd) < 0 || mkdir("upper", 0755) < 0 || mkdir("work", 0755) < 0) {
        (void)ps_fail_errno(err, errno, "prepare an overlay");
        return STATE_WEAK;
    }
    if (setxattr("upper", "user.pkgsync", "1", 1, 0) < 0) {
        (void)ps_fail_errno(err, errno, "set a user attribute on a tmpfs");
        return STATE_WEAK;
    }
    say(f, "userxattr");
    return mount_test_overlay(err) < 0 ? STATE_WEAK : STATE_PRESENT;
}

static enum state try_host_user(struct finding *f, struct ps_error *err)
{
    bool is_root = ps_identity_is_host_root();

    (void)err;
    if (ps_identity_has_pool()) {
        say(f, "a user of its own for each job");
        return STATE_PRESENT;
    }
    say(f, "%s",
        is_root ? "root without the capabilities to become another "
                  "user"
                : "the ordinary user who runs pkgsync");
    return is_root ? STATE_ABSENT : STATE_PRESENT;
}

static enum state try_capabilities(struct finding *f, struct ps_error *err)
{
    say(f, "none, no_new_privs");
    if (enter(err) < 0 || ps_harden_capabilities(err) < 0)
        return STATE_ABSENT;
    return STATE_PRESENT;
}

static enum state try_seccomp(struct finding *f, struct ps_error *err)
{
    say(f, "allow-list");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        ps_harden_seccomp(err) < 0)
        return STATE_ABSENT;
    if (unshare(CLONE_NEWNS) == 0 || errno != ENOSYS) {
        (void)ps_fail(err, PS_EUNSUPPORTED, "the filter lets calls through");
        return STATE_ABSENT;
    }
    return STATE_PRESENT;
}

static enum state try_landlock(struct finding *f, struct ps_error *err)
{
    static struct ps_job job;
    int abi = ps_landlock_abi();

    if (abi == 0) {
        (void)ps_fail_errno(err, errno, "the kernel has no Landlock");
        return STATE_ABSENT;
    }
    say(f, "ABI %d%s", abi,
        abi < 6 ? ", without scopes for abstract sockets and signals" : "");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        ps_landlock_enforce(&job, err) < 0)
        return STATE_ABSENT;
    return abi < 6 ? STATE_WEAK : STATE_PRESENT;
}

static enum state try_keyring(struct finding *f, struct ps_error *err)
{
    (void)f;
    return ps_harden_keyring(err) < 0 ? STATE_ABSENT : STATE_PRESENT;
}

static enum state try_openat2(struct finding *f, struct ps_error *err)
{
    PS_AUTO_FD int fd =
        ps_sys_openat2(AT_FDCWD, "/", O_PATH, RESOLVE_NO_SYMLINKS);

    (void)f;
    if (fd < 0) {
        (void)ps_fail_errno(err, errno, "openat2");
        return STATE_ABSENT;
    }
    return STATE_PRESENT;
}

static enum state try_memory(struct finding *f, struct ps_error *err)
{
    (void)err;
    say(f, "the memory of a build is not limited, only its files");
    return STATE_ABSENT;
}

static const struct layer layers[] = {
    { "user-namespace", true, try_user, USERNS_REMEDY },
    { "mount-namespace", true, try_mount, MOUNT_REMEDY },
    { "pid-namespace", true, try_pid, USERNS_REMEDY },
    { "network-namespace", true, try_network, USERNS_REMEDY },
    { "ipc-namespace", true, try_ipc, USERNS_REMEDY },
    { "uts-namespace", true, try_uts, USERNS_REMEDY },
    { "cgroup-namespace", true, try_cgroup, USERNS_REMEDY },
    { "root", true, try_root, "Linux 5.12 or newer" },
    { "proc", true, try_proc,
      "Linux 5.8 or newer; in Docker --security-opt systempaths=unconfined" },
    { "overlay", false, try_overlay,
      "Linux 6.6 or newer; without it sources are copied for each build" },
    { "host-user", true, try_host_user,
      "run as an ordinary user, or add CAP_SYS_ADMIN, CAP_SETUID and "
      "CAP_SETGID" },
    { "capabilities", true, try_capabilities, MOUNT_REMEDY },
    { "seccomp", true, try_seccomp, "a kernel with CONFIG_SECCOMP_FILTER" },
    { "landlock", true, try_landlock,
      "a kernel with Landlock (5.13; 6.12 for scopes) and 'landlock' in the "
      "lsm= boot parameter" },
    { "keyring", true, try_keyring, "" },
    { "openat2", true, try_openat2, "Linux 5.6 or newer" },
    { "memory-limit", false, try_memory,
      "give the machine enough memory for the builds that run at once" },
};

static void try_one(const struct layer *l, struct finding *f)
{
    struct ps_error err = PS_ERROR_INIT;

    f->state = l->try(f, &err);
    if (err.code)
        say(f, "%.190s", err.text);
}

/* In a process of its own: trying a layer leaves it changed. */
static void try_apart(const struct layer *l, struct finding *f)
{
    ssize_t got = 0;
    int ends[2];
    pid_t pid;

    *f = (struct finding){ .state = STATE_ABSENT };
    if (pipe2(ends, O_CLOEXEC) < 0)
        return;
    pid = fork();
    if (pid == 0) {
        try_one(l, f);
        (void)!write(ends[1], f, sizeof(*f));
        _exit(0);
    }
    (void)close(ends[1]);
    if (pid > 0) {
        got = read(ends[0], f, sizeof(*f));
        (void)waitpid(pid, NULL, 0);
    }
    (void)close(ends[0]);
    if (got != (ssize_t)sizeof(*f)) {
        f->state = STATE_ABSENT;
        say(f, "the attempt ended early");
    }
}

int ps_selftest_main(void)
{
    json_t *rows = json_array();
    int rc;

    for (size_t i = 0; i < PS_ARRAY_SIZE(layers); i++) {
        const struct layer *l = &layers[i];
        struct finding f;

        try_apart(l, &f);
        json_array_append_new(
            rows, json_pack("{s:s, s:s, s:b, s:s, s:s}", "name", l->name,
                            "state", state_names[f.state], "required",
                            l->is_required, "detail", f.detail, "remedy",
                            f.state == STATE_PRESENT ? "" : l->remedy));
    }
    rc = json_dumpf(rows, stdout, JSON_INDENT(1));
    json_decref(rows);
    return rc < 0 || putchar('\n') == EOF || fflush(stdout) != 0 ? 74 : 0;
}
