/*
 * The engine: one thread with a libuv loop that drives libcurl's multi
 * interface, so that all transfers share connections.
 *
 * At most PS_ENGINE_WIDTH exchanges run at once; a server that asks to slow
 * down (429, 503) halves that, every success gives one back.  The functions
 * may be called from any thread.
 */
#ifndef PKGSYNC_UPLOADER_ENGINE_H
#define PKGSYNC_UPLOADER_ENGINE_H

#include "exchange.h"
#include "pkgsync/error.h"

#define PS_ENGINE_WIDTH 64

struct ps_engine;

PS_MUST_USE int ps_engine_new(struct ps_engine **out, struct ps_error *err);
void ps_engine_free(struct ps_engine *e); /* ends what runs; joins */

/* x->done_fd becomes readable exactly once, when the outcome is there. */
void ps_engine_submit(struct ps_engine *e, struct ps_exchange *x);

/* End it at once with PS_ECANCELED in x->failure; done_fd still tells. */
void ps_engine_cancel(struct ps_engine *e, struct ps_exchange *x);

#endif
