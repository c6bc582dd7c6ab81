/* What needs file systems of one's own: full disks, and mounts in a tree. */
#include "test_util.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define SKIP_STATUS 77
#define LARGE ((size_t)1024 * 1024)

static int write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t put = fd < 0 ? -1 : write(fd, text, strlen(text));

    if (fd >= 0)
        (void)close(fd);
    return put == (ssize_t)strlen(text) ? 0 : -1;
}

/* A mount namespace of our own, as root or through a user namespace. */
static int enter_namespace(void)
{
    char map[64];
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (unshare(CLONE_NEWNS) < 0) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
            return -1;
        (void)write_text("/proc/self/setgroups", "deny");
        (void)snprintf(map, sizeof(map), "0 %u 1", uid);
        if (write_text("/proc/self/uid_map", map) < 0)
            return -1;
        (void)snprintf(map, sizeof(map), "0 %u 1", gid);
        if (write_text("/proc/self/gid_map", map) < 0)
            return -1;
    }
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

static char *make_small_disk(const char *options)
{
    char *dir = test_make_dir();

    assert_int_equal(mount("tmpfs", dir, "tmpfs", 0, options), 0);
    return dir;
}

static void drop_disk(char *dir)
{
    assert_int_equal(umount(dir), 0);
    test_remove_dir(dir);
}

static size_t count_entries(const char *path)
{
    PS_AUTO_DIR DIR *dir = opendir(path);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    return count - 2; /* "." and ".." */
}

static void assert_content(const char *path, const char *expected)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(4096);
    struct ps_error err = PS_ERROR_INIT;

    assert_ok(ps_read_file_at(AT_FDCWD, path, &text, &err), &err);
    assert_string_equal(ps_buf_z(&text), expected);
}

static void a_full_disk_leaves_nothing_behind(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    char *dir = make_small_disk("size=64k");
    PS_AUTO_FREE char *path = ps_format("%s/new", dir);
    PS_AUTO_FREE char *large = ps_calloc(1, LARGE);

    (void)state;
    assert_code(PS_ENOSPACE,
                ps_write_file_at(AT_FDCWD, path, large, LARGE, 0644, &err),
                &err);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(count_entries(dir), 0);
    drop_disk(dir);
}

static void a_full_disk_keeps_the_old_content(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    char *dir = make_small_disk("size=64k");
    char *path = test_write(dir, "f", "old");
    PS_AUTO_FREE char *large = ps_calloc(1, LARGE);

    (void)state;
    assert_code(PS_ENOSPACE,
                ps_write_file_at(AT_FDCWD, path, large, LARGE, 0644, &err),
                &err);
    assert_content(path, "old");
    assert_int_equal(count_entries(dir), 1);
    free(path);
    drop_disk(dir);
}

static void a_disk_without_inodes_keeps_the_old_content(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    char *dir = make_small_disk("nr_inodes=2");
    char *path = test_write(dir, "f", "old");

    (void)state;
    assert_code(PS_ENOSPACE,
                ps_write_file_at(AT_FDCWD, path, "new", 3, 0644, &err), &err);
    assert_content(path, "old");
    free(path);
    drop_disk(dir);
}

static void a_read_only_disk_is_told_as_denied(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    char *dir = make_small_disk("size=64k");
    PS_AUTO_FREE char *path = ps_format("%s/f", dir);
    PS_AUTO_FREE char *below = ps_format("%s/there/new", dir);

    (void)state;
    *strrchr(below, '/') = '\0';
    assert_ok(ps_mkdirs(below, 0755, &err), &err);
    assert_int_equal(mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, "size=64k"),
                     0);
    assert_code(PS_EDENIED,
                ps_write_file_at(AT_FDCWD, path, "x", 1, 0644, &err), &err);
    /* What exists on a read-only disk need not be made. */
    assert_ok(ps_mkdirs(below, 0755, &err), &err);
    assert_code(PS_EDENIED, ps_mkdirs(path, 0755, &err), &err);
    drop_disk(dir);
}

/* A mount left behind in a job's directory may show the host's files. */
static void a_mount_in_the_tree_is_refused_and_left_alone(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    char *dir = test_make_dir();
    char *kept = test_write(dir, "host/kept", "x");
    PS_AUTO_FREE char *host = ps_format("%s/host", dir);
    PS_AUTO_FREE char *tree = ps_format("%s/tree", dir);
    PS_AUTO_FREE char *at = ps_format("%s/tree/a/mnt", dir);

    (void)state;
    assert_ok(ps_mkdirs(at, 0755, &err), &err);
    assert_int_equal(mount(host, at, NULL, MS_BIND, NULL), 0);
    assert_code(PS_EBUSY, ps_remove_tree_at(AT_FDCWD, tree, &err), &err);
    assert_non_null(strstr(err.text, "mount"));
    assert_int_equal(access(kept, F_OK), 0);
    assert_int_equal(umount(at), 0);
    assert_ok(ps_remove_tree_at(AT_FDCWD, tree, &err), &err);
    free(kept);
    test_remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_disk_leaves_nothing_behind),
        cmocka_unit_test(a_full_disk_keeps_the_old_content),
        cmocka_unit_test(a_disk_without_inodes_keeps_the_old_content),
        cmocka_unit_test(a_read_only_disk_is_told_as_denied),
        cmocka_unit_test(a_mount_in_the_tree_is_refused_and_left_alone),
    };

    if (enter_namespace() < 0) {
        (void)fputs("skipped: no mount namespace to be had here\n", stderr);
        return SKIP_STATUS;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
