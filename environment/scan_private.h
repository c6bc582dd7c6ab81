/*
 * The parts of a scan.  One thread; the lists are on the heap until the scan
 * ends, what they point to is in the arena.
 */
#ifndef PKGSYNC_SCAN_PRIVATE_H
#define PKGSYNC_SCAN_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "conda_private.h"
#include "metadata_private.h"
#include "pkgsync/buf.h"
#include "pkgsync/scan.h"

/* An entry of a directory and a file's name below it. */
#define PS_SCAN_PATH 300

enum ps_shape {
    PS_SHAPE_DIST_INFO,
    PS_SHAPE_EGG_INFO, /* a directory */
    PS_SHAPE_EGG_FILE, /* the same as one file */
    PS_SHAPE_EGG_LINK,
};

/* A distribution, before it is known which of several counts. */
struct ps_found {
    struct ps_dist dist;
    enum ps_shape shape;
    const char *entry; /* its name in dist.site */
    size_t place;      /* of its directory in the order of the path */
    int score;         /* against others of its name beside it */
    bool in_tree;      /* found in a project, not in a site directory */
    bool dropped;
};

/* One line of a .pth file that the interpreter would look at. */
struct ps_pth {
    const char *file; /* "__editable__.x-1.0.pth" */
    const char *site; /* the directory that it lies in */
    const char *text; /* a directory, absolute; or the code to be run */
    bool is_import;
};

/* A directory that a .pth file added. */
struct ps_added {
    const char *path;
    const char *file; /* the .pth file's path */
    bool described;   /* a distribution says what it is */
};

struct ps_seen {
    dev_t dev;
    ino_t ino;
    bool pth; /* its .pth files, too */
};

enum ps_place {
    PS_PLACE_PATH, /* PYTHONPATH */
    PS_PLACE_SITE,
    PS_PLACE_PTH,
};

/* The directory that is being read. */
struct ps_scan_dir {
    int fd;
    const char *path;
    enum ps_place kind;
    size_t place;
    const struct ps_conda_set *conda; /* that owns what lies in it; NULL */
    bool reports_gone; /* RECORD can be trusted to say what must be there */
};

struct ps_scan {
    struct ps_arena *arena;
    const struct ps_site *site;
    const struct ps_cancel *cancel;

    struct ps_found *found;
    size_t count, room;
    struct ps_problem *problems;
    size_t problem_count, problem_room;
    struct ps_pth *pth;
    size_t pth_count, pth_room;
    struct ps_added *added;
    size_t added_count, added_room;
    struct ps_seen *seen; /* directories that were read */
    size_t seen_count, seen_room;
    struct ps_conda_set *conda;
    size_t conda_count, conda_room;

    char first[8 * 1024]; /* what was read of a file; of a larger one, text */
    struct ps_buf text;
    struct ps_str content; /* the file last read, in either of them */
    size_t places;
};

/* Make room for one more in a list of items of that size; returns the list. */
void *ps_scan_grow(void *items, size_t count, size_t *room, size_t size);

void ps_scan_problem(struct ps_scan *s, bool serious, const char *path,
                     const char *fmt, ...) PS_PRINTF(4, 5);

/* ---- scan_file.c ---- */

/*
 * Open a regular file for reading, following links, without waiting for
 * anybody; 0 or an errno, EISDIR and ESPIPE for what is no regular file.
 */
int ps_scan_open(int dir, const char *path, int *fd, struct stat *st);

/* A small file: 0, or an errno; EFBIG over `max`. */
int ps_scan_read(struct ps_scan *s, int dir, const char *path, size_t max);

/* As much of its beginning as one read gives. */
int ps_scan_read_some(struct ps_scan *s, int dir, const char *path);

/* As strerror(), with words for what ps_scan_open() found. */
const char *ps_scan_reason(int error);

/* The beginning of a metadata file, at least to its first blank line. */
int ps_scan_read_head(struct ps_scan *s, int dir, const char *path);

/* "dir/name", in the arena; into `out`, cut where it does not fit. */
char *ps_scan_path(struct ps_scan *s, const char *dir, const char *name);
const char *ps_scan_below(char out[PS_SCAN_PATH], const char *entry,
                          const char *name);

/* ---- scan_dist.c ---- */

/* One entry of a directory whose name ends as metadata does. */
void ps_scan_entry(struct ps_scan *s, const struct ps_scan_dir *dir,
                   const char *entry);

/* ---- scan_source.c ---- */

/* Where it came from: conda, direct_url.json, a link, its surroundings. */
void ps_scan_source(struct ps_scan *s, const struct ps_scan_dir *dir,
                    struct ps_found *f);

/* The root of the project that holds `path`: it or its parent; NULL. */
const char *ps_project_root(struct ps_arena *arena, const char *path);

/* ---- scan_dir.c ---- */

/* Read one directory of the path, then what its .pth files add. */
PS_MUST_USE int ps_scan_directory(struct ps_scan *s, const char *path,
                                  enum ps_place kind, struct ps_error *err);

/* ---- scan_editable.c ---- */

/* How each editable install is put on the path, and installs that only a
 * .pth file tells to be editable. */
void ps_scan_editables(struct ps_scan *s);

/* ---- scan_duplicates.c ---- */

/* Order by normal name, and drop all but the one that counts of each. */
void ps_scan_duplicates(struct ps_scan *s);

#endif
