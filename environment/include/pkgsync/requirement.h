/*
 * Dependency specifiers: requirements and environment markers (PEP 508,
 * PEP 685 for extras).  Any thread.
 */
#ifndef PKGSYNC_REQUIREMENT_H
#define PKGSYNC_REQUIREMENT_H

#include <stdbool.h>
#include <stddef.h>

#include "pkgsync/arena.h"
#include "pkgsync/error.h"
#include "pkgsync/str.h"
#include "pkgsync/version.h"

/* The variables of PEP 508; views that outlive the evaluation. */
struct ps_marker_env {
    const char *os_name;                        /* "posix" */
    const char *sys_platform;                   /* "linux" */
    const char *platform_machine;               /* "x86_64" */
    const char *platform_python_implementation; /* "CPython" */
    const char *platform_release;
    const char *platform_system; /* "Linux" */
    const char *platform_version;
    const char *python_version;         /* "3.11" */
    const char *python_full_version;    /* "3.11.7" */
    const char *implementation_name;    /* "cpython" */
    const char *implementation_version; /* "3.11.7" */
    /* In lock files only (PEP 751): sets of names, NULL-terminated.  NULL as a
     * list: not defined here. */
    const char *const *extras;
    const char *const *dependency_groups;
};

struct ps_marker; /* a parsed expression; lives in the arena */

struct ps_requirement {
    struct ps_str name;          /* as written */
    const struct ps_str *extras; /* as written, sorted, each once */
    size_t extra_count;
    struct ps_specifiers specifiers; /* empty with a URL */
    struct ps_str url;               /* empty when absent */
    const struct ps_marker *marker;  /* NULL when absent */
};

/* PS_EINVALID: what was expected, and where (column, counted from 1). */
PS_MUST_USE int ps_requirement_parse(struct ps_arena *arena, struct ps_str text,
                                     struct ps_requirement *out,
                                     struct ps_error *err);

/* As str(packaging.requirements.Requirement) writes it; in the arena. */
char *ps_requirement_string(struct ps_arena *arena,
                            const struct ps_requirement *r);

PS_MUST_USE int ps_marker_parse(struct ps_arena *arena, struct ps_str text,
                                const struct ps_marker **out,
                                struct ps_error *err);
char *ps_marker_string(struct ps_arena *arena, const struct ps_marker *m);

/*
 * Whether it holds, with `extra` (NULL: none asked for) compared by PEP 685.
 * A marker of NULL always holds.  PS_EINVALID for a comparison that has no
 * meaning (`"a" ~= "b"`), as packaging's UndefinedComparison.
 */
PS_MUST_USE int ps_marker_holds(const struct ps_marker *m,
                                const struct ps_marker_env *env,
                                const char *extra, bool *out,
                                struct ps_error *err);

#endif
