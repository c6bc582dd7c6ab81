/* Shared by probe.c and runner.c: what the options of a sandbox come to. */
#ifndef PKGSYNC_SANDBOX_PROBE_H
#define PKGSYNC_SANDBOX_PROBE_H

#include "pkgsync/sandbox.h"

/* PS_EUNSUPPORTED naming the first required layer that is absent. */
PS_MUST_USE int ps_layers_check(const struct ps_layer *layers, size_t count,
                                const char *const *weaken,
                                struct ps_error *err);

/* Canonical JSON for ps_runner.strength; caller frees. */
char *ps_layers_strength(const struct ps_layer *layers, size_t count);

/* Parse the helper's self-test. */
PS_MUST_USE int ps_layers_parse(struct ps_str text,
                                struct ps_layer layers[PS_LAYERS_MAX],
                                size_t *count, struct ps_error *err);

/*
 * The answer of the self-test, kept under <cache_dir>/sandbox by everything
 * that it depends on and that can be read without starting a process.  The
 * path is NULL where nothing can be kept; caller frees it.  What is refused
 * is not saved: the person will mend it and come back at once.
 */
char *ps_layers_kept_path(const char *cache_dir, const char *helper);
bool ps_layers_load(const char *path, struct ps_layer layers[PS_LAYERS_MAX],
                    size_t *count);
void ps_layers_save(const char *path, const struct ps_layer *layers,
                    size_t count);

/* PS_EUSAGE for a name that no layer has; weaken may be NULL. */
PS_MUST_USE int ps_layers_check_names(const char *const *weaken,
                                      struct ps_error *err);

#endif
