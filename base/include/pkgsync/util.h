/* Small macros that every folder may use. */
#ifndef PKGSYNC_UTIL_H
#define PKGSYNC_UTIL_H

#include <stddef.h>

#define PS_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PS_CONTAINER_OF(ptr, type, member) \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define PS_MIN(a, b) ((a) < (b) ? (a) : (b))
#define PS_MAX(a, b) ((a) > (b) ? (a) : (b))
#define PS_KIB(n) ((uint64_t)(n) << 10)
#define PS_MIB(n) ((uint64_t)(n) << 20)
#define PS_GIB(n) ((uint64_t)(n) << 30)

#endif
