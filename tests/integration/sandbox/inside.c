/*
 * What runs inside the sandbox in the tests: each word tries one thing that
 * must fail (or, for builds' sake, must work), says so, and exits with 0 only
 * if it went as it should.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int failures;

/* The call must fail with exactly this error; 0: must succeed. */
static void expect(const char *what, long rc, int wanted)
{
    int got = rc < 0 ? errno : 0;

    printf("%s: %s\n", what, strerror(got));
    if (got != wanted) {
        printf("  WRONG: expected %s\n", strerror(wanted));
        failures++;
    }
}

static void sockets(void)
{
    static const struct {
        const char *name;
        int family;
        int type;
        int protocol;
        int wanted;
    } rows[] = {
        { "unix", AF_UNIX, SOCK_STREAM, 0, 0 },
        { "inet", AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0, 0 },
        { "inet6", AF_INET6, SOCK_DGRAM, 0, 0 },
        { "route", AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE, 0 },
        { "audit", AF_NETLINK, SOCK_RAW, NETLINK_AUDIT, EPROTONOSUPPORT },
        { "inet raw", AF_INET, SOCK_RAW, 1, EPERM },
        { "inet6 raw", AF_INET6, SOCK_RAW | SOCK_NONBLOCK, 58, EPERM },
        { "unspec", AF_UNSPEC, SOCK_STREAM, 0, EAFNOSUPPORT },
        { "key", AF_KEY, SOCK_RAW, 2, EAFNOSUPPORT },
        { "packet", AF_PACKET, SOCK_RAW, 0, EAFNOSUPPORT },
        { "alg", AF_ALG, SOCK_SEQPACKET, 0, EAFNOSUPPORT },
        { "vsock", AF_VSOCK, SOCK_STREAM, 0, EAFNOSUPPORT },
        { "can", AF_CAN, SOCK_RAW, 1, EAFNOSUPPORT },
        { "rds", AF_RDS, SOCK_SEQPACKET, 0, EAFNOSUPPORT },
    };

    for (size_t i = 0; i < COUNT(rows); i++)
        expect(rows[i].name,
               socket(rows[i].family, rows[i].type, rows[i].protocol),
               rows[i].wanted);
    /* Only the low half counts for the kernel, so it must for the filter. */
    expect("vsock with high bits",
           syscall(SYS_socket, 0x100000000L | AF_VSOCK, SOCK_STREAM, 0),
           EAFNOSUPPORT);
}

static void terminal(void)
{
    char c = 'x';

    expect("TIOCSTI", ioctl(0, TIOCSTI, &c), EPERM);
    expect("TIOCSTI with high bits",
           syscall(SYS_ioctl, 0, 0x100000000L | TIOCSTI, &c), EPERM);
    expect("TIOCLINUX", ioctl(0, TIOCLINUX, &c), EPERM);
    expect("FIONREAD on a pipe", ioctl(1, FIONREAD, &(int){ 0 }), 0);
    expect("/dev/tty", open("/dev/tty", O_RDWR), ENOENT);
}

static void keyring(void)
{
    expect("add_key", syscall(SYS_add_key, "user", "k", "v", 1, -3), ENOSYS);
    expect("keyctl", syscall(SYS_keyctl, 0, -3, 0), ENOSYS);
    expect("request_key", syscall(SYS_request_key, "user", "k", NULL, 0),
           ENOSYS);
}

static void namespaces(void)
{
    static const unsigned long flags[] = { CLONE_NEWUSER,  CLONE_NEWNS,
                                           CLONE_NEWPID,   CLONE_NEWNET,
                                           CLONE_NEWIPC,   CLONE_NEWUTS,
                                           CLONE_NEWCGROUP };
    char args[128] = { 0 };

    for (size_t i = 0; i < COUNT(flags); i++)
        expect("clone with a namespace",
               syscall(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0), EPERM);
    expect("unshare", unshare(CLONE_NEWUSER), ENOSYS);
    expect("setns", setns(0, 0), ENOSYS);
    expect("clone3", syscall(SYS_clone3, args, 88), ENOSYS);
    expect("mount", mount("none", "/tmp", "tmpfs", 0, NULL), ENOSYS);
    expect("fsopen", syscall(SYS_fsopen, "tmpfs", 0), ENOSYS);
    expect("open_tree", syscall(SYS_open_tree, -100, "/", 1), ENOSYS);
    expect("chroot", chroot("/tmp"), ENOSYS);
}

static void others(void)
{
    expect("ptrace PID 1", ptrace(PTRACE_ATTACH, 1, 0, 0), ENOSYS);
    expect("process_vm_readv",
           syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0), ENOSYS);
    expect("bpf", syscall(SYS_bpf, 0, NULL, 0), ENOSYS);
    expect("perf_event_open", syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0),
           ENOSYS);
    expect("io_uring_setup", syscall(SYS_io_uring_setup, 1, NULL), ENOSYS);
    expect("userfaultfd", syscall(SYS_userfaultfd, 0), ENOSYS);
    expect("/proc/1/environ", open("/proc/1/environ", O_RDONLY), EACCES);
    expect("/proc/1/mem", open("/proc/1/mem", O_RDONLY), EACCES);
    expect("/proc/1/fd", open("/proc/1/fd", O_RDONLY), EACCES);
    expect("/proc/1/root", open("/proc/1/root", O_PATH), EACCES);
    expect("device node", mknod("/tmp/null", S_IFCHR | 0666, 0x103), EACCES);
    expect("fifo", mkfifo("/tmp/fifo", 0600), 0);
    expect("stdout again", open("/dev/stdout", O_WRONLY), 0);
    expect("chown", chown("/tmp/fifo", 0, 0), EINVAL);
    expect("setuid 0", setuid(0), EINVAL);
}

static void descriptors(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            printf("descriptor %d is open\n", fd);
            failures++;
        }
    }
}

static void other_abi(void)
{
#ifdef __x86_64__
    pid_t pid = fork();
    int status = 0;

    if (pid == 0) {
        long rc = 20; /* getpid of i386 */

        __asm__ volatile("int $0x80" : "+a"(rc) : : "memory");
        _exit(0);
    }
    (void)waitpid(pid, &status, 0);
    printf("i386: signal %d\n", WTERMSIG(status));
    failures += !WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS;
    pid = fork();
    if (pid == 0) {
        (void)syscall(0x40000000L | SYS_getpid);
        _exit(0);
    }
    (void)waitpid(pid, &status, 0);
    printf("x32: signal %d\n", WTERMSIG(status));
    failures += !WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS;
#endif
}

/* Children that stay, until no more are to be had. */
static void forks(void)
{
    int n = 0;

    for (;; n++) {
        pid_t pid = fork();

        if (pid < 0)
            break;
        if (pid == 0) {
            (void)pause();
            _exit(0);
        }
        if (n > 100000)
            break;
    }
    fprintf(stderr, "%d forks, then: %s\n", n, strerror(errno));
    exit(1);
}

/* Connect to the abstract socket @pkgsync-test of the host. */
static void abstract(void)
{
    static const char name[] = "pkgsync-test-abstract";
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(a.sun_path + 1, name, sizeof(name) - 1);
    expect("connect",
           connect(fd, (struct sockaddr *)&a,
                   (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                               sizeof(name))),
           EPERM);
}

static const struct {
    const char *word;
    void (*run)(void);
} words[] = {
    { "sockets", sockets },         { "terminal", terminal },
    { "keyring", keyring },         { "namespaces", namespaces },
    { "others", others },           { "other-abi", other_abi },
    { "descriptors", descriptors }, { "forks", forks },
    { "abstract", abstract },
};

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; argc == 2 && i < COUNT(words); i++) {
        if (strcmp(words[i].word, argv[1]) == 0) {
            words[i].run();
            return failures != 0;
        }
    }
    return 2;
}
