/*
 * The digest of a tree, alone or with its copy.
 *
 * It is the SHA-256 of these bytes; numbers are 8 bytes, little-endian:
 *
 *   "pkgsync-tree-1\n"
 *   for each directory, file and link that belongs, in byte order of the
 *   paths (a directory's with a '/' at its end):
 *     'd'         length of the path, path
 *     'f' or 'x'  length of the path, path, SHA-256 of the content;
 *                 'x' if its owner may execute it
 *     'l'         length of the path, path, length of the target, target
 *   'n', or, if the root is a git repository, 'g' and the 32 bytes of
 *   ps_git_inspect()'s digest
 *
 * Every length stands before what it measures, so that no two trees give the
 * same bytes.  Empty directories count: they are copied, so a build sees them.
 *
 * A copy is described by what was written, never by what the stat cache or an
 * earlier look says, so a tree that is edited meanwhile gets the digest of
 * the copy that it gave.
 */
#include "pkgsync/tree.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pkgsync/arena.h"
#include "pkgsync/fd.h"
#include "pkgsync/git.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "tree_private.h"

#define FORMAT "pkgsync-tree-1\n"
#define MAX_REREADS 3

struct scan {
    struct ps_sha256_ctx hash;
    struct ps_stat_cache cache;
    struct ps_tree_info info;
    bool is_copy;
};

static void hash_text(struct scan *s, const char *data, size_t len)
{
    uint64_t le = htole64(len);

    ps_sha256_update(&s->hash, &le, sizeof(le));
    ps_sha256_update(&s->hash, data, len);
}

static void hash_head(struct scan *s, char kind, struct ps_str path)
{
    ps_sha256_update(&s->hash, &kind, 1);
    hash_text(s, path.data, path.len);
}

/* --- reading one file ----------------------------------------------------- */

struct file_read {
    struct ps_stat_key key; /* before and after the reading */
    struct ps_sha256 digest;
};

static int open_source(const struct ps_tree_entry *e, int *out, struct stat *st,
                       struct ps_error *err)
{
    int rc = ps_open_regular_at(e->dir, e->name, out, st, err);

    if (rc == PS_EINVALID) /* it was a file a moment ago */
        return ps_fail(err, PS_EBUSY,
                       "'%s' was replaced while the tree was read; try again "
                       "when nothing writes to it",
                       PS_TREE_SHOW(e->path));
    if (rc == PS_EDENIED)
        return ps_fail(err, PS_EDENIED,
                       "'%s' cannot be read (permission denied); make it "
                       "readable or leave it out with --exclude",
                       PS_TREE_SHOW(e->path));
    return rc < 0 ? ps_context(err, "'%s'", PS_TREE_SHOW(e->path)) : PS_OK;
}

/*
 * Read (and, with to >= 0, copy) the file once.  *settled is false when it
 * changed meanwhile; then there is no error.
 */
static int read_once(const struct ps_tree_entry *e, int to,
                     struct file_read *out, bool *settled, struct ps_error *err)
{
    PS_AUTO_FD int from = -1;
    struct ps_error mine = PS_ERROR_INIT;
    struct ps_stat_key after;
    struct stat st;
    uint64_t size = 0;
    int rc = open_source(e, &from, &st, err);

    *settled = false;
    if (rc < 0)
        return rc;
    out->key = ps_stat_key_of(&st);
    if (to >= 0)
        rc = ps_copy_fd(from, to, out->key.size, &out->digest, &size, &mine);
    else
        rc = ps_sha256_fd(from, out->key.size, &out->digest, &size, &mine);
    if (rc == PS_ETOOBIG && mine.os_errno == 0)
        return PS_OK; /* it grew */
    if (rc < 0) {
        *err = mine;
        return ps_context(err, to >= 0 ? "copy '%s'" : "read '%s'",
                          PS_TREE_SHOW(e->path));
    }
    if (fstat(from, &st) < 0)
        return ps_fail_errno(err, errno, "stat '%s'", PS_TREE_SHOW(e->path));
    after = ps_stat_key_of(&st);
    *settled = size == out->key.size && ps_stat_key_equal(&out->key, &after);
    return PS_OK;
}

/* Read until the file stays the same meanwhile. */
static int read_settled(const struct ps_tree_entry *e, int to,
                        struct file_read *out, struct ps_error *err)
{
    for (int reread = 0; reread <= MAX_REREADS; reread++) {
        const struct timespec pause = { .tv_nsec = reread * 10000000L };
        bool settled = false;
        int rc = 0;

        if (reread > 0) /* whoever writes may be done soon */
            (void)nanosleep(&pause, NULL);
        if (reread > 0 && to >= 0 &&
            (ftruncate(to, 0) < 0 || lseek(to, 0, SEEK_SET) < 0))
            return ps_fail_errno(err, errno, "rewind the copy of '%s'",
                                 PS_TREE_SHOW(e->path));
        rc = read_once(e, to, out, &settled, err);
        if (rc < 0 || settled)
            return rc;
    }
    return ps_fail(err, PS_EBUSY,
                   "'%s' changes while it is read; try again when nothing "
                   "writes to it, or leave it out with --exclude",
                   PS_TREE_SHOW(e->path));
}

static bool is_executable(const struct ps_stat_key *key)
{
    return (key->mode & S_IXUSR) != 0;
}

static int copy_file(const struct ps_tree_entry *e, struct file_read *out,
                     struct ps_error *err)
{
    PS_AUTO_FD int to = -1;
    int rc = 0;

    to = openat(e->out_dir, e->name,
                O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return ps_fail_errno(err, errno, "create the copy of '%s'",
                             PS_TREE_SHOW(e->path));
    rc = read_settled(e, to, out, err);
    if (rc < 0)
        return rc;

    const struct timespec times[2] = {
        { .tv_nsec = UTIME_OMIT },
        { .tv_sec = out->key.mtime_s, .tv_nsec = out->key.mtime_ns },
    };
    if (fchmod(to, is_executable(&out->key) ? 0755 : 0644) < 0 ||
        futimens(to, times) < 0)
        return ps_fail_errno(err, errno, "set mode and time of '%s'",
                             PS_TREE_SHOW(e->path));
    return PS_OK;
}

/* --- visits -----------------------------------------------------------------
 */

/* Removed since its directory was read: it does not belong any more. */
static int forget_file(const struct scan *s, const struct ps_tree_entry *e,
                       struct ps_error *err)
{
    if (s->is_copy && unlinkat(e->out_dir, e->name, 0) < 0)
        return ps_fail_errno(err, errno, "remove the copy of '%s'",
                             PS_TREE_SHOW(e->path));
    *err = PS_ERROR_INIT;
    return PS_OK;
}

static int scan_file(struct scan *s, const struct ps_tree_entry *e,
                     struct ps_error *err)
{
    struct file_read r = { .key = ps_stat_key_of(e->st) };
    int rc = PS_OK;

    if (r.key.size > PS_TREE_MAX_BYTES - s->info.bytes)
        return ps_fail(err, PS_ETOOBIG,
                       "with '%s' the tree has more than %llu bytes; leave "
                       "something out with --exclude",
                       PS_TREE_SHOW(e->path),
                       (unsigned long long)PS_TREE_MAX_BYTES);
    if (s->is_copy ||
        !ps_stat_cache_find(&s->cache, e->path, &r.key, &r.digest)) {
        rc = s->is_copy ? copy_file(e, &r, err) : read_settled(e, -1, &r, err);
        if (rc == PS_ENOTFOUND)
            return forget_file(s, e, err);
        if (rc < 0)
            return rc;
        ps_stat_cache_add(&s->cache, e->path, &r.key, &r.digest);
        s->info.files_read++;
    }
    hash_head(s, is_executable(&r.key) ? 'x' : 'f', e->path);
    ps_sha256_update(&s->hash, r.digest.bytes, sizeof(r.digest.bytes));
    s->info.files++;
    s->info.bytes += r.key.size;
    return PS_OK;
}

static int scan_link(struct scan *s, const struct ps_tree_entry *e,
                     struct ps_error *err)
{
    if (s->is_copy && symlinkat(e->target, e->out_dir, e->name) < 0)
        return ps_fail_errno(err, errno, "copy the link '%s'",
                             PS_TREE_SHOW(e->path));
    hash_head(s, 'l', e->path);
    hash_text(s, e->target, strlen(e->target));
    s->info.files++;
    return PS_OK;
}

static int scan_entry(const struct ps_tree_entry *e, void *user,
                      struct ps_error *err)
{
    struct scan *s = user;

    if (e->kind == PS_TREE_FILE)
        return scan_file(s, e, err);
    if (e->kind == PS_TREE_LINK)
        return scan_link(s, e, err);
    hash_head(s, 'd', e->path);
    return PS_OK;
}

/* --- git ----------------------------------------------------------------- */

static int inspect(struct ps_arena *arena, const char *root,
                   const char *cache_dir, struct ps_git_state *out,
                   struct ps_error *err)
{
    PS_AUTO_FREE char *dot_git = ps_format("%s/.git", root);
    struct stat st;

    *out = (struct ps_git_state){ .is_repository = false };
    /* The usual case costs nothing; a root that is none is the walk's. */
    if (lstat(dot_git, &st) < 0 && (errno == ENOENT || errno == ENOTDIR))
        return PS_OK;
    return ps_git_inspect_cached(arena, root, cache_dir, out, err);
}

static void scan_git(struct scan *s, const struct ps_git_state *git)
{
    char kind = git->is_repository ? 'g' : 'n';

    ps_sha256_update(&s->hash, &kind, 1);
    if (!git->is_repository)
        return;
    ps_sha256_update(&s->hash, git->digest.bytes, sizeof(git->digest.bytes));
    s->info.commit_time_s = git->head ? git->time_s : 0;
    if (git->head && strlen(git->head) < sizeof(s->info.commit))
        memcpy(s->info.commit, git->head, strlen(git->head) + 1);
}

/* Commit, checkout or tag in the middle of the copy: the tree and its history
 * may be of two moments. */
static bool git_moved(const struct ps_git_state *before,
                      const struct ps_git_state *after)
{
    return before->is_repository != after->is_repository ||
           (before->is_repository &&
            !ps_sha256_equal(&before->digest, &after->digest));
}

static int copy_git(const struct ps_tree_walk *walk,
                    const struct ps_git_state *before, struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_git_state after;
    int rc = PS_OK;

    if (before->is_repository)
        rc = ps_git_copy_repository(walk->root, walk->copy, walk->cancel, err);
    if (rc == PS_OK)
        rc = inspect(&arena, walk->root, walk->options->cache_dir, &after, err);
    if (rc == PS_OK && git_moved(before, &after))
        rc = ps_fail(err, PS_EBUSY,
                     "the git repository changed while it was copied; try "
                     "again");
    return rc;
}

/* --- the public functions ---------------------------------------------- */

static int scan_tree(const struct ps_tree_walk *walk, struct scan *s,
                     struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_git_state git;
    int rc = inspect(&arena, walk->root, walk->options->cache_dir, &git, err);

    if (rc == PS_OK)
        rc = ps_tree_walk(walk, err);
    if (rc == PS_OK && s->is_copy)
        rc = copy_git(walk, &git, err);
    if (rc < 0)
        return rc;
    scan_git(s, &git);
    ps_sha256_final(&s->hash, &s->info.digest);
    return PS_OK;
}

static int scan(const char *root, const struct ps_tree_options *options,
                const struct ps_cancel *cancel, const char *dest,
                struct ps_tree_info *out, struct ps_error *err)
{
    static const struct ps_tree_options none = { .include = NULL };
    PS_AUTO_FREE char *real = NULL;
    struct scan s = { .is_copy = dest != NULL };
    struct ps_tree_walk walk = {
        .root = root,
        .copy = dest,
        .options = options ? options : &none,
        .cancel = cancel,
        .max_entries = PS_TREE_MAX_FILES,
        .visit = scan_entry,
        .user = &s,
    };
    int rc = ps_real_path(root, &real, err);

    if (rc < 0)
        return rc;
    ps_sha256_init(&s.hash);
    ps_sha256_update(&s.hash, FORMAT, strlen(FORMAT));
    ps_stat_cache_init(&s.cache, walk.options->cache_dir, real);
    rc = scan_tree(&walk, &s, err);
    ps_stat_cache_save(&s.cache); /* what was read is true even after a
                                     failure: the next run goes on from it */
    ps_stat_cache_release(&s.cache);
    ps_sha256_release(&s.hash);
    if (rc == PS_OK)
        *out = s.info;
    return rc;
}

int ps_tree_digest(const char *root, const struct ps_tree_options *options,
                   const struct ps_cancel *cancel, struct ps_tree_info *out,
                   struct ps_error *err)
{
    return scan(root, options, cancel, NULL, out, err);
}

int ps_tree_copy(const char *root, const struct ps_tree_options *options,
                 const struct ps_cancel *cancel, const char *dest,
                 struct ps_tree_info *out, struct ps_error *err)
{
    int rc = scan(root, options, cancel, dest, out, err);

    return rc < 0 ? ps_context(err, "copy '%s'", root) : PS_OK;
}
