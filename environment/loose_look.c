/* What an interpreter would find at the top of one directory of its path. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loose_private.h"
#include "scan_private.h"

#include "pkgsync/util.h"

/* The root that is being looked at. */
struct look {
    struct ps_loose_search *s;
    size_t index;
    const struct ps_loose_root *root;
    const struct ps_dist **dists; /* installed right into it (--target) */
    size_t dist_count;
};

static bool maybe_module(const char *name, unsigned char type)
{
    struct ps_str s = ps_str_from(name);

    return type == DT_DIR || type == DT_LNK || type == DT_UNKNOWN ||
           ps_str_ends(s, ".py") || ps_str_ends(s, ".so");
}

static bool is_python(const char *name, unsigned char type)
{
    return type != DT_DIR && ps_str_ends(ps_str_from(name), ".py");
}

/* Whether a .py file lies right in it. */
static bool has_python(const char *dir)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error ignored = PS_ERROR_INIT;
    const char *const *names = NULL;

    return ps_loose_list(&arena, dir, is_python, &names, &ignored) == PS_OK &&
           names[0] != NULL;
}

/* Files that belong to a project's tools, beside the project's own file. */
static bool is_tool_file(const struct look *l, const char *name)
{
    static const char *const files[] = { "setup.py", "conftest.py",
                                         "noxfile.py" };

    if (!l->root->is_cwd || !l->root->is_project)
        return false;
    for (size_t i = 0; i < PS_ARRAY_SIZE(files); i++)
        if (strcmp(name, files[i]) == 0)
            return true;
    return false;
}

/* Why a module may not lie at the top of a worker's site directory; NULL. */
static const char *why_not(struct ps_str name)
{
    if (ps_str_is(name, "sitecustomize") || ps_str_is(name, "usercustomize"))
        return "every interpreter runs it when it starts, on a worker each of "
               "them, also what sets workers up; give it another name and "
               "import it";
    if (ps_str_is(name, "__init__") || ps_str_is(name, "__main__"))
        return "beside the installed packages it belongs to none and runs "
               "whenever that directory does; put it into a package";
    return NULL;
}

static bool is_installed_here(const struct look *l, const char *name)
{
    for (size_t i = 0; i < l->dist_count; i++)
        if (ps_loose_dist_provides(l->s, l->dists[i], name))
            return true;
    return false;
}

static void add_module(const struct look *l, struct ps_str name,
                       const char *entry, enum ps_loose_kind kind)
{
    struct ps_loose_search *s = l->s;
    const char *z = ps_arena_dup(s->arena, name);
    const char *why = why_not(name);

    if (why) {
        ps_loose_problem(
            s, ps_arena_format(s->arena, "%s/%s", l->root->path, entry),
            "left out: %s", why);
        return;
    }
    if (is_installed_here(l, z))
        return;
    s->modules = ps_scan_grow(s->modules, s->module_count, &s->module_room,
                              sizeof(*s->modules));
    s->modules[s->module_count++] = (struct ps_loose_module){
        .name = z,
        .entry = entry,
        .kind = kind,
        .root = l->index,
    };
}

static void look_at_dir(const struct look *l, const char *name,
                        const struct ps_loose_entry *e)
{
    const struct ps_loose_owner *owner = NULL;
    enum ps_loose_kind kind = PS_LOOSE_PACKAGE;

    if (ps_loose_is_noise(name, e, l->root->is_project))
        return;
    if (access(e->path, R_OK | X_OK) < 0) {
        ps_loose_problem(l->s, e->path, "left out: cannot be read: %s",
                         strerror(errno));
        return;
    }
    if (!ps_loose_has(e->path, "__init__.py")) {
        kind = PS_LOOSE_NAMESPACE;
        if (ps_loose_is_root(l->s, e->real) ||
            !(l->root->is_cwd ? has_python(e->path)
                              : ps_loose_holds_python(e->path)))
            return;
    }
    owner = ps_loose_owner_of(l->s, e->real);
    if (owner) {
        /* An editable's wheel has it: nothing is missing. */
        if (!owner->dist)
            ps_loose_report_owner(l->s, e->path, owner);
        return;
    }
    if (kind != PS_LOOSE_NAMESPACE || !l->root->is_cwd ||
        !ps_loose_is_other_project(l->s, e))
        add_module(l, ps_str_from(name), name, kind);
}

/* A link that is no module is nobody's concern, wherever it leads. */
static bool is_other_link(const char *path, const char *name)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode) &&
           !(ps_loose_is_identifier(ps_str_from(name)) &&
             ps_loose_has(path, "__init__.py"));
}

static void look_at(const struct look *l, const char *entry)
{
    struct ps_loose_search *s = l->s;
    const char *path = ps_arena_format(s->arena, "%s/%s", l->root->path, entry);
    struct ps_loose_entry e = { 0 };
    struct ps_str name = { 0 };
    bool native = false;
    bool is_module = ps_loose_module_name(s, entry, &name, &native);

    if ((!is_module && !ps_loose_is_identifier(ps_str_from(entry))) ||
        ps_loose_is_named(s->options->exclude, entry) ||
        is_tool_file(l, entry) || (!is_module && is_other_link(path, entry)) ||
        !ps_loose_resolve(s, l->index, path, l->root->real, &e))
        return;
    if (is_module && S_ISREG(e.st.st_mode))
        add_module(l, name, entry, native ? PS_LOOSE_NATIVE : PS_LOOSE_MODULE);
    else if (!is_module && S_ISDIR(e.st.st_mode))
        look_at_dir(l, entry, &e);
}

static void find_dists(struct look *l)
{
    const struct ps_environment *e = l->s->options->environment;
    struct ps_loose_site site = { 0 };

    l->dists = ps_arena_alloc(l->s->arena, e->count + 1, sizeof(const void *));
    for (size_t i = 0; i < e->count; i++) {
        const char *real = ps_loose_site_of(l->s->arena, &e->dists[i], &site);

        if (real && strcmp(real, l->root->real) == 0)
            l->dists[l->dist_count++] = &e->dists[i];
    }
}

int ps_loose_look(struct ps_loose_search *s, size_t root)
{
    struct look l = { .s = s, .index = root, .root = &s->roots[root] };
    struct ps_error why = PS_ERROR_INIT;
    const char *const *names = NULL;
    int rc = ps_cancel_check(s->options->cancel, s->err);

    if (rc < 0)
        return rc;
    if (ps_loose_list(s->arena, l.root->path, maybe_module, &names, &why) < 0) {
        if (why.code != PS_ENOTFOUND)
            ps_loose_problem(s, l.root->path, "no loose modules from here: %s",
                             why.text);
        return PS_OK;
    }
    find_dists(&l);
    for (size_t i = 0; names[i] && rc == PS_OK; i++) {
        look_at(&l, names[i]);
        rc = ps_cancel_check(s->options->cancel, s->err);
    }
    return rc;
}
