#include <limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "sdist_private.h"
#include "tree_private.h"

#define MAX_KEPT PS_MIB(64)

/* A path that was seen: how it compares, and how it was written. */
struct seen {
    const char *folded;
    const char *exact;
    bool is_dir;
};

static int compare_seen(const void *pa, const void *pb)
{
    const struct seen *a = pa;
    const struct seen *b = pb;

    return strcmp(a->folded, b->folded);
}

static void forget(void *node)
{
    (void)node; /* lives in the arena */
}

void ps_sdist_names_release(struct ps_sdist_names *n)
{
    tdestroy(n->seen, forget);
    n->seen = NULL;
    ps_arena_release(&n->arena);
}

/*
 * Lower case, character by character where the bytes are characters of the
 * thread's locale (UTF-8), byte by byte where they are not.
 */
static char *fold(struct ps_arena *arena, struct ps_str s)
{
    char *out = ps_arena_alloc(arena, s.len + 1, MB_LEN_MAX);
    mbstate_t in = { 0 };
    mbstate_t to = { 0 };
    size_t at = 0;

    while (s.len > 0) {
        wchar_t wide = 0;
        size_t used = mbrtowc(&wide, s.data, s.len, &in);
        size_t made = 0;

        if (used == 0 || used > s.len) { /* no character */
            in = (mbstate_t){ 0 };
            out[at++] = s.data[0];
            s = ps_str_skip(s, 1);
            continue;
        }
        made = wcrtomb(out + at, (wchar_t)towlower((wint_t)wide), &to);
        if (made == (size_t)-1) {
            to = (mbstate_t){ 0 };
            memcpy(out + at, s.data, used);
            made = used;
        }
        at += made;
        s = ps_str_skip(s, used);
    }
    out[at] = '\0';
    return out;
}

static int check_part(struct ps_str part, struct ps_error *err)
{
    if (part.len == 0)
        return ps_fail(err, PS_EINVALID, "its name has an empty part");
    if (ps_str_is(part, ".."))
        return ps_fail(err, PS_EINVALID, "its name has a '..'");
    if (ps_str_is(part, "."))
        return ps_fail(err, PS_EINVALID, "its name has a '.' in the middle");
    if (part.len > NAME_MAX)
        return ps_fail(err, PS_EINVALID,
                       "a part of its name is longer than %d bytes", NAME_MAX);
    return PS_OK;
}

static int check_parts(struct ps_str path, struct ps_error *err)
{
    bool more = true;

    while (more) {
        struct ps_str part;
        int rc = 0;

        more = ps_str_cut(&path, '/', &part);
        rc = check_part(part, err);
        if (rc < 0)
            return rc;
    }
    return PS_OK;
}

/* The name says which top directory it lies in; all must say the same. */
static int check_top(struct ps_sdist_names *n, struct ps_str top, bool is_dir,
                     struct ps_error *err)
{
    if (!is_dir)
        return ps_fail(err, PS_EINVALID,
                       "it lies in no directory; an sdist holds one top "
                       "directory with everything in it (PEP 625)");
    n->top_is_dir = true;
    if (!n->top)
        n->top = ps_arena_dup(&n->arena, top);
    if (!ps_str_is(top, n->top))
        return ps_fail(err, PS_EINVALID,
                       "it lies beside the top directory '%s'; an sdist holds "
                       "one top directory with everything in it (PEP 625)",
                       PS_TREE_SHOW(ps_str_from(n->top)));
    return PS_OK;
}

int ps_sdist_names_strip(struct ps_sdist_names *n, const char *member,
                         bool is_dir, struct ps_str *out, struct ps_error *err)
{
    struct ps_str path = ps_str_from(member);
    struct ps_str top;
    bool below = false;
    int rc = 0;

    *out = PS_STR_LIT("");
    if (path.len >= PATH_MAX)
        return ps_fail(err, PS_EINVALID, "its name is longer than %d bytes",
                       PATH_MAX - 1);
    if (ps_str_starts(path, "/"))
        return ps_fail(err, PS_EINVALID, "its name is absolute");
    if (is_dir && ps_str_ends(path, "/"))
        path = ps_str_first(path, path.len - 1);
    if (ps_str_is(path, ".") && is_dir)
        return PS_OK;
    if (ps_str_starts(path, "./")) /* `tar c ./demo-1.0` writes it */
        path = ps_str_skip(path, 2);
    rc = check_parts(path, err);
    if (rc < 0)
        return rc;
    below = ps_str_cut(&path, '/', &top);
    rc = check_top(n, top, is_dir || below, err);
    if (rc < 0)
        return rc;
    *out = path;
    return PS_OK;
}

static int add_one(struct ps_sdist_names *n, struct ps_str path, bool is_dir,
                   bool is_parent, struct ps_error *err)
{
    struct seen key = { .folded = NULL };
    struct seen *s = NULL;
    struct seen **found = NULL;

    if (n->bytes > MAX_KEPT)
        return ps_fail(err, PS_ETOOBIG,
                       "the names of the members take more than %llu bytes",
                       (unsigned long long)MAX_KEPT);
    /* Parents are usually known: look before keeping anything. */
    PS_AUTO_ARENA struct ps_arena scratch = PS_ARENA_INIT;
    key.folded = fold(&scratch, path);
    found = tfind(&key, &n->seen, compare_seen);
    if (!found) {
        s = ps_arena_alloc(&n->arena, 1, sizeof(*s));
        s->folded = ps_arena_strdup(&n->arena, key.folded);
        s->exact = ps_arena_dup(&n->arena, path);
        s->is_dir = is_dir;
        n->bytes += sizeof(*s) + 2 * path.len;
        n->dirs += is_dir;
        if (!tsearch(s, &n->seen, compare_seen))
            return ps_fail(err, PS_EINTERNAL, "out of memory");
        return PS_OK;
    }
    s = *found;
    if (!ps_str_is(path, s->exact))
        return ps_fail(err, PS_EINVALID,
                       "it differs from '%s' by upper and lower case only",
                       PS_TREE_SHOW(ps_str_from(s->exact)));
    if (is_parent && !s->is_dir)
        return ps_fail(err, PS_EINVALID,
                       "'%s', which it lies in, is not a directory",
                       PS_TREE_SHOW(path));
    if (!is_dir || !s->is_dir)
        return ps_fail(err, PS_EINVALID, "there are two members of that name");
    return PS_OK;
}

int ps_sdist_names_add(struct ps_sdist_names *n, struct ps_str path,
                       bool is_dir, struct ps_error *err)
{
    for (size_t i = 0; i < path.len; i++) {
        int rc = PS_OK;

        if (path.data[i] == '/')
            rc = add_one(n, ps_str_first(path, i), true, true, err);
        if (rc < 0)
            return rc;
    }
    return add_one(n, path, is_dir, false, err);
}
