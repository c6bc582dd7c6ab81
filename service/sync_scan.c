/* The first half of a sync: look at an environment and decide. */
#include <stdlib.h>
#include <string.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "sync_private.h"

void ps_problem_add(struct ps_arena *arena, struct ps_problem_list *list,
                    struct ps_problem problem)
{
    if (list->count == list->room) {
        size_t room = PS_MAX(list->room * 2, (size_t)8);
        struct ps_problem *grown = ps_arena_alloc(arena, room, sizeof(*grown));

        if (list->count > 0)
            memcpy(grown, list->items, list->count * sizeof(*grown));
        list->items = grown;
        list->room = room;
    }
    list->items[list->count++] = problem;
}

static void add_all(struct ps_arena *arena, struct ps_problem_list *list,
                    const struct ps_problem *problems, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ps_problem_add(arena, list, problems[i]);
}

/* A cluster would import others than this machine does, and nobody would see
 * it. */
static int refuse(const struct ps_loose *loose, struct ps_error *err)
{
    const struct ps_problem *p = loose->refused;

    if (loose->refused_count > 1)
        (void)ps_fail(err, PS_EINVALID, "'%s' and %zu more like it: %s",
                      p->path, loose->refused_count - 1, p->message);
    else
        (void)ps_fail(err, PS_EINVALID, "'%s': %s", p->path, p->message);
    (void)ps_hint(err, "`pkgsync scan` lists all of them; --no-loose leaves "
                       "out every loose module");
    return err->code;
}

static int find_loose(struct ps_arena *arena,
                      const struct ps_sync_scan_options *o,
                      struct ps_sync_plan *plan, struct ps_error *err)
{
    const struct ps_loose_options options = {
        .cwd = o->cwd,
        .path = o->site->path,
        .environment = &plan->environment,
        .decisions = &plan->decisions,
        .exclude = o->exclude,
        .include = o->include,
        .cancel = o->cancel,
    };
    int rc = ps_loose_find(arena, &options, &plan->loose, err);

    if (rc < 0 && rc != PS_ECANCELED)
        (void)ps_hint(err, "leave loose modules out with --exclude PATTERN or "
                           "--no-loose");
    if (rc == PS_OK && plan->loose.refused &&
        !o->levels->allow_missing_critical)
        rc = refuse(&plan->loose, err);
    return rc;
}

/* Who only looks is told what else there is, too. */
static void report_loose(struct ps_arena *arena,
                         const struct ps_sync_scan_options *o,
                         struct ps_sync_plan *plan,
                         struct ps_problem_list *problems, struct ps_error *err)
{
    plan->loose = (struct ps_loose){ .count = 0 };
    ps_problem_add(
        arena, problems,
        (struct ps_problem){ .path = o->cwd,
                             .message = ps_arena_strdup(arena, err->text),
                             .serious = true });
    *err = PS_ERROR_INIT;
}

/* With --only, modules that it cannot name are left out as well. */
static bool wants_loose(const struct ps_sync_scan_options *o)
{
    return o->cwd && !o->no_loose && !(o->levels->only && o->levels->only[0]);
}

/* Strictly first, so that the words for what is missing are the same. */
static int decide(struct ps_arena *arena, const struct ps_sync_scan_options *o,
                  struct ps_sync_plan *plan, struct ps_error *err)
{
    struct ps_level_options strict = *o->levels;
    int rc = PS_OK;

    strict.allow_missing_critical = false;
    rc = ps_levels_decide(arena, &plan->environment, &strict, &plan->decisions,
                          err);
    if (rc >= 0 || !o->levels->allow_missing_critical)
        return rc;
    if (rc == PS_ENOTFOUND)
        plan->missing = *err;
    *err = PS_ERROR_INIT;
    return ps_levels_decide(arena, &plan->environment, o->levels,
                            &plan->decisions, err);
}

int ps_sync_scan(struct ps_arena *arena,
                 const struct ps_sync_scan_options *options,
                 struct ps_sync_plan *out, struct ps_error *err)
{
    struct ps_sync_plan plan = { .problem_count = 0 };
    struct ps_problem_list problems = { .items = NULL };
    const struct ps_problem *orphans = NULL;
    size_t orphan_count = 0;
    int rc = ps_environment_scan(arena, options->site, options->cancel,
                                 &plan.environment, err);

    if (rc == PS_OK)
        rc = decide(arena, options, &plan, err);
    if (rc < 0)
        return rc;
    if (wants_loose(options))
        rc = find_loose(arena, options, &plan, err);
    if (rc < 0 && rc != PS_ECANCELED &&
        options->levels->allow_missing_critical) {
        report_loose(arena, options, &plan, &problems, err);
        rc = PS_OK;
    }
    if (rc < 0)
        return rc;
    add_all(arena, &problems, plan.environment.problems,
            plan.environment.problem_count);
    orphan_count =
        ps_orphans_find(arena, &plan.environment, options->cancel, &orphans);
    add_all(arena, &problems, orphans, orphan_count);
    add_all(arena, &problems, plan.loose.problems, plan.loose.problem_count);
    add_all(arena, &problems, plan.decisions.problems,
            plan.decisions.problem_count);
    plan.problems = problems.items;
    plan.problem_count = problems.count;
    *out = plan;
    return PS_OK;
}

/* ---- rows ---- */

static const char *join(struct ps_arena *arena, const char *const *words)
{
    const char *all = "";

    for (size_t i = 0; words && words[i]; i++)
        all =
            ps_arena_format(arena, "%s%s%s", all, i > 0 ? ", " : "", words[i]);
    return all;
}

static struct ps_sync_row dist_row(struct ps_arena *arena,
                                   const struct ps_decision *d)
{
    struct ps_sync_row row = {
        .name = d->name,
        .version = d->version ? d->version : "",
        .level = ps_level_name(d->level),
        .requirement = d->requirement,
        .kind = "extra",
        .reason = d->reason,
        .warning = d->warning,
    };
    const struct ps_dist *dist = d->dist;

    if (!dist)
        return row;
    row.kind = ps_dist_source_name(dist->source);
    if (dist->direct.url)
        row.url = ps_url_shown(arena, dist->direct.url);
    if (!row.url && dist->project)
        row.url = ps_arena_format(arena, "file://%s", dist->project);
    row.commit = dist->direct.commit;
    row.subdirectory = dist->direct.subdirectory;
    row.editable = dist->source == PS_DIST_EDITABLE;
    row.location = dist->location;
    row.installer = dist->installer;
    return row;
}

static struct ps_sync_row loose_row(struct ps_arena *arena,
                                    const struct ps_loose *loose)
{
    return (struct ps_sync_row){
        .name = join(arena, loose->modules),
        .version = "",
        .level = ps_level_name(PS_LEVEL_BUILD),
        .kind = ps_dist_source_name(PS_DIST_LOOSE),
        .location = join(arena, loose->roots),
        .reason = ps_arena_format(
            arena,
            "no distribution owns %s; packed into one wheel: %zu file%s, %s",
            loose->modules[0] && loose->modules[1] ? "these modules"
                                                   : "this module",
            loose->count, loose->count == 1 ? "" : "s",
            ps_arena_size(arena, loose->bytes)),
    };
}

size_t ps_sync_rows(struct ps_arena *arena, const struct ps_sync_plan *plan,
                    struct ps_sync_row **out)
{
    size_t count = plan->decisions.count;
    struct ps_sync_row *rows = ps_arena_alloc(arena, count + 1, sizeof(*rows));

    for (size_t i = 0; i < count; i++)
        rows[i] = dist_row(arena, &plan->decisions.items[i]);
    if (plan->loose.count > 0)
        rows[count++] = loose_row(arena, &plan->loose);
    *out = rows;
    return count;
}

static json_t *row_json(const struct ps_sync_row *r)
{
    return json_pack(
        "{s:o, s:o, s:s, s:o, s:{s:s, s:o, s:o, s:o, s:b}, s:o, s:o, s:o, "
        "s:o}",
        "name", ps_json_string(r->name), "version", ps_json_string(r->version),
        "level", r->level, "requirement", ps_json_string(r->requirement),
        "source", "kind", r->kind, "url", ps_json_string(r->url), "commit",
        ps_json_string(r->commit), "subdirectory",
        ps_json_string(r->subdirectory), "editable", r->editable, "location",
        ps_json_string(r->location), "installer", ps_json_string(r->installer),
        "reason", ps_json_string(r->reason), "warning",
        ps_json_string(r->warning));
}

json_t *ps_problems_json(const struct ps_problem *problems, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            list, json_pack("{s:o, s:o, s:b}", "path",
                            ps_json_string(problems[i].path), "message",
                            ps_json_string(problems[i].message), "serious",
                            problems[i].serious));
    return list;
}

json_t *ps_sync_plan_json(const struct ps_sync_plan *plan)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const struct ps_site *site = plan->environment.site;
    struct ps_sync_row *rows = NULL;
    size_t count = ps_sync_rows(&arena, plan, &rows);
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, row_json(&rows[i]));
    return json_pack(
        "{s:i, s:{s:o, s:o, s:o, s:o}, s:o, s:o}", "schema", 1, "python",
        "implementation", ps_json_string(site->implementation), "version",
        ps_json_string(site->version), "abi", ps_json_string(site->abi),
        "platform", ps_json_string(site->platform), "packages", list,
        "problems", ps_problems_json(plan->problems, plan->problem_count));
}
