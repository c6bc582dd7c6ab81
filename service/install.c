/* The order of an install; what each step does is in the files beside. */
#include "pkgsync/install.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "install_private.h"
#include "pipeline_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/name.h"

const char *ps_install_phase_name(enum ps_install_phase phase)
{
    static const char *const names[] = {
        [PS_INSTALL_WAIT] = "wait",       [PS_INSTALL_RESTORE] = "restore",
        [PS_INSTALL_RESOLVE] = "resolve", [PS_INSTALL_FETCH] = "fetch",
        [PS_INSTALL_BACKUP] = "back up",  [PS_INSTALL_RUN] = "install",
        [PS_INSTALL_CHECK] = "check",
    };

    return names[phase];
}

void ps_install_tell(struct ps_install *in, const struct ps_install_event *e)
{
    if (!in->o->event)
        return;
    (void)pthread_mutex_lock(&in->event_lock);
    in->o->event(e, in->o->user);
    (void)pthread_mutex_unlock(&in->event_lock);
}

static void tell(struct ps_install *in, enum ps_install_phase phase)
{
    ps_install_tell(
        in, &(struct ps_install_event){ .phase = phase, .count = in->count });
}

/* ---- is it for this interpreter? ---- */

/* "3.11" of "3.11.7". */
static struct ps_str minor_of(const char *version)
{
    const char *dot = strchr(version, '.');
    size_t len = dot ? (size_t)(dot - version) + 1 : strlen(version);

    if (dot)
        len += strcspn(dot + 1, ".");
    return (struct ps_str){ version, len };
}

static int check_python(const struct ps_install_options *o,
                        struct ps_error *err)
{
    const struct ps_spec *spec = o->spec;
    const struct ps_site *site = o->site;
    bool same = strcmp(spec->implementation, site->implementation) == 0 &&
                ps_str_equal(minor_of(spec->version), minor_of(site->version));

    if (!o->any_python && !same)
        return ps_fail(err, PS_EUNSUPPORTED,
                       "the spec is for %s %.*s, and '%s' is %s %s; name an "
                       "interpreter of that version with --python, or go on "
                       "with --any-python",
                       spec->implementation,
                       PS_STR_FMT(minor_of(spec->version)), site->executable,
                       site->implementation, site->version);
    if (!o->any_platform && strcmp(spec->platform, site->platform) != 0)
        return ps_fail(err, PS_EUNSUPPORTED,
                       "the spec is for the platform %s, and '%s' is for %s; "
                       "make one with `pkgsync sync` on such a machine, or go "
                       "on with --any-platform",
                       spec->platform, site->executable, site->platform);
    return PS_OK;
}

/* ---- going back ---- */

/* What is not as it was, by name; "" when all is; in the arena. */
static const char *list_changes(struct ps_install *in,
                                const struct ps_environment *before)
{
    struct ps_environment now;
    struct ps_error ignored = PS_ERROR_INIT;
    const char *list = "";

    if (ps_environment_scan(in->arena, in->o->site, NULL, &now, &ignored) < 0)
        return "it cannot be read any more";
    for (size_t i = 0; i < in->count; i++) {
        const char *normal = in->targets[i].normal;
        const struct ps_dist *was = ps_environment_find(before, normal);
        const struct ps_dist *is = ps_environment_find(&now, normal);
        const char *old = was ? was->version : "not installed";
        const char *new = is ? is->version : "not installed";

        if (strcmp(old, new) != 0)
            list = ps_arena_format(in->arena, "%s%s'%s' was %s and is %s", list,
                                   list[0] ? ", " : "", normal, old, new);
    }
    return list;
}

static int go_back(struct ps_install *in, struct ps_error *err)
{
    struct ps_error trouble = PS_ERROR_INIT;
    const char *changes = NULL;
    int rc = PS_OK;

    tell(in, PS_INSTALL_RESTORE);
    rc = ps_install_restore(in->control, &trouble);
    changes = list_changes(in, &in->environment);
    if (rc == PS_OK && !changes[0])
        return ps_hint(err, "the environment is as it was");
    if (rc < 0)
        (void)ps_hint(err, "going back failed: %s", trouble.text);
    return ps_hint(err, "what changed: %s",
                   changes[0] ? changes
                              : "files of packages, though no version");
}

/* What a killed install left. */
static int recover(struct ps_install *in, struct ps_error *err)
{
    if (!ps_install_has_journal(in->control)) {
        ps_install_drop_backup(in->control);
        return PS_OK;
    }
    tell(in, PS_INSTALL_RESTORE);
    return ps_install_recover(in, err);
}

/* ---- changing ---- */

static int take_lock(struct ps_install *in, struct ps_error *err)
{
    PS_AUTO_FREE char *path = ps_format("%s/lock", in->control);
    int rc = ps_mkdirs(in->control, 0755, err);

    if (rc < 0)
        return rc;
    rc = ps_install_try_flock(path, &in->lock, err);
    if (rc != PS_EBUSY)
        return rc;
    *err = PS_ERROR_INIT;
    tell(in, PS_INSTALL_WAIT);
    return ps_install_flock(path, in->o->cancel, &in->lock, err);
}

static int fetch_all(struct ps_install *in, struct ps_error *err)
{
    int rc = ps_install_check_wheels(in, err);

    /* Wheels first: they are named by the spec, and wrong ones end it all. */
    if (rc == PS_OK)
        rc = ps_install_fetch(in, err);
    if (rc == PS_OK)
        rc = ps_install_resolve(in, err);
    return rc;
}

static int change(struct ps_install *in, struct ps_error *err)
{
    int rc = PS_OK;

    tell(in, PS_INSTALL_BACKUP);
    rc = ps_install_backup(in, err);
    if (rc < 0)
        return ps_install_has_journal(in->control) ? go_back(in, err) : rc;
    rc = ps_install_run(in, err);
    if (rc == PS_OK)
        rc = ps_install_keep_shared(in->control, err);
    return rc < 0 ? go_back(in, err) : PS_OK;
}

static void list_items(const struct ps_install *in,
                       struct ps_install_result *out)
{
    struct ps_install_item *items =
        ps_arena_alloc(in->arena, in->count, sizeof(*items));

    for (size_t i = 0; i < in->count; i++) {
        const struct ps_target *t = &in->targets[i];

        items[i] = (struct ps_install_item){
            .name = t->package->name,
            .version = t->version ? t->version : t->package->version,
            .from_wheel = t->package->wheel != NULL,
            .was = t->found ? t->found->version : NULL,
            .because = t->because,
        };
    }
    out->items = items;
    out->count = in->count;
    out->unchanged = in->unchanged;
}

/* The change is final; what is there now is judged anew. */
static int conclude(struct ps_install *in, struct ps_install_result *out,
                    struct ps_error *err)
{
    struct ps_target *targets = in->targets;
    size_t count = in->count;
    size_t unchanged = in->unchanged;
    int rc = PS_OK;

    list_items(in, out);
    tell(in, PS_INSTALL_CHECK);
    rc = ps_install_commit(in->control, err);
    if (rc == PS_OK)
        rc = ps_install_plan(in, err);
    in->targets = targets;
    in->count = count;
    in->unchanged = unchanged;
    if (rc == PS_OK)
        rc = ps_install_write_marker(in, err);
    ps_install_drop_backup(in->control);
    return rc;
}

static int bring_up(struct ps_install *in, struct ps_install_result *out,
                    struct ps_error *err)
{
    PS_AUTO_FD int cache = -1;
    int rc = ps_install_check_writable(in, err);

    if (rc == PS_OK)
        rc = take_lock(in, err);
    /* Until the installer has read what was fetched. */
    if (rc == PS_OK)
        rc = ps_cache_share(in->o->dirs, &cache, err);
    if (rc == PS_OK)
        rc = recover(in, err);
    /* Whoever had the lock may have done it all. */
    if (rc == PS_OK)
        rc = ps_install_plan(in, err);
    if (rc < 0 || in->count == 0)
        return rc;
    rc = ps_install_find_installer(in, err);
    if (rc == PS_OK)
        rc = fetch_all(in, err);
    if (rc == PS_OK)
        rc = change(in, err);
    if (rc < 0)
        return rc;
    out->installer = in->installer ? "uv" : "pip";
    return conclude(in, out, err);
}

/* What would be refused before anything is fetched. */
static int foresee(struct ps_install *in, struct ps_error *err)
{
    int rc = ps_install_check_writable(in, err);

    if (rc == PS_OK)
        rc = ps_install_find_installer(in, err);
    if (rc == PS_OK)
        rc = ps_install_check_wheels(in, err);
    return rc;
}

static int install(struct ps_install *in, struct ps_install_result *out,
                   struct ps_error *err)
{
    int rc = check_python(in->o, err);

    if (rc < 0)
        return rc;
    ps_install_find_places(in);
    rc = ps_install_plan(in, err);
    if (rc == PS_OK && !in->o->dry_run &&
        (in->count > 0 || ps_install_has_journal(in->control)))
        rc = bring_up(in, out, err);
    if (rc == PS_OK && in->o->dry_run && in->count > 0)
        rc = foresee(in, err);
    if (rc < 0)
        return rc;
    if (!out->installer)
        list_items(in, out);
    out->restored = in->restored;
    out->unrestored = in->unrestored;
    out->comparison = in->comparison;
    ps_install_check_requires(in, out);
    return PS_OK;
}

int ps_install(struct ps_arena *arena, const struct ps_install_options *options,
               struct ps_install_result *out, struct ps_error *err)
{
    struct ps_install in = { .arena = arena, .o = options, .lock = -1 };
    int rc = PS_OK;

    *out = (struct ps_install_result){ .items = NULL };
    (void)pthread_mutex_init(&in.event_lock, NULL);
    rc = install(&in, out, err);
    if (in.lock >= 0)
        (void)close(in.lock);
    json_decref(in.marks);
    (void)pthread_mutex_destroy(&in.event_lock);
    return rc;
}
