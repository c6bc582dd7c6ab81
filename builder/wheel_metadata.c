/* METADATA and WHEEL: blocks of RFC 822-like headers (PEP 566, 427). */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "pkgsync/buf.h"
#include "pkgsync/mem.h"
#include "wheel_private.h"

struct lines {
    struct ps_str rest;
    uint64_t number; /* of the line taken last */
};

/* The next line without its end.  False when there is none. */
static bool take_line(struct lines *l, struct ps_str *line)
{
    size_t n = 0;

    if (l->rest.len == 0)
        return false;
    while (n < l->rest.len && l->rest.data[n] != '\n' &&
           l->rest.data[n] != '\r')
        n++;
    *line = ps_str_first(l->rest, n);
    l->rest = ps_str_skip(l->rest, n);
    if (ps_str_starts(l->rest, "\r\n"))
        l->rest = ps_str_skip(l->rest, 2);
    else
        l->rest = ps_str_skip(l->rest, 1);
    l->number++;
    return true;
}

static bool is_continued(const struct lines *l)
{
    return l->rest.len > 0 &&
           (l->rest.data[0] == ' ' || l->rest.data[0] == '\t');
}

static bool is_header_name(struct ps_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < 33 || s.data[i] > 126)
            return false;
    return s.len > 0;
}

/* One header with its continuation lines, of which `line` is the first. */
static int take_header(struct ps_arena *arena, struct lines *l,
                       struct ps_str line, struct ps_header *out,
                       struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf folded = PS_BUF_INIT(PS_WHEEL_METADATA_MAX);
    uint64_t first = l->number;
    struct ps_str value = line;
    bool colon = ps_str_cut(&value, ':', &out->name);

    if (!colon || !is_header_name(out->name))
        return ps_fail(err, PS_EINVALID, "line %" PRIu64 " is not a header",
                       first);
    if (is_continued(l)) {
        ps_buf_add(&folded, value.data, value.len);
        while (is_continued(l) && take_line(l, &line))
            ps_buf_add(&folded, line.data, line.len);
        if (ps_buf_check(&folded, "a header", err) < 0)
            return err->code;
        value.data = ps_arena_dup(arena, ps_buf_str(&folded));
        value.len = folded.len;
    }
    /* Values become C strings. */
    if (value.len && memchr(value.data, '\0', value.len))
        return ps_fail(err, PS_EINVALID,
                       "the header in line %" PRIu64 " holds a NUL", first);
    out->value = ps_str_trim(value);
    return PS_OK;
}

int ps_headers_parse(struct ps_arena *arena, struct ps_str text,
                     struct ps_headers *out, struct ps_error *err)
{
    PS_AUTO_FREE struct ps_header *items = NULL;
    struct lines l = { .rest = text };
    struct ps_header *copy = NULL;
    struct ps_str line;
    size_t count = 0;
    size_t room = 0;

    if (ps_str_starts(l.rest, "\xef\xbb\xbf"))
        l.rest = ps_str_skip(l.rest, 3);
    while (take_line(&l, &line) && line.len > 0) {
        if (count == PS_WHEEL_HEADERS_MAX)
            return ps_fail(err, PS_ETOOBIG, "more than %u headers",
                           PS_WHEEL_HEADERS_MAX);
        if (count == room) {
            room = room ? 2 * room : 64;
            items = ps_realloc(items, room, sizeof(*items));
        }
        if (take_header(arena, &l, line, &items[count], err) < 0)
            return err->code;
        count++;
    }
    copy = ps_arena_alloc(arena, count + 1, sizeof(*copy));
    if (count)
        memcpy(copy, items, count * sizeof(*copy));
    *out = (struct ps_headers){ .items = copy, .count = count };
    return PS_OK;
}

static bool is_named(const struct ps_header *h, const char *name)
{
    return h->name.len == strlen(name) &&
           strncasecmp(h->name.data, name, h->name.len) == 0;
}

/* How often it is there; the first value goes to *out. */
static size_t count_headers(const struct ps_headers *h, const char *name,
                            struct ps_str *out)
{
    size_t count = 0;

    for (size_t i = 0; i < h->count; i++)
        if (is_named(&h->items[i], name) && count++ == 0)
            *out = h->items[i].value;
    return count;
}

int ps_headers_one(const struct ps_headers *h, const char *name,
                   struct ps_str *out, struct ps_error *err)
{
    size_t count = count_headers(h, name, out);

    if (count == 0)
        return ps_fail(err, PS_EINVALID, "no %s", name);
    if (count > 1)
        return ps_fail(err, PS_EINVALID, "%s is there %zu times", name, count);
    if (out->len == 0)
        return ps_fail(err, PS_EINVALID, "%s is empty", name);
    return PS_OK;
}

int ps_wheel_metadata_parse(struct ps_arena *arena, struct ps_str text,
                            struct ps_wheel_metadata *out, struct ps_error *err)
{
    struct ps_headers h = { 0 };
    struct ps_str version = { 0 };
    struct ps_wheel_metadata m = { 0 };

    if (ps_headers_parse(arena, text, &h, err) < 0 ||
        ps_headers_one(&h, "Metadata-Version", &version, err) < 0 ||
        ps_headers_one(&h, "Name", &m.name, err) < 0 ||
        ps_headers_one(&h, "Version", &m.version, err) < 0)
        return err->code;
    if (!ps_str_starts(version, "1.") && !ps_str_starts(version, "2."))
        return ps_fail(err, PS_EINVALID,
                       "Metadata-Version '%.*s' is not 1.x or 2.x",
                       PS_STR_FMT(version));
    if (count_headers(&h, "Requires-Python", &m.requires_python) > 1)
        return ps_fail(err, PS_EINVALID, "Requires-Python is there twice");
    *out = m;
    return PS_OK;
}

static bool is_word(struct ps_str s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.data, word, s.len) == 0;
}

static int read_tags(struct ps_arena *arena, const struct ps_headers *h,
                     struct ps_wheel_tags *tags, struct ps_error *err)
{
    for (size_t i = 0; i < h->count; i++)
        if (is_named(&h->items[i], "Tag") &&
            ps_wheel_tags_add(arena, tags, h->items[i].value, err) < 0)
            return err->code;
    if (tags->count == 0)
        return ps_fail(err, PS_EINVALID, "no Tag");
    ps_wheel_tags_sort(tags);
    return PS_OK;
}

int ps_wheel_file_parse(struct ps_arena *arena, struct ps_str text,
                        struct ps_wheel_file *out, struct ps_error *err)
{
    struct ps_headers h = { 0 };
    struct ps_str version = { 0 };
    struct ps_str pure = { 0 };
    struct ps_wheel_file w = { 0 };

    if (ps_headers_parse(arena, text, &h, err) < 0 ||
        ps_headers_one(&h, "Wheel-Version", &version, err) < 0 ||
        ps_headers_one(&h, "Root-Is-Purelib", &pure, err) < 0)
        return err->code;
    if (!ps_str_starts(version, "1."))
        return ps_fail(err, PS_EINVALID, "Wheel-Version '%.*s' is not 1.x",
                       PS_STR_FMT(version));
    w.pure = is_word(pure, "true");
    if (!w.pure && !is_word(pure, "false"))
        return ps_fail(err, PS_EINVALID,
                       "Root-Is-Purelib is '%.*s', not true or false",
                       PS_STR_FMT(pure));
    if (count_headers(&h, "Build", &w.build) > 1)
        return ps_fail(err, PS_EINVALID, "Build is there twice");
    if (read_tags(arena, &h, &w.tags, err) < 0)
        return err->code;
    *out = w;
    return PS_OK;
}
