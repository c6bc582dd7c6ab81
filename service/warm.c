/* From what a person names to the wheels that must be there. */
#include <stdlib.h>
#include <string.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "pkgsync/util.h"
#include "warm_private.h"

void *ps_grow(struct ps_arena *arena, void *items, size_t count, size_t *room,
              size_t size)
{
    void *grown = NULL;

    if (count + 1 < *room)
        return items;
    *room = PS_MAX(*room * 2, (size_t)16);
    grown = ps_arena_alloc(arena, *room, size);
    if (count > 0)
        memcpy(grown, items, count * size);
    return grown;
}

void ps_words_add(struct ps_arena *arena, struct ps_words *w, const char *text)
{
    w->items = ps_grow(arena, w->items, w->count, &w->room, sizeof(*w->items));
    w->items[w->count++] = text;
}

const char *const *ps_words_list(struct ps_arena *arena,
                                 const struct ps_words *w)
{
    return w->items ? w->items : ps_arena_alloc(arena, 1, sizeof(*w->items));
}

static bool is_same(const struct ps_sync_item *a, const struct ps_sync_item *b)
{
    size_t count = a->hashes.count;

    return strcmp(a->source, b->source) == 0 && !a->wheel && !b->wheel &&
           !a->name == !b->name &&
           (!a->name ||
            ps_name_equal(ps_str_from(a->name), ps_str_from(b->name))) &&
           count == b->hashes.count &&
           (count == 0 || memcmp(a->hashes.items, b->hashes.items,
                                 count * sizeof(*a->hashes.items)) == 0);
}

void ps_collect_item(struct ps_collect *c, struct ps_sync_item item)
{
    /* Asked for twice is wanted once. */
    for (size_t i = 0; i < c->out->count; i++) {
        if (is_same(&c->out->items[i], &item))
            return;
    }
    c->out->items = ps_grow(c->arena, c->out->items, c->out->count,
                            &c->item_room, sizeof(*c->out->items));
    c->out->items[c->out->count++] = item;
}

void ps_collect_failure(struct ps_collect *c, const char *source,
                        const struct ps_error *err)
{
    PS_AUTO_FREE char *shown = ps_url_redact(source);

    c->out->failures =
        ps_grow(c->arena, c->out->failures, c->out->failure_count,
                &c->failure_room, sizeof(*c->out->failures));
    c->out->failures[c->out->failure_count++] = (struct ps_wheel_result){
        .source = ps_arena_strdup(c->arena, shown),
        .status = PS_WHEEL_FAILED,
        .error = *err,
        .phase = "resolve",
    };
}

/* ---- specs ---- */

bool ps_warm_is_spec(const char *source)
{
    struct ps_str rest = ps_str_from(source);
    struct ps_str place;

    (void)ps_str_cut(&rest, '#', &place);
    return ps_str_ends(place, ".json");
}

/* What would make the wheel again, if no store has it; NULL. */
static const char *source_of(struct ps_arena *arena,
                             const struct ps_spec_package *p)
{
    struct ps_direct_url direct = {
        .kind = PS_DIRECT_VCS,
        .url = p->source_url,
        .vcs = "git",
        .commit = p->commit,
        .subdirectory = p->subdirectory,
    };

    if (!p->source_url)
        return NULL;
    if (strcmp(p->source_kind, ps_dist_source_name(PS_DIST_VCS)) == 0)
        return ps_direct_url_requirement(arena, &direct);
    return p->source_url;
}

int ps_collect_spec(struct ps_collect *c, const char *location,
                    struct ps_error *err)
{
    struct ps_spec *spec = ps_arena_alloc(c->arena, 1, sizeof(*spec));
    int rc = ps_spec_read(c->arena, c->o->locations, location, spec, err);

    for (size_t i = 0; rc == PS_OK && i < spec->count; i++) {
        const struct ps_spec_package *p = &spec->packages[i];
        const char *source = source_of(c->arena, p);

        if (!p->wheel) {
            c->out->ready += p->requirement != NULL;
            continue;
        }
        /* Without a source there is the wheel, where the spec says. */
        ps_collect_item(
            c, (struct ps_sync_item){ .source = source ? source : p->wheel->url,
                                      .name = p->name,
                                      .wheel = p->wheel });
    }
    return rc;
}

/* ---- packages of an index ---- */

static struct ps_index merged_index(struct ps_collect *c)
{
    struct ps_index index = *c->o->pipeline->index;

    for (size_t i = 0; index.extra_index_urls && index.extra_index_urls[i]; i++)
        ps_words_add(c->arena, &c->extra_index_urls, index.extra_index_urls[i]);
    for (size_t i = 0; index.find_links && index.find_links[i]; i++)
        ps_words_add(c->arena, &c->find_links, index.find_links[i]);
    if (!index.index_url)
        index.index_url = c->index_url;
    index.no_index = index.no_index || c->no_index;
    index.extra_index_urls = ps_words_list(c->arena, &c->extra_index_urls);
    index.find_links = ps_words_list(c->arena, &c->find_links);
    return index;
}

static void take_source(struct ps_collect *c, const char *source)
{
    struct ps_error err = PS_ERROR_INIT;

    if (!ps_warm_is_spec(source))
        ps_collect_item(c, (struct ps_sync_item){ .source = source });
    else if (ps_collect_spec(c, source, &err) < 0)
        ps_collect_failure(c, source, &err);
}

/* One name, two sources: which of them is meant nobody can tell. */
static int check_names(const struct ps_warm *w, struct ps_error *err)
{
    for (size_t i = 1; i < w->count; i++) {
        for (size_t k = 0; w->items[i].name && k < i; k++) {
            const struct ps_sync_item *a = &w->items[k];
            const struct ps_sync_item *b = &w->items[i];

            if (a->name && strcmp(a->source, b->source) != 0 &&
                ps_name_equal(ps_str_from(a->name), ps_str_from(b->name)))
                return ps_fail(err, PS_EINVALID,
                               "'%s' is asked for twice, as '%s' and as '%s'",
                               b->name, a->source, b->source);
        }
    }
    return PS_OK;
}

int ps_warm_collect(struct ps_arena *arena,
                    const struct ps_warm_options *options, struct ps_warm *out,
                    struct ps_error *err)
{
    struct ps_collect c = { .arena = arena, .o = options, .out = out };
    int rc = PS_OK;

    *out = (struct ps_warm){ .count = 0 };
    /* The files first: a mistake in one is found before anything is asked. */
    for (size_t i = 0; rc == PS_OK && options->files && options->files[i]; i++)
        rc = ps_collect_file(&c, options->files[i], err);
    if (rc == PS_OK && c.require_hashes && c.no_hash)
        rc = ps_fail(err, PS_EINVALID,
                     "%s has no --hash, which --require-hashes demands",
                     c.no_hash);
    if (rc < 0)
        return rc;
    out->index = merged_index(&c);
    for (size_t i = 0; options->sources && options->sources[i]; i++)
        take_source(&c, options->sources[i]);
    rc = ps_take_wanted(&c, err);
    return rc < 0 ? rc : check_names(out, err);
}
