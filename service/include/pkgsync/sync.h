/*
 * Sync: an environment on its way to a cluster.
 *
 *   scan ─▶ decide ─▶ loose ─┬─▶ sources ─▶ pipeline ─┐
 *                            ├─▶ wheels ──▶ verify ───┼─▶ stores ─▶ spec
 *                            └─▶ loose ───▶ pack ─────┘
 *
 * The first half (ps_sync_scan) starts nothing and changes nothing; `scan`,
 * `sync`, `warm`, `check` and `install` all look at an environment by it.  A
 * sync that fails writes neither a spec nor a file.  Blocking; any thread.
 */
#ifndef PKGSYNC_SYNC_H
#define PKGSYNC_SYNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/error.h"
#include "pkgsync/fetch.h"
#include "pkgsync/json.h"
#include "pkgsync/levels.h"
#include "pkgsync/loose.h"
#include "pkgsync/pipeline.h"
#include "pkgsync/scan.h"
#include "pkgsync/spec.h"

struct ps_sync_scan_options {
    const struct ps_site *site; /* Required */
    const char *cwd;            /* Optional: loose modules are looked for there
                                   and in site->path */
    bool no_loose;
    const char *const *exclude; /* Optional: loose files that do not belong */
    const char *const *include; /* Optional: those that look like keys and
                                   belong all the same */
    const struct ps_level_options *levels; /* Required */
    const struct ps_cancel *cancel;        /* Optional */
};

/* What a sync would do.  Everything lives in the arena. */
struct ps_sync_plan {
    struct ps_environment environment;
    struct ps_loose loose;             /* count 0: there are no loose modules */
    struct ps_decisions decisions;     /* without the loose modules */
    const struct ps_problem *problems; /* of all three */
    size_t problem_count;
    struct ps_error missing; /* code 0, or, with levels->allow_missing_critical,
                                the error that it would have been */
};

/*
 * Look, and decide.  Errors as of ps_environment_scan(), ps_loose_find() and
 * ps_levels_decide(): PS_ENOTFOUND names the critical distributions that are
 * missing.  PS_EINVALID, unless levels->allow_missing_critical: loose modules
 * that hide installed ones (loose.refused).
 */
PS_MUST_USE int ps_sync_scan(struct ps_arena *arena,
                             const struct ps_sync_scan_options *options,
                             struct ps_sync_plan *out, struct ps_error *err);

/* The document of `pkgsync scan --json`, and its member "problems"; caller
 * decrefs. */
json_t *ps_sync_plan_json(const struct ps_sync_plan *plan);
json_t *ps_problems_json(const struct ps_problem *problems, size_t count);

/* One row of that document or of the table, the loose modules among them. */
struct ps_sync_row {
    const char *name; /* of the loose modules: "module, package" */
    const char *version;
    const char *level;
    const char *requirement;  /* NULL */
    const char *kind;         /* of the source: "index", "editable", ... */
    const char *url;          /* NULL; of an editable: file:///... */
    const char *commit;       /* NULL */
    const char *subdirectory; /* NULL */
    bool editable;
    const char *location;  /* NULL */
    const char *installer; /* NULL */
    const char *reason;
    const char *warning; /* NULL */
};
size_t ps_sync_rows(struct ps_arena *arena, const struct ps_sync_plan *plan,
                    struct ps_sync_row **out);

/* ---- building ---- */

/* One wheel that must be there. */
struct ps_sync_item {
    const char *source; /* what `pkgsync wheel` takes, or a wheel's path or
                           URL; of the loose modules their names */
    const char *name;   /* the distribution it must be; NULL: any */
    const struct ps_loose *loose;      /* these modules; NULL */
    const struct ps_spec_wheel *wheel; /* it must be this one; NULL */
    struct ps_hash_list hashes;        /* a wheel that is one already must have
                                          one of these; empty: any */
};

/*
 * What the plan's builds are; items[i] is of plan->decisions.items[index[i]],
 * or of the loose modules (SIZE_MAX).  index may be NULL.
 */
size_t ps_sync_items(struct ps_arena *arena, const struct ps_sync_plan *plan,
                     struct ps_sync_item **items, size_t **index);

/*
 * Make every item a wheel in the stores, as ps_pipeline_wheels() does for
 * sources; wheels are verified and stored as they are.  Events and results
 * are numbered as the items.
 */
PS_MUST_USE int ps_sync_wheels(struct ps_arena *arena,
                               const struct ps_pipeline_options *pipeline,
                               const struct ps_sync_item *items, size_t count,
                               struct ps_wheel_result *results,
                               struct ps_error *err);

/* ---- all of it ---- */

struct ps_sync_options {
    const struct ps_pipeline_options *pipeline; /* Required; `store` may be
                                                   NULL: not uploaded */
    const struct ps_sync_plan *plan;            /* Required */
    const struct ps_sync_item *items;           /* Required: of this plan */
    const size_t *item_index;                   /* Required */
    size_t item_count;
    const struct ps_index *index;    /* Optional: what the spec says of indexes;
                                        NULL: the pipeline's */
    bool match_exact;                /* pylock.toml as well */
    const char *const *allow_failed; /* Optional: names whose builds may fail */
    const char *output_dir;          /* Optional: the files go here as well */
    uint64_t presign_s; /* 0: no; else requirements.txt has URLs that need no
                           credentials and are valid for so long */
};

/* Strings in the arena. */
struct ps_sync_result {
    struct ps_wheel_result *wheels; /* one for each item, also on failure */
    size_t left_out;                /* of them, by allow_failed */

    /* After success: */
    struct ps_spec spec;
    const char *digest;          /* hex */
    const char *document;        /* environment.json, canonical */
    const char *path;            /* of it in the local store */
    const char *url;             /* of it in the store, or the local one */
    const char *requirements;    /* requirements.txt */
    uint64_t presigned_until_ms; /* 0: it has no presigned URLs */
    const char *const *files;    /* written; NULL-terminated */
    const struct ps_problem *problems; /* beside those of the plan */
    size_t problem_count;
};

/*
 * Build, upload, write.  When a wheel failed that was not allowed to: its
 * code, with every other item seen to its end and out->wheels filled; err
 * names the packages.
 *
 * The files (environment.json, requirements.txt, pylock.toml when exact,
 * environment.yml for conda) are in <state>/environments/<digest>/ and, if
 * asked for, in output_dir; each is there whole or not at all.
 */
PS_MUST_USE int ps_sync_run(struct ps_arena *arena,
                            const struct ps_sync_options *options,
                            struct ps_sync_result *out, struct ps_error *err);

#endif
