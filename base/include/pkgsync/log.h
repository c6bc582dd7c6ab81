/*
 * Logging, for programs only: libraries return errors and report progress.
 * One line an event: a constant name and key=value pairs.  Any thread.
 */
#ifndef PKGSYNC_LOG_H
#define PKGSYNC_LOG_H

#include "pkgsync/error.h"

enum ps_log_level { PS_LOG_ERROR, PS_LOG_WARN, PS_LOG_INFO, PS_LOG_DEBUG };

void ps_log_set_level(enum ps_log_level level); /* default: warn */

/*
 * "level event key=value ..." on standard error.  Control characters in the
 * values are written as \xNN; a line is cut at 64 KiB.
 */
void ps_log(enum ps_log_level level, const char *event, const char *fmt, ...)
    PS_PRINTF(3, 4);

#endif
