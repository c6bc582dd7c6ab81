#include "pkgsync/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/buf.h"
#include "pkgsync/mem.h"

int ps_json_parse(struct ps_str text, const char *what, json_t **out,
                  struct ps_error *err)
{
    json_error_t why;
    json_t *value = json_loadb(text.data ? text.data : "", text.len,
                               JSON_REJECT_DUPLICATES, &why);

    if (!value)
        return ps_fail(err, PS_EINVALID, "%s: line %d, column %d: %s", what,
                       why.line, why.column, why.text);
    *out = value;
    return PS_OK;
}

bool ps_json_has_real(const json_t *value)
{
    const char *key = NULL;
    json_t *member = NULL;
    size_t i = 0;

    if (json_is_real(value))
        return true;
    json_array_foreach(value, i, member)
    {
        if (ps_json_has_real(member))
            return true;
    }
    json_object_foreach((json_t *)value, key, member)
    {
        if (ps_json_has_real(member))
            return true;
    }
    return false;
}

static char *dump(const json_t *value, size_t flags)
{
    char *text = json_dumps(value, flags | JSON_ENCODE_ANY);

    if (!text) {
        (void)fputs("pkgsync: cannot write JSON\n", stderr);
        abort();
    }
    return text;
}

char *ps_json_canonical(const json_t *value)
{
    if (ps_json_has_real(value)) {
        (void)fputs("pkgsync: a real number has no canonical form\n", stderr);
        abort();
    }
    return dump(value, JSON_COMPACT | JSON_SORT_KEYS);
}

struct ps_sha256 ps_json_digest(const json_t *value)
{
    PS_AUTO_FREE char *text = ps_json_canonical(value);

    return ps_sha256_of(text, strlen(text));
}

char *ps_json_pretty(const json_t *value)
{
    PS_AUTO_FREE char *text = dump(value, JSON_INDENT(2));

    return ps_format("%s\n", text);
}

json_t *ps_json_string(const char *z)
{
    PS_AUTO_BUF struct ps_buf clean = PS_BUF_INIT(SIZE_MAX / 4);
    struct ps_str rest = ps_str_from(z);

    if (!z)
        return json_null();
    while (rest.len > 0) {
        size_t good = ps_utf8_valid_prefix(rest);

        ps_buf_add(&clean, rest.data, good);
        rest = ps_str_skip(rest, good);
        if (rest.len > 0) {
            ps_buf_adds(&clean, "\xef\xbf\xbd");
            rest = ps_str_skip(rest, 1);
        }
    }
    return json_stringn(ps_buf_z(&clean), clean.len);
}

int ps_json_get_string(const json_t *object, const char *key, const char **out,
                       struct ps_error *err)
{
    const json_t *member = json_object_get(object, key);

    if (!json_is_string(member))
        return ps_fail(err, PS_EINVALID, "'%s' must be a string", key);
    *out = json_string_value(member);
    return PS_OK;
}

int ps_json_get_u64(const json_t *object, const char *key, uint64_t *out,
                    struct ps_error *err)
{
    const json_t *member = json_object_get(object, key);

    if (!json_is_integer(member) || json_integer_value(member) < 0)
        return ps_fail(err, PS_EINVALID, "'%s' must be a whole number", key);
    *out = (uint64_t)json_integer_value(member);
    return PS_OK;
}

const char *ps_json_string_or(const json_t *object, const char *key,
                              const char *otherwise)
{
    const json_t *member = json_object_get(object, key);

    return json_is_string(member) ? json_string_value(member) : otherwise;
}

const char *const *ps_json_to_strings(struct ps_arena *arena,
                                      const json_t *array)
{
    size_t count = json_array_size(array);
    const char **list = ps_arena_alloc(arena, count + 1, sizeof(*list));
    size_t n = 0;

    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(array, i);

        if (json_is_string(item))
            list[n++] = ps_arena_strdup(arena, json_string_value(item));
    }
    return list;
}

json_t *ps_json_from_strings(const char *const *list)
{
    json_t *array = json_array();

    for (size_t i = 0; list && list[i]; i++)
        json_array_append_new(array, ps_json_string(list[i]));
    return array;
}
