#include "pkgsync/scan.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "scan_private.h"

#define TEXT_MAX ((size_t)80 * 1024 * 1024)

void *ps_scan_grow(void *items, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return items;
    *room = *room ? 2 * *room : 16;
    return ps_realloc(items, *room, size);
}

void ps_scan_problem(struct ps_scan *s, bool serious, const char *path,
                     const char *fmt, ...)
{
    PS_AUTO_FREE char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = ps_vformat(fmt, ap);
    va_end(ap);
    s->problems = ps_scan_grow(s->problems, s->problem_count, &s->problem_room,
                               sizeof(*s->problems));
    s->problems[s->problem_count++] =
        (struct ps_problem){ .path = path,
                             .message = ps_arena_strdup(s->arena, text),
                             .serious = serious };
}

/* ---- who was asked for ---- */

/* Installers that mark what was asked for by name. */
static bool marks_requested(const char *installer)
{
    return installer &&
           (strcmp(installer, "pip") == 0 || strcmp(installer, "uv") == 0);
}

static struct ps_str name_of(const char *requirement)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789._-";

    return (struct ps_str){ .data = requirement,
                            .len = strspn(requirement, letters) };
}

/* <0, 0, >0 of a name in any spelling against one in its normal form. */
static int compare_name(struct ps_str name, const char *normal)
{
    size_t i = 0;

    while (i < name.len) {
        char c = ps_ascii_lower(name.data[i++]);

        if (c == '_' || c == '.' || c == '-') {
            c = '-';
            while (i < name.len && strchr("_.-", name.data[i]) &&
                   name.data[i] != '\0')
                i++;
        }
        if (c != *normal)
            return (unsigned char)c < (unsigned char)*normal ? -1 : 1;
        normal++;
    }
    return *normal ? -1 : 0;
}

static size_t find_name(const struct ps_dist *dists, size_t count,
                        struct ps_str name)
{
    size_t low = 0;
    size_t high = count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_name(name, dists[middle].normal);

        if (order == 0)
            return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return count;
}

/* What no installer marked counts as asked for when nothing requires it. */
static void settle_requested(struct ps_dist *dists, size_t count)
{
    PS_AUTO_FREE bool *required = ps_calloc(count + 1, sizeof(*required));
    bool all_marked = true;

    for (size_t i = 0; i < count; i++)
        all_marked = all_marked && marks_requested(dists[i].installer);
    for (size_t i = 0; i < count && !all_marked; i++) {
        for (const char *const *r = dists[i].requires; *r; r++) {
            size_t at = 0;

            if (strstr(*r, "extra ==") || strstr(*r, "extra=="))
                continue;
            at = find_name(dists, count, name_of(*r));
            required[at] = required[at] || at != i;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!marks_requested(dists[i].installer) && !required[i])
            dists[i].requested = true;
    }
}

/* ---- the whole ---- */

static void take_dists(struct ps_scan *s, struct ps_environment *out)
{
    static const char *const none[] = { NULL };
    struct ps_dist *dists =
        ps_arena_alloc(s->arena, s->count + 1, sizeof(*dists));
    size_t count = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (s->found[i].dropped)
            continue;
        dists[count] = s->found[i].dist;
        if (!dists[count].requires)
        dists[count].requires = none;
        if (!dists[count].provides_extra)
            dists[count].provides_extra = none;
        count++;
    }
    settle_requested(dists, count);
    out->dists = dists;
    out->count = count;
}

static void take_import_dirs(struct ps_scan *s, struct ps_environment *out)
{
    const char **dirs =
        ps_arena_alloc(s->arena, s->added_count + 1, sizeof(*dirs));

    for (size_t i = 0; i < s->added_count; i++)
        dirs[i] = s->added[i].path;
    out->import_dirs = dirs;
}

static int by_path(const void *a, const void *b)
{
    const struct ps_problem *x = a;
    const struct ps_problem *y = b;
    int order = strcmp(x->path, y->path);

    return order ? order : strcmp(x->message, y->message);
}

static void take_problems(struct ps_scan *s, struct ps_environment *out)
{
    struct ps_problem *problems =
        ps_arena_alloc(s->arena, s->problem_count + 1, sizeof(*problems));

    if (s->problem_count > 0) {
        memcpy(problems, s->problems, s->problem_count * sizeof(*problems));
        qsort(problems, s->problem_count, sizeof(*problems), by_path);
    }
    out->problems = problems;
    out->problem_count = s->problem_count;
}

static void release(struct ps_scan *s)
{
    for (size_t i = 0; i < s->conda_count; i++)
        ps_conda_release(&s->conda[i]);
    free(s->conda);
    free(s->found);
    free(s->problems);
    free(s->pth);
    free(s->added);
    free(s->seen);
    ps_buf_release(&s->text);
}

static int read_all(struct ps_scan *s, struct ps_error *err)
{
    int rc = PS_OK;

    for (const char *const *d = s->site->path; d && *d && rc == PS_OK; d++)
        rc = ps_scan_directory(s, *d, PS_PLACE_PATH, err);
    for (const char *const *d = s->site->dirs; d && *d && rc == PS_OK; d++)
        rc = ps_scan_directory(s, *d, PS_PLACE_SITE, err);
    return rc;
}

int ps_environment_scan(struct ps_arena *arena, const struct ps_site *site,
                        const struct ps_cancel *cancel,
                        struct ps_environment *out, struct ps_error *err)
{
    struct ps_scan s = { .arena = arena,
                         .site = site,
                         .cancel = cancel,
                         .text = PS_BUF_INIT(TEXT_MAX) };
    struct ps_environment e = { .site = site };
    struct stat st;
    int rc = PS_OK;

    if (stat(site->prefix, &st) < 0)
        return ps_fail_errno(err, errno, "look at the environment '%s'",
                             site->prefix);
    if (!S_ISDIR(st.st_mode))
        return ps_fail(err, PS_ENOTFOUND,
                       "the environment '%s' is no directory", site->prefix);
    rc = read_all(&s, err);
    if (rc == PS_OK) {
        ps_scan_editables(&s);
        ps_scan_duplicates(&s);
        ps_conda_finish(&s, &e);
        take_dists(&s, &e);
        take_import_dirs(&s, &e);
        take_problems(&s, &e);
        rc = ps_cancel_check(cancel, err);
    }
    if (rc == PS_OK)
        *out = e;
    release(&s);
    return rc;
}

const struct ps_dist *ps_environment_find(const struct ps_environment *e,
                                          const char *name)
{
    size_t at = find_name(e->dists, e->count, ps_str_from(name));

    return at < e->count ? &e->dists[at] : NULL;
}
