/*
 * The parts of pack.h.  Private to the builder and its tests.
 *
 *   pack.c       what is asked for, its version, and the order of things
 *   pack_info.c  METADATA, WHEEL and RECORD
 *   pack_read.c  one file: opened, read, and read again if it changed
 *   pack_zip.c   a writer of zip archives
 */
#ifndef PKGSYNC_PACK_PRIVATE_H
#define PKGSYNC_PACK_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/cancel.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"
#include "pkgsync/pack.h"
#include "pkgsync/str.h"
#include "tree_private.h"

/* --- Zip ---------------------------------------------------------------- */

/* From this size on, a member's sizes are written with 64 bits: deflate can
 * make a member a little larger than it was. */
#define PS_ZIP64_FROM UINT64_C(0xf0000000)

struct ps_zip_entry {
    struct ps_str name;
    uint64_t offset;
    uint64_t packed;
    uint64_t unpacked;
    uint32_t crc;
    bool executable;
    bool wide; /* 64-bit sizes */
};

struct ps_zip_writer {
    int fd;                       /* borrowed; empty, seekable */
    uint64_t offset;              /* bytes written */
    struct ps_zip_entry *entries; /* owned; names are borrowed */
    size_t count;
    size_t cap;
    uint64_t zip64_from;            /* PS_ZIP64_FROM, less in tests */
    struct ps_zip_deflate *deflate; /* owned; of the open member */
};

#define PS_AUTO_ZIP_WRITER PS_CLEANUP(ps_zip_writer_release)

void ps_zip_writer_init(struct ps_zip_writer *w, int fd);
void ps_zip_writer_release(struct ps_zip_writer *w);

struct ps_zip_new {
    struct ps_str name; /* outlives the writer */
    uint64_t size_hint; /* how large it will be */
    bool executable;
    bool plain; /* Huffman codes alone: never better than 8 to 1 */
};

/* One member: begin, add its content, end. */
PS_MUST_USE int ps_zip_begin(struct ps_zip_writer *w,
                             const struct ps_zip_new *member,
                             struct ps_error *err);
PS_MUST_USE int ps_zip_add(struct ps_zip_writer *w, const void *data,
                           size_t len, struct ps_error *err);
PS_MUST_USE int ps_zip_end(struct ps_zip_writer *w, struct ps_error *err);

/* Forget the last member, which may be open. */
PS_MUST_USE int ps_zip_undo(struct ps_zip_writer *w, struct ps_error *err);

/* Central directory and end record. */
PS_MUST_USE int ps_zip_finish(struct ps_zip_writer *w, struct ps_error *err);

/* --- Files -------------------------------------------------------------- */

/* What one file holds. */
struct ps_pack_content {
    struct ps_sha256 sha256;
    struct ps_stat_key key;
    uint64_t size;
    bool executable;
};

/* How files are read. */
struct ps_pack_reader {
    const struct ps_cancel *cancel; /* Optional */
    struct ps_zip_writer *zip;      /* Optional: what is read is added */
    /* Optional, for tests: between the reading and the second look. */
    void (*after_read)(const char *path, void *user);
    void *user;
};

/*
 * Read `path` and hash it; it is the member `name`, which outlives the writer.
 * A file that changes meanwhile is read a second time, then PS_EBUSY.
 */
PS_MUST_USE int ps_pack_read(const struct ps_pack_reader *reader,
                             const char *path, struct ps_str name,
                             struct ps_pack_content *out, struct ps_error *err);

/* --- The wheel ---------------------------------------------------------- */

struct ps_pack_item {
    const char *path;
    struct ps_str name;
    struct ps_pack_content content;
};

struct ps_pack {
    struct ps_arena *arena;
    const struct ps_pack_options *options;
    struct ps_pack_item *items; /* by name, byte order */
    size_t count;
    const char *name; /* of the distribution */
    const char *tag;
    bool native;
    struct ps_stat_cache cache;
    struct ps_pack_plan plan;
};

/* "My.Pkg-x" as file names have it: "my_pkg_x". */
char *ps_pack_escaped_name(struct ps_arena *arena, const char *name);

/* METADATA and WHEEL, then RECORD with a row for each member. */
PS_MUST_USE int ps_pack_add_info(struct ps_pack *p, struct ps_zip_writer *zip,
                                 struct ps_error *err);

#endif
