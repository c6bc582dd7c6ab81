/*
 * Which server, host header and path a bucket's objects have.  Pure, but for
 * what it is handed; any thread.
 */
#ifndef PKGSYNC_UPLOADER_S3_ENDPOINT_H
#define PKGSYNC_UPLOADER_S3_ENDPOINT_H

#include <stdbool.h>

#include "pkgsync/error.h"

struct ps_s3_endpoint_request {
    const char *url;  /* NULL: Amazon's, of the region */
    bool is_explicit; /* the person wrote it for this very store */
    bool virtual_host;
    const char *region;
    const char *bucket;
};

struct ps_s3_endpoint {
    char *scheme; /* all owned */
    char *host;   /* with ":port" unless it is the default one */
    char *path;   /* decoded; before the key: "" or "/bucket" */
};

PS_MUST_USE int ps_s3_endpoint_find(const struct ps_s3_endpoint_request *r,
                                    struct ps_s3_endpoint *out,
                                    struct ps_error *err);
void ps_s3_endpoint_release(struct ps_s3_endpoint *e);

/* 3 to 63 letters, digits, '.', '-', '_'; not an IPv4 address. */
bool ps_s3_bucket_is_valid(const char *bucket);

#endif
