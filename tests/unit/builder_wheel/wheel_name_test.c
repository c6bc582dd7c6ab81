/* Wheel file names, project names, versions, compatibility tags. */
#include "test_util.h"
#include "wheel_private.h"

static void assert_view(struct ps_str s, const char *expected)
{
    if (!ps_str_is(s, expected))
        fail_msg("expected '%s', got '%.*s'", expected, PS_STR_FMT(s));
}

static void parses_the_parts_of_a_file_name(void **state)
{
    static const struct {
        const char *file;
        const char *parts[6]; /* name version build python abi platform */
    } rows[] = {
        { "demo-1.0-py3-none-any.whl",
          { "demo", "1.0", "", "py3", "none", "any" } },
        { "a-1-2-py2.py3-none-any.whl",
          { "a", "1", "2", "py2.py3", "none", "any" } },
        { "zope.interface-6.1-1a_b-cp311-cp311-"
          "manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
          { "zope.interface", "6.1", "1a_b", "cp311", "cp311",
            "manylinux_2_17_x86_64.manylinux2014_x86_64" } },
        { "torch-2.1.0+cu118-cp311-cp311-linux_x86_64.whl",
          { "torch", "2.1.0+cu118", "", "cp311", "cp311", "linux_x86_64" } },
        { "E-1!2.0-py3-none-any.whl",
          { "E", "1!2.0", "", "py3", "none", "any" } },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_error err = PS_ERROR_INIT;
        struct ps_wheel_name n;

        assert_ok(ps_wheel_name_parse(ps_str_from(rows[i].file), &n, &err),
                  &err);
        assert_view(n.name, rows[i].parts[0]);
        assert_view(n.version, rows[i].parts[1]);
        assert_view(n.build, rows[i].parts[2]);
        assert_view(n.python, rows[i].parts[3]);
        assert_view(n.abi, rows[i].parts[4]);
        assert_view(n.platform, rows[i].parts[5]);
    }
}

static void refuses_what_is_no_wheel_name(void **state)
{
    static const struct {
        const char *file;
        const char *text;
    } rows[] = {
        { "", "no .whl" },
        { ".whl", "name-version" },
        { "demo-1.0.tar.gz", "no .whl" },
        { "demo-1.0-py3-none-any.WHL", "no .whl" },
        { "demo-1.0-py3-none.whl", "name-version" },
        { "demo-1.0-1-py3-none-any-x.whl", "name-version" },
        { "-1.0-py3-none-any.whl", "not a project name" },
        { "_demo-1.0-py3-none-any.whl", "not a project name" },
        { "demo.-1.0-py3-none-any.whl", "not a project name" },
        { "de mo-1.0-py3-none-any.whl", "not a project name" },
        { "d\xc3\xa9mo-1.0-py3-none-any.whl", "not a project name" },
        { "../demo-1.0-py3-none-any.whl", "not a project name" },
        { "demo--py3-none-any.whl", "not a version" },
        { "demo-1/0-py3-none-any.whl", "not a version" },
        { "demo-1.0--py3-none-any.whl", "build tag is empty" },
        { "demo-1.0-x1-py3-none-any.whl", "does not start with a digit" },
        { "demo-1.0-1/2-py3-none-any.whl", "does not start with a digit" },
        { "demo-1.0--none-any.whl", "not a compatibility tag" },
        { "demo-1.0-py3.-none-any.whl", "not a compatibility tag" },
        { "demo-1.0-py3-no..ne-any.whl", "not a compatibility tag" },
        { "demo-1.0-py3-none-a/b.whl", "not a compatibility tag" },
        { "demo-1.0-py3-none-.whl", "not a compatibility tag" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_error err = PS_ERROR_INIT;
        struct ps_wheel_name n;

        assert_code(PS_EINVALID,
                    ps_wheel_name_parse(ps_str_from(rows[i].file), &n, &err),
                    &err);
        if (!strstr(err.text, rows[i].text))
            fail_msg("'%s': %s", rows[i].file, err.text);
    }
}

static void normalises_project_names(void **state)
{
    static const char *const rows[][2] = {
        { "demo", "demo" },
        { "Demo", "demo" },
        { "zope.interface", "zope-interface" },
        { "Foo__Bar", "foo-bar" },
        { "a-_.-b", "a-b" },
        { "A.B_C-D", "a-b-c-d" },
        { "", "" },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++)
        assert_string_equal(ps_normalize_name(&arena, ps_str_from(rows[i][0])),
                            rows[i][1]);
}

static void normalises_versions(void **state)
{
    static const char *const rows[][2] = {
        { "1", "1" },
        { "1.0", "1.0" },
        { "1.0.0", "1.0.0" },
        { "  1.2\t", "1.2" },
        { "v1.2", "1.2" },
        { "V1.2", "1.2" },
        { "01.002", "1.2" },
        { "2024.01.05", "2024.1.5" },
        { "0!1", "1" },
        { "00!1", "1" },
        { "2!1.0", "2!1.0" },
        { "1.0a", "1.0a0" },
        { "1.0a1", "1.0a1" },
        { "1.0.ALPHA.01", "1.0a1" },
        { "1.0-beta_2", "1.0b2" },
        { "1.0c3", "1.0rc3" },
        { "1.0pre3", "1.0rc3" },
        { "1.0-preview-3", "1.0rc3" },
        { "1.0rc", "1.0rc0" },
        { "2023c", "2023rc0" },
        { "1.0.post", "1.0.post0" },
        { "1.0post2", "1.0.post2" },
        { "1.0-r4", "1.0.post4" },
        { "1.0_rev_4", "1.0.post4" },
        { "1.0-1", "1.0.post1" },
        { "1.0-01", "1.0.post1" },
        { "1.0dev", "1.0.dev0" },
        { "1.0-DEV-7", "1.0.dev7" },
        { "1.0a1.post2.dev3", "1.0a1.post2.dev3" },
        { "1.0rc1-1dev1", "1.0rc1.post1.dev1" },
        { "1.0a.", "1.0a0" },
        { "1.0a-.post", "1.0a0.post0" },
        { "1.0a--1", "1.0a0.post1" },
        { "1.0.dev-", "1.0.dev0" },
        { "1.0+cu118", "1.0+cu118" },
        { "1.0+Ubuntu-1_02.x", "1.0+ubuntu.1.2.x" },
        { "1.0+001", "1.0+1" },
        { "1.0+00a", "1.0+00a" },
        { "1.0.post1+g1a2b3c", "1.0.post1+g1a2b3c" },
        { "99999999999999999999999.1", "99999999999999999999999.1" },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_error err = PS_ERROR_INIT;
        char *out = NULL;

        assert_ok(
            ps_version_normalize(&arena, ps_str_from(rows[i][0]), &out, &err),
            &err);
        assert_string_equal(out, rows[i][1]);
        /* The normal form is its own. */
        assert_ok(ps_version_normalize(&arena, ps_str_from(out), &out, &err),
                  &err);
        assert_string_equal(out, rows[i][1]);
    }
}

static void refuses_what_is_no_version(void **state)
{
    static const char *const rows[] = {
        "",        "v",           "a",       "1.",         "1..2",
        ".1",      "1.0.",        "1.0-",    "1!",         "!1",
        "1!!1",    "1.0+",        "1.0+a+b", "1.0+a..b",   "1.0+a.",
        "1.0x",    "1.0--1",      "1 .0",    "1.0post1a1", "1.0dev1post1",
        "1.0a1b1", "1.0\xc3\xa9", "1.*",     "-1",         "1.0a1-",
        "1.0_1",
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_error err = PS_ERROR_INIT;
        char *out = NULL;

        if (ps_version_normalize(&arena, ps_str_from(rows[i]), &out, &err) !=
            PS_EINVALID)
            fail_msg("'%s' passed as '%s'", rows[i], out);
    }
}

static void refuses_odd_bytes_and_lengths_in_versions(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_str nul = PS_STR_LIT("1.0\0a1");
    static const char start[] = { '1', 'a', '1', 'r', '2', '+' };
    char digits[600];
    char *out = NULL;

    (void)state;
    assert_code(PS_EINVALID, ps_version_normalize(&arena, nul, &out, &err),
                &err);
    memset(digits, '1', sizeof(digits));
    for (size_t len = 500; len < sizeof(digits); len++) {
        int code = len > 512 ? PS_EINVALID : PS_OK;
        struct ps_str version = { .data = digits, .len = len };

        assert_code(code, ps_version_normalize(&arena, version, &out, &err),
                    &err);
    }
    /* 512 characters that become 516. */
    memcpy(digits, start, sizeof(start));
    assert_code(
        PS_EINVALID,
        ps_version_normalize(
            &arena, (struct ps_str){ .data = digits, .len = 512 }, &out, &err),
        &err);
}

static void expands_compressed_tags(void **state)
{
    static const char *const expected[] = { "py2-none-any", "py2-none-win32",
                                            "py3-none-any", "py3-none-win32" };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_wheel_tags tags = { 0 };

    (void)state;
    assert_ok(ps_wheel_tags_add(&arena, &tags,
                                PS_STR_LIT("py3.py2-none-win32.any"), &err),
              &err);
    assert_ok(
        ps_wheel_tags_add(&arena, &tags, PS_STR_LIT("py3-none-any"), &err),
        &err);
    ps_wheel_tags_sort(&tags);
    assert_int_equal(tags.count, PS_ARRAY_SIZE(expected));
    for (size_t i = 0; i < tags.count; i++)
        assert_string_equal(tags.items[i], expected[i]);
}

static void bounds_the_expansion_of_tags(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_wheel_tags tags = { 0 };
    char many[3 * 200];
    size_t n = 0;

    (void)state;
    for (size_t set = 0; set < 3; set++) {
        for (size_t i = 0; i < 60; i++) {
            many[n++] = 'a';
            many[n++] = i < 59 ? '.' : '-';
        }
    }
    assert_code(PS_ETOOBIG,
                ps_wheel_tags_add(&arena, &tags,
                                  (struct ps_str){ .data = many, .len = n - 1 },
                                  &err),
                &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_the_parts_of_a_file_name),
        cmocka_unit_test(refuses_what_is_no_wheel_name),
        cmocka_unit_test(normalises_project_names),
        cmocka_unit_test(normalises_versions),
        cmocka_unit_test(refuses_what_is_no_version),
        cmocka_unit_test(refuses_odd_bytes_and_lengths_in_versions),
        cmocka_unit_test(expands_compressed_tags),
        cmocka_unit_test(bounds_the_expansion_of_tags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
