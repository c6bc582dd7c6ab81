/* What the files of versions and specifiers share.  Private to base. */
#ifndef PKGSYNC_VERSION_PRIVATE_H
#define PKGSYNC_VERSION_PRIVATE_H

#include "pkgsync/str.h"
#include "pkgsync/version.h"

/* Without the blanks of Python's str.strip() at both ends: Unicode's too. */
struct ps_str ps_version_trim(struct ps_str s);

/* The bytes of such a blank at the front; 0 if there is none. */
size_t ps_version_blank(struct ps_str s);

/* The order of two numbers without leading zeros. */
int ps_version_compare_numbers(struct ps_str a, struct ps_str b);

/* How many parts of the release are left without the zeros at its end; at
 * least one. */
size_t ps_version_trimmed(const struct ps_version *v);

#endif
