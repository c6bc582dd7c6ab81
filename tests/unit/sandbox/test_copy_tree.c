/* Scratch copies keep links; hostile outputs are in the sandbox's own tests. */
#include "test_util.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "copy.h"

static char *top;
static int from = -1;
static int to = -1;

static int setup(void **state)
{
    char *path = NULL;

    (void)state;
    top = test_make_dir();
    path = ps_format("%s/from", top);
    assert_int_equal(mkdir(path, 0755), 0);
    from = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(path);
    path = ps_format("%s/to", top);
    assert_int_equal(mkdir(path, 0755), 0);
    to = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(path);
    return from < 0 || to < 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)close(from);
    (void)close(to);
    test_remove_dir(top);
    return 0;
}

static void put(const char *name, const char *text)
{
    char *path = ps_format("%s/from", top);

    free(test_write(path, name, text));
    free(path);
}

static void copy(const struct ps_copy_options *options,
                 struct ps_copy_problem *problem)
{
    struct ps_error err = PS_ERROR_INIT;

    assert_ok(ps_copy_tree(from, to, options, problem, &err), &err);
}

static void a_scratch_copy_keeps_links_and_modes(void **state)
{
    struct ps_copy_options options = { .keep_links = true,
                                       .owner = (uid_t)-1,
                                       .max_bytes = 100,
                                       .max_files = 10 };
    struct ps_copy_problem problem;
    char target[32] = "";
    struct stat st;

    (void)state;
    put("d/f", "text");
    assert_int_equal(fchmodat(from, "d/f", 0640, 0), 0);
    assert_int_equal(linkat(from, "d/f", from, "again", 0), 0);
    assert_int_equal(symlinkat("/nowhere", from, "link"), 0);
    copy(&options, &problem);
    assert_string_equal(problem.detail, "");
    assert_int_equal(fstatat(to, "d/f", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(readlinkat(to, "link", target, sizeof(target) - 1), 8);
    assert_string_equal(target, "/nowhere");
}

static void limits_hold_for_what_is_written(void **state)
{
    struct ps_copy_options options = { .owner = (uid_t)-1,
                                       .max_bytes = 8,
                                       .max_files = 10 };
    struct ps_copy_problem problem;

    (void)state;
    put("a", "12345");
    copy(&options, &problem);
    assert_string_equal(problem.detail, "");
    put("b", "6789");
    assert_int_equal(unlinkat(to, "a", 0), 0);
    copy(&options, &problem);
    assert_non_null(strstr(problem.detail, "more than 8 bytes"));
}

static void directories_count_as_files(void **state)
{
    struct ps_copy_options options = { .owner = (uid_t)-1,
                                       .max_bytes = 100,
                                       .max_files = 2 };
    struct ps_copy_problem problem;

    (void)state;
    put("a/b/c", "");
    copy(&options, &problem);
    assert_non_null(strstr(problem.detail, "more than 2 files"));
}

static void nothing_is_overwritten(void **state)
{
    struct ps_copy_options options = { .owner = (uid_t)-1,
                                       .max_bytes = 100,
                                       .max_files = 10 };
    struct ps_copy_problem problem;
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    put("a", "new");
    assert_int_equal(symlinkat("/dev/null", to, "a"), 0);
    assert_code(PS_EEXISTS, ps_copy_tree(from, to, &options, &problem, &err),
                &err);
}

static void the_depth_is_bounded(void **state)
{
    struct ps_copy_options options = { .owner = (uid_t)-1,
                                       .max_bytes = 100,
                                       .max_files = 1000 };
    struct ps_copy_problem problem;
    int dir = dup(from);

    (void)state;
    for (unsigned i = 0; i < PS_COPY_MAX_DEPTH; i++) {
        int next;

        assert_int_equal(mkdirat(dir, "d", 0755), 0);
        next = openat(dir, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        (void)close(dir);
        dir = next;
    }
    (void)close(dir);
    copy(&options, &problem);
    assert_non_null(strstr(problem.detail, "deeper"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_scratch_copy_keeps_links_and_modes),
        TEST(limits_hold_for_what_is_written),
        TEST(directories_count_as_files),
        TEST(nothing_is_overwritten),
        TEST(the_depth_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
