/* Running scripts/driver.py in the sandbox, and what all runs share. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"

#define ANSWER_MAX ((size_t)4 * 1024 * 1024)

void ps_mounts_add(struct ps_mounts *m, enum ps_mount_kind kind,
                   const char *host_path, const char *path)
{
    if (m->count < PS_MOUNTS_MAX)
        m->items[m->count++] = (struct ps_mount){ .kind = kind,
                                                  .host_path = host_path,
                                                  .path = path };
}

/* /usr and the links into it are there without asking. */
static bool is_system_path(const char *path)
{
    static const char *const shown[] = { "/usr", "/bin", "/lib", "/lib64",
                                         "/sbin" };

    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
        size_t len = strlen(shown[i]);

        if (strncmp(path, shown[i], len) == 0 &&
            (path[len] == '/' || path[len] == '\0'))
            return true;
    }
    return false;
}

static bool is_inside(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    return strncmp(path, dir, len) == 0 &&
           (path[len] == '/' || path[len] == '\0');
}

void ps_mounts_add_python(struct ps_mounts *m, const struct ps_python *p)
{
    for (const char *const *path = p->prefixes; *path; path++) {
        bool shown = is_system_path(*path);

        for (const char *const *other = p->prefixes; *other; other++)
            shown = shown || (other != path && is_inside(*path, *other) &&
                              strcmp(*path, *other) != 0);
        if (!shown)
            ps_mounts_add(m, PS_MOUNT_READ_ONLY, *path, *path);
    }
}

int ps_driver_dir(struct ps_arena *arena, const char *cache_dir,
                  const char **out, struct ps_error *err)
{
    size_t len = strlen(ps_driver_py);
    struct ps_sha256 digest = ps_sha256_of(ps_driver_py, len);
    char hex[PS_SHA256_HEX_SIZE];
    const char *dir = NULL;
    const char *file = NULL;
    struct stat st;
    int rc = 0;

    ps_sha256_hex(&digest, hex);
    dir = ps_arena_format(arena, "%s/driver/%.16s", cache_dir, hex);
    file = ps_arena_format(arena, "%s/driver.py", dir);
    if (stat(file, &st) < 0 || (uint64_t)st.st_size != len) {
        rc = ps_mkdirs(dir, 0755, err);
        if (rc == PS_OK)
            rc = ps_write_file_at(AT_FDCWD, file, ps_driver_py, len, 0644, err);
        if (rc < 0)
            return rc;
    }
    *out = dir;
    return PS_OK;
}

int ps_outcome_error(const struct ps_run_result *r, uint64_t wall_limit_ms,
                     struct ps_error *err)
{
    switch (r->outcome) {
    case PS_RUN_TIMEOUT:
        return ps_fail(err, PS_ELIMIT,
                       "the build did not end within %llu s; allow more with "
                       "--timeout",
                       (unsigned long long)(wall_limit_ms / 1000));
    case PS_RUN_DISK:
        return ps_fail(err, PS_ELIMIT,
                       "the build filled its disk (%s); allow more with "
                       "--disk-mb",
                       r->detail);
    case PS_RUN_PIDS:
        return ps_fail(err, PS_ELIMIT,
                       "the build started too many processes; allow more "
                       "with --pids");
    case PS_RUN_OOM:
        return ps_fail(err, PS_ELIMIT,
                       "the build used too much memory; allow more with "
                       "--memory-mb");
    case PS_RUN_OUTPUT:
        return ps_fail(err, PS_ELIMIT,
                       "the build wrote what is not accepted: "
                       "%s",
                       r->detail);
    case PS_RUN_SIGNAL:
        return ps_fail(err, PS_EBUILD, "the build was ended by signal %d",
                       r->term_signal);
    case PS_RUN_EXIT:
        break;
    }
    return PS_OK;
}

static int driver_failed(const struct ps_driver_call *call,
                         const struct ps_run_result *result,
                         const struct ps_tail *tail, struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const char *line = ps_tail_last_line(&arena, tail);
    int rc = ps_outcome_error(result, call->wall_limit_ms, err);

    if (rc < 0)
        return rc;
    return ps_fail(err, PS_EBUILD, "%s",
                   line[0] ? line : "ended without saying why");
}

static int run_and_read(const struct ps_driver_call *call,
                        const struct ps_cancel *cancel, int out_dir,
                        json_t **answer, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(ANSWER_MAX);
    PS_AUTO_FREE struct ps_tail *tail = ps_calloc(1, sizeof(*tail));
    struct ps_run_spec spec = {
        .argv = call->argv,
        .env = call->env,
        .cwd = call->cwd,
        .mounts = call->mounts->items,
        .mount_count = call->mounts->count,
        .out_path = PS_IN_OUT,
        .out_dir = out_dir,
        .out_max_bytes = ANSWER_MAX,
        .out_max_files = 1,
        .wall_limit_ms = call->wall_limit_ms,
        .network = call->network,
        .sink = ps_tail_sink,
        .sink_user = tail,
    };
    struct ps_run_result result = { .outcome = PS_RUN_EXIT };
    int rc = 0;

    tail->next = call->log;
    tail->next_user = call->log_user;
    rc = call->runner->run(call->runner, &spec, cancel, &result, err);
    if (rc < 0)
        return rc;
    if (result.outcome != PS_RUN_EXIT || result.exit_status != 0)
        return driver_failed(call, &result, tail, err);
    rc = ps_read_file_at(out_dir, "answer.json", &text, err);
    return rc < 0 ? rc
                  : ps_json_parse(ps_buf_str(&text), "the driver's answer",
                                  answer, err);
}

int ps_driver_run(const struct ps_driver_call *call,
                  const struct ps_cancel *cancel, json_t **answer,
                  struct ps_error *err)
{
    PS_AUTO_FREE char *dir = NULL;
    PS_AUTO_FREE char *parent = ps_format("%s/tmp", call->scratch);
    PS_AUTO_FD int fd = -1;
    struct ps_error ignored = PS_ERROR_INIT;
    int rc = ps_make_temp_dir(parent, "answer-", &dir, err);

    if (rc == PS_OK)
        rc = ps_open_dir(dir, false, &fd, err);
    if (rc == PS_OK)
        rc = run_and_read(call, cancel, fd, answer, err);
    if (dir)
        (void)!ps_remove_tree_at(AT_FDCWD, dir, &ignored);
    return rc;
}
