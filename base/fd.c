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
    PS_AUTO_FREE char *chunk = ps_calloc(1, CHUNK_SIZE);

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
    if (fd < 0)
        return ps_fail_errno(err, errno, "open '%s'", path);
    if (fstat(fd, &mine) < 0)
        return ps_fail_errno(err, errno, "stat '%s'", path);
    if (!S_ISREG(mine.st_mode))
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
    struct stat st;
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

/* "<directory of path>/.<name>.<random>.tmp"; caller frees. */
static char *temp_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    uint64_t unique = 0;

    if (getrandom(&unique, sizeof(unique), 0) != sizeof(unique))
        unique = (uint64_t)getpid();
    return ps_format("%.*s.%s.%016llx.tmp", (int)(name - path), path, name,
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

int ps_copy_fd(int from, int to, uint64_t max_bytes, struct ps_sha256 *digest,
               uint64_t *size, struct ps_error *err)
{
    PS_AUTO_SHA256 struct ps_sha256_ctx ctx = { .md = NULL };
    PS_AUTO_FREE char *chunk = NULL;
    struct stat st;
    uint64_t total = 0;

    if (!digest && fstat(from, &st) == 0 && (uint64_t)st.st_size <= max_bytes &&
        ioctl(to, FICLONE, from) == 0) {
        if (size)
            *size = (uint64_t)st.st_size;
        return PS_OK;
    }
    chunk = ps_calloc(1, CHUNK_SIZE);
    if (digest)
        ps_sha256_init(&ctx);
    for (;;) {
        ssize_t got = read(from, chunk, CHUNK_SIZE);
        int rc = 0;

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ps_fail_errno(err, errno, "read");
        if (got == 0)
            break;
        total += (uint64_t)got;
        if (total > max_bytes)
            return ps_fail(err, PS_ETOOBIG, "more than %llu bytes",
                           (unsigned long long)max_bytes);
        if (digest)
            ps_sha256_update(&ctx, chunk, (size_t)got);
        rc = ps_write_all(to, chunk, (size_t)got, err);
        if (rc < 0)
            return rc;
    }
    if (digest)
        ps_sha256_final(&ctx, digest);
    if (size)
        *size = total;
    return PS_OK;
}

int ps_mkdirs(const char *path, mode_t mode, struct ps_error *err)
{
    PS_AUTO_FREE char *copy = ps_strdup(path);

    for (char *p = copy + 1; p[-1] != '\0'; p++) {
        char kept = *p;
        struct stat st;

        if (kept != '/' && kept != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) < 0 && errno != EEXIST) {
            int errnum = errno;

            /* A parent on a read-only file system, but it is there. */
            if (stat(copy, &st) < 0)
                return ps_fail_errno(err, errnum, "make directory '%s'", copy);
        }
        if (kept == '\0')
            break;
        *p = kept;
    }
    return PS_OK;
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

char *ps_find_program(const char *name, const char *path)
{
    struct ps_str rest = ps_str_from(path);
    bool more = path != NULL;

    if (strchr(name, '/'))
        return access(name, X_OK) == 0 ? ps_strdup(name) : NULL;
    while (more) {
        struct ps_str dir;
        char *full = NULL;
        struct stat st;

        more = ps_str_cut(&rest, ':', &dir);
        if (dir.len == 0 || dir.data[0] != '/')
            continue;
        full = ps_format("%.*s/%s", PS_STR_FMT(dir), name);
        if (stat(full, &st) == 0 && S_ISREG(st.st_mode) &&
            access(full, X_OK) == 0)
            return full;
        free(full);
    }
    return NULL;
}
