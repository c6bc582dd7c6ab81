/*
 * What the files of install share, in the order of its steps:
 *
 *   install_plan.c     what differs, and what has to be installed
 *   install_fetch.c    the spec's wheels into the cache
 *   install_index.c    index packages into the cache
 *   install_backup.c   journal and backup
 *   install_restore.c  going back
 *   install_files.c    what both of these do with files
 *   install_run.c      uv or pip
 *   install_require.c  what packages that were changed require
 *   install_marker.c   `.pkgsync.json`, and where the lock and the rest are
 *   install.c          the order
 */
#ifndef PKGSYNC_INSTALL_PRIVATE_H
#define PKGSYNC_INSTALL_PRIVATE_H

#include <pthread.h>

#include "pkgsync/install.h"

/* One package that has to be installed. */
struct ps_target {
    const struct ps_spec_package *package; /* borrowed */
    const struct ps_dist *found;           /* NULL: not installed */
    const char *normal;                    /* PEP 503 */
    const char *because;

    /* After fetching: */
    const char *path;    /* of the wheel; in the cache */
    const char *version; /* of that file */
};

struct ps_install {
    struct ps_arena *arena;
    const struct ps_install_options *o;
    const char *control; /* directory of lock, journal and backup */
    const char *marker;  /* path of .pkgsync.json */
    int lock;            /* descriptor, or -1 */

    struct ps_environment environment; /* as it is now */
    struct ps_comparison comparison;
    json_t *marks; /* what the marker says of wheels; owned */
    struct ps_target *targets;
    size_t count;
    size_t unchanged;
    bool restored;
    const char *unrestored; /* of a killed one; NULL */
    const char *installer;

    pthread_mutex_t event_lock;
};

void ps_install_tell(struct ps_install *in, const struct ps_install_event *e);

/* ---- install_plan.c ---- */

/* Scan, compare, and fill targets. */
PS_MUST_USE int ps_install_plan(struct ps_install *in, struct ps_error *err);

/* Whether it is for pip, and asked for on this machine. */
bool ps_install_is_wanted(const struct ps_install *in,
                          const struct ps_spec_package *p);

/* Whether they are the same by PEP 440; texts where it does not apply. */
bool ps_install_same_version(const char *a, const char *b);

/* ---- install_require.c ---- */

/* What the packages that changed require, or are required for, and is not
 * there; after in->environment's own problems. */
void ps_install_check_requires(const struct ps_install *in,
                               struct ps_install_result *out);

/* ---- install_marker.c ---- */

void ps_install_find_places(struct ps_install *in);
void ps_install_read_marks(struct ps_install *in);
/* Whether the marker says that `dist` is this very wheel. */
bool ps_install_is_marked(const struct ps_install *in,
                          const struct ps_dist *dist,
                          const struct ps_sha256 *wheel);
PS_MUST_USE int ps_install_write_marker(struct ps_install *in,
                                        struct ps_error *err);

/* ---- install_fetch.c, install_index.c ---- */

/* Names and tags of the spec's wheels, before anything is fetched. */
PS_MUST_USE int ps_install_check_wheels(struct ps_install *in,
                                        struct ps_error *err);
PS_MUST_USE int ps_install_fetch(struct ps_install *in, struct ps_error *err);
PS_MUST_USE int ps_install_resolve(struct ps_install *in, struct ps_error *err);

/* flock(2) of a file that is made: PS_EBUSY when somebody else has it; or
 * wait, which a cancel ends. */
PS_MUST_USE int ps_install_try_flock(const char *path, int *fd,
                                     struct ps_error *err);
PS_MUST_USE int ps_install_flock(const char *path,
                                 const struct ps_cancel *cancel, int *fd,
                                 struct ps_error *err);

/* ---- install_files.c ---- */

/* A path in JSON, of whatever bytes; and back: NULL when it is not absolute.
 * Caller decrefs, frees. */
json_t *ps_install_path_json(const char *path);
char *ps_install_path_of(const json_t *item);

/* A second name of the file, or a copy of it. */
PS_MUST_USE int ps_install_duplicate(const char *from, const char *to,
                                     struct ps_error *err);

/* ---- install_backup.c ---- */

#define PS_INSTALL_JOURNAL_MAX PS_MIB(512)

PS_MUST_USE int ps_install_backup(struct ps_install *in, struct ps_error *err);
bool ps_install_has_journal(const char *control);
char *ps_install_journal_path(const char *control); /* caller frees */
/* The change is final. */
PS_MUST_USE int ps_install_commit(const char *control, struct ps_error *err);
void ps_install_drop_backup(const char *control);
/* Run a script on the interpreter of the environment: JSON in, JSON out. */
PS_MUST_USE int ps_install_ask(const struct ps_install *in, const char *script,
                               const char *question, json_t **answer,
                               struct ps_error *err);

/* ---- install_restore.c ---- */

/* Put back what the journal says; *err has what could not be. */
PS_MUST_USE int ps_install_restore(const char *control, struct ps_error *err);
/* The same of an install that was killed, at some time: what was changed since
 * is left alone, and what cannot be put back is set aside; in->restored and
 * in->unrestored tell.  Fails only by a cancel. */
PS_MUST_USE int ps_install_recover(struct ps_install *in, struct ps_error *err);
/* Files that the installer removed with what it replaced, and that packages
 * which stay have as well, are put back. */
PS_MUST_USE int ps_install_keep_shared(const char *control,
                                       struct ps_error *err);

/* ---- install_run.c ---- */

/* Before anything is fetched: is there an installer, and is it allowed to? */
PS_MUST_USE int ps_install_find_installer(struct ps_install *in,
                                          struct ps_error *err);
PS_MUST_USE int ps_install_check_writable(const struct ps_install *in,
                                          struct ps_error *err);
PS_MUST_USE int ps_install_run(struct ps_install *in, struct ps_error *err);

/* Run the bundled pip of the environment's interpreter with these arguments
 * (NULL-terminated); its words go to `log`, the last of them into errors. */
PS_MUST_USE int ps_install_pip(struct ps_install *in, const char *const *args,
                               struct ps_error *err);

#endif
