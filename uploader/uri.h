/* Percent-encoding (RFC 3986, 2.1), as Signature Version 4 wants it. */
#ifndef PKGSYNC_UPLOADER_URI_H
#define PKGSYNC_UPLOADER_URI_H

#include "pkgsync/buf.h"
#include "pkgsync/error.h"
#include "pkgsync/str.h"

/* Everything but letters, digits, "-._~" and the bytes in `keep`. */
void ps_uri_encode(struct ps_buf *out, const char *text, const char *keep);

/* PS_EINVALID for a broken escape and for %00. */
PS_MUST_USE int ps_uri_decode(struct ps_str text, struct ps_buf *out,
                              struct ps_error *err);

#endif
