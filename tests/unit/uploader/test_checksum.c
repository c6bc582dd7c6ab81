#include "test_util.h"

#include "checksum.h"
#include "uri.h"

#define EMPTY "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

static void reads_the_form_that_s3_writes(void **state)
{
    struct ps_sha256 empty = ps_sha256_of("", 0);
    struct ps_sha256 got;

    (void)state;
    assert_true(ps_checksum_parse(EMPTY, &got));
    assert_true(ps_sha256_equal(&got, &empty));
    assert_true(ps_checksum_is(EMPTY, &empty));
    assert_false(ps_checksum_is("", &empty));
}

static void refuses_other_forms(void **state)
{
    static const char *const bad[] = {
        "",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
        (EMPTY "-2"),
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=", /* stray bits */
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSu===",
        "47DEQpj8HBSa_-TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b",
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(bad); i++) {
        struct ps_sha256 got;

        print_message("case: %s\n", bad[i]);
        assert_false(ps_checksum_parse(bad[i], &got));
    }
}

static void knows_a_checksum_of_parts(void **state)
{
    (void)state;
    assert_true(ps_checksum_is_whole(EMPTY));
    assert_false(ps_checksum_is_whole(EMPTY "-3"));
    assert_false(ps_checksum_is_whole(""));
}

static void encodes_and_decodes_uris(void **state)
{
    static const struct {
        const char *plain;
        const char *encoded;
    } cases[] = {
        { "a/b", "a/b" },
        { "-._~", "-._~" },
        { "a+b c", "a%2Bb%20c" },
        { "\xc3\xbc%=&?#", "%C3%BC%25%3D%26%3F%23" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_error err = PS_ERROR_INIT;
        PS_AUTO_BUF struct ps_buf out = PS_BUF_INIT(100);
        PS_AUTO_BUF struct ps_buf back = PS_BUF_INIT(100);

        ps_uri_encode(&out, cases[i].plain, "/");
        assert_string_equal(ps_buf_z(&out), cases[i].encoded);
        assert_ok(ps_uri_decode(ps_buf_str(&out), &back, &err), &err);
        assert_string_equal(ps_buf_z(&back), cases[i].plain);
    }
}

static void refuses_a_broken_escape(void **state)
{
    static const char *const bad[] = { "%", "%1", "%zz", "a%00b", "%-1" };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(bad); i++) {
        struct ps_error err = PS_ERROR_INIT;
        PS_AUTO_BUF struct ps_buf out = PS_BUF_INIT(100);

        assert_code(PS_EINVALID, ps_uri_decode(ps_str_from(bad[i]), &out, &err),
                    &err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_form_that_s3_writes),
        cmocka_unit_test(refuses_other_forms),
        cmocka_unit_test(knows_a_checksum_of_parts),
        cmocka_unit_test(encodes_and_decodes_uris),
        cmocka_unit_test(refuses_a_broken_escape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
