/* What was found, as the caller gets it. */
#include <stdlib.h>
#include <string.h>

#include "loose_private.h"

#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define BYTES_MAX PS_MIB(512)
#define BYTES_MANY PS_MIB(64)

static int compare_files(const void *a, const void *b)
{
    const struct ps_loose_file *x = a;
    const struct ps_loose_file *y = b;

    return strcmp(x->name, y->name);
}

/* The largest, that many of them, as "'path' (1.5 MiB)". */
static const char *largest(struct ps_loose_search *s, size_t count)
{
    PS_AUTO_FREE struct ps_loose_file *top = ps_calloc(count + 1, sizeof(*top));
    const char *text = "";

    for (size_t i = 0; i < s->file_count; i++) {
        size_t at = count;

        while (at > 0 &&
               (!top[at - 1].path || top[at - 1].size < s->files[i].size))
            at--;
        if (at == count)
            continue;
        memmove(top + at + 1, top + at, (count - at - 1) * sizeof(*top));
        top[at] = s->files[i];
    }
    for (size_t i = 0; i < count && top[i].path; i++)
        text =
            ps_arena_format(s->arena, "%s%s'%s' (%s)", text, i > 0 ? ", " : "",
                            top[i].path, ps_arena_size(s->arena, top[i].size));
    return text;
}

static int check_bytes(struct ps_loose_search *s, uint64_t *bytes)
{
    uint64_t max = s->options->max_bytes ? s->options->max_bytes : BYTES_MAX;
    uint64_t many =
        s->options->many_bytes ? s->options->many_bytes : BYTES_MANY;

    *bytes = 0;
    for (size_t i = 0; i < s->file_count; i++)
        *bytes += s->files[i].size;
    if (*bytes > max)
        return ps_fail(s->err, PS_ETOOBIG,
                       "the loose modules have %s, more than %s; the largest "
                       "files are %s",
                       ps_arena_size(s->arena, *bytes),
                       ps_arena_size(s->arena, max), largest(s, 3));
    if (*bytes > many)
        ps_loose_problem(s, s->roots[0].path,
                         "the loose modules have %s; the largest files are "
                         "%s: leave out with --exclude what workers do not "
                         "need",
                         ps_arena_size(s->arena, *bytes), largest(s, 3));
    return PS_OK;
}

static const void *keep(struct ps_arena *arena, const void *items, size_t count,
                        size_t size)
{
    void *copy = ps_arena_alloc(arena, count + 1, size);

    if (count > 0)
        memcpy(copy, items, count * size);
    return copy;
}

static void count_more_problems(struct ps_loose_search *s)
{
    struct ps_problem *last = NULL;

    if (s->problems_more == 0 || s->problem_count == 0)
        return;
    last = &s->problems[s->problem_count - 1];
    last->message = ps_arena_format(s->arena, "%s; and %zu more like these",
                                    last->message, s->problems_more);
}

/* Of the files, which are in order: what stands before the first '.' or '/'
 * is smaller than all that may be in an identifier. */
static const char *const *module_names(struct ps_loose_search *s)
{
    const char **names =
        ps_arena_alloc(s->arena, s->file_count + 1, sizeof(*names));
    size_t n = 0;

    for (size_t i = 0; i < s->file_count; i++) {
        struct ps_str name = ps_str_from(s->files[i].name);

        name.len = strcspn(name.data, "./");
        if (n == 0 || !ps_str_is(name, names[n - 1]))
            names[n++] = ps_arena_dup(s->arena, name);
    }
    return names;
}

int ps_loose_finish(struct ps_loose_search *s, struct ps_loose *out)
{
    const char **roots =
        ps_arena_alloc(s->arena, s->root_count + 1, sizeof(*roots));
    struct ps_loose result = { .roots = roots };
    size_t n = 0;

    ps_loose_drop_twins(s);
    if (check_bytes(s, &result.bytes) < 0)
        return s->err->code;
    count_more_problems(s);
    for (size_t i = 0; i < s->root_count; i++)
        if (s->roots[i].used)
            roots[n++] = s->roots[i].path;
    if (s->file_count > 0)
        qsort(s->files, s->file_count, sizeof(*s->files), compare_files);
    result.modules = module_names(s);
    result.files = keep(s->arena, s->files, s->file_count, sizeof(*s->files));
    result.count = s->file_count;
    result.problems =
        keep(s->arena, s->problems, s->problem_count, sizeof(*s->problems));
    result.problem_count = s->problem_count;
    result.refused = s->refused;
    result.refused_count = s->refused_count;
    *out = result;
    return PS_OK;
}
