#include "pkgsync/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define READ_SIZE ((size_t)256 * 1024)

/* A fetched method: EVP_sha256() would look it up again for every hash. */
static const EVP_MD *sha256_method(void)
{
    static EVP_MD *fetched;
    EVP_MD *mine = __atomic_load_n(&fetched, __ATOMIC_ACQUIRE);
    EVP_MD *none = NULL;

    if (mine)
        return mine;
    mine = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    if (mine &&
        !__atomic_compare_exchange_n(&fetched, &none, mine, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        EVP_MD_free(mine);
        mine = none;
    }
    return mine;
}

static void must(int ok)
{
    if (!ok) {
        (void)fputs("pkgsync: OpenSSL refused SHA-256\n", stderr);
        abort();
    }
}

void ps_sha256_init(struct ps_sha256_ctx *ctx)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();

    must(md && EVP_DigestInit_ex2(md, sha256_method(), NULL));
    ctx->md = md;
}

void ps_sha256_update(struct ps_sha256_ctx *ctx, const void *data, size_t len)
{
    must(EVP_DigestUpdate(ctx->md, data, len));
}

void ps_sha256_final(struct ps_sha256_ctx *ctx, struct ps_sha256 *out)
{
    must(EVP_DigestFinal_ex(ctx->md, out->bytes, NULL));
    ps_sha256_release(ctx);
}

void ps_sha256_release(struct ps_sha256_ctx *ctx)
{
    EVP_MD_CTX_free(ctx->md);
    ctx->md = NULL;
}

struct ps_sha256 ps_sha256_of(const void *data, size_t len)
{
    struct ps_sha256_ctx ctx;
    struct ps_sha256 out;

    ps_sha256_init(&ctx);
    ps_sha256_update(&ctx, data, len);
    ps_sha256_final(&ctx, &out);
    return out;
}

bool ps_sha256_equal(const struct ps_sha256 *a, const struct ps_sha256 *b)
{
    return CRYPTO_memcmp(a->bytes, b->bytes, PS_SHA256_SIZE) == 0;
}

void ps_sha256_hex(const struct ps_sha256 *d, char out[PS_SHA256_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < PS_SHA256_SIZE; i++) {
        out[2 * i] = digits[d->bytes[i] >> 4];
        out[2 * i + 1] = digits[d->bytes[i] & 15];
    }
    out[PS_SHA256_HEX_SIZE - 1] = '\0';
}

int ps_sha256_parse(struct ps_str hex, struct ps_sha256 *out,
                    struct ps_error *err)
{
    struct ps_sha256 d;

    if (hex.len != PS_SHA256_HEX_SIZE - 1)
        return ps_fail(err, PS_EINVALID,
                       "'%.*s' is not a SHA-256 (64 hexadecimal digits)",
                       PS_STR_FMT(ps_str_first(hex, 80)));
    for (size_t i = 0; i < PS_SHA256_SIZE; i++) {
        int high = ps_hex_digit(hex.data[2 * i]);
        int low = ps_hex_digit(hex.data[2 * i + 1]);

        if (high < 0 || low < 0)
            return ps_fail(err, PS_EINVALID,
                           "'%.*s' is not a SHA-256 (64 hexadecimal digits)",
                           PS_STR_FMT(hex));
        d.bytes[i] = (unsigned char)(high << 4 | low);
    }
    *out = d;
    return PS_OK;
}

int ps_sha256_fd(int fd, uint64_t max_bytes, struct ps_sha256 *out,
                 uint64_t *size, struct ps_error *err)
{
    PS_AUTO_SHA256 struct ps_sha256_ctx ctx = { .md = NULL };
    PS_AUTO_FREE char *chunk = ps_realloc(NULL, 1, READ_SIZE);
    uint64_t total = 0;

    ps_sha256_init(&ctx);
    for (;;) {
        ssize_t got = read(fd, chunk, READ_SIZE);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ps_fail_errno(err, errno, "read after %llu bytes",
                                 (unsigned long long)total);
        if (got == 0)
            break;
        total += (uint64_t)got;
        if (total > max_bytes)
            return ps_fail(err, PS_ETOOBIG, "more than %llu bytes",
                           (unsigned long long)max_bytes);
        ps_sha256_update(&ctx, chunk, (size_t)got);
    }
    ps_sha256_final(&ctx, out);
    if (size)
        *size = total;
    return PS_OK;
}

int ps_sha256_file(const char *path, uint64_t max_bytes, struct ps_sha256 *out,
                   uint64_t *size, struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;
    int rc = ps_open_regular_at(AT_FDCWD, path, &fd, NULL, err);

    if (rc < 0)
        return rc;
    rc = ps_sha256_fd(fd, max_bytes, out, size, err);
    return rc < 0 ? ps_context(err, "digest '%s'", path) : PS_OK;
}

struct ps_sha256 ps_hmac_sha256(const void *key, size_t key_len,
                                const void *data, size_t len)
{
    struct ps_sha256 out = { .bytes = { 0 } };
    unsigned size = PS_SHA256_SIZE;

    /* A NULL key means "the key of the last call" to OpenSSL. */
    must(key_len <= INT_MAX && HMAC(EVP_sha256(), key ? key : "", (int)key_len,
                                    data, len, out.bytes, &size) != NULL);
    return out;
}

static char *base64(const void *data, size_t len, const char *alphabet,
                    bool pad)
{
    const unsigned char *p = data;
    char *out = ps_calloc(len / 3 * 4 + 5, 1);
    size_t n = 0;

    for (size_t i = 0; i < len; i += 3) {
        size_t have = PS_MIN(len - i, (size_t)3);
        unsigned bits = (unsigned)p[i] << 16 |
                        (have > 1 ? (unsigned)p[i + 1] << 8 : 0) |
                        (have > 2 ? (unsigned)p[i + 2] : 0);

        for (size_t k = 0; k < 4; k++) {
            if (k <= have)
                out[n++] = alphabet[bits >> (18 - 6 * k) & 63];
            else if (pad)
                out[n++] = '=';
        }
    }
    return out;
}

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

char *ps_base64(const void *data, size_t len)
{
    return base64(data, len, ALNUM "+/", true);
}

char *ps_base64_url(const void *data, size_t len)
{
    return base64(data, len, ALNUM "-_", false);
}
