/* The second half of a sync: wheels, then the spec, then the files. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/buf.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "pkgsync/util.h"
#include "sync_private.h"

#define SPEC_TYPE "application/json"
#define LOCK_MAX PS_MIB(64)
#define CONDA_NAME "pkgsync"

struct sync {
    struct ps_arena *arena;
    const struct ps_sync_options *o;
    struct ps_sync_result *out;
    struct ps_problem_list problems;
    struct ps_decision *decisions; /* of the plan, without what was left out */
    const char *key;               /* of the spec in the stores */
    const char *state_dir;         /* <state>/environments/<digest> */
};

static bool is_listed(const char *const *names, const char *name)
{
    for (size_t i = 0; names && names[i]; i++) {
        if (ps_name_equal(ps_str_from(names[i]), ps_str_from(name)))
            return true;
    }
    return false;
}

/* The name that --allow-failed has for it. */
static const char *name_of(const struct sync *s, size_t item)
{
    size_t d = s->o->item_index[item];

    return d == SIZE_MAX ? ps_dist_source_name(PS_DIST_LOOSE)
                         : s->decisions[d].name;
}

/* ---- before anything is built ---- */

/* A mistake in the options is not found after an hour of building. */
static int check_options(struct sync *s, struct ps_error *err)
{
    const struct ps_sync_options *o = s->o;
    PS_AUTO_FREE char *url = NULL;
    uint64_t until_ms = 0;

    if (o->presign_s == 0)
        return PS_OK;
    if (!o->pipeline->store)
        return ps_fail(err, PS_EINVALID,
                       "there are no presigned URLs of what is not uploaded");
    return ps_store_presign_get(o->pipeline->store, "environments/-.json",
                                o->presign_s, o->pipeline->cancel, &url,
                                &until_ms, err);
}

/* A name that is misspelt would be noticed only when it is needed. */
static void check_allowed(struct sync *s)
{
    const char *const *names = s->o->allow_failed;

    for (size_t i = 0; names && names[i]; i++) {
        bool found = false;

        for (size_t k = 0; k < s->o->item_count; k++)
            found = found || ps_name_equal(ps_str_from(names[i]),
                                           ps_str_from(name_of(s, k)));
        for (size_t k = 0; k < s->o->plan->decisions.count; k++)
            found = found || (s->decisions[k].left_out &&
                              ps_name_equal(ps_str_from(names[i]),
                                            ps_str_from(s->decisions[k].name)));
        if (!found)
            ps_problem_add(
                s->arena, &s->problems,
                (struct ps_problem){
                    .message = ps_arena_format(
                        s->arena,
                        "--allow-failed '%s': nothing of this name is built",
                        names[i]) });
    }
}

/* ---- after ---- */

static bool is_critical(const char *name)
{
    const json_t *part = json_object_get(ps_levels_rules(), "critical");
    const json_t *names = json_object_get(part, "names");

    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *one = json_string_value(json_array_get(names, i));

        if (one && ps_name_equal(ps_str_from(one), ps_str_from(name)))
            return true;
    }
    return false;
}

/* As --ignore says it. */
static void warn_critical(struct sync *s, const char *name)
{
    const json_t *part = json_object_get(ps_levels_rules(), "critical");

    if (!is_critical(name))
        return;
    ps_problem_add(s->arena, &s->problems,
                   (struct ps_problem){
                       .path = name,
                       .message = ps_arena_format(
                           s->arena, "critical, and left to the cluster: %s",
                           ps_json_string_or(part, "reason", "")),
                       .serious = true });
}

static void leave_out(struct sync *s, size_t item)
{
    const struct ps_wheel_result *r = &s->out->wheels[item];
    size_t d = s->o->item_index[item];
    const char *name = name_of(s, item);

    s->out->left_out++;
    ps_problem_add(
        s->arena, &s->problems,
        (struct ps_problem){ .path = r->source,
                             .message = ps_arena_format(
                                 s->arena,
                                 "'%s' is left out: its build failed, which "
                                 "--allow-failed allows (%s)",
                                 name, r->error.text),
                             .serious = true });
    if (d == SIZE_MAX)
        return;
    warn_critical(s, name);
    s->decisions[d].level = PS_LEVEL_IGNORED;
    s->decisions[d].build = NULL;
    s->decisions[d].requirement = NULL;
    s->decisions[d].reason = "its build failed, and --allow-failed names it";
}

static int judge(struct sync *s, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf names = PS_BUF_INIT(512);
    int first = PS_OK;
    size_t failed = 0;

    for (size_t i = 0; i < s->o->item_count; i++) {
        const struct ps_wheel_result *r = &s->out->wheels[i];

        if (r->status != PS_WHEEL_FAILED)
            continue;
        if (r->error.code != PS_ECANCELED &&
            is_listed(s->o->allow_failed, name_of(s, i))) {
            leave_out(s, i);
            continue;
        }
        if (first == PS_OK)
            first = r->error.code;
        ps_buf_addf(&names, "%s%s", failed++ ? ", " : "", name_of(s, i));
    }
    if (first == PS_OK)
        return PS_OK;
    (void)ps_fail(err, first, "%zu of %zu wheels failed: %s", failed,
                  s->o->item_count, ps_buf_z(&names));
    return ps_hint(err, "mend them, or go on without one by --allow-failed "
                        "NAME; nothing was written");
}

static const struct ps_spec_wheel *spec_wheel(struct sync *s,
                                              const struct ps_wheel_result *r)
{
    static const struct ps_sha256 none;
    struct ps_spec_wheel *w = ps_arena_alloc(s->arena, 1, sizeof(*w));
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&r->key, hex);
    *w = (struct ps_spec_wheel){
        .file_name = r->file_name,
        .size = r->size,
        .sha256 = r->sha256,
        .url = r->url,
        .key = ps_sha256_equal(&r->key, &none) ? NULL
                                               : ps_arena_strdup(s->arena, hex),
    };
    return w;
}

/* Without what may be a password. */
static const char *redact(struct sync *s, const char *url)
{
    PS_AUTO_FREE char *clean = url ? ps_url_redact(url) : NULL;

    return ps_arena_strdup(s->arena, clean);
}

static const char *const *redact_all(struct sync *s, const char *const *urls)
{
    size_t count = 0;
    const char **list = NULL;

    while (urls && urls[count])
        count++;
    list = ps_arena_alloc(s->arena, count + 1, sizeof(*list));
    for (size_t i = 0; i < count; i++)
        list[i] = redact(s, urls[i]);
    return list;
}

static int make_spec(struct sync *s, struct ps_error *err)
{
    const struct ps_sync_plan *plan = s->o->plan;
    const struct ps_index *index =
        s->o->index ? s->o->index : s->o->pipeline->index;
    const struct ps_spec_wheel **wheels =
        ps_arena_alloc(s->arena, plan->decisions.count + 1, sizeof(void *));
    struct ps_decisions decisions = plan->decisions;
    struct ps_spec_parts parts = {
        .environment = &plan->environment,
        .decisions = &decisions,
        .wheels = wheels,
        .index_url = redact(s, index->index_url),
        .extra_index_urls = redact_all(s, index->extra_index_urls),
        .find_links = redact_all(s, index->find_links),
    };

    decisions.items = s->decisions;
    for (size_t i = 0; i < s->o->item_count; i++) {
        const struct ps_wheel_result *r = &s->out->wheels[i];
        size_t d = s->o->item_index[i];

        if (r->status == PS_WHEEL_FAILED)
            continue;
        if (d == SIZE_MAX) {
            parts.loose = spec_wheel(s, r);
            parts.loose_name = r->name;
            parts.loose_version = r->version;
        } else {
            wheels[d] = spec_wheel(s, r);
        }
    }
    return ps_spec_make(s->arena, &parts, &s->out->spec, err);
}

/* Into both stores, where its name is its digest. */
static int put_spec(struct sync *s, struct ps_error *err)
{
    const struct ps_pipeline_options *o = s->o->pipeline;
    struct ps_sync_result *out = s->out;
    PS_AUTO_JSON json_t *doc = ps_spec_json(&out->spec);
    PS_AUTO_FREE char *text = ps_json_canonical(doc);
    PS_AUTO_FREE char *url = NULL;
    char hex[PS_SHA256_HEX_SIZE];
    int rc = PS_OK;

    ps_sha256_hex(&out->spec.digest, hex);
    out->digest = ps_arena_strdup(s->arena, hex);
    out->document = ps_arena_strdup(s->arena, text);
    s->key = ps_arena_format(s->arena, "environments/%s.json", hex);
    s->state_dir =
        ps_arena_format(s->arena, "%s/environments/%s", o->dirs->state, hex);
    rc = ps_store_put_bytes(o->local, s->key, SPEC_TYPE, text, strlen(text),
                            o->cancel, NULL, err);
    if (rc == PS_OK && o->store && o->store != o->local)
        rc = ps_store_put_bytes(o->store, s->key, SPEC_TYPE, text, strlen(text),
                                o->cancel, NULL, err);
    if (rc < 0)
        return ps_context(err, "keep the spec");
    out->path = ps_arena_format(s->arena, "%s/store/%s", o->dirs->data, s->key);
    url = ps_store_object_url(o->store ? o->store : o->local, s->key);
    out->url = ps_arena_strdup(s->arena, url);
    return PS_OK;
}

/* ---- files ---- */

static int presign(struct sync *s, const char **urls, struct ps_error *err)
{
    const struct ps_pipeline_options *o = s->o->pipeline;
    const struct ps_spec *spec = &s->out->spec;

    s->out->presigned_until_ms = UINT64_MAX;
    for (size_t i = 0; i < spec->count; i++) {
        const struct ps_spec_wheel *w = spec->packages[i].wheel;
        PS_AUTO_FREE char *key =
            w ? ps_store_wheel_key(&w->sha256, w->file_name) : NULL;
        PS_AUTO_FREE char *url = NULL;
        uint64_t until_ms = 0;
        int rc = PS_OK;

        if (!w)
            continue;
        rc = ps_store_presign_get(o->store, key, s->o->presign_s, o->cancel,
                                  &url, &until_ms, err);
        if (rc < 0)
            return rc;
        urls[i] = ps_arena_strdup(s->arena, url);
        s->out->presigned_until_ms =
            PS_MIN(s->out->presigned_until_ms, until_ms);
    }
    return PS_OK;
}

/* *plain: without presigned URLs; of both, in the arena. */
static int make_requirements(struct sync *s, const char **plain,
                             struct ps_error *err)
{
    const struct ps_spec *spec = &s->out->spec;
    const char **urls =
        ps_arena_alloc(s->arena, spec->count + 1, sizeof(*urls));
    PS_AUTO_FREE char *text = ps_spec_requirements(spec, NULL);
    PS_AUTO_FREE char *signed_text = NULL;
    int rc = PS_OK;

    *plain = ps_arena_strdup(s->arena, text);
    s->out->requirements = *plain;
    if (s->o->presign_s == 0)
        return PS_OK;
    rc = presign(s, urls, err);
    if (rc < 0)
        return rc;
    signed_text = ps_spec_requirements(spec, urls);
    s->out->requirements = ps_arena_strdup(s->arena, signed_text);
    return PS_OK;
}

/* Asking the index takes time: what was found for this very spec stands. */
static const char *find_lock(struct sync *s, struct ps_error *err)
{
    const struct ps_pipeline_options *o = s->o->pipeline;
    PS_AUTO_FREE char *path = ps_format("%s/pylock.toml", s->state_dir);
    PS_AUTO_BUF struct ps_buf known = PS_BUF_INIT(LOCK_MAX);
    PS_AUTO_FREE char *text = NULL;
    struct ps_error none = PS_ERROR_INIT;

    if (o->index->keep_s > 0 &&
        ps_read_file_at(AT_FDCWD, path, &known, &none) == PS_OK)
        return ps_arena_dup(s->arena, ps_buf_str(&known));
    if (ps_sync_lock(s->arena, o, &s->out->spec, &text, err) < 0)
        return NULL;
    return ps_arena_strdup(s->arena, text);
}

/* A lock that cannot be made takes nothing from the spec. */
static const char *make_lock(struct sync *s)
{
    struct ps_error err = PS_ERROR_INIT;
    const char *text = s->o->match_exact ? find_lock(s, &err) : NULL;

    if (s->o->match_exact && !text)
        ps_problem_add(
            s->arena, &s->problems,
            (struct ps_problem){
                .path = "pylock.toml",
                .message = ps_arena_format(
                    s->arena,
                    "not written, so this environment has no lock: %s (what "
                    "was asked is asked again with --refresh)",
                    err.text),
                .serious = true });
    return text;
}

/* What another environment left there would be taken for this one's. */
static void remove_stale(struct sync *s, const char *name)
{
    const char *path =
        ps_arena_format(s->arena, "%s/%s", s->o->output_dir, name);
    struct ps_error err = PS_ERROR_INIT;
    bool removed = false;
    int rc = ps_sync_remove(path, &removed, &err);

    if (rc == PS_OK && !removed)
        return;
    ps_problem_add(
        s->arena, &s->problems,
        (struct ps_problem){
            .path = path,
            .message = rc < 0 ? ps_arena_format(
                                    s->arena,
                                    "it is of another environment, and is not "
                                    "removed: %s",
                                    err.text)
                              : "removed: it was written for another "
                                "environment, and this one has none",
            .serious = rc < 0 });
}

static int write_files(struct sync *s, struct ps_error *err)
{
    PS_AUTO_JSON json_t *doc = ps_spec_json(&s->out->spec);
    PS_AUTO_FREE char *pretty = ps_json_pretty(doc);
    PS_AUTO_FREE char *yaml =
        s->o->plan->environment.is_conda
            ? ps_spec_conda_yaml(&s->out->spec, CONDA_NAME)
            : NULL;
    struct ps_sync_file files[] = {
        { .name = "environment.json", .text = pretty },
        { .name = "requirements.txt" },
        { .name = "pylock.toml", .text = make_lock(s) },
        { .name = "environment.yml", .text = yaml },
    };
    size_t count = PS_ARRAY_SIZE(files);
    int rc = make_requirements(s, &files[1].text, err);

    if (rc == PS_OK)
        rc = ps_sync_write(s->arena, s->state_dir, files, count, &s->out->files,
                           err);
    if (rc < 0 || !s->o->output_dir)
        return rc;
    /* Who has a presigned URL needs no other right. */
    files[1].text = s->out->requirements;
    files[1].is_secret = s->o->presign_s > 0;
    rc = ps_sync_write(s->arena, s->o->output_dir, files, count, &s->out->files,
                       err);
    for (size_t i = 0; rc == PS_OK && i < count; i++) {
        if (!files[i].text)
            remove_stale(s, files[i].name);
    }
    return rc;
}

int ps_sync_run(struct ps_arena *arena, const struct ps_sync_options *options,
                struct ps_sync_result *out, struct ps_error *err)
{
    const struct ps_decisions *decisions = &options->plan->decisions;
    struct sync s = { .arena = arena, .o = options, .out = out };
    int rc = PS_OK;

    *out = (struct ps_sync_result){ .left_out = 0 };
    s.decisions =
        ps_arena_alloc(arena, decisions->count + 1, sizeof(*s.decisions));
    if (decisions->count > 0)
        memcpy(s.decisions, decisions->items,
               decisions->count * sizeof(*s.decisions));
    rc = check_options(&s, err);
    if (rc < 0)
        return rc;
    check_allowed(&s);
    out->wheels =
        ps_arena_alloc(arena, options->item_count + 1, sizeof(*out->wheels));
    rc = ps_sync_wheels(arena, options->pipeline, options->items,
                        options->item_count, out->wheels, err);
    if (rc == PS_OK)
        rc = judge(&s, err);
    if (rc == PS_OK)
        rc = ps_cancel_check(options->pipeline->cancel, err);
    if (rc == PS_OK)
        rc = make_spec(&s, err);
    if (rc == PS_OK)
        rc = put_spec(&s, err);
    if (rc == PS_OK)
        rc = write_files(&s, err);
    out->problems = s.problems.items;
    out->problem_count = s.problems.count;
    return rc;
}
