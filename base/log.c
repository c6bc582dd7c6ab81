#include "pkgsync/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "pkgsync/cleanup.h"

static atomic_int log_level = PS_LOG_WARN;

void ps_log_set_level(enum ps_log_level level)
{
    atomic_store(&log_level, (int)level);
}

void ps_log(enum ps_log_level level, const char *event, const char *fmt, ...)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };
    PS_AUTO_FREE char *text = NULL;
    va_list ap;
    int len = 0;

    if ((int)level > atomic_load(&log_level))
        return;
    va_start(ap, fmt);
    len = vasprintf(&text, fmt, ap);
    va_end(ap);
    /* One call, so that lines of several threads do not mix. */
    (void)fprintf(stderr, "%s %s %s\n", names[level], event,
                  len < 0 ? "" : text);
}
