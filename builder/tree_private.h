/*
 * The parts of tree.h: rules, walk, links, stat cache.  Private to builder.
 *
 *   tree.c        the two public functions: digest, or copy and digest
 *   tree_walk.c   visits what belongs, in byte order of the paths
 *   tree_list.c   the names in one directory, in that order
 *   tree_rules.c  what belongs
 *   tree_link.c   does a symbolic link stay inside?
 *   stat_cache.c  which files were hashed before, and have not changed since
 */
#ifndef PKGSYNC_TREE_PRIVATE_H
#define PKGSYNC_TREE_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "pkgsync/buf.h"
#include "pkgsync/cancel.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"
#include "pkgsync/tree.h"

/* A path relative to the root, in bytes.  Deep trees exceed PATH_MAX. */
#define PS_TREE_MAX_PATH ((size_t)4 << 20)

/* A path as messages show it: control characters and what is not UTF-8
 * escaped, the front of a long one cut off. */
struct ps_tree_shown {
    char text[512];
};

struct ps_tree_shown ps_tree_show(struct ps_str path);

/* `path` for printf: PS_TREE_SHOW(path) gives a char * for the statement. */
#define PS_TREE_SHOW(path) (ps_tree_show(path).text)

/* --- rules ------------------------------------------------------------- */

enum ps_tree_kind {
    PS_TREE_DIR,
    PS_TREE_FILE,
    PS_TREE_LINK,
    PS_TREE_FIFO,
    PS_TREE_SOCKET,
    PS_TREE_DEVICE,
};

/* What the rules ask about one name. */
struct ps_tree_item {
    const char *path; /* relative to the root, NUL-terminated */
    const char *name; /* its last part */
    enum ps_tree_kind kind;
    int dir;             /* the directory that holds it */
    bool beside_project; /* beside a pyproject.toml or setup.py */
    bool in_project_src; /* in `src/` beside such a file */
    bool only_included;  /* inside a directory that was left out */
};

/* Does it belong?  include, then exclude, then the built-in rules. */
bool ps_tree_belongs(const struct ps_tree_options *options,
                     const struct ps_tree_item *item);

/* Is it included by a pattern, whatever else holds? */
bool ps_tree_is_included(const struct ps_tree_options *options,
                         const struct ps_tree_item *item);

/* Can an include pattern with a '/' match something below this directory? */
bool ps_tree_may_include_below(const struct ps_tree_options *options,
                               const char *path);

/* --- links ------------------------------------------------------------- */

/*
 * Would following `target`, as found in the directory `dir` that lies `depth`
 * levels below the root, ever leave the root?  Follows what is there, link by
 * link, and goes on by the text alone where nothing is there.
 * PS_EINVALID says why; the caller names the link.
 */
PS_MUST_USE int ps_tree_check_link(int dir, size_t depth, const char *target,
                                   struct ps_error *err);

/* --- the names in a directory -------------------------------------------- */

/* A directory's name ends in '/', which is how the order of whole paths is
 * that of the names: "a-b" comes before "a/x", and "a0" after it. */
struct ps_tree_name {
    union {
        const char *z;
        size_t at; /* in the list's names, while they still move */
    };
    size_t len;
    enum ps_tree_kind kind;
};

struct ps_tree_list {
    struct ps_tree_name *v; /* owned */
    size_t count;
    size_t cap;
    uint64_t max;
    struct ps_buf names;
    bool has_project; /* holds a pyproject.toml or a setup.py */
    bool is_venv;     /* holds a pyvenv.cfg */
};

/* All but `.git`.  PS_ETOOBIG for more than `max`; release also then. */
PS_MUST_USE int ps_tree_list_read(int dir, uint64_t max, struct ps_tree_list *l,
                                  struct ps_error *err);
void ps_tree_list_release(struct ps_tree_list *l);

/* --- walk -------------------------------------------------------------- */

struct ps_tree_entry {
    enum ps_tree_kind kind; /* directory, file or link */
    struct ps_str path;     /* relative to the root; NUL-terminated */
    const char *name;
    int dir;               /* directory that holds it */
    int out_dir;           /* the same in the copy; -1 without a copy */
    const struct stat *st; /* of a file; else NULL */
    const char *target;    /* of a link; else NULL */
};

/* Valid during the call only.  Any failure ends the walk. */
typedef int(ps_tree_visit_fn)(const struct ps_tree_entry *entry, void *user,
                              struct ps_error *err);

struct ps_tree_walk {
    const char *root;                      /* Required */
    const char *copy;                      /* Optional: an empty directory
                                              that gets the directories */
    const struct ps_tree_options *options; /* Required */
    const struct ps_cancel *cancel;        /* Optional */
    uint64_t max_entries;                  /* visits, and names looked at in
                                              one directory */
    ps_tree_visit_fn *visit;
    void *user;
};

PS_MUST_USE int ps_tree_walk(const struct ps_tree_walk *walk,
                             struct ps_error *err);

/* --- stat cache -------------------------------------------------------- */

/* What must be the same for a file to count as unchanged. */
struct ps_stat_key {
    uint64_t size;
    uint64_t ino;
    int64_t mtime_s;
    int64_t ctime_s;
    uint32_t mtime_ns;
    uint32_t ctime_ns;
    uint32_t mode;
};

struct ps_stat_key ps_stat_key_of(const struct stat *st);
bool ps_stat_key_equal(const struct ps_stat_key *a,
                       const struct ps_stat_key *b);

struct ps_stat_entry {
    struct ps_stat_key key;
    struct ps_sha256 digest;
    uint32_t idle; /* saves since a walk last met the file */
};

/*
 * Both the cache as it was found and the one that will replace it.  Files are
 * asked for in byte order of their paths, so the two are merged in one pass.
 */
struct ps_stat_cache {
    int dir; /* owned; -1: there is no cache */
    char name[PS_SHA256_HEX_SIZE];
    struct ps_sha256 id;   /* of the tree's path */
    struct timespec start; /* when this scan began */

    struct ps_buf old; /* the file as found */
    size_t at;         /* next record in it */
    size_t end;
    uint32_t left; /* records not yet read */
    struct timespec old_start;
    bool has_current; /* current and current_path are valid */
    struct ps_stat_entry current;
    struct ps_buf current_path;

    struct ps_buf next; /* records to be written */
    uint32_t count;
    struct ps_buf last_path;
    bool changed; /* something is worth writing */
};

#define PS_AUTO_STAT_CACHE PS_CLEANUP(ps_stat_cache_release)

/*
 * A cache that cannot be read or made is done without: it is an acceleration,
 * never a reason to fail.  cache_dir may be NULL.  real_root is absolute.
 */
void ps_stat_cache_init(struct ps_stat_cache *c, const char *cache_dir,
                        const char *real_root);
void ps_stat_cache_release(struct ps_stat_cache *c);

/* Paths in ascending order.  true: *digest is that of the file. */
bool ps_stat_cache_find(struct ps_stat_cache *c, struct ps_str path,
                        const struct ps_stat_key *key,
                        struct ps_sha256 *digest);
/* After find() said no (or was not asked): what was read just now. */
void ps_stat_cache_add(struct ps_stat_cache *c, struct ps_str path,
                       const struct ps_stat_key *key,
                       const struct ps_sha256 *digest);
/* Write the new one, if it says anything new. */
void ps_stat_cache_save(struct ps_stat_cache *c);

/* Take the bytes of a cache file; false: damaged, foreign, another version.
 * For ps_stat_cache_init() and the fuzzer. */
bool ps_stat_cache_take(struct ps_stat_cache *c, const void *data, size_t len);

#endif
