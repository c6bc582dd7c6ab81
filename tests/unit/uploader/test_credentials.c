#include "test_util.h"

#include "aws_answer.h"

static void reads_what_a_process_prints(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_aws_credentials c = { .access_key = NULL };

    (void)state;
    assert_ok(ps_aws_process_parse(
                  PS_STR_LIT("{\"Version\":1,\"AccessKeyId\":\"A\","
                             "\"SecretAccessKey\":\"S\",\"SessionToken\":"
                             "\"T\",\"Expiration\":\"2026-01-01T01:00:00Z\"}"),
                  &c, &err),
              &err);
    assert_string_equal(c.access_key, "A");
    assert_string_equal(c.secret_key, "S");
    assert_string_equal(c.session_token, "T");
    assert_int_equal(c.expires_s, 1767229200);
    ps_aws_credentials_release(&c);
}

static void long_lived_keys_have_neither_token_nor_end(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_aws_credentials c = { .access_key = NULL };

    (void)state;
    assert_ok(
        ps_aws_process_parse(PS_STR_LIT("{\"Version\":1,\"AccessKeyId\":\"A\","
                                        "\"SecretAccessKey\":\"S\"}"),
                             &c, &err),
        &err);
    assert_null(c.session_token);
    assert_int_equal(c.expires_s, 0);
    ps_aws_credentials_release(&c);
}

static void reads_what_a_metadata_service_answers(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_aws_credentials c = { .access_key = NULL };

    (void)state;
    assert_ok(ps_aws_role_parse(
                  PS_STR_LIT("{\"Code\":\"Success\",\"AccessKeyId\":\"A\","
                             "\"SecretAccessKey\":\"S\",\"Token\":\"T\","
                             "\"Expiration\":\"2026-01-01T01:00:00Z\"}"),
                  &c, &err),
              &err);
    assert_string_equal(c.session_token, "T");
    assert_int_equal(c.expires_s, 1767229200);
    ps_aws_credentials_release(&c);
}

static void refuses_other_answers_without_quoting_them(void **state)
{
    static const char *const answers[] = {
        "",
        "secret",
        "[\"secret\"]",
        "{\"Version\":2,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"secret\"}",
        "{\"Version\":1,\"AccessKeyId\":\"A\"}",
        "{\"Version\":1,\"SecretAccessKey\":\"secret\"}",
        "{\"Version\":1,\"AccessKeyId\":1,\"SecretAccessKey\":\"secret\"}",
        ("{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"secret\","
         "\"Expiration\":\"soon\"}"),
        "{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"secret\" x",
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(answers); i++) {
        struct ps_error err = PS_ERROR_INIT;
        struct ps_aws_credentials c = { .access_key = NULL };

        print_message("case: %s\n", answers[i]);
        assert_code(PS_EAUTH,
                    ps_aws_process_parse(ps_str_from(answers[i]), &c, &err),
                    &err);
        assert_null(strstr(err.text, "secret"));
        assert_null(c.secret_key);
    }
}

static void reads_times(void **state)
{
    static const struct {
        const char *text;
        int64_t unix_s; /* -1: none */
    } cases[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "2026-01-01T00:00:00Z", 1767225600 },
        { "2026-01-01T00:00:00.123456Z", 1767225600 },
        { "2026-01-01T01:00:00+01:00", 1767225600 },
        { "2025-12-31T18:30:00-05:30", 1767225600 },
        { "2026-01-01T00:00:00", -1 },
        { "2026-01-01T00:00:00+0100", -1 },
        { "2026-01-01T00:00:00Zx", -1 },
        { "2026-01-01", -1 },
        { "", -1 },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_error err = PS_ERROR_INIT;
        int64_t got = -1;
        int rc = ps_aws_time_parse(cases[i].text, &got, &err);

        print_message("case: %s\n", cases[i].text);
        assert_code(cases[i].unix_s < 0 ? PS_EINVALID : PS_OK, rc, &err);
        assert_int_equal(got, cases[i].unix_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_process_prints),
        cmocka_unit_test(long_lived_keys_have_neither_token_nor_end),
        cmocka_unit_test(reads_what_a_metadata_service_answers),
        cmocka_unit_test(refuses_other_answers_without_quoting_them),
        cmocka_unit_test(reads_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
