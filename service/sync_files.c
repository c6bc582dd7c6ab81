/* The files that a sync leaves for people and installers. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "sync_private.h"

#define MARK "# Environment "

/* What is there already need not become durable once more. */
static bool is_there(const char *path, const struct ps_sync_file *file)
{
    size_t len = strlen(file->text);
    PS_AUTO_BUF struct ps_buf had = PS_BUF_INIT(len);
    PS_AUTO_FD int fd = -1;
    struct ps_error none = PS_ERROR_INIT;
    struct stat st;

    return ps_open_regular_at(AT_FDCWD, path, &fd, &st, &none) == PS_OK &&
           (uint64_t)st.st_size == len &&
           (!file->is_secret || (st.st_mode & 0077) == 0) &&
           ps_read_all(fd, &had, &none) == PS_OK && had.len == len &&
           memcmp(had.data, file->text, len) == 0;
}

int ps_sync_write(struct ps_arena *arena, const char *dir,
                  const struct ps_sync_file *files, size_t count,
                  const char *const **written, struct ps_error *err)
{
    const char **paths = ps_arena_alloc(arena, count + 1, sizeof(*paths));
    size_t n = 0;
    int rc = ps_mkdirs(dir, 0755, err);

    for (size_t i = 0; rc == PS_OK && i < count; i++) {
        if (!files[i].text)
            continue;
        paths[n] = ps_arena_format(arena, "%s/%s", dir, files[i].name);
        if (!is_there(paths[n], &files[i]))
            rc = ps_write_file_at(AT_FDCWD, paths[n], files[i].text,
                                  strlen(files[i].text),
                                  files[i].is_secret ? 0600 : 0644, err);
        n++;
    }
    if (rc < 0)
        return ps_context(err, "write the files of the environment");
    *written = paths;
    return PS_OK;
}

/* "# Environment <64 digits>" in a line of its own. */
static bool has_mark(int fd)
{
    char head[sizeof(MARK) - 1 + PS_SHA256_HEX_SIZE];
    struct ps_error none = PS_ERROR_INIT;
    struct ps_str hex = { .data = head + sizeof(MARK) - 1,
                          .len = PS_SHA256_HEX_SIZE - 1 };
    struct ps_sha256 digest;

    return pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
           memcmp(head, MARK, sizeof(MARK) - 1) == 0 &&
           head[sizeof(head) - 1] == '\n' &&
           ps_sha256_parse(hex, &digest, &none) == PS_OK;
}

int ps_sync_remove(const char *path, bool *removed, struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;
    struct ps_error none = PS_ERROR_INIT;

    *removed = false;
    if (ps_open_regular_at(AT_FDCWD, path, &fd, NULL, &none) < 0 ||
        !has_mark(fd))
        return PS_OK;
    if (unlink(path) < 0)
        return ps_fail_errno(err, errno, "remove '%s'", path);
    *removed = true;
    return PS_OK;
}
