/* What differs between a spec and an environment, and what to do about it. */
#include <string.h>

#include "install_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/name.h"
#include "pkgsync/version.h"

#define FRAGMENT "#sha256="

bool ps_install_same_version(const char *a, const char *b)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const char *x = ps_version_canonical(&arena, ps_str_from(a), true);
    const char *y = ps_version_canonical(&arena, ps_str_from(b), true);

    return strcmp(x, y) == 0;
}

/* pip writes the hash of a wheel into direct_url.json, uv keeps it in the
 * address there; what we installed is in the marker as well. */
static bool is_this_wheel(const struct ps_install *in,
                          const struct ps_dist *dist,
                          const struct ps_spec_wheel *wheel)
{
    const struct ps_direct_url *d = &dist->direct;
    const char *fragment = d->url ? strstr(d->url, FRAGMENT) : NULL;
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&wheel->sha256, hex);
    if (d->kind == PS_DIRECT_ARCHIVE && d->sha256)
        return strcasecmp(d->sha256, hex) == 0;
    if (d->kind == PS_DIRECT_ARCHIVE && fragment)
        return strncasecmp(fragment + strlen(FRAGMENT), hex, strlen(hex)) == 0;
    return ps_install_is_marked(in, dist, &wheel->sha256);
}

/* Why a package has to be installed; NULL: it need not be. */
static const char *reason_for(const struct ps_install *in,
                              const struct ps_spec_package *p,
                              const struct ps_dist *found)
{
    struct ps_arena *arena = in->arena;

    if (!found)
        return "new";
    if (found->half_removed)
        return "half removed here";
    if (p->wheel) {
        if (found->source == PS_DIST_EDITABLE)
            return "editable here, a wheel in the spec";
        if (!ps_install_same_version(found->version, p->version))
            return ps_arena_format(arena, "version %s here", found->version);
        return is_this_wheel(in, found, p->wheel) ? NULL
                                                  : "built from another state";
    }
    if (!ps_levels_satisfied(p->requirement, found->version))
        return ps_arena_format(arena, "version %s does not satisfy '%s'",
                               found->version, p->requirement);
    return NULL;
}

/* The comparison knows more than versions: what it calls an error, and what
 * can be installed, is installed. */
static const char *error_of(const struct ps_install *in, const char *normal)
{
    for (size_t i = 0; i < in->comparison.count; i++) {
        const struct ps_difference *d = &in->comparison.items[i];

        if (d->severity == PS_SEVERITY_ERROR &&
            ps_name_equal(ps_str_from(d->name), ps_str_from(normal)))
            return d->message;
    }
    return NULL;
}

/* conda's own packages have requirements that are none of pip's. */
static bool is_for_pip(const struct ps_spec_package *p)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_requirement r;
    struct ps_error ignored = PS_ERROR_INIT;

    return !p->conda.name ||
           ps_requirement_parse(&arena, ps_str_from(p->requirement), &r,
                                &ignored) == PS_OK;
}

static bool can_be_installed(const struct ps_spec_package *p)
{
    return p->level != PS_LEVEL_IGNORED &&
           (p->wheel || (p->requirement && is_for_pip(p)));
}

/* A requirement of the spec whose marker is false here asks for nothing. */
static bool is_wanted_here(const struct ps_install *in,
                           const struct ps_spec_package *p)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_requirement r;
    struct ps_error ignored = PS_ERROR_INIT;
    bool holds = true;

    if (p->wheel || !strchr(p->requirement, ';'))
        return true;
    if (ps_requirement_parse(&arena, ps_str_from(p->requirement), &r,
                             &ignored) < 0 ||
        ps_marker_holds(r.marker, &in->o->site->markers, NULL, &holds,
                        &ignored) < 0)
        return true;
    return holds;
}

bool ps_install_is_wanted(const struct ps_install *in,
                          const struct ps_spec_package *p)
{
    return can_be_installed(p) && is_wanted_here(in, p);
}

static void fill_targets(struct ps_install *in)
{
    const struct ps_spec *spec = in->o->spec;

    in->targets = ps_arena_alloc(in->arena, spec->count, sizeof(*in->targets));
    in->count = 0;
    in->unchanged = 0;
    for (size_t i = 0; i < spec->count; i++) {
        const struct ps_spec_package *p = &spec->packages[i];
        const struct ps_dist *found =
            ps_environment_find(&in->environment, p->name);
        const char *normal = ps_normalize_name(in->arena, ps_str_from(p->name));
        const char *because = NULL;

        if (!ps_install_is_wanted(in, p))
            continue;
        because = reason_for(in, p, found);
        /* uv keeps no hash where a comparison looks for it. */
        if (!because && !p->wheel)
            because = error_of(in, normal);
        if (!because) {
            in->unchanged++;
            continue;
        }
        in->targets[in->count++] = (struct ps_target){
            .package = p, .found = found, .normal = normal, .because = because
        };
    }
}

int ps_install_plan(struct ps_install *in, struct ps_error *err)
{
    int rc = ps_environment_scan(in->arena, in->o->site, in->o->cancel,
                                 &in->environment, err);

    if (rc == PS_OK)
        rc = ps_compare_spec(in->arena, in->o->spec, &in->environment,
                             &in->comparison, err);
    if (rc < 0)
        return ps_context(err, "look at '%s'", in->o->site->prefix);
    ps_install_read_marks(in);
    fill_targets(in);
    return PS_OK;
}
