#include "pkgsync/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pkgsync/buf.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "store_impl.h"
#include "uri.h"

#define KEY_MAX 1024 /* Amazon's limit */
#define PATH_LIMIT 4096

const char *ps_key_name(const char *key)
{
    const char *slash = strrchr(key, '/');

    return slash ? slash + 1 : key;
}

bool ps_key_is_valid(const char *key)
{
    struct ps_str rest = ps_str_from(key);
    struct ps_str part;
    bool more = true;

    if (rest.len == 0 || rest.len > KEY_MAX)
        return false;
    for (const char *p = key; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    }
    while (more) {
        more = ps_str_cut(&rest, '/', &part);
        if (part.len == 0 || ps_str_is(part, ".") || ps_str_is(part, ".."))
            return false;
    }
    return true;
}

static int check_key(const char *key, struct ps_error *err)
{
    if (ps_key_is_valid(key))
        return PS_OK;
    return ps_fail(err, PS_EINVALID,
                   "'%.200s' cannot be the key of an object: it must be "
                   "relative, without '.' and '..', and have at most %d bytes",
                   key, KEY_MAX);
}

/* "/a//b/./c/" -> "/a/b/c" */
static void normalise_path(struct ps_str path, struct ps_buf *out)
{
    struct ps_str part;
    bool more = true;

    while (more) {
        more = ps_str_cut(&path, '/', &part);
        if (part.len > 0 && !ps_str_is(part, "."))
            ps_buf_addf(out, "/%.*s", PS_STR_FMT(part));
    }
    if (out->len == 0)
        ps_buf_addc(out, '/');
}

static int open_file(const char *location, struct ps_store **out,
                     struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf decoded = PS_BUF_INIT(PATH_LIMIT);
    PS_AUTO_BUF struct ps_buf path = PS_BUF_INIT(PATH_LIMIT);
    struct ps_str rest = ps_str_from(location);
    int rc = PS_OK;

    if (rest.data[0] == '/') {
        normalise_path(rest, &path);
    } else {
        rest = ps_str_skip(rest, strlen("file://"));
        if (ps_str_starts(rest, "localhost/"))
            rest = ps_str_skip(rest, strlen("localhost"));
        if (!ps_str_starts(rest, "/"))
            return ps_fail(err, PS_EINVALID,
                           "store '%s' names a host; write file:///path",
                           location);
        if (ps_uri_decode(rest, &decoded, err) < 0)
            return ps_context(err, "store '%s'", location);
        normalise_path(ps_buf_str(&decoded), &path);
    }
    rc = ps_buf_check(&path, "path of the store", err);
    if (rc == PS_OK)
        rc = ps_buf_check(&decoded, "path of the store", err);
    if (rc == PS_OK)
        *out = ps_store_file_new(ps_buf_z(&path));
    return rc;
}

int ps_store_open(const struct ps_store_options *options, struct ps_store **out,
                  struct ps_error *err)
{
    const char *location = options->location;

    if (strncmp(location, "s3://", 5) == 0)
        return ps_store_s3_new(options, location + 5, out, err);
    if (location[0] == '/' || strncmp(location, "file://", 7) == 0)
        return open_file(location, out, err);
    return ps_fail(err, PS_EINVALID,
                   "store '%s' is neither an absolute path nor file:///path "
                   "nor s3://bucket/prefix",
                   location);
}

void ps_store_close(struct ps_store *s)
{
    char *location = NULL;

    if (!s)
        return;
    location = s->location;
    s->ops->free(s);
    free(location);
}

const char *ps_store_location(const struct ps_store *s)
{
    return s->location;
}

char *ps_store_object_url(const struct ps_store *s, const char *key)
{
    return s->ops->object_url(s, key);
}

// NOLINTNEXTLINE(readability-function-size): as store.h declares it
int ps_store_put(struct ps_store *s, const struct ps_object *object,
                 ps_transfer_progress_fn *progress, void *user,
                 const struct ps_cancel *cancel, bool *existed,
                 struct ps_error *err)
{
    struct ps_store_put put = {
        .object = object, .progress = progress, .user = user, .cancel = cancel
    };
    bool was_there = false;
    int rc = check_key(object->key, err);

    if (rc == PS_OK)
        rc = s->ops->put(s, &put, &was_there, err);
    if (rc == PS_OK && existed)
        *existed = was_there;
    return rc;
}

/* The uploader reads from a descriptor, so the bytes get one. */
static int make_memory_file(const void *data, size_t len, int *out,
                            struct ps_error *err)
{
    PS_AUTO_FD int fd = memfd_create("pkgsync-document", MFD_CLOEXEC);

    if (fd < 0)
        return ps_fail_errno(err, errno, "memfd_create");
    if (ps_write_all(fd, data, len, err) < 0)
        return ps_context(err, "write a document of %zu bytes", len);
    *out = ps_take_fd(&fd);
    return PS_OK;
}

// NOLINTNEXTLINE(readability-function-size): as store.h declares it
int ps_store_put_bytes(struct ps_store *s, const char *key,
                       const char *content_type, const void *data, size_t len,
                       const struct ps_cancel *cancel, bool *existed,
                       struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;
    struct ps_object object = { .key = key,
                                .content_type = content_type,
                                .size = len,
                                .sha256 = ps_sha256_of(data, len) };
    struct ps_store_put put = { .object = &object,
                                .cancel = cancel,
                                .adopt = true };
    bool was_there = false;
    int rc = check_key(key, err);

    if (rc == PS_OK)
        rc = make_memory_file(data, len, &fd, err);
    if (rc < 0)
        return rc;
    object.fd = fd;
    rc = s->ops->put(s, &put, &was_there, err);
    if (rc == PS_OK && existed)
        *existed = was_there;
    return rc;
}

int ps_store_stat(struct ps_store *s, const char *key,
                  const struct ps_cancel *cancel, struct ps_object_info *out,
                  struct ps_error *err)
{
    if (check_key(key, err) < 0)
        return err->code;
    return s->ops->stat(s, key, cancel, out, err);
}

// NOLINTNEXTLINE(readability-function-size): as store.h declares it
int ps_store_get(struct ps_store *s, const char *key, int fd,
                 uint64_t max_bytes, const struct ps_cancel *cancel,
                 uint64_t *size, struct ps_error *err)
{
    struct ps_store_get get = {
        .key = key, .fd = fd, .max_bytes = max_bytes, .cancel = cancel
    };
    uint64_t got = 0;
    int rc = check_key(key, err);

    if (rc == PS_OK)
        rc = s->ops->get(s, &get, &got, err);
    if (rc == PS_OK && size)
        *size = got;
    return rc;
}

// NOLINTNEXTLINE(readability-function-size): as store.h declares it
int ps_store_presign_get(struct ps_store *s, const char *key, uint64_t seconds,
                         const struct ps_cancel *cancel, char **url,
                         uint64_t *until_ms, struct ps_error *err)
{
    struct ps_store_presign presign = { .key = key,
                                        .seconds = seconds,
                                        .cancel = cancel };

    if (check_key(key, err) < 0)
        return err->code;
    if (!s->ops->presign_get)
        return ps_fail(err, PS_EUNSUPPORTED,
                       "'%s' has no presigned URLs; only an s3:// store does",
                       s->location);
    if (seconds < 1 || seconds > PS_STORE_PRESIGN_MAX_S)
        return ps_fail(err, PS_EINVALID,
                       "a presigned URL lives for 1 to %d seconds, not %llu",
                       PS_STORE_PRESIGN_MAX_S, (unsigned long long)seconds);
    return s->ops->presign_get(s, &presign, url, until_ms, err);
}

char *ps_store_wheel_key(const struct ps_sha256 *sha256, const char *file_name)
{
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(sha256, hex);
    return ps_format("wheels/%.2s/%s/%s", hex, hex, file_name);
}
