#include "pkgsync/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define BLOCK_SIZE ((size_t)16 * 1024)

struct ps_arena_block {
    struct ps_arena_block *next;
    size_t used;
    size_t size;
    _Alignas(max_align_t) char bytes[];
};

void ps_arena_release(struct ps_arena *a)
{
    while (a->blocks) {
        struct ps_arena_block *next = a->blocks->next;

        free(a->blocks);
        a->blocks = next;
    }
}

void ps_arena_adopt(struct ps_arena *to, struct ps_arena *from)
{
    struct ps_arena_block **last = &from->blocks;

    while (*last)
        last = &(*last)->next;
    *last = to->blocks;
    to->blocks = from->blocks;
    from->blocks = NULL;
}

void *ps_arena_alloc(struct ps_arena *a, size_t count, size_t size)
{
    struct ps_arena_block *b = a->blocks;
    size_t total = 0;

    if (__builtin_mul_overflow(count, size, &total) || total > SIZE_MAX / 2) {
        (void)fputs("pkgsync: out of memory\n", stderr);
        abort();
    }
    total = (total + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    if (!b || b->size - b->used < total) {
        size_t room = PS_MAX(total, BLOCK_SIZE);

        b = ps_calloc(1, sizeof(*b) + room);
        b->size = room;
        b->next = a->blocks;
        a->blocks = b;
    }
    b->used += total;
    return b->bytes + b->used - total;
}

char *ps_arena_strdup(struct ps_arena *a, const char *z)
{
    return z ? ps_arena_dup(a, ps_str_from(z)) : NULL;
}

char *ps_arena_dup(struct ps_arena *a, struct ps_str s)
{
    char *z = ps_arena_alloc(a, s.len + 1, 1);

    if (s.len > 0)
        memcpy(z, s.data, s.len);
    return z;
}

char *ps_arena_lower(struct ps_arena *a, struct ps_str s)
{
    char *z = ps_arena_dup(a, s);

    for (size_t i = 0; i < s.len; i++)
        z[i] = ps_ascii_lower(z[i]);
    return z;
}

char *ps_arena_format(struct ps_arena *a, const char *fmt, ...)
{
    PS_AUTO_FREE char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = ps_vformat(fmt, ap);
    va_end(ap);
    return ps_arena_strdup(a, text);
}

char *ps_arena_size(struct ps_arena *a, uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    uint64_t whole = bytes;
    uint64_t tenths = 0;
    size_t unit = 0;

    while (whole >= 1024 && unit < 4) {
        tenths = whole % 1024 * 10 / 1024;
        whole /= 1024;
        unit++;
    }
    if (unit == 0)
        return ps_arena_format(a, "%llu B", (unsigned long long)whole);
    return ps_arena_format(a, "%llu.%llu %s", (unsigned long long)whole,
                           (unsigned long long)tenths, units[unit]);
}
