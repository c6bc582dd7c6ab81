/* Modules of a site directory that no distribution owns. */
#include "scan_fixture.h"

static size_t find(struct scan_fixture *f, const struct ps_problem **out)
{
    scan(f);
    return ps_orphans_find(&f->arena, &f->e, NULL, out);
}

static bool is_told(const struct ps_problem *list, size_t count,
                    const char *entry)
{
    for (size_t i = 0; i < count; i++)
        if (ps_str_ends(ps_str_from(list[i].path), entry))
            return true;
    return false;
}

static void modules_that_nobody_owns_are_told(void **state)
{
    struct scan_fixture *f = *state;
    const struct ps_problem *list = NULL;
    size_t count = 0;

    put_dist(f, "owned", "1.0");
    put_site(f, "orphan.py", "");
    put_site(f, "orphanpkg/__init__.py", "");
    put_site(f, "space/inner/mod.py", "");
    put_site(f, "native.cpython-311-x86_64-linux-gnu.so", "");
    put_site(f, "data/table.csv", "");
    put_site(f, "README.txt", "");
    put_site(f, "x.libs/y.so", "");
    put_site(f, "__pycache__/a.py", "");
    put_site(f, "_distutils_hack/__init__.py", "");
    put_site(f, "pkg_resources/__init__.py", "");
    put_site(f, "__editable___z_finder.py", "");
    put_site(f, ".hidden/__init__.py", "");
    put_site(f, "some.pth", "");
    count = find(f, &list);
    assert_int_equal(count, 4);
    assert_true(is_told(list, count, "/orphan.py"));
    assert_true(is_told(list, count, "/orphanpkg"));
    assert_true(is_told(list, count, "/space"));
    assert_true(is_told(list, count, "-linux-gnu.so"));
    assert_non_null(strstr(list[0].message, "no installed distribution"));
}

static void names_records_and_top_level_say_whose_a_module_is(void **state)
{
    struct scan_fixture *f = *state;
    const struct ps_problem *list = NULL;

    put_dist(f, "Py-YAML", "1.0"); /* lists "Py-YAML.py" only */
    put_site(f, "Py-YAML-1.0.dist-info/RECORD",
             "../../bin/x,,\n\"yaml/__init__.py\",sha256=a,1\nyaml/a.py,,\n"
             "_yaml.cpython-311-x86_64-linux-gnu.so,,\r\n");
    put_site(f, "yaml/__init__.py", "");
    put_site(f, "_yaml.cpython-311-x86_64-linux-gnu.so", "");
    put_dist(f, "attrs", "1.0"); /* "attrs.py" is its own, "attr" too */
    put_site(f, "attrs-1.0.dist-info/RECORD",
             "attrs.py,,\nattr/__init__.py,,\n");
    put_site(f, "attr/__init__.py", "");
    put_dist(f, "zoo", "1.0"); /* called nothing like what it brings */
    put_site(f, "zoo-1.0.dist-info/RECORD", "zoo.py,,\nbar.py,,\n");
    put_site(f, "bar.py", "");
    put_site(f, "old.egg-info/PKG-INFO", "Name: old\nVersion: 1\n\n");
    put_site(f, "old.egg-info/top_level.txt", "ancient\n");
    put_site(f, "ancient/__init__.py", "");
    assert_int_equal(find(f, &list), 0);
}

static void only_the_environments_own_directories_count(void **state)
{
    struct scan_fixture *f = *state;
    const struct ps_problem *list = NULL;

    f->dirs[1] = ps_arena_format(&f->arena, "%s/elsewhere", f->root);
    f->dirs[2] =
        ps_arena_format(&f->arena, "%s/lib/python3/dist-packages", f->prefix);
    put(f, "elsewhere/orphan.py", "");
    put(f, "env/lib/python3/dist-packages/orphan.py", "");
    assert_int_equal(find(f, &list), 0);
}

static void many_are_counted(void **state)
{
    struct scan_fixture *f = *state;
    const struct ps_problem *list = NULL;

    for (size_t i = 0; i < 60; i++)
        put_site(f, ps_arena_format(&f->arena, "m%zu.py", i), "");
    assert_int_equal(find(f, &list), 50);
    assert_non_null(strstr(list[49].message, "and 10 more"));
}

static void conda_owns_what_its_records_list(void **state)
{
    struct scan_fixture *f = *state;
    const struct ps_problem *list = NULL;

    put(f, "env/conda-meta/thing-1-0.json",
        "{\"name\": \"thing\", \"version\": \"1\", \"files\": "
        "[\"lib/python3.11/site-packages/thing.py\"]}");
    put_site(f, "thing.py", "");
    put_site(f, "other.py", "");
    assert_int_equal(find(f, &list), 1);
    assert_true(is_told(list, 1, "/other.py"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCAN_TEST(modules_that_nobody_owns_are_told),
        SCAN_TEST(names_records_and_top_level_say_whose_a_module_is),
        SCAN_TEST(only_the_environments_own_directories_count),
        SCAN_TEST(many_are_counted),
        SCAN_TEST(conda_owns_what_its_records_list),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
