/*
 * Every wheel that a sync needs: sources through the pipeline, which runs them
 * in parallel, and before them what needs no build.
 */
#include <stdlib.h>
#include <string.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/clock.h"
#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "sync_private.h"

/* What was installed from an archive is known by its hash. */
static const char *pinned(struct ps_arena *arena, const struct ps_decision *d)
{
    const struct ps_dist *dist = d->dist;

    if (!dist || dist->direct.kind != PS_DIRECT_ARCHIVE ||
        !dist->direct.sha256 || strchr(d->build, '#'))
        return d->build;
    return ps_arena_format(arena, "%s#sha256=%s", d->build,
                           dist->direct.sha256);
}

size_t ps_sync_items(struct ps_arena *arena, const struct ps_sync_plan *plan,
                     struct ps_sync_item **items, size_t **index)
{
    const struct ps_decisions *decisions = &plan->decisions;
    struct ps_sync_item *list =
        ps_arena_alloc(arena, decisions->count + 1, sizeof(*list));
    size_t *of = ps_arena_alloc(arena, decisions->count + 1, sizeof(*of));
    struct ps_sync_row *rows = NULL;
    size_t rows_count = 0;
    size_t count = 0;

    for (size_t i = 0; i < decisions->count; i++) {
        const struct ps_decision *d = &decisions->items[i];

        if (d->level != PS_LEVEL_BUILD || !d->build)
            continue;
        list[count] = (struct ps_sync_item){ .source = pinned(arena, d),
                                             .name = d->name };
        of[count++] = i;
    }
    if (plan->loose.count > 0) {
        rows_count = ps_sync_rows(arena, plan, &rows);
        list[count] =
            (struct ps_sync_item){ .source = rows[rows_count - 1].name,
                                   .loose = &plan->loose };
        of[count++] = SIZE_MAX;
    }
    *items = list;
    if (index)
        *index = of;
    return count;
}

/* ---- what needs no build ---- */

static void end_item(struct ps_sync_work *w, const struct ps_error *err)
{
    struct ps_wheel_result *r = w->result;

    if (err->code) {
        r->status = PS_WHEEL_FAILED;
        r->error = *err;
        r->name = w->item->name;
        r->version = r->file_name = NULL;
        r->path = r->url = NULL;
    }
    if (w->o->event)
        w->o->event(&(struct ps_event){ .kind = PS_EVENT_DONE,
                                        .index = w->index,
                                        .source = r->source,
                                        .result = r },
                    w->o->user);
}

static bool is_source(const struct ps_sync_item *item)
{
    return !item->loose && !ps_sync_is_wheel(item->source);
}

/* Without credentials, and without the hash that is asked for. */
static const char *shown_source(struct ps_arena *arena, const char *clean)
{
    const char *pin = strstr(clean, "#sha256=");

    return pin ? ps_arena_format(arena, "%.*s", (int)(pin - clean), clean)
               : ps_arena_strdup(arena, clean);
}

/* *done: it has its result, and is nothing for the pipeline. */
static void take_item(struct ps_sync_work *w, bool *done)
{
    const struct ps_spec_wheel *wanted = w->item->wheel;
    PS_AUTO_FREE char *shown = ps_url_redact(w->item->source);
    struct ps_error err = PS_ERROR_INIT;
    uint64_t began = ps_boot_ms();
    int rc = ps_cancel_check(w->o->cancel, &err);

    w->result->source = shown_source(w->arena, shown);
    if (rc == PS_OK && wanted && !w->o->rebuild)
        rc = ps_sync_known(w, &wanted->sha256, wanted->size, wanted->file_name,
                           done, &err);
    if (rc == PS_OK && !*done && is_source(w->item))
        return;
    if (rc == PS_OK && !*done)
        (void)!(w->item->loose ? ps_sync_pack_loose(w, &err)
                               : ps_sync_take_wheel(w, &err));
    *done = true;
    w->result->wall_ms = ps_boot_ms() - began;
    end_item(w, &err);
}

/* ---- sources ---- */

/* From the pipeline's numbers to those of the items. */
struct relay {
    const struct ps_pipeline_options *to;
    const size_t *index;
};

static void on_event(const struct ps_event *event, void *user)
{
    const struct relay *relay = user;
    struct ps_event e = *event;

    e.index = relay->index[event->index];
    relay->to->event(&e, relay->to->user);
}

/* A source may have become another project since it was installed; and a
 * wheel of a spec that had to be built again must be the same. */
static void compare(const struct ps_sync_item *item, struct ps_wheel_result *r)
{
    const struct ps_spec_wheel *wanted = item->wheel;

    if (r->status == PS_WHEEL_FAILED) {
        r->name = r->name ? r->name : item->name;
        return;
    }
    if (item->name &&
        !ps_name_equal(ps_str_from(item->name), ps_str_from(r->name))) {
        r->status = PS_WHEEL_FAILED;
        (void)ps_fail(&r->error, PS_EINVALID,
                      "'%s' is the project '%s' now, not '%s': install it "
                      "again",
                      r->source, r->name, item->name);
        return;
    }
    if (!wanted || ps_sha256_equal(&wanted->sha256, &r->sha256))
        return;
    r->status = PS_WHEEL_FAILED;
    (void)ps_fail(&r->error, PS_EINTEGRITY,
                  "'%s' was built, but is not the '%s' of the spec: its source "
                  "has changed or its back-end is not deterministic; sync "
                  "anew",
                  r->source, wanted->file_name);
}

/* All items, and which of them the pipeline is for. */
struct batch {
    const struct ps_sync_item *items;
    struct ps_wheel_result *results;
    size_t *index;
    size_t count; /* of index */
};

static int build_sources(struct ps_arena *arena,
                         const struct ps_pipeline_options *o,
                         const struct batch *b, struct ps_error *err)
{
    const size_t *index = b->index;
    size_t count = b->count;
    const char **sources = ps_arena_alloc(arena, count + 1, sizeof(*sources));
    struct ps_wheel_result *built =
        ps_arena_alloc(arena, count + 1, sizeof(*built));
    struct relay relay = { .to = o, .index = index };
    struct ps_pipeline_options options = *o;
    int rc = PS_OK;

    for (size_t i = 0; i < count; i++)
        sources[i] = b->items[index[i]].source;
    if (o->event) {
        options.event = on_event;
        options.user = &relay;
    }
    rc = ps_pipeline_wheels(arena, &options, sources, count, built, err);
    for (size_t i = 0; rc == PS_OK && i < count; i++) {
        b->results[index[i]] = built[i];
        compare(&b->items[index[i]], &b->results[index[i]]);
    }
    return rc;
}

int ps_sync_wheels(struct ps_arena *arena,
                   const struct ps_pipeline_options *pipeline,
                   const struct ps_sync_item *items, size_t count,
                   struct ps_wheel_result *results, struct ps_error *err)
{
    struct batch batch = {
        .items = items,
        .results = results,
        .index = ps_arena_alloc(arena, count + 1, sizeof(size_t)),
    };

    for (size_t i = 0; i < count; i++) {
        struct ps_sync_work w = { .o = pipeline,
                                  .arena = arena,
                                  .item = &items[i],
                                  .index = i,
                                  .result = &results[i] };
        bool done = false;

        results[i] = (struct ps_wheel_result){ .source = items[i].source };
        take_item(&w, &done);
        if (!done)
            batch.index[batch.count++] = i;
    }
    if (batch.count == 0)
        return PS_OK;
    return build_sources(arena, pipeline, &batch, err);
}
