/*
 * Small allocations.
 *
 * Sizes of our own making: running out of memory ends the program, since no
 * caller could do anything sensible.  A size that comes from outside is
 * checked against a named limit before it gets here (PS_ETOOBIG).
 * Release with free().  Any thread.
 */
#ifndef PKGSYNC_MEM_H
#define PKGSYNC_MEM_H

#include <stdarg.h>
#include <stddef.h>

#include "pkgsync/error.h"

void *ps_calloc(size_t count, size_t size);           /* zeroed */
void *ps_realloc(void *p, size_t count, size_t size); /* checked product */
char *ps_strdup(const char *z);                       /* NULL gives NULL */
char *ps_strndup(const char *data, size_t len);
char *ps_format(const char *fmt, ...) PS_PRINTF(1, 2);
char *ps_vformat(const char *fmt, va_list ap) PS_PRINTF(1, 0);

#endif
