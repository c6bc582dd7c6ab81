/*
 * Helper side: what lies in the root tmpfs itself, namely mount points and an
 * /etc with nothing of the host's users in it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/util.h"

struct skeleton_file {
    const char *path;
    const char *text;
};

static const struct skeleton_file files[] = {
    { "etc/passwd", "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
                    "build:x:1000:1000:build:/tmp:/bin/sh\n"
                    "nobody:x:65534:65534:nobody:/nonexistent:"
                    "/usr/sbin/nologin\n" },
    { "etc/group", "root:x:0:\nbuild:x:1000:\nnogroup:x:65534:\n" },
    { "etc/hosts", "127.0.0.1 localhost pkgsync\n::1 localhost\n" },
    { "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"
                           "services: files\nprotocols: files\n" },
};

static const char *const links[][2] = {
    { "/proc/self/fd", "dev/fd" },
    { "/proc/self/fd/0", "dev/stdin" },
    { "/proc/self/fd/1", "dev/stdout" },
    { "/proc/self/fd/2", "dev/stderr" },
};

static int make_dirs(int root, char *path, struct ps_error *err)
{
    for (char *slash = strchr(path, '/');; slash = strchr(slash + 1, '/')) {
        if (slash)
            *slash = '\0';
        if (mkdirat(root, path, 0755) < 0 && errno != EEXIST)
            return ps_fail_errno(err, errno, "make '/%s' in the sandbox", path);
        if (!slash)
            return PS_OK;
        *slash = '/';
    }
}

/* The tmpfs a mount point lies in: a project may well live in /tmp. */
static int base_of(const struct ps_job *job, const char **path)
{
    static const char tmp[] = "/tmp/";
    size_t len = sizeof(tmp) - 1;

    if (job->tmp_fd < 0 || strncmp(*path, tmp, len) != 0) {
        *path += 1;
        return job->root_fd;
    }
    *path += len;
    return job->tmp_fd;
}

int ps_skeleton_point(struct ps_job *job, const char *path, bool is_dir,
                      struct ps_error *err)
{
    char copy[PS_PLAN_PATH_MAX + 1];
    PS_AUTO_FD int fd = -1;
    const char *rest = path;
    char *slash = NULL;
    int base = base_of(job, &rest);

    snprintf(copy, sizeof(copy), "%s", rest);
    if (is_dir)
        return make_dirs(base, copy, err);
    slash = strrchr(copy, '/');
    if (slash) {
        *slash = '\0';
        if (make_dirs(base, copy, err) < 0)
            return err->code;
        *slash = '/';
    }
    fd = openat(base, copy, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0444);
    if (fd < 0)
        return ps_fail_errno(err, errno, "make '%s' in the sandbox", path);
    return PS_OK;
}

static int write_text(int root, const struct skeleton_file *f,
                      struct ps_error *err)
{
    PS_AUTO_FD int fd =
        openat(root, f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    size_t len = strlen(f->text);

    if (fd < 0 || write(fd, f->text, len) != (ssize_t)len)
        return ps_fail_errno(err, errno, "write '/%s' in the sandbox", f->path);
    return PS_OK;
}

int ps_skeleton_fill(struct ps_job *job, struct ps_error *err)
{
    static const char *const dirs[] = { "/etc", "/proc", "/dev", "/usr" };

    for (size_t i = 0; i < PS_ARRAY_SIZE(dirs); i++) {
        if (ps_skeleton_point(job, dirs[i], true, err) < 0)
            return err->code;
    }
    for (size_t i = 0; i < PS_ARRAY_SIZE(files); i++) {
        if (write_text(job->root_fd, &files[i], err) < 0)
            return err->code;
    }
    for (size_t i = 0; i < PS_ARRAY_SIZE(links); i++) {
        if (symlinkat(links[i][0], job->root_fd, links[i][1]) < 0)
            return ps_fail_errno(err, errno, "link '/%s' in the sandbox",
                                 links[i][1]);
    }
    return PS_OK;
}
