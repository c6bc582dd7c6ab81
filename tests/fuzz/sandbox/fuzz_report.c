/* What the helper says is believed only if it is one of our outcomes. */
#include <stdint.h>
#include <stdlib.h>

#include "report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_str in = { .data = (const char *)data, .len = size };
    struct ps_error err = PS_ERROR_INIT;
    struct ps_run_result result = { .detail = "" };

    if (ps_report_parse(in, &result, &err) == PS_OK) {
        if ((int)result.outcome < 0 || result.outcome > PS_RUN_OUTPUT)
            abort();
    } else if (err.code >= 0) {
        abort();
    }
    return 0;
}
