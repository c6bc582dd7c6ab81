/*
 * The four steps of Signature Version 4 for a presigned URL: canonical
 * request, string to sign, signing key, signature.  A checksum binds only as
 * a signed header, so nothing is hoisted from the headers into the query.
 */
#include "pkgsync/sigv4.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pkgsync/arena.h"
#include "pkgsync/buf.h"
#include "pkgsync/digest.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "uri.h"

#define EXPIRES_MAX_S 604800
#define PARAMETER_MAX 8192 /* a path, a token */
#define ENCODED_MAX 24576  /* three bytes for each */
#define QUERY_MAX 16384
#define URL_MAX 49152
#define CANONICAL_MAX 65536
#define PAIRS_MAX 64

/* A query parameter or a header, in the form in which it is signed. */
struct pair {
    const char *name;
    const char *value;
};

struct signer {
    struct ps_arena *arena; /* borrowed; holds all the strings */
    const struct ps_presign *request;
    const struct ps_aws_credentials *credentials;
    char date[9];   /* 20130524 */
    char stamp[17]; /* 20130524T000000Z */
    const char *scope;
    struct pair headers[PAIRS_MAX];
    size_t header_count;
    const char *signed_headers; /* "host;range" */
};

static void wipe_free(char *secret)
{
    if (secret)
        OPENSSL_cleanse(secret, strlen(secret));
    free(secret);
}

void ps_aws_credentials_release(struct ps_aws_credentials *c)
{
    wipe_free(c->access_key);
    wipe_free(c->secret_key);
    wipe_free(c->session_token);
    free((void *)c->origin);
    *c = (struct ps_aws_credentials){ .expires_s = 0 };
}

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *left = a;
    const struct pair *right = b;
    int order = strcmp(left->name, right->name);

    return order ? order : strcmp(left->value, right->value);
}

static const char *encode(struct ps_arena *arena, const char *text,
                          const char *keep)
{
    PS_AUTO_BUF struct ps_buf out = PS_BUF_INIT(ENCODED_MAX);

    ps_uri_encode(&out, text, keep);
    return ps_arena_dup(arena, ps_buf_str(&out));
}

/* Blanks at the ends go, blanks inside become one. */
static const char *trim_value(struct ps_arena *arena, const char *value)
{
    struct ps_str in = ps_str_trim(ps_str_from(value));
    char *out = ps_arena_alloc(arena, in.len + 1, 1);
    size_t len = 0;

    for (size_t i = 0; i < in.len; i++) {
        if (in.data[i] == ' ' && len > 0 && out[len - 1] == ' ')
            continue;
        out[len++] = in.data[i];
    }
    return out;
}

static bool has_control(const char *text)
{
    for (const char *p = text; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return true;
    }
    return false;
}

static int check_headers(const struct ps_presign *r, struct ps_error *err)
{
    for (size_t i = 0; i < r->header_count; i++) {
        const struct ps_header *h = &r->headers[i];

        if (!h->name[0] || has_control(h->name) || has_control(h->value))
            return ps_fail(err, PS_EINVALID,
                           "header number %zu to be signed is not valid",
                           i + 1);
        if (strcmp(h->name, "host") == 0)
            return ps_fail(err, PS_EINVALID,
                           "header 'host' is signed by itself");
        for (const char *p = h->name; *p; p++) {
            if (*p >= 'A' && *p <= 'Z')
                return ps_fail(err, PS_EINVALID,
                               "header '%s' to be signed is not lower case",
                               h->name);
        }
    }
    return PS_OK;
}

static int check(const struct ps_presign *r,
                 const struct ps_aws_credentials *credentials,
                 struct ps_error *err)
{
    if (r->expires_s < 1 || r->expires_s > EXPIRES_MAX_S)
        return ps_fail(err, PS_EINVALID,
                       "a presigned URL lives 1 to %d s, not %llu",
                       EXPIRES_MAX_S, (unsigned long long)r->expires_s);
    if (r->path[0] != '/' || strlen(r->path) > PARAMETER_MAX)
        return ps_fail(err, PS_EINVALID,
                       "path to be signed does not start with '/' or is over "
                       "%d bytes",
                       PARAMETER_MAX);
    if (!r->host[0] || !r->region[0] || !r->service[0] ||
        strchr(r->region, '/') || has_control(r->host))
        return ps_fail(err, PS_EINVALID,
                       "host '%s' or region '%s' cannot be signed", r->host,
                       r->region);
    if (!credentials->access_key || !credentials->access_key[0] ||
        !credentials->secret_key)
        return ps_fail(err, PS_EAUTH, "no access key to sign with");
    if (r->header_count + 1 > PAIRS_MAX || r->query_count + 6 > PAIRS_MAX)
        return ps_fail(err, PS_EINVALID,
                       "more than %d headers or parameters to sign",
                       PAIRS_MAX - 6);
    return check_headers(r, err);
}

static int signer_set_time(struct signer *s, struct ps_error *err)
{
    time_t now = (time_t)s->request->time_s;
    struct tm tm;

    if (!gmtime_r(&now, &tm) ||
        strftime(s->stamp, sizeof(s->stamp), "%Y%m%dT%H%M%SZ", &tm) != 16)
        return ps_fail(err, PS_EINVALID, "time %lld cannot be signed",
                       (long long)s->request->time_s);
    memcpy(s->date, s->stamp, 8);
    s->date[8] = '\0';
    s->scope = ps_arena_format(s->arena, "%s/%s/%s/aws4_request", s->date,
                               s->request->region, s->request->service);
    return PS_OK;
}

static void signer_set_headers(struct signer *s)
{
    const struct ps_presign *r = s->request;
    PS_AUTO_BUF struct ps_buf names = PS_BUF_INIT(PARAMETER_MAX);

    s->headers[s->header_count++] = (struct pair){ "host", r->host };
    for (size_t i = 0; i < r->header_count; i++)
        s->headers[s->header_count++] =
            (struct pair){ r->headers[i].name,
                           trim_value(s->arena, r->headers[i].value) };
    qsort(s->headers, s->header_count, sizeof(s->headers[0]), compare_pairs);

    for (size_t i = 0; i < s->header_count; i++)
        ps_buf_addf(&names, "%s%s", i ? ";" : "", s->headers[i].name);
    s->signed_headers = ps_arena_dup(s->arena, ps_buf_str(&names));
}

static void canonical_query(const struct signer *s, struct ps_buf *out)
{
    const struct ps_presign *r = s->request;
    const struct ps_aws_credentials *c = s->credentials;
    struct ps_arena *a = s->arena;
    struct pair pairs[PAIRS_MAX];
    size_t n = 0;

    pairs[n++] = (struct pair){ "X-Amz-Algorithm", "AWS4-HMAC-SHA256" };
    pairs[n++] = (struct pair){
        "X-Amz-Credential",
        encode(a, ps_arena_format(a, "%s/%s", c->access_key, s->scope), ""),
    };
    pairs[n++] = (struct pair){ "X-Amz-Date", s->stamp };
    pairs[n++] = (struct pair){
        "X-Amz-Expires",
        ps_arena_format(a, "%llu", (unsigned long long)r->expires_s),
    };
    pairs[n++] = (struct pair){ "X-Amz-SignedHeaders",
                                encode(a, s->signed_headers, "") };
    if (c->session_token)
        pairs[n++] = (struct pair){ "X-Amz-Security-Token",
                                    encode(a, c->session_token, "") };
    for (size_t i = 0; i < r->query_count; i++)
        pairs[n++] = (struct pair){ encode(a, r->query[i].name, ""),
                                    encode(a, r->query[i].value, "") };

    qsort(pairs, n, sizeof(pairs[0]), compare_pairs);
    for (size_t i = 0; i < n; i++)
        ps_buf_addf(out, "%s%s=%s", i ? "&" : "", pairs[i].name,
                    pairs[i].value);
}

static void signing_key(const struct signer *s, struct ps_sha256 *key)
{
    char *start = ps_format("AWS4%s", s->credentials->secret_key);
    const char *steps[] = { s->request->region, s->request->service,
                            "aws4_request" };

    *key = ps_hmac_sha256(start, strlen(start), s->date, strlen(s->date));
    wipe_free(start);
    for (size_t i = 0; i < PS_ARRAY_SIZE(steps); i++)
        *key = ps_hmac_sha256(key->bytes, sizeof(key->bytes), steps[i],
                              strlen(steps[i]));
}

static void sign(const struct signer *s, const char *path, const char *query,
                 char hex[PS_SHA256_HEX_SIZE])
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(CANONICAL_MAX);
    struct ps_sha256 digest;
    struct ps_sha256 key;

    ps_buf_addf(&text, "%s\n%s\n%s\n", s->request->method, path, query);
    for (size_t i = 0; i < s->header_count; i++)
        ps_buf_addf(&text, "%s:%s\n", s->headers[i].name, s->headers[i].value);
    ps_buf_addf(&text, "\n%s\nUNSIGNED-PAYLOAD", s->signed_headers);
    digest = ps_sha256_of(text.data, text.len);
    ps_sha256_hex(&digest, hex);

    ps_buf_clear(&text);
    ps_buf_addf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", s->stamp, s->scope, hex);
    signing_key(s, &key);
    digest = ps_hmac_sha256(key.bytes, sizeof(key.bytes), text.data, text.len);
    OPENSSL_cleanse(&key, sizeof(key));
    ps_sha256_hex(&digest, hex);
}

int ps_sigv4_presign(const struct ps_presign *request,
                     const struct ps_aws_credentials *credentials, char **url,
                     struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_BUF struct ps_buf query = PS_BUF_INIT(QUERY_MAX);
    PS_AUTO_BUF struct ps_buf out = PS_BUF_INIT(URL_MAX);
    struct signer s = { .arena = &arena,
                        .request = request,
                        .credentials = credentials };
    char signature[PS_SHA256_HEX_SIZE];
    const char *path = NULL;
    int rc = check(request, credentials, err);

    if (rc == PS_OK)
        rc = signer_set_time(&s, err);
    if (rc < 0)
        return rc;

    signer_set_headers(&s);
    path = encode(&arena, request->path, "/");
    canonical_query(&s, &query);
    rc = ps_buf_check(&query, "query to be signed", err);
    if (rc < 0)
        return rc;
    sign(&s, path, ps_buf_z(&query), signature);

    ps_buf_addf(&out, "%s://%s%s?%s&X-Amz-Signature=%s", request->scheme,
                request->host, path, ps_buf_z(&query), signature);
    rc = ps_buf_check(&out, "presigned URL", err);
    if (rc == PS_OK)
        *url = ps_buf_take(&out);
    return rc;
}
