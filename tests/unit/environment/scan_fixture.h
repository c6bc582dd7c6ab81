/* An environment in a scratch directory, and a scan of it. */
#ifndef PKGSYNC_SCAN_FIXTURE_H
#define PKGSYNC_SCAN_FIXTURE_H

#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/scan.h"
#include "test_util.h"

#define SITE "lib/python3.11/site-packages"

struct scan_fixture {
    char *root;   /* holds all of it */
    char *prefix; /* root/env */
    char *dir;    /* its site-packages */
    struct ps_arena arena;
    const char *path[4]; /* PYTHONPATH */
    const char *dirs[4];
    struct ps_site site;
    struct ps_environment e;
};

static inline int setup_scan(void **state)
{
    struct scan_fixture *f = ps_calloc(1, sizeof(*f));
    struct ps_error err = PS_ERROR_INIT;

    f->root = test_make_dir();
    f->prefix = ps_format("%s/env", f->root);
    f->dir = ps_format("%s/" SITE, f->prefix);
    assert_ok(ps_mkdirs(f->dir, 0755, &err), &err);
    f->dirs[0] = f->dir;
    f->site = (struct ps_site){ .prefix = f->prefix,
                                .path = f->path,
                                .dirs = f->dirs };
    *state = f;
    return 0;
}

static inline int teardown_scan(void **state)
{
    struct scan_fixture *f = *state;

    ps_arena_release(&f->arena);
    test_remove_dir(f->root);
    free(f->prefix);
    free(f->dir);
    free(f);
    return 0;
}

/* Write `text` to a file below the fixture's root; its path, in the arena. */
static inline const char *put(struct scan_fixture *f, const char *name,
                              const char *text)
{
    char *path = test_write(f->root, name, text);
    const char *kept = ps_arena_strdup(&f->arena, path);

    free(path);
    return kept;
}

/* The same in site-packages. */
static inline const char *put_site(struct scan_fixture *f, const char *name,
                                   const char *text)
{
    return put(f, ps_arena_format(&f->arena, "env/" SITE "/%s", name), text);
}

/* A distribution as pip leaves it, with one module. */
static inline void put_dist(struct scan_fixture *f, const char *name,
                            const char *version)
{
    struct ps_arena *a = &f->arena;
    const char *info = ps_arena_format(a, "%s-%s.dist-info", name, version);

    put_site(f, ps_arena_format(a, "%s.py", name), "");
    put_site(f, ps_arena_format(a, "%s/METADATA", info),
             ps_arena_format(
                 a, "Metadata-Version: 2.1\nName: %s\nVersion: %s\n\nText\n",
                 name, version));
    put_site(f, ps_arena_format(a, "%s/INSTALLER", info), "pip\n");
    put_site(f, ps_arena_format(a, "%s/RECORD", info),
             ps_arena_format(a, "%s/METADATA,,\n%s.py,,\n%s/RECORD,,\n", info,
                             name, info));
}

static inline void scan(struct scan_fixture *f)
{
    struct ps_error err = PS_ERROR_INIT;

    assert_ok(ps_environment_scan(&f->arena, &f->site, NULL, &f->e, &err),
              &err);
}

static inline const struct ps_dist *need(struct scan_fixture *f,
                                         const char *name)
{
    const struct ps_dist *d = ps_environment_find(&f->e, name);

    if (!d)
        fail_msg("'%s' was not found", name);
    return d;
}

/* The problem whose path and message contain both texts. */
static inline const struct ps_problem *
problem(struct scan_fixture *f, const char *path, const char *message)
{
    for (size_t i = 0; i < f->e.problem_count; i++) {
        const struct ps_problem *p = &f->e.problems[i];

        if (strstr(p->path, path) && strstr(p->message, message))
            return p;
    }
    for (size_t i = 0; i < f->e.problem_count; i++)
        print_message("problem: %s: %s\n", f->e.problems[i].path,
                      f->e.problems[i].message);
    fail_msg("no problem of '%s' that says '%s'", path, message);
    return NULL;
}

static inline void no_problems(struct scan_fixture *f)
{
    if (f->e.problem_count > 0)
        fail_msg("unexpected problem: %s: %s", f->e.problems[0].path,
                 f->e.problems[0].message);
}

#define SCAN_TEST(name) \
    cmocka_unit_test_setup_teardown(name, setup_scan, teardown_scan)

#endif
