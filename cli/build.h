/* Settings of commands that build, or that ask the index. */
#ifndef PKGSYNC_BUILD_OPTIONS_H
#define PKGSYNC_BUILD_OPTIONS_H

#include "cli.h"
#include "pkgsync/fetch.h"
#include "pkgsync/pipeline.h"
#include "pkgsync/python.h"

/* Must stay where it was filled: `options` points to its neighbours. */
struct cli_pipeline {
    struct ps_python python;
    struct ps_index index;
    struct ps_pipeline_options options; /* all but events */
};

/* Where packages come from; strings live as long as `cli`. */
PS_MUST_USE int cli_index(struct cli *cli, const char *cwd,
                          const struct ps_python *python, struct ps_index *out,
                          struct ps_error *err);

/* What pip's variables and files say beside: for a spec, which is read where
 * they are not, and for what an environment's own pip.conf says. */
void cli_add_pip_settings(struct cli *cli, const char *cwd,
                          const struct ps_python *python,
                          struct ps_index *index);

/* Relative directories as absolute ones: pip runs elsewhere. */
const char *const *cli_absolute_links(struct cli *cli, const char *const *links,
                                      const char *cwd);

/* Read the settings, ask the interpreter. */
PS_MUST_USE int cli_pipeline_fill(struct cli *cli, const char *cwd,
                                  struct cli_pipeline *out,
                                  struct ps_error *err);

/* Open queue, stores and sandbox. */
PS_MUST_USE int cli_pipeline_open(struct cli *cli, struct cli_pipeline *p,
                                  struct ps_error *err);

#endif
