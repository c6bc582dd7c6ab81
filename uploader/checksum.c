#include "checksum.h"

#include <openssl/evp.h>
#include <string.h>

#define BASE64_LEN 44 /* of 32 bytes, with one '=' */

bool ps_checksum_is_whole(const char *base64)
{
    return base64[0] && !strchr(base64, '-');
}

bool ps_checksum_is(const char *base64, const struct ps_sha256 *sha256)
{
    PS_AUTO_FREE char *text = ps_base64(sha256->bytes, PS_SHA256_SIZE);

    return strcmp(base64, text) == 0;
}

bool ps_checksum_parse(const char *base64, struct ps_sha256 *out)
{
    unsigned char bytes[BASE64_LEN / 4 * 3];
    struct ps_sha256 found;

    if (strlen(base64) != BASE64_LEN ||
        EVP_DecodeBlock(bytes, (const unsigned char *)base64, BASE64_LEN) !=
            (int)sizeof(bytes))
        return false;
    memcpy(found.bytes, bytes, PS_SHA256_SIZE);
    /* One form only: no stray bits, one '=' at the end. */
    if (!ps_checksum_is(base64, &found))
        return false;
    *out = found;
    return true;
}
