#include "test_util.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/config.h"

static const struct ps_setting table[] = {
    { .name = "wheel-dir", .fallback = "wheels", .help = "where wheels go" },
    { .name = "python", .help = "the interpreter" },
    { .name = "jobs",
      .type = PS_SETTING_NUMBER,
      .fallback = "4",
      .min = 1,
      .max = 64,
      .help = "builds at once" },
    { .name = "size", .type = PS_SETTING_NUMBER, .max = UINT64_MAX },
    { .name = "upload", .type = PS_SETTING_BOOL, .fallback = "true" },
    { .name = "index", .type = PS_SETTING_LIST, .fallback = "default-index" },
    { .name = "find-links", .type = PS_SETTING_LIST },
    { .name = NULL },
};

struct fixture {
    struct ps_config *c;
    char *dir;
    struct ps_error err;
};

static int setup(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->c = ps_config_new(table);
    f->dir = test_make_dir();
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ps_config_free(f->c);
    test_remove_dir(f->dir);
    free(f);
    return 0;
}

static void load(struct fixture *f, const char *text, int code)
{
    PS_AUTO_FREE char *path = test_write(f->dir, "pkgsync.conf", text);

    assert_code(code, ps_config_load_file(f->c, path, true, &f->err), &f->err);
}

static void load_env(struct fixture *f, const char *variable)
{
    PS_AUTO_FREE char *copy = ps_strdup(variable);
    char path[] = "PATH=/bin";
    char other[] = "PKGSYNC_OTHER=x";
    char *envp[] = { path, other, copy, NULL };

    assert_ok(ps_config_load_env(f->c, envp, &f->err), &f->err);
}

static void set_flag(struct fixture *f, const char *name, const char *value)
{
    assert_ok(ps_config_set_flag(f->c, name, value, &f->err), &f->err);
}

/* "a|b|c" */
static void assert_list(const struct fixture *f, const char *name,
                        const char *expected)
{
    PS_AUTO_BUF struct ps_buf joined = PS_BUF_INIT(4096);
    const char *const *list = ps_config_list(f->c, name);

    for (size_t i = 0; list[i]; i++)
        ps_buf_addf(&joined, "%s%s", i > 0 ? "|" : "", list[i]);
    assert_string_equal(ps_buf_z(&joined), expected);
}

static void assert_origin(const struct fixture *f, const char *name,
                          enum ps_origin origin, const char *text)
{
    assert_int_equal(ps_config_origin(f->c, name), origin);
    assert_non_null(strstr(ps_config_origin_text(f->c, name), text));
}

static void defaults_hold_until_something_is_said(void **state)
{
    struct fixture *f = *state;

    assert_string_equal(ps_config_text(f->c, "wheel-dir"), "wheels");
    assert_null(ps_config_text(f->c, "python"));
    assert_false(ps_config_is_set(f->c, "python"));
    assert_true(ps_config_is_set(f->c, "wheel-dir"));
    assert_int_equal(ps_config_number(f->c, "jobs"), 4);
    assert_int_equal(ps_config_number(f->c, "size"), 0);
    assert_true(ps_config_bool(f->c, "upload"));
    assert_list(f, "index", "default-index");
    assert_list(f, "find-links", "");
    assert_origin(f, "jobs", PS_ORIGIN_DEFAULT, "default");
    assert_origin(f, "python", PS_ORIGIN_DEFAULT, "default");
}

static void a_flag_beats_the_environment_beats_the_file(void **state)
{
    struct fixture *f = *state;

    load(f, "wheel-dir = from-file\n", PS_OK);
    assert_string_equal(ps_config_text(f->c, "wheel-dir"), "from-file");
    assert_origin(f, "wheel-dir", PS_ORIGIN_FILE, "pkgsync.conf:1");
    load_env(f, "PKGSYNC_WHEEL_DIR=from-env");
    assert_string_equal(ps_config_text(f->c, "wheel-dir"), "from-env");
    assert_origin(f, "wheel-dir", PS_ORIGIN_ENVIRONMENT, "PKGSYNC_WHEEL_DIR");
    set_flag(f, "wheel-dir", "from-flag");
    assert_string_equal(ps_config_text(f->c, "wheel-dir"), "from-flag");
    assert_origin(f, "wheel-dir", PS_ORIGIN_FLAG, "--wheel-dir");
}

/* A flag says which file to load, so flags are often read first. */
static void the_order_of_loading_does_not_matter(void **state)
{
    struct fixture *f = *state;

    set_flag(f, "wheel-dir", "from-flag");
    set_flag(f, "index", "flag-index");
    load_env(f, "PKGSYNC_WHEEL_DIR=from-env");
    load_env(f, "PKGSYNC_INDEX=env-index");
    load_env(f, "PKGSYNC_JOBS=5");
    load(f, "wheel-dir = from-file\njobs = 6\nindex = file-index\n", PS_OK);
    assert_string_equal(ps_config_text(f->c, "wheel-dir"), "from-flag");
    assert_int_equal(ps_config_number(f->c, "jobs"), 5);
    assert_list(f, "index", "flag-index");
    assert_origin(f, "wheel-dir", PS_ORIGIN_FLAG, "flag");
    /* A mistake in a value that does not count is a mistake all the same. */
    load(f, "jobs = many\n", PS_ECONFIG);
}

static void a_file_has_comments_blanks_and_any_line_end(void **state)
{
    struct fixture *f = *state;

    load(f,
         "# a comment\r\n"
         "\n"
         "   \t \n"
         "  # another = one\n"
         "\twheel-dir\t=\ta dir = with # signs  \r\n"
         "python=/usr/bin/python3\n"
         "jobs = 2\n"
         "jobs = 3",
         PS_OK);
    assert_string_equal(ps_config_text(f->c, "wheel-dir"),
                        "a dir = with # signs");
    assert_string_equal(ps_config_text(f->c, "python"), "/usr/bin/python3");
    assert_int_equal(ps_config_number(f->c, "jobs"), 3);
    assert_origin(f, "jobs", PS_ORIGIN_FILE, "pkgsync.conf:8");
}

static void a_list_grows_in_one_source_and_replaces_the_lower(void **state)
{
    struct fixture *f = *state;

    load(f, "index = one\nindex = two words\n", PS_OK);
    assert_list(f, "index", "one|two words");
    load_env(f, "PKGSYNC_INDEX= three  four\tfive\nsix ");
    assert_list(f, "index", "three|four|five|six");
    set_flag(f, "index", "seven");
    set_flag(f, "index", "eight nine");
    assert_list(f, "index", "seven|eight nine");
}

static void an_empty_value_empties_a_list(void **state)
{
    struct fixture *f = *state;

    load(f, "index =\n", PS_OK);
    assert_list(f, "index", "");
    assert_origin(f, "index", PS_ORIGIN_FILE, "pkgsync.conf:1");
    load(f, "index =\nindex = one\nindex =\n", PS_OK);
    assert_list(f, "index", "one");
}

static void an_empty_variable_says_nothing(void **state)
{
    struct fixture *f = *state;

    load_env(f, "PKGSYNC_JOBS=");
    load_env(f, "PKGSYNC_INDEX=");
    load_env(f, "PKGSYNC_INDEX=  ");
    load_env(f, "PKGSYNC_JOBSX=9");
    load_env(f, "PKGSYNC_JOBS");
    assert_int_equal(ps_config_number(f->c, "jobs"), 4);
    assert_list(f, "index", "default-index");
}

static void a_mistake_in_a_file_is_told_with_its_line(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        { "jobs = 2\nwheeldir = x\n", "pkgsync.conf:2" },
        { "\n\nWheel-Dir = x\n", "'Wheel-Dir'" },
        { "just words\n", "pkgsync.conf:1" },
        { "= x\n", "pkgsync.conf:1" },
        { "[section]\n", "pkgsync.conf:1" },
        { "#\njobs = 0\n", "pkgsync.conf:2" },
        { "jobs = 65\n", "'jobs'" },
        { "jobs = -1\n", "-1" },
        { "jobs = 1.5\n", "1.5" },
        { "jobs = 4 # a comment does not end a line\n", "'jobs'" },
        { "jobs =\n", "'jobs'" },
        { "size = 18446744073709551616\n", "'size'" },
        { "upload = maybe\n", "'maybe'" },
        { "upload =\n", "'upload'" },
        { "upload = 2\n", "'2'" },
        { "upload = tru\n", "'tru'" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        print_message("case: %s", cases[i].text);
        load(f, cases[i].text, PS_ECONFIG);
        if (!strstr(f->err.text, cases[i].says))
            fail_msg("'%s' does not say '%s'", f->err.text, cases[i].says);
        if (!strstr(f->err.text, "pkgsync.conf:"))
            fail_msg("'%s' does not name the line", f->err.text);
    }
}

static void a_nul_byte_in_a_file_is_a_mistake(void **state)
{
    static const char text[] = "jobs = 2\nwheel-dir = a\0b\n";
    struct fixture *f = *state;
    PS_AUTO_FREE char *path = ps_format("%s/nul.conf", f->dir);

    assert_ok(
        ps_write_file_at(AT_FDCWD, path, text, sizeof(text) - 1, 0600, &f->err),
        &f->err);
    assert_code(PS_ECONFIG, ps_config_load_file(f->c, path, true, &f->err),
                &f->err);
    assert_non_null(strstr(f->err.text, "nul.conf:2"));
}

static void a_mistake_in_the_environment_names_the_variable(void **state)
{
    char variable[] = "PKGSYNC_JOBS=none";
    char *envp[] = { variable, NULL };
    struct fixture *f = *state;

    assert_code(PS_ECONFIG, ps_config_load_env(f->c, envp, &f->err), &f->err);
    assert_non_null(strstr(f->err.text, "PKGSYNC_JOBS"));
    assert_int_equal(ps_config_number(f->c, "jobs"), 4);
}

static void a_mistake_in_a_flag_is_wrong_usage(void **state)
{
    struct fixture *f = *state;

    assert_code(PS_EUSAGE, ps_config_set_flag(f->c, "jobs", "x", &f->err),
                &f->err);
    assert_int_equal(f->err.code, PS_EUSAGE);
    assert_non_null(strstr(f->err.text, "--jobs"));
    assert_code(PS_EUSAGE, ps_config_set_flag(f->c, "none", "x", &f->err),
                &f->err);
    assert_non_null(strstr(f->err.text, "--none"));
}

static void numbers_are_taken_within_their_limits(void **state)
{
    struct fixture *f = *state;

    set_flag(f, "jobs", "1");
    assert_int_equal(ps_config_number(f->c, "jobs"), 1);
    set_flag(f, "jobs", "64");
    assert_int_equal(ps_config_number(f->c, "jobs"), 64);
    set_flag(f, "size", "18446744073709551615");
    assert_true(ps_config_number(f->c, "size") == UINT64_MAX);
}

static void booleans_have_four_spellings(void **state)
{
    static const char *const yes[] = {
        "true", "yes", "on", "1", "TRUE", "Yes"
    };
    static const char *const no[] = {
        "false", "no", "off", "0", "False", "OFF"
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(yes); i++) {
        set_flag(f, "upload", no[i]);
        assert_false(ps_config_bool(f->c, "upload"));
        set_flag(f, "upload", yes[i]);
        assert_true(ps_config_bool(f->c, "upload"));
    }
}

static void an_absent_file_matters_only_if_required(void **state)
{
    struct fixture *f = *state;
    PS_AUTO_FREE char *path = ps_format("%s/none.conf", f->dir);

    assert_ok(ps_config_load_file(f->c, path, false, &f->err), &f->err);
    assert_int_equal(f->err.code, PS_OK);
    assert_code(PS_ENOTFOUND, ps_config_load_file(f->c, path, true, &f->err),
                &f->err);
    assert_non_null(strstr(f->err.text, path));
    assert_true(ps_config_load_file(f->c, f->dir, false, &f->err) < 0);
    assert_non_null(strstr(f->err.text, f->dir));
}

/* People keep their configuration files elsewhere and link to them. */
static void a_link_to_a_file_is_followed(void **state)
{
    struct fixture *f = *state;
    PS_AUTO_FREE char *target = test_write(f->dir, "dotfiles/c", "jobs = 7\n");
    PS_AUTO_FREE char *link = ps_format("%s/link.conf", f->dir);

    assert_int_equal(symlink(target, link), 0);
    assert_ok(ps_config_load_file(f->c, link, true, &f->err), &f->err);
    assert_int_equal(ps_config_number(f->c, "jobs"), 7);
    assert_origin(f, "jobs", PS_ORIGIN_FILE, "link.conf:1");
}

static void a_file_too_large_is_refused(void **state)
{
    struct fixture *f = *state;
    PS_AUTO_FREE char *path = test_write(f->dir, "large.conf", "#");

    assert_int_equal(truncate(path, (off_t)2 * 1024 * 1024), 0);
    assert_code(PS_ETOOBIG, ps_config_load_file(f->c, path, true, &f->err),
                &f->err);
}

static void nothing_is_released_without_complaint(void **state)
{
    (void)state;
    ps_config_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(defaults_hold_until_something_is_said),
        TEST(a_flag_beats_the_environment_beats_the_file),
        TEST(the_order_of_loading_does_not_matter),
        TEST(a_file_has_comments_blanks_and_any_line_end),
        TEST(a_list_grows_in_one_source_and_replaces_the_lower),
        TEST(an_empty_value_empties_a_list),
        TEST(an_empty_variable_says_nothing),
        TEST(a_mistake_in_a_file_is_told_with_its_line),
        TEST(a_nul_byte_in_a_file_is_a_mistake),
        TEST(a_mistake_in_the_environment_names_the_variable),
        TEST(a_mistake_in_a_flag_is_wrong_usage),
        TEST(numbers_are_taken_within_their_limits),
        TEST(booleans_have_four_spellings),
        TEST(an_absent_file_matters_only_if_required),
        TEST(a_link_to_a_file_is_followed),
        TEST(a_file_too_large_is_refused),
        TEST(nothing_is_released_without_complaint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
