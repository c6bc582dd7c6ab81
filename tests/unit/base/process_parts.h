/* What the two programs that test process.h share. */
#ifndef PKGSYNC_TEST_PROCESS_PARTS_H
#define PKGSYNC_TEST_PROCESS_PARTS_H

#include "test_util.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkgsync/clock.h"
#include "pkgsync/process.h"

#define SELF "/proc/self/exe"
#define LARGE ((size_t)1024 * 1024)
#define SOON_MS 5000 /* far below what the children would sleep */

#define ARGV(...) ((const char *const[]){ SELF, __VA_ARGS__, NULL })

struct fixture {
    struct ps_buf out;
    struct ps_buf sunk;
    struct ps_process_spec spec;
    struct ps_process_result result;
    struct ps_error err;
};

static inline void keep(const char *data, size_t len, void *user)
{
    ps_buf_add(user, data, len);
}

static inline int setup(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->out = PS_BUF_INIT(2 * LARGE);
    f->sunk = PS_BUF_INIT(2 * LARGE);
    f->spec = (struct ps_process_spec){ .out = &f->out,
                                        .sink = keep,
                                        .sink_user = &f->sunk };
    *state = f;
    return 0;
}

/* No child is left, ended or not. */
static inline int teardown(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    ps_buf_release(&f->out);
    ps_buf_release(&f->sunk);
    free(f);
    return 0;
}

static inline void run(struct fixture *f, const char *const *argv, int code)
{
    f->spec.argv = argv;
    assert_code(code, ps_process_run(&f->spec, NULL, &f->result, &f->err),
                &f->err);
}

/* In a child: its exit status.  In the test program itself: -1. */
int play_part(int argc, char **argv);

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
