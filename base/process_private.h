/* What the files of ps_process_run() share. */
#ifndef PKGSYNC_PROCESS_PRIVATE_H
#define PKGSYNC_PROCESS_PRIVATE_H

#include <sys/types.h>

#include "pkgsync/process.h"

/* The child's standard streams, all above 2; `in` -1: /dev/null. */
struct ps_process_streams {
    int in;
    int out;
    int err;
};

/* Start one that ends with this thread: 0, or an errno.  In a process group
 * of its own, with default signals, as posix_spawn(3) starts the others. */
int ps_process_fork(const struct ps_process_spec *spec,
                    const struct ps_process_streams *streams, pid_t *pid);

#endif
