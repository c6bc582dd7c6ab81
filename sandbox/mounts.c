/*
 * Helper side: every mount of the sandbox as a descriptor, made while the
 * helper still sees the host, before the child exists.  The child only puts
 * them in place, so that it needs no path of the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "copy.h"
#include "job.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/util.h"
#include "sys.h"

#define TREE_ATTR (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define DISK_ATTR (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define NODE_ATTR (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)

#define SHM_MAX_BYTES PS_MIB(256)

static const char *const nodes[] = { "/dev/null", "/dev/zero", "/dev/full",
                                     "/dev/random", "/dev/urandom" };

static const char *const system_dirs[] = { "/bin",   "/sbin",  "/lib",
                                           "/lib32", "/lib64", "/libx32" };

/* Of the host's /etc, what programs need to start and to check certificates. */
static const char *const etc_files[] = {
    "/etc/ld.so.cache",  "/etc/ld.so.conf", "/etc/ld.so.conf.d",
    "/etc/alternatives", "/etc/ssl/certs",  "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs"
};
static const char *const etc_network_files[] = { "/etc/resolv.conf",
                                                 "/etc/hosts" };

int ps_mounts_tree(const char *host_path, uint64_t attr, int *out,
                   struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;
    struct mount_attr set = { .attr_set = attr };

    fd = open_tree(AT_FDCWD, host_path,
                   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (fd < 0)
        return ps_fail_errno(err, errno, "open '%s' for the sandbox",
                             host_path);
    if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &set, sizeof(set)) <
        0)
        return ps_fail_errno(err, errno, "restrict the mount of '%s'",
                             host_path);
    *out = ps_take_fd(&fd);
    return PS_OK;
}

static int set_option(int fs, const char *key, uint64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    return fsconfig(fs, FSCONFIG_SET_STRING, key, text, 0);
}

int ps_mounts_tmpfs(const struct ps_tmpfs_options *o, uint64_t attr, int *out,
                    struct ps_error *err)
{
    PS_AUTO_FD int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
    char mode[16];
    int fd;

    if (fs < 0)
        return ps_fail_errno(err, errno, "make a tmpfs");
    snprintf(mode, sizeof(mode), "%o", o->mode);
    if (set_option(fs, "size", o->max_bytes) < 0 ||
        set_option(fs, "nr_inodes", o->max_inodes) < 0 ||
        fsconfig(fs, FSCONFIG_SET_STRING, "mode", mode, 0) < 0 ||
        set_option(fs, "uid", o->owner) < 0 ||
        set_option(fs, "gid", o->owner) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return ps_fail_errno(err, errno, "set the limits of a tmpfs");
    fd = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attr);
    if (fd < 0)
        return ps_fail_errno(err, errno, "mount a tmpfs");
    *out = fd;
    return PS_OK;
}

static int add(struct ps_job *job, const struct ps_attach *attach,
               struct ps_error *err)
{
    struct stat st;

    if (job->attach_count == PS_JOB_MOUNTS_MAX)
        return ps_fail(err, PS_ETOOBIG, "more than %d mounts",
                       PS_JOB_MOUNTS_MAX);
    job->attach[job->attach_count++] = *attach; /* owned from here on */
    if (fstat(attach->fd, &st) < 0)
        return ps_fail_errno(err, errno, "look at the mount for '%s'",
                             attach->path);
    return ps_skeleton_point(job, attach->path, S_ISDIR(st.st_mode), err);
}

int ps_mounts_add(struct ps_job *job, const char *path, int fd,
                  bool is_writable, struct ps_error *err)
{
    struct ps_attach attach = {
        .kind = PS_ATTACH_TREE,
        .path = path,
        .fd = fd,
        .upper_fd = -1,
        .is_writable = is_writable,
    };

    return add(job, &attach, err);
}

static void watch(struct ps_job *job, const char *path, int fd)
{
    if (job->disk_count < PS_JOB_DISKS_MAX)
        job->disks[job->disk_count++] =
            (struct ps_disk){ .path = path, .fd = fd };
}

/* The host's own path, at the same place. */
static int add_host(struct ps_job *job, const char *path, uint64_t attr,
                    struct ps_error *err)
{
    int fd = -1;

    if (ps_mounts_tree(path, attr, &fd, err) < 0)
        return err->code;
    return ps_mounts_add(job, path, fd, false, err);
}

static int add_if_present(struct ps_job *job, const char *path,
                          struct ps_error *err)
{
    if (access(path, F_OK) < 0)
        return PS_OK;
    return add_host(job, path, TREE_ATTR, err);
}

/* /usr, and /bin and its like, which are links into it on most systems. */
static int add_system(struct ps_job *job, struct ps_error *err)
{
    if (add_host(job, "/usr", TREE_ATTR, err) < 0)
        return err->code;
    for (size_t i = 0; i < PS_ARRAY_SIZE(system_dirs); i++) {
        char target[PS_PLAN_PATH_MAX];
        ssize_t len = readlink(system_dirs[i], target, sizeof(target) - 1);

        if (len < 0) {
            if (add_if_present(job, system_dirs[i], err) < 0)
                return err->code;
            continue;
        }
        target[len] = '\0';
        if (symlinkat(target, job->root_fd, system_dirs[i] + 1) < 0)
            return ps_fail_errno(err, errno, "link '%s'", system_dirs[i]);
    }
    return PS_OK;
}

static int add_etc(struct ps_job *job, struct ps_error *err)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(etc_files); i++) {
        if (add_if_present(job, etc_files[i], err) < 0)
            return err->code;
    }
    for (size_t i = 0;
         job->plan->spec.network && i < PS_ARRAY_SIZE(etc_network_files); i++) {
        if (add_if_present(job, etc_network_files[i], err) < 0)
            return err->code;
    }
    return PS_OK;
}

static int add_devices(struct ps_job *job, struct ps_error *err)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(nodes); i++) {
        if (add_host(job, nodes[i], NODE_ATTR, err) < 0)
            return err->code;
    }
    return PS_OK;
}

static int add_disk(struct ps_job *job, const char *path,
                    const struct ps_tmpfs_options *options,
                    struct ps_error *err)
{
    int fd = -1;

    if (ps_mounts_tmpfs(options, DISK_ATTR, &fd, err) < 0)
        return ps_context(err, "'%s'", path);
    watch(job, path, fd);
    return ps_mounts_add(job, path, fd, true, err);
}

static int add_disks(struct ps_job *job, struct ps_error *err)
{
    const struct ps_run_spec *s = &job->plan->spec;
    struct ps_tmpfs_options o = {
        .max_bytes = s->tmp_max_bytes,
        .max_inodes = s->tmp_max_inodes,
        .mode = 01777,
        .owner = job->fs_id,
    };

    if (add_disk(job, "/tmp", &o, err) < 0)
        return err->code;
    job->tmp_fd = job->attach[job->attach_count - 1].fd;
    o.max_bytes = PS_MIN(o.max_bytes, SHM_MAX_BYTES);
    if (add_disk(job, "/dev/shm", &o, err) < 0)
        return err->code;
    if (!s->out_path)
        return PS_OK;
    o.mode = 0755;
    /* Room beyond the limit, so that too much is told from a full disk. */
    o.max_bytes = s->out_max_bytes + PS_MIB(1);
    o.max_inodes = s->out_max_files + 16;
    if (add_disk(job, s->out_path, &o, err) < 0)
        return err->code;
    job->out_fd = openat(job->attach[job->attach_count - 1].fd, ".",
                         O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (job->out_fd < 0)
        return ps_fail_errno(err, errno, "open the output directory");
    return PS_OK;
}

/*
 * Show the files of this mount's owner as the command's own.  False where the
 * file system cannot do that; then they stay root's.
 */
static bool try_idmap(struct ps_job *job, int fd)
{
    struct ps_error ignored = PS_ERROR_INIT;
    struct mount_attr set = { .attr_set = MOUNT_ATTR_IDMAP };
    struct stat st;

    if (fstat(fd, &st) < 0 ||
        ps_identity_idmap(job, st.st_uid, st.st_gid, &ignored) < 0)
        return false;
    set.userns_fd = (uint64_t)job->idmap_fd;
    return mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &set,
                         sizeof(set)) == 0;
}

/* An overlay needs user.* attributes to hide what lies below. */
static bool has_user_xattr(int dir)
{
    return fsetxattr(dir, "user.pkgsync", "1", 1, 0) == 0 &&
           fremovexattr(dir, "user.pkgsync") == 0;
}

static int make_layers(struct ps_job *job, int upper, struct ps_error *err)
{
    static const char *const names[] = { "lower", "upper", "work" };

    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++) {
        if (mkdirat(upper, names[i], 0755) < 0 ||
            fchownat(upper, names[i],
                     job->is_privileged ? job->host_uid : (uid_t)-1,
                     job->is_privileged ? job->host_gid : (gid_t)-1,
                     AT_SYMLINK_NOFOLLOW) < 0)
            return ps_fail_errno(err, errno, "make an overlay's layers");
    }
    return PS_OK;
}

static int copy_scratch(struct ps_job *job, const struct ps_mount *m, int tree,
                        int to, struct ps_error *err)
{
    struct ps_copy_options options = {
        .keep_links = true,
        .owner = job->is_privileged ? job->host_uid : (uid_t)-1,
        .max_bytes = job->plan->spec.tmp_max_bytes,
        .max_files = job->plan->spec.tmp_max_inodes,
    };
    struct ps_copy_problem problem = { .detail = "" };
    PS_AUTO_FD int from = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    PS_AUTO_FD int top = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (from < 0 || top < 0)
        return ps_fail_errno(err, errno, "open '%s'", m->host_path);
    if (ps_copy_tree(from, top, &options, &problem, err) < 0)
        return ps_context(err, "copy '%s'", m->host_path);
    if (problem.detail[0])
        return ps_fail(err, PS_ETOOBIG, "copy '%s': %s", m->host_path,
                       problem.detail);
    return PS_OK;
}

static int add_scratch(struct ps_job *job, const struct ps_mount *m,
                       struct ps_error *err)
{
    struct ps_attach attach = {
        .kind = PS_ATTACH_OVERLAY,
        .path = m->path,
        .fd = -1,
        .upper_fd = -1,
        .is_writable = true,
    };
    struct ps_tmpfs_options o = {
        .max_bytes = job->plan->spec.tmp_max_bytes,
        .max_inodes = job->plan->spec.tmp_max_inodes,
        .mode = 0755,
        .owner = job->fs_id,
    };
    PS_AUTO_FD int tree = -1;
    PS_AUTO_FD int upper = -1;
    PS_AUTO_FD int top = -1;

    if (ps_mounts_tree(m->host_path, TREE_ATTR, &tree, err) < 0 ||
        ps_mounts_tmpfs(&o, DISK_ATTR, &upper, err) < 0)
        return err->code;
    top = openat(upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (top < 0)
        return ps_fail_errno(err, errno, "open a tmpfs");
    watch(job, m->path, upper);
    if (ps_plan_list_has(job->plan->weaken, "overlay") ||
        !has_user_xattr(top) || (job->is_privileged && !try_idmap(job, tree))) {
        if (copy_scratch(job, m, tree, upper, err) < 0)
            return err->code;
        return ps_mounts_add(job, m->path, ps_take_fd(&upper), true, err);
    }
    if (make_layers(job, top, err) < 0)
        return err->code;
    attach.fd = ps_take_fd(&tree);
    attach.upper_fd = ps_take_fd(&upper);
    return add(job, &attach, err);
}

static int add_read_only(struct ps_job *job, const struct ps_mount *m,
                         struct ps_error *err)
{
    int fd = -1;

    if (ps_mounts_tree(m->host_path, TREE_ATTR, &fd, err) < 0)
        return err->code;
    /* A file with mode 0600 would be shut to the command otherwise. */
    if (job->is_privileged)
        (void)try_idmap(job, fd);
    return ps_mounts_add(job, m->path, fd, false, err);
}

static int add_plan(struct ps_job *job, struct ps_error *err)
{
    const struct ps_run_spec *s = &job->plan->spec;
    const char *const *extra = job->plan->extra_paths;

    for (; extra && *extra; extra++) {
        if (!ps_plan_is_below(*extra, "/usr") &&
            add_host(job, *extra, TREE_ATTR, err) < 0)
            return err->code;
    }
    for (size_t i = 0; i < s->mount_count; i++) {
        const struct ps_mount *m = &s->mounts[i];
        int rc = m->kind == PS_MOUNT_SCRATCH ? add_scratch(job, m, err)
                                             : add_read_only(job, m, err);

        if (rc < 0)
            return rc;
    }
    return PS_OK;
}

/* Parents before children: a shorter path is never inside a longer one. */
static void sort_attachments(struct ps_job *job)
{
    for (size_t i = 1; i < job->attach_count; i++) {
        struct ps_attach a = job->attach[i];
        size_t j = i;

        for (; j > 0 && strlen(job->attach[j - 1].path) > strlen(a.path); j--)
            job->attach[j] = job->attach[j - 1];
        job->attach[j] = a;
    }
}

int ps_mounts_prepare(struct ps_job *job, struct ps_error *err)
{
    struct ps_tmpfs_options root = {
        .max_bytes = PS_MIB(4),
        .max_inodes = 4096,
        .mode = 0755,
        .owner = job->is_privileged ? 0 : PS_INNER_ID,
    };

    if (ps_mounts_tmpfs(&root, DISK_ATTR, &job->root_fd, err) < 0 ||
        ps_skeleton_fill(job, err) < 0 || add_system(job, err) < 0 ||
        add_etc(job, err) < 0 || add_devices(job, err) < 0 ||
        add_disks(job, err) < 0 || add_plan(job, err) < 0)
        return err->code;
    sort_attachments(job);
    return PS_OK;
}
