/*
 * Keys and job specs.
 *
 * The request key says what was asked for: the source's digest, the
 * interpreter, the settings, the isolation.  It can be computed without
 * starting anything, and the queue runs one job for each.  The build key adds
 * the requirements as they were resolved, and names the build record.
 */
#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "pipeline_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"

#define KEY_SCHEMA 1

/* Compilers end up in wheels: which ones, without starting them. */
static json_t *compiler_identity(void)
{
    static const char *const names[] = { "cc", "c++" };
    json_t *out = json_object();

    for (size_t i = 0; i < 2; i++) {
        PS_AUTO_FREE char *found = ps_find_program(names[i], "/usr/bin");
        PS_AUTO_FREE char *real = found ? realpath(found, NULL) : NULL;
        struct stat st;

        if (real && stat(real, &st) == 0)
            json_object_set_new(out, names[i],
                                json_pack("{s:s, s:I, s:I}", "path", real,
                                          "size", (json_int_t)st.st_size,
                                          "mtime",
                                          (json_int_t)st.st_mtim.tv_sec));
    }
    json_object_set_new(out, "libc", json_string(gnu_get_libc_version()));
    return out;
}

static json_t *hex_json(const struct ps_sha256 *digest)
{
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(digest, hex);
    return json_string(hex);
}

/*
 * Layers of isolation that are missing and were waived.  How the others are
 * done (which Landlock, which fallback) is in the build record: it is another
 * on another machine, and makes no other wheel.
 */
static json_t *weakened_layers(struct ps_runner *runner)
{
    struct ps_error ignored = PS_ERROR_INIT;
    PS_AUTO_JSON json_t *strength = NULL;
    json_t *list = NULL;

    if (ps_json_parse(ps_str_from(runner->strength(runner)), "the sandbox",
                      &strength, &ignored) < 0)
        return json_array();
    list = json_object_get(strength, "weakened");
    return list ? json_incref(list) : json_array();
}

static json_t *request_json(const struct ps_work *w)
{
    const struct ps_pipeline_options *o = w->p->o;
    json_t *key = json_pack(
        "{s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o}",
        "schema", KEY_SCHEMA, "builder", PKGSYNC_VERSION, "domain", "default",
        "source", hex_json(&w->resolved.digest), "subdirectory",
        ps_json_string(w->source.subdirectory), "python",
        ps_python_identity(o->python), "compilers", compiler_identity(),
        "index", ps_index_identity(o->index), "build_requires",
        ps_json_from_strings(o->build_requires), "env",
        ps_json_from_strings(o->env), "network", o->network, "weakened",
        weakened_layers(o->runner));

    json_object_set_new(key, "config_settings",
                        o->config_settings ? json_deep_copy(o->config_settings)
                                           : json_object());
    return key;
}

struct ps_sha256 ps_work_key(const struct ps_work *w)
{
    PS_AUTO_JSON json_t *key = request_json(w);

    return ps_json_digest(key);
}

struct ps_sha256 ps_work_build_key(const struct ps_work *w,
                                   const struct ps_prepared *prepared)
{
    PS_AUTO_JSON json_t *key = request_json(w);

    /* Where they came from no longer matters: these bytes do. */
    json_object_del(key, "index");
    json_object_del(key, "build_requires");
    json_object_set_new(key, "requirements",
                        ps_wheel_set_json(&prepared->wheels));
    json_object_set_new(key, "toolchain", ps_json_string(prepared->toolchain));
    return ps_json_digest(key);
}

char *ps_work_spec(const struct ps_work *w)
{
    const struct ps_pipeline_options *o = w->p->o;
    PS_AUTO_JSON json_t *spec = json_pack(
        "{s:i, s:s, s:o, s:s, s:s, s:o, s:o, s:o, s:b, s:o}", "schema", 1,
        "kind", "wheel", "source", ps_source_json(&w->source), "cwd", o->cwd,
        "python", o->python->executable, "index", ps_index_identity(o->index),
        "build_requires", ps_json_from_strings(o->build_requires), "env",
        ps_json_from_strings(o->env), "network", o->network, "config_settings",
        o->config_settings ? json_deep_copy(o->config_settings)
                           : json_object());

    json_object_set_new(spec, "include", ps_json_from_strings(o->include));
    json_object_set_new(spec, "exclude", ps_json_from_strings(o->exclude));
    return ps_json_canonical(spec);
}
