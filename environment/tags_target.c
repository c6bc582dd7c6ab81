/*
 * The tags of a target, in packaging's order:
 *
 *   CPython  its ABIs, the stable ABI, none; the stable ABI of older ones
 *   others   their ABI, none
 *   all      any Python of the same major version: on the platforms, then on
 *            any
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/util.h"
#include "tags_private.h"

struct making {
    struct ps_arena *arena;
    const struct ps_tag_target *target;
    unsigned major, minor;
    struct ps_texts platforms;
    struct ps_texts tags;
};

static void release_texts(struct ps_texts *list)
{
    free(list->items);
}

static void release_making(struct making *m)
{
    release_texts(&m->platforms);
    release_texts(&m->tags);
}

static void add(struct making *m, const char *python, const char *abi,
                const char *platform)
{
    ps_texts_add(&m->tags,
                 ps_arena_format(m->arena, "%s-%s-%s", python, abi, platform));
}

static void add_on_platforms(struct making *m, const char *python,
                             const char *abi)
{
    for (size_t i = 0; i < m->platforms.count; i++)
        add(m, python, abi, m->platforms.items[i]);
}

static const char *versioned(struct making *m, const char *name, unsigned minor)
{
    return ps_arena_format(m->arena, "%s%u%u", name, m->major, minor);
}

/* "cpython-311-x86_64-linux-gnu" is cp311, "pypy39-pp73-..." pypy39_pp73; what
 * is an ABI already stays. */
static const char *abi_of(struct ps_arena *arena, const char *text)
{
    static const struct {
        const char *prefix;
        size_t parts;
    } rows[] = { { "pypy", 2 }, { "graalpy", 3 } };
    struct ps_str rest = ps_str_from(text);
    struct ps_str part;
    size_t keep = 1;
    size_t len = 0;
    char *abi = NULL;

    if (ps_str_starts(rest, "cpython-")) {
        (void)ps_str_cut(&rest, '-', &part);
        (void)ps_str_cut(&rest, '-', &part);
        return ps_arena_format(arena, "cp%.*s", PS_STR_FMT(part));
    }
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++)
        if (ps_str_starts(rest, rows[i].prefix))
            keep = rows[i].parts;
    while (text[len] && (text[len] != '-' || --keep > 0))
        len++;
    abi = ps_arena_dup(arena, (struct ps_str){ .data = text, .len = len });
    for (char *p = abi; *p; p++)
        if (*p == '-' || *p == '.' || *p == ' ')
            *p = '_';
    return abi;
}

/* What follows the digits of "cp313td". */
static const char *flags_of(const char *abi)
{
    if (strncmp(abi, "cp", 2) != 0 || !isdigit((unsigned char)abi[2]))
        return "";
    return abi + 2 + strspn(abi + 2, "0123456789");
}

static void add_cpython(struct making *m)
{
    const char *given = m->target->abi;
    const char *python = versioned(m, "cp", m->minor);
    bool old = m->major < 3 || (m->major == 3 && m->minor < 8);
    const char *abi =
        given ? abi_of(m->arena, given)
              : ps_arena_format(m->arena, "%s%s", python, old ? "m" : "");
    bool threading = strchr(flags_of(abi), 't') != NULL;
    const char *stable = threading ? "abi3t" : "abi3";

    add_on_platforms(m, python, abi);
    /* A debug build loads ordinary modules too. */
    if (!old && strchr(flags_of(abi), 'd'))
        add_on_platforms(
            m, python,
            ps_arena_format(m->arena, "%s%s", python, threading ? "t" : ""));
    if (m->major < 3 || (m->major == 3 && m->minor < 2)) {
        add_on_platforms(m, python, "none");
        return;
    }
    add_on_platforms(m, python, stable);
    add_on_platforms(m, python, "none");
    for (unsigned minor = m->minor; minor-- > 2;)
        add_on_platforms(m, versioned(m, "cp", minor), stable);
}

/* The abbreviation that tags begin with, else the name itself. */
static const char *short_name(const char *implementation)
{
    static const char *const names[][2] = {
        { "python", "py" },     { "cpython", "cp" }, { "pypy", "pp" },
        { "ironpython", "ip" }, { "jython", "jy" },
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++)
        if (strcmp(implementation, names[i][0]) == 0)
            return names[i][1];
    return implementation;
}

static void add_generic(struct making *m, const char *name)
{
    const char *python = versioned(m, name, m->minor);
    const char *abi =
        m->target->abi ? abi_of(m->arena, m->target->abi) : "none";

    add_on_platforms(m, python, abi);
    if (strcmp(abi, "none") != 0)
        add_on_platforms(m, python, "none");
}

/* The same version, the major one alone, then all before it. */
static const char *const *compatible_pythons(struct making *m)
{
    const char **list =
        ps_arena_alloc(m->arena, (size_t)m->minor + 3, sizeof(*list));
    size_t n = 0;

    list[n++] = versioned(m, "py", m->minor);
    list[n++] = ps_arena_format(m->arena, "py%u", m->major);
    for (unsigned minor = m->minor; minor-- > 0;)
        list[n++] = versioned(m, "py", minor);
    return list;
}

const char *const *ps_tags_of(struct ps_arena *arena,
                              const struct ps_tag_target *target)
{
    PS_CLEANUP(release_making)
    struct making m = { .arena = arena,
                        .target = target,
                        .major = target->major,
                        .minor = PS_MIN(target->minor, PS_TAG_VERSION_MAX) };
    const char *name = short_name(target->implementation);
    const char *const *pythons = compatible_pythons(&m);
    const char **out = NULL;

    ps_tag_platforms(arena, target, &m.platforms);
    if (strcmp(name, "cp") == 0)
        add_cpython(&m);
    else
        add_generic(&m, name);
    for (size_t i = 0; pythons[i]; i++)
        add_on_platforms(&m, pythons[i], "none");
    if (strcmp(name, "cp") == 0)
        add(&m, versioned(&m, "cp", m.minor), "none", "any");
    else if (strcmp(name, "pp") == 0)
        add(&m, "pp3", "none", "any");
    for (size_t i = 0; pythons[i]; i++)
        add(&m, pythons[i], "none", "any");

    out = ps_arena_alloc(arena, m.tags.count + 1, sizeof(*out));
    memcpy(out, m.tags.items, m.tags.count * sizeof(*out));
    return out;
}
