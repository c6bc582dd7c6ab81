/* Wheel file names and compatibility tags (PEP 427, 425). */
#include <stdlib.h>
#include <string.h>

#include "wheel_private.h"

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z');
}

/* Only letters, digits and what is in `also`; not empty. */
static bool is_made_of(struct ps_str s, const char *also)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_alnum(s.data[i]) &&
            (s.data[i] == '\0' || !strchr(also, s.data[i])))
            return false;
    return s.len > 0;
}

static bool is_project_name(struct ps_str s)
{
    return is_made_of(s, "._") && is_alnum(s.data[0]) &&
           is_alnum(s.data[s.len - 1]);
}

/* "py2.py3": parts between dots, none empty. */
static bool is_tag_set(struct ps_str s)
{
    struct ps_str part;
    bool more = true;

    while (more) {
        more = ps_str_cut(&s, '.', &part);
        if (!is_made_of(part, "_"))
            return false;
    }
    return true;
}

static bool is_tag(const struct ps_str parts[3])
{
    return is_tag_set(parts[0]) && is_tag_set(parts[1]) && is_tag_set(parts[2]);
}

static bool is_build_tag(struct ps_str s)
{
    return is_made_of(s, "._") && s.data[0] >= '0' && s.data[0] <= '9';
}

static int check_tag(const struct ps_wheel_name *n, struct ps_error *err)
{
    const struct ps_str parts[3] = { n->python, n->abi, n->platform };

    if (!is_tag(parts))
        return ps_fail(
            err, PS_EINVALID, "'%.*s-%.*s-%.*s' is not a compatibility tag",
            PS_STR_FMT(n->python), PS_STR_FMT(n->abi), PS_STR_FMT(n->platform));
    return PS_OK;
}

static int check_parts(const struct ps_wheel_name *n, struct ps_error *err)
{
    if (!is_project_name(n->name))
        return ps_fail(err, PS_EINVALID, "'%.*s' is not a project name",
                       PS_STR_FMT(n->name));
    if (!is_made_of(n->version, "._+!"))
        return ps_fail(err, PS_EINVALID, "'%.*s' is not a version",
                       PS_STR_FMT(n->version));
    if (n->build.len && !is_build_tag(n->build))
        return ps_fail(err, PS_EINVALID,
                       "the build tag '%.*s' does not start with a digit",
                       PS_STR_FMT(n->build));
    return check_tag(n, err);
}

static int parse_parts(struct ps_str stem, struct ps_wheel_name *out,
                       struct ps_error *err)
{
    struct ps_str parts[6];
    size_t count = 0;
    bool more = true;

    while (more && count < PS_ARRAY_SIZE(parts))
        more = ps_str_cut(&stem, '-', &parts[count++]);
    if (more || count < 5)
        return ps_fail(err, PS_EINVALID,
                       "a wheel is called "
                       "name-version[-build]-python-abi-platform.whl");
    *out = (struct ps_wheel_name){
        .name = parts[0],
        .version = parts[1],
        .python = parts[count - 3],
        .abi = parts[count - 2],
        .platform = parts[count - 1],
    };
    if (count == 6) {
        out->build = parts[2];
        if (out->build.len == 0)
            return ps_fail(err, PS_EINVALID, "the build tag is empty");
    }
    return check_parts(out, err);
}

int ps_wheel_name_parse(struct ps_str file_name, struct ps_wheel_name *out,
                        struct ps_error *err)
{
    struct ps_wheel_name name;
    struct ps_str stem;

    if (!ps_str_ends(file_name, ".whl"))
        return ps_fail(err, PS_EINVALID,
                       "wheel name '%.*s': no .whl at the end",
                       PS_STR_FMT(file_name));
    stem = ps_str_first(file_name, file_name.len - 4);
    if (parse_parts(stem, &name, err) < 0)
        return ps_context(err, "wheel name '%.*s'", PS_STR_FMT(file_name));
    *out = name;
    return PS_OK;
}

static int add_tag(struct ps_arena *arena, struct ps_wheel_tags *tags,
                   const struct ps_str part[3], struct ps_error *err)
{
    if (!tags->items)
        tags->items =
            ps_arena_alloc(arena, PS_WHEEL_TAGS_MAX, sizeof(*tags->items));
    if (tags->count == PS_WHEEL_TAGS_MAX)
        return ps_fail(err, PS_ETOOBIG, "more than %u compatibility tags",
                       PS_WHEEL_TAGS_MAX);
    tags->items[tags->count++] =
        ps_arena_format(arena, "%.*s-%.*s-%.*s", PS_STR_FMT(part[0]),
                        PS_STR_FMT(part[1]), PS_STR_FMT(part[2]));
    return PS_OK;
}

/* Every combination of what stands between the dots of the three sets. */
static int add_product(struct ps_arena *arena, struct ps_wheel_tags *tags,
                       const struct ps_str set[3], struct ps_error *err)
{
    struct ps_str rest[3] = { set[0], set[1], set[2] };
    struct ps_str part[3];
    bool more[3];

    do {
        more[0] = ps_str_cut(&rest[0], '.', &part[0]);
        rest[1] = set[1];
        do {
            more[1] = ps_str_cut(&rest[1], '.', &part[1]);
            rest[2] = set[2];
            do {
                more[2] = ps_str_cut(&rest[2], '.', &part[2]);
                if (add_tag(arena, tags, part, err) < 0)
                    return err->code;
            } while (more[2]);
        } while (more[1]);
    } while (more[0]);
    return PS_OK;
}

int ps_wheel_tags_add(struct ps_arena *arena, struct ps_wheel_tags *tags,
                      struct ps_str compressed, struct ps_error *err)
{
    struct ps_str rest = compressed;
    struct ps_str set[3];
    size_t count = 0;
    bool more = true;

    while (more && count < PS_ARRAY_SIZE(set))
        more = ps_str_cut(&rest, '-', &set[count++]);
    if (more || count != 3 || !is_tag(set))
        return ps_fail(err, PS_EINVALID, "'%.*s' is not a compatibility tag",
                       PS_STR_FMT(compressed));
    return add_product(arena, tags, set, err);
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void ps_wheel_tags_sort(struct ps_wheel_tags *tags)
{
    size_t kept = 0;

    if (tags->count == 0)
        return;
    qsort(tags->items, tags->count, sizeof(*tags->items), compare_text);
    for (size_t i = 1; i < tags->count; i++)
        if (strcmp(tags->items[i], tags->items[kept]) != 0)
            tags->items[++kept] = tags->items[i];
    tags->count = kept + 1;
}
