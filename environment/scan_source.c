/* Where a distribution came from. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/util.h"
#include "scan_private.h"

#define DIRECT_URL_MAX ((size_t)64 * 1024)

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_project(struct ps_arena *arena, const char *dir)
{
    static const char *const files[] = { "pyproject.toml", "setup.py",
                                         "setup.cfg" };

    for (size_t i = 0; i < PS_ARRAY_SIZE(files); i++) {
        if (access(ps_arena_format(arena, "%s/%s", dir, files[i]), F_OK) == 0)
            return true;
    }
    return false;
}

const char *ps_project_root(struct ps_arena *arena, const char *path)
{
    const char *parent =
        ps_path_join(arena, path, (struct ps_str){ .data = "..", .len = 2 });

    if (is_project(arena, path))
        return path;
    return is_project(arena, parent) ? parent : NULL;
}

/* direct_url.json, if there is one to believe; what is wrong with it, NULL. */
static const char *read_direct_url(struct ps_scan *s,
                                   const struct ps_scan_dir *dir,
                                   const struct ps_found *f,
                                   struct ps_direct_url *out)
{
    char path[PS_SCAN_PATH];
    struct ps_error err = PS_ERROR_INIT;
    int error = 0;

    *out = (struct ps_direct_url){ .kind = PS_DIRECT_NONE };
    (void)ps_scan_below(path, f->entry, "direct_url.json");
    error = ps_scan_read(s, dir->fd, path, DIRECT_URL_MAX);
    if (error == ENOENT)
        return NULL;
    if (error)
        return ps_arena_format(s->arena, "direct_url.json cannot be read: %s",
                               ps_scan_reason(error));
    if (ps_direct_url_parse(s->arena, s->content, out, &err) < 0) {
        *out = (struct ps_direct_url){ .kind = PS_DIRECT_NONE };
        return ps_arena_strdup(s->arena, err.text);
    }
    return NULL;
}

/* Whether what it names on this machine is still there. */
static bool is_there(const struct ps_direct_url *direct)
{
    if (!direct->path)
        return direct->kind != PS_DIRECT_DIR;
    if (direct->kind == PS_DIRECT_ARCHIVE)
        return access(direct->path, F_OK) == 0;
    return is_directory(direct->path);
}

/*
 * Said even where --exact vouches for an index: by its name alone an index may
 * have something else than what was installed.
 */
static void report_origin(struct ps_scan *s, const struct ps_scan_dir *dir,
                          const struct ps_found *f, bool serious,
                          const char *what)
{
    char path[PS_SCAN_PATH];

    (void)ps_scan_below(path, f->entry, "direct_url.json");
    ps_scan_problem(s, serious, ps_scan_path(s, dir->path, path),
                    "%s; where '%s' was installed from is not known", what,
                    f->dist.name);
}

/* Whether the hash still says what was installed.  Every wheel that was
 * fetched, installed and removed is such a one: nobody needs to be told. */
static bool is_known_by_hash(const struct ps_direct_url *direct)
{
    return direct->kind == PS_DIRECT_ARCHIVE &&
           (direct->sha256 || strstr(direct->url, "#sha256="));
}

static void take_direct_url(struct ps_scan *s, struct ps_found *f,
                            const struct ps_direct_url *direct)
{
    if (direct->kind == PS_DIRECT_NONE)
        return;
    if (!is_there(direct)) {
        if (!is_known_by_hash(direct))
            ps_scan_problem(
                s, false, f->dist.location,
                "it was installed from '%s', which is gone; taken as "
                "from an index",
                direct->path ? direct->path
                             : ps_url_shown(s->arena, direct->url));
        /* Its hash still says what was installed: that is how a wheel which
         * was fetched, installed and removed is known again. */
        if (direct->kind == PS_DIRECT_ARCHIVE)
            f->dist.direct = *direct;
        return;
    }
    f->dist.direct = *direct;
    switch (direct->kind) {
    case PS_DIRECT_NONE:
        break;
    case PS_DIRECT_VCS:
        f->dist.source = PS_DIST_VCS;
        break;
    case PS_DIRECT_ARCHIVE:
        f->dist.source = PS_DIST_ARCHIVE;
        break;
    case PS_DIRECT_DIR:
        f->dist.source =
            direct->editable ? PS_DIST_EDITABLE : PS_DIST_DIRECTORY;
        f->dist.project = direct->path;
        break;
    }
}

void ps_scan_source(struct ps_scan *s, const struct ps_scan_dir *dir,
                    struct ps_found *f)
{
    struct ps_conda_record *owner = ps_conda_owner(dir->conda, f->entry);
    struct ps_direct_url direct = { .kind = PS_DIRECT_NONE };
    const char *wrong = NULL;

    f->dist.source = PS_DIST_INDEX;
    if (f->shape == PS_SHAPE_DIST_INFO)
        wrong = read_direct_url(s, dir, f, &direct);
    if (wrong)
        report_origin(s, dir, f, !owner, wrong);
    /* Packages of conda come with the direct_url.json of the machine that
     * made them; only an editable install is a person's own. */
    if (owner && !(direct.editable && is_there(&direct))) {
        f->dist.source = PS_DIST_CONDA;
        f->dist.conda = owner->conda;
        f->dist.requested = f->dist.requested || owner->requested;
        return;
    }
    f->dist.origin_error = wrong;
    take_direct_url(s, f, &direct);
    f->in_tree = f->shape == PS_SHAPE_EGG_INFO && dir->kind != PS_PLACE_SITE &&
                 strcmp(f->entry, "EGG-INFO") != 0;
    if (f->in_tree) {
        f->dist.project = ps_project_root(s->arena, dir->path);
        if (f->dist.project) {
            f->dist.source = PS_DIST_EDITABLE;
            f->dist.editable = dir->kind == PS_PLACE_PTH ? "pth" : "path";
        }
    }
}
