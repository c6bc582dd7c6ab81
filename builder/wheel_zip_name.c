/* Names of zip members: safe to unpack anywhere, and apart from each other. */
#include <stdlib.h>
#include <string.h>

#include "wheel_private.h"

#define COMPONENT_MAX 255u

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int check_characters(struct ps_str name, struct ps_error *err)
{
    if (name.len == 0)
        return ps_fail(err, PS_EINVALID, "its name is empty");
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];

        if (c < 0x20 || c == 0x7f)
            return ps_fail(err, PS_EINVALID,
                           "its name holds the control character 0x%02x", c);
        if (c == '\\')
            return ps_fail(err, PS_EINVALID, "its name holds a backslash");
    }
    if (ps_utf8_valid_prefix(name) != name.len)
        return ps_fail(err, PS_EINVALID, "its name is not UTF-8");
    return PS_OK;
}

static int check_path(struct ps_str name, struct ps_error *err)
{
    struct ps_str rest = name;
    struct ps_str part;
    bool more = true;

    if (name.data[0] == '/')
        return ps_fail(err, PS_EINVALID, "its name is absolute");
    if (name.len > 1 && name.data[1] == ':' && is_letter(name.data[0]))
        return ps_fail(err, PS_EINVALID, "its name starts with a drive");

    /* One '/' at the end is how a directory is written. */
    if (ps_str_ends(rest, "/"))
        rest = ps_str_first(rest, rest.len - 1);
    while (more) {
        more = ps_str_cut(&rest, '/', &part);
        if (part.len == 0)
            return ps_fail(err, PS_EINVALID, "its name has an empty part");
        if (ps_str_is(part, ".") || ps_str_is(part, ".."))
            return ps_fail(err, PS_EINVALID, "its name has the part '%.*s'",
                           PS_STR_FMT(part));
        if (part.len > COMPONENT_MAX)
            return ps_fail(err, PS_EINVALID,
                           "its name has a part of more than %u bytes",
                           COMPONENT_MAX);
    }
    return PS_OK;
}

int ps_zip_check_name(struct ps_str name, struct ps_error *err)
{
    if (check_characters(name, err) < 0)
        return err->code;
    if (check_path(name, err) < 0) /* it may be shown now */
        return ps_context(err, "'%.*s'", PS_STR_FMT(name));
    return PS_OK;
}

static struct ps_str without_slash(struct ps_str s)
{
    return ps_str_ends(s, "/") ? ps_str_first(s, s.len - 1) : s;
}

/* Names hold no control characters, so '/' can come before all others. */
static int rank(char c)
{
    return c == '/' ? 1 : (unsigned char)ps_ascii_lower(c);
}

int ps_zip_name_compare(struct ps_str a, struct ps_str b)
{
    struct ps_str x = without_slash(a);
    struct ps_str y = without_slash(b);
    size_t n = PS_MIN(x.len, y.len);

    for (size_t i = 0; i < n; i++) {
        int difference = rank(x.data[i]) - rank(y.data[i]);

        if (difference)
            return difference;
    }
    return (x.len > y.len) - (x.len < y.len);
}

static int compare_members(const void *a, const void *b)
{
    const struct ps_zip_member *const *x = a;
    const struct ps_zip_member *const *y = b;

    return ps_zip_name_compare((*x)->name, (*y)->name);
}

/* Is the member `b` below the file `a`, in any case? */
static bool is_below_file(const struct ps_zip_member *a,
                          const struct ps_zip_member *b)
{
    return !a->is_dir && b->name.len > a->name.len &&
           b->name.data[a->name.len] == '/' &&
           ps_zip_name_compare(ps_str_first(b->name, a->name.len), a->name) ==
               0;
}

/* Two neighbours in the order of names. */
static int check_neighbours(const struct ps_zip_member *a,
                            const struct ps_zip_member *b, struct ps_error *err)
{
    if (ps_zip_name_compare(a->name, b->name) == 0)
        return ps_fail(err, PS_EINVALID, "duplicate members '%.*s' and '%.*s'",
                       PS_STR_FMT(a->name), PS_STR_FMT(b->name));
    if (is_below_file(a, b))
        return ps_fail(err, PS_EINVALID,
                       "member '%.*s' lies below the file '%.*s'",
                       PS_STR_FMT(b->name), PS_STR_FMT(a->name));
    return PS_OK;
}

int ps_zip_check_collisions(struct ps_arena *arena, struct ps_zip *zip,
                            struct ps_error *err)
{
    struct ps_zip_member **sorted =
        ps_arena_alloc(arena, zip->count + 1, sizeof(struct ps_zip_member *));

    for (size_t i = 0; i < zip->count; i++)
        sorted[i] = &zip->members[i];
    if (zip->count > 0)
        qsort(sorted, zip->count, sizeof(struct ps_zip_member *),
              compare_members);
    for (size_t i = 1; i < zip->count; i++)
        if (check_neighbours(sorted[i - 1], sorted[i], err) < 0)
            return err->code;
    zip->by_name = sorted;
    return PS_OK;
}

struct ps_zip_member *ps_zip_find(const struct ps_zip *zip, struct ps_str name)
{
    size_t low = 0;
    size_t high = zip->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct ps_zip_member *m = zip->by_name[middle];
        int order = ps_zip_name_compare(name, m->name);

        if (order == 0)
            return ps_str_equal(name, m->name) ? m : NULL;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
