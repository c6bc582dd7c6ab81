/* Requirements: what packaging.requirements reads, prints and refuses. */
#include "test_util.h"

#include "pkgsync/requirement.h"

static int parse(struct ps_arena *arena, const char *text,
                 struct ps_requirement *r, struct ps_error *err)
{
    return ps_requirement_parse(arena, ps_str_from(text), r, err);
}

static void prints_what_packaging_prints(void **state)
{
    static const struct {
        const char *text;
        const char *printed;
    } cases[] = {
        { "package", "package" },
        { "  pAcKaGe\t", "pAcKaGe" },
        { "foo-bar.quux_bAz", "foo-bar.quux_bAz" },
        { "android12", "android12" },
        { "3to2", "3to2" },
        { "name_", "name_" },
        /* extras: sorted, each once, as written */
        { "name[]", "name" },
        { "name[ ]>=1", "name>=1" },
        { "name [b , a,B,a]", "name[B,a,b]" },
        { "name[all-blue]", "name[all-blue]" },
        { "name[a_]>1", "name[a_]>1" },
        /* specifiers */
        { "name>=1", "name>=1" },
        { "name()", "name" },
        { "name (  )", "name" },
        { "name(>=1,<2)", "name<2,>=1" },
        { "name ( >= 1 , < 2 )", "name<2,>=1" },
        { "name>=1,", "name>=1" },
        { "name==1.0.*", "name==1.0.*" },
        { "name==1.0+cu118,!=2", "name!=2,==1.0+cu118" },
        { "name == 1.0-alpha", "name==1.0-alpha" },
        { "name<=1!3.0.0.rc2", "name<=1!3.0.0.rc2" },
        { "name~=2.2.post3", "name~=2.2.post3" },
        { "name===arbitrary string", NULL },
        { "name===arbitrarystring", "name===arbitrarystring" },
        { "name (=== 1.0.dev-x)", "name===1.0.dev-x" },
        { "name>=1.0.post1.dev2", "name>=1.0.post1.dev2" },
        /* URLs end at a blank and nowhere else */
        { "name@https://x/y.zip", "name @ https://x/y.zip" },
        { "name @ gopher:/foo/com", "name @ gopher:/foo/com" },
        { "name @ file:.", "name @ file:." },
        { "name @ git+ssh://git@h:p/q.git@v1#egg=n&subdirectory=s",
          "name @ git+ssh://git@h:p/q.git@v1#egg=n&subdirectory=s" },
        { "name[x]@https://x/n;v=1.1/?q=a&b=c#d ; os_name=='a'",
          "name[x] @ https://x/n;v=1.1/?q=a&b=c#d ; os_name == \"a\"" },
        { "name @ https://x;os_name=='a'", "name @ https://x;os_name=='a'" },
        { "name @ https://x/y  ", "name @ https://x/y" },
        /* markers */
        { "name;os_name=='a'", "name; os_name == \"a\"" },
        { "name>=1 ; os_name=='a'", "name>=1; os_name == \"a\"" },
        { "name(>=1);(os_name=='a')", "name>=1; os_name == \"a\"" },
        { "mariadb>=1.0.1; extra == 'mariadb_Connector'",
          "mariadb>=1.0.1; extra == \"mariadb-connector\"" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        struct ps_requirement r = { 0 };
        int rc = parse(&arena, cases[i].text, &r, &err);

        if (!cases[i].printed) {
            assert_code(PS_EINVALID, rc, &err);
            continue;
        }
        assert_ok(rc, &err);
        assert_string_equal(ps_requirement_string(&arena, &r),
                            cases[i].printed);
    }
}

static void gives_the_parts(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_requirement r = { 0 };

    (void)state;
    assert_ok(parse(&arena,
                    "Requests [security, tests]>=2.8.1,==2.8.* ; "
                    "python_version<'2.7'",
                    &r, &err),
              &err);
    assert_true(ps_str_is(r.name, "Requests"));
    assert_int_equal(r.extra_count, 2);
    assert_true(ps_str_is(r.extras[0], "security"));
    assert_true(ps_str_is(r.extras[1], "tests"));
    assert_int_equal(r.specifiers.count, 2);
    assert_int_equal(r.specifiers.items[0].op, PS_OP_GE);
    assert_int_equal(r.url.len, 0);
    assert_string_equal(ps_marker_string(&arena, r.marker),
                        "python_version < \"2.7\"");

    assert_ok(parse(&arena, "a @ http://x/", &r, &err), &err);
    assert_true(ps_str_is(r.url, "http://x/"));
    assert_int_equal(r.specifiers.count, 0);
    assert_null(r.marker);
}

static void says_what_was_expected_and_where(void **state)
{
    static const struct {
        const char *text;
        const char *column;
        const char *expected;
    } cases[] = {
        { "", "column 1:", "the name of a package" },
        { "   ", "column 4:", "the name of a package" },
        { "==0.0", "column 1:", "the name of a package" },
        { "-name", "column 1:", "the name of a package" },
        { "\xc3\xa9t\xc3\xa9", "column 1:", "the name of a package" },
        { "name-", "column 5:", "a version specifier" },
        { "name\n", "column 5:", "a version specifier" },
        { "name>=1\r\n", "column 8:", "comma" },
        { "name[bar baz]", "column 10:", "a comma between" },
        { "name[bar, baz,]", "column 15:", "the name of an extra" },
        { "name[,]", "column 6:", "']' for the '[' of column 5" },
        { "name[bar", "column 9:", "']' for the '[' of column 5" },
        { "name[bar/x]", "column 9:", "']'" },
        { "name (>= 1.0", "column 13:", "')' for the '(' of column 6" },
        { "name >= 1.0)", "column 12:", "a comma, a ';' or the end" },
        { "name (>=20.*)", "column 11:", "only == and !=" },
        { "name == 1.2.3.post4.*", "column 20:", "no '.*' after a pre-" },
        { "name>=1.0+x", "column 10:", "no local label" },
        { "name==1.0+", "column 10:", "a local label after" },
        { "name==1.0 2", "column 11:", "a comma" },
        { "name=1.0", "column 5:", "'==' instead of '='" },
        { "name~=1", "column 5:", "two or more parts" },
        { "name>=x", "column 5:", "a version after the operator" },
        { "name>=1,,<2", "column 9:", "a comma" },
        { "name 1.0", "column 6:", "a version specifier" },
        { "name @", "column 7:", "a URL after '@'" },
        { "name @ ", "column 8:", "a URL after '@'" },
        { "name @ https://x y", "column 18:", "';' or the end" },
        { "name @ https://x\ny", "column 17:", "no control character" },
        { "name @ https://x ;", "column 19:", "a marker variable" },
        { "name; ", "column 7:", "a marker variable" },
        { "name; os_name", "column 14:", "an operator" },
        { "name; os_name=='a", "column 16:", "ends the string" },
        { "name; os_name=='a' x", "column 20:", "'and', 'or' or the end" },
        { "name; os_name=='a'; os_name=='b'", "column 19:", "'and'" },
        { "name; (os_name=='a'", "column 20:", "')' for the '('" },
        { "name; os_name not 'a'", "column 19:", "'in' after 'not'" },
        { "name; osname == 'a'", "column 7:", "a marker variable" },
        { "\xc3\xa9; x", "column 1:", "name" },
        { "na\xffme", "column 3:", "UTF-8" },
        { "demo===x,y", "", "'y'" },
        { "demo===x,\1y", "", "'?y'" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        struct ps_requirement r = { 0 };

        assert_code(PS_EINVALID, parse(&arena, cases[i].text, &r, &err), &err);
        if (!strstr(err.text, cases[i].column) ||
            !strstr(err.text, cases[i].expected))
            fail_msg("'%s': %s", cases[i].text, err.text);
    }
}

static void takes_a_nul_for_no_end(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_requirement r = { 0 };

    (void)state;
    assert_code(PS_EINVALID,
                ps_requirement_parse(&arena, PS_STR_LIT("name\0>=1"), &r, &err),
                &err);
    assert_code(
        PS_EINVALID,
        ps_requirement_parse(&arena, PS_STR_LIT("a @ x://\0y"), &r, &err),
        &err);
    assert_code(PS_EINVALID,
                ps_requirement_parse(&arena, PS_STR_LIT("a; os_name == 'x\0y'"),
                                     &r, &err),
                &err);
}

/* `before`, `unit` as often as fits into a megabyte, `after`. */
static char *repeat(const char *before, const char *unit, const char *after)
{
    size_t n = PS_MIB(1) / strlen(unit);
    char *text =
        ps_calloc(strlen(before) + n * strlen(unit) + strlen(after) + 1, 1);
    char *end = stpcpy(text, before);

    while (n-- > 0)
        end = stpcpy(end, unit);
    (void)stpcpy(end, after);
    return text;
}

/* ctest's time limit is what catches a quadratic parser. */
static void reads_a_megabyte_of_anything(void **state)
{
    static const struct {
        const char *before, *unit, *after;
        int code;
    } cases[] = {
        { "", "a", "", PS_OK },
        { "", "-", "", PS_EINVALID },
        { "a", "-", "", PS_EINVALID },
        { "a", "-a", "", PS_OK },
        { "a", "[", "", PS_EINVALID },
        { "a[x", ",x", "]", PS_OK },
        { "a[x", ",y1", "", PS_EINVALID },
        { "a", "(", "", PS_EINVALID },
        { "a;", "(", "", PS_EINVALID },
        { "a;", "( ", "os_name=='x'", PS_EINVALID },
        { "a;os_name=='x'", " and os_name=='x'", "", PS_OK },
        { "a;os_name=='x'", " or(os_name=='x')", "", PS_OK },
        { "a;os_name=='x'", ")", "", PS_EINVALID },
        { "a;os_name=='", "x", "'", PS_OK },
        { "a;os_name=='", "\\\\", "'", PS_OK },
        { "a;os_name=='", "\\", "'", PS_OK },
        { "a;os_name==", "\"'", "", PS_EINVALID },
        { "a;os_name", " ", "", PS_EINVALID },
        { "a@", "x", "", PS_OK },
        { "a@", " ", "", PS_EINVALID },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        PS_AUTO_FREE char *text =
            repeat(cases[i].before, cases[i].unit, cases[i].after);
        struct ps_error err = PS_ERROR_INIT;
        struct ps_requirement r = { 0 };
        int rc = parse(&arena, text, &r, &err);

        if (rc != cases[i].code)
            fail_msg("'%s', then '%s': %s", cases[i].before, cases[i].unit,
                     err.text);
        if (rc == PS_OK)
            assert_non_null(ps_requirement_string(&arena, &r));
        else
            assert_true(strlen(err.text) < PS_ERROR_TEXT_MAX - 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prints_what_packaging_prints),
        cmocka_unit_test(gives_the_parts),
        cmocka_unit_test(says_what_was_expected_and_where),
        cmocka_unit_test(takes_a_nul_for_no_end),
        cmocka_unit_test(reads_a_megabyte_of_anything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
