#include "pkgsync/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include <linux/fs.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define CHUNK_SIZE ((size_t)256 * 1024)

int ps_write_all(int fd, const void *data, size_t len, struct ps_error *err)
{
    const char *p = data;

    while (len > 0) {
        ssize_t put = write(fd, p, len);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return ps_fail_errno(err, errno, "write");
        p += put;
        len -= (size_t)put;
    }
    return PS_OK;
}

int ps_read_all(int fd, struct ps_buf *out, struct ps_error *err)
{
    PS_AUTO_FREE char *chunk = ps_realloc(NULL, 1, CHUNK_SIZE);

    for (;;) {
        ssize_t got = read(fd, chunk, CHUNK_SIZE);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ps_fail_errno(err, errno, "read");
        if (got == 0)
            return PS_OK;
        ps_buf_add(out, chunk, (size_t)got);
        if (out->overflow)
            return ps_fail(err, PS_ETOOBIG, "more than %zu bytes", out->max);
    }
}

int ps_open_regular_at(int dir, const char *path, int *out, struct stat *st,
                       struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;
    struct stat mine;

    /* O_NONBLOCK: a FIFO planted under this name must not hang us. */
    fd = openat(dir, path,
                O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ELOOP)
        return ps_fail(err, PS_EINVALID, "'%s' is a symbolic link", path);
    if (fd < 0 && errno != ENXIO) /* ENXIO: a socket, or no such device */
        return ps_fail_errno(err, errno, "open '%s'", path);
    if (fd >= 0 && fstat(fd, &mine) < 0)
        return ps_fail_errno(err, errno, "stat '%s'", path);
    if (fd < 0 || !S_ISREG(mine.st_mode))
        return ps_fail(err, PS_EINVALID, "'%s' is not a regular file", path);
    if (st)
        *st = mine;
    *out = ps_take_fd(&fd);
    return PS_OK;
}

int ps_read_file_at(int dir, const char *path, struct ps_buf *out,
                    struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;
    struct stat st = { .st_size = 0 };
    int rc = ps_open_regular_at(dir, path, &fd, &st, err);

    if (rc < 0)
        return rc;
    if ((uint64_t)st.st_size > out->max)
        return ps_fail(err, PS_ETOOBIG, "'%s' has %llu bytes, more than %zu",
                       path, (unsigned long long)st.st_size, out->max);
    rc = ps_read_all(fd, out, err);
    return rc < 0 ? ps_context(err, "read '%s'", path) : PS_OK;
}

/* fsync the directory that holds `path`, so that its name survives. */
static int sync_parent(int dir, const char *path, struct ps_error *err)
{
    PS_AUTO_FREE char *parent = ps_strdup(path);
    PS_AUTO_FD int fd = -1;
    char *slash = strrchr(parent, '/');

    if (slash == parent)
        slash[1] = '\0';
    else if (slash)
        slash[0] = '\0';
    fd = openat(dir, slash ? parent : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return ps_fail_errno(err, errno, "fsync the directory of '%s'", path);
    return PS_OK;
}

/*
 * "<directory of path>/.<name>.<random>.tmp"; caller frees.  Of a long name
 * only the beginning, since the whole must fit in NAME_MAX too.
 */
static char *temp_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    uint64_t unique = 0;

    if (getrandom(&unique, sizeof(unique), 0) != sizeof(unique))
        unique = (uint64_t)getpid();
    return ps_format("%.*s.%.64s.%016llx.tmp", (int)(name - path), path, name,
                     (unsigned long long)unique);
}

int ps_write_file_at(int dir, const char *path, const void *data, size_t len,
                     mode_t mode, struct ps_error *err)
{
    PS_AUTO_FREE char *temp = temp_name(path);
    PS_AUTO_FD int fd = -1;
    int rc = 0;

    fd = openat(dir, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                mode);
    if (fd < 0)
        return ps_fail_errno(err, errno, "create '%s'", path);
    rc = ps_write_all(fd, data, len, err);
    if (rc == PS_OK && fsync(fd) < 0)
        rc = ps_fail_errno(err, errno, "fsync");
    if (rc == PS_OK && renameat(dir, temp, dir, path) < 0)
        rc = ps_fail_errno(err, errno, "rename");
    if (rc < 0) {
        (void)unlinkat(dir, temp, 0);
        return ps_context(err, "write '%s'", path);
    }
    return sync_parent(dir, path, err);
}

/*
 * Share the blocks of a whole file.  FICLONE knows no offsets: it takes
 * everything and replaces everything, so both must stand at their beginning
 * and nothing may be lost.
 */
static bool clone_whole(int from, int to, uint64_t *size)
{
    struct stat st;

    if (lseek(from, 0, SEEK_CUR) != 0 || lseek(to, 0, SEEK_CUR) != 0 ||
        fstat(to, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size != 0 ||
        ioctl(to, FICLONE, from) < 0)
        return false;
    /* What is there now: the other file may have grown since. */
    if (fstat(to, &st) < 0 || lseek(to, 0, SEEK_END) != st.st_size ||
        lseek(from, st.st_size, SEEK_SET) != st.st_size)
        return false;
    *size = (uint64_t)st.st_size;
    return true;
}

/* Copy through memory, into the hash too if there is one. */
static int copy_bytes(int from, int to, uint64_t max_bytes,
                      struct ps_sha256_ctx *hash, uint64_t *total,
                      struct ps_error *err)
{
    PS_AUTO_FREE char *chunk = ps_realloc(NULL, 1, CHUNK_SIZE);

    for (;;) {
        ssize_t got = read(from, chunk, CHUNK_SIZE);
        int rc = 0;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ps_fail_errno(err, errno, "read");
        if (got == 0)
            return PS_OK;
        *total += (uint64_t)got;
        if (*total > max_bytes)
            return ps_fail(err, PS_ETOOBIG, "more than %llu bytes",
                           (unsigned long long)max_bytes);
        if (hash)
            ps_sha256_update(hash, chunk, (size_t)got);
        rc = ps_write_all(to, chunk, (size_t)got, err);
        if (rc < 0)
            return rc;
    }
}

int ps_copy_fd(int from, int to, uint64_t max_bytes, struct ps_sha256 *digest,
               uint64_t *size, struct ps_error *err)
{
    PS_AUTO_SHA256 struct ps_sha256_ctx ctx = { .md = NULL };
    uint64_t total = 0;
    struct stat st;
    int rc = 0;

    if (digest)
        ps_sha256_init(&ctx);
    if (digest || fstat(from, &st) < 0 || (uint64_t)st.st_size > max_bytes ||
        !clone_whole(from, to, &total))
        rc = copy_bytes(from, to, max_bytes, digest ? &ctx : NULL, &total, err);
    else if (total > max_bytes)
        rc = ps_fail(err, PS_ETOOBIG, "more than %llu bytes",
                     (unsigned long long)max_bytes);
    if (rc < 0)
        return rc;
    if (digest)
        ps_sha256_final(&ctx, digest);
    if (size)
        *size = total;
    return PS_OK;
}

/* mkdir() of one level; a directory that exists is fine. */
static int make_level(const char *path, mode_t mode, struct ps_error *err)
{
    struct stat st;
    int errnum = 0;

    if (mkdir(path, mode) == 0)
        return PS_OK;
    /* Not only EEXIST: a read-only file system says EROFS first. */
    errnum = errno;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return PS_OK;
    if (errnum == EEXIST)
        return ps_fail(err, PS_EEXISTS, "'%s' exists and is not a directory",
                       path);
    return ps_fail_errno(err, errnum, "make directory '%s'", path);
}

int ps_mkdirs(const char *path, mode_t mode, struct ps_error *err)
{
    PS_AUTO_FREE char *copy = ps_strdup(path);

    if (path[0] == '\0')
        return ps_fail(err, PS_EINVALID, "a directory without a name");
    for (char *p = copy + 1;; p++) {
        char kept = *p;
        int rc = 0;

        if (kept != '/' && kept != '\0')
            continue;
        *p = '\0';
        rc = make_level(copy, mode, err);
        if (rc < 0 || kept == '\0')
            return rc;
        *p = kept;
    }
}

int ps_open_dir(const char *path, bool create, int *out, struct ps_error *err)
{
    int fd = -1;

    if (create) {
        int rc = ps_mkdirs(path, 0700, err);

        if (rc < 0)
            return rc;
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return ps_fail_errno(err, errno, "open directory '%s'", path);
    *out = fd;
    return PS_OK;
}

int ps_make_temp_dir(const char *parent, const char *prefix, char **path,
                     struct ps_error *err)
{
    PS_AUTO_FREE char *name = ps_format("%s/%sXXXXXX", parent, prefix);
    int rc = ps_mkdirs(parent, 0700, err);

    if (rc < 0)
        return rc;
    if (!mkdtemp(name))
        return ps_fail_errno(err, errno, "make a directory in '%s'", parent);
    *path = PS_TAKE(name);
    return PS_OK;
}

int ps_pipe(int fds[2], struct ps_error *err)
{
    if (pipe2(fds, O_CLOEXEC) < 0)
        return ps_fail_errno(err, errno, "pipe");
    return PS_OK;
}

int ps_real_path(const char *path, char **out, struct ps_error *err)
{
    char *real = realpath(path, NULL);

    if (!real)
        return ps_fail_errno(err, errno, "find '%s'", path);
    *out = real;
    return PS_OK;
}

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
           access(path, X_OK) == 0;
}

char *ps_find_program(const char *name, const char *path)
{
    struct ps_str rest = ps_str_from(path);
    bool more = path != NULL;

    if (strchr(name, '/'))
        return is_program(name) ? ps_strdup(name) : NULL;
    while (more) {
        struct ps_str dir;
        char *full = NULL;

        more = ps_str_cut(&rest, ':', &dir);
        if (dir.len == 0 || dir.data[0] != '/')
            continue;
        full = ps_format("%.*s/%s", PS_STR_FMT(dir), name);
        if (is_program(full))
            return full;
        free(full);
    }
    return NULL;
}
