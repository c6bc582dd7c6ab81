/*
 * The build record: what a wheel was made of, by what, under which isolation.
 *
 * An in-toto Statement (v1) with an SLSA provenance (v1) predicate, as
 * canonical JSON, so that tools for supply chains can read it:
 *
 *   subject                   the wheel and its SHA-256
 *   buildDefinition
 *     externalParameters      what a person chose: source, Python, settings
 *     internalParameters      what pkgsync added: keys, isolation, network
 *     resolvedDependencies    the source first, then the build requirements
 *   runDetails                builder, invocation, times
 *
 * It is not signed.  Any thread.
 */
#ifndef PKGSYNC_RECORD_H
#define PKGSYNC_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/digest.h"
#include "pkgsync/error.h"
#include "pkgsync/json.h"

/* buildType says what the parameters mean; a new meaning gets a new number. */
#define PS_RECORD_BUILD_TYPE "urn:pkgsync:build-type:wheel:1"
#define PS_RECORD_BUILDER_ID "urn:pkgsync:builder:1"

struct ps_record_requirement {
    const char *file_name;
    struct ps_sha256 sha256;
};

struct ps_build_record {
    const char *wheel_name; /* file name */
    struct ps_sha256 wheel_sha256;
    uint64_t wheel_size;
    struct ps_sha256 build_key;
    const char *request_key;   /* Optional */
    const char *invocation_id; /* Optional: of this run, such as the job's;
                                  NULL: build key and start */

    const char *source_kind;   /* "directory", "vcs", "sdist", ... */
    const char *source_url;    /* for display; PS_EINVALID with a password */
    const char *source_commit; /* Optional: NULL or "": none */
    struct ps_sha256 source_digest; /* of the tree, as tree.h defines it */
    const char *subdirectory;       /* Optional: NULL or "": the root */

    const char *python_implementation; /* "cpython" */
    const char *python_version;        /* "3.11.2" */
    const char *python_abi;            /* "cp311" */
    const char *python_platform;       /* "linux_x86_64" */
    const struct ps_record_requirement *requirements;
    size_t requirement_count;
    const json_t *config_settings; /* Optional: object without reals;
                                      borrowed */

    const char *builder_version; /* of pkgsync */
    const char *sandbox;         /* JSON: the runner's strength() */
    const char *const *weakened; /* Optional: NULL-terminated names of layers
                                    that were waived */
    bool network;                /* the build could reach the network */
    int64_t started_s;           /* since 1970-01-01 UTC */
    int64_t finished_s;
};

/*
 * The record as canonical JSON; caller frees *out.  PS_EINVALID when `sandbox`
 * or config_settings is not a JSON object, or source_url holds a password.
 */
PS_MUST_USE int ps_build_record_json(const struct ps_build_record *record,
                                     char **out, struct ps_error *err);

#endif
