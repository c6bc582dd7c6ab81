/* `pkgsync sync`: an environment becomes wheels, a spec, and files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build.h"
#include "cli.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/clock.h"
#include "pkgsync/fd.h"
#include "pkgsync/sync.h"
#include "plan.h"
#include "progress.h"
#include "report.h"

/* How many packages there are of each kind. */
struct counts {
    size_t index;
    size_t conda;
    size_t extra;
    size_t ignored;
    size_t built;
    size_t hit;
    size_t failed;
};

static struct counts count_all(const struct ps_sync_plan *plan,
                               const struct ps_sync_result *r, size_t items)
{
    struct counts c = { .index = 0 };

    for (size_t i = 0; i < plan->decisions.count; i++) {
        const struct ps_decision *d = &plan->decisions.items[i];

        if (d->level == PS_LEVEL_IGNORED)
            c.ignored++;
        else if (d->level == PS_LEVEL_BUILD)
            continue;
        else if (!d->dist)
            c.extra++;
        else if (d->conda)
            c.conda++;
        else
            c.index++;
    }
    for (size_t i = 0; r->wheels && i < items; i++) {
        c.built += r->wheels[i].status == PS_WHEEL_BUILT;
        c.hit += r->wheels[i].status == PS_WHEEL_HIT;
        c.failed += r->wheels[i].status == PS_WHEEL_FAILED;
    }
    return c;
}

/* ---- --json ---- */

static json_t *presigned_json(const struct ps_sync_result *r)
{
    char until[PS_RFC3339_SIZE];

    if (r->presigned_until_ms == 0 || r->presigned_until_ms == UINT64_MAX)
        return json_null();
    ps_rfc3339((int64_t)(r->presigned_until_ms / 1000), until);
    return json_pack("{s:s}", "until", until);
}

static json_t *document_json(const struct ps_sync_result *r)
{
    struct ps_error none = PS_ERROR_INIT;
    json_t *doc = NULL;

    if (!r->document ||
        ps_json_parse(ps_str_from(r->document), "the spec", &doc, &none) < 0)
        return json_null();
    return doc;
}

static json_t *problems_json(const struct ps_sync_plan *plan,
                             const struct ps_sync_result *r)
{
    PS_AUTO_JSON json_t *more = ps_problems_json(r->problems, r->problem_count);
    json_t *list = ps_problems_json(plan->problems, plan->problem_count);

    json_array_extend(list, more);
    return list;
}

static void print_document(const struct ps_sync_plan *plan,
                           const struct ps_sync_result *r, size_t items)
{
    struct counts c = count_all(plan, r, items);
    PS_AUTO_JSON json_t *doc = json_pack(
        "{s:i, s:o, s:o, s:{s:I, s:I, s:I, s:I, s:I, s:I, s:I}, s:o, s:o, "
        "s:o, s:o, s:o}",
        "schema", 1, "spec",
        r->digest ? json_pack("{s:s, s:s, s:o}", "digest", r->digest, "url",
                              r->url, "path", ps_json_string(r->path))
                  : json_null(),
        "wheels", report_wheels_json(r->wheels, r->wheels ? items : 0),
        "packages", "index", (json_int_t)c.index, "conda", (json_int_t)c.conda,
        "extra", (json_int_t)c.extra, "ignored", (json_int_t)c.ignored, "built",
        (json_int_t)c.built, "hit", (json_int_t)c.hit, "failed",
        (json_int_t)c.failed, "files", ps_json_from_strings(r->files),
        "requirements", ps_json_string(r->requirements), "presigned",
        presigned_json(r), "spec_document", document_json(r), "problems",
        problems_json(plan, r));

    cli_print_json(doc);
}

/* ---- for people ---- */

static void print_part(const char **separator, size_t count, const char *what)
{
    if (count == 0)
        return;
    (void)printf("%s%zu %s", *separator, count, what);
    *separator = ", ";
}

static void print_summary(struct cli *cli, const struct ps_sync_plan *plan,
                          const struct ps_sync_result *r, size_t items)
{
    struct counts c = count_all(plan, r, items);
    const char *separator = ": ";

    for (size_t i = 0; i < items; i++) {
        const struct ps_wheel_result *w = &r->wheels[i];

        if (w->status != PS_WHEEL_FAILED)
            (void)printf("%-6s %s  %s\n", ps_wheel_status_name(w->status),
                         w->file_name, cli_size(&cli->arena, w->size));
    }
    (void)printf("%zu packages",
                 plan->decisions.count + (plan->loose.count > 0 ? 1 : 0));
    print_part(&separator, c.index, "from the index");
    print_part(&separator, c.conda, "from conda");
    print_part(&separator, c.extra, "for the cluster alone");
    print_part(&separator, c.built, "built");
    print_part(&separator, c.hit, "known already");
    print_part(&separator, c.ignored, "ignored");
    print_part(&separator, r->left_out, "left out");
    (void)printf("\nspec   %s\n", cli_clean(cli, r->url));
    (void)printf("digest %s\n", r->digest);
    for (size_t i = 0; r->files && r->files[i]; i++)
        (void)printf("%s %s\n", i == 0 ? "files " : "      ",
                     cli_clean(cli, r->files[i]));
}

static void print_warnings(struct cli *cli, const struct ps_sync_plan *plan)
{
    for (size_t i = 0; i < plan->decisions.count; i++) {
        const struct ps_decision *d = &plan->decisions.items[i];

        if (d->warning)
            (void)fprintf(stderr, "pkgsync: warning: %s: %s\n",
                          cli_clean(cli, d->name), cli_clean(cli, d->warning));
    }
    cli_print_problems(cli, plan->problems, plan->problem_count);
    if (plan->loose.count > 0 && !cli_flag(cli, "quiet"))
        (void)fprintf(stderr, "loose modules: %zu file%s, %s\n",
                      plan->loose.count, plan->loose.count == 1 ? "" : "s",
                      cli_size(&cli->arena, plan->loose.bytes));
}

/* ---- running ---- */

/* Before anything is built for a place that cannot be written to; nothing is
 * made yet. */
static int check_place(const char *path, struct ps_error *err)
{
    struct stat st;

    if (!path || (stat(path, &st) < 0 && errno == ENOENT))
        return PS_OK;
    if (access(path, W_OK | X_OK) < 0)
        return ps_fail_errno(err, errno, "write to '%s'", path);
    return PS_OK;
}

static int run_sync(struct cli *cli, struct cli_pipeline *p,
                    struct ps_sync_options *o, struct ps_sync_result *result,
                    struct ps_error *err)
{
    const char **names =
        ps_arena_alloc(&cli->arena, o->item_count + 1, sizeof(*names));
    struct progress progress;
    int rc = PS_OK;

    for (size_t i = 0; i < o->item_count; i++)
        names[i] = o->items[i].source;
    rc = progress_start(&progress, names, o->item_count, cli_flag(cli, "quiet"),
                        cli_flag(cli, "verbose"), err);
    if (rc < 0)
        return rc;
    p->options.event = progress_event;
    p->options.user = &progress;
    rc = ps_sync_run(&cli->arena, o, result, err);
    progress_stop(&progress);
    return rc;
}

static int report(struct cli *cli, const struct ps_sync_options *o,
                  struct ps_sync_result *r, int rc, struct ps_error *err)
{
    size_t count = r->wheels ? o->item_count : 0;
    int outcome = PS_OK;

    if (rc == PS_OK)
        rc = report_copies(cli, r->wheels, count, err);
    if (cli_flag(cli, "json"))
        print_document(o->plan, r, count);
    else if (rc == PS_OK)
        print_summary(cli, o->plan, r, count);
    (void)fflush(stdout);
    outcome = report_outcome(cli, r->wheels, count);
    if (!cli_flag(cli, "json"))
        cli_print_problems(cli, r->problems, r->problem_count);
    if (outcome == PS_ECANCELED) {
        err->text[0] = '\0';
        return outcome;
    }
    return rc;
}

/* Absolute: who reads the document may be somewhere else. */
static const char *output_dir(struct cli *cli, const char *cwd)
{
    const char *given = cli_text(cli, "output-dir");

    if (!given || given[0] == '/' || !cwd)
        return given;
    return ps_arena_format(&cli->arena, "%s/%s", cwd, given);
}

int cmd_sync(struct cli *cli, struct ps_error *err)
{
    PS_AUTO_FREE char *cwd = getcwd(NULL, 0);
    struct cli_pipeline pipeline;
    struct ps_sync_plan plan = { .problem_count = 0 };
    struct ps_sync_result result = { .wheels = NULL };
    struct ps_sync_options options = {
        .pipeline = &pipeline.options,
        .plan = &plan,
        .match_exact = strcmp(cli_text(cli, "match"), "exact") == 0,
        .allow_failed = cli_list(cli, "allow-failed"),
        .output_dir = output_dir(cli, cwd),
        .presign_s = ps_config_number(cli->config, "presign"),
    };
    struct ps_sync_item *items = NULL;
    size_t *index = NULL;
    int rc = PS_OK;

    if (!cwd)
        return ps_fail_errno(err, errno, "find the working directory");
    rc = check_place(options.output_dir, err);
    if (rc == PS_OK)
        rc = check_place(cli_text(cli, "wheel-dir"), err);
    if (rc == PS_OK)
        rc = cli_pipeline_fill(cli, cwd, &pipeline, err);
    if (rc == PS_OK)
        rc = cli_plan(cli, &pipeline.python, false, &plan, err);
    if (rc == PS_OK)
        rc = cli_pipeline_open(cli, &pipeline, err);
    if (rc < 0)
        return rc;
    if (!cli_flag(cli, "json"))
        print_warnings(cli, &plan);
    cli_add_pip_settings(cli, cwd, &pipeline.python, &pipeline.index);
    options.item_count = ps_sync_items(&cli->arena, &plan, &items, &index);
    options.items = items;
    options.item_index = index;
    rc = run_sync(cli, &pipeline, &options, &result, err);
    return report(cli, &options, &result, rc, err);
}
