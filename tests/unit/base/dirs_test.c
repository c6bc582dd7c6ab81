#include "test_util.h"

#include <sys/stat.h>
#include <unistd.h>

#include "as_child.h"
#include "pkgsync/dirs.h"

#define UNKNOWN_ID 54321 /* has no entry in the password database */

static const char *const variables[] = { "XDG_CACHE_HOME", "XDG_DATA_HOME",
                                         "XDG_STATE_HOME", "XDG_CONFIG_HOME" };

struct fixture {
    char *dir;
    struct ps_dirs dirs;
    struct ps_error err;
};

static int setup(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->dir = test_make_dir();
    for (size_t i = 0; i < PS_ARRAY_SIZE(variables); i++)
        assert_int_equal(unsetenv(variables[i]), 0);
    assert_int_equal(setenv("HOME", f->dir, 1), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ps_dirs_release(&f->dirs);
    test_remove_dir(f->dir);
    free(f);
    return 0;
}

static void assert_below(const struct fixture *f, const char *path,
                         const char *expected)
{
    PS_AUTO_FREE char *full = ps_format("%s/%s", f->dir, expected);

    assert_string_equal(path, full);
}

static void assert_private(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void directories_are_made_below_the_home(void **state)
{
    struct fixture *f = *state;

    assert_ok(ps_dirs_init(&f->dirs, &f->err), &f->err);
    assert_below(f, f->dirs.cache, ".cache/pkgsync");
    assert_below(f, f->dirs.data, ".local/share/pkgsync");
    assert_below(f, f->dirs.state, ".local/state/pkgsync");
    assert_below(f, f->dirs.config, ".config/pkgsync");
    assert_private(f->dirs.cache);
    assert_private(f->dirs.data);
    assert_private(f->dirs.state);
    assert_int_equal(access(f->dirs.config, F_OK), -1);
}

static void the_variables_say_where(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(variables); i++) {
        PS_AUTO_FREE char *value = ps_format("%s/v%zu", f->dir, i);

        assert_int_equal(setenv(variables[i], value, 1), 0);
    }
    assert_int_equal(setenv("HOME", "/nonexistent", 1), 0);
    assert_ok(ps_dirs_init(&f->dirs, &f->err), &f->err);
    assert_below(f, f->dirs.cache, "v0/pkgsync");
    assert_below(f, f->dirs.data, "v1/pkgsync");
    assert_below(f, f->dirs.state, "v2/pkgsync");
    assert_below(f, f->dirs.config, "v3/pkgsync");
    assert_private(f->dirs.state);
}

static void values_that_are_not_absolute_are_ignored(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(setenv("XDG_CACHE_HOME", "relative", 1), 0);
    assert_int_equal(setenv("XDG_DATA_HOME", "", 1), 0);
    assert_ok(ps_dirs_init(&f->dirs, &f->err), &f->err);
    assert_below(f, f->dirs.cache, ".cache/pkgsync");
    assert_below(f, f->dirs.data, ".local/share/pkgsync");
}

static void what_is_there_is_used(void **state)
{
    struct fixture *f = *state;

    free(test_write(f->dir, ".cache/pkgsync/file", "x"));
    assert_ok(ps_dirs_init(&f->dirs, &f->err), &f->err);
    ps_dirs_release(&f->dirs);
    assert_ok(ps_dirs_init(&f->dirs, &f->err), &f->err);
}

static void a_file_in_the_way_is_named(void **state)
{
    struct fixture *f = *state;

    free(test_write(f->dir, ".local/share/pkgsync", "x"));
    assert_code(PS_EEXISTS, ps_dirs_init(&f->dirs, &f->err), &f->err);
    assert_non_null(strstr(f->err.text, ".local/share/pkgsync"));
    assert_null(f->dirs.cache);
}

static int ask_without_a_home(void *arg)
{
    struct fixture *f = arg;

    CHECK(setresuid(UNKNOWN_ID, UNKNOWN_ID, UNKNOWN_ID) == 0);
    CHECK(setenv("HOME", "not/absolute", 1) == 0);
    CHECK_CODE(PS_ECONFIG, ps_dirs_init(&f->dirs, &f->err), &f->err);
    CHECK(strstr(f->err.text, "HOME") != NULL);
    CHECK(f->dirs.cache == NULL);
    return 0;
}

static void without_a_home_it_says_what_to_set(void **state)
{
    struct fixture *f = *state;

    if (geteuid() != 0)
        skip();
    assert_int_equal(in_child(ask_without_a_home, f), 0);
}

static int ask_without_home_but_variables(void *arg)
{
    struct fixture *f = arg;

    CHECK(setresuid(UNKNOWN_ID, UNKNOWN_ID, UNKNOWN_ID) == 0);
    CHECK(unsetenv("HOME") == 0);
    for (size_t i = 0; i < 3; i++)
        CHECK(setenv(variables[i], f->dir, 1) == 0);
    CHECK_CODE(PS_OK, ps_dirs_init(&f->dirs, &f->err), &f->err);
    CHECK(f->dirs.config == NULL);
    ps_dirs_release(&f->dirs);
    return 0;
}

static void three_variables_are_as_good_as_a_home(void **state)
{
    struct fixture *f = *state;

    if (geteuid() != 0)
        skip();
    assert_int_equal(chmod(f->dir, 0777), 0);
    assert_int_equal(in_child(ask_without_home_but_variables, f), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(directories_are_made_below_the_home),
        TEST(the_variables_say_where),
        TEST(values_that_are_not_absolute_are_ignored),
        TEST(what_is_there_is_used),
        TEST(a_file_in_the_way_is_named),
        TEST(without_a_home_it_says_what_to_set),
        TEST(three_variables_are_as_good_as_a_home),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
