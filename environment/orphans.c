/*
 * Modules in site directories that no distribution owns: an interpreter
 * imports them, and nothing brings them to a cluster.
 *
 * Whose a module is, RECORD says; reading all of them costs more than the
 * scan.  So a module that is called as a distribution beside it counts as its
 * own, and RECORDs are read only while something is left to be explained: of
 * distributions without such a module, of those that are called alike, then
 * of the others.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loose_private.h"
#include "scan_private.h"

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define SHOWN_MAX 50
#define TEXT_MAX PS_MIB(16)
#define ALIKE 3 /* letters that names have in common */

struct module {
    const char *name;
    const char *entry; /* "x.py" */
    bool owned;
};

struct look {
    struct ps_arena *arena;
    const struct ps_environment *environment;
    const struct ps_cancel *cancel;
    const char *dir;
    struct module *modules; /* by name */
    size_t count, room;
    size_t left; /* that nobody owns, as far as is known */
    bool *read;  /* of environment->dists: their files are known */

    struct ps_problem *problems;
    size_t problem_count, problem_room, more;
};

/* ---- what lies there ---- */

/* What tools put beside the packages, which no RECORD need list. */
static bool is_of_tools(struct ps_str name)
{
    static const char *const names[] = { "__pycache__", "_distutils_hack",
                                         "pkg_resources", "_virtualenv",
                                         "easy_install" };

    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++)
        if (ps_str_is(name, names[i]))
            return true;
    return ps_str_starts(name, "__editable__");
}

/* The module's name of an entry; empty: it is none. */
static struct ps_str module_of(const struct dirent *e)
{
    struct ps_str entry = ps_str_from(e->d_name);
    struct ps_str name = ps_str_first(entry, strcspn(e->d_name, "."));
    bool is_file = ps_str_ends(entry, ".py") || ps_str_ends(entry, ".so");

    if ((name.len < entry.len && !is_file) ||
        (name.len == entry.len && e->d_type == DT_REG) ||
        !ps_loose_is_identifier(name) || is_of_tools(name))
        name.len = 0;
    return name;
}

static int by_name(const void *a, const void *b)
{
    const struct module *x = a;
    const struct module *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : strcmp(x->entry, y->entry);
}

static bool list_modules(struct look *l)
{
    PS_AUTO_DIR DIR *stream = opendir(l->dir);
    struct dirent *e = NULL;

    while (stream && (e = readdir(stream)) != NULL) {
        struct ps_str name = module_of(e);

        if (name.len == 0)
            continue;
        l->modules =
            ps_scan_grow(l->modules, l->count, &l->room, sizeof(*l->modules));
        l->modules[l->count++] =
            (struct module){ .name = ps_arena_dup(l->arena, name),
                             .entry = ps_arena_strdup(l->arena, e->d_name) };
    }
    if (l->count > 0)
        qsort(l->modules, l->count, sizeof(*l->modules), by_name);
    l->left = l->count;
    return l->count > 0;
}

/* ---- who owns it ---- */

static int compare_name(struct ps_str name, const char *z)
{
    int order = strncmp(name.data, z, name.len);

    return order ? order : -(z[name.len] != '\0');
}

/* All of that name: "x.py" may lie beside "x". */
static void own(struct look *l, struct ps_str name)
{
    size_t low = 0;
    size_t high = l->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_name(name, l->modules[middle].name) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < l->count && compare_name(name, l->modules[low].name) == 0;
         low++) {
        l->left -= !l->modules[low].owned;
        l->modules[low].owned = true;
    }
}

static bool read_text(const char *path, struct ps_buf *text)
{
    PS_AUTO_FD int fd = -1;
    struct ps_error ignored = PS_ERROR_INIT;
    struct stat st;

    ps_buf_clear(text);
    return ps_scan_open(AT_FDCWD, path, &fd, &st) == 0 &&
           ps_read_all(fd, text, &ignored) == PS_OK;
}

/* The first part of each path, once where they follow each other. */
static void own_lines(struct look *l, struct ps_str text)
{
    struct ps_str last = { .data = NULL };
    struct ps_str line;

    while (l->left > 0 && text.len > 0) {
        size_t n = 0;

        (void)ps_str_cut(&text, '\n', &line);
        if (ps_str_starts(line, "\""))
            line = ps_str_skip(line, 1);
        if (last.len > 0 && line.len > last.len &&
            memcmp(line.data, last.data, last.len) == 0 &&
            line.data[last.len] == '/')
            continue;
        while (n < line.len && !strchr("/,.\"\r", line.data[n]))
            n++;
        last = ps_str_first(line, n);
        if (n > 0)
            own(l, last);
    }
}

static void own_dist(struct look *l, size_t i)
{
    const struct ps_dist *d = &l->environment->dists[i];
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(TEXT_MAX);
    static const char *const files[] = { "RECORD", "top_level.txt" };
    bool found = false;

    l->read[i] = true;
    for (size_t k = 0; k < PS_ARRAY_SIZE(files) && !found; k++) {
        PS_AUTO_FREE char *path = ps_format("%s/%s", d->location, files[k]);

        found = read_text(path, &text);
    }
    if (found)
        own_lines(l, ps_buf_str(&text));
}

static bool is_here(const struct look *l, const struct ps_dist *d)
{
    return d->site && d->location && strcmp(d->site, l->dir) == 0;
}

/* By their names alone. */
static void own_by_name(struct look *l, bool *has_own)
{
    const struct ps_environment *e = l->environment;

    for (size_t i = 0; i < l->count; i++) {
        const struct ps_dist *d = ps_environment_find(e, l->modules[i].name);

        if (!d || !is_here(l, d))
            continue;
        has_own[d - e->dists] = true;
        own(l, ps_str_from(l->modules[i].name));
    }
}

/* "_pytest" and "pytest", "attr" and "attrs". */
static bool is_alike(const struct look *l, const struct ps_dist *d)
{
    for (size_t i = 0; i < l->count; i++) {
        const char *name = l->modules[i].name;
        size_t n = 0;

        if (l->modules[i].owned)
            continue;
        while (*name == '_')
            name++;
        while (n < ALIKE && name[n] && ps_ascii_lower(name[n]) == d->normal[n])
            n++;
        if (n > 0 && (n == ALIKE || !name[n] || !d->normal[n]))
            return true;
    }
    return false;
}

/* Packages of conda without a distribution. */
static void own_by_conda(struct look *l)
{
    const struct ps_environment *e = l->environment;
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(TEXT_MAX);

    for (size_t i = 0; i < e->conda_count && l->left > 0; i++) {
        if (!e->conda[i].location || !read_text(e->conda[i].location, &text))
            continue;
        for (size_t k = 0; k < l->count; k++) {
            PS_AUTO_FREE char *part =
                ps_format("site-packages/%s", l->modules[k].entry);

            if (!l->modules[k].owned &&
                memmem(text.data, text.len, part, strlen(part)))
                own(l, ps_str_from(l->modules[k].name));
        }
    }
}

static void find_owners(struct look *l)
{
    const struct ps_environment *e = l->environment;
    PS_AUTO_FREE bool *has_own = ps_calloc(e->count + 1, sizeof(*has_own));

    own_by_name(l, has_own);
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < e->count && l->left > 0; i++) {
            if (l->read[i] || !is_here(l, &e->dists[i]) ||
                (round == 0 && has_own[i]) ||
                (round == 1 && !is_alike(l, &e->dists[i])) ||
                ps_cancel_is_fired(l->cancel))
                continue;
            own_dist(l, i);
        }
    }
    own_by_conda(l);
}

/* ---- the result ---- */

/* A directory of data is nothing that anybody imports. */
static bool is_importable(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return false;
    return S_ISREG(st.st_mode) ||
           (S_ISDIR(st.st_mode) &&
            (ps_loose_has(path, "__init__.py") || ps_loose_holds_python(path)));
}

static void report(struct look *l)
{
    for (size_t i = 0; i < l->count && l->left > 0; i++) {
        const char *path =
            ps_arena_format(l->arena, "%s/%s", l->dir, l->modules[i].entry);

        if (l->modules[i].owned || !is_importable(path))
            continue;
        if (l->problem_count >= SHOWN_MAX) {
            l->more++;
            continue;
        }
        l->problems = ps_scan_grow(l->problems, l->problem_count,
                                   &l->problem_room, sizeof(*l->problems));
        l->problems[l->problem_count++] = (struct ps_problem){
            .path = path,
            .message = "no installed distribution owns it, so it does not come "
                       "to the cluster: make it part of a package, or keep it "
                       "in the working directory or in PYTHONPATH",
        };
    }
}

static void look_at(struct look *l, const char *dir)
{
    l->dir = dir;
    l->count = 0;
    if (list_modules(l))
        find_owners(l);
    if (l->left > 0 && !ps_cancel_is_fired(l->cancel))
        report(l);
}

/* Of the environment's own: dpkg, which is no concern of ours, has modules in
 * dist-packages without metadata. */
static bool is_own(const struct ps_site *site, const char *dir)
{
    return ps_path_is_within(dir, site->prefix) &&
           !ps_str_ends(ps_str_from(dir), "/dist-packages");
}

size_t ps_orphans_find(struct ps_arena *arena,
                       const struct ps_environment *environment,
                       const struct ps_cancel *cancel,
                       const struct ps_problem **out)
{
    const struct ps_site *site = environment->site;
    struct look l = { .arena = arena,
                      .environment = environment,
                      .cancel = cancel };
    PS_AUTO_FREE bool *read = ps_calloc(environment->count + 1, sizeof(*read));
    struct ps_problem *problems = NULL;

    l.read = read;
    for (size_t i = 0; site->dirs && site->dirs[i]; i++)
        if (is_own(site, site->dirs[i]))
            look_at(&l, site->dirs[i]);
    problems = ps_arena_alloc(arena, l.problem_count + 1, sizeof(*problems));
    for (size_t i = 0; i < l.problem_count; i++)
        problems[i] = l.problems[i];
    if (l.more > 0)
        problems[l.problem_count - 1].message =
            ps_arena_format(arena, "%s; and %zu more like this",
                            problems[l.problem_count - 1].message, l.more);
    *out = problems;
    free(l.problems);
    free(l.modules);
    return l.problem_count;
}
