/* What the machine can do, as doctor and build records see it. */
#include "fixture.h"

#include "pkgsync/json.h"

static void every_layer_is_named_and_explained(void **state)
{
    struct ps_layer layers[PS_LAYERS_MAX];
    struct ps_sandbox_options options = { .helper_path = fx.helper };
    struct ps_error err = PS_ERROR_INIT;
    bool has_landlock = false;
    size_t count = 0;

    (void)state;
    assert_ok(ps_sandbox_probe(&options, layers, &count, &err), &err);
    for (size_t i = 0; i < count; i++) {
        assert_true(layers[i].name[0] != '\0');
        has_landlock |= strcmp(layers[i].name, "landlock") == 0;
        if (layers[i].state == PS_LAYER_PRESENT)
            assert_string_equal(layers[i].remedy, "");
        else
            assert_true(layers[i].detail[0] != '\0');
    }
    assert_true(has_landlock);
    assert_true(count > 10);
}

static void the_strength_is_canonical_json(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    const char *text = fx.runner->strength(fx.runner);
    json_t *json = NULL;
    char *again = NULL;

    (void)state;
    assert_ok(ps_json_parse(ps_str_from(text), "strength", &json, &err), &err);
    again = ps_json_canonical(json);
    assert_string_equal(again, text);
    assert_non_null(
        json_object_get(json_object_get(json, "layers"), "seccomp"));
    assert_int_equal(json_array_size(json_object_get(json, "weakened")), 0);
    json_decref(json);
    free(again);
}

static void a_helper_that_is_not_there_is_an_error(void **state)
{
    struct ps_sandbox_options options = { .helper_path = "/nonexistent/h" };
    struct ps_runner *runner = NULL;
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    assert_code(PS_ENOTFOUND, ps_sandbox_new(&options, &runner, &err), &err);
    options.helper_path = "relative/helper";
    assert_code(PS_EINVALID, ps_sandbox_new(&options, &runner, &err), &err);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, fixture_setup)
    const struct CMUnitTest tests[] = {
        TEST(every_layer_is_named_and_explained),
        TEST(the_strength_is_canonical_json),
        TEST(a_helper_that_is_not_there_is_an_error),
    };

    return cmocka_run_group_tests(tests, fixture_group_setup,
                                  fixture_group_teardown);
}
