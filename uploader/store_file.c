/*
 * A directory as a store.  Putting an object, in the order in which it
 * happens:
 *
 *   directories made, and those above them synced
 *   content -> temporary file in the object's own directory, hashed on the way
 *   the hash compared, the file synced
 *   renamed to its name, never over something that is there
 *   the directory synced
 *
 * A temporary file is locked by its writer for as long as it lives, so one
 * that can be locked by somebody else belongs to nobody and is removed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/buf.h"
#include "pkgsync/clock.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "store_impl.h"
#include "uri.h"

#define BLOCK_SIZE PS_KIB(256)
#define PROGRESS_EVERY_MS 100
#define TEMP_PREFIX ".pkgsync-part-"
#define DIRECTORY_MODE 0755
#define FILE_MODE 0644

struct file_store {
    struct ps_store base;
    char *root; /* owned; absolute */
};

static const struct file_store *file_store_of(const struct ps_store *s)
{
    return PS_CONTAINER_OF(s, struct file_store, base);
}

/*
 * What went wrong while writing, in the terms of a store: which directory,
 * and what a person can do.
 */
static int fail_write(struct ps_error *err, int errnum, const char *verb,
                      const char *directory)
{
    if (errnum == ENOSPC || errnum == EDQUOT)
        return ps_fail(err, PS_ENOSPACE,
                       "%s in the store directory '%s': no space left; free "
                       "some, or choose another store",
                       verb, directory);
    if (errnum == EROFS || errnum == EACCES || errnum == EPERM)
        return ps_fail(err, PS_EDENIED,
                       "%s in the store directory '%s': %s; make it writable, "
                       "or choose another store",
                       verb, directory,
                       errnum == EROFS ? "the file system is read-only"
                                       : "permission denied");
    return ps_fail_errno(err, errnum, "%s in the store directory '%s'", verb,
                         directory);
}

/* ---- directories ---- */

/* Make <dir>/<name> if need be, durably, and open it. */
static int enter(int dir, const char *name, bool create, int *out)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(dir, name, flags);

    if (fd < 0 && errno == ENOENT && create) {
        if (mkdirat(dir, name, DIRECTORY_MODE) < 0 && errno != EEXIST)
            return -errno;
        if (fsync(dir) < 0 && errno != EINVAL)
            return -errno;
        fd = openat(dir, name, flags);
    }
    if (fd < 0)
        return -errno;
    *out = fd;
    return 0;
}

/*
 * The root itself.  Links above it and in its place are the person's own
 * choice; below it there are none.
 */
static int open_root(const struct file_store *s, bool create, int *out)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    PS_AUTO_FD int parent = -1;
    PS_AUTO_FREE char *above = NULL;
    int fd = open(s->root, flags);

    if (fd < 0 && errno == ENOENT && create) {
        struct ps_error err = PS_ERROR_INIT;

        if (ps_mkdirs(s->root, DIRECTORY_MODE, &err) < 0)
            return -(err.os_errno ? err.os_errno : EIO);
        above = ps_format("%s/..", s->root);
        parent = open(above, flags);
        if (parent < 0 || (fsync(parent) < 0 && errno != EINVAL))
            return -errno;
        fd = open(s->root, flags);
    }
    if (fd < 0)
        return -errno;
    *out = fd;
    return 0;
}

/* The directory that an object lies in.  Negative errno. */
static int open_parent(const struct file_store *s, const char *key, bool create,
                       int *out)
{
    PS_AUTO_FD int dir = -1;
    struct ps_str rest = ps_str_from(key);
    struct ps_str part;
    int rc = open_root(s, create, &dir);

    while (rc == 0 && ps_str_cut(&rest, '/', &part)) {
        PS_AUTO_FREE char *name = ps_str_dup(part);
        int next = -1;

        rc = enter(dir, name, create, &next);
        if (rc == 0) {
            (void)close(dir);
            dir = next;
        }
    }
    if (rc == 0)
        *out = ps_take_fd(&dir);
    return rc;
}

static char *parent_path(const struct file_store *s, const char *key)
{
    const char *name = ps_key_name(key);

    if (name == key)
        return ps_strdup(s->root);
    return ps_format("%s/%.*s", s->root, (int)(name - key - 1), key);
}

/* ---- temporary files ---- */

/*
 * Unlink what writers that died have left.  Whoever locks such a file first
 * and still finds it under its name may do with it what they like.
 */
static void remove_stale(int dir)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    PS_AUTO_DIR DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    const struct dirent *entry = NULL;

    if (!d) {
        if (copy >= 0)
            (void)close(copy);
        return;
    }
    while ((entry = readdir(d))) {
        PS_AUTO_FD int fd = -1;

        if (strncmp(entry->d_name, TEMP_PREFIX, strlen(TEMP_PREFIX)) != 0)
            continue;
        fd = openat(dir, entry->d_name,
                    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
            (void)unlinkat(dir, entry->d_name, 0);
    }
}

/* A new locked file; 0 or a negative errno. */
static int make_temp(int dir, char name[64], int *out)
{
    for (int i = 0; i < 100; i++) {
        PS_AUTO_FD int fd = -1;
        struct stat st = { .st_nlink = 0 };
        uint64_t unique = 0;

        if (getrandom(&unique, sizeof(unique), 0) != sizeof(unique))
            return -errno;
        (void)snprintf(name, 64, TEMP_PREFIX "%016llx",
                       (unsigned long long)unique);
        fd =
            openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
        if (fd < 0 && errno == EEXIST)
            continue;
        if (fd < 0 || flock(fd, LOCK_EX) < 0 || fstat(fd, &st) < 0)
            return -errno;
        /* Taken for stale before it was locked: once more. */
        if (st.st_nlink == 0)
            continue;
        *out = ps_take_fd(&fd);
        return 0;
    }
    return -EEXIST;
}

/* ---- putting ---- */

struct put_progress {
    const struct ps_store_put *put;
    uint64_t told_ms;
};

static void tell(struct put_progress *p, uint64_t done)
{
    uint64_t now_ms = 0;

    if (!p->put->progress)
        return;
    now_ms = ps_boot_ms();
    if (done < p->put->object->size && now_ms - p->told_ms < PROGRESS_EVERY_MS)
        return;
    p->told_ms = now_ms;
    p->put->progress(done, p->put->object->size, p->put->user);
}

static ssize_t read_block(int fd, char *block, uint64_t at, uint64_t left)
{
    ssize_t got = 0;

    do {
        got = pread(fd, block, (size_t)PS_MIN(left, BLOCK_SIZE), (off_t)at);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* Copy exactly object->size bytes into `to`; their hash must be right. */
static int copy_content(const struct ps_store_put *put, int to,
                        const char *directory, struct ps_error *err)
{
    const struct ps_object *o = put->object;
    PS_AUTO_FREE char *block = ps_calloc(1, BLOCK_SIZE);
    PS_AUTO_SHA256 struct ps_sha256_ctx hash = { .md = NULL };
    struct put_progress progress = { .put = put };
    struct ps_sha256 actual;
    uint64_t done = 0;

    ps_sha256_init(&hash);
    while (done < o->size) {
        struct ps_error failed = PS_ERROR_INIT;
        ssize_t got = read_block(o->fd, block, done, o->size - done);

        if (ps_cancel_check(put->cancel, err) < 0)
            return err->code;
        if (got < 0)
            return ps_fail_errno(err, errno, "read '%s'", ps_key_name(o->key));
        if (got == 0)
            break;
        ps_sha256_update(&hash, block, (size_t)got);
        if (ps_write_all(to, block, (size_t)got, &failed) < 0)
            return fail_write(err, failed.os_errno, "write", directory);
        done += (uint64_t)got;
        tell(&progress, done);
    }
    ps_sha256_final(&hash, &actual);
    if (done != o->size || read_block(o->fd, block, done, 1) != 0)
        return ps_fail(err, PS_EINTEGRITY,
                       "'%s' does not have the %llu bytes it was announced "
                       "with; it changed since, so build it again",
                       ps_key_name(o->key), (unsigned long long)o->size);
    if (!ps_sha256_equal(&actual, &o->sha256))
        return ps_fail(err, PS_EINTEGRITY,
                       "'%s' does not hash to the SHA-256 it was announced "
                       "with; it changed since, so build it again",
                       ps_key_name(o->key));
    return PS_OK;
}

/* 0 or a negative errno; -EEXIST when something is there already. */
static int rename_no_replace(int dir, const char *from, const char *to)
{
    if (renameat2(dir, from, dir, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    /* A file system without the flag: a link never replaces either. */
    if (linkat(dir, from, dir, to, 0) < 0)
        return -errno;
    (void)unlinkat(dir, from, 0);
    return 0;
}

/* *existed: somebody else was first. */
static int write_object(const struct ps_store_put *put, int dir,
                        const char *directory, bool *existed,
                        struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;
    char temp[64];
    int rc = make_temp(dir, temp, &fd);

    if (rc < 0)
        return fail_write(err, -rc, "make a file", directory);
    rc = copy_content(put, fd, directory, err);
    if (rc == PS_OK && fsync(fd) < 0)
        rc = fail_write(err, errno, "sync a file", directory);
    if (rc == PS_OK) {
        int moved = rename_no_replace(dir, temp, ps_key_name(put->object->key));

        if (moved == 0 && fsync(dir) < 0 && errno != EINVAL)
            return fail_write(err, errno, "sync", directory);
        if (moved == 0)
            return PS_OK;
        if (moved == -EEXIST)
            *existed = true;
        else
            rc = fail_write(err, -moved, "rename a file", directory);
    }
    (void)unlinkat(dir, temp, 0);
    return rc;
}

/* ---- what is there already ---- */

/* PS_ENOTFOUND if nothing is.  It must be this very content. */
static int verify_existing(const struct ps_store_put *put, int dir,
                           struct ps_error *err)
{
    const struct ps_object *o = put->object;
    PS_AUTO_FD int fd = -1;
    struct ps_sha256 actual;
    struct stat st = { .st_size = 0 };
    uint64_t size = 0;

    if (ps_open_regular_at(dir, ps_key_name(o->key), &fd, &st, err) < 0)
        return err->code;
    if (put->adopt)
        return PS_OK;
    if ((uint64_t)st.st_size != o->size)
        return ps_fail(err, PS_EINTEGRITY,
                       "'%s' is there already with another content (%llu "
                       "bytes, not %llu) and is never replaced",
                       o->key, (unsigned long long)st.st_size,
                       (unsigned long long)o->size);
    if (ps_sha256_fd(fd, o->size, &actual, &size, err) < 0)
        return ps_context(err, "digest '%s'", o->key);
    if (!ps_sha256_equal(&actual, &o->sha256))
        return ps_fail(err, PS_EINTEGRITY,
                       "'%s' is there already with another content of the "
                       "same size and is never replaced",
                       o->key);
    return PS_OK;
}

static int file_put(struct ps_store *base, const struct ps_store_put *put,
                    bool *existed, struct ps_error *err)
{
    const struct file_store *s = file_store_of(base);
    PS_AUTO_FREE char *directory = parent_path(s, put->object->key);
    PS_AUTO_FD int dir = -1;
    struct ps_error found = PS_ERROR_INIT;
    int rc = 0;

    if (ps_cancel_check(put->cancel, err) < 0)
        return err->code;
    rc = open_parent(s, put->object->key, true, &dir);
    if (rc < 0)
        return fail_write(err, -rc, "make directories", directory);

    rc = verify_existing(put, dir, &found);
    if (rc == PS_ENOTFOUND) {
        remove_stale(dir);
        rc = write_object(put, dir, directory, existed, err);
        if (rc < 0)
            return ps_context(err, "store '%s'", ps_key_name(put->object->key));
        if (!*existed)
            return PS_OK;
        found = PS_ERROR_INIT;
        rc = verify_existing(put, dir, &found);
    }
    *existed = rc == PS_OK;
    if (rc < 0) {
        *err = found;
        return ps_context(err, "store directory '%s'", s->root);
    }
    return PS_OK;
}

/* ---- reading ---- */

static int open_object(const struct file_store *s, const char *key, int *out,
                       struct stat *st, struct ps_error *err)
{
    PS_AUTO_FD int dir = -1;
    int rc = open_parent(s, key, false, &dir);

    if (rc < 0)
        return ps_fail_errno(err, -rc, "'%s' in the store directory '%s'", key,
                             s->root);
    if (ps_open_regular_at(dir, ps_key_name(key), out, st, err) < 0)
        return ps_context(err, "store directory '%s'", s->root);
    return PS_OK;
}

/* The size only: hashing a large file is for whoever needs it. */
static int file_stat(struct ps_store *base, const char *key,
                     const struct ps_cancel *cancel, struct ps_object_info *out,
                     struct ps_error *err)
{
    struct ps_error failed = PS_ERROR_INIT;
    PS_AUTO_FD int fd = -1;
    struct stat st = { .st_size = 0 };
    int rc = PS_OK;

    if (ps_cancel_check(cancel, err) < 0)
        return err->code;
    rc = open_object(file_store_of(base), key, &fd, &st, &failed);
    if (rc == PS_ENOTFOUND) {
        *out = (struct ps_object_info){ .exists = false };
        return PS_OK;
    }
    if (rc < 0) {
        *err = failed;
        return rc;
    }
    *out =
        (struct ps_object_info){ .exists = true, .size = (uint64_t)st.st_size };
    return PS_OK;
}

static int copy_out(int from, const struct ps_store_get *get, uint64_t *size,
                    struct ps_error *err)
{
    PS_AUTO_FREE char *block = ps_calloc(1, BLOCK_SIZE);
    uint64_t done = 0;

    if (ftruncate(get->fd, 0) < 0 || lseek(get->fd, 0, SEEK_SET) < 0)
        return ps_fail_errno(err, errno, "empty the file to fetch into");
    for (;;) {
        ssize_t got = read_block(from, block, done, BLOCK_SIZE);

        if (ps_cancel_check(get->cancel, err) < 0)
            return err->code;
        if (got < 0)
            return ps_fail_errno(err, errno, "read '%s'", get->key);
        if (got == 0)
            break;
        if ((uint64_t)got > get->max_bytes - done)
            return ps_fail(err, PS_ETOOBIG, "'%s' is over %llu bytes", get->key,
                           (unsigned long long)get->max_bytes);
        if (ps_write_all(get->fd, block, (size_t)got, err) < 0)
            return ps_context(err, "fetch '%s'", get->key);
        done += (uint64_t)got;
    }
    *size = done;
    return PS_OK;
}

static int file_get(struct ps_store *base, const struct ps_store_get *get,
                    uint64_t *size, struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;
    struct stat st = { .st_size = 0 };

    if (ps_cancel_check(get->cancel, err) < 0)
        return err->code;
    if (open_object(file_store_of(base), get->key, &fd, &st, err) < 0)
        return err->code;
    if ((uint64_t)st.st_size > get->max_bytes)
        return ps_fail(err, PS_ETOOBIG, "'%s' has %llu bytes, over %llu",
                       get->key, (unsigned long long)st.st_size,
                       (unsigned long long)get->max_bytes);
    return copy_out(fd, get, size, err);
}

static char *file_object_url(const struct ps_store *base, const char *key)
{
    PS_AUTO_BUF struct ps_buf url = PS_BUF_INIT(PS_KIB(32));

    ps_buf_adds(&url, base->location);
    if (url.data[url.len - 1] != '/')
        ps_buf_addc(&url, '/');
    ps_uri_encode(&url, key, "/");
    return ps_buf_take(&url);
}

static void file_free(struct ps_store *base)
{
    struct file_store *s = PS_CONTAINER_OF(base, struct file_store, base);

    free(s->root);
    free(s);
}

struct ps_store *ps_store_file_new(const char *path)
{
    static const struct ps_store_ops ops = {
        .put = file_put,
        .stat = file_stat,
        .get = file_get,
        .object_url = file_object_url,
        .free = file_free,
    };
    PS_AUTO_BUF struct ps_buf location = PS_BUF_INIT(PS_KIB(16));
    struct file_store *s = ps_calloc(1, sizeof(*s));

    ps_buf_adds(&location, "file://");
    ps_uri_encode(&location, path, "/");
    s->base.ops = &ops;
    s->base.location = ps_buf_take(&location);
    s->root = ps_strdup(path);
    return &s->base;
}
