#include "test_util.h"

#include "pkgsync/json.h"

static json_t *parse(const char *text)
{
    struct ps_error err = PS_ERROR_INIT;
    json_t *value = NULL;

    assert_ok(ps_json_parse(ps_str_from(text), "it", &value, &err), &err);
    return value;
}

static void assert_canonical(const char *text, const char *expected)
{
    PS_AUTO_JSON json_t *value = parse(text);
    PS_AUTO_FREE char *got = ps_json_canonical(value);

    assert_string_equal(got, expected);
}

static void the_canonical_form_sorts_keys_and_drops_blanks(void **state)
{
    (void)state;
    assert_canonical(" { } ", "{}");
    assert_canonical("[ ]", "[]");
    assert_canonical("{ \"b\" : 1 , \"a\" : [ true , null ] }",
                     "{\"a\":[true,null],\"b\":1}");
    assert_canonical("[{\"z\":{\"b\":1,\"a\":2}},\"x\"]",
                     "[{\"z\":{\"a\":2,\"b\":1}},\"x\"]");
    assert_canonical("[-0, 9223372036854775807, -9223372036854775808]",
                     "[0,9223372036854775807,-9223372036854775808]");
}

/* UTF-16 order would put U+1F600 (surrogates D83D DE00) before U+FB33. */
static void canonical_keys_are_sorted_by_code_point(void **state)
{
    (void)state;
    assert_canonical("{\"\xf0\x9f\x98\x80\":1,\"\xef\xac\xb3\":2,"
                     "\"\xc3\xb6\":3,\"z\":4,\"aa\":5,\"a\":6,\"\":7,"
                     "\"A\":8}",
                     "{\"\":7,\"A\":8,\"a\":6,\"aa\":5,\"z\":4,"
                     "\"\xc3\xb6\":3,\"\xef\xac\xb3\":2,"
                     "\"\xf0\x9f\x98\x80\":1}");
}

static void one_text_has_one_canonical_spelling(void **state)
{
    (void)state;
    assert_canonical("[\"\\u00e9\\/\\u0041\\t\\u0001\\u001F\\\"\\\\\"]",
                     "[\"\xc3\xa9/A\\t\\u0001\\u001F\\\"\\\\\"]");
    assert_canonical("[\"\\ud83d\\ude00\"]", "[\"\xf0\x9f\x98\x80\"]");
}

static void the_digest_does_not_depend_on_the_order_of_keys(void **state)
{
    PS_AUTO_JSON json_t *one = parse("{\"a\":1,\"b\":[2]}");
    PS_AUTO_JSON json_t *same = parse("{ \"b\" : [2], \"a\" : 1 }");
    PS_AUTO_JSON json_t *other = parse("{\"a\":1,\"b\":[3]}");
    struct ps_sha256 d1 = ps_json_digest(one);
    struct ps_sha256 d2 = ps_json_digest(same);
    struct ps_sha256 d3 = ps_json_digest(other);
    struct ps_sha256 text = ps_sha256_of("{\"a\":1,\"b\":[2]}", 15);

    (void)state;
    assert_true(ps_sha256_equal(&d1, &d2));
    assert_true(ps_sha256_equal(&d1, &text));
    assert_false(ps_sha256_equal(&d1, &d3));
}

static void what_is_not_json_is_refused_with_its_place(void **state)
{
    static const struct {
        struct ps_str text;
        const char *says;
    } cases[] = {
        { PS_STR_LIT(""), "spec.json: line 1" },
        { { NULL, 0 }, "spec.json: line 1" },
        { PS_STR_LIT("{\n\n  \"a\": 1,,\n}"), "line 3" },
        { PS_STR_LIT("{\"a\":1,\"a\":2}"), "duplicate" },
        { PS_STR_LIT("[1] trailing"), "line 1" },
        { PS_STR_LIT("[1,]"), "line 1" },
        { PS_STR_LIT("{'a':1}"), "line 1" },
        { PS_STR_LIT("[01]"), "line 1" },
        { PS_STR_LIT("[\"\\u0000\"]"), "line 1" },
        { PS_STR_LIT("[\"\xff\"]"), "line 1" },
        { PS_STR_LIT("[\"\\ud800\"]"), "line 1" },
        { PS_STR_LIT("[99999999999999999999]"), "line 1" },
        { PS_STR_LIT("[1]\0"), "line 1" },
        { PS_STR_LIT("nul"), "line 1" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_error err = PS_ERROR_INIT;
        json_t *value = NULL;

        print_message("case: %.*s\n", PS_STR_FMT(cases[i].text));
        assert_code(PS_EINVALID,
                    ps_json_parse(cases[i].text, "spec.json", &value, &err),
                    &err);
        assert_null(value);
        if (!strstr(err.text, cases[i].says))
            fail_msg("'%s' does not say '%s'", err.text, cases[i].says);
    }
}

static void nesting_without_end_is_refused(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    char *text = ps_calloc(1000001, 1);
    json_t *value = NULL;

    (void)state;
    memset(text, '[', 1000000);
    assert_code(PS_EINVALID,
                ps_json_parse(ps_str_from(text), "it", &value, &err), &err);
    free(text);
}

static void any_bytes_make_a_string(void **state)
{
    static const struct {
        const char *bytes;
        const char *text;
    } cases[] = {
        { "", "" },
        { "plain", "plain" },
        { "\xc3\xa9", "\xc3\xa9" },
        { "a\xff"
          "b",
          "a\xef\xbf\xbd"
          "b" },
        { "\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd" },
        { "cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd" },
        { "new\nline", "new\nline" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_JSON json_t *s = ps_json_string(cases[i].bytes);

        assert_string_equal(json_string_value(s), cases[i].text);
    }
    assert_true(json_is_null(ps_json_string(NULL)));
}

static void members_are_read(void **state)
{
    PS_AUTO_JSON json_t *o = parse("{\"s\":\"text\",\"n\":7,\"neg\":-1,"
                                   "\"real\":1.5,\"nil\":null}");
    struct ps_error err = PS_ERROR_INIT;
    const char *s = NULL;
    uint64_t n = 0;

    (void)state;
    assert_ok(ps_json_get_string(o, "s", &s, &err), &err);
    assert_string_equal(s, "text");
    assert_ok(ps_json_get_u64(o, "n", &n, &err), &err);
    assert_int_equal(n, 7);
    assert_string_equal(ps_json_string_or(o, "s", "x"), "text");
    assert_string_equal(ps_json_string_or(o, "n", "x"), "x");
    assert_null(ps_json_string_or(o, "gone", NULL));
}

static void a_member_that_does_not_fit_is_named(void **state)
{
    PS_AUTO_JSON json_t *o = parse("{\"s\":\"text\",\"n\":7,\"neg\":-1,"
                                   "\"real\":1.5,\"nil\":null}");
    static const char *const no_strings[] = { "n", "nil", "gone" };
    static const char *const no_numbers[] = { "s", "neg", "real", "gone" };
    struct ps_error err = PS_ERROR_INIT;
    const char *s = NULL;
    uint64_t n = 7;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(no_strings); i++) {
        assert_code(PS_EINVALID, ps_json_get_string(o, no_strings[i], &s, &err),
                    &err);
        assert_non_null(strstr(err.text, no_strings[i]));
    }
    for (size_t i = 0; i < PS_ARRAY_SIZE(no_numbers); i++) {
        assert_code(PS_EINVALID, ps_json_get_u64(o, no_numbers[i], &n, &err),
                    &err);
        assert_non_null(strstr(err.text, no_numbers[i]));
    }
    assert_code(PS_EINVALID, ps_json_get_u64(NULL, "n", &n, &err), &err);
    assert_int_equal(n, 7);
}

static void the_form_for_people_keeps_the_order(void **state)
{
    PS_AUTO_JSON json_t *o = parse("{\"b\":1,\"a\":[1.5]}");
    PS_AUTO_FREE char *text = ps_json_pretty(o);

    (void)state;
    assert_string_equal(text, "{\n  \"b\": 1,\n  \"a\": [\n    1.5\n  ]\n}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_canonical_form_sorts_keys_and_drops_blanks),
        cmocka_unit_test(canonical_keys_are_sorted_by_code_point),
        cmocka_unit_test(one_text_has_one_canonical_spelling),
        cmocka_unit_test(the_digest_does_not_depend_on_the_order_of_keys),
        cmocka_unit_test(what_is_not_json_is_refused_with_its_place),
        cmocka_unit_test(nesting_without_end_is_refused),
        cmocka_unit_test(any_bytes_make_a_string),
        cmocka_unit_test(members_are_read),
        cmocka_unit_test(a_member_that_does_not_fit_is_named),
        cmocka_unit_test(the_form_for_people_keeps_the_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
