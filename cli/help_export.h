/*
 * The tables of commands, options, settings and exit statuses, written for
 * programs: parts of the manual, shell completions, lists.  ci/update-docs
 * puts them into docs/man/ and completions/, ci/check-docs compares.
 */
#ifndef PKGSYNC_HELP_EXPORT_H
#define PKGSYNC_HELP_EXPORT_H

#include "cli.h"

/* The row of the table of settings behind an option. */
const struct ps_setting *help_setting_of(const struct cli_option *o);

/* `pkgsync help --FORM [WORD]`; PS_EUSAGE for a form that does not exist. */
PS_MUST_USE int help_export(const char *form, const char *word,
                            struct ps_error *err);

void help_bash_completions(void);
void help_zsh_completions(void);

#endif
