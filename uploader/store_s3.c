/*
 * S3 as a store: the holder of the credentials.  It mints a grant for each
 * try, and leaves the bytes to the uploader.
 *
 * Put-once is the server's If-None-Match.  What is there already is believed
 * only when its size is right and its SHA-256 is: the one that the server
 * keeps, if it keeps one for the whole object, else that of the object itself,
 * fetched and hashed on the way without being kept.  An ETag is never taken
 * for a digest: with encryption it is not one.
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "checksum.h"
#include "credentials.h"
#include "pkgsync/clock.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "s3_endpoint.h"
#include "store_impl.h"

#define VANISHED_TRIES 5
#define VANISHED_WAIT_MS 100

#define TTL_MAX_S 900
#define TTL_SPARE_S 60       /* before the credentials end */
#define RELOAD_AFTER_MS 5000 /* credentials that may have been renewed */
#define HEADERS_MAX 8

struct s3_store {
    struct ps_store base;
    struct ps_uploader *uploader; /* borrowed */
    char *bucket;                 /* owned, as all below */
    char *prefix;                 /* "" or "/a/b" */
    char *region;
    char *profile; /* NULL: not named */
    struct ps_s3_endpoint endpoint;
    atomic_bool has_no_put_once; /* the server has answered 501 */

    pthread_mutex_t lock;
    struct ps_aws_credentials credentials; /* under lock */
    uint64_t loaded_ms;                    /* under lock; 0: not yet */
};

/* One kind of request for one object, for as many tries as it takes. */
struct s3_request {
    struct s3_store *store; /* borrowed */
    const char *method;
    const struct ps_cancel *cancel;
    char *path; /* owned */
    struct ps_header headers[HEADERS_MAX];
    size_t header_count;
    int64_t wanted_s; /* how long a grant is to live, at most */
    unsigned asked;   /* grants so far */
};

static struct s3_store *s3_store_of(const struct ps_store *s)
{
    return PS_CONTAINER_OF(s, struct s3_store, base);
}

/* ---- grants ---- */

/*
 * Seconds that a URL signed now may live; the credentials are read (again)
 * when they are missing, about to end, or when a second grant is asked for
 * with temporary ones.  Called with the lock held.
 */
static int s3_refresh(struct s3_store *s, const struct s3_request *r,
                      int64_t server_now_s, uint64_t *ttl_s,
                      struct ps_error *err)
{
    struct ps_aws_credentials fresh = { .access_key = NULL };
    uint64_t now_ms = ps_boot_ms();
    int64_t left_s = r->wanted_s;
    bool is_ending =
        s->credentials.expires_s != 0 &&
        s->credentials.expires_s - server_now_s < TTL_SPARE_S + r->wanted_s;
    bool may_be_renewed =
        (is_ending || r->asked > 1) && now_ms - s->loaded_ms > RELOAD_AFTER_MS;

    if (s->loaded_ms == 0 || (may_be_renewed && s->credentials.session_token)) {
        if (ps_aws_credentials_find(s->profile, r->cancel, &fresh, err) < 0)
            return err->code;
        ps_aws_credentials_release(&s->credentials);
        s->credentials = fresh;
        s->loaded_ms = now_ms;
    }
    if (s->credentials.expires_s != 0)
        left_s = PS_MIN(left_s,
                        s->credentials.expires_s - server_now_s - TTL_SPARE_S);
    if (left_s < 1) {
        char end[PS_RFC3339_SIZE];

        ps_rfc3339(s->credentials.expires_s, end);
        return ps_fail(err, PS_EAUTH,
                       "the credentials from the %s end at %s; renew them",
                       s->credentials.origin, end);
    }
    *ttl_s = (uint64_t)left_s;
    return PS_OK;
}

static int s3_sign(struct s3_request *r, int64_t skew_s, char **url,
                   uint64_t *ttl_s, struct ps_error *err)
{
    struct s3_store *s = r->store;
    int64_t server_now_s = (int64_t)(ps_now_ms() / 1000) + skew_s;
    struct ps_presign presign = {
        .method = r->method,
        .scheme = s->endpoint.scheme,
        .host = s->endpoint.host,
        .path = r->path,
        .region = s->region,
        .service = "s3",
        .time_s = server_now_s,
        .headers = r->headers,
        .header_count = r->header_count,
    };
    int rc = PS_OK;

    pthread_mutex_lock(&s->lock);
    rc = s3_refresh(s, r, server_now_s, ttl_s, err);
    if (rc == PS_OK) {
        presign.expires_s = *ttl_s;
        rc = ps_sigv4_presign(&presign, &s->credentials, url, err);
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

static int s3_mint(void *user, int64_t skew_s, struct ps_grant *out,
                   struct ps_error *err)
{
    struct s3_request *r = user;
    uint64_t ttl_s = 0;
    char *url = NULL;

    r->asked++;
    if (s3_sign(r, skew_s, &url, &ttl_s, err) < 0)
        return err->code;
    out->url = url;
    out->expires_ms = ps_now_ms() + ttl_s * 1000;
    out->headers = ps_calloc(r->header_count, sizeof(*out->headers));
    out->header_count = r->header_count;
    for (size_t i = 0; i < r->header_count; i++) {
        out->headers[i].name = ps_strdup(r->headers[i].name);
        out->headers[i].value = ps_strdup(r->headers[i].value);
    }
    return PS_OK;
}

static void request_release(struct s3_request *r)
{
    free(r->path);
}

static struct s3_request request_for(struct s3_store *s, const char *method,
                                     const char *key,
                                     const struct ps_cancel *cancel)
{
    return (struct s3_request){
        .store = s,
        .method = method,
        .cancel = cancel,
        .path = ps_format("%s%s/%s", s->endpoint.path, s->prefix, key),
        .wanted_s = TTL_MAX_S,
    };
}

static void request_add(struct s3_request *r, const char *name,
                        const char *value)
{
    r->headers[r->header_count++] = (struct ps_header){ name, value };
}

static int s3_presign_get(struct ps_store *base,
                          const struct ps_store_presign *presign, char **url,
                          uint64_t *until_ms, struct ps_error *err)
{
    PS_CLEANUP(request_release)
    struct s3_request r =
        request_for(s3_store_of(base), "GET", presign->key, presign->cancel);
    uint64_t ttl_s = 0;

    r.wanted_s = (int64_t)presign->seconds;
    /* Temporary credentials that end sooner are worth a look for new ones. */
    r.asked = 2;
    if (s3_sign(&r, 0, url, &ttl_s, err) < 0)
        return ps_context(err, "presign '%s'", presign->key);
    *until_ms = ps_now_ms() + ttl_s * 1000;
    return PS_OK;
}

/* ---- looking ---- */

static int s3_head(struct s3_store *s, const char *key,
                   const struct ps_cancel *cancel, uint64_t *size,
                   struct ps_transfer_result *result, struct ps_error *err)
{
    PS_CLEANUP(request_release)
    struct s3_request r = request_for(s, "HEAD", key, cancel);
    PS_AUTO_FREE char *what = ps_format("look at '%s'", ps_key_name(key));
    struct ps_transfer transfer = {
        .grant = s3_mint, .grant_user = &r, .fd = -1, .what = what
    };

    request_add(&r, "x-amz-checksum-mode", "ENABLED");
    return ps_uploader_head(s->uploader, &transfer, cancel, size, result, err);
}

/* fd -1: only hashed. */
static int s3_fetch(struct s3_store *s, const struct ps_store_get *get,
                    struct ps_transfer_result *result, struct ps_error *err)
{
    PS_CLEANUP(request_release)
    struct s3_request r = request_for(s, "GET", get->key, get->cancel);
    PS_AUTO_FREE char *what = ps_format("fetch '%s'", ps_key_name(get->key));
    struct ps_transfer transfer = { .grant = s3_mint,
                                    .grant_user = &r,
                                    .fd = get->fd,
                                    .size = get->max_bytes,
                                    .what = what };

    request_add(&r, "x-amz-checksum-mode", "ENABLED");
    if (ps_uploader_get(s->uploader, &transfer, get->cancel, result, err) < 0)
        return err->code;
    if (ps_checksum_is_whole(result->sha256_base64) &&
        !ps_checksum_is(result->sha256_base64, &result->content_sha256))
        return ps_fail(err, PS_EINTEGRITY,
                       "%s: what came does not hash to the server's own "
                       "SHA-256 of it",
                       what);
    return PS_OK;
}

static int fail_other_content(const struct s3_store *s, const char *key,
                              struct ps_error *err)
{
    return ps_fail(err, PS_EINTEGRITY,
                   "'%s' is in '%s' already with another content and is never "
                   "replaced",
                   key, s->base.location);
}

/* Something is there: is it this very content? */
static int s3_verify(struct s3_store *s, const struct ps_store_put *put,
                     struct ps_error *err)
{
    const struct ps_object *o = put->object;
    struct ps_transfer_result result = { .tries = 0 };
    struct ps_store_get get = {
        .key = o->key, .fd = -1, .max_bytes = o->size, .cancel = put->cancel
    };
    uint64_t size = 0;
    bool is_same = false;

    if (s3_head(s, o->key, put->cancel, &size, &result, err) < 0)
        return ps_context(err, "it is there already, but");
    if (size != o->size)
        return fail_other_content(s, o->key, err);
    if (ps_checksum_is_whole(result.sha256_base64)) {
        is_same = ps_checksum_is(result.sha256_base64, &o->sha256);
    } else {
        if (s3_fetch(s, &get, &result, err) < 0)
            return ps_context(err, "it is there already, but");
        is_same = ps_sha256_equal(&result.content_sha256, &o->sha256);
    }
    return is_same ? PS_OK : fail_other_content(s, o->key, err);
}

/* ---- putting ---- */

static int s3_send(struct s3_store *s, const struct ps_store_put *put,
                   bool once, struct ps_transfer_result *result,
                   struct ps_error *err)
{
    const struct ps_object *o = put->object;
    PS_CLEANUP(request_release)
    struct s3_request r = request_for(s, "PUT", o->key, put->cancel);
    PS_AUTO_FREE char *what = ps_format("upload '%s'", ps_key_name(o->key));
    PS_AUTO_FREE char *length = ps_format("%llu", (unsigned long long)o->size);
    PS_AUTO_FREE char *checksum = ps_base64(o->sha256.bytes, PS_SHA256_SIZE);
    struct ps_transfer transfer = { .grant = s3_mint,
                                    .grant_user = &r,
                                    .fd = o->fd,
                                    .size = o->size,
                                    .what = what,
                                    .progress = put->progress,
                                    .progress_user = put->user };

    request_add(&r, "content-length", length);
    request_add(&r, "content-type",
                o->content_type ? o->content_type : "application/octet-stream");
    request_add(&r, "x-amz-checksum-sha256", checksum);
    if (once)
        request_add(&r, "if-none-match", "*");
    if (ps_uploader_put(s->uploader, &transfer, put->cancel, result, err) < 0)
        return err->code;
    if (!result->exists_already &&
        ps_checksum_is_whole(result->sha256_base64) &&
        strcmp(result->sha256_base64, checksum) != 0)
        return ps_fail(err, PS_EINTEGRITY,
                       "%s: the server stored something with another SHA-256",
                       what);
    return PS_OK;
}

/*
 * For a server that knows no conditional PUT: look first.  Two writers at
 * once may both write then, but the name holds the content's hash, so they
 * write the same.
 */
static int s3_put_without_condition(struct s3_store *s,
                                    const struct ps_store_put *put,
                                    bool *existed, struct ps_error *err)
{
    struct ps_error failed = PS_ERROR_INIT;
    struct ps_transfer_result result = { .tries = 0 };
    uint64_t size = 0;
    int rc = s3_head(s, put->object->key, put->cancel, &size, &result, &failed);

    if (rc == PS_ENOTFOUND)
        return s3_send(s, put, false, &result, err);
    if (rc < 0) {
        *err = failed;
        return rc;
    }
    *existed = true;
    return put->adopt ? PS_OK : s3_verify(s, put, err);
}

static int s3_put_once(struct s3_store *s, const struct ps_store_put *put,
                       bool *existed, struct ps_error *err)
{
    struct ps_error failed = PS_ERROR_INIT;
    struct ps_transfer_result result = { .tries = 0 };
    int rc = PS_OK;

    if (atomic_load(&s->has_no_put_once))
        return s3_put_without_condition(s, put, existed, err);
    rc = s3_send(s, put, true, &result, &failed);
    if (rc == PS_EUNSUPPORTED) {
        atomic_store(&s->has_no_put_once, true);
        return s3_put_without_condition(s, put, existed, err);
    }
    if (rc < 0) {
        *err = failed;
        return rc;
    }
    if (!result.exists_already)
        return PS_OK;
    *existed = true;
    return put->adopt ? PS_OK : s3_verify(s, put, err);
}

/*
 * "There already", and then it is not: another writer's object was withdrawn,
 * or is not to be seen yet.  Some servers say so for a moment when several
 * write at once.
 */
static int s3_put(struct ps_store *base, const struct ps_store_put *put,
                  bool *existed, struct ps_error *err)
{
    struct s3_store *s = s3_store_of(base);
    struct pollfd cancelled = { .fd = put->cancel ? put->cancel->fd : -1,
                                .events = POLLIN };

    for (int i = 1;; i++) {
        struct ps_error failed = PS_ERROR_INIT;
        int rc = PS_OK;

        *existed = false;
        rc = s3_put_once(s, put, existed, &failed);
        if (rc == PS_OK)
            return PS_OK;
        if (rc != PS_ENOTFOUND || !*existed || i == VANISHED_TRIES) {
            *err = failed;
            return rc;
        }
        (void)poll(&cancelled, 1, i * VANISHED_WAIT_MS);
        rc = ps_cancel_check(put->cancel, err);
        if (rc < 0)
            return rc;
    }
}

static int s3_stat(struct ps_store *base, const char *key,
                   const struct ps_cancel *cancel, struct ps_object_info *out,
                   struct ps_error *err)
{
    struct ps_error failed = PS_ERROR_INIT;
    struct ps_transfer_result result = { .tries = 0 };
    uint64_t size = 0;
    int rc = s3_head(s3_store_of(base), key, cancel, &size, &result, &failed);

    if (rc < 0 && rc != PS_ENOTFOUND) {
        *err = failed;
        return rc;
    }
    *out = (struct ps_object_info){ .exists = rc == PS_OK, .size = size };
    if (rc == PS_OK && ps_checksum_is_whole(result.sha256_base64))
        out->has_sha256 = ps_checksum_parse(result.sha256_base64, &out->sha256);
    return PS_OK;
}

static int s3_get(struct ps_store *base, const struct ps_store_get *get,
                  uint64_t *size, struct ps_error *err)
{
    struct ps_transfer_result result = { .tries = 0 };

    if (s3_fetch(s3_store_of(base), get, &result, err) < 0)
        return err->code;
    *size = result.bytes;
    return PS_OK;
}

static char *s3_object_url(const struct ps_store *base, const char *key)
{
    return ps_format("%s/%s", base->location, key);
}

/* ---- opening ---- */

static void s3_free(struct ps_store *base)
{
    struct s3_store *s = s3_store_of(base);

    ps_aws_credentials_release(&s->credentials);
    ps_s3_endpoint_release(&s->endpoint);
    pthread_mutex_destroy(&s->lock);
    free(s->bucket);
    free(s->prefix);
    free(s->region);
    free(s->profile);
    free(s);
}

static const char *first_env(const char *first, const char *second)
{
    const char *value = getenv(first);

    if (!value || !value[0])
        value = getenv(second);
    return value && value[0] ? value : NULL;
}

/* *out: what was given, else of the environment, else the profile's. */
static int find_setting(const struct ps_store_options *o, const char *given,
                        const char *env, const char *key, char **out,
                        struct ps_error *err)
{
    if (!given)
        given = env;
    if (given) {
        *out = ps_strdup(given);
        return PS_OK;
    }
    return ps_aws_setting(o->profile, key, out, err);
}

static int s3_find_endpoint(struct s3_store *s,
                            const struct ps_store_options *o,
                            struct ps_error *err)
{
    PS_AUTO_FREE char *url = NULL;
    struct ps_s3_endpoint_request request = {
        .is_explicit = o->endpoint_url != NULL,
        .virtual_host = o->virtual_host,
        .bucket = s->bucket,
    };

    if (find_setting(o, o->region,
                     first_env("AWS_REGION", "AWS_DEFAULT_REGION"), "region",
                     &s->region, err) < 0)
        return err->code;
    if (!s->region)
        s->region = ps_strdup("us-east-1");
    if (find_setting(o, o->endpoint_url,
                     first_env("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
                     "endpoint_url", &url, err) < 0)
        return err->code;
    request.url = url;
    request.region = s->region;
    return ps_s3_endpoint_find(&request, &s->endpoint, err);
}

static int split_location(const char *rest, char **bucket, char **prefix,
                          struct ps_error *err)
{
    struct ps_str path = ps_str_from(rest);
    struct ps_str head;
    PS_AUTO_FREE char *name = NULL;
    PS_AUTO_FREE char *below = NULL;

    while (ps_str_ends(path, "/"))
        path.len--;
    (void)ps_str_cut(&path, '/', &head);
    /* A key and its secret have no place here, and are not to be shown. */
    if (memchr(head.data, '@', head.len) || memchr(head.data, ':', head.len))
        return ps_fail(err, PS_EINVALID,
                       "no bucket has an '@' or ':' in its name, as this "
                       "store has after s3://; keys belong into "
                       "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or into "
                       "a profile");
    name = ps_str_dup(head);
    below = ps_str_dup(path);
    if (!ps_s3_bucket_is_valid(name))
        return ps_fail(err, PS_EINVALID,
                       "store 's3://%s': '%s' cannot be the name of a bucket",
                       rest, name);
    if (below[0] && !ps_key_is_valid(below))
        return ps_fail(err, PS_EINVALID,
                       "store 's3://%s': '%s' cannot be a prefix of keys", rest,
                       below);
    *bucket = PS_TAKE(name);
    *prefix = ps_format("%s%s", below[0] ? "/" : "", below);
    return PS_OK;
}

int ps_store_s3_new(const struct ps_store_options *options, const char *rest,
                    struct ps_store **out, struct ps_error *err)
{
    static const struct ps_store_ops ops = {
        .put = s3_put,
        .stat = s3_stat,
        .get = s3_get,
        .object_url = s3_object_url,
        .presign_get = s3_presign_get,
        .free = s3_free,
    };
    struct s3_store *s = NULL;
    char *bucket = NULL;
    char *prefix = NULL;

    if (!options->uploader)
        return ps_fail(err, PS_EINTERNAL, "an S3 store needs an uploader");
    if (split_location(rest, &bucket, &prefix, err) < 0)
        return err->code;
    s = ps_calloc(1, sizeof(*s));
    s->base.ops = &ops;
    s->base.location = ps_format("s3://%s%s", bucket, prefix);
    s->uploader = options->uploader;
    s->bucket = bucket;
    s->prefix = prefix;
    s->profile = ps_strdup(options->profile);
    pthread_mutex_init(&s->lock, NULL);
    if (s3_find_endpoint(s, options, err) < 0) {
        ps_context(err, "store '%s'", s->base.location);
        ps_store_close(&s->base);
        return err->code;
    }
    *out = &s->base;
    return PS_OK;
}
