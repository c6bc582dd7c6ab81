/* pylock.toml: which file each package of an index is, as the index says. */
#include <stdlib.h>
#include <string.h>

#include "sync_private.h"

static bool is_of_index(const struct ps_spec_package *p)
{
    return p->requirement && !p->wheel && !p->conda.name &&
           p->level != PS_LEVEL_IGNORED;
}

static int take_file(struct ps_arena *arena, const struct ps_spec_package *p,
                     const struct ps_found_file *found,
                     const struct ps_spec_wheel **out, struct ps_error *err)
{
    struct ps_spec_wheel *file = NULL;

    if (found->code)
        return ps_fail(err, found->code, "ask for '%s': the index %s",
                       p->requirement, found->why);
    if (!found->name)
        return ps_fail(err, PS_ENOTFOUND,
                       "the index has no wheel of '%s' for this interpreter",
                       p->requirement);
    if (!found->has_sha256)
        return ps_fail(err, PS_ENOTFOUND, "the index gives no SHA-256 of '%s'",
                       found->name);
    file = ps_arena_alloc(arena, 1, sizeof(*file));
    file->file_name = found->name;
    file->url = found->url;
    file->sha256 = found->sha256;
    *out = file;
    return PS_OK;
}

int ps_sync_lock(struct ps_arena *arena, const struct ps_pipeline_options *o,
                 const struct ps_spec *spec, char **out, struct ps_error *err)
{
    const char **wanted =
        ps_arena_alloc(arena, spec->count + 1, sizeof(*wanted));
    struct ps_found_file *found =
        ps_arena_alloc(arena, spec->count + 1, sizeof(*found));
    const struct ps_spec_wheel **files =
        ps_arena_alloc(arena, spec->count + 1, sizeof(void *));
    const struct ps_fetch fetch = { .requirements = wanted,
                                    .index = o->index,
                                    .python = o->python,
                                    .cache_dir = o->dirs->cache,
                                    .cancel = o->cancel };
    size_t n = 0;
    int rc = PS_OK;

    for (size_t i = 0; i < spec->count; i++) {
        if (is_of_index(&spec->packages[i]))
            wanted[n++] = spec->packages[i].requirement;
    }
    rc = ps_fetch_find(arena, &fetch, true, found, err);
    n = 0;
    for (size_t i = 0; rc == PS_OK && i < spec->count; i++) {
        if (is_of_index(&spec->packages[i]))
            rc = take_file(arena, &spec->packages[i], &found[n++], &files[i],
                           err);
    }
    return rc < 0 ? rc : ps_spec_pylock(spec, files, out, err);
}
