#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "tree_private.h"

#define BUFFER_SIZE 32768u
#define NAMES_MAX ((size_t)512 << 20)

static enum ps_tree_kind kind_of_mode(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return PS_TREE_DIR;
    case S_IFREG:
        return PS_TREE_FILE;
    case S_IFLNK:
        return PS_TREE_LINK;
    case S_IFIFO:
        return PS_TREE_FIFO;
    case S_IFSOCK:
        return PS_TREE_SOCKET;
    default:
        return PS_TREE_DEVICE;
    }
}

/* false: it is gone already. */
static bool find_kind(int dir, const struct dirent64 *d, enum ps_tree_kind *out)
{
    struct stat st;

    if (d->d_type != DT_UNKNOWN) {
        *out = kind_of_mode(DTTOIF(d->d_type));
        return true;
    }
    if (fstatat(dir, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    *out = kind_of_mode(st.st_mode);
    return true;
}

static void list_add(struct ps_tree_list *l, const char *name,
                     enum ps_tree_kind kind)
{
    size_t len = strlen(name);

    if (l->count == l->cap) {
        l->cap = PS_MAX(l->cap * 2, 32);
        l->v = ps_realloc(l->v, l->cap, sizeof(*l->v));
    }
    l->v[l->count] = (struct ps_tree_name){ .at = l->names.len, .kind = kind };
    ps_buf_add(&l->names, name, len);
    if (kind == PS_TREE_DIR) {
        ps_buf_addc(&l->names, '/');
        len++;
    }
    ps_buf_addc(&l->names, '\0');
    l->v[l->count++].len = len;
}

static int compare_names(const void *pa, const void *pb)
{
    const struct ps_tree_name *a = pa;
    const struct ps_tree_name *b = pb;
    int c = memcmp(a->z, b->z, PS_MIN(a->len, b->len));

    if (c != 0)
        return c;
    return a->len < b->len ? -1 : a->len > b->len;
}

static bool is_skipped(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
           strcmp(name, ".git") == 0;
}

static int list_part(struct ps_tree_list *l, int dir, const char *buffer,
                     size_t len, struct ps_error *err)
{
    for (size_t at = 0; at < len;) {
        const struct dirent64 *d = (const void *)(buffer + at);
        enum ps_tree_kind kind = PS_TREE_FILE;

        at += d->d_reclen;
        if (is_skipped(d->d_name) || !find_kind(dir, d, &kind))
            continue;
        if (l->count >= l->max || l->names.overflow)
            return ps_fail(err, PS_ETOOBIG,
                           "more than %llu files; leave some out with "
                           "--exclude",
                           (unsigned long long)l->max);
        list_add(l, d->d_name, kind);
        if (kind == PS_TREE_DIR)
            continue;
        l->is_venv |= strcmp(d->d_name, "pyvenv.cfg") == 0;
        l->has_project |= strcmp(d->d_name, "pyproject.toml") == 0 ||
                          strcmp(d->d_name, "setup.py") == 0;
    }
    return PS_OK;
}

static int list_all(struct ps_tree_list *l, int dir, struct ps_error *err)
{
    _Alignas(struct dirent64) char buffer[BUFFER_SIZE];

    for (;;) {
        ssize_t got = getdents64(dir, buffer, sizeof(buffer));
        int rc = 0;

        if (got < 0 && errno == ENOENT)
            return ps_fail(err, PS_EBUSY,
                           "removed while the tree was read; try again when "
                           "nothing writes to it");
        if (got < 0)
            return ps_fail_errno(err, errno, "read it");
        if (got == 0)
            return PS_OK;
        rc = list_part(l, dir, buffer, (size_t)got, err);
        if (rc < 0)
            return rc;
    }
}

int ps_tree_list_read(int dir, uint64_t max, struct ps_tree_list *l,
                      struct ps_error *err)
{
    int rc = 0;

    *l = (struct ps_tree_list){ .max = max, .names = PS_BUF_INIT(NAMES_MAX) };
    rc = list_all(l, dir, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < l->count; i++)
        l->v[i].z = l->names.data + l->v[i].at;
    if (l->count > 1)
        qsort(l->v, l->count, sizeof(*l->v), compare_names);
    return PS_OK;
}

void ps_tree_list_release(struct ps_tree_list *l)
{
    free(l->v);
    l->v = NULL;
    ps_buf_release(&l->names);
}
