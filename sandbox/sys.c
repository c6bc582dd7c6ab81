#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"

pid_t ps_sys_clone(uint64_t flags, int *pidfd)
{
    struct clone_args args = {
        .flags = flags | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
    };

    return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int ps_sys_openat2(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC,
        .resolve = resolve,
    };

    return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

int ps_sys_close_from(unsigned first)
{
    return (int)syscall(SYS_close_range, first, ~0u, 0u);
}

int ps_sys_pivot_root(const char *new_root, const char *put_old)
{
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}

int ps_sys_write_file(const char *path, const char *text, struct ps_error *err)
{
    PS_AUTO_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    size_t len = strlen(text);

    if (fd < 0)
        return ps_fail_errno(err, errno, "open '%s'", path);
    if (write(fd, text, len) != (ssize_t)len)
        return ps_fail_errno(err, errno, "write '%s'", path);
    return PS_OK;
}

int ps_sys_is_privileged(void)
{
    static const unsigned needed[] = { CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID,
                                       CAP_CHOWN, CAP_DAC_OVERRIDE };
    struct __user_cap_header_struct head = {
        .version = _LINUX_CAPABILITY_VERSION_3,
    };
    struct __user_cap_data_struct data[2] = { { .effective = 0 } };

    if (geteuid() != 0 || syscall(SYS_capget, &head, data) < 0)
        return 0;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (!(data[needed[i] / 32].effective & (1u << (needed[i] % 32))))
            return 0;
    }
    return 1;
}

int ps_sys_die_with_parent(int alive_fd, struct ps_error *err)
{
    struct pollfd p = { .fd = alive_fd, .events = POLLIN };

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return ps_fail_errno(err, errno, "ask for the parent's death signal");
    /* The parent may have died before that. */
    if (poll(&p, 1, 0) > 0 && (p.revents & POLLHUP))
        return ps_fail(err, PS_ECANCELED, "the sandbox's parent has ended");
    return PS_OK;
}
