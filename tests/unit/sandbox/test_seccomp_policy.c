#include "test_util.h"

#include <errno.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "seccomp_policy.h"

#define HIGH (1ULL << 32)

static int answer(const char *call, uint64_t a0, uint64_t a1, uint64_t a2)
{
    const uint64_t args[6] = { a0, a1, a2 };

    return ps_seccomp_answer(call, args);
}

static void no_name_is_listed_twice_or_misspelt(void **state)
{
    /* Newer than Debian 12's libseccomp, which then leaves them refused. */
    static const char *const newer[] = { "cachestat",     "fchmodat2",
                                         "futex_requeue", "futex_wait",
                                         "futex_wake",    "map_shadow_stack",
                                         "mseal",         NULL };

    (void)state;
    for (size_t i = 0; ps_seccomp_allowed[i]; i++) {
        const char *name = ps_seccomp_allowed[i];
        bool is_newer = false;

        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(name, ps_seccomp_allowed[j]);
        for (size_t j = 0; newer[j]; j++)
            is_newer |= strcmp(newer[j], name) == 0;
        if (!is_newer && seccomp_syscall_resolve_name(name) == __NR_SCMP_ERROR)
            fail_msg("libseccomp does not know '%s'", name);
    }
}

static void what_could_break_out_is_not_listed(void **state)
{
    static const char *const calls[] = {
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "unshare",
        "setns",
        "clone3",
        "move_mount",
        "open_tree",
        "fsopen",
        "fsconfig",
        "fsmount",
        "mount_setattr",
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "pidfd_getfd",
        "kcmp",
        "keyctl",
        "add_key",
        "request_key",
        "bpf",
        "perf_event_open",
        "io_uring_setup",
        "userfaultfd",
        "init_module",
        "finit_module",
        "kexec_load",
        "reboot",
        "swapon",
        "syslog",
        "acct",
        "quotactl",
        "open_by_handle_at",
        "name_to_handle_at",
        "fanotify_init",
        "iopl",
        "ioperm",
        "settimeofday",
        "clock_settime",
        "sethostname",
        "setgroups",
        "seccomp",
        "vmsplice",
        "modify_ldt",
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(calls); i++) {
        if (answer(calls[i], 0, 0, 0) != ENOSYS)
            fail_msg("'%s' is allowed", calls[i]);
    }
}

static void processes_may_be_made_but_not_namespaces(void **state)
{
    const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                            CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS;

    (void)state;
    assert_int_equal(answer("clone", SIGCHLD, 0, 0), 0);
    assert_int_equal(answer("clone", thread, 0, 0), 0);
    assert_int_equal(answer("clone", thread | CLONE_NEWUSER, 0, 0), EPERM);
    assert_int_equal(answer("clone", HIGH | CLONE_NEWNET, 0, 0), EPERM);
    assert_int_equal(answer("vfork", 0, 0, 0), 0);
}

static void a_terminal_cannot_be_written_to(void **state)
{
    (void)state;
    assert_int_equal(answer("ioctl", 0, TIOCSTI, 0), EPERM);
    assert_int_equal(answer("ioctl", 0, HIGH | TIOCSTI, 0), EPERM);
    assert_int_equal(answer("ioctl", 0, TIOCLINUX, 0), EPERM);
    assert_int_equal(answer("ioctl", 0, TIOCGWINSZ, 0), 0);
    assert_int_equal(answer("ioctl", 0, FIONREAD, 0), 0);
}

static void four_socket_families_are_left(void **state)
{
    (void)state;
    for (uint64_t family = 0; family < 64; family++) {
        bool is_left = family == AF_UNIX || family == AF_INET ||
                       family == AF_INET6 || family == AF_NETLINK;

        assert_int_equal(answer("socket", family, SOCK_STREAM, 0),
                         is_left ? 0 : EAFNOSUPPORT);
    }
    assert_int_equal(answer("socket", HIGH | AF_VSOCK, SOCK_STREAM, 0),
                     EAFNOSUPPORT);
    assert_int_equal(answer("socket", AF_INET, SOCK_RAW | SOCK_CLOEXEC, 1),
                     EPERM);
    assert_int_equal(answer("socket", AF_INET6, SOCK_RAW, 58), EPERM);
    assert_int_equal(answer("socket", AF_NETLINK, SOCK_RAW, 9),
                     EPROTONOSUPPORT);
    assert_int_equal(answer("socket", AF_NETLINK, SOCK_RAW, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_name_is_listed_twice_or_misspelt),
        cmocka_unit_test(what_could_break_out_is_not_listed),
        cmocka_unit_test(processes_may_be_made_but_not_namespaces),
        cmocka_unit_test(a_terminal_cannot_be_written_to),
        cmocka_unit_test(four_socket_families_are_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
