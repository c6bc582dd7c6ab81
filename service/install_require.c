/* What `pip check` would say of the packages that an install has changed. */
#include <string.h>

#include "install_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/name.h"

struct findings {
    const struct ps_install *in;
    struct ps_problem *items;
    size_t count;
    size_t room;
};

static bool was_changed(const struct ps_install *in, struct ps_str name)
{
    for (size_t i = 0; i < in->count; i++) {
        if (ps_name_equal(name, ps_str_from(in->targets[i].normal)))
            return true;
    }
    return false;
}

static void add(struct findings *f, const struct ps_problem *p)
{
    if (f->count == f->room) {
        size_t room = f->room ? f->room * 2 : 16;
        struct ps_problem *more =
            ps_arena_alloc(f->in->arena, room, sizeof(*more));

        if (f->count > 0)
            memcpy(more, f->items, f->count * sizeof(*more));
        f->items = more;
        f->room = room;
    }
    f->items[f->count++] = *p;
}

/* One line of Requires-Dist. */
static void check_one(struct findings *f, const struct ps_dist *dist,
                      const char *text)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_requirement r;
    const struct ps_dist *found = NULL;
    bool holds = false;

    if (ps_requirement_parse(&arena, ps_str_from(text), &r, &ignored) < 0 ||
        ps_marker_holds(r.marker, &f->in->o->site->markers, NULL, &holds,
                        &ignored) < 0 ||
        !holds)
        return;
    if (!was_changed(f->in, ps_str_from(dist->name)) &&
        !was_changed(f->in, r.name))
        return;
    found =
        ps_environment_find(&f->in->environment, ps_arena_dup(&arena, r.name));
    if (found &&
        ps_specifiers_contain(&r.specifiers, ps_str_from(found->version),
                              PS_PRERELEASES_YES))
        return;
    add(f, &(struct ps_problem){
               .path = dist->location,
               .message = ps_arena_format(
                   f->in->arena, "%s %s requires '%s', and %s%s", dist->name,
                   dist->version, text,
                   found ? "there is version " : "that is not installed",
                   found ? found->version : "") });
}

void ps_install_check_requires(const struct ps_install *in,
                               struct ps_install_result *out)
{
    const struct ps_environment *e = &in->environment;
    struct findings f = { .in = in };

    for (size_t i = 0; i < e->problem_count; i++)
        add(&f, &e->problems[i]);
    for (size_t i = 0; out->installer && i < e->count; i++) {
        const char *const *requires = e->dists[i].requires;

        for (size_t k = 0; requires && requires[k]; k++)
            check_one(&f, &e->dists[i], requires[k]);
    }
    out->problems = f.items;
    out->problem_count = f.count;
}
