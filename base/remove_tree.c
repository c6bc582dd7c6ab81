/*
 * Removing a tree that somebody hostile may have made.
 *
 * The walk goes down with openat(O_NOFOLLOW) and up with "..", so it holds
 * two descriptors at any depth; after each "..", device and inode must be
 * those it came from, or the tree was moved meanwhile and the walk stops.
 * Ways down are remembered in a growing array of (device, inode), 16 bytes a
 * level.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

static int open_subdir(int dir, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(dir, name, flags);

    if (fd < 0 && errno == EACCES) {
        (void)fchmodat(dir, name, 0700, 0);
        fd = openat(dir, name, flags);
    }
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

/* Remove what can be removed here; 1 when the walk went down a level. */
static int empty_or_descend(struct walk *w)
{
    int copy = openat(w->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    PS_AUTO_DIR DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *e = NULL;

    if (!dir) {
        if (copy >= 0)
            (void)close(copy);
        return -1;
    }
    while ((void)(errno = 0), (e = readdir(dir)) != NULL) {
        int child = -1;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN) {
            if (unlink_entry(w->fd, e->d_name, 0) < 0)
                return -1;
            continue;
        }
        if (unlink_entry(w->fd, e->d_name, AT_REMOVEDIR) == 0)
            continue;
        child = open_subdir(w->fd, e->d_name);
        if (child >= 0)
            return descend(w, child) < 0 ? -1 : 1;
        if ((errno != ENOTDIR && errno != ELOOP) ||
            unlink_entry(w->fd, e->d_name, 0) < 0)
            return -1;
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

int ps_remove_tree_at(int dir, const char *path, struct ps_error *err)
{
    struct walk w = { .fd = -1 };
    int rc = PS_OK;

    if (unlinkat(dir, path, 0) == 0 || errno == ENOENT)
        return PS_OK;
    w.fd = open_subdir(dir, path);
    if (w.fd < 0)
        return ps_fail_errno(err, errno, "remove '%s'", path);

    for (;;) {
        int went = empty_or_descend(&w);

        if (went == 0 && w.depth == 0)
            break;
        if (went < 0 || (went == 0 && ascend(&w) < 0)) {
            rc = ps_fail_errno(err, errno, "remove '%s'", path);
            break;
        }
    }
    if (rc == PS_OK && unlink_entry(dir, path, AT_REMOVEDIR) < 0)
        rc = ps_fail_errno(err, errno, "remove '%s'", path);
    (void)close(w.fd);
    free(w.levels);
    return rc;
}
