/*
 * What the parts of loose.h's implementation share.
 *
 *   loose        the rules
 *   loose_result what was found, as the caller gets it
 *   loose_roots  directories to look in, and those that have an owner
 *   loose_look   what an interpreter would import from one root
 *   loose_walk   the files of one package
 *   loose_secret files that look like keys
 *   loose_twins  files that no wheel can hold both
 *   loose_names  names: identifiers, the standard library, installed ones
 *
 * Lists are on the heap until the search ends, what they point to is in the
 * arena.
 */
#ifndef PKGSYNC_LOOSE_PRIVATE_H
#define PKGSYNC_LOOSE_PRIVATE_H

#include <sys/stat.h>

#include "pkgsync/loose.h"

#define PS_LOOSE_FILES_MAX 20000u
#define PS_LOOSE_DIRS_MAX 20000u
#define PS_LOOSE_DEPTH_MAX 64u
#define PS_LOOSE_PROBLEMS_MAX 100u /* more are counted, not shown */

/* A directory that a distribution has, its links resolved. */
struct ps_loose_owner {
    const char *path;
    const char *dist; /* its name; NULL: a site directory */
    bool inside;      /* also everything below it */
};

/* Where installed modules lie. */
struct ps_loose_place {
    const char *real;
    bool project; /* an editable's, of which a finder may show a part only:
                     its namespaces do not count */
};

struct ps_loose_root {
    const char *path; /* absolute, as it was named */
    const char *real;
    bool is_cwd;
    bool is_project; /* pyproject.toml, setup.py or setup.cfg lie in it */
    bool used;       /* modules came from it */
};

/* In the order in which an interpreter prefers them within one directory. */
enum ps_loose_kind {
    PS_LOOSE_PACKAGE,
    PS_LOOSE_NATIVE,
    PS_LOOSE_MODULE,
    PS_LOOSE_NAMESPACE, /* a directory without __init__.py */
};

struct ps_loose_module {
    const char *name;
    const char *entry; /* in the root: "x.py" */
    enum ps_loose_kind kind;
    size_t root;
    bool native; /* a shared library was found in it */
    bool joins;  /* a namespace that distributions have a part of, too */
    bool dropped;
    const char *passed; /* the first of the files that are no modules, which
                           a namespace does not bring */
    size_t passed_count;
};

struct ps_loose_search {
    struct ps_arena *arena;
    const struct ps_loose_options *options;
    struct ps_error *err;

    struct ps_loose_owner *owners;
    size_t owner_count, owner_room;
    struct ps_loose_place *places;
    size_t place_count, place_room;
    struct ps_loose_root *roots;
    size_t root_count, root_room;
    struct ps_loose_module *modules;
    size_t module_count, module_room;
    struct ps_loose_file *files;
    size_t file_count, file_room;
    struct ps_problem *problems;
    size_t problem_count, problem_room, problems_more;
    const struct ps_problem *refused; /* the first of them */
    size_t refused_count;
    size_t dirs; /* entered so far */
};

void ps_loose_problem(struct ps_loose_search *s, const char *path,
                      const char *fmt, ...) PS_PRINTF(3, 4);

/* Left out, because `dist` has a file of that name, `theirs`, on a worker;
 * `name`: in the root. */
void ps_loose_refuse(struct ps_loose_search *s, const char *path,
                     const char *name, const char *theirs, const char *dist);

/* ---- loose_result.c ---- */

PS_MUST_USE int ps_loose_finish(struct ps_loose_search *s,
                                struct ps_loose *out);

/* ---- loose_roots.c ---- */

void ps_loose_find_owners(struct ps_loose_search *s);
void ps_loose_find_places(struct ps_loose_search *s);
void ps_loose_find_roots(struct ps_loose_search *s);
bool ps_loose_is_root(const struct ps_loose_search *s, const char *real);

/* Who has this directory (links resolved); NULL: nobody. */
const struct ps_loose_owner *ps_loose_owner_of(const struct ps_loose_search *s,
                                               const char *real);
void ps_loose_report_owner(struct ps_loose_search *s, const char *path,
                           const struct ps_loose_owner *owner);

/* Whether a directory of the working directory is a project of its own, which
 * is reported unless it is installed. */
struct ps_loose_entry;
bool ps_loose_is_other_project(struct ps_loose_search *s,
                               const struct ps_loose_entry *e);

/* With links resolved, in the arena; NULL with errno. */
char *ps_loose_real(struct ps_arena *arena, const char *path);

/* The directory that a distribution was found in, likewise; remembers the
 * answer for the next one, which mostly is the same.  NULL: there is none. */
struct ps_loose_site {
    const char *site;
    const char *real;
};
const char *ps_loose_site_of(struct ps_arena *arena, const struct ps_dist *dist,
                             struct ps_loose_site *last);
bool ps_loose_is_inside(const char *path, const char *dir);
bool ps_loose_has(const char *dir, const char *name);
bool ps_loose_is_project(const char *dir);

/* ---- loose_look.c ---- */

/* The modules of one root, into s->modules. */
PS_MUST_USE int ps_loose_look(struct ps_loose_search *s, size_t root);

/* ---- loose_walk.c ---- */

/* An entry of a directory, its links followed as far as they stay in the
 * root. */
struct ps_loose_entry {
    const char *path; /* below the root's path, absolute */
    const char *real; /* links resolved */
    struct stat st;
};

/* The names in a directory, sorted; NULL-terminated.  `keep` decides by name
 * and d_type.  PS_ENOTFOUND etc. when it cannot be read. */
PS_MUST_USE int ps_loose_list(struct ps_arena *arena, const char *path,
                              bool (*keep)(const char *name,
                                           unsigned char type),
                              const char *const **out, struct ps_error *err);

/* False: it is not there (any more), leads out of the root, or cannot be
 * resolved, which was reported. */
bool ps_loose_resolve(struct ps_loose_search *s, size_t root, const char *path,
                      const char *real_dir, struct ps_loose_entry *out);

/* Names that belong to no package, wherever they are. */
bool ps_loose_is_noise(const char *name, const struct ps_loose_entry *e,
                       bool beside_project);
bool ps_loose_is_named(const char *const *patterns, const char *name);

/* One file by its name in the wheel. */
PS_MUST_USE int ps_loose_add_file(struct ps_loose_search *s,
                                  struct ps_loose_module *m, const char *name,
                                  const struct ps_loose_entry *e);

/* All of a package or namespace. */
PS_MUST_USE int ps_loose_walk(struct ps_loose_search *s,
                              struct ps_loose_module *m,
                              const struct ps_loose_entry *top);

/* Whether a .py file is somewhere below. */
bool ps_loose_holds_python(const char *path);

/* ---- loose_secret.c ---- */

bool ps_loose_is_secret(const char *base, const char *path);

/* ---- loose_twins.c ---- */

/* Of files that a wheel could not hold both the first found stays; where only
 * case tells them apart, the other one's module is left out whole. */
void ps_loose_drop_twins(struct ps_loose_search *s);

/* ---- loose_names.c ---- */

bool ps_loose_is_identifier(struct ps_str name);

/* "x.py", or a shared library of this interpreter: the module's name. */
bool ps_loose_module_name(const struct ps_loose_search *s, const char *entry,
                          struct ps_str *name, bool *native);

/* Whether this interpreter's standard library has a module of that name. */
bool ps_loose_is_standard(const struct ps_loose_search *s, const char *name);

/* Whether an installed distribution, whose directory is `site`, brings a
 * module of that name. */
bool ps_loose_dist_provides(const struct ps_loose_search *s,
                            const struct ps_dist *dist, const char *name);

/* The distribution that goes to a cluster and has that file of a namespace
 * (its name in a wheel), and the path of it; NULL: none. */
const char *ps_loose_file_owner(const struct ps_loose_search *s,
                                const char *name, const char **path);

/* Whether the decisions keep it from the cluster. */
bool ps_loose_stays_here(const struct ps_loose_search *s,
                         const struct ps_dist *dist);

/* Where else the name is installed: a path in the arena, NULL: nowhere;
 * *regular: not as a namespace. */
const char *ps_loose_installed(struct ps_loose_search *s,
                               const struct ps_loose_module *m, bool *regular);

#endif
