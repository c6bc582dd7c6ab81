/*
 * A sandbox for tests: a runner, a scratch directory of the host, and what the
 * last command printed.  Ends the program with 77 (a skip) where namespaces
 * are impossible, with 1 if PKGSYNC_MUST_SANDBOX is set.
 */
#ifndef PKGSYNC_TESTS_SANDBOX_FIXTURE_H
#define PKGSYNC_TESTS_SANDBOX_FIXTURE_H

#include "test_util.h"

#include "pkgsync/buf.h"
#include "pkgsync/sandbox.h"

struct fixture {
    struct ps_runner *runner;
    char *dir;    /* host; removed at the end */
    char *out;    /* host; receives the output directory */
    char *inside; /* copy of the program inside.c */
    char *helper; /* copy of pkgsync-sandbox */
    int out_dir;
    struct ps_buf log;
    struct ps_run_result result;
};

extern struct fixture fx;

/* For cmocka_run_group_tests() and, between tests, _setup. */
int fixture_group_setup(void **state);
int fixture_group_teardown(void **state);
int fixture_setup(void **state);

/* Defaults: `sh -c script` in /tmp, PATH, /out, small limits, 60 s. */
struct ps_run_spec fixture_spec(const char *script);
/* Runs it; the call itself must succeed. */
void fixture_run(const struct ps_run_spec *spec);
/* A sink that appends to the buffer `user`. */
void fixture_collect(const char *data, size_t len, void *user);
/* The usual case. */
void run_script(const char *script);
/* As run_script(), for `inside <what>`. */
void run_inside(const char *what);

void assert_outcome(enum ps_run_outcome expected);
void assert_exit(int status);
void assert_log_has(const char *text);
void assert_log_lacks(const char *text);

/* Drops root if PKGSYNC_TEST_UID says so; before anything else. */
void fixture_begin(void);

#endif
