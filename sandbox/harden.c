#include "harden.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/util.h"

#define HOST_NAME "pkgsync"
#define CAP_NUMBERS 64

struct limit {
    __rlimit_resource_t resource;
    const char *name;
    rlim_t max;
};

int ps_harden_loopback(struct ps_error *err)
{
    PS_AUTO_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq req = { .ifr_flags = IFF_UP | IFF_RUNNING };

    snprintf(req.ifr_name, sizeof(req.ifr_name), "lo");
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &req) < 0)
        return ps_fail_errno(err, errno, "bring the loopback interface up");
    return PS_OK;
}

int ps_harden_keyring(struct ps_error *err)
{
    /* A kernel without keyrings has no channel to close. */
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 &&
        errno != ENOSYS)
        return ps_fail_errno(err, errno, "join a session keyring of its own");
    return PS_OK;
}

int ps_harden_surroundings(const struct ps_job *job, struct ps_error *err)
{
    const char *const *weaken = job->plan->weaken;

    if (!job->plan->spec.network &&
        !ps_plan_list_has(weaken, "network-namespace") &&
        ps_harden_loopback(err) < 0)
        return err->code;
    if (!ps_plan_list_has(weaken, "uts-namespace") &&
        sethostname(HOST_NAME, strlen(HOST_NAME)) < 0)
        return ps_fail_errno(err, errno, "set the host name");
    if (!ps_plan_list_has(weaken, "keyring") && ps_harden_keyring(err) < 0)
        return err->code;
    umask(022);
    return PS_OK;
}

static int lower(const struct limit *l, struct ps_error *err)
{
    struct rlimit now;

    if (getrlimit(l->resource, &now) < 0)
        return ps_fail_errno(err, errno, "read the limit on %s", l->name);
    /* Never raised: not even root may on every machine. */
    now.rlim_max = PS_MIN(now.rlim_max, l->max);
    now.rlim_cur = now.rlim_max;
    if (setrlimit(l->resource, &now) < 0)
        return ps_fail_errno(err, errno, "limit %s", l->name);
    return PS_OK;
}

int ps_harden_rlimits(const struct ps_run_spec *spec, struct ps_error *err)
{
    const struct limit limits[] = {
        { RLIMIT_CORE, "core files", 0 },
        /* Counted for the sandbox's user in its user namespace. */
        { RLIMIT_NPROC, "processes", spec->pids_max },
        { RLIMIT_NOFILE, "open files", 65536 },
        { RLIMIT_MEMLOCK, "locked memory", PS_MIB(8) },
        { RLIMIT_MSGQUEUE, "message queues", 0 },
        { RLIMIT_FSIZE, "the size of a file",
          PS_MAX(spec->tmp_max_bytes, spec->out_max_bytes) + PS_MIB(1) },
        { RLIMIT_NICE, "nice", 0 },
        { RLIMIT_RTPRIO, "real-time priority", 0 },
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(limits); i++) {
        if (lower(&limits[i], err) < 0)
            return err->code;
    }
    return PS_OK;
}

int ps_harden_capabilities(struct ps_error *err)
{
    struct __user_cap_header_struct head = {
        .version = _LINUX_CAPABILITY_VERSION_3,
    };
    struct __user_cap_data_struct none[2] = { { .effective = 0 } };
    const unsigned long bits =
        SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
        SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
        SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

    if (prctl(PR_SET_SECUREBITS, bits) < 0)
        return ps_fail_errno(err, errno, "lock the secure bits");
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return ps_fail_errno(err, errno, "clear the ambient capabilities");
    for (unsigned cap = 0; cap < CAP_NUMBERS; cap++) {
        if (prctl(PR_CAPBSET_READ, cap) < 0)
            break; /* the kernel knows no more */
        if (prctl(PR_CAPBSET_DROP, cap) < 0)
            return ps_fail_errno(err, errno, "drop capability %u", cap);
    }
    if (syscall(SYS_capset, &head, none) < 0)
        return ps_fail_errno(err, errno, "drop the capabilities");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return ps_fail_errno(err, errno, "set no_new_privs");
    return PS_OK;
}
