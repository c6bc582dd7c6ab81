/* What a person asked for, name by name.  Private to environment. */
#ifndef PKGSYNC_LEVELS_ASKED_H
#define PKGSYNC_LEVELS_ASKED_H

#include "pkgsync/levels.h"
#include "pkgsync/requirement.h"

enum ps_asked {
    PS_ASKED_NOTHING,
    PS_ASKED_EXACT,
    PS_ASKED_COMPATIBLE,
    PS_ASKED_IGNORE,
};

/* Indices are those of environment->dists, then of environment->conda. */
struct ps_asked_for {
    enum ps_asked *how;
    bool has_only;
    bool *only; /* what --only names and takes along, and the critical ones */
};

/* PS_ENOTFOUND: a name that is not installed, with the one that was probably
 * meant.  PS_EINVALID: a name that is asked for in two ways. */
PS_MUST_USE int ps_asked_read(struct ps_arena *arena,
                              const struct ps_environment *environment,
                              const struct ps_level_options *options,
                              struct ps_asked_for *out, struct ps_error *err);

/* An extra becomes a decision.  PS_EINVALID: it is no requirement, or names
 * what cannot be fetched. */
PS_MUST_USE int ps_extra_decide(struct ps_arena *arena, const char *text,
                                const struct ps_environment *environment,
                                struct ps_decision *out, struct ps_error *err);

/* A package of conda without a Python distribution. */
void ps_conda_decide(struct ps_arena *arena, const struct ps_dist *dist,
                     bool match_exact, enum ps_asked how,
                     struct ps_decision *out);

#endif
