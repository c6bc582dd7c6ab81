/* How the requirement of a version is written, trap by trap. */
#include "pkgsync/levels.h"
#include "pkgsync/util.h"
#include "pkgsync/version.h"
#include "test_util.h"

struct sample {
    const char *version;
    const char *compatible; /* NULL: refused */
    const char *exact;
};

static const struct sample samples[] = {
    { "1.2.3", "x~=1.2.3", "x==1.2.3" },
    { "2.2.0", "x~=2.2.0", "x==2.2.0" }, /* ~=2.2 would admit 2.9 */
    { "2.2", "x~=2.2", "x==2.2" },
    { "2022.07.01", "x~=2022.7.1", "x==2022.7.1" },
    { "306", "x~=306.0", "x==306" },
    { "0", "x~=0.0", "x==0" },
    { "1.post1", "x~=1.0.post1", "x==1.post1" },
    { "1-1", "x~=1.0.post1", "x==1.post1" },
    { "1!2", "x~=1!2.0", "x==1!2" },
    { "1!2.post3", "x~=1!2.0.post3", "x==1!2.post3" },
    { "1!2.3.4", "x~=1!2.3.4", "x==1!2.3.4" },
    { "2.9.0.post0", "x~=2.9.0.post0", "x==2.9.0.post0" },
    { "1.0-1", "x~=1.0.post1", "x==1.0.post1" },
    { "v1.0", "x~=1.0", "x==1.0" },
    { " 1.2.3\n", "x~=1.2.3", "x==1.2.3" },
    { "1.0.0.0", "x~=1.0.0.0", "x==1.0.0.0" },
    { "99999999999999999999.1", "x~=99999999999999999999.1",
      "x==99999999999999999999.1" },
    /* ~=1.0rc1 would admit 1.1a1 */
    { "1.0rc1", "x==1.0rc1", "x==1.0rc1" },
    { "2.0-alpha.1", "x==2.0a1", "x==2.0a1" },
    { "2.0c1", "x==2.0rc1", "x==2.0rc1" },
    { "1b1", "x==1b1", "x==1b1" },
    { "1.0b2.post3", "x==1.0b2.post3", "x==1.0b2.post3" },
    { "1.0.dev3", "x==1.0.dev3", "x==1.0.dev3" },
    { "1.0.post1.dev2", "x==1.0.post1.dev2", "x==1.0.post1.dev2" },
    { "1.0a1.dev2", "x==1.0a1.dev2", "x==1.0a1.dev2" },
    /* ~=2.1+cu118 is no specifier */
    { "2.1.0+cu118", "x==2.1.0+cu118", "x==2.1.0+cu118" },
    { "1+local", "x==1+local", "x==1+local" },
    { "1.0+Ubuntu-1", "x==1.0+ubuntu.1", "x==1.0+ubuntu.1" },
    { "2.0.0+pt21cu118", "x==2.0.0+pt21cu118", "x==2.0.0+pt21cu118" },
    { "1.0+20240131", "x==1.0+20240131", "x==1.0+20240131" },
    { "1.0+gcc12", "x==1.0+gcc12", "x==1.0+gcc12" },
    /* made from a working tree: no index has them */
    { "1.2+g1a2b3c", NULL, NULL },
    { "1.2.dev3+g1a2b3c4.d20240131", NULL, NULL },
    { "0.1.dev1+g0123456789abcdef0123456789abcdef01234567", NULL, NULL },
    { "1.0+3.gdeadbeef.dirty", NULL, NULL },
    { "1.0+dirty", NULL, NULL },
    { "1.0+d20240131", NULL, NULL },
    { "0+unknown", NULL, NULL },
    { "0+untagged.3.g1a2b3c4", NULL, NULL },
    { "2.1.0a0+git664058f", NULL, NULL },
    { "1.4.post2.dev0+3f2a91c", NULL, NULL },
    /* none that PEP 440 allows */
    { "2004d-r3", "x===2004d-r3", "x===2004d-r3" },
    { "1.0_final_2", "x===1.0_final_2", "x===1.0_final_2" },
    { "UNKNOWN", "x===UNKNOWN", "x===UNKNOWN" },
    /* nothing that a requirement can say */
    { "", NULL, NULL },
    { "  ", NULL, NULL },
    { "1.0 build 7", NULL, NULL },
    { "${HOME}", NULL, NULL },
    { "--hash=x", NULL, NULL },
    { "-r/etc/x", NULL, NULL },
    { "1.0;python_version", NULL, NULL },
    { "1,2", NULL, NULL },
    { "1.0)", NULL, NULL },
    { "one\ntwo", NULL, NULL },
};

static void check(const char *version, bool exact, const char *expected)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    const char *requirement = NULL;
    const char *reason = NULL;
    int rc = ps_levels_requirement(&arena, "x", version, exact, &requirement,
                                   &reason, &err);

    if (!expected) {
        if (rc == PS_OK)
            fail_msg("'%s' gave '%s'", version, requirement);
        assert_int_equal(rc, PS_EINVALID);
        assert_non_null(strstr(err.text, "'x'"));
        assert_non_null(strstr(err.text, "--ignore x"));
        return;
    }
    assert_ok(rc, &err);
    assert_string_equal(requirement, expected);
    /* What is installed satisfies what is written for it. */
    if (!ps_levels_satisfied(requirement, version))
        fail_msg("'%s' does not admit '%s'", requirement, version);
}

static void every_trap_gets_the_requirement_that_means_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(samples); i++)
        check(samples[i].version, false, samples[i].compatible);
}

static void exact_is_written_for_every_version(void **state)
{
    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(samples); i++)
        check(samples[i].version, true, samples[i].exact);
}

static void the_examples_of_the_table_hold(void **state)
{
    const json_t *rows = json_object_get(ps_levels_rules(), "requirements");
    const json_t *row = NULL;
    size_t examples = 0;
    size_t i = 0;

    (void)state;
    json_array_foreach(rows, i, row)
    {
        const char *version = NULL;
        json_t *expected = NULL;

        json_object_foreach(json_object_get(row, "examples"), version, expected)
        {
            check(version, false, json_string_value(expected));
            examples++;
        }
    }
    assert_true(examples > 15);
}

static void what_is_not_plain_has_a_reason(void **state)
{
    static const struct {
        const char *version;
        const char *word; /* NULL: no reason */
    } cases[] = {
        { "1.2.3", NULL },           { "306", ".0" },
        { "1.0rc1", "pre-release" }, { "1.0.dev1", "development" },
        { "1.0+cu118", "local" },    { "UNKNOWN", "PEP 440" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        const char *requirement = NULL;
        const char *reason = NULL;

        assert_ok(ps_levels_requirement(&arena, "x", cases[i].version, false,
                                        &requirement, &reason, &err),
                  &err);
        if (!cases[i].word)
            assert_null(reason);
        else
            assert_non_null(strstr(reason, cases[i].word));
    }
}

static void a_name_that_is_none_is_refused(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    const char *requirement = NULL;

    (void)state;
    assert_code(PS_EINVALID,
                ps_levels_requirement(&arena, "no name", "1.0", false,
                                      &requirement, NULL, &err),
                &err);
}

static void compatible_means_what_pep_440_says(void **state)
{
    static const struct {
        const char *requirement, *version;
        bool is;
    } cases[] = {
        { "x~=1.2.3", "1.2.3", true },   { "x~=1.2.3", "1.2.9", true },
        { "x~=1.2.3", "1.2.2", false },  { "x~=1.2.3", "1.3.0", false },
        { "x~=306.0", "306", true },     { "x~=306.0", "306.9", true },
        { "x~=306.0", "307", false },    { "x==1.0", "1.0.0", true },
        { "x==1.0", "1.0+local", true }, { "x==1.0+a", "1.0", false },
        { "x~=1.2", "1.3rc1", true },    { "x===UNKNOWN", "UNKNOWN", true },
        { "x~=1.2", "UNKNOWN", false },  { "not a requirement ~", "1", false },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++)
        if (ps_levels_satisfied(cases[i].requirement, cases[i].version) !=
            cases[i].is)
            fail_msg("%s, %s", cases[i].requirement, cases[i].version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_trap_gets_the_requirement_that_means_it),
        cmocka_unit_test(exact_is_written_for_every_version),
        cmocka_unit_test(the_examples_of_the_table_hold),
        cmocka_unit_test(what_is_not_plain_has_a_reason),
        cmocka_unit_test(a_name_that_is_none_is_refused),
        cmocka_unit_test(compatible_means_what_pep_440_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
