#include "pkgsync/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "pkgsync/buf.h"
#include "pkgsync/cleanup.h"

#define LINE_MAX_BYTES ((size_t)64 * 1024)

static atomic_int log_level = PS_LOG_WARN;

void ps_log_set_level(enum ps_log_level level)
{
    atomic_store(&log_level, (int)level);
}

/* A value may hold what somebody else wrote: no line breaks, no escapes. */
static void add_printable(struct ps_buf *line, const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;

        if (c < 0x20 || c == 0x7f)
            ps_buf_addf(line, "\\x%02x", c);
        else
            ps_buf_addc(line, *p);
    }
}

static void write_line(const char *level, const char *event, const char *fmt,
                       va_list ap) PS_PRINTF(3, 0);

static void write_line(const char *level, const char *event, const char *fmt,
                       va_list ap)
{
    PS_AUTO_BUF struct ps_buf line = PS_BUF_INIT(LINE_MAX_BYTES);
    PS_AUTO_FREE char *values = NULL;
    int len = vasprintf(&values, fmt, ap);

    if (len < 0)
        values = NULL; /* vasprintf() leaves it undefined */
    ps_buf_addf(&line, "%s %s%s", level, event, len > 0 ? " " : "");
    if (len > 0)
        add_printable(&line, values);
    /* One call, so that lines of several threads do not mix. */
    (void)fprintf(stderr, "%s\n", ps_buf_z(&line));
}

void ps_log(enum ps_log_level level, const char *event, const char *fmt, ...)
{
    static const char *const names[] = { "error", "warn", "info", "debug" };
    va_list ap;

    if ((int)level > atomic_load(&log_level))
        return;
    va_start(ap, fmt);
    write_line(names[level], event, fmt, ap);
    va_end(ap);
}
