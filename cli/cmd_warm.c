/* `pkgsync warm`: build and upload what is missing, and install nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build.h"
#include "cli.h"
#include "environment.h"
#include "pkgsync/buf.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/site.h"
#include "pkgsync/util.h"
#include "pkgsync/warm.h"
#include "plan.h"
#include "progress.h"
#include "report.h"
#include "table.h"

#define SUMMARY_MAX ((size_t)1024 * 1024) /* what GitHub takes of one step */

/* ---- what is wanted ---- */

/* What no cluster can get is one failure among the others. */
static void add_refused(struct cli *cli, const struct ps_sync_plan *plan,
                        const struct ps_decision *d, struct ps_warm *out)
{
    struct ps_wheel_result *r = &out->failures[out->failure_count++];
    const char *why = d->reason;

    for (size_t i = 0; i < plan->problem_count; i++) {
        const struct ps_problem *p = &plan->problems[i];

        if (p->serious && p->path && d->dist->location &&
            strcmp(p->path, d->dist->location) == 0)
            why = p->message;
    }
    *r = (struct ps_wheel_result){
        .source = d->name,
        .name = d->name,
        .status = PS_WHEEL_FAILED,
        .phase = "scan",
    };
    (void)ps_fail(&r->error, PS_EUNSUPPORTED, "%s", cli_clean(cli, why));
}

static bool is_refused(const struct ps_decision *d)
{
    return d->level == PS_LEVEL_EXACT && d->dist && !d->requirement &&
           !d->build;
}

static int collect_environment(struct cli *cli, const char *cwd,
                               struct cli_pipeline *p, struct ps_warm *out,
                               struct ps_error *err)
{
    struct ps_sync_plan *plan = ps_arena_alloc(&cli->arena, 1, sizeof(*plan));
    int rc = cli_plan(cli, &p->python, true, plan, err);

    if (rc < 0)
        return rc;
    cli_print_problems(cli, plan->problems, plan->problem_count);
    cli_add_pip_settings(cli, cwd, &p->python, &p->index);
    *out = (struct ps_warm){ .index = p->index };
    out->failures = ps_arena_alloc(&cli->arena, plan->decisions.count + 1,
                                   sizeof(*out->failures));
    out->count = ps_sync_items(&cli->arena, plan, &out->items, NULL);
    for (size_t i = 0; i < plan->decisions.count; i++) {
        const struct ps_decision *d = &plan->decisions.items[i];

        out->ready += d->requirement != NULL;
        if (is_refused(d))
            add_refused(cli, plan, d, out);
    }
    return PS_OK;
}

static int collect(struct cli *cli, const char *cwd, struct cli_pipeline *p,
                   struct ps_warm *out, struct ps_error *err)
{
    PS_CLEANUP(cli_cleanup_locations) struct ps_locations *locations = NULL;
    struct ps_site site;
    struct ps_warm_options options = {
        .pipeline = &p->options,
        .site = &site,
        .sources = (const char *const *)cli->args,
        .files = cli_list(cli, "requirement"),
    };
    int rc = PS_OK;

    if (cli->arg_count == 0 && !options.files[0])
        return collect_environment(cli, cwd, p, out, err);
    rc = cli_locations(cli, &locations, err);
    if (rc == PS_OK)
        rc = ps_site_of(&cli->arena, &p->python, NULL, &site, err);
    options.locations = locations;
    return rc < 0 ? rc : ps_warm_collect(&cli->arena, &options, out, err);
}

/* ---- what became of it ---- */

static const char *seconds(struct cli *cli, const struct ps_wheel_result *r)
{
    return ps_arena_format(&cli->arena, "%llu.%llu",
                           (unsigned long long)(r->wall_ms / 1000),
                           (unsigned long long)(r->wall_ms % 1000 / 100));
}

static void print_table(struct cli *cli, const struct ps_wheel_result *results,
                        size_t count)
{
    static const char *const heads[] = { "SOURCE", "STATUS", "WHEEL",
                                         "SECONDS" };
    struct table table = { .heads = heads, .columns = PS_ARRAY_SIZE(heads) };

    for (size_t i = 0; i < count; i++) {
        const struct ps_wheel_result *r = &results[i];

        table_add(cli, &table,
                  (const char *const[]){
                      r->source, ps_wheel_status_name(r->status),
                      r->file_name ? r->file_name : "-", seconds(cli, r) });
    }
    if (count > 0)
        table_print(&table);
}

/* ---- GitHub's job summary ---- */

/* A cell of a Markdown table: what a project chose must not become markup. */
static void add_cell(struct ps_buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (c < 0x20 || c == 0x7f)
            ps_buf_addc(out, ' ');
        else if (c == '&')
            ps_buf_adds(out, "&amp;");
        else if (c == '<')
            ps_buf_adds(out, "&lt;");
        else if (strchr("|\\`*_[]~@#", c))
            ps_buf_addf(out, "&#%u;", c);
        else
            ps_buf_addc(out, (char)c);
    }
}

static void add_row(struct cli *cli, struct ps_buf *out,
                    const struct ps_wheel_result *r)
{
    const char *cells[] = { r->source, ps_wheel_status_name(r->status),
                            r->status == PS_WHEEL_FAILED ? r->error.text
                                                         : r->file_name,
                            seconds(cli, r) };

    for (size_t i = 0; i < PS_ARRAY_SIZE(cells); i++) {
        ps_buf_adds(out, "| ");
        add_cell(out, cells[i]);
        ps_buf_addc(out, ' ');
    }
    ps_buf_adds(out, "|\n");
}

/* Other steps write there as well: it is added to. */
static int append(const char *path, const struct ps_buf *text,
                  struct ps_error *err)
{
    /* O_NONBLOCK: a FIFO that nobody reads must not hang us. */
    PS_AUTO_FD int fd = open(
        path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0644);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return ps_fail_errno(err, errno, "open GITHUB_STEP_SUMMARY '%s'", path);
    if (!S_ISREG(st.st_mode))
        return ps_fail(err, PS_EINVALID,
                       "GITHUB_STEP_SUMMARY '%s' is not a regular file", path);
    return ps_write_all(fd, text->data, text->len, err);
}

static int write_summary(struct cli *cli, const struct ps_wheel_result *results,
                         size_t count, size_t ready, struct ps_error *err)
{
    const char *path = getenv("GITHUB_STEP_SUMMARY");
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(SUMMARY_MAX);

    if (!path || !path[0])
        return PS_OK;
    ps_buf_adds(&text, "### pkgsync warm\n\n");
    if (count > 0)
        ps_buf_adds(&text, "| source | status | wheel | seconds |\n"
                           "|---|---|---|--:|\n");
    for (size_t i = 0; i < count; i++)
        add_row(cli, &text, &results[i]);
    if (ready > 0 || count == 0)
        ps_buf_addf(&text, "\n%zu from the index need no build.\n", ready);
    ps_buf_addc(&text, '\n');
    return append(path, &text, err);
}

/* ---- running ---- */

static int run(struct cli *cli, struct cli_pipeline *p,
               const struct ps_warm *wanted, struct ps_wheel_result *results,
               struct ps_error *err)
{
    const char **names =
        ps_arena_alloc(&cli->arena, wanted->count + 1, sizeof(*names));
    struct progress progress;
    int rc = PS_OK;

    for (size_t i = 0; i < wanted->count; i++)
        names[i] = wanted->items[i].source;
    rc = progress_start(&progress, names, wanted->count, cli_flag(cli, "quiet"),
                        cli_flag(cli, "verbose"), err);
    if (rc < 0)
        return rc;
    p->options.event = progress_event;
    p->options.user = &progress;
    rc = ps_sync_wheels(&cli->arena, &p->options, wanted->items, wanted->count,
                        results, err);
    progress_stop(&progress);
    if (rc == PS_OK)
        ps_warm_check(wanted, results);
    return rc;
}

static int report(struct cli *cli, struct ps_wheel_result *results,
                  size_t count, size_t ready, struct ps_error *err)
{
    PS_AUTO_JSON json_t *doc = NULL;
    int rc = report_copies(cli, results, count, err);
    int outcome = PS_OK;

    if (rc == PS_OK)
        rc = write_summary(cli, results, count, ready, err);
    doc = json_pack("{s:i, s:o, s:I}", "schema", 1, "wheels",
                    report_wheels_json(results, count), "ready",
                    (json_int_t)ready);
    if (cli_flag(cli, "json"))
        cli_print_json(doc);
    else
        print_table(cli, results, count);
    if (!cli_flag(cli, "json") && (ready > 0 || count == 0))
        (void)printf("%zu from the index need no build\n", ready);
    (void)fflush(stdout);
    outcome = report_outcome(cli, results, count);
    if (outcome == PS_ECANCELED || rc == PS_OK)
        err->text[0] = '\0';
    if (outcome == PS_ECANCELED)
        return outcome;
    if (rc < 0)
        return rc;
    /* Whatever kept one of them from being there: not all are. */
    return outcome < 0 ? PS_EBUILD : PS_OK;
}

int cmd_warm(struct cli *cli, struct ps_error *err)
{
    PS_AUTO_FREE char *cwd = getcwd(NULL, 0);
    struct cli_pipeline pipeline;
    struct ps_warm wanted = { .count = 0 };
    struct ps_wheel_result *results = NULL;
    int rc = PS_OK;

    if (!cwd)
        return ps_fail_errno(err, errno, "find the working directory");
    rc = cli_pipeline_fill(cli, cwd, &pipeline, err);
    if (rc == PS_OK)
        rc = cli_pipeline_open(cli, &pipeline, err);
    if (rc == PS_OK)
        rc = collect(cli, cwd, &pipeline, &wanted, err);
    if (rc < 0)
        return rc;
    pipeline.options.index = &wanted.index;
    results = ps_arena_alloc(
        &cli->arena, wanted.count + wanted.failure_count + 1, sizeof(*results));
    rc = run(cli, &pipeline, &wanted, results, err);
    if (rc < 0)
        return rc;
    if (wanted.failure_count > 0)
        memcpy(results + wanted.count, wanted.failures,
               wanted.failure_count * sizeof(*results));
    return report(cli, results, wanted.count + wanted.failure_count,
                  wanted.ready, err);
}
