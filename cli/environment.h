/* Environments and specs, as install and check are told of them. */
#ifndef PKGSYNC_ENVIRONMENT_H
#define PKGSYNC_ENVIRONMENT_H

#include "cli.h"
#include "pkgsync/install.h"
#include "pkgsync/python.h"
#include "pkgsync/scan.h"
#include "pkgsync/spec.h"

/* Must stay where it was filled: `site` and `found` point into it. */
struct cli_environment {
    struct ps_python python;
    struct ps_site site;
    struct ps_environment found;
};

/* Ask the interpreter (NULL: as --python says).  PYTHONPATH counts where
 * `with_pythonpath`. */
PS_MUST_USE int cli_find_environment(struct cli *cli, const char *program,
                                     bool with_pythonpath,
                                     struct cli_environment *out,
                                     struct ps_error *err);

/* The same, and look at what is installed. */
PS_MUST_USE int cli_scan_environment(struct cli *cli, const char *program,
                                     struct cli_environment *out,
                                     struct ps_error *err);

/* Where specs and wheels come from; free it before `cli` is released. */
PS_MUST_USE int cli_locations(struct cli *cli, struct ps_locations **out,
                              struct ps_error *err);

static inline void cli_cleanup_locations(struct ps_locations **l)
{
    ps_locations_free(*l);
}

/* "differences" of --json; caller decrefs. */
json_t *cli_differences_json(const struct ps_comparison *c);

/* The table, and how many there are; on standard output. */
void cli_print_differences(struct cli *cli, const struct ps_comparison *c);

#endif
