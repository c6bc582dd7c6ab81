/* `pkgsync wheel`: settings into a pipeline, and its results out. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "build.h"
#include "cli.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/pipeline.h"
#include "progress.h"
#include "report.h"

static int run_pipeline(struct cli *cli, struct ps_pipeline_options *o,
                        const char *const *sources, size_t count,
                        struct ps_error *err)
{
    struct ps_wheel_result *results =
        ps_arena_alloc(&cli->arena, count, sizeof(*results));
    struct progress progress;
    int rc = progress_start(&progress, sources, count, cli_flag(cli, "quiet"),
                            cli_flag(cli, "verbose"), err);

    if (rc < 0)
        return rc;
    o->event = progress_event;
    o->user = &progress;
    rc = ps_pipeline_wheels(&cli->arena, o, sources, count, results, err);
    progress_stop(&progress);
    return rc < 0 ? rc : report_wheels(cli, results, count, err);
}

int cli_build(struct cli *cli, const char *const *sources, size_t count,
              const char *cwd, struct ps_error *err)
{
    const char *wheel_dir = cli_text(cli, "wheel-dir");
    struct cli_pipeline p;
    int rc = PS_OK;

    /* Before anything is built for a place that cannot be written to. */
    if (wheel_dir)
        rc = ps_mkdirs(wheel_dir, 0755, err);
    if (rc == PS_OK && wheel_dir && access(wheel_dir, W_OK | X_OK) < 0)
        rc = ps_fail_errno(err, errno, "write to '%s'", wheel_dir);
    if (rc == PS_OK)
        rc = cli_pipeline_fill(cli, cwd, &p, err);
    if (rc == PS_OK)
        rc = cli_pipeline_open(cli, &p, err);
    return rc < 0 ? rc : run_pipeline(cli, &p.options, sources, count, err);
}

int cmd_wheel(struct cli *cli, struct ps_error *err)
{
    PS_AUTO_FREE char *cwd = getcwd(NULL, 0);

    if (cli->arg_count == 0)
        return ps_fail(err, PS_EUSAGE,
                       "no source named; try `pkgsync wheel .` or `pkgsync "
                       "help wheel`");
    if (!cwd)
        return ps_fail_errno(err, errno, "find the working directory");
    return cli_build(cli, (const char *const *)cli->args, cli->arg_count, cwd,
                     err);
}
