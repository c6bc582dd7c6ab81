/* The Base64 form in which S3 writes a SHA-256.  Pure; any thread. */
#ifndef PKGSYNC_UPLOADER_CHECKSUM_H
#define PKGSYNC_UPLOADER_CHECKSUM_H

#include <stdbool.h>

#include "pkgsync/digest.h"

/* A checksum of the whole object, not one of parts ("...-3"). */
bool ps_checksum_is_whole(const char *base64);
bool ps_checksum_is(const char *base64, const struct ps_sha256 *sha256);

/* False if it is not the Base64 of 32 bytes. */
bool ps_checksum_parse(const char *base64, struct ps_sha256 *out);

#endif
