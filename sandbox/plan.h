/*
 * The plan: everything that one sandboxed run needs to know, as data.
 *
 * The library writes it as JSON, the helper program reads it back, checks it
 * again and only then does anything.  `pkgsync-sandbox --print-plan` shows it.
 * One thread at a time.
 */
#ifndef PKGSYNC_SANDBOX_PLAN_H
#define PKGSYNC_SANDBOX_PLAN_H

#include <jansson.h>

#include "pkgsync/arena.h"
#include "pkgsync/error.h"
#include "pkgsync/runner.h"
#include "pkgsync/str.h"

#define PS_PLAN_MAX_BYTES (16u << 20)
#define PS_PLAN_MAX_STRINGS 20000u /* argv, env */
#define PS_PLAN_MAX_MOUNTS 128u
#define PS_PLAN_PATH_MAX 1024u

struct ps_plan {
    struct ps_run_spec spec; /* out_dir, sink and sink_user do not travel */
    const char *const *extra_paths; /* borrowed; NULL-terminated or NULL */
    const char *const *weaken;      /* borrowed; NULL-terminated or NULL */
};

/* Fill in what the contract says 0 means. */
void ps_plan_defaults(struct ps_plan *plan);

/* Everything that can be known to be wrong before a process is started. */
PS_MUST_USE int ps_plan_check(const struct ps_plan *plan, struct ps_error *err);

/* Caller decrefs *out.  PS_EINVALID for a string that is not UTF-8. */
PS_MUST_USE int ps_plan_to_json(const struct ps_plan *plan, json_t **out,
                                struct ps_error *err);

/* Strings live in the arena.  Unknown members are refused. */
PS_MUST_USE int ps_plan_parse(struct ps_arena *a, struct ps_str text,
                              struct ps_plan *out, struct ps_error *err);

/* True if `name` is in the NULL-terminated list, which may be NULL. */
bool ps_plan_list_has(const char *const *list, const char *name);

/* True if `path` is `dir` or lies below it (both normalised). */
bool ps_plan_is_below(const char *path, const char *dir);

#endif
