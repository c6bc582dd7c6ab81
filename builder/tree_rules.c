#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/mem.h"
#include "pkgsync/str.h"
#include "pkgsync/util.h"
#include "tree_private.h"

/* Left out wherever they are, whatever they are: also as a link to another
 * disk, which would be refused otherwise. */
static const char *const always_out[] = {
    "__pycache__",   ".tox",        ".nox",        ".mypy_cache",
    ".pytest_cache", ".ruff_cache", ".hypothesis", ".ipynb_checkpoints",
    "node_modules",
};

/*
 * A pattern as people write it: "build/" means the directory, "/build" and
 * "./build" the one at the root.  Caller frees.
 */
static char *pattern_text(const char *pattern, bool *anchored)
{
    struct ps_str s = ps_str_from(pattern);

    while (ps_str_ends(s, "/"))
        s = ps_str_first(s, s.len - 1);
    *anchored = memchr(s.data, '/', s.len) != NULL;
    if (ps_str_starts(s, "./"))
        s = ps_str_skip(s, 2);
    while (ps_str_starts(s, "/"))
        s = ps_str_skip(s, 1);
    return ps_str_dup(s);
}

static bool matches_any(const char *const *patterns,
                        const struct ps_tree_item *item)
{
    for (size_t i = 0; patterns && patterns[i]; i++) {
        bool anchored = false;
        PS_AUTO_FREE char *text = pattern_text(patterns[i], &anchored);

        if (fnmatch(text, anchored ? item->path : item->name, FNM_PATHNAME) ==
            0)
            return true;
    }
    return false;
}

/* A directory called build is one of results, unless it is a package. */
static bool is_package(const struct ps_tree_item *item)
{
    PS_AUTO_FREE char *init = ps_format("%s/__init__.py", item->name);

    return faccessat(item->dir, init, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_build_result(const struct ps_tree_item *item)
{
    struct ps_str name = ps_str_from(item->name);

    if (!item->beside_project && !item->in_project_src)
        return false;
    if (ps_str_ends(name, ".egg-info"))
        return true;
    return item->beside_project && item->kind != PS_TREE_FILE &&
           (ps_str_is(name, "build") || ps_str_is(name, "dist")) &&
           !is_package(item);
}

bool ps_tree_is_included(const struct ps_tree_options *options,
                         const struct ps_tree_item *item)
{
    return matches_any(options->include, item);
}

bool ps_tree_belongs(const struct ps_tree_options *options,
                     const struct ps_tree_item *item)
{
    if (ps_tree_is_included(options, item))
        return true;
    if (item->only_included || matches_any(options->exclude, item))
        return false;
    for (size_t i = 0; i < PS_ARRAY_SIZE(always_out); i++) {
        if (strcmp(item->name, always_out[i]) == 0)
            return false;
    }
    if (item->kind != PS_TREE_DIR &&
        ps_str_ends(ps_str_from(item->name), ".pyc"))
        return false;
    return !is_build_result(item);
}

/* Do the parts of `path` match the first parts of `pattern`, with at least
 * one part of the pattern left over? */
static bool is_above(const char *path, const char *pattern)
{
    struct ps_str parts = ps_str_from(path);
    struct ps_str wanted = ps_str_from(pattern);
    bool more = true;

    while (more) {
        struct ps_str part;
        struct ps_str want;
        bool left = false;
        bool fits = false;

        more = ps_str_cut(&parts, '/', &part);
        left = ps_str_cut(&wanted, '/', &want);
        if (!left)
            return false;

        PS_AUTO_FREE char *part_z = ps_str_dup(part);
        PS_AUTO_FREE char *want_z = ps_str_dup(want);
        fits = fnmatch(want_z, part_z, 0) == 0;
        if (!fits)
            return false;
    }
    return true;
}

bool ps_tree_may_include_below(const struct ps_tree_options *options,
                               const char *path)
{
    for (size_t i = 0; options->include && options->include[i]; i++) {
        bool anchored = false;
        PS_AUTO_FREE char *text = pattern_text(options->include[i], &anchored);

        if (anchored && is_above(path, text))
            return true;
    }
    return false;
}

/* A byte that a terminal would obey: C0, DEL, and the first of a C1. */
static bool is_control(struct ps_str s)
{
    unsigned char c = (unsigned char)s.data[0];

    return c < 0x20 || c == 0x7f ||
           (c == 0xc2 && s.len > 1 && (unsigned char)s.data[1] < 0xa0);
}

struct ps_tree_shown ps_tree_show(struct ps_str path)
{
    struct ps_tree_shown shown = { .text = "" };
    const size_t room = sizeof(shown.text) - 8;
    size_t at = 0;

    /* The end of a path says most; each byte may take four. */
    if (path.len > room / 4) {
        path = ps_str_skip(path, path.len - room / 4);
        memcpy(shown.text, "...", 3);
        at = 3;
    }
    while (path.len > 0) {
        size_t valid = ps_utf8_valid_prefix(path);
        size_t n = PS_MAX(valid, 1);

        for (size_t i = 0; i < n; i++) {
            if (valid == 0 || is_control(ps_str_skip(path, i)))
                at += (size_t)snprintf(shown.text + at, 5, "\\x%02x",
                                       (unsigned char)path.data[i]);
            else
                shown.text[at++] = path.data[i];
        }
        path = ps_str_skip(path, n);
    }
    return shown;
}
