/* A source tree, a place for its copy and one for its stat cache. */
#ifndef PKGSYNC_TREE_FIXTURE_H
#define PKGSYNC_TREE_FIXTURE_H

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pkgsync/digest.h"
#include "pkgsync/tree.h"
#include "test_util.h"
#include "tree_private.h"

struct fixture {
    char *base;
    char *root;
    char *copy;
    char *cache;
    struct ps_tree_options options;
};

static inline void remake_copy(struct fixture *f)
{
    struct ps_error err = PS_ERROR_INIT;

    assert_ok(ps_remove_tree_at(AT_FDCWD, f->copy, &err), &err);
    assert_int_equal(mkdir(f->copy, 0755), 0);
}

static inline int set_up(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->base = test_make_dir();
    f->root = ps_format("%s/tree", f->base);
    f->copy = ps_format("%s/copy", f->base);
    f->cache = ps_format("%s/cache", f->base);
    assert_int_equal(mkdir(f->root, 0755), 0);
    remake_copy(f);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    test_remove_dir(f->base);
    free(f->root);
    free(f->copy);
    free(f->cache);
    free(f);
    return 0;
}

static inline void put(const char *dir, const char *name, const char *text)
{
    free(test_write(dir, name, text));
}

static inline void put_link(const char *dir, const char *name,
                            const char *target)
{
    char *path = ps_format("%s/%s", dir, name);

    assert_int_equal(symlink(target, path), 0);
    free(path);
}

static inline void set_mode(const char *dir, const char *name, mode_t mode)
{
    char *path = ps_format("%s/%s", dir, name);

    assert_int_equal(chmod(path, mode), 0);
    free(path);
}

static inline void remove_file(const char *dir, const char *name)
{
    char *path = ps_format("%s/%s", dir, name);

    assert_int_equal(unlink(path), 0);
    free(path);
}

static inline void set_mtime(const char *dir, const char *name,
                             struct timespec mtime)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, mtime };
    char *path = ps_format("%s/%s", dir, name);

    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
    free(path);
}

static inline struct stat stat_of(const char *dir, const char *name)
{
    char *path = ps_format("%s%s%s", dir, name[0] ? "/" : "", name);
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    free(path);
    return st;
}

static inline bool is_there(const char *dir, const char *name)
{
    char *path = ps_format("%s/%s", dir, name);
    struct stat st;
    bool found = lstat(path, &st) == 0;

    free(path);
    return found;
}

static inline struct ps_tree_info digest_of(struct fixture *f)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_tree_info info = { .files = 0 };

    assert_ok(ps_tree_digest(f->root, &f->options, NULL, &info, &err), &err);
    return info;
}

static inline struct ps_tree_info copy_of(struct fixture *f)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_tree_info info = { .files = 0 };

    assert_ok(ps_tree_copy(f->root, &f->options, NULL, f->copy, &info, &err),
              &err);
    return info;
}

static inline void expect_refusal(struct fixture *f, int code, const char *text)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_tree_info info;

    assert_code(code, ps_tree_digest(f->root, &f->options, NULL, &info, &err),
                &err);
    if (!strstr(err.text, text))
        fail_msg("'%s' is not in '%s'", text, err.text);
}

#define assert_same_digest(a, b) \
    assert_memory_equal((a).digest.bytes, (b).digest.bytes, PS_SHA256_SIZE)
#define assert_other_digest(a, b) \
    assert_memory_not_equal((a).digest.bytes, (b).digest.bytes, PS_SHA256_SIZE)

/* Times become distinguishable from now, and files settled. */
static inline void let_time_pass(void)
{
    const struct timespec t = { .tv_nsec = 60000000 };

    assert_int_equal(nanosleep(&t, NULL), 0);
}

#endif
