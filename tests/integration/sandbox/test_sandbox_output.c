/* What the command leaves in its output directory, and full disks. */
#include "fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static struct stat stat_out(const char *name)
{
    struct stat st = { .st_mode = 0 };

    if (fstatat(fx.out_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        fail_msg("'%s' is not in the output", name);
    return st;
}

/* Refused, naming the thing and its kind. */
static void assert_refused(const char *script, const char *name,
                           const char *why)
{
    run_script(script);
    assert_outcome(PS_RUN_OUTPUT);
    if (!strstr(fx.result.detail, name) || !strstr(fx.result.detail, why))
        fail_msg("'%s' should name %s and say '%s'", fx.result.detail, name,
                 why);
}

static void files_and_directories_come_back(void **state)
{
    struct ps_buf text = PS_BUF_INIT(100);
    struct ps_error err = PS_ERROR_INIT;
    struct stat st;

    (void)state;
    run_script("set -e; umask 000; mkdir -p /out/a/b /out/empty; "
               "echo data > /out/a/b/f; chmod 4755 /out/a/b/f; "
               "touch -d @1000000000.5 /out/a/b/f; echo w > '/out/a\nb'; "
               "chmod 777 /out/a; chmod 000 '/out/a\nb'");
    assert_exit(0);
    assert_ok(ps_read_file_at(fx.out_dir, "a/b/f", &text, &err), &err);
    assert_string_equal(ps_buf_z(&text), "data\n");
    ps_buf_release(&text);
    st = stat_out("a/b/f");
    assert_int_equal(st.st_mode & 07777, 0755); /* the setuid bit is gone */
    assert_int_equal(st.st_mtim.tv_sec, 1000000000);
    assert_int_equal(st.st_mtim.tv_nsec, 500000000);
    assert_int_equal(st.st_uid, geteuid());
    assert_int_equal(stat_out("a").st_mode & 07777, 0755);
    assert_int_equal(stat_out("a\nb").st_mode & 07777, 0644);
    assert_true(S_ISDIR(stat_out("empty").st_mode));
}

static void nothing_comes_back_from_a_failed_command(void **state)
{
    (void)state;
    run_script("echo half > /out/half; exit 1");
    assert_exit(1);
    assert_int_equal(faccessat(fx.out_dir, "half", F_OK, 0), -1);
}

static void a_symbolic_link_is_refused(void **state)
{
    (void)state;
    assert_refused("ln -s /etc/shadow /out/link", "'link'", "symbolic link");
    assert_refused("mkdir /out/d; ln -s . /out/d/l", "'d/l'", "symbolic link");
}

static void a_fifo_is_refused_without_waiting(void **state)
{
    (void)state;
    assert_refused("mkfifo /out/pipe", "'pipe'", "FIFO");
}

static void a_hard_link_is_refused(void **state)
{
    (void)state;
    assert_refused("echo x > /out/a; ln /out/a /out/b", "'", "hard link");
}

static void a_socket_is_refused(void **state)
{
    (void)state;
    assert_refused("/usr/bin/python3 -c 'import socket; "
                   "socket.socket(socket.AF_UNIX).bind(\"/out/sock\")'",
                   "'sock'", "socket");
}

static void too_many_files_are_refused(void **state)
{
    (void)state;
    assert_refused("for i in $(seq 101); do : > /out/$i; done", "'",
                   "more than 100 files");
}

static void too_many_bytes_are_refused(void **state)
{
    (void)state;
    assert_refused("head -c 600000 /dev/zero > /out/a; "
                   "cp /out/a /out/b",
                   "'", "more than 1048576 bytes");
}

static void a_sparse_giant_is_refused_at_once(void **state)
{
    (void)state;
    assert_refused("truncate -s 12M /out/giant", "'giant'", "too large");
}

static void a_deep_tree_is_refused(void **state)
{
    (void)state;
    fx.result.detail[0] = '\0';
    {
        struct ps_run_spec spec = fixture_spec(
            "cd /out; i=0; while [ $i -lt 400 ]; do mkdir d && cd d; "
            "i=$((i+1)); done");

        spec.out_max_files = 10000;
        fixture_run(&spec);
    }
    assert_outcome(PS_RUN_OUTPUT);
    assert_non_null(strstr(fx.result.detail, "deeper"));
}

static void strange_names_are_shown_without_their_bytes(void **state)
{
    (void)state;
    assert_refused("ln -s x \"$(printf '/out/a\\033[31m\\377b')\"",
                   "'a?[31m?b'", "symbolic link");
}

static void an_output_that_meets_its_limit_while_written_fails_so(void **state)
{
    (void)state;
    run_script("head -c 5000000 /dev/zero > /out/big");
    assert_outcome(PS_RUN_OUTPUT);
    assert_non_null(strstr(fx.result.detail, "/out"));
}

static void a_full_temporary_directory_is_told_from_a_failure(void **state)
{
    (void)state;
    run_script("head -c 64M /dev/zero > /tmp/big; exit 3");
    assert_outcome(PS_RUN_DISK);
    assert_non_null(strstr(fx.result.detail, "/tmp"));
    run_script("i=0; while : > /tmp/$i; do i=$((i+1)); done; exit 3");
    assert_outcome(PS_RUN_DISK);
    run_script("exit 3");
    assert_exit(3);
}

static void a_full_disk_that_was_tidied_up_is_told_too(void **state)
{
    (void)state;
    run_script("head -c 64M /dev/zero > /tmp/big; rm /tmp/big; exit 3");
    assert_outcome(PS_RUN_DISK);
}

static void a_full_scratch_directory_is_a_full_disk(void **state)
{
    char *dir = ps_format("%s/small", fx.dir);
    char *file = test_write(dir, "f", "x");
    const struct ps_mount mount = { PS_MOUNT_SCRATCH, dir, "/src" };
    struct ps_run_spec spec =
        fixture_spec("head -c 64M /dev/zero > /src/big; exit 3");

    (void)state;
    spec.mounts = &mount;
    spec.mount_count = 1;
    fixture_run(&spec);
    assert_outcome(PS_RUN_DISK);
    assert_non_null(strstr(fx.result.detail, "/src"));
    free(file);
    free(dir);
}

static void endless_output_is_cut(void **state)
{
    struct ps_run_spec spec = fixture_spec("exec yes");

    (void)state;
    spec.log_max_bytes = 100000;
    fixture_run(&spec);
    assert_outcome(PS_RUN_OUTPUT);
    assert_non_null(strstr(fx.result.detail, "log"));
    assert_int_equal(fx.log.len, 100000);
}

static void output_up_to_the_limit_is_whole(void **state)
{
    struct ps_run_spec spec =
        fixture_spec("head -c 3000000 /dev/zero | tr '\\0' x");

    (void)state;
    spec.log_max_bytes = 3000000;
    fixture_run(&spec);
    assert_exit(0);
    assert_int_equal(fx.log.len, 3000000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, fixture_setup)
    const struct CMUnitTest tests[] = {
        TEST(files_and_directories_come_back),
        TEST(nothing_comes_back_from_a_failed_command),
        TEST(a_symbolic_link_is_refused),
        TEST(a_fifo_is_refused_without_waiting),
        TEST(a_hard_link_is_refused),
        TEST(a_socket_is_refused),
        TEST(too_many_files_are_refused),
        TEST(too_many_bytes_are_refused),
        TEST(a_sparse_giant_is_refused_at_once),
        TEST(a_deep_tree_is_refused),
        TEST(strange_names_are_shown_without_their_bytes),
        TEST(an_output_that_meets_its_limit_while_written_fails_so),
        TEST(a_full_temporary_directory_is_told_from_a_failure),
        TEST(a_full_disk_that_was_tidied_up_is_told_too),
        TEST(a_full_scratch_directory_is_a_full_disk),
        TEST(endless_output_is_cut),
        TEST(output_up_to_the_limit_is_whole),
    };

    return cmocka_run_group_tests(tests, fixture_group_setup,
                                  fixture_group_teardown);
}
