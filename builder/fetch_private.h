/* What the files of the fetch phase share. */
#ifndef PKGSYNC_FETCH_PRIVATE_H
#define PKGSYNC_FETCH_PRIVATE_H

#include "pkgsync/fetch.h"

/* PS_EINVALID, saying why, for a string that must not reach pip. */
PS_MUST_USE int ps_check_requirement(const char *text, struct ps_error *err);

/* Run pip into the empty directory `dest`. */
PS_MUST_USE int ps_pip_download(struct ps_arena *arena,
                                const struct ps_fetch *f, const char *dest,
                                struct ps_error *err);

#endif
