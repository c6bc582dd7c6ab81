#include <errno.h>
#include <seccomp.h>
#include <stddef.h>

#include "harden.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/util.h"
#include "seccomp_policy.h"

static void cleanup_filter(scmp_filter_ctx *ctx)
{
    if (*ctx)
        seccomp_release(*ctx);
}

/* A name that this libseccomp does not know stays refused. */
static int allow(scmp_filter_ctx ctx, const char *name)
{
    int nr = seccomp_syscall_resolve_name(name);

    if (nr == __NR_SCMP_ERROR || nr < 0)
        return 0;
    return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, nr, 0, NULL);
}

static int refuse(scmp_filter_ctx ctx, const struct ps_seccomp_refusal *r)
{
    struct scmp_arg_cmp cmp[PS_ARRAY_SIZE(r->when)];
    unsigned count = 0;

    for (size_t i = 0; i < PS_ARRAY_SIZE(r->when); i++) {
        const struct ps_seccomp_condition *c = &r->when[i];

        if (c->test == PS_SECCOMP_MASKED)
            cmp[count++] =
                SCMP_CMP64(c->arg, SCMP_CMP_MASKED_EQ, c->mask, c->value);
        else if (c->test == PS_SECCOMP_ABOVE)
            cmp[count++] = SCMP_CMP64(c->arg, SCMP_CMP_GT, c->value);
    }
    return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((uint32_t)r->errnum),
                                  seccomp_syscall_resolve_name(r->call), count,
                                  cmp);
}

/* Other architectures (i386, x32) would give the numbers another meaning. */
static scmp_filter_ctx new_filter(uint32_t otherwise)
{
    scmp_filter_ctx ctx = seccomp_init(otherwise);

    if (ctx && seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
                                SCMP_ACT_KILL_PROCESS) < 0) {
        seccomp_release(ctx);
        return NULL;
    }
    return ctx;
}

int ps_harden_seccomp(struct ps_error *err)
{
    PS_CLEANUP(cleanup_filter)
    scmp_filter_ctx list = new_filter(SCMP_ACT_ERRNO(ENOSYS));
    PS_CLEANUP(cleanup_filter)
    scmp_filter_ctx refusals = new_filter(SCMP_ACT_ALLOW);
    int rc = 0;

    if (!list || !refusals)
        return ps_fail(err, PS_EINTERNAL, "set up the system call filter");
    for (const char *const *name = ps_seccomp_allowed; *name && rc == 0; name++)
        rc = allow(list, *name);
    for (size_t i = 0; i < ps_seccomp_refused_count && rc == 0; i++)
        rc = refuse(refusals, &ps_seccomp_refused[i]);
    /* The allow-list last: it does not let a further filter be loaded. */
    if (rc == 0)
        rc = seccomp_load(refusals);
    if (rc == 0)
        rc = seccomp_load(list);
    if (rc < 0)
        return ps_fail_errno(err, -rc, "load the system call filter");
    return PS_OK;
}
