/* Markers: what packaging.markers reads, prints and decides. */
#include "test_util.h"

#include "pkgsync/buf.h"
#include "pkgsync/requirement.h"

static const struct ps_marker_env linux_env = {
    .os_name = "posix",
    .sys_platform = "linux",
    .platform_machine = "x86_64",
    .platform_python_implementation = "CPython",
    .platform_release = "6.1.0-18-amd64",
    .platform_system = "Linux",
    .platform_version = "#1 SMP PREEMPT_DYNAMIC",
    .python_version = "3.11",
    .python_full_version = "3.11.7",
    .implementation_name = "cpython",
    .implementation_version = "3.11.7",
};

static const struct ps_marker *parse(struct ps_arena *arena, const char *text)
{
    struct ps_error err = PS_ERROR_INIT;
    const struct ps_marker *m = NULL;

    assert_ok(ps_marker_parse(arena, ps_str_from(text), &m, &err), &err);
    return m;
}

static void prints_what_packaging_prints(void **state)
{
    static const struct {
        const char *text;
        const char *printed;
    } cases[] = {
        { "python_version == '2.7'", "python_version == \"2.7\"" },
        { "  \"2.7\"==python_version\t", "\"2.7\" == python_version" },
        { "'8'in platform.version", "\"8\" in platform_version" },
        { "'8' not \t in platform.version", "\"8\" not in platform_version" },
        { "os_name=='a'and os_name=='b'",
          "os_name == \"a\" and os_name == \"b\"" },
        { "(((os_name == 'a')))", "os_name == \"a\"" },
        { "(os_name == 'a') or (os_name == 'b')",
          "os_name == \"a\" or os_name == \"b\"" },
        { "(os_name == 'a' or os_name == 'b') and os_name == 'c'",
          "(os_name == \"a\" or os_name == \"b\") and os_name == \"c\"" },
        { "((os_name == 'a' and os_name == 'b')) or os_name == 'c'",
          "(os_name == \"a\" and os_name == \"b\") or os_name == \"c\"" },
        { "((os_name == 'a' and os_name == 'b'))",
          "os_name == \"a\" and os_name == \"b\"" },
        /* old spellings */
        { "os.name == 'a'", "os_name == \"a\"" },
        { "sys.platform == 'a'", "sys_platform == \"a\"" },
        { "platform.machine == 'a'", "platform_machine == \"a\"" },
        { "platform.python_implementation == ''",
          "platform_python_implementation == \"\"" },
        { "python_implementation == ''",
          "platform_python_implementation == \"\"" },
        /* names of extras and groups are normalised, others are not */
        { "extra == 'Foo__Bar.baz'", "extra == \"foo-bar-baz\"" },
        { "'Foo_Bar' == extra", "\"foo-bar\" == extra" },
        { "'Foo_Bar' in extras", "\"foo-bar\" in extras" },
        { "'Foo_Bar' in dependency_groups",
          "\"foo-bar\" in dependency_groups" },
        { "extras == 'Foo_Bar'", "extras == \"Foo_Bar\"" },
        { "os_name == 'Foo_Bar'", "os_name == \"Foo_Bar\"" },
        /* operators */
        { "os_name<'a' or os_name<='a' or os_name!='a'",
          "os_name < \"a\" or os_name <= \"a\" or os_name != \"a\"" },
        { "os_name>='a' or os_name>'a' or os_name~='a' or os_name==='a'",
          "os_name >= \"a\" or os_name > \"a\" or os_name ~= \"a\" or "
          "os_name === \"a\"" },
        /* quotes */
        { "os_name == 'say \"a\"'", "os_name == 'say \"a\"'" },
        { "os_name == \"it's\"", "os_name == \"it's\"" },
        { "os_name == 'a\\x41\\102\\u00e9\\d'",
          "os_name == \"aAB\xc3\xa9\\d\"" },
        { "os_name == 'a\\\nb'", "os_name == \"ab\"" },
        /* where packaging prints what would be read as something else */
        { "os_name == 'a\\\\b\\\\'", "os_name == \"a\\\\b\\\\\"" },
        { "os_name == 'a\\nb\\r\\0'", "os_name == \"a\\nb\\r\\x00\"" },
        { "os_name == 'it\\x27s \"a\"'", "os_name == \"it's \\x22a\\x22\"" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        const struct ps_marker *m = parse(&arena, cases[i].text);

        assert_string_equal(ps_marker_string(&arena, m), cases[i].printed);
        m = parse(&arena, cases[i].printed);
        assert_string_equal(ps_marker_string(&arena, m), cases[i].printed);
    }
}

static void refuses_what_is_no_marker(void **state)
{
    static const struct {
        const char *text;
        const char *expected;
    } cases[] = {
        { "", "column 1: expected a marker variable" },
        { "python_version", "column 15: expected an operator" },
        { "(python_version)", "column 16: expected an operator" },
        { "'1.0'", "column 6: expected an operator" },
        { "python_version >=", "column 18: expected a marker variable" },
        { "python_version = '1'", "column 16: expected an operator" },
        { "python_version<>'1'", "column 16: expected a marker variable" },
        { "python_versions == '1'", "column 1: expected a marker variable" },
        { "pythonversion == '1'", "column 1: expected a marker variable" },
        { "os-name == 'a'", "column 1: expected a marker variable" },
        { "implementation.name == 'a'", "column 1: expected a marker" },
        { "os_name == 'a' and", "column 19: expected a marker variable" },
        { "os_name == 'a' andos_name == 'a'", "column 16: expected 'and'" },
        { "os_name == 'a' AND os_name == 'a'", "column 16: expected 'and'" },
        { "(os_name == 'a'", "column 16: expected 'and', 'or' or ')'" },
        { "os_name == 'a')", "column 15: expected 'and', 'or' or the end" },
        { "os_name notin 'a'", "column 9: expected an operator" },
        { "os_name not(in) 'a'", "column 12: expected 'in'" },
        { "os_name == 'a\nb'", "column 14: expected no line end" },
        { "os_name == 'a", "column 12: expected a ' that ends" },
        { "os_name == 'a\\'", "column 14: expected a character" },
        { "os_name == 'a\\x4'", "column 14: expected 2 hexadecimal" },
        { "os_name == '\\ud800'", "column 13: expected the number" },
        { "os_name == '\\U00110000'", "column 13: expected the number" },
        { "os_name == '\\N{DASH}'", "column 13: expected no character by" },
        { "os_name == 'a' # why", "column 16: expected 'and'" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        const struct ps_marker *m = NULL;

        assert_code(
            PS_EINVALID,
            ps_marker_parse(&arena, ps_str_from(cases[i].text), &m, &err),
            &err);
        if (!strstr(err.text, cases[i].expected))
            fail_msg("'%s': %s", cases[i].text, err.text);
    }
}

/* "(((...os_name == 'a'...)))" */
static char *nested(size_t depth)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(PS_MIB(1));

    for (size_t i = 0; i < depth; i++)
        ps_buf_adds(&b, "(os_name != 'b' and ");
    ps_buf_adds(&b, "os_name == 'posix'");
    for (size_t i = 0; i < depth; i++)
        ps_buf_addc(&b, ')');
    return ps_buf_take(&b);
}

static void bounds_how_deep_parentheses_go(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_FREE char *deep = nested(500);
    PS_AUTO_FREE char *deeper = nested(501);
    struct ps_error err = PS_ERROR_INIT;
    const struct ps_marker *m = parse(&arena, deep);
    bool holds = false;

    (void)state;
    assert_ok(ps_marker_holds(m, &linux_env, NULL, &holds, &err), &err);
    assert_true(holds);
    assert_non_null(ps_marker_string(&arena, m));
    assert_code(PS_EINVALID,
                ps_marker_parse(&arena, ps_str_from(deeper), &m, &err), &err);
    assert_non_null(strstr(err.text, "no more than 500 parentheses"));
}

struct eval_case {
    const char *text;
    const char *extra;
    int holds; /* 1, 0, or PS_EINVALID */
};

static void check_eval(const struct eval_case *cases, size_t count,
                       const struct ps_marker_env *env)
{
    for (size_t i = 0; i < count; i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        const struct ps_marker *m = parse(&arena, cases[i].text);
        bool holds = false;
        int rc = ps_marker_holds(m, env, cases[i].extra, &holds, &err);

        if ((rc < 0 ? rc : (int)holds) != cases[i].holds)
            fail_msg("%s: %d, %s", cases[i].text, holds, err.text);
    }
}

static void compares_versions_as_versions(void **state)
{
    static const struct eval_case cases[] = {
        { "python_version < '3.8'", NULL, 0 },
        { "python_version >= '3.8'", NULL, 1 },
        { "python_version > '3.2'", NULL, 1 },
        { "'3.8' <= python_version", NULL, 1 },
        { "'3.12' <= python_version", NULL, 0 },
        { "python_version == '3.11.0'", NULL, 1 },
        { "python_version == '3.*'", NULL, 1 },
        { "python_version ~= '3.8'", NULL, 1 },
        { "python_version ~= '4.0'", NULL, 0 },
        { "python_version === '3.11'", NULL, 1 },
        { "python_version === '3.11.0'", NULL, 0 },
        { "python_version === '3.11,3.12'", NULL, 0 },
        { "python_full_version < '3.12.0a1'", NULL, 1 },
        { "python_full_version != '3.11.7'", NULL, 0 },
        { "implementation_version >= '3.11'", NULL, 1 },
        /* no specifier: strings, which have no order */
        { "python_version in '3.10, 3.11'", NULL, 1 },
        { "python_version not in '3.10, 3.11'", NULL, 0 },
        { "python_version > 'x'", NULL, 0 },
        { "python_version >= '3.11, x'", NULL, 0 },
        { "python_version ~= '3'", NULL, PS_EINVALID },
        { "platform_release >= '20.04'", NULL, 0 },
        { "platform_release == '6.1.0-18-amd64'", NULL, 1 },
        { "'6.1.0-18-amd64' <= platform_release", NULL, 1 },
        /* not one of the variables that are versions */
        { "platform_version ~= '5'", NULL, PS_EINVALID },
        { "os_name < '2'", NULL, 0 },
        { "os_name == 'posix '", NULL, 0 },
    };

    (void)state;
    check_eval(cases, PS_ARRAY_SIZE(cases), &linux_env);
}

static void compares_strings_without_order(void **state)
{
    static const struct eval_case cases[] = {
        { "os_name == 'posix'", NULL, 1 },
        { "os_name != 'posix'", NULL, 0 },
        { "'posix' == os_name", NULL, 1 },
        { "os_name <= 'posix'", NULL, 1 },
        { "os_name >= 'posix'", NULL, 1 },
        { "os_name < 'zzz'", NULL, 0 },
        { "os_name > 'aaa'", NULL, 0 },
        { "'lin' in sys_platform", NULL, 1 },
        { "'win' in sys_platform", NULL, 0 },
        { "'' in sys_platform", NULL, 1 },
        { "sys_platform in 'linux darwin'", NULL, 1 },
        { "'SMP' not in platform_version", NULL, 0 },
        { "platform_machine == 'X86_64'", NULL, 0 },
        { "os_name === 'posix'", NULL, PS_EINVALID },
        { "os_name ~= 'posix'", NULL, PS_EINVALID },
        /* two variables: the right one is its name */
        { "os_name == sys_platform", NULL, 0 },
        /* two strings: the right one may name a variable */
        { "'posix' == 'os_name'", NULL, 1 },
        { "'a' == 'b'", NULL, PS_EINVALID },
        { "'a' ~= 'b'", NULL, PS_EINVALID },
    };

    (void)state;
    check_eval(cases, PS_ARRAY_SIZE(cases), &linux_env);
}

static void lets_and_bind_closer_than_or(void **state)
{
#define T "os_name == 'posix'"
#define F "os_name == 'nt'"
    static const struct eval_case cases[] = {
        { T " or " F " and " F, NULL, 1 },
        { F " and " F " or " T, NULL, 1 },
        { "(" T " or " F ") and " F, NULL, 0 },
        { F " or " F " or " T, NULL, 1 },
        { T " and " T " and " F, NULL, 0 },
        { T " and (" F " or " T ")", NULL, 1 },
        { F " and " T " or " F " and " T, NULL, 0 },
        /* no comparison is left out */
        { T " or 'a' == 'b'", NULL, PS_EINVALID },
        { F " and os_name ~= '1'", NULL, PS_EINVALID },
    };
#undef T
#undef F

    (void)state;
    check_eval(cases, PS_ARRAY_SIZE(cases), &linux_env);
}

static void compares_extras_by_their_normal_form(void **state)
{
    static const struct eval_case cases[] = {
        { "extra == 'test'", NULL, 0 },
        { "extra == ''", NULL, 1 },
        { "extra != 'test'", NULL, 1 },
        { "extra == 'test'", "test", 1 },
        { "extra == 'Test_It'", "tEST.iT", 1 },
        { "'Test_It' == extra", "test-it", 1 },
        { "extra in 'a TEST_b'", "test", 1 },
        { "extra == 'a' or extra == 'b'", "b", 1 },
        { "extra > 'a'", "b", 0 },
        /* sets are for lock files */
        { "'a' in extras", "a", PS_EINVALID },
        { "'a' in dependency_groups", "a", PS_EINVALID },
    };

    (void)state;
    check_eval(cases, PS_ARRAY_SIZE(cases), &linux_env);
}

static void knows_the_sets_of_lock_files(void **state)
{
    static const char *const extras[] = { "Foo_Bar", "x", NULL };
    static const char *const groups[] = { NULL };
    static const struct eval_case cases[] = {
        { "'foo.bar' in extras", NULL, 1 },
        { "'foo.bar' not in extras", NULL, 0 },
        { "'y' in extras", NULL, 0 },
        { "'x' in dependency_groups", NULL, 0 },
        { "'x' not in dependency_groups", NULL, 1 },
        { "'x' == extras", NULL, 0 },
        { "'x' != extras", NULL, 1 },
        { "'x' < extras", NULL, 0 },
        { "'x' ~= extras", NULL, PS_EINVALID },
        { "extras == 'x'", NULL, PS_EINVALID },
        { "extras in 'x'", NULL, PS_EINVALID },
    };
    struct ps_marker_env env = linux_env;

    (void)state;
    env.extras = extras;
    env.dependency_groups = groups;
    check_eval(cases, PS_ARRAY_SIZE(cases), &env);
}

static void takes_a_python_of_a_checkout_for_a_local_version(void **state)
{
    static const struct eval_case cases[] = {
        { "python_full_version >= '3.13.0a1'", NULL, 1 },
        { "python_full_version < '3.13'", NULL, 0 },
        { "python_full_version < '3.13.0a2'", NULL, 1 },
        { "python_full_version == '3.13.0a1+local'", NULL, 1 },
        { "python_full_version == '3.13.0a1'", NULL, 1 },
    };
    struct ps_marker_env env = linux_env;

    (void)state;
    env.python_full_version = "3.13.0a1+";
    check_eval(cases, PS_ARRAY_SIZE(cases), &env);
}

static void names_the_variable_that_has_no_value(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_marker_env env = linux_env;
    bool holds = false;

    (void)state;
    env.platform_machine = NULL;
    assert_code(PS_EINVALID,
                ps_marker_holds(parse(&arena, "platform_machine == 'a'"), &env,
                                NULL, &holds, &err),
                &err);
    assert_non_null(strstr(err.text, "'platform_machine' has no value"));
    assert_ok(ps_marker_holds(NULL, &env, NULL, &holds, &err), &err);
    assert_true(holds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_what_packaging_prints),
        cmocka_unit_test(refuses_what_is_no_marker),
        cmocka_unit_test(bounds_how_deep_parentheses_go),
        cmocka_unit_test(compares_versions_as_versions),
        cmocka_unit_test(compares_strings_without_order),
        cmocka_unit_test(lets_and_bind_closer_than_or),
        cmocka_unit_test(compares_extras_by_their_normal_form),
        cmocka_unit_test(knows_the_sets_of_lock_files),
        cmocka_unit_test(takes_a_python_of_a_checkout_for_a_local_version),
        cmocka_unit_test(names_the_variable_that_has_no_value),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
