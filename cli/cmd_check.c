/* `pkgsync check`: a spec against an environment, or two environments. */
#include "environment.h"
#include "pkgsync/cleanup.h"
#include "plan.h"

/* --strict: what is there beyond what was expected is an error as well. */
static void be_strict(struct cli *cli, struct ps_comparison *c)
{
    struct ps_difference *items =
        ps_arena_alloc(&cli->arena, c->count, sizeof(*items));

    for (size_t i = 0; i < c->count; i++) {
        items[i] = c->items[i];
        if (!items[i].found || items[i].expected[0] != '\0')
            continue;
        items[i].severity = PS_SEVERITY_ERROR;
        c->equal = false;
    }
    c->items = items;
}

static int check_spec(struct cli *cli, struct ps_comparison *out,
                      struct ps_error *err)
{
    PS_CLEANUP(cli_cleanup_locations) struct ps_locations *locations = NULL;
    struct cli_environment e = { .found = { .count = 0 } };
    struct ps_spec spec;
    int rc = cli_locations(cli, &locations, err);

    if (rc == PS_OK)
        rc = ps_spec_read(&cli->arena, locations, cli->args[0], &spec, err);
    if (rc == PS_OK)
        rc = cli_scan_environment(cli, NULL, &e, err);
    if (rc == PS_OK)
        rc = ps_compare_spec(&cli->arena, &spec, &e.found, out, err);
    if (rc < 0)
        return rc;
    if (ps_install_is_interrupted(&e.site, &cli->dirs))
        cli_print_problems(
            cli,
            &(struct ps_problem){
                .path = e.site.prefix,
                .message = "the last `pkgsync install` of it was interrupted; "
                           "the next one puts back what it left" },
            1);
    cli_print_problems(cli, e.found.problems, e.found.problem_count);
    return PS_OK;
}

static int check_environments(struct cli *cli, struct ps_comparison *out,
                              struct ps_error *err)
{
    struct ps_level_options levels;
    struct cli_environment a = { .found = { .count = 0 } };
    struct cli_environment b = { .found = { .count = 0 } };
    int rc = cli_level_options(cli, &levels, err);

    levels.allow_missing_critical = true;
    if (rc == PS_OK)
        rc = cli_scan_environment(cli, cli->args[0], &a, err);
    if (rc == PS_OK)
        rc = cli_scan_environment(cli, cli->args[1], &b, err);
    if (rc == PS_OK)
        rc = ps_compare_environments(&cli->arena, &a.found, &b.found, &levels,
                                     out, err);
    if (rc < 0)
        return rc;
    cli_print_problems(cli, a.found.problems, a.found.problem_count);
    cli_print_problems(cli, b.found.problems, b.found.problem_count);
    return PS_OK;
}

int cmd_check(struct cli *cli, struct ps_error *err)
{
    struct ps_comparison c = { .equal = true };
    PS_AUTO_JSON json_t *doc = NULL;
    int rc = PS_OK;

    if (cli->arg_count != 1 && cli->arg_count != 2)
        return ps_fail(err, PS_EUSAGE,
                       "name a spec, or two environments; see `pkgsync help "
                       "check`");
    if (cli->arg_count == 1)
        rc = check_spec(cli, &c, err);
    else
        rc = check_environments(cli, &c, err);
    if (rc < 0)
        return rc;
    if (cli_flag(cli, "strict"))
        be_strict(cli, &c);
    doc = json_pack("{s:i, s:b, s:o}", "schema", 1, "equal", c.equal,
                    "differences", cli_differences_json(&c));
    if (cli_flag(cli, "json"))
        cli_print_json(doc);
    else
        cli_print_differences(cli, &c);
    return c.equal ? PS_OK : PS_EDIFFERS;
}
