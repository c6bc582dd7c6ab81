/*
 * Packages of an index: resolved and downloaded by the person's pip before
 * anything is changed.  The spec names all of an environment, so each is asked
 * for alone, without what it requires.  Extras for the cluster are another
 * matter: what they require was not installed where the spec was made, so they
 * are resolved, if possible together with everything else.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "install_private.h"
#include "pkgsync/buf.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "pkgsync/wheel.h"

#define WHEEL_MAX (UINT64_C(16) << 30)

struct resolve {
    struct ps_install *in;
    struct ps_index index;
    const char **requirements;
    size_t count;
    bool with_deps;
    const char *wheelhouse; /* of what --allow-sdist built; NULL */
};

static bool has_words(const char *const *list)
{
    return list && list[0];
}

/* Of a variable of pip or uv; what they say here is what counts here. */
static bool is_said(const char *variable)
{
    const char *value = getenv(variable);

    return value && value[0];
}

/* What the person's own settings leave open is as in the spec. */
static void choose_index(struct resolve *r)
{
    const struct ps_spec *spec = r->in->o->spec;

    r->index = *r->in->o->index;
    if (r->index.no_index)
        return;
    if (!r->index.index_url && !is_said("PIP_INDEX_URL"))
        r->index.index_url = spec->index_url;
    if (!has_words(r->index.extra_index_urls) &&
        !is_said("PIP_EXTRA_INDEX_URL"))
        r->index.extra_index_urls = spec->extra_index_urls;
    if (!has_words(r->index.find_links) && !is_said("PIP_FIND_LINKS"))
        r->index.find_links = spec->find_links;
}

static bool is_extra(const struct ps_spec_package *p)
{
    return strcmp(p->source_kind, "extra") == 0;
}

static bool has_extras(const struct ps_install *in)
{
    for (size_t i = 0; i < in->count; i++) {
        if (is_extra(in->targets[i].package))
            return true;
    }
    return false;
}

/* Of what has to be installed: the extras, or the rest. */
static void list_requirements(struct resolve *r, bool extras)
{
    struct ps_install *in = r->in;

    r->requirements =
        ps_arena_alloc(in->arena, in->count + 1, sizeof(*r->requirements));
    r->count = 0;
    for (size_t i = 0; i < in->count; i++) {
        const struct ps_spec_package *p = in->targets[i].package;

        if (!p->wheel && is_extra(p) == extras && !in->targets[i].path)
            r->requirements[r->count++] = p->requirement;
    }
}

/* Everything of an index that the spec names. */
static void list_all_requirements(struct resolve *r)
{
    const struct ps_spec *spec = r->in->o->spec;

    r->requirements =
        ps_arena_alloc(r->in->arena, spec->count + 1, sizeof(*r->requirements));
    r->count = 0;
    for (size_t i = 0; i < spec->count; i++) {
        if (!spec->packages[i].wheel &&
            ps_install_is_wanted(r->in, &spec->packages[i]))
            r->requirements[r->count++] = spec->packages[i].requirement;
    }
}

static void add_find_links(struct resolve *r, const char *dir)
{
    struct ps_arena *arena = r->in->arena;
    const char *const *had = r->index.find_links;
    const char **links = NULL;
    size_t n = 0;

    while (had && had[n])
        n++;
    links = ps_arena_alloc(arena, n + 2, sizeof(*links));
    for (size_t i = 0; i < n; i++)
        links[i] = had[i];
    links[n] = dir;
    r->index.find_links = links;
}

/* With the person's rights, as pip would: they asked for it. */
static int build_sdist(struct resolve *r, const char *requirement,
                       const struct ps_fetch *request, struct ps_error *err)
{
    struct ps_install *in = r->in;
    struct ps_error none = PS_ERROR_INIT;
    const char *sdist = NULL;
    PS_AUTO_FREE char *parent = ps_format("%s/tmp", in->o->dirs->cache);
    PS_AUTO_FREE char *dir = NULL;
    int rc =
        ps_fetch_sdist(in->arena, request, requirement, NULL, &sdist, &none);

    if (rc == PS_ENOTFOUND)
        return err->code;
    if (rc < 0) {
        *err = none;
        return rc;
    }
    if (!r->wheelhouse) {
        rc = ps_make_temp_dir(parent, "sdist-wheels-", &dir, err);
        if (rc < 0)
            return rc;
        r->wheelhouse = ps_arena_strdup(in->arena, dir);
        add_find_links(r, r->wheelhouse);
    }
    {
        const char *const args[] = { "wheel",       "--no-deps", "--wheel-dir",
                                     r->wheelhouse, sdist,       NULL };

        rc = ps_install_pip(in, args, &none);
    }
    if (rc < 0) {
        *err = none;
        return ps_context(err, "build '%s'", sdist);
    }
    return PS_OK;
}

static int explain_missing(const char *missing, struct ps_error *err)
{
    if (missing)
        (void)ps_context(err, "'%s'", missing);
    return ps_hint(err, "if there is a source distribution of it, build its "
                        "wheel once with `pkgsync warm`, or allow it to be "
                        "built here with --allow-sdist; nothing was changed");
}

/* Files of the cache that are damaged are removed, so that they are fetched
 * when they are asked for again: PS_EINTEGRITY. */
static int check_set(const struct ps_wheel_set *set, struct ps_error *err)
{
    int rc = PS_OK;

    for (size_t i = 0; i < set->count; i++) {
        const struct ps_wheel_file *f = &set->files[i];
        struct ps_sha256 found;

        if (ps_sha256_file(f->path, WHEEL_MAX, &found, NULL, err) < 0)
            return err->code;
        if (ps_sha256_equal(&found, &f->sha256))
            continue;
        (void)unlink(f->path);
        rc = ps_fail(err, PS_EINTEGRITY,
                     "'%s' was damaged in the cache; nothing was changed",
                     f->path);
    }
    return rc;
}

static int fetch_checked(struct ps_arena *arena, const struct ps_fetch *request,
                         struct ps_wheel_set *set, struct ps_error *err)
{
    int rc = PS_EINTEGRITY;

    for (size_t tries = 0; tries < 2 && rc == PS_EINTEGRITY; tries++) {
        *err = PS_ERROR_INIT;
        rc = ps_fetch_wheels(arena, request, set, err);
        if (rc == PS_OK)
            rc = check_set(set, err);
    }
    return rc;
}

static int fetch_set(struct resolve *r, struct ps_wheel_set *set,
                     struct ps_error *err)
{
    struct ps_install *in = r->in;
    const char *missing = NULL;
    const struct ps_fetch request = {
        .requirements = r->requirements,
        .index = &r->index,
        .python = in->o->python,
        .cache_dir = in->o->dirs->cache,
        .no_deps = !r->with_deps,
        .cancel = in->o->cancel,
        .log = in->o->log,
        .log_user = in->o->user,
        .missing = &missing,
    };
    int rc = PS_ENOTFOUND;

    /* Each turn builds one more, so there is an end. */
    for (size_t i = 0; rc == PS_ENOTFOUND && i <= r->count; i++) {
        *err = PS_ERROR_INIT;
        rc = fetch_checked(in->arena, &request, set, err);
        if (rc != PS_ENOTFOUND)
            break;
        if (!in->o->allow_sdist || !missing)
            return explain_missing(missing, err);
        rc = build_sdist(r, missing, &request, err);
        if (rc < 0)
            return rc;
        rc = PS_ENOTFOUND;
    }
    return rc;
}

static struct ps_target *find_target(struct ps_install *in, struct ps_str name)
{
    for (size_t i = 0; i < in->count; i++) {
        if (ps_name_equal(name, ps_str_from(in->targets[i].normal)))
            return &in->targets[i];
    }
    return NULL;
}

static bool is_of_spec(const struct ps_install *in, struct ps_str name)
{
    const struct ps_spec *spec = in->o->spec;

    for (size_t i = 0; i < spec->count; i++) {
        if (ps_name_equal(name, ps_str_from(spec->packages[i].name)))
            return true;
    }
    return false;
}

/* What an extra requires and nobody has: one target more. */
static void add_target(struct ps_install *in, const struct ps_wheel_file *file,
                       const struct ps_wheel_name *name)
{
    struct ps_spec_package *p = ps_arena_alloc(in->arena, 1, sizeof(*p));
    const char *normal = ps_normalize_name(in->arena, name->name);
    const char *version = ps_arena_dup(in->arena, name->version);

    if (is_of_spec(in, name->name) ||
        ps_environment_find(&in->environment, normal))
        return;
    *p = (struct ps_spec_package){ .name = normal,
                                   .version = version,
                                   .level = PS_LEVEL_EXACT,
                                   .reason = "required by an extra",
                                   .source_kind = "extra" };
    in->targets[in->count++] =
        (struct ps_target){ .package = p,
                            .normal = normal,
                            .because = "required by an extra",
                            .path = file->path,
                            .version = version };
}

/* Which file is for which package; `alone`: of extras and what they require,
 * so that versions of the others were not asked for. */
static int assign(struct ps_install *in, const struct ps_wheel_set *set,
                  bool alone, struct ps_error *err)
{
    struct ps_target *more =
        ps_arena_alloc(in->arena, in->count + set->count, sizeof(*more));

    if (in->count > 0)
        memcpy(more, in->targets, in->count * sizeof(*more));
    in->targets = more;
    for (size_t i = 0; i < set->count; i++) {
        struct ps_wheel_name name;
        struct ps_target *t = NULL;
        int rc =
            ps_wheel_name_parse(ps_str_from(set->files[i].name), &name, err);

        if (rc < 0)
            return rc;
        t = find_target(in, name.name);
        if (!t) {
            add_target(in, &set->files[i], &name);
        } else if (!t->package->wheel && (!alone || is_extra(t->package))) {
            t->path = set->files[i].path;
            t->version = ps_arena_dup(in->arena, name.version);
        }
    }
    return PS_OK;
}

static int check_assigned(const struct ps_install *in, struct ps_error *err)
{
    for (size_t k = 0; k < in->count; k++) {
        const struct ps_target *t = &in->targets[k];

        if (!t->package->wheel && !t->path)
            return ps_fail(err, PS_ENOTFOUND,
                           "pip found no wheel of '%s'; nothing was changed",
                           t->package->requirement);
    }
    return PS_OK;
}

/* Workers of a host that want the same ask once: the others find what the
 * first has noted. */
static int lock_turn(const struct resolve *r, int *lock, struct ps_error *err)
{
    const struct ps_dirs *dirs = r->in->o->dirs;
    PS_AUTO_FREE char *dir = ps_format("%s/wheels", dirs->cache);
    PS_AUTO_FREE char *path = NULL;
    char hex[PS_SHA256_HEX_SIZE];
    int rc = ps_mkdirs(dir, 0700, err);

    ps_sha256_hex(&r->in->o->spec->digest, hex);
    path = ps_format("%s/.resolve-%.16s.lock", dir, hex);
    return rc < 0 ? rc : ps_install_flock(path, r->in->o->cancel, lock, err);
}

/* The wheels of the spec, for what requires them. */
static void add_wheels(struct resolve *r)
{
    for (size_t i = 0; i < r->in->count; i++) {
        const struct ps_target *t = &r->in->targets[i];
        char *dir = NULL;

        if (!t->package->wheel)
            continue;
        dir = ps_arena_strdup(r->in->arena, t->path);
        *strrchr(dir, '/') = '\0';
        add_find_links(r, dir);
    }
}

/* What contradicts the pinned versions makes a resolver try every release
 * there ever was, until it meets one that nothing reads any more. */
static int explain_extras(struct resolve *r, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf names = PS_BUF_INIT(256);

    list_requirements(r, true);
    for (size_t i = 0; i < r->count; i++)
        ps_buf_addf(&names, "%s'%s'", i > 0 ? ", " : "", r->requirements[i]);
    (void)ps_context(err, "resolve %s with the packages of the spec",
                     ps_buf_z(&names));
    return ps_hint(err,
                   "if they ask for other versions than the spec has, name "
                   "a release that fits: sync with --extra NAME==VERSION; "
                   "nothing was changed");
}

/*
 * Extras and what they require: together with all others, so that versions
 * agree; where those contradict each other, as an environment's may, alone.
 */
static int fetch_extras(struct resolve *r, struct ps_error *err)
{
    struct ps_wheel_set set = { .count = 0 };
    struct ps_error none = PS_ERROR_INIT;
    const struct ps_index plain = r->index;
    bool alone = false;
    int rc = PS_OK;

    r->with_deps = true;
    add_wheels(r);
    list_all_requirements(r);
    rc = fetch_set(r, &set, &none);
    if (rc == PS_ENOTFOUND || rc == PS_EINVALID) {
        alone = true;
        list_requirements(r, true);
        rc = fetch_set(r, &set, err);
    } else if (rc < 0) {
        *err = none;
    }
    r->with_deps = false;
    r->index = plain;
    return rc == PS_OK ? assign(r->in, &set, alone, err)
                       : explain_extras(r, err);
}

static int fetch_plain(struct resolve *r, struct ps_error *err)
{
    struct ps_wheel_set set = { .count = 0 };
    int rc = PS_OK;

    list_requirements(r, false);
    if (r->count == 0)
        return PS_OK;
    rc = fetch_set(r, &set, err);
    return rc == PS_OK ? assign(r->in, &set, false, err) : rc;
}

static size_t count_wanted(const struct ps_install *in)
{
    size_t n = 0;

    for (size_t i = 0; i < in->count; i++)
        n += !in->targets[i].package->wheel;
    return n;
}

int ps_install_resolve(struct ps_install *in, struct ps_error *err)
{
    struct resolve r = { .in = in, .count = count_wanted(in) };
    PS_AUTO_FD int lock = -1;
    struct ps_error ignored = PS_ERROR_INIT;
    int rc = PS_OK;

    if (r.count == 0)
        return PS_OK;
    ps_install_tell(in, &(struct ps_install_event){ .phase = PS_INSTALL_RESOLVE,
                                                    .count = r.count });
    rc = ps_python_can_build(in->o->python, err);
    if (rc < 0)
        return ps_context(err, "pip is needed to ask the index");
    choose_index(&r);
    rc = lock_turn(&r, &lock, err);
    if (rc == PS_OK && has_extras(in))
        rc = fetch_extras(&r, err);
    if (rc == PS_OK)
        rc = fetch_plain(&r, err);
    if (rc == PS_OK)
        rc = check_assigned(in, err);
    if (r.wheelhouse)
        (void)!ps_remove_tree_at(AT_FDCWD, r.wheelhouse, &ignored);
    return rc;
}
