#include "pkgsync/cancel.h"

#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int ps_cancel_init(struct ps_cancel *c, struct ps_error *err)
{
    /* Also after a failure the token can be released. */
    atomic_init(&c->fired, 0);
    c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->fd < 0)
        return ps_fail_errno(err, errno, "eventfd");
    return PS_OK;
}

void ps_cancel_release(struct ps_cancel *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
}

void ps_cancel_fire(struct ps_cancel *c, int code)
{
    int saved = errno;
    uint64_t one = 1;
    int none = 0;

    /* The first reason stays.  write(2) is safe in a signal handler. */
    (void)atomic_compare_exchange_strong(&c->fired, &none, code);
    if (write(c->fd, &one, sizeof(one)) < 0) {
        /* The counter is full: it is readable already. */
    }
    errno = saved;
}

bool ps_cancel_is_fired(const struct ps_cancel *c)
{
    return c && atomic_load(&c->fired) != 0;
}

int ps_cancel_check(const struct ps_cancel *c, struct ps_error *err)
{
    int code = c ? atomic_load(&c->fired) : 0;

    if (code == 0)
        return PS_OK;
    return ps_fail(err, code, "%s", ps_code_text(code));
}
