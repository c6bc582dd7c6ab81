/*
 * Credentials of the role that a container or a virtual machine has, asked of
 * a service on its own link.  Plain HTTP, no proxy, no redirect, one try with
 * a short limit.  Blocking; any thread.
 */
#ifndef PKGSYNC_UPLOADER_AWS_METADATA_H
#define PKGSYNC_UPLOADER_AWS_METADATA_H

#include <stdbool.h>

#include "pkgsync/cancel.h"
#include "pkgsync/error.h"
#include "pkgsync/sigv4.h"

/*
 * AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI.  *found stays false
 * when neither is set; PS_EAUTH when the service does not answer as it should.
 */
PS_MUST_USE int ps_aws_container_find(const struct ps_cancel *cancel,
                                      struct ps_aws_credentials *out,
                                      bool *found, struct ps_error *err);

/*
 * The instance metadata service, version 2, unless AWS_EC2_METADATA_DISABLED
 * is "true".  *found stays false when there is no such service, or no role.
 */
PS_MUST_USE int ps_aws_instance_find(const struct ps_cancel *cancel,
                                     struct ps_aws_credentials *out,
                                     bool *found, struct ps_error *err);

#endif
