/*
 * A writer of zip archives: deflated members side by side, local headers that
 * hold the sizes (they are filled in when a member is done), zip64 where a
 * number asks for it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "pack_private.h"
#include "pkgsync/buf.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define LOCAL_SIGNATURE 0x04034b50u
#define CENTRAL_SIGNATURE 0x02014b50u
#define END_SIGNATURE 0x06054b50u
#define END64_SIGNATURE 0x06064b50u
#define LOCATOR_SIGNATURE 0x07064b50u

#define LOCAL_CRC_AT 14u  /* CRC and both sizes, in the local header */
#define LOCAL_SIZE 30u    /* of it, without name and extra field */
#define FLAG_UTF8 0x0800u /* of the name */
#define METHOD_DEFLATE 8u
#define VERSION_PLAIN 20u
#define VERSION_ZIP64 45u
#define MADE_BY_UNIX (3u << 8)
#define EXTRA_ZIP64 0x0001u
#define DOS_DATE 0x0021u /* 1980-01-01, the earliest there is */

#define OUT_SIZE ((size_t)64 << 10)
#define DIRECTORY_MAX ((size_t)1 << 30)

struct ps_zip_deflate {
    z_stream z;
    unsigned char out[OUT_SIZE];
};

static void add_le(struct ps_buf *b, unsigned width, uint64_t value)
{
    for (unsigned i = 0; i < width; i++)
        ps_buf_addc(b, (char)(value >> 8 * i & 0xff));
}

static int write_at(const struct ps_zip_writer *w, uint64_t offset,
                    const void *data, size_t len, struct ps_error *err)
{
    const char *p = data;

    while (len > 0) {
        ssize_t n = pwrite(w->fd, p, len, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ps_fail_errno(err, errno, "write the archive");
        p += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return PS_OK;
}

static int append(struct ps_zip_writer *w, const void *data, size_t len,
                  struct ps_error *err)
{
    if (write_at(w, w->offset, data, len, err) < 0)
        return err->code;
    w->offset += len;
    return PS_OK;
}

static bool is_ascii(struct ps_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.data[i] >= 0x80)
            return false;
    return true;
}

void ps_zip_writer_init(struct ps_zip_writer *w, int fd)
{
    *w = (struct ps_zip_writer){ .fd = fd, .zip64_from = PS_ZIP64_FROM };
}

static void end_deflate(struct ps_zip_writer *w)
{
    if (w->deflate)
        (void)deflateEnd(&w->deflate->z);
    free(w->deflate);
    w->deflate = NULL;
}

void ps_zip_writer_release(struct ps_zip_writer *w)
{
    end_deflate(w);
    free(w->entries);
    w->entries = NULL;
}

/* What both headers share: version needed ... length of the name. */
static void add_common(struct ps_buf *b, const struct ps_zip_entry *e)
{
    add_le(b, 2, e->wide ? VERSION_ZIP64 : VERSION_PLAIN);
    add_le(b, 2, is_ascii(e->name) ? 0 : FLAG_UTF8);
    add_le(b, 2, METHOD_DEFLATE);
    add_le(b, 2, 0); /* time */
    add_le(b, 2, DOS_DATE);
    add_le(b, 4, e->crc);
    add_le(b, 4, e->wide ? UINT32_MAX : e->packed);
    add_le(b, 4, e->wide ? UINT32_MAX : e->unpacked);
    add_le(b, 2, e->name.len);
}

static void add_local(struct ps_buf *b, const struct ps_zip_entry *e)
{
    add_le(b, 4, LOCAL_SIGNATURE);
    add_common(b, e);
    add_le(b, 2, e->wide ? 20 : 0);
    ps_buf_add(b, e->name.data, e->name.len);
    if (e->wide) {
        add_le(b, 2, EXTRA_ZIP64);
        add_le(b, 2, 16);
        add_le(b, 8, e->unpacked);
        add_le(b, 8, e->packed);
    }
}

/* The local header, before the content and once more after it. */
static int write_local(const struct ps_zip_writer *w,
                       const struct ps_zip_entry *e, size_t *len,
                       struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(DIRECTORY_MAX);

    add_local(&b, e);
    *len = b.len;
    return write_at(w, e->offset, b.data, b.len, err);
}

static struct ps_zip_entry *add_entry(struct ps_zip_writer *w)
{
    if (w->count == w->cap) {
        w->cap = PS_MAX(w->cap * 2, (size_t)64);
        w->entries = ps_realloc(w->entries, w->cap, sizeof(*w->entries));
    }
    w->entries[w->count] = (struct ps_zip_entry){ 0 };
    return &w->entries[w->count++];
}

int ps_zip_begin(struct ps_zip_writer *w, const struct ps_zip_new *member,
                 struct ps_error *err)
{
    struct ps_zip_entry *e = add_entry(w);
    size_t len = 0;

    e->name = member->name;
    e->offset = w->offset;
    e->executable = member->executable;
    e->wide = member->size_hint >= w->zip64_from;
    e->crc = (uint32_t)crc32(0, NULL, 0);
    if (e->name.len > UINT16_MAX)
        return ps_fail(err, PS_EINVALID, "a name of more than %u bytes",
                       UINT16_MAX);
    w->deflate = ps_calloc(1, sizeof(*w->deflate));
    if (deflateInit2(
            &w->deflate->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, 8,
            member->plain ? Z_HUFFMAN_ONLY : Z_DEFAULT_STRATEGY) != Z_OK) {
        free(w->deflate);
        w->deflate = NULL;
        return ps_fail(err, PS_EINTERNAL, "cannot set up deflate");
    }
    if (write_local(w, e, &len, err) < 0)
        return err->code;
    w->offset += len;
    return PS_OK;
}

/* Everything that is there to compress; with Z_FINISH all of it comes out. */
static int pump(struct ps_zip_writer *w, int flush, struct ps_error *err)
{
    struct ps_zip_deflate *d = w->deflate;
    size_t len = 0;

    do {
        d->z.next_out = d->out;
        d->z.avail_out = sizeof(d->out);
        if (deflate(&d->z, flush) == Z_STREAM_ERROR)
            return ps_fail(err, PS_EINTERNAL, "deflate refused its input");
        len = sizeof(d->out) - d->z.avail_out;
        if (append(w, d->out, len, err) < 0)
            return err->code;
        w->entries[w->count - 1].packed += len;
    } while (d->z.avail_out == 0);
    return PS_OK;
}

int ps_zip_add(struct ps_zip_writer *w, const void *data, size_t len,
               struct ps_error *err)
{
    struct ps_zip_entry *e = &w->entries[w->count - 1];
    const unsigned char *p = data;

    while (len > 0) {
        uInt n = (uInt)PS_MIN(len, (size_t)1 << 30);

        e->crc = (uint32_t)crc32(e->crc, p, n);
        e->unpacked += n;
        w->deflate->z.next_in = (unsigned char *)p;
        w->deflate->z.avail_in = n;
        if (pump(w, Z_NO_FLUSH, err) < 0)
            return err->code;
        p += n;
        len -= n;
    }
    return PS_OK;
}

int ps_zip_end(struct ps_zip_writer *w, struct ps_error *err)
{
    struct ps_zip_entry *e = &w->entries[w->count - 1];
    size_t len = 0;

    w->deflate->z.avail_in = 0;
    if (pump(w, Z_FINISH, err) < 0)
        return err->code;
    end_deflate(w);
    if (!e->wide && (e->packed >= UINT32_MAX || e->unpacked >= UINT32_MAX))
        return ps_fail(err, PS_EBUSY, "it grew beyond 4 GiB while it was read");
    return write_local(w, e, &len, err);
}

int ps_zip_undo(struct ps_zip_writer *w, struct ps_error *err)
{
    end_deflate(w);
    w->offset = w->entries[--w->count].offset;
    if (ftruncate(w->fd, (off_t)w->offset) < 0)
        return ps_fail_errno(err, errno, "cut the archive");
    return PS_OK;
}

static void add_central(struct ps_buf *b, const struct ps_zip_entry *e)
{
    bool far = e->offset >= UINT32_MAX;
    unsigned extra = (e->wide ? 16 : 0) + (far ? 8 : 0);

    add_le(b, 4, CENTRAL_SIGNATURE);
    add_le(b, 2, MADE_BY_UNIX | VERSION_ZIP64);
    add_common(b, e);
    add_le(b, 2, extra ? extra + 4 : 0);
    add_le(b, 2, 0); /* comment */
    add_le(b, 2, 0); /* disk */
    add_le(b, 2, 0); /* internal attributes */
    add_le(b, 4, (uint64_t)(e->executable ? 0100755 : 0100644) << 16);
    add_le(b, 4, far ? UINT32_MAX : e->offset);
    ps_buf_add(b, e->name.data, e->name.len);
    if (extra) {
        add_le(b, 2, EXTRA_ZIP64);
        add_le(b, 2, extra);
    }
    if (e->wide) {
        add_le(b, 8, e->unpacked);
        add_le(b, 8, e->packed);
    }
    if (far)
        add_le(b, 8, e->offset);
}

static void add_end64(struct ps_buf *b, const struct ps_zip_writer *w,
                      uint64_t size)
{
    uint64_t at = w->offset + size;

    add_le(b, 4, END64_SIGNATURE);
    add_le(b, 8, 44); /* bytes that follow */
    add_le(b, 2, MADE_BY_UNIX | VERSION_ZIP64);
    add_le(b, 2, VERSION_ZIP64);
    add_le(b, 4, 0); /* disk */
    add_le(b, 4, 0); /* disk of the directory */
    add_le(b, 8, w->count);
    add_le(b, 8, w->count);
    add_le(b, 8, size);
    add_le(b, 8, w->offset);
    add_le(b, 4, LOCATOR_SIGNATURE);
    add_le(b, 4, 0); /* disk */
    add_le(b, 8, at);
    add_le(b, 4, 1); /* disks */
}

int ps_zip_finish(struct ps_zip_writer *w, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(DIRECTORY_MAX);
    uint64_t size = 0;
    bool wide = false;

    for (size_t i = 0; i < w->count; i++)
        add_central(&b, &w->entries[i]);
    size = b.len;
    wide =
        w->count >= UINT16_MAX || size >= UINT32_MAX || w->offset >= UINT32_MAX;
    if (wide)
        add_end64(&b, w, size);
    add_le(&b, 4, END_SIGNATURE);
    add_le(&b, 4, 0); /* disks */
    add_le(&b, 2, PS_MIN(w->count, (size_t)UINT16_MAX));
    add_le(&b, 2, PS_MIN(w->count, (size_t)UINT16_MAX));
    add_le(&b, 4, PS_MIN(size, (uint64_t)UINT32_MAX));
    add_le(&b, 4, PS_MIN(w->offset, (uint64_t)UINT32_MAX));
    add_le(&b, 2, 0); /* comment */
    if (ps_buf_check(&b, "the archive's directory", err) < 0)
        return err->code;
    return append(w, b.data, b.len, err);
}
