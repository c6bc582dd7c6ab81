/*
 * What an S3 server says in the small XML document that comes with an error.
 *
 * This is no XML parser: it finds the text of the few elements it knows, at
 * any depth, within the bounds below, and leaves the rest alone.  Control
 * characters become '?', so that a text is fit for a terminal.  Pure; any
 * thread.
 */
#ifndef PKGSYNC_UPLOADER_S3_ERROR_H
#define PKGSYNC_UPLOADER_S3_ERROR_H

#include <stdbool.h>

#include "pkgsync/str.h"

#define PS_S3_ERROR_BODY_MAX 65536

/* "" where the answer had no such element, or one that was too long. */
struct ps_s3_error {
    char code[64];
    char message[256];
    char request_time[40];
    char server_time[40];
    char region[48];
    char endpoint[256];
};

/* False, and *out empty, if it is not an <Error> with a <Code>. */
bool ps_s3_error_parse(struct ps_str body, struct ps_s3_error *out);

#endif
