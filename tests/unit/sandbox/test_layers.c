#include "test_util.h"

#include "probe.h"

static const struct ps_layer all[] = {
    { "user-namespace", PS_LAYER_PRESENT, true, "", "" },
    { "overlay", PS_LAYER_WEAK, false, "no user attributes", "Linux 6.6" },
    { "landlock", PS_LAYER_ABSENT, true, "no Landlock", "boot with lsm=" },
    { "seccomp", PS_LAYER_PRESENT, true, "allow-list", "" },
};

static void a_missing_layer_is_refused_by_name_with_its_remedy(void **state)
{
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    assert_code(PS_EUNSUPPORTED, ps_layers_check(all, 4, NULL, &err), &err);
    assert_non_null(strstr(err.text, "'landlock'"));
    assert_non_null(strstr(err.text, "no Landlock"));
    assert_non_null(strstr(err.text, "boot with lsm="));
    assert_non_null(strstr(err.text, "--weaken landlock"));
}

static void a_waived_layer_is_let_go(void **state)
{
    static const char *const weaken[] = { "proc", "landlock", NULL };
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    assert_ok(ps_layers_check(all, 4, weaken, &err), &err);
}

static void what_makes_a_sandbox_cannot_be_waived(void **state)
{
    static const char *const weaken[] = { "user-namespace", NULL };
    const struct ps_layer layer = { "user-namespace", PS_LAYER_ABSENT, true,
                                    "EPERM", "sysctl" };
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    assert_code(PS_EUNSUPPORTED, ps_layers_check(&layer, 1, weaken, &err),
                &err);
    assert_null(strstr(err.text, "--weaken"));
}

static void strength_names_every_layer_and_what_was_weakened(void **state)
{
    char *text = ps_layers_strength(all, 4);

    (void)state;
    assert_string_equal(text, "{\"layers\":{\"landlock\":\"absent\","
                              "\"overlay\":\"weak\",\"seccomp\":\"allow-list\","
                              "\"user-namespace\":\"present\"},"
                              "\"weakened\":[\"landlock\"]}");
    free(text);
}

static void the_self_test_is_parsed(void **state)
{
    static const char text[] =
        "[{\"name\": \"landlock\", \"state\": \"weak\", \"required\": true, "
        "\"detail\": \"ABI 4\", \"remedy\": \"a newer kernel\"}]";
    struct ps_layer layers[PS_LAYERS_MAX];
    struct ps_error err = PS_ERROR_INIT;
    size_t count = 0;

    (void)state;
    assert_ok(ps_layers_parse(PS_STR_LIT(text), layers, &count, &err), &err);
    assert_int_equal(count, 1);
    assert_string_equal(layers[0].name, "landlock");
    assert_int_equal(layers[0].state, PS_LAYER_WEAK);
    assert_true(layers[0].required);
    assert_string_equal(layers[0].detail, "ABI 4");
}

static void a_foreign_self_test_is_an_error(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        "{}",
        "[{}]",
        "[{\"name\": \"magic\", \"state\": \"weak\"}]",
        "[{\"name\": \"landlock\", \"state\": \"fine\"}]",
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(texts); i++) {
        struct ps_layer layers[PS_LAYERS_MAX];
        struct ps_error err = PS_ERROR_INIT;
        size_t count = 0;

        assert_code(
            PS_EINVALID,
            ps_layers_parse(ps_str_from(texts[i]), layers, &count, &err), &err);
    }
}

static void states_have_names(void **state)
{
    (void)state;
    assert_string_equal(ps_layer_state_name(PS_LAYER_PRESENT), "present");
    assert_string_equal(ps_layer_state_name(PS_LAYER_WEAK), "weak");
    assert_string_equal(ps_layer_state_name(PS_LAYER_ABSENT), "absent");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_layer_is_refused_by_name_with_its_remedy),
        cmocka_unit_test(a_waived_layer_is_let_go),
        cmocka_unit_test(what_makes_a_sandbox_cannot_be_waived),
        cmocka_unit_test(strength_names_every_layer_and_what_was_weakened),
        cmocka_unit_test(the_self_test_is_parsed),
        cmocka_unit_test(a_foreign_self_test_is_an_error),
        cmocka_unit_test(states_have_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
