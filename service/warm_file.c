/*
 * Requirements files, as pip reads them: what of their lines has to be built.
 * https://pip.pypa.io/en/stable/reference/requirements-file-format/
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/buf.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/requirement.h"
#include "pkgsync/util.h"
#include "warm_private.h"

#define FILE_MAX PS_MIB(16)
#define LINE_MAX_BYTES ((size_t)64 * 1024)
#define DEPTH_MAX 16

/* A file that is being read, and those that named it. */
struct reader {
    struct ps_collect *c;
    const struct reader *parent;
    const char *path; /* links resolved */
    const char *dir;  /* of it */
    unsigned depth;
    unsigned line;
    bool constraints; /* lines say nothing of what is wanted */
};

static int read_file(struct reader *r, struct ps_error *err);

/* ---- lines ---- */

/* "${NAME}", in capitals, as pip does; what is not set stays. */
static const char *expand(struct ps_arena *arena, struct ps_str text)
{
    PS_AUTO_BUF struct ps_buf out = PS_BUF_INIT(LINE_MAX_BYTES);

    while (text.len > 0) {
        size_t len = 2;
        PS_AUTO_FREE char *name = NULL;
        const char *value = NULL;

        while (ps_str_starts(text, "${") && len < text.len &&
               ((text.data[len] >= 'A' && text.data[len] <= 'Z') ||
                (text.data[len] >= '0' && text.data[len] <= '9') ||
                text.data[len] == '_'))
            len++;
        if (len > 2 && len < text.len && text.data[len] == '}') {
            name = ps_strndup(text.data + 2, len - 2);
            value = getenv(name);
        }
        if (value) {
            ps_buf_adds(&out, value);
            text = ps_str_skip(text, len + 1);
        } else {
            ps_buf_addc(&out, text.data[0]);
            text = ps_str_skip(text, 1);
        }
    }
    return ps_arena_strdup(arena, ps_buf_z(&out));
}

/* A comment begins at the start, or after a blank. */
static struct ps_str without_comment(struct ps_str line)
{
    for (size_t i = 0; i < line.len; i++) {
        if (line.data[i] == '#' &&
            (i == 0 || line.data[i - 1] == ' ' || line.data[i - 1] == '\t'))
            return ps_str_first(line, i);
    }
    return line;
}

/* "x==1 --hash=sha256:..": what belongs to the requirement only. */
static struct ps_str without_options(struct ps_str line)
{
    for (size_t i = 0; i + 3 < line.len; i++) {
        if ((line.data[i] == ' ' || line.data[i] == '\t') &&
            line.data[i + 1] == '-' && line.data[i + 2] == '-')
            return ps_str_trim(ps_str_first(line, i));
    }
    return line;
}

/* ---- what a line asks for ---- */

static bool is_address(struct ps_str text)
{
    return memmem(text.data, text.len, "://", 3) != NULL;
}

static bool is_path(struct ps_str text)
{
    return text.data[0] == '.' || text.data[0] == '/' ||
           memchr(text.data, '/', text.len) || ps_str_ends(text, ".whl") ||
           ps_str_ends(text, ".zip") || ps_str_ends(text, ".tar.gz");
}

/* "./dir[extra]" -> "./dir"; absolute: from the working directory as pip has
 * it, else from the file's own. */
static const char *local_source(struct reader *r, struct ps_str text)
{
    struct ps_arena *arena = r->c->arena;
    struct ps_str rest = text;
    struct ps_str path = text;
    const char *full = NULL;

    if (ps_str_ends(text, "]"))
        (void)ps_str_cut_last(&rest, '[', &path);
    if (path.len > 0 && path.data[0] == '/')
        return ps_arena_dup(arena, path);
    full = ps_arena_format(arena, "%s/%.*s", r->c->o->pipeline->cwd,
                           PS_STR_FMT(path));
    if (access(full, F_OK) == 0)
        return full;
    return ps_arena_format(arena, "%s/%.*s", r->dir, PS_STR_FMT(path));
}

static void add_source(struct reader *r, struct ps_str text, struct ps_str name)
{
    const char *source = is_address(text) ? ps_arena_dup(r->c->arena, text)
                                          : local_source(r, text);

    if (r->constraints)
        return;
    ps_collect_item(
        r->c,
        (struct ps_sync_item){
            .source = source,
            .name = name.len > 0 ? ps_arena_dup(r->c->arena, name) : NULL });
}

static int add_requirement(struct reader *r, struct ps_str text,
                           struct ps_error *err)
{
    struct ps_requirement requirement;
    bool holds = true;
    int rc = ps_requirement_parse(r->c->arena, text, &requirement, err);

    if (rc == PS_OK)
        rc = ps_marker_holds(requirement.marker, &r->c->o->site->markers, NULL,
                             &holds, err);
    if (rc < 0 || !holds || r->constraints)
        return rc;
    if (requirement.url.len > 0) {
        add_source(r, requirement.url, requirement.name);
        return PS_OK;
    }
    /* The marker has been judged; what is left is for the index. */
    requirement.marker = NULL;
    ps_words_add(r->c->arena, &r->c->wanted,
                 ps_requirement_string(r->c->arena, &requirement));
    return PS_OK;
}

/* A URL or path may have a marker after " ;". */
static int add_unnamed(struct reader *r, struct ps_str text,
                       struct ps_error *err)
{
    const struct ps_marker *marker = NULL;
    const char *at = memmem(text.data, text.len, " ;", 2);
    struct ps_str none = { .len = 0 };
    bool holds = true;
    int rc = PS_OK;

    if (at) {
        size_t len = (size_t)(at - text.data);

        rc = ps_marker_parse(
            r->c->arena, ps_str_trim(ps_str_skip(text, len + 2)), &marker, err);
        text = ps_str_trim(ps_str_first(text, len));
    }
    if (rc == PS_OK)
        rc =
            ps_marker_holds(marker, &r->c->o->site->markers, NULL, &holds, err);
    if (rc == PS_OK && holds)
        add_source(r, text, none);
    return rc;
}

static int add_line(struct reader *r, struct ps_str text, struct ps_error *err)
{
    struct ps_str rest = text;
    struct ps_str head;

    text = without_options(text);
    /* "name @ URL" has a blank before its address; a URL has none. */
    rest = text;
    (void)ps_str_cut(&rest, '@', &head);
    if ((is_address(text) && is_address(head)) ||
        (!is_address(text) && is_path(text)) ||
        (is_address(text) && rest.len == 0))
        return add_unnamed(r, text, err);
    return add_requirement(r, text, err);
}

/* ---- options ---- */

static int read_other(struct reader *r, struct ps_str name, bool constraints,
                      struct ps_error *err)
{
    struct reader other = { .c = r->c,
                            .parent = r,
                            .depth = r->depth + 1,
                            .constraints = r->constraints || constraints };

    other.path =
        name.len > 0 && name.data[0] == '/'
            ? ps_arena_dup(r->c->arena, name)
            : ps_arena_format(r->c->arena, "%s/%.*s", r->dir, PS_STR_FMT(name));
    return read_file(&other, err);
}

enum option {
    OPTION_EDITABLE,
    OPTION_FILE,
    OPTION_CONSTRAINT,
    OPTION_INDEX,
    OPTION_EXTRA_INDEX,
    OPTION_LINKS,
    OPTION_NO_INDEX,
    OPTION_NOTHING, /* nothing that matters here; with or without a value */
};

static const struct option_row {
    const char *name;
    enum option is;
} option_rows[] = {
    { "-e", OPTION_EDITABLE },
    { "--editable", OPTION_EDITABLE },
    { "-r", OPTION_FILE },
    { "--requirement", OPTION_FILE },
    { "-c", OPTION_CONSTRAINT },
    { "--constraint", OPTION_CONSTRAINT },
    { "-i", OPTION_INDEX },
    { "--index-url", OPTION_INDEX },
    { "--pypi-url", OPTION_INDEX },
    { "--extra-index-url", OPTION_EXTRA_INDEX },
    { "-f", OPTION_LINKS },
    { "--find-links", OPTION_LINKS },
    { "--no-index", OPTION_NO_INDEX },
    { "--no-binary", OPTION_NOTHING },
    { "--only-binary", OPTION_NOTHING },
    { "--prefer-binary", OPTION_NOTHING },
    { "--require-hashes", OPTION_NOTHING },
    { "--pre", OPTION_NOTHING },
    { "--trusted-host", OPTION_NOTHING },
    { "--use-feature", OPTION_NOTHING },
};

/* "-e x", "-ex", "--editable=x": which option, and its value. */
static const struct option_row *find_option(struct ps_str line,
                                            struct ps_str *value)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(option_rows); i++) {
        const char *name = option_rows[i].name;
        struct ps_str rest = ps_str_skip(line, strlen(name));
        bool is_short = name[1] != '-';

        if (!ps_str_starts(line, name))
            continue;
        if (rest.len > 0 && !is_short && !strchr("= \t", rest.data[0]))
            continue;
        if (ps_str_starts(rest, "="))
            rest = ps_str_skip(rest, 1);
        *value = ps_str_trim(rest);
        return &option_rows[i];
    }
    return NULL;
}

static int take_option(struct reader *r, struct ps_str line,
                       struct ps_error *err)
{
    struct ps_collect *c = r->c;
    struct ps_str value = { .len = 0 };
    const struct option_row *row = find_option(line, &value);

    if (!row)
        return ps_fail(err, PS_EINVALID,
                       "'%.*s' is an option that is not known here",
                       PS_STR_FMT(line));
    if (value.len == 0 && row->is < OPTION_NO_INDEX)
        return ps_fail(err, PS_EINVALID, "'%s' needs a value", row->name);
    switch (row->is) {
    case OPTION_EDITABLE:
        return add_unnamed(r, value, err);
    case OPTION_FILE:
        return read_other(r, value, false, err);
    case OPTION_CONSTRAINT:
        return read_other(r, value, true, err);
    case OPTION_INDEX:
        c->index_url = ps_arena_dup(c->arena, value);
        break;
    case OPTION_EXTRA_INDEX:
        ps_words_add(c->arena, &c->extra_index_urls,
                     ps_arena_dup(c->arena, value));
        break;
    case OPTION_LINKS:
        ps_words_add(c->arena, &c->find_links,
                     is_address(value) ? ps_arena_dup(c->arena, value)
                                       : local_source(r, value));
        break;
    case OPTION_NO_INDEX:
        c->no_index = true;
        break;
    case OPTION_NOTHING:
        break;
    }
    return PS_OK;
}

/* ---- files ---- */

static int take_line(struct reader *r, struct ps_str line, struct ps_error *err)
{
    const char *text = expand(r->c->arena, ps_str_trim(line));
    struct ps_str expanded = ps_str_from(text);
    int rc = PS_OK;

    if (expanded.len == 0)
        return PS_OK;
    rc = text[0] == '-' ? take_option(r, expanded, err)
                        : add_line(r, expanded, err);
    /* Another file has said its own name and line. */
    return rc < 0 && !strstr(err->text, ": line ")
               ? ps_context(err, "'%s': line %u", r->path, r->line)
               : rc;
}

/* Lines, with those that a backslash continues. */
static int take_lines(struct reader *r, struct ps_str text,
                      struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf whole = PS_BUF_INIT(LINE_MAX_BYTES);
    bool continued = false;
    unsigned number = 0;
    int rc = PS_OK;

    while (rc == PS_OK && text.len > 0) {
        struct ps_str line;

        (void)ps_str_cut(&text, '\n', &line);
        number++;
        if (ps_str_ends(line, "\r"))
            line.len--;
        if (!continued)
            r->line = number;
        continued =
            ps_str_ends(line, "\\") && without_comment(line).len == line.len;
        if (continued)
            line.len--;
        ps_buf_add(&whole, line.data, line.len);
        if (continued && text.len > 0)
            continue;
        rc = ps_buf_check(&whole, "a line of it", err);
        if (rc == PS_OK)
            rc = take_line(r, without_comment(ps_buf_str(&whole)), err);
        ps_buf_clear(&whole);
    }
    return rc;
}

static int check_circle(const struct reader *r, struct ps_error *err)
{
    for (const struct reader *p = r->parent; p; p = p->parent) {
        if (strcmp(p->path, r->path) == 0)
            return ps_fail(err, PS_EINVALID, "'%s' names itself by -r",
                           r->path);
    }
    if (r->depth > DEPTH_MAX)
        return ps_fail(err, PS_EINVALID, "'%s': -r goes more than %d deep",
                       r->path, DEPTH_MAX);
    return PS_OK;
}

static int read_file(struct reader *r, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(FILE_MAX);
    PS_AUTO_FREE char *real = NULL;
    struct ps_str all;
    char *dir = NULL;
    int rc = ps_real_path(r->path, &real, err);

    if (rc < 0)
        return ps_context(err, "read the requirements file '%s'", r->path);
    r->path = ps_arena_strdup(r->c->arena, real);
    dir = ps_arena_strdup(r->c->arena, real);
    *strrchr(dir, '/') = '\0';
    r->dir = dir;
    rc = check_circle(r, err);
    if (rc == PS_OK)
        rc = ps_read_file_at(AT_FDCWD, r->path, &text, err);
    all = ps_buf_str(&text);
    if (rc == PS_OK && all.len > 0 && ps_utf8_valid_prefix(all) != all.len)
        rc = ps_fail(err, PS_EINVALID, "it is not UTF-8 text");
    if (rc < 0)
        return ps_context(err, "read the requirements file '%s'", r->path);
    if (ps_str_starts(all, "\xef\xbb\xbf"))
        all = ps_str_skip(all, 3);
    return take_lines(r, all, err);
}

int ps_collect_file(struct ps_collect *c, const char *path,
                    struct ps_error *err)
{
    struct reader r = { .c = c, .path = path };

    return read_file(&r, err);
}
