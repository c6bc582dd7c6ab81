/*
 * Loose modules, by these rules:
 *
 *   - Directories are looked at in the order of sys.path: the working
 *     directory, then PYTHONPATH.  What is not there, or was there before, is
 *     passed over.  As the working directory, neither / nor the home
 *     directory counts.
 *   - A directory has an owner, and is passed over, that is an editable
 *     project's root, lies in what a .pth file adds for such a project, or
 *     lies in a site directory.  So are modules that were installed right
 *     into the directory (pip install --target).
 *   - At the top of a directory count: *.py; shared libraries with a suffix
 *     of this interpreter; directories with __init__.py; and without one, in
 *     the working directory those that have a .py file right in them, in
 *     PYTHONPATH those that have one anywhere.  Their names are identifiers.
 *   - The first of a name wins, whole: a package before a shared library
 *     before a .py file; directories without __init__.py count only where
 *     there is nothing else, also no installed module, and then together.
 *   - A directory without __init__.py brings modules (*.py, *.pyi, py.typed,
 *     shared libraries), and of the directories in it those with __init__.py
 *     whole and the others likewise.  In the working directory one with a
 *     project's file is a project that is not installed, and passed over.
 *   - What looks like a private key or a password is left out, unless
 *     --include names it.  What git ignores comes along.
 *   - A package brings every file in it, but: hidden ones, *.pyc,
 *     __pycache__, node_modules, CVS, environments; build, dist and
 *     *.egg-info beside a project's file; editable projects; links that leave
 *     the directory of the path; what is neither file nor directory; shared
 *     libraries for another interpreter.
 *   - Beside a project's file (pyproject.toml, setup.py, setup.cfg) in the
 *     working directory, setup.py, conftest.py and noxfile.py are its tools.
 *   - sitecustomize, usercustomize and a top-level __init__ or __main__ would
 *     run by themselves on a worker: left out.
 *   - Of names that differ in case only, which no wheel may hold both, the
 *     later one's module is left out whole.
 *   - A module that hides one of a distribution that goes to the cluster is
 *     refused: on a worker its files would overwrite that one's.  So are files
 *     of a namespace that a distribution has as well.  A sync fails on these.
 *   - One that hides a module of the standard library is left out: on a worker
 *     that one would come first.
 */
#include "pkgsync/loose.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "loose_private.h"
#include "scan_private.h"

#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "pkgsync/util.h"

void ps_loose_problem(struct ps_loose_search *s, const char *path,
                      const char *fmt, ...)
{
    PS_AUTO_FREE char *text = NULL;
    va_list ap;

    if (s->problem_count >= PS_LOOSE_PROBLEMS_MAX) {
        s->problems_more++;
        return;
    }
    va_start(ap, fmt);
    text = ps_vformat(fmt, ap);
    va_end(ap);
    s->problems = ps_scan_grow(s->problems, s->problem_count, &s->problem_room,
                               sizeof(*s->problems));
    s->problems[s->problem_count++] = (struct ps_problem){
        .path = path,
        .message = ps_arena_strdup(s->arena, text),
    };
}

void ps_loose_refuse(struct ps_loose_search *s, const char *path,
                     const char *name, const char *theirs, const char *dist)
{
    struct ps_problem *p = ps_arena_alloc(s->arena, 1, sizeof(*p));

    *p = (struct ps_problem){
        .path = path,
        .message = ps_arena_format(
            s->arena,
            "left out: here it hides '%s' of the installed '%s', which it "
            "would overwrite on a worker; rename it, or do without it there: "
            "--exclude './%s'",
            theirs, dist, name),
        .serious = true,
    };
    if (!s->refused)
        s->refused = p;
    s->refused_count++;
    ps_loose_problem(s, path, "%s", p->message);
    if (s->problems_more == 0)
        s->problems[s->problem_count - 1].serious = true;
}

static const char *module_path(const struct ps_loose_search *s,
                               const struct ps_loose_module *m)
{
    return ps_arena_format(s->arena, "%s/%s", s->roots[m->root].path, m->entry);
}

/* ---- which of a name
 * ------------------------------------------------------------ */

/* By name; within one, in the order in which an interpreter prefers them. */
static int compare_modules(const void *a, const void *b)
{
    const struct ps_loose_module *x = a;
    const struct ps_loose_module *y = b;
    int order = strcmp(x->name, y->name);
    int portion =
        (x->kind == PS_LOOSE_NAMESPACE) - (y->kind == PS_LOOSE_NAMESPACE);

    if (order)
        return order;
    if (portion)
        return portion;
    if (x->root != y->root)
        return x->root < y->root ? -1 : 1;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    /* x.cpython-311-....so, x.abi3.so, x.so: the longer, the more exact. */
    return (strlen(x->entry) < strlen(y->entry)) -
           (strlen(x->entry) > strlen(y->entry));
}

static void drop_hidden(struct ps_loose_search *s)
{
    const struct ps_loose_module *first = NULL;

    if (s->module_count > 0)
        qsort(s->modules, s->module_count, sizeof(*s->modules),
              compare_modules);
    for (size_t i = 0; i < s->module_count; i++) {
        struct ps_loose_module *m = &s->modules[i];

        if (!first || strcmp(first->name, m->name) != 0) {
            first = m;
        } else if (first->kind != PS_LOOSE_NAMESPACE) {
            m->dropped = true;
            ps_loose_problem(s, module_path(s, m),
                             "left out: '%s' comes before it",
                             module_path(s, first));
        }
    }
}

/* ---- names that others have
 * --------------------------------------------------------- */

/* What lies in a project need not be in its wheel (tests, tools): only what is
 * known to be. */
static bool is_of_editable(const struct ps_loose_search *s,
                           const struct ps_loose_module *m, const char *path,
                           const struct ps_dist *d)
{
    const char *project = d->source == PS_DIST_EDITABLE && d->project
                              ? ps_loose_real(s->arena, d->project)
                              : NULL;

    return project && ps_loose_is_inside(path, project) &&
           (ps_name_equal(ps_str_from(d->name), ps_str_from(m->name)) ||
            ps_loose_dist_provides(s, d, m->name));
}

/* The distribution that put `path` there, and goes to the cluster. */
static const char *provider(const struct ps_loose_search *s,
                            const struct ps_loose_module *m, const char *path)
{
    const struct ps_environment *e = s->options->environment;
    struct ps_loose_site last = { 0 };

    for (size_t i = 0; i < e->count; i++) {
        const struct ps_dist *d = &e->dists[i];
        const char *site = ps_loose_site_of(s->arena, d, &last);

        if (ps_loose_stays_here(s, d))
            continue;
        if (is_of_editable(s, m, path, d))
            return d->name;
        if (site && ps_loose_is_inside(path, site) &&
            ps_loose_dist_provides(s, d, m->name))
            return d->name;
    }
    return NULL;
}

static void check_installed(struct ps_loose_search *s,
                            struct ps_loose_module *m)
{
    bool portion = m->kind == PS_LOOSE_NAMESPACE;
    bool regular = false;
    const char *path = ps_loose_installed(s, m, &regular);
    const char *dist = path ? provider(s, m, path) : NULL;

    m->joins = path && portion && !regular;
    if (!path || m->joins)
        return;
    m->dropped = portion || dist;
    if (portion)
        ps_loose_problem(
            s, module_path(s, m),
            "left out: a directory without __init__.py counts "
            "less than '%s'%s",
            path,
            dist ? ps_arena_format(s->arena, " of the installed '%s'", dist)
                 : ", which is installed");
    else if (dist)
        ps_loose_refuse(s, module_path(s, m), m->entry, path, dist);
    else
        ps_loose_problem(s, module_path(s, m),
                         "hides '%s', which no distribution that goes to "
                         "the cluster is known to bring",
                         path);
}

static void check_standard(struct ps_loose_search *s, struct ps_loose_module *m)
{
    if (!ps_loose_is_standard(s, m->name))
        return;
    m->dropped = true;
    ps_loose_problem(s, module_path(s, m),
                     m->kind == PS_LOOSE_NAMESPACE
                         ? "left out: the standard library's '%s' counts more "
                           "than a directory without __init__.py"
                         : "left out: it hides the standard library's '%s', "
                           "which comes first on a worker; rename it",
                     m->name);
}

/* ---- files
 * ----------------------------------------------------------------------------
 */

static int collect(struct ps_loose_search *s, struct ps_loose_module *m)
{
    struct ps_loose_entry e = { 0 };
    size_t before = s->file_count;
    int rc = PS_OK;

    if (!ps_loose_resolve(s, m->root, module_path(s, m), s->roots[m->root].real,
                          &e))
        m->dropped = true;
    else if (S_ISDIR(e.st.st_mode))
        rc = ps_loose_walk(s, m, &e);
    else if (S_ISREG(e.st.st_mode))
        rc = ps_loose_add_file(s, m, m->entry, &e);
    if (s->file_count == before)
        m->dropped = true;
    else
        s->roots[m->root].used = true;
    return rc;
}

/* ---- all of it
 * ------------------------------------------------------------------------- */

static int search(struct ps_loose_search *s, struct ps_loose *out)
{
    int rc = PS_OK;

    ps_loose_find_owners(s);
    ps_loose_find_places(s);
    ps_loose_find_roots(s);
    for (size_t i = 0; i < s->root_count; i++) {
        rc = ps_loose_look(s, i);
        if (rc < 0)
            return rc;
    }
    drop_hidden(s);
    for (size_t i = 0; i < s->module_count; i++) {
        struct ps_loose_module *m = &s->modules[i];

        if (!m->dropped)
            check_standard(s, m);
        if (!m->dropped)
            check_installed(s, m);
        if (!m->dropped)
            rc = collect(s, m);
        if (rc < 0)
            return rc;
    }
    return ps_loose_finish(s, out);
}

int ps_loose_find(struct ps_arena *arena,
                  const struct ps_loose_options *options, struct ps_loose *out,
                  struct ps_error *err)
{
    struct ps_loose_search s = {
        .arena = arena,
        .options = options,
        .err = err,
    };
    int rc = search(&s, out);

    free(s.owners);
    free(s.places);
    free(s.roots);
    free(s.modules);
    free(s.files);
    free(s.problems);
    return rc;
}
