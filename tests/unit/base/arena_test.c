#include "test_util.h"

#include <stdalign.h>

#include "pkgsync/arena.h"

static void allocations_are_zeroed_aligned_and_apart(void **state)
{
    PS_AUTO_ARENA struct ps_arena a = PS_ARENA_INIT;
    unsigned char *kept[500];

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(kept); i++) {
        size_t size = i % 97 + 1;

        kept[i] = ps_arena_alloc(&a, 1, size);
        assert_int_equal((uintptr_t)kept[i] % alignof(max_align_t), 0);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(kept[i][k], 0);
        memset(kept[i], (int)(i % 255) + 1, size);
    }
    for (size_t i = 0; i < PS_ARRAY_SIZE(kept); i++) {
        for (size_t k = 0; k < i % 97 + 1; k++)
            assert_int_equal(kept[i][k], i % 255 + 1);
    }
}

static void an_allocation_larger_than_a_block_is_whole(void **state)
{
    PS_AUTO_ARENA struct ps_arena a = PS_ARENA_INIT;
    char *small = ps_arena_strdup(&a, "before");
    char *large = ps_arena_alloc(&a, 1024, 1024);

    (void)state;
    memset(large, 'x', (size_t)1024 * 1024);
    assert_string_equal(small, "before");
    assert_string_equal(ps_arena_strdup(&a, "after"), "after");
    assert_int_equal(large[1024 * 1024 - 1], 'x');
}

static void nothing_is_still_a_pointer(void **state)
{
    PS_AUTO_ARENA struct ps_arena a = PS_ARENA_INIT;

    (void)state;
    assert_non_null(ps_arena_alloc(&a, 0, 8));
    assert_non_null(ps_arena_alloc(&a, 8, 0));
}

static void strings_are_copied(void **state)
{
    PS_AUTO_ARENA struct ps_arena a = PS_ARENA_INIT;
    char original[] = "text";
    char *copy = ps_arena_strdup(&a, original);
    char *part = ps_arena_dup(&a, ps_str_first(ps_str_from(original), 2));

    (void)state;
    original[0] = 'X';
    assert_string_equal(copy, "text");
    assert_string_equal(part, "te");
    assert_null(ps_arena_strdup(&a, NULL));
    assert_string_equal(ps_arena_dup(&a, ps_str_from(NULL)), "");
    assert_string_equal(ps_arena_format(&a, "%s-%d", "a", 5), "a-5");
}

static void a_long_format_is_whole(void **state)
{
    PS_AUTO_ARENA struct ps_arena a = PS_ARENA_INIT;

    (void)state;
    assert_int_equal(strlen(ps_arena_format(&a, "%100000d", 1)), 100000);
}

static void sizes_are_short(void **state)
{
    PS_AUTO_ARENA struct ps_arena a = PS_ARENA_INIT;

    (void)state;
    assert_string_equal(ps_arena_size(&a, 0), "0 B");
    assert_string_equal(ps_arena_size(&a, 1023), "1023 B");
    assert_string_equal(ps_arena_size(&a, 1024), "1.0 KiB");
    assert_string_equal(ps_arena_size(&a, 39552286), "37.7 MiB");
    assert_string_equal(ps_arena_size(&a, UINT64_MAX), "16777215.9 TiB");
}

static void a_released_arena_can_be_used_again(void **state)
{
    struct ps_arena a = PS_ARENA_INIT;

    (void)state;
    ps_arena_release(&a);
    (void)ps_arena_alloc(&a, 100, 1000);
    ps_arena_release(&a);
    assert_null(a.blocks);
    assert_string_equal(ps_arena_strdup(&a, "again"), "again");
    ps_arena_release(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_aligned_and_apart),
        cmocka_unit_test(an_allocation_larger_than_a_block_is_whole),
        cmocka_unit_test(nothing_is_still_a_pointer),
        cmocka_unit_test(strings_are_copied),
        cmocka_unit_test(a_long_format_is_whole),
        cmocka_unit_test(sizes_are_short),
        cmocka_unit_test(a_released_arena_can_be_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
