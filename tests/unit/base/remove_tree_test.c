#include "test_util.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "as_child.h"

#define LEVELS 10000

struct fixture {
    char *dir;
    char *tree; /* <dir>/tree, to be removed */
    int fd;     /* of dir */
};

static int setup(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->dir = test_make_dir();
    f->tree = ps_format("%s/tree", f->dir);
    f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(mkdir(f->tree, 0755), 0);
    *state = f;
    return 0;
}

/* rmdir() proves that nothing else was left. */
static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)close(f->fd);
    assert_int_equal(rmdir(f->dir), 0);
    free(f->dir);
    free(f->tree);
    free(f);
    return 0;
}

static void remove_tree(const struct fixture *f)
{
    struct ps_error err = PS_ERROR_INIT;
    struct stat st;

    assert_ok(ps_remove_tree_at(f->fd, "tree", &err), &err);
    assert_int_equal(lstat(f->tree, &st), -1);
    assert_int_equal(errno, ENOENT);
}

static void what_is_absent_is_removed_already(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;

    remove_tree(f);
    remove_tree(f);
    assert_ok(ps_remove_tree_at(f->fd, "no/such/place", &err), &err);
}

static void one_file_is_removed(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;

    free(test_write(f->dir, "file", "x"));
    assert_ok(ps_remove_tree_at(f->fd, "file", &err), &err);
    assert_ok(ps_remove_tree_at(AT_FDCWD, f->tree, &err), &err);
}

static void a_tree_of_files_and_directories_is_removed(void **state)
{
    const struct fixture *f = *state;

    for (int i = 0; i < 20; i++) {
        for (int k = 0; k < 10; k++) {
            PS_AUTO_FREE char *name = ps_format("%d/%d/file", i, k);

            free(test_write(f->tree, name, "x"));
        }
    }
    remove_tree(f);
}

static void names_may_hold_any_bytes(void **state)
{
    static const char *const names[] = {
        "new\nline", "\xff\xfe",    "-rf",          " ",    "*", "...",
        "..a",       "\x01\x1b[2J", "\xed\xa0\x80", "%s%n",
    };
    const struct fixture *f = *state;
    char longest[256];

    memset(longest, 'n', 255);
    longest[255] = '\0';
    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++) {
        PS_AUTO_FREE char *below = ps_format("d%s/%s", names[i], names[i]);

        free(test_write(f->tree, names[i], "x"));
        free(test_write(f->tree, below, "x"));
    }
    free(test_write(f->tree, longest, "x"));
    remove_tree(f);
}

static void special_files_are_removed(void **state)
{
    const struct fixture *f = *state;
    PS_AUTO_FREE char *fifo = ps_format("%s/fifo", f->tree);
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/sock", f->tree);
    assert_int_equal(mkfifo(fifo, 0), 0);
    assert_int_equal(bind(sock, (struct sockaddr *)&at, sizeof(at)), 0);
    remove_tree(f);
    (void)close(sock);
}

static void links_are_removed_and_not_followed(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    char *kept = test_write(f->dir, "outside/kept", "x");
    PS_AUTO_FREE char *outside = ps_format("%s/outside", f->dir);

    assert_int_equal(symlinkat(outside, f->fd, "tree/to-dir"), 0);
    assert_int_equal(symlinkat(kept, f->fd, "tree/to-file"), 0);
    assert_int_equal(symlinkat("..", f->fd, "tree/up"), 0);
    assert_int_equal(symlinkat(".", f->fd, "tree/self"), 0);
    assert_int_equal(symlinkat("/nonexistent", f->fd, "tree/dangling"), 0);
    assert_int_equal(linkat(f->fd, "outside/kept", f->fd, "tree/hard", 0), 0);
    remove_tree(f);
    assert_int_equal(access(kept, F_OK), 0);
    assert_ok(ps_remove_tree_at(f->fd, "outside", &err), &err);
    free(kept);
}

static void a_link_at_the_top_is_removed_itself(void **state)
{
    static const char *const spellings[] = { "link", "link/", "link//" };
    const struct fixture *f = *state;
    char *kept = test_write(f->tree, "kept", "x");

    for (size_t i = 0; i < PS_ARRAY_SIZE(spellings); i++) {
        struct ps_error err = PS_ERROR_INIT;
        struct stat st;

        assert_int_equal(symlinkat("tree", f->fd, "link"), 0);
        assert_ok(ps_remove_tree_at(f->fd, spellings[i], &err), &err);
        assert_int_equal(fstatat(f->fd, "link", &st, AT_SYMLINK_NOFOLLOW), -1);
        assert_int_equal(access(kept, F_OK), 0);
    }
    free(kept);
    remove_tree(f);
}

static void a_trailing_slash_does_not_matter(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;

    free(test_write(f->tree, "a/b", "x"));
    assert_ok(ps_remove_tree_at(f->fd, "tree//", &err), &err);
}

static void nothing_has_no_name(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;

    assert_code(PS_EINVALID, ps_remove_tree_at(f->fd, "", &err), &err);
    assert_code(PS_EINVALID, ps_remove_tree_at(f->fd, "tree/.", &err), &err);
    assert_code(PS_EINVALID, ps_remove_tree_at(f->fd, "tree/..", &err), &err);
    remove_tree(f);
}

/* Far beyond PATH_MAX, and with few descriptors. */
static int remove_a_deep_tree(void *arg)
{
    const struct fixture *f = arg;
    const struct rlimit few = { .rlim_cur = 16, .rlim_max = 16 };
    struct ps_error err = PS_ERROR_INIT;
    int fd = openat(f->fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    for (int i = 0; i < LEVELS; i++) {
        int next = -1;

        CHECK(mkdirat(fd, "d", 0755) == 0);
        if (i % 1000 == 0)
            CHECK(symlinkat("/", fd, "a") == 0);
        next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(next >= 0);
        (void)close(fd);
        fd = next;
    }
    (void)close(fd);
    CHECK_CODE(PS_OK, ps_remove_tree_at(f->fd, "tree", &err), &err);
    return 0;
}

static void a_tree_of_any_depth_needs_few_descriptors(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(in_child(remove_a_deep_tree, f), 0);
    assert_int_equal(access(f->tree, F_OK), -1);
}

/* <tree>/<name>/inner/file and <name>/empty, with the mode in all of it. */
static int make_forbidden(const char *tree, mode_t mode)
{
    PS_AUTO_FREE char *dir = ps_format("%s/%o", tree, mode);
    PS_AUTO_FREE char *inner = ps_format("%s/inner", dir);
    PS_AUTO_FREE char *file = ps_format("%s/file", inner);
    PS_AUTO_FREE char *empty = ps_format("%s/empty", dir);
    struct ps_error err = PS_ERROR_INIT;

    CHECK_CODE(PS_OK, ps_mkdirs(inner, 0700, &err), &err);
    CHECK(mkdir(empty, mode) == 0);
    CHECK(mknod(file, S_IFREG | mode, 0) == 0);
    CHECK(chmod(inner, mode) == 0);
    CHECK(chmod(dir, mode) == 0);
    return 0;
}

static int remove_forbidden_directories(void *arg)
{
    static const mode_t modes[] = { 0000, 0100, 0200, 0300,
                                    0400, 0500, 0600, 0700 };
    const struct fixture *f = arg;
    struct ps_error err = PS_ERROR_INIT;

    CHECK(become_ordinary() == 0);
    for (size_t i = 0; i < PS_ARRAY_SIZE(modes); i++)
        CHECK(make_forbidden(f->tree, modes[i]) == 0);
    CHECK(chmod(f->tree, 0) == 0);
    CHECK_CODE(PS_OK, ps_remove_tree_at(f->fd, "tree", &err), &err);
    return 0;
}

static void own_directories_that_forbid_it_are_removed(void **state)
{
    struct fixture *f = *state;

    /* The top of the tree can only go if the one above is the user's. */
    if (geteuid() == 0) {
        assert_int_equal(chown(f->dir, ORDINARY_ID, ORDINARY_ID), 0);
        assert_int_equal(chown(f->tree, ORDINARY_ID, ORDINARY_ID), 0);
    }
    assert_int_equal(in_child(remove_forbidden_directories, f), 0);
    assert_int_equal(access(f->tree, F_OK), -1);
}

static int remove_below_a_read_only_directory(void *arg)
{
    const struct fixture *f = arg;
    struct ps_error err = PS_ERROR_INIT;
    struct stat st;

    CHECK(become_ordinary() == 0);
    CHECK(chmod(f->dir, 0500) == 0);
    CHECK_CODE(PS_EDENIED, ps_remove_tree_at(f->fd, "tree", &err), &err);
    CHECK_CODE(PS_EDENIED, ps_remove_tree_at(f->fd, "file", &err), &err);
    CHECK_CODE(PS_EDENIED, ps_remove_tree_at(f->fd, "link", &err), &err);
    CHECK(fstat(f->fd, &st) == 0);
    CHECK((st.st_mode & 07777) == 0500);
    return 0;
}

static void the_directory_above_the_tree_is_left_as_it_is(void **state)
{
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;

    free(test_write(f->dir, "file", "x"));
    assert_int_equal(symlinkat("tree", f->fd, "link"), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(f->dir, ORDINARY_ID, ORDINARY_ID), 0);
        assert_int_equal(chown(f->tree, ORDINARY_ID, ORDINARY_ID), 0);
    }
    assert_int_equal(in_child(remove_below_a_read_only_directory, f), 0);
    assert_int_equal(chmod(f->dir, 0700), 0);
    assert_ok(ps_remove_tree_at(f->fd, "file", &err), &err);
    assert_ok(ps_remove_tree_at(f->fd, "link", &err), &err);
    remove_tree(f);
}

static int remove_somebody_elses(void *arg)
{
    const struct fixture *f = arg;
    struct ps_error err = PS_ERROR_INIT;

    CHECK(become_ordinary() == 0);
    CHECK_CODE(PS_EDENIED, ps_remove_tree_at(f->fd, "tree", &err), &err);
    CHECK(strstr(err.text, "'tree'") != NULL);
    return 0;
}

static void somebody_elses_tree_is_refused(void **state)
{
    struct fixture *f = *state;

    free(test_write(f->tree, "a/b", "x"));
    if (geteuid() == 0) {
        assert_int_equal(chmod(f->dir, 0777), 0);
        assert_int_equal(in_child(remove_somebody_elses, f), 0);
    }
    remove_tree(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_absent_is_removed_already),
        TEST(one_file_is_removed),
        TEST(a_tree_of_files_and_directories_is_removed),
        TEST(names_may_hold_any_bytes),
        TEST(special_files_are_removed),
        TEST(links_are_removed_and_not_followed),
        TEST(a_link_at_the_top_is_removed_itself),
        TEST(a_trailing_slash_does_not_matter),
        TEST(nothing_has_no_name),
        TEST(a_tree_of_any_depth_needs_few_descriptors),
        TEST(own_directories_that_forbid_it_are_removed),
        TEST(the_directory_above_the_tree_is_left_as_it_is),
        TEST(somebody_elses_tree_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
