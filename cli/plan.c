#include "plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/site.h"

/* Which environment it is: the one thing that a person cannot see from the
 * table.  uv's users expect .venv to be taken, so that one is mentioned. */
static void say_which(struct cli *cli, const struct ps_site *site)
{
    if (cli_flag(cli, "json") || cli_flag(cli, "quiet"))
        return;
    (void)fprintf(
        stderr, "environment %s: %s %s, %s\n", cli_clean(cli, site->prefix),
        cli_clean(cli, site->implementation), cli_clean(cli, site->version),
        cli_clean(cli, site->platform));
    if (!cli_text(cli, "python") && !getenv("VIRTUAL_ENV") &&
        access(".venv/bin/python", X_OK) == 0)
        (void)fputs("there is a .venv here that is not active: `--python "
                    ".venv` takes that one\n",
                    stderr);
}

int cli_plan(struct cli *cli, const struct ps_python *python,
             bool report_missing, struct ps_sync_plan *out,
             struct ps_error *err)
{
    PS_AUTO_FREE char *cwd = getcwd(NULL, 0);
    struct ps_site *site = ps_arena_alloc(&cli->arena, 1, sizeof(*site));
    struct ps_level_options levels;
    struct ps_sync_scan_options options = {
        .site = site,
        /* A cache is warmed where a checkout lies in the way. */
        .no_loose = cli_flag(cli, "no-loose") || cli->cmd->bit == CMD_WARM,
        .exclude = cli_list(cli, "exclude"),
        .include = cli_list(cli, "include"),
        .levels = &levels,
        .cancel = &cli->cancel,
    };
    int rc = cli_level_options(cli, &levels, err);

    if (!cwd)
        return ps_fail_errno(err, errno, "find the working directory");
    levels.allow_missing_critical = report_missing;
    if (!report_missing)
        levels.allow_failed = cli_list(cli, "allow-failed");
    options.cwd = ps_arena_strdup(&cli->arena, cwd);
    if (rc == PS_OK)
        rc = ps_site_of(&cli->arena, python, getenv("PYTHONPATH"), site, err);
    if (rc == PS_OK)
        say_which(cli, site);
    if (rc == PS_OK)
        rc = ps_sync_scan(&cli->arena, &options, out, err);
    return rc;
}
