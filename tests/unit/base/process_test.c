/* Running programs: what they get and what comes back. */
#include "process_parts.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

#include <linux/close_range.h>

#include "as_child.h"

static void the_exit_status_is_reported(void **state)
{
    static const struct {
        const char *text;
        int value;
    } statuses[] = { { "0", 0 }, { "1", 1 }, { "42", 42 }, { "255", 255 } };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(statuses); i++) {
        run(f, ARGV("exit", statuses[i].text), PS_OK);
        assert_int_equal(f->result.exit_status, statuses[i].value);
        assert_int_equal(f->result.term_signal, 0);
        assert_false(f->result.timed_out);
    }
}

static void the_signal_that_ended_it_is_reported(void **state)
{
    struct fixture *f = *state;

    run(f, ARGV("signal"), PS_OK);
    assert_int_equal(f->result.term_signal, SIGKILL);
    assert_false(f->result.timed_out);
}

static void output_and_error_go_their_own_ways(void **state)
{
    struct fixture *f = *state;

    run(f, ARGV("two-streams"), PS_OK);
    assert_string_equal(ps_buf_z(&f->out), "to output\n");
    assert_string_equal(ps_buf_z(&f->sunk), "to error\n");
    assert_int_equal(f->result.exit_status, 3);
}

static void without_a_capture_the_sink_gets_both(void **state)
{
    struct fixture *f = *state;

    f->spec.out = NULL;
    run(f, ARGV("two-streams"), PS_OK);
    assert_string_equal(ps_buf_z(&f->sunk), "to output\nto error\n");
    f->spec.sink = NULL;
    run(f, ARGV("two-streams"), PS_OK);
    assert_int_equal(f->result.exit_status, 3);
}

static void input_larger_than_a_pipe_comes_back(void **state)
{
    struct fixture *f = *state;
    PS_AUTO_FREE char *data = ps_calloc(1, LARGE);

    for (size_t i = 0; i < LARGE; i++)
        data[i] = (char)(i * 31 >> 5);
    f->spec.input = (struct ps_str){ .data = data, .len = LARGE };
    run(f, ARGV("cat"), PS_OK);
    assert_int_equal(f->out.len, LARGE);
    assert_memory_equal(f->out.data, data, LARGE);
}

static void no_input_is_an_empty_input(void **state)
{
    struct fixture *f = *state;

    run(f, ARGV("cat"), PS_OK);
    assert_int_equal(f->result.exit_status, 0);
    assert_int_equal(f->out.len, 0);
}

static void a_child_that_closes_its_input_is_no_failure(void **state)
{
    struct fixture *f = *state;
    PS_AUTO_FREE char *data = ps_calloc(1, LARGE);
    sigset_t pending;

    f->spec.input = (struct ps_str){ .data = data, .len = LARGE };
    run(f, ARGV("close-input"), PS_OK);
    assert_string_equal(ps_buf_z(&f->out), "done");
    run(f, ARGV("exit", "5"), PS_OK);
    assert_int_equal(f->result.exit_status, 5);
    /* The SIGPIPE of the broken pipe does not wait for us. */
    assert_int_equal(sigpending(&pending), 0);
    assert_false(sigismember(&pending, SIGPIPE));
}

static void a_missing_program_is_named(void **state)
{
    struct fixture *f = *state;

    run(f, (const char *const[]){ "/nonexistent/prog", NULL }, PS_ENOTFOUND);
    assert_non_null(strstr(f->err.text, "/nonexistent/prog"));
    run(f, (const char *const[]){ "/etc/passwd", NULL }, PS_EDENIED);
}

static void a_missing_working_directory_is_named(void **state)
{
    struct fixture *f = *state;

    f->spec.cwd = "/nonexistent/dir";
    run(f, ARGV("exit", "0"), PS_ENOTFOUND);
    assert_non_null(strstr(f->err.text, "/nonexistent/dir"));
}

static void it_runs_in_the_directory_given(void **state)
{
    struct fixture *f = *state;

    f->spec.cwd = "/usr";
    run(f, ARGV("where"), PS_OK);
    assert_string_equal(ps_buf_z(&f->out), "/usr");
}

static void it_sees_the_environment_given_and_no_other(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(setenv("PS_TEST_INHERITED", "yes", 1), 0);
    f->spec.env = (const char *const[]){ "A=1", "B=two words", NULL };
    run(f, ARGV("env"), PS_OK);
    assert_string_equal(ps_buf_z(&f->out), "A=1\nB=two words\n");
    ps_buf_clear(&f->out);
    f->spec.env = NULL;
    run(f, ARGV("env"), PS_OK);
    assert_non_null(strstr(ps_buf_z(&f->out), "PS_TEST_INHERITED=yes\n"));
}

static void only_the_descriptors_given_are_passed_on(void **state)
{
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    int passed[2] = { 150, 151 };
    int fds[2];

    assert_ok(ps_pipe(fds, &err), &err);
    assert_int_equal(dup3(fds[0], 150, O_CLOEXEC), 150);
    assert_int_equal(dup3(fds[1], 151, O_CLOEXEC), 151);
    f->spec.pass_fds = passed;
    f->spec.pass_fd_count = 2;
    run(f, ARGV("state"), PS_OK);
    assert_string_equal(ps_buf_z(&f->out), "0 1 2 150 151 own-group "
                                           "pipe-default");
    /* In the parent they are as they were. */
    assert_int_equal(fcntl(150, F_GETFD), FD_CLOEXEC);
    for (size_t i = 0; i < 2; i++) {
        (void)close(fds[i]);
        (void)close(passed[i]);
    }
}

/* A service may have been started without standard streams. */
static int run_without_standard_streams(void *arg)
{
    struct fixture *f = arg;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)dup3(2, 100, O_CLOEXEC);
    (void)close(fd);
    for (int i = 0; i < 3; i++)
        (void)close(i);
    f->spec.argv = ARGV("two-streams");
    f->spec.input = PS_STR_LIT("some input");
    if (ps_process_run(&f->spec, NULL, &f->result, &f->err) < 0)
        return 2;
    if (!ps_str_is(ps_buf_str(&f->out), "to output\n"))
        return 3;
    if (!ps_str_is(ps_buf_str(&f->sunk), "to error\n"))
        return 4;
    return fcntl(0, F_GETFD) < 0 && fcntl(1, F_GETFD) < 0 ? 0 : 5;
}

static void a_caller_without_standard_streams_is_served(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(in_child(run_without_standard_streams, f), 0);
}

/* An ignored SIGCHLD is inherited; the kernel then forgets exit statuses. */
static int run_with_sigchld_ignored(void *arg)
{
    struct fixture *f = arg;

    (void)signal(SIGCHLD, SIG_IGN);
    f->spec.argv = ARGV("exit", "5");
    CHECK_CODE(PS_EIO, ps_process_run(&f->spec, NULL, &f->result, &f->err),
               &f->err);
    CHECK(strstr(f->err.text, "SIGCHLD") != NULL);
    return 0;
}

static void a_lost_exit_status_is_never_a_success(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(in_child(run_with_sigchld_ignored, f), 0);
}

static void the_usual_case_captures_the_output(void **state)
{
    struct fixture *f = *state;

    assert_ok(ps_process_output(ARGV("where"), NULL, NULL, &f->out, &f->err),
              &f->err);
    assert_int_equal(f->out.data[0], '/');
}

static void a_failure_is_told_in_the_last_line_of_its_errors(void **state)
{
    static const char *const more[] = { "0", "1000" };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(more); i++) {
        assert_code(PS_EIO,
                    ps_process_output(ARGV("complain", more[i]), NULL, NULL,
                                      &f->out, &f->err),
                    &f->err);
        assert_non_null(strstr(f->err.text, "status 4: error: the cause "));
        assert_null(strstr(f->err.text, "first line"));
    }
    assert_code(
        PS_EIO,
        ps_process_output(ARGV("exit", "9"), NULL, NULL, &f->out, &f->err),
        &f->err);
    assert_string_equal(f->err.text, "'" SELF "' ended with status 9");
    assert_code(PS_EIO,
                ps_process_output(ARGV("signal"), NULL, NULL, &f->out, &f->err),
                &f->err);
    assert_non_null(strstr(f->err.text, "signal 9"));
}

static void *run_many(void *user)
{
    int *failures = user;

    for (int i = 0; i < 20; i++) {
        struct ps_buf out = PS_BUF_INIT(100);
        struct ps_error err = PS_ERROR_INIT;
        struct ps_process_result result;
        const struct ps_process_spec spec = { .argv = ARGV("cat"),
                                              .input = PS_STR_LIT("hello"),
                                              .out = &out };

        if (ps_process_run(&spec, NULL, &result, &err) < 0 ||
            result.exit_status != 0 || !ps_str_is(ps_buf_str(&out), "hello"))
            ++*failures;
        ps_buf_release(&out);
    }
    return NULL;
}

static void several_threads_run_processes_at_once(void **state)
{
    pthread_t threads[4];
    int failures[4] = { 0 };

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, run_many, &failures[i]), 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(failures[i], 0);
    }
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_exit_status_is_reported),
        TEST(the_signal_that_ended_it_is_reported),
        TEST(output_and_error_go_their_own_ways),
        TEST(without_a_capture_the_sink_gets_both),
        TEST(input_larger_than_a_pipe_comes_back),
        TEST(no_input_is_an_empty_input),
        TEST(a_child_that_closes_its_input_is_no_failure),
        TEST(a_missing_program_is_named),
        TEST(a_missing_working_directory_is_named),
        TEST(it_runs_in_the_directory_given),
        TEST(it_sees_the_environment_given_and_no_other),
        TEST(only_the_descriptors_given_are_passed_on),
        TEST(a_caller_without_standard_streams_is_served),
        TEST(a_lost_exit_status_is_never_a_success),
        TEST(the_usual_case_captures_the_output),
        TEST(a_failure_is_told_in_the_last_line_of_its_errors),
        TEST(several_threads_run_processes_at_once),
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
