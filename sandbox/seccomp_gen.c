/*
 * Build-time program: turn seccomp_policy.h into two BPF programs, as C.
 *
 * libseccomp needs over a millisecond for that, a third of a sandbox's start,
 * and the answer is the same each time.
 */
#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/util.h"
#include "seccomp_policy.h"

static void cleanup_filter(scmp_filter_ctx *ctx)
{
    if (*ctx)
        seccomp_release(*ctx);
}

static void cleanup_file(FILE **f)
{
    if (*f)
        (void)fclose(*f);
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
            cmp[count++] = SCMP_CMP64(c->arg, SCMP_CMP_GT, c->value, 0);
    }
    return seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO((uint32_t)r->errnum),
                                  seccomp_syscall_resolve_name(r->call), count,
                                  cmp);
}

/* Other architectures (i386, x32) would give the numbers another meaning. */
static scmp_filter_ctx new_filter(uint32_t otherwise)
{
    scmp_filter_ctx ctx = seccomp_init(otherwise);

    if (ctx && (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
                                 SCMP_ACT_KILL_PROCESS) < 0 ||
                /* 2: a binary search instead of a list */
                seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2) < 0)) {
        seccomp_release(ctx);
        return NULL;
    }
    return ctx;
}

static int print_filter(scmp_filter_ctx ctx, const char *name)
{
    PS_CLEANUP(cleanup_file) FILE *f = tmpfile();
    struct sock_filter row;
    int rc;

    if (!f)
        return -errno;
    rc = seccomp_export_bpf(ctx, fileno(f));
    if (rc < 0)
        return rc;
    if (lseek(fileno(f), 0, SEEK_SET) < 0)
        return -errno;
    printf("static const struct sock_filter %s[] = {\n", name);
    while (read(fileno(f), &row, sizeof(row)) == (ssize_t)sizeof(row))
        printf("    { 0x%02x, %u, %u, 0x%08x },\n", row.code, row.jt, row.jf,
               row.k);
    printf("};\n");
    return ferror(stdout) ? -EIO : 0;
}

static int print_list(void)
{
    PS_CLEANUP(cleanup_filter)
    scmp_filter_ctx ctx = new_filter(SCMP_ACT_ERRNO(ENOSYS));
    int rc = ctx ? 0 : -ENOMEM;

    for (const char *const *name = ps_seccomp_allowed; *name && rc == 0; name++)
        rc = allow(ctx, *name);
    return rc < 0 ? rc : print_filter(ctx, "allow_list");
}

static int print_refusals(void)
{
    PS_CLEANUP(cleanup_filter)
    scmp_filter_ctx ctx = new_filter(SCMP_ACT_ALLOW);
    int rc = ctx ? 0 : -ENOMEM;

    for (size_t i = 0; i < ps_seccomp_refused_count && rc == 0; i++)
        rc = refuse(ctx, &ps_seccomp_refused[i]);
    return rc < 0 ? rc : print_filter(ctx, "refusals");
}

int main(void)
{
    int rc = print_list();

    if (rc == 0)
        rc = print_refusals();
    if (rc < 0)
        fprintf(stderr, "make the system call filter: %s\n", strerror(-rc));
    return rc < 0 || fflush(stdout) != 0;
}
