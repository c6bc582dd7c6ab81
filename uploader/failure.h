/*
 * The words for a transfer that failed: what, who refused, why, and what to
 * do.  A URL's query, which holds the signature, never gets into a text.
 */
#ifndef PKGSYNC_UPLOADER_FAILURE_H
#define PKGSYNC_UPLOADER_FAILURE_H

#include <stdint.h>

#include "exchange.h"
#include "s3_error.h"

struct ps_failed_try {
    const char *what; /* "upload 'x.whl'" */
    const struct ps_exchange *exchange;
    const struct ps_s3_error *s3;
    unsigned tries;
    int64_t now_s;  /* our clock when the answer came */
    int64_t skew_s; /* the server's minus ours */
    int code;       /* PS_E* */
};

/* Records it; returns the code. */
int ps_fail_try(struct ps_error *err, const struct ps_failed_try *f);

#endif
