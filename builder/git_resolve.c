/* From "branch, tag or commit" to a commit that the mirror has. */
#include <ctype.h>
#include <string.h>

#include "git_private.h"

#define SHORT_ID_MIN 4

struct search {
    struct ps_git_mirror *m;
    const struct ps_git_url *url;
    struct ps_git_op *op;
};

static bool is_hex(const char *rev)
{
    for (; *rev; rev++)
        if (!isxdigit((unsigned char)*rev))
            return false;
    return true;
}

static bool is_full_id(const char *rev)
{
    return rev && strlen(rev) == GIT_OID_HEXSZ && is_hex(rev);
}

/* 1: *out is the commit; 0: there is no such thing; negative: libgit2's. */
static int peel(git_object *object, git_oid *out)
{
    PS_AUTO_GIT(git_object) commit = NULL;
    int rc = git_object_peel(&commit, object, GIT_OBJECT_COMMIT);

    if (rc < 0)
        return rc;
    *out = *git_object_id(commit);
    return 1;
}

static int find_ref(git_repository *repo, const char *name, git_oid *out)
{
    PS_AUTO_GIT(git_object) object = NULL;
    git_oid id;
    int rc = git_reference_name_to_id(&id, repo, name);

    if (rc == GIT_ENOTFOUND || rc == GIT_EINVALIDSPEC)
        return 0;
    if (rc == 0)
        rc = git_object_lookup(&object, repo, &id, GIT_OBJECT_ANY);
    return rc < 0 ? rc : peel(object, out);
}

static int find_id(git_repository *repo, const char *rev, git_oid *out)
{
    PS_AUTO_GIT(git_object) object = NULL;
    git_oid id;
    int rc = git_oid_fromstrn(&id, rev, strlen(rev));

    if (rc < 0)
        return rc;
    rc = git_object_lookup_prefix(&object, repo, &id, strlen(rev),
                                  GIT_OBJECT_ANY);
    if (rc == GIT_ENOTFOUND)
        return 0;
    return rc < 0 ? rc : peel(object, out);
}

/* Where an explicitly fetched reference is kept: refs/pkgsync/pull/1/head. */
static char *private_ref(struct ps_arena *arena, const char *rev)
{
    return ps_arena_format(arena, "refs/pkgsync/%s",
                           rev + (strncmp(rev, "refs/", 5) == 0 ? 5 : 0));
}

/* As pip: a branch, a tag, then a commit. */
static int find(git_repository *repo, const char *rev, git_oid *out)
{
    static const char *const places[] = { "refs/heads/", "refs/tags/" };
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    int found = 0;

    if (!rev || strcmp(rev, "HEAD") == 0)
        return find_ref(repo, "HEAD", out);
    if (is_full_id(rev))
        return find_id(repo, rev, out);
    for (size_t i = 0; i < PS_ARRAY_SIZE(places) && found == 0; i++)
        found = find_ref(repo, ps_arena_format(&arena, "%s%s", places[i], rev),
                         out);
    if (found == 0 && strncmp(rev, "refs/", 5) == 0)
        found = find_ref(repo, rev, out);
    if (found == 0 && strncmp(rev, "refs/", 5) == 0)
        found = find_ref(repo, private_ref(&arena, rev), out);
    if (found == 0 && is_hex(rev) && strlen(rev) >= SHORT_ID_MIN &&
        strlen(rev) < GIT_OID_HEXSZ)
        found = find_id(repo, rev, out);
    return found;
}

static int fail_unknown(const struct search *s, struct ps_error *err)
{
    const char *where =
        s->op->options->offline ? "; nothing is fetched in offline mode" : "";

    if (!s->url->rev)
        return ps_fail(err, PS_ENOTFOUND,
                       "'%s' has no commit on its default branch%s",
                       s->url->display, where);
    return ps_fail(err, PS_ENOTFOUND,
                   "'%s' has no branch, tag or commit '%s'%s", s->url->display,
                   s->url->rev, where);
}

/*
 * Fetch; a mirror that turns out to be damaged is thrown away and made again,
 * once.
 */
static int fetch(const struct search *s, const char *refspec,
                 struct ps_error *err)
{
    struct ps_error first = PS_ERROR_INIT;
    bool damaged = false;

    if (ps_git_mirror_fetch(s->m, s->url, s->op, refspec, &damaged, &first) ==
        PS_OK)
        return PS_OK;
    if (!damaged || s->m->is_fresh) {
        *err = first;
        return err->code;
    }
    if (ps_git_mirror_remake(s->m, err) < 0 ||
        ps_git_mirror_fetch(s->m, s->url, s->op, NULL, &damaged, err) < 0)
        return err->code;
    return refspec ? ps_git_mirror_fetch(s->m, s->url, s->op, refspec, &damaged,
                                         err)
                   : PS_OK;
}

/* Neither branch nor tag: ask for the reference or the commit itself. */
static int fetch_hidden(const struct search *s, git_oid *out, int *found,
                        struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error refused = PS_ERROR_INIT;
    const char *rev = s->url->rev;
    char *spec = NULL;

    if (!is_full_id(rev) && strncmp(rev, "refs/", 5) != 0)
        return PS_OK;
    spec = ps_arena_format(&arena, "+%s:%s", rev, private_ref(&arena, rev));
    if (fetch(s, spec, &refused) < 0) {
        switch (refused.code) {
        case PS_ECANCELED:
        case PS_ELOST:
        case PS_ETIMEOUT:
        case PS_EAUTH:
            *err = refused;
            return err->code;
        default:
            return PS_OK; /* the server does not have it, or will not say */
        }
    }
    *found = find(s->m->repo, rev, out);
    return PS_OK;
}

/* The commit and its tree are there and whole. */
static bool is_readable(git_repository *repo, const git_oid *id)
{
    PS_AUTO_GIT(git_commit) commit = NULL;
    PS_AUTO_GIT(git_tree) tree = NULL;

    return git_commit_lookup(&commit, repo, id) == 0 &&
           git_commit_tree(&tree, commit) == 0;
}

/* A mirror that was cut short by its damage must not answer "unknown". */
static int remake(const struct search *s, git_oid *out, int *found,
                  struct ps_error *err)
{
    if (s->m->is_fresh || s->op->options->offline)
        return PS_OK;
    if (ps_git_mirror_remake(s->m, err) < 0 || fetch(s, NULL, err) < 0)
        return err->code;
    *found = find(s->m->repo, s->url->rev, out);
    return PS_OK;
}

int ps_git_resolve_in(struct ps_git_mirror *m, const struct ps_git_url *url,
                      struct ps_git_op *op, git_oid *out, struct ps_error *err)
{
    struct search s = { .m = m, .url = url, .op = op };
    int found = 0;

    if (ps_git_mirror_open(m, url, op, err) < 0)
        return err->code;
    if (is_full_id(url->rev) || op->options->offline)
        found = find(m->repo, url->rev, out);
    if (found > 0 && is_readable(m->repo, out))
        return PS_OK;
    if (!op->options->offline) {
        if (fetch(&s, NULL, err) < 0)
            return err->code;
        found = find(m->repo, url->rev, out);
        if (found == 0 && url->rev && fetch_hidden(&s, out, &found, err) < 0)
            return err->code;
        if ((found < 0 || (found > 0 && !is_readable(m->repo, out))) &&
            remake(&s, out, &found, err) < 0)
            return err->code;
    }
    if (found == 0)
        return fail_unknown(&s, err);
    if (found == GIT_EAMBIGUOUS)
        return ps_fail(err, PS_EINVALID,
                       "'%s': more than one commit begins with '%s'",
                       url->display, url->rev);
    if (found < 0)
        return ps_git_fail(err, NULL, found, "find '%s' in '%s'",
                           url->rev ? url->rev : "HEAD", url->display);
    return PS_OK;
}

/* With the mirror open: what a caller wants to know of the commit. */
static int describe(struct ps_arena *arena, const struct search *s,
                    const git_oid *id, struct ps_git_commit *out,
                    struct ps_error *err)
{
    PS_AUTO_GIT(git_commit) commit = NULL;
    struct ps_git_tags tags = { 0 };
    char hex[PS_GIT_ID_SIZE];
    int rc = 0;

    if (ps_git_history_tags(arena, s->m->repo, id, s->op, &tags, err) < 0)
        return err->code;
    rc = git_commit_lookup(&commit, s->m->repo, id);
    if (rc < 0)
        return ps_git_fail(err, NULL, rc, "read a commit of '%s'",
                           s->url->display);
    (void)git_oid_tostr(hex, sizeof(hex), id);
    *out = (struct ps_git_commit){
        .id = ps_arena_strdup(arena, hex),
        .time_s = git_commit_time(commit),
        .mirror = ps_arena_strdup(arena, s->m->path),
        .digest = ps_git_history_digest(id, &tags, s->url->subdirectory),
    };
    return PS_OK;
}

int ps_git_resolve(struct ps_arena *arena, const struct ps_git_url *url,
                   const struct ps_git_options *options,
                   const struct ps_cancel *cancel, struct ps_git_commit *out,
                   struct ps_error *err)
{
    struct ps_error first = PS_ERROR_INIT;
    int rc = PS_OK;

    for (int attempt = 0;; attempt++) {
        struct ps_git_mirror m = PS_GIT_MIRROR_INIT;
        struct ps_git_op op;
        struct search s = { .m = &m, .url = url, .op = &op };
        bool again = false;
        git_oid id;

        ps_git_op_init(&op, options, cancel, url->display);
        rc = ps_git_resolve_in(&m, url, &op, &id, &first);
        if (rc == PS_OK) {
            rc = describe(arena, &s, &id, out, &first);
            again = rc < 0 && attempt == 0 &&
                    ps_git_mirror_may_mend(&m, &op, &first);
        }
        if (again)
            ps_git_mirror_condemn(&m);
        ps_git_mirror_close(&m);
        if (!again)
            break;
        first = PS_ERROR_INIT;
    }
    if (rc < 0)
        *err = first;
    return rc;
}
