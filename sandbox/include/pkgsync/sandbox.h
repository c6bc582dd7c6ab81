/*
 * The Linux implementation of `struct ps_runner` (runner.h).
 *
 * Each run starts the small single-threaded program pkgsync-sandbox, hands it
 * a plan as JSON, and reads what became of it: the calling process has threads
 * and secrets in its heap, so it never clones itself.
 *
 * What the machine cannot give is refused (PS_EUNSUPPORTED, naming the layer
 * and the remedy) unless that layer is listed in `weaken`; what was weakened
 * shows in ps_runner.strength.
 */
#ifndef PKGSYNC_SANDBOX_H
#define PKGSYNC_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

#include "pkgsync/runner.h"

struct ps_sandbox_options {
    const char *helper_path;        /* Required: absolute path of
                                       pkgsync-sandbox; copied */
    const char *const *weaken;      /* Optional: NULL-terminated layer names
                                       that may be absent; copied */
    const char *const *extra_paths; /* Optional: NULL-terminated absolute host
                                       paths shown read-only at the same place
                                       (a toolchain outside /usr); copied */
    const char *cache_dir;          /* Optional: where the self-test's answer
                                       is kept; copied */
};

/* On success the caller owns *out and releases it with ps_runner_free(). */
PS_MUST_USE int ps_sandbox_new(const struct ps_sandbox_options *options,
                               struct ps_runner **out, struct ps_error *err);

enum ps_layer_state { PS_LAYER_PRESENT, PS_LAYER_WEAK, PS_LAYER_ABSENT };

/* One row of `pkgsync doctor`. */
struct ps_layer {
    const char *name; /* "user-namespace", "seccomp", "landlock", ...; static;
                         what `weaken` names */
    enum ps_layer_state state;
    bool required;    /* absent and not waived: nothing is run */
    char detail[256]; /* "ABI 6", "EPERM from unshare(CLONE_NEWUSER)" */
    char remedy[256]; /* "" where there is nothing to mend */
};

#define PS_LAYERS_MAX 24

/*
 * Try every layer for real, by running the helper's self-test.  Fills
 * layers[0..*count).  Fails only if the helper itself cannot be started.
 */
PS_MUST_USE int ps_sandbox_probe(const struct ps_sandbox_options *options,
                                 struct ps_layer layers[PS_LAYERS_MAX],
                                 size_t *count, struct ps_error *err);

const char *ps_layer_state_name(enum ps_layer_state state);

#endif
