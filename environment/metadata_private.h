/*
 * The texts inside an installed distribution, as bytes that anybody may have
 * written.  Pure functions; any thread.
 */
#ifndef PKGSYNC_METADATA_PRIVATE_H
#define PKGSYNC_METADATA_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "pkgsync/arena.h"
#include "pkgsync/str.h"

/* ---- METADATA, PKG-INFO ---- */

struct ps_metadata {
    const char *name;    /* NULL when absent; first of several */
    const char *version; /* the same */
    const char *requires_python;
    const char *const *requires;       /* NULL-terminated */
    const char *const *provides_extra; /* NULL-terminated */
    bool cut; /* neither a blank line nor a newline at its end */
};

/* Where the blank line begins that ends the header; text.len when there is
 * none.  `from` skips what an earlier call has looked at. */
size_t ps_metadata_end(struct ps_str text, size_t from);

/*
 * The header of a core metadata file: any case, LF, CRLF or CR, a byte order
 * mark, folded lines; what is no header line is passed over, and what follows
 * the first blank line is not looked at.
 */
void ps_metadata_parse(struct ps_arena *arena, struct ps_str text,
                       struct ps_metadata *out);

/* What setuptools wrote to requires.txt, as Requires-Dist and Provides-Extra
 * would say it. */
void ps_requires_txt_parse(struct ps_arena *arena, struct ps_str text,
                           struct ps_metadata *out);

/* ---- lines ---- */

/* The next line, ended by LF, CRLF, CR or the text; false at the end. */
bool ps_line_next(struct ps_str *rest, struct ps_str *line);

/* ---- .pth ---- */

struct ps_pth_line {
    bool is_import; /* would be executed; never is */
    struct ps_str text;
};

/* The next line that the interpreter would look at; false at the end.  The
 * caller skips a byte order mark. */
bool ps_pth_next(struct ps_str *rest, struct ps_pth_line *line);

struct ps_str ps_skip_bom(struct ps_str text);

/* ---- RECORD ---- */

struct ps_record_line {
    struct ps_str path; /* as written, without quotes */
    struct ps_str hash; /* "sha256=..."; empty */
};

bool ps_record_next(struct ps_str *rest, struct ps_record_line *line);

/* ---- paths ---- */

/* `path`, taken from `dir` unless absolute, without "." and ".." and repeated
 * or trailing slashes; by text alone, as os.path.abspath().  In the arena. */
char *ps_path_join(struct ps_arena *arena, const char *dir, struct ps_str path);

/* Whether `path` is `dir` or lies below it, by text. */
bool ps_path_is_within(const char *path, const char *dir);

#endif
