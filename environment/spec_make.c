/* A spec from what a scan, its decisions and the builds gave. */
#include <stdlib.h>
#include <string.h>

#include "pkgsync/name.h"
#include "spec_private.h"

#define CREATED_BY "pkgsync " PKGSYNC_VERSION

static const char *or_empty(const char *z)
{
    return z ? z : "";
}

static bool is_commit(const char *z)
{
    size_t len = z ? strlen(z) : 0;

    return (len == 40 || len == 64) &&
           strspn(z, "0123456789abcdefABCDEF") == len;
}

static const char *source_url(struct ps_arena *arena,
                              const struct ps_dist *dist)
{
    if (dist->direct.url)
        return ps_spec_clean_text(
            arena, ps_spec_url_without_secret(arena, dist->direct.url));
    return dist->project ? ps_spec_file_url(arena, dist->project) : NULL;
}

static void fill_source(struct ps_arena *arena, const struct ps_dist *dist,
                        struct ps_spec_package *out)
{
    out->source_kind = ps_dist_source_name(dist->source);
    if (dist->source == PS_DIST_CONDA) {
        out->conda = dist->conda;
        if (!out->conda.name)
            out->conda.name = dist->name;
        if (!out->conda.version)
            out->conda.version = dist->version;
        return;
    }
    if (dist->source == PS_DIST_INDEX)
        return;
    out->source_url = source_url(arena, dist);
    out->subdirectory = ps_spec_clean_text(arena, dist->direct.subdirectory);
    out->commit = is_commit(dist->direct.commit) ? dist->direct.commit : NULL;
    out->editable = dist->source == PS_DIST_EDITABLE;
}

/* What was asked for by URL has no distribution that would say so. */
static void fill_extra(struct ps_arena *arena, const struct ps_decision *d,
                       struct ps_spec_package *out)
{
    out->source_kind = "extra";
    if (!d->build)
        return;
    out->source_url = d->build[0] == '/'
                          ? ps_spec_file_url(arena, d->build)
                          : ps_spec_url_without_secret(arena, d->build);
}

static int take_wheel(struct ps_arena *arena, const struct ps_spec_wheel *wheel,
                      struct ps_spec_package *out, struct ps_error *err)
{
    struct ps_spec_wheel *copy = NULL;
    const char *name = NULL;

    if (!wheel)
        return ps_fail(err, PS_EINVALID,
                       "'%s' is to be built and there is no wheel of it",
                       out->name);
    if (ps_spec_wheel_name(arena, wheel->file_name, &name, &out->version, err) <
        0)
        return ps_context(err, "the wheel of '%s'", out->name);
    copy = ps_arena_alloc(arena, 1, sizeof(*copy));
    *copy = *wheel;
    copy->url = ps_spec_url_without_secret(arena, wheel->url);
    out->wheel = copy;
    out->requirement = NULL;
    return PS_OK;
}

static int make_package(struct ps_arena *arena, const struct ps_decision *d,
                        const struct ps_spec_wheel *wheel,
                        struct ps_spec_package *out, struct ps_error *err)
{
    *out = (struct ps_spec_package){
        .name = d->name,
        .version = ps_spec_clean_text(arena, or_empty(d->version)),
        .level = d->level,
        .requirement = d->requirement,
        .reason = ps_spec_clean_text(arena, or_empty(d->reason)),
    };
    if (d->dist)
        fill_source(arena, d->dist, out);
    else
        fill_extra(arena, d, out);
    if (d->level == PS_LEVEL_BUILD)
        return take_wheel(arena, wheel, out, err);
    if (d->level == PS_LEVEL_IGNORED)
        out->requirement = NULL;
    else if (!d->requirement)
        return ps_fail(err, PS_EINVALID, "'%s' cannot be had: %s", d->name,
                       d->warning ? d->warning : or_empty(d->reason));
    return PS_OK;
}

static int make_loose(struct ps_arena *arena, const struct ps_spec_parts *parts,
                      struct ps_spec_package *out, struct ps_error *err)
{
    *out = (struct ps_spec_package){
        .name = parts->loose_name,
        .version = or_empty(parts->loose_version),
        .level = PS_LEVEL_BUILD,
        .reason = "modules that no distribution owns",
        .source_kind = ps_dist_source_name(PS_DIST_LOOSE),
    };
    return take_wheel(arena, parts->loose, out, err);
}

static int by_name(const void *a, const void *b)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const struct ps_spec_package *x = a;
    const struct ps_spec_package *y = b;

    return strcmp(ps_normalize_name(&arena, ps_str_from(x->name)),
                  ps_normalize_name(&arena, ps_str_from(y->name)));
}

static const char *const *clean_urls(struct ps_arena *arena,
                                     const char *const *urls)
{
    size_t n = 0;
    const char **out = NULL;

    while (urls && urls[n])
        n++;
    out = ps_arena_alloc(arena, n + 1, sizeof(*out));
    for (size_t i = 0; i < n; i++)
        out[i] = ps_spec_url_without_secret(arena, urls[i]);
    return out;
}

/* A name that nothing can ask for is of no use in a list of what is left
 * out. */
static bool is_nameless(const struct ps_decision *d)
{
    return d->level == PS_LEVEL_IGNORED && !d->conda &&
           !ps_name_is_valid(ps_str_from(d->name));
}

static int make_packages(struct ps_arena *arena,
                         const struct ps_spec_parts *parts, struct ps_spec *out,
                         struct ps_error *err)
{
    const struct ps_decisions *decisions = parts->decisions;
    struct ps_spec_package *packages =
        ps_arena_alloc(arena, decisions->count + 1, sizeof(*packages));

    out->packages = packages;
    for (size_t i = 0; i < decisions->count; i++) {
        const struct ps_spec_wheel *wheel =
            parts->wheels ? parts->wheels[i] : NULL;

        if (is_nameless(&decisions->items[i]))
            continue;
        if (make_package(arena, &decisions->items[i], wheel,
                         &packages[out->count], err) < 0)
            return err->code;
        out->count++;
    }
    if (parts->loose &&
        make_loose(arena, parts, &packages[out->count++], err) < 0)
        return err->code;
    qsort(packages, out->count, sizeof(*packages), by_name);
    return PS_OK;
}

int ps_spec_make(struct ps_arena *arena, const struct ps_spec_parts *parts,
                 struct ps_spec *out, struct ps_error *err)
{
    const struct ps_site *site = parts->environment->site;
    struct ps_spec spec = {
        .created_by = CREATED_BY,
        .implementation = or_empty(site->implementation),
        .version = or_empty(site->version),
        .abi = or_empty(site->abi),
        .platform = or_empty(site->platform),
        .index_url = ps_spec_url_without_secret(arena, parts->index_url),
        .extra_index_urls = clean_urls(arena, parts->extra_index_urls),
        .find_links = clean_urls(arena, parts->find_links),
    };
    PS_AUTO_JSON json_t *json = NULL;

    if (make_packages(arena, parts, &spec, err) < 0 ||
        ps_spec_check(&spec, err) < 0)
        return ps_context(err, "environment spec");
    json = ps_spec_json(&spec);
    if (ps_sha256_parse(ps_str_from(ps_json_string_or(json, "digest", "")),
                        &spec.digest, err) < 0)
        return err->code;
    *out = spec;
    return PS_OK;
}
