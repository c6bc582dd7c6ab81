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

#endif
