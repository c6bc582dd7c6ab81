#include "pkgsync/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/mem.h"
#include "pkgsync/util.h"

void ps_buf_release(struct ps_buf *b)
{
    free(b->data);
    *b = PS_BUF_INIT(b->max);
}

void ps_buf_clear(struct ps_buf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->data)
        b->data[0] = '\0';
}

/* Room for `len` more bytes and the NUL; how many of them fit under the cap. */
static size_t reserve(struct ps_buf *b, size_t len)
{
    size_t max = PS_MIN(b->max, SIZE_MAX - 1); /* the NUL counts too */
    size_t fits = PS_MIN(len, max - b->len);

    if (fits < len)
        b->overflow = true;
    if (b->len + fits + 1 > b->cap) {
        size_t want = PS_MAX(b->len + fits + 1, b->cap * 2);

        b->cap = PS_MIN(PS_MAX(want, 64), max + 1);
        b->data = ps_realloc(b->data, b->cap, 1);
    }
    return fits;
}

void ps_buf_add(struct ps_buf *b, const void *data, size_t len)
{
    size_t fits = reserve(b, len);

    if (fits > 0)
        memcpy(b->data + b->len, data, fits);
    b->len += fits;
    b->data[b->len] = '\0';
}

void ps_buf_adds(struct ps_buf *b, const char *z)
{
    ps_buf_add(b, z, strlen(z));
}

void ps_buf_addc(struct ps_buf *b, char c)
{
    ps_buf_add(b, &c, 1);
}

void ps_buf_addf(struct ps_buf *b, const char *fmt, ...)
{
    PS_AUTO_FREE char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = ps_vformat(fmt, ap);
    va_end(ap);
    ps_buf_adds(b, text);
}

struct ps_str ps_buf_str(const struct ps_buf *b)
{
    return (struct ps_str){ .data = b->data, .len = b->len };
}

const char *ps_buf_z(const struct ps_buf *b)
{
    return b->data ? b->data : "";
}

char *ps_buf_take(struct ps_buf *b)
{
    char *taken = b->data ? b->data : ps_strdup("");

    *b = PS_BUF_INIT(b->max);
    return taken;
}

int ps_buf_check(const struct ps_buf *b, const char *what, struct ps_error *err)
{
    if (b->overflow)
        return ps_fail(err, PS_ETOOBIG, "%s: more than %zu bytes", what,
                       b->max);
    return PS_OK;
}
