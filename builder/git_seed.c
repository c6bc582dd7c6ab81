/*
 * Make the `.git` that a build gets: the objects, HEAD, the tags of its
 * history, and a configuration that says nothing of where it came from.
 *
 * Objects are copied (reflinked where the file system can), not linked: a
 * build must not be able to reach the mirror or the person's repository.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "git_private.h"
#include "pkgsync/fd.h"

#define ALTERNATES_MAX 65536
#define SMALL_MAX ((size_t)256 << 20)

/* Settings that change what git sees in the files, not where they go. */
static const char *const kept_settings[] = { "core.autocrlf", "core.eol",
                                             "core.ignorecase",
                                             "core.symlinks" };

struct copy {
    struct ps_git_op *op;
    struct ps_error *err;
    int from;
    int to;
};

/* A file that is gone again is no failure: git may repack at any time, and
 * puts the new pack in place before it removes the old one. */
static int copy_file(const struct copy *c, const char *name)
{
    PS_AUTO_FD int in =
        openat(c->from, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    PS_AUTO_FD int out = -1;
    struct stat st;

    if (in < 0 && errno == ENOENT)
        return PS_OK;
    if (in < 0 || fstat(in, &st) < 0)
        return ps_fail_errno(c->err, errno, "open '%s'", name);
    if (!S_ISREG(st.st_mode))
        return PS_OK;
    if (ps_git_op_check(c->op, c->err) < 0)
        return c->err->code;
    out = openat(c->to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (out < 0 && errno == EEXIST)
        return PS_OK; /* alternates may hold the same object */
    if (out < 0)
        return ps_fail_errno(c->err, errno, "make '%s'", name);
    if (ps_copy_fd(in, out, UINT64_MAX, NULL, NULL, c->err) < 0)
        return ps_context(c->err, "copy '%s'", name);
    return PS_OK;
}

static bool is_object_dir(const char *name)
{
    return strcmp(name, "pack") == 0 ||
           (strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2);
}

/* Finished packs and loose objects; no locks, no halves. */
static bool is_object_file(const char *dir, const char *name)
{
    if (strcmp(dir, "pack") != 0)
        return strspn(name, "0123456789abcdef") == strlen(name);
    return strncmp(name, "pack-", 5) == 0 && !strstr(name, ".lock") &&
           !strstr(name, ".keep") && !strstr(name, ".bitmap");
}

/* Packs before their indexes, so that no index lacks its pack. */
static int copy_pass(const struct copy *c, const char *dir, DIR *entries,
                     bool indexes)
{
    for (;;) {
        const struct dirent *e = readdir(entries);
        size_t len = 0;

        if (!e)
            return PS_OK;
        len = strlen(e->d_name);
        if (!is_object_file(dir, e->d_name) ||
            indexes != (len > 4 && strcmp(e->d_name + len - 4, ".idx") == 0))
            continue;
        if (copy_file(c, e->d_name) < 0)
            return c->err->code;
    }
}

static int copy_object_dir(const char *from, const char *to, const char *dir,
                           struct ps_git_op *op, struct ps_error *err)
{
    PS_AUTO_FREE char *source = ps_format("%s/%s", from, dir);
    PS_AUTO_FREE char *target = ps_format("%s/%s", to, dir);
    PS_AUTO_DIR DIR *entries = opendir(source);
    PS_AUTO_FD int out = -1;
    struct copy c = { .op = op, .err = err };

    if (!entries && errno == ENOENT)
        return PS_OK;
    if (!entries)
        return ps_fail_errno(err, errno, "open '%s'", source);
    if (ps_open_dir(target, true, &out, err) < 0)
        return err->code;
    c.from = dirfd(entries);
    c.to = out;
    if (copy_pass(&c, dir, entries, false) < 0)
        return ps_context(err, "from '%s'", source);
    rewinddir(entries);
    if (copy_pass(&c, dir, entries, true) < 0)
        return ps_context(err, "from '%s'", source);
    return PS_OK;
}

/* One object directory, without its alternates. */
static int copy_one_store(const char *from, const char *to,
                          struct ps_git_op *op, struct ps_error *err)
{
    PS_AUTO_DIR DIR *dir = opendir(from);

    if (!dir)
        return ps_fail_errno(err, errno, "open '%s'", from);
    for (;;) {
        const struct dirent *e = readdir(dir);

        if (!e)
            return PS_OK;
        if (is_object_dir(e->d_name) &&
            copy_object_dir(from, to, e->d_name, op, err) < 0)
            return err->code;
    }
}

/*
 * The objects at `from` and, breadth first, those of its alternates (git
 * clone --shared), which a sandbox would not see.
 */
static int copy_objects(const char *from, const char *to, struct ps_git_op *op,
                        struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const char *stores[64] = { from };
    size_t count = 1;

    for (size_t i = 0; i < count; i++) {
        PS_AUTO_BUF struct ps_buf list = PS_BUF_INIT(ALTERNATES_MAX);
        struct ps_error none = PS_ERROR_INIT;
        struct ps_str rest = { 0 };

        if (copy_one_store(stores[i], to, op, err) < 0)
            return err->code;
        if (ps_read_file_at(
                AT_FDCWD,
                ps_arena_format(&arena, "%s/info/alternates", stores[i]), &list,
                &none) < 0)
            continue;
        rest = ps_buf_str(&list);
        while (rest.len > 0) {
            struct ps_str line = { 0 };

            (void)ps_str_cut(&rest, '\n', &line);
            if (line.len == 0 || line.data[0] == '#')
                continue;
            if (count == PS_ARRAY_SIZE(stores))
                return ps_fail(err, PS_ETOOBIG,
                               "'%s' has more than %zu alternates", from,
                               count);
            stores[count++] =
                line.data[0] == '/'
                    ? ps_arena_dup(&arena, line)
                    : ps_arena_format(&arena, "%s/%.*s", stores[i],
                                      PS_STR_FMT(line));
        }
    }
    return PS_OK;
}

static int write_text(const char *git, const char *name,
                      const struct ps_buf *text, struct ps_error *err)
{
    PS_AUTO_FREE char *path = ps_format("%s/%s", git, name);
    PS_AUTO_FD int fd = -1;

    fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return ps_fail_errno(err, errno, "make '%s'", path);
    if (ps_write_all(fd, text->data ? text->data : "", text->len, err) < 0)
        return ps_context(err, "write '%s'", path);
    return PS_OK;
}

static int write_config(const struct ps_git_seed *seed, const char *git,
                        struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(4096);
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_GIT(git_config) config = NULL;

    ps_buf_adds(&text, "[core]\n"
                       "\trepositoryformatversion = 0\n"
                       "\tfilemode = true\n"
                       "\tbare = false\n"
                       "\tlogallrefupdates = false\n");
    if (!git_repository_is_bare(seed->from) &&
        git_repository_config_snapshot(&config, seed->from) == 0)
        for (size_t i = 0; i < PS_ARRAY_SIZE(kept_settings); i++) {
            const char *value =
                ps_git_setting(&arena, config, kept_settings[i]);

            if (value &&
                strspn(value, "abcdefghijklmnopqrstuvwxyz") == strlen(value))
                ps_buf_addf(&text, "\t%s = %s\n", kept_settings[i] + 5, value);
        }
    /* Nothing that a build runs may start to tidy up. */
    ps_buf_adds(&text, "[gc]\n\tauto = 0\n[maintenance]\n\tauto = false\n");
    return write_text(git, "config", &text, err);
}

/* packed-refs(5): sorted by name, annotated tags with what they peel to. */
static int write_refs(const struct ps_git_seed *seed, const char *git,
                      struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf refs = PS_BUF_INIT(SMALL_MAX);
    PS_AUTO_BUF struct ps_buf head = PS_BUF_INIT(4096);
    char hex[PS_GIT_ID_SIZE];

    ps_buf_adds(&refs, "# pack-refs with: peeled fully-peeled sorted \n");
    if (seed->head)
        (void)git_oid_tostr(hex, sizeof(hex), seed->head);
    if (seed->head && seed->head_ref)
        ps_buf_addf(&refs, "%s %s\n", hex, seed->head_ref);
    if (seed->head_ref)
        ps_buf_addf(&head, "ref: %s\n", seed->head_ref);
    else
        ps_buf_addf(&head, "%s\n", hex);

    for (size_t i = 0; i < seed->tags.count; i++) {
        const struct ps_git_tag *tag = &seed->tags.items[i];

        (void)git_oid_tostr(hex, sizeof(hex), &tag->target);
        ps_buf_addf(&refs, "%s refs/tags/%s\n", hex, tag->name);
        if (git_oid_equal(&tag->target, &tag->commit))
            continue;
        (void)git_oid_tostr(hex, sizeof(hex), &tag->commit);
        ps_buf_addf(&refs, "^%s\n", hex);
    }
    if (ps_buf_check(&refs, "the list of tags", err) < 0 ||
        write_text(git, "packed-refs", &refs, err) < 0)
        return err->code;
    return write_text(git, "HEAD", &head, err);
}

/* A shallow clone says where its history ends. */
static int copy_shallow(const struct ps_git_seed *seed, const char *git,
                        struct ps_git_op *op, struct ps_error *err)
{
    struct copy c = { .op = op, .err = err };
    PS_AUTO_FD int from = -1;
    PS_AUTO_FD int to = -1;

    if (ps_open_dir(git_repository_commondir(seed->from), false, &from, err) <
            0 ||
        ps_open_dir(git, false, &to, err) < 0)
        return err->code;
    c.from = from;
    c.to = to;
    return copy_file(&c, "shallow");
}

int ps_git_seed(const struct ps_git_seed *seed, struct ps_git_op *op,
                struct ps_error *err)
{
    static const char *const folders[] = { "objects/info", "objects/pack",
                                           "refs/heads", "refs/tags" };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const char *git = ps_arena_format(&arena, "%s/.git", seed->dest);
    const char *from = ps_arena_format(&arena, "%s/objects",
                                       git_repository_commondir(seed->from));

    for (size_t i = 0; i < PS_ARRAY_SIZE(folders); i++)
        if (ps_mkdirs(ps_arena_format(&arena, "%s/%s", git, folders[i]), 0755,
                      err) < 0)
            return err->code;
    if (write_config(seed, git, err) < 0 ||
        copy_objects(from, ps_arena_format(&arena, "%s/objects", git), op,
                     err) < 0 ||
        copy_shallow(seed, git, op, err) < 0)
        return err->code;
    return write_refs(seed, git, err);
}

/* ---- a copy of a person's repository --------------------------------- */

/* The index, with the parts that it may be split into. */
static int copy_index(git_repository *repo, const char *dest,
                      struct ps_git_op *op, struct ps_error *err)
{
    PS_AUTO_DIR DIR *dir = opendir(git_repository_path(repo));
    PS_AUTO_FREE char *git = ps_format("%s/.git", dest);
    struct copy c = { .op = op, .err = err };
    PS_AUTO_FD int to = -1;

    if (!dir)
        return ps_fail_errno(err, errno, "open '%s'",
                             git_repository_path(repo));
    if (ps_open_dir(git, false, &to, err) < 0)
        return err->code;
    c.from = dirfd(dir);
    c.to = to;
    for (;;) {
        const struct dirent *e = readdir(dir);

        if (!e)
            return PS_OK;
        if (strcmp(e->d_name, "index") != 0 &&
            strncmp(e->d_name, "sharedindex.", 12) != 0)
            continue;
        if (copy_file(&c, e->d_name) < 0)
            return err->code;
    }
}

/* What `git status` is to pass over is no secret, and part of its answer. */
static int copy_exclude(git_repository *repo, const char *dest,
                        struct ps_git_op *op, struct ps_error *err)
{
    PS_AUTO_FREE char *source =
        ps_format("%s/info", git_repository_commondir(repo));
    PS_AUTO_FREE char *target = ps_format("%s/.git/info", dest);
    struct copy c = { .op = op, .err = err };
    PS_AUTO_FD int from = -1;
    PS_AUTO_FD int to = -1;

    if (access(source, F_OK) < 0)
        return PS_OK;
    if (ps_open_dir(source, false, &from, err) < 0 ||
        ps_mkdirs(target, 0755, err) < 0 ||
        ps_open_dir(target, false, &to, err) < 0)
        return err->code;
    c.from = from;
    c.to = to;
    return copy_file(&c, "exclude");
}

/* HEAD as it is: on a branch (perhaps without a commit yet), or detached. */
static int read_head(git_repository *repo, struct ps_arena *arena,
                     struct ps_git_seed *seed, git_oid *id,
                     struct ps_error *err)
{
    PS_AUTO_GIT(git_reference) head = NULL;
    int rc = git_reference_lookup(&head, repo, "HEAD");

    if (rc == 0 && git_reference_type(head) == GIT_REFERENCE_SYMBOLIC)
        seed->head_ref =
            ps_arena_strdup(arena, git_reference_symbolic_target(head));
    if (rc == 0)
        rc = git_reference_name_to_id(id, repo, "HEAD");
    if (rc == 0)
        seed->head = id;
    if (rc == GIT_ENOTFOUND && seed->head_ref)
        return PS_OK;
    if (rc < 0)
        return ps_git_fail(err, NULL, rc, "read HEAD of '%s'",
                           git_repository_path(repo));
    return PS_OK;
}

int ps_git_copy_repository(const char *root, const char *dest,
                           const struct ps_cancel *cancel, struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_GIT(git_repository) repo = NULL;
    struct ps_git_seed seed = { .dest = dest };
    struct ps_git_op op;
    git_oid id;

    ps_git_op_init(&op, NULL, cancel, root);
    if (ps_git_open(root, &repo, err) < 0)
        return err->code;
    seed.from = repo;
    if (read_head(repo, &arena, &seed, &id, err) < 0)
        return err->code;
    if (seed.head &&
        ps_git_history_tags(&arena, repo, seed.head, &op, &seed.tags, err) < 0)
        return err->code;
    if (ps_git_seed(&seed, &op, err) < 0 ||
        copy_index(repo, dest, &op, err) < 0 ||
        copy_exclude(repo, dest, &op, err) < 0)
        return ps_context(err, "copy the repository of '%s'", root);
    return PS_OK;
}
