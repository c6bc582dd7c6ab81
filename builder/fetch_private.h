/* What the files of the fetch phase share. */
#ifndef PKGSYNC_FETCH_PRIVATE_H
#define PKGSYNC_FETCH_PRIVATE_H

#include "pkgsync/fetch.h"

/* PS_EINVALID, saying why, for a string that must not reach pip. */
PS_MUST_USE int ps_check_requirement(const char *text, struct ps_error *err);

/* One request, put together once. */
struct ps_fetch {
    struct ps_arena *arena;
    const char *const *requirements;
    const struct ps_index *index;
    const struct ps_python *python;
    const char *cache_dir;
    ps_sink_fn *log;
    void *log_user;
    const struct ps_cancel *cancel;
};

/* Run pip into the empty directory `dest`. */
PS_MUST_USE int ps_pip_download(const struct ps_fetch *f, const char *dest,
                                struct ps_error *err);

/* Move what pip left in `dest` into the cache, by digest. */
PS_MUST_USE int ps_fetch_store(const struct ps_fetch *f, const char *dest,
                               struct ps_wheel_set *out, struct ps_error *err);

#endif
