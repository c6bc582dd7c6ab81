/*
 * From an interpreter, as the builder asked it, to where an environment's
 * distributions are, as a scan wants it.
 */
#ifndef PKGSYNC_SITE_H
#define PKGSYNC_SITE_H

#include "pkgsync/arena.h"
#include "pkgsync/error.h"
#include "pkgsync/python.h"
#include "pkgsync/scan.h"

/*
 * `pythonpath` is the value of PYTHONPATH, or NULL; its empty and relative
 * parts are taken from the working directory, as the interpreter does.  What
 * the kernel decides (its release, the machine) is asked of it now.  Strings
 * are in the arena or those of `python`.  Any thread.
 */
PS_MUST_USE int ps_site_of(struct ps_arena *arena,
                           const struct ps_python *python,
                           const char *pythonpath, struct ps_site *out,
                           struct ps_error *err);

#endif
