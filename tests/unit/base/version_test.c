/* Versions: every spelling, the normal form, the order. */
#include "pkgsync/version.h"

#include "test_util.h"

static struct ps_version parse(struct ps_arena *arena, const char *text)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_version v;

    assert_ok(ps_version_parse(arena, ps_str_from(text), &v, &err), &err);
    return v;
}

static void normalises_every_spelling(void **state)
{
    static const char *const rows[][2] = {
        { "1", "1" },
        { "1.0", "1.0" },
        { "1.0.0", "1.0.0" },
        { "v1.2", "1.2" },
        { "V1.2", "1.2" },
        { "01.002", "1.2" },
        { "2024.01.05", "2024.1.5" },
        { "0!1", "1" },
        { "00!1", "1" },
        { "2!1.0", "2!1.0" },
        { "v02!1.0", "2!1.0" },
        { "1.0a", "1.0a0" },
        { "1.0a1", "1.0a1" },
        { "1.0A1", "1.0a1" },
        { "1.0.a.1", "1.0a1" },
        { "1.0_a-1", "1.0a1" },
        { "1.0.ALPHA.01", "1.0a1" },
        { "1.0-beta_2", "1.0b2" },
        { "1.0beta", "1.0b0" },
        { "1.0c3", "1.0rc3" },
        { "1.0-C-3", "1.0rc3" },
        { "1.0RC3", "1.0rc3" },
        { "1.0pre3", "1.0rc3" },
        { "1.0-preview-3", "1.0rc3" },
        { "1.0rc", "1.0rc0" },
        { "2023c", "2023rc0" },
        { "1.0.post", "1.0.post0" },
        { "1.0post2", "1.0.post2" },
        { "1.0-POST-2", "1.0.post2" },
        { "1.0-r4", "1.0.post4" },
        { "1.0r4", "1.0.post4" },
        { "1.0_rev_4", "1.0.post4" },
        { "1.0-1", "1.0.post1" },
        { "1.0-01", "1.0.post1" },
        { "1.0-00", "1.0.post0" },
        { "1.0dev", "1.0.dev0" },
        { "1.0-DEV-7", "1.0.dev7" },
        { "1.0.dev_07", "1.0.dev7" },
        { "1.0a1.post2.dev3", "1.0a1.post2.dev3" },
        { "1.0rc1-1dev1", "1.0rc1.post1.dev1" },
        { "1.0a.", "1.0a0" },
        { "1.0a-.post", "1.0a0.post0" },
        { "1.0a-1", "1.0a1" },
        { "1.0a--1", "1.0a0.post1" },
        { "1.0a1-1", "1.0a1.post1" },
        { "1.0.dev-", "1.0.dev0" },
        { "1.0.post-dev", "1.0.post0.dev0" },
        { "1.0+cu118", "1.0+cu118" },
        { "1.0+Ubuntu-1_02.x", "1.0+ubuntu.1.2.x" },
        { "1.0+001", "1.0+1" },
        { "1.0+00a", "1.0+00a" },
        { "1.0+0.00", "1.0+0.0" },
        { "1.0.post1+g1a2b3c", "1.0.post1+g1a2b3c" },
        { "1.0.dev1+1-2", "1.0.dev1+1.2" },
        { "99999999999999999999999.1", "99999999999999999999999.1" },
        { "1!2.3.4a5.post6.dev7+l.8", "1!2.3.4a5.post6.dev7+l.8" },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_error err = PS_ERROR_INIT;
        char *out = NULL;

        assert_ok(
            ps_version_normalize(&arena, ps_str_from(rows[i][0]), &out, &err),
            &err);
        assert_string_equal(out, rows[i][1]);
        /* The normal form is its own. */
        assert_ok(ps_version_normalize(&arena, ps_str_from(out), &out, &err),
                  &err);
        assert_string_equal(out, rows[i][1]);
    }
}

/* As Python's str.isspace() has them. */
static void ignores_blanks_around_a_version(void **state)
{
    static const char *const blanks[] = {
        " ",        "\t",           "\n",           "\r",
        "\v",       "\f",           "\x1c",         "\x1f",
        "\xc2\x85", "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80",
        " \n ",     "\xe2\x80\x8a", "\xe2\x80\xa8", "\xe2\x80\xaf",
        "",         "\xe2\x81\x9f", "\xe3\x80\x80", "\xc2\xa0 \xc2\xa0",
    };
    static const char *const others[] = {
        "\xe2\x80\x8b", /* zero width: no blank to Python */
        "\x1b",         "\x7f", "\xef\xbb\xbf", "\xa0", "\xc2",
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_version v;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(blanks); i++) {
        char *text = ps_arena_format(&arena, "%s1.0%s", blanks[i], blanks[i]);

        v = parse(&arena, text);
        assert_string_equal(ps_version_string(&arena, &v), "1.0");
    }
    for (size_t i = 0; i < PS_ARRAY_SIZE(others); i++) {
        assert_code(PS_EINVALID,
                    ps_version_parse(&arena,
                                     ps_str_from(ps_arena_format(
                                         &arena, "1.0%s", others[i])),
                                     &v, &err),
                    &err);
        assert_code(PS_EINVALID,
                    ps_version_parse(&arena,
                                     ps_str_from(ps_arena_format(
                                         &arena, "%s1.0", others[i])),
                                     &v, &err),
                    &err);
    }
}

static void refuses_what_is_no_version(void **state)
{
    static const char *const rows[] = {
        "",
        "v",
        "a",
        "1.",
        "1..2",
        ".1",
        "1.0.",
        "1.0-",
        "1!",
        "!1",
        "1!!1",
        "1.0+",
        "1.0+a+b",
        "1.0+a..b",
        "1.0+a.",
        "1.0x",
        "1.0--1",
        "1 .0",
        "1.0post1a1",
        "1.0dev1post1",
        "1.0a1b1",
        "1.0\xc3\xa9",
        "1.*",
        "-1",
        "1.0a1-",
        "1.0_1",
        "vv1",
        "v 1",
        "v.1",
        "1!v1",
        "1.0+_a",
        "1.0+a_",
        "+a",
        "1.0 a1",
        "1.0..a1",
        "1.0.-a1",
        "1.0ab1",
        "1.0gamma",
        "1.0post--1",
        "1.0-1-1",
        "1.0dev1dev",
        "1.0+\xc3\xa9",
        "lolwat",
        "1.0 + a",
        "1,0",
        "\xd9\xa1.0",
        "1.\xd9\xa1",
        "1.0a\xd9\xa1",
        "1.0po\xc5\xbft1",
        "1e5",
        "0x1",
        "1.0#",
        "  ",
        ".",
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_error err = PS_ERROR_INIT;
        char *out = NULL;

        if (ps_version_normalize(&arena, ps_str_from(rows[i]), &out, &err) !=
            PS_EINVALID)
            fail_msg("'%s' passed as '%s'", rows[i], out);
        assert_non_null(strstr(err.text, "is not a PEP 440 version"));
        assert_string_equal(
            ps_version_canonical(&arena, ps_str_from(rows[i]), true), rows[i]);
    }
}

static void refuses_odd_bytes_and_lengths(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_FREE char *digits = ps_calloc(65537, 1);
    struct ps_error err = PS_ERROR_INIT;
    char *out = NULL;

    (void)state;
    assert_code(PS_EINVALID,
                ps_version_normalize(&arena, PS_STR_LIT("1.0\0a1"), &out, &err),
                &err);
    assert_code(PS_EINVALID,
                ps_version_normalize(&arena, PS_STR_LIT("1.0\0"), &out, &err),
                &err);
    assert_code(
        PS_EINVALID,
        ps_version_normalize(&arena, (struct ps_str){ NULL, 0 }, &out, &err),
        &err);

    memset(digits, '1', 65537);
    assert_ok(ps_version_normalize(&arena, (struct ps_str){ digits, 65536 },
                                   &out, &err),
              &err);
    assert_int_equal(strlen(out), 65536);
    assert_code(PS_EINVALID,
                ps_version_normalize(&arena, (struct ps_str){ digits, 65537 },
                                     &out, &err),
                &err);
}

static void gives_the_parts(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_version v = parse(&arena, "V01!02.03.0-ALPHA_04-05.dev06+Ab.007");

    (void)state;
    assert_true(ps_str_is(v.epoch, "1"));
    assert_int_equal(v.release_count, 3);
    assert_true(ps_str_is(v.release[0], "2"));
    assert_true(ps_str_is(v.release[1], "3"));
    assert_true(ps_str_is(v.release[2], "0"));
    assert_true(ps_str_is(v.pre_kind, "a"));
    assert_true(ps_str_is(v.pre, "4"));
    assert_true(v.has_post);
    assert_true(ps_str_is(v.post, "5"));
    assert_true(v.has_dev);
    assert_true(ps_str_is(v.dev, "6"));
    assert_int_equal(v.local_count, 2);
    assert_true(ps_str_is(v.local[0], "ab"));
    assert_true(ps_str_is(v.local[1], "7"));

    v = parse(&arena, "1");
    assert_true(ps_str_is(v.epoch, "0"));
    assert_int_equal(v.pre_kind.len + v.pre.len + v.post.len + v.dev.len, 0);
    assert_false(v.has_post || v.has_dev);
    assert_int_equal(v.local_count, 0);
}

static void gives_the_public_and_the_base_version(void **state)
{
    static const struct {
        const char *text;
        const char *public;
        const char *base;
        const char *canonical;
        bool prerelease;
    } rows[] = {
        { "1.0", "1.0", "1.0", "1", false },
        { "1.0.0+local", "1.0.0", "1.0.0", "1+local", false },
        { "0", "0", "0", "0", false },
        { "0.0.0", "0.0.0", "0.0.0", "0", false },
        { "1.0.dev6", "1.0.dev6", "1.0", "1.dev6", true },
        { "1.0a1", "1.0a1", "1.0", "1a1", true },
        { "1.0.post1", "1.0.post1", "1.0", "1.post1", false },
        { "1.0.post1.dev2", "1.0.post1.dev2", "1.0", "1.post1.dev2", true },
        { "5!1.10.0rc1.post2.dev3+a", "5!1.10.0rc1.post2.dev3", "5!1.10.0",
          "5!1.10rc1.post2.dev3+a", true },
        { "10.100", "10.100", "10.100", "10.100", false },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_str text = ps_str_from(rows[i].text);
        struct ps_version v = parse(&arena, rows[i].text);

        assert_string_equal(ps_version_public(&arena, &v), rows[i].public);
        assert_string_equal(ps_version_base(&arena, &v), rows[i].base);
        assert_string_equal(ps_version_canonical(&arena, text, true),
                            rows[i].canonical);
        assert_string_equal(ps_version_canonical(&arena, text, false),
                            rows[i].text);
        assert_int_equal(ps_version_is_prerelease(&v), rows[i].prerelease);
    }
}

/* Each stands before all that follow it. */
static const char *const ascending[] = {
    "0.dev0",
    "0.dev1",
    "0a0.dev0",
    "0a0",
    "0",
    "0+0",
    "0.0.1",
    "0.9.99999999999999999999999998",
    "0.9.99999999999999999999999999",
    "0.10",
    "1.0.dev456",
    "1.0.dev456+local",
    "1.0a1.dev1",
    "1.0a1",
    "1.0a1.post1.dev1",
    "1.0a1.post1",
    "1.0a2.dev456",
    "1.0a12.dev456",
    "1.0a12",
    "1.0b1.dev456",
    "1.0b2",
    "1.0b2.post345.dev456",
    "1.0b2.post345",
    "1.0b2-346",
    "1.0c1.dev456",
    "1.0c1",
    "1.0rc2",
    "1.0c3",
    "1.0",
    "1.0+0a",
    "1.0+abc.5",
    "1.0+abc.7",
    "1.0+abd",
    "1.0+abd.a",
    "1.0+abd.0",
    "1.0+b",
    "1.0+5", /* numbers follow words, also those that begin with a digit */
    "1.0+10",
    "1.0+10.a",
    "1.0+10.0",
    "1.0+18446744073709551616",
    "1.0.post0.dev0",
    "1.0.post0",
    "1.0.post456.dev34",
    "1.0.post456",
    "1.0.post456+local",
    "1.0.0.1",
    "1.1.dev1",
    "1.2+123abc",
    "1.2+123abc456",
    "1.2+abc",
    "1.2+abc123",
    "1.2+abc123def",
    "1.2+1234.abc",
    "1.2+123456",
    "1.2.r32+123456",
    "1.2.rev33+123456",
    "1.10",
    "2",
    "2024.1",
    "1!0.dev1",
    "1!1.0.dev456",
    "1!1.0",
    "1!1.2.rev33+123456",
    "2!0",
    "10!0",
};

static void sorts_versions(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    size_t count = PS_ARRAY_SIZE(ascending);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        struct ps_version a = parse(&arena, ascending[i]);

        for (size_t j = 0; j < count; j++) {
            struct ps_version b = parse(&arena, ascending[j]);
            int order = ps_version_compare(&a, &b);

            if ((order > 0) - (order < 0) != (i > j) - (i < j))
                fail_msg("'%s' against '%s': %d", ascending[i], ascending[j],
                         order);
        }
    }
}

static void equal_versions_may_be_written_apart(void **state)
{
    static const char *const rows[][2] = {
        { "1", "1.0.0.0" },        { "0", "0!0.0" },
        { "1.0", "v1" },           { "1.0a1", "1alpha01" },
        { "1.0-1", "1.post1" },    { "1.0+a-1", "1+A.01" },
        { "1.0.dev", "1.0-dev0" }, { "1rc", "1.0.c0" },
    };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_version a = parse(&arena, rows[i][0]);
        struct ps_version b = parse(&arena, rows[i][1]);

        assert_int_equal(ps_version_compare(&a, &b), 0);
        assert_int_equal(ps_version_compare(&b, &a), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalises_every_spelling),
        cmocka_unit_test(ignores_blanks_around_a_version),
        cmocka_unit_test(refuses_what_is_no_version),
        cmocka_unit_test(refuses_odd_bytes_and_lengths),
        cmocka_unit_test(gives_the_parts),
        cmocka_unit_test(gives_the_public_and_the_base_version),
        cmocka_unit_test(sorts_versions),
        cmocka_unit_test(equal_versions_may_be_written_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
