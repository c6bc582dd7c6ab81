/*
 * Git sources: clones with libgit2, as the person's own git would make them.
 *
 * A remote repository is kept as one bare mirror under the cache directory
 * and fetched into; a build gets a fresh checkout of one resolved commit with
 * a usable `.git` (setuptools-scm and hatch-vcs read versions from it).  No
 * hook, filter or configuration of the repository is ever run or trusted.
 *
 *   ssh    through the person's own ssh program: GIT_SSH_COMMAND,
 *          core.sshCommand, GIT_SSH, `ssh`; batch mode without a terminal
 *   https  credentials from `git credential fill`, approved or rejected
 *          afterwards; http.proxy, http.sslCAInfo and GIT_SSL_CAINFO honoured
 *   file   `git+file:///p`, and a plain path to a repository
 *
 * Credentials never reach a URL that is shown, stored or returned.
 * Submodules are checked out; Git LFS pointers are refused by name.
 * Blocking; any thread; processes that share a mirror take turns (flock).
 */
#ifndef PKGSYNC_GIT_H
#define PKGSYNC_GIT_H

#include <stdbool.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/cancel.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"
#include "pkgsync/str.h"

/* What a requirement such as `git+https://h/r@v1#subdirectory=a&egg=b` says. */
struct ps_git_url {
    const char *url;          /* what to clone: https://, ssh://, file:// or an
                                 absolute path; may hold a user's name */
    const char *display;      /* the same without any password; for people,
                                 keys and records */
    const char *rev;          /* branch, tag or commit; NULL: default branch */
    const char *subdirectory; /* relative, no ".."; NULL: the root */
    const char *egg;          /* the name that it claims; NULL */
};

/*
 * Parse what pip accepts after `git+` (PEP 440 direct references, pip's VCS
 * URLs).  `@` may stand in the user part, a revision may contain `/`.
 * `git+git@host:path` is PS_EINVALID with the form to write instead.  Strings
 * live in the arena.
 */
PS_MUST_USE int ps_git_url_parse(struct ps_arena *arena, struct ps_str text,
                                 struct ps_git_url *out, struct ps_error *err);

/* Called now and then; bytes and objects received so far; total 0: unknown. */
typedef void(ps_git_progress_fn)(uint64_t objects, uint64_t total_objects,
                                 uint64_t bytes, void *user);

struct ps_git_options {
    const char *mirror_root;      /* Required: <cache>/git; is made */
    uint64_t stall_limit_ms;      /* no byte for so long: PS_ETIMEOUT;
                                     0: 60,000 */
    bool offline;                 /* use what the mirror has, never fetch */
    ps_git_progress_fn *progress; /* Optional */
    void *user;
};

struct ps_git_commit {
    const char *id;          /* 40 hexadecimal digits, lower case */
    int64_t time_s;          /* committer time, seconds since 1970 */
    const char *mirror;      /* path of the bare repository that holds it */
    struct ps_sha256 digest; /* commit, subdirectory, and every tag that
                                points at its history: what a build can see */
};

/*
 * Resolve the revision to a commit, fetching where it must: a full commit id
 * that the mirror has needs no network.
 *
 *   PS_ENOTFOUND     no such repository, or no such revision (names both)
 *   PS_EAUTH         credentials refused, or none to be had
 *   PS_EUNREACHABLE  the host does not answer
 *   PS_EDENIED       the repository on disk belongs to somebody else
 *                    (CVE-2022-24765: names the owner and the way out)
 *   PS_ECANCELED, PS_ETIMEOUT
 */
PS_MUST_USE int ps_git_resolve(struct ps_arena *arena,
                               const struct ps_git_url *url,
                               const struct ps_git_options *options,
                               const struct ps_cancel *cancel,
                               struct ps_git_commit *out, struct ps_error *err);

/*
 * Check the commit out into the empty directory `dest`, with a `.git` that
 * holds its history and tags and no configuration of the mirror.  Strict:
 * hostile names are PS_EINVALID.
 */
PS_MUST_USE int ps_git_checkout(const struct ps_git_url *url,
                                const struct ps_git_commit *commit,
                                const struct ps_git_options *options,
                                const struct ps_cancel *cancel,
                                const char *dest, struct ps_error *err);

/* The state of a working copy, for directory sources (tree.h). */
struct ps_git_state {
    bool is_repository; /* false: the rest is unset */
    const char *head;   /* commit id, or NULL before the first commit */
    int64_t time_s;
    struct ps_sha256 digest; /* head, the tags that point at its history, and
                                which files are tracked with what content */
};

/* `root` itself must hold `.git`; parents are not searched.  No status walk:
 * cheap enough for a warm run. */
PS_MUST_USE int ps_git_inspect(struct ps_arena *arena, const char *root,
                               struct ps_git_state *out, struct ps_error *err);

/*
 * The same with a memory: the walk over the history (milliseconds for each
 * thousand commits) is done once for a HEAD and a set of tags.  One small
 * file a repository in `cache_dir`, which is made.
 */
PS_MUST_USE int ps_git_inspect_cached(struct ps_arena *arena, const char *root,
                                      const char *cache_dir,
                                      struct ps_git_state *out,
                                      struct ps_error *err);

/*
 * Give the copy at `dest` (files already there) a usable `.git` made from the
 * one at `root`: history, tags, HEAD and index, but no hooks and only a
 * minimal configuration (remotes and http.extraheader may hold secrets).
 * Worktrees and submodules, whose `.git` is a file, are resolved.
 */
PS_MUST_USE int ps_git_copy_repository(const char *root, const char *dest,
                                       const struct ps_cancel *cancel,
                                       struct ps_error *err);

#endif
