/*
 * What a cache is to be warmed with: from arguments, requirements files and
 * specs to wheels that must be there.
 *
 * A requirements file is as pip reads it: names, `name @ URL`, URLs, paths,
 * `-e`, `-r`, `-c`, --index-url and the like, --pre, --no-binary,
 * --require-hashes, `--hash`, comments, continued lines, ${VARIABLES},
 * markers.  It may be a URL.  What would change what is built and is not
 * understood is an error.  Blocking; any thread.
 */
#ifndef PKGSYNC_WARM_H
#define PKGSYNC_WARM_H

#include <stddef.h>

#include "pkgsync/arena.h"
#include "pkgsync/error.h"
#include "pkgsync/install.h"
#include "pkgsync/pipeline.h"
#include "pkgsync/requirement.h"
#include "pkgsync/scan.h"
#include "pkgsync/sync.h"

struct ps_warm_options {
    const struct ps_pipeline_options *pipeline; /* Required */
    const struct ps_site *site;                 /* Required: for markers */
    struct ps_locations *locations;             /* Required: for specs */
    const char *const *sources; /* Optional: sources, wheels, and specs
                                   (*.json); NULL-terminated */
    const char *const *files;   /* Optional: requirements files, or URLs of
                                   such */
};

/* A line of a file that -c names. */
struct ps_constraint {
    struct ps_str name;
    struct ps_specifiers specifiers;
    struct ps_hash_list hashes;
    const char *text; /* as it is shown */
};

struct ps_warm {
    struct ps_sync_item *items;
    size_t count;
    struct ps_wheel_result *failures; /* what could not even become an item */
    size_t failure_count;
    size_t ready; /* index packages that have a wheel: nothing to do */
    struct ps_constraint *constraints;
    size_t constraint_count;
    struct ps_index index; /* the pipeline's, with the files' own options */
};

/*
 * Read them all.  What one line or one spec asks for and cannot be had is a
 * failure in *out; an error is a file that cannot be read or understood, with
 * its name and line.
 */
PS_MUST_USE int ps_warm_collect(struct ps_arena *arena,
                                const struct ps_warm_options *options,
                                struct ps_warm *out, struct ps_error *err);

/* What became of the items, against the constraints: a wheel of a version that
 * one of them excludes is a failure.  results: one for each item. */
void ps_warm_check(const struct ps_warm *warm, struct ps_wheel_result *results);

/* Whether an argument names a spec: "environment.json", "s3://.../x.json". */
bool ps_warm_is_spec(const char *source);

#endif
