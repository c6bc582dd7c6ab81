/*
 * Prepared build environments: an interpreter with exactly these wheels.
 *
 * Made once in the sandbox, kept under <cache>/envs by the digest of what is
 * in it, shown read-only to every build that needs the same set.  Making one
 * is most of what a build costs elsewhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/clock.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"

#define ENV_MAX_BYTES (UINT64_C(8) << 30)
#define ENV_MAX_FILES UINT64_C(200000)
#define ENV_LIMIT_MS ((uint64_t)15 * 60 * 1000)

static const char *env_key(struct ps_arena *arena, const struct ps_build *build,
                           const struct ps_wheel_set *wheels)
{
    PS_AUTO_JSON json_t *id = json_pack(
        "{s:s, s:o, s:o}", "builder", PKGSYNC_VERSION, "python",
        ps_python_identity(build->python), "wheels", ps_wheel_set_json(wheels));
    struct ps_sha256 digest = ps_json_digest(id);
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&digest, hex);
    return ps_arena_format(arena, "%s/envs/%s", build->cache_dir, hex);
}

/* One directory with a link to each wheel, to be shown at /wheels. */
static int gather_wheels(const struct ps_wheel_set *wheels, const char *dir,
                         struct ps_error *err)
{
    for (size_t i = 0; i < wheels->count; i++) {
        const struct ps_wheel_file *w = &wheels->files[i];
        PS_AUTO_FREE char *to = ps_format("%s/%s", dir, w->name);
        PS_AUTO_FD int from_fd = -1;
        PS_AUTO_FD int to_fd = -1;
        int rc = 0;

        if (link(w->path, to) == 0)
            continue;
        rc = ps_open_regular_at(AT_FDCWD, w->path, &from_fd, NULL, err);
        if (rc < 0)
            return rc;
        to_fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (to_fd < 0)
            return ps_fail_errno(err, errno, "create '%s'", to);
        rc = ps_copy_fd(from_fd, to_fd, UINT64_MAX, NULL, NULL, err);
        if (rc < 0)
            return rc;
    }
    return chmod(dir, 0755) < 0 ? ps_fail_errno(err, errno, "chmod '%s'", dir)
                                : PS_OK;
}

static const char *const *install_argv(struct ps_arena *arena,
                                       const struct ps_build *build,
                                       const struct ps_wheel_set *wheels)
{
    const char **argv = ps_arena_alloc(arena, wheels->count + 5, sizeof(*argv));
    size_t n = 0;

    argv[n++] = build->python->base_executable;
    argv[n++] = "-I";
    argv[n++] = PS_IN_DRIVER_PY;
    argv[n++] = "environment";
    for (size_t i = 0; i < wheels->count; i++)
        argv[n++] =
            ps_arena_format(arena, PS_IN_WHEELS "/%s", wheels->files[i].name);
    return argv;
}

static int install_failed(const struct ps_run_result *result,
                          const struct ps_tail *tail, struct ps_arena *arena,
                          struct ps_error *err)
{
    int rc = ps_outcome_error(result, ENV_LIMIT_MS, err);

    if (rc == PS_OK)
        rc = ps_fail(err, PS_EBUILD, "%s", ps_tail_last_line(arena, tail));
    (void)ps_context(err, "install the build requirements");
    return rc;
}

static int install(struct ps_arena *arena, const struct ps_build *build,
                   const struct ps_wheel_set *wheels, const char *wheel_dir,
                   int out_dir, struct ps_error *err)
{
    PS_AUTO_FREE struct ps_tail *tail = ps_calloc(1, sizeof(*tail));
    struct ps_mounts mounts = { .count = 0 };
    struct ps_run_spec spec = {
        .argv = install_argv(arena, build, wheels),
        .env = ps_build_environment(arena, build, NULL),
        .cwd = "/tmp",
        .mounts = mounts.items,
        .out_path = PS_IN_ENV,
        .out_dir = out_dir,
        .out_max_bytes = ENV_MAX_BYTES,
        .out_max_files = ENV_MAX_FILES,
        .wall_limit_ms = ENV_LIMIT_MS,
        .sink = ps_tail_sink,
        .sink_user = tail,
    };
    struct ps_run_result result = { .outcome = PS_RUN_EXIT };
    const char *driver = NULL;
    const char *pip = NULL;
    int rc = ps_driver_dir(arena, build->cache_dir, &driver, err);

    if (rc == PS_OK)
        rc = ps_fetch_pip(arena, build->python, build->cache_dir, build->cancel,
                          &pip, err);
    if (rc < 0)
        return rc;
    ps_mounts_add_python(&mounts, build->python);
    ps_mounts_add(&mounts, PS_MOUNT_READ_ONLY, driver, PS_IN_DRIVER);
    ps_mounts_add(&mounts, PS_MOUNT_READ_ONLY, pip, PS_IN_PIP);
    ps_mounts_add(&mounts, PS_MOUNT_READ_ONLY, wheel_dir, PS_IN_WHEELS);
    spec.mount_count = mounts.count;
    tail->next = build->log;
    tail->next_user = build->user;
    rc = build->runner->run(build->runner, &spec, build->cancel, &result, err);
    if (rc < 0)
        return rc;
    if (result.outcome != PS_RUN_EXIT || result.exit_status != 0)
        return install_failed(&result, tail, arena, err);
    return PS_OK;
}

/* The links that a virtual environment has, which the sandbox kept back. */
static int make_links(const struct ps_build *build, const char *dir,
                      struct ps_error *err)
{
    static const char *const names[] = { "python", "python3" };
    PS_AUTO_FREE char *bin = ps_format("%s/bin", dir);
    int rc = ps_mkdirs(bin, 0755, err);

    if (rc < 0)
        return rc;
    for (size_t i = 0; i < 2; i++) {
        PS_AUTO_FREE char *name = ps_format("%s/%s", bin, names[i]);

        if (symlink(build->python->base_executable, name) < 0)
            return ps_fail_errno(err, errno, "link '%s'", name);
    }
    if (chmod(dir, 0755) < 0)
        return ps_fail_errno(err, errno, "chmod '%s'", dir);
    return PS_OK;
}

static int make_environment(struct ps_arena *arena,
                            const struct ps_build *build,
                            const struct ps_wheel_set *wheels, const char *temp,
                            struct ps_error *err)
{
    const char *env = ps_arena_format(arena, "%s/env", temp);
    const char *wheel_dir = ps_arena_format(arena, "%s/wheels", temp);
    PS_AUTO_FD int fd = -1;
    int rc = ps_open_dir(env, true, &fd, err);

    if (rc == PS_OK)
        rc = ps_mkdirs(wheel_dir, 0755, err);
    if (rc == PS_OK)
        rc = gather_wheels(wheels, wheel_dir, err);
    if (rc == PS_OK)
        rc = install(arena, build, wheels, wheel_dir, fd, err);
    if (rc == PS_OK)
        rc = make_links(build, env, err);
    return rc;
}

int ps_environment_prepare(struct ps_arena *arena, const struct ps_build *build,
                           const struct ps_wheel_set *wheels, const char **dir,
                           bool *reused, struct ps_error *err)
{
    const char *found = env_key(arena, build, wheels);
    PS_AUTO_FREE char *parent = ps_format("%s/envs", build->cache_dir);
    PS_AUTO_FREE char *temp = NULL;
    PS_AUTO_FREE char *made = NULL;
    struct ps_error ignored = PS_ERROR_INIT;
    int rc = 0;

    if (access(found, X_OK) == 0) {
        /* The time of last use, for `pkgsync cache prune`. */
        (void)utimensat(AT_FDCWD, found, NULL, 0);
        *dir = found;
        *reused = true;
        return PS_OK;
    }
    rc = ps_make_temp_dir(parent, "new-", &temp, err);
    if (rc < 0)
        return rc;
    rc = make_environment(arena, build, wheels, temp, err);
    made = ps_format("%s/env", temp);
    if (rc == PS_OK && rename(made, found) < 0 && errno != EEXIST &&
        errno != ENOTEMPTY)
        rc = ps_fail_errno(err, errno, "rename '%s'", made);
    (void)!ps_remove_tree_at(AT_FDCWD, temp, &ignored);
    if (rc < 0)
        return rc;
    *dir = found;
    *reused = false;
    return PS_OK;
}
