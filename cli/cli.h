/*
 * The program pkgsync: a table of commands over a table of settings.
 *
 * main() reads the command's options into the settings, sets up what the
 * command needs, runs it, and prints its error, once.
 */
#ifndef PKGSYNC_CLI_H
#define PKGSYNC_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "pkgsync/arena.h"
#include "pkgsync/cancel.h"
#include "pkgsync/config.h"
#include "pkgsync/dirs.h"
#include "pkgsync/error.h"
#include "pkgsync/json.h"
#include "pkgsync/queue.h"
#include "pkgsync/sandbox.h"
#include "pkgsync/store.h"
#include "pkgsync/uploader.h"

/* Which commands take a setting as a flag. */
enum cmd_bit {
    CMD_WHEEL = 1 << 0,
    CMD_DOCTOR = 1 << 1,
    CMD_JOBS = 1 << 2,
    CMD_LOGS = 1 << 3,
    CMD_CANCEL = 1 << 4,
    CMD_RETRY = 1 << 5,
    CMD_CACHE = 1 << 6,
    CMD_CONFIG = 1 << 7,
    CMD_HELP = 1 << 8,
    CMD_SCAN = 1 << 9,
    CMD_LEVELS = 1 << 10,
    CMD_SYNC = 1 << 11,
    CMD_WARM = 1 << 12,
    CMD_INSTALL = 1 << 13,
    CMD_CHECK = 1 << 14,
    CMD_ALL = (1 << 15) - 1,
    CMD_MAKES = CMD_WHEEL | CMD_SYNC | CMD_WARM,
    CMD_BUILDS = CMD_MAKES | CMD_RETRY,
    CMD_GETS = CMD_INSTALL | CMD_CHECK,
    CMD_LOOKS = CMD_SCAN | CMD_SYNC | CMD_WARM | CMD_CHECK,
};

/* How a setting is written as a flag; same order as `cli_settings`. */
struct cli_option {
    const char *name;    /* of the setting */
    const char *metavar; /* NULL: takes no value */
    unsigned commands;   /* enum cmd_bit */
    char letter;         /* short form, or 0 */
};

extern const struct ps_setting cli_settings[]; /* ends with a NULL name */
extern const struct cli_option cli_options[];  /* ends with a NULL name */

struct cli {
    const struct cmd *cmd;
    struct ps_config *config; /* owned */
    struct ps_dirs dirs;      /* owned */
    struct ps_cancel cancel;  /* fired by SIGINT, SIGTERM and SIGHUP */
    char **args;              /* what is not a flag; borrowed from argv */
    size_t arg_count;
    struct ps_arena arena; /* owned; for the whole run */

    /* Opened on demand by cli_open_*(); owned. */
    struct ps_queue *queue;
    struct ps_uploader *uploader;
    struct ps_store *local;
    struct ps_store *store;
    struct ps_runner *runner;
    json_t *config_settings; /* for builds */
};

typedef int(cmd_run_fn)(struct cli *cli, struct ps_error *err);

struct cmd {
    const char *name;
    enum cmd_bit bit;
    cmd_run_fn *run;
    const char *synopsis; /* what follows the options */
    const char *summary;  /* one line, no full stop */
    const char *details;  /* a paragraph or more; NULL */
};

extern const struct cmd cmds[]; /* ends with a NULL name */
const struct cmd *cmd_find(const char *name);

cmd_run_fn cmd_wheel;
cmd_run_fn cmd_scan;
cmd_run_fn cmd_levels;
cmd_run_fn cmd_sync;
cmd_run_fn cmd_warm;
cmd_run_fn cmd_install;
cmd_run_fn cmd_check;
cmd_run_fn cmd_doctor;
cmd_run_fn cmd_jobs;
cmd_run_fn cmd_logs;
cmd_run_fn cmd_cancel;
cmd_run_fn cmd_retry;
cmd_run_fn cmd_cache;
cmd_run_fn cmd_config;
cmd_run_fn cmd_help;

/* Flags and arguments of the command into cli->config and cli->args. */
PS_MUST_USE int cli_parse(struct cli *cli, int argc, char **argv,
                          struct ps_error *err);

/* Open what a command needs; a second call does nothing. */
PS_MUST_USE int cli_open_queue(struct cli *cli, struct ps_error *err);
PS_MUST_USE int cli_open_stores(struct cli *cli, struct ps_error *err);
PS_MUST_USE int cli_open_runner(struct cli *cli, struct ps_error *err);
PS_MUST_USE int cli_sandbox_options(struct cli *cli,
                                    struct ps_sandbox_options *out,
                                    struct ps_error *err);
void cli_release(struct cli *cli);

/* Build these sources and report; what `wheel` and `retry` do. */
PS_MUST_USE int cli_build(struct cli *cli, const char *const *sources,
                          size_t count, const char *cwd, struct ps_error *err);

void cli_print_command_help(const struct cmd *cmd);

/* Shorthands for settings. */
const char *cli_text(const struct cli *cli, const char *name);
bool cli_flag(const struct cli *cli, const char *name);
const char *const *cli_list(const struct cli *cli, const char *name);

/* Print a document on standard output, for --json. */
void cli_print_json(const json_t *doc);

/* "12.3 MiB"; in the arena. */
const char *cli_size(struct ps_arena *arena, uint64_t bytes);
/* "3 min ago"; in the arena. */
const char *cli_ago(struct ps_arena *arena, uint64_t then_ms);

/* A whole number argument such as a job's id. */
PS_MUST_USE int cli_job_id(const char *text, int64_t *out,
                           struct ps_error *err);

/* Print bytes that a project wrote: control sequences are shown, not obeyed. */
void cli_print_foreign(const char *data, size_t len);

/* For a terminal: as it is, or, with control bytes, a copy in the arena that
 * has '?' instead. */
const char *cli_clean(struct cli *cli, const char *text);
/* The same in place. */
void cli_make_clean(char *text);

#endif
