/* What a command that builds prints at its end. */
#ifndef PKGSYNC_REPORT_H
#define PKGSYNC_REPORT_H

#include "cli.h"
#include "pkgsync/pipeline.h"

/*
 * Copies to --wheel-dir, the table or --json on standard output, failures on
 * standard error.  Returns the code of the first failure, which is printed
 * already when *err is empty.
 */
PS_MUST_USE int report_wheels(struct cli *cli, struct ps_wheel_result *results,
                              size_t count, struct ps_error *err);

/* Its parts, for commands that say more. */

/* The list "wheels"; caller decrefs. */
json_t *report_wheels_json(const struct ps_wheel_result *results, size_t count);

/* To --wheel-dir, if it is set; the paths of the results become the copies'. */
PS_MUST_USE int report_copies(struct cli *cli, struct ps_wheel_result *results,
                              size_t count, struct ps_error *err);

/* Failures on standard error: why, and where the log is.  The code of the
 * first, or PS_ECANCELED after an interrupt that left something undone. */
PS_MUST_USE int report_outcome(struct cli *cli,
                               const struct ps_wheel_result *results,
                               size_t count);

#endif
