/*
 * Zip archives, read strictly: end record and central directory.
 *
 * Readers of zip disagree about archives that bend the format (two end
 * records, data in front, local headers that differ), and what one installs is
 * then not what another checked.  So only the plain form passes: one end
 * record at the very end, without a comment, right after the directory.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "wheel_private.h"

#define CENTRAL_SIGNATURE 0x02014b50u
#define END_SIGNATURE 0x06054b50u
#define END64_SIGNATURE 0x06064b50u
#define LOCATOR_SIGNATURE 0x07064b50u
#define CENTRAL_SIZE 46u
#define END_SIZE 22u
#define END64_SIZE 56u
#define LOCATOR_SIZE 20u

#define EXTRA_ZIP64 0x0001u
#define EXTRA_UNICODE_PATH 0x7075u

#define NAME_MAX_BYTES 4096u

/* Bits that change nothing about how a member is read: the two of the
 * compression level, the data descriptor, and UTF-8. */
#define FLAGS_UNDERSTOOD 0x080eu
#define FLAGS_ENCRYPTION 0x2041u

struct end_record {
    uint64_t entries;
    uint64_t size;   /* of the central directory */
    uint64_t offset; /* of the central directory */
    uint64_t end;    /* where the directory has to end */
};

/* A central header as it stands, before the checks. */
struct central {
    struct ps_str name;
    struct ps_str extra;
    uint16_t disk;
    uint32_t attributes;
};

int ps_zip_pread(const struct ps_zip *zip, uint64_t offset, void *buf,
                 size_t len, struct ps_error *err)
{
    unsigned char *p = buf;

    if (offset > zip->size || len > zip->size - offset)
        return ps_fail(err, PS_EINVALID,
                       "the archive ends before offset %" PRIu64, offset + len);
    while (len > 0) {
        ssize_t got = pread(zip->fd, p, len, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ps_fail_errno(err, errno, "read at offset %" PRIu64, offset);
        if (got == 0)
            return ps_fail(err, PS_EBUSY, "the file became shorter while read");
        p += got;
        offset += (uint64_t)got;
        len -= (size_t)got;
    }
    return PS_OK;
}

/* Fill the fields that say "see zip64" from the record, in order. */
static int read_zip64(struct ps_str record, uint64_t *const *fields,
                      size_t count, struct ps_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (*fields[i] != UINT32_MAX)
            continue;
        if (record.len < 8)
            return ps_fail(err, PS_EINVALID, "its zip64 record is too short");
        *fields[i] = ps_le64((const unsigned char *)record.data);
        record = ps_str_skip(record, 8);
    }
    if (record.len)
        return ps_fail(err, PS_EINVALID,
                       "its zip64 record holds what no field asks for");
    return PS_OK;
}

int ps_zip_read_extra(struct ps_str extra, uint64_t *const *fields,
                      size_t count, struct ps_error *err)
{
    bool have_zip64 = false;

    while (extra.len > 0) {
        const unsigned char *p = (const unsigned char *)extra.data;
        size_t len = extra.len < 4 ? 0 : ps_le16(p + 2);
        struct ps_str record = ps_str_first(ps_str_skip(extra, 4), len);

        if (extra.len < 4 || len > extra.len - 4)
            return ps_fail(err, PS_EINVALID, "its extra field is malformed");
        if (ps_le16(p) == EXTRA_UNICODE_PATH)
            return ps_fail(err, PS_EINVALID, "it has a second name");
        if (ps_le16(p) == EXTRA_ZIP64) {
            if (have_zip64)
                return ps_fail(err, PS_EINVALID, "it has two zip64 records");
            have_zip64 = true;
            if (read_zip64(record, fields, count, err) < 0)
                return err->code;
        }
        extra = ps_str_skip(extra, 4 + len);
    }
    return PS_OK;
}

static const char *method_name(uint16_t method)
{
    static const struct {
        uint16_t method;
        const char *name;
    } names[] = {
        { 1, "shrink" }, { 6, "implode" }, { 9, "deflate64" },
        { 12, "bzip2" }, { 14, "lzma" },   { 93, "zstd" },
        { 95, "xz" },    { 98, "ppmd" },   { 99, "AES encryption" },
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++)
        if (names[i].method == method)
            return names[i].name;
    return "an unknown method";
}

/* The upper half of the attributes is a Unix mode, whoever wrote it. */
static int check_attributes(const struct ps_zip_member *m, uint32_t attributes,
                            struct ps_error *err)
{
    uint32_t type = attributes >> 16 & 0170000u;

    switch (type) {
    case 0:
        break;
    case 0040000:
        if (!m->is_dir)
            return ps_fail(err, PS_EINVALID,
                           "it has the mode of a directory and not the name");
        break;
    case 0100000:
        if (m->is_dir)
            return ps_fail(err, PS_EINVALID,
                           "it has the name of a directory and not the mode");
        break;
    case 0120000:
        return ps_fail(err, PS_EINVALID, "it is a symbolic link");
    default:
        return ps_fail(err, PS_EINVALID,
                       "it is a device, a pipe or a socket (mode %06o)",
                       attributes >> 16);
    }
    return PS_OK;
}

static int check_member(const struct ps_zip_member *m, const struct central *c,
                        struct ps_error *err)
{
    bool ascii = true;

    if (m->flags & FLAGS_ENCRYPTION)
        return ps_fail(err, PS_EINVALID, "it is encrypted");
    if (m->flags & ~FLAGS_UNDERSTOOD)
        return ps_fail(err, PS_EINVALID, "it has the unknown flags 0x%04x",
                       m->flags & ~FLAGS_UNDERSTOOD);
    if (m->method != PS_ZIP_STORED && m->method != PS_ZIP_DEFLATED)
        return ps_fail(err, PS_EINVALID,
                       "it is compressed with %s (%u); "
                       "wheels are stored or deflated",
                       method_name(m->method), m->method);
    if (c->disk != 0)
        return ps_fail(err, PS_EINVALID, "it lies on another disk");
    if (m->method == PS_ZIP_STORED && m->packed != m->unpacked)
        return ps_fail(err, PS_EINVALID, "it is stored with two sizes");
    if (m->method == PS_ZIP_STORED && m->flags & PS_ZIP_DESCRIPTOR &&
        m->unpacked > 0)
        return ps_fail(err, PS_EINVALID,
                       "it is stored with its size after it, "
                       "which cannot be read as a stream");
    if (m->is_dir && m->unpacked > 0)
        return ps_fail(err, PS_EINVALID, "it is a directory with contents");

    for (size_t i = 0; i < m->name.len; i++)
        ascii = ascii && (unsigned char)m->name.data[i] < 0x80;
    if (!ascii && !(m->flags & PS_ZIP_UTF8))
        return ps_fail(err, PS_EINVALID,
                       "its name is not ASCII and not marked as UTF-8");
    return check_attributes(m, c->attributes, err);
}

static int decode_central(struct ps_str *directory, struct ps_zip_member *m,
                          struct central *c, struct ps_error *err)
{
    const unsigned char *p = (const unsigned char *)directory->data;
    uint64_t *const sizes[] = { &m->unpacked, &m->packed, &m->offset };
    size_t name_len = 0;
    size_t extra_len = 0;
    size_t comment_len = 0;

    if (directory->len < CENTRAL_SIZE || ps_le32(p) != CENTRAL_SIGNATURE)
        return ps_fail(err, PS_EINVALID,
                       "the central directory is malformed here");
    name_len = ps_le16(p + 28);
    extra_len = ps_le16(p + 30);
    comment_len = ps_le16(p + 32);
    if (directory->len - CENTRAL_SIZE < name_len + extra_len + comment_len)
        return ps_fail(err, PS_EINVALID,
                       "its header is longer than the central directory");
    m->flags = ps_le16(p + 8);
    m->method = ps_le16(p + 10);
    m->crc = ps_le32(p + 16);
    m->packed = ps_le32(p + 20);
    m->unpacked = ps_le32(p + 24);
    c->disk = ps_le16(p + 34);
    c->attributes = ps_le32(p + 38);
    m->offset = ps_le32(p + 42);

    *directory = ps_str_skip(*directory, CENTRAL_SIZE);
    c->name = ps_str_first(*directory, name_len);
    *directory = ps_str_skip(*directory, name_len);
    c->extra = ps_str_first(*directory, extra_len);
    *directory = ps_str_skip(*directory, extra_len + comment_len);

    if (name_len > NAME_MAX_BYTES)
        return ps_fail(err, PS_EINVALID, "its name has more than %u bytes",
                       NAME_MAX_BYTES);
    if (ps_zip_check_name(c->name, err) < 0)
        return err->code;
    m->name = c->name;
    m->is_dir = ps_str_ends(m->name, "/");
    return ps_zip_read_extra(c->extra, sizes, PS_ARRAY_SIZE(sizes), err);
}

struct totals {
    uint64_t packed;
    uint64_t unpacked;
};

static int add_sizes(struct totals *t, const struct ps_zip_member *m,
                     const struct ps_wheel_limits *limits, uint64_t file_size,
                     struct ps_error *err)
{
    if (m->packed > file_size)
        return ps_fail(err, PS_EINVALID, "it is larger than the archive");
    if (m->unpacked > limits->max_unpacked - t->unpacked)
        return ps_fail(err, PS_ETOOBIG,
                       "the members unpack to more than %" PRIu64 " bytes",
                       limits->max_unpacked);
    t->packed += m->packed;
    t->unpacked += m->unpacked;
    return PS_OK;
}

static int read_directory(struct ps_zip *zip, struct ps_str directory,
                          const struct ps_wheel_limits *limits,
                          struct ps_error *err)
{
    struct totals totals = { 0 };

    for (size_t i = 0; i < zip->count; i++) {
        struct ps_zip_member *m = &zip->members[i];
        struct central c = { 0 };
        int rc = decode_central(&directory, m, &c, err);

        if (rc == PS_OK)
            rc = check_member(m, &c, err);
        if (rc == PS_OK)
            rc = add_sizes(&totals, m, limits, zip->size, err);
        /* Before its name has passed, a member is shown by its number. */
        if (rc < 0 && m->name.len)
            return ps_context(err, "member '%.*s'", PS_STR_FMT(m->name));
        if (rc < 0)
            return ps_context(err, "member %zu", i + 1);
    }
    if (directory.len)
        return ps_fail(err, PS_EINVALID,
                       "%zu unexplained bytes in the central directory",
                       directory.len);
    if (totals.unpacked > PS_MIB(64) &&
        totals.unpacked / limits->max_ratio > totals.packed)
        return ps_fail(err, PS_ETOOBIG,
                       "the members unpack to more than %" PRIu64
                       " times their size",
                       limits->max_ratio);
    return PS_OK;
}

/* A field of the short end record: says "see zip64", or the same as zip64. */
static bool agrees(uint64_t value, uint64_t saturated, uint64_t value64)
{
    return value == saturated || value == value64;
}

static int read_end64(const struct ps_zip *zip, const unsigned char *end,
                      const unsigned char *locator, struct end_record *out,
                      struct ps_error *err)
{
    unsigned char e[END64_SIZE] = { 0 };
    uint64_t offset = ps_le64(locator + 8);

    if (ps_le32(locator + 4) != 0 || ps_le32(locator + 16) != 1)
        return ps_fail(err, PS_EINVALID, "the archive has several disks");
    if (offset != zip->size - END_SIZE - LOCATOR_SIZE - END64_SIZE)
        return ps_fail(err, PS_EINVALID,
                       "the zip64 end record is not where it has to be");
    if (ps_zip_pread(zip, offset, e, sizeof(e), err) < 0)
        return err->code;
    if (ps_le32(e) != END64_SIGNATURE || ps_le64(e + 4) != END64_SIZE - 12)
        return ps_fail(err, PS_EINVALID, "the zip64 end record is malformed");
    if (ps_le32(e + 16) != 0 || ps_le32(e + 20) != 0)
        return ps_fail(err, PS_EINVALID, "the archive has several disks");
    *out = (struct end_record){
        .entries = ps_le64(e + 32),
        .size = ps_le64(e + 40),
        .offset = ps_le64(e + 48),
        .end = offset,
    };
    if (ps_le64(e + 24) != out->entries ||
        !agrees(ps_le16(end + 8), UINT16_MAX, out->entries) ||
        !agrees(ps_le16(end + 10), UINT16_MAX, out->entries) ||
        !agrees(ps_le32(end + 12), UINT32_MAX, out->size) ||
        !agrees(ps_le32(end + 16), UINT32_MAX, out->offset) ||
        !agrees(ps_le16(end + 4), UINT16_MAX, 0) ||
        !agrees(ps_le16(end + 6), UINT16_MAX, 0))
        return ps_fail(err, PS_EINVALID,
                       "the end record and the zip64 end record differ");
    return PS_OK;
}

static int read_end(const struct ps_zip *zip, struct end_record *out,
                    struct ps_error *err)
{
    unsigned char e[END_SIZE] = { 0 };
    unsigned char locator[LOCATOR_SIZE] = { 0 };

    if (zip->size < END_SIZE)
        return ps_fail(err, PS_EINVALID, "too short to be a zip archive");
    if (ps_zip_pread(zip, zip->size - END_SIZE, e, sizeof(e), err) < 0)
        return err->code;
    if (ps_le32(e) != END_SIGNATURE)
        return ps_fail(err, PS_EINVALID,
                       "no zip end record at the very end: cut off, not a zip "
                       "archive, or with a comment or data after it");
    if (ps_le16(e + 20) != 0)
        return ps_fail(err, PS_EINVALID,
                       "the end record tells of a comment that is not there");
    if (zip->size >= END_SIZE + LOCATOR_SIZE + END64_SIZE) {
        if (ps_zip_pread(zip, zip->size - END_SIZE - LOCATOR_SIZE, locator,
                         sizeof(locator), err) < 0)
            return err->code;
        if (ps_le32(locator) == LOCATOR_SIGNATURE)
            return read_end64(zip, e, locator, out, err);
    }
    if (ps_le16(e + 4) != 0 || ps_le16(e + 6) != 0 ||
        ps_le16(e + 8) != ps_le16(e + 10))
        return ps_fail(err, PS_EINVALID, "the archive has several disks");
    *out = (struct end_record){
        .entries = ps_le16(e + 8),
        .size = ps_le32(e + 12),
        .offset = ps_le32(e + 16),
        .end = zip->size - END_SIZE,
    };
    return PS_OK;
}

static int check_end(const struct end_record *e,
                     const struct ps_wheel_limits *limits, struct ps_error *err)
{
    if (e->entries > limits->max_members)
        return ps_fail(err, PS_ETOOBIG, "more than %" PRIu64 " members",
                       limits->max_members);
    if (e->size > PS_WHEEL_DIRECTORY_MAX)
        return ps_fail(err, PS_ETOOBIG,
                       "a central directory of more than %" PRIu64 " bytes",
                       PS_WHEEL_DIRECTORY_MAX);
    if (e->size > e->end || e->offset != e->end - e->size)
        return ps_fail(err, PS_EINVALID,
                       "the central directory does not end where the end "
                       "record begins");
    if (e->entries > e->size / CENTRAL_SIZE)
        return ps_fail(err, PS_EINVALID,
                       "the central directory is too small for its members");
    return PS_OK;
}

int ps_zip_open(struct ps_arena *arena, int fd, uint64_t size,
                const struct ps_wheel_limits *limits, struct ps_zip *out,
                struct ps_error *err)
{
    struct ps_zip zip = { .fd = fd, .size = size };
    struct end_record end = { 0 };
    struct ps_str directory;
    char *bytes = NULL;

    if (read_end(&zip, &end, err) < 0 || check_end(&end, limits, err) < 0)
        return err->code;
    bytes = ps_arena_alloc(arena, (size_t)end.size + 1, 1);
    if (ps_zip_pread(&zip, end.offset, bytes, (size_t)end.size, err) < 0)
        return err->code;

    zip.directory = end.offset;
    zip.count = (size_t)end.entries;
    zip.members = ps_arena_alloc(arena, zip.count + 1, sizeof(*zip.members));
    zip.in = ps_arena_alloc(arena, PS_ZIP_BUFFER, 1);
    zip.out = ps_arena_alloc(arena, PS_ZIP_BUFFER, 1);
    directory = (struct ps_str){ .data = bytes, .len = (size_t)end.size };

    if (read_directory(&zip, directory, limits, err) < 0 ||
        ps_zip_check_collisions(arena, &zip, err) < 0 ||
        ps_zip_check_layout(arena, &zip, err) < 0)
        return err->code;
    *out = zip;
    return PS_OK;
}
