/*
 * A set of specifiers, then versions, one a line: the set's text means the
 * same set; a policy that asks for less admits less; == and != are opposites,
 * and so are > and <= but for what > leaves out.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_version(const struct ps_specifiers *set,
                          const struct ps_specifiers *again,
                          struct ps_str version)
{
    bool yes = ps_specifiers_contain(set, version, PS_PRERELEASES_YES);
    bool no = ps_specifiers_contain(set, version, PS_PRERELEASES_NO);
    bool automatic = ps_specifiers_contain(set, version, PS_PRERELEASES_AUTO);
    bool alone = false;

    if ((no && !automatic) || (automatic && !yes) ||
        yes != ps_specifiers_contain(again, version, PS_PRERELEASES_YES))
        abort();
    ps_specifiers_filter(set, &version, 1, PS_PRERELEASES_AUTO, &alone);
    if (alone != yes)
        abort();
}

static bool admits(struct ps_specifier item, enum ps_specifier_op op,
                   struct ps_str version)
{
    struct ps_specifiers set = { .items = &item, .count = 1 };

    item.op = op;
    return ps_specifiers_contain(&set, version, PS_PRERELEASES_YES);
}

static void check_opposites(struct ps_arena *arena,
                            const struct ps_specifier *s, struct ps_str version)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_version v;

    if (s->op == PS_OP_ARBITRARY ||
        ps_version_parse(arena, version, &v, &err) < 0)
        return;
    if (admits(*s, PS_OP_EQ, version) == admits(*s, PS_OP_NE, version))
        abort();
    if (s->wildcard || s->v.local_count > 0)
        return;
    if ((admits(*s, PS_OP_GT, version) && admits(*s, PS_OP_LE, version)) ||
        (admits(*s, PS_OP_LT, version) && admits(*s, PS_OP_GE, version)) ||
        (admits(*s, PS_OP_EQ, version) && !admits(*s, PS_OP_LE, version)))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_str rest = { .data = (const char *)data, .len = size };
    struct ps_error err = PS_ERROR_INIT;
    struct ps_specifiers set;
    struct ps_specifiers again;
    struct ps_str text;
    bool more = ps_str_cut(&rest, '\n', &text);

    if (memchr(text.len ? text.data : "x", '\0', text.len) ||
        ps_specifiers_parse(&arena, text, &set, &err) < 0)
        return 0;
    text = ps_str_from(ps_specifiers_string(&arena, &set));
    if (ps_specifiers_parse(&arena, text, &again, &err) < 0 ||
        !ps_str_is(text, ps_specifiers_string(&arena, &again)))
        abort();
    while (more) {
        struct ps_str version;

        more = ps_str_cut(&rest, '\n', &version);
        check_version(&set, &again, version);
        for (size_t i = 0; i < set.count; i++)
            check_opposites(&arena, &set.items[i], version);
    }
    return 0;
}
