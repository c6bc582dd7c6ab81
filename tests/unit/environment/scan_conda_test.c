/* conda-meta: trees that this test writes in the shape of conda's own. */
#include <fcntl.h>

#include "conda_private.h"
#include "scan_fixture.h"

#define SP "lib/python3.11/site-packages/"

static void put_record(struct scan_fixture *f, const char *name,
                       const char *text)
{
    put(f, ps_arena_format(&f->arena, "env/conda-meta/%s.json", name), text);
}

static const char *record(struct scan_fixture *f, const char *name,
                          const char *version, const char *files)
{
    return ps_arena_format(
        &f->arena,
        "{\"arch\": null, \"build\": \"py311_0\", \"build_number\": 0,\n"
        " \"channel\": \"https://conda.example/t/se-cret/forge/linux-64\",\n"
        " \"constrains\": [\"a \\\"quoted\\\" {[\"], \"files\": [%s],\n"
        " \"link\": {\"source\": \"/pkgs/x\", \"type\": 1},\n"
        " \"name\": \"%s\", \"paths_data\": {\"paths\": [{\"_path\": "
        "\"x\\\\y\", \"size_in_bytes\": 12, \"name\": \"no\"}]},\n"
        " \"requested_spec\": \"%s\", \"subdir\": \"linux-64\",\n"
        " \"version\": \"%s\"}",
        files, name, name, version);
}

static void conda_owns_what_its_records_list(void **state)
{
    struct scan_fixture *f = *state;
    const struct ps_dist *d = NULL;

    put_record(f, "msgpack-python-1.0.7-py311_0",
               record(f, "msgpack-python", "1.0.7",
                      "\"" SP "msgpack-1.0.7.dist-info/METADATA\", "
                      "\"" SP "msgpack-1.0.7.dist-info/RECORD\", "
                      "\"" SP "msgpack/__init__.py\""));
    put_record(f, "libffi-3.4-0",
               record(f, "libffi", "3.4", "\"lib/libffi.so\""));
    put_record(f, "dask-2024.1-0", record(f, "dask", "2024.1", ""));
    put_dist(f, "msgpack", "1.0.7");
    /* Of the machine that built the package. */
    put_site(f, "msgpack-1.0.7.dist-info/direct_url.json",
             "{\"url\":\"file:///home/conda/work\",\"dir_info\":{}}");
    put_dist(f, "from-pip", "2.0");
    scan(f);
    no_problems(f);
    assert_true(f->e.is_conda);
    assert_int_equal(f->e.count, 2);
    d = need(f, "msgpack");
    assert_int_equal(d->source, PS_DIST_CONDA);
    assert_string_equal(d->version, "1.0.7");
    assert_string_equal(d->conda.name, "msgpack-python");
    assert_string_equal(d->conda.build, "py311_0");
    assert_string_equal(d->conda.channel, "https://conda.example/forge");
    assert_string_equal(d->conda.subdir, "linux-64");
    assert_int_equal(d->direct.kind, PS_DIRECT_NONE);
    assert_true(d->requested);
    d = need(f, "from-pip");
    assert_int_equal(d->source, PS_DIST_INDEX);
    assert_null(d->conda.name);
    assert_int_equal(f->e.conda_count, 2);
    assert_string_equal(f->e.conda[0].name, "dask");
    assert_string_equal(f->e.conda[1].name, "libffi");
    assert_string_equal(f->e.conda[1].conda.version, "3.4");
    assert_non_null(strstr(f->e.conda[1].location, "libffi-3.4-0.json"));
}

static void what_pip_overwrote_is_pips(void **state)
{
    struct scan_fixture *f = *state;

    put_record(f, "numpy-1.26.0-0",
               record(f, "numpy", "1.26.0",
                      "\"" SP "numpy-1.26.0.dist-info/RECORD\""));
    put_dist(f, "numpy", "2.0.0");
    scan(f);
    no_problems(f);
    assert_int_equal(f->e.count, 1);
    assert_int_equal(need(f, "numpy")->source, PS_DIST_INDEX);
    assert_int_equal(f->e.conda_count, 0);
}

static void what_vanished_altogether_is_reported(void **state)
{
    struct scan_fixture *f = *state;

    put_record(f, "lost-1-0",
               record(f, "lost", "1", "\"" SP "lost-1.dist-info/RECORD\""));
    scan(f);
    assert_true(f->e.is_conda);
    assert_true(problem(f, "lost-1-0.json", "is gone")->serious);
}

static void an_editable_install_over_conda_is_a_persons_own(void **state)
{
    struct scan_fixture *f = *state;

    put_record(f, "mine-1-0",
               record(f, "mine", "1", "\"" SP "mine-1.dist-info/RECORD\""));
    put_dist(f, "mine", "1");
    put(f, "mine/pyproject.toml", "");
    put_site(f, "mine-1.dist-info/direct_url.json",
             ps_arena_format(&f->arena,
                             "{\"url\":\"file://%s/mine\","
                             "\"dir_info\":{\"editable\":true}}",
                             f->root));
    scan(f);
    assert_int_equal(need(f, "mine")->source, PS_DIST_EDITABLE);
    assert_null(need(f, "mine")->conda.name);
}

static void broken_records_are_problems_and_dotfiles_are_not(void **state)
{
    struct scan_fixture *f = *state;

    put_record(f, "cut-1-0", "{\"name\": \"cut\", \"version\": \"1\", \"fi");
    put_record(f, "empty-1-0", "");
    put_record(f, "noname-1-0", "{\"version\": \"1\"}");
    put_record(f, "list-1-0", "[]");
    put_record(f, "._hidden-1-0", "Mac OS X");
    put(f, "env/conda-meta/history", "==> log <==");
    put_record(f, "good-1-0", record(f, "good", "1", ""));
    scan(f);
    assert_int_equal(f->e.conda_count, 1);
    assert_true(problem(f, "cut-1-0.json", "broken at byte")->serious);
    (void)problem(f, "empty-1-0.json", "broken at byte 0");
    (void)problem(f, "noname-1-0.json", "no name");
    (void)problem(f, "list-1-0.json", "broken at byte 0");
    assert_int_equal(f->e.problem_count, 4);
}

static void backslashes_in_paths_are_slashes(void **state)
{
    struct scan_fixture *f = *state;

    put_record(
        f, "win-1-0",
        record(f, "win", "1",
               "\"Lib\\\\site-packages\\\\win-1.dist-info\\\\METADATA\""));
    put_dist(f, "win", "1");
    scan(f);
    no_problems(f);
    assert_string_equal(need(f, "win")->conda.name, "win");
}

static void channel_is(struct scan_fixture *f, const char *written,
                       const char *channel, const char *subdir)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_conda_record r;
    const char *text = ps_arena_format(
        &f->arena, "{\"name\":\"x\",\"version\":\"1\",\"channel\":%s}",
        written);

    assert_ok(ps_conda_record_parse(&f->arena, ps_str_from(text), &r, &err),
              &err);
    if (!channel)
        assert_null(r.conda.channel);
    else
        assert_string_equal(r.conda.channel, channel);
    if (subdir)
        assert_string_equal(r.conda.subdir, subdir);
    else
        assert_null(r.conda.subdir);
}

static void channels_of_every_shape_lose_their_secrets(void **state)
{
    struct scan_fixture *f = *state;

    channel_is(f, "\"forge\"", "forge", NULL);
    channel_is(f, "\"forge/noarch\"", "forge", "noarch");
    channel_is(f, "\"https://h.example/forge/linux-64/\"",
               "https://h.example/forge", "linux-64");
    channel_is(f, "\"https://u:p@h.example/t/abc/forge/osx-64\"",
               "https://h.example/forge", "osx-64");
    channel_is(f, "\"https://h.example/t/abc\"", "https://h.example", NULL);
    channel_is(f,
               "{\"name\": \"forge\", \"url\": "
               "\"https://h.example/t/abc/forge\", \"x\": [1]}",
               "https://h.example/forge", NULL);
    channel_is(f, "{\"name\": \"forge\"}", "forge", NULL);
    channel_is(f, "\"<unknown>\"", NULL, NULL);
    channel_is(f, "null", NULL, NULL);
}

static void skips_long_lists_without_losing_its_place(void **state)
{
    struct scan_fixture *f = *state;
    PS_AUTO_BUF struct ps_buf files = PS_BUF_INIT(16 << 20);

    for (size_t i = 0; i < 50000; i++)
        ps_buf_addf(&files, "\"share/doc \\\"%zu\\\\\", ", i);
    ps_buf_adds(&files, "\"" SP "big-1.dist-info/METADATA\"");
    put_record(f, "big-1-0", record(f, "big", "1", files.data));
    put_dist(f, "big", "1");
    scan(f);
    no_problems(f);
    assert_int_equal(need(f, "big")->source, PS_DIST_CONDA);
}

static void what_no_match_spec_may_hold_is_left_out(void **state)
{
    struct scan_fixture *f = *state;

    put_record(f, "a-1-0", record(f, "a\\u001b[31m", "1", ""));
    put_record(f, "b-1-0", record(f, "b", "1\\n- evil", ""));
    put_record(f, "c-1-0", record(f, "c", "1,>=0", ""));
    put_record(f, "d-1-0", record(f, "-d", "1", ""));
    put_record(f, "e-1-0", record(f, "e", "", ""));
    put_record(f, "_good-1-0", record(f, "_good.x-y", "1!2024a+b_1", ""));
    scan(f);
    assert_int_equal(f->e.conda_count, 1);
    assert_string_equal(f->e.conda[0].name, "_good.x-y");
    assert_int_equal(f->e.problem_count, 5);
    assert_true(problem(f, "a-1-0.json", "its name has")->serious);
    assert_true(problem(f, "b-1-0.json", "its version has")->serious);
    assert_true(problem(f, "c-1-0.json", "its version has")->serious);
    assert_true(problem(f, "d-1-0.json", "its name has")->serious);
    assert_true(problem(f, "e-1-0.json", "no version")->serious);
}

static void an_environment_without_conda_meta_is_none_of_condas(void **state)
{
    struct scan_fixture *f = *state;

    put_dist(f, "a", "1");
    scan(f);
    no_problems(f);
    assert_false(f->e.is_conda);
    assert_int_equal(f->e.conda_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCAN_TEST(conda_owns_what_its_records_list),
        SCAN_TEST(what_pip_overwrote_is_pips),
        SCAN_TEST(what_vanished_altogether_is_reported),
        SCAN_TEST(an_editable_install_over_conda_is_a_persons_own),
        SCAN_TEST(broken_records_are_problems_and_dotfiles_are_not),
        SCAN_TEST(backslashes_in_paths_are_slashes),
        SCAN_TEST(channels_of_every_shape_lose_their_secrets),
        SCAN_TEST(skips_long_lists_without_losing_its_place),
        SCAN_TEST(what_no_match_spec_may_hold_is_left_out),
        SCAN_TEST(an_environment_without_conda_meta_is_none_of_condas),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
