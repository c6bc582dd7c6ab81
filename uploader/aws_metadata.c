#include "aws_metadata.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#include "aws_answer.h"
#include "pkgsync/buf.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define ANSWER_MAX PS_KIB(64)
#define CONNECT_LIMIT_MS 1000L
#define LIMIT_MS 5000L
#define CONTAINER_HOST "http://169.254.170.2"
#define INSTANCE_HOST "http://169.254.169.254"
#define ROLES "/latest/meta-data/iam/security-credentials/"

struct request {
    const char *url;
    const char *header; /* "Name: value", or NULL */
    bool is_put;        /* without a body */
    const struct ps_cancel *cancel;
    struct ps_buf *out;
    CURLcode code;
    long status;
};

static const char *env_text(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] ? value : NULL;
}

static void wipe(struct ps_buf *b)
{
    if (b->data)
        OPENSSL_cleanse(b->data, b->cap);
    ps_buf_release(b);
}

static void wipe_text(char **text)
{
    if (*text)
        OPENSSL_cleanse(*text, strlen(*text));
    free(*text);
}

static size_t on_write(char *data, size_t size, size_t count, void *user)
{
    const struct request *r = user;

    ps_buf_add(r->out, data, size * count);
    return r->out->overflow ? 0 : size * count;
}

static int on_progress(void *user, curl_off_t down_total, curl_off_t down,
                       curl_off_t up_total, curl_off_t up)
{
    const struct request *r = user;

    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return ps_cancel_is_fired(r->cancel);
}

/* The outcome is in r->code and r->status. */
static void request_run(struct request *r)
{
    CURL *e = curl_easy_init();
    struct curl_slist *headers = NULL;

    r->code = CURLE_OUT_OF_MEMORY;
    r->status = 0;
    if (!e)
        return;
    if (r->header)
        headers = curl_slist_append(NULL, r->header);
    curl_easy_setopt(e, CURLOPT_URL, r->url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_LIMIT_MS);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, LIMIT_MS);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, r);
    if (r->is_put) {
        curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)0);
    }
    r->code = curl_easy_perform(e);
    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &r->status);
    curl_easy_cleanup(e);
    curl_slist_free_all(headers);
}

static bool is_fine(const struct request *r)
{
    return r->code == CURLE_OK && r->status == 200;
}

static int fail_request(const struct request *r, const char *what,
                        struct ps_error *err)
{
    if (ps_cancel_check(r->cancel, err) < 0)
        return err->code;
    if (r->code != CURLE_OK)
        return ps_fail(err, PS_EAUTH, "%s: '%s': %s", what, r->url,
                       curl_easy_strerror(r->code));
    return ps_fail(err, PS_EAUTH, "%s: '%s' answered %ld", what, r->url,
                   r->status);
}

/* ---- a container ---- */

/* The answer is a secret, so it must not cross a network in the clear. */
static bool is_on_own_link(const char *url)
{
    static const char *const hosts[] = {
        "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]",
        "localhost",     "127.0.0.1",      "[::1]",
    };
    size_t len = 0;

    if (strncmp(url, "https://", 8) == 0)
        return true;
    if (strncmp(url, "http://", 7) != 0)
        return false;
    url += strlen("http://");
    for (size_t i = 0; i < PS_ARRAY_SIZE(hosts); i++) {
        len = strlen(hosts[i]);
        if (strncmp(url, hosts[i], len) == 0 &&
            (url[len] == '/' || url[len] == ':' || url[len] == '\0'))
            return !strchr(url, '@');
    }
    return false;
}

/* "Authorization: ...", or NULL. */
static int container_header(char **out, struct ps_error *err)
{
    PS_CLEANUP(wipe) struct ps_buf text = PS_BUF_INIT(ANSWER_MAX);
    const char *file = env_text("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *given = env_text("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    PS_AUTO_FREE char *real = NULL;
    struct ps_str token = ps_str_from(given);

    /* Kubernetes puts the file there by a link. */
    if (file) {
        if (ps_real_path(file, &real, err) < 0 ||
            ps_read_file_at(AT_FDCWD, real, &text, err) < 0)
            return ps_context(err, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
        token = ps_str_trim(ps_buf_str(&text));
    }
    if (token.len == 0)
        return PS_OK;
    for (size_t i = 0; i < token.len; i++) {
        if ((unsigned char)token.data[i] < 0x20)
            return ps_fail(err, PS_EAUTH,
                           "the container's authorization token has a line "
                           "break");
    }
    *out = ps_format("Authorization: %.*s", PS_STR_FMT(token));
    return PS_OK;
}

int ps_aws_container_find(const struct ps_cancel *cancel,
                          struct ps_aws_credentials *out, bool *found,
                          struct ps_error *err)
{
    PS_CLEANUP(wipe) struct ps_buf answer = PS_BUF_INIT(ANSWER_MAX);
    PS_CLEANUP(wipe_text) char *header = NULL;
    const char *relative = env_text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = env_text("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    PS_AUTO_FREE char *url = NULL;
    struct request r = { .cancel = cancel, .out = &answer };

    if (!relative && !full)
        return PS_OK;
    url = relative ? ps_format(CONTAINER_HOST "%s", relative) : ps_strdup(full);
    if (!is_on_own_link(url))
        return ps_fail(err, PS_EAUTH,
                       "AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https "
                       "nor on this machine's own link");
    if (container_header(&header, err) < 0)
        return err->code;
    r.url = url;
    r.header = header;
    request_run(&r);
    if (!is_fine(&r))
        return fail_request(&r, "credentials of the container", err);
    if (ps_aws_role_parse(ps_buf_str(&answer), out, err) < 0)
        return ps_context(err, "credentials of the container");
    out->origin = ps_strdup("container's role");
    *found = true;
    return PS_OK;
}

/* ---- a virtual machine ---- */

static bool is_plain(struct ps_str token)
{
    for (size_t i = 0; i < token.len; i++) {
        if (token.data[i] <= 0x20 || token.data[i] == 0x7f)
            return false;
    }
    return token.len > 0;
}

/* "X-aws-ec2-metadata-token: ..."; NULL: there is no such service. */
static char *instance_header(const char *host, const struct ps_cancel *cancel)
{
    PS_CLEANUP(wipe) struct ps_buf token = PS_BUF_INIT(ANSWER_MAX);
    PS_AUTO_FREE char *url = ps_format("%s/latest/api/token", host);
    struct request r = {
        .url = url,
        .header = "X-aws-ec2-metadata-token-ttl-seconds: 300",
        .is_put = true,
        .cancel = cancel,
        .out = &token,
    };

    request_run(&r);
    if (!is_fine(&r) || !is_plain(ps_buf_str(&token)))
        return NULL;
    return ps_format("X-aws-ec2-metadata-token: %s", ps_buf_z(&token));
}

static int instance_credentials(struct request *r, const char *host,
                                struct ps_aws_credentials *out, bool *found,
                                struct ps_error *err)
{
    PS_AUTO_FREE char *list_url = ps_format("%s" ROLES, host);
    PS_AUTO_FREE char *role_url = NULL;
    struct ps_str rest;
    struct ps_str role;

    r->url = list_url;
    request_run(r);
    if (r->code == CURLE_OK && r->status == 404)
        return PS_OK; /* a machine without a role */
    if (!is_fine(r))
        return fail_request(r, "credentials of the instance", err);
    rest = ps_buf_str(r->out);
    (void)ps_str_cut(&rest, '\n', &role);
    role = ps_str_trim(role);
    if (!is_plain(role))
        return ps_fail(err, PS_EAUTH,
                       "credentials of the instance: the role has no name");
    role_url = ps_format("%s%.*s", list_url, PS_STR_FMT(role));
    ps_buf_clear(r->out);
    r->url = role_url;
    request_run(r);
    if (!is_fine(r))
        return fail_request(r, "credentials of the instance", err);
    if (ps_aws_role_parse(ps_buf_str(r->out), out, err) < 0)
        return ps_context(err, "credentials of the instance");
    out->origin = ps_strdup("instance's role");
    *found = true;
    return PS_OK;
}

int ps_aws_instance_find(const struct ps_cancel *cancel,
                         struct ps_aws_credentials *out, bool *found,
                         struct ps_error *err)
{
    PS_CLEANUP(wipe) struct ps_buf answer = PS_BUF_INIT(ANSWER_MAX);
    PS_CLEANUP(wipe_text) char *header = NULL;
    const char *disabled = env_text("AWS_EC2_METADATA_DISABLED");
    const char *host = env_text("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    struct request r = { .cancel = cancel, .out = &answer };

    if (disabled && strcmp(disabled, "true") == 0)
        return PS_OK;
    if (!host)
        host = INSTANCE_HOST;
    header = instance_header(host, cancel);
    if (ps_cancel_check(cancel, err) < 0)
        return err->code;
    if (!header)
        return PS_OK;
    r.header = header;
    return instance_credentials(&r, host, out, found, err);
}
