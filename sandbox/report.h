/*
 * What the helper writes to its result descriptor: one JSON object, the same
 * on both sides of the pipe.
 *
 *   {"outcome": "exit", "exit_status": 0, "term_signal": 0, "wall_ms": 12,
 *    "detail": ""}
 *   {"error": {"code": -16, "os_errno": 0, "text": "..."}}
 */
#ifndef PKGSYNC_SANDBOX_REPORT_H
#define PKGSYNC_SANDBOX_REPORT_H

#include <jansson.h>

#include "pkgsync/error.h"
#include "pkgsync/runner.h"
#include "pkgsync/str.h"

#define PS_REPORT_MAX_BYTES (64u << 10)

/* Caller decrefs. */
json_t *ps_report_result(const struct ps_run_result *result);
json_t *ps_report_error(const struct ps_error *err);

/* The result; or, with its code, the error that the helper reported. */
PS_MUST_USE int ps_report_parse(struct ps_str text,
                                struct ps_run_result *result,
                                struct ps_error *err);

#endif
