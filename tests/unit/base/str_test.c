#include "test_util.h"

#include <limits.h>

#include "pkgsync/str.h"

#define LIT(s) PS_STR_LIT(s)

static void assert_str(struct ps_str got, const char *expected)
{
    if (!ps_str_is(got, expected))
        fail_msg("expected '%s', got '%.*s'", expected, PS_STR_FMT(got));
}

static void views_compare_by_content(void **state)
{
    struct ps_str none = ps_str_from(NULL);

    (void)state;
    assert_int_equal(none.len, 0);
    assert_true(ps_str_equal(none, LIT("")));
    assert_true(ps_str_is(none, ""));
    assert_true(ps_str_equal(LIT("a\0b"), LIT("a\0b")));
    assert_false(ps_str_equal(LIT("a\0b"), LIT("a\0c")));
    assert_false(ps_str_is(LIT("ab"), "abc"));
    assert_false(ps_str_is(LIT("abc"), "ab"));
}

static void prefixes_and_suffixes_are_found(void **state)
{
    struct ps_str none = ps_str_from(NULL);

    (void)state;
    assert_true(ps_str_starts(LIT("git+https"), "git+"));
    assert_false(ps_str_starts(LIT("gi"), "git+"));
    assert_true(ps_str_starts(none, ""));
    assert_true(ps_str_ends(LIT("a.whl"), ".whl"));
    assert_false(ps_str_ends(LIT("whl"), ".whl"));
    assert_true(ps_str_ends(none, ""));
    assert_false(ps_str_ends(none, "x"));
}

static void trimming_takes_every_ascii_blank_at_both_ends(void **state)
{
    (void)state;
    assert_str(ps_str_trim(LIT(" \t\r\n\f\va b\v\f\n\r\t ")), "a b");
    assert_str(ps_str_trim(LIT(" \t ")), "");
    assert_str(ps_str_trim(ps_str_from(NULL)), "");
}

static void skip_and_first_stop_at_the_end(void **state)
{
    (void)state;
    assert_str(ps_str_skip(LIT("abc"), 1), "bc");
    assert_str(ps_str_skip(LIT("abc"), 99), "");
    assert_str(ps_str_skip(ps_str_from(NULL), 3), "");
    assert_str(ps_str_first(LIT("abc"), 2), "ab");
    assert_str(ps_str_first(LIT("abc"), SIZE_MAX), "abc");
}

static void a_copy_ends_in_nul(void **state)
{
    char *z = ps_str_dup(ps_str_first(LIT("abcdef"), 3));
    char *none = ps_str_dup(ps_str_from(NULL));

    (void)state;
    assert_string_equal(z, "abc");
    assert_string_equal(none, "");
    free(z);
    free(none);
}

static void cut_splits_at_the_first_separator(void **state)
{
    struct ps_str rest = LIT("a,,b");
    struct ps_str head;

    (void)state;
    assert_true(ps_str_cut(&rest, ',', &head));
    assert_str(head, "a");
    assert_true(ps_str_cut(&rest, ',', &head));
    assert_str(head, "");
    assert_false(ps_str_cut(&rest, ',', &head));
    assert_str(head, "b");
    assert_str(rest, "");
    assert_false(ps_str_cut(&rest, ',', &head));
    assert_str(head, "");
}

static void cut_last_splits_at_the_last_separator(void **state)
{
    struct ps_str rest = LIT("a/b/c");
    struct ps_str head;

    (void)state;
    assert_true(ps_str_cut_last(&rest, '/', &head));
    assert_str(head, "a/b");
    assert_str(rest, "c");
    assert_false(ps_str_cut_last(&rest, '/', &head));
    assert_str(head, "c");
    assert_str(rest, "");
    rest = LIT("a/");
    assert_true(ps_str_cut_last(&rest, '/', &head));
    assert_str(head, "a");
    assert_str(rest, "");
}

static void a_number_is_read_up_to_its_limit(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        int code;
        uint64_t value;
    } cases[] = {
        { "0", 0, PS_OK, 0 },
        { "1", 0, PS_EINVALID, 0 },
        { "9", 5, PS_EINVALID, 0 },
        { "007", 7, PS_OK, 7 },
        { "65535", 65535, PS_OK, 65535 },
        { "65536", 65535, PS_EINVALID, 0 },
        { "18446744073709551614", UINT64_MAX, PS_OK, UINT64_MAX - 1 },
        { "18446744073709551615", UINT64_MAX, PS_OK, UINT64_MAX },
        { "18446744073709551616", UINT64_MAX, PS_EINVALID, 0 },
        { "18446744073709551625", UINT64_MAX, PS_EINVALID, 0 },
        { "18446744073709551615", UINT64_MAX - 1, PS_EINVALID, 0 },
        { "18446744073709551614", UINT64_MAX - 1, PS_OK, UINT64_MAX - 1 },
        { "99999999999999999999", UINT64_MAX, PS_EINVALID, 0 },
        { "184467440737095516150", UINT64_MAX, PS_EINVALID, 0 },
        { "000000000000000000000000000018446744073709551615", UINT64_MAX, PS_OK,
          UINT64_MAX },
        { "", 10, PS_EINVALID, 0 },
        { "-1", 10, PS_EINVALID, 0 },
        { "+1", 10, PS_EINVALID, 0 },
        { " 1", 10, PS_EINVALID, 0 },
        { "1 ", 10, PS_EINVALID, 0 },
        { "1e1", 10, PS_EINVALID, 0 },
        { "0x1", 10, PS_EINVALID, 0 },
        { "\xd9\xa1", 10, PS_EINVALID, 0 }, /* ARABIC-INDIC DIGIT ONE */
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_error err = PS_ERROR_INIT;
        uint64_t value = 4711;

        print_message("case: '%s'\n", cases[i].text);
        assert_code(cases[i].code,
                    ps_str_to_u64(ps_str_from(cases[i].text), cases[i].max,
                                  &value, &err),
                    &err);
        assert_true(value == (cases[i].code == PS_OK ? cases[i].value : 4711));
    }
}

static void a_number_need_not_end_in_nul(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    uint64_t value = 0;

    (void)state;
    assert_ok(ps_str_to_u64(ps_str_first(LIT("12345"), 2), 99, &value, &err),
              &err);
    assert_int_equal(value, 12);
    assert_code(PS_EINVALID, ps_str_to_u64(LIT("1\0002"), 99, &value, &err),
                &err);
}

/* RFC 3629, sections 3 and 10. */
static void utf8_is_valid_up_to_the_first_bad_byte(void **state)
{
    static const struct {
        struct ps_str text;
        size_t valid;
    } cases[] = {
        { { "", 0 }, 0 },
        { { NULL, 0 }, 0 },
        { { "a\0b", 3 }, 3 },
        { { "\x7f", 1 }, 1 },
        { { "\x80", 1 }, 0 }, /* a lone continuation byte */
        { { "\xbf", 1 }, 0 },
        { { "\xc0\x80", 2 }, 0 }, /* NUL, overlong */
        { { "\xc1\xbf", 2 }, 0 },
        { { "\xc2\x80", 2 }, 2 }, /* U+0080 */
        { { "\xdf\xbf", 2 }, 2 }, /* U+07FF */
        { { "\xc2", 1 }, 0 },     /* cut off */
        { { "\xc2\x41", 2 }, 0 },
        { { "\xc2\xc2", 2 }, 0 },
        { { "\xe0\x80\xaf", 3 }, 0 }, /* '/', overlong */
        { { "\xe0\x9f\xbf", 3 }, 0 },
        { { "\xe0\xa0\x80", 3 }, 3 }, /* U+0800 */
        { { "\xe0\xa0", 2 }, 0 },
        { { "\xe2\x82\xac", 3 }, 3 }, /* U+20AC */
        { { "\xe2\x82\x41", 3 }, 0 },
        { { "\xed\x9f\xbf", 3 }, 3 },     /* U+D7FF */
        { { "\xed\xa0\x80", 3 }, 0 },     /* U+D800, a surrogate */
        { { "\xed\xbf\xbf", 3 }, 0 },     /* U+DFFF */
        { { "\xee\x80\x80", 3 }, 3 },     /* U+E000 */
        { { "\xef\xbf\xbf", 3 }, 3 },     /* U+FFFF */
        { { "\xf0\x80\x80\xaf", 4 }, 0 }, /* '/', overlong */
        { { "\xf0\x8f\xbf\xbf", 4 }, 0 },
        { { "\xf0\x90\x80\x80", 4 }, 4 }, /* U+10000 */
        { { "\xf0\x90\x80", 3 }, 0 },
        { { "\xf0\x90\x80\xc0", 4 }, 0 },
        { { "\xf4\x8f\xbf\xbf", 4 }, 4 }, /* U+10FFFF */
        { { "\xf4\x90\x80\x80", 4 }, 0 }, /* U+110000 */
        { { "\xf5\x80\x80\x80", 4 }, 0 },
        { { "\xf8\x88\x80\x80\x80", 5 }, 0 },
        { { "\xfe", 1 }, 0 },
        { { "\xff", 1 }, 0 },
        { { "ok\xe2\x82\xac\xff", 6 }, 5 },
        { { "\xed\xa0\x81\xed\xb0\x80", 6 }, 0 }, /* CESU-8 */
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        print_message("case: %zu\n", i);
        assert_int_equal(ps_utf8_valid_prefix(cases[i].text), cases[i].valid);
    }
}

/* The bytes behind the view would complete the sequence. */
static void utf8_never_looks_behind_the_view(void **state)
{
    (void)state;
    assert_int_equal(ps_utf8_valid_prefix(ps_str_first(LIT("\xe2\x82\xac"), 2)),
                     0);
    assert_int_equal(ps_utf8_valid_prefix(ps_str_first(LIT("a\xc2\x80"), 2)),
                     1);
}

static int first_of(int precision, const char *text)
{
    (void)text;
    return precision;
}

/* A negative precision would mean "up to the NUL", which may not be there. */
static void a_view_too_long_for_printf_is_cut(void **state)
{
    struct ps_str huge = { .data = "x", .len = (size_t)INT_MAX + 5 };

    (void)state;
    assert_int_equal(first_of(PS_STR_FMT(huge)), INT_MAX);
}

static void a_redacted_text_has_no_user_no_password_and_no_query(void **state)
{
    static const char *const cases[][2] = {
        { "https://u:p@h/x?sig=s#sha256=1", "https://h/x#sha256=1" },
        { "https://h/x?sig=s", "https://h/x" },
        { "git+ssh://git:p@h/x@v1", "git+ssh://git@h/x@v1" },
        { "at 'https://h/x?t=s' and https://t@i/?t=s too",
          "at 'https://h/x' and https://i/ too" },
        { "s3://AK:s/3@b/x?t=s", "s3://AK@b/x" },
        { "s3://b/x@y", "s3://b/x@y" },
        { "file:///a?b", "file:///a?b" },
        { "/a?b", "/a?b" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *clean = ps_url_redact(cases[i][0]);

        assert_string_equal(clean, cases[i][1]);
        free(clean);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(views_compare_by_content),
        cmocka_unit_test(prefixes_and_suffixes_are_found),
        cmocka_unit_test(trimming_takes_every_ascii_blank_at_both_ends),
        cmocka_unit_test(skip_and_first_stop_at_the_end),
        cmocka_unit_test(a_copy_ends_in_nul),
        cmocka_unit_test(cut_splits_at_the_first_separator),
        cmocka_unit_test(cut_last_splits_at_the_last_separator),
        cmocka_unit_test(a_number_is_read_up_to_its_limit),
        cmocka_unit_test(a_number_need_not_end_in_nul),
        cmocka_unit_test(utf8_is_valid_up_to_the_first_bad_byte),
        cmocka_unit_test(utf8_never_looks_behind_the_view),
        cmocka_unit_test(a_view_too_long_for_printf_is_cut),
        cmocka_unit_test(a_redacted_text_has_no_user_no_password_and_no_query),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
