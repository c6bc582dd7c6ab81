#include "pkgsync/build.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define HOOK_LIMIT_MS ((uint64_t)10 * 60 * 1000)
#define OUT_MAX_BYTES (UINT64_C(4) << 30)
#define OUT_MAX_FILES 16
/* 1980-01-02: the first day that a zip file can hold in every time zone. */
#define DEFAULT_SOURCE_DATE 315619200

static void enter_phase(const struct ps_build *b, const char *phase)
{
    b->failure->phase = phase;
    if (b->phase)
        b->phase(phase, b->user);
}

const char *const *ps_build_environment(struct ps_arena *arena,
                                        const struct ps_build *build,
                                        const char *toolchain)
{
    static const char *const fixed[] = {
        "HOME=/tmp",
        "TMPDIR=/tmp",
        "LANG=C.UTF-8",
        "LC_ALL=C.UTF-8",
        "TZ=UTC",
        "TERM=dumb",
        "NO_COLOR=1",
        "PYTHONHASHSEED=0",
        "PYTHONDONTWRITEBYTECODE=1",
        "PYTHONNOUSERSITE=1",
        "PYTHONUNBUFFERED=1",
        "PIP_CONFIG_FILE=/dev/null",
        "CARGO_HOME=/tmp/cargo",
        "CARGO_TERM_COLOR=never",
    };
    size_t extra = 0;
    const char **env = NULL;
    size_t n = 0;

    while (build->env && build->env[extra])
        extra++;
    env = ps_arena_alloc(arena, PS_ARRAY_SIZE(fixed) + extra + 3, sizeof(*env));
    for (size_t i = 0; i < PS_ARRAY_SIZE(fixed); i++)
        env[n++] = fixed[i];
    env[n++] =
        ps_arena_format(arena,
                        "PATH=" PS_IN_ENV "/bin:%s%s/usr/local/bin:"
                        "/usr/bin:/bin",
                        toolchain ? toolchain : "", toolchain ? "/bin:" : "");
    env[n++] = ps_arena_format(arena, "SOURCE_DATE_EPOCH=%lld",
                               (long long)(build->source_date_s > 0
                                               ? build->source_date_s
                                               : DEFAULT_SOURCE_DATE));
    for (size_t i = 0; i < extra; i++)
        env[n++] = build->env[i];
    return env;
}

/* Where the project is inside the sandbox. */
static const char *project_path(struct ps_arena *arena,
                                const struct ps_build *b)
{
    return b->subdirectory && b->subdirectory[0]
               ? ps_arena_format(arena, PS_IN_SOURCE "/%s", b->subdirectory)
               : PS_IN_SOURCE;
}

static const char *host_project(struct ps_arena *arena,
                                const struct ps_build *b)
{
    return b->subdirectory && b->subdirectory[0]
               ? ps_arena_format(arena, "%s/%s", b->tree, b->subdirectory)
               : b->tree;
}

static void add_build_mounts(struct ps_mounts *m, const struct ps_build *b,
                             const char *environment, const char *toolchain)
{
    ps_mounts_add_python(m, b->python);
    ps_mounts_add(m, PS_MOUNT_READ_ONLY, environment, PS_IN_ENV);
    ps_mounts_add(m, PS_MOUNT_SCRATCH, b->tree, PS_IN_SOURCE);
    if (toolchain)
        ps_mounts_add(m, PS_MOUNT_READ_ONLY, toolchain, toolchain);
}

/* The requirement strings so far: the project's, the person's, a hook's. */
static const char *const *join_requirements(struct ps_arena *arena,
                                            const char *const *a,
                                            const char *const *b,
                                            const json_t *hook)
{
    size_t count = json_array_size(hook);
    const char **list = NULL;
    size_t n = 0;

    for (size_t i = 0; a && a[i]; i++)
        count++;
    for (size_t i = 0; b && b[i]; i++)
        count++;
    list = ps_arena_alloc(arena, count + 1, sizeof(*list));
    for (size_t i = 0; a && a[i]; i++)
        list[n++] = a[i];
    for (size_t i = 0; b && b[i]; i++)
        list[n++] = b[i];
    for (size_t i = 0; i < json_array_size(hook); i++)
        list[n++] =
            ps_arena_strdup(arena, json_string_value(json_array_get(hook, i)));
    return list;
}

/* The fetched wheels, and the pip that builds beside them. */
static int with_pip(struct ps_arena *arena, const struct ps_build *b,
                    struct ps_wheel_set *set, struct ps_error *err)
{
    struct ps_wheel_file *files =
        ps_arena_alloc(arena, set->count + 1, sizeof(*files));
    const char *slash = strrchr(b->python->pip_wheel, '/');
    int rc = 0;

    for (size_t i = 0; i < set->count; i++)
        files[i] = set->files[i];
    files[set->count].name = slash ? slash + 1 : b->python->pip_wheel;
    files[set->count].path = b->python->pip_wheel;
    rc = ps_sha256_file(b->python->pip_wheel, UINT64_MAX,
                        &files[set->count].sha256, NULL, err);
    if (rc == PS_OK)
        *set = (struct ps_wheel_set){ .files = files, .count = set->count + 1 };
    return rc;
}

static int fetch(struct ps_arena *arena, const struct ps_build *b,
                 const char *const *requirements, struct ps_prepared *p,
                 struct ps_error *err)
{
    const struct ps_fetch request = {
        .requirements = requirements,
        .index = b->index,
        .python = b->python,
        .cache_dir = b->cache_dir,
        .cancel = b->cancel,
        .log = b->log,
        .log_user = b->user,
        .missing = &b->failure->missing,
    };
    int rc = 0;

    enter_phase(b, "fetch");
    rc = ps_fetch_wheels(arena, &request, &p->wheels, err);
    if (rc < 0)
        return ps_context(err, "fetch the build requirements");
    enter_phase(b, "environment");
    p->toolchain = ps_toolchain_find(arena, &p->wheels, b->cancel);
    /* As in an isolated build of pip's own, pip is not in the environment. */
    rc = ps_environment_prepare(arena, b, &p->wheels, &p->environment,
                                &p->reused, err);
    return rc < 0 ? rc : with_pip(arena, b, &p->wheels, err);
}

static const char *json_in_arena(struct ps_arena *arena, const json_t *value)
{
    PS_AUTO_FREE char *text = ps_json_canonical(value);

    return ps_arena_strdup(arena, text);
}

static const char *paths_json(struct ps_arena *arena, const char *const *paths)
{
    PS_AUTO_JSON json_t *list = ps_json_from_strings(paths);

    return json_in_arena(arena, list);
}

/* get_requires_for_build_wheel, in a process of its own. */
static int ask_backend(struct ps_arena *arena, const struct ps_build *b,
                       const struct ps_prepared *p, json_t **answer,
                       struct ps_error *err)
{
    PS_AUTO_FREE struct ps_tail *tail = ps_calloc(1, sizeof(*tail));
    PS_AUTO_JSON json_t *no_settings = json_object();
    const char *const argv[] = {
        PS_IN_PYTHON,
        PS_IN_DRIVER_PY,
        "requires",
        p->project.backend,
        paths_json(arena, p->project.backend_path),
        json_in_arena(arena,
                      b->config_settings ? b->config_settings : no_settings),
        NULL,
    };
    struct ps_mounts mounts = { .count = 0 };
    struct ps_driver_call call = {
        .runner = b->runner,
        .argv = argv,
        .env = ps_build_environment(arena, b, p->toolchain),
        .cwd = project_path(arena, b),
        .mounts = &mounts,
        .wall_limit_ms = b->limits.wall_limit_ms
                             ? PS_MIN(b->limits.wall_limit_ms, HOOK_LIMIT_MS)
                             : HOOK_LIMIT_MS,
        .network = b->network,
        .log = ps_tail_sink,
        .log_user = tail,
        .scratch = b->cache_dir,
    };
    const char *driver = NULL;
    int rc = ps_driver_dir(arena, b->cache_dir, &driver, err);

    if (rc < 0)
        return rc;
    enter_phase(b, "requirements");
    add_build_mounts(&mounts, b, p->environment, p->toolchain);
    ps_mounts_add(&mounts, PS_MOUNT_READ_ONLY, driver, PS_IN_DRIVER);
    tail->next = b->log;
    tail->next_user = b->user;
    rc = ps_driver_run(&call, b->cancel, answer, err);
    if (rc == PS_EBUILD || rc == PS_ELIMIT) {
        b->failure->cause = ps_build_cause(arena, tail, b->network);
        return ps_context(err, "back-end '%s' cannot say what it needs",
                          p->project.backend);
    }
    return rc;
}

int ps_build_prepare(struct ps_arena *arena, const struct ps_build *build,
                     struct ps_prepared *out, struct ps_error *err)
{
    PS_AUTO_JSON json_t *answer = NULL;
    struct ps_prepared p = { .environment = NULL };
    const char *const *wanted = NULL;
    int rc = 0;

    enter_phase(build, "requirements");
    rc = ps_project_read(arena, host_project(arena, build), build, &p.project,
                         err);
    if (rc < 0)
        return rc;
    wanted = join_requirements(arena, p.project.requires_,
                               build->build_requires, NULL);
    rc = fetch(arena, build, wanted, &p, err);
    if (rc == PS_OK)
        rc = ask_backend(arena, build, &p, &answer, err);
    if (rc < 0)
        return rc;
    if (json_array_size(json_object_get(answer, "requires")) > 0) {
        wanted =
            join_requirements(arena, p.project.requires_, build->build_requires,
                              json_object_get(answer, "requires"));
        rc = fetch(arena, build, wanted, &p, err);
        if (rc < 0)
            return rc;
    }
    *out = p;
    return PS_OK;
}

/* --config-settings KEY=VALUE for each of the settings. */
static const char *const *wheel_argv(struct ps_arena *arena,
                                     const struct ps_build *b)
{
    static const char *const fixed[] = {
        PS_IN_PYTHON,
        "-I",
        PS_IN_DRIVER_PY,
        "wheel",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "--use-pep517",
        "--no-cache-dir",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar",
        "off",
        "--verbose",
        "--wheel-dir",
        PS_IN_OUT,
    };
    size_t count = json_object_size(b->config_settings);
    const char **argv = ps_arena_alloc(
        arena, PS_ARRAY_SIZE(fixed) + 2 * count + 2, sizeof(*argv));
    const char *key = NULL;
    json_t *value = NULL;
    size_t n = 0;

    for (size_t i = 0; i < PS_ARRAY_SIZE(fixed); i++)
        argv[n++] = fixed[i];
    json_object_foreach(b->config_settings, key, value)
    {
        argv[n++] = "--config-settings";
        argv[n++] =
            ps_arena_format(arena, "%s=%s", key, json_string_value(value));
    }
    argv[n++] = project_path(arena, b);
    return argv;
}

static int run_pip_wheel(struct ps_arena *arena, const struct ps_build *b,
                         const struct ps_prepared *p, int out_dir,
                         struct ps_error *err)
{
    PS_AUTO_FREE struct ps_tail *tail = ps_calloc(1, sizeof(*tail));
    struct ps_mounts mounts = { .count = 0 };
    struct ps_run_spec spec = {
        .argv = wheel_argv(arena, b),
        .env = ps_build_environment(arena, b, p->toolchain),
        .cwd = "/tmp",
        .mounts = mounts.items,
        .out_path = PS_IN_OUT,
        .out_dir = out_dir,
        .out_max_bytes = OUT_MAX_BYTES,
        .out_max_files = OUT_MAX_FILES,
        .tmp_max_bytes = b->limits.tmp_max_bytes,
        .memory_max_bytes = b->limits.memory_max_bytes,
        .pids_max = b->limits.pids_max,
        .wall_limit_ms = b->limits.wall_limit_ms,
        .network = b->network,
        .sink = ps_tail_sink,
        .sink_user = tail,
    };
    struct ps_run_result r = { .outcome = PS_RUN_EXIT };
    const char *pip = NULL;
    const char *driver = NULL;
    int rc = ps_fetch_pip(arena, b->python, b->cache_dir, b->cancel, &pip, err);

    if (rc == PS_OK)
        rc = ps_driver_dir(arena, b->cache_dir, &driver, err);
    if (rc < 0)
        return rc;
    enter_phase(b, "build");
    ps_mounts_add(&mounts, PS_MOUNT_READ_ONLY, pip, PS_IN_PIP);
    ps_mounts_add(&mounts, PS_MOUNT_READ_ONLY, driver, PS_IN_DRIVER);
    add_build_mounts(&mounts, b, p->environment, p->toolchain);
    spec.mount_count = mounts.count;
    tail->next = b->log;
    tail->next_user = b->user;
    rc = b->runner->run(b->runner, &spec, b->cancel, &r, err);
    if (rc == PS_OK)
        rc = ps_outcome_error(&r, b->limits.wall_limit_ms, err);
    if (rc == PS_OK && r.exit_status != 0)
        rc = ps_fail(err, PS_EBUILD, "back-end '%s' failed: %s",
                     p->project.backend, ps_tail_last_line(arena, tail));
    if (rc < 0)
        b->failure->cause = ps_build_cause(arena, tail, b->network);
    return rc;
}

/* The name of the only file; anything else is the back-end's mistake. */
static int only_wheel(struct ps_arena *arena, int out_dir, const char **name,
                      struct ps_error *err)
{
    int copy = openat(out_dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    PS_AUTO_DIR DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    const char *found = NULL;
    struct dirent *e = NULL;

    if (!dir)
        return ps_fail_errno(err, errno, "read the output directory");
    while ((e = readdir(dir)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (found)
            return ps_fail(err, PS_EBUILD,
                           "the back-end wrote more than one file: '%s' and "
                           "'%s'",
                           found, e->d_name);
        found = ps_arena_strdup(arena, e->d_name);
    }
    if (!found)
        return ps_fail(err, PS_EBUILD, "the back-end wrote no wheel");
    *name = found;
    return PS_OK;
}

int ps_build_wheel(struct ps_arena *arena, const struct ps_build *build,
                   const struct ps_prepared *prepared, int out_dir,
                   struct ps_wheel_info *out, struct ps_error *err)
{
    const char *expected =
        build->expect_name ? build->expect_name : prepared->project.name;
    const struct ps_wheel_expect expect = { .name = expected,
                                            .tags = build->python->tags };
    const char *name = NULL;
    int rc = run_pip_wheel(arena, build, prepared, out_dir, err);

    if (rc < 0)
        return rc;
    enter_phase(build, "verify");
    rc = only_wheel(arena, out_dir, &name, err);
    if (rc < 0)
        return rc;
    rc = ps_wheel_verify(arena, out_dir, name, &expect, out, err);
    if (rc < 0) {
        err->code = PS_EBUILD;
        return ps_context(err, "the wheel that the back-end wrote");
    }
    return PS_OK;
}
