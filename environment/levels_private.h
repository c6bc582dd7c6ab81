/* What the files of levels share.  Private to environment. */
#ifndef PKGSYNC_LEVELS_PRIVATE_H
#define PKGSYNC_LEVELS_PRIVATE_H

#include "pkgsync/levels.h"

/* Rules ------------------------------------------------------------------ */

/* One way to write a version: the first row whose `when` holds decides. */
struct ps_rule_row {
    const char *when;
    const char *write;   /* "~=", "~=.0", "==", "===", "refuse" */
    const char *reason;  /* NULL: it is the plain one */
    const char *warning; /* NULL */
};

/* levels.json as it is used; parsed once, lives as long as the program. */
const struct ps_rule_row *ps_rule_rows(size_t *count);

/* All by normal name. */
bool ps_rule_is_critical(const char *normal);
const char *ps_rule_critical_reason(void);
const char *const *ps_rule_critical_names(void); /* NULL-terminated */
bool ps_rule_is_compared(const char *normal);    /* distributed compares it */
bool ps_rule_is_vcs_label(struct ps_str part);   /* of a local label */

/* "Windows" or "macOS" when the table says that a distribution exists for it
 * only; NULL. */
const char *ps_rule_system_only(const struct ps_dist *dist);

/* Writing ---------------------------------------------------------------- */

struct ps_written {
    const char *requirement;
    const char *reason;  /* NULL: the plain one */
    const char *warning; /* NULL */
    bool is_exact;       /* == or === */
};

/* As ps_levels_requirement(); `trusted`: somebody vouches that the version can
 * be had although its label says that a working tree made it. */
PS_MUST_USE int ps_levels_write(struct ps_arena *arena,
                                const struct ps_dist *dist, bool exact,
                                bool trusted, struct ps_written *out,
                                struct ps_error *err);

/* The series of a conda version, "1.26.4" -> "1.26.*" (what ~= admits);
 * NULL when it has other than two or more numbers. */
const char *ps_conda_series(struct ps_arena *arena, const char *version);

/* Graph ------------------------------------------------------------------ */

/* Who requires whom, over the indices of environment->dists. */
struct ps_graph;

struct ps_graph *ps_graph_new(struct ps_arena *arena,
                              const struct ps_environment *environment);

/* Set in[i] of `root`, with these extras, and of all that it requires under
 * the environment's own markers. */
void ps_graph_close(struct ps_graph *graph, size_t root,
                    const struct ps_str *extras, size_t extra_count, bool *in);

/*
 * Set out[i] of what is here only because this is no Linux: nobody asked for
 * it, something here requires it, and nothing that Linux gets requires it
 * there.  out[i] that are set already do not reach Linux.
 */
void ps_graph_find_foreign(struct ps_graph *graph, bool *out);

/* The markers of the cluster, from those of here. */
void ps_linux_markers(struct ps_marker_env *env);

/* Sources ---------------------------------------------------------------- */

/*
 * Fill level, build, reason and warning of a distribution that no index has.
 * false: it is one of an index after all, perhaps with decision->warning; or
 * *refused says why it can be neither built nor had.
 */
bool ps_source_decide(struct ps_arena *arena, const struct ps_dist *dist,
                      struct ps_decision *decision, const char **refused);

/* Why one whose direct_url.json is broken is not taken from an index, and what
 * to do; in the arena. */
const char *ps_origin_refusal(struct ps_arena *arena,
                              const struct ps_dist *dist);

/* Where it came from, for people: "from git, https://... at 1a2b3c";
 * in the arena. */
const char *ps_source_text(struct ps_arena *arena, const struct ps_dist *dist);

#endif
