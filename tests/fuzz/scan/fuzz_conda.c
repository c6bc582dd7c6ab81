/* Records of conda-meta, from anybody. */
#include <stdlib.h>
#include <string.h>

#include "conda_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_str text = { .data = (const char *)data, .len = size };
    struct ps_error err = PS_ERROR_INIT;
    struct ps_conda_record r;

    if (ps_conda_record_parse(&arena, text, &r, &err) < 0) {
        if (err.code == PS_OK || err.text[0] == '\0')
            abort();
        return 0;
    }
    if (!r.conda.name || !r.conda.version)
        abort();
    for (const char *const *a = r.anchors; *a; a++) {
        if (strchr(*a, '/'))
            abort();
    }
    return 0;
}
