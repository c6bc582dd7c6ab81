/*
 * Libcurl says which sockets it waits for and how long (on_socket_wanted,
 * on_timer_wanted); libuv waits and tells libcurl (on_socket_ready,
 * on_timer).  After each of these engine_reap() collects what has ended.
 */
#include "engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "pkgsync/clock.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define STALL_TICK_MS 200

struct ps_engine {
    pthread_t thread;
    pthread_mutex_t lock;
    struct ps_exchange *incoming; /* newest first; under lock */
    bool want_stop;               /* under lock */
    uv_async_t wake;              /* sent from any thread */

    /* The rest belongs to the engine's thread once it runs. */
    uv_loop_t loop;
    uv_timer_t curl_timer;
    uv_timer_t stall_timer;
    CURLM *multi;
    struct ps_exchange *pending; /* oldest first */
    struct ps_exchange *active;
    unsigned active_count;
    unsigned width;
};

/* A socket that libcurl waits for; freed when its handle is closed. */
struct engine_socket {
    struct ps_engine *engine;
    uv_poll_t poll;
    curl_socket_t fd;
};

static void engine_start_pending(struct ps_engine *e);

static void unlink_exchange(struct ps_exchange **list, struct ps_exchange *x)
{
    while (*list != x)
        list = &(*list)->next;
    *list = x->next;
    x->next = NULL;
}

static void append(struct ps_exchange **list, struct ps_exchange *x)
{
    while (*list)
        list = &(*list)->next;
    *list = x;
}

/* The last touch: afterwards the exchange belongs to its owner again. */
static void exchange_tell(struct ps_exchange *x)
{
    const uint64_t one = 1;
    ssize_t done = 0;

    do {
        done = write(x->done_fd, &one, sizeof(one));
    } while (done < 0 && errno == EINTR);
}

static void engine_adapt(struct ps_engine *e, const struct ps_exchange *x)
{
    int status = x->answer.status;

    if (status == 429 || status == 503)
        e->width = PS_MAX(1U, PS_MIN(e->width, e->active_count) / 2);
    else if (status / 100 == 2 && e->width < PS_ENGINE_WIDTH)
        e->width++;
}

static void engine_end_active(struct ps_engine *e, struct ps_exchange *x,
                              CURLcode code)
{
    curl_multi_remove_handle(e->multi, x->easy);
    engine_adapt(e, x);
    unlink_exchange(&e->active, x);
    e->active_count--;
    ps_exchange_finish(x, code);
    exchange_tell(x);
}

static void engine_start(struct ps_engine *e, struct ps_exchange *x)
{
    CURLMcode mc = CURLM_OK;

    if (ps_exchange_start(x) == PS_OK) {
        mc = curl_multi_add_handle(e->multi, x->easy);
        if (mc == CURLM_OK) {
            append(&e->active, x);
            e->active_count++;
            return;
        }
        ps_fail(&x->failure, PS_EINTERNAL, "libcurl: %s",
                curl_multi_strerror(mc));
    }
    ps_exchange_finish(x, CURLE_FAILED_INIT);
    exchange_tell(x);
}

static void engine_start_pending(struct ps_engine *e)
{
    while (e->pending && e->active_count < e->width) {
        struct ps_exchange *x = e->pending;

        e->pending = x->next;
        x->next = NULL;
        engine_start(e, x);
    }
    if (e->active && !uv_is_active((uv_handle_t *)&e->stall_timer))
        uv_timer_again(&e->stall_timer);
}

static void engine_reap(struct ps_engine *e)
{
    CURLMsg *message = NULL;
    int left = 0;

    while ((message = curl_multi_info_read(e->multi, &left))) {
        struct ps_exchange *x = NULL;
        CURLcode code = message->data.result;

        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &x);
        engine_end_active(e, x, code);
    }
    engine_start_pending(e);
}

/* ---- between libcurl and libuv ---- */

static void on_socket_ready(uv_poll_t *poll, int status, int events)
{
    struct engine_socket *s = PS_CONTAINER_OF(poll, struct engine_socket, poll);
    struct ps_engine *e = s->engine;
    int flags = 0;
    int running = 0;

    if (status < 0)
        flags = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    curl_multi_socket_action(e->multi, s->fd, flags, &running);
    engine_reap(e);
}

static void on_timer(uv_timer_t *timer)
{
    struct ps_engine *e = PS_CONTAINER_OF(timer, struct ps_engine, curl_timer);
    int running = 0;

    curl_multi_socket_action(e->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    engine_reap(e);
}

static int on_timer_wanted(CURLM *multi, long timeout_ms, void *user)
{
    struct ps_engine *e = user;

    (void)multi;
    if (timeout_ms < 0)
        uv_timer_stop(&e->curl_timer);
    else
        uv_timer_start(&e->curl_timer, on_timer, (uint64_t)timeout_ms, 0);
    return 0;
}

static void on_socket_closed(uv_handle_t *handle)
{
    free(PS_CONTAINER_OF(handle, struct engine_socket, poll));
}

static struct engine_socket *engine_watch(struct ps_engine *e, curl_socket_t fd)
{
    struct engine_socket *s = ps_calloc(1, sizeof(*s));

    s->engine = e;
    s->fd = fd;
    if (uv_poll_init_socket(&e->loop, &s->poll, fd) < 0) {
        free(s);
        return NULL;
    }
    curl_multi_assign(e->multi, fd, s);
    return s;
}

static int on_socket_wanted(CURL *easy, curl_socket_t fd, int what, void *user,
                            void *socket_user)
{
    struct ps_engine *e = user;
    struct engine_socket *s = socket_user;
    int events = 0;

    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (s) {
            curl_multi_assign(e->multi, fd, NULL);
            uv_close((uv_handle_t *)&s->poll, on_socket_closed);
        }
        return 0;
    }
    if (!s)
        s = engine_watch(e, fd);
    if (!s)
        return -1;
    if (what != CURL_POLL_OUT)
        events |= UV_READABLE;
    if (what != CURL_POLL_IN)
        events |= UV_WRITABLE;
    return uv_poll_start(&s->poll, events, on_socket_ready) < 0 ? -1 : 0;
}

/* ---- cancels and stalls ---- */

static bool is_stalled(const struct ps_exchange *x, uint64_t now_ms)
{
    return now_ms - x->active_ms >= x->stall_limit_ms;
}

static void on_stall_tick(uv_timer_t *timer)
{
    struct ps_engine *e = PS_CONTAINER_OF(timer, struct ps_engine, stall_timer);
    uint64_t now_ms = ps_boot_ms();
    struct ps_exchange *next = NULL;

    for (struct ps_exchange *x = e->active; x; x = next) {
        next = x->next;
        if (is_stalled(x, now_ms))
            engine_end_active(e, x, CURLE_OPERATION_TIMEDOUT);
    }
    engine_start_pending(e);
    if (!e->active)
        uv_timer_stop(&e->stall_timer);
}

static void engine_end_cancelled(struct ps_engine *e, bool all)
{
    struct ps_exchange *next = NULL;

    for (struct ps_exchange *x = e->pending; x; x = next) {
        next = x->next;
        if (!all && !atomic_load(&x->want_cancel))
            continue;
        unlink_exchange(&e->pending, x);
        ps_fail(&x->failure, PS_ECANCELED, "cancelled");
        x->curl_code = CURLE_ABORTED_BY_CALLBACK;
        exchange_tell(x);
    }
    for (struct ps_exchange *x = e->active; x; x = next) {
        next = x->next;
        if (!all && !atomic_load(&x->want_cancel))
            continue;
        ps_fail(&x->failure, PS_ECANCELED, "cancelled");
        engine_end_active(e, x, CURLE_ABORTED_BY_CALLBACK);
    }
}

static void engine_close(struct ps_engine *e)
{
    engine_end_cancelled(e, true);
    curl_multi_cleanup(e->multi);
    e->multi = NULL;
    uv_close((uv_handle_t *)&e->curl_timer, NULL);
    uv_close((uv_handle_t *)&e->stall_timer, NULL);
    uv_close((uv_handle_t *)&e->wake, NULL);
}

static void on_wake(uv_async_t *async)
{
    struct ps_engine *e = PS_CONTAINER_OF(async, struct ps_engine, wake);
    struct ps_exchange *x = NULL;
    bool stop = false;

    pthread_mutex_lock(&e->lock);
    x = e->incoming;
    e->incoming = NULL;
    stop = e->want_stop;
    pthread_mutex_unlock(&e->lock);

    while (x) {
        struct ps_exchange *next = x->next;

        x->next = NULL;
        append(&e->pending, x);
        x = next;
    }
    engine_end_cancelled(e, false);
    if (stop)
        engine_close(e);
    else
        engine_start_pending(e);
}

static void *engine_run(void *user)
{
    struct ps_engine *e = user;

    uv_run(&e->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* ---- life ---- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_state = CURLE_FAILED_INIT;

static void start_curl(void)
{
    curl_state = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int engine_set_up(struct ps_engine *e, struct ps_error *err)
{
    int rc = uv_loop_init(&e->loop);

    if (rc < 0)
        return ps_fail(err, PS_EINTERNAL, "uploader's loop: %s",
                       uv_strerror(rc));
    rc = uv_async_init(&e->loop, &e->wake, on_wake);
    if (rc < 0) {
        uv_loop_close(&e->loop);
        return ps_fail(err, PS_EINTERNAL, "uploader's loop: %s",
                       uv_strerror(rc));
    }
    uv_timer_init(&e->loop, &e->curl_timer);
    uv_timer_init(&e->loop, &e->stall_timer);
    /* A tick in the background; uv_timer_again() starts it. */
    uv_timer_start(&e->stall_timer, on_stall_tick, STALL_TICK_MS,
                   STALL_TICK_MS);
    uv_timer_stop(&e->stall_timer);

    curl_multi_setopt(e->multi, CURLMOPT_SOCKETFUNCTION, on_socket_wanted);
    curl_multi_setopt(e->multi, CURLMOPT_SOCKETDATA, e);
    curl_multi_setopt(e->multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted);
    curl_multi_setopt(e->multi, CURLMOPT_TIMERDATA, e);
    curl_multi_setopt(e->multi, CURLMOPT_MAXCONNECTS, (long)PS_ENGINE_WIDTH);
    return PS_OK;
}

/* Signals are for the program's own threads. */
static int engine_start_thread(struct ps_engine *e)
{
    sigset_t all;
    sigset_t before;
    int rc = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&e->thread, NULL, engine_run, e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

int ps_engine_new(struct ps_engine **out, struct ps_error *err)
{
    struct ps_engine *e = NULL;
    int rc = 0;

    pthread_once(&curl_once, start_curl);
    if (curl_state != CURLE_OK)
        return ps_fail(err, PS_EINTERNAL, "libcurl: %s",
                       curl_easy_strerror(curl_state));
    e = ps_calloc(1, sizeof(*e));
    e->width = PS_ENGINE_WIDTH;
    e->multi = curl_multi_init();
    if (!e->multi) {
        free(e);
        return ps_fail(err, PS_EINTERNAL, "libcurl gave no multi handle");
    }
    if (engine_set_up(e, err) < 0) {
        curl_multi_cleanup(e->multi);
        free(e);
        return err->code;
    }
    pthread_mutex_init(&e->lock, NULL);
    rc = engine_start_thread(e);
    if (rc != 0) {
        engine_close(e);
        engine_run(e); /* lets the handles close */
        uv_loop_close(&e->loop);
        pthread_mutex_destroy(&e->lock);
        free(e);
        return ps_fail_errno(err, rc, "start the uploader's thread");
    }
    *out = e;
    return PS_OK;
}

void ps_engine_free(struct ps_engine *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->lock);
    e->want_stop = true;
    pthread_mutex_unlock(&e->lock);
    uv_async_send(&e->wake);
    pthread_join(e->thread, NULL);
    uv_loop_close(&e->loop);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

void ps_engine_submit(struct ps_engine *e, struct ps_exchange *x)
{
    pthread_mutex_lock(&e->lock);
    x->next = e->incoming;
    e->incoming = x;
    pthread_mutex_unlock(&e->lock);
    uv_async_send(&e->wake);
}

void ps_engine_cancel(struct ps_engine *e, struct ps_exchange *x)
{
    atomic_store(&x->want_cancel, true);
    uv_async_send(&e->wake);
}
