/* What of the packages of an index has to be built, within constraints. */
#include <stdlib.h>
#include <string.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "pkgsync/wheel.h"
#include "warm_private.h"

/* ---- constraints ---- */

static void add_specifiers(struct ps_arena *arena, struct ps_specifiers *to,
                           const struct ps_specifiers *more)
{
    size_t count = to->count + more->count;
    struct ps_specifier *items =
        ps_arena_alloc(arena, count + 1, sizeof(*items));

    if (to->count > 0)
        memcpy(items, to->items, to->count * sizeof(*items));
    if (more->count > 0)
        memcpy(items + to->count, more->items, more->count * sizeof(*items));
    *to = (struct ps_specifiers){ .items = items, .count = count };
}

/* Those that are in both, if both have any. */
static int add_hashes(struct ps_arena *arena, struct ps_hash_list *to,
                      const struct ps_hash_list *more, struct ps_error *err)
{
    struct ps_sha256 *items = NULL;
    size_t count = 0;

    if (more->count == 0)
        return PS_OK;
    if (to->count == 0) {
        *to = *more;
        return PS_OK;
    }
    items = ps_arena_alloc(arena, to->count, sizeof(*items));
    for (size_t i = 0; i < to->count; i++) {
        if (ps_hash_list_has(more, &to->items[i]))
            items[count++] = to->items[i];
    }
    if (count == 0)
        return ps_fail(err, PS_EINTEGRITY,
                       "no --hash of it is among those of its constraint");
    *to = (struct ps_hash_list){ .items = items, .count = count };
    return PS_OK;
}

int ps_constrain(struct ps_collect *c, struct ps_want *want,
                 struct ps_error *err)
{
    int rc = PS_OK;

    for (size_t i = 0; rc == PS_OK && i < c->out->constraint_count; i++) {
        const struct ps_constraint *k = &c->out->constraints[i];

        if (!ps_name_equal(k->name, want->requirement.name))
            continue;
        add_specifiers(c->arena, &want->requirement.specifiers, &k->specifiers);
        rc = add_hashes(c->arena, &want->hashes, &k->hashes, err);
    }
    return rc;
}

static void check_one(const struct ps_warm *warm, struct ps_wheel_result *r)
{
    for (size_t i = 0; i < warm->constraint_count; i++) {
        const struct ps_constraint *k = &warm->constraints[i];

        if (!ps_name_equal(k->name, ps_str_from(r->name)) ||
            ps_specifiers_contain(&k->specifiers, ps_str_from(r->version),
                                  PS_PRERELEASES_YES))
            continue;
        r->status = PS_WHEEL_FAILED;
        r->phase = "verify";
        (void)ps_fail(&r->error, PS_EINVALID,
                      "it is '%s' %s, which the constraint '%s' excludes",
                      r->name, r->version, k->text);
        return;
    }
}

void ps_warm_check(const struct ps_warm *warm, struct ps_wheel_result *results)
{
    for (size_t i = 0; i < warm->count; i++) {
        if (results[i].status != PS_WHEEL_FAILED && !warm->items[i].wheel)
            check_one(warm, &results[i]);
    }
}

/* ---- what the index has ---- */

/* All that is asked of it, a row for each. */
struct wanted {
    struct ps_words words; /* requirements, constrained */
    struct ps_hash_list *hashes;
    struct ps_fetch fetch;
};

static void take_sdist(struct ps_collect *c, const struct wanted *w, size_t i)
{
    struct ps_error err = PS_ERROR_INIT;
    const char *requirement = w->words.items[i];
    const char *path = NULL;

    if (ps_fetch_sdist(c->arena, &w->fetch, requirement, &w->hashes[i], &path,
                       &err) < 0)
        ps_collect_failure(c, requirement, &err);
    else
        ps_collect_item(c, (struct ps_sync_item){ .source = path });
}

/* An index need not say what its files hash to: then one has to be seen. */
static int hash_of(struct ps_collect *c, const struct wanted *w,
                   const struct ps_found_file *found, struct ps_sha256 *out,
                   struct ps_error *err)
{
    const char *words[2] = { NULL, NULL };
    struct ps_fetch fetch = w->fetch;
    struct ps_wheel_set set = { .count = 0 };
    struct ps_wheel_name name;
    int rc = PS_OK;

    if (found->has_sha256) {
        *out = found->sha256;
        return PS_OK;
    }
    rc = ps_wheel_name_parse(ps_str_from(found->name), &name, err);
    if (rc < 0)
        return rc;
    words[0] = ps_arena_format(c->arena, "%.*s==%.*s", PS_STR_FMT(name.name),
                               PS_STR_FMT(name.version));
    fetch.requirements = words;
    fetch.no_deps = true;
    rc = ps_fetch_wheels(c->arena, &fetch, &set, err);
    if (rc == PS_OK && set.count != 1)
        rc = ps_fail(err, PS_EINTERNAL, "pip fetched %zu files for one",
                     set.count);
    if (rc == PS_OK)
        *out = set.files[0].sha256;
    return rc;
}

static int check_wheel(struct ps_collect *c, const struct wanted *w, size_t i,
                       const struct ps_found_file *found, struct ps_error *err)
{
    struct ps_sha256 sha256;
    int rc = PS_OK;

    if (w->hashes[i].count == 0)
        return PS_OK;
    rc = hash_of(c, w, found, &sha256, err);
    if (rc < 0 || ps_hash_list_has(&w->hashes[i], &sha256))
        return rc;
    return ps_fail(err, PS_EINTEGRITY,
                   "'%s' of the index has none of the hashes that --hash gives",
                   found->name);
}

static int not_found(const struct ps_found_file *found, const char *requirement,
                     struct ps_error *err)
{
    if (found->code)
        return ps_fail(err, found->code, "ask for '%s': the index %s",
                       requirement, found->why);
    return ps_fail(err, PS_ENOTFOUND,
                   "the index has nothing of '%s' that suits this "
                   "interpreter",
                   requirement);
}

/* Those that have a wheel need nothing of us. */
static void take_found(struct ps_collect *c, const struct wanted *w, size_t i,
                       const struct ps_found_file *found)
{
    struct ps_error err = PS_ERROR_INIT;

    if (found->name && !found->is_wheel) {
        take_sdist(c, w, i);
        return;
    }
    if (found->name)
        (void)!check_wheel(c, w, i, found, &err);
    else
        (void)not_found(found, w->words.items[i], &err);
    if (err.code)
        ps_collect_failure(c, w->words.items[i], &err);
    else
        c->out->ready++;
}

static bool is_known(const struct wanted *w, const char *requirement,
                     const struct ps_hash_list *hashes)
{
    for (size_t i = 0; i < w->words.count; i++) {
        const struct ps_hash_list *h = &w->hashes[i];

        if (strcmp(w->words.items[i], requirement) == 0 &&
            h->count == hashes->count &&
            (h->count == 0 || memcmp(h->items, hashes->items,
                                     h->count * sizeof(*h->items)) == 0))
            return true;
    }
    return false;
}

static void fill_words(struct ps_collect *c, struct wanted *w)
{
    w->hashes =
        ps_arena_alloc(c->arena, c->wanted_count + 1, sizeof(*w->hashes));
    for (size_t i = 0; i < c->wanted_count; i++) {
        struct ps_want *want = &c->wanted[i];
        struct ps_error err = PS_ERROR_INIT;
        int rc = ps_constrain(c, want, &err);
        const char *text = ps_requirement_string(c->arena, &want->requirement);

        if (rc < 0) {
            ps_collect_failure(c, text, &err);
        } else if (!is_known(w, text, &want->hashes)) {
            w->hashes[w->words.count] = want->hashes;
            ps_words_add(c->arena, &w->words, text);
        }
    }
}

int ps_take_wanted(struct ps_collect *c, struct ps_error *err)
{
    const struct ps_pipeline_options *o = c->o->pipeline;
    struct wanted w = {
        .fetch = { .index = &c->out->index,
                   .python = o->python,
                   .cache_dir = o->dirs->cache,
                   .options = ps_words_list(c->arena, &c->pip_options),
                   .cancel = o->cancel },
    };
    struct ps_found_file *found =
        ps_arena_alloc(c->arena, c->wanted_count + 1, sizeof(*found));
    int rc = PS_OK;

    fill_words(c, &w);
    w.fetch.requirements = ps_words_list(c->arena, &w.words);
    w.fetch.hashes = w.hashes;
    rc = ps_fetch_find(c->arena, &w.fetch, false, found, err);
    for (size_t i = 0; rc == PS_OK && i < w.words.count; i++)
        take_found(c, &w, i, &found[i]);
    return rc;
}
