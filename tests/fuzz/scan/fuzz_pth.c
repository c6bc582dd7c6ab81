/* .pth files and RECORD, from anybody, and the paths that come of them. */
#include <stdlib.h>
#include <string.h>

#include "metadata_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(struct ps_arena *arena, struct ps_str text)
{
    const char *path = ps_path_join(arena, "/a/b", text);

    if (path[0] != '/' || strstr(path, "//") || strstr(path, "/../") ||
        !ps_path_is_within(path, "/"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_str rest = { .data = (const char *)data, .len = size };
    struct ps_pth_line line;
    struct ps_record_line record;

    rest = ps_skip_bom(rest);
    while (ps_pth_next(&rest, &line)) {
        if (line.text.len == 0 || memchr(line.text.data, '\n', line.text.len))
            abort();
        check_path(&arena, line.text);
    }
    rest = (struct ps_str){ .data = (const char *)data, .len = size };
    while (ps_record_next(&rest, &record)) {
        if (record.path.len + record.hash.len > size)
            abort();
        check_path(&arena, record.path);
    }
    return 0;
}
