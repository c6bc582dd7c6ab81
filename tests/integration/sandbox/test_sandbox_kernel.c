/* What the kernel refuses the command. */
#include "fixture.h"

static void only_harmless_sockets_are_to_be_had(void **state)
{
    (void)state;
    run_inside("sockets");
    assert_exit(0);
}

static void nothing_can_be_typed_into_a_terminal(void **state)
{
    (void)state;
    run_inside("terminal");
    assert_exit(0);
}

static void keyrings_are_shut(void **state)
{
    (void)state;
    run_inside("keyring");
    assert_exit(0);
}

static void no_further_namespaces_and_mounts(void **state)
{
    (void)state;
    run_inside("namespaces");
    assert_exit(0);
}

static void other_system_call_tables_are_deadly(void **state)
{
    (void)state;
    run_inside("other-abi");
    assert_exit(0);
}

static void a_fork_bomb_is_bounded(void **state)
{
    const struct ps_mount mount = { PS_MOUNT_READ_ONLY, fx.inside, "/inside" };
    struct ps_run_spec spec = fixture_spec("/inside forks");

    (void)state;
    spec.mounts = &mount;
    spec.mount_count = 1;
    spec.pids_max = 40;
    fixture_run(&spec);
    assert_outcome(PS_RUN_PIDS);
    assert_log_has("Resource temporarily unavailable");
    assert_log_has("3"); /* 3x forks: the limit less what runs already */
}

static void what_builds_use_works(void **state)
{
    (void)state;
    run_script(
        "set -e; cd /tmp; printf '#include <stdio.h>\\nint main(void)"
        "{puts(\"compiled\");return 0;}' > a.c; cc -O1 -o a a.c; ./a; "
        "printf 'all:\\n\\t@echo made\\n' > Makefile; "
        "make -j4 --jobserver-style=fifo 2>/dev/null || make -j4; "
        "/usr/bin/python3 -c '\n"
        "import multiprocessing, subprocess, tempfile, threading, fcntl\n"
        "def f(n): return n * n\n"
        "if __name__ == \"__main__\":\n"
        "    with multiprocessing.Pool(2) as p: print(p.map(f, [1, 2, 3]))\n"
        "    t = threading.Thread(target=print, args=(\"threaded\",))\n"
        "    t.start(); t.join()\n"
        "    with tempfile.TemporaryFile() as x: fcntl.flock(x, 2)\n"
        "    subprocess.run([\"/bin/true\"], check=True)\n"
        "    print(\"python works\")\n'");
    assert_exit(0);
    assert_log_has("compiled");
    assert_log_has("made");
    assert_log_has("[1, 4, 9]");
    assert_log_has("threaded");
    assert_log_has("python works");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, fixture_setup)
    const struct CMUnitTest tests[] = {
        TEST(only_harmless_sockets_are_to_be_had),
        TEST(nothing_can_be_typed_into_a_terminal),
        TEST(keyrings_are_shut),
        TEST(no_further_namespaces_and_mounts),
        TEST(other_system_call_tables_are_deadly),
        TEST(a_fork_bomb_is_bounded),
        TEST(what_builds_use_works),
    };

    return cmocka_run_group_tests(tests, fixture_group_setup,
                                  fixture_group_teardown);
}
