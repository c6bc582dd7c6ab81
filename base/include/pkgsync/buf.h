/*
 * Growing byte buffers with a cap from birth.
 *
 * Appending beyond the cap does not grow the buffer: it sets `overflow`,
 * keeps what was there, and drops what did not fit; the owner asks once, at
 * the end, with ps_buf_check().  data is always NUL-terminated after the
 * first append.  One thread at a time.
 */
#ifndef PKGSYNC_BUF_H
#define PKGSYNC_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/error.h"
#include "pkgsync/str.h"

struct ps_buf {
    char *data; /* owned; NULL while nothing was appended */
    size_t len;
    size_t cap;    /* bytes allocated */
    size_t max;    /* never longer than this */
    bool overflow; /* something did not fit */
};

#define PS_BUF_INIT(limit) ((struct ps_buf){ .max = (limit) })
#define PS_AUTO_BUF PS_CLEANUP(ps_buf_release)

void ps_buf_release(struct ps_buf *b); /* contents only; ready to use again */
void ps_buf_clear(struct ps_buf *b);   /* empty, memory kept */
void ps_buf_add(struct ps_buf *b, const void *data, size_t len);
void ps_buf_adds(struct ps_buf *b, const char *z);
void ps_buf_addc(struct ps_buf *b, char c);
void ps_buf_addf(struct ps_buf *b, const char *fmt, ...) PS_PRINTF(2, 3);
struct ps_str ps_buf_str(const struct ps_buf *b); /* a view of all of it */
const char *ps_buf_z(const struct ps_buf *b);     /* "" when empty */
char *ps_buf_take(struct ps_buf *b);              /* owned by the caller */

/* PS_ETOOBIG naming `what` and the cap, if something did not fit. */
PS_MUST_USE int ps_buf_check(const struct ps_buf *b, const char *what,
                             struct ps_error *err);

#endif
