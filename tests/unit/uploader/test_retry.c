#include "test_util.h"

#include "retry.h"

#define ANSWER(s, c)                                                     \
    {                                                                    \
        .method = PS_METHOD_PUT, .has_answer = true, .http_status = (s), \
        .s3_code = (c), .s3_message = ""                                 \
    }

static void decides_by_answer(void **state)
{
    static const struct {
        struct ps_attempt attempt;
        enum ps_retry_action action;
        int code;
    } cases[] = {
        { ANSWER(200, ""), PS_RETRY_DONE, PS_OK },
        { ANSWER(204, ""), PS_RETRY_DONE, PS_OK },
        { ANSWER(412, "PreconditionFailed"), PS_RETRY_EXISTS, PS_EEXISTS },
        { ANSWER(301, "PermanentRedirect"), PS_RETRY_FAIL, PS_ECONFIG },
        { ANSWER(307, "TemporaryRedirect"), PS_RETRY_FAIL, PS_ECONFIG },
        { ANSWER(400, "AuthorizationHeaderMalformed"), PS_RETRY_FAIL,
          PS_ECONFIG },
        { ANSWER(400, "ExpiredToken"), PS_RETRY_NEW_GRANT, PS_EEXPIRED },
        { ANSWER(400, "BadDigest"), PS_RETRY_ONCE, PS_EINTEGRITY },
        { ANSWER(400, "RequestTimeout"), PS_RETRY_AGAIN, PS_EUNREACHABLE },
        { ANSWER(400, "InvalidToken"), PS_RETRY_FAIL, PS_EAUTH },
        { ANSWER(400, "InvalidArgument"), PS_RETRY_FAIL, PS_EINVALID },
        { ANSWER(401, ""), PS_RETRY_FAIL, PS_EAUTH },
        { ANSWER(403, ""), PS_RETRY_FAIL, PS_EDENIED },
        { ANSWER(403, "AccessDenied"), PS_RETRY_FAIL, PS_EDENIED },
        { ANSWER(403, "SignatureDoesNotMatch"), PS_RETRY_FAIL, PS_EAUTH },
        { ANSWER(403, "InvalidAccessKeyId"), PS_RETRY_FAIL, PS_EAUTH },
        { ANSWER(403, "RequestTimeTooSkewed"), PS_RETRY_FAIL, PS_ECLOCK },
        { ANSWER(404, "NoSuchBucket"), PS_RETRY_FAIL, PS_ENOTFOUND },
        { ANSWER(408, ""), PS_RETRY_AGAIN, PS_EUNREACHABLE },
        { ANSWER(409, "ConditionalRequestConflict"), PS_RETRY_AGAIN, PS_EBUSY },
        { ANSWER(411, ""), PS_RETRY_FAIL, PS_EINVALID },
        { ANSWER(413, ""), PS_RETRY_FAIL, PS_ETOOBIG },
        { ANSWER(429, ""), PS_RETRY_AGAIN, PS_EUNREACHABLE },
        { ANSWER(500, "InternalError"), PS_RETRY_AGAIN, PS_EUNREACHABLE },
        { ANSWER(501, "NotImplemented"), PS_RETRY_FAIL, PS_EUNSUPPORTED },
        { ANSWER(502, ""), PS_RETRY_AGAIN, PS_EUNREACHABLE },
        { ANSWER(503, "SlowDown"), PS_RETRY_AGAIN, PS_EUNREACHABLE },
        { ANSWER(504, ""), PS_RETRY_AGAIN, PS_EUNREACHABLE },
        { ANSWER(507, ""), PS_RETRY_FAIL, PS_ENOSPACE },
        { ANSWER(999, ""), PS_RETRY_FAIL, PS_EIO },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_verdict v = ps_retry_decide(&cases[i].attempt);

        print_message("case: %d %s\n", cases[i].attempt.http_status,
                      cases[i].attempt.s3_code);
        assert_int_equal(v.action, cases[i].action);
        assert_string_equal(ps_code_name(v.code), ps_code_name(cases[i].code));
    }
}

static void a_lost_connection_is_tried_again(void **state)
{
    struct ps_attempt lost = { .s3_code = "", .s3_message = "" };

    (void)state;
    assert_int_equal(ps_retry_decide(&lost).action, PS_RETRY_AGAIN);
    lost.is_permanent = true;
    assert_int_equal(ps_retry_decide(&lost).action, PS_RETRY_FAIL);
}

static void an_expiry_is_known_by_word_or_by_clock(void **state)
{
    struct ps_attempt a = ANSWER(403, "AccessDenied");

    (void)state;
    a.s3_message = "Request has expired";
    assert_int_equal(ps_retry_decide(&a).action, PS_RETRY_NEW_GRANT);
    a.s3_message = "Access Denied";
    assert_int_equal(ps_retry_decide(&a).action, PS_RETRY_FAIL);
    a.grant_was_past = true;
    assert_int_equal(ps_retry_decide(&a).action, PS_RETRY_NEW_GRANT);
    a.s3_code = "SignatureDoesNotMatch";
    assert_int_equal(ps_retry_decide(&a).action, PS_RETRY_FAIL);
}

static void a_head_without_words_tells_a_wrong_clock(void **state)
{
    struct ps_attempt a = ANSWER(403, "");

    (void)state;
    a.method = PS_METHOD_HEAD;
    a.clock_off_s = -3600;
    assert_int_equal(ps_retry_decide(&a).code, PS_ECLOCK);
    a.clock_off_s = -60;
    assert_int_equal(ps_retry_decide(&a).code, PS_EDENIED);
}

static void a_412_means_existence_for_a_put_only(void **state)
{
    struct ps_attempt a = ANSWER(412, "PreconditionFailed");

    (void)state;
    a.method = PS_METHOD_GET;
    assert_int_equal(ps_retry_decide(&a).code, PS_EINVALID);
}

static void waits_within_a_growing_bound(void **state)
{
    static const struct {
        unsigned failures;
        uint64_t limit;
    } cases[] = {
        { 1, 200 },   { 2, 400 },    { 7, 12800 },
        { 8, 20000 }, { 64, 20000 }, { UINT32_MAX, 20000 },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        uint64_t limit = cases[i].limit;

        assert_int_equal(ps_retry_delay_ms(cases[i].failures, 100, 0), 0);
        assert_int_equal(ps_retry_delay_ms(cases[i].failures, 100, limit),
                         limit);
        assert_int_equal(ps_retry_delay_ms(cases[i].failures, 100, limit + 1),
                         0);
        assert_true(ps_retry_delay_ms(cases[i].failures, 100, UINT64_MAX) <=
                    limit);
    }
    assert_true(ps_retry_delay_ms(3, UINT64_MAX, 12345) <= 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_by_answer),
        cmocka_unit_test(a_lost_connection_is_tried_again),
        cmocka_unit_test(an_expiry_is_known_by_word_or_by_clock),
        cmocka_unit_test(a_head_without_words_tells_a_wrong_clock),
        cmocka_unit_test(a_412_means_existence_for_a_put_only),
        cmocka_unit_test(waits_within_a_growing_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
