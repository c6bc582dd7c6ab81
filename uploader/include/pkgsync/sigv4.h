/*
 * AWS Signature Version 4, as a pure library: no I/O, no clock of its own.
 * ("Authenticating Requests: Using Query Parameters", Amazon S3 API
 * Reference.)  S3 rules: the path is encoded once and not normalised.
 * Any thread.
 */
#ifndef PKGSYNC_SIGV4_H
#define PKGSYNC_SIGV4_H

#include <stddef.h>
#include <stdint.h>

#include "pkgsync/error.h"

struct ps_aws_credentials {
    char *access_key;    /* owned */
    char *secret_key;    /* owned; wiped on release */
    char *session_token; /* owned; NULL for long-lived keys */
    int64_t expires_s;   /* since 1970; 0: does not expire */
    const char *origin;  /* "environment", "profile default in /p"; owned */
};

void ps_aws_credentials_release(struct ps_aws_credentials *c);

struct ps_header {
    const char *name; /* lower case */
    const char *value;
};

struct ps_presign {
    const char *method; /* "PUT", "GET", "HEAD" */
    const char *scheme; /* "https" or "http" */
    const char *host;   /* with ":port" unless it is the default one */
    const char *path;   /* decoded: "/bucket/prefix/a+b.whl" */
    const char *region;
    const char *service;             /* "s3" */
    int64_t time_s;                  /* now, corrected by the server's clock */
    uint64_t expires_s;              /* 1 to 604,800 */
    const struct ps_header *headers; /* signed as well as host; any order */
    size_t header_count;
    const struct ps_header *query; /* further parameters, decoded */
    size_t query_count;
};

/*
 * A presigned URL (X-Amz-* in the query, body UNSIGNED-PAYLOAD).  Caller frees
 * *url.  PS_EINVALID for an expiry out of range.
 */
PS_MUST_USE int ps_sigv4_presign(const struct ps_presign *request,
                                 const struct ps_aws_credentials *credentials,
                                 char **url, struct ps_error *err);

#endif
