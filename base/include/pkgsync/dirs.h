/*
 * Where pkgsync keeps things (XDG Base Directory Specification 0.8).
 *
 *   cache   $XDG_CACHE_HOME/pkgsync   may be deleted at any time: git mirrors,
 *                                     the stat cache, prepared environments
 *   data    $XDG_DATA_HOME/pkgsync    the default artifact store
 *   state   $XDG_STATE_HOME/pkgsync   the queue, logs, directories of jobs
 *   config  $XDG_CONFIG_HOME/pkgsync  pkgsync.conf
 */
#ifndef PKGSYNC_DIRS_H
#define PKGSYNC_DIRS_H

#include "pkgsync/error.h"

struct ps_dirs {
    char *cache; /* all owned, absolute, existing after ps_dirs_init() */
    char *data;
    char *state;
    char *config; /* need not exist; NULL without a home */
};

/* Makes the first three with mode 0700.  PS_ECONFIG without a home. */
PS_MUST_USE int ps_dirs_init(struct ps_dirs *d, struct ps_error *err);
void ps_dirs_release(struct ps_dirs *d);

#endif
