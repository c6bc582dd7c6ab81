#include "test_util.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "pkgsync/buf.h"
#include "pkgsync/clock.h"
#include "pkgsync/log.h"

#define THREADS 4
#define LINES 200

struct capture {
    char *dir;
    char *path;
    int saved;
};

/* Standard error into a file, until capture_end(). */
static struct capture capture_begin(void)
{
    struct capture c = { .dir = test_make_dir() };
    int fd = -1;

    c.path = ps_format("%s/log", c.dir);
    fd = open(c.path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
    c.saved = dup(STDERR_FILENO);
    assert_true(fd >= 0 && c.saved >= 0);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    (void)close(fd);
    return c;
}

static char *capture_end(struct capture *c)
{
    struct ps_buf text = PS_BUF_INIT((size_t)1024 * 1024);
    struct ps_error err = PS_ERROR_INIT;

    assert_int_equal(dup2(c->saved, STDERR_FILENO), STDERR_FILENO);
    (void)close(c->saved);
    assert_ok(ps_read_file_at(AT_FDCWD, c->path, &text, &err), &err);
    free(c->path);
    test_remove_dir(c->dir);
    return ps_buf_take(&text);
}

static void a_line_has_level_event_and_values(void **state)
{
    struct capture c = capture_begin();
    PS_AUTO_FREE char *text = NULL;

    (void)state;
    ps_log(PS_LOG_WARN, "job-failed", "job=%d cause='%s'", 7, "no space");
    ps_log(PS_LOG_ERROR, "stopped", "%s", "");
    text = capture_end(&c);
    assert_string_equal(text, "warn job-failed job=7 cause='no space'\n"
                              "error stopped\n");
}

static void what_is_above_the_level_is_silent(void **state)
{
    struct capture c = capture_begin();
    PS_AUTO_FREE char *text = NULL;

    (void)state;
    ps_log(PS_LOG_INFO, "a", "n=%d", 1); /* the default is warn */
    ps_log_set_level(PS_LOG_DEBUG);
    ps_log(PS_LOG_DEBUG, "b", "n=%d", 2);
    ps_log_set_level(PS_LOG_ERROR);
    ps_log(PS_LOG_WARN, "c", "n=%d", 3);
    ps_log(PS_LOG_ERROR, "d", "n=%d", 4);
    ps_log_set_level(PS_LOG_WARN);
    text = capture_end(&c);
    assert_string_equal(text, "debug b n=2\nerror d n=4\n");
}

/* A file name with a newline must not look like a line of its own. */
static void a_value_cannot_begin_a_line_of_its_own(void **state)
{
    struct capture c = capture_begin();
    PS_AUTO_FREE char *text = NULL;

    (void)state;
    ps_log(PS_LOG_ERROR, "e", "name='%s'",
           "a\nerror forged x=1\r\x1b[2J\x7f\\n\xc3\xa9");
    text = capture_end(&c);
    assert_string_equal(text, "error e name='a\\x0aerror forged x=1\\x0d"
                              "\\x1b[2J\\x7f\\n\xc3\xa9'\n");
}

static void *log_many(void *user)
{
    const char *letter = *(const char *const *)user;

    for (int i = 0; i < LINES; i++)
        ps_log(PS_LOG_ERROR, "event", "from=%s%s%s%s", letter, letter, letter,
               letter);
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    static const char *letters[THREADS] = { "a", "b", "c", "d" };
    struct capture c = capture_begin();
    PS_AUTO_FREE char *text = NULL;
    pthread_t threads[THREADS];
    struct ps_str rest;
    struct ps_str line;
    size_t count = 0;

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, log_many, (void *)&letters[i]),
            0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    text = capture_end(&c);
    rest = ps_str_from(text);
    while (ps_str_cut(&rest, '\n', &line)) {
        struct ps_str who = ps_str_skip(line, strlen("error event from="));

        assert_int_equal(who.len, 4);
        assert_true(who.data[0] == who.data[1] && who.data[0] == who.data[2] &&
                    who.data[0] == who.data[3]);
        count++;
    }
    assert_int_equal(count, THREADS * LINES);
}

static void times_are_written_as_rfc_3339(void **state)
{
    char out[PS_RFC3339_SIZE];

    (void)state;
    ps_rfc3339(0, out);
    assert_string_equal(out, "1970-01-01T00:00:00Z");
    ps_rfc3339(951827696, out);
    assert_string_equal(out, "2000-02-29T12:34:56Z");
    ps_rfc3339(253402300799, out);
    assert_string_equal(out, "9999-12-31T23:59:59Z");
    ps_rfc3339(253402300800, out); /* a year of five digits does not fit */
    assert_string_equal(out, "");
    ps_rfc3339(INT64_MAX, out);
    assert_string_equal(out, "");
}

static void clocks_go_forward(void **state)
{
    uint64_t boot = ps_boot_ms();

    (void)state;
    assert_true(ps_now_ms() > UINT64_C(1600000000000));
    assert_int_equal(usleep(5000), 0);
    assert_true(ps_boot_ms() >= boot + 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_level_event_and_values),
        cmocka_unit_test(what_is_above_the_level_is_silent),
        cmocka_unit_test(a_value_cannot_begin_a_line_of_its_own),
        cmocka_unit_test(lines_of_several_threads_do_not_mix),
        cmocka_unit_test(times_are_written_as_rfc_3339),
        cmocka_unit_test(clocks_go_forward),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
