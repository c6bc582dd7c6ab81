/* Wheel file names and compatibility tags. */
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
        cmocka_unit_test(expands_compressed_tags),
        cmocka_unit_test(bounds_the_expansion_of_tags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
