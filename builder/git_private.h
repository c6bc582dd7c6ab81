/*
 * What the parts of git.h's implementation share.
 *
 *   git_url        parse what pip accepts, join relative URLs
 *   git_op         one operation: its clock, cancel, callbacks, errors
 *   git_child      run a helper program with pipes
 *   git_stream     ssh:// and git:// as a libgit2 subtransport
 *   git_http       http:// and https:// as a libgit2 subtransport
 *   git_settings   http.* of the person's git configuration
 *   git_credential `git credential`
 *   git_mirror     the bare mirrors: lock, make, fetch, throw away
 *   git_resolve    from a revision to a commit
 *   git_history    tags that point at a commit's history; digests
 *   git_inspect    the state of a directory's repository
 *   git_seed       make the `.git` of a checkout or of a copy
 *   git_hostile    refuse hostile trees
 *   git_checkout   files, submodules, LFS
 *
 * Everything blocks and belongs to the thread that runs the operation.
 */
#ifndef PKGSYNC_GIT_PRIVATE_H
#define PKGSYNC_GIT_PRIVATE_H

#include <git2.h>
#include <git2/sys/transport.h>
#include <sys/types.h>

#include "pkgsync/buf.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/git.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define PS_GIT_ID_SIZE (GIT_OID_HEXSZ + 1)

enum ps_git_scheme {
    PS_GIT_FILE,
    PS_GIT_HTTP, /* http and https */
    PS_GIT_SSH,
    PS_GIT_DAEMON, /* git:// */
    PS_GIT_OTHER,
};

/* ---- git_url.c ------------------------------------------------------- */

/* A URL that libgit2 may hand us (after insteadOf): scheme, user, host... */
struct ps_git_address {
    enum ps_git_scheme scheme;
    char *user;     /* owned by the arena; NULL when absent; decoded */
    char *password; /* the same */
    char *host;     /* without brackets; "" for a path */
    char *port;     /* NULL: the default */
    char *path;     /* decoded for ssh, git and file; as it is for http */
    char *bare;     /* the URL without user and password */
};

/* Also takes the scp form, which insteadOf rules produce. */
PS_MUST_USE int ps_git_address_parse(struct ps_arena *arena, const char *url,
                                     struct ps_git_address *out,
                                     struct ps_error *err);

/* `relative` ("./x", "../x") against the URL of the parent, as git does. */
PS_MUST_USE int ps_git_url_join(struct ps_arena *arena, const char *parent,
                                const char *relative, char **out,
                                struct ps_error *err);

/* ---- git_op.c -------------------------------------------------------- */

struct ps_git_op {
    const struct ps_git_options *options; /* borrowed; NULL: local work */
    const struct ps_cancel *cancel;       /* borrowed; may be NULL */
    const char *display;                  /* borrowed; for messages */
    uint64_t stall_ms;
    bool interactive;    /* a person at a terminal can be asked */
    git_config *config;  /* borrowed: the person's settings */
    struct ps_error err; /* what a callback found; code 0: nothing */
};

/* libgit2 and libcurl are set up once and stay. */
PS_MUST_USE int ps_git_init(struct ps_error *err);

void ps_git_op_init(struct ps_git_op *op, const struct ps_git_options *options,
                    const struct ps_cancel *cancel, const char *display);

/* Can somebody be asked?  GIT_TERMINAL_PROMPT=0 says no. */
bool ps_git_has_terminal(void);

/*
 * Wait until one of the descriptors is ready (revents is set), limit_ms have
 * passed without, or a cancel; the failure goes to op->err.
 */
struct pollfd;
PS_MUST_USE int ps_git_wait(struct ps_git_op *op, struct pollfd *fds,
                            size_t count, uint64_t limit_ms);

/* Record a failure of a callback, once; returns GIT_EUSER for libgit2. */
int ps_git_op_fail(struct ps_git_op *op, int code, const char *fmt, ...)
    PS_PRINTF(3, 4);

/* A libgit2 call failed with rc: op's own failure, or libgit2's last. */
int ps_git_fail(struct ps_error *err, const struct ps_git_op *op, int rc,
                const char *fmt, ...) PS_PRINTF(4, 5);

/* Does libgit2's last failure speak of damaged objects or references? */
bool ps_git_is_damage(int rc);

/* PS_OK, or the cancel's code with a text. */
PS_MUST_USE int ps_git_op_check(struct ps_git_op *op, struct ps_error *err);

/* Open without searching parents; names a foreign owner and the way out. */
PS_MUST_USE int ps_git_open(const char *path, git_repository **out,
                            struct ps_error *err);

/* ---- git_child.c ----------------------------------------------------- */

#define PS_GIT_CHILD_LOG_MAX 4096

struct ps_git_child {
    pid_t pid; /* 0: none */
    int in;    /* a socket: no SIGPIPE */
    int out;
    int errors;
    bool own_group;
    struct ps_buf log; /* the beginning of standard error */
};

#define PS_GIT_CHILD_INIT                 \
    ((struct ps_git_child){ .in = -1,     \
                            .out = -1,    \
                            .errors = -1, \
                            .log = { .max = PS_GIT_CHILD_LOG_MAX } })

/* Our environment without what names a repository (a hook sets GIT_DIR), and
 * with one more setting, unless it is NULL. */
char **ps_git_environment(struct ps_arena *arena, const char *setting);

/* Interactive: in our process group, so that it may use the terminal. */
PS_MUST_USE int ps_git_child_start(struct ps_git_child *child,
                                   const char *const *argv, char *const *envp,
                                   bool interactive, struct ps_error *err);
/* Bytes of standard output; 0 at its end; -1: op->err says why. */
ssize_t ps_git_child_read(struct ps_git_child *child, struct ps_git_op *op,
                          void *data, size_t size, uint64_t limit_ms);
PS_MUST_USE int ps_git_child_write(struct ps_git_child *child,
                                   struct ps_git_op *op, const void *data,
                                   size_t len, uint64_t limit_ms);
/* Close its input, let it end (briefly), or make it.  Status as waitpid. */
int ps_git_child_finish(struct ps_git_child *child);
void ps_git_child_kill(struct ps_git_child *child);

/* ---- git_stream.c, git_ssh.c ---------------------------------------- */

int ps_git_stream_transport(git_smart_subtransport **out, git_transport *owner,
                            void *op);

/* Start ssh for the address; argv and environment as git has them. */
PS_MUST_USE int ps_git_ssh_start(struct ps_git_op *op,
                                 const struct ps_git_address *address,
                                 struct ps_git_child *child,
                                 struct ps_error *err);
/* What the end of the child means, from its status and messages. */
void ps_git_ssh_explain(const struct ps_git_address *address, int status,
                        const char *log, struct ps_error *err);

/* ---- git_http.c, git_settings.c ------------------------------------- */

int ps_git_http_transport(git_smart_subtransport **out, git_transport *owner,
                          void *op);

/* http.<name>, the value for the URL that fits best; NULL when unset. */
char *ps_git_http_setting(struct ps_arena *arena, git_config *config,
                          const char *url, const char *name);
/* url.<base>.insteadOf, the longest rule that fits; else the URL itself.
 * Not left to libgit2: 1.5 with PCRE2 leaks 20 KiB for each setting that its
 * search passes. */
char *ps_git_instead_of(struct ps_arena *arena, git_config *config,
                        const char *url);
/* One value of a key that may be absent (NULL). */
char *ps_git_setting(struct ps_arena *arena, git_config *config,
                     const char *key);

/* Every value of http.extraHeader and http.<url>.extraHeader that fits. */
typedef void(ps_git_value_fn)(const char *value, void *user);
void ps_git_http_each(git_config *config, const char *url, const char *name,
                      ps_git_value_fn *fn, void *user);

/* ---- git_credential.c ------------------------------------------------ */

struct ps_git_credential {
    char *user; /* owned; wiped before it is freed */
    char *password;
};

void ps_git_credential_release(struct ps_git_credential *c);
/* PS_EAUTH when there is none. */
PS_MUST_USE int ps_git_credential_fill(struct ps_git_op *op, const char *url,
                                       const char *user,
                                       struct ps_git_credential *out,
                                       struct ps_error *err);
/* verb: "approve" or "reject".  Best effort. */
void ps_git_credential_tell(struct ps_git_op *op, const char *url,
                            const struct ps_git_credential *c,
                            const char *verb);

/* ---- git_mirror.c ---------------------------------------------------- */

struct ps_git_mirror {
    char *path; /* owned */
    int lock;   /* held while >= 0 */
    git_repository *repo;
    bool is_fresh; /* made by this operation: not worth making again */
};

#define PS_GIT_MIRROR_INIT ((struct ps_git_mirror){ .lock = -1 })

/* Take the lock and open, or make, the mirror of url->display. */
PS_MUST_USE int ps_git_mirror_open(struct ps_git_mirror *m,
                                   const struct ps_git_url *url,
                                   struct ps_git_op *op, struct ps_error *err);
void ps_git_mirror_close(struct ps_git_mirror *m);
/* Throw what is there away and begin again. */
PS_MUST_USE int ps_git_mirror_remake(struct ps_git_mirror *m,
                                     struct ps_error *err);
/* It is damaged: whoever opens it next makes it again. */
void ps_git_mirror_condemn(struct ps_git_mirror *m);
/* May the failure be the mirror's damage, which a new one would mend? */
bool ps_git_mirror_may_mend(const struct ps_git_mirror *m,
                            const struct ps_git_op *op,
                            const struct ps_error *err);
/* Fetch every branch and tag, or the one refspec given.  *damaged says that
 * the mirror, not the other side, is to blame. */
PS_MUST_USE int ps_git_mirror_fetch(struct ps_git_mirror *m,
                                    const struct ps_git_url *url,
                                    struct ps_git_op *op, const char *refspec,
                                    bool *damaged, struct ps_error *err);

/* ---- git_resolve.c --------------------------------------------------- */

/* Leaves the mirror open and locked, with the commit in it. */
PS_MUST_USE int ps_git_resolve_in(struct ps_git_mirror *m,
                                  const struct ps_git_url *url,
                                  struct ps_git_op *op, git_oid *out,
                                  struct ps_error *err);

/* ---- git_history.c --------------------------------------------------- */

struct ps_git_tag {
    char *name;     /* "v1.0", in the arena */
    git_oid target; /* what the reference holds: a tag object or a commit */
    git_oid commit; /* peeled */
};

struct ps_git_tags {
    struct ps_git_tag *items; /* in the arena; sorted by name */
    size_t count;
};

/* The tags of repo that point at head or one of its ancestors. */
PS_MUST_USE int ps_git_history_tags(struct ps_arena *arena,
                                    git_repository *repo, const git_oid *head,
                                    struct ps_git_op *op,
                                    struct ps_git_tags *out,
                                    struct ps_error *err);

/* subdirectory may be NULL. */
struct ps_sha256 ps_git_history_digest(const git_oid *head,
                                       const struct ps_git_tags *tags,
                                       const char *subdirectory);

/* ---- git_seed.c ------------------------------------------------------ */

struct ps_git_seed {
    git_repository *from;
    const char *dest;     /* existing directory that gets a `.git` */
    const char *head_ref; /* "refs/heads/x", or NULL: detached */
    const git_oid *head;  /* NULL: unborn */
    struct ps_git_tags tags;
};

/* Objects, references and a minimal configuration; no index. */
PS_MUST_USE int ps_git_seed(const struct ps_git_seed *seed,
                            struct ps_git_op *op, struct ps_error *err);

/* ---- git_hostile.c --------------------------------------------------- */

/* PS_EINVALID naming the first entry that no tree of a friend would have. */
PS_MUST_USE int ps_git_check_tree(git_repository *repo, const git_tree *tree,
                                  struct ps_git_op *op, struct ps_error *err);
bool ps_git_name_is_hostile(const char *name);
bool ps_git_link_leaves(const char *link_path, struct ps_str target);

/* ---- cleanup --------------------------------------------------------- */

/* libgit2's own types; one row each keeps the declarations in step. */
/* NOLINTBEGIN(bugprone-macro-parentheses): types take no parentheses */
#define PS_GIT_CLEANUP(type)                       \
    static inline void ps_cleanup_##type(type **p) \
    {                                              \
        type##_free(*p);                           \
    }
PS_GIT_CLEANUP(git_repository)
PS_GIT_CLEANUP(git_remote)
PS_GIT_CLEANUP(git_config)
PS_GIT_CLEANUP(git_config_iterator)
PS_GIT_CLEANUP(git_object)
PS_GIT_CLEANUP(git_commit)
PS_GIT_CLEANUP(git_tree)
PS_GIT_CLEANUP(git_blob)
PS_GIT_CLEANUP(git_index)
PS_GIT_CLEANUP(git_odb)
PS_GIT_CLEANUP(git_odb_object)
PS_GIT_CLEANUP(git_reference)

#define PS_AUTO_GIT(type) PS_CLEANUP(ps_cleanup_##type) type *
/* NOLINTEND(bugprone-macro-parentheses) */

#endif
