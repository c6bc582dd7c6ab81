/*
 * The system calls a build may make, as data.
 *
 * Two filters, of which the kernel takes the stricter answer: an allow-list
 * that answers ENOSYS to everything else, and a list of refusals that look at
 * arguments of what the first one lets through.
 */
#ifndef PKGSYNC_SANDBOX_SECCOMP_POLICY_H
#define PKGSYNC_SANDBOX_SECCOMP_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const char *const ps_seccomp_allowed[]; /* NULL-terminated */

enum ps_seccomp_test {
    PS_SECCOMP_NONE,   /* no test: holds always */
    PS_SECCOMP_MASKED, /* (argument & mask) == value */
    PS_SECCOMP_ABOVE,  /* argument > value, all 64 bits */
};

struct ps_seccomp_condition {
    enum ps_seccomp_test test;
    unsigned arg;
    uint64_t mask;
    uint64_t value;
};

/* Answered with errnum where both conditions hold (on different arguments). */
struct ps_seccomp_refusal {
    const char *call;
    int errnum;
    struct ps_seccomp_condition when[2];
};

extern const struct ps_seccomp_refusal ps_seccomp_refused[];
extern const size_t ps_seccomp_refused_count;

bool ps_seccomp_allows(const char *call);

/* What the two lists say to a call, as the kernel would: 0 or an errno. */
int ps_seccomp_answer(const char *call, const uint64_t args[6]);

#endif
