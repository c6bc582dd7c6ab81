/*
 * Progress on standard error: one live line on a terminal, a line a phase
 * elsewhere, nothing when quiet.
 */
#ifndef PKGSYNC_PROGRESS_H
#define PKGSYNC_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "pkgsync/cancel.h"
#include "pkgsync/pipeline.h"

enum progress_mode { PROGRESS_QUIET, PROGRESS_LINES, PROGRESS_LIVE };

struct progress_row {
    char *source; /* as named, without secrets and controls; owned */
    char phase[32];
    uint64_t since_ms; /* boot clock: when the phase began */
    uint64_t done;
    uint64_t total;
    bool active;
};

struct progress {
    enum progress_mode mode;
    bool verbose;
    size_t count;
    size_t finished;
    struct progress_row *rows; /* owned */
    pthread_mutex_t lock;
    pthread_t ticker;      /* PROGRESS_LIVE only */
    struct ps_cancel stop; /* ends the ticker */
};

/* mode QUIET when `quiet`, else by what standard error is. */
PS_MUST_USE int progress_start(struct progress *p, const char *const *sources,
                               size_t count, bool quiet, bool verbose,
                               struct ps_error *err);
void progress_stop(struct progress *p); /* clears the live line */

ps_event_fn progress_event; /* user: struct progress */

#endif
