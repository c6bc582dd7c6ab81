/*
 * The JSON in which credentials are handed out.  Errors never quote it.
 * Pure; any thread.
 */
#ifndef PKGSYNC_UPLOADER_AWS_ANSWER_H
#define PKGSYNC_UPLOADER_AWS_ANSWER_H

#include "pkgsync/error.h"
#include "pkgsync/sigv4.h"
#include "pkgsync/str.h"

/* What a credential_process has printed.  PS_EAUTH; origin stays unset. */
PS_MUST_USE int ps_aws_process_parse(struct ps_str json,
                                     struct ps_aws_credentials *out,
                                     struct ps_error *err);

/* What a container's or an instance's metadata service answers. */
PS_MUST_USE int ps_aws_role_parse(struct ps_str json,
                                  struct ps_aws_credentials *out,
                                  struct ps_error *err);

/* "2026-01-31T12:00:00Z", with a fraction or an offset if need be. */
PS_MUST_USE int ps_aws_time_parse(const char *text, int64_t *unix_s,
                                  struct ps_error *err);

#endif
