/* The environment of --python, as the settings want it looked at. */
#ifndef PKGSYNC_PLAN_H
#define PKGSYNC_PLAN_H

#include "cli.h"
#include "pkgsync/python.h"
#include "pkgsync/scan.h"
#include "pkgsync/sync.h"

/* --match and the overrides; PS_EUSAGE. */
PS_MUST_USE int cli_level_options(struct cli *cli, struct ps_level_options *out,
                                  struct ps_error *err);

/* Scan; `site` must live as long as the plan.  `report_missing`: critical
 * distributions that are missing are plan->missing, not an error. */
PS_MUST_USE int cli_plan(struct cli *cli, const struct ps_python *python,
                         bool report_missing, struct ps_sync_plan *out,
                         struct ps_error *err);

/* On standard error, a line each. */
void cli_print_problems(struct cli *cli, const struct ps_problem *problems,
                        size_t count);

#endif
