/*
 * Arenas: many small allocations, released at once.
 *
 * A function whose result lives in an arena takes it as its first parameter.
 * Everything is zeroed and suitably aligned; running out of memory ends the
 * program, as in mem.h.  One thread at a time.
 */
#ifndef PKGSYNC_ARENA_H
#define PKGSYNC_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/error.h"
#include "pkgsync/str.h"

struct ps_arena_block;

struct ps_arena {
    struct ps_arena_block *blocks; /* owned; newest first */
};

#define PS_ARENA_INIT ((struct ps_arena){ .blocks = NULL })
#define PS_AUTO_ARENA PS_CLEANUP(ps_arena_release)

void ps_arena_release(struct ps_arena *a); /* ready to use again */

/* Hand over all that `from` holds, such as a thread's results: its strings
 * then live as long as `to`; `from` is empty. */
void ps_arena_adopt(struct ps_arena *to, struct ps_arena *from);
void *ps_arena_alloc(struct ps_arena *a, size_t count, size_t size);
char *ps_arena_strdup(struct ps_arena *a, const char *z);  /* NULL gives NULL */
char *ps_arena_dup(struct ps_arena *a, struct ps_str s);   /* NUL-terminated */
char *ps_arena_lower(struct ps_arena *a, struct ps_str s); /* ASCII; the same */
char *ps_arena_format(struct ps_arena *a, const char *fmt, ...) PS_PRINTF(2, 3);
char *ps_arena_size(struct ps_arena *a, uint64_t bytes); /* "1.5 MiB" */

#endif
