#include "test_util.h"

#include <errno.h>

static void a_failure_records_code_and_text(void **state)
{
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    assert_int_equal(ps_fail(&err, PS_EINVALID, "bad %s %d", "thing", 7),
                     PS_EINVALID);
    assert_int_equal(err.code, PS_EINVALID);
    assert_int_equal(err.os_errno, 0);
    assert_string_equal(err.text, "bad thing 7");
}

static void an_errno_failure_names_the_cause(void **state)
{
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    assert_int_equal(ps_fail_errno(&err, ENOENT, "open '%s'", "/x"),
                     PS_ENOTFOUND);
    assert_int_equal(err.os_errno, ENOENT);
    assert_string_equal(err.text, "open '/x': No such file or directory");
    assert_int_equal(ps_fail_errno(&err, 99999, "odd"), PS_EIO);
    assert_non_null(strstr(err.text, "99999"));
}

static void context_goes_in_front_and_hint_behind(void **state)
{
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    (void)ps_fail_errno(&err, EACCES, "open 'a'");
    assert_int_equal(ps_context(&err, "job %d", 5), PS_EDENIED);
    assert_int_equal(ps_hint(&err, "try %s", "sudo"), PS_EDENIED);
    assert_string_equal(err.text,
                        "job 5: open 'a': Permission denied; try sudo");
    assert_int_equal(err.os_errno, EACCES);
}

static void context_returns_the_code_that_was_recorded(void **state)
{
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    (void)ps_fail(&err, PS_ELOST, "x");
    assert_int_equal(ps_context(&err, "outer"), PS_ELOST);
}

static void a_text_too_long_is_cut_and_terminated(void **state)
{
    char longer[4 * PS_ERROR_TEXT_MAX];
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    (void)ps_fail_errno(&err, ENOENT, "%s", longer);
    assert_int_equal(strlen(err.text), PS_ERROR_TEXT_MAX - 1);
    assert_int_equal(ps_hint(&err, "%s", longer), PS_ENOTFOUND);
    assert_int_equal(strlen(err.text), PS_ERROR_TEXT_MAX - 1);
    assert_int_equal(ps_context(&err, "outer"), PS_ENOTFOUND);
    assert_int_equal(strlen(err.text), PS_ERROR_TEXT_MAX - 1);
    assert_memory_equal(err.text, "outer: xxx", 10);
    assert_int_equal(ps_context(&err, "%s", longer), PS_ENOTFOUND);
    assert_int_equal(strlen(err.text), PS_ERROR_TEXT_MAX - 1);
}

static void a_text_that_just_fits_is_whole(void **state)
{
    char text[PS_ERROR_TEXT_MAX];
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)ps_fail(&err, PS_EIO, "%s", text);
    assert_string_equal(err.text, text);
    text[sizeof(text) - 4] = '\0';
    (void)ps_fail(&err, PS_EIO, "%s", text);
    (void)ps_context(&err, "z");
    assert_int_equal(strlen(err.text), PS_ERROR_TEXT_MAX - 1);
    assert_int_equal(err.text[PS_ERROR_TEXT_MAX - 2], 'y');
}

/* A caller that rewrites an error tends to quote the old text. */
static void the_old_text_may_be_an_argument_of_the_new(void **state)
{
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    (void)ps_fail(&err, PS_EIO, "inner");
    (void)ps_fail(&err, PS_EBUILD, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
    (void)ps_context(&err, "<%s>", err.text);
    assert_string_equal(err.text, "<outer (inner)>: outer (inner)");
    (void)ps_fail(&err, PS_EIO, "a");
    (void)ps_hint(&err, "not '%s'", err.text);
    assert_string_equal(err.text, "a; not 'a'");
}

static void every_code_has_its_own_value_and_a_name(void **state)
{
    static const int all[] = {
#define X(name, value, exit, http, retry, text) PS_E##name,
        PS_CODE_MAP(X)
#undef X
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(all); i++) {
        assert_true(all[i] < 0);
        assert_true(ps_code_exit_status(all[i]) > 0);
        assert_true(ps_code_http_status(all[i]) >= 400);
        assert_string_not_equal(ps_code_name(all[i]), "UNKNOWN");
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(all[i], all[k]);
            assert_string_not_equal(ps_code_name(all[i]), ps_code_name(all[k]));
        }
    }
}

static void codes_translate_for_programs_services_and_queues(void **state)
{
    (void)state;
    assert_string_equal(ps_code_name(PS_EINTEGRITY), "INTEGRITY");
    assert_string_equal(ps_code_text(PS_EINTEGRITY),
                        "digest or signature differs");
    assert_int_equal(ps_code_exit_status(PS_EBUILD), 1);
    assert_int_equal(ps_code_exit_status(PS_ECANCELED), 130);
    assert_int_equal(ps_code_http_status(PS_ETOOBIG), 413);
    assert_true(ps_code_is_retryable(PS_EUNREACHABLE));
    assert_true(ps_code_is_retryable(PS_ENOSPACE));
    assert_false(ps_code_is_retryable(PS_EBUILD));

    assert_string_equal(ps_code_name(PS_OK), "OK");
    assert_int_equal(ps_code_exit_status(PS_OK), 0);
    assert_int_equal(ps_code_http_status(PS_OK), 200);
    assert_false(ps_code_is_retryable(PS_OK));
}

static void a_code_that_nobody_knows_is_still_a_failure(void **state)
{
    (void)state;
    assert_string_equal(ps_code_name(-999), "UNKNOWN");
    assert_string_equal(ps_code_text(12), "unknown error");
    assert_int_equal(ps_code_exit_status(-999), 70);
    assert_int_equal(ps_code_http_status(-999), 500);
    assert_false(ps_code_is_retryable(-999));
}

static void errno_values_map_to_the_code_that_fits(void **state)
{
    static const struct {
        int errnum;
        int code;
    } cases[] = {
        { ENOENT, PS_ENOTFOUND },
        { ENOTDIR, PS_ENOTFOUND },
        { EEXIST, PS_EEXISTS },
        { EPERM, PS_EDENIED },
        { EROFS, PS_EDENIED },
        { EMFILE, PS_EBUSY },
        { ENOSPC, PS_ENOSPACE },
        { EDQUOT, PS_ENOSPACE },
        { ELOOP, PS_EINVALID },
        { ENAMETOOLONG, PS_EINVALID },
        { ENOSYS, PS_EUNSUPPORTED },
        { EOPNOTSUPP, PS_EUNSUPPORTED },
        { ECONNREFUSED, PS_EUNREACHABLE },
        { EIO, PS_EIO },
        { 0, PS_EIO },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        print_message("case: errno %d\n", cases[i].errnum);
        assert_int_equal(ps_code_from_errno(cases[i].errnum), cases[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_records_code_and_text),
        cmocka_unit_test(an_errno_failure_names_the_cause),
        cmocka_unit_test(context_goes_in_front_and_hint_behind),
        cmocka_unit_test(context_returns_the_code_that_was_recorded),
        cmocka_unit_test(a_text_too_long_is_cut_and_terminated),
        cmocka_unit_test(a_text_that_just_fits_is_whole),
        cmocka_unit_test(the_old_text_may_be_an_argument_of_the_new),
        cmocka_unit_test(every_code_has_its_own_value_and_a_name),
        cmocka_unit_test(codes_translate_for_programs_services_and_queues),
        cmocka_unit_test(a_code_that_nobody_knows_is_still_a_failure),
        cmocka_unit_test(errno_values_map_to_the_code_that_fits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
