/*
 * Tags that point at a commit's history, and the digest of what a build can
 * see of it.
 *
 * The walk goes from the newest commit to the oldest and ends when every tag
 * was met, or when what is left is older than the oldest tag that was not: a
 * repository with recent tags only is not read to its beginning.
 */
#include <string.h>

#include "git_private.h"

/* Clocks of committers differ; git allows the same. */
#define CLOCK_SLOP_S 86400
#define CHECK_EVERY 1024

struct node {
    git_oid id;
    int64_t time_s;
};

/* Open addressing; `used` slots of a power of two. */
struct set {
    git_oid *slots; /* owned; a zero id is a free slot */
    size_t mask;
    size_t used;
};

struct walk {
    git_odb *odb;
    bool is_partial; /* shallow: a missing parent is the end of history */
    struct set seen;
    struct node *heap; /* owned; newest first */
    size_t heap_len;
    size_t heap_cap;
};

/* One tagged commit; several tags may share it. */
struct target {
    struct node node;
    bool met;
};

static size_t slot_of(const struct set *s, const git_oid *id)
{
    size_t at = 0;

    memcpy(&at, id->id, sizeof(at));
    for (at &= s->mask; !git_oid_is_zero(&s->slots[at]);
         at = (at + 1) & s->mask)
        if (git_oid_equal(&s->slots[at], id))
            break;
    return at;
}

static void set_grow(struct set *s)
{
    struct set bigger = { .mask = s->mask ? s->mask * 2 + 1 : 1023 };

    bigger.slots = ps_calloc(bigger.mask + 1, sizeof(*bigger.slots));
    for (size_t i = 0; s->slots && i <= s->mask; i++)
        if (!git_oid_is_zero(&s->slots[i]))
            bigger.slots[slot_of(&bigger, &s->slots[i])] = s->slots[i];
    bigger.used = s->used;
    free(s->slots);
    *s = bigger;
}

/* false: it was there already. */
static bool set_add(struct set *s, const git_oid *id)
{
    size_t at = 0;

    if (!s->slots || s->used * 2 > s->mask)
        set_grow(s);
    at = slot_of(s, id);
    if (!git_oid_is_zero(&s->slots[at]))
        return false;
    s->slots[at] = *id;
    s->used++;
    return true;
}

static void heap_push(struct walk *w, const struct node *node)
{
    size_t at = w->heap_len++;

    if (w->heap_len > w->heap_cap) {
        w->heap_cap = w->heap_cap ? w->heap_cap * 2 : 256;
        w->heap = ps_realloc(w->heap, w->heap_cap, sizeof(*w->heap));
    }
    while (at > 0 && w->heap[(at - 1) / 2].time_s < node->time_s) {
        w->heap[at] = w->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    w->heap[at] = *node;
}

static struct node heap_pop(struct walk *w)
{
    struct node top = w->heap[0];
    struct node last = w->heap[--w->heap_len];
    size_t at = 0;

    for (;;) {
        size_t child = at * 2 + 1;

        if (child >= w->heap_len)
            break;
        if (child + 1 < w->heap_len &&
            w->heap[child + 1].time_s > w->heap[child].time_s)
            child++;
        if (w->heap[child].time_s <= last.time_s)
            break;
        w->heap[at] = w->heap[child];
        at = child;
    }
    if (w->heap_len > 0)
        w->heap[at] = last;
    return top;
}

/* "committer Name <mail> 1700000000 +0000": the number. */
static int64_t committer_time(struct ps_str line)
{
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_str number = { 0 };
    uint64_t value = 0;

    (void)ps_str_cut_last(&line, '>', &number);
    line = ps_str_trim(line);
    (void)ps_str_cut(&line, ' ', &number);
    if (ps_str_to_u64(number, INT64_MAX, &value, &ignored) < 0)
        return 0;
    return (int64_t)value;
}

/* The time of a commit; its parents are handed to on_parent. */
static int read_commit(struct walk *w, const git_oid *id, int64_t *time_s,
                       git_oid **parents, size_t *count)
{
    PS_AUTO_GIT(git_odb_object) object = NULL;
    struct ps_str rest = { 0 };
    struct ps_str line = { 0 };
    size_t room = 0;
    int rc = git_odb_read(&object, w->odb, id);

    *count = 0;
    if (rc < 0)
        return rc;
    rest = (struct ps_str){ git_odb_object_data(object),
                            git_odb_object_size(object) };
    while (rest.len > 0) {
        (void)ps_str_cut(&rest, '\n', &line);
        if (line.len == 0)
            break;
        if (ps_str_starts(line, "committer ")) {
            *time_s = committer_time(line);
            break;
        }
        if (!ps_str_starts(line, "parent ") || line.len != 7 + GIT_OID_HEXSZ)
            continue;
        if (*count == room) {
            room = room ? room * 2 : 4;
            *parents = ps_realloc(*parents, room, sizeof(**parents));
        }
        if (git_oid_fromstr(&(*parents)[*count], line.data + 7) == 0)
            (*count)++;
    }
    return 0;
}

/* Put a commit on the heap, unless it was there. */
static int visit(struct walk *w, const git_oid *id)
{
    PS_AUTO_FREE git_oid *parents = NULL;
    struct node node = { .id = *id };
    size_t count = 0;
    int rc = 0;

    if (!set_add(&w->seen, id))
        return 0;
    rc = read_commit(w, id, &node.time_s, &parents, &count);
    if (rc == GIT_ENOTFOUND && w->is_partial)
        return 0;
    if (rc == 0)
        heap_push(w, &node);
    return rc;
}

static int visit_parents(struct walk *w, const git_oid *id)
{
    git_oid *parents = NULL;
    int64_t time_s = 0;
    size_t count = 0;
    int rc = read_commit(w, id, &time_s, &parents, &count);

    for (size_t i = 0; i < count && rc == 0; i++)
        rc = visit(w, &parents[i]);
    free(parents);
    return rc;
}

static int older_first(const void *a, const void *b)
{
    const struct target *x = a;
    const struct target *y = b;

    if (x->node.time_s != y->node.time_s)
        return x->node.time_s < y->node.time_s ? -1 : 1;
    return git_oid_cmp(&x->node.id, &y->node.id);
}

static void meet(struct target *targets, size_t count, const struct node *node)
{
    struct target key = { .node = *node };
    struct target *hit =
        bsearch(&key, targets, count, sizeof(*targets), older_first);

    if (hit)
        hit->met = true;
}

static int walk_history(struct walk *w, const git_oid *head,
                        struct target *targets, size_t count,
                        struct ps_git_op *op)
{
    struct ps_error err = PS_ERROR_INIT;
    size_t oldest = 0;
    uint64_t steps = 0;
    int rc = visit(w, head);

    while (rc == 0 && w->heap_len > 0) {
        struct node node = heap_pop(w);

        meet(targets, count, &node);
        while (oldest < count && targets[oldest].met)
            oldest++;
        if (oldest == count ||
            node.time_s + CLOCK_SLOP_S < targets[oldest].node.time_s)
            break;
        if (++steps % CHECK_EVERY == 0 && ps_git_op_check(op, &err) < 0)
            return ps_git_op_fail(op, err.code, "%s", err.text);
        rc = visit_parents(w, &node.id);
    }
    return rc;
}

/* ---- tags ------------------------------------------------------------ */

/* Annotated or light; what points at no commit is left out. */
static bool read_tag(git_repository *repo, const char *name,
                     struct ps_git_tag *tag, int64_t *time_s)
{
    PS_AUTO_GIT(git_reference) ref = NULL;
    PS_AUTO_GIT(git_object) object = NULL;

    if (git_reference_lookup(&ref, repo, name) < 0 ||
        git_reference_name_to_id(&tag->target, repo, name) < 0 ||
        git_reference_peel(&object, ref, GIT_OBJECT_COMMIT) < 0)
        return false;
    tag->commit = *git_object_id(object);
    *time_s = git_commit_time((git_commit *)object);
    return true;
}

static int by_name(const void *a, const void *b)
{
    const struct ps_git_tag *x = a;
    const struct ps_git_tag *y = b;

    return strcmp(x->name, y->name);
}

struct collected {
    struct ps_git_tag *tags; /* owned; names in the arena */
    struct target *targets;  /* owned; parallel to tags until it is sorted */
    size_t count;
};

static int collect(struct ps_arena *arena, git_repository *repo,
                   struct collected *c)
{
    const size_t prefix = strlen("refs/tags/");
    git_reference_iterator *it = NULL;
    const char *name = NULL;
    size_t room = 0;
    int rc = git_reference_iterator_glob_new(&it, repo, "refs/tags/*");

    if (rc < 0)
        return rc;
    for (;;) {
        struct ps_git_tag tag = { 0 };
        int64_t time_s = 0;

        rc = git_reference_next_name(&name, it);
        if (rc < 0)
            break;
        if (!read_tag(repo, name, &tag, &time_s))
            continue;
        if (c->count == room) {
            room = room ? room * 2 : 64;
            c->tags = ps_realloc(c->tags, room, sizeof(*c->tags));
            c->targets = ps_realloc(c->targets, room, sizeof(*c->targets));
        }
        tag.name = ps_arena_strdup(arena, name + prefix);
        c->targets[c->count] =
            (struct target){ .node = { .id = tag.commit, .time_s = time_s } };
        c->tags[c->count++] = tag;
    }
    git_reference_iterator_free(it);
    return rc == GIT_ITEROVER ? 0 : rc;
}

/* Several tags of one commit are one target: count what is left. */
static size_t unique(struct target *targets, size_t count)
{
    size_t n = 0;

    qsort(targets, count, sizeof(*targets), older_first);
    for (size_t i = 0; i < count; i++)
        if (n == 0 || older_first(&targets[n - 1], &targets[i]) != 0)
            targets[n++] = targets[i];
    return n;
}

static void keep_met(struct ps_arena *arena, const struct collected *c,
                     size_t targets, struct ps_git_tags *out)
{
    struct set met = { 0 };

    for (size_t i = 0; i < targets; i++)
        if (c->targets[i].met)
            (void)set_add(&met, &c->targets[i].node.id);
    out->items = ps_arena_alloc(arena, c->count, sizeof(*out->items));
    for (size_t i = 0; i < c->count && met.slots; i++)
        if (!git_oid_is_zero(&met.slots[slot_of(&met, &c->tags[i].commit)]))
            out->items[out->count++] = c->tags[i];
    qsort(out->items, out->count, sizeof(*out->items), by_name);
    free(met.slots);
}

int ps_git_history_tags(struct ps_arena *arena, git_repository *repo,
                        const git_oid *head, struct ps_git_op *op,
                        struct ps_git_tags *out, struct ps_error *err)
{
    struct walk w = { .is_partial = git_repository_is_shallow(repo) == 1 };
    struct collected c = { 0 };
    struct ps_git_tags tags = { 0 };
    int rc = collect(arena, repo, &c);

    if (rc == 0 && c.count > 0) {
        size_t targets = unique(c.targets, c.count);

        rc = git_repository_odb(&w.odb, repo);
        if (rc == 0)
            rc = walk_history(&w, head, c.targets, targets, op);
        if (rc == 0)
            keep_met(arena, &c, targets, &tags);
    }
    git_odb_free(w.odb);
    free(w.seen.slots);
    free(w.heap);
    free(c.tags);
    free(c.targets);
    if (rc < 0)
        return ps_git_fail(err, op, rc, "read the history of '%s'",
                           op->display);
    *out = tags;
    return PS_OK;
}

struct ps_sha256 ps_git_history_digest(const git_oid *head,
                                       const struct ps_git_tags *tags,
                                       const char *subdirectory)
{
    static const char heading[] = "pkgsync git state 1\n";
    PS_AUTO_SHA256 struct ps_sha256_ctx ctx = { 0 };
    struct ps_sha256 out;
    char hex[PS_GIT_ID_SIZE];

    ps_sha256_init(&ctx);
    ps_sha256_update(&ctx, heading, strlen(heading));
    (void)git_oid_tostr(hex, sizeof(hex), head);
    ps_sha256_update(&ctx, hex, strlen(hex));
    ps_sha256_update(&ctx, "\n", 1);
    if (subdirectory)
        ps_sha256_update(&ctx, subdirectory, strlen(subdirectory));
    ps_sha256_update(&ctx, "\n", 1);
    /* A reference's name has neither blanks nor line ends. */
    for (size_t i = 0; i < tags->count; i++) {
        const struct ps_git_tag *tag = &tags->items[i];

        ps_sha256_update(&ctx, tag->name, strlen(tag->name));
        ps_sha256_update(&ctx, " ", 1);
        (void)git_oid_tostr(hex, sizeof(hex), &tag->target);
        ps_sha256_update(&ctx, hex, strlen(hex));
        ps_sha256_update(&ctx, "\n", 1);
    }
    ps_sha256_final(&ctx, &out);
    return out;
}
