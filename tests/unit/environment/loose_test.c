/* Loose modules: which an interpreter would import, and what comes along. */
#include "test_util.h"

#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/loose.h"

/* A directory with whatever the test puts into it, and an environment. */
struct fixture {
    char *dir;
    const char *home; /* HOME before the test */
    struct ps_arena arena;
    struct ps_site site;
    struct ps_environment environment;
    struct ps_loose_options options;
    struct ps_loose found;
    struct ps_error err;
    const char *path[4];
    const char *dirs[2];
};

static int setup(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->dir = test_make_dir();
    f->arena = PS_ARENA_INIT;
    f->site.abi = "cpython-311-x86_64-linux-gnu";
    f->site.version = "3.11.7";
    f->site.dirs = f->dirs;
    f->environment.site = &f->site;
    f->options.environment = &f->environment;
    f->home = getenv("HOME");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->home)
        (void)setenv("HOME", f->home, 1);
    ps_arena_release(&f->arena);
    test_remove_dir(f->dir);
    free(f);
    return 0;
}

static char *at(struct fixture *f, const char *name)
{
    return ps_arena_format(&f->arena, "%s/%s", f->dir, name);
}

/* Files, separated by blanks; what ends in '/' is an empty directory. */
static void make(struct fixture *f, const char *names)
{
    struct ps_str rest = ps_str_from(names);
    struct ps_str name = { 0 };

    while (rest.len > 0) {
        char *z = NULL;

        (void)ps_str_cut(&rest, ' ', &name);
        z = ps_arena_dup(&f->arena, name);
        if (ps_str_ends(name, "/"))
            assert_ok(ps_mkdirs(at(f, z), 0755, &f->err), &f->err);
        else
            free(test_write(f->dir, z, "x\n"));
    }
}

static void link_to(struct fixture *f, const char *target, const char *name)
{
    assert_int_equal(symlink(target, at(f, name)), 0);
}

/* The working directory and one of PYTHONPATH, below the test's; NULL: none. */
static void look(struct fixture *f, const char *cwd, const char *path)
{
    f->options.cwd = cwd ? at(f, cwd) : NULL;
    f->path[0] = path ? at(f, path) : NULL;
    f->options.path = f->path;
    assert_ok(ps_loose_find(&f->arena, &f->options, &f->found, &f->err),
              &f->err);
}

static void expect_files(const struct fixture *f, const char *names)
{
    char text[2048] = "";

    for (size_t i = 0; i < f->found.count; i++) {
        size_t len = strlen(text);

        (void)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
                       f->found.files[i].name);
        assert_int_equal(f->found.files[i].path[0], '/');
    }
    assert_string_equal(text, names);
}

static void expect_modules(const struct fixture *f, const char *names)
{
    char text[1024] = "";

    for (size_t i = 0; f->found.modules[i]; i++) {
        size_t len = strlen(text);

        (void)snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "",
                       f->found.modules[i]);
    }
    assert_string_equal(text, names);
}

/* A problem of that path (below the test's directory) that says so. */
static void expect_problem(struct fixture *f, const char *name,
                           const char *message)
{
    const char *path = name[0] == '/' ? name : at(f, name);

    for (size_t i = 0; i < f->found.problem_count; i++)
        if (strcmp(f->found.problems[i].path, path) == 0 &&
            strstr(f->found.problems[i].message, message))
            return;
    for (size_t i = 0; i < f->found.problem_count; i++)
        print_error("%s: %s\n", f->found.problems[i].path,
                    f->found.problems[i].message);
    fail_msg("no problem of '%s' with '%s'", path, message);
}

static void expect_serious(struct fixture *f, const char *name, bool serious)
{
    for (size_t i = 0; i < f->found.problem_count; i++)
        if (strcmp(f->found.problems[i].path, at(f, name)) == 0)
            assert_int_equal(f->found.problems[i].serious, serious);
}

static void expect_no_problem(const struct fixture *f)
{
    if (f->found.problem_count > 0)
        fail_msg("%s: %s", f->found.problems[0].path,
                 f->found.problems[0].message);
}

/* An installed distribution, by its names in RECORD. */
static void install(struct fixture *f, const char *name, const char *site,
                    const char *record, struct ps_dist dist)
{
    struct ps_environment *e = &f->environment;
    struct ps_dist *dists =
        ps_arena_alloc(&f->arena, e->count + 1, sizeof(*dists));

    dist.name = name;
    dist.normal = name;
    dist.version = "1";
    dist.site = at(f, site);
    dist.location =
        ps_arena_format(&f->arena, "%s/%s-1.dist-info", dist.site, name);
    free(test_write(dist.location, "RECORD", record));
    for (size_t i = 0; i < e->count; i++)
        dists[i] = e->dists[i];
    dists[e->count] = dist;
    e->dists = dists;
    e->count++;
}

/* ---- what counts ------------------------------------------------------------
 */

static void finds_nothing_where_nothing_is(void **state)
{
    struct fixture *f = *state;

    look(f, NULL, NULL);
    expect_files(f, "");
    make(f, "w/");
    look(f, "w", "gone");
    expect_files(f, "");
    expect_modules(f, "");
    expect_no_problem(f);
    assert_int_equal(f->found.bytes, 0);
    assert_null(f->found.roots[0]);
}

static void finds_modules_and_packages_with_their_data(void **state)
{
    struct fixture *f = *state;

    make(f, "w/helper.py w/notes.txt w/book.ipynb w/data.csv w/2nd.py "
            "w/my-script.py w/my.dots.py w/.hidden.py w/pkg/__init__.py "
            "w/pkg/data/table.csv w/pkg/sub/deep.py w/pkg/LICENSE "
            "w/not-a-name/__init__.py w/gef\xc3\xa4ngnis.py");
    look(f, "w", NULL);
    expect_files(f, "gef\xc3\xa4ngnis.py helper.py pkg/LICENSE "
                    "pkg/__init__.py pkg/data/table.csv pkg/sub/deep.py");
    expect_modules(f, "gef\xc3\xa4ngnis helper pkg");
    expect_no_problem(f);
    assert_int_equal(f->found.bytes, 6 * 2);
    assert_int_equal(f->found.files[1].size, 2);
    assert_string_equal(f->found.files[1].path, at(f, "w/helper.py"));
    assert_string_equal(f->found.roots[0], at(f, "w"));
    assert_null(f->found.roots[1]);
}

static void leaves_out_what_is_made_and_not_written(void **state)
{
    struct fixture *f = *state;

    make(f, "w/pyproject.toml w/build/lib.py w/dist/x.py w/p.egg-info/x.py "
            "w/venv/pyvenv.cfg w/venv/x.py w/node_modules/x.py w/CVS/x.py "
            "w/__pycache__/x.py w/pkg/__init__.py w/pkg/__pycache__/a.py "
            "w/pkg/a.pyc w/pkg/.git/config w/pkg/.DS_Store "
            "w/pkg/node_modules/a/i.js w/pkg/env/pyvenv.cfg w/pkg/env/a.py "
            "w/pkg/conda/conda-meta/history w/pkg/build/kept.py "
            "w/pkg/inner/setup.py w/pkg/inner/dist/a.whl "
            "w/pkg/inner/x.egg-info/PKG-INFO");
    look(f, "w", NULL);
    expect_files(f, "pkg/__init__.py pkg/build/kept.py pkg/inner/setup.py");
    expect_no_problem(f);
}

static void leaves_out_the_tools_of_a_project(void **state)
{
    struct fixture *f = *state;

    make(f, "a/setup.py a/conftest.py a/noxfile.py a/tasks.py "
            "b/conftest.py b/noxfile.py");
    look(f, "a", NULL);
    expect_files(f, "tasks.py");
    look(f, "b", NULL);
    expect_files(f, "conftest.py noxfile.py");
    look(f, NULL, "a"); /* named on purpose */
    expect_files(f, "conftest.py noxfile.py setup.py tasks.py");
}

static void takes_a_directory_without_init_for_a_namespace(void **state)
{
    struct fixture *f = *state;

    make(f, "w/direct/a.py w/deep/sub/a.py w/none/b.txt w/empty/");
    look(f, "w", NULL);
    expect_files(f, "direct/a.py");
    look(f, NULL, "w");
    expect_files(f, "deep/sub/a.py direct/a.py");
    expect_no_problem(f);
}

static void brings_no_data_of_a_namespace_but_of_packages_in_it(void **state)
{
    struct fixture *f = *state;

    make(f, "w/ns/a.py w/ns/a.pyi w/ns/py.typed w/ns/x.so w/ns/big.parquet "
            "w/ns/book.ipynb w/ns/sub/b.py w/ns/sub/c.csv w/ns/data/d.csv "
            "w/ns/pkg/__init__.py w/ns/pkg/e.csv w/ns/pkg/data/f.csv "
            "w/one/a.py w/one/b.txt");
    look(f, "w", NULL);
    expect_files(f, "ns/a.py ns/a.pyi ns/pkg/__init__.py ns/pkg/data/f.csv "
                    "ns/pkg/e.csv ns/py.typed ns/sub/b.py ns/x.so one/a.py");
    expect_problem(f, "w/ns", "left out: 'ns/big.parquet' and 3 more files");
    expect_problem(f, "w/one", "left out: 'one/b.txt'");
    look(f, NULL, "w");
    assert_int_equal(f->found.count, 9);
}

static void passes_over_projects_that_are_not_installed(void **state)
{
    struct fixture *f = *state;

    make(f, "w/a/setup.py w/a/a.py w/b/pyproject.toml w/b/b.py w/c/setup.cfg "
            "w/c/c.py w/d/pyproject.toml w/d/src/d/__init__.py "
            "w/e/setup.py w/f/setup.py w/g/setup.py w/g/__init__.py "
            "w/ns/h.py w/ns/i/setup.py w/ns/i/i.py");
    install(f, "e", "site", "",
            (struct ps_dist){ .source = PS_DIST_EDITABLE,
                              .project = at(f, "w/e") });
    install(f, "f", "site", "",
            (struct ps_dist){ .source = PS_DIST_DIRECTORY,
                              .project = at(f, "w/f") });
    look(f, "w", NULL);
    expect_files(f, "g/__init__.py g/setup.py ns/h.py");
    expect_problem(f, "w/a", "a project that is not installed");
    expect_problem(f, "w/b", "a project that is not installed");
    expect_problem(f, "w/c", "a project that is not installed");
    expect_problem(f, "w/ns/i", "a project that is not installed");
    assert_int_equal(f->found.problem_count, 4);
    look(f, NULL, "w/a"); /* named on purpose */
    expect_files(f, "a.py setup.py");
}

static void does_not_take_a_directory_of_the_path_for_a_namespace(void **state)
{
    struct fixture *f = *state;

    make(f, "w/a.py w/lib/b.py");
    look(f, "w", "w/lib");
    expect_files(f, "a.py b.py");
    assert_string_equal(f->found.roots[1], at(f, "w/lib"));
}

static void brings_shared_libraries_of_this_interpreter(void **state)
{
    struct fixture *f = *state;

    make(f, "w/a.cpython-311-x86_64-linux-gnu.so w/b.abi3.so w/c.so "
            "w/d.cpython-39-x86_64-linux-gnu.so w/e.so.1 w/p/__init__.py "
            "w/p/x.cpython-39-x86_64-linux-gnu.so w/p/libz.so.1 "
            "w/p/y.cpython-311-x86_64-linux-gnu.so");
    look(f, "w", NULL);
    expect_files(f, "a.cpython-311-x86_64-linux-gnu.so b.abi3.so c.so "
                    "p/__init__.py p/libz.so.1 "
                    "p/y.cpython-311-x86_64-linux-gnu.so");
    expect_modules(f, "a b c p");
    expect_problem(f, "w/c.so", "a shared library of this machine");
    expect_problem(f, "w/p/libz.so.1", "a shared library of this machine");
}

/* ---- which of a name
 * --------------------------------------------------------- */

static void lets_the_first_of_a_name_win(void **state)
{
    struct fixture *f = *state;

    make(f, "w/both.py w/both/__init__.py w/both/a.py w/m.py lib/m.py "
            "lib/m/__init__.py lib/other.py w/ns/a.py lib/ns/__init__.py "
            "w/joined/a.py w/joined/same.py lib/joined/b.py "
            "lib/joined/same.py");
    look(f, "w", "lib");
    expect_files(f, "both/__init__.py both/a.py joined/a.py joined/b.py "
                    "joined/same.py m.py ns/__init__.py other.py");
    expect_problem(f, "w/both.py", "comes before it");
    expect_problem(f, "lib/m.py", "w/m.py' comes before it");
    expect_problem(f, "lib/m", "w/m.py' comes before it");
    expect_problem(f, "w/ns", "lib/ns' comes before it");
    expect_problem(f, "lib/joined/same.py", "w/joined/same.py");
    assert_int_equal(f->found.problem_count, 5);
    for (size_t i = 0; i < f->found.count; i++)
        if (strcmp(f->found.files[i].name, "joined/same.py") == 0)
            assert_string_equal(f->found.files[i].path,
                                at(f, "w/joined/same.py"));
}

static void prefers_the_most_exact_shared_library(void **state)
{
    struct fixture *f = *state;

    make(f, "w/a.so w/a.abi3.so w/a.cpython-311-x86_64-linux-gnu.so w/a.py "
            "w/b.so w/b.abi3.so");
    look(f, "w", NULL);
    expect_files(f, "a.cpython-311-x86_64-linux-gnu.so b.abi3.so");
}

static void
ships_no_part_of_a_package_with_names_that_differ_in_case(void **state)
{
    struct fixture *f = *state;

    make(f, "w/p/__init__.py w/p/A.txt w/p/a.txt w/Mod.py w/mod.py "
            "w/Pkg/__init__.py w/pkg/__init__.py w/pkg/only.py w/q.py");
    look(f, "w", NULL);
    expect_files(f, "Mod.py Pkg/__init__.py q.py");
    expect_modules(f, "Mod Pkg q");
    expect_problem(f, "w/p/a.txt", "'p' is left out, whole");
    expect_problem(f, "w/p/a.txt", "w/p/A.txt' differ in case only");
    expect_problem(f, "w/mod.py", "'mod.py' is left out");
    expect_problem(f, "w/pkg/__init__.py", "'pkg' is left out, whole");
    assert_int_equal(f->found.problem_count, 3);
}

static void leaves_out_what_would_run_by_itself(void **state)
{
    struct fixture *f = *state;

    make(f, "w/sitecustomize.py w/usercustomize/__init__.py w/__init__.py "
            "w/__main__.py w/q/__init__.py w/q/__main__.py "
            "w/q/sitecustomize.py");
    look(f, "w", NULL);
    expect_files(f, "q/__init__.py q/__main__.py q/sitecustomize.py");
    expect_problem(f, "w/sitecustomize.py", "when it starts");
    expect_problem(f, "w/usercustomize", "when it starts");
    expect_problem(f, "w/__init__.py", "put it into a package");
    expect_problem(f, "w/__main__.py", "put it into a package");
}

static void ships_no_keys_unless_they_are_named(void **state)
{
    struct fixture *f = *state;

    make(f, "w/q/__init__.py w/q/id_rsa w/q/notes.key w/q/ca.pem w/q/a.p12 "
            "w/q/credentials.json w/q/credentials.py w/q/keyboard.txt");
    free(test_write(f->dir, "w/q/server.pem",
                    "-----BEGIN RSA PRIVATE KEY-----\n"));
    look(f, "w", NULL);
    expect_files(f, "q/__init__.py q/ca.pem q/credentials.py q/keyboard.txt "
                    "q/notes.key");
    expect_problem(f, "w/q/id_rsa", "--include './q/id_rsa'");
    expect_problem(f, "w/q/a.p12", "looks like a private key");
    expect_problem(f, "w/q/credentials.json", "--include");
    expect_problem(f, "w/q/server.pem", "--include");
    assert_int_equal(f->found.problem_count, 4);
    f->options.include = (const char *const[]){ "./q/id_rsa", "*.pem", NULL };
    look(f, "w", NULL);
    f->options.include = NULL;
    expect_files(f, "q/__init__.py q/ca.pem q/credentials.py q/id_rsa "
                    "q/keyboard.txt q/notes.key q/server.pem");
}

static void refuses_modules_that_hide_installed_ones(void **state)
{
    struct fixture *f = *state;

    make(f, "w/numpy.py w/tool/__init__.py w/google/a.py w/scipy/a.py "
            "w/lonely.py w/mine.py site/numpy/__init__.py site/tool.py "
            "site/google/b.py site/scipy/__init__.py site/lonely.py");
    install(f, "numpy-dist", "site", "numpy/__init__.py,,\n",
            (struct ps_dist){ 0 });
    install(f, "tool-dist", "site", "../../bin/tool,,\ntool.py,sha256=a/b,1\n",
            (struct ps_dist){ 0 });
    install(f, "scipy-dist", "site", "\"scipy/__init__.py\",,\n",
            (struct ps_dist){ 0 });
    f->dirs[0] = at(f, "site");
    look(f, "w", NULL);
    expect_files(f, "google/a.py lonely.py mine.py");
    expect_modules(f, "google lonely mine");
    expect_problem(f, "w/numpy.py", "left out: here it hides");
    expect_problem(f, "w/numpy.py", "of the installed 'numpy-dist'");
    expect_problem(f, "w/numpy.py", "--exclude './numpy.py'");
    expect_problem(f, "w/tool", "of the installed 'tool-dist'");
    expect_serious(f, "w/numpy.py", true);
    expect_serious(f, "w/tool", true);
    expect_serious(f, "w/scipy", false);
    expect_serious(f, "w/lonely.py", false);
    assert_int_equal(f->found.refused_count, 2);
    assert_string_equal(f->found.refused->path, at(f, "w/numpy.py"));
    expect_problem(f, "w/scipy", "left out");
    expect_problem(f, "w/scipy", "of the installed 'scipy-dist'");
    expect_problem(f, "w/lonely.py", "is known to bring");
    assert_int_equal(f->found.problem_count, 4);

    f->options.exclude = (const char *const[]){ "./numpy.py", "tool", NULL };
    look(f, "w", NULL); /* as the message says */
    f->options.exclude = NULL;
    expect_files(f, "google/a.py lonely.py mine.py");
    assert_null(f->found.refused);
    assert_int_equal(f->found.refused_count, 0);
}

static void refuses_modules_that_an_editable_is_known_to_bring(void **state)
{
    struct fixture *f = *state;

    make(f, "w/proj.py w/top/__init__.py w/tests/__init__.py "
            "e/src/proj/__init__.py e/top/__init__.py e/tests/__init__.py");
    install(
        f, "Proj", "site", "",
        (struct ps_dist){ .source = PS_DIST_EDITABLE, .project = at(f, "e") });
    free(test_write(f->environment.dists[0].location, "top_level.txt",
                    "proj\ntop\n"));
    look(f, "w", NULL);
    expect_files(f, "tests/__init__.py");
    expect_problem(f, "w/proj.py", "of the installed 'Proj'");
    expect_problem(f, "w/top", "of the installed 'Proj'");
    expect_problem(f, "w/tests", "is known to bring");
    assert_int_equal(f->found.refused_count, 2);
}

static void refuses_files_of_a_namespace_that_others_have(void **state)
{
    struct fixture *f = *state;

    make(f, "w/ns/a.py w/ns/mine.py w/ns/odd.py w/six.py site/ns/a.py "
            "site/ns/odd.py lib/six.py");
    install(f, "ns-dist", "site", "ns/a.py,sha256=x,1\n",
            (struct ps_dist){ 0 });
    install(f, "six", "lib", "six.py,,\n", (struct ps_dist){ 0 });
    f->dirs[0] = at(f, "site");
    look(f, "w", "lib");
    expect_files(f, "ns/mine.py ns/odd.py"); /* nobody owns the other one */
    expect_problem(f, "w/ns/a.py", "of the installed 'ns-dist'");
    expect_problem(f, "w/ns/a.py", "--exclude './ns/a.py'");
    expect_problem(f, "w/six.py", "of the installed 'six'");
    assert_int_equal(f->found.refused_count, 2);
}

static void lets_hide_what_does_not_go_to_the_cluster(void **state)
{
    struct fixture *f = *state;
    struct ps_decision items[2] = { { .level = PS_LEVEL_COMPATIBLE },
                                    { .level = PS_LEVEL_IGNORED } };
    const struct ps_decisions decisions = { .items = items, .count = 2 };

    make(f, "w/numpy.py w/tool.py site/numpy/__init__.py site/tool.py");
    install(f, "numpy", "site", "numpy/__init__.py,,\n", (struct ps_dist){ 0 });
    install(f, "tool", "site", "tool.py,,\n", (struct ps_dist){ 0 });
    f->dirs[0] = at(f, "site");
    items[0].dist = &f->environment.dists[0];
    items[1].dist = &f->environment.dists[1];
    f->options.decisions = &decisions;
    look(f, "w", NULL);
    f->options.decisions = NULL;
    expect_files(f, "tool.py");
    expect_problem(f, "w/tool.py", "no distribution that goes");
    assert_int_equal(f->found.refused_count, 1);
}

static void leaves_out_modules_that_hide_the_standard_library(void **state)
{
    struct fixture *f = *state;

    make(f, "w/random.py w/json/__init__.py w/test/a.py w/tomllib.py w/cgi.py "
            "w/annotationlib.py");
    look(f, "w", NULL);
    expect_files(f, "annotationlib.py");
    expect_problem(f, "w/random.py",
                   "left out: it hides the standard library's 'random'");
    expect_problem(f, "w/json", "hides the standard library's 'json'");
    expect_problem(f, "w/test", "left out: the standard library's 'test'");
    assert_int_equal(f->found.problem_count, 5);
    assert_null(f->found.refused);
    f->site.version = "3.14.0";
    look(f, "w", NULL); /* without cgi, with annotationlib */
    expect_problem(f, "w/annotationlib.py", "standard library");
    assert_int_equal(f->found.problem_count, 5);
    f->site.version = "3.10.1";
    look(f, "w", NULL);
    expect_problem(f, "w/cgi.py", "standard library");
    assert_int_equal(f->found.problem_count, 4);
}

/* ---- owners
 * ---------------------------------------------------------------------- */

static void passes_over_what_a_distribution_has(void **state)
{
    struct fixture *f = *state;
    const char *import_dirs[] = { at(f, "flat"), at(f, "src_layout/src"),
                                  at(f, "nobodys"), NULL };

    make(f, "flat/a.py flat/pkg/__init__.py src_layout/src/b.py "
            "src_layout/books/c.py finder/d.py nobodys/e.py site/g.py "
            "site/sub/h.py mono/i.py mono/proj/__init__.py "
            "mono/pkg/__init__.py mono/pkg/proj/__init__.py");
    link_to(f, "flat", "link");
    install(f, "flat-dist", "site", "",
            (struct ps_dist){ .source = PS_DIST_EDITABLE,
                              .project = at(f, "flat") });
    install(f, "src-dist", "site", "",
            (struct ps_dist){ .source = PS_DIST_EDITABLE,
                              .project = at(f, "src_layout") });
    install(f, "finder-dist", "site", "",
            (struct ps_dist){ .source = PS_DIST_EDITABLE,
                              .project = at(f, "finder") });
    install(f, "mono-dist", "site", "",
            (struct ps_dist){ .source = PS_DIST_EDITABLE,
                              .project = at(f, "mono/proj") });
    install(f, "mono-inner", "site", "",
            (struct ps_dist){ .source = PS_DIST_EDITABLE,
                              .project = at(f, "mono/pkg/proj") });
    f->environment.import_dirs = import_dirs;
    f->dirs[0] = at(f, "site");

    look(f, "flat", "flat/pkg");
    expect_files(f, "");
    expect_problem(f, "flat", "belongs to the editable 'flat-dist'");
    expect_problem(f, "flat/pkg", "belongs to the editable 'flat-dist'");
    look(f, "link", NULL);
    expect_files(f, "");
    look(f, "src_layout", "src_layout/src");
    expect_files(f, "");
    look(f, "src_layout/books", NULL);
    expect_files(f, "c.py");
    look(f, "finder", "site/sub");
    expect_files(f, "");
    expect_problem(f, "site/sub", "site directory");
    look(f, "nobodys", "mono"); /* `conda develop` leaves no metadata */
    expect_files(f, "e.py i.py pkg/__init__.py");
    expect_problem(f, "mono/pkg/proj", "'mono-inner'");
    f->environment.import_dirs = NULL;
}

static void passes_over_what_was_installed_into_the_path(void **state)
{
    struct fixture *f = *state;

    make(f, "lib/dep/__init__.py lib/six.py lib/mine.py lib/top/__init__.py "
            "lib/top-1.egg-info/top_level.txt");
    install(f, "dep", "lib",
            "dep/__init__.py,,\nsix.py,sha256=x,1\ndep-1.dist-info/RECORD,,\n",
            (struct ps_dist){ 0 });
    install(f, "top", "lib", "", (struct ps_dist){ 0 });
    free(test_write(f->environment.dists[1].location, "top_level.txt",
                    "other\ntop\n"));
    look(f, NULL, "lib");
    expect_files(f, "mine.py");
    expect_no_problem(f);
}

static void takes_nothing_from_a_home_or_a_whole_disk(void **state)
{
    struct fixture *f = *state;

    make(f, "home/a.py");
    (void)setenv("HOME", at(f, "home"), 1);
    look(f, "home", NULL);
    expect_files(f, "");
    expect_problem(f, "home", "the home directory; work in a directory of");
    look(f, NULL, "home"); /* a person may say so */
    expect_files(f, "a.py");
    f->options.cwd = "/";
    f->path[0] = "/";
    assert_ok(ps_loose_find(&f->arena, &f->options, &f->found, &f->err),
              &f->err);
    expect_files(f, "");
    expect_problem(f, "/", "the root of the file system");
}

/* ---- the path
 * ------------------------------------------------------------------ */

static void reads_the_path_as_an_interpreter_does(void **state)
{
    struct fixture *f = *state;

    make(f, "w/a.py w/lib/b.py w/lib/sub/__init__.py x.zip");
    f->path[0] = "";
    f->path[1] = "../w/lib";
    f->path[2] = at(f, "x.zip");
    f->options.path = f->path;
    f->options.cwd = at(f, "w");
    assert_ok(ps_loose_find(&f->arena, &f->options, &f->found, &f->err),
              &f->err);
    expect_files(f, "a.py b.py sub/__init__.py");
    expect_problem(f, "x.zip", "modules in archives are not brought along");
    assert_true(ps_str_ends(ps_str_from(f->found.roots[1]), "/w/lib"));
    assert_null(strstr(f->found.roots[1], ".."));
    assert_int_equal(f->found.problem_count, 1);
    f->options.cwd = NULL;
    assert_ok(ps_loose_find(&f->arena, &f->options, &f->found, &f->err),
              &f->err);
    expect_files(f, "");
    f->path[2] = NULL;
}

static void honours_what_is_excluded(void **state)
{
    struct fixture *f = *state;
    const char *patterns[] = { "*.csv", "pkg/data/", "big", "./x.py", NULL };

    make(f, "w/x.py w/y.py w/pkg/__init__.py w/pkg/x.py w/pkg/a.csv "
            "w/pkg/data/t w/pkg/more/data/t w/big/__init__.py w/pkg/big/z");
    f->options.exclude = patterns;
    look(f, "w", NULL);
    f->options.exclude = NULL;
    expect_files(f, "pkg/__init__.py pkg/more/data/t pkg/x.py y.py");
    expect_no_problem(f);
}

/* ---- what is odd
 * ------------------------------------------------------------------ */

static void follows_links_that_stay_inside(void **state)
{
    struct fixture *f = *state;

    make(f, "out/secret.py out/o.txt w/real.py w/store/data.txt "
            "w/pkg/__init__.py");
    link_to(f, "real.py", "w/alias.py");
    link_to(f, "../out/secret.py", "w/leaves.py");
    link_to(f, "../out", "w/datasets");
    link_to(f, "gone", "w/broken.py");
    link_to(f, "loop.py", "w/loop.py");
    link_to(f, "../store", "w/pkg/store");
    link_to(f, "../../out/o.txt", "w/pkg/o.txt");
    link_to(f, "..", "w/pkg/up");
    link_to(f, ".", "w/pkg/self");
    look(f, "w", NULL);
    expect_files(f, "alias.py pkg/__init__.py pkg/store/data.txt real.py");
    expect_problem(f, "w/leaves.py", "outside of");
    expect_problem(f, "w/broken.py", "a link that cannot be followed");
    expect_problem(f, "w/loop.py", "a link that cannot be followed");
    expect_problem(f, "w/pkg/o.txt", "outside of");
    expect_problem(f, "w/pkg/up", "a directory that it lies in");
    expect_problem(f, "w/pkg/self", "a directory that it lies in");
    assert_int_equal(f->found.problem_count, 6);
}

static void survives_links_that_multiply(void **state)
{
    struct fixture *f = *state;

    /* Each directory links to four others: no way closes a circle, but there
     * are more ways than anyone can go. */
    make(f, "w/pkg/__init__.py");
    for (int i = 0; i < 16; i++) {
        make(f, ps_arena_format(&f->arena, "w/pkg/d%d/", i));
        for (int k = 1; k <= 4; k++)
            link_to(f, ps_arena_format(&f->arena, "../d%d", (i + k) % 16),
                    ps_arena_format(&f->arena, "w/pkg/d%d/l%d", i, k));
    }
    f->options.cwd = at(f, "w");
    assert_code(PS_ETOOBIG,
                ps_loose_find(&f->arena, &f->options, &f->found, &f->err),
                &f->err);
    assert_non_null(strstr(f->err.text, "more than 20000 directories"));
}

static void leaves_out_what_is_no_file(void **state)
{
    struct fixture *f = *state;

    make(f, "w/pkg/__init__.py w/pkg/line\nend.txt w/pkg/back\\slash w/ok.py");
    assert_int_equal(mkfifo(at(f, "w/pkg/fifo"), 0600), 0);
    assert_int_equal(mkfifo(at(f, "w/fifo.py"), 0600), 0);
    make(f, "w/pkg/bytes\xff.txt w/dir.py/");
    look(f, "w", NULL);
    expect_files(f, "ok.py pkg/__init__.py");
    expect_problem(f, "w/pkg/fifo", "neither a file nor a directory");
    expect_problem(f, "w/pkg/line\nend.txt", "no wheel may hold");
    expect_problem(f, "w/pkg/back\\slash", "no wheel may hold");
    expect_problem(f, "w/pkg/bytes\xff.txt", "no wheel may hold");
}

static void reports_what_it_may_not_read(void **state)
{
    struct fixture *f = *state;

    make(f, "w/pkg/__init__.py w/pkg/in/a.py w/pkg/b.py w/closed/a.py");
    if (geteuid() == 0)
        skip(); /* nothing is closed to root */
    assert_int_equal(chmod(at(f, "w/pkg/in"), 0), 0);
    assert_int_equal(chmod(at(f, "w/closed"), 0), 0);
    assert_int_equal(chmod(at(f, "w/pkg/b.py"), 0), 0);
    look(f, "w", NULL);
    assert_int_equal(chmod(at(f, "w/pkg/in"), 0700), 0);
    assert_int_equal(chmod(at(f, "w/closed"), 0700), 0);
    expect_files(f, "pkg/__init__.py");
    expect_problem(f, "w/pkg/in", "cannot read the directory");
    expect_problem(f, "w/closed", "cannot be read");
    expect_problem(f, "w/pkg/b.py", "cannot be read");
}

static void counts_problems_that_are_too_many(void **state)
{
    struct fixture *f = *state;

    make(f, "w/pkg/__init__.py");
    for (int i = 0; i < 150; i++)
        link_to(f, "/etc", ps_arena_format(&f->arena, "w/pkg/l%d", i));
    look(f, "w", NULL);
    expect_files(f, "pkg/__init__.py");
    assert_int_equal(f->found.problem_count, 100);
    assert_non_null(
        strstr(f->found.problems[99].message, "and 50 more like these"));
}

static void goes_down_so_far_and_no_farther(void **state)
{
    struct fixture *f = *state;
    char *dir = at(f, "w/pkg");

    make(f, "w/pkg/__init__.py");
    for (int i = 0; i < 80; i++) {
        dir = ps_arena_format(&f->arena, "%s/d", dir);
        assert_int_equal(mkdir(dir, 0700), 0);
    }
    free(test_write(dir, "deep.py", ""));
    look(f, "w", NULL);
    expect_files(f, "pkg/__init__.py");
    assert_int_equal(f->found.problem_count, 1);
    assert_non_null(
        strstr(f->found.problems[0].message, "more than 64 directories deep"));
}

/* ---- limits
 * ------------------------------------------------------------------------ */

static void names_the_largest_file_when_there_is_too_much(void **state)
{
    struct fixture *f = *state;

    make(f, "w/a.py w/pkg/__init__.py");
    free(test_write(f->dir, "w/pkg/model.bin", "0123456789"));
    f->options.cwd = at(f, "w");
    f->options.max_bytes = 13;
    assert_code(PS_ETOOBIG,
                ps_loose_find(&f->arena, &f->options, &f->found, &f->err),
                &f->err);
    assert_non_null(strstr(f->err.text, "have 14 B, more than 13 B"));
    assert_non_null(strstr(f->err.text, "pkg/model.bin' (10 B)"));
    f->options.max_bytes = 14;
    look(f, "w", NULL);
    assert_int_equal(f->found.bytes, 14);
    expect_no_problem(f);

    make(f, "w/b.py");
    f->options.max_bytes = 0;
    f->options.many_bytes = 15;
    look(f, "w", NULL);
    expect_problem(f, "w", "have 16 B; the largest files are");
    assert_non_null(strstr(f->found.problems[0].message,
                           ps_arena_format(&f->arena,
                                           "'%s' (10 B), '%s' (2 B), '%s' "
                                           "(2 B): leave out",
                                           at(f, "w/pkg/model.bin"),
                                           at(f, "w/a.py"), at(f, "w/b.py"))));
    f->options.many_bytes = 0;
}

static void refuses_more_files_than_a_wheel_should_have(void **state)
{
    struct fixture *f = *state;

    /* Seven times the same 2,857, and one. */
    make(f, "w/pkg/__init__.py w/pkg/d/");
    for (int i = 0; i < 2857; i++)
        make(f, ps_arena_format(&f->arena, "w/pkg/d/%d", i));
    for (int i = 0; i < 6; i++)
        link_to(f, "d", ps_arena_format(&f->arena, "w/pkg/l%d", i));
    look(f, "w", NULL);
    assert_int_equal(f->found.count, 20000);
    make(f, "w/pkg/one_more");
    assert_code(PS_ETOOBIG,
                ps_loose_find(&f->arena, &f->options, &f->found, &f->err),
                &f->err);
    assert_non_null(strstr(f->err.text, "more than 20000 files"));
    assert_non_null(strstr(f->err.text, "'pkg' in"));
}

static void stops_when_cancelled(void **state)
{
    struct fixture *f = *state;
    struct ps_cancel cancel;

    make(f, "w/a.py");
    assert_ok(ps_cancel_init(&cancel, &f->err), &f->err);
    ps_cancel_fire(&cancel, PS_ECANCELED);
    f->options.cancel = &cancel;
    f->options.cwd = at(f, "w");
    assert_code(PS_ECANCELED,
                ps_loose_find(&f->arena, &f->options, &f->found, &f->err),
                &f->err);
    ps_cancel_release(&cancel);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(finds_nothing_where_nothing_is),
        T(finds_modules_and_packages_with_their_data),
        T(leaves_out_what_is_made_and_not_written),
        T(leaves_out_the_tools_of_a_project),
        T(takes_a_directory_without_init_for_a_namespace),
        T(brings_no_data_of_a_namespace_but_of_packages_in_it),
        T(passes_over_projects_that_are_not_installed),
        T(does_not_take_a_directory_of_the_path_for_a_namespace),
        T(brings_shared_libraries_of_this_interpreter),
        T(lets_the_first_of_a_name_win),
        T(prefers_the_most_exact_shared_library),
        T(ships_no_part_of_a_package_with_names_that_differ_in_case),
        T(leaves_out_what_would_run_by_itself),
        T(ships_no_keys_unless_they_are_named),
        T(refuses_modules_that_hide_installed_ones),
        T(refuses_modules_that_an_editable_is_known_to_bring),
        T(refuses_files_of_a_namespace_that_others_have),
        T(lets_hide_what_does_not_go_to_the_cluster),
        T(leaves_out_modules_that_hide_the_standard_library),
        T(passes_over_what_a_distribution_has),
        T(passes_over_what_was_installed_into_the_path),
        T(takes_nothing_from_a_home_or_a_whole_disk),
        T(reads_the_path_as_an_interpreter_does),
        T(honours_what_is_excluded),
        T(follows_links_that_stay_inside),
        T(survives_links_that_multiply),
        T(leaves_out_what_is_no_file),
        T(reports_what_it_may_not_read),
        T(counts_problems_that_are_too_many),
        T(goes_down_so_far_and_no_farther),
        T(names_the_largest_file_when_there_is_too_much),
        T(refuses_more_files_than_a_wheel_should_have),
        T(stops_when_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
