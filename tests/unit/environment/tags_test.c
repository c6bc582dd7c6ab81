/* Compatibility tags: those of a wheel and those of a target. */
#include "pkgsync/tags.h"

#include "test_util.h"

/* The parsed tags, joined by blanks. */
static char *parse(struct ps_arena *arena, const char *text)
{
    struct ps_error err = PS_ERROR_INIT;
    const struct ps_tag *tags = NULL;
    size_t count = 0;
    char *out = ps_arena_strdup(arena, "");

    assert_ok(ps_tags_parse(arena, ps_str_from(text), &tags, &count, &err),
              &err);
    for (size_t i = 0; i < count; i++)
        out =
            ps_arena_format(arena, "%s%s%.*s-%.*s-%.*s", out, i ? " " : "",
                            PS_STR_FMT(tags[i].python), PS_STR_FMT(tags[i].abi),
                            PS_STR_FMT(tags[i].platform));
    return out;
}

static void expands_a_compressed_set(void **state)
{
    static const char *const rows[][2] = {
        { "py3-none-any", "py3-none-any" },
        { "Py3-None-ANY", "py3-none-any" },
        { "py2.py3-none-any", "py2-none-any py3-none-any" },
        { "py3.py3.PY3-none-any", "py3-none-any" },
        { "cp39.cp311-abi3.none-win32.any",
          "cp39-abi3-win32 cp39-abi3-any cp39-none-win32 cp39-none-any "
          "cp311-abi3-win32 cp311-abi3-any cp311-none-win32 cp311-none-any" },
        { "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64",
          "cp311-cp311-manylinux_2_17_x86_64 "
          "cp311-cp311-manylinux2014_x86_64" },
        { "_x-2-+", "_x-2-+" },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++)
        assert_string_equal(parse(&arena, rows[i][0]), rows[i][1]);
}

static void refuses_what_is_no_tag(void **state)
{
    static const struct {
        const char *text;
        const char *why;
    } rows[] = {
        { "", "empty" },
        { "py3", "not three parts" },
        { "py3-none", "not three parts" },
        { "py3-none-any-x", "not three parts" },
        { "-none-any", "empty" },
        { "py3--any", "empty" },
        { "py3-none-", "empty" },
        { "--", "empty" },
        { "py3.-none-any", "empty" },
        { "py3..py2-none-any", "empty" },
        { "py3-none-.any", "empty" },
        { "3-none-any", "names no Python" },
        { "py+3-none-any", "names no Python" },
        { "py 3-none-any", "names no Python" },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_error err = PS_ERROR_INIT;
        const struct ps_tag *tags = NULL;
        size_t count = 0;

        assert_code(PS_EINVALID,
                    ps_tags_parse(&arena, ps_str_from(rows[i].text), &tags,
                                  &count, &err),
                    &err);
        if (!strstr(err.text, rows[i].why))
            fail_msg("'%s': %s", rows[i].text, err.text);
    }
}

static void bounds_what_a_set_expands_to(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    const struct ps_tag *tags = NULL;
    size_t count = 0;
    char *set = ps_arena_strdup(&arena, "p0");
    char *text = NULL;

    (void)state;
    for (int i = 1; i < 41; i++)
        set = ps_arena_format(&arena, "%s.p%d", set, i);
    text = ps_arena_format(&arena, "%s-%s-%s", set, set, set);
    assert_code(PS_ETOOBIG,
                ps_tags_parse(&arena, ps_str_from(text), &tags, &count, &err),
                &err);
    /* Doubles do not count. */
    text = ps_arena_format(&arena, "%s-%s-any.ANY.any", set, set);
    assert_ok(ps_tags_parse(&arena, ps_str_from(text), &tags, &count, &err),
              &err);
    assert_int_equal(count, 41 * 41);
}

static void matches_a_wheel_with_a_target(void **state)
{
    static const char *const supported[] = { "cp311-cp311-linux_x86_64",
                                             "py3-none-any", NULL };
    static const char *const none[] = { NULL };
    static const struct {
        const char *text;
        bool match;
    } rows[] = {
        { "py3-none-any", true },
        { "py2.py3-none-any", true },
        { "CP311-cp311-linux_x86_64", true },
        { "cp310.cp311-none.cp311-linux_x86_64", true },
        { "py2-none-any", false },
        { "py3-none-any_", false },
        { "py3-none-an", false },
        { "cp311-cp311-linux_x86", false },
        { "cp3-cp311-linux_x86_64", false },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_error err = PS_ERROR_INIT;
        const struct ps_tag *tags = NULL;
        size_t count = 0;

        print_message("case: '%s'\n", rows[i].text);
        assert_ok(ps_tags_parse(&arena, ps_str_from(rows[i].text), &tags,
                                &count, &err),
                  &err);
        assert_int_equal(ps_tags_match(tags, count, supported), rows[i].match);
        assert_false(ps_tags_match(tags, count, none));
    }
}

static void assert_tags(const struct ps_tag_target *target,
                        const char *const *expected)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const char *const *tags = ps_tags_of(&arena, target);
    size_t i = 0;

    for (; expected[i] && tags[i]; i++)
        assert_string_equal(tags[i], expected[i]);
    if (expected[i] || tags[i])
        fail_msg("after %zu tags: expected '%s', got '%s'", i,
                 expected[i] ? expected[i] : "the end",
                 tags[i] ? tags[i] : "the end");
}

/* Whether the list holds it; the place is given, counted from 0. */
static bool has(const char *const *tags, const char *tag, size_t *place)
{
    for (size_t i = 0; tags[i]; i++) {
        if (strcmp(tags[i], tag) == 0) {
            *place = i;
            return true;
        }
    }
    return false;
}

static void lists_the_tags_of_cpython(void **state)
{
    const struct ps_tag_target target = {
        .implementation = "cpython",
        .major = 3,
        .minor = 3,
        .abi = "cp33m",
        .arch = "aarch64",
        .libc = "glibc",
        .libc_major = 2,
        .libc_minor = 17,
    };
    static const char *const expected[] = {
        "cp33-cp33m-linux_aarch64",
        "cp33-cp33m-manylinux_2_17_aarch64",
        "cp33-cp33m-manylinux2014_aarch64",
        "cp33-abi3-linux_aarch64",
        "cp33-abi3-manylinux_2_17_aarch64",
        "cp33-abi3-manylinux2014_aarch64",
        "cp33-none-linux_aarch64",
        "cp33-none-manylinux_2_17_aarch64",
        "cp33-none-manylinux2014_aarch64",
        "cp32-abi3-linux_aarch64",
        "cp32-abi3-manylinux_2_17_aarch64",
        "cp32-abi3-manylinux2014_aarch64",
        "py33-none-linux_aarch64",
        "py33-none-manylinux_2_17_aarch64",
        "py33-none-manylinux2014_aarch64",
        "py3-none-linux_aarch64",
        "py3-none-manylinux_2_17_aarch64",
        "py3-none-manylinux2014_aarch64",
        "py32-none-linux_aarch64",
        "py32-none-manylinux_2_17_aarch64",
        "py32-none-manylinux2014_aarch64",
        "py31-none-linux_aarch64",
        "py31-none-manylinux_2_17_aarch64",
        "py31-none-manylinux2014_aarch64",
        "py30-none-linux_aarch64",
        "py30-none-manylinux_2_17_aarch64",
        "py30-none-manylinux2014_aarch64",
        "cp33-none-any",
        "py33-none-any",
        "py3-none-any",
        "py32-none-any",
        "py31-none-any",
        "py30-none-any",
        NULL,
    };

    (void)state;
    assert_tags(&target, expected);
}

static void lists_the_tags_of_pypy(void **state)
{
    struct ps_tag_target target = {
        .implementation = "pypy",
        .major = 3,
        .minor = 1,
        .abi = "pypy31_pp73",
        .arch = "x86_64",
        .libc = "musl",
        .libc_major = 1,
        .libc_minor = 1,
    };
    static const char *const expected[] = {
        "pp31-pypy31_pp73-linux_x86_64",
        "pp31-pypy31_pp73-musllinux_1_1_x86_64",
        "pp31-pypy31_pp73-musllinux_1_0_x86_64",
        "pp31-none-linux_x86_64",
        "pp31-none-musllinux_1_1_x86_64",
        "pp31-none-musllinux_1_0_x86_64",
        "py31-none-linux_x86_64",
        "py31-none-musllinux_1_1_x86_64",
        "py31-none-musllinux_1_0_x86_64",
        "py3-none-linux_x86_64",
        "py3-none-musllinux_1_1_x86_64",
        "py3-none-musllinux_1_0_x86_64",
        "py30-none-linux_x86_64",
        "py30-none-musllinux_1_1_x86_64",
        "py30-none-musllinux_1_0_x86_64",
        "pp3-none-any",
        "py31-none-any",
        "py3-none-any",
        "py30-none-any",
        NULL,
    };

    (void)state;
    assert_tags(&target, expected);
    target.abi = "pypy31-pp73-x86_64-linux-gnu"; /* as SOABI has it */
    assert_tags(&target, expected);
}

static void lists_the_tags_of_other_implementations(void **state)
{
    const struct ps_tag_target target = {
        .implementation = "graalpy",
        .major = 3,
        .minor = 0,
        .abi = "graalpy-230-native-x86_64-linux",
        .arch = "freebsd-14.1-amd64",
    };
    static const char *const expected[] = {
        "graalpy30-graalpy_230_native-freebsd_14_1_amd64",
        "graalpy30-none-freebsd_14_1_amd64",
        "py30-none-freebsd_14_1_amd64",
        "py3-none-freebsd_14_1_amd64",
        "py30-none-any",
        "py3-none-any",
        NULL,
    };

    (void)state;
    assert_tags(&target, expected);
}

static void a_free_threaded_python_has_its_own_stable_abi(void **state)
{
    static const char *const abis[] = { "cp313t",
                                        "cpython-313t-x86_64-linux-gnu" };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    size_t at = 0;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(abis); i++) {
        const struct ps_tag_target target = {
            .implementation = "cpython",
            .major = 3,
            .minor = 13,
            .abi = abis[i],
            .arch = "x86_64",
            .libc = "glibc",
            .libc_major = 2,
            .libc_minor = 36,
        };
        const char *const *tags = ps_tags_of(&arena, &target);

        assert_string_equal(tags[0], "cp313-cp313t-linux_x86_64");
        assert_true(has(tags, "cp312-abi3t-linux_x86_64", &at));
        assert_false(has(tags, "cp313-abi3-linux_x86_64", &at));
        assert_false(has(tags, "cp313-cp313-linux_x86_64", &at));
        assert_true(has(tags, "cp313-none-any", &at));
    }
}

static void a_debug_python_takes_ordinary_modules_too(void **state)
{
    const struct ps_tag_target target = {
        .implementation = "cpython",
        .major = 3,
        .minor = 11,
        .abi = "cp311d",
        .arch = "x86_64",
        .libc = "glibc",
        .libc_major = 2,
        .libc_minor = 36,
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const char *const *tags = ps_tags_of(&arena, &target);
    size_t debug = 0;
    size_t ordinary = 0;

    (void)state;
    assert_true(has(tags, "cp311-cp311d-linux_x86_64", &debug));
    assert_true(has(tags, "cp311-cp311-linux_x86_64", &ordinary));
    assert_true(debug < ordinary);
}

/* What an old manylinux needs is there on every newer system. */
static void lists_manylinux_by_the_age_of_glibc(void **state)
{
    static const struct {
        const char *arch;
        unsigned major, minor;
        const char *has;
        const char *lacks;
    } rows[] = {
        { "x86_64", 2, 36, "manylinux_2_36_x86_64", "manylinux_2_37_x86_64" },
        { "x86_64", 2, 36, "manylinux1_x86_64", "manylinux_2_4_x86_64" },
        { "x86_64", 2, 36, "manylinux2010_x86_64", "manylinux_1_0_x86_64" },
        { "x86_64", 2, 36, "manylinux2014_x86_64", "manylinux1_i686" },
        { "x86_64", 2, 11, "manylinux1_x86_64", "manylinux2010_x86_64" },
        { "x86_64", 2, 4, "linux_x86_64", "manylinux_2_4_x86_64" },
        { "i686", 2, 17, "manylinux2014_i686", "manylinux2014_x86_64" },
        { "aarch64", 2, 39, "manylinux2014_aarch64", "manylinux_2_16_aarch64" },
        { "ppc64le", 2, 39, "manylinux_2_17_ppc64le", "manylinux1_ppc64le" },
        { "s390x", 2, 17, "manylinux2014_s390x", "manylinux2010_s390x" },
        { "armv7l", 2, 31, "manylinux_2_31_armv7l", "manylinux2010_armv7l" },
        { "armv8l", 2, 31, "manylinux_2_31_armv7l", "linux_aarch64" },
        { "armv6l", 2, 31, "linux_armv6l", "manylinux_2_17_armv6l" },
        { "mips64", 2, 31, "linux_mips64", "manylinux_2_17_mips64" },
        { "riscv64", 2, 39, "manylinux_2_39_riscv64", "musllinux_1_2_riscv64" },
        { "x86_64", 3, 2, "manylinux_3_2_x86_64", "manylinux_3_3_x86_64" },
        { "x86_64", 3, 2, "manylinux_2_50_x86_64", "manylinux_2_51_x86_64" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        const struct ps_tag_target target = {
            .implementation = "cpython",
            .major = 3,
            .minor = 11,
            .arch = rows[i].arch,
            .libc = "glibc",
            .libc_major = rows[i].major,
            .libc_minor = rows[i].minor,
        };
        const char *const *tags = ps_tags_of(&arena, &target);
        const char *in = ps_arena_format(&arena, "cp311-cp311-%s", rows[i].has);
        const char *out =
            ps_arena_format(&arena, "cp311-cp311-%s", rows[i].lacks);
        size_t at = 0;

        print_message("case: %s %s\n", rows[i].has, rows[i].lacks);
        assert_true(has(tags, in, &at));
        assert_false(has(tags, out, &at));
    }
}

static void lists_the_platforms_of_macos(void **state)
{
    static const struct {
        const char *arch;
        unsigned major, minor;
        const char *has;
        const char *lacks;
    } rows[] = {
        { "x86_64", 10, 15, "10_15_x86_64", "11_0_x86_64" },
        { "x86_64", 10, 15, "10_9_intel", "10_3_x86_64" },
        { "x86_64", 10, 15, "10_9_universal2", "10_16_x86_64" },
        { "x86_64", 10, 15, "10_4_fat64", "10_9_fat" },
        { "x86_64", 11, 2, "11_0_x86_64", "11_2_x86_64" },
        { "x86_64", 14, 1, "10_16_universal2", "10_3_universal2" },
        { "x86_64", 14, 1, "12_0_universal2", "12_0_arm64" },
        { "arm64", 26, 0, "26_0_arm64", "27_0_arm64" },
        { "arm64", 11, 0, "11_0_universal2", "11_0_x86_64" },
        { "arm64", 11, 0, "10_4_universal2", "10_16_arm64" },
        { "i386", 10, 6, "10_6_fat", "10_6_fat64" },
        { "ppc64", 10, 5, "10_5_fat64", "10_3_ppc64" },
        { "ppc", 10, 7, "10_6_ppc", "10_7_ppc" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        const struct ps_tag_target target = {
            .implementation = "cpython",
            .major = 3,
            .minor = 11,
            .arch = rows[i].arch,
            .libc = "macos",
            .libc_major = rows[i].major,
            .libc_minor = rows[i].minor,
        };
        const char *const *tags = ps_tags_of(&arena, &target);
        const char *in =
            ps_arena_format(&arena, "cp311-abi3-macosx_%s", rows[i].has);
        const char *out =
            ps_arena_format(&arena, "cp311-abi3-macosx_%s", rows[i].lacks);
        size_t at = 0;

        print_message("case: %s %s\n", rows[i].has, rows[i].lacks);
        assert_true(has(tags, in, &at));
        assert_false(has(tags, out, &at));
    }
}

static void bounds_the_list_of_a_strange_target(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    static const char *const libcs[] = { "glibc", "musl", "macos", "other" };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(libcs); i++) {
        const struct ps_tag_target target = {
            .implementation = "x",
            .major = UINT32_MAX,
            .minor = 1,
            .arch = "x86_64",
            .libc = libcs[i],
            .libc_major = i == 0 ? 99 : UINT32_MAX,
            .libc_minor = UINT32_MAX,
        };
        const char *const *tags = ps_tags_of(&arena, &target);
        size_t count = 0;

        while (tags[count])
            count++;
        assert_in_range(count, 1, 100000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expands_a_compressed_set),
        cmocka_unit_test(refuses_what_is_no_tag),
        cmocka_unit_test(bounds_what_a_set_expands_to),
        cmocka_unit_test(matches_a_wheel_with_a_target),
        cmocka_unit_test(lists_the_tags_of_cpython),
        cmocka_unit_test(lists_the_tags_of_pypy),
        cmocka_unit_test(lists_the_tags_of_other_implementations),
        cmocka_unit_test(a_free_threaded_python_has_its_own_stable_abi),
        cmocka_unit_test(a_debug_python_takes_ordinary_modules_too),
        cmocka_unit_test(lists_manylinux_by_the_age_of_glibc),
        cmocka_unit_test(lists_the_platforms_of_macos),
        cmocka_unit_test(bounds_the_list_of_a_strange_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
