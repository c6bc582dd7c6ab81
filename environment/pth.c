/* .pth files, RECORD lines, and paths by text. */
#include <string.h>

#include "metadata_private.h"

bool ps_pth_next(struct ps_str *rest, struct ps_pth_line *line)
{
    struct ps_str text;

    while (ps_line_next(rest, &text)) {
        if (text.len == 0 || text.data[0] == '#' || ps_str_trim(text).len == 0)
            continue;
        line->is_import =
            ps_str_starts(text, "import ") || ps_str_starts(text, "import\t");
        /* Blanks count at the beginning, not at the end. */
        while (text.len > 0 && strchr(" \t\f\v", text.data[text.len - 1]) &&
               text.data[text.len - 1] != '\0')
            text.len--;
        line->text = text;
        return true;
    }
    return false;
}

bool ps_record_next(struct ps_str *rest, struct ps_record_line *line)
{
    struct ps_str text;

    while (ps_line_next(rest, &text)) {
        if (text.len == 0)
            continue;
        if (text.data[0] == '"') {
            /* Quotes within a name are doubled; such names are not wanted. */
            text = ps_str_skip(text, 1);
            (void)ps_str_cut(&text, '"', &line->path);
            text = ps_str_skip(text, 1);
        } else {
            (void)ps_str_cut(&text, ',', &line->path);
        }
        (void)ps_str_cut(&text, ',', &line->hash);
        return true;
    }
    return false;
}

/* Append the parts of `path` to the absolute path in `out`. */
static size_t add_parts(char *out, size_t len, struct ps_str path)
{
    bool more = path.len > 0;

    while (more) {
        struct ps_str part;

        more = ps_str_cut(&path, '/', &part);
        if (part.len == 0 || ps_str_is(part, "."))
            continue;
        if (ps_str_is(part, "..")) {
            while (len > 0 && out[len - 1] != '/')
                len--;
            len -= len > 0;
            continue;
        }
        out[len++] = '/';
        memcpy(out + len, part.data, part.len);
        len += part.len;
    }
    return len;
}

char *ps_path_join(struct ps_arena *arena, const char *dir, struct ps_str path)
{
    size_t dir_len = strlen(dir);
    char *out = ps_arena_alloc(arena, dir_len + path.len + 3, 1);
    size_t len = 0;

    if (path.len == 0 || path.data[0] != '/')
        len = add_parts(out, 0, (struct ps_str){ .data = dir, .len = dir_len });
    len = add_parts(out, len, path);
    if (len == 0)
        out[len++] = '/';
    out[len] = '\0';
    return out;
}

bool ps_path_is_within(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    while (len > 0 && dir[len - 1] == '/')
        len--;
    return strncmp(path, dir, len) == 0 &&
           (path[len] == '\0' || path[len] == '/');
}
