#include "pkgsync/project.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"

#define ANSWER_MAX ((size_t)4 * 1024 * 1024)
#define READ_LIMIT_MS 30000

static bool has_file(int root, const char *name)
{
    struct stat st;

    return fstatat(root, name, &st, 0) == 0 && S_ISREG(st.st_mode);
}

static int check_legacy(int root, const char *path, struct ps_error *err)
{
    if (has_file(root, "setup.py") || has_file(root, "setup.cfg"))
        return PS_OK;
    return ps_fail(err, PS_EINVALID,
                   "'%s' is not a Python project: it has neither "
                   "pyproject.toml nor setup.py; name the directory that does "
                   "(#subdirectory=DIR in a repository or an sdist)",
                   path);
}

static const char *const *default_requires(struct ps_arena *arena)
{
    const char **list = ps_arena_alloc(arena, 3, sizeof(*list));

    list[0] = "setuptools>=40.8.0";
    list[1] = "wheel";
    return list;
}

static void use_legacy(struct ps_arena *arena, struct ps_project *p)
{
    p->backend = "setuptools.build_meta:__legacy__";
    p->requires_ = default_requires(arena);
}

static int parse_in_sandbox(struct ps_arena *arena, int root,
                            const struct ps_build *with, json_t **answer,
                            struct ps_error *err)
{
    PS_AUTO_FREE char *link = ps_format("/proc/self/fd/%d", root);
    PS_AUTO_FREE char *real = realpath(link, NULL);
    PS_AUTO_FREE char *file = ps_format("%s/pyproject.toml", real ? real : "");
    const char *const argv[] = { with->python->base_executable,
                                 "-I",
                                 PS_IN_DRIVER_PY,
                                 "project",
                                 "/pyproject.toml",
                                 NULL };
    static const char *const env[] = { "PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8",
                                       NULL };
    struct ps_mounts mounts = { .count = 0 };
    struct ps_driver_call call = {
        .runner = with->runner,
        .argv = argv,
        .env = env,
        .cwd = "/tmp",
        .mounts = &mounts,
        .wall_limit_ms = READ_LIMIT_MS,
        .scratch = with->cache_dir,
    };
    const char *driver = NULL;
    const char *pip = NULL;

    if (ps_driver_dir(arena, with->cache_dir, &driver, err) < 0 ||
        ps_fetch_pip(arena, with->python, with->cache_dir, with->cancel, &pip,
                     err) < 0)
        return err->code;
    ps_mounts_add_python(&mounts, with->python);
    ps_mounts_add(&mounts, PS_MOUNT_READ_ONLY, driver, PS_IN_DRIVER);
    ps_mounts_add(&mounts, PS_MOUNT_READ_ONLY, pip, PS_IN_PIP);
    ps_mounts_add(&mounts, PS_MOUNT_READ_ONLY, file, "/pyproject.toml");
    if (ps_driver_run(&call, with->cancel, answer, err) < 0) {
        if (err->code == PS_EBUILD)
            err->code = PS_EINVALID;
        return err->code;
    }
    return PS_OK;
}

/* The parsed file, kept by its digest. */
static int parsed(struct ps_arena *arena, int root, struct ps_str text,
                  const struct ps_build *with, json_t **answer,
                  struct ps_error *err)
{
    struct ps_sha256 digest =
        ps_sha256_of(text.data ? text.data : "", text.len);
    PS_AUTO_BUF struct ps_buf kept_text = PS_BUF_INIT(ANSWER_MAX);
    PS_AUTO_FREE char *dir = ps_format("%s/pyproject", with->cache_dir);
    PS_AUTO_FREE char *kept = NULL;
    PS_AUTO_FREE char *dumped = NULL;
    struct ps_error ignored = PS_ERROR_INIT;
    char hex[PS_SHA256_HEX_SIZE];
    int rc = 0;

    ps_sha256_hex(&digest, hex);
    kept = ps_format("%s/%s-%s.json", dir, PKGSYNC_VERSION, hex);
    if (ps_read_file_at(AT_FDCWD, kept, &kept_text, &ignored) == PS_OK &&
        ps_json_parse(ps_buf_str(&kept_text), kept, answer, &ignored) == PS_OK)
        return PS_OK;
    rc = parse_in_sandbox(arena, root, with, answer, err);
    if (rc < 0)
        return rc;
    dumped = ps_json_canonical(*answer);
    if (ps_mkdirs(dir, 0700, &ignored) == PS_OK)
        (void)!ps_write_file_at(AT_FDCWD, kept, dumped, strlen(dumped), 0600,
                                &ignored);
    return PS_OK;
}

static void take_answer(struct ps_arena *arena, const json_t *answer,
                        struct ps_project *p)
{
    const char *backend = ps_json_string_or(answer, "backend", NULL);

    p->include = ps_json_to_strings(arena, json_object_get(answer, "include"));
    p->exclude = ps_json_to_strings(arena, json_object_get(answer, "exclude"));
    p->backend_path =
        ps_json_to_strings(arena, json_object_get(answer, "backend_path"));
    p->name = ps_arena_strdup(arena, ps_json_string_or(answer, "name", NULL));
    if (!json_is_true(json_object_get(answer, "has_build_system"))) {
        use_legacy(arena, p);
        return;
    }
    p->requires_ =
        ps_json_to_strings(arena, json_object_get(answer, "requires"));
    p->backend = backend ? ps_arena_strdup(arena, backend)
                         : "setuptools.build_meta:__legacy__";
}

int ps_project_read(struct ps_arena *arena, const char *root,
                    const struct ps_build *with, struct ps_project *out,
                    struct ps_error *err)
{
    static const char *const none[] = { NULL };
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(PS_PYPROJECT_MAX);
    PS_AUTO_JSON json_t *answer = NULL;
    PS_AUTO_FD int dir = -1;
    struct ps_project p = { .include = none,
                            .exclude = none,
                            .backend_path = none };
    /* A person knows the source they named, not the copy of it. */
    const char *shown = with->display ? with->display : root;
    struct stat st;
    int rc = ps_open_dir(root, false, &dir, err);

    if (rc == PS_ENOTFOUND && with->subdirectory)
        return ps_fail(err, rc, "'%s' has no directory '%s'", shown,
                       with->subdirectory);
    if (rc < 0)
        return rc;
    if (fstatat(dir, "pyproject.toml", &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            return ps_fail_errno(err, errno, "stat '%s/pyproject.toml'", shown);
        use_legacy(arena, &p);
        *out = p;
        return check_legacy(dir, shown, err);
    }
    rc = ps_read_file_at(dir, "pyproject.toml", &text, err);
    if (rc == PS_OK)
        rc = parsed(arena, dir, ps_buf_str(&text), with, &answer, err);
    if (rc < 0)
        return with->display ? ps_context(err, "pyproject.toml")
                             : ps_context(err, "%s/pyproject.toml", root);
    p.has_pyproject = true;
    take_answer(arena, answer, &p);
    *out = p;
    return PS_OK;
}
