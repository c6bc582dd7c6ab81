/* An environment against a spec, or against another environment. */
#include <stdlib.h>
#include <string.h>

#include "compare_private.h"
#include "levels_private.h"
#include "pkgsync/name.h"
#include "pkgsync/version.h"
#include "spec_private.h"

struct comparison {
    struct ps_arena *arena;
    const struct ps_environment *found;
    struct ps_difference *items; /* room for all */
    size_t count;
};

/* What an interpreter is. */
struct python {
    const char *implementation;
    const char *version;
    const char *abi;
    const char *platform;
};

static void add(struct comparison *c, const struct ps_difference *d)
{
    c->items[c->count++] = *d;
}

static void add_python(struct comparison *c, const char *expected,
                       const char *found, enum ps_severity severity,
                       const char *message)
{
    struct ps_difference d = {
        .name = "python",
        .expected = expected,
        .found = found,
        .level = PS_LEVEL_CRITICAL,
        .severity = severity,
        .message = message,
    };

    add(c, &d);
}

/* Whether both are of one minor version: 3.11.4 and 3.11.7. */
static bool same_minor(const char *a, const char *b)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_version x;
    struct ps_version y;

    if (ps_version_parse(&arena, ps_str_from(a), &x, &ignored) < 0 ||
        ps_version_parse(&arena, ps_str_from(b), &y, &ignored) < 0 ||
        x.release_count < 2 || y.release_count < 2)
        return strcmp(a, b) == 0;
    return ps_str_equal(x.release[0], y.release[0]) &&
           ps_str_equal(x.release[1], y.release[1]);
}

static bool same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static void compare_python(struct comparison *c, const struct python *want)
{
    const struct ps_site *site = c->found->site;
    const char *version = site->version ? site->version : "";

    if (!same(want->implementation, site->implementation))
        add_python(c, want->implementation, site->implementation,
                   PS_SEVERITY_ERROR, "another implementation of Python");
    else if (!same_minor(want->version, version))
        add_python(c, want->version, version, PS_SEVERITY_ERROR,
                   "another minor version of Python: compiled packages and "
                   "pickles do not fit");
    else if (!same(want->abi, site->abi))
        add_python(c, want->abi, site->abi, PS_SEVERITY_ERROR,
                   "another ABI: compiled packages do not fit");
    else if (!same(want->version, version))
        add_python(c, want->version, version, PS_SEVERITY_WARNING,
                   "another patch version, and distributed warns where it "
                   "differs");
    if (!same(want->platform, site->platform))
        add_python(c, want->platform, site->platform, PS_SEVERITY_ERROR,
                   "another platform: compiled packages do not fit");
}

static const struct ps_dist *find_conda(const struct ps_environment *e,
                                        const char *name)
{
    for (size_t i = 0; i < e->conda_count; i++)
        if (strcmp(e->conda[i].name, name) == 0)
            return &e->conda[i];
    return NULL;
}

static void compare_package(struct comparison *c,
                            const struct ps_expected *want)
{
    const struct ps_dist *found =
        want->is_conda ? find_conda(c->found, want->name)
                       : ps_environment_find(c->found, want->name);
    struct ps_difference d;

    if (ps_compare_package(c->arena, want, found, c->found->is_conda, &d))
        add(c, &d);
}

static void add_unexpected(struct comparison *c, const struct ps_dist *dist,
                           const char *message)
{
    struct ps_difference d = {
        .name = dist->name,
        .expected = "",
        .found = dist->version,
        .level = PS_LEVEL_COMPATIBLE,
        .severity = PS_SEVERITY_OK,
        .message = message,
    };

    add(c, &d);
}

/* Both lists are sorted by normal name. */
static void compare_rest(struct comparison *c, const char *const *known,
                         size_t count, const char *message)
{
    size_t k = 0;

    for (size_t i = 0; i < c->found->count; i++) {
        const struct ps_dist *dist = &c->found->dists[i];

        while (k < count && strcmp(known[k], dist->normal) < 0)
            k++;
        if (k == count || strcmp(known[k], dist->normal) != 0)
            add_unexpected(c, dist, message);
    }
}

static int by_severity(const void *a, const void *b)
{
    const struct ps_difference *x = a;
    const struct ps_difference *y = b;

    if (x->severity != y->severity)
        return x->severity > y->severity ? -1 : 1;
    return strcasecmp(x->name, y->name);
}

static void finish(struct comparison *c, struct ps_comparison *out)
{
    qsort(c->items, c->count, sizeof(*c->items), by_severity);
    *out = (struct ps_comparison){
        .equal = c->count == 0 || c->items[0].severity != PS_SEVERITY_ERROR,
        .items = c->items,
        .count = c->count,
    };
}

/* Room for every package on either side, and for three facts of Python. */
static struct comparison start(struct ps_arena *arena,
                               const struct ps_environment *found, size_t count)
{
    return (struct comparison){
        .arena = arena,
        .found = found,
        .items = ps_arena_alloc(arena, count + found->count + 3,
                                sizeof(struct ps_difference)),
    };
}

/* python of conda is compared as the interpreter that it is. */
static bool is_interpreter(bool is_conda, const char *name)
{
    return is_conda && strcmp(name, "python") == 0;
}

int ps_compare_spec(struct ps_arena *arena, const struct ps_spec *spec,
                    const struct ps_environment *found,
                    struct ps_comparison *out, struct ps_error *err)
{
    struct comparison c = start(arena, found, spec->count);
    const struct python python = { spec->implementation, spec->version,
                                   spec->abi, spec->platform };
    const char **known = ps_arena_alloc(arena, spec->count + 1, sizeof(*known));

    (void)err;
    compare_python(&c, &python);
    for (size_t i = 0; i < spec->count; i++) {
        const struct ps_spec_package *p = &spec->packages[i];
        struct ps_expected want = {
            .name = p->name,
            .version = p->version,
            .requirement = p->requirement,
            .level = p->level,
            .is_conda = ps_spec_is_conda(p),
            .sha256 = p->wheel ? &p->wheel->sha256 : NULL,
        };

        known[i] = ps_normalize_name(arena, ps_str_from(p->name));
        if (!is_interpreter(want.is_conda, p->name))
            compare_package(&c, &want);
    }
    compare_rest(&c, known, spec->count, "not in the spec");
    finish(&c, out);
    return PS_OK;
}

int ps_compare_environments(struct ps_arena *arena,
                            const struct ps_environment *a,
                            const struct ps_environment *b,
                            const struct ps_level_options *options,
                            struct ps_comparison *out, struct ps_error *err)
{
    const struct python python = { a->site->implementation, a->site->version,
                                   a->site->abi, a->site->platform };
    struct ps_decisions decisions;
    struct comparison c;
    const char **known = NULL;
    int rc = ps_levels_decide(arena, a, options, &decisions, err);

    if (rc < 0)
        return rc;
    c = start(arena, b, decisions.count);
    known = ps_arena_alloc(arena, decisions.count + 1, sizeof(*known));
    compare_python(&c, &python);
    for (size_t i = 0; i < decisions.count; i++) {
        const struct ps_decision *d = &decisions.items[i];
        struct ps_expected want = {
            .name = d->name,
            .version = d->version,
            .requirement = d->requirement,
            .level = d->level,
            .is_conda = d->conda && d->dist >= a->conda &&
                        d->dist < a->conda + a->conda_count,
            .dist = d->dist,
        };

        known[i] = ps_normalize_name(arena, ps_str_from(d->name));
        if (!is_interpreter(want.is_conda, d->name))
            compare_package(&c, &want);
    }
    compare_rest(&c, known, decisions.count, "only in the second environment");
    finish(&c, out);
    return PS_OK;
}
