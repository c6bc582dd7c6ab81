/* The person's pip, in its one role: fetching wheels from an index. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_private.h"
#include "fetch_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"

#define PIP_LIMIT_MS ((uint64_t)30 * 60 * 1000)
#define PIP_LOG_MAX ((size_t)4 << 20)
#define PIP_WHEEL_MAX (UINT64_C(64) << 20)

void ps_args_release(struct ps_args *a)
{
    free(a->items);
}

void ps_args_add(struct ps_args *a, const char *text)
{
    a->items = ps_realloc(a->items, a->count + 2, sizeof(*a->items));
    a->items[a->count++] = text;
    a->items[a->count] = NULL;
}

static void args_add_each(struct ps_args *a, const char *flag,
                          const char *const *values)
{
    for (size_t i = 0; values && values[i]; i++) {
        ps_args_add(a, flag);
        ps_args_add(a, values[i]);
    }
}

/* Unpacked beside, then renamed into place: half of it is never seen. */
static int unpack_pip(const struct ps_python *python, const char *cache_dir,
                      const char *dir, const struct ps_cancel *cancel,
                      struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf out = PS_BUF_INIT(4096);
    PS_AUTO_FREE char *parent = ps_format("%s/pip", cache_dir);
    PS_AUTO_FREE char *temp = NULL;
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error ignored = PS_ERROR_INIT;
    const char *driver = NULL;
    int rc = ps_driver_dir(&arena, cache_dir, &driver, err);

    if (rc == PS_OK)
        rc = ps_make_temp_dir(parent, "new-", &temp, err);
    if (rc == PS_OK) {
        const char *const argv[] = { python->base_executable,
                                     "-I",
                                     "-S",
                                     ps_arena_format(&arena, "%s/driver.py",
                                                     driver),
                                     "unpack",
                                     python->pip_wheel,
                                     temp,
                                     NULL };

        rc = ps_process_output(argv, NULL, cancel, &out, err);
    }
    if (rc == PS_OK && chmod(temp, 0755) < 0)
        rc = ps_fail_errno(err, errno, "chmod '%s'", temp);
    if (rc == PS_OK && rename(temp, dir) < 0 && errno != EEXIST &&
        errno != ENOTEMPTY)
        rc = ps_fail_errno(err, errno, "rename '%s'", temp);
    if (temp)
        (void)!ps_remove_tree_at(AT_FDCWD, temp, &ignored);
    return rc < 0 ? ps_context(err, "unpack '%s' into '%s'", python->pip_wheel,
                               parent)
                  : PS_OK;
}

int ps_fetch_pip(struct ps_arena *arena, const struct ps_python *python,
                 const char *cache_dir, const struct ps_cancel *cancel,
                 const char **dir, struct ps_error *err)
{
    struct ps_sha256 digest;
    char hex[PS_SHA256_HEX_SIZE];
    const char *found = NULL;
    PS_AUTO_FREE char *main_py = NULL;
    int rc =
        ps_sha256_file(python->pip_wheel, PIP_WHEEL_MAX, &digest, NULL, err);

    if (rc < 0)
        return rc;
    ps_sha256_hex(&digest, hex);
    found = ps_arena_format(arena, "%s/pip/%.32s", cache_dir, hex);
    main_py = ps_format("%s/pip/__main__.py", found);
    if (access(main_py, R_OK) < 0) {
        rc = unpack_pip(python, cache_dir, found, cancel, err);
        if (rc < 0)
            return rc;
    }
    *dir = found;
    return PS_OK;
}

static bool says(const struct ps_tail *t, const char *text)
{
    return memmem(t->data, t->len, text, strlen(text)) != NULL;
}

/* What pip's last words mean. */
/* "... found for NAME>=1": which requirement has no wheel; NULL. */
static const char *missing_requirement(struct ps_arena *arena,
                                       const struct ps_tail *t)
{
    static const char phrase[] = "No matching distribution found for ";
    const char *at = memmem(t->data, t->len, phrase, strlen(phrase));
    struct ps_str rest;
    struct ps_str line;

    if (!at)
        return NULL;
    at += strlen(phrase);
    rest =
        (struct ps_str){ .data = at, .len = t->len - (size_t)(at - t->data) };
    (void)ps_str_cut(&rest, '\n', &line);
    return ps_arena_dup(arena, ps_str_trim(line));
}

/*
 * Why an index was passed over is in pip's own log only: on its output a
 * refused password looks like a package that does not exist.
 */
static bool index_refused(const char *log_path)
{
    static const char *const refusals[] = { "401 Client Error",
                                            "403 Client Error" };
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(PIP_LOG_MAX);
    struct ps_error ignored = PS_ERROR_INIT;

    if (ps_read_file_at(AT_FDCWD, log_path, &text, &ignored) < 0)
        return false;
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (memmem(text.data, text.len, refusals[i], strlen(refusals[i])))
            return true;
    }
    return false;
}

static int pip_failed(struct ps_arena *arena, const struct ps_fetch *f,
                      const struct ps_tail *t, const char *log_path, int status,
                      struct ps_error *err)
{
    static const struct {
        const char *says;
        int code;
        const char *hint;
    } meanings[] = {
        { "401 Client Error", PS_EAUTH,
          "the index wants other credentials: see pip's index-url and keyring "
          "settings" },
        { "403 Client Error", PS_EAUTH,
          "the index refuses these credentials: see pip's index-url and "
          "keyring settings" },
        { "SSLError", PS_EUNREACHABLE,
          "the certificate was not accepted: see pip's cert setting" },
        { "connection broken by", PS_EUNREACHABLE,
          "the index does not answer: check the network and --index-url, or "
          "use --no-index --find-links DIR" },
        { "Max retries exceeded", PS_EUNREACHABLE,
          "the index does not answer: check the network and --index-url, or "
          "use --no-index --find-links DIR" },
        { "ReadTimeoutError", PS_EUNREACHABLE,
          "the index does not answer in time: try again" },
        { "No space left on device", PS_ENOSPACE,
          "make room for the cache directory" },
        { "No matching distribution found", PS_ENOTFOUND,
          "no wheel of it fits this interpreter on the index: check its name "
          "and version, --index-url and --find-links" },
        { "ResolutionImpossible", PS_EINVALID,
          "the build requirements contradict each other" },
        { "Invalid requirement", PS_EINVALID,
          "correct [build-system] requires in pyproject.toml" },
    };
    const char *line = ps_tail_last_line(arena, t);

    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (!says(t, meanings[i].says))
            continue;
        if (meanings[i].code == PS_ENOTFOUND && index_refused(log_path)) {
            (void)ps_fail(err, PS_EAUTH, "pip download: %s", line);
            return ps_hint(err, "the index refuses these credentials, or "
                                "wants some: see pip's index-url and keyring "
                                "settings");
        }
        if (meanings[i].code == PS_ENOTFOUND && f->missing)
            *f->missing = missing_requirement(arena, t);
        (void)ps_fail(err, meanings[i].code, "pip download: %s", line);
        return ps_hint(err, "%s", meanings[i].hint);
    }
    return ps_fail(err, PS_EIO, "pip download ended with status %d: %s", status,
                   line);
}

void ps_args_add_index(struct ps_args *a, const struct ps_index *index)
{
    args_add_each(a, "--find-links", index->find_links);
    if (index->no_index)
        ps_args_add(a, "--no-index");
}

static const char *join(struct ps_arena *arena, const char *const *words)
{
    const char *all = "";

    for (size_t i = 0; words[i]; i++)
        all = ps_arena_format(arena, "%s%s%s", all, i > 0 ? " " : "", words[i]);
    return all;
}

/* Addresses may hold passwords, and arguments are for everybody to see: pip
 * gets them by variables of its own. */
const char **ps_pip_environment(struct ps_arena *arena,
                                const struct ps_index *index,
                                const char *further)
{
    const char *const *extra = index->extra_index_urls;
    bool has_extra = extra && extra[0];
    const char **env = NULL;
    size_t count = 0;
    size_t n = 0;

    while (environ[count])
        count++;
    env = ps_arena_alloc(arena, count + 4, sizeof(*env));
    for (size_t i = 0; i < count; i++) {
        struct ps_str e = ps_str_from(environ[i]);

        if ((index->index_url && ps_str_starts(e, "PIP_INDEX_URL=")) ||
            (has_extra && ps_str_starts(e, "PIP_EXTRA_INDEX_URL=")))
            continue;
        env[n++] = environ[i];
    }
    if (index->index_url)
        env[n++] = ps_arena_format(arena, "PIP_INDEX_URL=%s", index->index_url);
    if (has_extra)
        env[n++] = ps_arena_format(arena, "PIP_EXTRA_INDEX_URL=%s",
                                   join(arena, extra));
    if (further)
        env[n++] = further;
    return env;
}

int ps_pip_script(struct ps_arena *arena, const struct ps_fetch *f,
                  const struct ps_pip_script *script, struct ps_buf *answer,
                  int *status, struct ps_error *err)
{
    PS_CLEANUP(ps_args_release) struct ps_args args = { .items = NULL };
    PS_AUTO_FREE struct ps_tail *tail = ps_calloc(1, sizeof(*tail));
    struct ps_process_result result = { .exit_status = 0 };
    struct ps_process_spec spec = { .cwd = script->cwd,
                                    .input = script->input,
                                    .out = answer,
                                    .sink = ps_tail_sink,
                                    .sink_user = tail,
                                    .wall_limit_ms = script->limit_ms,
                                    .ends_with_us = true };
    const char *pip = NULL;
    int rc = ps_fetch_pip(arena, f->python, f->cache_dir, f->cancel, &pip, err);

    if (rc < 0)
        return rc;
    ps_args_add(&args, f->python->base_executable);
    ps_args_add(&args, "-I");
    ps_args_add(&args, "-S");
    ps_args_add(&args, "-c");
    ps_args_add(&args, script->code);
    ps_args_add_all(&args, script->args);
    ps_args_add_index(&args, f->index);
    ps_args_add_all(&args, f->options);
    spec.argv = args.items;
    spec.env = ps_pip_environment(
        arena, f->index, ps_arena_format(arena, "PKGSYNC_PIP=%s", pip));
    tail->next = f->log;
    tail->next_user = f->log_user;
    rc = ps_process_run(&spec, f->cancel, &result, err);
    if (rc < 0)
        return rc;
    *status = result.exit_status;
    if (result.term_signal != 0 ||
        (result.exit_status != 0 && result.exit_status != script->expected))
        return ps_fail(err, PS_EIO, "%s: %s", script->what,
                       ps_tail_last_line(arena, tail));
    return PS_OK;
}

static void pip_args(const struct ps_fetch *f, const char *pip,
                     const char *dest, const char *log_path, struct ps_args *a)
{
    static const char *const fixed[] = {
        "--only-binary", ":all:",          "--disable-pip-version-check",
        "--no-input",    "--progress-bar", "off",
        "--quiet",       "--dest",
    };

    ps_args_add(a, f->python->base_executable);
    /* Nothing of an environment gets to run here: no .pth, no sitecustomize. */
    ps_args_add(a, "-I");
    ps_args_add(a, "-S");
    ps_args_add(a, pip);
    ps_args_add(a, "download");
    for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
        ps_args_add(a, fixed[i]);
    ps_args_add(a, dest);
    ps_args_add(a, "--log");
    ps_args_add(a, log_path);
    if (f->no_deps)
        ps_args_add(a, "--no-deps");
    ps_args_add_index(a, f->index);
    ps_args_add(a, "--");
    for (size_t i = 0; f->requirements[i]; i++)
        ps_args_add(a, f->requirements[i]);
}

int ps_pip_download(struct ps_arena *arena, const struct ps_fetch *f,
                    const char *dest, struct ps_error *err)
{
    PS_AUTO_FREE struct ps_tail *tail = ps_calloc(1, sizeof(*tail));
    PS_AUTO_FREE char *program = NULL;
    /* Hidden, so that it is not taken for a wheel; goes with `dest`. */
    PS_AUTO_FREE char *log_path = ps_format("%s/.pip.log", dest);
    PS_CLEANUP(ps_args_release) struct ps_args a = { .items = NULL };
    struct ps_process_spec spec = {
        .cwd = dest,
        .sink = ps_tail_sink,
        .sink_user = tail,
        .wall_limit_ms = PIP_LIMIT_MS,
        .ends_with_us = true,
    };
    struct ps_process_result result = { .exit_status = 0 };
    const char *pip = NULL;
    int rc = ps_fetch_pip(arena, f->python, f->cache_dir, f->cancel, &pip, err);

    if (rc < 0)
        return rc;
    program = ps_format("%s/pip", pip);
    pip_args(f, program, dest, log_path, &a);
    spec.argv = a.items;
    spec.env = ps_pip_environment(arena, f->index, NULL);
    tail->next = f->log;
    tail->next_user = f->log_user;
    rc = ps_process_run(&spec, f->cancel, &result, err);
    if (rc < 0)
        return rc;
    if (result.timed_out)
        return ps_fail(err, PS_ETIMEOUT,
                       "pip download did not end within %llu "
                       "minutes",
                       (unsigned long long)(PIP_LIMIT_MS / 60000));
    if (result.exit_status != 0 || result.term_signal != 0)
        return pip_failed(arena, f, tail, log_path, result.exit_status, err);
    return PS_OK;
}
