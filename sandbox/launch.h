/*
 * Start the helper program: three descriptors, no environment, a process
 * group of its own.
 *
 *   0 /dev/null   1,2 output   3 plan   4 result   5 output directory
 *
 * One thread a launch.
 */
#ifndef PKGSYNC_SANDBOX_LAUNCH_H
#define PKGSYNC_SANDBOX_LAUNCH_H

#include <sys/types.h>

#include "pkgsync/error.h"
#include "plan.h"

struct ps_launch {
    int plan;     /* all owned; -1 while closed */
    int out_read; /* does not block */
    int out_write;
    int result_read; /* does not block */
    int result_write;
    pid_t pid; /* of the helper; -1 once reaped */
};

#define PS_LAUNCH_INIT                       \
    ((struct ps_launch){ .plan = -1,         \
                         .out_read = -1,     \
                         .out_write = -1,    \
                         .result_read = -1,  \
                         .result_write = -1, \
                         .pid = -1 })

PS_MUST_USE int ps_launch_start(struct ps_launch *l, const char *helper,
                                const struct ps_plan *plan,
                                struct ps_error *err);

/* Kill the helper unless it has ended, and return its wait status. */
int ps_launch_reap(struct ps_launch *l);

/* Also half-started. */
void ps_launch_release(struct ps_launch *l);

#endif
