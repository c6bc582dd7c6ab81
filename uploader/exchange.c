#include "exchange.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "pkgsync/clock.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "s3_error.h"

#define SMALL_MAX PS_MIB(1)
#define SMALL_BUFFER PS_KIB(64)
#define LARGE_BUFFER PS_KIB(512)
#define CONNECT_LIMIT_MS 10000L
#define EXPECT_LIMIT_MS 1000L

char *ps_url_for_people(const char *url)
{
    PS_AUTO_FREE char *plain = ps_strndup(url, strcspn(url, "?#"));

    return ps_url_redact(plain);
}

/* ---- putting ---- */

static void exchange_rewind(struct ps_exchange *x)
{
    x->offset = 0;
    ps_sha256_release(&x->hash);
    ps_sha256_init(&x->hash);
}

/* With the last byte in hand: is it what was granted? */
static bool is_as_granted(struct ps_exchange *x)
{
    PS_AUTO_FREE char *actual = NULL;

    ps_sha256_final(&x->hash, &x->content_sha256);
    ps_sha256_release(&x->hash);
    ps_sha256_init(&x->hash);
    if (!x->has_expected)
        return true;
    actual = ps_base64(x->content_sha256.bytes, PS_SHA256_SIZE);
    if (strcmp(actual, x->expected) == 0)
        return true;
    ps_fail(&x->failure, PS_EINTEGRITY,
            "the file does not hash to the SHA-256 it was announced with; "
            "it changed since, so build it again");
    return false;
}

/*
 * The bytes are hashed as they go.  When the last block shows that they are
 * not what was granted, it is withheld, and the server, which was promised
 * more, keeps nothing.  A read of a regular file may block the engine: it is
 * the uploader's own thread, and the file was just written.
 */
static size_t on_read(char *to, size_t size, size_t count, void *user)
{
    struct ps_exchange *x = user;
    uint64_t left = x->size - x->offset;
    size_t want = (size_t)PS_MIN(left, (uint64_t)size * count);
    ssize_t got = 0;

    if (want == 0)
        return 0;
    do {
        got = pread(x->fd, to, want, (off_t)x->offset);
    } while (got < 0 && errno == EINTR);
    if (got < 0) {
        ps_fail_errno(&x->failure, errno, "read the file");
        return CURL_READFUNC_ABORT;
    }
    if (got == 0) {
        ps_fail(&x->failure, PS_EINTEGRITY,
                "the file shrank to %llu of %llu bytes while it was sent",
                (unsigned long long)x->offset, (unsigned long long)x->size);
        return CURL_READFUNC_ABORT;
    }
    ps_sha256_update(&x->hash, to, (size_t)got);
    x->offset += (uint64_t)got;
    if (x->offset == x->size && !is_as_granted(x))
        return CURL_READFUNC_ABORT;
    return (size_t)got;
}

/* libcurl sends again from the start when a kept connection was dead. */
static int on_seek(void *user, curl_off_t offset, int origin)
{
    struct ps_exchange *x = user;

    if (offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    exchange_rewind(x);
    return CURL_SEEKFUNC_OK;
}

/* ---- getting ---- */

static bool write_content(struct ps_exchange *x, const char *data, size_t len)
{
    if (len > x->size - x->bytes) {
        ps_fail(&x->failure, PS_ETOOBIG, "the object is over %llu bytes",
                (unsigned long long)x->size);
        return false;
    }
    ps_sha256_update(&x->hash, data, len);
    while (len > 0) {
        ssize_t done = (ssize_t)len;

        if (x->fd >= 0)
            done = pwrite(x->fd, data, len, (off_t)x->bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0) {
            ps_fail_errno(&x->failure, errno, "write what was fetched");
            return false;
        }
        x->bytes += (uint64_t)done;
        data += done;
        len -= (size_t)done;
    }
    return true;
}

static size_t on_write(char *data, size_t size, size_t count, void *user)
{
    struct ps_exchange *x = user;
    size_t len = size * count;

    /* An error's explanation; what goes over the cap is dropped. */
    if (x->method != PS_METHOD_GET || x->answer.status / 100 != 2) {
        ps_buf_add(&x->error_body, data, len);
        return len;
    }
    return write_content(x, data, len) ? len : 0;
}

/* ---- headers of the answer ---- */

static void copy_value(struct ps_str value, char *out, size_t size)
{
    if (value.len >= size)
        return;
    memcpy(out, value.data, value.len);
    out[value.len] = '\0';
    for (char *p = out; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    }
}

static bool name_is(struct ps_str name, const char *z)
{
    return name.len == strlen(z) && strncasecmp(name.data, z, name.len) == 0;
}

static void answer_take(struct ps_answer *a, struct ps_str name,
                        struct ps_str value)
{
    struct ps_error ignored = PS_ERROR_INIT;
    char text[64] = "";

    if (name_is(name, "date")) {
        copy_value(value, text, sizeof(text));
        a->date_s = (int64_t)curl_getdate(text, NULL);
        a->date_s = PS_MAX(a->date_s, 0);
    } else if (name_is(name, "content-length")) {
        if (ps_str_to_u64(value, INT64_MAX, &a->content_length, &ignored) < 0)
            a->content_length = 0;
    } else if (name_is(name, "x-amz-checksum-sha256")) {
        copy_value(value, a->checksum, sizeof(a->checksum));
    } else if (name_is(name, "x-amz-bucket-region")) {
        copy_value(value, a->region, sizeof(a->region));
    } else if (name_is(name, "location")) {
        copy_value(ps_str_first(value, strcspn(value.data, "?\r\n")),
                   a->location, sizeof(a->location));
    }
}

/* "HTTP/1.1 200 OK": a new answer, which replaces a 100 before it. */
static void answer_begin(struct ps_answer *a, struct ps_str line)
{
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_str head;
    uint64_t status = 0;

    *a = (struct ps_answer){ .status = 0 };
    (void)ps_str_cut(&line, ' ', &head);
    (void)ps_str_cut(&line, ' ', &head);
    if (ps_str_to_u64(ps_str_trim(head), 999, &status, &ignored) == PS_OK)
        a->status = (int)status;
}

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    struct ps_exchange *x = user;
    struct ps_str line = { .data = data, .len = size * count };
    struct ps_str name;

    if (ps_str_starts(line, "HTTP/"))
        answer_begin(&x->answer, line);
    else if (ps_str_cut(&line, ':', &name))
        answer_take(&x->answer, name, ps_str_trim(line));
    return size * count;
}

static int on_progress(void *user, curl_off_t down_total, curl_off_t down,
                       curl_off_t up_total, curl_off_t up)
{
    struct ps_exchange *x = user;
    uint64_t moved = (uint64_t)(x->method == PS_METHOD_PUT ? up : down);
    uint64_t both = (uint64_t)up + (uint64_t)down;

    (void)down_total;
    (void)up_total;
    if (both != x->last_moved) {
        x->last_moved = both;
        x->active_ms = ps_boot_ms();
    }
    atomic_store(&x->moved, moved);
    return 0;
}

/* ---- setting up ---- */

static int exchange_add_header(struct ps_exchange *x, const char *line)
{
    struct curl_slist *longer = curl_slist_append(x->headers, line);

    if (!longer)
        return ps_fail(&x->failure, PS_EINTERNAL, "out of memory");
    x->headers = longer;
    return PS_OK;
}

/*
 * The granted headers exactly as they were signed, but for the two that
 * libcurl writes itself.
 */
static int exchange_set_headers(struct ps_exchange *x)
{
    for (size_t i = 0; i < x->grant->header_count; i++) {
        const struct ps_header *h = &x->grant->headers[i];
        PS_AUTO_FREE char *line = ps_format("%s: %s", h->name, h->value);
        PS_AUTO_FREE char *size =
            ps_format("%llu", (unsigned long long)x->size);

        if (strcmp(h->name, "host") == 0)
            continue;
        if (strcmp(h->name, "content-length") == 0) {
            if (strcmp(h->value, size) != 0)
                return ps_fail(&x->failure, PS_EINVALID,
                               "the grant is for %s bytes, not %s", h->value,
                               size);
            continue;
        }
        if (strcmp(h->name, "x-amz-checksum-sha256") == 0 &&
            strlen(h->value) < sizeof(x->expected)) {
            x->has_expected = true;
            memcpy(x->expected, h->value, strlen(h->value) + 1);
        }
        if (exchange_add_header(x, line) < 0)
            return x->failure.code;
    }
    if (x->method != PS_METHOD_PUT)
        return PS_OK;
    return exchange_add_header(x, x->size > SMALL_MAX ? "Expect: 100-continue"
                                                      : "Expect:");
}

static void exchange_set_method(struct ps_exchange *x)
{
    CURL *e = x->easy;

    switch (x->method) {
    case PS_METHOD_PUT:
        curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->size);
        curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(e, CURLOPT_READDATA, x);
        curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(e, CURLOPT_SEEKDATA, x);
        curl_easy_setopt(e, CURLOPT_EXPECT_100_TIMEOUT_MS, EXPECT_LIMIT_MS);
        curl_easy_setopt(
            e, CURLOPT_UPLOAD_BUFFERSIZE,
            (long)(x->size > SMALL_MAX ? LARGE_BUFFER : SMALL_BUFFER));
        break;
    case PS_METHOD_GET:
        curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(e, CURLOPT_BUFFERSIZE, (long)SMALL_BUFFER);
        break;
    case PS_METHOD_HEAD:
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
        break;
    }
}

static void exchange_set_options(struct ps_exchange *x)
{
    CURL *e = x->easy;

    curl_easy_setopt(e, CURLOPT_URL, x->grant->url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    /* Removing dots would break the signature. */
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_LIMIT_MS);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "pkgsync/" PKGSYNC_VERSION);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->curl_text);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, x->headers);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, x);
    curl_easy_setopt(e, CURLOPT_PRIVATE, x);
    if (x->is_fresh)
        curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    if (x->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, x->ca_file);
}

/* What an earlier try wrote must not show behind a shorter object. */
static int exchange_clear_target(struct ps_exchange *x)
{
    if (x->method != PS_METHOD_GET || x->fd < 0 || ftruncate(x->fd, 0) == 0)
        return PS_OK;
    return ps_fail_errno(&x->failure, errno, "empty the file to fetch into");
}

int ps_exchange_start(struct ps_exchange *x)
{
    x->error_body = PS_BUF_INIT(PS_S3_ERROR_BODY_MAX);
    x->easy = curl_easy_init();
    if (!x->easy)
        return ps_fail(&x->failure, PS_EINTERNAL, "libcurl gave no handle");
    exchange_rewind(x);
    x->active_ms = ps_boot_ms();
    if (exchange_set_headers(x) < 0 || exchange_clear_target(x) < 0)
        return x->failure.code;
    exchange_set_method(x);
    exchange_set_options(x);

    /* Nothing will be read of an empty file, so it is checked here. */
    if (x->method == PS_METHOD_PUT && x->size == 0 && !is_as_granted(x))
        return x->failure.code;
    return PS_OK;
}

static void exchange_note_redirect(struct ps_exchange *x)
{
    const char *url = NULL;

    if (!x->redirect)
        return;
    x->redirect[0] = '\0';
    if (x->easy &&
        curl_easy_getinfo(x->easy, CURLINFO_REDIRECT_URL, &url) == CURLE_OK &&
        url && strlen(url) < x->redirect_size)
        memcpy(x->redirect, url, strlen(url) + 1);
}

void ps_exchange_finish(struct ps_exchange *x, CURLcode code)
{
    x->curl_code = code;
    exchange_note_redirect(x);
    if (x->method == PS_METHOD_GET)
        ps_sha256_final(&x->hash, &x->content_sha256);
    ps_sha256_release(&x->hash);
    if (x->easy)
        curl_easy_cleanup(x->easy);
    x->easy = NULL;
    curl_slist_free_all(x->headers);
    x->headers = NULL;
}
