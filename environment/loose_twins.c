/* Files that no wheel can hold both. */
#include <stdlib.h>
#include <string.h>

#include "loose_private.h"
#include "scan_private.h"

#include "pkgsync/mem.h"

/* '/' before all others, so that a directory's files follow its name; case
 * does not count. */
static int rank(char c)
{
    return c == '/' ? 1 : (unsigned char)ps_ascii_lower(c);
}

static int compare_folded(const char *a, const char *b)
{
    while (*a && rank(*a) == rank(*b)) {
        a++;
        b++;
    }
    return rank(*a) - rank(*b);
}

struct order {
    struct ps_loose_file file;
    size_t found; /* its place in the order of the search */
};

static int compare_found(const void *a, const void *b)
{
    const struct order *x = a;
    const struct order *y = b;
    int folded = compare_folded(x->file.name, y->file.name);

    if (folded)
        return folded;
    return (x->found > y->found) - (x->found < y->found);
}

static bool is_below(const char *name, const char *file)
{
    size_t len = strlen(file);

    return strlen(name) > len && name[len] == '/' &&
           strncasecmp(name, file, len) == 0;
}

/* The first part of a name in the wheel: the module's. */
static struct ps_str top_of(const char *name)
{
    return ps_str_first(ps_str_from(name), strcspn(name, "/"));
}

/* Modules that are left out whole. */
struct tops {
    struct ps_str *items;
    size_t count, room;
};

static bool is_top(const struct tops *tops, const char *name)
{
    struct ps_str top = top_of(name);

    for (size_t i = 0; i < tops->count; i++)
        if (ps_str_equal(tops->items[i], top))
            return true;
    return false;
}

static bool differs_in_case(const struct ps_loose_file *a,
                            const struct ps_loose_file *b)
{
    return strncmp(a->name, b->name, strlen(a->name)) != 0;
}

/* Half a package is worse than none. */
static void leave_out_module(struct ps_loose_search *s, struct tops *tops,
                             const struct ps_loose_file *f,
                             const struct ps_loose_file *other)
{
    if (is_top(tops, f->name))
        return;
    tops->items = ps_scan_grow(tops->items, tops->count, &tops->room,
                               sizeof(*tops->items));
    tops->items[tops->count++] = top_of(f->name);
    ps_loose_problem(s, f->path,
                     "'%.*s' is left out, whole: this file and '%s' differ in "
                     "case only, and no wheel may hold both, because not every "
                     "file system can; rename one of them",
                     PS_STR_FMT(top_of(f->name)), other->path);
}

static void drop_tops(struct ps_loose_search *s, const struct tops *tops)
{
    size_t kept = 0;

    for (size_t i = 0; i < s->file_count && tops->count > 0; i++)
        if (!is_top(tops, s->files[i].name))
            s->files[kept++] = s->files[i];
    if (tops->count > 0)
        s->file_count = kept;
}

/* Two files that a wheel could not hold both: the first found stays. */
void ps_loose_drop_twins(struct ps_loose_search *s)
{
    PS_AUTO_FREE struct order *list =
        ps_calloc(s->file_count + 1, sizeof(*list));
    struct ps_loose_file *files = s->files;
    struct tops tops = { .items = NULL };
    size_t kept = 0;

    if (!files)
        return;
    for (size_t i = 0; i < s->file_count; i++)
        list[i] = (struct order){ files[i], i };
    qsort(list, s->file_count, sizeof(*list), compare_found);
    for (size_t i = 0; i < s->file_count; i++) {
        const struct ps_loose_file *f = &list[i].file;
        const struct ps_loose_file *last = kept ? &files[kept - 1] : NULL;

        if (!last || (compare_folded(last->name, f->name) != 0 &&
                      !is_below(f->name, last->name)))
            files[kept++] = *f;
        else if (differs_in_case(last, f))
            leave_out_module(s, &tops, f, last);
        else
            ps_loose_problem(s, f->path,
                             "left out: a wheel cannot hold it beside '%s'",
                             last->path);
    }
    s->file_count = kept;
    drop_tops(s, &tops);
    free(tops.items);
}
