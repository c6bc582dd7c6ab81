/*
 * What conda owns of an environment.
 *
 * INSTALLER is a hint only.  As conda itself does: a distribution whose
 * metadata is listed in a record is conda's; one that is listed nowhere was
 * put there by pip; and a record whose metadata is not there any more was
 * overwritten by pip.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "scan_private.h"

#define RECORD_MAX ((size_t)64 * 1024 * 1024)

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_entry(const void *a, const void *b)
{
    return strcmp(((const struct ps_conda_anchor *)a)->entry,
                  ((const struct ps_conda_anchor *)b)->entry);
}

/* The names of its records, sorted; caller frees the list. */
static const char **list_records(struct ps_scan *s, DIR *dir, size_t *count)
{
    const char **names = NULL;
    size_t room = 0;
    struct dirent *e = NULL;

    *count = 0;
    while ((e = readdir(dir)) != NULL) {
        if (e->d_name[0] == '.' ||
            !ps_str_ends(ps_str_from(e->d_name), ".json"))
            continue;
        names = ps_scan_grow(names, *count, &room, sizeof(*names));
        names[(*count)++] = ps_arena_strdup(s->arena, e->d_name);
    }
    if (names)
        qsort(names, *count, sizeof(*names), by_text);
    return names;
}

static void add_record(struct ps_scan *s, struct ps_conda_set *set,
                       const struct ps_conda_record *record)
{
    set->records = ps_scan_grow(set->records, set->count, &set->room,
                                sizeof(*set->records));
    for (const char *const *a = record->anchors; *a; a++) {
        set->anchors = ps_scan_grow(set->anchors, set->anchor_count,
                                    &set->anchor_room, sizeof(*set->anchors));
        set->anchors[set->anchor_count++] =
            (struct ps_conda_anchor){ .entry = *a, .record = set->count };
    }
    set->records[set->count++] = *record;
    (void)s;
}

static void read_record(struct ps_scan *s, struct ps_conda_set *set, int dir,
                        const char *name)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_conda_record record;
    const char *path =
        ps_arena_format(s->arena, "%s/conda-meta/%s", set->prefix, name);
    int error = ps_scan_read(s, dir, name, RECORD_MAX);

    if (error) {
        ps_scan_problem(s, true, path, "the record of conda cannot be read: %s",
                        ps_scan_reason(error));
        return;
    }
    if (ps_conda_record_parse(s->arena, s->content, &record, &err) < 0) {
        ps_scan_problem(s, true, path, "the record of conda is no such: %s",
                        err.text);
        return;
    }
    record.file = path;
    add_record(s, set, &record);
}

static void read_set(struct ps_scan *s, struct ps_conda_set *set)
{
    PS_AUTO_FREE char *path = ps_format("%s/conda-meta", set->prefix);
    PS_AUTO_DIR DIR *dir = opendir(path);
    PS_AUTO_FREE const char **names = NULL;
    size_t count = 0;

    if (!dir) {
        if (errno != ENOENT && errno != ENOTDIR)
            ps_scan_problem(s, true, ps_arena_strdup(s->arena, path),
                            "what conda installed cannot be read: %s",
                            ps_scan_reason(errno));
        return;
    }
    set->present = true;
    names = list_records(s, dir, &count);
    for (size_t i = 0; i < count && !ps_cancel_is_fired(s->cancel); i++)
        read_record(s, set, dirfd(dir), names[i]);
    if (set->anchors)
        qsort(set->anchors, set->anchor_count, sizeof(*set->anchors), by_entry);
}

struct ps_conda_set *ps_conda_of(struct ps_scan *s, const char *prefix)
{
    struct ps_conda_set *set = NULL;

    for (size_t i = 0; i < s->conda_count && !set; i++) {
        if (strcmp(s->conda[i].prefix, prefix) == 0)
            set = &s->conda[i];
    }
    if (!set) {
        s->conda = ps_scan_grow(s->conda, s->conda_count, &s->conda_room,
                                sizeof(*s->conda));
        set = &s->conda[s->conda_count++];
        *set = (struct ps_conda_set){ .prefix =
                                          ps_arena_strdup(s->arena, prefix) };
        read_set(s, set);
    }
    return set->present ? set : NULL;
}

void ps_conda_release(struct ps_conda_set *set)
{
    free(set->records);
    free(set->anchors);
}

struct ps_conda_record *ps_conda_owner(const struct ps_conda_set *set,
                                       const char *entry)
{
    struct ps_conda_anchor key = { .entry = entry };
    struct ps_conda_anchor *found = NULL;

    if (!set || !set->anchors)
        return NULL;
    found = bsearch(&key, set->anchors, set->anchor_count,
                    sizeof(*set->anchors), by_entry);
    if (!found)
        return NULL;
    /* Threads may see the same one; they are joined before anybody asks. */
    __atomic_store_n(&set->records[found->record].seen, true, __ATOMIC_RELAXED);
    return &set->records[found->record];
}

/* "x-1.0.dist-info" -> whether a distribution x is there in any way. */
static bool has_successor(const struct ps_scan *s, const char *anchor)
{
    struct ps_str name;
    struct ps_str rest = ps_str_from(anchor);
    struct ps_str stem;

    (void)ps_str_cut_last(&rest, '.', &stem);
    (void)ps_str_cut(&stem, '-', &name);
    for (size_t i = 0; i < s->count; i++) {
        if (ps_name_equal(ps_str_from(s->found[i].dist.normal), name))
            return true;
    }
    return false;
}

static struct ps_dist plain_package(struct ps_scan *s,
                                    const struct ps_conda_set *set,
                                    const struct ps_conda_record *r)
{
    static const char *const none[] = { NULL };

    return (struct ps_dist){
        .name = r->conda.name,
        .normal = ps_normalize_name(s->arena, ps_str_from(r->conda.name)),
        .version = r->conda.version,
        .source = PS_DIST_CONDA,
        .location = r->file,
        .site = ps_arena_format(s->arena, "%s/conda-meta", set->prefix),
        .installer = "conda",
        .requested = r->requested,
        .requires = none,
        .provides_extra = none,
        .conda = r->conda,
    };
}

void ps_conda_finish(struct ps_scan *s, struct ps_environment *out)
{
    const struct ps_conda_set *set = ps_conda_of(s, s->site->prefix);
    struct ps_dist *plain = NULL;

    out->is_conda = set != NULL;
    if (!set)
        return;
    plain = ps_arena_alloc(s->arena, set->count + 1, sizeof(*plain));
    for (size_t i = 0; i < set->count; i++) {
        const struct ps_conda_record *r = &set->records[i];

        if (!r->anchors[0]) {
            plain[out->conda_count++] = plain_package(s, set, r);
            continue;
        }
        if (!r->seen && !has_successor(s, r->anchors[0]))
            ps_scan_problem(s, true, r->file,
                            "conda lists '%s', which is gone: a half-removed "
                            "install; `conda install --force-reinstall %s` "
                            "mends it",
                            r->anchors[0], r->conda.name);
    }
    out->conda = plain;
}
