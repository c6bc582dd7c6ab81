#include "pkgsync/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
    if (!p) {
        (void)fputs("pkgsync: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *ps_calloc(size_t count, size_t size)
{
    /* One byte at least: a NULL that means success would confuse everybody. */
    if (count == 0 || size == 0)
        count = size = 1;
    return must(calloc(count, size));
}

void *ps_realloc(void *p, size_t count, size_t size)
{
    if (count == 0 || size == 0)
        count = size = 1;
    return must(reallocarray(p, count, size));
}

char *ps_strdup(const char *z)
{
    return z ? must(strdup(z)) : NULL;
}

char *ps_strndup(const char *data, size_t len)
{
    char *z = ps_calloc(len + 1, 1);

    if (len > 0)
        memcpy(z, data, len);
    return z;
}

char *ps_vformat(const char *fmt, va_list ap)
{
    char *z = NULL;

    if (vasprintf(&z, fmt, ap) < 0)
        z = NULL;
    return must(z);
}

char *ps_format(const char *fmt, ...)
{
    char *z = NULL;
    va_list ap;

    va_start(ap, fmt);
    z = ps_vformat(fmt, ap);
    va_end(ap);
    return z;
}
