/* What no index has: where it is built from. */
#include <string.h>
#include <unistd.h>

#include "levels_private.h"
#include "pkgsync/util.h"

/* As people know a commit. */
#define SHORT_COMMIT 12

static bool is_archive_name(const char *name)
{
    static const char *const ends[] = { ".whl",     ".tar.gz", ".zip",
                                        ".tar.bz2", ".tar.xz", ".tgz" };

    for (size_t i = 0; i < PS_ARRAY_SIZE(ends); i++)
        if (ps_str_ends(ps_str_from(name), ends[i]))
            return true;
    return false;
}

static const char *vcs_text(struct ps_arena *arena,
                            const struct ps_direct_url *d)
{
    if (d->commit)
        return ps_arena_format(arena, "from %s, %s at %.*s", d->vcs,
                               ps_url_shown(arena, d->url), SHORT_COMMIT,
                               d->commit);
    return ps_arena_format(arena, "from %s, %s", d->vcs ? d->vcs : "vcs",
                           ps_url_shown(arena, d->url));
}

const char *ps_source_text(struct ps_arena *arena, const struct ps_dist *dist)
{
    const struct ps_direct_url *d = &dist->direct;

    switch (dist->source) {
    case PS_DIST_INDEX:
        return "from an index";
    case PS_DIST_CONDA:
        return "by conda";
    case PS_DIST_EDITABLE:
        return ps_arena_format(arena, "editable from '%s'", dist->project);
    case PS_DIST_DIRECTORY:
        return ps_arena_format(arena, "from the directory '%s'", dist->project);
    case PS_DIST_VCS:
        return vcs_text(arena, d);
    case PS_DIST_ARCHIVE:
        return ps_arena_format(arena, "from the archive '%s'",
                               d->path ? d->path : ps_url_shown(arena, d->url));
    case PS_DIST_LOOSE:
        return "as loose modules";
    }
    return "from somewhere";
}

const char *ps_origin_refusal(struct ps_arena *arena,
                              const struct ps_dist *dist)
{
    return ps_arena_format(
        arena,
        "'%s' was not installed by its name alone, and where it came from is "
        "not known (%s): an index may have something else under its name; "
        "install it again, or, where an index has it, say so with '--exact "
        "%s' or '--compatible %s', or leave it out with '--ignore %s'",
        dist->name, dist->origin_error, dist->name, dist->name, dist->name);
}

static const char *installed(struct ps_arena *arena, const struct ps_dist *dist)
{
    return ps_arena_format(arena, "installed %s", ps_source_text(arena, dist));
}

static bool decide_directory(struct ps_arena *arena, const struct ps_dist *dist,
                             struct ps_decision *decision)
{
    if (!dist->project) {
        decision->warning = "where it is built from is not known; taken from "
                            "an index instead";
        return false;
    }
    decision->build = dist->project;
    decision->reason = installed(arena, dist);
    return true;
}

static bool decide_vcs(struct ps_arena *arena, const struct ps_dist *dist,
                       struct ps_decision *decision, const char **refused)
{
    const struct ps_direct_url *d = &dist->direct;

    if (!d->vcs || strcmp(d->vcs, "git") != 0) {
        *refused = ps_arena_format(
            arena,
            "'%s' is installed %s, and only git can be built: install it from "
            "git, a directory or an index, or leave it out with '--ignore %s'",
            dist->name, vcs_text(arena, d), dist->name);
        return false;
    }
    decision->build = ps_direct_url_requirement(arena, d);
    decision->reason = installed(arena, dist);
    if (!d->commit)
        decision->warning = ps_arena_format(
            arena,
            "its installer did not record the commit: built from what '%s' is "
            "now",
            d->requested_revision ? d->requested_revision
                                  : "the default branch");
    return true;
}

static bool decide_archive(struct ps_arena *arena, const struct ps_dist *dist,
                           struct ps_decision *decision)
{
    const struct ps_direct_url *d = &dist->direct;

    if (d->path && (!is_archive_name(d->path) || access(d->path, R_OK) < 0)) {
        decision->warning = ps_arena_format(
            arena,
            "the archive that it was installed from, '%s', cannot be read; "
            "taken from an index instead",
            d->path);
        return false;
    }
    decision->build = d->path ? d->path : ps_direct_url_requirement(arena, d);
    decision->reason = installed(arena, dist);
    if (!d->path && !d->sha256)
        decision->warning = "its installer did not record the archive's hash: "
                            "fetched as it is now";
    return true;
}

bool ps_source_decide(struct ps_arena *arena, const struct ps_dist *dist,
                      struct ps_decision *decision, const char **refused)
{
    bool is_built = false;

    switch (dist->source) {
    case PS_DIST_INDEX:
    case PS_DIST_CONDA:
    case PS_DIST_LOOSE:
        break;
    case PS_DIST_EDITABLE:
    case PS_DIST_DIRECTORY:
        is_built = decide_directory(arena, dist, decision);
        break;
    case PS_DIST_VCS:
        is_built = decide_vcs(arena, dist, decision, refused);
        break;
    case PS_DIST_ARCHIVE:
        is_built = decide_archive(arena, dist, decision);
        break;
    }
    if (is_built)
        decision->level = PS_LEVEL_BUILD;
    return is_built;
}
