/* environment.json, written. */
#include <string.h>

#include "spec_private.h"

/* A new object's members are ours alone, so adding one cannot fail but for
 * memory, which jansson and we treat alike. */
static void set(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value);
}

static void set_string(json_t *object, const char *key, const char *z)
{
    set(object, key, ps_json_string(z));
}

static json_t *python_json(const struct ps_spec *spec)
{
    json_t *o = json_object();

    set_string(o, "implementation", spec->implementation);
    set_string(o, "version", spec->version);
    set_string(o, "abi", spec->abi);
    set_string(o, "platform", spec->platform);
    return o;
}

static json_t *indexes_json(const struct ps_spec *spec)
{
    json_t *o = json_object();

    set_string(o, "index_url", spec->index_url);
    set(o, "extra_index_urls", ps_json_from_strings(spec->extra_index_urls));
    set(o, "find_links", ps_json_from_strings(spec->find_links));
    return o;
}

static json_t *source_json(const struct ps_spec_package *p)
{
    json_t *o = json_object();

    set_string(o, "kind", p->source_kind);
    set_string(o, "url", p->source_url);
    set_string(o, "commit", p->commit);
    set_string(o, "subdirectory", p->subdirectory);
    set(o, "editable", json_boolean(p->editable));
    return o;
}

static json_t *conda_json(const struct ps_conda *conda)
{
    json_t *o = NULL;

    if (!conda->name)
        return json_null();
    o = json_object();
    set_string(o, "name", conda->name);
    set_string(o, "version", conda->version);
    set_string(o, "build", conda->build);
    set_string(o, "channel", conda->channel);
    set_string(o, "subdir", conda->subdir);
    return o;
}

static json_t *wheel_json(const struct ps_spec_wheel *wheel)
{
    char hex[PS_SHA256_HEX_SIZE];
    json_t *o = NULL;

    if (!wheel)
        return json_null();
    o = json_object();
    ps_sha256_hex(&wheel->sha256, hex);
    set_string(o, "filename", wheel->file_name);
    set(o, "size", json_integer((json_int_t)wheel->size));
    set_string(o, "sha256", hex);
    set_string(o, "url", wheel->url);
    set_string(o, "key", wheel->key);
    return o;
}

static json_t *package_json(const struct ps_spec_package *p)
{
    json_t *o = json_object();

    set_string(o, "name", p->name);
    set_string(o, "version", p->version);
    set_string(o, "level", ps_level_name(p->level));
    set_string(o, "requirement", p->requirement);
    set_string(o, "reason", p->reason);
    set(o, "source", source_json(p));
    set(o, "conda", conda_json(&p->conda));
    set(o, "wheel", wheel_json(p->wheel));
    return o;
}

json_t *ps_spec_json(const struct ps_spec *spec)
{
    json_t *o = json_object();
    json_t *packages = json_array();
    struct ps_sha256 digest;
    char hex[PS_SHA256_HEX_SIZE];

    for (size_t i = 0; i < spec->count; i++)
        (void)json_array_append_new(packages, package_json(&spec->packages[i]));
    set(o, "schema", json_integer(PS_SPEC_SCHEMA));
    set_string(o, "created_by", spec->created_by);
    set(o, "python", python_json(spec));
    set(o, "indexes", indexes_json(spec));
    set(o, "packages", packages);
    digest = ps_json_digest(o);
    ps_sha256_hex(&digest, hex);
    set_string(o, "digest", hex);
    return o;
}
