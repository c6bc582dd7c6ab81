/*
 * Levels: the order of judgement.
 *
 *   1. a critical distribution that is missing ends it all
 *   2. an extra replaces what is installed
 *   3. --ignore; outside of --only
 *   4. --exact, --compatible: from an index, whatever it was installed from
 *   5. for another operating system only: by conda's record, by who requires
 *      it, by the table
 *   6. what no index has: built
 *   7. critical, --match exact, compatible
 */
#include "pkgsync/levels.h"

#include <stdlib.h>
#include <string.h>

#include "levels_asked.h"
#include "levels_private.h"
#include "pkgsync/buf.h"
#include "pkgsync/name.h"

struct judge {
    struct ps_arena *arena;
    const struct ps_environment *environment;
    const struct ps_level_options *options;
    struct ps_asked_for asked;
    bool *foreign; /* of environment->dists; NULL: this is a Linux */

    struct sortable {
        const char *normal;
        struct ps_decision decision;
    } * items; /* room for all */
    size_t count;
    size_t extra_count; /* the first ones */

    struct ps_problem *problems; /* room for all */
    size_t problem_count;

    const struct ps_dist **refused; /* room for all dists */
    size_t refused_count;
    struct ps_error first_refused;
};

static void add_problem(struct judge *j, const char *path, const char *message)
{
    j->problems[j->problem_count++] = (struct ps_problem){
        .path = path ? path : "",
        .message = message,
        .serious = true,
    };
}

static void add(struct judge *j, const char *normal,
                const struct ps_decision *decision)
{
    j->items[j->count++] = (struct sortable){ normal, *decision };
}

static bool is_listed(const char *const *names, const struct ps_dist *dist)
{
    for (; names && *names; names++)
        if (ps_name_equal(ps_str_from(*names), ps_str_from(dist->name)))
            return true;
    return false;
}

/* A thing that no cluster can get: the end, after all were looked at; for
 * `scan` a problem. */
static void refuse(struct judge *j, struct ps_decision *d, int code,
                   const char *reason, const char *message)
{
    d->level = PS_LEVEL_EXACT; /* without a requirement */
    d->reason = reason;
    d->warning = ps_arena_strdup(j->arena, message);
    if (is_listed(j->options->allow_failed, d->dist)) {
        d->level = PS_LEVEL_IGNORED;
        d->reason = "it cannot be had, and --allow-failed names it";
        d->left_out = true;
    }
    if (d->left_out || j->options->allow_missing_critical) {
        add_problem(j, d->dist->location, d->warning);
        d->warning = NULL; /* said once */
        return;
    }
    if (j->refused_count == 0)
        (void)ps_fail(&j->first_refused, code, "%s", message);
    j->refused[j->refused_count++] = d->dist;
}

static int fail_refused(const struct judge *j, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf names = PS_BUF_INIT(PS_ERROR_TEXT_MAX / 2);

    if (j->refused_count == 1) {
        *err = j->first_refused;
        return err->code;
    }
    for (size_t i = 0; i < j->refused_count; i++)
        ps_buf_addf(&names, "%s'%s'", i > 0 ? ", " : "", j->refused[i]->name);
    (void)ps_fail(err, j->first_refused.code,
                  "%zu packages cannot be had on the cluster: %s%s",
                  j->refused_count, ps_buf_z(&names),
                  names.overflow ? ", ..." : "");
    return ps_hint(err, "`pkgsync scan` says why of each; leave one out with "
                        "--ignore NAME, or, where an index has this very "
                        "version, say so with --exact NAME");
}

static int check_critical(struct judge *j, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf missing = PS_BUF_INIT(PS_ERROR_TEXT_MAX);
    const char *const *names = ps_rule_critical_names();

    for (; *names; names++) {
        if (ps_environment_find(j->environment, *names))
            continue;
        ps_buf_addf(&missing, "%s'%s'", missing.len > 0 ? ", " : "", *names);
        if (j->options->allow_missing_critical)
            add_problem(j, j->environment->site->prefix,
                        ps_arena_format(j->arena,
                                        "'%s' is not installed: %s, so a "
                                        "cluster cannot do without it",
                                        *names, ps_rule_critical_reason()));
    }
    if (missing.len == 0 || j->options->allow_missing_critical)
        return PS_OK;
    return ps_fail(err, PS_ENOTFOUND,
                   "not installed in '%s': %s; %s, so a cluster cannot do "
                   "without; install 'distributed', which brings them all",
                   j->environment->site->prefix, ps_buf_z(&missing),
                   ps_rule_critical_reason());
}

/* The requirement, for one that an index or conda has. */
static void write_requirement(struct judge *j, bool exact, bool trusted,
                              struct ps_decision *d)
{
    struct ps_error why = PS_ERROR_INIT;
    struct ps_written w;
    int rc = ps_levels_write(j->arena, d->dist, exact, trusted || d->conda, &w,
                             &why);

    if (rc < 0) {
        refuse(j, d, rc, "cannot be had on the cluster", why.text);
        return;
    }
    d->requirement = w.requirement;
    if (w.warning)
        d->warning = w.warning;
    if (w.reason)
        d->reason =
            d->reason ? ps_arena_format(j->arena, "%s; %s", d->reason, w.reason)
                      : w.reason;
    if (d->level == PS_LEVEL_COMPATIBLE && w.is_exact)
        d->level = PS_LEVEL_EXACT;
    if (!d->reason && d->dist->direct.kind == PS_DIRECT_ARCHIVE &&
        d->dist->source == PS_DIST_INDEX)
        d->reason = ps_arena_format(
            j->arena, "the archive that it was installed from, '%s', is gone",
            d->dist->direct.path ? d->dist->direct.path : "?");
    if (!d->reason)
        d->reason =
            d->conda ? "compatible releases, by conda" : "compatible releases";
}

static void decide_override(struct judge *j, enum ps_asked how,
                            struct ps_decision *d)
{
    bool exact = how == PS_ASKED_EXACT;

    d->level = exact ? PS_LEVEL_EXACT : PS_LEVEL_COMPATIBLE;
    d->reason =
        exact ? "asked for with --exact" : "asked for with --compatible";
    if (d->dist->source != PS_DIST_INDEX && !d->conda)
        d->warning = ps_arena_format(
            j->arena, "installed %s; the cluster gets an index's %s instead",
            ps_source_text(j->arena, d->dist), d->version);
    write_requirement(j, exact, exact, d);
}

static void decide_ignored(struct ps_decision *d, const char *reason)
{
    d->level = PS_LEVEL_IGNORED;
    d->reason = reason;
}

/* Asked to be left out: true. */
static bool is_left_out(struct judge *j, size_t i, struct ps_decision *d)
{
    if (j->asked.how[i] == PS_ASKED_IGNORE) {
        decide_ignored(d, "asked for with --ignore");
        if (ps_rule_is_critical(d->dist->normal))
            d->warning = ps_arena_format(
                j->arena, "critical, and left to the cluster: %s",
                ps_rule_critical_reason());
        return true;
    }
    if (j->asked.has_only && !j->asked.only[i]) {
        decide_ignored(d, "neither named with --only nor required by what is");
        return true;
    }
    return false;
}

static bool is_foreign(struct judge *j, size_t i, struct ps_decision *d)
{
    const char *system = NULL;

    if (ps_rule_is_critical(d->dist->normal))
        return false;
    system = ps_rule_system_only(d->dist);
    if (system) {
        decide_ignored(d,
                       ps_arena_format(j->arena, "exists for %s only", system));
        return true;
    }
    if (j->foreign && j->foreign[i]) {
        decide_ignored(d, "on Linux nothing that is installed requires it");
        return true;
    }
    return false;
}

/* What no index has, and what only seems to be of one. */
static bool is_none_of_an_index(struct judge *j, struct ps_decision *d)
{
    const char *refused = NULL;

    if (ps_source_decide(j->arena, d->dist, d, &refused)) {
        if (ps_rule_is_critical(d->dist->normal))
            d->reason =
                ps_arena_format(j->arena, "critical, and %s", d->reason);
        return true;
    }
    if (refused) {
        refuse(j, d, PS_EUNSUPPORTED, "cannot be built", refused);
        return true;
    }
    if (d->dist->origin_error && d->dist->source == PS_DIST_INDEX) {
        refuse(j, d, PS_EINVALID, "where it came from is not known",
               ps_origin_refusal(j->arena, d->dist));
        return true;
    }
    return false;
}

static void decide_by_rule(struct judge *j, size_t i, struct ps_decision *d)
{
    if (is_foreign(j, i, d) || is_none_of_an_index(j, d))
        return;
    if (ps_rule_is_critical(d->dist->normal)) {
        d->level = PS_LEVEL_CRITICAL;
        d->reason = ps_arena_format(j->arena, "critical: %s",
                                    ps_rule_critical_reason());
    } else if (j->options->match_exact) {
        d->level = PS_LEVEL_EXACT;
        d->reason = "--match exact";
    }
    write_requirement(j, d->level != PS_LEVEL_COMPATIBLE, false, d);
}

static void decide_dist(struct judge *j, size_t i)
{
    const struct ps_dist *dist = &j->environment->dists[i];
    struct ps_decision d = {
        .dist = dist,
        .name = dist->name,
        .version = dist->version,
        .level = PS_LEVEL_COMPATIBLE,
        .conda = dist->source == PS_DIST_CONDA,
    };
    enum ps_asked how = j->asked.how[i];

    if (!is_left_out(j, i, &d)) {
        if (how == PS_ASKED_EXACT || how == PS_ASKED_COMPATIBLE)
            decide_override(j, how, &d);
        else
            decide_by_rule(j, i, &d);
    }
    add(j, dist->normal, &d);
}

/* Whether an extra stands in its place. */
static bool is_replaced(const struct judge *j, const char *normal)
{
    for (size_t i = 0; i < j->extra_count; i++)
        if (strcmp(j->items[i].normal, normal) == 0)
            return true;
    return false;
}

static int decide_extras(struct judge *j, struct ps_error *err)
{
    const char *const *extra = j->options->extras;

    for (; extra && *extra; extra++) {
        struct ps_decision d;
        const char *normal = NULL;
        int rc = ps_extra_decide(j->arena, *extra, j->environment, &d, err);

        if (rc < 0)
            return rc;
        normal = ps_normalize_name(j->arena, ps_str_from(d.name));
        if (is_replaced(j, normal))
            return ps_fail(err, PS_EINVALID,
                           "'--extra %s': another one names '%s' too; keep "
                           "one of them",
                           ps_url_shown(j->arena, *extra), d.name);
        add(j, normal, &d);
        j->extra_count = j->count;
    }
    return PS_OK;
}

static int decide_dists(struct judge *j, struct ps_error *err)
{
    const struct ps_environment *e = j->environment;

    for (size_t i = 0; i < e->count; i++)
        if (!is_replaced(j, e->dists[i].normal))
            decide_dist(j, i);
    return j->refused_count > 0 ? fail_refused(j, err) : PS_OK;
}

/* What of conda has no Python distribution.  One whose name a distribution has
 * is conda's metapackage over it ("dask" over "dask-core"). */
static void decide_conda(struct judge *j)
{
    const struct ps_environment *e = j->environment;

    for (size_t i = 0; i < e->conda_count; i++) {
        const struct ps_dist *dist = &e->conda[i];
        const char *normal =
            ps_normalize_name(j->arena, ps_str_from(dist->name));
        struct ps_decision d;

        if (ps_environment_find(e, normal) || is_replaced(j, normal))
            continue;
        ps_conda_decide(j->arena, dist, j->options->match_exact,
                        j->asked.how[e->count + i], &d);
        if (j->asked.has_only && !j->asked.only[e->count + i] &&
            strcmp(dist->name, "python") != 0)
            decide_ignored(&d, "not named with --only; conda's solver adds "
                               "what the others need");
        if (d.level == PS_LEVEL_IGNORED)
            d.requirement = NULL;
        add(j, normal, &d);
    }
}

static int by_name(const void *a, const void *b)
{
    const struct sortable *x = a;
    const struct sortable *y = b;

    return strcmp(x->normal, y->normal);
}

static void finish(struct judge *j, struct ps_decisions *out)
{
    struct ps_decision *items =
        ps_arena_alloc(j->arena, j->count, sizeof(*items));

    qsort(j->items, j->count, sizeof(*j->items), by_name);
    for (size_t i = 0; i < j->count; i++)
        items[i] = j->items[i].decision;
    *out = (struct ps_decisions){
        .items = items,
        .count = j->count,
        .problems = j->problems,
        .problem_count = j->problem_count,
    };
}

static size_t count_list(const char *const *list)
{
    size_t n = 0;

    while (list && list[n])
        n++;
    return n;
}

static void find_foreign(struct judge *j)
{
    const struct ps_environment *e = j->environment;
    const char *platform = e->site->markers.sys_platform;

    if (!platform || strcmp(platform, "linux") == 0)
        return;
    j->foreign = ps_arena_alloc(j->arena, e->count, sizeof(*j->foreign));
    for (size_t i = 0; i < e->count; i++)
        j->foreign[i] = ps_rule_system_only(&e->dists[i]) != NULL;
    ps_graph_find_foreign(ps_graph_new(j->arena, e), j->foreign);
}

int ps_levels_decide(struct ps_arena *arena,
                     const struct ps_environment *environment,
                     const struct ps_level_options *options,
                     struct ps_decisions *out, struct ps_error *err)
{
    size_t max = environment->count + environment->conda_count +
                 count_list(options->extras);
    struct judge j = {
        .arena = arena,
        .environment = environment,
        .options = options,
        .items = ps_arena_alloc(arena, max + 1, sizeof(*j.items)),
        .refused = ps_arena_alloc(arena, environment->count + 1,
                                  sizeof(const struct ps_dist *)),
        .problems =
            ps_arena_alloc(arena, max + count_list(ps_rule_critical_names()),
                           sizeof(*j.problems)),
    };

    if (check_critical(&j, err) < 0 ||
        ps_asked_read(arena, environment, options, &j.asked, err) < 0 ||
        decide_extras(&j, err) < 0)
        return err->code;
    find_foreign(&j);
    if (decide_dists(&j, err) < 0)
        return err->code;
    decide_conda(&j);
    finish(&j, out);
    return PS_OK;
}
