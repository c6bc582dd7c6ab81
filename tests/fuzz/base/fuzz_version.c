/*
 * Two versions, one a line: what is accepted has a normal form that is its
 * own; the order is the same from both sides, and equal are those whose normal
 * forms are, but for zeros at the end of the release.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/name.h"
#include "pkgsync/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool check_version(struct ps_arena *arena, struct ps_str text,
                          struct ps_version *out)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_version again;
    const char *normal = NULL;
    const char *public = NULL;

    if (ps_version_parse(arena, text, out, &err) < 0) {
        if (!err.text[0])
            abort();
        return false;
    }
    normal = ps_version_string(arena, out);
    public = ps_version_public(arena, out);
    if (ps_version_parse(arena, ps_str_from(normal), &again, &err) < 0 ||
        strcmp(ps_version_string(arena, &again), normal) != 0 ||
        ps_version_compare(out, &again) != 0)
        abort();
    if (strncmp(normal, public, strlen(public)) != 0 ||
        strncmp(public, ps_version_base(arena, out),
                strlen(ps_version_base(arena, out))) != 0)
        abort();
    return true;
}

static void check_order(struct ps_arena *arena, const struct ps_version *a,
                        const struct ps_version *b)
{
    int order = ps_version_compare(a, b);
    int back = ps_version_compare(b, a);
    const char *x = ps_version_canonical(
        arena, ps_str_from(ps_version_string(arena, a)), true);
    const char *y = ps_version_canonical(
        arena, ps_str_from(ps_version_string(arena, b)), true);

    if ((order > 0) != (back < 0) || (order < 0) != (back > 0) ||
        (order == 0) != (strcmp(x, y) == 0))
        abort();
}

static void check_names(struct ps_arena *arena, struct ps_str a,
                        struct ps_str b)
{
    struct ps_str x = ps_str_from(ps_normalize_name(arena, a));
    struct ps_str y = ps_str_from(ps_normalize_name(arena, b));
    bool nul = memchr(a.data, '\0', a.len) || memchr(b.data, '\0', b.len);

    if (x.len > a.len || strpbrk(x.data, "_."))
        abort();
    if (!nul &&
        (!ps_name_equal(a, x) || ps_name_equal(a, b) != ps_str_equal(x, y)))
        abort();
    if (ps_name_is_normal(a) && (!ps_name_is_valid(a) || !ps_str_equal(a, x)))
        abort();
    if (ps_name_is_valid(a) && !ps_name_is_normal(x))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_str rest = { .data = size ? (const char *)data : "",
                           .len = size };
    struct ps_str first;
    struct ps_version a;
    struct ps_version b;

    (void)ps_str_cut(&rest, '\n', &first);
    if (!rest.data)
        rest = PS_STR_LIT("");
    check_names(&arena, first, rest);
    if (check_version(&arena, first, &a) && check_version(&arena, rest, &b))
        check_order(&arena, &a, &b);
    return 0;
}
