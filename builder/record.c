/* The build record.  The field names are those of in-toto and SLSA. */
#include "pkgsync/record.h"

#include <string.h>

#include "pkgsync/clock.h"
#include "pkgsync/mem.h"

/* Jansson gives -1 for what cannot happen with values of our own. */
static void set(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value);
}

static void set_text(json_t *object, const char *key, const char *value)
{
    if (value && value[0])
        set(object, key, ps_json_string(value));
}

static json_t *digest_set(const char *algorithm, const struct ps_sha256 *digest)
{
    char hex[PS_SHA256_HEX_SIZE];
    json_t *set_of_one = json_object();

    ps_sha256_hex(digest, hex);
    set_text(set_of_one, algorithm, hex);
    return set_of_one;
}

static json_t *subject(const struct ps_build_record *r)
{
    json_t *wheel = json_object();
    json_t *annotations = json_object();
    json_t *list = json_array();

    set_text(wheel, "name", r->wheel_name);
    set(wheel, "digest", digest_set("sha256", &r->wheel_sha256));
    set(annotations, "size", json_integer((json_int_t)r->wheel_size));
    set(wheel, "annotations", annotations);
    (void)json_array_append_new(list, wheel);
    return list;
}

static json_t *external_parameters(const struct ps_build_record *r)
{
    json_t *source = json_object();
    json_t *python = json_object();
    json_t *all = json_object();

    set_text(source, "kind", r->source_kind);
    set_text(source, "uri", r->source_url);
    set_text(source, "subdirectory", r->subdirectory);
    set_text(python, "implementation", r->python_implementation);
    set_text(python, "version", r->python_version);
    set_text(python, "abi", r->python_abi);
    set_text(python, "platform", r->python_platform);
    set(all, "source", source);
    set(all, "python", python);
    set(all, "configSettings",
        r->config_settings ? json_deep_copy(r->config_settings)
                           : json_object());
    return all;
}

/* Takes over `sandbox`. */
static json_t *internal_parameters(const struct ps_build_record *r,
                                   json_t *sandbox)
{
    char key[PS_SHA256_HEX_SIZE];
    json_t *weakened = json_array();
    json_t *all = json_object();

    ps_sha256_hex(&r->build_key, key);
    set_text(all, "buildKey", key);
    set_text(all, "requestKey", r->request_key);
    set(all, "sandbox", sandbox);
    for (const char *const *w = r->weakened; w && *w; w++)
        (void)json_array_append_new(weakened, ps_json_string(*w));
    set(all, "weakened", weakened);
    set(all, "network", json_boolean(r->network));
    return all;
}

static json_t *resolved_dependencies(const struct ps_build_record *r)
{
    json_t *list = json_array();
    json_t *source = json_object();
    /* Our digest of a tree is no hash of bytes that anyone could fetch, so it
     * does not go under a name that says so. */
    json_t *digest = digest_set("pkgsyncTree", &r->source_digest);

    set_text(digest, "gitCommit", r->source_commit);
    set_text(source, "name", "source");
    set_text(source, "uri", r->source_url);
    set(source, "digest", digest);
    (void)json_array_append_new(list, source);

    for (size_t i = 0; i < r->requirement_count; i++) {
        json_t *one = json_object();

        set_text(one, "name", r->requirements[i].file_name);
        set(one, "digest", digest_set("sha256", &r->requirements[i].sha256));
        (void)json_array_append_new(list, one);
    }
    return list;
}

static json_t *run_details(const struct ps_build_record *r)
{
    PS_AUTO_FREE char *invocation = NULL;
    char key[PS_SHA256_HEX_SIZE];
    char started[PS_RFC3339_SIZE];
    char finished[PS_RFC3339_SIZE];
    json_t *version = json_object();
    json_t *builder = json_object();
    json_t *metadata = json_object();
    json_t *all = json_object();

    ps_rfc3339(r->started_s, started);
    ps_rfc3339(r->finished_s, finished);
    ps_sha256_hex(&r->build_key, key);
    invocation = r->invocation_id ? ps_strdup(r->invocation_id)
                                  : ps_format("%s/%s", key, started);
    set_text(version, "pkgsync", r->builder_version);
    set_text(builder, "id", PS_RECORD_BUILDER_ID);
    set(builder, "version", version);
    set_text(metadata, "invocationId", invocation);
    set_text(metadata, "startedOn", started);
    set_text(metadata, "finishedOn", finished);
    set(all, "builder", builder);
    set(all, "metadata", metadata);
    return all;
}

/* "scheme://user:password@host": a record is published. */
static bool has_password(const char *url)
{
    const char *authority = url ? strstr(url, "://") : NULL;
    const char *at = NULL;
    const char *colon = NULL;
    size_t len = 0;

    if (!authority)
        return false;
    authority += 3;
    len = strcspn(authority, "/?#");
    at = memrchr(authority, '@', len);
    colon = at ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
    return colon != NULL;
}

int ps_build_record_json(const struct ps_build_record *record, char **out,
                         struct ps_error *err)
{
    PS_AUTO_JSON json_t *statement = NULL;
    json_t *sandbox = NULL;
    json_t *definition = NULL;
    json_t *predicate = NULL;

    if (has_password(record->source_url))
        return ps_fail(err, PS_EINVALID,
                       "build record: the source's url holds a password");
    if (record->config_settings && !json_is_object(record->config_settings))
        return ps_fail(err, PS_EINVALID,
                       "build record: config settings are not an object");
    if (ps_json_parse(ps_str_from(record->sandbox), "sandbox strength",
                      &sandbox, err) < 0)
        return ps_context(err, "build record");
    if (!json_is_object(sandbox)) {
        json_decref(sandbox);
        return ps_fail(err, PS_EINVALID,
                       "build record: sandbox strength is not an object");
    }

    definition = json_object();
    set_text(definition, "buildType", PS_RECORD_BUILD_TYPE);
    set(definition, "externalParameters", external_parameters(record));
    set(definition, "internalParameters", internal_parameters(record, sandbox));
    set(definition, "resolvedDependencies", resolved_dependencies(record));
    predicate = json_object();
    set(predicate, "buildDefinition", definition);
    set(predicate, "runDetails", run_details(record));

    statement = json_object();
    set_text(statement, "_type", "https://in-toto.io/Statement/v1");
    set(statement, "subject", subject(record));
    set_text(statement, "predicateType", "https://slsa.dev/provenance/v1");
    set(statement, "predicate", predicate);
    *out = ps_json_canonical(statement);
    return PS_OK;
}
