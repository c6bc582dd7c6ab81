/*
 * Cancellation of blocking work.
 *
 * Work that blocks (a build phase, a clone, a child process) runs on a thread
 * of its own and is handed a token.  It looks at the token between steps and
 * puts the descriptor in every poll(2), so a cancel ends it at once.
 *
 * ps_cancel_fire() may be called from any thread and from a signal handler,
 * any number of times; the token cannot be armed again.
 */
#ifndef PKGSYNC_CANCEL_H
#define PKGSYNC_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "pkgsync/error.h"

struct ps_cancel {
    atomic_int fired; /* 0, or the PS_E* code to fail with */
    int fd;           /* becomes readable when fired; owned */
};

PS_MUST_USE int ps_cancel_init(struct ps_cancel *c, struct ps_error *err);
void ps_cancel_release(struct ps_cancel *c);

/* code: PS_ECANCELED (a person asked), PS_ELOST (the lease is gone). */
void ps_cancel_fire(struct ps_cancel *c, int code);

/* c may be NULL: never cancelled. */
bool ps_cancel_is_fired(const struct ps_cancel *c);

/* PS_OK, or the code fired with a text that fits. */
PS_MUST_USE int ps_cancel_check(const struct ps_cancel *c,
                                struct ps_error *err);

#endif
