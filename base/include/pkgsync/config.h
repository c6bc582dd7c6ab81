/*
 * Settings: one table of names, four sources.
 *
 * A setting takes its value from, in falling precedence, a flag, the
 * environment (PKGSYNC_<NAME>), the configuration file, the default.  The
 * file is lines of `name = value`; a line that begins with `#` is a comment,
 * blank lines are ignored, a list is several lines of one name, a name that is
 * not in the table is an error that names file and line.  An empty variable is
 * as good as none; an empty value empties a list.  The sources may be loaded
 * in any order.  No other module reads the environment for its settings.  One
 * thread.
 */
#ifndef PKGSYNC_CONFIG_H
#define PKGSYNC_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/error.h"

enum ps_setting_type {
    PS_SETTING_TEXT,
    PS_SETTING_NUMBER, /* within [min, max] */
    PS_SETTING_BOOL,   /* true/false, yes/no, on/off, 1/0 */
    PS_SETTING_LIST,   /* several values; in the environment separated by
                          blanks */
};

/* One row of the table, which is static and ends with a NULL name. */
struct ps_setting {
    const char *name; /* "wheel-dir": a flag is --wheel-dir, the variable
                         PKGSYNC_WHEEL_DIR */
    enum ps_setting_type type;
    const char *fallback; /* default as text; NULL: unset */
    uint64_t min;
    uint64_t max;
    const char *unit; /* "s", "MiB", "path", ...; may be NULL */
    const char *help; /* one line, no full stop */
};

enum ps_origin {
    PS_ORIGIN_DEFAULT,
    PS_ORIGIN_FILE,
    PS_ORIGIN_ENVIRONMENT,
    PS_ORIGIN_FLAG,
};

struct ps_config; /* owned by whoever made it */

struct ps_config *ps_config_new(const struct ps_setting *table);
void ps_config_free(struct ps_config *c);

/* Read the file if it exists; `required` makes absence an error. */
PS_MUST_USE int ps_config_load_file(struct ps_config *c, const char *path,
                                    bool required, struct ps_error *err);
/* envp as in environ(7). */
PS_MUST_USE int ps_config_load_env(struct ps_config *c, char *const *envp,
                                   struct ps_error *err);
/* A flag; for a list the value is added, otherwise it replaces. */
PS_MUST_USE int ps_config_set_flag(struct ps_config *c, const char *name,
                                   const char *value, struct ps_error *err);

/* A name that is not in the table is the programmer's mistake: abort. */
const char *ps_config_text(const struct ps_config *c, const char *name);
uint64_t ps_config_number(const struct ps_config *c, const char *name);
bool ps_config_bool(const struct ps_config *c, const char *name);
/* NULL-terminated; never NULL; borrowed. */
const char *const *ps_config_list(const struct ps_config *c, const char *name);
bool ps_config_is_set(const struct ps_config *c, const char *name);

enum ps_origin ps_config_origin(const struct ps_config *c, const char *name);
/* "flag --jobs", "environment PKGSYNC_JOBS", "file /path:12", "default";
 * borrowed. */
const char *ps_config_origin_text(const struct ps_config *c, const char *name);

#endif
