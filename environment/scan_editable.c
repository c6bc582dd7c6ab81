/*
 * How an editable install gets its project on the path: by a directory in a
 * .pth file (setuptools, flit, hatchling, poetry, pdm, maturin), by a finder
 * that a .pth file imports (setuptools, scikit-build-core, meson-python,
 * hatchling's and pdm's "editables"), by links (setuptools' strict mode, flit),
 * or by an .egg-link.  No line is ever run.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/name.h"
#include "pkgsync/util.h"
#include "scan_private.h"

#define RECORD_MAX ((size_t)1024 * 1024)

/* The name of a distribution in that of its .pth file: "x.pth", "_x.pth",
 * "x-editable.pth", "_x_editable.pth", "_editable_impl_x.pth",
 * "__editable__.x-1.0.pth". */
static bool is_named_after(const char *file, const char *normal)
{
    static const char *const heads[] = { "_editable_impl_", "_editable_skbc_" };
    static const char *const tails[] = { "-editable", "_editable" };
    struct ps_str stem = ps_str_from(file);
    struct ps_str name = ps_str_from(normal);
    struct ps_str own;

    stem.len -= PS_MIN(stem.len, strlen(".pth"));
    if (ps_str_starts(stem, "__editable__.")) {
        stem = ps_str_skip(stem, strlen("__editable__."));
        (void)ps_str_cut(&stem, '-', &own);
        return ps_name_equal(own, name);
    }
    for (size_t i = 0; i < PS_ARRAY_SIZE(heads); i++) {
        if (ps_str_starts(stem, heads[i]))
            stem = ps_str_skip(stem, strlen(heads[i]));
    }
    while (stem.len > 0 && stem.data[0] == '_')
        stem = ps_str_skip(stem, 1);
    if (ps_name_equal(stem, name))
        return true;
    for (size_t i = 0; i < PS_ARRAY_SIZE(tails); i++) {
        if (ps_str_ends(stem, tails[i]) &&
            ps_name_equal(ps_str_first(stem, stem.len - strlen(tails[i])),
                          name))
            return true;
    }
    return false;
}

static const char *how(struct ps_scan *s, const struct ps_found *f,
                       const struct ps_pth *pth)
{
    if (pth->is_import)
        return "finder";
    if (access(pth->text, F_OK) < 0)
        ps_scan_problem(s, false, f->dist.location,
                        "'%s', which '%s' puts on the path, is gone: its code "
                        "cannot be imported",
                        pth->text, pth->file);
    return strstr(pth->text, "/build/__editable__") ? "link" : "pth";
}

/* Whether `a` tells more than `b`: a finder, then a directory, then code that
 * does something else. */
static bool tells_more(const struct ps_pth *a, const struct ps_pth *b)
{
    if (!b)
        return true;
    if (a->is_import)
        return strstr(a->text, "editable") && !b->is_import;
    return b->is_import && !strstr(b->text, "editable");
}

/* Of the .pth files that RECORD lists. */
static const char *how_by_record(struct ps_scan *s, const struct ps_found *f)
{
    char path[PATH_MAX];
    struct ps_record_line line;
    struct ps_str rest;
    const struct ps_pth *best = NULL;

    (void)snprintf(path, sizeof(path), "%s/RECORD", f->dist.location);
    if (f->shape != PS_SHAPE_DIST_INFO ||
        ps_scan_read(s, AT_FDCWD, path, RECORD_MAX) != 0)
        return NULL;
    rest = s->content;
    while (ps_record_next(&rest, &line)) {
        if (!ps_str_ends(line.path, ".pth"))
            continue;
        for (size_t i = 0; i < s->pth_count; i++) {
            const struct ps_pth *pth = &s->pth[i];

            if (strcmp(pth->site, f->dist.site) == 0 &&
                ps_str_is(line.path, pth->file) && tells_more(pth, best))
                best = pth;
        }
    }
    return best ? how(s, f, best) : NULL;
}

/* Of the .pth files that are named after it or point into it. */
static const char *how_by_file(struct ps_scan *s, const struct ps_found *f)
{
    const struct ps_pth *best = NULL;

    for (size_t i = 0; i < s->pth_count; i++) {
        const struct ps_pth *pth = &s->pth[i];

        if (strcmp(pth->site, f->dist.site) != 0)
            continue;
        if (!is_named_after(pth->file, f->dist.normal) &&
            (pth->is_import || !ps_path_is_within(pth->text, f->dist.project)))
            continue;
        if (tells_more(pth, best))
            best = pth;
    }
    return best ? how(s, f, best) : NULL;
}

/* A link in the site directory that leads into the project. */
static const char *how_by_link(const struct ps_found *f)
{
    static const char *const tails[] = { "", ".py" };

    for (size_t i = 0; i < PS_ARRAY_SIZE(tails); i++) {
        char path[PATH_MAX];
        char target[PATH_MAX];
        size_t at = strlen(f->dist.site) + 1;
        ssize_t len = 0;

        (void)snprintf(path, sizeof(path), "%s/%s%s", f->dist.site,
                       f->dist.normal, tails[i]);
        for (; at < sizeof(path) && path[at]; at++) {
            if (path[at] == '-')
                path[at] = '_';
        }
        len = readlink(path, target, sizeof(target) - 1);
        if (len <= 0)
            continue;
        target[len] = '\0';
        if (ps_path_is_within(target, f->dist.project))
            return "link";
    }
    return NULL;
}

static void find_how(struct ps_scan *s, struct ps_found *f)
{
    f->dist.editable = how_by_record(s, f);
    if (!f->dist.editable)
        f->dist.editable = how_by_file(s, f);
    if (!f->dist.editable)
        f->dist.editable = how_by_link(f);
    /* Such as maturin's, which copies a library beside the metadata. */
    if (!f->dist.editable)
        f->dist.editable = "copy";
}

/*
 * Tools before PEP 660 wrote no direct_url.json: a .pth file that is named
 * after a distribution and points to a project is an editable install.
 */
static void take_unmarked(struct ps_scan *s, const struct ps_pth *pth)
{
    const char *root = NULL;

    if (pth->is_import || ps_path_is_within(pth->text, pth->site))
        return;
    for (size_t i = 0; i < s->count; i++) {
        struct ps_found *f = &s->found[i];

        if (f->dist.source != PS_DIST_INDEX || f->in_tree ||
            strcmp(f->dist.site, pth->site) != 0 ||
            !is_named_after(pth->file, f->dist.normal))
            continue;
        root = root ? root : ps_project_root(s->arena, pth->text);
        if (!root)
            return;
        f->dist.source = PS_DIST_EDITABLE;
        f->dist.project = root;
        f->dist.editable = how(s, f, pth);
    }
}

static bool describes(const struct ps_found *f, const char *path)
{
    return f->dist.source == PS_DIST_EDITABLE && f->dist.project &&
           ps_path_is_within(path, f->dist.project);
}

static void report_undescribed(struct ps_scan *s, const struct ps_added *added)
{
    bool described = added->described;
    struct stat st;

    for (size_t i = 0; i < s->count && !described; i++)
        described = describes(&s->found[i], added->path);
    for (size_t i = 0; i < s->pth_count && !described; i++)
        described = ps_path_is_within(added->path, s->pth[i].site);
    if (described || stat(added->path, &st) < 0 || !S_ISDIR(st.st_mode))
        return;
    ps_scan_problem(s, false, added->path,
                    "'%s' puts it on the path, but no distribution describes "
                    "it: what is imported from it stays on this machine; "
                    "install it with `pip install -e`, or name it in "
                    "PYTHONPATH",
                    added->file);
}

void ps_scan_editables(struct ps_scan *s)
{
    for (size_t i = 0; i < s->pth_count; i++)
        take_unmarked(s, &s->pth[i]);
    for (size_t i = 0; i < s->count; i++) {
        struct ps_found *f = &s->found[i];

        if (f->dist.source == PS_DIST_EDITABLE && !f->dist.editable)
            find_how(s, f);
    }
    for (size_t i = 0; i < s->added_count; i++)
        report_undescribed(s, &s->added[i]);
}
