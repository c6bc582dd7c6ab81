/*
 * Which versions a specifier admits (PEP 440).
 *
 * Local labels count where the specifier has one, and nowhere else but in >=,
 * above whose version they stand anyway.
 */
#include "pkgsync/mem.h"
#include "version_private.h"

enum kind { KIND_NO_VERSION, KIND_PRERELEASE, KIND_FINAL };

/* The candidate: `v` is NULL when PEP 440 does not allow it. */
struct candidate {
    struct ps_str text;
    const struct ps_version *v;
};

static int compare_public(const struct ps_version *v,
                          const struct ps_version *with)
{
    struct ps_version public = *v;

    public.local_count = 0;
    return ps_version_compare(&public, with);
}

static bool same_epoch(const struct ps_version *a, const struct ps_version *b)
{
    return ps_version_compare_numbers(a->epoch, b->epoch) == 0;
}

/* Whether the release begins with the first `count` numbers of the prefix's;
 * what is missing counts as zero. */
static bool begins_with(const struct ps_version *v,
                        const struct ps_version *prefix, size_t count)
{
    if (!same_epoch(v, prefix))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct ps_str part =
            i < v->release_count ? v->release[i] : PS_STR_LIT("0");

        if (ps_version_compare_numbers(part, prefix->release[i]) != 0)
            return false;
    }
    return true;
}

static bool same_release(const struct ps_version *a, const struct ps_version *b)
{
    return begins_with(a, b, b->release_count) &&
           begins_with(b, a, a->release_count);
}

static bool is_equal(const struct ps_specifier *s, const struct ps_version *v)
{
    if (s->wildcard)
        return begins_with(v, &s->v, s->v.release_count);
    if (s->v.local_count > 0)
        return ps_version_compare(v, &s->v) == 0;
    return compare_public(v, &s->v) == 0;
}

/* <1.0 does not admit the pre-releases of 1.0, unless it names one. */
static bool is_less(const struct ps_version *v, const struct ps_version *limit)
{
    struct ps_version first = *limit;

    if (!ps_version_is_prerelease(limit)) {
        first.has_dev = true;
        first.dev = PS_STR_LIT("0");
    }
    return ps_version_compare(v, &first) < 0;
}

/* >1.0 does not admit the post releases of 1.0, unless it names one. */
static bool is_greater(const struct ps_version *v,
                       const struct ps_version *limit)
{
    if (compare_public(v, limit) <= 0)
        return false;
    if (limit->has_post || limit->has_dev)
        return true;
    return !(same_release(v, limit) &&
             ps_str_equal(v->pre_kind, limit->pre_kind) &&
             ps_str_equal(v->pre, limit->pre));
}

static bool equal_without_case(struct ps_str a, struct ps_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ps_ascii_lower(a.data[i]) != ps_ascii_lower(b.data[i]))
            return false;
    return true;
}

static bool admits(const struct ps_specifier *s, const struct candidate *c)
{
    if (s->op == PS_OP_ARBITRARY)
        return equal_without_case(c->text, s->text);
    if (!c->v)
        return false;
    switch (s->op) {
    case PS_OP_COMPATIBLE:
        return ps_version_compare(c->v, &s->v) >= 0 &&
               begins_with(c->v, &s->v, s->v.release_count - 1);
    case PS_OP_EQ:
        return is_equal(s, c->v);
    case PS_OP_NE:
        return !is_equal(s, c->v);
    case PS_OP_LE:
        return compare_public(c->v, &s->v) <= 0;
    case PS_OP_GE:
        return ps_version_compare(c->v, &s->v) >= 0;
    case PS_OP_LT:
        return is_less(c->v, &s->v);
    case PS_OP_GT:
        return is_greater(c->v, &s->v);
    case PS_OP_ARBITRARY:
        break;
    }
    return false;
}

static enum kind kind_of(const struct ps_version *v)
{
    if (!v)
        return KIND_NO_VERSION;
    return ps_version_is_prerelease(v) ? KIND_PRERELEASE : KIND_FINAL;
}

static bool names_prerelease(const struct ps_specifier *s)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_version v = s->v;

    if (s->op == PS_OP_NE || s->wildcard)
        return false;
    if (s->op == PS_OP_ARBITRARY &&
        ps_version_parse(&arena, s->text, &v, &err) < 0)
        return false;
    return ps_version_is_prerelease(&v);
}

bool ps_specifiers_name_prerelease(const struct ps_specifiers *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (names_prerelease(&set->items[i]))
            return true;
    return false;
}

/* *kind: what the version is, whether it is admitted or not. */
static bool all_admit(const struct ps_specifiers *set, struct ps_str version,
                      enum kind *kind)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct candidate c = { .text = version };
    struct ps_version v;

    if (ps_version_parse(&arena, version, &v, &err) == PS_OK)
        c.v = &v;
    *kind = kind_of(c.v);
    for (size_t i = 0; i < set->count; i++)
        if (!admits(&set->items[i], &c))
            return false;
    return true;
}

bool ps_specifiers_contain(const struct ps_specifiers *set,
                           struct ps_str version, enum ps_prereleases policy)
{
    enum kind kind = KIND_NO_VERSION;

    if (!all_admit(set, version, &kind))
        return false;
    return kind != KIND_PRERELEASE || policy == PS_PRERELEASES_YES ||
           (policy == PS_PRERELEASES_AUTO &&
            ps_specifiers_name_prerelease(set));
}

void ps_specifiers_filter(const struct ps_specifiers *set,
                          const struct ps_str *versions, size_t count,
                          enum ps_prereleases policy, bool *admitted)
{
    PS_AUTO_FREE enum kind *kinds = ps_calloc(count, sizeof(*kinds));
    bool prereleases = policy == PS_PRERELEASES_YES;
    bool final = false;

    for (size_t i = 0; i < count; i++) {
        admitted[i] = all_admit(set, versions[i], &kinds[i]);
        final = final || (admitted[i] && kinds[i] == KIND_FINAL);
    }
    if (policy == PS_PRERELEASES_AUTO)
        prereleases = !final || ps_specifiers_name_prerelease(set);
    for (size_t i = 0; i < count; i++)
        if (kinds[i] == KIND_PRERELEASE && !prereleases)
            admitted[i] = false;
}
