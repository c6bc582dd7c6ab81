/* The files that a sync leaves for people and installers. */
#include <fcntl.h>
#include <string.h>

#include "pkgsync/fd.h"
#include "sync_private.h"

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
        rc = ps_write_file_at(AT_FDCWD, paths[n++], files[i].text,
                              strlen(files[i].text),
                              files[i].is_secret ? 0600 : 0644, err);
    }
    if (rc < 0)
        return ps_context(err, "write the files of the environment");
    *written = paths;
    return PS_OK;
}
