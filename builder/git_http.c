/*
 * http:// and https:// for libgit2, over libcurl as git itself does it: the
 * person's proxy, certificates, netrc and headers count, and every wait ends
 * with the stall limit or the cancel token.
 *
 * Each request is answered in full before the next: GET info/refs, then one
 * POST git-upload-pack a round.  A login is asked for once, when the server
 * wants one.
 */
#include <curl/curl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "git_private.h"
#include "pkgsync/clock.h"

#define SERVICE "git-upload-pack"
#define BODY_MAX ((size_t)64 << 20) /* of one request, or unread answer */
#define PAUSE_AT ((size_t)1 << 20)  /* unread bytes that stop the server */
#define POLL_MS 1000
#define REDIRECTS_MAX 10L

struct http {
    git_smart_subtransport parent;
    struct ps_git_op *op; /* borrowed */
    struct ps_arena arena;
    CURLM *multi;
    char *url;  /* where the repository is, after redirects; no login */
    char *user; /* from the URL; NULL */
    char *password;
    struct ps_git_credential asked; /* from git credential */
    bool is_approved;
};

struct request {
    git_smart_subtransport_stream parent;
    struct http *http; /* borrowed */
    CURL *easy;
    struct curl_slist *headers;
    struct ps_buf body;   /* to send; empty: a GET */
    struct ps_buf answer; /* received; read up to `at` */
    size_t at;
    bool is_started;
    bool is_done;
    bool is_paused;
    bool has_body; /* the first byte is there, so is the status */
    CURLcode result;
    uint64_t last_ms; /* when a byte came last */
    curl_off_t seen;  /* bytes sent and received by then */
};

static struct request *of_stream(git_smart_subtransport_stream *s)
{
    return PS_CONTAINER_OF(s, struct request, parent);
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct request *r = user;
    long status = 0;

    (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    r->has_body = true;
    if (status != 200)
        return size * count; /* an error page */
    if (r->answer.len - r->at > PAUSE_AT) {
        r->is_paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    ps_buf_add(&r->answer, data, size * count);
    return size * count;
}

static void add_header(const char *value, void *user)
{
    struct request *r = user;

    /* An empty value takes back what came before, as with git. */
    if (value[0] == '\0') {
        curl_slist_free_all(r->headers);
        r->headers = NULL;
        return;
    }
    r->headers = curl_slist_append(r->headers, value);
}

static bool is_false(const char *z)
{
    return z && (strcasecmp(z, "false") == 0 || strcasecmp(z, "no") == 0 ||
                 strcasecmp(z, "off") == 0 || strcmp(z, "0") == 0);
}

/* A file or proxy: the environment's, else the configuration's. */
static void set_text(struct request *r, CURLoption option, const char *variable,
                     const char *name)
{
    struct http *h = r->http;
    const char *value = variable ? getenv(variable) : NULL;

    if (!value)
        value = ps_git_http_setting(&h->arena, h->op->config, h->url, name);
    /* An empty proxy is none, whatever the environment says. */
    if (value && (value[0] != '\0' || option == CURLOPT_PROXY))
        (void)curl_easy_setopt(r->easy, option, value);
}

static void set_tls(struct request *r)
{
    struct http *h = r->http;
    const char *verify =
        ps_git_http_setting(&h->arena, h->op->config, h->url, "sslverify");

    if (getenv("GIT_SSL_NO_VERIFY") || is_false(verify)) {
        (void)curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYPEER, 0L);
        (void)curl_easy_setopt(r->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    set_text(r, CURLOPT_CAINFO, "GIT_SSL_CAINFO", "sslcainfo");
    set_text(r, CURLOPT_CAPATH, "GIT_SSL_CAPATH", "sslcapath");
    set_text(r, CURLOPT_SSLCERT, "GIT_SSL_CERT", "sslcert");
    set_text(r, CURLOPT_SSLKEY, "GIT_SSL_KEY", "sslkey");
}

static void set_login(struct request *r)
{
    const struct http *h = r->http;
    const char *user = h->asked.user ? h->asked.user : h->user;
    const char *password = h->asked.user ? h->asked.password : h->password;

    (void)curl_easy_setopt(r->easy, CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
    (void)curl_easy_setopt(r->easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_ANY);
    (void)curl_easy_setopt(r->easy, CURLOPT_PROXYAUTH, (long)CURLAUTH_ANY);
    if (user && password) {
        (void)curl_easy_setopt(r->easy, CURLOPT_USERNAME, user);
        (void)curl_easy_setopt(r->easy, CURLOPT_PASSWORD, password);
    }
}

/* Nothing but http, and never from https back to http. */
static void limit_protocols(CURL *easy, bool is_https)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    const char *names = is_https ? "https" : "http,https";

    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, names);
    (void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, names);
#else
    long mask = CURLPROTO_HTTPS | (is_https ? 0 : CURLPROTO_HTTP);

    (void)curl_easy_setopt(easy, CURLOPT_PROTOCOLS, mask);
    (void)curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS, mask);
#endif
}

static void set_request(struct request *r)
{
    struct http *h = r->http;
    bool is_post = r->body.len > 0;
    char *url =
        ps_arena_format(&h->arena, "%s/%s", h->url,
                        is_post ? SERVICE : "info/refs?service=" SERVICE);

    curl_slist_free_all(r->headers);
    r->headers = NULL;
    ps_git_http_each(h->op->config, h->url, "extraheader", add_header, r);
    (void)curl_easy_setopt(r->easy, CURLOPT_URL, url);
    if (is_post) {
        add_header("Content-Type: application/x-" SERVICE "-request", r);
        add_header("Accept: application/x-" SERVICE "-result", r);
        add_header("Expect:", r);
        (void)curl_easy_setopt(r->easy, CURLOPT_POSTFIELDSIZE_LARGE,
                               (curl_off_t)r->body.len);
        (void)curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, r->body.data);
    } else {
        /* Later requests go where this one was sent on to. */
        (void)curl_easy_setopt(r->easy, CURLOPT_FOLLOWLOCATION, 1L);
        (void)curl_easy_setopt(r->easy, CURLOPT_MAXREDIRS, REDIRECTS_MAX);
    }
    add_header("Pragma: no-cache", r);
    (void)curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers);
    (void)curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, r);
    (void)curl_easy_setopt(r->easy, CURLOPT_ACCEPT_ENCODING, "");
    (void)curl_easy_setopt(r->easy, CURLOPT_NOSIGNAL, 1L);
    /* Servers look for "git/" to tell programs from browsers. */
    (void)curl_easy_setopt(r->easy, CURLOPT_USERAGENT,
                           "git/2.0 (pkgsync " PKGSYNC_VERSION ")");
    (void)curl_easy_setopt(r->easy, CURLOPT_CONNECTTIMEOUT_MS,
                           (long)h->op->stall_ms);
    set_text(r, CURLOPT_PROXY, NULL, "proxy");
    set_text(r, CURLOPT_COOKIEFILE, NULL, "cookiefile");
    limit_protocols(r->easy, strncmp(h->url, "https:", 6) == 0);
    set_tls(r);
    set_login(r);
}

/* Has a byte moved in either direction since the last look? */
static void note_progress(struct request *r)
{
    curl_off_t up = 0;
    curl_off_t down = 0;
    long headers = 0;

    (void)curl_easy_getinfo(r->easy, CURLINFO_SIZE_UPLOAD_T, &up);
    (void)curl_easy_getinfo(r->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    (void)curl_easy_getinfo(r->easy, CURLINFO_HEADER_SIZE, &headers);
    if (up + down + headers == r->seen)
        return;
    r->seen = up + down + headers;
    r->last_ms = ps_boot_ms();
}

/* One turn: let curl work, then wait for the network or a cancel. */
static int turn(struct request *r)
{
    struct ps_git_op *op = r->http->op;
    struct curl_waitfd cancel = { .fd = op->cancel ? op->cancel->fd : -1,
                                  .events = CURL_WAIT_POLLIN };
    struct ps_error why = PS_ERROR_INIT;
    CURLMsg *message = NULL;
    int running = 0;
    int left = 0;

    if (ps_cancel_check(op->cancel, &why) < 0)
        return ps_git_op_fail(op, why.code, "%s", why.text);
    if (curl_multi_perform(r->http->multi, &running) != CURLM_OK)
        return ps_git_op_fail(op, PS_EINTERNAL, "curl_multi_perform failed");
    for (;;) {
        message = curl_multi_info_read(r->http->multi, &left);
        if (!message)
            break;
        if (message->msg == CURLMSG_DONE && message->easy_handle == r->easy) {
            r->result = message->data.result;
            r->is_done = true;
        }
    }
    note_progress(r);
    if (r->is_done || r->answer.len > r->at)
        return 0;
    if (ps_boot_ms() - r->last_ms >= op->stall_ms)
        return ps_git_op_fail(op, PS_ETIMEOUT, "no answer for %llu seconds",
                              (unsigned long long)(op->stall_ms / 1000));
    (void)curl_multi_poll(r->http->multi, &cancel, op->cancel ? 1 : 0,
                          (int)PS_MIN(op->stall_ms, (uint64_t)POLL_MS), NULL);
    return 0;
}

static int fail_curl(struct request *r)
{
    struct ps_git_op *op = r->http->op;
    const char *what = curl_easy_strerror(r->result);

    switch ((int)r->result) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
        return ps_git_op_fail(op, PS_EAUTH,
                              "the certificate is not trusted: %s; name the "
                              "authority's file in http.sslCAInfo or "
                              "GIT_SSL_CAINFO",
                              what);
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        return ps_git_op_fail(op, PS_ECONFIG, "%s", what);
    case CURLE_OPERATION_TIMEDOUT:
        return ps_git_op_fail(op, PS_ETIMEOUT, "no answer for %llu seconds",
                              (unsigned long long)(op->stall_ms / 1000));
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_TOO_MANY_REDIRECTS:
        return ps_git_op_fail(op, PS_EINVALID, "redirected: %s", what);
    default:
        return ps_git_op_fail(op, PS_EUNREACHABLE, "%s", what);
    }
}

static int fail_status(struct request *r, long status)
{
    struct ps_git_op *op = r->http->op;

    switch (status) {
    case 403:
        return ps_git_op_fail(op, PS_EAUTH,
                              "the server refuses access (status 403); see "
                              "whether the login has the right to read");
    case 401:
        return ps_git_op_fail(
            op, PS_EAUTH, "the server refused the login (status %ld)", status);
    case 404:
    case 410:
        return ps_git_op_fail(op, PS_ENOTFOUND,
                              "no such repository, or no right to see it "
                              "(status %ld)",
                              status);
    case 407:
        return ps_git_op_fail(op, PS_EAUTH,
                              "the proxy wants a login; give it in "
                              "http.proxy");
    case 429:
        return ps_git_op_fail(op, PS_EBUSY, "too many requests (status 429)");
    default:
        return ps_git_op_fail(op, status >= 500 ? PS_EUNREACHABLE : PS_EINVALID,
                              "the server answered with status %ld", status);
    }
}

/* "https://host:port" of a URL. */
static size_t authority_length(const char *url)
{
    const char *host = strstr(url, "://");

    return host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?") : 0;
}

/* Where info/refs was sent on to is where the repository is; a login that
 * was meant for another host stays behind. */
static void follow(struct request *r)
{
    const char *suffix = "/info/refs?service=" SERVICE;
    struct http *h = r->http;
    size_t authority = authority_length(h->url);
    char *url = NULL;
    size_t len = 0;

    if (curl_easy_getinfo(r->easy, CURLINFO_EFFECTIVE_URL, &url) != CURLE_OK ||
        !url)
        return;
    len = strlen(url);
    if (len <= strlen(suffix) ||
        strcmp(url + len - strlen(suffix), suffix) != 0)
        return;
    if (authority_length(url) != authority ||
        strncasecmp(url, h->url, authority) != 0) {
        h->user = NULL;
        h->password = NULL;
    }
    h->url =
        ps_arena_format(&h->arena, "%.*s", (int)(len - strlen(suffix)), url);
}

/* The server wants a login.  0: there is one now, ask again. */
static int obtain_login(struct request *r)
{
    struct http *h = r->http;
    struct ps_error why = PS_ERROR_INIT;

    if (h->asked.user) {
        ps_git_credential_tell(h->op, h->url, &h->asked, "reject");
        return fail_status(r, 401);
    }
    if (r->body.len == 0)
        follow(r);
    if (h->user && h->password)
        return fail_status(r, 401);
    if (ps_git_credential_fill(h->op, h->url, h->user, &h->asked, &why) < 0)
        return ps_git_op_fail(h->op, why.code, "%s", why.text);
    return 0;
}

static int check_answer(struct request *r)
{
    struct http *h = r->http;
    const char *expected = r->body.len > 0 ? "application/x-" SERVICE "-result"
                                           : "application/x-" SERVICE
                                             "-advertisement";
    char *type = NULL;

    (void)curl_easy_getinfo(r->easy, CURLINFO_CONTENT_TYPE, &type);
    if (!type || strncasecmp(type, expected, strlen(expected)) != 0)
        return ps_git_op_fail(h->op, PS_ENOTFOUND,
                              "there is no git repository: the server "
                              "answered with '%s'",
                              type ? type : "no content type");
    if (r->body.len == 0)
        follow(r);
    if (h->asked.user && !h->is_approved) {
        ps_git_credential_tell(h->op, h->url, &h->asked, "approve");
        h->is_approved = true;
    }
    return 0;
}

static void detach(struct request *r)
{
    if (r->easy) {
        (void)curl_multi_remove_handle(r->http->multi, r->easy);
        curl_easy_cleanup(r->easy);
    }
    r->easy = NULL;
    curl_slist_free_all(r->headers);
    r->headers = NULL;
}

/* Send, and read until the status is known; twice when a login is needed. */
static int start(struct request *r)
{
    for (;;) {
        long status = 0;
        int rc = 0;

        detach(r);
        r->easy = curl_easy_init();
        if (!r->easy)
            return ps_git_op_fail(r->http->op, PS_EINTERNAL,
                                  "cannot set up libcurl");
        set_request(r);
        r->is_done = false;
        r->has_body = false;
        r->last_ms = ps_boot_ms();
        r->seen = 0;
        (void)curl_multi_add_handle(r->http->multi, r->easy);
        while (rc == 0 && !r->is_done && !(r->answer.len > 0))
            rc = turn(r);
        if (rc < 0)
            return rc;
        if (r->is_done && r->result != CURLE_OK && !r->has_body)
            return fail_curl(r);
        (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
        if (status == 200) {
            r->is_started = true;
            return check_answer(r);
        }
        rc = status == 401 ? obtain_login(r) : fail_status(r, status);
        if (rc < 0)
            return rc;
    }
}

static int stream_read(git_smart_subtransport_stream *s, char *data,
                       size_t size, size_t *got)
{
    struct request *r = of_stream(s);
    size_t n = 0;

    if (!r->is_started && start(r) < 0)
        return GIT_EUSER;
    while (r->answer.len == r->at && !r->is_done) {
        r->at = 0;
        ps_buf_clear(&r->answer);
        if (r->is_paused) {
            r->is_paused = false;
            (void)curl_easy_pause(r->easy, CURLPAUSE_CONT);
        }
        if (turn(r) < 0)
            return GIT_EUSER;
    }
    if (r->answer.overflow)
        return ps_git_op_fail(r->http->op, PS_ETOOBIG,
                              "more unread bytes than fit");
    if (r->answer.len == r->at && r->result != CURLE_OK)
        return fail_curl(r);
    n = PS_MIN(size, r->answer.len - r->at);
    if (n > 0)
        memcpy(data, r->answer.data + r->at, n);
    r->at += n;
    *got = n;
    return 0;
}

static int stream_write(git_smart_subtransport_stream *s, const char *data,
                        size_t len)
{
    struct request *r = of_stream(s);

    ps_buf_add(&r->body, data, len);
    if (r->body.overflow)
        return ps_git_op_fail(r->http->op, PS_ETOOBIG,
                              "request of more than %zu bytes", BODY_MAX);
    return 0;
}

static void stream_free(git_smart_subtransport_stream *s)
{
    struct request *r = of_stream(s);

    detach(r);
    ps_buf_release(&r->body);
    ps_buf_release(&r->answer);
    free(r);
}

/* The first action says where; a login in the URL is kept apart from it. */
static int set_url(struct http *h, const char *url)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_git_address a = { 0 };

    if (ps_git_address_parse(&h->arena, url, &a, &err) < 0)
        return ps_git_op_fail(h->op, err.code, "%s", err.text);
    h->url = a.bare;
    h->user = a.user;
    h->password = a.password;
    return 0;
}

static int transport_action(git_smart_subtransport_stream **out,
                            git_smart_subtransport *t, const char *url,
                            git_smart_service_t action)
{
    struct http *h = PS_CONTAINER_OF(t, struct http, parent);
    struct request *r = NULL;

    if (action != GIT_SERVICE_UPLOADPACK_LS && action != GIT_SERVICE_UPLOADPACK)
        return ps_git_op_fail(h->op, PS_EINTERNAL, "nothing is ever pushed");
    if (!h->url && set_url(h, url) < 0)
        return GIT_EUSER;
    r = ps_calloc(1, sizeof(*r));
    r->http = h;
    r->body.max = BODY_MAX;
    r->answer.max = BODY_MAX;
    r->parent = (git_smart_subtransport_stream){ .subtransport = t,
                                                 .read = stream_read,
                                                 .write = stream_write,
                                                 .free = stream_free };
    *out = &r->parent;
    return 0;
}

static int transport_close(git_smart_subtransport *t)
{
    (void)t; /* connections are kept for the next request */
    return 0;
}

static void transport_free(git_smart_subtransport *t)
{
    struct http *h = PS_CONTAINER_OF(t, struct http, parent);

    (void)curl_multi_cleanup(h->multi);
    ps_git_credential_release(&h->asked);
    ps_arena_release(&h->arena);
    free(h);
}

int ps_git_http_transport(git_smart_subtransport **out, git_transport *owner,
                          void *op)
{
    struct http *h = ps_calloc(1, sizeof(*h));

    (void)owner;
    h->op = op;
    h->arena = PS_ARENA_INIT;
    h->multi = curl_multi_init();
    if (!h->multi) {
        free(h);
        return ps_git_op_fail(op, PS_EINTERNAL, "cannot set up libcurl");
    }
    h->parent = (git_smart_subtransport){ .action = transport_action,
                                          .close = transport_close,
                                          .free = transport_free };
    *out = &h->parent;
    return 0;
}
