/*
 * One of each name.
 *
 * What comes earlier on the path shadows what comes later.  Two in the same
 * directory are what an interrupted or mixed-up install leaves behind: the one
 * whose RECORD describes the files that are there counts, else the newer.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/digest.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "scan_private.h"

#define RECORD_MAX ((size_t)8 * 1024 * 1024)
#define FILES_MAX 64                     /* enough to tell two versions apart */
#define FILE_MAX ((uint64_t)1024 * 1024) /* larger ones are not compared */

static int by_name(const void *a, const void *b)
{
    const struct ps_found *x = a;
    const struct ps_found *y = b;
    int order = strcmp(x->dist.normal, y->dist.normal);

    if (order == 0 && x->place != y->place)
        order = x->place < y->place ? -1 : 1;
    return order ? order : strcmp(x->dist.location, y->dist.location);
}

/* Whether the file has the hash that RECORD wrote; -1: it does not tell. */
static int matches(struct ps_scan *s, int site, const struct ps_record_line *l)
{
    PS_AUTO_FREE char *text = NULL;
    PS_AUTO_FD int fd = -1;
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_sha256 digest;
    struct stat st;
    char *path = NULL;

    if (!ps_str_starts(l->hash, "sha256=") || l->path.len == 0 ||
        l->path.data[0] == '/' || ps_str_starts(l->path, "../"))
        return -1;
    path = ps_arena_dup(s->arena, l->path);
    if (ps_scan_open(site, path, &fd, &st) != 0)
        return 0;
    if (ps_sha256_fd(fd, FILE_MAX, &digest, NULL, &ignored) < 0)
        return -1;
    text = ps_base64_url(digest.bytes, sizeof(digest.bytes));
    return ps_str_is(ps_str_skip(l->hash, strlen("sha256=")), text);
}

/* 2: RECORD describes what is there; 1: it says nothing; 0: it is wrong. */
static int judge(struct ps_scan *s, const struct ps_found *f)
{
    char path[PS_SCAN_PATH];
    PS_AUTO_FD int site =
        open(f->dist.site, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct ps_record_line line;
    struct ps_str rest;
    size_t asked = 0;

    (void)ps_scan_below(path, f->entry, "RECORD");
    if (site < 0 || f->shape != PS_SHAPE_DIST_INFO ||
        ps_scan_read(s, site, path, RECORD_MAX) != 0)
        return 1;
    rest = s->content;
    while (asked < FILES_MAX && ps_record_next(&rest, &line)) {
        int found = -1;

        /* Its own metadata is there in any case. */
        if (!ps_str_starts(line.path, f->entry))
            found = matches(s, site, &line);
        if (found == 0)
            return 0;
        asked += found > 0;
    }
    return asked > 0 ? 2 : 1;
}

/* When its metadata was written. */
static struct timespec written(const struct ps_found *f)
{
    static const char *const files[] = { "/METADATA", "/PKG-INFO", "" };
    struct stat st = { .st_size = 0 };

    for (size_t i = 0; i < PS_ARRAY_SIZE(files); i++) {
        PS_AUTO_FREE char *path = ps_format("%s%s", f->dist.location, files[i]);

        if (stat(path, &st) == 0)
            break;
    }
    return st.st_mtim;
}

static bool is_newer(const struct ps_found *a, const struct ps_found *b)
{
    struct timespec x = written(a);
    struct timespec y = written(b);

    return x.tv_sec != y.tv_sec ? x.tv_sec > y.tv_sec : x.tv_nsec > y.tv_nsec;
}

/* Whether `a` counts before `b`, and why. */
static bool is_better(const struct ps_found *a, const struct ps_found *b,
                      const char **why)
{
    /* Debian's cryptography: RECORD lists libraries as they were before they
     * were stripped. */
    if (a->shape != b->shape && strcmp(a->dist.version, b->dist.version) == 0) {
        *why = "its metadata is of the newer kind";
        return a->shape < b->shape;
    }
    if (a->score != b->score) {
        *why = PS_MAX(a->score, b->score) == 2
                   ? "its files are those that its RECORD lists"
                   : "the files here are not those of the other's RECORD";
        return a->score > b->score;
    }
    *why = "it is the newer one";
    return is_newer(a, b);
}

/* The one that counts of those in one directory. */
static struct ps_found *choose(struct ps_scan *s, struct ps_found *group,
                               size_t count)
{
    struct ps_found *best = &group[0];
    const char *why = NULL;

    if (count == 1)
        return best;
    for (size_t i = 0; i < count; i++) {
        group[i].score = judge(s, &group[i]);
        if (i > 0 && is_better(&group[i], best, &why))
            best = &group[i];
    }
    for (size_t i = 0; i < count; i++) {
        if (&group[i] == best)
            continue;
        group[i].dropped = true;
        (void)is_better(best, &group[i], &why);
        ps_scan_problem(s, false, group[i].dist.location,
                        "'%s' is installed twice in this directory; '%s' (%s) "
                        "counts and this one (%s) does not: %s",
                        best->dist.normal, best->entry, best->dist.version,
                        group[i].dist.version, why);
    }
    return best;
}

/* Whether `f` is what a build left in the project of an editable install. */
static bool is_left_by(const struct ps_found *f,
                       const struct ps_found *editable)
{
    return f->in_tree && editable->dist.source == PS_DIST_EDITABLE &&
           !editable->in_tree && editable->dist.project &&
           ps_path_is_within(f->dist.location, editable->dist.project);
}

static void settle(struct ps_scan *s, struct ps_found *group, size_t count)
{
    struct ps_found *best = NULL;
    size_t here = 1;

    while (here < count && group[here].place == group[0].place)
        here++;
    best = choose(s, group, here);
    for (size_t i = here; i < count; i++) {
        if (is_left_by(best, &group[i])) {
            best->dropped = true;
            best = &group[i];
        }
    }
    for (size_t i = here; i < count; i++) {
        if (&group[i] == best)
            continue;
        group[i].dropped = true;
        if (!is_left_by(&group[i], best))
            ps_scan_problem(s, false, group[i].dist.location,
                            "%s %s is shadowed by %s %s in '%s', which comes "
                            "earlier on the path",
                            group[i].dist.name, group[i].dist.version,
                            best->dist.name, best->dist.version,
                            best->dist.location);
    }
}

void ps_scan_duplicates(struct ps_scan *s)
{
    size_t i = 0;

    if (s->count > 1)
        qsort(s->found, s->count, sizeof(*s->found), by_name);
    while (i < s->count) {
        size_t count = 1;

        while (i + count < s->count &&
               strcmp(s->found[i].dist.normal,
                      s->found[i + count].dist.normal) == 0)
            count++;
        if (count > 1)
            settle(s, &s->found[i], count);
        i += count;
    }
}
