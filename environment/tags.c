/* Compatibility tags as wheels write them (PEP 425). */
#include "pkgsync/tags.h"

#include <string.h>

#include "pkgsync/util.h"

#define TAGS_MAX ((size_t)65536)

/* The parts of one of the three sets, each once. */
struct set {
    struct ps_str *parts;
    size_t count;
};

static bool is_identifier(struct ps_str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];

        if (c != '_' && (c < 'a' || c > 'z') && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return s.len > 0;
}

static bool is_known(const struct set *set, struct ps_str part)
{
    for (size_t i = 0; i < set->count; i++)
        if (ps_str_equal(set->parts[i], part))
            return true;
    return false;
}

/* The number of parts is limited too: looking for doubles is quadratic. */
static int parse_set(struct ps_arena *arena, struct ps_str text,
                     struct set *out, struct ps_error *err)
{
    struct ps_str rest = text;
    size_t most = 1;
    bool more = true;

    for (size_t i = 0; i < text.len; i++)
        most += text.data[i] == '.';
    if (most > 4096)
        return ps_fail(err, PS_ETOOBIG, "a tag set of more than 4096 parts");
    out->parts = ps_arena_alloc(arena, most, sizeof(*out->parts));
    out->count = 0;
    while (more) {
        struct ps_str part;

        more = ps_str_cut(&rest, '.', &part);
        if (part.len == 0)
            return ps_fail(err, PS_EINVALID, "a part of it is empty");
        if (!is_known(out, part))
            out->parts[out->count++] = part;
    }
    return PS_OK;
}

static int parse_sets(struct ps_arena *arena, struct ps_str text,
                      struct set sets[3], struct ps_error *err)
{
    struct ps_str rest = text;
    size_t total = 1;
    size_t count = 0;
    bool more = true;

    while (more && count < 3) {
        struct ps_str part;

        more = ps_str_cut(&rest, '-', &part);
        if (parse_set(arena, part, &sets[count], err) < 0)
            return err->code;
        total *= sets[count++].count;
    }
    if (more || count < 3)
        return ps_fail(err, PS_EINVALID,
                       "it is not three parts, python-abi-platform");
    for (size_t i = 0; i < sets[0].count; i++)
        if (!is_identifier(sets[0].parts[i]))
            return ps_fail(err, PS_EINVALID, "'%.*s' names no Python",
                           PS_STR_FMT(sets[0].parts[i]));
    if (total > TAGS_MAX)
        return ps_fail(err, PS_ETOOBIG, "it stands for more than %zu tags",
                       TAGS_MAX);
    return PS_OK;
}

static struct ps_str lower(struct ps_arena *arena, struct ps_str s)
{
    return (struct ps_str){ .data = ps_arena_lower(arena, s), .len = s.len };
}

int ps_tags_parse(struct ps_arena *arena, struct ps_str text,
                  const struct ps_tag **out, size_t *count,
                  struct ps_error *err)
{
    struct set sets[3] = { 0 };
    struct ps_tag *tags = NULL;
    size_t n = 0;

    if (parse_sets(arena, lower(arena, text), sets, err) < 0)
        return ps_context(err, "compatibility tag '%.*s'", PS_STR_FMT(text));
    tags = ps_arena_alloc(arena, sets[0].count * sets[1].count * sets[2].count,
                          sizeof(*tags));
    for (size_t i = 0; i < sets[0].count; i++)
        for (size_t j = 0; j < sets[1].count; j++)
            for (size_t k = 0; k < sets[2].count; k++)
                tags[n++] = (struct ps_tag){ .python = sets[0].parts[i],
                                             .abi = sets[1].parts[j],
                                             .platform = sets[2].parts[k] };
    *out = tags;
    *count = n;
    return PS_OK;
}

static bool is_written(const struct ps_tag *tag, struct ps_str text)
{
    const struct ps_str parts[] = { tag->python, tag->abi, tag->platform };

    for (size_t i = 0; i < PS_ARRAY_SIZE(parts); i++) {
        if (i > 0) {
            if (!ps_str_starts(text, "-"))
                return false;
            text = ps_str_skip(text, 1);
        }
        if (!ps_str_equal(ps_str_first(text, parts[i].len), parts[i]))
            return false;
        text = ps_str_skip(text, parts[i].len);
    }
    return text.len == 0;
}

bool ps_tags_match(const struct ps_tag *tags, size_t count,
                   const char *const *supported)
{
    for (; *supported; supported++)
        for (size_t i = 0; i < count; i++)
            if (is_written(&tags[i], ps_str_from(*supported)))
                return true;
    return false;
}
