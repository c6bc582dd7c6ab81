/*
 * The parts that wheel verification is made of.  Private to the builder and
 * to its tests.  Blocking; a `struct ps_zip` belongs to one thread at a time.
 *
 *   wheel_name.c         file names and compatibility tags
 *   wheel_zip.c          end record and central directory
 *   wheel_zip_name.c     member names
 *   wheel_zip_local.c    local headers and the layout of the file
 *   wheel_zip_read.c     member contents
 *   wheel_metadata.c     METADATA and WHEEL
 *   wheel_record.c       RECORD
 *   wheel_verify.c       the order of the checks
 */
#ifndef PKGSYNC_WHEEL_PRIVATE_H
#define PKGSYNC_WHEEL_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/error.h"
#include "pkgsync/str.h"
#include "pkgsync/util.h"
#include "pkgsync/version.h"
#include "pkgsync/wheel.h"

#define PS_WHEEL_DIRECTORY_MAX PS_MIB(64) /* the zip's central directory */
#define PS_WHEEL_RECORD_MAX PS_MIB(64)
#define PS_WHEEL_METADATA_MAX PS_MIB(16)
#define PS_WHEEL_WHEEL_MAX PS_MIB(1)
#define PS_WHEEL_HEADERS_MAX 65536u
#define PS_WHEEL_TAGS_MAX 4096u

/* --- Tags --------------------------------------------------------------- */

struct ps_wheel_tags {
    char **items; /* sorted, no duplicates */
    size_t count;
};

/*
 * Add what "py2.py3-none-any" stands for: py2-none-any, py3-none-any.
 * PS_ETOOBIG beyond PS_WHEEL_TAGS_MAX; the caller sorts.
 */
PS_MUST_USE int ps_wheel_tags_add(struct ps_arena *arena,
                                  struct ps_wheel_tags *tags,
                                  struct ps_str compressed,
                                  struct ps_error *err);
void ps_wheel_tags_sort(struct ps_wheel_tags *tags);

/* --- Zip ---------------------------------------------------------------- */

#define PS_ZIP_ENCRYPTED 0x0001u
#define PS_ZIP_DESCRIPTOR 0x0008u
#define PS_ZIP_UTF8 0x0800u
#define PS_ZIP_STORED 0u
#define PS_ZIP_DEFLATED 8u
#define PS_ZIP_LOCAL_SIZE 30u /* the fixed part of a local header */

struct ps_zip_member {
    struct ps_str name; /* checked; ends in '/' for a directory */
    uint64_t offset;    /* of the local header */
    uint64_t data;      /* of the contents */
    uint64_t packed;
    uint64_t unpacked;
    uint32_t crc;
    uint16_t flags;
    uint16_t method;
    bool is_dir;
};

struct ps_zip {
    int fd; /* borrowed */
    uint64_t size;
    uint64_t directory; /* where the central directory starts */
    struct ps_zip_member *members;
    struct ps_zip_member **by_name; /* in the order of ps_zip_name_compare() */
    size_t count;
    unsigned char *in; /* PS_ZIP_BUFFER bytes each */
    unsigned char *out;
};

#define PS_ZIP_BUFFER ((size_t)128 << 10) /* holds any name and extra field */

/*
 * Read and check everything but the contents: one end record at the very end,
 * a central directory that ends where it begins, members that lie side by
 * side from the first byte on, local headers that say the same, names that
 * cannot leave a directory or meet each other in one.  All limits must be set.
 * Lives in the arena.
 */
PS_MUST_USE int ps_zip_open(struct ps_arena *arena, int fd, uint64_t size,
                            const struct ps_wheel_limits *limits,
                            struct ps_zip *out, struct ps_error *err);

/* Exactly `len` bytes at `offset`. */
PS_MUST_USE int ps_zip_pread(const struct ps_zip *zip, uint64_t offset,
                             void *buf, size_t len, struct ps_error *err);

/*
 * Walk an extra field.  Each of `fields` that is 0xffffffff is taken from the
 * zip64 record, in order.
 */
PS_MUST_USE int ps_zip_read_extra(struct ps_str extra, uint64_t *const *fields,
                                  size_t count, struct ps_error *err);

/* The local headers, and that nothing lies between or before the members. */
PS_MUST_USE int ps_zip_check_layout(struct ps_arena *arena, struct ps_zip *zip,
                                    struct ps_error *err);

/* A name that is safe to unpack; shown in the error only where it can be. */
PS_MUST_USE int ps_zip_check_name(struct ps_str name, struct ps_error *err);

/*
 * Order of names without regard to ASCII case and to a '/' at the end, in
 * which whatever is below a directory follows it directly.
 */
int ps_zip_name_compare(struct ps_str a, struct ps_str b);

/* Fills by_name; refuses two members that would meet in a file system. */
PS_MUST_USE int ps_zip_check_collisions(struct ps_arena *arena,
                                        struct ps_zip *zip,
                                        struct ps_error *err);

/* The member called exactly that, or NULL. */
struct ps_zip_member *ps_zip_find(const struct ps_zip *zip, struct ps_str name);

typedef void(ps_zip_sink_fn)(const void *data, size_t len, void *user);

/* All of a member's contents, in pieces; size and CRC are checked. */
PS_MUST_USE int ps_zip_read(struct ps_zip *zip, const struct ps_zip_member *m,
                            ps_zip_sink_fn *sink, void *user,
                            struct ps_error *err);

/* All of it in memory; PS_ETOOBIG beyond max. */
PS_MUST_USE int ps_zip_read_text(struct ps_arena *arena, struct ps_zip *zip,
                                 const struct ps_zip_member *m, uint64_t max,
                                 struct ps_str *out, struct ps_error *err);

static inline uint16_t ps_le16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t ps_le32(const unsigned char *p)
{
    return (uint32_t)ps_le16(p) | (uint32_t)ps_le16(p + 2) << 16;
}

static inline uint64_t ps_le64(const unsigned char *p)
{
    return (uint64_t)ps_le32(p) | (uint64_t)ps_le32(p + 4) << 32;
}

/* --- METADATA and WHEEL ------------------------------------------------- */

struct ps_header {
    struct ps_str name;
    struct ps_str value; /* unfolded, trimmed */
};

struct ps_headers {
    const struct ps_header *items;
    size_t count;
};

/*
 * The header block of an RFC 822-like file, up to the first empty line or the
 * end.  Lines end as Python's email package has it (LF, CRLF, CR); a byte
 * order mark is skipped; what it cannot read is an error with the line.
 */
PS_MUST_USE int ps_headers_parse(struct ps_arena *arena, struct ps_str text,
                                 struct ps_headers *out, struct ps_error *err);

/* Exactly one, of any case, not empty. */
PS_MUST_USE int ps_headers_one(const struct ps_headers *h, const char *name,
                               struct ps_str *out, struct ps_error *err);

struct ps_wheel_metadata {
    struct ps_str name;
    struct ps_str version;
    struct ps_str requires_python; /* data NULL when absent */
};

PS_MUST_USE int ps_wheel_metadata_parse(struct ps_arena *arena,
                                        struct ps_str text,
                                        struct ps_wheel_metadata *out,
                                        struct ps_error *err);

struct ps_wheel_file {
    struct ps_wheel_tags tags; /* expanded, sorted */
    struct ps_str build;       /* empty when absent */
    bool pure;
};

PS_MUST_USE int ps_wheel_file_parse(struct ps_arena *arena, struct ps_str text,
                                    struct ps_wheel_file *out,
                                    struct ps_error *err);

/* --- RECORD ------------------------------------------------------------- */

struct ps_wheel_record_row {
    struct ps_str path; /* quotes undone */
    struct ps_str hash; /* "sha256=..."; may be empty */
    struct ps_str size; /* decimal; may be empty */
};

/* A negative result ends the walk and is its result. */
typedef int(ps_wheel_record_fn)(const struct ps_wheel_record_row *row,
                                void *user, struct ps_error *err);

/* Every row of the CSV in turn; PS_EINVALID with the line. */
PS_MUST_USE int ps_wheel_record_parse(struct ps_arena *arena,
                                      struct ps_str text,
                                      ps_wheel_record_fn *row, void *user,
                                      struct ps_error *err);

/*
 * RECORD against the archive: lists every member once with its size and a
 * hash, and every hash holds.  Reads all contents.
 */
PS_MUST_USE int ps_wheel_record_check(struct ps_arena *arena,
                                      struct ps_zip *zip,
                                      struct ps_str dist_info,
                                      struct ps_error *err);

/* --- Verification ------------------------------------------------------- */

/* ps_wheel_verify() for a file that is open already; fd stays open. */
PS_MUST_USE int ps_wheel_verify_fd(struct ps_arena *arena, int fd,
                                   const char *file_name,
                                   const struct ps_wheel_expect *expect,
                                   struct ps_wheel_info *out,
                                   struct ps_error *err);

#endif
