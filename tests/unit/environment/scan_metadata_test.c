/* What is read of METADATA and PKG-INFO, and what of files that are none. */
#include <fcntl.h>

#include "scan_fixture.h"

static const char *requirement(const struct ps_dist *d, size_t i)
{
    for (size_t at = 0; at <= i; at++)
        assert_non_null(d->requires[at]);
    return d->requires[i];
}

static void reads_what_a_distribution_says(void **state)
{
    struct scan_fixture *f = *state;
    const struct ps_dist *d = NULL;

    put_site(f, "My_Pkg-1.5.dist-info/METADATA",
             "Metadata-Version: 2.1\nName: My.Pkg\nVersion: 1.5\n"
             "Requires-Python: >=3.8\nRequires-Dist: six (>=1.0)\n"
             "Requires-Dist: idna ; extra == 'x'\nProvides-Extra: x\n\n"
             "Requires-Dist: not-this-one\n");
    put_site(f, "My_Pkg-1.5.dist-info/INSTALLER", "uv 0.9\n");
    put_site(f, "My_Pkg-1.5.dist-info/REQUESTED", "");
    scan(f);
    no_problems(f);
    assert_int_equal(f->e.count, 1);
    d = need(f, "MY-pkg");
    assert_string_equal(d->name, "My.Pkg");
    assert_string_equal(d->normal, "my-pkg");
    assert_string_equal(d->version, "1.5");
    assert_string_equal(d->requires_python, ">=3.8");
    assert_string_equal(requirement(d, 0), "six (>=1.0)");
    assert_string_equal(requirement(d, 1), "idna ; extra == 'x'");
    assert_null(d->requires[2]);
    assert_string_equal(d->provides_extra[0], "x");
    assert_null(d->provides_extra[1]);
    assert_string_equal(d->installer, "uv");
    assert_true(d->requested);
    assert_int_equal(d->source, PS_DIST_INDEX);
    assert_string_equal(d->site, f->dir);
    assert_non_null(strstr(d->location, "My_Pkg-1.5.dist-info"));
}

static void reads_any_line_ends_case_and_encoding(void **state)
{
    struct scan_fixture *f = *state;

    put_site(f, "crlf-1.0.dist-info/METADATA",
             "Metadata-Version: 2.1\r\nName: crlf\r\nVersion: 1.0\r\n\r\n"
             "Name: body\r\n");
    put_site(f, "bom-1.0.dist-info/METADATA",
             "\xef\xbb\xbfName: bom\nVersion: 1.0\n\n");
    put_site(f, "latin-1.0.dist-info/METADATA",
             "Author: Andr\xe9\nName: latin\nVersion: 1.0\n\n");
    put_site(f, "upper-1.0.dist-info/METADATA",
             "NAME:upper\nvErSiOn:\t1.0  \n\n");
    put_site(f, "cr-1.0.dist-info/METADATA", "Name: cr\rVersion: 1.0\r\rX\r");
    scan(f);
    no_problems(f);
    assert_int_equal(f->e.count, 5);
    assert_string_equal(need(f, "crlf")->version, "1.0");
    assert_string_equal(need(f, "bom")->name, "bom");
    assert_string_equal(need(f, "latin")->version, "1.0");
    assert_string_equal(need(f, "upper")->version, "1.0");
    assert_string_equal(need(f, "cr")->version, "1.0");
}

static void joins_folded_lines_and_passes_over_broken_ones(void **state)
{
    struct scan_fixture *f = *state;

    put_site(f, "fold-1.0.dist-info/METADATA",
             "Name: fold\nLicense: one\n  Name: of a license\nnot a header\n"
             "Version:\n 1.0\nRequires-Dist: six\n   >=1;\n\tpython_version"
             " > '3'\nName: second\n\n");
    scan(f);
    no_problems(f);
    assert_string_equal(need(f, "fold")->version, "1.0");
    assert_string_equal(requirement(need(f, "fold"), 0),
                        "six >=1; python_version > '3'");
}

static void reads_on_to_a_blank_line_far_away(void **state)
{
    struct scan_fixture *f = *state;
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(1 << 20);

    ps_buf_adds(&text, "Name: far\nLicense: ");
    for (size_t i = 0; i < 20000; i++)
        ps_buf_adds(&text, "words\n ");
    ps_buf_adds(&text, "\nVersion: 3\n\n");
    put_site(f, "far-3.dist-info/METADATA", text.data);
    scan(f);
    no_problems(f);
    assert_string_equal(need(f, "far")->version, "3");
}

static void takes_name_and_version_of_the_directory_when_missing(void **state)
{
    struct scan_fixture *f = *state;

    put_site(f, "noname-1.0.dist-info/METADATA", "Version: 1.0\n\n");
    put_site(f, "noversion-2.0.dist-info/METADATA", "Name: noversion\n\n");
    put_site(f, "bare.dist-info/METADATA", "Name: bare\n\n");
    put_site(f, "good-1.0.dist-info/METADATA",
             "Name: ../../evil\nVersion: 1.0\n\n");
    put_site(f, "odd-1.0.dist-info/METADATA", "Name: odd\nVersion: 1 0\n\n");
    scan(f);
    assert_string_equal(need(f, "noname")->version, "1.0");
    assert_string_equal(need(f, "noversion")->version, "2.0");
    assert_string_equal(need(f, "bare")->version, "");
    assert_string_equal(need(f, "good")->name, "good");
    assert_string_equal(need(f, "odd")->version, "1.0");
    assert_false(problem(f, "noname-1.0", "no usable name")->serious);
    assert_false(problem(f, "noversion", "no usable version")->serious);
    (void)problem(f, "bare.dist-info", "no usable version");
    (void)problem(f, "good-1.0", "no usable name");
    assert_int_equal(f->e.problem_count, 5);
}

static void reads_egg_info_of_every_shape(void **state)
{
    struct scan_fixture *f = *state;
    const struct ps_dist *d = NULL;

    put_site(f, "olddir-1.0-py3.11.egg-info/PKG-INFO",
             "Name: olddir\nVersion: 1.0\n\n");
    put_site(f, "olddir-1.0-py3.11.egg-info/requires.txt",
             "six>=1\n\n[fast]\ncffi\n\n[:python_version<'3']\nenum34\n"
             "\n[all:os_name=='posix']\nuvloop\n");
    put_site(f, "oldfile-2.0.egg-info", "Name: oldfile\nVersion: 2.0\n");
    put_site(f, "nameonly.egg-info", "Name: nameonly\nVersion: 3.0\n");
    scan(f);
    no_problems(f);
    d = need(f, "olddir");
    assert_string_equal(requirement(d, 0), "six>=1");
    assert_string_equal(requirement(d, 1), "cffi; extra == 'fast'");
    assert_string_equal(requirement(d, 2), "enum34; python_version<'3'");
    assert_string_equal(requirement(d, 3),
                        "uvloop; (os_name=='posix') and extra == 'all'");
    assert_string_equal(d->provides_extra[1], "all");
    assert_string_equal(need(f, "oldfile")->version, "2.0");
    assert_string_equal(need(f, "nameonly")->version, "3.0");
    assert_null(need(f, "oldfile")->installer);
}

static void what_nobody_marked_is_requested_when_nothing_needs_it(void **state)
{
    struct scan_fixture *f = *state;

    put_site(f, "top-1.dist-info/METADATA",
             "Name: top\nVersion: 1\nRequires-Dist: Base_Pkg>1\n"
             "Requires-Dist: opt; extra == 'o'\n\n");
    put_site(f, "base_pkg-2.dist-info/METADATA",
             "Name: base.pkg\nVersion: 2\n\n");
    put_site(f, "opt-2.dist-info/METADATA", "Name: opt\nVersion: 2\n\n");
    put_site(f, "pipped-2.dist-info/METADATA", "Name: pipped\nVersion: 2\n\n");
    put_site(f, "pipped-2.dist-info/INSTALLER", "pip");
    scan(f);
    assert_true(need(f, "top")->requested);
    assert_false(need(f, "base-pkg")->requested);
    assert_true(need(f, "opt")->requested);
    assert_false(need(f, "pipped")->requested);
}

static void finds_by_any_spelling_and_says_null_for_none(void **state)
{
    struct scan_fixture *f = *state;

    put_dist(f, "a", "1");
    put_dist(f, "zope.interface", "6");
    put_dist(f, "b_c", "1");
    scan(f);
    assert_non_null(ps_environment_find(&f->e, "Zope_-Interface"));
    assert_non_null(ps_environment_find(&f->e, "B-c"));
    assert_null(ps_environment_find(&f->e, "zope"));
    assert_null(ps_environment_find(&f->e, ""));
    assert_null(ps_environment_find(&f->e, "zope.interface2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCAN_TEST(reads_what_a_distribution_says),
        SCAN_TEST(reads_any_line_ends_case_and_encoding),
        SCAN_TEST(joins_folded_lines_and_passes_over_broken_ones),
        SCAN_TEST(reads_on_to_a_blank_line_far_away),
        SCAN_TEST(takes_name_and_version_of_the_directory_when_missing),
        SCAN_TEST(reads_egg_info_of_every_shape),
        SCAN_TEST(what_nobody_marked_is_requested_when_nothing_needs_it),
        SCAN_TEST(finds_by_any_spelling_and_says_null_for_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
