/*
 * Bare mirrors, one a repository, in turns.
 *
 *   <mirror_root>/<name>.git    the repository
 *   <mirror_root>/<name>.lock   flock(2)ed by whoever works with it; a dead
 *                               process holds no lock
 *
 * A mirror is complete when it has the file `pkgsync-complete`, written after
 * the first fetch.  Whatever else is found under the name is thrown away.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "git_private.h"
#include "pkgsync/digest.h"
#include "pkgsync/fd.h"
#include "pkgsync/process.h"

#define NAME_LENGTH 32
#define LOCK_STEP_MS 50
#define PACKS_MAX 40
#define REPACK_LIMIT_MS 600000
#define COMPLETE "pkgsync-complete"
#define MARK "1\n"

static int take_lock(struct ps_git_mirror *m, const char *path,
                     struct ps_git_op *op, struct ps_error *err)
{
    m->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (m->lock < 0)
        return ps_fail_errno(err, errno, "open '%s'", path);
    while (flock(m->lock, LOCK_EX | LOCK_NB) < 0) {
        struct pollfd fd = { .fd = op->cancel ? op->cancel->fd : -1,
                             .events = POLLIN };

        if (errno != EWOULDBLOCK && errno != EINTR)
            return ps_fail_errno(err, errno, "lock '%s'", path);
        if (ps_git_op_check(op, err) < 0)
            return ps_context(err, "wait for '%s'", path);
        (void)poll(&fd, 1, LOCK_STEP_MS);
    }
    return PS_OK;
}

static bool is_complete(const struct ps_git_mirror *m)
{
    PS_AUTO_FREE char *mark = ps_format("%s/" COMPLETE, m->path);

    return access(mark, F_OK) == 0;
}

/* What a killed fetch left goes: libgit2 names its unfinished packs so.  The
 * result is the number of finished ones. */
static size_t sweep(const struct ps_git_mirror *m)
{
    PS_AUTO_FREE char *packs = ps_format("%s/objects/pack", m->path);
    PS_AUTO_DIR DIR *dir = opendir(packs);
    size_t packs_found = 0;

    if (!dir)
        return 0;
    for (;;) {
        const struct dirent *e = readdir(dir);

        if (!e)
            return packs_found;
        if (strncmp(e->d_name, "pack_git2_", 10) == 0 ||
            strncmp(e->d_name, "tmp_", 4) == 0 ||
            strncmp(e->d_name, ".tmp-", 5) == 0)
            (void)unlinkat(dirfd(dir), e->d_name, 0);
        else if (ps_str_ends(ps_str_from(e->d_name), ".pack"))
            packs_found++;
    }
}

/*
 * Each fetch of something new adds a pack, and libgit2 never joins them.  The
 * real git does, where there is one; nothing depends on its success.
 * Commits that no branch has any more are kept: somebody may have pinned one.
 */
static void join_packs(const struct ps_git_mirror *m,
                       const struct ps_cancel *cancel)
{
    PS_AUTO_FREE char *git = ps_find_program("git", getenv("PATH"));
    const char *argv[] = { git,  "-C", m->path, "repack", "-a",
                           "-d", "-k", "-q",    NULL };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const char *const *env =
        (const char *const *)ps_git_environment(&arena, NULL);
    struct ps_process_spec spec = { .argv = argv,
                                    .env = env,
                                    .wall_limit_ms = REPACK_LIMIT_MS };
    struct ps_process_result result = { 0 };
    struct ps_error ignored = PS_ERROR_INIT;

    if (!git || ps_process_run(&spec, cancel, &result, &ignored) < 0)
        return; /* many packs are slower, not wrong */
}

static int make(struct ps_git_mirror *m, struct ps_error *err)
{
    git_repository_init_options options;
    int rc = 0;

    if (ps_remove_tree_at(AT_FDCWD, m->path, err) < 0)
        return err->code;
    (void)git_repository_init_options_init(&options,
                                           GIT_REPOSITORY_INIT_OPTIONS_VERSION);
    options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH;
    options.mode = 0700;
    rc = git_repository_init_ext(&m->repo, m->path, &options);
    if (rc < 0)
        return ps_git_fail(err, NULL, rc, "make the mirror '%s'", m->path);
    m->is_fresh = true;
    return PS_OK;
}

int ps_git_mirror_remake(struct ps_git_mirror *m, struct ps_error *err)
{
    git_repository_free(m->repo);
    m->repo = NULL;
    return make(m, err);
}

int ps_git_mirror_open(struct ps_git_mirror *m, const struct ps_git_url *url,
                       struct ps_git_op *op, struct ps_error *err)
{
    const char *root = op->options->mirror_root;
    struct ps_sha256 hash = ps_sha256_of(url->display, strlen(url->display));
    PS_AUTO_FREE char *lock = NULL;
    char hex[PS_SHA256_HEX_SIZE];

    if (ps_git_init(err) < 0 || ps_mkdirs(root, 0700, err) < 0)
        return err->code;
    ps_sha256_hex(&hash, hex);
    m->path = ps_format("%s/%.*s.git", root, NAME_LENGTH, hex);
    lock = ps_format("%s/%.*s.lock", root, NAME_LENGTH, hex);
    if (take_lock(m, lock, op, err) < 0)
        return err->code;
    if (is_complete(m) && sweep(m) > PACKS_MAX)
        join_packs(m, op->cancel);
    if (!is_complete(m) ||
        git_repository_open_ext(
            &m->repo, m->path,
            GIT_REPOSITORY_OPEN_NO_SEARCH | GIT_REPOSITORY_OPEN_BARE, NULL) < 0)
        return make(m, err);
    return PS_OK;
}

void ps_git_mirror_close(struct ps_git_mirror *m)
{
    git_repository_free(m->repo);
    m->repo = NULL;
    free(m->path);
    m->path = NULL;
    if (m->lock >= 0)
        (void)close(m->lock);
    m->lock = -1;
}

void ps_git_mirror_condemn(struct ps_git_mirror *m)
{
    PS_AUTO_FREE char *mark = ps_format("%s/" COMPLETE, m->path);

    (void)unlink(mark);
}

bool ps_git_mirror_may_mend(const struct ps_git_mirror *m,
                            const struct ps_git_op *op,
                            const struct ps_error *err)
{
    if (m->is_fresh || op->options->offline || op->err.code)
        return false;
    return err->code == PS_EIO || err->code == PS_ENOTFOUND ||
           err->code == PS_EINTEGRITY;
}

/* ---- fetching -------------------------------------------------------- */

static int on_transfer(const git_indexer_progress *stats, void *user)
{
    struct ps_git_op *op = user;
    struct ps_error err = PS_ERROR_INIT;

    if (ps_cancel_check(op->cancel, &err) < 0)
        return ps_git_op_fail(op, err.code, "%s", err.text);
    if (op->options->progress)
        op->options->progress(stats->received_objects, stats->total_objects,
                              stats->received_bytes, op->options->user);
    return 0;
}

static int on_message(const char *text, int len, void *user)
{
    struct ps_git_op *op = user;
    struct ps_error err = PS_ERROR_INIT;

    (void)text;
    (void)len;
    if (ps_cancel_check(op->cancel, &err) < 0)
        return ps_git_op_fail(op, err.code, "%s", err.text);
    return 0;
}

static int on_pack(int stage, uint32_t current, uint32_t total, void *user)
{
    (void)stage;
    (void)current;
    (void)total;
    return on_message("", 0, user);
}

/*
 * A repository of this machine.  The real git, where there is one, packs it
 * ten times faster than libgit2 and ends at once when it is told to.
 */
static int local_transport(struct ps_git_op *op, const char *path,
                           git_transport **out, git_remote *owner)
{
    PS_AUTO_FREE char *git = ps_find_program("git", getenv("PATH"));
    git_smart_subtransport_definition definition = {
        .callback = ps_git_stream_transport, .param = op
    };
    PS_AUTO_GIT(git_repository) repo = NULL;
    struct ps_error err = PS_ERROR_INIT;

    /* For a message that names the owner, or the path. */
    if (ps_git_open(path, &repo, &err) < 0)
        return ps_git_op_fail(op, err.code, "%s", err.text);
    if (git_repository_is_shallow(repo) == 1)
        return ps_git_op_fail(op, PS_EUNSUPPORTED,
                              "'%s' is a shallow clone, which cannot be "
                              "cloned from; run 'git fetch --unshallow' "
                              "there, or give the directory itself",
                              path);
    return git ? git_transport_smart(out, owner, &definition)
               : git_transport_local(out, owner, NULL);
}

/* insteadOf was applied before: the URL decides who carries it. */
static int on_transport(git_transport **out, git_remote *owner, void *user)
{
    struct ps_git_op *op = user;
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_git_address a = { 0 };
    git_smart_subtransport_definition definition = { .param = op };

    if (ps_git_address_parse(&arena, git_remote_url(owner), &a, &err) < 0)
        return ps_git_op_fail(op, err.code, "%s", err.text);
    switch (a.scheme) {
    case PS_GIT_HTTP:
        definition.callback = ps_git_http_transport;
        definition.rpc = 1;
        return git_transport_smart(out, owner, &definition);
    case PS_GIT_SSH:
    case PS_GIT_DAEMON:
        definition.callback = ps_git_stream_transport;
        return git_transport_smart(out, owner, &definition);
    case PS_GIT_FILE:
        return local_transport(op, a.path, out, owner);
    case PS_GIT_OTHER:
        break;
    }
    return ps_git_op_fail(op, PS_EINVALID, "unknown kind of git URL");
}

/* The other side's default branch becomes the mirror's HEAD. */
static int keep_default_branch(struct ps_git_mirror *m, git_remote *remote)
{
    git_buf name = { 0 };
    int rc = git_remote_default_branch(&name, remote);

    if (rc == 0)
        rc = git_repository_set_head(m->repo, name.ptr);
    git_buf_dispose(&name);
    return rc == GIT_ENOTFOUND ? 0 : rc; /* an empty repository has none */
}

static int run_fetch(struct ps_git_mirror *m, git_remote *remote,
                     const git_fetch_options *options, const char *refspec)
{
    char heads[] = "+refs/heads/*:refs/heads/*";
    char tags[] = "+refs/tags/*:refs/tags/*";
    char *all[] = { heads, tags };
    char *one[] = { (char *)refspec };
    git_strarray specs = { .strings = refspec ? one : all,
                           .count = refspec ? 1 : 2 };
    int rc =
        git_remote_connect(remote, GIT_DIRECTION_FETCH, &options->callbacks,
                           &options->proxy_opts, NULL);

    if (rc == 0)
        rc = git_remote_download(remote, &specs, options);
    /* Before the update: a branch `a` may have given way to `a/b`. */
    if (rc == 0 && !refspec)
        rc = git_remote_prune(remote, &options->callbacks);
    if (rc == 0)
        rc = git_remote_update_tips(remote, &options->callbacks, 0,
                                    GIT_REMOTE_DOWNLOAD_TAGS_NONE, NULL);
    if (rc == 0 && !refspec)
        rc = keep_default_branch(m, remote);
    (void)git_remote_disconnect(remote);
    return rc;
}

static int fail_fetch(const struct ps_git_url *url, struct ps_git_op *op,
                      int rc, struct ps_error *err)
{
    const git_error *last = git_error_last();

    if (op->err.code == PS_OK && last && last->klass == GIT_ERROR_NET)
        return ps_fail(err, PS_EUNREACHABLE, "fetch '%s': %s", url->display,
                       last->message);
    return ps_git_fail(err, op, rc, "fetch '%s'", url->display);
}

static int mark_complete(const struct ps_git_mirror *m, struct ps_error *err)
{
    PS_AUTO_FREE char *mark = ps_format("%s/" COMPLETE, m->path);

    return ps_write_file_at(AT_FDCWD, mark, MARK, strlen(MARK), 0600, err);
}

/* Without a name: nothing of it is written to the mirror. */
static int make_remote(struct ps_git_mirror *m, git_config *config,
                       const char *url, git_remote **out)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    git_remote_create_options options;

    (void)git_remote_create_options_init(&options,
                                         GIT_REMOTE_CREATE_OPTIONS_VERSION);
    options.repository = m->repo;
    options.flags = GIT_REMOTE_CREATE_SKIP_INSTEADOF;
    return git_remote_create_with_opts(
        out, ps_git_instead_of(&arena, config, url), &options);
}

int ps_git_mirror_fetch(struct ps_git_mirror *m, const struct ps_git_url *url,
                        struct ps_git_op *op, const char *refspec,
                        bool *damaged, struct ps_error *err)
{
    git_fetch_options options;
    PS_AUTO_GIT(git_config) config = NULL;
    PS_AUTO_GIT(git_remote) remote = NULL;
    int rc = 0;

    *damaged = false;
    (void)git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
    options.callbacks.payload = op;
    options.callbacks.transport = on_transport;
    options.callbacks.transfer_progress = on_transfer;
    options.callbacks.sideband_progress = on_message;
    options.callbacks.pack_progress = on_pack;
    options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;
    options.update_fetchhead = 0; /* it would hold the URL's login */

    op->err = PS_ERROR_INIT;
    rc = git_repository_config_snapshot(&config, m->repo);
    if (rc == 0)
        rc = make_remote(m, config, url->url, &remote);
    op->config = config;
    if (rc == 0)
        rc = run_fetch(m, remote, &options, refspec);
    op->config = NULL;
    if (rc < 0) {
        *damaged = op->err.code == PS_OK && ps_git_is_damage(rc);
        return fail_fetch(url, op, rc, err);
    }
    return is_complete(m) ? PS_OK : mark_complete(m, err);
}
