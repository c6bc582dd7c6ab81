/*
 * Levels: what to do with each distribution of an environment, and why.
 *
 *   critical    must be there, and the same everywhere: ==
 *   ignored     exists for another operating system only
 *   build       what no index has: becomes a wheel
 *   exact       == by choice or because ~= cannot say it
 *   compatible  ~= as PEP 440 means it
 *
 * The rules are data: environment/levels.json, compiled in, printed by
 * `pkgsync levels`.  Pure functions over a scan; any thread.
 */
#ifndef PKGSYNC_LEVELS_H
#define PKGSYNC_LEVELS_H

#include <stdbool.h>
#include <stddef.h>

#include "pkgsync/arena.h"
#include "pkgsync/error.h"
#include "pkgsync/json.h"
#include "pkgsync/loose.h"
#include "pkgsync/scan.h"

enum ps_level {
    PS_LEVEL_CRITICAL,
    PS_LEVEL_COMPATIBLE,
    PS_LEVEL_EXACT,
    PS_LEVEL_IGNORED,
    PS_LEVEL_BUILD,
};
const char *ps_level_name(enum ps_level level); /* "critical", ... */

/* What a person asked for; names in any spelling, lists NULL-terminated and
 * each optional.  An override wins over every rule but `critical` missing. */
struct ps_level_options {
    bool match_exact;                /* --match exact */
    const char *const *exact;        /* == for these */
    const char *const *compatible;   /* ~= for these */
    const char *const *ignore;       /* not on the cluster */
    const char *const *only;         /* these and what they require; critical
                                        ones always */
    const char *const *extras;       /* requirements for the cluster only */
    bool allow_missing_critical;     /* `scan`: report, do not fail */
    const char *const *allow_failed; /* --allow-failed: left out where no
                                        cluster can get them */
};

struct ps_decision {
    const struct ps_dist *dist; /* NULL for a cluster-only extra */
    const char *name;           /* as METADATA writes it */
    const char *version;
    enum ps_level level;
    const char *requirement; /* "x~=1.2", NULL: none (ignored, build, cannot
                                be had) */
    const char *build;       /* level build: what `pkgsync wheel` would be told
                                ("/path", "git+...@commit#subdirectory=",
                                "/x-1.0.whl", "https://...#sha256="); NULL for the
                                loose wheel */
    const char *reason;      /* one line for people, never NULL */
    const char *warning;     /* NULL */
    bool conda;    /* belongs into environment.yml, not into requirements */
    bool left_out; /* ignored because it cannot be had and allow_failed names
                      it */
};

struct ps_decisions {
    const struct ps_decision *items; /* by normal name */
    size_t count;
    const struct ps_problem *problems; /* missing critical, unsupported VCS */
    size_t problem_count;
};

/*
 * Decide.
 *
 *   PS_ENOTFOUND     every critical distribution that is missing; a name of
 *                    an override that is not installed, and what was probably
 *                    meant
 *   PS_EINVALID      an extra that is no requirement; a name asked for in two
 *                    ways; a version that no index can have and nowhere to
 *                    build it from
 *   PS_EUNSUPPORTED  it was installed from hg, svn or bzr
 *
 * All that no cluster can get are named at once, also one whose
 * direct_url.json is broken and for which no override vouches; the code is
 * that of the first.
 *
 * With allow_missing_critical what no cluster can get is a serious problem
 * instead, and its decision is `exact` without a requirement.
 *
 * A Python distribution of conda gets a requirement of PEP 508 as any other,
 * which `check` judges by; conda's own packages get a conda MatchSpec
 * ("libffi>=3.4.2,3.4.*"), which never is one.
 */
PS_MUST_USE int ps_levels_decide(struct ps_arena *arena,
                                 const struct ps_environment *environment,
                                 const struct ps_level_options *options,
                                 struct ps_decisions *out,
                                 struct ps_error *err);

/* The requirement of one version at `compatible` or `exact`, with the reason
 * where it is not the plain one; what scan, sync and the tests use. */
PS_MUST_USE int ps_levels_requirement(struct ps_arena *arena, const char *name,
                                      const char *version, bool exact,
                                      const char **requirement,
                                      const char **reason,
                                      struct ps_error *err);

/* Whether a version found satisfies what was decided. */
bool ps_levels_satisfied(const char *requirement, const char *version);

/* The rule table, for `pkgsync levels`; borrowed, lives as long as the
 * program. */
const json_t *ps_levels_rules(void);

#endif
