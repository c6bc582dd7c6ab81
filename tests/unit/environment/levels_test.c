/* What is decided about each distribution, and why. */
#include "environment_fixture.h"

static const char *const none[] = { NULL };

#define LIST(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct ps_decisions decide(struct fixture *f,
                                  const struct ps_level_options *options)
{
    struct ps_decisions out;

    assert_ok(ps_levels_decide(&f->arena, fixture_environment(f), options, &out,
                               &f->err),
              &f->err);
    for (size_t i = 0; i < out.count; i++) {
        assert_non_null(out.items[i].reason);
        assert_non_null(out.items[i].name);
    }
    return out;
}

static void expect(const struct ps_decisions *all, const char *name,
                   enum ps_level level, const char *requirement)
{
    const struct ps_decision *d = fixture_decision(all, name);

    assert_string_equal(ps_level_name(d->level), ps_level_name(level));
    if (requirement) {
        assert_non_null(d->requirement);
        assert_string_equal(d->requirement, requirement);
    } else {
        assert_null(d->requirement);
    }
}

static void expect_text(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("'%s' is not in '%s'", part, text ? text : "(null)");
}

static void refuses(struct fixture *f, const struct ps_level_options *options,
                    int code, const char *part)
{
    struct ps_decisions out;

    f->err = PS_ERROR_INIT;
    assert_code(code,
                ps_levels_decide(&f->arena, fixture_environment(f), options,
                                 &out, &f->err),
                &f->err);
    expect_text(f->err.text, part);
}

static void levels_are_those_of_the_rules(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;

    fixture_add_critical(f);
    (void)fixture_add(f, "NumPy", "1.26.4");
    (void)fixture_add(f, "setuptools", "69.0.3");
    (void)fixture_add(f, "pkgsync", "0.1.0");
    (void)fixture_add(f, "beta", "2.0b1");
    (void)fixture_add(f, "appnope", "0.1.3");
    all = decide(f, &(struct ps_level_options){ 0 });
    assert_int_equal(all.count, 10);
    assert_int_equal(all.problem_count, 0);
    expect(&all, "dask", PS_LEVEL_CRITICAL, "dask==2024.1.0");
    expect(&all, "tornado", PS_LEVEL_CRITICAL, "tornado==6.4");
    expect(&all, "NumPy", PS_LEVEL_COMPATIBLE, "NumPy~=1.26.4");
    expect(&all, "setuptools", PS_LEVEL_COMPATIBLE, "setuptools~=69.0.3");
    expect(&all, "pkgsync", PS_LEVEL_COMPATIBLE, "pkgsync~=0.1.0");
    expect(&all, "beta", PS_LEVEL_EXACT, "beta==2.0b1");
    expect(&all, "appnope", PS_LEVEL_IGNORED, NULL);
    expect_text(fixture_decision(&all, "appnope")->reason, "macOS");
    for (size_t i = 1; i < all.count; i++)
        assert_true(strcmp(all.items[i - 1].dist->normal,
                           all.items[i].dist->normal) < 0);
}

static void match_exact_pins_everything(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;

    fixture_add_critical(f);
    (void)fixture_add(f, "pywin32", "306");
    (void)fixture_add(f, "x", "306");
    all = decide(f, &(struct ps_level_options){ .match_exact = true });
    expect(&all, "x", PS_LEVEL_EXACT, "x==306");
    expect(&all, "dask", PS_LEVEL_CRITICAL, "dask==2024.1.0");
    expect(&all, "pywin32", PS_LEVEL_IGNORED, NULL);
}

static void missing_critical_ones_are_all_named(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;

    (void)fixture_add(f, "dask", "2024.1.0");
    (void)fixture_add(f, "tornado", "6.4");
    refuses(f, &(struct ps_level_options){ 0 }, PS_ENOTFOUND,
            "'distributed', 'cloudpickle', 'msgpack'");
    refuses(f, &(struct ps_level_options){ .ignore = LIST("dask") },
            PS_ENOTFOUND, "'distributed'");
    all =
        decide(f, &(struct ps_level_options){ .allow_missing_critical = true });
    assert_int_equal(all.count, 2);
    assert_int_equal(all.problem_count, 3);
    assert_true(all.problems[0].serious);
    expect_text(all.problems[0].message, "'distributed'");
}

static void overrides_win_over_rules(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;

    fixture_add_critical(f);
    (void)fixture_add(f, "Foo.Bar", "1.2");
    (void)fixture_add(f, "gone", "1.2");
    (void)fixture_add(f, "appnope", "0.1.3");
    (void)fixture_add(f, "torch", "2.1+g1a2b3c4");
    all = decide(f, &(struct ps_level_options){
                        .exact = LIST("foo_bar", "torch"),
                        .compatible = LIST("appnope", "dask"),
                        .ignore = LIST("Gone", "tornado"),
                        .only = none,
                    });
    expect(&all, "Foo.Bar", PS_LEVEL_EXACT, "Foo.Bar==1.2");
    expect(&all, "torch", PS_LEVEL_EXACT, "torch==2.1+g1a2b3c4");
    expect(&all, "appnope", PS_LEVEL_COMPATIBLE, "appnope~=0.1.3");
    expect(&all, "dask", PS_LEVEL_COMPATIBLE, "dask~=2024.1.0");
    expect(&all, "gone", PS_LEVEL_IGNORED, NULL);
    expect(&all, "tornado", PS_LEVEL_IGNORED, NULL);
    expect_text(fixture_decision(&all, "gone")->reason, "--ignore");
    expect_text(fixture_decision(&all, "tornado")->warning, "critical");
    expect_text(fixture_decision(&all, "Foo.Bar")->reason, "--exact");
}

static void a_name_that_is_not_installed_is_an_error(void **state)
{
    struct fixture *f = *state;

    fixture_add_critical(f);
    (void)fixture_add(f, "pandas", "2.2.0");
    refuses(f, &(struct ps_level_options){ .exact = LIST("pandsa") },
            PS_ENOTFOUND, "'pandas'");
    refuses(f, &(struct ps_level_options){ .ignore = LIST("pandsa") },
            PS_ENOTFOUND, "--ignore pandsa");
    refuses(f, &(struct ps_level_options){ .only = LIST("pnadas[x]") },
            PS_ENOTFOUND, "did you mean 'pandas'");
    refuses(f, &(struct ps_level_options){ .compatible = LIST("zzzzzzzz") },
            PS_ENOTFOUND, "zzzzzzzz");
    assert_null(strstr(f->err.text, "did you mean"));
    refuses(f,
            &(struct ps_level_options){ .exact = LIST("pandas"),
                                        .ignore = LIST("pandas") },
            PS_EINVALID, "another way");
}

static void only_takes_along_what_is_required(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;
    struct ps_dist *d = NULL;

    fixture_add_critical(f);
    d = fixture_add(f, "app", "1.0");
    d->requires = LIST("liba>=1", "libwin; sys_platform == 'win32'",
                       "libextra; extra == 'more'", "libb[fast]",
                       "not a requirement", "absent");
    d = fixture_add(f, "liba", "1.0");
    d->requires = LIST("libc", "app"); /* in a circle */
    d = fixture_add(f, "libb", "1.0");
    d->requires = LIST("libfast; extra == 'Fast'", "libslow; extra == 'slow'");
    (void)fixture_add(f, "libc", "1.0");
    (void)fixture_add(f, "libwin", "1.0");
    (void)fixture_add(f, "libextra", "1.0");
    (void)fixture_add(f, "libfast", "1.0");
    (void)fixture_add(f, "libslow", "1.0");
    (void)fixture_add(f, "other", "1.0");
    all = decide(f, &(struct ps_level_options){ .only = LIST("App") });
    expect(&all, "app", PS_LEVEL_COMPATIBLE, "app~=1.0");
    expect(&all, "liba", PS_LEVEL_COMPATIBLE, "liba~=1.0");
    expect(&all, "libc", PS_LEVEL_COMPATIBLE, "libc~=1.0");
    expect(&all, "libfast", PS_LEVEL_COMPATIBLE, "libfast~=1.0");
    expect(&all, "dask", PS_LEVEL_CRITICAL, "dask==2024.1.0");
    expect(&all, "libslow", PS_LEVEL_IGNORED, NULL);
    expect(&all, "libwin", PS_LEVEL_IGNORED, NULL);
    expect(&all, "libextra", PS_LEVEL_IGNORED, NULL);
    expect(&all, "other", PS_LEVEL_IGNORED, NULL);
    expect_text(fixture_decision(&all, "other")->reason, "--only");
    all = decide(f, &(struct ps_level_options){
                        .only = LIST("other", "app[more]", "libb[slow]") });
    expect(&all, "libextra", PS_LEVEL_COMPATIBLE, "libextra~=1.0");
    expect(&all, "libslow", PS_LEVEL_COMPATIBLE, "libslow~=1.0");
    expect(&all, "other", PS_LEVEL_COMPATIBLE, "other~=1.0");
    expect(&all, "libwin", PS_LEVEL_IGNORED, NULL);
}

static void extras_are_for_the_cluster_only(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;

    fixture_add_critical(f);
    (void)fixture_add(f, "s3fs", "2024.1.0");
    all = decide(f, &(struct ps_level_options){
                        .extras = LIST(
                            "bokeh>=3", "S3fs == 2024.2.0", "gpu[cuda]",
                            "w; sys_platform == 'win32'",
                            "tool @ git+https://host/tool@main",
                            "wheel1 @ file:///tmp/a%20b/w-1-py3-none-any.whl"),
                    });
    assert_int_equal(all.count, 11);
    expect(&all, "bokeh", PS_LEVEL_COMPATIBLE, "bokeh>=3");
    expect(&all, "S3fs", PS_LEVEL_EXACT, "S3fs==2024.2.0");
    expect(&all, "gpu", PS_LEVEL_COMPATIBLE, "gpu[cuda]");
    expect(&all, "w", PS_LEVEL_IGNORED, NULL);
    expect(&all, "tool", PS_LEVEL_BUILD, NULL);
    assert_string_equal(fixture_decision(&all, "tool")->build,
                        "git+https://host/tool@main");
    assert_string_equal(fixture_decision(&all, "wheel1")->build,
                        "/tmp/a b/w-1-py3-none-any.whl");
    assert_null(fixture_decision(&all, "S3fs")->dist);
    expect_text(fixture_decision(&all, "S3fs")->reason,
                "in place of the installed 2024.1.0");
    expect_text(fixture_decision(&all, "bokeh")->reason, "--extra");

    refuses(f, &(struct ps_level_options){ .extras = LIST("not a name") },
            PS_EINVALID, "--extra not a name");
    refuses(f, &(struct ps_level_options){ .extras = LIST("a", "A>1") },
            PS_EINVALID, "another one");
    refuses(f, &(struct ps_level_options){ .extras = LIST("a @ s3://b/c") },
            PS_EINVALID, "cannot be fetched");
}

static void what_no_index_has_is_built(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;
    struct ps_dist *d = NULL;

    fixture_add_critical(f);
    d = fixture_add(f, "edit", "1.0.dev0+g1a2b3c");
    d->source = PS_DIST_EDITABLE;
    d->project = "/home/me/edit";
    d = fixture_add(f, "dir", "1.0");
    d->source = PS_DIST_DIRECTORY;
    d->project = "/home/me/dir";
    d = fixture_add(f, "vcs", "1.0");
    d->source = PS_DIST_VCS;
    d->direct = (struct ps_direct_url){
        .kind = PS_DIRECT_VCS,
        .url = "https://host/repo",
        .vcs = "git",
        .commit = "0123456789abcdef0123456789abcdef01234567",
        .subdirectory = "sub",
    };
    d = fixture_add(f, "branch", "1.0");
    d->source = PS_DIST_VCS;
    d->direct = (struct ps_direct_url){
        .kind = PS_DIRECT_VCS,
        .url = "https://host/repo",
        .vcs = "git",
        .requested_revision = "main",
    };
    d = fixture_add(f, "whl", "1.0");
    d->source = PS_DIST_ARCHIVE;
    d->direct = (struct ps_direct_url){
        .kind = PS_DIRECT_ARCHIVE,
        .url = "https://host/whl-1.0-py3-none-any.whl",
        .sha256 =
            "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    };
    all = decide(f, &(struct ps_level_options){ .match_exact = true });
    expect(&all, "edit", PS_LEVEL_BUILD, NULL);
    assert_string_equal(fixture_decision(&all, "edit")->build, "/home/me/edit");
    assert_string_equal(fixture_decision(&all, "dir")->build, "/home/me/dir");
    assert_string_equal(
        fixture_decision(&all, "vcs")->build,
        "git+https://host/repo@0123456789abcdef0123456789abcdef01234567"
        "#subdirectory=sub");
    expect_text(fixture_decision(&all, "branch")->warning, "'main'");
    expect_text(fixture_decision(&all, "branch")->build, "git+https://");
    assert_string_equal(
        fixture_decision(&all, "whl")->build,
        "https://host/whl-1.0-py3-none-any.whl#sha256="
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    expect_text(fixture_decision(&all, "edit")->reason, "/home/me/edit");
}

static void a_local_archive_is_kept_while_it_is_there(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;
    struct ps_dist *d = NULL;
    char *dir = test_make_dir();
    char *path = test_write(dir, "here-1.0-py3-none-any.whl", "x");

    fixture_add_critical(f);
    d = fixture_add(f, "here", "1.0");
    d->source = PS_DIST_ARCHIVE;
    d->direct = (struct ps_direct_url){ .kind = PS_DIRECT_ARCHIVE,
                                        .url = "file:///x",
                                        .path = path };
    d = fixture_add(f, "gone", "1.0");
    d->source = PS_DIST_ARCHIVE;
    d->direct = (struct ps_direct_url){ .kind = PS_DIRECT_ARCHIVE,
                                        .url = "file:///no/gone-1.0.tar.gz",
                                        .path = "/no/such/gone-1.0.tar.gz" };
    all = decide(f, &(struct ps_level_options){ 0 });
    assert_string_equal(fixture_decision(&all, "here")->build, path);
    expect(&all, "gone", PS_LEVEL_COMPATIBLE, "gone~=1.0");
    expect_text(fixture_decision(&all, "gone")->warning, "from an index");
    free(path);
    test_remove_dir(dir);
}

static void only_git_can_be_built(void **state)
{
    static const char *const others[] = { "hg", "svn", "bzr" };
    struct fixture *f = *state;
    struct ps_decisions all;
    struct ps_dist *d = NULL;

    fixture_add_critical(f);
    d = fixture_add(f, "aaa", "1.0");
    d->source = PS_DIST_VCS;
    d->direct = (struct ps_direct_url){ .kind = PS_DIRECT_VCS,
                                        .url = "https://host/repo",
                                        .vcs = "hg",
                                        .commit = "12" };
    for (size_t i = 0; i < PS_ARRAY_SIZE(others); i++) {
        f->dists[0].direct.vcs = others[i];
        refuses(f, &(struct ps_level_options){ 0 }, PS_EUNSUPPORTED,
                "only git can be built");
        expect_text(f->err.text, "'aaa'");
    }
    all =
        decide(f, &(struct ps_level_options){ .allow_missing_critical = true });
    assert_int_equal(all.problem_count, 1);
    assert_true(all.problems[0].serious);
    expect_text(all.problems[0].message, "'aaa'");
    all = decide(f, &(struct ps_level_options){ .ignore = LIST("aaa") });
    assert_int_equal(all.problem_count, 0);
    all = decide(f, &(struct ps_level_options){ .compatible = LIST("aaa") });
    expect(&all, "aaa", PS_LEVEL_COMPATIBLE, "aaa~=1.0");
    expect_text(fixture_decision(&all, "aaa")->warning, "an index's 1.0");
}

static void all_that_no_cluster_can_get_are_named_at_once(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;
    struct ps_dist *d = NULL;

    fixture_add_critical(f);
    (void)fixture_add(f, "labelled", "1.0+g1234567");
    (void)fixture_add(f, "none", "");
    (void)fixture_add(f, "good", "1.0");
    d = fixture_add(f, "mercurial", "1.0");
    d->source = PS_DIST_VCS;
    d->direct = (struct ps_direct_url){ .kind = PS_DIRECT_VCS,
                                        .url = "https://u:SECRET@host/repo?S",
                                        .vcs = "hg" };
    refuses(f, &(struct ps_level_options){ 0 }, PS_EINVALID,
            "'labelled', 'mercurial', 'none'");
    expect_text(f->err.text, "--ignore");
    all =
        decide(f, &(struct ps_level_options){ .allow_missing_critical = true });
    assert_int_equal(all.count, 9);
    assert_int_equal(all.problem_count, 3);
    for (size_t i = 0; i < all.problem_count; i++) {
        assert_true(all.problems[i].serious);
        assert_null(strstr(all.problems[i].message, "SECRET"));
    }
    expect(&all, "none", PS_LEVEL_EXACT, NULL);
    expect(&all, "good", PS_LEVEL_COMPATIBLE, "good~=1.0");
    refuses(f, &(struct ps_level_options){ .ignore = LIST("none", "labelled") },
            PS_EUNSUPPORTED, "'mercurial'");
    all =
        decide(f, &(struct ps_level_options){
                      .ignore = LIST("none"),
                      .allow_failed = LIST("Mercurial", "labelled", "good") });
    assert_int_equal(all.problem_count, 2);
    expect(&all, "mercurial", PS_LEVEL_IGNORED, NULL);
    assert_true(fixture_decision(&all, "mercurial")->left_out);
    assert_false(fixture_decision(&all, "none")->left_out);
    expect(&all, "good", PS_LEVEL_COMPATIBLE, "good~=1.0");
}

static void
an_unknown_origin_needs_somebody_to_vouch_for_the_index(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;

    fixture_add_critical(f);
    fixture_add(f, "private", "1.0")->origin_error = "not json";
    refuses(f, &(struct ps_level_options){ 0 }, PS_EINVALID,
            "'--exact private'");
    expect_text(f->err.text, "not json");
    refuses(f, &(struct ps_level_options){ .match_exact = true }, PS_EINVALID,
            "'private'");
    all =
        decide(f, &(struct ps_level_options){ .allow_missing_critical = true });
    assert_int_equal(all.problem_count, 1);
    expect(&all, "private", PS_LEVEL_EXACT, NULL);
    all = decide(f, &(struct ps_level_options){ .exact = LIST("private") });
    assert_int_equal(all.problem_count, 0);
    expect(&all, "private", PS_LEVEL_EXACT, "private==1.0");
    all =
        decide(f, &(struct ps_level_options){ .compatible = LIST("private") });
    expect(&all, "private", PS_LEVEL_COMPATIBLE, "private~=1.0");
}

static void a_version_of_a_working_tree_needs_the_tree(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;

    fixture_add_critical(f);
    (void)fixture_add(f, "lost", "1.0.dev3+g1a2b3c.d20240131");
    refuses(f, &(struct ps_level_options){ 0 }, PS_EINVALID, "'lost'");
    expect_text(f->err.text, "--exact lost");
    all =
        decide(f, &(struct ps_level_options){ .allow_missing_critical = true });
    assert_int_equal(all.problem_count, 1);
    assert_null(fixture_decision(&all, "lost")->requirement);
    all = decide(f, &(struct ps_level_options){ .ignore = LIST("lost") });
    expect(&all, "lost", PS_LEVEL_IGNORED, NULL);
}

static void
a_critical_one_that_is_built_stays_critical_in_its_reason(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;
    struct ps_dist *d = NULL;

    fixture_add_critical(f);
    d = &f->dists[1];
    d->source = PS_DIST_EDITABLE;
    d->project = "/home/me/distributed";
    all = decide(f, &(struct ps_level_options){ 0 });
    expect(&all, "distributed", PS_LEVEL_BUILD, NULL);
    expect_text(fixture_decision(&all, "distributed")->reason, "critical");
}

/* From another system ---------------------------------------------------- */

static void what_another_system_alone_requires_is_left_out(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;
    struct ps_dist *d = NULL;

    f->site.markers = fixture_markers("win32");
    fixture_add_critical(f);
    d = fixture_add(f, "click", "8.1.7");
    d->requested = true;
    d->requires = LIST("colorama; platform_system == 'Windows'", "shared",
                       "tomli; python_version < '3.11'");
    (void)fixture_add(f, "colorama", "0.4.6");
    (void)fixture_add(f, "shared", "1.0");
    d = fixture_add(f, "winthing", "1.0");
    d->requested = true; /* asked for */
    d = fixture_add(f, "pypiwin32", "223");
    d->requires = LIST("below-pywin32");
    (void)fixture_add(f, "below-pywin32", "1.0");
    (void)fixture_add(f, "tomli", "2.0"); /* left over, of no system */
    d = fixture_add(f, "needs-extra", "1.0");
    d->requested = true;
    d->provides_extra = LIST("x");
    d->requires = LIST("maybe; extra == 'x'");
    (void)fixture_add(f, "maybe", "1.0");
    all = decide(f, &(struct ps_level_options){ 0 });
    expect(&all, "colorama", PS_LEVEL_IGNORED, NULL);
    expect_text(fixture_decision(&all, "colorama")->reason, "on Linux");
    expect(&all, "shared", PS_LEVEL_COMPATIBLE, "shared~=1.0");
    expect(&all, "winthing", PS_LEVEL_COMPATIBLE, "winthing~=1.0");
    expect(&all, "pypiwin32", PS_LEVEL_IGNORED, NULL);
    expect(&all, "below-pywin32", PS_LEVEL_IGNORED, NULL);
    expect(&all, "tomli", PS_LEVEL_COMPATIBLE, "tomli~=2.0");
    expect(&all, "maybe", PS_LEVEL_COMPATIBLE, "maybe~=1.0");
    all = decide(f, &(struct ps_level_options){
                        .compatible = LIST("colorama", "pypiwin32") });
    expect(&all, "colorama", PS_LEVEL_COMPATIBLE, "colorama~=0.4.6");
    expect(&all, "pypiwin32", PS_LEVEL_COMPATIBLE, "pypiwin32~=223.0");
}

static void names_alone_do_not_condemn(void **state)
{
    static const char *const names[] = { "colorama", "pexpect", "ptyprocess",
                                         "mkl", "pythonnet" };
    struct fixture *f = *state;
    struct ps_decisions all;

    fixture_add_critical(f);
    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++)
        (void)fixture_add(f, names[i], "1.0");
    all = decide(f, &(struct ps_level_options){ 0 });
    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++)
        assert_int_equal(fixture_decision(&all, names[i])->level,
                         PS_LEVEL_COMPATIBLE);
}

static void the_lists_of_systems_are_complete(void **state)
{
    static const char *const names[] = {
        "pywin32",
        "pypiwin32",
        "pywin32-ctypes",
        "pywinpty",
        "win32_setctime",
        "wincertstore",
        "windows-curses",
        "pyreadline3",
        "comtypes",
        "WMI",
        "winrt-runtime",
        "tensorflow-intel",
        "appnope",
        "pyobjc-framework",
        "pyobjc",
        "rumps",
        "tensorflow_macos",
        "tensorflow-metal",
        "mlx",
        "jax-metal",
        "pyreadline",
    };
    struct fixture *f = *state;
    struct ps_decisions all;

    fixture_add_critical(f);
    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++)
        (void)fixture_add(f, names[i], "1.0");
    all = decide(f, &(struct ps_level_options){ 0 });
    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++)
        if (fixture_decision(&all, names[i])->level != PS_LEVEL_IGNORED)
            fail_msg("%s is kept", names[i]);
}

/* conda ------------------------------------------------------------------- */

static void conda_packages_keep_their_levels(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions all;
    struct ps_dist *d = NULL;

    fixture_add_critical(f);
    for (size_t i = 0; i < f->environment.count; i++) {
        f->dists[i].source = PS_DIST_CONDA;
        f->dists[i].conda = (struct ps_conda){ .name = "c",
                                               .version = "1",
                                               .subdir = "noarch" };
    }
    d = fixture_add(f, "built", "1.0+g1a2b3c");
    d->source = PS_DIST_CONDA;
    d->conda = (struct ps_conda){ .name = "built", .version = "1.0" };
    (void)fixture_add_conda(f, "python", "3.11.7");
    (void)fixture_add_conda(f, "libffi", "3.4.2");
    (void)fixture_add_conda(f, "openssl", "1.1.1w");
    (void)fixture_add_conda(f, "libcxx", "17.0.6"); /* conda's own, of Linux */
    (void)fixture_add_conda(f, "dask", "2024.1.0"); /* over dask-core */
    d = fixture_add_conda(f, "ucrt", "10.0");
    d->conda.subdir = "win-64";
    d = fixture_add_conda(f, "libmac", "1.0");
    d->conda.subdir = "osx-arm64";
    d = fixture_add_conda(f, "ffmpeg", "6.1");
    d->conda.subdir = "osx-arm64";
    d->requested = true;
    all = decide(f, &(struct ps_level_options){ 0 });
    expect(&all, "dask", PS_LEVEL_CRITICAL, "dask==2024.1.0");
    assert_true(fixture_decision(&all, "dask")->conda);
    expect(&all, "built", PS_LEVEL_EXACT, "built==1.0+g1a2b3c");
    expect(&all, "python", PS_LEVEL_EXACT, "python=3.11.7");
    expect(&all, "libffi", PS_LEVEL_COMPATIBLE, "libffi>=3.4.2,3.4.*");
    expect(&all, "openssl", PS_LEVEL_EXACT, "openssl=1.1.1w");
    expect(&all, "libcxx", PS_LEVEL_COMPATIBLE, "libcxx>=17.0.6,17.0.*");
    expect(&all, "ucrt", PS_LEVEL_IGNORED, NULL);
    expect(&all, "libmac", PS_LEVEL_IGNORED, NULL);
    expect(&all, "ffmpeg", PS_LEVEL_COMPATIBLE, "ffmpeg>=6.1,6.*");
    assert_int_equal(all.count, 13);
    all = decide(f, &(struct ps_level_options){ .match_exact = true,
                                                .ignore = LIST("openssl") });
    expect(&all, "libffi", PS_LEVEL_EXACT, "libffi=3.4.2");
    expect(&all, "openssl", PS_LEVEL_IGNORED, NULL);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(levels_are_those_of_the_rules),
        TEST(match_exact_pins_everything),
        TEST(missing_critical_ones_are_all_named),
        TEST(overrides_win_over_rules),
        TEST(a_name_that_is_not_installed_is_an_error),
        TEST(only_takes_along_what_is_required),
        TEST(extras_are_for_the_cluster_only),
        TEST(what_no_index_has_is_built),
        TEST(a_local_archive_is_kept_while_it_is_there),
        TEST(only_git_can_be_built),
        TEST(all_that_no_cluster_can_get_are_named_at_once),
        TEST(an_unknown_origin_needs_somebody_to_vouch_for_the_index),
        TEST(a_version_of_a_working_tree_needs_the_tree),
        TEST(a_critical_one_that_is_built_stays_critical_in_its_reason),
        TEST(what_another_system_alone_requires_is_left_out),
        TEST(names_alone_do_not_condemn),
        TEST(the_lists_of_systems_are_complete),
        TEST(conda_packages_keep_their_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
