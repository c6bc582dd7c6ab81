/*
 * Landlock: a second fence around files, and the only one around abstract
 * sockets and signals.  The network is left unhandled: rules without an allow
 * rule would also break servers on loopback, and the network namespace does
 * that job.
 */
#ifndef PKGSYNC_SANDBOX_LANDLOCK_H
#define PKGSYNC_SANDBOX_LANDLOCK_H

#include "job.h"
#include "pkgsync/error.h"

/* The ABI the kernel offers; 0 if there is none. */
int ps_landlock_abi(void);

/* Confine this process.  Needs no_new_privs; paths are those inside. */
PS_MUST_USE int ps_landlock_enforce(const struct ps_job *job,
                                    struct ps_error *err);

#endif
