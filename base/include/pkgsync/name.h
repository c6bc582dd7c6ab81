/*
 * Names of distributions and extras (PEP 503, PEP 508, PEP 685).
 * Pure functions; any thread.
 */
#ifndef PKGSYNC_NAME_H
#define PKGSYNC_NAME_H

#include <stdbool.h>

#include "pkgsync/arena.h"
#include "pkgsync/str.h"

/* PEP 503: lower case, runs of -_. become one '-'.  In the arena. */
char *ps_normalize_name(struct ps_arena *arena, struct ps_str name);

/* Whether both are the same name by PEP 503; allocates nothing. */
bool ps_name_equal(struct ps_str a, struct ps_str b);

/* PEP 508: letters, digits, '.', '-', '_', beginning and ending with a letter
 * or digit; ASCII only. */
bool ps_name_is_valid(struct ps_str name);

/* Whether it is in its normal form already. */
bool ps_name_is_normal(struct ps_str name);

#endif
