/* Environments in memory: what a scan would give, without one. */
#ifndef PKGSYNC_ENVIRONMENT_FIXTURE_H
#define PKGSYNC_ENVIRONMENT_FIXTURE_H

#include "pkgsync/levels.h"
#include "pkgsync/name.h"
#include "test_util.h"

#define FIXTURE_MAX 32

struct fixture {
    struct ps_arena arena;
    struct ps_site site;
    struct ps_dist dists[FIXTURE_MAX]; /* sorted by fixture_environment() */
    struct ps_dist conda[FIXTURE_MAX];
    struct ps_environment environment;
    struct ps_error err;
};

static inline struct ps_marker_env fixture_markers(const char *system)
{
    bool is_linux = strcmp(system, "linux") == 0;
    bool is_windows = strcmp(system, "win32") == 0;

    return (struct ps_marker_env){
        .os_name = is_windows ? "nt" : "posix",
        .sys_platform = system,
        .platform_machine = is_windows ? "AMD64" : "x86_64",
        .platform_python_implementation = "CPython",
        .platform_release = "1",
        .platform_system = is_linux     ? "Linux"
                           : is_windows ? "Windows"
                                        : "Darwin",
        .platform_version = "1",
        .python_version = "3.11",
        .python_full_version = "3.11.7",
        .implementation_name = "cpython",
        .implementation_version = "3.11.7",
    };
}

static inline int fixture_setup(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->site = (struct ps_site){
        .executable = "/env/bin/python",
        .prefix = "/env",
        .implementation = "cpython",
        .version = "3.11.7",
        .abi = "cpython-311-x86_64-linux-gnu",
        .platform = "linux-x86_64",
        .markers = fixture_markers("linux"),
    };
    f->environment.site = &f->site;
    f->environment.dists = f->dists;
    f->environment.conda = f->conda;
    *state = f;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    ps_arena_release(&f->arena);
    free(f);
    return 0;
}

/* One more distribution, of an index; to be changed before deciding. */
static inline struct ps_dist *fixture_add(struct fixture *f, const char *name,
                                          const char *version)
{
    struct ps_dist *d = &f->dists[f->environment.count++];

    assert_true(f->environment.count <= FIXTURE_MAX);
    *d = (struct ps_dist){
        .name = name,
        .normal = ps_normalize_name(&f->arena, ps_str_from(name)),
        .version = version,
        .location = ps_arena_format(&f->arena, "/env/%s.dist-info", name),
        .installer = "pip",
    };
    return d;
}

static inline struct ps_dist *
fixture_add_conda(struct fixture *f, const char *name, const char *version)
{
    struct ps_dist *d = &f->conda[f->environment.conda_count++];

    f->environment.is_conda = true;
    *d = (struct ps_dist){
        .name = name,
        .normal = ps_normalize_name(&f->arena, ps_str_from(name)),
        .version = version,
        .source = PS_DIST_CONDA,
        .conda = { .name = name,
                   .version = version,
                   .build = "h123_0",
                   .channel = "conda-forge",
                   .subdir = "linux-64" },
    };
    return d;
}

static inline void fixture_add_critical(struct fixture *f)
{
    (void)fixture_add(f, "dask", "2024.1.0");
    (void)fixture_add(f, "distributed", "2024.1.0");
    (void)fixture_add(f, "tornado", "6.4");
    (void)fixture_add(f, "cloudpickle", "3.0.0");
    (void)fixture_add(f, "msgpack", "1.0.7");
}

static inline int fixture_by_name(const void *a, const void *b)
{
    const struct ps_dist *x = a;
    const struct ps_dist *y = b;

    return strcmp(x->normal, y->normal);
}

/* Sort, as a scan does; pointers to distributions end here. */
static inline const struct ps_environment *
fixture_environment(struct fixture *f)
{
    qsort(f->dists, f->environment.count, sizeof(f->dists[0]), fixture_by_name);
    return &f->environment;
}

static inline const struct ps_decision *
fixture_decision(const struct ps_decisions *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->items[i].name, name) == 0)
            return &all->items[i];
    fail_msg("no decision about '%s'", name);
    return NULL;
}

#endif
