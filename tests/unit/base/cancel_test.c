#include "test_util.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include "pkgsync/cancel.h"

static struct ps_cancel *in_handler;

static bool is_readable(const struct ps_cancel *c)
{
    struct pollfd p = { .fd = c->fd, .events = POLLIN };

    return poll(&p, 1, 0) == 1;
}

static void a_new_token_is_not_fired(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_cancel c;

    (void)state;
    assert_ok(ps_cancel_init(&c, &err), &err);
    assert_false(ps_cancel_is_fired(&c));
    assert_false(is_readable(&c));
    assert_ok(ps_cancel_check(&c, &err), &err);
    ps_cancel_release(&c);
    ps_cancel_release(&c);
}

static void no_token_is_never_fired(void **state)
{
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    assert_false(ps_cancel_is_fired(NULL));
    assert_ok(ps_cancel_check(NULL, &err), &err);
}

static void the_first_reason_stays(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_cancel c;

    (void)state;
    assert_ok(ps_cancel_init(&c, &err), &err);
    errno = EXDEV;
    ps_cancel_fire(&c, PS_ELOST);
    assert_int_equal(errno, EXDEV);
    for (int i = 0; i < 1000; i++)
        ps_cancel_fire(&c, PS_ECANCELED);
    assert_true(ps_cancel_is_fired(&c));
    assert_true(is_readable(&c));
    assert_code(PS_ELOST, ps_cancel_check(&c, &err), &err);
    assert_string_equal(err.text, "lease lost");
    ps_cancel_release(&c);
}

static void *fire(void *user)
{
    ps_cancel_fire(user, PS_ECANCELED);
    return NULL;
}

static void another_thread_wakes_a_poll(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_cancel c;
    struct pollfd p = { .events = POLLIN };
    pthread_t thread;

    (void)state;
    assert_ok(ps_cancel_init(&c, &err), &err);
    p.fd = c.fd;
    assert_int_equal(pthread_create(&thread, NULL, fire, &c), 0);
    assert_int_equal(poll(&p, 1, 10000), 1);
    assert_code(PS_ECANCELED, ps_cancel_check(&c, &err), &err);
    assert_int_equal(pthread_join(thread, NULL), 0);
    ps_cancel_release(&c);
}

static void on_signal(int sig)
{
    (void)sig;
    ps_cancel_fire(in_handler, PS_ECANCELED);
}

static void a_signal_handler_may_fire(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    struct sigaction act = { .sa_handler = on_signal };
    struct ps_cancel c;

    (void)state;
    assert_ok(ps_cancel_init(&c, &err), &err);
    in_handler = &c;
    assert_int_equal(sigaction(SIGUSR1, &act, NULL), 0);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_true(ps_cancel_is_fired(&c));
    assert_true(is_readable(&c));
    ps_cancel_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_token_is_not_fired),
        cmocka_unit_test(no_token_is_never_fired),
        cmocka_unit_test(the_first_reason_stays),
        cmocka_unit_test(another_thread_wakes_a_poll),
        cmocka_unit_test(a_signal_handler_may_fire),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
