/*
 * The parts of sdist.h.  Private to builder.
 *
 *   sdist.c         the public functions: reads members, checks, dispatches
 *   sdist_stream.c  the bytes of a tar, decompressed and checked to their end
 *   sdist_name.c    members' names: form, top directory, duplicates
 *   sdist_write.c   directories, files and links in the destination
 */
#ifndef PKGSYNC_SDIST_PRIVATE_H
#define PKGSYNC_SDIST_PRIVATE_H

#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stdint.h>
#include <zlib.h>

#include "pkgsync/arena.h"
#include "pkgsync/cancel.h"
#include "pkgsync/error.h"
#include "pkgsync/sdist.h"
#include "pkgsync/str.h"

/* --- stream --------------------------------------------------------------- */

/*
 * A tar reader stops at the end mark, before the checksum of the compressed
 * stream has been looked at, and takes a missing end mark for an end.  So the
 * stream is decompressed here and read to its own end.
 */
struct ps_sdist_stream {
    gzFile gz;           /* one of the two; owned */
    struct archive *raw; /* a reader of filters only; owned */
    char *chunk;         /* owned */
    uint64_t fed;        /* bytes given out */
    uint64_t max_fed;
    uint64_t zeros;      /* zero bytes at the end so far */
    struct ps_error err; /* why reading failed; code 0 while it has not */
};

/* fd is borrowed and stands at its start. */
PS_MUST_USE int ps_sdist_stream_open(struct ps_sdist_stream *s, int fd,
                                     uint64_t max_fed, struct ps_error *err);
void ps_sdist_stream_close(struct ps_sdist_stream *s);

/* Let `tar` read from the stream. */
PS_MUST_USE int ps_sdist_stream_feed(struct ps_sdist_stream *s,
                                     struct archive *tar);

/* After the last member: read the rest, check what can be checked. */
PS_MUST_USE int ps_sdist_stream_finish(struct ps_sdist_stream *s,
                                       const struct ps_cancel *cancel,
                                       struct ps_error *err);

/* --- names ------------------------------------------------------------------
 */

struct ps_sdist_names {
    struct ps_arena arena; /* owns what is below */
    void *seen;            /* tsearch(3) */
    char *top;             /* the one top directory; NULL before the first */
    bool top_is_dir;       /* something lies in it, or it was a member */
    uint64_t bytes;        /* kept for names and targets */
    uint64_t dirs;         /* directories seen */
};

void ps_sdist_names_release(struct ps_sdist_names *n);

/*
 * The path below the top directory, "" for the top directory itself or for a
 * leading "./"; borrowed from `member`.  PS_EINVALID says what is wrong with
 * the name; the caller names the member.
 */
PS_MUST_USE int ps_sdist_names_strip(struct ps_sdist_names *n,
                                     const char *member, bool is_dir,
                                     struct ps_str *out, struct ps_error *err);

/* Remember the path and its parents; duplicates are PS_EINVALID. */
PS_MUST_USE int ps_sdist_names_add(struct ps_sdist_names *n, struct ps_str path,
                                   bool is_dir, struct ps_error *err);

/* --- writing
 * ------------------------------------------------------------------ */

struct ps_sdist_link {
    const char *path; /* in the arena of the names */
    const char *target;
};

struct ps_sdist_writer {
    int dest; /* borrowed */
    const struct ps_cancel *cancel;
    uint64_t max_bytes;
    uint64_t max_ratio;
    uint64_t archive_size;
    uint64_t written;
    struct ps_sdist_link *links; /* owned; made at the very end */
    size_t link_count;
    size_t link_cap;
};

PS_MUST_USE int ps_sdist_write_dir(struct ps_sdist_writer *w,
                                   struct ps_str path, struct ps_error *err);
/* The data of the entry that `a` stands at. */
PS_MUST_USE int ps_sdist_write_file(struct ps_sdist_writer *w,
                                    struct ps_str path, struct archive *a,
                                    struct archive_entry *entry,
                                    struct ps_error *err);
/* A hard link becomes a file of its own. */
PS_MUST_USE int ps_sdist_write_copy(struct ps_sdist_writer *w,
                                    struct ps_str path, struct ps_str source,
                                    struct ps_error *err);
void ps_sdist_write_link(struct ps_sdist_writer *w, const char *path,
                         const char *target);
/* Make the links, then check where each of them leads. */
PS_MUST_USE int ps_sdist_write_links(struct ps_sdist_writer *w,
                                     struct ps_error *err);

#endif
