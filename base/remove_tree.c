/*
 * Removing a tree that somebody hostile may have made.
 *
 * The walk goes down with openat(O_NOFOLLOW) and up with "..", so it holds
 * two descriptors at any depth; after each "..", device and inode must be
 * those it came from, or the tree was moved meanwhile and the walk stops.
 * Ways down are remembered in a growing array of (device, inode), 16 bytes a
 * level.  A file system mounted in the tree may show the host's files: the
 * walk does not enter it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/openat2.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"

struct level {
    dev_t dev;
    ino_t ino;
};

struct walk {
    int fd;               /* the directory being emptied; owned */
    struct level *levels; /* owned; where we came from */
    size_t depth;
    size_t cap;
};

/* EXDEV when another file system is mounted there. */
static int open_below(int dir, const char *name)
{
    struct open_how how = {
        .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS,
    };
    int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));

    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = openat(dir, name, (int)how.flags);
    return fd;
}

static int open_top(int dir, const char *path)
{
    return openat(dir, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Open a directory, changing one that may not be read. */
static int open_forced(int (*open_dir)(int dir, const char *name), int dir,
                       const char *name)
{
    int fd = open_dir(dir, name);

    if (fd < 0 && errno == EACCES &&
        fchmodat(dir, name, 0700, AT_SYMLINK_NOFOLLOW) == 0)
        fd = open_dir(dir, name);
    return fd;
}

static int unlink_entry(int dir, const char *name, int flags)
{
    if (unlinkat(dir, name, flags) == 0 || errno == ENOENT)
        return 0;
    if (errno == EACCES) {
        (void)fchmod(dir, 0700);
        if (unlinkat(dir, name, flags) == 0)
            return 0;
    }
    return -1;
}

static int descend(struct walk *w, int child)
{
    struct stat st;

    if (fstat(w->fd, &st) < 0) {
        (void)close(child);
        return -1;
    }
    if (w->depth == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 64;
        w->levels = ps_realloc(w->levels, w->cap, sizeof(*w->levels));
    }
    w->levels[w->depth++] =
        (struct level){ .dev = st.st_dev, .ino = st.st_ino };
    (void)close(w->fd);
    w->fd = child;
    return 0;
}

/* A stream over the directory, with an offset of its own. */
static DIR *read_again(int fd)
{
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    int copy = openat(fd, ".", flags);
    DIR *dir = NULL;

    /* Even "." needs the permission to search. */
    if (copy < 0 && errno == EACCES && fchmod(fd, 0700) == 0)
        copy = openat(fd, ".", flags);
    if (copy < 0)
        return NULL;
    dir = fdopendir(copy);
    if (!dir)
        (void)close(copy);
    return dir;
}

/* 0: it is gone; 1: it is a directory with content, and the walk is in it. */
static int remove_or_descend(struct walk *w, const struct dirent *e)
{
    int child = -1;

    if (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN)
        return unlink_entry(w->fd, e->d_name, 0);
    if (unlink_entry(w->fd, e->d_name, AT_REMOVEDIR) == 0)
        return 0;
    child = open_forced(open_below, w->fd, e->d_name);
    if (child >= 0)
        return descend(w, child) < 0 ? -1 : 1;
    if (errno == ENOENT)
        return 0;
    if (errno == ENOTDIR || errno == ELOOP)
        return unlink_entry(w->fd, e->d_name, 0);
    return -1;
}

/* Remove what can be removed here; 1 when the walk went down a level. */
static int empty_or_descend(struct walk *w)
{
    PS_AUTO_DIR DIR *dir = read_again(w->fd);
    const struct dirent *e = NULL;

    if (!dir)
        return -1;
    while ((void)(errno = 0), (e = readdir(dir)) != NULL) {
        int rc = 0;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        rc = remove_or_descend(w, e);
        if (rc != 0)
            return rc;
    }
    return errno ? -1 : 0;
}

static int ascend(struct walk *w)
{
    const struct level *back = &w->levels[w->depth - 1];
    int parent = openat(w->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    if (parent < 0)
        return -1;
    if (fstat(parent, &st) < 0 || st.st_dev != back->dev ||
        st.st_ino != back->ino) {
        (void)close(parent);
        errno = ESTALE;
        return -1;
    }
    (void)close(w->fd);
    w->fd = parent;
    w->depth--;
    return 0;
}

/* Empty the directory that w->fd is; everything below it goes. */
static int empty_tree(struct walk *w)
{
    for (;;) {
        int went = empty_or_descend(w);

        if (went == 0 && w->depth == 0)
            return 0;
        if (went < 0 || (went == 0 && ascend(w) < 0))
            return -1;
    }
}

/*
 * The name without slashes at its end, which would make the kernel follow a
 * link; NULL if it is "", "." or "..".  Caller frees.
 */
static char *top_name(const char *path)
{
    struct ps_str name = ps_str_from(path);
    struct ps_str rest;
    struct ps_str parent;

    while (ps_str_ends(name, "/"))
        name.len--;
    rest = name;
    if (!ps_str_cut_last(&rest, '/', &parent))
        rest = parent;
    if (rest.len == 0 || ps_str_is(rest, ".") || ps_str_is(rest, ".."))
        return NULL;
    return ps_str_dup(name);
}

int ps_remove_tree_at(int dir, const char *path, struct ps_error *err)
{
    PS_AUTO_FREE char *top = top_name(path);
    struct walk w = { .fd = -1 };
    int rc = PS_OK;
    int errnum = 0;

    if (!top)
        return ps_fail(err, PS_EINVALID, "'%s' names nothing to remove", path);
    if (unlinkat(dir, top, 0) == 0 || errno == ENOENT)
        return PS_OK;
    errnum = errno;
    w.fd = open_forced(open_top, dir, top);
    if (w.fd < 0)
        /* No directory: then the reason is why it could not be unlinked. */
        return ps_fail_errno(
            err, errno == ENOTDIR || errno == ELOOP ? errnum : errno,
            "remove '%s'", path);

    if (empty_tree(&w) < 0)
        rc = errno == EXDEV
                 ? ps_fail(err, PS_EBUSY,
                           "remove '%s': a file system is mounted in it; "
                           "unmount it first",
                           path)
                 : ps_fail_errno(err, errno, "remove '%s'", path);
    /* Not unlink_entry(): the directory above is none of our business. */
    else if (unlinkat(dir, top, AT_REMOVEDIR) < 0 && errno != ENOENT)
        rc = ps_fail_errno(err, errno, "remove '%s'", path);
    (void)close(w.fd);
    free(w.levels);
    return rc;
}
