/*
 * conda's records of what it installed:
 * PREFIX/conda-meta/NAME-VERSION-BUILD.json.
 */
#ifndef PKGSYNC_CONDA_PRIVATE_H
#define PKGSYNC_CONDA_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#include "pkgsync/arena.h"
#include "pkgsync/error.h"
#include "pkgsync/scan.h"
#include "pkgsync/str.h"

struct ps_conda_record {
    struct ps_conda conda;
    const char *file;           /* absolute */
    bool requested;             /* somebody asked for it by name */
    const char *const *anchors; /* NULL-terminated: "x-1.0.dist-info",
                                   "x-1.0.egg-info" that it installed */
    bool seen;                  /* one of its anchors is there */
};

/*
 * Parse one record without keeping its lists of files, which are most of it.
 * Tokens in the channel are left out.  PS_EINVALID says where it is broken.
 */
PS_MUST_USE int ps_conda_record_parse(struct ps_arena *arena,
                                      struct ps_str text,
                                      struct ps_conda_record *out,
                                      struct ps_error *err);

/* Which record a distribution's directory belongs to. */
struct ps_conda_anchor {
    const char *entry;
    size_t record;
};

struct ps_conda_set {
    const char *prefix;              /* as in the path of a site directory */
    struct ps_conda_record *records; /* owned; by file name */
    size_t count, room;
    struct ps_conda_anchor *anchors; /* owned; sorted */
    size_t anchor_count, anchor_room;
    bool present; /* there is a conda-meta */
};

struct ps_scan;

/* Read what conda knows of the prefix, once; NULL where it knows nothing. */
struct ps_conda_set *ps_conda_of(struct ps_scan *s, const char *prefix);
void ps_conda_release(struct ps_conda_set *set);

/* The record that installed this entry; marked as seen; NULL. */
struct ps_conda_record *ps_conda_owner(const struct ps_conda_set *set,
                                       const char *entry);

/* Packages of conda without a distribution, and those that lost theirs. */
void ps_conda_finish(struct ps_scan *s, struct ps_environment *out);

#endif
