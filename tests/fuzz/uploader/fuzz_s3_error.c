/* Any bytes as the body of an error: texts end, and are fit for a terminal. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "s3_error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\0')
            return;
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            abort();
    }
    abort(); /* no end */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_str body = { .data = (const char *)data, .len = size };
    struct ps_s3_error e;
    bool found = ps_s3_error_parse(body, &e);

    if (found != (e.code[0] != '\0'))
        abort();
    check(e.code, sizeof(e.code));
    check(e.message, sizeof(e.message));
    check(e.request_time, sizeof(e.request_time));
    check(e.server_time, sizeof(e.server_time));
    check(e.region, sizeof(e.region));
    check(e.endpoint, sizeof(e.endpoint));
    return 0;
}
