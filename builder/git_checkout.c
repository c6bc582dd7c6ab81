/*
 * Files of one commit, its submodules, and the `.git` beside them.
 *
 * No filter runs and no hook: what is written is what the objects hold.  A
 * file that Git LFS would replace is refused by name, since a build would
 * otherwise get a pointer where it expects data.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "git_private.h"
#include "pkgsync/fd.h"

#define SUBMODULE_DEPTH 10
#define LFS_POINTER_MAX 1024
#define LFS_POINTER "version https://git-lfs.github.com/spec/v1"

struct checkout {
    const struct ps_git_options *options;
    const struct ps_cancel *cancel;
    bool with_tags; /* of a submodule, the commit is all that is keyed */
    int depth;
};

static int checkout_in(const struct checkout *c, const struct ps_git_url *url,
                       const char *id, const char *dest, struct ps_error *err);

/* ---- files ----------------------------------------------------------- */

static int on_notify(git_checkout_notify_t why, const char *path,
                     const git_diff_file *baseline, const git_diff_file *target,
                     const git_diff_file *workdir, void *user)
{
    struct ps_git_op *op = user;
    struct ps_error err = PS_ERROR_INIT;

    (void)why;
    (void)path;
    (void)baseline;
    (void)target;
    (void)workdir;
    if (ps_git_op_check(op, &err) < 0)
        return ps_git_op_fail(op, err.code, "%s", err.text);
    return 0;
}

/* libgit2 has no other place to look between two files. */
static void on_file(const char *path, size_t done, size_t total, void *user)
{
    (void)path;
    (void)done;
    (void)total;
    (void)user;
}

static int write_files(git_repository *repo, const git_tree *tree,
                       struct ps_git_op *op, struct ps_error *err)
{
    git_checkout_options options;
    int rc = 0;

    (void)git_checkout_options_init(&options, GIT_CHECKOUT_OPTIONS_VERSION);
    options.checkout_strategy =
        GIT_CHECKOUT_FORCE | GIT_CHECKOUT_DISABLE_PATHSPEC_MATCH;
    options.disable_filters = 1;
    options.notify_flags = GIT_CHECKOUT_NOTIFY_ALL;
    options.notify_cb = on_notify;
    options.notify_payload = op;
    options.progress_cb = on_file;
    rc = git_checkout_tree(repo, (const git_object *)tree, &options);
    if (rc < 0)
        return ps_git_fail(err, op, rc, "check out '%s'", op->display);
    return PS_OK;
}

/* ---- LFS ------------------------------------------------------------- */

static bool is_pointer(int dir, const git_index_entry *entry)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(LFS_POINTER_MAX);
    struct ps_error ignored = PS_ERROR_INIT;

    if (entry->file_size > LFS_POINTER_MAX ||
        entry->file_size < strlen(LFS_POINTER) ||
        (entry->mode != GIT_FILEMODE_BLOB &&
         entry->mode != GIT_FILEMODE_BLOB_EXECUTABLE))
        return false;
    return ps_read_file_at(dir, entry->path, &text, &ignored) == PS_OK &&
           ps_str_starts(ps_buf_str(&text), LFS_POINTER);
}

/* A pointer that git itself would leave as it is (no filter=lfs) is a file
 * like any other. */
static bool is_filtered(git_repository *repo, const char *path)
{
    const char *value = NULL;

    return git_attr_get(&value, repo,
                        GIT_ATTR_CHECK_INDEX_THEN_FILE |
                            GIT_ATTR_CHECK_NO_SYSTEM,
                        path, "filter") == 0 &&
           git_attr_value(value) == GIT_ATTR_VALUE_STRING &&
           strcmp(value, "lfs") == 0;
}

static int refuse_lfs(git_repository *repo, git_index *index, const char *dest,
                      struct ps_git_op *op, struct ps_error *err)
{
    PS_AUTO_FD int dir = -1;

    if (ps_open_dir(dest, false, &dir, err) < 0)
        return err->code;
    for (size_t i = 0; i < git_index_entrycount(index); i++) {
        const git_index_entry *entry = git_index_get_byindex(index, i);

        if (!is_pointer(dir, entry) || !is_filtered(repo, entry->path))
            continue;
        (void)ps_fail(err, PS_EUNSUPPORTED,
                      "'%s' keeps '%s' in Git LFS, which is not fetched",
                      op->display, entry->path);
        return ps_hint(err, "clone it with git and git-lfs, and give that "
                            "directory as the source");
    }
    return PS_OK;
}

/* ---- submodules ------------------------------------------------------ */

static enum ps_git_scheme scheme_of(const char *url)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_git_address a = { 0 };

    return ps_git_address_parse(&arena, url, &a, &ignored) < 0 ? PS_GIT_OTHER
                                                               : a.scheme;
}

/* git's protocol.file.allow (CVE-2022-39253): a repository must not make us
 * hand other repositories of this machine to a build. */
static bool may_use_files(git_repository *repo)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_GIT(git_config) config = NULL;
    const char *value = NULL;

    if (git_repository_config_snapshot(&config, repo) == 0)
        value = ps_git_setting(&arena, config, "protocol.file.allow");
    return value && strcmp(value, "always") == 0;
}

static int submodule_url(struct ps_arena *arena, git_repository *repo,
                         const struct ps_git_url *parent, const char *text,
                         struct ps_git_url *out, struct ps_error *err)
{
    bool is_relative =
        strncmp(text, "./", 2) == 0 || strncmp(text, "../", 3) == 0;
    struct ps_git_address a = { 0 };
    char *full = ps_arena_strdup(arena, text);

    if (is_relative &&
        ps_git_url_join(arena, parent->url, text, &full, err) < 0)
        return err->code;
    if (ps_git_address_parse(arena, full, &a, err) < 0)
        return err->code;
    if (a.scheme == PS_GIT_FILE && !may_use_files(repo) &&
        !(is_relative && scheme_of(parent->url) == PS_GIT_FILE))
        return ps_fail(err, PS_EDENIED,
                       "its URL '%s' is a path of this machine; git allows "
                       "that with protocol.file.allow=always only",
                       text);
    *out = (struct ps_git_url){ .url = full, .display = a.bare };
    /* The user is part of an ssh address, and names no secret. */
    if (a.scheme == PS_GIT_SSH && !a.password)
        out->display = full;
    return PS_OK;
}

/* What .gitmodules says of one path; url NULL: nothing. */
struct module {
    const char *url;    /* in the arena */
    const char *update; /* "none": leave it out */
};

/* "submodule.<name>.<key>": a copy of the key's value for the same name. */
static const char *module_value(struct ps_arena *arena, git_config *config,
                                struct ps_str path_key, const char *key)
{
    struct ps_str stem = path_key;

    stem.len -= strlen("path");
    return ps_git_setting(
        arena, config, ps_arena_format(arena, "%.*s%s", PS_STR_FMT(stem), key));
}

static struct module find_module(struct ps_arena *arena, const char *dest,
                                 const char *path)
{
    PS_AUTO_FREE char *file = ps_format("%s/.gitmodules", dest);
    PS_AUTO_GIT(git_config) config = NULL;
    PS_AUTO_GIT(git_config_iterator) it = NULL;
    PS_AUTO_GIT(git_config) snapshot = NULL;
    struct module module = { 0 };
    git_config_entry *entry = NULL;

    if (git_config_open_ondisk(&config, file) < 0 ||
        git_config_snapshot(&snapshot, config) < 0 ||
        git_config_iterator_new(&it, config) < 0)
        return module;
    while (!module.url && git_config_next(&entry, it) == 0) {
        struct ps_str key = ps_str_from(entry->name);

        if (!ps_str_starts(key, "submodule.") || !ps_str_ends(key, ".path") ||
            !entry->value || strcmp(entry->value, path) != 0)
            continue;
        module.url = module_value(arena, snapshot, key, "url");
        module.update = module_value(arena, snapshot, key, "update");
    }
    return module;
}

static int checkout_submodule(const struct checkout *c, git_repository *repo,
                              const struct ps_git_url *parent,
                              const git_index_entry *entry, const char *dest,
                              struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct checkout below = { .options = c->options,
                              .cancel = c->cancel,
                              .depth = c->depth + 1 };
    const char *path = ps_arena_format(&arena, "%s/%s", dest, entry->path);
    struct module module = find_module(&arena, dest, entry->path);
    struct ps_git_url url = { 0 };
    char hex[PS_GIT_ID_SIZE];

    if (module.update && strcmp(module.update, "none") == 0)
        return PS_OK;
    if (!module.url)
        return ps_fail(err, PS_EINVALID,
                       "submodule '%s' of '%s' has no URL in .gitmodules",
                       entry->path, parent->display);
    if (below.depth > SUBMODULE_DEPTH)
        return ps_fail(err, PS_ETOOBIG,
                       "'%s' nests submodules more than %d deep",
                       parent->display, SUBMODULE_DEPTH);
    (void)git_oid_tostr(hex, sizeof(hex), &entry->id);
    url.rev = hex;
    if (submodule_url(&arena, repo, parent, module.url, &url, err) < 0 ||
        ps_mkdirs(path, 0755, err) < 0 ||
        checkout_in(&below, &url, hex, path, err) < 0)
        return ps_context(err, "submodule '%s'", entry->path);
    return PS_OK;
}

static int checkout_submodules(const struct checkout *c, git_repository *repo,
                               git_index *index,
                               const struct ps_git_url *parent,
                               const char *dest, struct ps_error *err)
{
    /* Without the file, git leaves the directories empty, and so do we. */
    if (!git_index_get_bypath(index, ".gitmodules", 0))
        return PS_OK;
    for (size_t i = 0; i < git_index_entrycount(index); i++) {
        const git_index_entry *entry = git_index_get_byindex(index, i);

        if (entry->mode == GIT_FILEMODE_COMMIT &&
            checkout_submodule(c, repo, parent, entry, dest, err) < 0)
            return err->code;
    }
    return PS_OK;
}

/* ---- one commit ------------------------------------------------------ */

/* From the locked mirror: check the tree, then make `.git`. */
static int seed_from(const struct checkout *c, struct ps_git_mirror *m,
                     const git_oid *id, const char *dest, struct ps_git_op *op,
                     struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_GIT(git_commit) commit = NULL;
    PS_AUTO_GIT(git_tree) tree = NULL;
    struct ps_git_seed seed = { .from = m->repo, .dest = dest, .head = id };
    int rc = git_commit_lookup(&commit, m->repo, id);

    if (rc == 0)
        rc = git_commit_tree(&tree, commit);
    if (rc < 0)
        return ps_git_fail(err, op, rc, "read a commit of '%s'", op->display);
    if (ps_git_check_tree(m->repo, tree, op, err) < 0)
        return err->code;
    if (c->with_tags &&
        ps_git_history_tags(&arena, m->repo, id, op, &seed.tags, err) < 0)
        return err->code;
    return ps_git_seed(&seed, op, err);
}

/* The files, from dest's own objects: what was copied is what is read. */
static int fill(git_repository *repo, const git_oid *id, const char *dest,
                struct ps_git_op *op, struct ps_error *err)
{
    PS_AUTO_GIT(git_commit) commit = NULL;
    PS_AUTO_GIT(git_index) index = NULL;
    PS_AUTO_GIT(git_tree) tree = NULL;
    int rc = git_commit_lookup(&commit, repo, id);

    if (rc == 0)
        rc = git_commit_tree(&tree, commit);
    if (rc < 0)
        return ps_git_fail(err, op, rc, "read a commit of '%s'", op->display);
    if (write_files(repo, tree, op, err) < 0)
        return err->code;
    rc = git_repository_index(&index, repo);
    if (rc < 0)
        return ps_git_fail(err, op, rc, "read the index of '%s'", dest);
    return refuse_lfs(repo, index, dest, op, err);
}

/* Make `dest` from the mirror; *again: the mirror was damaged. */
static int attempt(const struct checkout *c, const struct ps_git_url *url,
                   const char *dest, bool *again, struct ps_error *err)
{
    struct ps_git_mirror m = PS_GIT_MIRROR_INIT;
    PS_AUTO_GIT(git_repository) repo = NULL;
    struct ps_git_op op;
    git_oid id;
    int rc = PS_OK;

    *again = false;
    ps_git_op_init(&op, c->options, c->cancel, url->display);
    rc = ps_git_resolve_in(&m, url, &op, &id, err);
    if (rc == PS_OK) {
        rc = seed_from(c, &m, &id, dest, &op, err);
        if (rc == PS_OK)
            rc = ps_git_open(dest, &repo, err);
        if (rc == PS_OK)
            rc = fill(repo, &id, dest, &op, err);
        *again = rc < 0 && ps_git_mirror_may_mend(&m, &op, err);
    }
    if (*again)
        ps_git_mirror_condemn(&m);
    ps_git_mirror_close(&m);
    return rc;
}

/* Remove what is in the directory, but not the directory. */
static int empty(const char *dest, struct ps_error *err)
{
    if (ps_remove_tree_at(AT_FDCWD, dest, err) < 0)
        return err->code;
    return ps_mkdirs(dest, 0755, err);
}

static int checkout_in(const struct checkout *c, const struct ps_git_url *url,
                       const char *id, const char *dest, struct ps_error *err)
{
    struct ps_git_url exact = *url;
    PS_AUTO_GIT(git_repository) repo = NULL;
    PS_AUTO_GIT(git_index) index = NULL;
    struct ps_error first = PS_ERROR_INIT;
    bool again = false;
    int rc = 0;

    exact.rev = id;
    if (attempt(c, &exact, dest, &again, &first) < 0) {
        if (!again) {
            *err = first;
            return err->code;
        }
        if (empty(dest, err) < 0 || attempt(c, &exact, dest, &again, err) < 0)
            return err->code;
    }
    if (ps_git_open(dest, &repo, err) < 0)
        return err->code;
    rc = git_repository_index(&index, repo);
    if (rc < 0)
        return ps_git_fail(err, NULL, rc, "read the index of '%s'", dest);
    return checkout_submodules(c, repo, index, url, dest, err);
}

int ps_git_checkout(const struct ps_git_url *url,
                    const struct ps_git_commit *commit,
                    const struct ps_git_options *options,
                    const struct ps_cancel *cancel, const char *dest,
                    struct ps_error *err)
{
    struct checkout c = { .options = options,
                          .cancel = cancel,
                          .with_tags = true };

    return checkout_in(&c, url, commit->id, dest, err);
}
