/* File names, tags, versions: whatever is accepted obeys its own rules. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wheel_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The normal form of a version has to be its own normal form. */
static void check_version(struct ps_arena *arena, struct ps_str text)
{
    struct ps_error err = PS_ERROR_INIT;
    char *once = NULL;
    char *twice = NULL;

    if (ps_version_normalize(arena, text, &once, &err) < 0)
        return;
    if (ps_version_normalize(arena, ps_str_from(once), &twice, &err) < 0 ||
        strcmp(once, twice) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_str text = { .data = (const char *)data, .len = size };
    struct ps_error err = PS_ERROR_INIT;
    struct ps_wheel_tags tags = { 0 };
    struct ps_wheel_name name;
    char *normal = NULL;

    check_version(&arena, text);
    normal = ps_normalize_name(&arena, text);
    if (strlen(normal) > size || strpbrk(normal, "_."))
        abort();
    if (ps_wheel_tags_add(&arena, &tags, text, &err) == PS_OK)
        ps_wheel_tags_sort(&tags);
    if (ps_wheel_name_parse(text, &name, &err) < 0)
        return 0;
    if (memchr(data, '/', size) || memchr(data, '\0', size) ||
        name.name.len == 0 || name.version.len == 0 || name.platform.len == 0)
        abort();
    check_version(&arena, name.version);
    return 0;
}
