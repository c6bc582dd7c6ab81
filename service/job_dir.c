/*
 * Directories of jobs, under <state>/jobs.
 *
 * Each holds a file that its process keeps locked.  A directory whose lock can
 * be had belongs to nobody any more: what a killed process left behind is
 * removed by the next one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pipeline_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"

#define OLD_S 60

int ps_job_dir_make(const struct ps_dirs *dirs, int64_t job,
                    struct ps_job_dir *out, struct ps_error *err)
{
    PS_AUTO_FREE char *parent = ps_format("%s/jobs", dirs->state);
    PS_AUTO_FREE char *prefix = ps_format("%lld-", (long long)job);
    PS_AUTO_FREE char *lock = NULL;
    struct ps_job_dir d = { .lock = -1 };
    int rc = ps_make_temp_dir(parent, prefix, &d.path, err);

    if (rc < 0)
        return rc;
    lock = ps_format("%s/lock", d.path);
    d.lock = open(lock, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (d.lock < 0 || flock(d.lock, LOCK_EX | LOCK_NB) < 0) {
        rc = ps_fail_errno(err, errno, "lock '%s'", lock);
        ps_job_dir_remove(&d);
        return rc;
    }
    *out = d;
    return PS_OK;
}

void ps_job_dir_remove(struct ps_job_dir *d)
{
    static const char *const parts[] = { "src", "out" };
    struct ps_error ignored = PS_ERROR_INIT;

    /* The lock goes last: without it nobody would know whose this was. */
    for (size_t i = 0; d->path && i < 2; i++) {
        PS_AUTO_FREE char *part = ps_format("%s/%s", d->path, parts[i]);

        (void)!ps_remove_tree_at(AT_FDCWD, part, &ignored);
    }
    if (d->path)
        (void)!ps_remove_tree_at(AT_FDCWD, d->path, &ignored);
    if (d->lock >= 0)
        (void)close(d->lock);
    free(d->path);
    *d = (struct ps_job_dir){ .lock = -1 };
}

static int cache_lock(const struct ps_dirs *dirs, int operation, int *lock,
                      struct ps_error *err)
{
    PS_AUTO_FREE char *path = ps_format("%s/lock", dirs->cache);
    PS_AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return ps_fail_errno(err, errno, "open '%s'", path);
    while (flock(fd, operation) < 0) {
        if (errno == EINTR)
            continue;
        if (errno == EWOULDBLOCK)
            return ps_fail(err, PS_EBUSY,
                           "builds are running that use '%s'; try again when "
                           "they have ended",
                           dirs->cache);
        return ps_fail_errno(err, errno, "lock '%s'", path);
    }
    *lock = ps_take_fd(&fd);
    return PS_OK;
}

/* What killed runs left in the cache; nobody may be using it. */
static void clean_cache(const struct ps_dirs *dirs)
{
    static const struct {
        const char *dir;
        const char *prefix;
    } left[] = { { "/tmp", "" },     { "/envs", "new-" },
                 { "/pip", "new-" }, { "/sdists", ".new-" },
                 { "", "record-" },  { "", "wheel-" } };

    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
        PS_AUTO_FREE char *path = ps_format("%s%s", dirs->cache, left[i].dir);
        PS_AUTO_DIR DIR *dir = opendir(path);
        struct dirent *e = NULL;

        while (dir && (e = readdir(dir)) != NULL) {
            struct ps_error ignored = PS_ERROR_INIT;

            if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
                strncmp(e->d_name, left[i].prefix, strlen(left[i].prefix)) == 0)
                (void)!ps_remove_tree_at(dirfd(dir), e->d_name, &ignored);
        }
    }
}

int ps_cache_share(const struct ps_dirs *dirs, int *lock, struct ps_error *err)
{
    struct ps_error busy = PS_ERROR_INIT;
    PS_AUTO_FD int alone = -1;

    if (ps_pipeline_lock_cache(dirs, &alone, &busy) == PS_OK)
        clean_cache(dirs);
    if (alone >= 0)
        (void)close(ps_take_fd(&alone));
    return cache_lock(dirs, LOCK_SH, lock, err);
}

int ps_pipeline_lock_cache(const struct ps_dirs *dirs, int *lock,
                           struct ps_error *err)
{
    return cache_lock(dirs, LOCK_EX | LOCK_NB, lock, err);
}

static bool is_old(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && st.st_ctim.tv_sec + OLD_S < time(NULL);
}

static void clean_one(const char *parent, const char *name)
{
    PS_AUTO_FREE char *path = ps_format("%s/%s", parent, name);
    PS_AUTO_FREE char *lock = ps_format("%s/lock", path);
    PS_AUTO_FD int fd = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    struct ps_error ignored = PS_ERROR_INIT;

    /* Without a lock file it was just made, or its removal was cut short. */
    if (fd >= 0 ? flock(fd, LOCK_EX | LOCK_NB) == 0 : is_old(path))
        (void)!ps_remove_tree_at(AT_FDCWD, path, &ignored);
}

void ps_pipeline_clean(const struct ps_dirs *dirs)
{
    PS_AUTO_FREE char *parent = ps_format("%s/jobs", dirs->state);
    PS_AUTO_DIR DIR *dir = opendir(parent);
    struct dirent *e = NULL;

    while (dir && (e = readdir(dir)) != NULL) {
        if (e->d_name[0] != '.')
            clean_one(parent, e->d_name);
    }
}
