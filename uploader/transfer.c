/*
 * One transfer, on the thread that asked for it, in the order of time:
 *
 *   GRANT  ask for permission, signed for now by the server's clock
 *   SEND   one exchange on the engine's thread; progress, cancel
 *   JUDGE  success, another try, or the end
 *   WAIT   full jitter before the next try; a cancel ends it
 *   DONE
 */
#include "pkgsync/uploader.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "engine.h"
#include "failure.h"
#include "pkgsync/clock.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "s3_error.h"

#define STALL_LIMIT_MS 30000
/* Of a host that never answered, whose name or port is probably wrong. */
#define UNREACHED_TRIES 7U
#define MAX_TRIES 10
#define BASE_DELAY_MS 100
#define PROGRESS_EVERY_MS 100

struct ps_uploader {
    pthread_mutex_t lock;
    struct ps_engine *engine; /* owned; under lock until there is one */
    char *ca_file;            /* owned; NULL: the system's */
    uint64_t stall_limit_ms;
    unsigned max_tries;
    uint64_t base_delay_ms;
};

enum transfer_state { ST_GRANT, ST_SEND, ST_JUDGE, ST_WAIT, ST_DONE };

struct transfer {
    struct ps_uploader *uploader;   /* borrowed */
    const struct ps_transfer *spec; /* borrowed */
    const struct ps_cancel *cancel; /* borrowed; may be NULL */
    enum ps_method method;
    enum transfer_state state;

    struct ps_grant grant; /* of the present try; owned */
    struct ps_exchange x;
    int done_fd; /* owned */

    uint64_t began_ms;
    unsigned tries;
    unsigned failures; /* tries that were followed by a wait */
    bool was_reached;  /* by this transfer, once at least */
    bool had_new_grant;
    bool had_once;
    bool exists_already;
    int64_t skew_s;        /* as the last answer showed */
    int64_t signed_skew_s; /* as it was when the grant was made */
    uint64_t told_ms;      /* when progress was last told */
    uint64_t told;
};

int ps_uploader_new(const struct ps_uploader_options *options,
                    struct ps_uploader **out, struct ps_error *err)
{
    static const struct ps_uploader_options none = { .ca_file = NULL };
    struct ps_uploader *u = NULL;
    const char *ca_file = NULL;

    (void)err; /* what can fail is put off to the first transfer */
    if (!options)
        options = &none;
    ca_file = options->ca_file ? options->ca_file : getenv("AWS_CA_BUNDLE");

    u = ps_calloc(1, sizeof(*u));
    (void)pthread_mutex_init(&u->lock, NULL);
    u->ca_file = ca_file && ca_file[0] ? ps_strdup(ca_file) : NULL;
    u->stall_limit_ms =
        options->stall_limit_ms ? options->stall_limit_ms : STALL_LIMIT_MS;
    u->max_tries = options->max_tries ? options->max_tries : MAX_TRIES;
    u->base_delay_ms =
        options->base_delay_ms ? options->base_delay_ms : BASE_DELAY_MS;
    *out = u;
    return PS_OK;
}

void ps_uploader_free(struct ps_uploader *u)
{
    if (!u)
        return;
    ps_engine_free(u->engine);
    (void)pthread_mutex_destroy(&u->lock);
    free(u->ca_file);
    free(u);
}

void ps_grant_release(struct ps_grant *g)
{
    for (size_t i = 0; i < g->header_count; i++) {
        free((void *)g->headers[i].name);
        free((void *)g->headers[i].value);
    }
    free(g->headers);
    /* Whoever has the URL has the permission. */
    if (g->url)
        OPENSSL_cleanse(g->url, strlen(g->url));
    free(g->url);
    *g = (struct ps_grant){ .url = NULL };
}

/* ---- GRANT ---- */

static int transfer_grant(struct transfer *t, struct ps_error *err)
{
    if (ps_cancel_check(t->cancel, err) < 0)
        return ps_context(err, "%s", t->spec->what);
    ps_grant_release(&t->grant);
    if (t->spec->grant(t->spec->grant_user, t->skew_s, &t->grant, err) < 0)
        return ps_context(err, "%s", t->spec->what);
    t->signed_skew_s = t->skew_s;
    t->state = ST_SEND;
    return PS_OK;
}

/* ---- SEND ---- */

static void transfer_tell(struct transfer *t, bool is_last)
{
    uint64_t now_ms = 0;
    uint64_t done = 0;
    uint64_t total = t->spec->size;

    if (!t->spec->progress)
        return;
    now_ms = ps_boot_ms();
    done = is_last ? total : atomic_load(&t->x.moved);
    if (done == t->told ||
        (!is_last && now_ms - t->told_ms < PROGRESS_EVERY_MS))
        return;
    t->told = done;
    t->told_ms = now_ms;
    t->spec->progress(done, total, t->spec->progress_user);
}

/* Wait for the engine; a cancel is passed on and waited for as well. */
static void transfer_await(struct transfer *t)
{
    struct pollfd fds[] = {
        { .fd = t->done_fd, .events = POLLIN },
        { .fd = t->cancel ? t->cancel->fd : -1, .events = POLLIN },
    };
    int timeout_ms = t->spec->progress ? PROGRESS_EVERY_MS : -1;
    uint64_t count = 0;

    for (;;) {
        int n = poll(fds, 2, timeout_ms);

        if (n > 0 && fds[1].revents) {
            fds[1].fd = -1;
            fds[1].revents = 0;
            ps_engine_cancel(t->uploader->engine, &t->x);
        }
        if (n > 0 && fds[0].revents &&
            read(t->done_fd, &count, sizeof(count)) == sizeof(count))
            return;
        transfer_tell(t, false);
    }
}

static void transfer_send(struct transfer *t)
{
    ps_buf_release(&t->x.error_body);
    t->x = (struct ps_exchange){
        .method = t->method,
        .grant = &t->grant,
        .ca_file = t->uploader->ca_file,
        .fd = t->method == PS_METHOD_HEAD ? -1 : t->spec->fd,
        .size = t->method == PS_METHOD_HEAD ? 0 : t->spec->size,
        .stall_limit_ms = t->uploader->stall_limit_ms,
        .is_fresh = t->failures > 0,
        .redirect = t->spec->redirect,
        .redirect_size = t->spec->redirect_size,
        .failure = PS_ERROR_INIT,
        .done_fd = t->done_fd,
    };
    t->tries++;
    ps_engine_submit(t->uploader->engine, &t->x);
    transfer_await(t);
    t->state = ST_JUDGE;
}

/* ---- JUDGE ---- */

static bool is_permanent(CURLcode code)
{
    switch ((int)code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_FAILED_INIT:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
        return true;
    default:
        return false;
    }
}

static int64_t skew_of(const struct ps_answer *a, int64_t now_s,
                       int64_t otherwise)
{
    int64_t skew = a->date_s - now_s;

    if (a->date_s == 0)
        return otherwise;
    /* The header counts whole seconds. */
    return skew >= -1 && skew <= 1 ? 0 : skew;
}

static bool grant_was_past(const struct transfer *t, int64_t now_s)
{
    int64_t end_s = (int64_t)(t->grant.expires_ms / 1000) + t->signed_skew_s;

    return t->grant.expires_ms != 0 && now_s + t->skew_s >= end_s;
}

/* Nobody listens there, or nobody has that name. */
static bool was_reached(CURLcode code)
{
    return code != CURLE_COULDNT_CONNECT &&
           code != CURLE_COULDNT_RESOLVE_HOST &&
           code != CURLE_COULDNT_RESOLVE_PROXY;
}

static bool may_try_again(struct transfer *t, enum ps_retry_action action)
{
    unsigned max_tries = t->was_reached
                             ? t->uploader->max_tries
                             : PS_MIN(t->uploader->max_tries, UNREACHED_TRIES);
    bool *used = NULL;

    if (action == PS_RETRY_NEW_GRANT)
        used = &t->had_new_grant;
    else if (action == PS_RETRY_ONCE)
        used = &t->had_once;
    else if (action != PS_RETRY_AGAIN)
        return false;
    if ((used && *used) || t->tries >= max_tries)
        return false;
    if (t->spec->give_up_ms && ps_boot_ms() - t->began_ms > t->spec->give_up_ms)
        return false;
    if (used)
        *used = true;
    return true;
}

/* What the exchange itself could not do: a file, a limit, a digest. */
static int fail_own(struct transfer *t, struct ps_error *err)
{
    if (t->x.failure.code == PS_ECANCELED &&
        ps_cancel_check(t->cancel, err) < 0)
        return ps_context(err, "%s", t->spec->what);
    *err = t->x.failure;
    return ps_context(err, "%s", t->spec->what);
}

static int transfer_judge(struct transfer *t, struct ps_error *err)
{
    const struct ps_exchange *x = &t->x;
    int64_t now_s = (int64_t)(ps_now_ms() / 1000);
    struct ps_s3_error s3;
    struct ps_attempt attempt = { .method = t->method };
    struct ps_verdict verdict;

    if (x->failure.code)
        return fail_own(t, err);

    t->was_reached = t->was_reached || was_reached(x->curl_code);
    t->skew_s = skew_of(&x->answer, now_s, t->skew_s);
    ps_s3_error_parse(ps_buf_str(&x->error_body), &s3);
    /* An error may come, and the connection break, before all is sent. */
    attempt.has_answer = x->answer.status >= 300 ||
                         (x->answer.status >= 200 && x->curl_code == CURLE_OK);
    attempt.is_permanent = is_permanent(x->curl_code);
    attempt.http_status = x->answer.status;
    attempt.s3_code = s3.code;
    attempt.s3_message = s3.message;
    attempt.grant_was_past = grant_was_past(t, now_s);
    attempt.clock_off_s = t->skew_s - t->signed_skew_s;
    verdict = ps_retry_decide(&attempt);

    if (verdict.action == PS_RETRY_DONE || verdict.action == PS_RETRY_EXISTS) {
        t->exists_already = verdict.action == PS_RETRY_EXISTS;
        t->state = ST_DONE;
        return PS_OK;
    }
    if (may_try_again(t, verdict.action)) {
        t->state = verdict.action == PS_RETRY_NEW_GRANT ? ST_GRANT : ST_WAIT;
        return PS_OK;
    }
    return ps_fail_try(err, &(struct ps_failed_try){
                                .what = t->spec->what,
                                .exchange = x,
                                .s3 = &s3,
                                .tries = t->tries,
                                .now_s = now_s,
                                .skew_s = t->skew_s,
                                .code = verdict.code,
                            });
}

/* ---- WAIT ---- */

static int transfer_wait(struct transfer *t, struct ps_error *err)
{
    struct pollfd fd = { .fd = t->cancel ? t->cancel->fd : -1,
                         .events = POLLIN };
    uint64_t random = 0;
    uint64_t end_ms = 0;
    uint64_t now_ms = ps_boot_ms();

    if (getrandom(&random, sizeof(random), 0) != sizeof(random))
        return ps_fail_errno(err, errno, "getrandom");
    t->failures++;
    end_ms = now_ms +
             ps_retry_delay_ms(t->failures, t->uploader->base_delay_ms, random);
    while (now_ms < end_ms && !ps_cancel_is_fired(t->cancel)) {
        (void)poll(&fd, 1, (int)(end_ms - now_ms));
        now_ms = ps_boot_ms();
    }
    t->state = ST_GRANT; /* which looks at the token */
    return PS_OK;
}

/* ---- the whole ---- */

static int transfer_step(struct transfer *t, struct ps_error *err)
{
    switch (t->state) {
    case ST_GRANT:
        return transfer_grant(t, err);
    case ST_SEND:
        transfer_send(t);
        return PS_OK;
    case ST_JUDGE:
        return transfer_judge(t, err);
    case ST_WAIT:
        return transfer_wait(t, err);
    case ST_DONE:
        break;
    }
    return PS_OK;
}

static void transfer_result(const struct transfer *t,
                            struct ps_transfer_result *result)
{
    *result = (struct ps_transfer_result){
        .http_status = t->x.answer.status,
        .exists_already = t->exists_already,
        .tries = t->tries,
        .bytes = t->x.bytes,
        .content_sha256 = t->x.content_sha256,
        .skew_s = t->skew_s,
    };
    memcpy(result->sha256_base64, t->x.answer.checksum,
           sizeof(result->sha256_base64));
}

/* A thread, libcurl and TLS: only for who transfers something. */
static int start_engine(struct ps_uploader *u, struct ps_error *err)
{
    int rc = PS_OK;

    (void)pthread_mutex_lock(&u->lock);
    if (!u->engine)
        rc = ps_engine_new(&u->engine, err);
    (void)pthread_mutex_unlock(&u->lock);
    return rc;
}

static int transfer_run(struct transfer *t, struct ps_transfer_result *result,
                        struct ps_error *err)
{
    int rc = start_engine(t->uploader, err);

    if (rc < 0)
        return rc;
    t->began_ms = ps_boot_ms();
    t->done_fd = eventfd(0, EFD_CLOEXEC);
    if (t->done_fd < 0)
        return ps_fail_errno(err, errno, "%s: eventfd", t->spec->what);
    while (rc == PS_OK && t->state != ST_DONE)
        rc = transfer_step(t, err);
    if (rc == PS_OK) {
        if (t->method == PS_METHOD_PUT && !t->exists_already)
            transfer_tell(t, true);
        transfer_result(t, result);
    }
    ps_grant_release(&t->grant);
    ps_buf_release(&t->x.error_body);
    close(t->done_fd);
    return rc;
}

int ps_uploader_put(struct ps_uploader *u, const struct ps_transfer *transfer,
                    const struct ps_cancel *cancel,
                    struct ps_transfer_result *result, struct ps_error *err)
{
    struct transfer t = { .uploader = u,
                          .spec = transfer,
                          .cancel = cancel,
                          .method = PS_METHOD_PUT };

    return transfer_run(&t, result, err);
}

int ps_uploader_get(struct ps_uploader *u, const struct ps_transfer *transfer,
                    const struct ps_cancel *cancel,
                    struct ps_transfer_result *result, struct ps_error *err)
{
    struct transfer t = { .uploader = u,
                          .spec = transfer,
                          .cancel = cancel,
                          .method = PS_METHOD_GET };

    return transfer_run(&t, result, err);
}

int ps_uploader_head(struct ps_uploader *u, const struct ps_transfer *transfer,
                     const struct ps_cancel *cancel, uint64_t *size,
                     struct ps_transfer_result *result, struct ps_error *err)
{
    struct transfer t = { .uploader = u,
                          .spec = transfer,
                          .cancel = cancel,
                          .method = PS_METHOD_HEAD };
    int rc = transfer_run(&t, result, err);

    if (rc == PS_OK)
        *size = t.x.answer.content_length;
    return rc;
}
