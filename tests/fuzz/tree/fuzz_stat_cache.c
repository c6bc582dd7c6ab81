/*
 * The stat cache file: any bytes are taken or refused, and what is taken is
 * walked to its end, in order.  The checksum and the tree are put right
 * first, or nothing would get past them; the first byte says whether.
 */
#include <stdlib.h>
#include <string.h>

#include "pkgsync/mem.h"
#include "tree_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ID_AT 16u

static void put_right(struct ps_stat_cache *c, unsigned char *bytes,
                      size_t size)
{
    struct ps_sha256 sum;

    if (size < ID_AT + 2 * PS_SHA256_SIZE)
        return;
    memcpy(bytes + ID_AT, c->id.bytes, PS_SHA256_SIZE);
    sum = ps_sha256_of(bytes, size - PS_SHA256_SIZE);
    memcpy(bytes + size - PS_SHA256_SIZE, sum.bytes, PS_SHA256_SIZE);
}

static void look_up(struct ps_stat_cache *c)
{
    static const char *const paths[] = { "",         "a", "a/b",
                                         "pkg/x.py", "z", "\xff\xff\xff" };
    struct ps_stat_key key = { .size = 1 };
    struct ps_sha256 digest;

    c->dir = 0; /* as if there were a directory; nothing is saved */
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct ps_str path = ps_str_from(paths[i]);

        if (c->has_current && i == 2)
            key = c->current.key;
        if (!ps_stat_cache_find(c, path, &key, &digest))
            ps_stat_cache_add(c, path, &key, &(struct ps_sha256){ { 0 } });
    }
    c->dir = -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_stat_cache c;

    if (size < 1)
        return 0;
    ps_stat_cache_init(&c, NULL, "/fuzz/tree");
    PS_AUTO_FREE unsigned char *bytes = ps_calloc(size, 1);
    memcpy(bytes, data + 1, size - 1);
    if (data[0] != 0)
        put_right(&c, bytes, size - 1);
    if (ps_stat_cache_take(&c, bytes, size - 1))
        look_up(&c);
    ps_stat_cache_release(&c);
    return 0;
}
