/* Ends of all kinds: signals, limits, cancels, and what must not survive. */
#include "fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pkgsync/clock.h"

/* Words in argv that mark the processes of one test of this process. */
static char marks[4][16];

/* `text` with each '@' replaced by the mark; the caller frees. */
static char *marked(const char *text, const char *mark)
{
    struct ps_buf b = PS_BUF_INIT(1000);

    for (; *text; text++) {
        if (*text == '@')
            ps_buf_adds(&b, mark);
        else
            ps_buf_addc(&b, *text);
    }
    return ps_buf_take(&b);
}

static void pause_ms(long ms)
{
    struct timespec ts = { ms / 1000, (ms % 1000) * 1000000 };

    (void)nanosleep(&ts, NULL);
}

static bool cmdline_is(const char *pid, const char *mark)
{
    char *path = ps_format("/proc/%s/cmdline", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char text[512] = "";
    ssize_t got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
    bool is =
        got > 0 && memcmp(text, "sleep", 6) == 0 && strcmp(text + 6, mark) == 0;

    if (fd >= 0)
        (void)close(fd);
    free(path);
    return is;
}

/* How many `sleep <mark>` there are, and the last one's number. */
static int count_sleepers(const char *mark, pid_t *last)
{
    DIR *proc = opendir("/proc");
    const struct dirent *e = NULL;
    int n = 0;

    assert_non_null(proc);
    for (e = readdir(proc); e; e = readdir(proc)) {
        if (e->d_name[0] < '1' || e->d_name[0] > '9' ||
            !cmdline_is(e->d_name, mark))
            continue;
        n++;
        if (last)
            *last = (pid_t)strtol(e->d_name, NULL, 10);
    }
    assert_int_equal(closedir(proc), 0);
    return n;
}

static void assert_sleepers_end(const char *mark)
{
    for (int i = 0; i < 100; i++) {
        if (count_sleepers(mark, NULL) == 0)
            return;
        pause_ms(20);
    }
    fail_msg("%d processes 'sleep %s' survive", count_sleepers(mark, NULL),
             mark);
}

static void wait_for_sleeper(const char *mark)
{
    for (int i = 0; i < 500; i++) {
        if (count_sleepers(mark, NULL) > 0)
            return;
        pause_ms(10);
    }
    fail_msg("'sleep %s' never came", mark);
}

static void a_signal_is_reported(void **state)
{
    (void)state;
    run_script("kill -SEGV $$");
    assert_outcome(PS_RUN_SIGNAL);
    assert_int_equal(fx.result.term_signal, SIGSEGV);
}

static void a_time_limit_ends_it_and_everything_below(void **state)
{
    char *script =
        marked("(setsid sleep @ &) ; trap '' TERM INT HUP; sleep @; sleep @",
               marks[0]);
    struct ps_run_spec spec = fixture_spec(script);

    (void)state;
    spec.wall_limit_ms = 300;
    fixture_run(&spec);
    assert_outcome(PS_RUN_TIMEOUT);
    assert_true(fx.result.wall_ms >= 300 && fx.result.wall_ms < 5000);
    assert_int_equal(count_sleepers(marks[0], NULL), 0);
    free(script);
}

static void a_daemon_delays_nothing_and_does_not_survive(void **state)
{
    uint64_t start = ps_boot_ms();
    char *script = marked("setsid sh -c 'setsid sleep @ & exec sleep @' & "
                          "(sleep @ &) ; echo started",
                          marks[1]);

    (void)state;
    run_script(script);
    free(script);
    assert_exit(0);
    assert_log_has("started");
    assert_true(ps_boot_ms() - start < 5000);
    assert_int_equal(count_sleepers(marks[1], NULL), 0);
}

static void the_output_of_an_ended_command_is_whole(void **state)
{
    (void)state;
    run_script("seq 1 20000; echo the end");
    assert_exit(0);
    assert_log_has("20000\nthe end\n");
}

struct canceller {
    struct ps_cancel *token;
    const char *mark;
};

static void *cancel_later(void *arg)
{
    struct canceller *c = arg;

    for (int i = 0; i < 500 && count_sleepers(c->mark, NULL) == 0; i++)
        pause_ms(10);
    ps_cancel_fire(c->token, PS_ECANCELED);
    return NULL;
}

static void a_cancel_from_another_thread_ends_it(void **state)
{
    char *script = marked("sleep @ & sleep @", marks[2]);
    struct ps_run_spec spec = fixture_spec(script);
    struct ps_cancel token;
    struct canceller c = { .token = &token, .mark = marks[2] };
    struct ps_error err = PS_ERROR_INIT;
    pthread_t thread;

    (void)state;
    assert_ok(ps_cancel_init(&token, &err), &err);
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, &c), 0);
    assert_code(PS_ECANCELED,
                fx.runner->run(fx.runner, &spec, &token, &fx.result, &err),
                &err);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(count_sleepers(marks[2], NULL), 0);
    err = PS_ERROR_INIT;
    assert_code(PS_ECANCELED,
                fx.runner->run(fx.runner, &spec, &token, &fx.result, &err),
                &err);
    ps_cancel_release(&token);
    free(script);
}

/* Runs in a child, which is then killed or whose helper is. */
static pid_t run_in_child(const char *text)
{
    char *script = marked(text, marks[3]);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        struct ps_run_spec spec = fixture_spec(script);
        struct ps_error err = PS_ERROR_INIT;
        int rc = fx.runner->run(fx.runner, &spec, NULL, &fx.result, &err);

        _exit(rc == PS_EIO ? 42 : rc == PS_OK ? 0 : 1);
    }
    free(script);
    return pid;
}

static pid_t parent_of(pid_t pid)
{
    char *path = ps_format("/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    char line[256];
    long parent = 0;

    assert_non_null(f);
    while (parent == 0 && fgets(line, sizeof(line), f)) {
        if (strncmp(line, "PPid:", 5) == 0)
            parent = strtol(line + 5, NULL, 10);
    }
    assert_int_equal(fclose(f), 0);
    free(path);
    return (pid_t)parent;
}

static void killing_the_caller_ends_the_sandbox(void **state)
{
    pid_t pid = run_in_child("sleep @ & (setsid sleep @ &) ; sleep @");
    int status = 0;

    (void)state;
    wait_for_sleeper(marks[3]);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_sleepers_end(marks[3]);
}

static void killing_the_helper_ends_the_sandbox(void **state)
{
    pid_t pid = run_in_child("exec sleep @");
    pid_t sleeper = 0;
    pid_t helper;
    int status = 0;

    (void)state;
    wait_for_sleeper(marks[3]);
    assert_int_equal(count_sleepers(marks[3], &sleeper), 1);
    helper = parent_of(parent_of(sleeper));
    assert_int_equal(parent_of(helper), pid);
    assert_int_equal(kill(helper, SIGKILL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    assert_sleepers_end(marks[3]);
}

static void no_mount_and_no_child_is_left(void **state)
{
    struct ps_buf before = PS_BUF_INIT(1u << 20);
    struct ps_buf after = PS_BUF_INIT(1u << 20);
    struct ps_error err = PS_ERROR_INIT;
    int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_ok(ps_read_all(fd, &before, &err), &err);
    run_script("true");
    assert_exit(0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_ok(ps_read_all(fd, &after, &err), &err);
    assert_string_equal(ps_buf_z(&before), ps_buf_z(&after));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    assert_int_equal(close(fd), 0);
    ps_buf_release(&before);
    ps_buf_release(&after);
}

static int open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(dir);
    while (readdir(dir))
        n++;
    assert_int_equal(closedir(dir), 0);
    return n;
}

static void no_descriptor_is_left_open(void **state)
{
    int before = open_descriptors();

    (void)state;
    for (int i = 0; i < 5; i++)
        run_script("true");
    assert_int_equal(open_descriptors(), before);
}

static void *run_one(void *arg)
{
    struct ps_run_spec spec = fixture_spec("cat /proc/self/uid_map; sleep 0.3");
    struct ps_run_result result;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_buf *log = arg;

    spec.out_path = NULL;
    spec.sink_user = log;
    if (fx.runner->run(fx.runner, &spec, NULL, &result, &err) < 0 ||
        result.outcome != PS_RUN_EXIT || result.exit_status != 0)
        return arg;
    return NULL;
}

static void several_threads_run_at_once_as_different_users(void **state)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    struct ps_buf logs[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++) {
        logs[i] = PS_BUF_INIT(1000);
        assert_int_equal(pthread_create(&threads[i], NULL, run_one, &logs[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed = NULL;

        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    for (int i = 0; i < THREADS; i++) {
        for (int j = 0; j < i && geteuid() == 0; j++)
            assert_string_not_equal(ps_buf_z(&logs[i]), ps_buf_z(&logs[j]));
    }
    for (int i = 0; i < THREADS; i++)
        ps_buf_release(&logs[i]);
}

static void a_program_that_is_not_there_is_an_error(void **state)
{
    const char *argv[] = { "/usr/bin/no-such-program", NULL };
    struct ps_run_spec spec = fixture_spec("");
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    spec.argv = argv;
    assert_code(PS_ENOTFOUND,
                fx.runner->run(fx.runner, &spec, NULL, &fx.result, &err), &err);
    assert_non_null(strstr(err.text, "no-such-program"));
}

static void a_mount_that_is_not_there_is_an_error(void **state)
{
    const struct ps_mount mount = { PS_MOUNT_READ_ONLY, "/nonexistent/wheels",
                                    "/wheels" };
    struct ps_run_spec spec = fixture_spec("true");
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    spec.mounts = &mount;
    spec.mount_count = 1;
    assert_code(PS_ENOTFOUND,
                fx.runner->run(fx.runner, &spec, NULL, &fx.result, &err), &err);
    assert_non_null(strstr(err.text, "/nonexistent/wheels"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, fixture_setup)
    const struct CMUnitTest tests[] = {
        TEST(a_signal_is_reported),
        TEST(a_time_limit_ends_it_and_everything_below),
        TEST(a_daemon_delays_nothing_and_does_not_survive),
        TEST(the_output_of_an_ended_command_is_whole),
        TEST(a_cancel_from_another_thread_ends_it),
        TEST(killing_the_caller_ends_the_sandbox),
        TEST(killing_the_helper_ends_the_sandbox),
        TEST(no_mount_and_no_child_is_left),
        TEST(no_descriptor_is_left_open),
        TEST(several_threads_run_at_once_as_different_users),
        TEST(a_program_that_is_not_there_is_an_error),
        TEST(a_mount_that_is_not_there_is_an_error),
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(marks); i++)
        snprintf(marks[i], sizeof(marks[i]), "%zu%08d", i + 1, (int)getpid());
    return cmocka_run_group_tests(tests, fixture_group_setup,
                                  fixture_group_teardown);
}
