/* File names and tags: whatever is accepted obeys its own rules. */
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
    struct ps_wheel_tags tags = { 0 };
    struct ps_wheel_name name;

    if (ps_wheel_tags_add(&arena, &tags, text, &err) == PS_OK)
        ps_wheel_tags_sort(&tags);
    if (ps_wheel_name_parse(text, &name, &err) < 0)
        return 0;
    if (memchr(data, '/', size) || memchr(data, '\0', size) ||
        name.name.len == 0 || name.version.len == 0 || name.platform.len == 0)
        abort();
    return 0;
}
