#include "test_util.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LARGE ((size_t)1024 * 1024)

/* The linker's --wrap: a file system with reflinks, when a test wants one. */
/* NOLINTNEXTLINE(readability-identifier-naming): the linker wants this name */
int __wrap_ioctl(int fd, unsigned long request, ...);
static bool has_reflinks;
static int clones;

int __wrap_ioctl(int fd, unsigned long request, ...)
{
    char chunk[4096];
    va_list ap;
    int from = -1;
    ssize_t got = 0;

    va_start(ap, request);
    from = va_arg(ap, int);
    va_end(ap);
    if (request != FICLONE || !has_reflinks) {
        errno = EOPNOTSUPP;
        return -1;
    }
    clones++;
    got = pread(from, chunk, sizeof(chunk), 0);
    return ftruncate(fd, 0) < 0 || pwrite(fd, chunk, (size_t)got, 0) != got ? -1
                                                                            : 0;
}

struct fixture {
    char *dir;
    int fd;
};

static int setup(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->dir = test_make_dir();
    f->fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)close(f->fd);
    test_remove_dir(f->dir);
    free(f);
    return 0;
}

static void assert_content(const struct fixture *f, const char *name,
                           const char *expected)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(4096);
    struct ps_error err = PS_ERROR_INIT;

    assert_ok(ps_read_file_at(f->fd, name, &text, &err), &err);
    assert_string_equal(ps_buf_z(&text), expected);
}

static void assert_names(const struct fixture *f, size_t expected)
{
    PS_AUTO_DIR DIR *dir = opendir(f->dir);
    size_t count = 0;

    while (readdir(dir))
        count++;
    assert_int_equal(count, expected + 2);
}

static int open_new(const struct fixture *f, const char *name)
{
    int fd = openat(f->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    return fd;
}

struct writer {
    int fd;
    const char *data;
    int rc;
};

static void *write_large(void *user)
{
    struct writer *w = user;
    struct ps_error err = PS_ERROR_INIT;

    w->rc = ps_write_all(w->fd, w->data, LARGE, &err);
    (void)close(w->fd);
    return NULL;
}

static void more_than_a_pipe_holds_goes_through(void **state)
{
    PS_AUTO_BUF struct ps_buf got = PS_BUF_INIT(LARGE);
    PS_AUTO_FREE char *data = ps_calloc(1, LARGE);
    struct ps_error err = PS_ERROR_INIT;
    struct writer w = { .data = data };
    pthread_t thread;
    int fds[2];

    (void)state;
    for (size_t i = 0; i < LARGE; i++)
        data[i] = (char)(i * 31 >> 3);
    assert_ok(ps_pipe(fds, &err), &err);
    assert_int_equal(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    assert_int_equal(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
    w.fd = fds[1];
    assert_int_equal(pthread_create(&thread, NULL, write_large, &w), 0);
    assert_ok(ps_read_all(fds[0], &got, &err), &err);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(w.rc, PS_OK);
    assert_int_equal(got.len, LARGE);
    assert_memory_equal(got.data, data, LARGE);
    (void)close(fds[0]);
}

static void descriptors_that_do_not_work_are_reported(void **state)
{
    PS_AUTO_BUF struct ps_buf got = PS_BUF_INIT(10);
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    assert_code(PS_EIO, ps_write_all(-1, "x", 1, &err), &err);
    assert_code(PS_EIO, ps_read_all(-1, &got, &err), &err);
    assert_ok(ps_write_all(-1, NULL, 0, &err), &err);
}

static void reading_stops_at_the_cap(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_BUF struct ps_buf exact = PS_BUF_INIT(5);
    PS_AUTO_BUF struct ps_buf small = PS_BUF_INIT(4);
    PS_AUTO_FD int fd = -1;

    free(test_write(f->dir, "f", "12345"));
    assert_ok(ps_read_file_at(f->fd, "f", &exact, &err), &err);
    assert_string_equal(ps_buf_z(&exact), "12345");
    assert_code(PS_ETOOBIG, ps_read_file_at(f->fd, "f", &small, &err), &err);
    assert_non_null(strstr(err.text, "'f'"));
    fd = openat(f->fd, "f", O_RDONLY | O_CLOEXEC);
    assert_code(PS_ETOOBIG, ps_read_all(fd, &small, &err), &err);
    /* It is appended to: what is there already counts. */
    assert_code(PS_ETOOBIG, ps_read_file_at(f->fd, "f", &exact, &err), &err);
}

static void files_without_a_size_are_read(void **state)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(65536);
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    assert_ok(ps_read_file_at(AT_FDCWD, "/proc/self/status", &text, &err),
              &err);
    assert_true(text.len > 0);
}

static void only_plain_files_are_opened(void **state)
{
    const struct fixture *f = *state;
    static const char *const odd[] = { "fifo",     "dir",  "link",
                                       "dangling", "sock", "/dev/null" };
    PS_AUTO_FREE char *sock_path = ps_format("%s/sock", f->dir);
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct ps_error err = PS_ERROR_INIT;
    struct stat st;
    int fd = -1;

    free(test_write(f->dir, "plain", "123"));
    assert_int_equal(mkfifoat(f->fd, "fifo", 0600), 0);
    assert_int_equal(mkdirat(f->fd, "dir", 0700), 0);
    assert_int_equal(symlinkat("plain", f->fd, "link"), 0);
    assert_int_equal(symlinkat("none", f->fd, "dangling"), 0);
    (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", sock_path);
    assert_int_equal(bind(sock, (struct sockaddr *)&at, sizeof(at)), 0);
    (void)close(sock);

    for (size_t i = 0; i < PS_ARRAY_SIZE(odd); i++) {
        print_message("case: %s\n", odd[i]);
        assert_code(PS_EINVALID,
                    ps_open_regular_at(f->fd, odd[i], &fd, NULL, &err), &err);
        assert_non_null(strstr(err.text, odd[i]));
        assert_int_equal(fd, -1);
    }
    assert_code(PS_ENOTFOUND,
                ps_open_regular_at(f->fd, "none", &fd, NULL, &err), &err);
    assert_ok(ps_open_regular_at(f->fd, "plain", &fd, &st, &err), &err);
    assert_int_equal(st.st_size, 3);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    (void)close(fd);
}

static void a_file_is_written_with_its_mode_and_nothing_beside(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    struct stat st;
    mode_t before = umask(022);

    assert_ok(ps_write_file_at(f->fd, "f", "one", 3, 0600, &err), &err);
    assert_int_equal(fstatat(f->fd, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_ok(ps_write_file_at(f->fd, "f", "second", 6, 0755, &err), &err);
    assert_int_equal(fstatat(f->fd, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_content(f, "f", "second");
    assert_ok(ps_write_file_at(f->fd, "empty", NULL, 0, 0600, &err), &err);
    assert_content(f, "empty", "");
    assert_names(f, 2);
    (void)umask(before);
}

static void a_written_file_may_have_any_path(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FREE char *absolute = ps_format("%s/sub/abs", f->dir);
    char longest[256];

    memset(longest, 'n', 255);
    longest[255] = '\0';
    assert_int_equal(mkdirat(f->fd, "sub", 0700), 0);
    assert_ok(ps_write_file_at(f->fd, "sub/rel", "r", 1, 0600, &err), &err);
    assert_ok(ps_write_file_at(AT_FDCWD, absolute, "a", 1, 0600, &err), &err);
    assert_ok(ps_write_file_at(f->fd, longest, "l", 1, 0600, &err), &err);
    assert_ok(ps_write_file_at(f->fd, "\xff\n", "x", 1, 0600, &err), &err);
    assert_content(f, "sub/rel", "r");
    assert_content(f, "sub/abs", "a");
    assert_content(f, longest, "l");
    assert_content(f, "\xff\n", "x");
}

static void a_write_that_fails_leaves_nothing_beside(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;

    assert_int_equal(mkdirat(f->fd, "dir", 0700), 0);
    assert_true(ps_write_file_at(f->fd, "dir", "x", 1, 0600, &err) < 0);
    assert_code(PS_ENOTFOUND,
                ps_write_file_at(f->fd, "none/f", "x", 1, 0600, &err), &err);
    assert_true(ps_write_file_at(f->fd, "dir/", "x", 1, 0600, &err) < 0);
    assert_names(f, 1);
}

static void writing_replaces_a_link_and_not_its_target(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    struct stat st;

    free(test_write(f->dir, "target", "old"));
    assert_int_equal(symlinkat("target", f->fd, "link"), 0);
    assert_ok(ps_write_file_at(f->fd, "link", "new", 3, 0600, &err), &err);
    assert_int_equal(fstatat(f->fd, "link", &st, AT_SYMLINK_NOFOLLOW), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_content(f, "target", "old");
}

static void a_copy_is_measured_and_hashed(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_sha256 expected = ps_sha256_of("content", 7);
    struct ps_sha256 digest;
    PS_AUTO_FD int from = -1;
    PS_AUTO_FD int to = open_new(f, "to");
    PS_AUTO_FD int other = open_new(f, "other");
    uint64_t size = 0;

    free(test_write(f->dir, "from", "content"));
    from = openat(f->fd, "from", O_RDONLY | O_CLOEXEC);
    assert_ok(ps_copy_fd(from, to, 7, &digest, &size, &err), &err);
    assert_int_equal(size, 7);
    assert_true(ps_sha256_equal(&digest, &expected));
    assert_content(f, "to", "content");
    assert_int_equal(lseek(from, 0, SEEK_SET), 0);
    assert_ok(ps_copy_fd(from, other, 7, NULL, NULL, &err), &err);
    assert_content(f, "other", "content");
    assert_int_equal(lseek(from, 0, SEEK_SET), 0);
    assert_code(PS_ETOOBIG, ps_copy_fd(from, to, 6, &digest, NULL, &err), &err);
    assert_int_equal(lseek(from, 0, SEEK_SET), 0);
    assert_code(PS_ETOOBIG, ps_copy_fd(from, to, 6, NULL, NULL, &err), &err);
}

static void a_reflink_takes_the_place_of_a_whole_copy(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FD int from = -1;
    PS_AUTO_FD int to = open_new(f, "to");
    uint64_t size = 0;

    free(test_write(f->dir, "from", "content"));
    from = openat(f->fd, "from", O_RDONLY | O_CLOEXEC);
    has_reflinks = true;
    clones = 0;
    assert_ok(ps_copy_fd(from, to, 7, NULL, &size, &err), &err);
    has_reflinks = false;
    assert_int_equal(clones, 1);
    assert_int_equal(size, 7);
    assert_content(f, "to", "content");
    assert_int_equal(lseek(from, 0, SEEK_CUR), 7); /* as after a copy */
    assert_int_equal(lseek(to, 0, SEEK_CUR), 7);
}

/* A reflink would bring the whole file and drop what is in the other. */
static void a_copy_goes_from_offset_to_offset(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FD int from = -1;
    PS_AUTO_FD int to = open_new(f, "to");
    uint64_t size = 0;

    free(test_write(f->dir, "from", "content"));
    from = openat(f->fd, "from", O_RDONLY | O_CLOEXEC);
    has_reflinks = true;
    assert_ok(ps_write_all(to, "head ", 5, &err), &err);
    assert_int_equal(lseek(from, 3, SEEK_SET), 3);
    assert_ok(ps_copy_fd(from, to, 7, NULL, &size, &err), &err);
    assert_int_equal(size, 4);
    assert_content(f, "to", "head tent");
    assert_int_equal(lseek(from, 0, SEEK_SET), 0);
    assert_int_equal(lseek(to, 0, SEEK_SET), 0);
    assert_ok(ps_copy_fd(from, to, 7, NULL, &size, &err), &err);
    assert_content(f, "to", "contentnt");
    has_reflinks = false;
}

static void directories_are_made_with_their_parents(void **state)
{
    static const char *const spellings[] = { "a/b/c", "a/b/c", "a//b///d/", "e",
                                             "link/f" };
    const struct fixture *f = *state;
    struct stat st;

    assert_int_equal(symlinkat(".", f->fd, "link"), 0);
    for (size_t i = 0; i < PS_ARRAY_SIZE(spellings); i++) {
        PS_AUTO_FREE char *path = ps_format("%s/%s", f->dir, spellings[i]);
        struct ps_error err = PS_ERROR_INIT;

        assert_ok(ps_mkdirs(path, 0700, &err), &err);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0700);
    }
}

static void relative_directories_and_the_root_are_fine(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FD int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(fchdir(f->fd), 0);
    assert_ok(ps_mkdirs("rel/b", 0700, &err), &err);
    assert_ok(ps_mkdirs(".", 0700, &err), &err);
    assert_ok(ps_mkdirs("/", 0700, &err), &err);
    assert_int_equal(fchdir(before), 0);
    assert_int_equal(faccessat(f->fd, "rel/b", F_OK, 0), 0);
    assert_code(PS_EINVALID, ps_mkdirs("", 0700, &err), &err);
}

static void a_file_in_the_way_of_a_directory_is_an_error(void **state)
{
    static const char *const ways[] = { "file", "file/", "dangling" };
    const struct fixture *f = *state;
    PS_AUTO_FREE char *below = ps_format("%s/file/below", f->dir);
    struct ps_error err = PS_ERROR_INIT;

    free(test_write(f->dir, "file", "x"));
    assert_int_equal(symlinkat("none", f->fd, "dangling"), 0);
    for (size_t i = 0; i < PS_ARRAY_SIZE(ways); i++) {
        PS_AUTO_FREE char *path = ps_format("%s/%s", f->dir, ways[i]);

        print_message("case: %s\n", ways[i]);
        assert_code(PS_EEXISTS, ps_mkdirs(path, 0700, &err), &err);
        assert_non_null(strstr(err.text, f->dir));
    }
    assert_true(ps_mkdirs(below, 0700, &err) < 0);
}

static void a_directory_is_opened_and_made_if_asked(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FREE char *path = ps_format("%s/a/b", f->dir);
    char *file = test_write(f->dir, "file", "x");
    int fd = -1;

    assert_code(PS_ENOTFOUND, ps_open_dir(path, false, &fd, &err), &err);
    assert_true(ps_open_dir(file, false, &fd, &err) < 0);
    assert_int_equal(fd, -1);
    assert_ok(ps_open_dir(path, true, &fd, &err), &err);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    (void)close(fd);
    free(file);
}

static void temporary_directories_are_private_and_differ(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FREE char *parent = ps_format("%s/new/parent", f->dir);
    PS_AUTO_FREE char *one = NULL;
    PS_AUTO_FREE char *two = NULL;
    struct stat st;

    assert_ok(ps_make_temp_dir(parent, "job-", &one, &err), &err);
    assert_ok(ps_make_temp_dir(parent, "job-", &two, &err), &err);
    assert_string_not_equal(one, two);
    assert_non_null(strstr(one, "/new/parent/job-"));
    assert_int_equal(stat(one, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

static void a_real_path_has_no_links(void **state)
{
    const struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FREE char *link = ps_format("%s/./link", f->dir);
    PS_AUTO_FREE char *real = NULL;
    char *none = NULL;

    free(test_write(f->dir, "plain", "x"));
    assert_int_equal(symlinkat("plain", f->fd, "link"), 0);
    assert_ok(ps_real_path(link, &real, &err), &err);
    assert_string_equal(strrchr(real, '/'), "/plain");
    assert_code(PS_ENOTFOUND, ps_real_path("/none/such", &none, &err), &err);
    assert_null(none);
}

static void assert_found(const struct fixture *f, const char *name,
                         const char *path, const char *expected)
{
    PS_AUTO_FREE char *found = ps_find_program(name, path);
    PS_AUTO_FREE char *full =
        expected ? ps_format("%s/%s", f->dir, expected) : NULL;

    if (!expected)
        assert_null(found);
    else if (!found)
        fail_msg("'%s' was not found", expected);
    else
        assert_string_equal(found, full);
}

static void the_first_program_on_the_path_is_found(void **state)
{
    const struct fixture *f = *state;
    PS_AUTO_FREE char *path =
        ps_format(":relative:.:%s/none:%s/one:%s/two:", f->dir, f->dir, f->dir);
    PS_AUTO_FREE char *direct = ps_format("%s/two/prog", f->dir);
    PS_AUTO_FREE char *a_dir = ps_format("%s/two", f->dir);

    free(test_write(f->dir, "one/prog", "not executable"));
    free(test_write(f->dir, "two/prog", "x"));
    free(test_write(f->dir, "two/both", "x"));
    free(test_write(f->dir, "one/both", "x"));
    free(test_write(f->dir, "one/adir/file", "x"));
    assert_int_equal(fchmodat(f->fd, "two/prog", 0755, 0), 0);
    assert_int_equal(fchmodat(f->fd, "two/both", 0755, 0), 0);
    assert_int_equal(fchmodat(f->fd, "one/both", 0755, 0), 0);

    assert_found(f, "prog", path, "two/prog");
    assert_found(f, "both", path, "one/both");
    assert_found(f, "adir", path, NULL);
    assert_found(f, "none", path, NULL);
    assert_found(f, "", path, NULL);
    assert_found(f, "prog", "", NULL);
    assert_found(f, "prog", NULL, NULL);
    assert_found(f, direct, NULL, "two/prog");
    assert_found(f, a_dir, path, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(more_than_a_pipe_holds_goes_through),
        TEST(descriptors_that_do_not_work_are_reported),
        TEST(reading_stops_at_the_cap),
        TEST(files_without_a_size_are_read),
        TEST(only_plain_files_are_opened),
        TEST(a_file_is_written_with_its_mode_and_nothing_beside),
        TEST(a_written_file_may_have_any_path),
        TEST(a_write_that_fails_leaves_nothing_beside),
        TEST(writing_replaces_a_link_and_not_its_target),
        TEST(a_copy_is_measured_and_hashed),
        TEST(a_reflink_takes_the_place_of_a_whole_copy),
        TEST(a_copy_goes_from_offset_to_offset),
        TEST(directories_are_made_with_their_parents),
        TEST(relative_directories_and_the_root_are_fine),
        TEST(a_file_in_the_way_of_a_directory_is_an_error),
        TEST(a_directory_is_opened_and_made_if_asked),
        TEST(temporary_directories_are_private_and_differ),
        TEST(a_real_path_has_no_links),
        TEST(the_first_program_on_the_path_is_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
