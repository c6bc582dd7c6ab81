/* Cluster-only extras: requirements of things that need not be installed. */
#include <string.h>

#include "levels_asked.h"
#include "levels_private.h"
#include "pkgsync/name.h"

static bool is_pinned(const struct ps_requirement *r)
{
    for (size_t i = 0; i < r->specifiers.count; i++) {
        const struct ps_specifier *s = &r->specifiers.items[i];

        if (s->op == PS_OP_ARBITRARY || (s->op == PS_OP_EQ && !s->wildcard))
            return true;
    }
    return false;
}

/* The path of a file URL, percent-decoded; NULL.  It is written down as the
 * installers do, so that one parser knows what such a URL means. */
static const char *file_path(struct ps_arena *arena, struct ps_str url)
{
    PS_AUTO_FREE char *z = ps_str_dup(url);
    PS_AUTO_JSON json_t *value =
        json_pack("{s:o,s:{}}", "url", ps_json_string(z), "archive_info");
    PS_AUTO_FREE char *text = ps_json_canonical(value);
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_direct_url d;

    if (ps_direct_url_parse(arena, ps_str_from(text), &d, &ignored) < 0)
        return NULL;
    return d.path;
}

/* What comes by URL is fetched or built here, where the credentials are, and
 * pinned by its hash, as everything else that no index has. */
static int take_url(struct ps_arena *arena, struct ps_str url,
                    struct ps_decision *out, struct ps_error *err)
{
    bool is_remote = ps_str_starts(url, "git+") ||
                     ps_str_starts(url, "https://") ||
                     ps_str_starts(url, "http://");

    out->level = PS_LEVEL_BUILD;
    out->requirement = NULL;
    if (is_remote)
        out->build = ps_arena_dup(arena, url);
    else if (ps_str_starts(url, "file:///"))
        out->build = file_path(arena, url);
    if (out->build)
        return PS_OK;
    return ps_fail(err, PS_EINVALID,
                   "'%s' cannot be fetched: only 'git+', 'https://', "
                   "'http://' and 'file:///' can",
                   ps_url_shown(arena, ps_arena_dup(arena, url)));
}

int ps_extra_decide(struct ps_arena *arena, const char *text,
                    const struct ps_environment *environment,
                    struct ps_decision *out, struct ps_error *err)
{
    struct ps_marker_env target = environment->site->markers;
    struct ps_requirement r;
    const struct ps_dist *dist = NULL;
    bool holds = true;

    if (ps_requirement_parse(arena, ps_str_from(text), &r, err) < 0)
        return ps_context(err, "'--extra %s'", ps_url_shown(arena, text));
    *out = (struct ps_decision){
        .name = ps_arena_dup(arena, r.name),
        .version = "",
        .level = is_pinned(&r) ? PS_LEVEL_EXACT : PS_LEVEL_COMPATIBLE,
        .requirement = ps_requirement_string(arena, &r),
        .reason = "asked for on the cluster with --extra",
    };
    dist = ps_environment_find(environment, out->name);
    if (dist)
        out->reason = ps_arena_format(
            arena, "asked for with --extra in place of the installed %s",
            dist->version);
    ps_linux_markers(&target);
    if (ps_marker_holds(r.marker, &target, NULL, &holds, err) < 0)
        return ps_context(err, "'--extra %s'", ps_url_shown(arena, text));
    if (!holds) {
        out->level = PS_LEVEL_IGNORED;
        out->requirement = NULL;
        out->reason = "asked for with --extra, but its marker does not hold "
                      "on the cluster";
        return PS_OK;
    }
    if (r.url.len > 0 && take_url(arena, r.url, out, err) < 0)
        return ps_context(err, "'--extra %s'", ps_url_shown(arena, text));
    return PS_OK;
}
