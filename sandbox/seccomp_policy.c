#include "seccomp_policy.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "pkgsync/util.h"

/* clang-format off */
const char *const ps_seccomp_allowed[] = {
    /* files */
    "access", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range",
    "creat", "dup", "dup2", "dup3", "faccessat", "faccessat2", "fadvise64",
    "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fchownat",
    "fcntl", "fdatasync", "fgetxattr", "flistxattr", "flock", "fremovexattr",
    "fsetxattr", "fstat", "fstatfs", "fsync", "ftruncate", "futimesat", "getcwd",
    "getdents", "getdents64", "getxattr", "inotify_add_watch", "inotify_init",
    "inotify_init1", "inotify_rm_watch", "ioctl", "lchown", "lgetxattr", "link",
    "linkat", "listxattr", "llistxattr", "lremovexattr", "lseek", "lsetxattr",
    "lstat", "memfd_create", "mkdir", "mkdirat", "mknod", "mknodat", "newfstatat",
    "open", "openat", "openat2", "pipe", "pipe2", "pread64", "preadv", "preadv2",
    "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink",
    "readlinkat", "readv", "removexattr", "rename", "renameat", "renameat2",
    "rmdir", "sendfile", "setxattr", "splice", "stat", "statfs", "statx",
    "symlink", "symlinkat", "sync_file_range", "tee",
    "truncate", "umask", "unlink", "unlinkat", "utime", "utimensat", "utimes",
    "write", "writev",
    /* waiting */
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2",
    "epoll_wait", "eventfd", "eventfd2", "poll", "ppoll", "pselect6", "select",
    "signalfd", "signalfd4", "timerfd_create", "timerfd_gettime",
    "timerfd_settime",
    /* processes; clone only without new namespaces, see below */
    "alarm", "arch_prctl", "capget", "capset", "clone", "execve", "execveat",
    "exit", "exit_group", "fork", "getcpu", "getegid", "geteuid", "getgid",
    "getgroups", "getitimer", "getpgid", "getpgrp", "getpid", "getppid",
    "getpriority", "getresgid", "getresuid", "getrlimit", "getrusage", "getsid",
    "gettid", "getuid", "ioprio_get", "ioprio_set", "kill", "pause", "personality",
    "pidfd_open", "pidfd_send_signal", "prctl", "prlimit64", "restart_syscall",
    "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo",
    "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo",
    "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity",
    "sched_getattr", "sched_getparam", "sched_getscheduler",
    "sched_rr_get_interval", "sched_setaffinity", "sched_setattr",
    "sched_setparam", "sched_setscheduler", "sched_yield", "set_robust_list",
    "get_robust_list", "set_tid_address", "setfsgid", "setfsuid", "setgid",
    "setitimer", "setpgid", "setpriority", "setregid", "setresgid", "setresuid",
    "setreuid", "setrlimit", "setsid", "setuid", "sigaltstack", "sysinfo",
    "tgkill", "timer_create", "timer_delete", "timer_getoverrun",
    "timer_gettime", "timer_settime", "times", "tkill", "uname", "vfork", "wait4",
    "waitid",
    /* memory and threads */
    "brk", "cachestat", "futex", "futex_requeue", "futex_wait", "futex_waitv",
    "futex_wake", "get_mempolicy", "madvise", "map_shadow_stack", "mbind",
    "membarrier", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mprotect",
    "mremap", "mseal", "msync", "munlock", "munlockall", "munmap", "pkey_alloc",
    "pkey_free", "pkey_mprotect", "set_mempolicy",
    /* time */
    "clock_getres", "clock_gettime", "clock_nanosleep", "gettimeofday",
    "nanosleep", "time",
    /* between processes, all inside one IPC and network namespace */
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname",
    "getsockopt", "listen", "msgctl", "msgget", "msgrcv", "msgsnd", "recvfrom",
    "recvmmsg", "recvmsg", "semctl", "semget", "semop", "semtimedop", "sendmmsg",
    "sendmsg", "sendto", "setsockopt", "shmat", "shmctl", "shmdt", "shmget",
    "shutdown", "socket", "socketpair",
    /* what is left */
    "getrandom", "landlock_add_rule", "landlock_create_ruleset",
    "landlock_restrict_self",
    NULL,
};

#define LOW32 0xffffffffULL /* the kernel looks at no more of an int */
#define IS(arg, value) { PS_SECCOMP_MASKED, (arg), LOW32, (value) }
#define BITS(arg, mask, value) { PS_SECCOMP_MASKED, (arg), (mask), (value) }
#define ABOVE(arg, value) { PS_SECCOMP_ABOVE, (arg), 0, (value) }
#define REFUSE_FAMILY(n) { "socket", EAFNOSUPPORT, { IS(0, (n)) } }
#define REFUSE_NAMESPACE(flag) { "clone", EPERM, { BITS(0, (flag), (flag)) } }
#define SOCKET_TYPE 0xfULL

const struct ps_seccomp_refusal ps_seccomp_refused[] = {
    REFUSE_NAMESPACE(CLONE_NEWNS),
    REFUSE_NAMESPACE(CLONE_NEWCGROUP),
    REFUSE_NAMESPACE(CLONE_NEWUTS),
    REFUSE_NAMESPACE(CLONE_NEWIPC),
    REFUSE_NAMESPACE(CLONE_NEWUSER),
    REFUSE_NAMESPACE(CLONE_NEWPID),
    REFUSE_NAMESPACE(CLONE_NEWNET),

    /* Put characters into a terminal's input.  64 bits compared would let
     * TIOCSTI | 1 << 32 through (CVE-2019-10063). */
    { "ioctl", EPERM, { IS(1, TIOCSTI) } },
    { "ioctl", EPERM, { IS(1, TIOCLINUX) } },

    /* Left are AF_UNIX 1, AF_INET 2, AF_INET6 10, AF_NETLINK 16.  The others,
     * AF_VSOCK 40, AF_ALG 38, AF_PACKET 17, AF_KEY 15 among them, are not
     * namespaced or not needed. */
    REFUSE_FAMILY(0), REFUSE_FAMILY(3), REFUSE_FAMILY(4), REFUSE_FAMILY(5),
    REFUSE_FAMILY(6), REFUSE_FAMILY(7), REFUSE_FAMILY(8), REFUSE_FAMILY(9),
    REFUSE_FAMILY(11), REFUSE_FAMILY(12), REFUSE_FAMILY(13), REFUSE_FAMILY(14),
    REFUSE_FAMILY(15),
    { "socket", EAFNOSUPPORT, { ABOVE(0, AF_NETLINK) } },
    { "socket", EPERM, { IS(0, AF_INET), BITS(1, SOCKET_TYPE, SOCK_RAW) } },
    { "socket", EPERM, { IS(0, AF_INET6), BITS(1, SOCKET_TYPE, SOCK_RAW) } },
    /* Routes are read by getaddrinfo; audit and the rest are not. */
    { "socket", EPROTONOSUPPORT,
      { IS(0, AF_NETLINK), ABOVE(2, NETLINK_ROUTE) } },
};

const size_t ps_seccomp_refused_count = PS_ARRAY_SIZE(ps_seccomp_refused);
/* clang-format on */

bool ps_seccomp_allows(const char *call)
{
    for (const char *const *p = ps_seccomp_allowed; *p; p++) {
        if (strcmp(*p, call) == 0)
            return true;
    }
    return false;
}

static bool holds(const struct ps_seccomp_condition *c, const uint64_t args[6])
{
    switch (c->test) {
    case PS_SECCOMP_MASKED:
        return (args[c->arg] & c->mask) == c->value;
    case PS_SECCOMP_ABOVE:
        return args[c->arg] > c->value;
    case PS_SECCOMP_NONE:
        break;
    }
    return true;
}

int ps_seccomp_answer(const char *call, const uint64_t args[6])
{
    if (!ps_seccomp_allows(call))
        return ENOSYS;
    for (size_t i = 0; i < ps_seccomp_refused_count; i++) {
        const struct ps_seccomp_refusal *r = &ps_seccomp_refused[i];

        if (strcmp(r->call, call) == 0 && holds(&r->when[0], args) &&
            holds(&r->when[1], args))
            return r->errnum;
    }
    return 0;
}
