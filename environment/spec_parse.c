/*
 * environment.json, read.
 *
 * In this order: is it JSON, is its schema one that we know, is it as it was
 * written (digest), is it well-formed, does it hold what every spec holds
 * (ps_spec_check()).  Members that we do not know are left alone, so that
 * schema 1 can get new ones; they are part of the digest.
 */
#include <string.h>

#include "pkgsync/util.h"
#include "spec_private.h"

static int check_schema(const json_t *o, struct ps_error *err)
{
    const char *by = ps_json_string_or(o, "created_by", "a newer pkgsync");
    uint64_t schema = 0;

    if (!json_is_object(o) || !json_object_get(o, "schema") ||
        !json_object_get(o, "packages"))
        return ps_fail(err, PS_EINVALID, "that is no environment spec");
    if (ps_json_get_u64(o, "schema", &schema, err) < 0)
        return err->code;
    if (schema > PS_SPEC_SCHEMA)
        return ps_fail(err, PS_EUNSUPPORTED,
                       "its schema is %llu and this is pkgsync %s, which "
                       "reads up to %d; it was created by %.64s: install that "
                       "version or a later one",
                       (unsigned long long)schema, PKGSYNC_VERSION,
                       PS_SPEC_SCHEMA,
                       ps_spec_text_is_clean(by) ? by : "a newer pkgsync");
    if (schema < 1)
        return ps_fail(err, PS_EINVALID, "its schema cannot be 0");
    return PS_OK;
}

static int check_digest(json_t *o, struct ps_sha256 *out, struct ps_error *err)
{
    const char *hex = NULL;
    struct ps_sha256 actual;
    char actual_hex[PS_SHA256_HEX_SIZE];
    char said_hex[PS_SHA256_HEX_SIZE];

    if (ps_json_get_string(o, "digest", &hex, err) < 0)
        return err->code;
    if (ps_sha256_parse(ps_str_from(hex), out, err) < 0)
        return ps_context(err, "'digest'");
    if (ps_json_has_real(o))
        return ps_fail(err, PS_EINVALID,
                       "it has a number with a fraction, which no spec has");
    (void)json_object_del(o, "digest"); /* and `hex` with it */
    actual = ps_json_digest(o);
    ps_sha256_hex(&actual, actual_hex);
    if (ps_sha256_equal(out, &actual))
        return PS_OK;
    ps_sha256_hex(out, said_hex);
    return ps_fail(err, PS_EINTEGRITY,
                   "it was edited or damaged: it says its digest is %s, and "
                   "it is %s; run 'pkgsync sync' again",
                   said_hex, actual_hex);
}

/* Stored under its digest, it must be that one. */
static int check_name(const char *name, const struct ps_sha256 *digest,
                      struct ps_error *err)
{
    const char *slash = strrchr(name, '/');
    struct ps_str last = ps_str_from(slash ? slash + 1 : name);
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_sha256 expected;
    char hex[PS_SHA256_HEX_SIZE];

    if (!ps_str_ends(last, ".json"))
        return PS_OK;
    last.len -= strlen(".json");
    if (ps_sha256_parse(last, &expected, &ignored) < 0 ||
        ps_sha256_equal(&expected, digest))
        return PS_OK;
    ps_sha256_hex(digest, hex);
    return ps_fail(err, PS_EINTEGRITY,
                   "it is stored as %.*s and is another spec, %s",
                   PS_STR_FMT(last), hex);
}

/* A member that is a string, or NULL for null and for none. */
static int get_optional(struct ps_arena *arena, const json_t *o,
                        const char *key, const char **out, struct ps_error *err)
{
    const json_t *value = json_object_get(o, key);

    *out = NULL;
    if (!value || json_is_null(value))
        return PS_OK;
    if (!json_is_string(value))
        return ps_fail(err, PS_EINVALID, "'%s' must be a string or null", key);
    *out = ps_arena_strdup(arena, json_string_value(value));
    return PS_OK;
}

static int get_string(struct ps_arena *arena, const json_t *o, const char *key,
                      const char **out, struct ps_error *err)
{
    const char *z = NULL;

    if (ps_json_get_string(o, key, &z, err) < 0)
        return err->code;
    *out = ps_arena_strdup(arena, z);
    return PS_OK;
}

static int get_list(struct ps_arena *arena, const json_t *o, const char *key,
                    const char *const **out, struct ps_error *err)
{
    const json_t *list = json_object_get(o, key);
    const json_t *item = NULL;
    size_t i = 0;

    if (list && !json_is_null(list) && !json_is_array(list))
        return ps_fail(err, PS_EINVALID, "'%s' must be a list", key);
    json_array_foreach(list, i, item)
    {
        if (!json_is_string(item))
            return ps_fail(err, PS_EINVALID, "'%s' must hold strings", key);
    }
    *out = ps_json_to_strings(arena, list);
    return PS_OK;
}

static int get_object(const json_t *o, const char *key, const json_t **out,
                      struct ps_error *err)
{
    *out = json_object_get(o, key);
    if (!json_is_object(*out))
        return ps_fail(err, PS_EINVALID, "'%s' must be an object", key);
    return PS_OK;
}

static int read_head(struct ps_arena *arena, const json_t *o,
                     struct ps_spec *out, struct ps_error *err)
{
    const json_t *python = NULL;
    const json_t *indexes = NULL;

    if (get_string(arena, o, "created_by", &out->created_by, err) < 0 ||
        get_object(o, "python", &python, err) < 0 ||
        get_object(o, "indexes", &indexes, err) < 0)
        return err->code;
    if (get_string(arena, python, "implementation", &out->implementation, err) <
            0 ||
        get_string(arena, python, "version", &out->version, err) < 0 ||
        get_string(arena, python, "abi", &out->abi, err) < 0 ||
        get_string(arena, python, "platform", &out->platform, err) < 0)
        return ps_context(err, "python");
    if (get_optional(arena, indexes, "index_url", &out->index_url, err) < 0 ||
        get_list(arena, indexes, "extra_index_urls", &out->extra_index_urls,
                 err) < 0 ||
        get_list(arena, indexes, "find_links", &out->find_links, err) < 0)
        return ps_context(err, "indexes");
    return PS_OK;
}

static int read_level(const json_t *o, enum ps_level *out, struct ps_error *err)
{
    static const enum ps_level levels[] = {
        PS_LEVEL_CRITICAL, PS_LEVEL_COMPATIBLE, PS_LEVEL_EXACT,
        PS_LEVEL_IGNORED,  PS_LEVEL_BUILD,
    };
    const char *name = NULL;

    if (ps_json_get_string(o, "level", &name, err) < 0)
        return err->code;
    for (size_t i = 0; i < PS_ARRAY_SIZE(levels); i++)
        if (strcmp(ps_level_name(levels[i]), name) == 0) {
            *out = levels[i];
            return PS_OK;
        }
    return ps_fail(err, PS_EINVALID, "unknown level '%.64s'", name);
}

static int read_source(struct ps_arena *arena, const json_t *o,
                       struct ps_spec_package *out, struct ps_error *err)
{
    const json_t *source = NULL;
    const json_t *editable = NULL;

    if (get_object(o, "source", &source, err) < 0)
        return err->code;
    editable = json_object_get(source, "editable");
    if (editable && !json_is_boolean(editable))
        return ps_fail(err, PS_EINVALID, "'editable' must be true or false");
    out->editable = json_is_true(editable);
    if (get_string(arena, source, "kind", &out->source_kind, err) < 0 ||
        get_optional(arena, source, "url", &out->source_url, err) < 0 ||
        get_optional(arena, source, "commit", &out->commit, err) < 0 ||
        get_optional(arena, source, "subdirectory", &out->subdirectory, err) <
            0)
        return ps_context(err, "source");
    return PS_OK;
}

static int read_conda(struct ps_arena *arena, const json_t *o,
                      struct ps_conda *out, struct ps_error *err)
{
    const json_t *conda = json_object_get(o, "conda");

    if (!conda || json_is_null(conda))
        return PS_OK;
    if (get_object(o, "conda", &conda, err) < 0)
        return err->code;
    if (get_string(arena, conda, "name", &out->name, err) < 0 ||
        get_string(arena, conda, "version", &out->version, err) < 0 ||
        get_optional(arena, conda, "build", &out->build, err) < 0 ||
        get_optional(arena, conda, "channel", &out->channel, err) < 0 ||
        get_optional(arena, conda, "subdir", &out->subdir, err) < 0)
        return ps_context(err, "conda");
    return PS_OK;
}

static int read_wheel(struct ps_arena *arena, const json_t *o,
                      struct ps_spec_package *out, struct ps_error *err)
{
    const json_t *wheel = json_object_get(o, "wheel");
    struct ps_spec_wheel *w = NULL;
    const char *hex = NULL;

    if (!wheel || json_is_null(wheel))
        return PS_OK;
    if (get_object(o, "wheel", &wheel, err) < 0)
        return err->code;
    w = ps_arena_alloc(arena, 1, sizeof(*w));
    if (get_string(arena, wheel, "filename", &w->file_name, err) < 0 ||
        ps_json_get_u64(wheel, "size", &w->size, err) < 0 ||
        get_string(arena, wheel, "url", &w->url, err) < 0 ||
        get_optional(arena, wheel, "key", &w->key, err) < 0 ||
        ps_json_get_string(wheel, "sha256", &hex, err) < 0 ||
        ps_sha256_parse(ps_str_from(hex), &w->sha256, err) < 0)
        return ps_context(err, "wheel");
    out->wheel = w;
    return PS_OK;
}

static int read_package(struct ps_arena *arena, const json_t *o,
                        struct ps_spec_package *out, struct ps_error *err)
{
    if (get_string(arena, o, "name", &out->name, err) < 0)
        return err->code;
    if (!ps_spec_text_is_clean(out->name))
        return ps_fail(err, PS_EINVALID, "its name is not printable");
    if (get_string(arena, o, "version", &out->version, err) < 0 ||
        get_string(arena, o, "reason", &out->reason, err) < 0 ||
        get_optional(arena, o, "requirement", &out->requirement, err) < 0 ||
        read_level(o, &out->level, err) < 0 ||
        read_source(arena, o, out, err) < 0 ||
        read_conda(arena, o, &out->conda, err) < 0 ||
        read_wheel(arena, o, out, err) < 0)
        return ps_context(err, "'%.64s'", out->name);
    return PS_OK;
}

static int read_packages(struct ps_arena *arena, const json_t *o,
                         struct ps_spec *out, struct ps_error *err)
{
    const json_t *list = json_object_get(o, "packages");
    size_t count = json_array_size(list);
    struct ps_spec_package *packages = NULL;

    if (!json_is_array(list))
        return ps_fail(err, PS_EINVALID, "'packages' must be a list");
    if (count > PS_SPEC_MAX_PACKAGES)
        return ps_fail(err, PS_ETOOBIG, "more than %d packages",
                       PS_SPEC_MAX_PACKAGES);
    packages = ps_arena_alloc(arena, count, sizeof(*packages));
    for (size_t i = 0; i < count; i++)
        if (read_package(arena, json_array_get(list, i), &packages[i], err) < 0)
            return ps_context(err, "package %zu", i + 1);
    out->packages = packages;
    out->count = count;
    return PS_OK;
}

int ps_spec_parse(struct ps_arena *arena, struct ps_str text, const char *name,
                  struct ps_spec *out, struct ps_error *err)
{
    PS_AUTO_JSON json_t *o = NULL;
    struct ps_spec spec = { .created_by = "" };

    if (text.len > PS_SPEC_MAX_BYTES)
        return ps_fail(err, PS_ETOOBIG,
                       "'%s' has more than %llu bytes, which no environment "
                       "spec has",
                       name, (unsigned long long)PS_SPEC_MAX_BYTES);
    if (ps_json_parse(text, name, &o, err) < 0)
        return ps_context(err, "no environment spec");
    if (check_schema(o, err) < 0 || check_digest(o, &spec.digest, err) < 0 ||
        check_name(name, &spec.digest, err) < 0 ||
        read_head(arena, o, &spec, err) < 0 ||
        read_packages(arena, o, &spec, err) < 0 ||
        ps_spec_check(&spec, err) < 0)
        return ps_context(err, "environment spec '%s'", name);
    *out = spec;
    return PS_OK;
}
