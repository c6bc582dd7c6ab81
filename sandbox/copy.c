#include "copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"
#include "sys.h"

#define RESOLVE_STRICT                                               \
    (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | \
     RESOLVE_NO_XDEV)
#define BLOCK_SIZE ((size_t)256 << 10)

struct level {
    DIR *from; /* owned */
    int to;    /* owned */
    struct timespec times[2];
    size_t path_len; /* of the path up to and including this directory */
};

struct copy {
    const struct ps_copy_options *options;
    struct ps_copy_problem *problem;
    struct level levels[PS_COPY_MAX_DEPTH];
    size_t depth;
    char path[4096]; /* printable; for messages only */
    uint64_t bytes;
    uint64_t files;
    char *block; /* owned; BLOCK_SIZE */
};

/* For a person: what is not printable ASCII becomes '?'. */
static void append_name(struct copy *c, size_t at, const char *name)
{
    if (at > 0 && at + 1 < sizeof(c->path))
        c->path[at++] = '/';
    for (; *name && at + 1 < sizeof(c->path); name++)
        c->path[at++] = (char)(*name >= ' ' && *name <= '~' ? *name : '?');
    c->path[at < sizeof(c->path) ? at : sizeof(c->path) - 1] = '\0';
}

static int refuse(struct copy *c, const char *fmt, ...) PS_PRINTF(2, 3);

/* Something is wrong with the tree: said in `problem`, not an error. */
static int refuse(struct copy *c, const char *fmt, ...)
{
    char why[96];
    va_list ap;

    va_start(ap, fmt);
    /* Clang 14 does not see va_start here. */
    // NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized)
    (void)vsnprintf(why, sizeof(why), fmt, ap);
    va_end(ap);
    snprintf(c->problem->detail, sizeof(c->problem->detail), "'%.140s' %s",
             c->path, why);
    return PS_OK;
}

static const char *type_name(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFLNK:
        return "is a symbolic link";
    case S_IFIFO:
        return "is a FIFO";
    case S_IFSOCK:
        return "is a socket";
    default:
        return "is a device";
    }
}

static int count_file(struct copy *c)
{
    if (++c->files > c->options->max_files)
        return refuse(c, "is one too many: more than %llu files",
                      (unsigned long long)c->options->max_files);
    return PS_OK;
}

static int copy_bytes(struct copy *c, int from, int to, struct ps_error *err)
{
    for (;;) {
        ssize_t got = read(from, c->block, BLOCK_SIZE);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ps_fail_errno(err, errno, "read '%s'", c->path);
        if (got == 0)
            return PS_OK;
        c->bytes += (uint64_t)got;
        if (c->bytes > c->options->max_bytes)
            return refuse(c, "is too large: more than %llu bytes in all",
                          (unsigned long long)c->options->max_bytes);
        for (ssize_t done = 0; done < got;) {
            ssize_t put = write(to, c->block + done, (size_t)(got - done));

            if (put < 0 && errno == EINTR)
                continue;
            if (put < 0)
                return ps_fail_errno(err, errno, "write '%s'", c->path);
            done += put;
        }
    }
}

static mode_t file_mode(const struct copy *c, const struct stat *st)
{
    if (c->options->keep_links)
        return st->st_mode & 0777;
    return st->st_mode & 0100 ? 0755 : 0644;
}

static int finish(const struct copy *c, int fd, mode_t mode,
                  const struct timespec times[2], struct ps_error *err)
{
    uid_t owner = c->options->owner;

    if (owner != (uid_t)-1 && fchown(fd, owner, owner) < 0)
        return ps_fail_errno(err, errno, "give '%s' to the sandbox's user",
                             c->path);
    if (fchmod(fd, mode) < 0 || futimens(fd, times) < 0)
        return ps_fail_errno(err, errno, "set mode and time of '%s'", c->path);
    return PS_OK;
}

static int copy_file(struct copy *c, const struct level *l, const char *name,
                     struct ps_error *err)
{
    PS_AUTO_FD int from = -1;
    PS_AUTO_FD int to = -1;
    struct timespec times[2];
    struct stat st;

    from = ps_sys_openat2(dirfd(l->from), name,
                          O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY,
                          RESOLVE_STRICT);
    if (from < 0 || fstat(from, &st) < 0)
        return ps_fail_errno(err, errno, "open '%s'", c->path);
    if (!S_ISREG(st.st_mode))
        return refuse(c, "%s", type_name(st.st_mode));
    if (st.st_nlink != 1 && !c->options->keep_links)
        return refuse(c, "is a hard link");
    if ((uint64_t)st.st_size > c->options->max_bytes)
        return refuse(c, "is too large: more than %llu bytes in all",
                      (unsigned long long)c->options->max_bytes);
    to = openat(l->to, name,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return ps_fail_errno(err, errno, "create '%s'", c->path);
    if (copy_bytes(c, from, to, err) < 0 || c->problem->detail[0])
        return err->code;
    times[0] = st.st_atim;
    times[1] = st.st_mtim;
    return finish(c, to, file_mode(c, &st), times, err);
}

static int copy_link(struct copy *c, const struct level *l, const char *name,
                     struct ps_error *err)
{
    uid_t owner = c->options->owner;
    char target[4096];
    ssize_t len = readlinkat(dirfd(l->from), name, target, sizeof(target) - 1);

    if (len < 0)
        return ps_fail_errno(err, errno, "read link '%s'", c->path);
    target[len] = '\0';
    if (symlinkat(target, l->to, name) < 0)
        return ps_fail_errno(err, errno, "link '%s'", c->path);
    if (owner != (uid_t)-1 &&
        fchownat(l->to, name, owner, owner, AT_SYMLINK_NOFOLLOW) < 0)
        return ps_fail_errno(err, errno, "give '%s' to the sandbox's user",
                             c->path);
    return PS_OK;
}

/* Takes `from` and `to` over, also when it fails. */
static int push(struct copy *c, int from, int to, struct ps_error *err)
{
    struct level *l = &c->levels[c->depth];
    struct stat st;

    l->to = to;
    l->from = fdopendir(from);
    if (!l->from) {
        (void)close(from);
        (void)close(to);
        return ps_fail_errno(err, errno, "read directory '%s'", c->path);
    }
    c->depth++; /* from here on released with the rest */
    if (fstat(from, &st) < 0)
        return ps_fail_errno(err, errno, "stat '%s'", c->path);
    l->times[0] = st.st_atim;
    l->times[1] = st.st_mtim;
    l->path_len = strlen(c->path);
    return PS_OK;
}

/* Opened anew: a duplicate would share the caller's position. */
static int push_top(struct copy *c, int from, int to, struct ps_error *err)
{
    PS_AUTO_FD int source =
        openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    PS_AUTO_FD int target = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (source < 0 || target < 0)
        return ps_fail_errno(err, errno, "open a directory to copy");
    return push(c, ps_take_fd(&source), ps_take_fd(&target), err);
}

static int copy_dir(struct copy *c, const struct level *l, const char *name,
                    struct ps_error *err)
{
    PS_AUTO_FD int from = -1;
    PS_AUTO_FD int to = -1;

    if (c->depth == PS_COPY_MAX_DEPTH)
        return refuse(c, "is deeper than %u directories", PS_COPY_MAX_DEPTH);
    from = ps_sys_openat2(dirfd(l->from), name,
                          O_RDONLY | O_DIRECTORY | O_NOFOLLOW, RESOLVE_STRICT);
    if (from < 0)
        return ps_fail_errno(err, errno, "open directory '%s'", c->path);
    if (mkdirat(l->to, name, 0700) < 0)
        return ps_fail_errno(err, errno, "make directory '%s'", c->path);
    to = openat(l->to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (to < 0)
        return ps_fail_errno(err, errno, "open directory '%s'", c->path);
    return push(c, ps_take_fd(&from), ps_take_fd(&to), err);
}

static int copy_entry(struct copy *c, const char *name, struct ps_error *err)
{
    const struct level *l = &c->levels[c->depth - 1];
    struct stat st;

    append_name(c, l->path_len, name);
    if (count_file(c) < 0 || c->problem->detail[0])
        return err->code;
    if (fstatat(dirfd(l->from), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return ps_fail_errno(err, errno, "stat '%s'", c->path);
    if (S_ISREG(st.st_mode))
        return copy_file(c, l, name, err);
    if (S_ISDIR(st.st_mode))
        return copy_dir(c, l, name, err);
    if (S_ISLNK(st.st_mode) && c->options->keep_links)
        return copy_link(c, l, name, err);
    return refuse(c, "%s", type_name(st.st_mode));
}

static void pop(struct copy *c)
{
    struct level *l = &c->levels[--c->depth];

    (void)closedir(l->from);
    (void)close(l->to);
}

static int copy_step(struct copy *c, struct ps_error *err)
{
    struct level *l = &c->levels[c->depth - 1];
    const struct dirent *entry = NULL;

    errno = 0;
    entry = readdir(l->from);
    if (entry) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            return PS_OK;
        return copy_entry(c, entry->d_name, err);
    }
    c->path[l->path_len] = '\0';
    if (errno != 0)
        return ps_fail_errno(err, errno, "read directory '%s'", c->path);
    /* The top is the caller's own directory and keeps its mode. */
    if ((c->depth > 1 || c->options->keep_links) &&
        finish(c, l->to, 0755, l->times, err) < 0)
        return err->code;
    pop(c);
    return PS_OK;
}

int ps_copy_tree(int from, int to, const struct ps_copy_options *options,
                 struct ps_copy_problem *problem, struct ps_error *err)
{
    struct copy *c = ps_calloc(1, sizeof(*c));
    int rc;

    c->options = options;
    c->problem = problem;
    c->block = ps_calloc(1, BLOCK_SIZE);
    problem->detail[0] = '\0';
    rc = push_top(c, from, to, err);
    while (rc == PS_OK && c->depth > 0 && !problem->detail[0])
        rc = copy_step(c, err);
    while (c->depth > 0)
        pop(c);
    free(c->block);
    free(c);
    return rc;
}
