/*
 * Child side: put the mounts in place and make the result the root.
 * Everything that fails here ends the run; no step is skipped.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "job.h"
#include "pkgsync/cleanup.h"
#include "sys.h"

#ifndef MOVE_MOUNT_T_EMPTY_PATH
#define MOVE_MOUNT_T_EMPTY_PATH 0x00000040
#endif

/*
 * The mount point may lie in a mount of the plan, whose links are not to be
 * trusted: none is followed.
 */
static int place(const struct ps_job *job, int mount, const char *path,
                 struct ps_error *err)
{
    PS_AUTO_FD int point = ps_sys_openat2(
        job->root_fd, path + 1, O_PATH, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);

    if (point < 0)
        return ps_fail_errno(err, errno, "find the mount point '%s'", path);
    if (move_mount(mount, "", point, "",
                   MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return ps_fail_errno(err, errno, "mount '%s'", path);
    return PS_OK;
}

static int mount_overlay(int *out, struct ps_error *err)
{
    PS_AUTO_FD int fs = fsopen("overlay", FSOPEN_CLOEXEC);
    int fd;

    if (fs < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", "tmp/lower", 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "upperdir", "tmp/upper", 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "workdir", "tmp/work", 0) < 0 ||
        fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return ps_fail_errno(err, errno, "set up an overlay");
    fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    if (fd < 0)
        return ps_fail_errno(err, errno, "mount an overlay");
    *out = fd;
    return PS_OK;
}

/*
 * An overlay wants its layers by path: they are shown at /tmp for a moment,
 * before the real /tmp is there (its path is shorter than any overlay's, so
 * the caller does overlays first).
 */
static int make_overlay(const struct ps_job *job, struct ps_attach *a,
                        struct ps_error *err)
{
    int fd = -1;

    if (place(job, a->upper_fd, "/tmp", err) < 0 ||
        place(job, a->fd, "/tmp/lower", err) < 0)
        return err->code;
    if (mount_overlay(&fd, err) < 0)
        return ps_context(err, "'%s'", a->path);
    if (umount2("tmp", MNT_DETACH) < 0) {
        (void)close(fd);
        return ps_fail_errno(err, errno, "take the layers of '%s' away",
                             a->path);
    }
    (void)close(a->fd);
    a->fd = fd;
    return PS_OK;
}

static int mount_proc(const struct ps_job *job, struct ps_error *err)
{
    PS_AUTO_FD int fs = fsopen("proc", FSOPEN_CLOEXEC);
    PS_AUTO_FD int fd = -1;

    if (fs < 0)
        return ps_fail_errno(err, errno, "make /proc");
    if (fsconfig(fs, FSCONFIG_SET_STRING, "subset", "pid", 0) < 0 &&
        !ps_plan_list_has(job->plan->weaken, "proc"))
        return ps_fail_errno(err, errno, "limit /proc to processes");
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return ps_fail_errno(err, errno, "make /proc");
    fd = fsmount(fs, FSMOUNT_CLOEXEC,
                 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (fd < 0)
        return ps_fail_errno(err, errno, "mount /proc");
    return place(job, fd, "/proc", err);
}

static int make_root(const struct ps_job *job, struct ps_error *err)
{
    struct mount_attr read_only = { .attr_set = MOUNT_ATTR_RDONLY };

    if (fchdir(job->root_fd) < 0 || ps_sys_pivot_root(".", ".") < 0)
        return ps_fail_errno(err, errno, "change the root");
    /* The old root lies on top of the new one; nothing of it stays. */
    if (umount2(".", MNT_DETACH) < 0)
        return ps_fail_errno(err, errno, "take the old root away");
    if (chdir("/") < 0)
        return ps_fail_errno(err, errno, "enter the new root");
    if (mount_setattr(job->root_fd, "", AT_EMPTY_PATH, &read_only,
                      sizeof(read_only)) < 0)
        return ps_fail_errno(err, errno, "make the root read-only");
    return PS_OK;
}

int ps_root_enter(struct ps_job *job, struct ps_error *err)
{
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return ps_fail_errno(err, errno, "make the mounts private");
    if (move_mount(job->root_fd, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) <
        0)
        return ps_fail_errno(err, errno, "attach the new root");
    if (fchdir(job->root_fd) < 0)
        return ps_fail_errno(err, errno, "enter the new root");
    for (size_t i = 0; i < job->attach_count; i++) {
        if (job->attach[i].kind == PS_ATTACH_OVERLAY &&
            make_overlay(job, &job->attach[i], err) < 0)
            return err->code;
    }
    if (mount_proc(job, err) < 0)
        return err->code;
    for (size_t i = 0; i < job->attach_count; i++) {
        if (place(job, job->attach[i].fd, job->attach[i].path, err) < 0)
            return err->code;
    }
    return make_root(job, err);
}
