/*
 * The index settings in uv's own configuration file.
 *
 * TOML is read by the interpreter, outside the sandbox: the file is the
 * person's.  The answer is kept by the file's digest, for the person only, so
 * that an unchanged file costs one small read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/fetch.h"
#include "pkgsync/mem.h"
#include "pkgsync/process.h"

#define UV_TOML_MAX ((size_t)1024 * 1024)

extern const char ps_uv_settings_py[];

static char *cache_path(const char *cache_dir, const char *file,
                        struct ps_str text)
{
    PS_AUTO_FREE char *head =
        ps_format("%s\n%s\n%s\n", PKGSYNC_VERSION, ps_uv_settings_py, file);
    struct ps_sha256_ctx ctx;
    struct ps_sha256 digest;
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_init(&ctx);
    ps_sha256_update(&ctx, head, strlen(head));
    ps_sha256_update(&ctx, text.data, text.len);
    ps_sha256_final(&ctx, &digest);
    ps_sha256_hex(&digest, hex);
    return ps_format("%s/uv/%.32s.json", cache_dir, hex);
}

static int read_answer(struct ps_arena *arena, struct ps_str text,
                       struct ps_index *out, struct ps_error *err)
{
    PS_AUTO_JSON json_t *answer = NULL;
    int rc = ps_json_parse(text, "the interpreter's answer", &answer, err);

    if (rc < 0)
        return rc;
    out->index_url =
        ps_arena_strdup(arena, ps_json_string_or(answer, "index_url", NULL));
    out->extra_index_urls =
        ps_json_to_strings(arena, json_object_get(answer, "extra_index_urls"));
    out->find_links =
        ps_json_to_strings(arena, json_object_get(answer, "find_links"));
    out->no_index = json_is_true(json_object_get(answer, "no_index"));
    return PS_OK;
}

static int ask(const struct ps_python *python, const char *file,
               struct ps_buf *answer, struct ps_error *err)
{
    const char *const argv[] = {
        python->base_executable, "-I", "-S", "-c", ps_uv_settings_py, file,
        python->pip_wheel,       NULL
    };

    return ps_process_output(argv, NULL, NULL, answer, err);
}

/* A link to it is fine: people keep such files elsewhere. */
static int read_file(const char *file, struct ps_buf *text,
                     struct ps_error *err)
{
    PS_AUTO_FD int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    int rc = 0;

    if (fd < 0 || fstat(fd, &st) < 0)
        return ps_fail_errno(err, errno, "open '%s'", file);
    if (!S_ISREG(st.st_mode))
        return ps_fail(err, PS_EINVALID, "'%s' is not a regular file", file);
    rc = ps_read_all(fd, text, err);
    return rc < 0 ? ps_context(err, "read '%s'", file) : PS_OK;
}

int ps_uv_settings_read(struct ps_arena *arena, const char *file,
                        const struct ps_python *python, const char *cache_dir,
                        struct ps_index *out, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(UV_TOML_MAX);
    PS_AUTO_BUF struct ps_buf answer = PS_BUF_INIT(UV_TOML_MAX);
    PS_AUTO_FREE char *kept = NULL;
    PS_AUTO_FREE char *dir = ps_format("%s/uv", cache_dir);
    struct ps_error ignored = PS_ERROR_INIT;
    int rc = read_file(file, &text, err);

    if (rc < 0)
        return rc;
    kept = cache_path(cache_dir, file, ps_buf_str(&text));
    if (ps_read_file_at(AT_FDCWD, kept, &answer, &ignored) == PS_OK &&
        read_answer(arena, ps_buf_str(&answer), out, &ignored) == PS_OK)
        return PS_OK;

    ps_buf_clear(&answer);
    rc = ask(python, file, &answer, err);
    if (rc == PS_OK)
        rc = read_answer(arena, ps_buf_str(&answer), out, err);
    if (rc < 0)
        return ps_context(err, "read uv's settings in '%s'", file);
    /* Not being able to keep it costs time, nothing else. */
    if (ps_mkdirs(dir, 0700, &ignored) == PS_OK)
        (void)!ps_write_file_at(AT_FDCWD, kept, answer.data, answer.len, 0600,
                                &ignored);
    return PS_OK;
}
