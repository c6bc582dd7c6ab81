/* Overrides by name: found, or refused with the name that was meant. */
#include "levels_asked.h"

#include <string.h>

#include "levels_private.h"
#include "pkgsync/name.h"
#include "pkgsync/util.h"

/* Longer names are compared by their beginning. */
#define GUESS_MAX 64

/* Levenshtein's distance. */
static size_t distance(const char *a, const char *b)
{
    size_t row[GUESS_MAX + 1];
    size_t a_len = PS_MIN(strlen(a), (size_t)GUESS_MAX);
    size_t b_len = PS_MIN(strlen(b), (size_t)GUESS_MAX);

    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t cost = a[i - 1] == b[j - 1] ? 0 : 1;
            size_t best = PS_MIN(row[j], row[j - 1]) + 1;

            best = PS_MIN(best, diagonal + cost);
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[b_len];
}

/* The installed name that is nearest, if it is near enough to be meant. */
static const char *guess(const struct ps_environment *e, const char *normal)
{
    size_t limit = PS_MAX(strlen(normal) / 3, (size_t)1);
    const char *best = NULL;

    for (size_t i = 0; i < e->count; i++) {
        size_t d = distance(normal, e->dists[i].normal);

        if (d > limit || (best && d == limit))
            continue;
        best = e->dists[i].name;
        limit = d;
    }
    return best;
}

static int fail_unknown(const struct ps_environment *e, const char *option,
                        const char *name, const char *normal,
                        struct ps_error *err)
{
    const char *near = guess(e, normal);
    int rc = ps_fail(err, PS_ENOTFOUND, "'--%s %s': it is not installed",
                     option, name);

    if (near)
        return ps_hint(err, "did you mean '%s'?", near);
    return rc;
}

/* The index of an installed name, conda's packages after the distributions;
 * SIZE_MAX. */
static size_t find(const struct ps_environment *e, const char *name,
                   const char *normal)
{
    const struct ps_dist *dist = ps_environment_find(e, name);

    if (dist)
        return (size_t)(dist - e->dists);
    for (size_t i = 0; i < e->conda_count; i++)
        if (strcmp(e->conda[i].name, name) == 0 ||
            ps_name_equal(ps_str_from(e->conda[i].name), ps_str_from(normal)))
            return e->count + i;
    return SIZE_MAX;
}

struct list {
    const char *option; /* without dashes */
    const char *const *names;
    enum ps_asked how;
};

static int read_list(struct ps_arena *arena, const struct ps_environment *e,
                     const struct list *list, struct ps_asked_for *out,
                     struct ps_error *err)
{
    for (const char *const *p = list->names; p && *p; p++) {
        const char *normal = ps_normalize_name(arena, ps_str_from(*p));
        size_t i = find(e, *p, normal);

        if (i == SIZE_MAX)
            return fail_unknown(e, list->option, *p, normal, err);
        if (out->how[i] != PS_ASKED_NOTHING && out->how[i] != list->how)
            return ps_fail(err, PS_EINVALID,
                           "'--%s %s': another option asks for it in another "
                           "way; keep one of them",
                           list->option, *p);
        out->how[i] = list->how;
    }
    return PS_OK;
}

/* "name" or "name[extra]". */
static int read_only(struct ps_arena *arena, const struct ps_environment *e,
                     struct ps_graph *graph, const char *text,
                     struct ps_asked_for *out, struct ps_error *err)
{
    struct ps_requirement r;
    const char *name = NULL;
    const char *normal = NULL;
    size_t i = 0;

    if (ps_requirement_parse(arena, ps_str_from(text), &r, err) < 0)
        return ps_context(err, "'--only %s'", text);
    name = ps_arena_dup(arena, r.name);
    normal = ps_normalize_name(arena, r.name);
    i = find(e, name, normal);
    if (i == SIZE_MAX)
        return fail_unknown(e, "only", name, normal, err);
    out->only[i] = true;
    if (i < e->count)
        ps_graph_close(graph, i, r.extras, r.extra_count, out->only);
    return PS_OK;
}

static int read_onlys(struct ps_arena *arena, const struct ps_environment *e,
                      const char *const *onlys, struct ps_asked_for *out,
                      struct ps_error *err)
{
    struct ps_graph *graph = NULL;

    if (!onlys || !*onlys)
        return PS_OK;
    out->has_only = true;
    out->only =
        ps_arena_alloc(arena, e->count + e->conda_count, sizeof(*out->only));
    graph = ps_graph_new(arena, e);
    for (size_t i = 0; i < e->count; i++)
        if (ps_rule_is_critical(e->dists[i].normal))
            ps_graph_close(graph, i, NULL, 0, out->only);
    for (; *onlys; onlys++) {
        int rc = read_only(arena, e, graph, *onlys, out, err);

        if (rc < 0)
            return rc;
    }
    return PS_OK;
}

int ps_asked_read(struct ps_arena *arena, const struct ps_environment *e,
                  const struct ps_level_options *options,
                  struct ps_asked_for *out, struct ps_error *err)
{
    const struct list lists[] = {
        { "exact", options->exact, PS_ASKED_EXACT },
        { "compatible", options->compatible, PS_ASKED_COMPATIBLE },
        { "ignore", options->ignore, PS_ASKED_IGNORE },
    };

    *out = (struct ps_asked_for){
        .how =
            ps_arena_alloc(arena, e->count + e->conda_count, sizeof(*out->how)),
    };
    for (size_t i = 0; i < PS_ARRAY_SIZE(lists); i++) {
        int rc = read_list(arena, e, &lists[i], out, err);

        if (rc < 0)
            return rc;
    }
    return read_onlys(arena, e, options->only, out, err);
}
