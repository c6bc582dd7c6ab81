#include "zip_writer.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "pkgsync/mem.h"

static void add_le(struct ps_buf *b, size_t width, uint64_t value)
{
    for (size_t i = 0; i < width; i++)
        ps_buf_addc(b, (char)(value >> (8 * i) & 0xff));
}

static void add_str(struct ps_buf *b, struct ps_str s)
{
    if (s.len)
        ps_buf_add(b, s.data, s.len);
}

void zw_patch(struct ps_buf *bytes, size_t at, size_t width, uint64_t value)
{
    if (at + width > bytes->len)
        abort();
    for (size_t i = 0; i < width; i++)
        bytes->data[at + i] = (char)(value >> (8 * i) & 0xff);
}

/* Raw deflate. */
static struct ps_str deflated(struct ps_str data)
{
    z_stream z = { 0 };
    size_t room = data.len + data.len / 100 + 64;
    char *out = ps_calloc(room, 1);

    if (deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY) !=
        Z_OK)
        abort();
    z.next_in = (unsigned char *)data.data;
    z.avail_in = (uInt)data.len;
    z.next_out = (unsigned char *)out;
    z.avail_out = (uInt)room;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    (void)deflateEnd(&z);
    return (struct ps_str){ .data = out, .len = z.total_out };
}

/* What both headers share: version needed to ... length of the name. */
static void add_common(struct ps_buf *out, const struct zw_member *m,
                       const uint64_t sizes[2], uint32_t crc, size_t name_len)
{
    add_le(out, 2, 20);
    add_le(out, 2, m->flags);
    add_le(out, 2, m->method);
    add_le(out, 4, 0x5a21 << 16); /* a date and time */
    add_le(out, 4, crc);
    add_le(out, 4, sizes[0]);
    add_le(out, 4, sizes[1]);
    add_le(out, 2, name_len);
}

static void add_descriptor(struct ps_buf *out, unsigned len,
                           const uint64_t sizes[2], uint32_t crc)
{
    size_t width = len == 20 || len == 24 ? 8 : 4;

    if (len == 0)
        return;
    if (len == 16 || len == 24)
        add_le(out, 4, 0x08074b50);
    add_le(out, 4, crc);
    add_le(out, width, sizes[0]);
    add_le(out, width, sizes[1]);
}

static void add_member(struct ps_buf *out, struct ps_buf *directory,
                       const struct zw_member *m, struct zw_layout *layout,
                       size_t i)
{
    static const uint64_t none[2] = { 0, 0 };
    struct ps_str name = m->local_name.data ? m->local_name : m->name;
    uint32_t crc = (uint32_t)crc32(0, (const unsigned char *)m->data.data,
                                   (uInt)m->data.len);
    struct ps_str packed = m->method == 8 ? deflated(m->data) : m->data;
    uint64_t sizes[2] = { packed.len, m->data.len };
    bool later = m->flags & 8;

    layout->local[i] = out->len;
    add_le(out, 4, 0x04034b50);
    add_common(out, m, later ? none : sizes, later ? 0 : crc, name.len);
    add_le(out, 2, m->local_extra.len);
    add_str(out, name);
    add_str(out, m->local_extra);
    layout->data[i] = out->len;
    add_str(out, packed);
    add_descriptor(out, m->descriptor, sizes, crc);
    add_str(out, m->after);

    layout->central[i] = directory->len; /* made absolute later */
    add_le(directory, 4, 0x02014b50);
    add_le(directory, 2, 3 << 8 | 20);
    add_common(directory, m, sizes, crc, m->name.len);
    add_le(directory, 2, m->extra.len);
    add_le(directory, 2, 0); /* comment */
    add_le(directory, 2, 0); /* disk */
    add_le(directory, 2, 0); /* internal attributes */
    add_le(directory, 4, m->attributes);
    add_le(directory, 4, layout->local[i]);
    add_str(directory, m->name);
    add_str(directory, m->extra);
    if (m->method == 8)
        free((void *)packed.data);
}

static void add_end64(struct ps_buf *out, size_t count, size_t start,
                      size_t size, struct zw_layout *layout)
{
    layout->end64 = out->len;
    add_le(out, 4, 0x06064b50);
    add_le(out, 8, 44);
    add_le(out, 2, 45);
    add_le(out, 2, 45);
    add_le(out, 4, 0);
    add_le(out, 4, 0);
    add_le(out, 8, count);
    add_le(out, 8, count);
    add_le(out, 8, size);
    add_le(out, 8, start);
    layout->locator = out->len;
    add_le(out, 4, 0x07064b50);
    add_le(out, 4, 0);
    add_le(out, 8, layout->end64);
    add_le(out, 4, 1);
}

void zw_write(const struct zw_archive *archive, struct ps_buf *out,
              struct zw_layout *layout)
{
    PS_AUTO_BUF struct ps_buf directory = PS_BUF_INIT(out->max);
    size_t start = 0;
    bool big = archive->zip64;

    memset(layout, 0, sizeof(*layout));
    add_str(out, archive->before);
    for (size_t i = 0; i < archive->count; i++)
        add_member(out, &directory, &archive->members[i], layout, i);
    start = out->len;
    for (size_t i = 0; i < archive->count; i++)
        layout->central[i] += start;
    add_str(out, ps_buf_str(&directory));
    if (big)
        add_end64(out, archive->count, start, directory.len, layout);

    layout->end = out->len;
    add_le(out, 4, 0x06054b50);
    add_le(out, 4, 0); /* disks */
    add_le(out, 2, big ? 0xffff : archive->count);
    add_le(out, 2, big ? 0xffff : archive->count);
    add_le(out, 4, big ? 0xffffffff : directory.len);
    add_le(out, 4, big ? 0xffffffff : start);
    add_le(out, 2, archive->comment.len);
    add_str(out, archive->comment);
    add_str(out, archive->after);
    if (out->overflow)
        abort();
}
