/*
 * Who requires whom in an environment.
 *
 * Only what is installed is in the graph, and only for two questions: what
 * `--only` takes along, and what is here for another operating system's sake.
 * Requires-Dist lines that are no requirements have no edge.
 */
#include <string.h>

#include "levels_private.h"
#include "pkgsync/name.h"
#include "pkgsync/requirement.h"

struct edge {
    size_t to;
    struct ps_requirement requirement;
};

struct node {
    struct edge *edges;
    size_t count;
};

struct ps_graph {
    struct ps_arena *arena;
    const struct ps_environment *environment;
    struct node *nodes;
};

static size_t list_length(const char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

static void read_edges(struct ps_graph *g, size_t from)
{
    const struct ps_environment *e = g->environment;
    const char *const *lines = e->dists[from].requires;
    size_t n = list_length(lines);
    struct node *node = &g->nodes[from];

    node->edges = ps_arena_alloc(g->arena, n, sizeof(*node->edges));
    for (size_t i = 0; i < n; i++) {
        struct ps_error ignored = PS_ERROR_INIT;
        struct edge *edge = &node->edges[node->count];
        const struct ps_dist *to = NULL;
        const char *name = NULL;

        if (ps_requirement_parse(g->arena, ps_str_from(lines[i]),
                                 &edge->requirement, &ignored) < 0)
            continue;
        name = ps_arena_dup(g->arena, edge->requirement.name);
        to = ps_environment_find(e, name);
        if (!to)
            continue;
        edge->to = (size_t)(to - e->dists);
        node->count++;
    }
}

struct ps_graph *ps_graph_new(struct ps_arena *arena,
                              const struct ps_environment *environment)
{
    struct ps_graph *g = ps_arena_alloc(arena, 1, sizeof(*g));

    g->arena = arena;
    g->environment = environment;
    g->nodes = ps_arena_alloc(arena, environment->count, sizeof(*g->nodes));
    for (size_t i = 0; i < environment->count; i++)
        read_edges(g, i);
    return g;
}

/* A comparison without a meaning counts as one that holds: rather one too
 * many on the cluster than one too few. */
static bool edge_holds(const struct edge *edge, const struct ps_marker_env *env,
                       const char *extra)
{
    struct ps_error ignored = PS_ERROR_INIT;
    bool holds = true;

    if (ps_marker_holds(edge->requirement.marker, env, extra, &holds,
                        &ignored) < 0)
        return true;
    return holds;
}

/* What was asked of one distribution while the set grows. */
struct asked {
    const char **extras; /* room for all that anybody names */
    size_t count;
    bool is_new; /* its edges are to be followed (again) */
};

static bool ask_extra(struct ps_arena *arena, struct asked *asked,
                      struct ps_str extra)
{
    const char **grown = NULL;

    for (size_t i = 0; i < asked->count; i++)
        if (ps_name_equal(ps_str_from(asked->extras[i]), extra))
            return false;
    grown = ps_arena_alloc(arena, asked->count + 1, sizeof(*grown));
    for (size_t i = 0; i < asked->count; i++)
        grown[i] = asked->extras[i];
    grown[asked->count++] = ps_arena_dup(arena, extra);
    asked->extras = grown;
    return true;
}

static void ask(struct ps_graph *g, struct asked *asked, bool *in,
                const struct ps_str *extras, size_t extra_count)
{
    if (!*in)
        asked->is_new = true;
    *in = true;
    for (size_t i = 0; i < extra_count; i++)
        if (ask_extra(g->arena, asked, extras[i]))
            asked->is_new = true;
}

static bool edge_is_followed(const struct ps_graph *g, const struct edge *edge,
                             const struct asked *asked)
{
    const struct ps_marker_env *env = &g->environment->site->markers;

    if (edge_holds(edge, env, NULL))
        return true;
    for (size_t i = 0; i < asked->count; i++)
        if (edge_holds(edge, env, asked->extras[i]))
            return true;
    return false;
}

void ps_graph_close(struct ps_graph *g, size_t root,
                    const struct ps_str *extras, size_t extra_count, bool *in)
{
    size_t n = g->environment->count;
    struct asked *asked = ps_arena_alloc(g->arena, n, sizeof(*asked));
    bool again = true;

    /* Another root may have been here without these extras. */
    in[root] = true;
    asked[root].is_new = true;
    ask(g, &asked[root], &in[root], extras, extra_count);
    while (again) {
        again = false;
        for (size_t i = 0; i < n; i++) {
            const struct node *node = &g->nodes[i];

            if (!asked[i].is_new)
                continue;
            asked[i].is_new = false;
            again = true;
            for (size_t k = 0; k < node->count; k++) {
                const struct edge *edge = &node->edges[k];

                if (edge_is_followed(g, edge, &asked[i]))
                    ask(g, &asked[edge->to], &in[edge->to],
                        edge->requirement.extras,
                        edge->requirement.extra_count);
            }
        }
    }
}

/* With or without any extra that the one who requires offers. */
static bool edge_may_hold(const struct ps_graph *g, size_t from,
                          const struct edge *edge,
                          const struct ps_marker_env *env)
{
    const char *const *extras = g->environment->dists[from].provides_extra;

    if (edge_holds(edge, env, NULL))
        return true;
    for (; extras && *extras; extras++)
        if (edge_holds(edge, env, *extras))
            return true;
    return false;
}

/* Who requires node `to`: somebody here; somebody there. */
static void find_reach(const struct ps_graph *g, const bool *foreign,
                       const struct ps_marker_env *linux_env, bool *here,
                       bool *there)
{
    const struct ps_marker_env *env = &g->environment->site->markers;

    for (size_t i = 0; i < g->environment->count; i++) {
        const struct node *node = &g->nodes[i];

        for (size_t k = 0; k < node->count; k++) {
            const struct edge *edge = &node->edges[k];

            if (edge->to == i)
                continue;
            if (!here[edge->to])
                here[edge->to] = edge_may_hold(g, i, edge, env);
            if (!there[edge->to] && !foreign[i])
                there[edge->to] = edge_may_hold(g, i, edge, linux_env);
        }
    }
}

void ps_linux_markers(struct ps_marker_env *env)
{
    if (env->sys_platform && strcmp(env->sys_platform, "linux") == 0)
        return;
    env->os_name = "posix";
    env->sys_platform = "linux";
    env->platform_system = "Linux";
    env->platform_machine = "x86_64";
    env->platform_release = "";
    env->platform_version = "";
}

void ps_graph_find_foreign(struct ps_graph *g, bool *out)
{
    const struct ps_environment *e = g->environment;
    struct ps_marker_env target = e->site->markers;
    bool again = true;

    ps_linux_markers(&target);
    while (again) {
        bool *here = ps_arena_alloc(g->arena, e->count, sizeof(bool));
        bool *there = ps_arena_alloc(g->arena, e->count, sizeof(bool));

        again = false;
        find_reach(g, out, &target, here, there);
        for (size_t i = 0; i < e->count; i++) {
            if (out[i] || e->dists[i].requested || !here[i] || there[i])
                continue;
            out[i] = true;
            again = true;
        }
    }
}
