/*
 * Artifact stores: content-addressed, immutable, put-once.
 *
 *   file:///path, /path   a directory
 *   s3://bucket/prefix    Amazon S3 or anything that speaks its protocol
 *
 * The store holds the credentials and mints presigned URLs; the bytes are
 * moved by an uploader that gets only those.  An object is visible complete
 * and verified, or not at all.  Keys are relative: "wheels/ab/abcd.../x.whl".
 * Blocking; several threads may use one store at once.
 */
#ifndef PKGSYNC_STORE_H
#define PKGSYNC_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/cancel.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"
#include "pkgsync/uploader.h"

struct ps_store;

struct ps_store_options {
    const char *location;     /* Required: as above; copied */
    const char *endpoint_url; /* Optional: S3-compatible server; copied */
    const char *region;       /* Optional: else AWS_REGION,
                                 AWS_DEFAULT_REGION, the profile, us-east-1 */
    const char *profile;      /* Optional: else AWS_PROFILE, "default" */
    bool virtual_host;        /* bucket in the host name; the default without
                                 endpoint_url, path style with one */
    struct ps_uploader *uploader; /* Required for s3://; borrowed */
};

/*
 * Open; for s3:// credentials are looked for (environment, shared credentials
 * and config files, credential_process, the container's or the instance's
 * role) when the first grant is minted.
 * PS_EINVALID for a location that is neither, PS_EAUTH without credentials
 * (naming the places that were looked at).
 */
PS_MUST_USE int ps_store_open(const struct ps_store_options *options,
                              struct ps_store **out, struct ps_error *err);
void ps_store_close(struct ps_store *s);

/* "file:///..." or "s3://bucket/prefix", normalised; borrowed. */
const char *ps_store_location(const struct ps_store *s);

/* Where an object is, for people and records; caller frees. */
char *ps_store_object_url(const struct ps_store *s, const char *key);

struct ps_object {
    const char *key;
    const char *content_type;
    int fd; /* regular file, read from offset 0; borrowed */
    uint64_t size;
    struct ps_sha256 sha256; /* of the content; verified by the store */
};

/*
 * Put once.  *existed, unless NULL: it was there already, with this very
 * content (size and checksum were compared).
 *
 *   PS_EINTEGRITY  another content is there, or the bytes do not hash to
 *                  object->sha256
 *   PS_EDENIED     read-only store, or not allowed
 *   PS_ENOSPACE, PS_EAUTH, PS_ECLOCK, PS_EUNREACHABLE, PS_ECANCELED
 */
PS_MUST_USE int ps_store_put(struct ps_store *s, const struct ps_object *object,
                             ps_transfer_progress_fn *progress, void *user,
                             const struct ps_cancel *cancel, bool *existed,
                             struct ps_error *err);

/* A small document, put once: an object that is there already stays and is
 * not an error. */
PS_MUST_USE int ps_store_put_bytes(struct ps_store *s, const char *key,
                                   const char *content_type, const void *data,
                                   size_t len, const struct ps_cancel *cancel,
                                   bool *existed, struct ps_error *err);

struct ps_object_info {
    bool exists;
    uint64_t size;
    bool has_sha256;
    struct ps_sha256 sha256;
};

PS_MUST_USE int ps_store_stat(struct ps_store *s, const char *key,
                              const struct ps_cancel *cancel,
                              struct ps_object_info *out, struct ps_error *err);

/* Fetch into `fd` (written from 0).  PS_ENOTFOUND; PS_ETOOBIG. */
PS_MUST_USE int ps_store_get(struct ps_store *s, const char *key, int fd,
                             uint64_t max_bytes, const struct ps_cancel *cancel,
                             uint64_t *size, struct ps_error *err);

#define PS_STORE_PRESIGN_MAX_S 604800 /* Signature Version 4's own limit */

/*
 * A URL by which anybody can fetch the object without credentials, for at most
 * so many seconds: less, when the credentials end sooner.  *until_ms: wall
 * clock.  Caller frees *url.  Nothing is asked of the server.
 * PS_EUNSUPPORTED for a store that is no S3 one; PS_EAUTH.
 */
PS_MUST_USE int ps_store_presign_get(struct ps_store *s, const char *key,
                                     uint64_t seconds,
                                     const struct ps_cancel *cancel, char **url,
                                     uint64_t *until_ms, struct ps_error *err);

/* "wheels/<2 digits>/<64 digits>/<file name>"; caller frees. */
char *ps_store_wheel_key(const struct ps_sha256 *sha256, const char *file_name);

#endif
