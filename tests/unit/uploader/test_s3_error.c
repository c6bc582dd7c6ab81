#include "test_util.h"

#include "s3_error.h"

#define PROLOGUE "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"

static void reads_what_servers_answer(void **state)
{
    static const struct {
        const char *body;
        const char *code;
        const char *message;
    } cases[] = {
        { PROLOGUE "<Error><Code>NoSuchKey</Code><Message>not here</Message>"
                   "</Error>",
          "NoSuchKey", "not here" },
        { "<Error xmlns=\"x\">\n  <Code> A </Code>\n  <Message/>\n</Error>",
          "A", "" },
        { "<ErrorResponse><Error><Code>A</Code></Error></ErrorResponse>", "A",
          "" },
        { "<Error><Code>A</Code><Message>a &lt;b&gt; &amp;amp; &quot;c&quot; "
          "&apos;d&apos; &e;</Message></Error>",
          "A", "a <b> &amp; \"c\" 'd' &e;" },
        { "<Error><Code>A</Code><Code>B</Code></Error>", "A", "" },
        { "<Error><Code>A</Code><Message>x\x1b[31m\ny</Message></Error>", "A",
          "x?[31m?y" },
        { "<Error><Code>A</Code><Message>&#34;&#126;&#127;&#9;&#x34;&#;&#39"
          "</Message></Error>",
          "A", "\"~&#127;&#9;&#x34;&#;&#39" },
        /* cut off: what is whole counts */
        { "<Error><Code>A</Code><Message>half", "A", "" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_s3_error e;

        print_message("case: %s\n", cases[i].body);
        assert_true(ps_s3_error_parse(ps_str_from(cases[i].body), &e));
        assert_string_equal(e.code, cases[i].code);
        assert_string_equal(e.message, cases[i].message);
    }
}

static void reads_the_times_of_a_skewed_clock(void **state)
{
    struct ps_s3_error e;

    (void)state;
    assert_true(ps_s3_error_parse(
        PS_STR_LIT("<Error><Code>RequestTimeTooSkewed</Code>"
                   "<RequestTime>20260101T000000Z</RequestTime>"
                   "<ServerTime>2026-01-01T02:00:00Z</ServerTime></Error>"),
        &e));
    assert_string_equal(e.request_time, "20260101T000000Z");
    assert_string_equal(e.server_time, "2026-01-01T02:00:00Z");
}

static void takes_nothing_from_what_is_no_error(void **state)
{
    static const char *const bodies[] = {
        "",
        "<",
        "<>",
        "</>",
        "<html><body>502</body></html>",
        "<Code>A</Code>",
        "<Error></Error>",
        "<Error><Code></Code></Error>",
        "<Error><Code>A</Cod></Error>",
        "<Error><Code><b>A</b></Code></Error>",
        "<Errors><Code>A</Code></Errors>",
        "{\"Code\":\"A\"}",
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(bodies); i++) {
        struct ps_s3_error e;

        print_message("case: %s\n", bodies[i]);
        assert_false(ps_s3_error_parse(ps_str_from(bodies[i]), &e));
        assert_string_equal(e.code, "");
        assert_string_equal(e.message, "");
    }
}

static void a_text_that_is_too_long_counts_as_absent(void **state)
{
    PS_AUTO_FREE char *body = NULL;
    char message[300];
    struct ps_s3_error e;

    (void)state;
    memset(message, 'x', sizeof(message) - 1);
    message[sizeof(message) - 1] = '\0';
    body = ps_format("<Error><Code>A</Code><Message>%s</Message></Error>",
                     message);
    assert_true(ps_s3_error_parse(ps_str_from(body), &e));
    assert_string_equal(e.message, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_servers_answer),
        cmocka_unit_test(reads_the_times_of_a_skewed_clock),
        cmocka_unit_test(takes_nothing_from_what_is_no_error),
        cmocka_unit_test(a_text_that_is_too_long_counts_as_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
