/*
 * Requirements files, as pip reads them: what of their lines has to be built.
 * https://pip.pypa.io/en/stable/reference/requirements-file-format/
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static int read_file(struct ps_reader *r, struct ps_error *err);

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

/* ---- options ---- */

/* "https://host/a/b.txt" and "c.txt" or "/c.txt", as a browser has it. */
static const char *join_url(struct ps_arena *arena, const char *base,
                            struct ps_str name)
{
    size_t authority = (size_t)(strstr(base, "://") + 3 - base);
    size_t host = authority + strcspn(base + authority, "/?#");
    size_t end = strcspn(base, "?#");

    if (name.data[0] == '/')
        end = host;
    while (end > host && base[end - 1] != '/')
        end--;
    return ps_arena_format(arena, "%.*s%s%.*s", (int)end, base,
                           end == host && name.data[0] != '/' ? "/" : "",
                           PS_STR_FMT(name));
}

static int read_other(struct ps_reader *r, struct ps_str name, bool constraints,
                      struct ps_error *err)
{
    struct ps_arena *arena = r->c->arena;
    struct ps_reader other = { .c = r->c,
                               .parent = r,
                               .depth = r->depth + 1,
                               .constraints = r->constraints || constraints };

    if (ps_is_address(name) || name.data[0] == '/')
        other.path = ps_arena_dup(arena, name);
    else
        other.path =
            ps_arena_format(arena, "%s/%.*s", r->dir, PS_STR_FMT(name));
    /* Who wrote a page does not name files of this machine. */
    if (r->url && !ps_is_address(name))
        other.path = join_url(arena, r->url, name);
    return read_file(&other, err);
}

enum option {
    OPTION_EDITABLE,
    OPTION_FILE,
    OPTION_CONSTRAINT,
    OPTION_INDEX,
    OPTION_EXTRA_INDEX,
    OPTION_LINKS,
    OPTION_PIP, /* for pip, with its value */
    OPTION_NO_INDEX,
    OPTION_PIP_FLAG,
    OPTION_HASHES,
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
    { "--no-binary", OPTION_PIP },
    { "--only-binary", OPTION_PIP },
    { "--prefer-binary", OPTION_PIP_FLAG },
    { "--require-hashes", OPTION_HASHES },
    { "--pre", OPTION_PIP_FLAG },
    { "--trusted-host", OPTION_PIP },
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

static int take_option(struct ps_reader *r, struct ps_str line,
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
        return ps_add_editable(r, value, err);
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
                     ps_is_address(value) ? ps_arena_dup(c->arena, value)
                                          : ps_local_source(r, value));
        break;
    case OPTION_PIP:
        ps_words_add(c->arena, &c->pip_options, row->name);
        ps_words_add(c->arena, &c->pip_options, ps_arena_dup(c->arena, value));
        break;
    case OPTION_PIP_FLAG:
        ps_words_add(c->arena, &c->pip_options, row->name);
        break;
    case OPTION_HASHES:
        c->require_hashes = true;
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

static int take_line(struct ps_reader *r, struct ps_str line,
                     struct ps_error *err)
{
    const char *text = expand(r->c->arena, ps_str_trim(line));
    struct ps_str expanded = ps_str_from(text);
    int rc = PS_OK;

    if (expanded.len == 0)
        return PS_OK;
    rc = text[0] == '-' ? take_option(r, expanded, err)
                        : ps_add_line(r, expanded, err);
    /* Another file has said its own name and line. */
    return rc < 0 && !strstr(err->text, ": line ")
               ? ps_context(err, "'%s': line %u", r->path, r->line)
               : rc;
}

/* Lines, with those that a backslash continues. */
static int take_lines(struct ps_reader *r, struct ps_str text,
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

static int check_circle(const struct ps_reader *r, struct ps_error *err)
{
    for (const struct ps_reader *p = r->parent; p; p = p->parent) {
        if (strcmp(p->path, r->path) == 0)
            return ps_fail(err, PS_EINVALID, "'%s' names itself by -r",
                           r->path);
    }
    if (r->depth > DEPTH_MAX)
        return ps_fail(err, PS_EINVALID, "'%s': -r goes more than %d deep",
                       r->path, DEPTH_MAX);
    return PS_OK;
}

/* Into *text; r->path and r->dir become what they are for. */
static int fetch_file(struct ps_reader *r, struct ps_buf *text,
                      struct ps_error *err)
{
    PS_AUTO_FREE char *shown = ps_url_redact(r->path);
    PS_AUTO_FD int fd = memfd_create("requirements", MFD_CLOEXEC);
    int rc = PS_OK;

    r->url = r->path;
    r->path = ps_arena_strdup(r->c->arena, shown);
    r->dir = r->c->o->pipeline->cwd;
    rc = check_circle(r, err);
    if (rc < 0)
        return rc;
    if (fd < 0)
        return ps_fail_errno(err, errno, "make a memory file");
    rc = ps_location_get(r->c->o->locations, r->url, false, fd, FILE_MAX, err);
    if (rc == PS_OK && lseek(fd, 0, SEEK_SET) < 0)
        rc = ps_fail_errno(err, errno, "rewind");
    return rc == PS_OK ? ps_read_all(fd, text, err) : rc;
}

static int load_file(struct ps_reader *r, struct ps_buf *text,
                     struct ps_error *err)
{
    PS_AUTO_FREE char *real = NULL;
    char *dir = NULL;
    int rc = ps_real_path(r->path, &real, err);

    if (rc < 0)
        return rc;
    r->path = ps_arena_strdup(r->c->arena, real);
    dir = ps_arena_strdup(r->c->arena, real);
    *strrchr(dir, '/') = '\0';
    r->dir = dir;
    rc = check_circle(r, err);
    return rc < 0 ? rc : ps_read_file_at(AT_FDCWD, r->path, text, err);
}

static int read_file(struct ps_reader *r, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(FILE_MAX);
    bool is_url = ps_is_address(ps_str_from(r->path));
    struct ps_str all;
    int rc = is_url ? fetch_file(r, &text, err) : load_file(r, &text, err);

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
    struct ps_reader r = { .c = c, .path = path };

    return read_file(&r, err);
}
