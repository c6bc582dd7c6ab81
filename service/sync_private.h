/* What the files of sync share. */
#ifndef PKGSYNC_SYNC_PRIVATE_H
#define PKGSYNC_SYNC_PRIVATE_H

#include "pkgsync/sync.h"

/* A growing list of problems; in the arena. */
struct ps_problem_list {
    struct ps_problem *items;
    size_t count;
    size_t room;
};
void ps_problem_add(struct ps_arena *arena, struct ps_problem_list *list,
                    struct ps_problem problem);

/* ---- wheels that need no build (sync_store.c, _wheel.c, _loose.c) ---- */

/* Whether this source names a wheel, by path or URL. */
bool ps_sync_is_wheel(const char *source);

/* A wheel on its way into the stores. */
struct ps_sync_work {
    const struct ps_pipeline_options *o;
    struct ps_arena *arena;
    const struct ps_sync_item *item;
    size_t index; /* of the item, for events */
    struct ps_wheel_result *result;
};

void ps_sync_phase(struct ps_sync_work *w, const char *phase);
PS_MUST_USE int ps_sync_take_wheel(struct ps_sync_work *w,
                                   struct ps_error *err);
PS_MUST_USE int ps_sync_pack_loose(struct ps_sync_work *w,
                                   struct ps_error *err);

/* The wheel of this hash, if the stores have it already: result filled and
 * *there set.  The local store is filled from the other one. */
PS_MUST_USE int ps_sync_known(struct ps_sync_work *w,
                              const struct ps_sha256 *sha256, uint64_t size,
                              const char *file_name, bool *there,
                              struct ps_error *err);

/* A verified wheel in the directory `dir` into the stores. */
PS_MUST_USE int ps_sync_keep(struct ps_sync_work *w, int dir,
                             const struct ps_wheel_info *info,
                             struct ps_error *err);

/* ---- what is written (sync_files.c, sync_lock.c) ---- */

struct ps_sync_file {
    const char *name;
    const char *text;
    bool is_secret; /* readable by this person only */
};

/* Each whole or not at all; the paths, NULL-terminated, to *written. */
PS_MUST_USE int ps_sync_write(struct ps_arena *arena, const char *dir,
                              const struct ps_sync_file *files, size_t count,
                              const char *const **written,
                              struct ps_error *err);

/* Remove a file that ps_sync_write() wrote and nobody else: it begins with the
 * comment of a spec's files.  Any other one stays; *removed tells. */
PS_MUST_USE int ps_sync_remove(const char *path, bool *removed,
                               struct ps_error *err);

/* pylock.toml of an exact spec; asks the index.  Caller frees *out. */
PS_MUST_USE int ps_sync_lock(struct ps_arena *arena,
                             const struct ps_pipeline_options *o,
                             const struct ps_spec *spec, char **out,
                             struct ps_error *err);

#endif
