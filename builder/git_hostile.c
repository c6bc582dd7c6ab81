/*
 * Trees that nobody makes by accident: names that are `.git` to some file
 * system, names that differ by case only, links that leave the tree.
 *
 * libgit2 refuses some of these when it writes a file; this looks at the
 * whole tree before the first file is written, and says which name it was.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "git_private.h"

#define DEPTH_MAX 200
#define LINK_MAX 4096
#define CHECK_EVERY 256

struct check {
    git_repository *repo;
    struct ps_git_op *op;
    struct ps_error *err;
    uint64_t seen;
};

/* Code points that HFS+ does not see in a name (U+200C and the like). */
static size_t invisible(const char *z)
{
    const unsigned char *s = (const unsigned char *)z;

    if (s[0] == 0xe2 && s[1] == 0x80 &&
        ((s[2] >= 0x8c && s[2] <= 0x8f) || (s[2] >= 0xaa && s[2] <= 0xae)))
        return 3;
    if (s[0] == 0xe2 && s[1] == 0x81 && s[2] >= 0xaa && s[2] <= 0xaf)
        return 3;
    if (s[0] == 0xef && s[1] == 0xbb && s[2] == 0xbf)
        return 3;
    return 0;
}

/* ".git" under HFS+, after what is invisible, in any case; under NTFS with
 * dots, blanks or a stream behind it; and its short name. */
static bool is_dot_git(const char *name)
{
    char plain[16] = "";
    size_t n = 0;

    for (const char *c = name; *c && n + 1 < sizeof(plain);) {
        size_t skip = invisible(c);

        if (skip > 0) {
            c += skip;
            continue;
        }
        plain[n++] = *c++;
    }
    plain[n] = '\0';
    if (strncasecmp(plain, ".git", 4) == 0)
        n = 4;
    else if (strncasecmp(plain, "git~1", 5) == 0)
        n = 5;
    else
        return false;
    while (plain[n] == '.' || plain[n] == ' ')
        n++;
    return plain[n] == '\0' || plain[n] == ':';
}

bool ps_git_name_is_hostile(const char *name)
{
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return true;
    for (const char *c = name; *c; c++)
        if (*c == '/' || *c == '\\' || (unsigned char)*c < 0x20 || *c == 0x7f)
            return true;
    return is_dot_git(name);
}

/*
 * Does a link at link_path, with this target, point outside the tree?  ".."
 * may stand at the beginning only: behind a name that is itself a link it
 * would mean something else than it says.
 */
bool ps_git_link_leaves(const char *link_path, struct ps_str target)
{
    size_t depth = 0;
    bool went_down = false;

    if (target.len == 0 || target.data[0] == '/')
        return true;
    for (const char *c = link_path; *c; c++)
        depth += *c == '/';
    while (target.len > 0) {
        struct ps_str part = { 0 };

        (void)ps_str_cut(&target, '/', &part);
        if (part.len == 0 || ps_str_is(part, "."))
            continue;
        if (!ps_str_is(part, "..")) {
            went_down = true;
            continue;
        }
        if (went_down || depth == 0)
            return true;
        depth--;
    }
    return false;
}

static int refuse(const struct check *c, const char *path, const char *why)
{
    return ps_fail(c->err, PS_EINVALID, "'%s' has the entry '%s', %s",
                   c->op->display, path, why);
}

static int check_link(const struct check *c, const git_tree_entry *entry,
                      const char *path)
{
    PS_AUTO_GIT(git_blob) blob = NULL;
    struct ps_str target = { 0 };
    int rc = git_blob_lookup(&blob, c->repo, git_tree_entry_id(entry));

    if (rc < 0)
        return ps_git_fail(c->err, NULL, rc, "read the link '%s'", path);
    target = (struct ps_str){ git_blob_rawcontent(blob),
                              (size_t)git_blob_rawsize(blob) };
    if (strncasecmp(path, ".gitmodules", 12) == 0)
        return refuse(c, path, "which must not be a link");
    if (target.len > LINK_MAX ||
        (target.len > 0 && memchr(target.data, '\0', target.len)) ||
        ps_git_link_leaves(path, target))
        return refuse(c, path, "a link that leaves the tree");
    return PS_OK;
}

/* ASCII only: what a file system folds beyond that differs by system. */
static int by_folded_name(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;

    return strcasecmp(*x, *y);
}

static int check_collisions(const struct check *c, const git_tree *tree,
                            const char *prefix)
{
    size_t count = git_tree_entrycount(tree);
    PS_AUTO_FREE const char **names = ps_calloc(count + 1, sizeof(*names));

    for (size_t i = 0; i < count; i++)
        names[i] = git_tree_entry_name(git_tree_entry_byindex(tree, i));
    qsort(names, count, sizeof(*names), by_folded_name);
    for (size_t i = 1; i < count; i++)
        if (strcasecmp(names[i - 1], names[i]) == 0) {
            PS_AUTO_FREE char *path = ps_format("%s%s", prefix, names[i]);

            return refuse(c, path,
                          "whose name differs from another only by case, or "
                          "not at all");
        }
    return PS_OK;
}

static int check_tree(struct check *c, const git_tree *tree, const char *prefix,
                      int depth);

static int check_entry(struct check *c, const git_tree_entry *entry,
                       const char *prefix, int depth)
{
    PS_AUTO_FREE char *path =
        ps_format("%s%s", prefix, git_tree_entry_name(entry));
    PS_AUTO_FREE char *below = ps_format("%s/", path);
    PS_AUTO_GIT(git_tree) tree = NULL;
    int rc = 0;

    if (ps_git_name_is_hostile(git_tree_entry_name(entry)))
        return refuse(c, path, "a name that is not allowed");
    switch (git_tree_entry_filemode(entry)) {
    case GIT_FILEMODE_TREE:
        rc = git_tree_lookup(&tree, c->repo, git_tree_entry_id(entry));
        if (rc < 0)
            return ps_git_fail(c->err, NULL, rc, "read the directory '%s'",
                               path);
        return check_tree(c, tree, below, depth + 1);
    case GIT_FILEMODE_LINK:
        return check_link(c, entry, path);
    case GIT_FILEMODE_BLOB:
    case GIT_FILEMODE_BLOB_EXECUTABLE:
    case GIT_FILEMODE_COMMIT:
        return PS_OK;
    case GIT_FILEMODE_UNREADABLE:
        break;
    }
    return refuse(c, path, "of a kind that git does not make");
}

/* Recursive, to DEPTH_MAX. */
static int check_tree(struct check *c, const git_tree *tree, const char *prefix,
                      int depth)
{
    if (depth > DEPTH_MAX)
        return ps_fail(c->err, PS_ETOOBIG,
                       "'%s' has directories more than %d deep", c->op->display,
                       DEPTH_MAX);
    if (check_collisions(c, tree, prefix) < 0)
        return c->err->code;
    for (size_t i = 0; i < git_tree_entrycount(tree); i++) {
        if (++c->seen % CHECK_EVERY == 0 && ps_git_op_check(c->op, c->err) < 0)
            return c->err->code;
        if (check_entry(c, git_tree_entry_byindex(tree, i), prefix, depth) < 0)
            return c->err->code;
    }
    return PS_OK;
}

int ps_git_check_tree(git_repository *repo, const git_tree *tree,
                      struct ps_git_op *op, struct ps_error *err)
{
    struct check c = { .repo = repo, .op = op, .err = err };

    return check_tree(&c, tree, "", 0);
}
