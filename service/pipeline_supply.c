/*
 * Build requirements that exist as source distributions only.
 *
 * Such a requirement becomes a job of its own, like any source: sandboxed,
 * keyed, kept. Its wheel's directory in the local store is then one more place
 * for the resolution of the build that wanted it.
 */
#include <stdlib.h>
#include <string.h>

#include "pipeline_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"

#define DEPTH_MAX 4

/* The index settings and one directory more; in the arena of the work. */
static void add_find_links(struct ps_work *w, const char *dir)
{
    const char *const *had = w->build.index->find_links;
    struct ps_index *index = ps_arena_alloc(&w->arena, 1, sizeof(*index));
    const char **links = NULL;
    size_t count = 0;

    while (had && had[count])
        count++;
    links = ps_arena_alloc(&w->arena, count + 2, sizeof(*links));
    for (size_t i = 0; i < count; i++)
        links[i] = had[i];
    links[count] = ps_arena_strdup(&w->arena, dir);
    *index = *w->build.index;
    index->find_links = links;
    w->build.index = index;
}

static int check_chain(const struct ps_work *w, const char *requirement,
                       const char *path, struct ps_error *err)
{
    if (w->depth >= DEPTH_MAX)
        return ps_fail(err, PS_EINVALID,
                       "build requirement '%s' is the source distribution of "
                       "a source distribution, %d deep; build it first and "
                       "name its directory by --find-links",
                       requirement, DEPTH_MAX);
    for (const struct ps_work *p = w; p; p = p->parent) {
        if (p->source.path && strcmp(p->source.path, path) == 0)
            return ps_fail(err, PS_EINVALID,
                           "build requirement '%s' needs itself to be built; "
                           "give a wheel of it by --find-links",
                           requirement);
    }
    return PS_OK;
}

static int build_it(struct ps_work *w, const char *path, struct ps_error *err)
{
    struct ps_work *n = ps_calloc(1, sizeof(*n));
    PS_AUTO_FREE char *dir = NULL;
    int rc = PS_OK;

    ps_work_init(n, w->p, w->index, path);
    n->parent = w;
    n->depth = w->depth + 1;
    n->result.source = path;
    rc = ps_work_do(n, err);
    if (rc == PS_OK) {
        dir = ps_strdup(n->result.path);
        *strrchr(dir, '/') = '\0';
        add_find_links(w, dir);
    }
    ps_arena_release(&n->arena);
    free(n);
    return rc;
}

int ps_work_supply(struct ps_work *w, const char *requirement,
                   struct ps_error *err)
{
    const struct ps_fetch request = {
        .index = w->build.index,
        .python = w->build.python,
        .cache_dir = w->build.cache_dir,
        .cancel = w->build.cancel,
        .log = w->build.log,
        .log_user = w->build.user,
    };
    struct ps_error none = PS_ERROR_INIT;
    const char *path = NULL;
    int rc =
        ps_fetch_sdist(&w->arena, &request, requirement, NULL, &path, &none);

    /* There is none either: what pip said of the wheel is the answer. */
    if (rc == PS_ENOTFOUND)
        return err->code;
    *err = none;
    if (rc == PS_OK)
        rc = check_chain(w, requirement, path, err);
    if (rc == PS_OK)
        rc = build_it(w, path, err);
    return rc < 0 ? ps_context(err, "build requirement '%s'", requirement)
                  : PS_OK;
}
