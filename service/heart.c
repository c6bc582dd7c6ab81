/* One thread that keeps the leases of all jobs of this process. */
#include <errno.h>
#include <poll.h>

#include "pipeline_private.h"

/* A lease holds 60 s; every 2 s also carries a cancel across quickly. */
#define BEAT_MS 2000

static void beat_once(struct ps_heart *h, struct ps_beat *b)
{
    struct ps_error err = PS_ERROR_INIT;
    bool cancel = false;
    int rc = ps_queue_heartbeat(h->queue, b->job, b->epoch,
                                atomic_load(&b->phase), &cancel, &err);

    /* Another failure (a busy disk) is not the loss of the lease: the next
     * beat comes well before it runs out. */
    if (rc == PS_ELOST)
        ps_cancel_fire(&b->cancel, PS_ELOST);
    else if (rc == PS_OK && cancel)
        ps_cancel_fire(&b->cancel, PS_ECANCELED);
}

static void *heart_main(void *user)
{
    struct ps_heart *h = user;
    bool fired = false;

    for (;;) {
        struct pollfd p[2] = {
            { .fd = h->stop.fd, .events = POLLIN },
            { .fd = h->cancel && !fired ? h->cancel->fd : -1,
              .events = POLLIN },
        };

        if (poll(p, 2, BEAT_MS) < 0 && errno != EINTR)
            break;
        if (ps_cancel_is_fired(&h->stop))
            break;
        (void)pthread_mutex_lock(&h->lock);
        fired = ps_cancel_is_fired(h->cancel);
        for (struct ps_beat *b = h->beats; b; b = b->next) {
            if (fired)
                ps_cancel_fire(&b->cancel, PS_ECANCELED);
            else
                beat_once(h, b);
        }
        (void)pthread_mutex_unlock(&h->lock);
    }
    return NULL;
}

int ps_heart_start(struct ps_heart *h, struct ps_queue *queue,
                   const struct ps_cancel *cancel, struct ps_error *err)
{
    int rc = ps_cancel_init(&h->stop, err);

    if (rc < 0)
        return rc;
    h->queue = queue;
    h->cancel = cancel;
    h->beats = NULL;
    (void)pthread_mutex_init(&h->lock, NULL);
    rc = pthread_create(&h->thread, NULL, heart_main, h);
    if (rc != 0) {
        (void)pthread_mutex_destroy(&h->lock);
        ps_cancel_release(&h->stop);
        return ps_fail_errno(err, rc, "start a thread");
    }
    return PS_OK;
}

void ps_heart_stop(struct ps_heart *h)
{
    ps_cancel_fire(&h->stop, PS_ECANCELED);
    (void)pthread_join(h->thread, NULL);
    (void)pthread_mutex_destroy(&h->lock);
    ps_cancel_release(&h->stop);
}

int ps_heart_add(struct ps_heart *h, struct ps_beat *beat, struct ps_error *err)
{
    int rc = ps_cancel_init(&beat->cancel, err);

    if (rc < 0)
        return rc;
    (void)pthread_mutex_lock(&h->lock);
    beat->next = h->beats;
    h->beats = beat;
    if (ps_cancel_is_fired(h->cancel))
        ps_cancel_fire(&beat->cancel, PS_ECANCELED);
    (void)pthread_mutex_unlock(&h->lock);
    return PS_OK;
}

void ps_heart_remove(struct ps_heart *h, struct ps_beat *beat)
{
    struct ps_beat **at = &h->beats;

    (void)pthread_mutex_lock(&h->lock);
    while (*at && *at != beat)
        at = &(*at)->next;
    if (*at)
        *at = beat->next;
    (void)pthread_mutex_unlock(&h->lock);
    ps_cancel_release(&beat->cancel);
}
