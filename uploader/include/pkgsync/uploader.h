/*
 * Uploader: send a file to a URL that somebody else has signed.
 *
 * It is handed grants (a URL and the headers that were signed with it) and a
 * descriptor, and knows no credential and no store.  One thread of its own
 * runs a libuv loop with libcurl's multi interface, so transfers share
 * connections; ps_uploader_put() and _get() block the caller and may be
 * called from any number of threads.
 *
 * Retries with full jitter (0.1 s to 20 s, 10 tries) on 408, 429, 5xx, resets,
 * stalls and 409; asks for a new grant when one has expired; never retries
 * another 4xx; never follows a redirect.  A host that cannot be reached at all
 * is given up after 7 tries, some seconds.  Memory does not grow with the size
 * of the file.
 */
#ifndef PKGSYNC_UPLOADER_H
#define PKGSYNC_UPLOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/cancel.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"
#include "pkgsync/sigv4.h"

struct ps_uploader;

struct ps_uploader_options {
    const char *ca_file;     /* Optional: PEM bundle (AWS_CA_BUNDLE); copied */
    uint64_t stall_limit_ms; /* no byte for so long: retry; 0: 30,000 */
    unsigned max_tries;      /* 0: 10 */
    uint64_t base_delay_ms;  /* 0: 100 */
};

PS_MUST_USE int ps_uploader_new(const struct ps_uploader_options *options,
                                struct ps_uploader **out, struct ps_error *err);
void ps_uploader_free(struct ps_uploader *u); /* waits for its thread */

/* Permission for one request.  Everything owned by the grant. */
struct ps_grant {
    char *url;
    struct ps_header *headers; /* to be sent exactly so; strings owned */
    size_t header_count;
    uint64_t expires_ms; /* wall clock */
};
void ps_grant_release(struct ps_grant *g);

/*
 * Asked for a grant before each try.  skew_s: the server's clock minus ours,
 * as its last Date header showed (0 before the first answer).  Runs on the
 * thread that called _put()/_get().
 */
typedef int(ps_grant_fn)(void *user, int64_t skew_s, struct ps_grant *out,
                         struct ps_error *err);

/* Bytes on the wire so far, of this try.  On the calling thread, at most ten
 * times a second. */
typedef void(ps_transfer_progress_fn)(uint64_t done, uint64_t total,
                                      void *user);

struct ps_transfer {
    ps_grant_fn *grant; /* Required */
    void *grant_user;
    int fd;              /* put: regular file, read with pread from 0;
                            get: written from 0, or -1: only hashed;
                            borrowed */
    uint64_t size;       /* put: exact; get: at most, else PS_ETOOBIG */
    uint64_t give_up_ms; /* no try begins later than this; 0: any may */
    const char *what;    /* for messages: "upload 'x.whl'" */
    char *redirect;      /* Optional: gets the URL that an answer (PS_ECONFIG)
                            redirects to, else ""; nothing is followed here */
    size_t redirect_size;
    ps_transfer_progress_fn *progress; /* Optional */
    void *progress_user;
};

struct ps_transfer_result {
    int http_status;
    bool exists_already; /* put: 412; nothing was written */
    unsigned tries;
    uint64_t bytes;         /* get: written */
    char sha256_base64[48]; /* x-amz-checksum-sha256 of the answer, or "" */
    struct ps_sha256 content_sha256; /* put, get: of the bytes that went */
    int64_t skew_s;
};

/*
 * A put hashes what it sends: when that is not the granted
 * x-amz-checksum-sha256, the last block is withheld, so that the server never
 * has a whole object, and the put ends with PS_EINTEGRITY.
 *
 *   PS_EAUTH         signature or key refused (says which key and clock)
 *   PS_ECLOCK        RequestTimeTooSkewed: both times are in the text
 *   PS_EEXPIRED      expired again after a new grant
 *   PS_EDENIED, PS_ENOTFOUND (bucket or object), PS_EINTEGRITY (BadDigest)
 *   PS_EUNREACHABLE  after the last try
 *   PS_ECONFIG       a redirect, or another region: the text names it
 *   PS_EUNSUPPORTED  501: the server does not know what was asked for
 *   the token's code after a cancel
 */
PS_MUST_USE int ps_uploader_put(struct ps_uploader *u,
                                const struct ps_transfer *transfer,
                                const struct ps_cancel *cancel,
                                struct ps_transfer_result *result,
                                struct ps_error *err);
PS_MUST_USE int ps_uploader_get(struct ps_uploader *u,
                                const struct ps_transfer *transfer,
                                const struct ps_cancel *cancel,
                                struct ps_transfer_result *result,
                                struct ps_error *err);
/* A HEAD; size and fd of the transfer are not used. */
PS_MUST_USE int ps_uploader_head(struct ps_uploader *u,
                                 const struct ps_transfer *transfer,
                                 const struct ps_cancel *cancel, uint64_t *size,
                                 struct ps_transfer_result *result,
                                 struct ps_error *err);

#endif
