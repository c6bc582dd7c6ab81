#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "sdist_private.h"

#define CHUNK_SIZE 65536u
#define TAR_BLOCK 512u
/* After the end mark there is padding, of 10 KiB as a rule. */
#define MAX_PADDING PS_MIB(64)

static int open_gzip(struct ps_sdist_stream *s, int fd, struct ps_error *err)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    if (copy < 0)
        return ps_fail_errno(err, errno, "duplicate the descriptor");
    s->gz = gzdopen(copy, "rb"); /* checks CRC and length of every member */
    if (!s->gz) {
        (void)close(copy);
        return ps_fail(err, PS_EINTERNAL, "cannot set up gzip");
    }
    return PS_OK;
}

/* bzip2, xz, zstd, or nothing: the "raw" format is one member with it all. */
static int open_raw(struct ps_sdist_stream *s, int fd, struct ps_error *err)
{
    struct archive_entry *entry = NULL;

    s->raw = archive_read_new();
    if (!s->raw || archive_read_support_filter_bzip2(s->raw) != ARCHIVE_OK ||
        archive_read_support_filter_xz(s->raw) != ARCHIVE_OK ||
        archive_read_support_filter_zstd(s->raw) != ARCHIVE_OK ||
        archive_read_support_format_raw(s->raw) != ARCHIVE_OK)
        return ps_fail(err, PS_EUNSUPPORTED,
                       "this libarchive was built without bzip2, xz or zstd");
    if (archive_read_open_fd(s->raw, fd, CHUNK_SIZE) != ARCHIVE_OK ||
        archive_read_next_header(s->raw, &entry) != ARCHIVE_OK)
        return ps_fail(err, PS_EINVALID,
                       "it is no .tar.gz, .tar.bz2, .tar.xz, .tar.zst, .tar "
                       "or .zip archive");
    /* One filter and the file itself: no archive in an archive. */
    if (archive_filter_count(s->raw) > 2)
        return ps_fail(err, PS_EINVALID, "it is compressed more than once");
    return PS_OK;
}

int ps_sdist_stream_open(struct ps_sdist_stream *s, int fd, uint64_t max_fed,
                         struct ps_error *err)
{
    unsigned char head[2] = { 0 };
    bool is_gzip =
        pread(fd, head, 2, 0) == 2 && head[0] == 0x1f && head[1] == 0x8b;

    *s = (struct ps_sdist_stream){
        .chunk = ps_calloc(1, CHUNK_SIZE),
        .max_fed = max_fed,
        .err = PS_ERROR_INIT,
    };
    return is_gzip ? open_gzip(s, fd, err) : open_raw(s, fd, err);
}

void ps_sdist_stream_close(struct ps_sdist_stream *s)
{
    if (s->gz)
        (void)gzclose_r(s->gz);
    if (s->raw)
        (void)archive_read_free(s->raw);
    free(s->chunk);
    *s = (struct ps_sdist_stream){ .gz = NULL };
}

static ssize_t read_gzip(struct ps_sdist_stream *s)
{
    int got = gzread(s->gz, s->chunk, CHUNK_SIZE);
    int code = Z_OK;
    const char *why = gzerror(s->gz, &code);

    /* A stream that ends too early gives what it had, and this. */
    if (got >= 0 && code != Z_BUF_ERROR)
        return got;
    return ps_fail(&s->err, PS_EINVALID, "it is damaged or cut off: gzip: %s",
                   why);
}

static ssize_t read_raw(struct ps_sdist_stream *s)
{
    ssize_t got = archive_read_data(s->raw, s->chunk, CHUNK_SIZE);
    const char *why = archive_error_string(s->raw);

    if (got >= 0)
        return got;
    return ps_fail(&s->err, PS_EINVALID, "it is damaged or cut off: %s",
                   why ? why : "unreadable");
}

static void count_zeros(struct ps_sdist_stream *s, size_t len)
{
    size_t n = 0;

    while (n < len && s->chunk[len - 1 - n] == 0)
        n++;
    s->zeros = n == len ? s->zeros + n : n;
}

/* The next chunk; 0 at the end; negative: s->err. */
static ssize_t read_chunk(struct ps_sdist_stream *s)
{
    ssize_t got = 0;

    if (s->err.code)
        return s->err.code;
    got = s->gz ? read_gzip(s) : read_raw(s);
    if (got <= 0)
        return got;
    s->fed += (uint64_t)got;
    if (s->fed > s->max_fed)
        return ps_fail(&s->err, PS_ETOOBIG,
                       "it expands to more than %llu bytes",
                       (unsigned long long)s->max_fed);
    count_zeros(s, (size_t)got);
    return got;
}

static la_ssize_t on_read(struct archive *tar, void *user, const void **out)
{
    struct ps_sdist_stream *s = user;
    ssize_t got = read_chunk(s);

    if (got < 0) {
        archive_set_error(tar, EIO, "%s", s->err.text);
        return ARCHIVE_FATAL;
    }
    *out = s->chunk;
    return got;
}

int ps_sdist_stream_feed(struct ps_sdist_stream *s, struct archive *tar)
{
    return archive_read_open(tar, s, NULL, on_read, NULL);
}

int ps_sdist_stream_finish(struct ps_sdist_stream *s,
                           const struct ps_cancel *cancel, struct ps_error *err)
{
    uint64_t start = s->fed;
    ssize_t got = 1;

    while (got > 0) {
        int rc = ps_cancel_check(cancel, err);

        if (rc < 0)
            return rc;
        got = read_chunk(s);
        if (s->fed - start > MAX_PADDING)
            return ps_fail(err, PS_ETOOBIG,
                           "more than %llu bytes follow its end",
                           (unsigned long long)MAX_PADDING);
    }
    if (got < 0) {
        *err = s->err;
        return s->err.code;
    }
    if (s->zeros < TAR_BLOCK)
        return ps_fail(err, PS_EINVALID,
                       "it is cut off: the mark at its end is missing");
    return PS_OK;
}
