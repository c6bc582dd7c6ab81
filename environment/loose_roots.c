/* Where to look for loose modules, and which directories have an owner. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loose_private.h"
#include "scan_private.h"

#include "pkgsync/mem.h"

char *ps_loose_real(struct ps_arena *arena, const char *path)
{
    char real[PATH_MAX];

    return realpath(path, real) ? ps_arena_strdup(arena, real) : NULL;
}

const char *ps_loose_site_of(struct ps_arena *arena, const struct ps_dist *dist,
                             struct ps_loose_site *last)
{
    if (!dist->site)
        return NULL;
    if (!last->site || strcmp(last->site, dist->site) != 0)
        *last = (struct ps_loose_site){
            .site = dist->site,
            .real = ps_loose_real(arena, dist->site),
        };
    return last->real;
}

bool ps_loose_is_inside(const char *path, const char *dir)
{
    size_t len = strlen(dir);

    if (strncmp(path, dir, len) != 0)
        return false;
    return path[len] == '\0' || path[len] == '/' ||
           (len > 0 && dir[len - 1] == '/');
}

bool ps_loose_has(const char *dir, const char *name)
{
    PS_AUTO_FREE char *path = ps_format("%s/%s", dir, name);

    return access(path, F_OK) == 0;
}

bool ps_loose_is_project(const char *dir)
{
    return ps_loose_has(dir, "pyproject.toml") ||
           ps_loose_has(dir, "setup.py") || ps_loose_has(dir, "setup.cfg");
}

/* ---- owners -----------------------------------------------------------------
 */

static void add_owner(struct ps_loose_search *s, const char *path,
                      const char *dist, bool inside)
{
    const char *real = ps_loose_real(s->arena, path);

    if (!real)
        return;
    s->owners = ps_scan_grow(s->owners, s->owner_count, &s->owner_room,
                             sizeof(*s->owners));
    s->owners[s->owner_count++] = (struct ps_loose_owner){
        .path = real,
        .dist = dist,
        .inside = inside,
    };
}

/* What a .pth file adds belongs to the editable whose project it lies in;
 * where there is none, nobody else would bring its modules along. */
static void add_import_dir(struct ps_loose_search *s, const char *dir,
                           size_t projects)
{
    const char *real = ps_loose_real(s->arena, dir);

    for (size_t i = 0; real && i < projects; i++) {
        if (ps_loose_is_inside(real, s->owners[i].path)) {
            add_owner(s, real, s->owners[i].dist, true);
            return;
        }
    }
}

void ps_loose_find_owners(struct ps_loose_search *s)
{
    const struct ps_environment *e = s->options->environment;
    size_t projects = 0;

    for (size_t i = 0; i < e->count; i++) {
        const struct ps_dist *d = &e->dists[i];

        if (d->source == PS_DIST_EDITABLE && d->project)
            add_owner(s, d->project, d->name, false);
    }
    projects = s->owner_count;
    for (size_t i = 0; e->import_dirs && e->import_dirs[i]; i++)
        add_import_dir(s, e->import_dirs[i], projects);
    for (size_t i = 0; e->site && e->site->dirs && e->site->dirs[i]; i++)
        add_owner(s, e->site->dirs[i], NULL, true);
}

const struct ps_loose_owner *ps_loose_owner_of(const struct ps_loose_search *s,
                                               const char *real)
{
    for (size_t i = 0; i < s->owner_count; i++) {
        const struct ps_loose_owner *o = &s->owners[i];

        if (o->inside ? ps_loose_is_inside(real, o->path)
                      : strcmp(real, o->path) == 0)
            return o;
    }
    return NULL;
}

void ps_loose_report_owner(struct ps_loose_search *s, const char *path,
                           const struct ps_loose_owner *owner)
{
    if (owner->dist)
        ps_loose_problem(s, path,
                         "no loose modules from here: it belongs to the "
                         "editable '%s', which is built as a whole",
                         owner->dist);
    else
        ps_loose_problem(s, path,
                         "no loose modules from here: it lies in the site "
                         "directory '%s' of the environment",
                         owner->path);
}

bool ps_loose_is_other_project(struct ps_loose_search *s,
                               const struct ps_loose_entry *e)
{
    const struct ps_environment *env = s->options->environment;

    if (!ps_loose_is_project(e->path))
        return false;
    for (size_t i = 0; i < env->count; i++) {
        const char *project = env->dists[i].project;

        project = project ? ps_loose_real(s->arena, project) : NULL;
        if (project && strcmp(project, e->real) == 0)
            return true;
    }
    ps_loose_problem(s, e->path,
                     "left out: a project that is not installed; `pip install "
                     "-e` it, or name it to `pkgsync wheel`");
    return true;
}

/* ---- places -------------------------------------------------------------- */

static void add_place(struct ps_loose_search *s, const char *path, bool project)
{
    const char *real = ps_loose_real(s->arena, path);

    if (!real)
        return;
    s->places = ps_scan_grow(s->places, s->place_count, &s->place_room,
                             sizeof(*s->places));
    s->places[s->place_count++] = (struct ps_loose_place){
        .real = real,
        .project = project,
    };
}

static bool is_place(const struct ps_loose_search *s, const char *real)
{
    for (size_t i = 0; real && i < s->place_count; i++)
        if (strcmp(s->places[i].real, real) == 0)
            return true;
    return false;
}

void ps_loose_find_places(struct ps_loose_search *s)
{
    const struct ps_environment *e = s->options->environment;
    struct ps_loose_site last = { 0 };

    for (size_t i = 0; e->site && e->site->dirs && e->site->dirs[i]; i++)
        add_place(s, e->site->dirs[i], false);
    for (size_t i = 0; e->import_dirs && e->import_dirs[i]; i++)
        add_place(s, e->import_dirs[i], false);
    for (size_t i = 0; i < e->count; i++) {
        const struct ps_dist *d = &e->dists[i];

        if (d->site && !is_place(s, ps_loose_site_of(s->arena, d, &last)))
            add_place(s, d->site, false); /* of PYTHONPATH (--target) */
        if (d->source != PS_DIST_EDITABLE || !d->project)
            continue;
        add_place(s, ps_arena_format(s->arena, "%s/src", d->project), true);
        add_place(s, d->project, true);
    }
}

/* ---- roots ------------------------------------------------------------------
 */

bool ps_loose_is_root(const struct ps_loose_search *s, const char *real)
{
    for (size_t i = 0; i < s->root_count; i++)
        if (strcmp(s->roots[i].real, real) == 0)
            return true;
    return false;
}

/* A whole file system, or all that a person has, is nobody's module. */
static bool is_too_wide(struct ps_loose_search *s, const char *real,
                        bool is_cwd)
{
    const char *home = getenv("HOME");

    if (strcmp(real, "/") == 0)
        return true;
    home = home && home[0] == '/' ? ps_loose_real(s->arena, home) : NULL;
    return is_cwd && home && strcmp(real, home) == 0;
}

static void add_root(struct ps_loose_search *s, const char *path,
                     const char *real, bool is_cwd)
{
    const struct ps_loose_owner *owner = ps_loose_owner_of(s, real);

    if (ps_loose_is_root(s, real))
        return;
    if (is_too_wide(s, real, is_cwd)) {
        ps_loose_problem(s, path,
                         "no loose modules from here: it is the %s; work in a "
                         "directory of the project, or name one in "
                         "PYTHONPATH",
                         strcmp(real, "/") == 0 ? "root of the file system"
                                                : "home directory");
        return;
    }
    if (owner) {
        ps_loose_report_owner(s, path, owner);
        return;
    }
    s->roots =
        ps_scan_grow(s->roots, s->root_count, &s->root_room, sizeof(*s->roots));
    s->roots[s->root_count++] = (struct ps_loose_root){
        .path = path,
        .real = real,
        .is_cwd = is_cwd,
        .is_project = ps_loose_is_project(real),
    };
}

/* What is not there is no concern of an interpreter either. */
static void consider_root(struct ps_loose_search *s, const char *path,
                          bool is_cwd)
{
    const char *real = NULL;
    bool relative = path[0] != '/' && path[0] != '\0';
    struct stat st;

    if (path[0] != '/') {
        if (!s->options->cwd) {
            ps_loose_problem(s, path,
                             "a relative path without a working directory; "
                             "write it absolute in PYTHONPATH");
            return;
        }
        path = path[0] == '\0'
                   ? s->options->cwd
                   : ps_arena_format(s->arena, "%s/%s", s->options->cwd, path);
    }
    real = ps_loose_real(s->arena, path);
    if (!real || stat(real, &st) < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            ps_loose_problem(s, path, "cannot be read: %s", strerror(errno));
        return;
    }
    if (S_ISDIR(st.st_mode))
        add_root(s, relative ? real : path, real, is_cwd);
    else if (S_ISREG(st.st_mode))
        ps_loose_problem(s, path,
                         "a file, not a directory: modules in archives are "
                         "not brought along; unpack it");
}

void ps_loose_find_roots(struct ps_loose_search *s)
{
    const struct ps_loose_options *o = s->options;

    if (o->cwd)
        consider_root(s, o->cwd, true);
    for (size_t i = 0; o->path && o->path[i]; i++)
        consider_root(s, o->path[i], false);
}
