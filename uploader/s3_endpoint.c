#include "s3_endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"
#include "pkgsync/str.h"

void ps_s3_endpoint_release(struct ps_s3_endpoint *e)
{
    free(e->scheme);
    free(e->host);
    free(e->path);
    *e = (struct ps_s3_endpoint){ .scheme = NULL };
}

static bool is_ipv4(const char *host)
{
    struct in_addr address;

    return inet_pton(AF_INET, host, &address) == 1;
}

bool ps_s3_bucket_is_valid(const char *bucket)
{
    size_t len = strlen(bucket);

    return len >= 3 && len <= 63 &&
           strspn(bucket, "abcdefghijklmnopqrstuvwxyz"
                          "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == len &&
           isalnum((unsigned char)bucket[0]) &&
           isalnum((unsigned char)bucket[len - 1]) && !is_ipv4(bucket) &&
           !strstr(bucket, "..");
}

/* A bucket that can be a label of a host name.  With a dot it can, but a
 * wildcard certificate covers one label only. */
static bool fits_host(const char *bucket, const char *scheme)
{
    size_t len = strlen(bucket);

    if (strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-") != len)
        return false;
    return strcmp(scheme, "http") == 0 || !strchr(bucket, '.');
}

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           ps_str_ends(ps_str_from(host), ".localhost") ||
           (is_ipv4(host) && strncmp(host, "127.", 4) == 0);
}

struct url {
    CURLU *handle;
    char *scheme;
    char *host;
    char *port; /* NULL: the default one */
    char *path;
};

static void url_release(struct url *u)
{
    curl_free(u->scheme);
    curl_free(u->host);
    curl_free(u->port);
    curl_free(u->path);
    curl_url_cleanup(u->handle);
}

static bool url_has(const struct url *u, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(u->handle, part, &text, 0) == CURLUE_OK;

    curl_free(text);
    return has;
}

static int url_parse(struct url *u, const char *text, struct ps_error *err)
{
    CURLUcode uc = CURLUE_OK;

    u->handle = curl_url();
    if (!u->handle)
        return ps_fail(err, PS_EINTERNAL, "libcurl gave no URL handle");
    uc = curl_url_set(u->handle, CURLUPART_URL, text,
                      CURLU_PATH_AS_IS | CURLU_NON_SUPPORT_SCHEME);
    if (uc == CURLUE_OK)
        uc = curl_url_get(u->handle, CURLUPART_SCHEME, &u->scheme, 0);
    if (uc == CURLUE_OK)
        uc = curl_url_get(u->handle, CURLUPART_HOST, &u->host, 0);
    if (uc == CURLUE_OK)
        uc = curl_url_get(u->handle, CURLUPART_PATH, &u->path, CURLU_URLDECODE);
    if (uc != CURLUE_OK)
        return ps_fail(err, PS_ECONFIG,
                       "S3 endpoint: %s; write https://host[:port]",
                       curl_url_strerror(uc));
    /* The user part might be a secret, so the text is not shown. */
    if (url_has(u, CURLUPART_USER) || url_has(u, CURLUPART_QUERY) ||
        url_has(u, CURLUPART_FRAGMENT))
        return ps_fail(err, PS_ECONFIG,
                       "S3 endpoint on '%s': a user, a query or a fragment is "
                       "not possible; write https://host[:port]",
                       u->host);
    (void)curl_url_get(u->handle, CURLUPART_PORT, &u->port,
                       CURLU_NO_DEFAULT_PORT);
    for (char *p = u->host; *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return PS_OK;
}

static int check_scheme(const struct url *u,
                        const struct ps_s3_endpoint_request *r,
                        struct ps_error *err)
{
    if (strcmp(u->scheme, "https") == 0)
        return PS_OK;
    if (strcmp(u->scheme, "http") != 0)
        return ps_fail(err, PS_ECONFIG,
                       "S3 endpoint '%s': '%s' is neither https nor http",
                       r->url, u->scheme);
    if (is_loopback(u->host) || r->is_explicit)
        return PS_OK;
    return ps_fail(err, PS_ECONFIG,
                   "S3 endpoint '%s': plain http to another machine must be "
                   "asked for with --endpoint-url",
                   r->url);
}

static char *amazon_url(const char *region)
{
    return ps_format("https://s3.%s.amazonaws.com%s", region,
                     strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

int ps_s3_endpoint_find(const struct ps_s3_endpoint_request *r,
                        struct ps_s3_endpoint *out, struct ps_error *err)
{
    PS_CLEANUP(url_release) struct url u = { .handle = NULL };
    PS_AUTO_FREE char *text =
        r->url ? ps_strdup(r->url) : amazon_url(r->region);
    bool in_host = false;
    size_t path_len = 0;

    if (url_parse(&u, text, err) < 0)
        return err->code;
    if (!u.scheme || !u.host || !u.path)
        return ps_fail(err, PS_ECONFIG,
                       "S3 endpoint: no host; write https://host[:port]");
    if (check_scheme(&u, r, err) < 0)
        return err->code;
    if (r->virtual_host && r->url && (is_ipv4(u.host) || u.host[0] == '['))
        return ps_fail(err, PS_ECONFIG,
                       "S3 endpoint '%s': a bucket in the host name needs a "
                       "host with a name",
                       r->url);
    in_host = (r->virtual_host || !r->url) && fits_host(r->bucket, u.scheme);

    path_len = strlen(u.path);
    while (path_len > 0 && u.path[path_len - 1] == '/')
        path_len--;
    out->scheme = ps_strdup(u.scheme);
    out->host =
        ps_format("%s%s%s%s%s", in_host ? r->bucket : "", in_host ? "." : "",
                  u.host, u.port ? ":" : "", u.port ? u.port : "");
    out->path = ps_format("%.*s%s%s", (int)path_len, u.path, in_host ? "" : "/",
                          in_host ? "" : r->bucket);
    return PS_OK;
}
