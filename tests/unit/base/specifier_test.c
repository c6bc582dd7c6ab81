/* Version specifiers: what is one, how it is written, what it admits. */
#include "pkgsync/version.h"

#include "test_util.h"

static struct ps_specifiers parse(struct ps_arena *arena, const char *text)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_specifiers set;

    assert_ok(ps_specifiers_parse(arena, ps_str_from(text), &set, &err), &err);
    return set;
}

static void reads_every_operator(void **state)
{
    static const struct {
        const char *text;
        const char *op;
        const char *version;
        bool wildcard;
    } rows[] = {
        { "==1.0", "==", "1.0", false },
        { "== 1.0 ", "==", "1.0", false },
        { "==v1.0-RC.1", "==", "v1.0-RC.1", false },
        { "==1.*", "==", "1", true },
        { "==1!2.0.*", "==", "1!2.0", true },
        { "==v1.*", "==", "v1", true },
        { "==1.0+ubuntu-1", "==", "1.0+ubuntu-1", false },
        { "!=1.0+local", "!=", "1.0+local", false },
        { "!=1.0.*", "!=", "1.0", true },
        { "<=1.0.dev1", "<=", "1.0.dev1", false },
        { ">=\t1.0a1", ">=", "1.0a1", false },
        { "<1!0", "<", "1!0", false },
        { ">0-1", ">", "0-1", false },
        { "~=1.0", "~=", "1.0", false },
        { "~= 1!1.4.5.post1.dev2", "~=", "1!1.4.5.post1.dev2", false },
        { "===foo-bar", "===", "foo-bar", false },
        { "===1.*", "===", "1.*", false },
        { "=== ==1", "===", "==1", false },
        { "===", "===", "", false },
        { "\xc2\xa0==\xe2\x80\x83"
          "1\xc2\xa0",
          "==", "1", false },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_specifiers set = parse(&arena, rows[i].text);

        print_message("case: '%s'\n", rows[i].text);
        assert_int_equal(set.count, 1);
        assert_string_equal(ps_specifier_op_text(set.items[0].op), rows[i].op);
        assert_true(ps_str_is(set.items[0].text, rows[i].version));
        assert_int_equal(set.items[0].wildcard, rows[i].wildcard);
    }
}

static void refuses_what_is_no_specifier(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        { "1.0", "begins with none of" },
        { "lolwat", "begins with none of" },
        { "=1.0", "begins with none of" },
        { "=>1.0", "begins with none of" },
        { "~1.0", "begins with none of" },
        { "==", "is not a PEP 440 version" },
        { ">=", "is not a PEP 440 version" },
        { ">>1", "is not a PEP 440 version" },
        { "== =1", "is not a PEP 440 version" },
        { ">=1.0 2.0", "is not a PEP 440 version" },
        { ">=1.0;", "is not a PEP 440 version" },
        { "==(1.0)", "is not a PEP 440 version" },
        { "==.*", "is not a PEP 440 version" },
        { "==*", "is not a PEP 440 version" },
        { "==1*", "is not a PEP 440 version" },
        { "==1.*.*", "is not a PEP 440 version" },
        { "==1.*.2", "is not a PEP 440 version" },
        { "==1.0.*+5", "is not a PEP 440 version" },
        { "==1 .*", "blank before '.*'" },
        { "==1\xc2\xa0.*", "blank before '.*'" },
        { "==1.0a1.*", "follows release numbers" },
        { "!=1.0.post1.*", "follows release numbers" },
        { "!=1.0.dev1.*", "follows release numbers" },
        { "==1.0+local.*", "follows release numbers" },
        { "==1.0-1.*", "follows release numbers" },
        { ">=1.*", "goes with == and !=" },
        { "<=1.*", "goes with == and !=" },
        { ">1.*", "goes with == and !=" },
        { "<1.*", "goes with == and !=" },
        { "~=1.0.*", "goes with == and !=" },
        { ">=1.0+l", "a local label" },
        { "<=1.0+l", "a local label" },
        { ">1.0+l", "a local label" },
        { "<1.0+l", "a local label" },
        { "~=1.0+l", "a local label" },
        { "~=1", "two release numbers" },
        { "~=1.post1", "two release numbers" },
        { "~=1!1", "two release numbers" },
        { "~=v1a1", "two release numbers" },
        { "===a b", "without blanks" },
        { "===a;b", "without blanks" },
        { "===a)", "without blanks" },
        { "===a\xe3\x80\x80"
          "b",
          "without blanks" },
        { "===1,2", "begins with none of" },
        { ">=1,<x", "'<x'" },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_error err = PS_ERROR_INIT;
        struct ps_specifiers set;

        if (ps_specifiers_parse(&arena, ps_str_from(rows[i].text), &set,
                                &err) != PS_EINVALID)
            fail_msg("'%s' passed", rows[i].text);
        if (!strstr(err.text, rows[i].why))
            fail_msg("'%s': %s", rows[i].text, err.text);
    }
}

static void writes_a_set_sorted_and_without_doubles(void **state)
{
    static const char *const rows[][2] = {
        { "", "" },
        { " , ,", "" },
        { ">= 1.0", ">=1.0" },
        { ">=1.0,!=1.0.1", "!=1.0.1,>=1.0" },
        { "!=1, ~=2.0 ,==3.*,<4,<=5,===6,>7,>=8",
          "!=1,<4,<=5,==3.*,===6,>7,>=8,~=2.0" },
        { "==1.0,==1.0", "==1.0" },
        { "==1.0.0,==1,==v1.0", "==1" },
        { "==1.0c1,==1.0-RC.1", "==1.0-RC.1" },
        { "~=1.0,~=1.0.0", "~=1.0,~=1.0.0" },
        { "==1.*,==1.0.*", "==1.*,==1.0.*" },
        { "===1,===1.0", "===1,===1.0" },
        { ">=1,<=1,>=1.0", "<=1,>=1" },
        { "==1.0+A,==1+a", "==1+a" },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_specifiers set = parse(&arena, rows[i][0]);
        char *text = ps_specifiers_string(&arena, &set);

        assert_string_equal(text, rows[i][1]);
        set = parse(&arena, text);
        assert_string_equal(ps_specifiers_string(&arena, &set), text);
    }
}

/* Every one of the versions, or none. */
static void assert_admits(const struct ps_specifiers *set, const char *text,
                          const char *versions, bool expected)
{
    struct ps_str rest = ps_str_from(versions);
    bool more = rest.len > 0;

    while (more) {
        struct ps_str version;

        more = ps_str_cut(&rest, ' ', &version);
        if (ps_specifiers_contain(set, version, PS_PRERELEASES_YES) != expected)
            fail_msg("'%s' %s '%.*s'", text,
                     expected ? "does not admit" : "admits",
                     PS_STR_FMT(version));
    }
}

static void admits_by_the_rules_of_each_operator(void **state)
{
    static const struct {
        const char *set;
        const char *in;  /* between blanks */
        const char *out; /* between blanks */
    } rows[] = {
        { "==2.0", "2 2.0 2.0.0 v2 0!2 2.0+local 2+1",
          "2.1 2.0.1 1!2 2.0a1 2.0.dev1 2.0.post1 2.0.post1+l 1.9" },
        { "==2.0+l.1", "2+l.1 2.0+L-01", "2 2.0+l 2.0+l.2 2.0+l.1.0" },
        { "==2a1", "2.0-alpha.1 2a1+x", "2a2 2 2a1.post0 2a1.dev0" },
        { "!=2.0", "2.1 2.0a1 2.0.post1 1!2", "2 2.0.0 2+local" },
        { "!=2.0+l", "2 2.0+m 2.1", "2+l 2.0+L" },
        { "==2.*", "2 2.0 2.9.9 2a1 2.dev0 2.0.post1 2+l 2.1.dev1",
          "1 1.9 3 3.dev0 20 1!2" },
        { "==2.0.*", "2 2.0.5 2.0a1 2.0.0.0.1", "2.1 2.1.dev0 1.9" },
        { "==1!0.*", "1!0 1!0.5", "0 0.5 1 1!1" },
        { "!=2.0.*", "2.1 2.1.dev0 1.9 1!2", "2 2.0.5 2.0a1 2+l" },
        { "<=2.0", "2 2.0+l 2.0a1 2.dev0 1.9+x 0", "2.0.1 2.0.post0 2.0.0.1" },
        { "<=2a1", "2a1 2a1+l 1 2.dev3", "2 2a2 2a1.post0" },
        { ">=2.0", "2 2.0.0 2.0+l 2.0.post0 3a1 1!0", "2a1 2.dev0 2rc9 1.9+x" },
        { ">=2.0.post1", "2.0.post1 2.0.post1+l 2.1.dev0", "2 2.0.post0" },
        { "<2.0", "1.9 1.9.9.post5 1.9+l 0", "2 2.0+l 2a1 2.dev0 2.0.post0" },
        { "<2.0a2", "2.0a1 2.0.dev5 2.0a2.dev0 1", "2.0a2 2.0a2+l 2" },
        { "<2.0.dev2", "2.0.dev1 2.0.dev1+l 1.9", "2.0.dev2 2" },
        { "<2.0.post1", "2 2.0+l 2a1 2.0.post0 2.0.post0+l",
          "2.0.post1 2.0.post1.dev0 2.1" },
        { "<0", "", "0 0a1 0.dev0 0+l" },
        { ">2.0", "2.1 2.0.1 2.1a1 2.0.0.1 1!0 2.1.dev0",
          "2 2.0+l 2.0.post0 2.0.post1+l 2a1 2.post1.dev0" },
        { ">2.0a1", "2.0a2 2.0a2.dev0 2.0 2.0.post1 2.0b0",
          "2.0a1 2.0a1+l 2.0a1.post1 2.0a1.dev1 1" },
        { ">2.0.post1", "2.0.post2 2.0.post2.dev0 2.1",
          "2 2.0.post1 2.0.post1+l 2.0.post1.dev1" },
        { ">2.0.dev1", "2.0.dev2 2.0a1 2 2.0.post1", "2.0.dev1 2.0.dev1+l" },
        { "~=2.2", "2.2 2.3 2.9.9 2.2.post3 2.2+l 2.3a1",
          "2.2a1 3 3.dev0 2.1" },
        { "~=2.2.0", "2.2 2.2.1 2.2.0.post1", "2.3 2.3.dev0 2.2rc1" },
        { "~=2.0.post1", "2.0.post1 2.1 2.0.post2", "2 3 2.0.post0" },
        { "~=1.0rc1", "1.0rc1 1.0rc2 1 1.1a1 1.9", "1.0b1 2 2.dev0 0.9" },
        { "~=1.4.5a4.dev3", "1.4.5a4.dev3 1.4.5 1.4.99", "1.4.5a4.dev2 1.5" },
        { "~=1!1.0", "1!1 1!1.5", "1.5 1!2 2!1 1!0.9" },
        { "===Foo", "foo FOO Foo", "fo foo2 1.0" },
        { "===1.0", "1.0", "1 1.0.0 v1.0 1.0+l" },
        { "===1.0+L", "1.0+l", "1.0" },
        { "===", "", "1 x" },
        { "", "1 1.0a1 junk", "" },
        { ">=1,!=1.5,<2", "1 1.4 1.6 1.99", "0.9 1.5 1.5+l 2 2a1" },
        { ">=1,===1.5", "1.5", "1.50 1.6" },
        { ">=1,===junk", "", "junk 1" },
        { ">=99999999999999999999", "99999999999999999999.1",
          "99999999999999999998" },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_specifiers set = parse(&arena, rows[i].set);

        assert_admits(&set, rows[i].set, rows[i].in, true);
        assert_admits(&set, rows[i].set, rows[i].out, false);
    }
}

static void admits_no_version_that_is_none(void **state)
{
    static const char *const sets[] = { "==1", "!=1",   "<=1", ">=1",
                                        "<1",  "~=1.0", ">1",  "!=1.*" };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(sets); i++) {
        struct ps_specifiers set = parse(&arena, sets[i]);

        assert_false(ps_specifiers_contain(&set, PS_STR_LIT("not-a-version"),
                                           PS_PRERELEASES_YES));
        assert_false(
            ps_specifiers_contain(&set, PS_STR_LIT(""), PS_PRERELEASES_YES));
    }
}

static void admits_prereleases_by_the_policy(void **state)
{
    static const struct {
        const char *set;
        const char *version;
        bool names;
        bool automatic, yes, no;
    } rows[] = {
        { ">=1", "2", false, true, true, true },
        { ">=1", "2a1", false, false, true, false },
        { ">=1", "2.dev1", false, false, true, false },
        { ">=1", "2.post1", false, true, true, true },
        { ">=1", "2.post1.dev0", false, false, true, false },
        { "", "1a1", false, false, true, false },
        { ">=1a1", "2a1", true, true, true, false },
        { "==1.0.dev1", "1.dev1", true, true, true, false },
        { "<1rc1", "1b1", true, true, true, false },
        { "~=1.0a1", "1.1a1", true, true, true, false },
        { "===1.0a1", "1.0A1", true, true, true, false },
        { "===junk", "junk", false, true, true, true },
        { "!=1a1", "2a1", false, false, true, false },
        { "==1.*", "1.0a1", false, false, true, false },
        { ">=1,!=1.5a1", "2a1", false, false, true, false },
        { ">=1,<3a1", "2a1", true, true, true, false },
        { ">=1.post1", "2a1", false, false, true, false },
        { ">=3a1", "2a1", true, false, false, false },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_specifiers set = parse(&arena, rows[i].set);
        struct ps_str version = ps_str_from(rows[i].version);

        print_message("case: '%s' '%s'\n", rows[i].set, rows[i].version);
        assert_int_equal(ps_specifiers_name_prerelease(&set), rows[i].names);
        assert_int_equal(
            ps_specifiers_contain(&set, version, PS_PRERELEASES_AUTO),
            rows[i].automatic);
        assert_int_equal(
            ps_specifiers_contain(&set, version, PS_PRERELEASES_YES),
            rows[i].yes);
        assert_int_equal(
            ps_specifiers_contain(&set, version, PS_PRERELEASES_NO),
            rows[i].no);
    }
}

static void takes_prereleases_where_nothing_final_is_left(void **state)
{
    static const struct {
        const char *set;
        const char *versions[5];
        const char *expected[3]; /* AUTO, YES, NO: '+' where admitted */
    } rows[] = {
        { ">=1", { "0.9", "1.0", "1.1a1", "2" }, { "-+-+", "-+++", "-+-+" } },
        { ">=1", { "0.9", "1.1a1", "2.dev0" }, { "-++", "-++", "---" } },
        { ">=1a1", { "0.9", "1.0", "1.1a1" }, { "-++", "-++", "-+-" } },
        { "<1", { "2", "0.5a1" }, { "-+", "-+", "--" } },
        { "", { "junk", "1a1" }, { "++", "++", "+-" } },
        { "", { "junk", "1a1", "1" }, { "+-+", "+++", "+-+" } },
        { "===1A1", { "1a1", "1" }, { "+-", "+-", "--" } },
        { ">=1", { NULL }, { "", "", "" } },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_specifiers set = parse(&arena, rows[i].set);
        struct ps_str versions[5];
        size_t count = 0;

        for (; rows[i].versions[count]; count++)
            versions[count] = ps_str_from(rows[i].versions[count]);
        for (int policy = 0; policy < 3; policy++) {
            bool admitted[5] = { false };
            char marks[6] = "";

            ps_specifiers_filter(&set, versions, count,
                                 (enum ps_prereleases)policy, admitted);
            for (size_t k = 0; k < count; k++)
                marks[k] = admitted[k] ? '+' : '-';
            assert_string_equal(marks, rows[i].expected[policy]);
        }
    }
}

static void what_was_read_outlives_the_text(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    char *text = ps_strdup("==1.0,===X");
    struct ps_specifiers set = parse(&arena, text);

    (void)state;
    memset(text, '#', strlen(text));
    free(text);
    assert_string_equal(ps_specifiers_string(&arena, &set), "==1.0,===X");
}

/* A line of metadata may hold as many as fit. */
static void copes_with_very_many(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_FREE char *text = ps_calloc((size_t)PS_MIB(1) + 2, 1);
    struct ps_error err = PS_ERROR_INIT;
    struct ps_specifiers set;

    (void)state;
    for (size_t i = 0; i < PS_MIB(1); i++)
        text[i] = ">=1,!=7,"[i % 8];
    set = parse(&arena, text);
    assert_int_equal(set.count, PS_MIB(1) / 4);
    assert_string_equal(ps_specifiers_string(&arena, &set), "!=7,>=1");
    text[PS_MIB(1)] = ',';
    assert_code(PS_EINVALID,
                ps_specifiers_parse(&arena, ps_str_from(text), &set, &err),
                &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_operator),
        cmocka_unit_test(refuses_what_is_no_specifier),
        cmocka_unit_test(writes_a_set_sorted_and_without_doubles),
        cmocka_unit_test(admits_by_the_rules_of_each_operator),
        cmocka_unit_test(admits_no_version_that_is_none),
        cmocka_unit_test(admits_prereleases_by_the_policy),
        cmocka_unit_test(takes_prereleases_where_nothing_final_is_left),
        cmocka_unit_test(what_was_read_outlives_the_text),
        cmocka_unit_test(copes_with_very_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
