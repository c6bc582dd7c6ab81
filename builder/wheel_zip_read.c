/* Contents of zip members: stored or deflated, in pieces, checked. */
#include <inttypes.h>
#include <string.h>
#include <zlib.h>

#include "pkgsync/buf.h"
#include "wheel_private.h"

struct reader {
    const struct ps_zip_member *m;
    ps_zip_sink_fn *sink;
    void *user;
    uint64_t seen; /* bytes of contents so far */
    uint32_t crc;
};

static void cleanup_inflate(z_stream *z)
{
    (void)inflateEnd(z);
}

static int deliver(struct reader *r, const unsigned char *data, size_t len,
                   struct ps_error *err)
{
    if (len > r->m->unpacked - r->seen)
        return ps_fail(err, PS_EINVALID,
                       "it unpacks to more than the %" PRIu64
                       " bytes that it announces",
                       r->m->unpacked);
    r->seen += len;
    r->crc = (uint32_t)crc32(r->crc, data, (uInt)len);
    r->sink(data, len, r->user);
    return PS_OK;
}

static int read_stored(struct ps_zip *zip, struct reader *r,
                       struct ps_error *err)
{
    uint64_t offset = r->m->data;
    uint64_t left = r->m->packed;

    while (left > 0) {
        size_t n = (size_t)PS_MIN(left, (uint64_t)PS_ZIP_BUFFER);

        if (ps_zip_pread(zip, offset, zip->in, n, err) < 0 ||
            deliver(r, zip->in, n, err) < 0)
            return err->code;
        offset += n;
        left -= n;
    }
    return PS_OK;
}

static int read_deflated(struct ps_zip *zip, struct reader *r,
                         struct ps_error *err)
{
    PS_CLEANUP(cleanup_inflate) z_stream z = { 0 };
    uint64_t offset = r->m->data;
    uint64_t left = r->m->packed;
    int rc = inflateInit2(&z, -MAX_WBITS);

    if (rc != Z_OK)
        return ps_fail(err, PS_EINTERNAL, "cannot set up inflate");
    while (rc != Z_STREAM_END) {
        if (z.avail_in == 0 && left > 0) {
            size_t n = (size_t)PS_MIN(left, (uint64_t)PS_ZIP_BUFFER);

            if (ps_zip_pread(zip, offset, zip->in, n, err) < 0)
                return err->code;
            offset += n;
            left -= n;
            z.next_in = zip->in;
            z.avail_in = (uInt)n;
        }
        z.next_out = zip->out;
        z.avail_out = (uInt)PS_ZIP_BUFFER;
        rc = inflate(&z, Z_NO_FLUSH);
        if (rc != Z_OK && rc != Z_STREAM_END)
            return ps_fail(err, PS_EINVALID, "its contents are damaged: %s",
                           z.msg ? z.msg : "they end too early");
        if (deliver(r, zip->out, PS_ZIP_BUFFER - z.avail_out, err) < 0)
            return err->code;
    }
    if (left + z.avail_in > 0)
        return ps_fail(err, PS_EINVALID,
                       "%" PRIu64 " bytes follow the end of its contents",
                       left + z.avail_in);
    return PS_OK;
}

int ps_zip_read(struct ps_zip *zip, const struct ps_zip_member *m,
                ps_zip_sink_fn *sink, void *user, struct ps_error *err)
{
    struct reader r = { .m = m, .sink = sink, .user = user };
    int rc = PS_OK;

    r.crc = (uint32_t)crc32(0, NULL, 0);
    if (m->method == PS_ZIP_STORED)
        rc = read_stored(zip, &r, err);
    else
        rc = read_deflated(zip, &r, err);
    if (rc == PS_OK && r.seen != m->unpacked)
        rc = ps_fail(err, PS_EINVALID,
                     "it unpacks to %" PRIu64 " bytes, not to %" PRIu64, r.seen,
                     m->unpacked);
    if (rc == PS_OK && r.crc != m->crc)
        rc = ps_fail(err, PS_EINVALID, "its CRC differs");
    if (rc < 0)
        return ps_context(err, "member '%.*s'", PS_STR_FMT(m->name));
    return PS_OK;
}

static void append(const void *data, size_t len, void *user)
{
    ps_buf_add(user, data, len);
}

int ps_zip_read_text(struct ps_arena *arena, struct ps_zip *zip,
                     const struct ps_zip_member *m, uint64_t max,
                     struct ps_str *out, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf buf = PS_BUF_INIT((size_t)max);

    if (m->unpacked > max)
        return ps_fail(err, PS_ETOOBIG,
                       "member '%.*s' has more than %" PRIu64 " bytes",
                       PS_STR_FMT(m->name), max);
    if (ps_zip_read(zip, m, append, &buf, err) < 0 ||
        ps_buf_check(&buf, "a member", err) < 0)
        return err->code;
    out->data = ps_arena_dup(arena, ps_buf_str(&buf));
    out->len = buf.len;
    return PS_OK;
}
