/*
 * Where S3 credentials and settings come from, in this order: environment,
 * shared credentials file, credential_process, config file, the role of the
 * container, that of the instance.  Blocking; any thread.
 */
#ifndef PKGSYNC_UPLOADER_CREDENTIALS_H
#define PKGSYNC_UPLOADER_CREDENTIALS_H

#include "pkgsync/cancel.h"
#include "pkgsync/error.h"
#include "pkgsync/sigv4.h"
#include "pkgsync/str.h"

/*
 * profile: the one asked for by the person, which goes before the
 * environment's keys; NULL: AWS_PROFILE, else "default", after those.
 * PS_EAUTH naming the places that were looked at.
 */
PS_MUST_USE int ps_aws_credentials_find(const char *profile,
                                        const struct ps_cancel *cancel,
                                        struct ps_aws_credentials *out,
                                        struct ps_error *err);

/* A profile's setting such as "region"; *value NULL when there is none. */
PS_MUST_USE int ps_aws_setting(const char *profile, const char *key,
                               char **value, struct ps_error *err);

#endif
