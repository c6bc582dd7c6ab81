/* Fetching a file from wherever a spec says that it is, and a spec itself. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/install.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define SPEC_MAX PS_MIB(64)
#define PIN "#sha256="
#define REDIRECTS_MAX 5U
#define URL_SIZE ((size_t)16 * 1024)
/* Of a plain download: then, at the latest half a minute later, it has failed.
 */
#define GIVE_UP_MS 60000

struct bucket {
    struct bucket *next;
    char *location;         /* "s3://bucket"; owned */
    struct ps_store *store; /* owned */
};

struct ps_locations {
    struct ps_location_options o;
    pthread_mutex_t lock;
    struct bucket *buckets; /* under lock */
};

struct ps_locations *ps_locations_new(const struct ps_location_options *options)
{
    struct ps_locations *l = ps_calloc(1, sizeof(*l));

    l->o = *options;
    (void)pthread_mutex_init(&l->lock, NULL);
    return l;
}

void ps_locations_free(struct ps_locations *l)
{
    if (!l)
        return;
    while (l->buckets) {
        struct bucket *b = l->buckets;

        l->buckets = b->next;
        ps_store_close(b->store);
        free(b->location);
        free(b);
    }
    (void)pthread_mutex_destroy(&l->lock);
    free(l);
}

/* ---- s3:// ---- */

static int open_bucket(struct ps_locations *l, const char *location,
                       struct ps_store **out, struct ps_error *err)
{
    struct ps_store_options options = { .location = NULL };
    struct bucket *b = NULL;
    int rc = PS_OK;

    for (b = l->buckets; b; b = b->next) {
        if (strcmp(b->location, location) == 0) {
            *out = b->store;
            return PS_OK;
        }
    }
    if (l->o.store)
        options = *l->o.store;
    options.location = location;
    options.uploader = l->o.uploader;
    rc = ps_store_open(&options, out, err);
    if (rc < 0)
        return rc;
    b = ps_calloc(1, sizeof(*b));
    b->location = ps_strdup(location);
    b->store = *out;
    b->next = l->buckets;
    l->buckets = b;
    return PS_OK;
}

static int get_s3(struct ps_locations *l, const char *url, int fd,
                  uint64_t max_bytes, struct ps_error *err)
{
    struct ps_str rest = ps_str_from(url + strlen("s3://"));
    struct ps_str bucket;
    PS_AUTO_FREE char *location = NULL;
    PS_AUTO_FREE char *key = NULL;
    struct ps_store *store = NULL;
    int rc = PS_OK;

    if (!ps_str_cut(&rest, '/', &bucket) || rest.len == 0)
        return ps_fail(err, PS_EINVALID,
                       "'%s' names no object; write s3://bucket/key", url);
    location = ps_format("s3://%.*s", PS_STR_FMT(bucket));
    key = ps_str_dup(rest);
    (void)pthread_mutex_lock(&l->lock);
    rc = open_bucket(l, location, &store, err);
    (void)pthread_mutex_unlock(&l->lock);
    if (rc == PS_OK)
        rc = ps_store_get(store, key, fd, max_bytes, l->o.cancel, NULL, err);
    return rc;
}

/* ---- http:// and https:// ---- */

static int plain_grant(void *user, int64_t skew_s, struct ps_grant *out,
                       struct ps_error *err)
{
    (void)skew_s;
    (void)err;
    *out =
        (struct ps_grant){ .url = ps_strdup(user), .expires_ms = UINT64_MAX };
    return PS_OK;
}

/* Of "http://user@host:port/path": only the host decides. */
static bool is_loopback(const char *url)
{
    struct ps_str rest = ps_str_from(url + strlen("http://"));
    struct ps_str host;
    struct ps_str user;
    PS_AUTO_FREE char *name = NULL;
    struct in_addr address;

    host = ps_str_first(rest, strcspn(rest.data, "/?#\\"));
    rest = host;
    if (ps_str_cut_last(&rest, '@', &user))
        host = rest;
    if (ps_str_starts(host, "["))
        return ps_str_starts(host, "[::1]") &&
               (host.len == 5 || host.data[5] == ':');
    rest = host;
    (void)ps_str_cut(&rest, ':', &host);
    name = ps_str_dup(host);
    return strcmp(name, "localhost") == 0 ||
           (inet_pton(AF_INET, name, &address) == 1 &&
            strncmp(name, "127.", 4) == 0);
}

/* The uploader speaks of access keys; here there are none. */
static int explain_http(const char *shown, struct ps_error *err)
{
    switch (err->code) {
    case PS_ENOTFOUND:
        return ps_fail(err, PS_ENOTFOUND,
                       "'%s' is not there (HTTP 404); check the URL, or write "
                       "it anew with `pkgsync sync`",
                       shown);
    case PS_EDENIED:
    case PS_EAUTH:
        return ps_fail(err, err->code,
                       "'%s' may not be read (HTTP 401 or 403); a presigned "
                       "URL may have expired, else see who may read it",
                       shown);
    default:
        return err->code;
    }
}

/* "https://host:port" of both the same? */
static bool same_server(const char *a, const char *b)
{
    size_t x = strcspn(strstr(a, "://") + 3, "/?#");
    size_t y = strcspn(strstr(b, "://") + 3, "/?#");

    x += (size_t)(strstr(a, "://") + 3 - a);
    y += (size_t)(strstr(b, "://") + 3 - b);
    return x == y && strncasecmp(a, b, x) == 0;
}

/* A password goes to nobody but the server that it is for. */
static char *without_user(const char *url)
{
    const char *host = strstr(url, "://");
    const char *at = NULL;

    if (!host)
        return NULL;
    host += 3;
    at = memrchr(host, '@', strcspn(host, "/?#"));
    return at ? ps_format("%.*s%s", (int)(host - url), url, at + 1)
              : ps_strdup(url);
}

/* Where to go on; NULL: not there. */
static char *redirected(const char *from, const char *to)
{
    PS_AUTO_FREE char *before = without_user(from);
    PS_AUTO_FREE char *target = without_user(to);

    if (!target || !before)
        return NULL;
    if (!ps_str_starts(ps_str_from(target), "https://") &&
        !same_server(before, target))
        return NULL;
    return PS_TAKE(target);
}

static int get_once(struct ps_locations *l, char *url, int fd,
                    uint64_t max_bytes, char *redirect, struct ps_error *err)
{
    struct ps_transfer_result result;
    const struct ps_transfer transfer = {
        .grant = plain_grant,
        .grant_user = url,
        .fd = fd,
        .size = max_bytes,
        .give_up_ms = GIVE_UP_MS,
        .what = "download",
        .redirect = redirect,
        .redirect_size = URL_SIZE,
    };

    redirect[0] = '\0';
    return ps_uploader_get(l->o.uploader, &transfer, l->o.cancel, &result, err);
}

static int get_http(struct ps_locations *l, const char *url, int fd,
                    uint64_t max_bytes, struct ps_error *err)
{
    PS_AUTO_FREE char *plain = ps_strndup(url, strcspn(url, "#"));
    PS_AUTO_FREE char *shown = ps_url_redact(plain);
    PS_AUTO_FREE char *redirect = ps_calloc(1, URL_SIZE);
    int rc = PS_OK;

    if (!l->o.uploader)
        return ps_fail(err, PS_EINTERNAL, "no uploader for '%s'", shown);
    for (unsigned steps = 0; steps <= REDIRECTS_MAX; steps++) {
        PS_AUTO_FREE char *target = NULL;
        PS_AUTO_FREE char *target_shown = NULL;

        rc = get_once(l, plain, fd, max_bytes, redirect, err);
        if (rc != PS_ECONFIG)
            return rc < 0 ? explain_http(shown, err) : PS_OK;
        if (!redirect[0] && strstr(plain, "X-Amz-"))
            return err->code; /* which has a region to name */
        target_shown = ps_url_redact(redirect[0] ? redirect : "nowhere");
        target = redirect[0] ? redirected(plain, redirect) : NULL;
        if (!target)
            return ps_fail(err, PS_EUNSUPPORTED,
                           "'%s' redirects to '%s', which is neither https:// "
                           "nor the same server; name the file's own address",
                           shown, target_shown);
        *err = PS_ERROR_INIT;
        free(plain);
        plain = PS_TAKE(target);
    }
    return ps_fail(err, PS_EUNSUPPORTED,
                   "'%s' redirects more than %u times; name the file's own "
                   "address",
                   shown, REDIRECTS_MAX);
}

/* ---- paths ---- */

/* "file:///a%20b" as "/a b"; caller frees; NULL when it names another host. */
static char *file_url_path(const char *url)
{
    const char *p = url + strlen("file://");
    PS_AUTO_BUF struct ps_buf path = PS_BUF_INIT(PS_KIB(64));

    if (strncmp(p, "localhost/", 10) == 0)
        p += strlen("localhost");
    if (p[0] != '/')
        return NULL;
    while (*p) {
        int high = p[0] == '%' ? ps_hex_digit(p[1]) : -1;
        int low = high >= 0 ? ps_hex_digit(p[2]) : -1;

        if (low >= 0 && (high || low)) {
            ps_buf_addc(&path, (char)(high << 4 | low));
            p += 3;
        } else {
            ps_buf_addc(&path, *p++);
        }
    }
    return ps_buf_take(&path);
}

static int open_file(const char *path, int *out, struct ps_error *err)
{
    /* O_NONBLOCK: a FIFO under this name must not hang us.  A link is
     * followed: it is a person's own, and mounted volumes are full of them. */
    PS_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return ps_fail_errno(err, errno, "open '%s'", path);
    if (fstat(fd, &st) < 0)
        return ps_fail_errno(err, errno, "stat '%s'", path);
    if (S_ISDIR(st.st_mode))
        return ps_fail(err, PS_EINVALID,
                       "'%s' is a directory; name a file in it, such as "
                       "'%s/environment.json'",
                       path, path);
    if (!S_ISREG(st.st_mode))
        return ps_fail(err, PS_EINVALID, "'%s' is not a regular file", path);
    *out = ps_take_fd(&fd);
    return PS_OK;
}

static int get_path(const char *path, int fd, uint64_t max_bytes,
                    struct ps_error *err)
{
    PS_AUTO_FD int from = -1;
    int rc = open_file(path, &from, err);

    if (rc == PS_OK) {
        rc = ps_copy_fd(from, fd, max_bytes, NULL, NULL, err);
        if (rc < 0)
            (void)ps_context(err, "read '%s'", path);
    }
    return rc;
}

static int get_file_url(const char *url, int fd, uint64_t max_bytes,
                        struct ps_error *err)
{
    PS_AUTO_FREE char *plain = ps_strndup(url, strcspn(url, "#"));
    PS_AUTO_FREE char *path = file_url_path(plain);

    if (!path)
        return ps_fail(err, PS_EINVALID,
                       "'%s' is a file of another machine; write file:///path",
                       plain);
    return get_path(path, fd, max_bytes, err);
}

/* A scheme ("x://"), or a path. */
static bool has_scheme(const char *location)
{
    const char *at = strstr(location, "://");

    return at && strcspn(location, "/") > (size_t)(at - location);
}

int ps_location_get(struct ps_locations *l, const char *location, bool pinned,
                    int fd, uint64_t max_bytes, struct ps_error *err)
{
    struct ps_str z = ps_str_from(location);
    PS_AUTO_FREE char *bare = ps_strndup(location, strcspn(location, "?#"));
    PS_AUTO_FREE char *shown = ps_url_redact(bare);

    if (ps_str_starts(z, "s3://"))
        return get_s3(l, location, fd, max_bytes, err);
    if (ps_str_starts(z, "https://"))
        return get_http(l, location, fd, max_bytes, err);
    if (ps_str_starts(z, "file://"))
        return get_file_url(location, fd, max_bytes, err);
    if (ps_str_starts(z, "http://") && !pinned && !is_loopback(location))
        return ps_fail(err, PS_EUNSUPPORTED,
                       "'%s' goes over plain http, where anybody on the way "
                       "can change it; use https://, or add #sha256=<hash>",
                       shown);
    if (ps_str_starts(z, "http://"))
        return get_http(l, location, fd, max_bytes, err);
    if (has_scheme(location))
        return ps_fail(err, PS_EUNSUPPORTED,
                       "'%s' is none of a path, file://, https:// and s3://",
                       shown);
    return get_path(location, fd, max_bytes, err);
}

/* ---- specs ---- */

static int read_text(struct ps_locations *l, const char *location, bool pinned,
                     struct ps_buf *text, struct ps_error *err)
{
    PS_AUTO_FD int fd = memfd_create("spec", MFD_CLOEXEC);
    int rc = PS_OK;

    if (fd < 0)
        return ps_fail_errno(err, errno, "make a memory file");
    rc = ps_location_get(l, location, pinned, fd, SPEC_MAX, err);
    if (rc == PS_ETOOBIG)
        return ps_fail(err, PS_ETOOBIG,
                       "more than %llu MiB, which no environment spec has",
                       (unsigned long long)(SPEC_MAX >> 20));
    if (rc == PS_OK && lseek(fd, 0, SEEK_SET) < 0)
        rc = ps_fail_errno(err, errno, "rewind");
    return rc == PS_OK ? ps_read_all(fd, text, err) : rc;
}

static int check_pin(const struct ps_sha256 *pin, struct ps_str text,
                     const struct ps_spec *spec, struct ps_error *err)
{
    struct ps_sha256 of_file = ps_sha256_of(text.data, text.len);
    char wanted[PS_SHA256_HEX_SIZE];
    char found[PS_SHA256_HEX_SIZE];

    if (ps_sha256_equal(pin, &of_file) || ps_sha256_equal(pin, &spec->digest))
        return PS_OK;
    ps_sha256_hex(pin, wanted);
    ps_sha256_hex(&of_file, found);
    return ps_fail(err, PS_EINTEGRITY,
                   "it is not the file that #sha256=%s names; its SHA-256 is "
                   "%s",
                   wanted, found);
}

int ps_spec_read(struct ps_arena *arena, struct ps_locations *locations,
                 const char *location, struct ps_spec *out,
                 struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(SPEC_MAX + 1);
    const char *pin_text = strstr(location, PIN);
    size_t len = pin_text ? (size_t)(pin_text - location) : strlen(location);
    const char *plain =
        ps_arena_dup(arena, ps_str_first(ps_str_from(location), len));
    /* What a presigned URL ends in is a secret and no part of the name. */
    const char *name =
        strncmp(plain, "http", 4) == 0
            ? ps_arena_dup(
                  arena, ps_str_first(ps_str_from(plain), strcspn(plain, "?")))
            : plain;
    PS_AUTO_FREE char *shown = ps_url_redact(name);
    struct ps_sha256 pin;
    struct ps_str view;
    int rc = PS_OK;

    if (pin_text) {
        rc = ps_sha256_parse(ps_str_from(pin_text + strlen(PIN)), &pin, err);
        if (rc < 0)
            return ps_context(err, "'%s'", PIN);
    }
    rc = read_text(locations, plain, pin_text != NULL, &text, err);
    if (rc == PS_OK) {
        view =
            (struct ps_str){ ps_arena_dup(arena, ps_buf_str(&text)), text.len };
        rc = ps_spec_parse(arena, view, shown, out, err);
        if (rc < 0)
            return rc;
    }
    if (rc == PS_OK && pin_text)
        rc = check_pin(&pin, ps_buf_str(&text), out, err);
    return rc < 0 ? ps_context(err, "environment spec '%s'", shown) : PS_OK;
}
