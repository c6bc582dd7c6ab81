#include "test_util.h"

#include "pkgsync/buf.h"

static void an_empty_buffer_is_an_empty_string(void **state)
{
    struct ps_buf b = PS_BUF_INIT(10);
    struct ps_error err = PS_ERROR_INIT;
    char *taken = NULL;

    (void)state;
    assert_string_equal(ps_buf_z(&b), "");
    assert_int_equal(ps_buf_str(&b).len, 0);
    assert_ok(ps_buf_check(&b, "it", &err), &err);
    ps_buf_clear(&b);
    ps_buf_add(&b, NULL, 0);
    assert_string_equal(ps_buf_z(&b), "");
    ps_buf_release(&b);
    taken = ps_buf_take(&b);
    assert_string_equal(taken, "");
    free(taken);
}

static void appending_keeps_everything_and_the_nul(void **state)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(SIZE_MAX);

    (void)state;
    for (int i = 0; i < 10000; i++) {
        ps_buf_addf(&b, "%04d", i);
        ps_buf_addc(&b, ',');
        assert_int_equal(b.data[b.len], '\0');
    }
    assert_int_equal(b.len, 50000);
    assert_false(b.overflow);
    assert_memory_equal(b.data + (size_t)5 * 1234, "1234,", 5);
    ps_buf_adds(&b, "end");
    assert_string_equal(ps_buf_z(&b) + 50000, "end");
}

static void bytes_may_be_anything(void **state)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(100);

    (void)state;
    ps_buf_add(&b, "a\0\xff", 3);
    ps_buf_addc(&b, '\0');
    assert_true(ps_str_equal(ps_buf_str(&b), PS_STR_LIT("a\0\xff\0")));
}

static void a_buffer_fills_to_its_cap_exactly(void **state)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(5);
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    ps_buf_adds(&b, "12345");
    assert_false(b.overflow);
    assert_ok(ps_buf_check(&b, "it", &err), &err);
    ps_buf_add(&b, "", 0);
    assert_false(b.overflow);
    ps_buf_addc(&b, '6');
    assert_true(b.overflow);
    assert_string_equal(ps_buf_z(&b), "12345");
    assert_code(PS_ETOOBIG, ps_buf_check(&b, "the answer", &err), &err);
    assert_string_equal(err.text, "the answer: more than 5 bytes");
}

static void what_does_not_fit_is_dropped_and_told(void **state)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(4);

    (void)state;
    ps_buf_adds(&b, "ab");
    ps_buf_adds(&b, "cdef");
    assert_string_equal(ps_buf_z(&b), "abcd");
    assert_true(b.overflow);
    ps_buf_clear(&b);
    assert_false(b.overflow);
    ps_buf_addf(&b, "%s", "xyz");
    assert_string_equal(ps_buf_z(&b), "xyz");
}

static void a_cap_of_zero_takes_nothing(void **state)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(0);

    (void)state;
    ps_buf_add(&b, "", 0);
    assert_false(b.overflow);
    ps_buf_addc(&b, 'x');
    assert_true(b.overflow);
    assert_string_equal(ps_buf_z(&b), "");
}

/* The cap plus the NUL would be zero bytes. */
static void the_largest_cap_does_not_wrap(void **state)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(SIZE_MAX);

    (void)state;
    ps_buf_adds(&b, "some bytes");
    assert_true(b.cap > b.len);
    assert_string_equal(ps_buf_z(&b), "some bytes");
}

static void taking_hands_over_and_leaves_a_usable_buffer(void **state)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(4);
    char *taken = NULL;

    (void)state;
    ps_buf_adds(&b, "12345");
    taken = ps_buf_take(&b);
    assert_string_equal(taken, "1234");
    free(taken);
    assert_int_equal(b.max, 4);
    assert_false(b.overflow);
    ps_buf_adds(&b, "xy");
    assert_string_equal(ps_buf_z(&b), "xy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_is_an_empty_string),
        cmocka_unit_test(appending_keeps_everything_and_the_nul),
        cmocka_unit_test(bytes_may_be_anything),
        cmocka_unit_test(a_buffer_fills_to_its_cap_exactly),
        cmocka_unit_test(what_does_not_fit_is_dropped_and_told),
        cmocka_unit_test(a_cap_of_zero_takes_nothing),
        cmocka_unit_test(the_largest_cap_does_not_wrap),
        cmocka_unit_test(taking_hands_over_and_leaves_a_usable_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
