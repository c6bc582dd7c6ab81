/* One package: as it should be, against what is there. */
#include <string.h>

#include "compare_private.h"
#include "levels_private.h"
#include "pkgsync/name.h"
#include "pkgsync/version.h"

struct verdict {
    enum ps_severity severity;
    const char *message; /* NULL: nothing to say */
};

#define NOTHING ((struct verdict){ PS_SEVERITY_OK, NULL })

static struct verdict verdict(enum ps_severity severity, const char *message)
{
    return (struct verdict){ severity, message };
}

static bool is_critical(const char *name)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    return ps_rule_is_critical(ps_normalize_name(&arena, ps_str_from(name)));
}

static bool is_compared(const char *name)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    return ps_rule_is_compared(ps_normalize_name(&arena, ps_str_from(name)));
}

/* By PEP 440 where it can be; letter by letter where not. */
static bool same_version(const char *a, const char *b)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    return strcmp(ps_version_canonical(&arena, ps_str_from(a), true),
                  ps_version_canonical(&arena, ps_str_from(b), true)) == 0;
}

/* The hash of the archive that it was installed from: where PEP 610 has it, or
 * in the URL that was asked for, where uv leaves it. */
static bool archive_hash(const struct ps_dist *found, struct ps_sha256 *out)
{
    const struct ps_direct_url *d = &found->direct;
    struct ps_error ignored = PS_ERROR_INIT;
    const char *fragment = NULL;

    if (d->kind != PS_DIRECT_ARCHIVE)
        return false;
    if (d->sha256)
        return ps_sha256_parse(ps_str_from(d->sha256), out, &ignored) == PS_OK;
    fragment = d->url ? strstr(d->url, "#sha256=") : NULL;
    return fragment &&
           ps_sha256_parse(ps_str_first(ps_str_from(fragment + 8), 64), out,
                           &ignored) == PS_OK;
}

static bool is_working_tree(const struct ps_dist *dist)
{
    switch (dist->source) {
    case PS_DIST_EDITABLE:
    case PS_DIST_DIRECTORY:
    case PS_DIST_VCS:
        return true;
    case PS_DIST_INDEX:
    case PS_DIST_CONDA:
    case PS_DIST_ARCHIVE:
    case PS_DIST_LOOSE:
        break;
    }
    return false;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_source(const struct ps_dist *a, const struct ps_dist *b)
{
    struct ps_sha256 x;
    struct ps_sha256 y;

    if (a->project || b->project)
        return same_text(a->project, b->project);
    if (a->direct.kind != b->direct.kind)
        return false;
    if (a->direct.kind == PS_DIRECT_VCS)
        return a->direct.commit &&
               same_text(a->direct.commit, b->direct.commit) &&
               same_text(a->direct.url, b->direct.url) &&
               same_text(a->direct.subdirectory, b->direct.subdirectory);
    if (archive_hash(a, &x) && archive_hash(b, &y))
        return ps_sha256_equal(&x, &y);
    return same_text(a->direct.url, b->direct.url);
}

/* A store's URLs have the hash in them, and what was installed by hash from
 * such a URL is that: uv's lock files leave no other trace. */
static bool comes_by_hash(const struct ps_dist *found,
                          const struct ps_sha256 *sha256)
{
    char hex[PS_SHA256_HEX_SIZE];

    if (!sha256 || found->direct.kind != PS_DIRECT_ARCHIVE ||
        !found->direct.url)
        return false;
    ps_sha256_hex(sha256, hex);
    return strstr(found->direct.url, hex) != NULL;
}

/* Two environments: what is built from a source, against its like. */
static struct verdict judge_source(struct ps_arena *arena,
                                   const struct ps_expected *want,
                                   const struct ps_dist *found)
{
    if (same_source(want->dist, found))
        return NOTHING;
    return verdict(PS_SEVERITY_WARNING,
                   ps_arena_format(arena,
                                   "the same version, installed %s and here "
                                   "%s: the code may differ",
                                   ps_source_text(arena, want->dist),
                                   ps_source_text(arena, found)));
}

/* A wheel that was built, against what is there under its name. */
static struct verdict judge_build(struct ps_arena *arena,
                                  const struct ps_expected *want,
                                  const struct ps_dist *found)
{
    struct ps_sha256 actual;

    if (!same_version(want->version, found->version))
        return verdict(PS_SEVERITY_ERROR,
                       want->sha256 ? "another version than the one built"
                                    : "another version");
    if (want->dist)
        return judge_source(arena, want, found);
    if (is_working_tree(found))
        return verdict(
            PS_SEVERITY_ERROR,
            ps_arena_format(arena, "installed %s, not the wheel that was built",
                            ps_source_text(arena, found)));
    if (!archive_hash(found, &actual)) {
        if (comes_by_hash(found, want->sha256))
            return NOTHING;
        return verdict(PS_SEVERITY_WARNING,
                       "the same version; nothing says whether it is the "
                       "wheel that was built");
    }
    if (want->sha256 && ps_sha256_equal(&actual, want->sha256))
        return NOTHING;
    return verdict(PS_SEVERITY_ERROR,
                   "the same version, but another wheel than the one built");
}

static struct verdict judge_satisfied(struct ps_arena *arena,
                                      const struct ps_expected *want,
                                      const struct ps_dist *found)
{
    if (is_working_tree(found) &&
        !(want->dist && same_source(want->dist, found)))
        return verdict(PS_SEVERITY_WARNING,
                       ps_arena_format(arena,
                                       "installed %s: its code may differ",
                                       ps_source_text(arena, found)));
    if (want->version[0] == '\0' || same_version(want->version, found->version))
        return NOTHING;
    if (is_compared(want->name))
        return verdict(PS_SEVERITY_WARNING,
                       "compatible, but distributed warns where it differs");
    return verdict(PS_SEVERITY_OK, "another version, compatible");
}

static struct verdict judge_version(struct ps_arena *arena,
                                    const struct ps_expected *want,
                                    const struct ps_dist *found)
{
    if (ps_levels_satisfied(want->requirement, found->version))
        return judge_satisfied(arena, want, found);
    if (is_critical(want->name))
        return verdict(PS_SEVERITY_ERROR,
                       ps_arena_format(arena,
                                       "critical, and another version: %s",
                                       ps_rule_critical_reason()));
    return verdict(PS_SEVERITY_ERROR, want->level == PS_LEVEL_COMPATIBLE
                                          ? "not compatible"
                                          : "another version");
}

/* conda's versions have an order of their own: within a series they are taken
 * for compatible, and which is the later of two is not asked. */
static struct verdict judge_conda(struct ps_arena *arena,
                                  const struct ps_expected *want,
                                  const struct ps_dist *found)
{
    const char *version =
        found->conda.version ? found->conda.version : found->version;
    const char *series = ps_conda_series(arena, want->version);
    size_t len = series ? strlen(series) - 1 : 0; /* with its dot */

    if (strcmp(want->version, version) == 0)
        return NOTHING;
    if (want->level == PS_LEVEL_COMPATIBLE && series &&
        strncmp(series, version, len) == 0)
        return verdict(PS_SEVERITY_OK, "another version, of the same series");
    return verdict(PS_SEVERITY_ERROR, "another version");
}

static struct verdict judge(struct ps_arena *arena,
                            const struct ps_expected *want,
                            const struct ps_dist *found, bool is_conda_env)
{
    if (want->level == PS_LEVEL_IGNORED)
        return NOTHING;
    if (!found && want->is_conda && !is_conda_env)
        return verdict(PS_SEVERITY_WARNING,
                       "of conda, and this environment is not conda's");
    if (!found)
        return verdict(PS_SEVERITY_ERROR, is_critical(want->name)
                                              ? "critical, and not installed"
                                              : "not installed");
    if (found->half_removed)
        return verdict(PS_SEVERITY_ERROR, "half removed: files of it are gone");
    if (want->is_conda)
        return judge_conda(arena, want, found);
    if (want->level == PS_LEVEL_BUILD)
        return judge_build(arena, want, found);
    if (!want->requirement)
        return verdict(PS_SEVERITY_WARNING, "cannot be compared");
    return judge_version(arena, want, found);
}

bool ps_compare_package(struct ps_arena *arena, const struct ps_expected *want,
                        const struct ps_dist *found, bool found_is_conda_env,
                        struct ps_difference *out)
{
    struct verdict v = judge(arena, want, found, found_is_conda_env);

    if (!v.message)
        return false;
    *out = (struct ps_difference){
        .name = want->name,
        .expected = want->requirement ? want->requirement : want->version,
        .found = found ? found->version : NULL,
        .level = want->level,
        .severity = v.severity,
        .message = v.message,
    };
    return true;
}
