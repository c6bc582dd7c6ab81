#include "pkgsync/runner.h"

const char *ps_run_outcome_name(enum ps_run_outcome outcome)
{
    static const char *const names[] = {
        [PS_RUN_EXIT] = "exit",       [PS_RUN_SIGNAL] = "signal",
        [PS_RUN_TIMEOUT] = "timeout", [PS_RUN_OOM] = "oom",
        [PS_RUN_PIDS] = "pids",       [PS_RUN_DISK] = "disk",
        [PS_RUN_OUTPUT] = "output",
    };

    return names[outcome];
}
