/* The order of the path, what .pth files add to it, and which of several
 * distributions of one name counts. */
#include <fcntl.h>

#include "scan_fixture.h"

static const char *below(struct scan_fixture *f, const char *name)
{
    return ps_arena_format(&f->arena, "%s/%s", f->root, name);
}

static void put_info(struct scan_fixture *f, const char *dir, const char *name,
                     const char *version)
{
    put(f,
        ps_arena_format(&f->arena, "%s/%s-%s.dist-info/METADATA", dir, name,
                        version),
        ps_arena_format(&f->arena, "Name: %s\nVersion: %s\n\n", name, version));
}

static void what_comes_first_on_the_path_shadows_the_rest(void **state)
{
    struct scan_fixture *f = *state;

    put_info(f, "extra", "Some_Pkg", "3.0");
    put_info(f, "user", "some-pkg", "2.0");
    put_dist(f, "some.pkg", "1.0");
    f->path[0] = below(f, "extra");
    f->dirs[0] = below(f, "user");
    f->dirs[1] = f->dir;
    scan(f);
    assert_int_equal(f->e.count, 1);
    assert_string_equal(need(f, "some-pkg")->version, "3.0");
    (void)problem(f, "user/some-pkg-2.0", "extra/Some_Pkg-3.0");
    (void)problem(f, "some.pkg-1.0", "shadowed by Some_Pkg 3.0");
    assert_int_equal(f->e.problem_count, 2);
}

static void the_same_directory_under_two_names_counts_once(void **state)
{
    struct scan_fixture *f = *state;
    const char *lib64 = ps_arena_format(&f->arena, "%s/lib64", f->prefix);

    put_dist(f, "one", "1.0");
    put_site(f, "more.pth", "../../../../more\n");
    put_info(f, "more", "two", "1.0");
    assert_int_equal(symlink("lib", lib64), 0);
    f->path[0] = f->dir; /* its .pth files count all the same */
    f->dirs[1] =
        ps_arena_format(&f->arena, "%s/python3.11/site-packages", lib64);
    scan(f);
    no_problems(f);
    assert_int_equal(f->e.count, 2);
    (void)need(f, "two");
}

static void pth_lines_add_directories_that_are_there(void **state)
{
    struct scan_fixture *f = *state;
    const char *absolute = below(f, "absolute");

    put_info(f, "absolute", "a", "1");
    put_info(f, "env/" SITE "/relative", "r", "1");
    put_site(f, "zz.pth",
             ps_arena_format(&f->arena,
                             "\xef\xbb\xbf# a comment\r\n\r\nrelative  \r\n"
                             "%s/../absolute/\r\nmissing\r\n"
                             "import os; os.abort()\r\nimport\tsys\r\n%s",
                             absolute, absolute));
    put_site(f, ".hidden.pth", "hidden\n");
    put_info(f, "env/" SITE "/hidden", "h", "1");
    put_site(f, "pep829.start", "relative2\n");
    put_site(f, "nul.pth", "relative\n");
    scan(f);
    no_problems(f);
    assert_int_equal(f->e.count, 2);
    (void)need(f, "a");
    (void)need(f, "r");
    assert_string_equal(f->e.import_dirs[0],
                        ps_arena_format(&f->arena, "%s/relative", f->dir));
    assert_string_equal(f->e.import_dirs[1], absolute);
    assert_null(f->e.import_dirs[2]);
}

static void pth_files_are_read_in_the_order_of_their_names(void **state)
{
    struct scan_fixture *f = *state;

    put_info(f, "first", "x", "1");
    put_info(f, "second", "x", "2");
    put_site(f, "b.pth", below(f, "second"));
    put_site(f, "a.pth", below(f, "first"));
    scan(f);
    assert_string_equal(need(f, "x")->version, "1");
    assert_string_equal(f->e.import_dirs[0], below(f, "first"));
    (void)problem(f, "second", "shadowed");
}

static void pth_files_on_pythonpath_are_not_read(void **state)
{
    struct scan_fixture *f = *state;

    put_info(f, "added", "x", "1");
    put(f, "project/x.pth", below(f, "added"));
    f->path[0] = below(f, "project");
    scan(f);
    no_problems(f);
    assert_int_equal(f->e.count, 0);
    assert_null(f->e.import_dirs[0]);
}

static void a_pth_file_that_cannot_be_read_is_a_problem(void **state)
{
    struct scan_fixture *f = *state;
    const char *big = put_site(f, "big.pth", "");

    assert_int_equal(truncate(big, (off_t)2 << 20), 0);
    assert_int_equal(
        mkfifo(ps_arena_format(&f->arena, "%s/fifo.pth", f->dir), 0600), 0);
    put_dist(f, "good", "1");
    scan(f);
    (void)need(f, "good");
    (void)problem(f, "big.pth", "larger than any");
    (void)problem(f, "fifo.pth", "no regular file");
    assert_int_equal(f->e.problem_count, 2);
}

static void reports_directories_that_no_distribution_describes(void **state)
{
    struct scan_fixture *f = *state;

    put(f, "developed/module.py", "");
    put_site(f, "conda.pth", below(f, "developed"));
    put_site(f, "inside/module.py", "");
    put_site(f, "inside.pth", "inside");
    scan(f);
    (void)problem(f, "/developed", "no distribution describes it");
    (void)problem(f, "/developed", "conda.pth");
    assert_int_equal(f->e.problem_count, 1);
}

static void reads_what_is_inside_an_egg(void **state)
{
    struct scan_fixture *f = *state;

    put_site(f, "thing-1.0-py3.11.egg/EGG-INFO/PKG-INFO",
             "Name: thing\nVersion: 1.0\n\n");
    put_site(f, "zipped-1.0-py3.11.egg", "PK");
    put_site(f, "easy-install.pth",
             "import sys; sys.__plen = len(sys.path)\n"
             "./thing-1.0-py3.11.egg\n./zipped-1.0-py3.11.egg\n");
    scan(f);
    assert_int_equal(f->e.count, 1);
    assert_string_equal(need(f, "thing")->version, "1.0");
    assert_int_equal(need(f, "thing")->source, PS_DIST_INDEX);
    (void)problem(f, "zipped-1.0-py3.11.egg", "archives");
    assert_int_equal(f->e.problem_count, 1);
}

static void a_large_directory_is_read_as_a_small_one(void **state)
{
    struct scan_fixture *f = *state;

    for (size_t i = 0; i < 500; i++) {
        const char *name = ps_arena_format(&f->arena, "pkg%zu", i);

        put_dist(f, name, i % 10 == 0 ? "1.0" : "2.0");
        if (i % 50 == 0)
            put_site(
                f,
                ps_arena_format(&f->arena, "%s-1.0.dist-info/METADATA", name),
                "");
    }
    put_dist(f, "Pkg7", "3.0"); /* in another slice than pkg7 */
    scan(f);
    assert_int_equal(f->e.count, 490);
    assert_int_equal(f->e.problem_count, 11);
    for (size_t i = 0; i < 500; i++) {
        const char *name = ps_arena_format(&f->arena, "pkg%zu", i);

        if (i % 50 == 0)
            assert_null(ps_environment_find(&f->e, name));
        else if (i != 7)
            assert_string_equal(need(f, name)->version,
                                i % 10 == 0 ? "1.0" : "2.0");
    }
    for (size_t i = 1; i < f->e.count; i++)
        assert_true(strcmp(f->e.dists[i - 1].normal, f->e.dists[i].normal) < 0);
}

/* ---- two in one directory ---- */

static void set_time(struct scan_fixture *f, const char *name, time_t when)
{
    struct timespec t[2] = { { .tv_sec = when }, { .tv_sec = when } };

    assert_int_equal(
        utimensat(AT_FDCWD, ps_arena_format(&f->arena, "%s/%s", f->dir, name),
                  t, 0),
        0);
}

static const char *record_line(struct scan_fixture *f, const char *name,
                               const char *text)
{
    struct ps_sha256 d = ps_sha256_of(text, strlen(text));
    PS_AUTO_FREE char *hash = ps_base64_url(d.bytes, sizeof(d.bytes));

    return ps_arena_format(&f->arena, "%s,sha256=%s,%zu\n", name, hash,
                           strlen(text));
}

static void of_two_the_one_whose_files_are_there_counts(void **state)
{
    struct scan_fixture *f = *state;

    put_dist(f, "pkg", "1.0");
    put_dist(f, "PKG", "2.0");
    put_site(f, "pkg.py", "is = 1\n");
    put_site(f, "pkg-1.0.dist-info/RECORD",
             record_line(f, "pkg.py", "is = 1\n"));
    put_site(f, "PKG-2.0.dist-info/RECORD",
             record_line(f, "pkg.py", "is = 2\n"));
    set_time(f, "pkg-1.0.dist-info/METADATA", 1000000);
    scan(f);
    assert_int_equal(f->e.count, 1);
    assert_string_equal(need(f, "pkg")->version, "1.0");
    (void)problem(f, "PKG-2.0.dist-info", "pkg-1.0.dist-info");
    assert_int_equal(f->e.problem_count, 1);
}

static void of_two_that_tell_nothing_the_newer_one_counts(void **state)
{
    struct scan_fixture *f = *state;

    put_info(f, "env/" SITE, "pkg", "2.0");
    put_info(f, "env/" SITE, "pkg", "3.0");
    put_info(f, "env/" SITE, "pkg", "1.0");
    set_time(f, "pkg-1.0.dist-info/METADATA", 1000000);
    set_time(f, "pkg-2.0.dist-info/METADATA", 3000000);
    set_time(f, "pkg-3.0.dist-info/METADATA", 2000000);
    scan(f);
    assert_int_equal(f->e.count, 1);
    assert_string_equal(need(f, "pkg")->version, "2.0");
    (void)problem(f, "pkg-1.0.dist-info", "newer");
    (void)problem(f, "pkg-3.0.dist-info", "newer");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCAN_TEST(what_comes_first_on_the_path_shadows_the_rest),
        SCAN_TEST(the_same_directory_under_two_names_counts_once),
        SCAN_TEST(pth_lines_add_directories_that_are_there),
        SCAN_TEST(pth_files_are_read_in_the_order_of_their_names),
        SCAN_TEST(pth_files_on_pythonpath_are_not_read),
        SCAN_TEST(a_pth_file_that_cannot_be_read_is_a_problem),
        SCAN_TEST(reports_directories_that_no_distribution_describes),
        SCAN_TEST(reads_what_is_inside_an_egg),
        SCAN_TEST(a_large_directory_is_read_as_a_small_one),
        SCAN_TEST(of_two_the_one_whose_files_are_there_counts),
        SCAN_TEST(of_two_that_tell_nothing_the_newer_one_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
