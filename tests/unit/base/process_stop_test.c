/* How programs end: limits, cancels, and what is left behind. */
#include "process_parts.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <linux/close_range.h>

static void output_over_the_cap_ends_it(void **state)
{
    struct fixture *f = *state;
    uint64_t began = ps_boot_ms();

    f->out.max = 100000;
    run(f, ARGV("endless"), PS_ETOOBIG);
    assert_int_equal(f->out.len, 100000);
    assert_non_null(strstr(f->err.text, "100000"));
    assert_true(ps_boot_ms() - began < SOON_MS);
}

static void the_time_limit_ends_it(void **state)
{
    struct fixture *f = *state;

    f->spec.wall_limit_ms = 300;
    run(f, ARGV("sleep"), PS_OK);
    assert_true(f->result.timed_out);
    assert_int_equal(f->result.term_signal, SIGTERM);
    assert_string_equal(ps_buf_z(&f->out), "ready");
    assert_in_range(f->result.wall_ms, 300, SOON_MS);
}

static void a_child_may_use_the_second_of_grace(void **state)
{
    struct fixture *f = *state;

    f->spec.wall_limit_ms = 300;
    run(f, ARGV("polite"), PS_OK);
    assert_true(f->result.timed_out);
    assert_int_equal(f->result.term_signal, 0);
    assert_int_equal(f->result.exit_status, 7);
    assert_string_equal(ps_buf_z(&f->out), "ready, bye");
}

static void a_child_that_ignores_sigterm_is_killed(void **state)
{
    struct fixture *f = *state;

    f->spec.wall_limit_ms = 300;
    run(f, ARGV("stubborn"), PS_OK);
    assert_true(f->result.timed_out);
    assert_int_equal(f->result.term_signal, SIGKILL);
    assert_in_range(f->result.wall_ms, 1300, 1300 + SOON_MS);
}

static void a_child_that_left_its_group_is_killed(void **state)
{
    struct fixture *f = *state;

    f->spec.wall_limit_ms = 300;
    run(f, ARGV("change-group"), PS_OK);
    assert_string_equal(ps_buf_z(&f->out), "ready");
    assert_int_equal(f->result.term_signal, SIGKILL);
    assert_true(f->result.wall_ms < SOON_MS);
}

static void the_largest_time_limit_does_not_wrap(void **state)
{
    struct fixture *f = *state;

    f->spec.wall_limit_ms = UINT64_MAX;
    run(f, ARGV("close-input"), PS_OK);
    assert_false(f->result.timed_out);
    assert_string_equal(ps_buf_z(&f->out), "done");
}

static void a_daemon_that_holds_the_output_is_not_waited_for(void **state)
{
    struct fixture *f = *state;

    run(f, ARGV("daemonise"), PS_OK);
    assert_int_equal(f->result.exit_status, 0);
    assert_string_equal(ps_buf_z(&f->out), "daemon parent");
    assert_true(f->result.wall_ms < SOON_MS);
}

static void a_daemon_that_goes_on_writing_is_left_after_a_second(void **state)
{
    struct fixture *f = *state;

    run(f, ARGV("noisy-daemon"), PS_OK);
    assert_int_equal(f->result.exit_status, 0);
    assert_non_null(strstr(ps_buf_z(&f->out), "noise"));
    assert_true(f->result.wall_ms < SOON_MS);
}

static void what_it_leaves_in_its_group_is_killed(void **state)
{
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    struct pollfd p = { .events = POLLIN };
    int fds[2];

    assert_ok(ps_pipe(fds, &err), &err);
    f->spec.pass_fds = &fds[1];
    f->spec.pass_fd_count = 1;
    run(f, ARGV("leave-one"), PS_OK);
    /* End of file: nobody holds the other end any more. */
    (void)close(fds[1]);
    p.fd = fds[0];
    assert_int_equal(poll(&p, 1, SOON_MS), 1);
    assert_int_equal(p.revents & POLLHUP, POLLHUP);
    (void)close(fds[0]);
}

static void one_that_ends_with_us_is_run_like_any_other(void **state)
{
    struct fixture *f = *state;

    f->spec.ends_with_us = true;
    run(f, ARGV("two-streams"), PS_OK);
    assert_int_equal(f->result.exit_status, 3);
    assert_true(f->out.len > 0);
    f->spec.cwd = "/nowhere";
    run(f, ARGV("two-streams"), PS_ENOTFOUND);
}

static void one_that_ends_with_us_does(void **state)
{
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    struct pollfd p = { .events = POLLIN };
    int fds[2];
    pid_t parent = -1;

    assert_ok(ps_pipe(fds, &err), &err);
    parent = fork();
    if (parent == 0) {
        f->spec.pass_fds = &fds[1];
        f->spec.pass_fd_count = 1;
        f->spec.ends_with_us = true;
        f->spec.argv = ARGV("sleep");
        (void)!ps_process_run(&f->spec, NULL, &f->result, &f->err);
        _exit(1);
    }
    (void)close(fds[1]);
    (void)usleep(300000);
    (void)kill(parent, SIGKILL);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    p.fd = fds[0];
    assert_int_equal(poll(&p, 1, SOON_MS), 1);
    assert_int_equal(p.revents & POLLHUP, POLLHUP);
    (void)close(fds[0]);
}

static void *fire_after_a_while(void *user)
{
    (void)usleep(300000);
    ps_cancel_fire(user, PS_ELOST);
    return NULL;
}

static void a_cancel_from_another_thread_ends_it(void **state)
{
    static const char *const names[] = { "sleep", "stubborn", "endless" };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++) {
        struct ps_cancel cancel;
        pthread_t thread;
        uint64_t began = ps_boot_ms();

        assert_ok(ps_cancel_init(&cancel, &f->err), &f->err);
        assert_int_equal(
            pthread_create(&thread, NULL, fire_after_a_while, &cancel), 0);
        f->spec.argv = ARGV(names[i]);
        f->spec.out = NULL;
        f->spec.sink = NULL;
        assert_code(PS_ELOST,
                    ps_process_run(&f->spec, &cancel, &f->result, &f->err),
                    &f->err);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(ps_boot_ms() - began < SOON_MS);
        assert_false(f->result.timed_out);
        ps_cancel_release(&cancel);
    }
}

static void after_a_cancel_nothing_is_started(void **state)
{
    struct fixture *f = *state;
    struct ps_cancel cancel;

    assert_ok(ps_cancel_init(&cancel, &f->err), &f->err);
    ps_cancel_fire(&cancel, PS_ECANCELED);
    f->spec.argv = ARGV("two-streams");
    assert_code(PS_ECANCELED,
                ps_process_run(&f->spec, &cancel, &f->result, &f->err),
                &f->err);
    assert_int_equal(f->out.len, 0);
    ps_cancel_release(&cancel);
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        TEST(output_over_the_cap_ends_it),
        TEST(the_time_limit_ends_it),
        TEST(a_child_may_use_the_second_of_grace),
        TEST(a_child_that_ignores_sigterm_is_killed),
        TEST(a_child_that_left_its_group_is_killed),
        TEST(the_largest_time_limit_does_not_wrap),
        TEST(a_daemon_that_holds_the_output_is_not_waited_for),
        TEST(a_daemon_that_goes_on_writing_is_left_after_a_second),
        TEST(what_it_leaves_in_its_group_is_killed),
        TEST(one_that_ends_with_us_is_run_like_any_other),
        TEST(one_that_ends_with_us_does),
        TEST(a_cancel_from_another_thread_ends_it),
        TEST(after_a_cancel_nothing_is_started),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    int status = play_part(argc, argv);

    if (status >= 0)
        return status;
    /* What whoever runs the tests left open would show in the children. */
    (void)close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    return run_all();
}
