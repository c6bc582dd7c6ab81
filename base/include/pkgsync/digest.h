/*
 * SHA-256 (FIPS 180-4), HMAC-SHA-256 (RFC 2104), hex and Base64 (RFC 4648).
 * Any thread; one `struct ps_sha256_ctx` belongs to one thread at a time.
 */
#ifndef PKGSYNC_DIGEST_H
#define PKGSYNC_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/error.h"
#include "pkgsync/str.h"

#define PS_SHA256_SIZE 32
#define PS_SHA256_HEX_SIZE 65 /* with the NUL */

struct ps_sha256 {
    unsigned char bytes[PS_SHA256_SIZE];
};

struct ps_sha256_ctx {
    void *md; /* owned */
};

#define PS_AUTO_SHA256 PS_CLEANUP(ps_sha256_release)

/* A running hash.  OpenSSL refusing SHA-256 ends the program. */
void ps_sha256_init(struct ps_sha256_ctx *ctx);
void ps_sha256_update(struct ps_sha256_ctx *ctx, const void *data, size_t len);
void ps_sha256_final(struct ps_sha256_ctx *ctx, struct ps_sha256 *out);
void ps_sha256_release(struct ps_sha256_ctx *ctx); /* also half-used */

struct ps_sha256 ps_sha256_of(const void *data, size_t len);
bool ps_sha256_equal(const struct ps_sha256 *a, const struct ps_sha256 *b);
void ps_sha256_hex(const struct ps_sha256 *d, char out[PS_SHA256_HEX_SIZE]);

/* 64 hexadecimal digits, either case; else PS_EINVALID. */
PS_MUST_USE int ps_sha256_parse(struct ps_str hex, struct ps_sha256 *out,
                                struct ps_error *err);

/* Everything from the present offset to the end; PS_ETOOBIG over the limit. */
PS_MUST_USE int ps_sha256_fd(int fd, uint64_t max_bytes, struct ps_sha256 *out,
                             uint64_t *size, struct ps_error *err);

/* A regular file, links not followed.  size may be NULL. */
PS_MUST_USE int ps_sha256_file(const char *path, uint64_t max_bytes,
                               struct ps_sha256 *out, uint64_t *size,
                               struct ps_error *err);

struct ps_sha256 ps_hmac_sha256(const void *key, size_t key_len,
                                const void *data, size_t len);

/* Caller frees.  Standard alphabet with padding; _url without padding. */
char *ps_base64(const void *data, size_t len);
char *ps_base64_url(const void *data, size_t len);

#endif
