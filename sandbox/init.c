/*
 * PID 1 of the sandbox: shows nothing of itself, reaps, reports how the
 * command ended, and ends.  With it the kernel ends every process that is
 * left, daemons included.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "job.h"
#include "pkgsync/str.h"
#include "sys.h"

static void report_status(int status)
{
    struct ps_report report = {
        .kind = PS_REPORT_STATUS,
        .wait_status = status,
    };

    (void)!write(PS_INIT_REPORT_FD, &report, sizeof(report));
}

int ps_init_main(const char *main_pid)
{
    struct ps_error err = PS_ERROR_INIT;
    uint64_t wanted = 0;

    if (prctl(PR_SET_DUMPABLE, 0) < 0 ||
        ps_str_to_u64(ps_str_from(main_pid), INT32_MAX, &wanted, &err) < 0 ||
        ps_sys_die_with_parent(PS_INIT_ALIVE_FD, &err) < 0)
        return 125;
    /* The output pipe is the command's alone. */
    (void)close(0);
    (void)close(1);
    (void)close(2);
    (void)close(PS_INIT_READY_FD);
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, 0);

        if (pid < 0 && errno == EINTR)
            continue;
        if (pid < 0)
            return 125;
        if (pid == (pid_t)wanted) {
            report_status(status);
            return 0;
        }
    }
}
