/*
 * The shared AWS files: "[section]", "key = value", '#' and ';' comments.
 * Indented lines belong to the setting above them and are passed over; of a
 * setting that is there twice the last one counts.  Pure; any thread.
 */
#ifndef PKGSYNC_UPLOADER_AWS_INI_H
#define PKGSYNC_UPLOADER_AWS_INI_H

#include <stdbool.h>

#include "pkgsync/str.h"

/*
 * The config file's section of a profile is "[profile NAME]", but for
 * "[default]"; the credentials file's is "[NAME]".
 */
enum ps_aws_file { PS_AWS_CREDENTIALS_FILE, PS_AWS_CONFIG_FILE };

struct ps_aws_ini {
    enum ps_aws_file kind;
    struct ps_str text; /* of the whole file; borrowed */
};

bool ps_aws_ini_has_profile(const struct ps_aws_ini *ini, const char *profile);

/* *value is a view of the text, trimmed.  An empty value counts as absent. */
bool ps_aws_ini_get(const struct ps_aws_ini *ini, const char *profile,
                    const char *key, struct ps_str *value);

#endif
