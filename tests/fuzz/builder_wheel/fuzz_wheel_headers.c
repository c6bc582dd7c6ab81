/* METADATA and WHEEL. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wheel_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_str text = { .data = (const char *)data, .len = size };
    struct ps_error err = PS_ERROR_INIT;
    struct ps_wheel_metadata metadata;
    struct ps_wheel_file wheel;

    /* Both become C strings, so none may hold a NUL. */
    if (ps_wheel_metadata_parse(&arena, text, &metadata, &err) == PS_OK &&
        (metadata.name.len == 0 || metadata.version.len == 0 ||
         memchr(metadata.name.data, '\0', metadata.name.len) ||
         memchr(metadata.version.data, '\0', metadata.version.len)))
        abort();
    if (ps_wheel_file_parse(&arena, text, &wheel, &err) == PS_OK &&
        wheel.tags.count == 0)
        abort();
    return 0;
}
