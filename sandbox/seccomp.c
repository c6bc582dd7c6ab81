#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "harden.h"
#include "pkgsync/util.h"

/* Made by seccomp_gen: allow_list[] and refusals[]. */
#include "seccomp_filter.inc"

static int load(const struct sock_filter *filter, size_t count,
                struct ps_error *err)
{
    struct sock_fprog program = {
        .len = (unsigned short)count,
        .filter = (struct sock_filter *)filter,
    };

    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        return ps_fail_errno(err, errno, "load the system call filter");
    return PS_OK;
}

int ps_harden_seccomp(struct ps_error *err)
{
    /* The allow-list last: it does not let a further filter be loaded. */
    if (load(refusals, PS_ARRAY_SIZE(refusals), err) < 0 ||
        load(allow_list, PS_ARRAY_SIZE(allow_list), err) < 0)
        return err->code;
    return PS_OK;
}
