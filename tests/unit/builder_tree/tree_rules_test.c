/* What belongs to a tree: the built-in rules, patterns, links. */
#include "tree_fixture.h"

static void leaves_out_what_tools_leave_behind(void **state)
{
    static const struct {
        const char *name;
        bool belongs;
    } cases[] = {
        { "pyproject.toml", true },
        { "pkg/__init__.py", true },
        { "pkg/_version.py", true }, /* git would ignore it: kept */
        { ".gitignore", true },
        { "pkg/__pycache__/a.cpython-311.pyc", false },
        { "pkg/old.pyc", false },
        { ".tox/py/a.py", false },
        { ".nox/a.py", false },
        { ".mypy_cache/a.json", false },
        { ".pytest_cache/a", false },
        { ".ruff_cache/a", false },
        { ".hypothesis/a", false },
        { "doc/.ipynb_checkpoints/a.ipynb", false },
        { "js/node_modules/x/index.js", false },
        { ".venv/pyvenv.cfg", false },
        { ".venv/lib/a.py", false },
        { "deep/er/env/pyvenv.cfg", false },
        { "build/lib/pkg/deleted.py", false },
        { "dist/demo-1.0.tar.gz", false },
        { "demo.egg-info/PKG-INFO", false },
        { "src/demo.egg-info/SOURCES.txt", false },
        { "src/demo/__init__.py", true },
        { "src/build/a.py", true },
        { "pkg/build/a.py", true }, /* not beside a pyproject.toml */
        { "pkg/data.egg-info/PKG-INFO", true },
        { "sub/setup.py", true },
        { "sub/build/a.py", false },
        { "sub/dist/a.whl", false },
        { "other/build/__init__.py", true },
        { ".git/config", false },
        { "vendor/.git", false }, /* of a submodule */
        { "pkg/__pycache__2/a", true },
        { "node_modules.txt", true },
    };
    struct fixture *f = *state;
    struct ps_tree_info info;
    size_t expected = 0;

    /* No repository: git itself would have to like it. */
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        if (strncmp(cases[i].name, ".git/", 5) != 0)
            put(f->root, cases[i].name, "x");
        expected += cases[i].belongs;
    }
    info = copy_of(f);
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        if (is_there(f->copy, cases[i].name) != cases[i].belongs)
            fail_msg("'%s' is wrong in the copy", cases[i].name);
    }
    assert_int_equal(info.files, expected);
    assert_int_equal(info.bytes, expected);
    assert_false(is_there(f->copy, "build"));
    assert_false(is_there(f->copy, "pkg/__pycache__"));
}

static void keeps_a_package_that_is_called_build(void **state)
{
    struct fixture *f = *state;

    put(f->root, "setup.py", "");
    put(f->root, "build/__init__.py", "");
    put(f->root, "dist", "a file, not a directory");
    (void)copy_of(f);
    assert_true(is_there(f->copy, "build/__init__.py"));
    assert_true(is_there(f->copy, "dist"));
}

static void build_results_belong_without_a_project_beside_them(void **state)
{
    struct fixture *f = *state;

    put(f->root, "build/a", "");
    put(f->root, "dist/a", "");
    put(f->root, "x.egg-info/a", "");
    assert_int_equal(digest_of(f).files, 3);
}

static const char *const pattern_files[] = {
    "pyproject.toml", "a.txt",
    "data/a.txt",     "data/b.bin",
    "data/sub/c.txt", "build/gen.py",
    "build/lib/x.py", "pkg/__pycache__/m.pyc",
    "pkg/m.pyc",      "node_modules/x/y.js",
    ".hidden",
};
static const struct {
    const char *include[3];
    const char *exclude[3];
    const char *in[8];
    const char *out[4];
} pattern_cases[] = {
    { .in = { "a.txt", ".hidden" }, .out = { "build/gen.py", "pkg/m.pyc" } },
    { .exclude = { "*.txt" },
      .in = { "data/b.bin" },
      .out = { "a.txt", "data/a.txt", "data/sub/c.txt" } },
    { .exclude = { "data/*.txt" }, /* '*' does not match '/' */
      .in = { "a.txt", "data/sub/c.txt" },
      .out = { "data/a.txt" } },
    { .exclude = { "/a.txt" }, .in = { "data/a.txt" }, .out = { "a.txt" } },
    { .exclude = { "./a.txt" }, .in = { "data/a.txt" }, .out = { "a.txt" } },
    { .exclude = { "data/" },
      .in = { "a.txt" },
      .out = { "data", "data/b.bin" } },
    { .include = { "data/a.txt" }, /* include wins */
      .exclude = { "*.txt" },
      .in = { "data/a.txt", "data/b.bin" },
      .out = { "a.txt", "data/sub/c.txt" } },
    { .include = { "data/*.txt" },
      .exclude = { "data" },
      .in = { "data/a.txt" },
      .out = { "data/b.bin", "data/sub" } },
    { .include = { "build/gen.py" },
      .in = { "build/gen.py" },
      .out = { "build/lib" } },
    { .include = { "build" }, /* the whole directory */
      .in = { "build/gen.py", "build/lib/x.py" } },
    { .include = { "*.pyc" }, /* a name does not reach into what is out */
      .in = { "pkg/m.pyc" },
      .out = { "pkg/__pycache__" } },
    { .include = { "pkg/__pycache__/*.pyc" },
      .in = { "pkg/__pycache__/m.pyc" },
      .out = { "pkg/m.pyc" } },
    { .include = { "nothing/such" }, .out = { "build", "node_modules" } },
    { .exclude = { "*" }, .out = { "a.txt", "data", "pkg", ".hidden" } },
    { .include = { "*/sub/c.txt" },
      .exclude = { "*" },
      .in = { "data/sub/c.txt" },
      .out = { "data/a.txt", "pyproject.toml" } },
};

static void patterns_decide(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(pattern_files); i++)
        put(f->root, pattern_files[i], "x");
    for (size_t i = 0; i < PS_ARRAY_SIZE(pattern_cases); i++) {
        struct ps_tree_info copied;

        print_message("case %zu\n", i);
        f->options.include = pattern_cases[i].include;
        f->options.exclude = pattern_cases[i].exclude;
        remake_copy(f);
        copied = copy_of(f);
        for (size_t k = 0; k < PS_ARRAY_SIZE(pattern_cases[i].in); k++) {
            const char *name = pattern_cases[i].in[k];

            if (name && !is_there(f->copy, name))
                fail_msg("'%s' is missing", name);
        }
        for (size_t k = 0; k < PS_ARRAY_SIZE(pattern_cases[i].out); k++) {
            const char *name = pattern_cases[i].out[k];

            if (name && is_there(f->copy, name))
                fail_msg("'%s' is there", name);
        }
        assert_same_digest(copied, digest_of(f));
    }
}

static void an_included_environment_belongs(void **state)
{
    static const char *const include[] = { "fixture-env", NULL };
    struct fixture *f = *state;

    put(f->root, "tests/fixture-env/pyvenv.cfg", "");
    put(f->root, "tests/fixture-env/a.py", "");
    assert_int_equal(digest_of(f).files, 0);
    f->options.include = include;
    assert_int_equal(digest_of(f).files, 2);
}

static void something_below_an_environment_can_be_included(void **state)
{
    static const char *const include[] = { "env/keep/*.txt", NULL };
    struct fixture *f = *state;

    put(f->root, "env/pyvenv.cfg", "");
    put(f->root, "env/keep/a.txt", "");
    put(f->root, "env/keep/b.py", "");
    f->options.include = include;
    assert_int_equal(copy_of(f).files, 1);
    assert_true(is_there(f->copy, "env/keep/a.txt"));
}

static void links_must_stay_inside(void **state)
{
    static const struct {
        const char *name;
        const char *target;
        const char *refusal; /* NULL: kept */
    } cases[] = {
        { "a", "file", NULL },
        { "a", "sub/inner", NULL },
        { "a", "./sub/../file", NULL },
        { "a", ".", NULL },
        { "a", "nowhere", NULL }, /* leads nowhere, but not out */
        { "a", "nowhere/../file", NULL },
        { "a", "a", NULL }, /* round and round, but not out */
        { "sub/a", "../file", NULL },
        { "sub/a", "../sub/../file", NULL },
        { "sub/a", "deep/../../file", NULL },
        { "sub/deep/a", "../../file", NULL },
        { "a", "to-deep/bottom", NULL },
        { "a", "..", "out of the tree" },
        { "a", "../copy", "out of the tree" },
        { "a", "../tree/file", "out of the tree" },
        { "sub/a", "../../x", "out of the tree" },
        { "sub/a", "../../tree/file", "out of the tree" },
        { "a", "nowhere/../../x", "out of the tree" },
        { "a", "/etc/passwd", "absolute" },
        /* By the text it stays inside; through the link it does not. */
        { "sub/a", "deep/to-top/../../file", "out of the tree" },
        /* The other way round: through the link inside, by the text not. */
        { "a", "to-deep/../../file", "out of the tree" },
    };
    struct fixture *f = *state;

    put(f->root, "file", "x");
    put(f->root, "sub/inner", "x");
    put(f->root, "sub/deep/bottom", "x");
    put_link(f->root, "to-deep", "sub/deep");
    put_link(f->root, "sub/deep/to-top", "../..");
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        print_message("case: '%s' -> '%s'\n", cases[i].name, cases[i].target);
        put_link(f->root, cases[i].name, cases[i].target);
        if (cases[i].refusal) {
            expect_refusal(f, PS_EINVALID, cases[i].refusal);
            expect_refusal(f, PS_EINVALID, cases[i].name);
        } else {
            char got[64] = "";
            char *path = ps_format("%s/%s", f->copy, cases[i].name);

            remake_copy(f);
            assert_int_equal(copy_of(f).files, 6);
            assert_int_equal(readlink(path, got, sizeof(got)),
                             strlen(cases[i].target));
            assert_string_equal(got, cases[i].target);
            free(path);
        }
        remove_file(f->root, cases[i].name);
    }
}

static void a_link_through_an_absolute_link_is_refused(void **state)
{
    static const char *const exclude[] = { "abs", NULL };
    struct fixture *f = *state;

    put_link(f->root, "abs", "/etc");
    put_link(f->root, "via", "abs/passwd");
    f->options.exclude = exclude;
    expect_refusal(f, PS_EINVALID, "'via'");
}

static void a_link_to_an_environment_elsewhere_is_left_out(void **state)
{
    struct fixture *f = *state;
    char *env = ps_format("%s/env", f->base);

    put(f->base, "env/pyvenv.cfg", "");
    put(f->root, "a.py", "");
    put_link(f->root, ".venv", env);
    put_link(f->root, "node_modules", "/nowhere");
    assert_int_equal(copy_of(f).files, 1);
    assert_false(is_there(f->copy, ".venv"));
    free(env);
}

static void special_files_are_refused_by_name(void **state)
{
    static const char *const exclude[] = { "pipe", NULL };
    struct fixture *f = *state;
    char *path = ps_format("%s/pipe", f->root);

    assert_int_equal(mkfifo(path, 0644), 0);
    expect_refusal(f, PS_EINVALID, "'pipe' is a FIFO");
    f->options.exclude = exclude;
    assert_int_equal(digest_of(f).files, 0);
    free(path);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(leaves_out_what_tools_leave_behind),
        T(keeps_a_package_that_is_called_build),
        T(build_results_belong_without_a_project_beside_them),
        T(patterns_decide),
        T(an_included_environment_belongs),
        T(something_below_an_environment_can_be_included),
        T(links_must_stay_inside),
        T(a_link_through_an_absolute_link_is_refused),
        T(a_link_to_an_environment_elsewhere_is_left_out),
        T(special_files_are_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
