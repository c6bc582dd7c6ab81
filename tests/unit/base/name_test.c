/* Names of distributions. */
#include "pkgsync/name.h"

#include "test_util.h"

static void normalises_names(void **state)
{
    static const char *const rows[][2] = {
        { "demo", "demo" },
        { "Demo", "demo" },
        { "zope.interface", "zope-interface" },
        { "Foo__Bar", "foo-bar" },
        { "a-_.-b", "a-b" },
        { "A.B_C-D", "a-b-c-d" },
        { "_demo_", "-demo-" },
        { "...", "-" },
        { "1Up", "1up" },
        { "d\xc3\x89mo", "d\xc3\x89mo" },
        { "", "" },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++)
        assert_string_equal(ps_normalize_name(&arena, ps_str_from(rows[i][0])),
                            rows[i][1]);
}

static void compares_names_in_any_spelling(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        bool equal;
    } rows[] = {
        { "", "", true },
        { "demo", "DEMO", true },
        { "zope.interface", "Zope_-Interface", true },
        { "a---b", "a.b", true },
        { "demo", "demos", false },
        { "demo", "demo-", false },
        { "demo-", "demo._", true },
        { "a-b", "ab", false },
        { "a-b", "a-c", false },
        { "", "-", false },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_str a = ps_str_from(rows[i].a);
        struct ps_str b = ps_str_from(rows[i].b);

        print_message("case: '%s' '%s'\n", rows[i].a, rows[i].b);
        assert_int_equal(ps_name_equal(a, b), rows[i].equal);
        assert_int_equal(ps_name_equal(b, a), rows[i].equal);
    }
}

static void a_nul_is_a_character_like_another(void **state)
{
    (void)state;
    assert_false(ps_name_equal(PS_STR_LIT("a\0b"), PS_STR_LIT("a\0c")));
    assert_false(ps_name_equal(PS_STR_LIT("a\0"), PS_STR_LIT("a")));
    assert_false(ps_name_is_valid(PS_STR_LIT("a\0b")));
}

static void tells_valid_and_normal_names(void **state)
{
    static const struct {
        const char *name;
        bool valid;
        bool normal;
    } rows[] = {
        { "a", true, true },
        { "7", true, true },
        { "a1-2b", true, true },
        { "0-0-0", true, true },
        { "A", true, false },
        { "a.b", true, false },
        { "a_b", true, false },
        { "a--b", true, false },
        { "a-.b", true, false },
        { "aB", true, false },
        { "", false, false },
        { "-", false, false },
        { "-a", false, false },
        { "a-", false, false },
        { ".a", false, false },
        { "a_", false, false },
        { "a b", false, false },
        { "a\n", false, false },
        { "a/b", false, false },
        { "a[b]", false, false },
        { "\xc3\xa9", false, false },
        { "\xd9\xa1", false, false }, /* an Arabic digit */
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_str name = ps_str_from(rows[i].name);

        print_message("case: '%s'\n", rows[i].name);
        assert_int_equal(ps_name_is_valid(name), rows[i].valid);
        assert_int_equal(ps_name_is_normal(name), rows[i].normal);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalises_names),
        cmocka_unit_test(compares_names_in_any_spelling),
        cmocka_unit_test(a_nul_is_a_character_like_another),
        cmocka_unit_test(tells_valid_and_normal_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
