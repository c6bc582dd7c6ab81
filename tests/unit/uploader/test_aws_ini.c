#include "test_util.h"

#include "aws_ini.h"

static const char credentials[] = "# comment\n"
                                  "stray = 1\n"
                                  "[default]\r\n"
                                  "aws_access_key_id = AKID1\r\n"
                                  "; aws_access_key_id = no\r\n"
                                  "AWS_Secret_Access_Key=a=b#c ;d \r\n"
                                  "empty =\r\n"
                                  "\n"
                                  "[ other ]\n"
                                  "key: colon\n"
                                  "key2 = first\n"
                                  "key2 = last\n"
                                  "[profile x]\n"
                                  "key = by its whole name\n"
                                  "[default]\n"
                                  "added = later";

static const char config[] = "[default]\n"
                             "region = r0\n"
                             "[profile work]\n"
                             "region = r1\n"
                             "s3 =\n"
                             "  region = nested\n"
                             "\tendpoint_url = nested\n"
                             "[profile \"two words\"]\n"
                             "region = r2\n"
                             "[profile\tt]\n"
                             "region = r3\n"
                             "[work2]\n"
                             "region = no profile\n"
                             "[profilex]\n"
                             "region = no profile\n";

static void expect(enum ps_aws_file kind, const char *text, const char *profile,
                   const char *key, const char *value)
{
    struct ps_aws_ini ini = { .kind = kind, .text = ps_str_from(text) };
    struct ps_str got = { .data = NULL };

    print_message("case: [%s] %s\n", profile, key);
    if (!value) {
        assert_false(ps_aws_ini_get(&ini, profile, key, &got));
        return;
    }
    assert_true(ps_aws_ini_get(&ini, profile, key, &got));
    assert_true(ps_str_is(got, value));
}

static void reads_the_credentials_file(void **state)
{
    static const struct {
        const char *profile;
        const char *key;
        const char *value;
    } cases[] = {
        { "default", "aws_access_key_id", "AKID1" },
        { "default", "aws_secret_access_key", "a=b#c ;d" },
        { "default", "empty", NULL },
        { "default", "stray", NULL },
        { "default", "added", "later" },
        { "default", "key", NULL },
        { "other", "key", "colon" },
        { "other", "key2", "last" },
        { "profile x", "key", "by its whole name" },
        { "x", "key", NULL },
        { "absent", "key", NULL },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++)
        expect(PS_AWS_CREDENTIALS_FILE, credentials, cases[i].profile,
               cases[i].key, cases[i].value);
}

static void reads_the_config_file(void **state)
{
    static const struct {
        const char *profile;
        const char *key;
        const char *value;
    } cases[] = {
        { "default", "region", "r0" },    { "work", "region", "r1" },
        { "work", "endpoint_url", NULL }, { "two words", "region", "r2" },
        { "t", "region", "r3" },          { "work2", "region", NULL },
        { "profilex", "region", NULL },   { "x", "region", NULL },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++)
        expect(PS_AWS_CONFIG_FILE, config, cases[i].profile, cases[i].key,
               cases[i].value);
}

static void knows_which_profiles_there_are(void **state)
{
    struct ps_aws_ini ini = { .kind = PS_AWS_CONFIG_FILE,
                              .text = ps_str_from(config) };

    (void)state;
    assert_true(ps_aws_ini_has_profile(&ini, "work"));
    assert_false(ps_aws_ini_has_profile(&ini, "work2"));
}

static void survives_what_is_no_such_file(void **state)
{
    static const char *const texts[] = {
        "", "[", "]", "[]", "[profile", "[default]\n=\n:\n= x\n", "\n\n", "[[",
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(texts); i++) {
        expect(PS_AWS_CREDENTIALS_FILE, texts[i], "default", "x", NULL);
        expect(PS_AWS_CONFIG_FILE, texts[i], "default", "x", NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_the_credentials_file),
        cmocka_unit_test(reads_the_config_file),
        cmocka_unit_test(knows_which_profiles_there_are),
        cmocka_unit_test(survives_what_is_no_such_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
