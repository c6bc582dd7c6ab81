#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "sdist_private.h"
#include "tree_private.h"

#define RATIO_FREE PS_MIB(64)

/* Go into one directory, which may be new; never through a link. */
static int step_into(int dir, struct ps_str part, int *out,
                     struct ps_error *err)
{
    PS_AUTO_FREE char *name = ps_str_dup(part);
    bool is_new = mkdirat(dir, name, 0755) == 0;
    PS_AUTO_FD int fd = -1;

    if (!is_new && errno != EEXIST)
        return ps_fail_errno(err, errno, "make directory '%s'",
                             PS_TREE_SHOW(part));
    fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return ps_fail_errno(err, errno, "open directory '%s'",
                             PS_TREE_SHOW(part));
    if (is_new && fchmod(fd, 0755) < 0) /* whatever the umask is */
        return ps_fail_errno(err, errno, "set the mode of '%s'",
                             PS_TREE_SHOW(part));
    *out = ps_take_fd(&fd);
    return PS_OK;
}

/* Open `path`, a directory, making what is not there. */
static int open_dirs(const struct ps_sdist_writer *w, struct ps_str path,
                     int *out, struct ps_error *err)
{
    PS_AUTO_FD int fd = fcntl(w->dest, F_DUPFD_CLOEXEC, 3);

    if (fd < 0)
        return ps_fail_errno(err, errno, "duplicate the descriptor");
    while (path.len > 0) {
        struct ps_str part;
        int next = -1;
        int rc = 0;

        (void)ps_str_cut(&path, '/', &part);
        rc = step_into(fd, part, &next, err);
        if (rc < 0)
            return rc;
        (void)close(fd);
        fd = next;
    }
    *out = ps_take_fd(&fd);
    return PS_OK;
}

/* The directory of `path`, and its last part; caller closes and frees. */
static int open_parent(const struct ps_sdist_writer *w, struct ps_str path,
                       int *out, char **name, struct ps_error *err)
{
    struct ps_str last = path;
    struct ps_str parent = path;
    int rc = 0;

    if (!ps_str_cut_last(&last, '/', &parent)) {
        last = path;
        parent = PS_STR_LIT("");
    }
    rc = open_dirs(w, parent, out, err);
    if (rc < 0)
        return rc;
    *name = ps_str_dup(last);
    return PS_OK;
}

static int create(const struct ps_sdist_writer *w, struct ps_str path, int *out,
                  struct ps_error *err)
{
    PS_AUTO_FD int dir = -1;
    PS_AUTO_FREE char *name = NULL;
    int rc = open_parent(w, path, &dir, &name, err);

    if (rc < 0)
        return rc;
    *out = openat(dir, name,
                  O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return *out < 0 ? ps_fail_errno(err, errno, "create it") : PS_OK;
}

/* `more` bytes are about to be written, as holes or as data. */
static int account(struct ps_sdist_writer *w, uint64_t more,
                   struct ps_error *err)
{
    uint64_t by_ratio = w->archive_size * w->max_ratio;

    if (more > w->max_bytes || w->written > w->max_bytes - more)
        return ps_fail(err, PS_ETOOBIG,
                       "the archive expands to more than %llu bytes",
                       (unsigned long long)w->max_bytes);
    w->written += more;
    if (w->written > RATIO_FREE && w->written > by_ratio)
        return ps_fail(err, PS_ETOOBIG,
                       "the archive expands to more than %llu times its size",
                       (unsigned long long)w->max_ratio);
    return PS_OK;
}

static int write_at(int fd, const char *data, size_t len, uint64_t at,
                    struct ps_error *err)
{
    while (len > 0) {
        ssize_t put = pwrite(fd, data, len, (off_t)at);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return ps_fail_errno(err, errno, "write it");
        data += put;
        at += (uint64_t)put;
        len -= (size_t)put;
    }
    return PS_OK;
}

static int extend(struct ps_sdist_writer *w, uint64_t *end, uint64_t to,
                  struct ps_error *err)
{
    int rc = PS_OK;

    if (to > *end)
        rc = account(w, to - *end, err);
    if (rc == PS_OK && to > *end)
        *end = to;
    return rc;
}

static int write_data(struct ps_sdist_writer *w, int fd, struct archive *a,
                      uint64_t *end, struct ps_error *err)
{
    for (;;) {
        const void *data = NULL;
        size_t len = 0;
        la_int64_t at = 0;
        int status = archive_read_data_block(a, &data, &len, &at);
        const char *why = archive_error_string(a);
        int rc = ps_cancel_check(w->cancel, err);

        if (rc < 0)
            return rc;
        if (status == ARCHIVE_EOF)
            return PS_OK;
        if (status != ARCHIVE_OK || at < 0)
            return ps_fail(err, PS_EINVALID, "its data is damaged: %s",
                           why ? why : "unreadable");
        if ((uint64_t)at > INT64_MAX - len)
            return ps_fail(err, PS_EINVALID, "its data has no end");
        rc = extend(w, end, (uint64_t)at + len, err);
        if (rc == PS_OK)
            rc = write_at(fd, data, len, (uint64_t)at, err);
        if (rc < 0)
            return rc;
    }
}

static int finish_file(int fd, bool executable, const struct timespec *mtime,
                       struct ps_error *err)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, *mtime };

    if (fchmod(fd, executable ? 0755 : 0644) < 0)
        return ps_fail_errno(err, errno, "set its mode");
    if (futimens(fd, times) < 0)
        return ps_fail_errno(err, errno, "set its time");
    return PS_OK;
}

static struct timespec mtime_of(struct archive_entry *entry)
{
    struct timespec t = { .tv_nsec = UTIME_NOW };
    long ns = archive_entry_mtime_nsec(entry);

    if (!archive_entry_mtime_is_set(entry))
        return t;
    t.tv_sec = archive_entry_mtime(entry);
    t.tv_nsec = ns >= 0 && ns < 1000000000L ? ns : 0;
    return t;
}

int ps_sdist_write_dir(struct ps_sdist_writer *w, struct ps_str path,
                       struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;

    return open_dirs(w, path, &fd, err);
}

int ps_sdist_write_file(struct ps_sdist_writer *w, struct ps_str path,
                        struct archive *a, struct archive_entry *entry,
                        struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;
    struct timespec mtime = mtime_of(entry);
    la_int64_t size = archive_entry_size(entry);
    uint64_t end = 0;
    int rc = create(w, path, &fd, err);

    if (rc == PS_OK)
        rc = write_data(w, fd, a, &end, err);
    /* A hole at the end has no data. */
    if (rc == PS_OK && archive_entry_sparse_count(entry) > 0 && size > 0)
        rc = extend(w, &end, (uint64_t)size, err);
    if (rc < 0)
        return rc;
    if (ftruncate(fd, (off_t)end) < 0)
        return ps_fail_errno(err, errno, "set its size");
    return finish_file(fd, (archive_entry_perm(entry) & S_IXUSR) != 0, &mtime,
                       err);
}

int ps_sdist_write_copy(struct ps_sdist_writer *w, struct ps_str path,
                        struct ps_str source, struct ps_error *err)
{
    PS_AUTO_FD int dir = -1;
    PS_AUTO_FD int from = -1;
    PS_AUTO_FD int to = -1;
    PS_AUTO_FREE char *name = NULL;
    struct stat st;
    int rc = open_parent(w, source, &dir, &name, err);

    if (rc < 0 || ps_open_regular_at(dir, name, &from, &st, err) < 0)
        return ps_fail(err, PS_EINVALID,
                       "it is a hard link to '%s', which is no file that the "
                       "archive holds before it",
                       PS_TREE_SHOW(source));
    rc = account(w, (uint64_t)st.st_size, err);
    if (rc < 0)
        return rc;
    rc = create(w, path, &to, err);
    if (rc < 0)
        return rc;
    rc = ps_copy_fd(from, to, (uint64_t)st.st_size, NULL, NULL, err);
    if (rc < 0)
        return rc;
    return finish_file(to, (st.st_mode & S_IXUSR) != 0, &st.st_mtim, err);
}

void ps_sdist_write_link(struct ps_sdist_writer *w, const char *path,
                         const char *target)
{
    if (w->link_count == w->link_cap) {
        w->link_cap = PS_MAX(w->link_cap * 2, 16);
        w->links = ps_realloc(w->links, w->link_cap, sizeof(*w->links));
    }
    w->links[w->link_count++] =
        (struct ps_sdist_link){ .path = path, .target = target };
}

static size_t levels(const char *path)
{
    size_t n = 0;

    for (const char *p = path; *p; p++)
        n += *p == '/';
    return n;
}

static int handle_link(struct ps_sdist_writer *w,
                       const struct ps_sdist_link *link, bool check,
                       struct ps_error *err)
{
    PS_AUTO_FD int dir = -1;
    PS_AUTO_FREE char *name = NULL;
    int rc = ps_cancel_check(w->cancel, err);

    if (rc < 0)
        return rc;
    rc = open_parent(w, ps_str_from(link->path), &dir, &name, err);
    if (rc < 0)
        return rc;
    if (check)
        return ps_tree_check_link(dir, levels(link->path), link->target, err);
    if (symlinkat(link->target, dir, name) < 0)
        return ps_fail_errno(err, errno, "make the link");
    return PS_OK;
}

static int handle_links(struct ps_sdist_writer *w, bool check,
                        struct ps_error *err)
{
    for (size_t i = 0; i < w->link_count; i++) {
        const struct ps_sdist_link *link = &w->links[i];

        if (handle_link(w, link, check, err) < 0)
            return ps_context(err, "the link '%s' to '%s'",
                              PS_TREE_SHOW(ps_str_from(link->path)),
                              PS_TREE_SHOW(ps_str_from(link->target)));
    }
    return PS_OK;
}

int ps_sdist_write_links(struct ps_sdist_writer *w, struct ps_error *err)
{
    /* All first: where a link leads depends on the others. */
    int rc = handle_links(w, false, err);

    return rc < 0 ? rc : handle_links(w, true, err);
}
