/*
 * Run a program of the host and wait for it.
 *
 * For trusted helpers that work with the person's own rights: ssh, `git
 * credential`, pip in the fetch phase, an interpreter that is asked for its
 * version, and pkgsync-sandbox.  Never for code of a project: that is what
 * `struct ps_runner` (runner.h) is for.
 *
 * The child gets its own process group; standard input is /dev/null or the
 * bytes given.  On a cancel, on the time limit, and when there is more output
 * than `out` takes, the group gets SIGTERM and, a second later, SIGKILL; when
 * the child has ended, what it left in its group gets SIGKILL.  The child is
 * always reaped; SIGCHLD must not be ignored.  Blocking; any thread.
 */
#ifndef PKGSYNC_PROCESS_H
#define PKGSYNC_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/buf.h"
#include "pkgsync/cancel.h"
#include "pkgsync/error.h"
#include "pkgsync/str.h"

/* Output as it arrives, on the thread that runs ps_process_run(). */
typedef void(ps_sink_fn)(const char *data, size_t len, void *user);

struct ps_process_spec {
    const char *const *argv; /* Required; argv[0] is absolute */
    const char *const *env;  /* Optional; NULL: the caller's environment */
    const char *cwd;         /* Optional */
    struct ps_str input;     /* Optional: standard input */
    struct ps_buf *out;      /* Optional: standard output is captured here */
    ps_sink_fn *sink;        /* Optional: standard error, and output too
                                unless `out` is set.  NULL: discarded */
    void *sink_user;
    uint64_t wall_limit_ms; /* 0: none */
    const int *pass_fds;    /* Optional: stay open under the same numbers */
    size_t pass_fd_count;
    bool ends_with_us; /* SIGKILL for the child (not for its own) when the
                          thread that runs it ends, however it ends */
};

struct ps_process_result {
    int exit_status; /* valid when term_signal is 0 */
    int term_signal; /* 0 if it exited by itself */
    bool timed_out;
    uint64_t wall_ms;
};

/*
 * PS_OK when the program ran, whatever its exit status.  PS_ENOTFOUND if
 * there is no such program; PS_ETOOBIG if `out` overflowed; the token's code
 * after a cancel.
 */
PS_MUST_USE int ps_process_run(const struct ps_process_spec *spec,
                               const struct ps_cancel *cancel,
                               struct ps_process_result *result,
                               struct ps_error *err);

/*
 * The usual case: must exit with 0 within 60 s; standard output goes to
 * `out`.  Otherwise PS_EIO with the last line of standard error, or
 * PS_ETIMEOUT.
 */
PS_MUST_USE int ps_process_output(const char *const *argv,
                                  const char *const *env,
                                  const struct ps_cancel *cancel,
                                  struct ps_buf *out, struct ps_error *err);

#endif
