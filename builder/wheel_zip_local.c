/*
 * Local headers, and the layout of the archive.
 *
 * Whoever reads a zip archive as a stream sees only the local headers, so they
 * have to say what the central directory says; and the members have to lie
 * side by side from the first byte to the directory, so that there is nothing
 * that only such a reader finds, and no byte that two members share.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "wheel_private.h"

#define LOCAL_SIGNATURE 0x04034b50u
#define DESCRIPTOR_SIGNATURE 0x08074b50u

/* The value may be left to the data descriptor, as 0. */
static bool agrees(const struct ps_zip_member *m, uint64_t local,
                   uint64_t central)
{
    return local == central || (m->flags & PS_ZIP_DESCRIPTOR && local == 0);
}

/* Between the contents and the next member: 12 to 24 bytes that repeat CRC
 * and sizes, with or without a signature, of 32 or 64 bits. */
static int check_descriptor(const struct ps_zip *zip,
                            const struct ps_zip_member *m, uint64_t len,
                            struct ps_error *err)
{
    unsigned char d[24] = { 0 };
    const unsigned char *p = d;
    bool wide = len == 20 || len == 24;
    bool ok = len == 12 || len == 16 || wide;

    if (ok) {
        if (ps_zip_pread(zip, m->data + m->packed, d, (size_t)len, err) < 0)
            return err->code;
        if (len == 16 || len == 24) {
            ok = ps_le32(p) == DESCRIPTOR_SIGNATURE;
            p += 4;
        }
        ok = ok && ps_le32(p) == m->crc;
        if (wide)
            ok = ok && ps_le64(p + 4) == m->packed &&
                 ps_le64(p + 12) == m->unpacked;
        else
            ok = ok && ps_le32(p + 4) == m->packed &&
                 ps_le32(p + 8) == m->unpacked;
    }
    if (!ok)
        return ps_fail(err, PS_EINVALID,
                       "what follows it is not its data descriptor");
    return PS_OK;
}

static int check_fields(const struct ps_zip_member *m, const unsigned char *h,
                        struct ps_str name, struct ps_str extra,
                        struct ps_error *err)
{
    uint64_t packed = ps_le32(h + 18);
    uint64_t unpacked = ps_le32(h + 22);
    uint64_t *const sizes[] = { &unpacked, &packed };
    const char *what = NULL;

    if (ps_zip_read_extra(extra, sizes, PS_ARRAY_SIZE(sizes), err) < 0)
        return err->code;
    if (!ps_str_equal(name, m->name))
        what = "name";
    else if (ps_le16(h + 6) != m->flags)
        what = "flags";
    else if (ps_le16(h + 8) != m->method)
        what = "compression method";
    else if (!agrees(m, ps_le32(h + 14), m->crc))
        what = "CRC";
    else if (!agrees(m, packed, m->packed) || !agrees(m, unpacked, m->unpacked))
        what = "size";
    if (what)
        return ps_fail(err, PS_EINVALID,
                       "local header and central directory disagree on its %s",
                       what);
    return PS_OK;
}

/* `next` is where the following member, or the directory, begins. */
static int check_local(struct ps_zip *zip, struct ps_zip_member *m,
                       uint64_t next, struct ps_error *err)
{
    unsigned char h[PS_ZIP_LOCAL_SIZE] = { 0 };
    const char *buf = (const char *)zip->in;
    struct ps_str name = { .data = buf };
    struct ps_str extra;
    uint64_t room = 0;

    if (m->offset >= next || next - m->offset < sizeof(h))
        return ps_fail(err, PS_EINVALID, "it overlaps what follows it");
    if (ps_zip_pread(zip, m->offset, h, sizeof(h), err) < 0)
        return err->code;
    if (ps_le32(h) != LOCAL_SIGNATURE)
        return ps_fail(err, PS_EINVALID, "there is no local header for it");
    name.len = ps_le16(h + 26);
    extra = (struct ps_str){ .data = buf + name.len, .len = ps_le16(h + 28) };

    room = next - m->offset - sizeof(h);
    if (name.len + extra.len > room || m->packed > room - name.len - extra.len)
        return ps_fail(err, PS_EINVALID, "it overlaps what follows it");
    if (ps_zip_pread(zip, m->offset + sizeof(h), zip->in, name.len + extra.len,
                     err) < 0 ||
        check_fields(m, h, name, extra, err) < 0)
        return err->code;

    m->data = m->offset + sizeof(h) + name.len + extra.len;
    room = next - m->data - m->packed;
    if (m->flags & PS_ZIP_DESCRIPTOR)
        return check_descriptor(zip, m, room, err);
    if (room > 0)
        return ps_fail(err, PS_EINVALID,
                       "%" PRIu64 " unexplained bytes after it", room);
    return PS_OK;
}

static int compare_offsets(const void *a, const void *b)
{
    const struct ps_zip_member *const *x = a;
    const struct ps_zip_member *const *y = b;

    return ((*x)->offset > (*y)->offset) - ((*x)->offset < (*y)->offset);
}

int ps_zip_check_layout(struct ps_arena *arena, struct ps_zip *zip,
                        struct ps_error *err)
{
    struct ps_zip_member **order =
        ps_arena_alloc(arena, zip->count + 1, sizeof(struct ps_zip_member *));
    uint64_t first = zip->directory;

    for (size_t i = 0; i < zip->count; i++)
        order[i] = &zip->members[i];
    if (zip->count > 0) {
        qsort(order, zip->count, sizeof(struct ps_zip_member *),
              compare_offsets);
        first = order[0]->offset;
    }
    if (first != 0)
        return ps_fail(err, PS_EINVALID,
                       "%" PRIu64 " bytes before the first member", first);
    for (size_t i = 0; i < zip->count; i++) {
        uint64_t next =
            i + 1 < zip->count ? order[i + 1]->offset : zip->directory;

        if (check_local(zip, order[i], next, err) < 0)
            return ps_context(err, "member '%.*s'", PS_STR_FMT(order[i]->name));
    }
    return PS_OK;
}
