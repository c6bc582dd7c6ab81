/* The files of a package, and what is left out of it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loose_private.h"
#include "scan_private.h"

#include "pkgsync/mem.h"
#include "pkgsync/util.h"

/* ---- directories
 * -------------------------------------------------------------- */

static int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int ps_loose_list(struct ps_arena *arena, const char *path,
                  bool (*keep)(const char *name, unsigned char type),
                  const char *const **out, struct ps_error *err)
{
    PS_AUTO_FREE const char **names = NULL;
    PS_AUTO_DIR DIR *dir = opendir(path);
    const struct dirent *entry = NULL;
    const char **list = NULL;
    size_t count = 0;
    size_t room = 0;

    if (!dir)
        return ps_fail_errno(err, errno, "cannot read the directory");
    for (;;) {
        errno = 0;
        entry = readdir(dir);
        if (!entry)
            break;
        if (entry->d_name[0] == '.' || !keep(entry->d_name, entry->d_type))
            continue;
        names = ps_scan_grow(names, count, &room, sizeof(*names));
        names[count++] = ps_arena_strdup(arena, entry->d_name);
    }
    if (errno)
        return ps_fail_errno(err, errno, "cannot read the directory");
    if (count > 0)
        qsort(names, count, sizeof(*names), compare_texts);
    list = ps_arena_alloc(arena, count + 1, sizeof(*list));
    for (size_t i = 0; i < count; i++)
        list[i] = names[i];
    *out = list;
    return PS_OK;
}

/* ---- entries
 * ----------------------------------------------------------------- */

bool ps_loose_resolve(struct ps_loose_search *s, size_t root, const char *path,
                      const char *real_dir, struct ps_loose_entry *out)
{
    const char *name = strrchr(path, '/') + 1;

    *out = (struct ps_loose_entry){ .path = path };
    if (lstat(path, &out->st) < 0)
        return false; /* gone since it was listed */
    if (!S_ISLNK(out->st.st_mode)) {
        out->real = ps_arena_format(s->arena, "%s/%s", real_dir, name);
        return true;
    }
    out->real = ps_loose_real(s->arena, path);
    if (!out->real || stat(out->real, &out->st) < 0) {
        ps_loose_problem(s, path,
                         "left out: a link that cannot be followed: %s",
                         strerror(errno));
        return false;
    }
    if (!ps_loose_is_inside(out->real, s->roots[root].real)) {
        ps_loose_problem(s, path, "left out: a link to '%s', outside of '%s'",
                         out->real, s->roots[root].path);
        return false;
    }
    return true;
}

/* An environment, not a package. */
static bool is_environment(const char *path)
{
    return ps_loose_has(path, "pyvenv.cfg") || ps_loose_has(path, "conda-meta");
}

bool ps_loose_is_noise(const char *name, const struct ps_loose_entry *e,
                       bool beside_project)
{
    static const char *const dirs[] = { "__pycache__", "node_modules", "CVS" };
    struct ps_str s = ps_str_from(name);

    if (name[0] == '.')
        return true;
    if (!S_ISDIR(e->st.st_mode))
        return ps_str_ends(s, ".pyc") || ps_str_ends(s, ".pyo");
    for (size_t i = 0; i < PS_ARRAY_SIZE(dirs); i++)
        if (strcmp(name, dirs[i]) == 0)
            return true;
    if (beside_project &&
        (ps_str_ends(s, ".egg-info") ||
         ((strcmp(name, "build") == 0 || strcmp(name, "dist") == 0) &&
          !ps_loose_has(e->path, "__init__.py"))))
        return true;
    return is_environment(e->path);
}

/* As --exclude means it everywhere: with a '/' in it, a path from the root;
 * without, a name at any place. */
static bool fits(const char *pattern, const char *name)
{
    const char *slash = strrchr(name, '/');
    struct ps_str s = ps_str_from(pattern);
    PS_AUTO_FREE char *text = NULL;
    bool anchored = false;

    while (ps_str_ends(s, "/"))
        s.len--;
    anchored = s.len > 0 && memchr(s.data, '/', s.len) != NULL;
    if (ps_str_starts(s, "./"))
        s = ps_str_skip(s, 2);
    while (ps_str_starts(s, "/"))
        s = ps_str_skip(s, 1);
    text = ps_str_dup(s);
    return fnmatch(text, !anchored && slash ? slash + 1 : name, FNM_PATHNAME) ==
           0;
}

bool ps_loose_is_named(const char *const *patterns, const char *name)
{
    for (size_t i = 0; patterns && patterns[i]; i++)
        if (fits(patterns[i], name))
            return true;
    return false;
}

/* ---- files
 * -------------------------------------------------------------------- */

/* Names that no wheel may hold. */
static bool is_writable_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f || *c == '\\')
            return false;
    return ps_utf8_valid_prefix(ps_str_from(name)) == strlen(name);
}

/* "x.so" and "libx.so.1" */
static bool is_shared_library(const char *name)
{
    const char *so = strstr(name, ".so");

    while (so && so[3] != '\0' && so[3] != '.')
        so = strstr(so + 3, ".so");
    return so && (so[3] == '\0' || (so[4] >= '0' && so[4] <= '9'));
}

/* "x.cpython-39-x86_64-linux-gnu.so" when this is another interpreter. */
static bool is_foreign_library(const struct ps_loose_search *s,
                               const char *base)
{
    struct ps_str name = { 0 };
    bool native = false;

    return (strstr(base, ".cpython-") || strstr(base, ".pypy")) &&
           ps_str_ends(ps_str_from(base), ".so") &&
           !ps_loose_module_name(s, base, &name, &native);
}

static int check_count(struct ps_loose_search *s,
                       const struct ps_loose_module *m)
{
    size_t own = 0;
    size_t len = strlen(m->name);

    if (s->file_count < PS_LOOSE_FILES_MAX)
        return PS_OK;
    for (size_t i = 0; i < s->file_count; i++)
        own += strncmp(s->files[i].name, m->name, len) == 0 &&
               strchr("./", s->files[i].name[len]) != NULL;
    return ps_fail(s->err, PS_ETOOBIG,
                   "more than %u files in loose modules, %zu of them from "
                   "'%s' in '%s'",
                   PS_LOOSE_FILES_MAX, own, m->entry, s->roots[m->root].path);
}

int ps_loose_add_file(struct ps_loose_search *s, struct ps_loose_module *m,
                      const char *name, const struct ps_loose_entry *e)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    const char *theirs = NULL;
    const char *dist = NULL;

    if (!is_writable_name(name)) {
        ps_loose_problem(s, e->path,
                         "left out: a name that no wheel may hold; rename it");
        return PS_OK;
    }
    if (is_foreign_library(s, base))
        return PS_OK;
    if (faccessat(AT_FDCWD, e->path, R_OK, AT_EACCESS) < 0) {
        ps_loose_problem(s, e->path, "left out: cannot be read: %s",
                         strerror(errno));
        return PS_OK;
    }
    if (is_shared_library(base) && !m->native) {
        m->native = true;
        ps_loose_problem(s, e->path,
                         "a shared library of this machine: the wheel is for "
                         "workers like it only");
    }
    if (ps_loose_is_secret(base, e->path) &&
        !ps_loose_is_named(s->options->include, name)) {
        ps_loose_problem(s, e->path,
                         "left out: it looks like a private key or a "
                         "password; if it is to be in the wheel: --include "
                         "'./%s'",
                         name);
        return PS_OK;
    }
    dist = m->joins ? ps_loose_file_owner(s, name, &theirs) : NULL;
    if (dist) {
        ps_loose_refuse(s, e->path, name, theirs, dist);
        return PS_OK;
    }
    if (check_count(s, m) < 0)
        return s->err->code;
    s->files =
        ps_scan_grow(s->files, s->file_count, &s->file_room, sizeof(*s->files));
    s->files[s->file_count++] = (struct ps_loose_file){
        .path = e->path,
        .name = name,
        .size = (uint64_t)e->st.st_size,
    };
    return PS_OK;
}

/* ---- the walk
 * ------------------------------------------------------------------- */

/* The directories that the walk is in, innermost first. */
struct trail {
    const struct trail *up;
    const struct ps_loose_entry *dir;
    const char *name; /* in the wheel */
    unsigned depth;
    bool bare; /* neither it nor one that it lies in has __init__.py */
};

static bool any_name(const char *name, unsigned char type)
{
    (void)name;
    (void)type;
    return true;
}

static bool is_on_trail(const struct trail *t, const struct stat *st)
{
    for (; t; t = t->up)
        if (t->dir->st.st_dev == st->st_dev && t->dir->st.st_ino == st->st_ino)
            return true;
    return false;
}

static int walk_dir(struct ps_loose_search *s, struct ps_loose_module *m,
                    const struct trail *t);

/* A directory below: worth entering? */
static int enter(struct ps_loose_search *s, struct ps_loose_module *m,
                 const struct trail *up, const char *name,
                 const struct ps_loose_entry *e)
{
    const struct trail t = {
        .up = up,
        .dir = e,
        .name = name,
        .depth = up->depth + 1,
        .bare = up->bare && !ps_loose_has(e->path, "__init__.py"),
    };
    const struct ps_loose_owner *owner = ps_loose_owner_of(s, e->real);

    if (owner) {
        if (!t.bare || !owner->dist)
            ps_loose_report_owner(s, e->path, owner);
        return PS_OK;
    }
    if (t.bare && s->roots[m->root].is_cwd && ps_loose_is_other_project(s, e))
        return PS_OK;
    if (is_on_trail(up, &e->st) || ps_loose_is_inside(up->dir->real, e->real)) {
        ps_loose_problem(s, e->path,
                         "left out: a link to a directory that it "
                         "lies in");
        return PS_OK;
    }
    if (t.depth > PS_LOOSE_DEPTH_MAX) {
        ps_loose_problem(s, e->path, "left out: more than %u directories deep",
                         PS_LOOSE_DEPTH_MAX);
        return PS_OK;
    }
    return walk_dir(s, m, &t);
}

/* What of a directory without __init__.py is meant to be imported. */
static bool is_module_file(const char *base)
{
    struct ps_str s = ps_str_from(base);

    return ps_str_ends(s, ".py") || ps_str_ends(s, ".pyi") ||
           ps_str_is(s, "py.typed") || is_shared_library(base);
}

static int walk_entry(struct ps_loose_search *s, struct ps_loose_module *m,
                      const struct trail *t, const char *base, bool is_project)
{
    const char *path = ps_arena_format(s->arena, "%s/%s", t->dir->path, base);
    const char *name = ps_arena_format(s->arena, "%s/%s", t->name, base);
    struct ps_loose_entry e = { 0 };

    if (ps_loose_is_named(s->options->exclude, name) ||
        strcmp(base, "__pycache__") == 0 ||
        !ps_loose_resolve(s, m->root, path, t->dir->real, &e) ||
        ps_loose_is_noise(base, &e, is_project))
        return PS_OK;
    if (S_ISDIR(e.st.st_mode))
        return enter(s, m, t, name, &e);
    if (S_ISREG(e.st.st_mode) && t->bare && !is_module_file(base)) {
        if (m->passed_count++ == 0)
            m->passed = name;
        return PS_OK;
    }
    if (S_ISREG(e.st.st_mode))
        return ps_loose_add_file(s, m, name, &e);
    ps_loose_problem(s, path, "left out: neither a file nor a directory");
    return PS_OK;
}

static int walk_dir(struct ps_loose_search *s, struct ps_loose_module *m,
                    const struct trail *t)
{
    struct ps_error why = PS_ERROR_INIT;
    const char *const *names = NULL;
    bool is_project = ps_loose_is_project(t->dir->path);
    int rc = ps_cancel_check(s->options->cancel, s->err);

    if (rc < 0)
        return rc;
    if (s->dirs++ >= PS_LOOSE_DIRS_MAX)
        return ps_fail(s->err, PS_ETOOBIG,
                       "more than %u directories in loose modules, the last "
                       "of them in '%s'",
                       PS_LOOSE_DIRS_MAX, t->dir->path);
    if (ps_loose_list(s->arena, t->dir->path, any_name, &names, &why) < 0) {
        if (why.code != PS_ENOTFOUND)
            ps_loose_problem(s, t->dir->path, "left out: %s", why.text);
        return PS_OK;
    }
    for (size_t i = 0; names[i] && rc == PS_OK; i++)
        rc = walk_entry(s, m, t, names[i], is_project);
    return rc;
}

int ps_loose_walk(struct ps_loose_search *s, struct ps_loose_module *m,
                  const struct ps_loose_entry *top)
{
    const struct trail t = {
        .dir = top,
        .name = m->entry,
        .bare = m->kind == PS_LOOSE_NAMESPACE,
    };
    int rc = walk_dir(s, m, &t);

    if (rc == PS_OK && m->passed)
        ps_loose_problem(
            s, top->path,
            "brings modules and packages only, because it has no __init__.py: "
            "left out: '%s'%s",
            m->passed,
            m->passed_count == 1
                ? ""
                : ps_arena_format(s->arena, " and %zu more files",
                                  m->passed_count - 1));
    return rc;
}

/* ---- namespaces
 * ------------------------------------------------------------------ */

static bool maybe_python(const char *name, unsigned char type)
{
    return type == DT_DIR ||
           ((type == DT_REG || type == DT_LNK || type == DT_UNKNOWN) &&
            ps_str_ends(ps_str_from(name), ".py"));
}

/* Links are not followed here: a namespace of nothing but links is none.  A
 * tree too large to be a package is not searched to its end. */
static bool holds_python(struct ps_arena *arena, const char *path,
                         unsigned depth, size_t *budget)
{
    struct ps_error ignored = PS_ERROR_INIT;
    const char *const *names = NULL;

    if (depth > PS_LOOSE_DEPTH_MAX || *budget == 0 ||
        ps_loose_list(arena, path, maybe_python, &names, &ignored) < 0 ||
        !names)
        return false;
    --*budget;
    for (size_t i = 0; names[i]; i++) {
        const char *below = ps_arena_format(arena, "%s/%s", path, names[i]);
        struct ps_loose_entry e = { .path = below };

        if (lstat(below, &e.st) < 0 || ps_loose_is_noise(names[i], &e, false))
            continue;
        if (S_ISDIR(e.st.st_mode)
                ? holds_python(arena, below, depth + 1, budget)
                : ps_str_ends(ps_str_from(names[i]), ".py"))
            return true;
    }
    return false;
}

bool ps_loose_holds_python(const char *path)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    size_t budget = 2000;

    return holds_python(&arena, path, 0, &budget);
}
