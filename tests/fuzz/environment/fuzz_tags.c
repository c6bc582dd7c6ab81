/*
 * A compressed set of tags: each of those that it stands for stands for itself
 * and is found in a list of it alone.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/tags.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_tag(const struct ps_tag *tag)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    const struct ps_tag *again = NULL;
    size_t count = 0;
    const char *text =
        ps_arena_format(&arena, "%.*s-%.*s-%.*s", PS_STR_FMT(tag->python),
                        PS_STR_FMT(tag->abi), PS_STR_FMT(tag->platform));
    const char *const supported[] = { text, NULL };

    if (ps_tags_parse(&arena, ps_str_from(text), &again, &count, &err) < 0 ||
        count != 1 || !ps_tags_match(again, 1, supported) ||
        !ps_tags_match(tag, 1, supported))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_str text = { .data = (const char *)data, .len = size };
    struct ps_error err = PS_ERROR_INIT;
    const struct ps_tag *tags = NULL;
    size_t count = 0;

    if (ps_tags_parse(&arena, text, &tags, &count, &err) < 0)
        return 0;
    if (count == 0)
        abort();
    if (memchr(data, '\0', size))
        return 0; /* the lists are of C strings */
    for (size_t i = 0; i < count && i < 256; i++)
        check_tag(&tags[i]);
    return 0;
}
