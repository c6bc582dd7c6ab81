/*
 * The environment spec: what workers are brought to.
 *
 * environment.json is canonical JSON with the SHA-256 of itself (computed
 * without the member "digest") inside, so a copy under any name tells whether
 * it was edited; in a store its name is that digest,
 * "environments/<digest>.json".  Schema 1:
 *
 *   {"schema":1, "digest":"...", "created_by":"pkgsync 0.1.0",
 *    "python":{"implementation","version","abi","platform"},
 *    "indexes":{"index_url","extra_index_urls":[],"find_links":[]},
 *    "packages":[{"name","version","level","requirement"|null,"reason",
 *                 "source":{"kind","url","commit","subdirectory","editable"},
 *                 "conda":{"name","version","build","channel","subdir"}|null,
 *                 "wheel":{"filename","size","sha256","url","key"}|null}]}
 *
 * Packages are sorted by normal name.  No credentials anywhere.  Any thread.
 */
#ifndef PKGSYNC_SPEC_H
#define PKGSYNC_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"
#include "pkgsync/json.h"
#include "pkgsync/levels.h"

#define PS_SPEC_SCHEMA 1

struct ps_spec_wheel {
    const char *file_name;
    uint64_t size;
    struct ps_sha256 sha256;
    const char *url; /* where it is: file://, s3://, https:// */
    const char *key; /* request key, hex; NULL */
};

struct ps_spec_package {
    const char *name;
    const char *version; /* "" for a cluster-only extra */
    enum ps_level level;
    const char *requirement; /* NULL: ignored, or a wheel */
    const char *reason;
    const char *source_kind;  /* ps_dist_source_name(); "extra" */
    const char *source_url;   /* NULL */
    const char *commit;       /* NULL */
    const char *subdirectory; /* NULL */
    bool editable;
    struct ps_conda conda;             /* name NULL when not conda's */
    const struct ps_spec_wheel *wheel; /* NULL */
};

struct ps_spec {
    struct ps_sha256 digest;
    const char *created_by; /* "pkgsync 0.1.0" */
    const char *implementation;
    const char *version;
    const char *abi;
    const char *platform;
    const char *index_url;               /* NULL */
    const char *const *extra_index_urls; /* NULL-terminated */
    const char *const *find_links;       /* NULL-terminated */
    const struct ps_spec_package *packages;
    size_t count;
};

/*
 * What a scan, its decisions and the built wheels come to.  wheels[i] belongs
 * to decisions->items[i]; NULL where there is none.  A wheel's file name says
 * which version was built, whatever the metadata of a working tree says.
 * `digest` of the result is set.  Views into the arguments: all of one arena.
 *
 * PS_EINVALID: a decision of level `build` without a wheel (one that was
 * allowed to fail is to be made `ignored` first), a wheel of another name, a
 * name twice.  Credentials in URLs are left out.
 */
struct ps_spec_parts {
    const struct ps_environment *environment;
    const struct ps_decisions *decisions;
    const struct ps_spec_wheel *const *wheels;
    const struct ps_spec_wheel *loose; /* NULL */
    const char *loose_name;            /* with `loose` */
    const char *loose_version;
    const char *index_url;               /* as in struct ps_spec */
    const char *const *extra_index_urls; /* Optional */
    const char *const *find_links;       /* Optional */
};
PS_MUST_USE int ps_spec_make(struct ps_arena *arena,
                             const struct ps_spec_parts *parts,
                             struct ps_spec *out, struct ps_error *err);

json_t *ps_spec_json(const struct ps_spec *spec); /* caller decrefs */

/*
 * Parse.  `name` names the document in errors; if its last part is
 * "<64 hex digits>.json" that must be the digest.
 *
 *   PS_EINVALID      no JSON, no spec; the member that is wrong
 *   PS_EINTEGRITY    the digest does not match: it was edited
 *   PS_EUNSUPPORTED  a newer schema: which pkgsync reads it
 */
PS_MUST_USE int ps_spec_parse(struct ps_arena *arena, struct ps_str text,
                              const char *name, struct ps_spec *out,
                              struct ps_error *err);

/*
 * Files beside it; caller frees.
 *
 * requirements.txt: what pip and uv install as it is; wheels by URL with
 * `#sha256=`.  `urls`, unless NULL, has for each package the URL to write for
 * its wheel instead of the spec's (a presigned one, a local file); NULL
 * entries keep it.
 */
char *ps_spec_requirements(const struct ps_spec *spec, const char *const *urls);

/* pylock.toml (PEP 751).  `files` has for each package of an index the file
 * that an installer chose (one entry a package, NULL for ignored ones and
 * those that have a wheel); PS_EINVALID naming a package that has neither or
 * is not exact. */
PS_MUST_USE int ps_spec_pylock(const struct ps_spec *spec,
                               const struct ps_spec_wheel *const *files,
                               char **out, struct ps_error *err);

/* environment.yml: conda's packages, and what pip adds to them. */
char *ps_spec_conda_yaml(const struct ps_spec *spec, const char *name);

/* What `check` found. */
enum ps_severity { PS_SEVERITY_OK, PS_SEVERITY_WARNING, PS_SEVERITY_ERROR };
const char *ps_severity_name(enum ps_severity s); /* "warning", ... */

struct ps_difference {
    const char *name;
    const char *expected; /* requirement or version; "" */
    const char *found;    /* version; NULL: not installed */
    enum ps_level level;
    enum ps_severity severity;
    const char *message;
};

struct ps_comparison {
    bool equal; /* no ERROR */
    const struct ps_difference *items;
    size_t count;
};

/* A spec against an environment: level-aware.  A package of level `build` is
 * compared by version and by what its direct_url.json says. */
PS_MUST_USE int ps_compare_spec(struct ps_arena *arena,
                                const struct ps_spec *spec,
                                const struct ps_environment *found,
                                struct ps_comparison *out,
                                struct ps_error *err);

/* Two environments: `a` is decided with `options`, `b` must satisfy it. */
PS_MUST_USE int ps_compare_environments(struct ps_arena *arena,
                                        const struct ps_environment *a,
                                        const struct ps_environment *b,
                                        const struct ps_level_options *options,
                                        struct ps_comparison *out,
                                        struct ps_error *err);

#endif
