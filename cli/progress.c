#include "progress.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli.h"
#include "pkgsync/buf.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/clock.h"
#include "pkgsync/mem.h"
#include "pkgsync/str.h"
#include "pkgsync/util.h"

#define TICK_MS 200
#define CLEAR_LINE "\r\033[K"

static size_t terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
        return size.ws_col;
    return 80;
}

static void add_row(struct ps_buf *line, const struct progress_row *r)
{
    uint64_t s = (ps_boot_ms() - r->since_ms) / 1000;
    const char *slash = strrchr(r->source, '/');

    ps_buf_addf(line, "  %s: %s", slash && slash[1] ? slash + 1 : r->source,
                r->phase);
    if (r->total > 0)
        ps_buf_addf(line, " %llu%%",
                    (unsigned long long)(r->done * 100 / r->total));
    else if (s > 0)
        ps_buf_addf(line, " %llu s", (unsigned long long)s);
}

/* Under the lock. */
static void draw(const struct progress *p)
{
    PS_AUTO_BUF struct ps_buf line = PS_BUF_INIT(4096);
    size_t shown = 0;

    ps_buf_addf(&line, "[%zu/%zu]", p->finished, p->count);
    for (size_t i = 0; i < p->count && shown < 3; i++) {
        if (p->rows[i].active) {
            add_row(&line, &p->rows[i]);
            shown++;
        }
    }
    (void)fprintf(stderr, CLEAR_LINE "%.*s",
                  (int)PS_MIN(terminal_width() - 1, line.len), line.data);
}

static void *ticker_main(void *user)
{
    struct progress *p = user;
    struct pollfd stop = { .fd = p->stop.fd, .events = POLLIN };

    while (poll(&stop, 1, TICK_MS) <= 0 || !ps_cancel_is_fired(&p->stop)) {
        (void)pthread_mutex_lock(&p->lock);
        draw(p);
        (void)pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

/* A terminal that cannot go back to the start of its line. */
static bool is_dumb(void)
{
    const char *term = getenv("TERM");

    return term && strcmp(term, "dumb") == 0;
}

/* Sources are foreign: fit for a terminal; caller frees. */
static char *shown(const char *source)
{
    char *text = ps_url_redact(source);

    cli_make_clean(text);
    return text;
}

int progress_start(struct progress *p, const char *const *sources, size_t count,
                   bool quiet, bool verbose, struct ps_error *err)
{
    int rc = ps_cancel_init(&p->stop, err);

    if (rc < 0)
        return rc;
    p->mode = PROGRESS_LINES;
    if (quiet)
        p->mode = PROGRESS_QUIET;
    else if (isatty(STDERR_FILENO) && !verbose && !is_dumb())
        p->mode = PROGRESS_LIVE;
    p->verbose = verbose;
    p->count = count;
    p->finished = 0;
    p->rows = ps_calloc(count, sizeof(*p->rows));
    for (size_t i = 0; i < count; i++)
        p->rows[i].source = shown(sources[i]);
    (void)pthread_mutex_init(&p->lock, NULL);
    if (p->mode == PROGRESS_LIVE &&
        pthread_create(&p->ticker, NULL, ticker_main, p) != 0)
        p->mode = PROGRESS_LINES;
    return PS_OK;
}

void progress_stop(struct progress *p)
{
    ps_cancel_fire(&p->stop, PS_ECANCELED);
    if (p->mode == PROGRESS_LIVE) {
        (void)pthread_join(p->ticker, NULL);
        (void)fputs(CLEAR_LINE, stderr);
    }
    (void)pthread_mutex_destroy(&p->lock);
    ps_cancel_release(&p->stop);
    for (size_t i = 0; i < p->count; i++)
        free(p->rows[i].source);
    free(p->rows);
    p->rows = NULL;
}

/* What a project prints goes to standard error, made harmless. */
static void print_log(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)data[i];

        if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f))
            (void)fputc(c, stderr);
    }
}

/* A line of its own, where lines are wanted. */
static void print_line(const struct progress *p, const char *source,
                       const char *what)
{
    PS_AUTO_FREE char *clean = NULL;

    if (p->mode != PROGRESS_LINES)
        return;
    clean = shown(source);
    (void)fprintf(stderr, "%s: %s\n", clean, what);
}

static void set_phase(struct progress *p, struct progress_row *r,
                      const char *source, const char *phase)
{
    if (strcmp(r->phase, phase) == 0)
        return;
    (void)snprintf(r->phase, sizeof(r->phase), "%s", phase);
    cli_make_clean(r->phase);
    r->since_ms = ps_boot_ms();
    r->done = 0;
    r->total = 0;
    print_line(p, source, r->phase);
}

void progress_event(const struct ps_event *e, void *user)
{
    struct progress *p = user;
    struct progress_row *r = &p->rows[e->index];

    (void)pthread_mutex_lock(&p->lock);
    switch (e->kind) {
    case PS_EVENT_PHASE:
        r->active = true;
        set_phase(p, r, e->source, e->phase);
        break;
    case PS_EVENT_PROGRESS:
        r->done = e->done;
        r->total = e->total;
        break;
    case PS_EVENT_WAIT:
        set_phase(p, r, e->source, "waits for another process");
        break;
    case PS_EVENT_LOG:
        if (p->verbose)
            print_log(e->data, e->len);
        break;
    case PS_EVENT_DONE:
        r->active = false;
        p->finished++;
        print_line(p, e->source, ps_wheel_status_name(e->result->status));
        break;
    }
    (void)pthread_mutex_unlock(&p->lock);
}
