/* `pkgsync scan` and `pkgsync levels`: what would be done, and by what rules.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/levels.h"
#include "pkgsync/util.h"
#include "plan.h"
#include "table.h"

static void print_rows(struct cli *cli, const struct ps_sync_plan *plan)
{
    static const char *const heads[] = { "DISTRIBUTION", "VERSION",
                                         "SOURCE",       "LEVEL",
                                         "REQUIREMENT",  "REASON" };
    struct ps_sync_row *rows = NULL;
    size_t count = ps_sync_rows(&cli->arena, plan, &rows);
    struct table table = { .heads = heads, .columns = PS_ARRAY_SIZE(heads) };

    for (size_t i = 0; i < count; i++) {
        const struct ps_sync_row *r = &rows[i];

        table_add(cli, &table,
                  (const char *const[]){ r->name, r->version, r->kind, r->level,
                                         r->requirement ? r->requirement : "-",
                                         r->reason });
    }
    table_print(&table);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].warning)
            (void)fprintf(stderr, "pkgsync: warning: %s: %s\n",
                          cli_clean(cli, rows[i].name),
                          cli_clean(cli, rows[i].warning));
    }
}

static void print_loose(struct cli *cli, const struct ps_loose *loose)
{
    static const char *const heads[] = { "LOOSE FILE", "SIZE", "FROM" };
    struct table table = { .heads = heads, .columns = PS_ARRAY_SIZE(heads) };

    for (size_t i = 0; i < loose->count; i++) {
        const struct ps_loose_file *f = &loose->files[i];

        table_add(cli, &table,
                  (const char *const[]){
                      f->name, cli_size(&cli->arena, f->size), f->path });
    }
    if (loose->count == 0)
        return;
    (void)putchar('\n');
    table_print(&table);
}

int cmd_scan(struct cli *cli, struct ps_error *err)
{
    struct ps_python python;
    struct ps_sync_plan plan = { .problem_count = 0 };
    int rc = ps_python_probe(&cli->arena, cli_text(cli, "python"),
                             cli->dirs.cache, &cli->cancel, &python, err);

    if (rc == PS_OK)
        rc = cli_plan(cli, &python, true, &plan, err);
    if (rc < 0)
        return rc;
    if (cli_flag(cli, "json")) {
        PS_AUTO_JSON json_t *doc = ps_sync_plan_json(&plan);

        cli_print_json(doc);
    } else {
        print_rows(cli, &plan);
        if (cli_flag(cli, "verbose"))
            print_loose(cli, &plan.loose);
        (void)fflush(stdout);
        cli_print_problems(cli, plan.problems, plan.problem_count);
    }
    /* All that is known is printed; whoever asks the status gets it, too. */
    if (plan.missing.code)
        *err = plan.missing;
    return err->code;
}
