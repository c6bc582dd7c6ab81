/*
 * The state of a person's repository, for the digest of a directory.
 *
 * What a cache file holds is the digest for one "question": HEAD and every
 * tag with its target, hashed.  Which tags belong to the history follows from
 * these alone, so an answer never goes stale; a shallow clone that is
 * deepened asks another question, since the file `shallow` is part of it.
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "git_private.h"
#include "pkgsync/fd.h"

#define HEADING "pkgsync git inspect 1\n"
#define CACHE_FILE_MAX 256
#define SHALLOW_MAX ((size_t)1 << 20)
#define NAME_LENGTH 32

struct inspection {
    git_repository *repo;
    const char *root;
    git_oid head;
    bool is_unborn;
    int64_t time_s;
};

static int read_head(struct inspection *i, struct ps_error *err)
{
    PS_AUTO_GIT(git_commit) commit = NULL;
    int rc = git_reference_name_to_id(&i->head, i->repo, "HEAD");

    if (rc == GIT_ENOTFOUND) {
        i->is_unborn = true;
        return PS_OK;
    }
    if (rc == 0)
        rc = git_commit_lookup(&commit, i->repo, &i->head);
    if (rc < 0)
        return ps_git_fail(err, NULL, rc, "read HEAD of '%s'", i->root);
    i->time_s = git_commit_time(commit);
    return PS_OK;
}

static int walk(const struct inspection *i, struct ps_sha256 *out,
                struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_git_tags tags = { 0 };
    struct ps_git_op op;

    ps_git_op_init(&op, NULL, NULL, i->root);
    if (!i->is_unborn &&
        ps_git_history_tags(&arena, i->repo, &i->head, &op, &tags, err) < 0)
        return err->code;
    *out = ps_git_history_digest(&i->head, &tags, NULL);
    return PS_OK;
}

/* ---- the cache ------------------------------------------------------- */

static void add_shallow(const struct inspection *i, struct ps_sha256_ctx *ctx)
{
    PS_AUTO_FREE char *path =
        ps_format("%sshallow", git_repository_commondir(i->repo));
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(SHALLOW_MAX);
    struct ps_error none = PS_ERROR_INIT;

    if (ps_read_file_at(AT_FDCWD, path, &text, &none) == PS_OK)
        ps_sha256_update(ctx, text.data ? text.data : "", text.len);
}

/* Hash HEAD and the names and targets of all tags, without opening any. */
static int question(const struct inspection *i, char out[PS_SHA256_HEX_SIZE])
{
    PS_AUTO_SHA256 struct ps_sha256_ctx ctx = { 0 };
    git_reference_iterator *it = NULL;
    git_reference *ref = NULL;
    struct ps_sha256 hash;
    int rc = git_reference_iterator_glob_new(&it, i->repo, "refs/tags/*");

    ps_sha256_init(&ctx);
    ps_sha256_update(&ctx, i->head.id, sizeof(i->head.id));
    while (rc == 0) {
        const git_oid *target = NULL;

        rc = git_reference_next(&ref, it);
        if (rc < 0)
            break;
        target = git_reference_target(ref);
        ps_sha256_update(&ctx, git_reference_name(ref),
                         strlen(git_reference_name(ref)) + 1);
        if (target)
            ps_sha256_update(&ctx, target->id, sizeof(target->id));
        else
            rc = GIT_ERROR; /* a tag that follows another name: no cache */
        git_reference_free(ref);
    }
    git_reference_iterator_free(it);
    add_shallow(i, &ctx);
    ps_sha256_final(&ctx, &hash);
    ps_sha256_hex(&hash, out);
    return rc == GIT_ITEROVER ? 0 : rc;
}

static bool recall(int dir, const char *name, const char *asked,
                   struct ps_sha256 *out)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(CACHE_FILE_MAX);
    struct ps_error none = PS_ERROR_INIT;
    struct ps_str rest = { 0 };
    struct ps_str line = { 0 };

    if (ps_read_file_at(dir, name, &text, &none) < 0)
        return false;
    rest = ps_buf_str(&text);
    if (!ps_str_starts(rest, HEADING))
        return false;
    rest = ps_str_skip(rest, strlen(HEADING));
    (void)ps_str_cut(&rest, '\n', &line);
    return ps_str_is(line, asked) &&
           ps_sha256_parse(ps_str_trim(rest), out, &none) == PS_OK;
}

/* Only a memory: what cannot be written is found again the next time. */
static void remember(int dir, const char *name, const char *asked,
                     const struct ps_sha256 *answer)
{
    struct ps_error ignored = PS_ERROR_INIT;
    char hex[PS_SHA256_HEX_SIZE];
    PS_AUTO_FREE char *text = NULL;

    ps_sha256_hex(answer, hex);
    text = ps_format(HEADING "%s\n%s\n", asked, hex);
    if (ps_write_file_at(dir, name, text, strlen(text), 0600, &ignored) < 0)
        return;
}

static int walk_cached(const struct inspection *i, const char *cache_dir,
                       struct ps_sha256 *out, struct ps_error *err)
{
    const char *where = git_repository_path(i->repo);
    struct ps_sha256 place = ps_sha256_of(where, strlen(where));
    PS_AUTO_FREE char *name = NULL;
    PS_AUTO_FD int dir = -1;
    char asked[PS_SHA256_HEX_SIZE];
    char hex[PS_SHA256_HEX_SIZE];

    if (question(i, asked) < 0)
        return walk(i, out, err);
    if (ps_open_dir(cache_dir, true, &dir, err) < 0)
        return err->code;
    ps_sha256_hex(&place, hex);
    name = ps_format("%.*s.git", NAME_LENGTH, hex);
    if (recall(dir, name, asked, out))
        return PS_OK;
    if (walk(i, out, err) < 0)
        return err->code;
    remember(dir, name, asked, out);
    return PS_OK;
}

/* ---- the index -------------------------------------------------------- */

/*
 * Which files are tracked decides what setuptools-scm and others pack, so a
 * bare `git add` is a change.  The index is parsed each time: a fraction of a
 * millisecond for a thousand entries.
 */
static int add_index(const struct inspection *i, struct ps_sha256 *digest,
                     struct ps_error *err)
{
    PS_AUTO_SHA256 struct ps_sha256_ctx ctx = { 0 };
    git_index *index = NULL;
    int rc = git_repository_index(&index, i->repo);

    if (rc < 0)
        return ps_git_fail(err, NULL, rc, "read the index of '%s'", i->root);
    ps_sha256_init(&ctx);
    ps_sha256_update(&ctx, digest->bytes, sizeof(digest->bytes));
    for (size_t n = 0; n < git_index_entrycount(index); n++) {
        const git_index_entry *e = git_index_get_byindex(index, n);

        ps_sha256_update(&ctx, e->path, strlen(e->path) + 1);
        ps_sha256_update(&ctx, &e->mode, sizeof(e->mode));
        ps_sha256_update(&ctx, e->id.id, sizeof(e->id.id));
    }
    ps_sha256_final(&ctx, digest);
    git_index_free(index);
    return PS_OK;
}

/* ---- interface ------------------------------------------------------- */

int ps_git_inspect_cached(struct ps_arena *arena, const char *root,
                          const char *cache_dir, struct ps_git_state *out,
                          struct ps_error *err)
{
    PS_AUTO_FREE char *dot = ps_format("%s/.git", root);
    PS_AUTO_GIT(git_repository) repo = NULL;
    struct ps_git_state state = { .is_repository = true };
    struct inspection i = { .root = root };
    struct ps_error why = PS_ERROR_INIT;
    char hex[PS_GIT_ID_SIZE];
    int rc = 0;

    /* git passes over a .git that is no repository, and so do we. */
    rc = access(dot, F_OK) < 0 ? PS_ENOTFOUND : ps_git_open(root, &repo, &why);
    if (rc == PS_ENOTFOUND) {
        *out = (struct ps_git_state){ 0 };
        return PS_OK;
    }
    if (rc < 0) {
        *err = why;
        return rc;
    }
    i.repo = repo;
    if (read_head(&i, err) < 0)
        return err->code;
    rc = cache_dir ? walk_cached(&i, cache_dir, &state.digest, err)
                   : walk(&i, &state.digest, err);
    if (rc == PS_OK)
        rc = add_index(&i, &state.digest, err);
    if (rc < 0)
        return rc;
    if (!i.is_unborn) {
        (void)git_oid_tostr(hex, sizeof(hex), &i.head);
        state.head = ps_arena_strdup(arena, hex);
        state.time_s = i.time_s;
    }
    *out = state;
    return PS_OK;
}

int ps_git_inspect(struct ps_arena *arena, const char *root,
                   struct ps_git_state *out, struct ps_error *err)
{
    return ps_git_inspect_cached(arena, root, NULL, out, err);
}
