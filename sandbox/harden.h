/*
 * Child side: give up everything that the command does not need, in the order
 * in which the header lists it.  Single-threaded.
 */
#ifndef PKGSYNC_SANDBOX_HARDEN_H
#define PKGSYNC_SANDBOX_HARDEN_H

#include "job.h"
#include "pkgsync/error.h"

/* Loopback up, host name, a session keyring of its own, umask. */
PS_MUST_USE int ps_harden_surroundings(const struct ps_job *job,
                                       struct ps_error *err);
PS_MUST_USE int ps_harden_loopback(struct ps_error *err);
PS_MUST_USE int ps_harden_keyring(struct ps_error *err);
PS_MUST_USE int ps_harden_rlimits(const struct ps_run_spec *spec,
                                  struct ps_error *err);
/* Bounding, ambient and all other sets empty; no_new_privs. */
PS_MUST_USE int ps_harden_capabilities(struct ps_error *err);
/* The two filters of seccomp_policy.h.  Last: needs no_new_privs. */
PS_MUST_USE int ps_harden_seccomp(struct ps_error *err);

#endif
