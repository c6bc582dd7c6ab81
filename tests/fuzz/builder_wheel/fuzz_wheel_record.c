/* RECORD as CSV. */
#include <stdint.h>
#include <stdlib.h>

#include "wheel_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a field says has to fit into the text that it came from. */
static int on_row(const struct ps_wheel_record_row *row, void *user,
                  struct ps_error *err)
{
    size_t *left = user;
    size_t used = row->path.len + row->hash.len + row->size.len;

    (void)err;
    if (used > *left)
        abort();
    *left -= used;
    return PS_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_str text = { .data = (const char *)data, .len = size };
    struct ps_error err = PS_ERROR_INIT;
    size_t left = size;

    if (ps_wheel_record_parse(&arena, text, on_row, &left, &err) < 0 &&
        err.text[0] == '\0')
        abort();
    return 0;
}
