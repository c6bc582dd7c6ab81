/*
 * The platform tags of a target, best first: plain linux, manylinux (PEP 600
 * with the names of PEP 513, 571 and 599), musllinux (PEP 656), macOS.
 */
#include <string.h>

#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "tags_private.h"

void ps_texts_add(struct ps_texts *list, const char *text)
{
    if (list->count == list->cap) {
        list->cap = list->cap ? 2 * list->cap : 64;
        list->items = ps_realloc(list->items, list->cap, sizeof(*list->items));
    }
    list->items[list->count++] = text;
}

static bool is_one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(text, *list) == 0)
            return true;
    return false;
}

/* --- Linux -------------------------------------------------------------- */

static void add_glibc(struct ps_arena *arena, const char *arch, unsigned major,
                      unsigned minor, struct ps_texts *out)
{
    const char *legacy = NULL;

    ps_texts_add(
        out, ps_arena_format(arena, "manylinux_%u_%u_%s", major, minor, arch));
    if (major == 2 && minor == 17)
        legacy = "manylinux2014";
    else if (major == 2 && minor == 12)
        legacy = "manylinux2010";
    else if (major == 2 && minor == 5)
        legacy = "manylinux1";
    if (legacy)
        ps_texts_add(out, ps_arena_format(arena, "%s_%s", legacy, arch));
}

/*
 * All versions of glibc down to the oldest that there is a manylinux for.
 * What the last minor version of an older major one was is not known while
 * there is no glibc 3: packaging takes 50.
 */
static void add_manylinux(struct ps_arena *arena, const char *arch, bool x86,
                          const struct ps_tag_target *t, struct ps_texts *out)
{
    unsigned minor = PS_MIN(t->libc_minor, PS_TAG_VERSION_MAX);

    for (unsigned major = PS_MIN(t->libc_major, PS_TAG_VERSION_MAX); major >= 2;
         major--) {
        unsigned oldest = 0;

        if (major == 2)
            oldest = x86 ? 5 : 17;
        for (unsigned m = minor + 1; m-- > oldest;)
            add_glibc(arena, arch, major, m, out);
        minor = 50;
    }
}

static void add_musllinux(struct ps_arena *arena, const char *arch,
                          const struct ps_tag_target *t, struct ps_texts *out)
{
    unsigned minor = PS_MIN(t->libc_minor, PS_TAG_VERSION_MAX);

    for (unsigned m = minor + 1; m-- > 0;)
        ps_texts_add(out, ps_arena_format(arena, "musllinux_%u_%u_%s",
                                          t->libc_major, m, arch));
}

static void add_linux(struct ps_arena *arena, const struct ps_tag_target *t,
                      struct ps_texts *out)
{
    static const char *const with_manylinux[] = {
        "x86_64",      "i686",    "aarch64", "ppc64",  "ppc64le", "s390x",
        "loongarch64", "riscv64", "armv7l",  "armv8l", NULL,
    };
    static const char *const x86[] = { "x86_64", "i686", NULL };
    const char *arch = t->arch;
    const char *archs[] = { arch, NULL };
    size_t count = 1;

    /* 32 bits on a 64-bit processor runs what was built for the older one. */
    if (strcmp(arch, "armv8l") == 0)
        archs[count++] = "armv7l";
    for (size_t i = 0; i < count; i++)
        ps_texts_add(out, ps_arena_format(arena, "linux_%s", archs[i]));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(t->libc, "musl") == 0)
            add_musllinux(arena, archs[i], t, out);
        else if (strcmp(t->libc, "glibc") == 0 &&
                 is_one_of(arch, with_manylinux))
            add_manylinux(arena, archs[i], is_one_of(arch, x86), t, out);
    }
}

/* --- macOS -------------------------------------------------------------- */

/* Which binary formats of that macOS the processor runs; the formats of a row
 * stand in the order of preference. */
static const struct mac_format {
    const char *arch;
    unsigned first, last; /* the minor version of macOS 10; 0, 99: all */
    const char *formats[6];
} mac_formats[] = {
    { "x86_64",
      4,
      99,
      { "x86_64", "intel", "fat64", "fat3", "universal2", "universal" } },
    { "i386", 4, 99, { "i386", "intel", "fat3", "fat", "universal" } },
    { "arm64", 0, 99, { "arm64", "universal2" } },
    { "intel", 0, 99, { "intel", "universal" } },
    { "ppc64", 4, 5, { "ppc64", "fat64", "universal" } },
    { "ppc", 0, 6, { "ppc", "fat3", "fat", "universal" } },
};

static void add_mac(struct ps_arena *arena, unsigned major, unsigned minor,
                    const char *format, struct ps_texts *out)
{
    ps_texts_add(
        out, ps_arena_format(arena, "macosx_%u_%u_%s", major, minor, format));
}

static void add_mac_formats(struct ps_arena *arena, unsigned major,
                            unsigned minor, const char *arch,
                            struct ps_texts *out)
{
    /* 10 and its minor versions, as one number that grows. */
    unsigned age = major > 10 ? 99 : minor;

    for (size_t i = 0; i < PS_ARRAY_SIZE(mac_formats); i++) {
        const struct mac_format *row = &mac_formats[i];

        if (strcmp(row->arch, arch) != 0)
            continue;
        for (size_t f = 0; f < PS_ARRAY_SIZE(row->formats) && row->formats[f] &&
                           age >= row->first && age <= row->last;
             f++)
            add_mac(arena, major, minor, row->formats[f], out);
        return;
    }
    add_mac(arena, major, minor, arch, out);
}

/*
 * Up to 10.x the minor version counts the years, from 11 on the major one.
 * Binaries for both processors may claim a macOS from before the newer one.
 */
static void add_macos(struct ps_arena *arena, const struct ps_tag_target *t,
                      struct ps_texts *out)
{
    unsigned major = PS_MIN(t->libc_major, PS_TAG_VERSION_MAX);

    if (major < 10)
        return;
    if (major == 10) {
        unsigned minor = PS_MIN(t->libc_minor, PS_TAG_VERSION_MAX);

        for (unsigned m = minor + 1; m-- > 0;)
            add_mac_formats(arena, 10, m, t->arch, out);
        return;
    }
    for (; major > 10; major--)
        add_mac_formats(arena, major, 0, t->arch, out);
    for (unsigned m = 16; m > 3; m--) {
        if (strcmp(t->arch, "x86_64") == 0)
            add_mac_formats(arena, 10, m, t->arch, out);
        else
            add_mac(arena, 10, m, "universal2", out);
    }
}

/* "win-amd64" is written win_amd64. */
static void add_other(struct ps_arena *arena, const struct ps_tag_target *t,
                      struct ps_texts *out)
{
    char *platform = ps_arena_strdup(arena, t->arch);

    for (char *p = platform; *p; p++)
        if (*p == '.' || *p == '-' || *p == ' ')
            *p = '_';
    ps_texts_add(out, platform);
}

void ps_tag_platforms(struct ps_arena *arena,
                      const struct ps_tag_target *target, struct ps_texts *out)
{
    if (!target->libc)
        add_other(arena, target, out);
    else if (strcmp(target->libc, "macos") == 0)
        add_macos(arena, target, out);
    else
        add_linux(arena, target, out);
}
