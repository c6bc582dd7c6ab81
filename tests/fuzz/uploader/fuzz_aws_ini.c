/* Any bytes as a shared AWS file: a value is a trimmed part of the text. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "aws_ini.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct ps_aws_ini *ini, const char *key)
{
    struct ps_str v = { .data = NULL };

    if (!ps_aws_ini_get(ini, "p", key, &v))
        return;
    if (!ps_aws_ini_has_profile(ini, "p") || v.len == 0 ||
        v.data < ini->text.data ||
        v.data + v.len > ini->text.data + ini->text.len ||
        ps_str_trim(v).len != v.len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_aws_ini ini = {
        .text = { .data = (const char *)data, .len = size },
    };

    ini.kind = PS_AWS_CREDENTIALS_FILE;
    check(&ini, "region");
    ini.kind = PS_AWS_CONFIG_FILE;
    check(&ini, "region");
    return 0;
}
