/* Requirements: what is accepted is printed so that it reads the same. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/requirement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool holds)
{
    if (!holds)
        abort();
}

/* An error is one line for a terminal. */
static void check_error(const struct ps_error *err)
{
    promise(err->code == PS_EINVALID || err->code == PS_ETOOBIG);
    for (const char *c = err->text; *c; c++)
        promise((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static void check_parts(const struct ps_requirement *r)
{
    promise(r->name.len > 0);
    promise(r->url.len == 0 || r->specifiers.count == 0);
    for (size_t i = 0; i < r->extra_count; i++)
        promise(r->extras[i].len > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_requirement r = { 0 };
    struct ps_requirement again = { 0 };
    char *printed = NULL;

    if (ps_requirement_parse(&arena,
                             (struct ps_str){ (const char *)data, size }, &r,
                             &err) < 0) {
        check_error(&err);
        return 0;
    }
    check_parts(&r);
    printed = ps_requirement_string(&arena, &r);
    promise(!strpbrk(printed, "\r\n"));
    promise(ps_requirement_parse(&arena, ps_str_from(printed), &again, &err) ==
            PS_OK);
    promise(ps_str_equal(r.name, again.name));
    promise(r.extra_count == again.extra_count);
    promise(ps_str_equal(r.url, again.url));
    promise(!r.marker == !again.marker);
    promise(strcmp(printed, ps_requirement_string(&arena, &again)) == 0);
    return 0;
}
