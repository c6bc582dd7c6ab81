/* What the command can see and change. */
#include "fixture.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void it_runs_and_reports_the_exit_status(void **state)
{
    (void)state;
    run_script("echo to stdout; echo to stderr >&2; exit 7");
    assert_exit(7);
    assert_log_has("to stdout");
    assert_log_has("to stderr");
}

static void the_environment_is_only_what_was_given(void **state)
{
    (void)state;
    assert_int_equal(setenv("PKGSYNC_TEST_SECRET", "hunter2", 1), 0);
    run_script("env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; true");
    assert_int_equal(unsetenv("PKGSYNC_TEST_SECRET"), 0);
    assert_exit(0);
    assert_log_has("LANG=C.UTF-8");
    assert_log_lacks("hunter2");
    assert_log_lacks("HOME=");
}

static void nothing_of_the_host_is_there_but_the_toolchain(void **state)
{
    (void)state;
    run_script("ls -A /; ls /home /root /var /srv /run /sys /boot 2>&1; "
               "cat /etc/shadow /etc/hostname 2>&1; ls -A /tmp /dev/shm; "
               "cat /etc/passwd");
    assert_log_has("cannot access '/root'");
    assert_log_has("cannot access '/home'");
    assert_log_has("cannot access '/sys'");
    assert_log_has("/etc/shadow: No such file");
    assert_log_has("build:x:1000");
    assert_log_lacks("pkgsync-test-"); /* our own directory in /tmp */
}

static void only_its_own_processes_are_visible(void **state)
{
    (void)state;
    run_script("for p in /proc/[0-9]*; do echo \"pid ${p#/proc/}.\"; done; "
               "ls /proc; cat /proc/1/comm");
    assert_exit(0);
    assert_log_has("pid 1.");
    assert_log_has("pid 2.");
    assert_log_lacks("meminfo");
    assert_log_lacks("sys\n");
    assert_log_lacks("pid 10");
}

static void the_first_process_shows_nothing_of_itself(void **state)
{
    (void)state;
    run_inside("others");
    assert_exit(0);
}

static void no_descriptor_is_inherited(void **state)
{
    (void)state;
    run_inside("descriptors");
    assert_exit(0);
}

static void it_is_an_ordinary_user_without_capabilities(void **state)
{
    (void)state;
    run_script("id -u; grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status; "
               "cat /proc/self/setgroups; umask; hostname; tty");
    assert_log_has("1000\n");
    assert_log_has("CapEff:\t0000000000000000");
    assert_log_has("CapBnd:\t0000000000000000");
    assert_log_has("NoNewPrivs:\t1");
    assert_log_has("Seccomp:\t2");
    assert_log_has("deny\n");
    assert_log_has("0022\n");
    assert_log_has("pkgsync\n");
    assert_log_has("not a tty");
}

static void the_user_on_the_host_is_never_root(void **state)
{
    (void)state;
    run_script("read inner outer count < /proc/self/uid_map; echo "
               "\"map $inner $outer $count.\"");
    assert_exit(0);
    assert_log_has("map 1000 ");
    assert_log_has(" 1.");
    assert_log_lacks("map 1000 0 1");
}

static void the_system_cannot_be_written(void **state)
{
    (void)state;
    run_script("for f in /usr/x /x /etc/x /bin/x /dev/x /proc/x; do "
               "  (echo x > $f) && echo wrote $f; done; "
               "(echo 1 > /proc/sys/kernel/core_pattern) && echo wrote sysctl; "
               "chmod 777 /usr/bin/env && echo changed mode; "
               "chmod 777 /dev/null && echo changed null; "
               "touch /usr/bin/env && echo touched; true");
    assert_exit(0);
    assert_log_lacks("wrote");
    assert_log_lacks("changed");
    assert_log_lacks("touched");
}

static void temporary_files_and_devices_work(void **state)
{
    (void)state;
    run_script("set -e; echo a > /tmp/a; echo b > /dev/shm/b; "
               "head -c 10 /dev/urandom > /tmp/r; echo x > /dev/null; "
               "cat /dev/null; head -c 5 /dev/zero > /tmp/z; "
               "printf '#!/bin/sh\\necho ran\\n' > /tmp/s; chmod 755 /tmp/s; "
               "/tmp/s; echo again > /dev/stdout; echo s > /dev/full || "
               "echo full; ls /dev/fd/");
    assert_exit(0);
    assert_log_has("ran");
    assert_log_has("again");
    assert_log_has("full");
}

static void a_read_only_mount_shows_the_host_s_files(void **state)
{
    char *dir = ps_format("%s/wheelhouse", fx.dir);
    char *file = test_write(dir, "private.whl", "wheel");
    const struct ps_mount mounts[] = {
        { PS_MOUNT_READ_ONLY, dir, "/wheels" },
        { PS_MOUNT_READ_ONLY, file, "/opt/one/file.whl" },
    };
    struct ps_run_spec spec =
        fixture_spec("set -e; cat /wheels/private.whl /opt/one/file.whl; "
                     "if echo x > /wheels/new; then exit 9; fi; "
                     "if echo x > /wheels/private.whl; then exit 9; fi; "
                     "if rm -f /wheels/private.whl; then exit 9; fi; true");

    (void)state;
    /* Closed to everybody but the owner, whom the command must count as. */
    assert_int_equal(chmod(file, 0600), 0);
    assert_int_equal(chmod(dir, 0700), 0);
    spec.mounts = mounts;
    spec.mount_count = PS_ARRAY_SIZE(mounts);
    fixture_run(&spec);
    assert_exit(0);
    assert_log_has("wheelwheel");
    free(file);
    free(dir);
}

static void changes_to_a_scratch_directory_are_gone_afterwards(void **state)
{
    char *dir = ps_format("%s/source", fx.dir);
    char *file = test_write(dir, "pkg/module.py", "old");
    char *other = test_write(dir, "setup.py", "setup");
    const struct ps_mount mount = { PS_MOUNT_SCRATCH, dir, "/src" };
    struct ps_run_spec spec = fixture_spec(
        "set -e; cd /src; cat setup.py; echo new > pkg/module.py; "
        "mkdir build; echo b > build/x; rm setup.py; mv pkg/module.py "
        "pkg/moved.py; rm -r pkg; mkdir pkg; echo n > pkg/__init__.py; "
        "ln -s setup.py link; ls -lA; ls pkg");
    struct ps_buf now = PS_BUF_INIT(100);
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    assert_int_equal(chmod(file, 0600), 0);
    assert_int_equal(chmod(dir, 0700), 0);
    spec.mounts = &mount;
    spec.mount_count = 1;
    spec.cwd = "/src";
    fixture_run(&spec);
    assert_exit(0);
    assert_log_has("__init__.py");
    assert_log_lacks("moved.py");
    assert_ok(ps_read_file_at(AT_FDCWD, file, &now, &err), &err);
    assert_string_equal(ps_buf_z(&now), "old");
    assert_int_equal(access(other, F_OK), 0);
    fixture_run(&spec); /* and the next run begins from the host's again */
    assert_exit(0);
    ps_buf_release(&now);
    free(file);
    free(other);
    free(dir);
}

/* The plan of a scratch copy, straight to the helper. */
static void without_an_overlay_a_copy_serves(void **state)
{
    char *dir = ps_format("%s/copied", fx.dir);
    char *file = test_write(dir, "pkg/module.py", "old");
    char *plan = ps_format(
        "{\"argv\": [\"/bin/sh\", \"-c\", \"set -e; cat pkg/module.py; "
        "echo new > pkg/module.py; mkdir b; rm -r pkg; mkdir pkg; "
        "readlink link\"], \"cwd\": \"/src\", \"weaken\": [\"overlay\"], "
        "\"mounts\": [{\"kind\": \"scratch\", \"host_path\": \"%s\", "
        "\"path\": \"/src\"}]}",
        dir);
    const char *argv[] = { fx.helper, NULL };
    struct ps_buf now = PS_BUF_INIT(100);
    struct ps_process_spec spec = {
        .argv = argv,
        .input = ps_str_from(plan),
        .sink = fixture_collect,
        .sink_user = &fx.log,
        .wall_limit_ms = 30000,
    };
    struct ps_process_result result;
    struct ps_error err = PS_ERROR_INIT;
    char *link = ps_format("%s/link", dir);

    (void)state;
    assert_int_equal(symlink("pkg/module.py", link), 0);
    assert_int_equal(chmod(file, 0600), 0);
    assert_ok(ps_process_run(&spec, NULL, &result, &err), &err);
    assert_log_has("oldpkg/module.py\n");
    assert_log_has("\"outcome\": \"exit\", \"exit_status\": 0");
    assert_ok(ps_read_file_at(AT_FDCWD, file, &now, &err), &err);
    assert_string_equal(ps_buf_z(&now), "old");
    ps_buf_release(&now);
    free(link);
    free(plan);
    free(file);
    free(dir);
}

static void a_mount_may_lie_inside_another(void **state)
{
    char *dir = ps_format("%s/outer", fx.dir);
    char *keep = test_write(dir, "inner/.keep", "");
    char *wheels = ps_format("%s/nested", fx.dir);
    char *wheel = test_write(wheels, "a.whl", "nested wheel");
    const struct ps_mount mounts[] = {
        { PS_MOUNT_READ_ONLY, wheels, "/src/inner" },
        { PS_MOUNT_SCRATCH, dir, "/src" },
    };
    struct ps_run_spec spec = fixture_spec("cat /src/inner/a.whl");

    (void)state;
    spec.mounts = mounts;
    spec.mount_count = 2;
    fixture_run(&spec);
    assert_exit(0);
    assert_log_has("nested wheel");
    free(keep);
    free(wheel);
    free(wheels);
    free(dir);
}

static void an_extra_path_is_shown_at_the_same_place(void **state)
{
    char *dir = ps_format("%s/closed/toolchain", fx.dir);
    char *tool = test_write(dir, "tool", "#!/bin/sh\necho the tool ran\n");
    char *parent = ps_format("%s/closed", fx.dir);
    const char *const extra[] = { dir, "/usr/bin", NULL };
    struct ps_sandbox_options options = {
        .helper_path = fx.helper,
        .extra_paths = extra,
    };
    const char *argv[] = { tool, NULL };
    struct ps_run_spec spec = fixture_spec("");
    struct ps_runner *usual = fx.runner;
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    assert_int_equal(chmod(tool, 0755), 0);
    assert_int_equal(chmod(parent, 0700), 0);
    assert_ok(ps_sandbox_new(&options, &fx.runner, &err), &err);
    spec.argv = argv;
    fixture_run(&spec);
    assert_exit(0);
    assert_log_has("the tool ran");
    ps_runner_free(fx.runner);
    fx.runner = usual;
    free(parent);
    free(tool);
    free(dir);
}

static void there_is_a_loopback_interface_and_no_more(void **state)
{
    (void)state;
    run_script(
        "/usr/bin/python3 -c '\n"
        "import socket, threading\n"
        "print([n for i, n in socket.if_nameindex()])\n"
        "s = socket.create_server((\"127.0.0.1\", 0))\n"
        "c = socket.create_connection(s.getsockname())\n"
        "print(\"loopback works\", socket.gethostbyname(\"localhost\"))\n"
        "try:\n"
        "    socket.create_connection((\"192.0.2.1\", 80), 3)\n"
        "except OSError as e:\n"
        "    print(e)\n'; cat /etc/resolv.conf");
    assert_log_has("['lo']");
    assert_log_has("loopback works 127.0.0.1");
    assert_log_has("Network is unreachable");
    assert_log_has("/etc/resolv.conf: No such file");
}

static int listen_abstract(void)
{
    static const char name[] = "pkgsync-test-abstract";
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(a.sun_path + 1, name, sizeof(name) - 1);
    /* Another test may hold the name: then that one listens. */
    if (bind(fd, (struct sockaddr *)&a,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                         sizeof(name))) == 0)
        assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static void with_network_abstract_sockets_of_the_host_stay_shut(void **state)
{
    const struct ps_mount mount = { PS_MOUNT_READ_ONLY, fx.inside, "/inside" };
    struct ps_run_spec spec = fixture_spec("/inside abstract");
    int fd = listen_abstract();

    (void)state;
    spec.network = true;
    spec.mounts = &mount;
    spec.mount_count = 1;
    fixture_run(&spec);
    assert_exit(0);
    assert_int_equal(close(fd), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, fixture_setup)
    const struct CMUnitTest tests[] = {
        TEST(it_runs_and_reports_the_exit_status),
        TEST(the_environment_is_only_what_was_given),
        TEST(nothing_of_the_host_is_there_but_the_toolchain),
        TEST(only_its_own_processes_are_visible),
        TEST(the_first_process_shows_nothing_of_itself),
        TEST(no_descriptor_is_inherited),
        TEST(it_is_an_ordinary_user_without_capabilities),
        TEST(the_user_on_the_host_is_never_root),
        TEST(the_system_cannot_be_written),
        TEST(temporary_files_and_devices_work),
        TEST(a_read_only_mount_shows_the_host_s_files),
        TEST(changes_to_a_scratch_directory_are_gone_afterwards),
        TEST(without_an_overlay_a_copy_serves),
        TEST(a_mount_may_lie_inside_another),
        TEST(an_extra_path_is_shown_at_the_same_place),
        TEST(there_is_a_loopback_interface_and_no_more),
        TEST(with_network_abstract_sockets_of_the_host_stay_shut),
    };

    return cmocka_run_group_tests(tests, fixture_group_setup,
                                  fixture_group_teardown);
}
