/* Where a distribution came from, and how an editable install works. */
#include <fcntl.h>

#include "scan_fixture.h"

static const char *below(struct scan_fixture *f, const char *name)
{
    return ps_arena_format(&f->arena, "%s/%s", f->root, name);
}

/* An editable install of root/NAME, as PEP 660 leaves it. */
static void put_editable(struct scan_fixture *f, const char *name,
                         const char *pth, const char *line)
{
    struct ps_arena *a = &f->arena;
    const char *info = ps_arena_format(a, "%s-1.0.dist-info", name);

    put(f, ps_arena_format(a, "%s/pyproject.toml", name), "");
    put(f, ps_arena_format(a, "%s/src/%s/__init__.py", name, name), "");
    put_site(f, ps_arena_format(a, "%s/METADATA", info),
             ps_arena_format(a, "Name: %s\nVersion: 1.0\n\n", name));
    put_site(f, ps_arena_format(a, "%s/direct_url.json", info),
             ps_arena_format(a,
                             "{\"url\": \"file://%s/%s\", "
                             "\"dir_info\": {\"editable\": true}}",
                             f->root, name));
    if (pth) {
        put_site(f, pth, line);
        put_site(f, ps_arena_format(a, "%s/RECORD", info),
                 ps_arena_format(a, "%s,sha256=x,1\n", pth));
    }
}

static void is_editable(struct scan_fixture *f, const char *name,
                        const char *how)
{
    const struct ps_dist *d = need(f, name);

    assert_int_equal(d->source, PS_DIST_EDITABLE);
    assert_string_equal(d->editable, how);
    assert_string_equal(d->project, below(f, name));
}

static void knows_every_kind_of_editable_install(void **state)
{
    struct scan_fixture *f = *state;
    struct ps_arena *a = &f->arena;

    put_editable(f, "lenient", "__editable__.lenient-1.0.pth",
                 below(f, "lenient/src"));
    put_editable(f, "strict", "__editable__.strict-1.0.pth",
                 below(f, "strict/build/__editable__.strict-1.0-py3-none-any"));
    put(f, "strict/build/__editable__.strict-1.0-py3-none-any/strict.py", "");
    put_editable(f, "finder", "__editable__.finder-1.0.pth",
                 "import __editable___finder_1_0_finder; x.install()");
    put_editable(f, "flit", "flit.pth", below(f, "flit/src"));
    put_editable(f, "hatch", "_editable_impl_hatch.pth", below(f, "hatch/src"));
    put_editable(f, "poetry", "poetry.pth", below(f, "poetry/src"));
    put_editable(f, "pdm", "pdm.pth", "import _editable_impl_pdm");
    put_editable(f, "maturin", "maturin.pth", below(f, "maturin/src"));
    put_editable(f, "skbuild", "_editable_skbc_skbuild.pth",
                 ps_arena_format(a, "import _editable_skbc_skbuild\n%s",
                                 below(f, "skbuild/src")));
    put_editable(f, "meson", "meson-editable.pth",
                 "import _meson_editable_loader; _meson.init()");
    put_editable(f, "rust", NULL, NULL);
    put_editable(f, "linked", NULL, NULL);
    assert_int_equal(symlink(below(f, "linked/src/linked"),
                             ps_arena_format(a, "%s/linked", f->dir)),
                     0);
    scan(f);
    no_problems(f);
    is_editable(f, "lenient", "pth");
    is_editable(f, "strict", "link");
    is_editable(f, "finder", "finder");
    is_editable(f, "flit", "pth");
    is_editable(f, "hatch", "pth");
    is_editable(f, "poetry", "pth");
    is_editable(f, "pdm", "finder");
    is_editable(f, "maturin", "pth");
    is_editable(f, "skbuild", "finder");
    is_editable(f, "meson", "finder");
    is_editable(f, "rust", "copy");
    is_editable(f, "linked", "link");
}

static void finds_the_pth_file_by_its_name_without_a_record(void **state)
{
    struct scan_fixture *f = *state;

    put_editable(f, "named", NULL, NULL);
    put_site(f, "_named.pth", "import _editable_impl_named");
    put_editable(f, "pointed", NULL, NULL);
    put_site(f, "other.pth", below(f, "pointed/src"));
    scan(f);
    no_problems(f);
    is_editable(f, "named", "finder");
    is_editable(f, "pointed", "pth");
}

static void an_install_without_direct_url_may_be_editable(void **state)
{
    struct scan_fixture *f = *state;

    put(f, "oldpoetry/pyproject.toml", "");
    put(f, "oldpoetry/src/x.py", "");
    put_site(f, "oldpoetry.pth", below(f, "oldpoetry/src"));
    put_site(f, "oldpoetry-1.0.dist-info/METADATA",
             "Name: oldpoetry\nVersion: 1.0\n\n");
    put_dist(f, "plain", "1.0");
    put_site(f, "plain.pth", "plain_data");
    put_site(f, "plain_data/pyproject.toml", "");
    scan(f);
    no_problems(f);
    is_editable(f, "oldpoetry", "pth");
    assert_int_equal(need(f, "plain")->source, PS_DIST_INDEX);
}

static void says_when_the_code_of_an_editable_install_is_gone(void **state)
{
    struct scan_fixture *f = *state;

    put_editable(f, "moved", "moved.pth", below(f, "moved/lib"));
    scan(f);
    is_editable(f, "moved", "pth");
    (void)problem(f, "moved-1.0", "moved/lib");
    assert_int_equal(f->e.problem_count, 1);
}

static void an_egg_link_pairs_with_either_spelling(void **state)
{
    struct scan_fixture *f = *state;
    const struct ps_dist *d = NULL;

    put(f, "proj/setup.py", "");
    put(f, "proj/src/Leg.Acy_pkg.egg-info/PKG-INFO",
        "Name: Leg.Acy-pkg\nVersion: 2.0\n\n");
    put(f, "proj/src/Leg.Acy_pkg.egg-info/requires.txt", "six\n");
    put_site(f, "Leg.Acy-pkg.egg-link",
             ps_arena_format(&f->arena, "%s\n../", below(f, "proj/src")));
    put_site(f, "easy-install.pth", below(f, "proj/src"));
    scan(f);
    no_problems(f);
    assert_int_equal(f->e.count, 1);
    d = need(f, "leg-acy-pkg");
    assert_string_equal(d->name, "Leg.Acy-pkg");
    assert_string_equal(d->version, "2.0");
    assert_string_equal(d->requires[0], "six");
    assert_string_equal(d->editable, "egg-link");
    assert_int_equal(d->source, PS_DIST_EDITABLE);
    assert_string_equal(d->project, below(f, "proj"));
    assert_non_null(strstr(d->location, "Leg.Acy-pkg.egg-link"));
}

static void an_egg_link_that_leads_nowhere_is_serious(void **state)
{
    struct scan_fixture *f = *state;

    put_site(f, "gone.egg-link", "/nonexistent/src\n.");
    put_site(f, "empty.egg-link", "\n");
    put(f, "bare/setup.py", "");
    put_site(f, "bare.egg-link", below(f, "bare"));
    scan(f);
    assert_int_equal(f->e.count, 0);
    assert_true(problem(f, "gone.egg-link", "/nonexistent/src")->serious);
    assert_true(problem(f, "empty.egg-link", "no directory")->serious);
    assert_true(problem(f, "bare.egg-link", "no .egg-info")->serious);
}

static void egg_info_left_in_a_project_does_not_count_twice(void **state)
{
    struct scan_fixture *f = *state;

    put_editable(f, "twice", "twice.pth", below(f, "twice/src"));
    put(f, "twice/src/twice.egg-info/PKG-INFO",
        "Name: twice\nVersion: 0.9\n\n");
    scan(f);
    no_problems(f);
    assert_int_equal(f->e.count, 1);
    assert_string_equal(need(f, "twice")->version, "1.0");
    f->path[0] = below(f, "twice/src"); /* even if it comes first */
    scan(f);
    no_problems(f);
    assert_int_equal(f->e.count, 1);
    assert_string_equal(need(f, "twice")->version, "1.0");
    is_editable(f, "twice", "pth");
}

static void a_project_on_the_path_is_taken_as_editable(void **state)
{
    struct scan_fixture *f = *state;

    put(f, "work/setup.py", "");
    put(f, "work/work.egg-info/PKG-INFO", "Name: work\nVersion: 0.1\n\n");
    f->path[0] = below(f, "work");
    scan(f);
    no_problems(f);
    is_editable(f, "work", "path");
}

static void direct_urls_say_where_it_came_from(void **state)
{
    struct scan_fixture *f = *state;
    const struct ps_dist *d = NULL;

    put_dist(f, "git", "1.0");
    put_site(f, "git-1.0.dist-info/direct_url.json",
             "{\"url\":\"https://example.org/x.git\",\"subdirectory\":\"sub\","
             "\"vcs_info\":{\"vcs\":\"git\",\"commit_id\":"
             "\"0123456789012345678901234567890123456789\"}}");
    put_dist(f, "archive", "1.0");
    put_site(f, "archive-1.0.dist-info/direct_url.json",
             "{\"url\":\"https://example.org/x-1.0.tar.gz\","
             "\"archive_info\":{}}");
    put_dist(f, "tree", "1.0");
    put(f, "tree/pyproject.toml", "");
    put_site(f, "tree-1.0.dist-info/direct_url.json",
             ps_arena_format(&f->arena,
                             "{\"url\":\"file://%s/tree\",\"dir_info\":{}}",
                             f->root));
    scan(f);
    no_problems(f);
    d = need(f, "git");
    assert_int_equal(d->source, PS_DIST_VCS);
    assert_string_equal(d->direct.subdirectory, "sub");
    assert_int_equal(need(f, "archive")->source, PS_DIST_ARCHIVE);
    d = need(f, "tree");
    assert_int_equal(d->source, PS_DIST_DIRECTORY);
    assert_string_equal(d->project, below(f, "tree"));
    assert_null(d->editable);
}

static void
an_archive_that_is_gone_and_known_by_its_hash_is_no_problem(void **state)
{
    struct scan_fixture *f = *state;

    put_dist(f, "p", "1.0");
    put_site(f, "p-1.0.dist-info/direct_url.json",
             "{\"url\":\"file:///nonexistent/p-1.whl\",\"archive_info\":"
             "{\"hash\":\"sha256=abcd\"}}");
    put_dist(f, "q", "1.0");
    put_site(f, "q-1.0.dist-info/direct_url.json",
             "{\"url\":\"file:///nonexistent/q-1.whl#sha256=abcd\","
             "\"archive_info\":{}}");
    scan(f);
    no_problems(f);
    assert_int_equal(need(f, "p")->source, PS_DIST_INDEX);
    assert_string_equal(need(f, "p")->direct.sha256, "abcd");
    assert_int_equal(need(f, "q")->source, PS_DIST_INDEX);
}

static void
a_direct_url_that_is_gone_means_the_index_and_a_broken_one_nothing(void **state)
{
    static const char *const documents[] = {
        "{\"url\":\"file:///nonexistent/p\",\"dir_info\":{\"editable\":true}}",
        "{\"url\":\"file:///nonexistent/p-1.whl\",\"archive_info\":{}}",
        "{\"url\":\"file:///nonexistent/p\",\"dir_info\":{}}",
        "{\"url\":\"https://example.org/\"}",
        "not json",
        "",
    };
    struct scan_fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(documents); i++) {
        const char *name = ps_arena_format(&f->arena, "p%zu", i);

        put_dist(f, name, "1.0");
        put_site(f,
                 ps_arena_format(&f->arena, "%s-1.0.dist-info/direct_url.json",
                                 name),
                 documents[i]);
    }
    scan(f);
    assert_int_equal(f->e.count, PS_ARRAY_SIZE(documents));
    assert_int_equal(f->e.problem_count, PS_ARRAY_SIZE(documents));
    for (size_t i = 0; i < f->e.count; i++) {
        assert_int_equal(f->e.dists[i].source, PS_DIST_INDEX);
        /* The hash of an archive still tells what was installed. */
        assert_int_equal(f->e.dists[i].direct.kind,
                         i == 1 ? PS_DIRECT_ARCHIVE : PS_DIRECT_NONE);
        assert_null(f->e.dists[i].project);
        assert_int_equal(f->e.problems[i].serious, i >= 3);
        assert_int_equal(f->e.dists[i].origin_error != NULL, i >= 3);
    }
    (void)problem(f, "p0-1.0", "/nonexistent/p', which is gone");
    (void)problem(f, "p3-1.0.dist-info/direct_url.json", "is not known");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCAN_TEST(knows_every_kind_of_editable_install),
        SCAN_TEST(finds_the_pth_file_by_its_name_without_a_record),
        SCAN_TEST(an_install_without_direct_url_may_be_editable),
        SCAN_TEST(says_when_the_code_of_an_editable_install_is_gone),
        SCAN_TEST(an_egg_link_pairs_with_either_spelling),
        SCAN_TEST(an_egg_link_that_leads_nowhere_is_serious),
        SCAN_TEST(egg_info_left_in_a_project_does_not_count_twice),
        SCAN_TEST(a_project_on_the_path_is_taken_as_editable),
        SCAN_TEST(direct_urls_say_where_it_came_from),
        SCAN_TEST(an_archive_that_is_gone_and_known_by_its_hash_is_no_problem),
        SCAN_TEST(
            a_direct_url_that_is_gone_means_the_index_and_a_broken_one_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
