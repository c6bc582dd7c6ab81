/* METADATA, PKG-INFO and requires.txt, from anybody. */
#include <stdlib.h>
#include <string.h>

#include "metadata_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const char *const *list)
{
    for (; *list; list++) {
        if (strpbrk(*list, "\r\n"))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_str text = { .data = (const char *)data, .len = size };
    struct ps_metadata whole;
    struct ps_metadata head;
    size_t end = ps_metadata_end(text, 0);

    if (end > size)
        abort();
    ps_metadata_parse(&arena, text, &whole);
    check_list(whole.requires);
    check_list(whole.provides_extra);
    if (whole.name && strpbrk(whole.name, "\r\n"))
        abort();
    /* What follows the blank line changes nothing. */
    ps_metadata_parse(&arena, ps_str_first(text, end), &head);
    if (!whole.name != !head.name ||
        (whole.name && strcmp(whole.name, head.name) != 0))
        abort();
    ps_requires_txt_parse(&arena, text, &whole);
    check_list(whole.requires);
    return 0;
}
