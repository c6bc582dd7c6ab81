/*
 * An installed environment, as it is: its distributions, where each came
 * from, and what is wrong with it.
 *
 * No interpreter is started here: whoever knows one fills a `struct ps_site`.
 * Metadata is foreign: what is unreadable, truncated, binary, gigantic or
 * linked in a circle becomes a problem of that one distribution, and the scan
 * goes on.  Blocking; any thread.  A large directory is read by a few threads
 * of its own.
 */
#ifndef PKGSYNC_SCAN_H
#define PKGSYNC_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/cancel.h"
#include "pkgsync/direct_url.h"
#include "pkgsync/error.h"
#include "pkgsync/requirement.h"

/* Where an interpreter looks, in its order.  Lists end with NULL; directories
 * need not exist. */
struct ps_site {
    const char *executable;     /* absolute */
    const char *prefix;         /* sys.prefix: of the environment */
    const char *implementation; /* "cpython" */
    const char *version;        /* "3.11.7" */
    const char *abi;            /* "cpython-311-x86_64-linux-gnu" */
    const char *platform;       /* "linux-x86_64" */
    const char *const *path;    /* PYTHONPATH: no .pth files are read here */
    const char *const *dirs;    /* site directories: .pth files are read */
    const char *const *stdlib;  /* top-level names of the standard library;
                                   NULL: not known */
    struct ps_marker_env markers;
};

enum ps_dist_source {
    PS_DIST_INDEX,
    PS_DIST_CONDA,
    PS_DIST_EDITABLE,
    PS_DIST_DIRECTORY, /* `pip install ./dir`, not editable */
    PS_DIST_VCS,
    PS_DIST_ARCHIVE,
    PS_DIST_LOOSE,
};
const char *ps_dist_source_name(enum ps_dist_source source); /* "index" */

/* What conda knows of a package; all NULL for others. */
struct ps_conda {
    const char *name;    /* conda's own, "msgpack-python" */
    const char *version; /* not PEP 440 */
    const char *build;
    const char *channel; /* without tokens */
    const char *subdir;  /* "linux-64", "noarch" */
};

struct ps_dist {
    const char *name;    /* as METADATA writes it */
    const char *normal;  /* PEP 503 */
    const char *version; /* as METADATA writes it; "" when it has none */
    enum ps_dist_source source;
    struct ps_direct_url direct; /* kind NONE when there is none to believe;
                                    also of an archive that is gone, for its
                                    hash: then source is INDEX */
    const char *origin_error;    /* what is wrong with its direct_url.json: that
                                    it is of an index (INDEX) is not known; NULL */
    const char *project;         /* EDITABLE, DIRECTORY: its root, absolute */
    const char *editable;  /* how: "pth", "finder", "egg-link", ...; NULL */
    const char *location;  /* .dist-info, .egg-info, .egg-link, conda-meta/x */
    const char *site;      /* the directory that it was found in */
    const char *installer; /* INSTALLER, first word; NULL */
    bool requested;        /* REQUESTED is there, or nothing requires it and
                              its installer does not write REQUESTED */
    bool half_removed;     /* files that its RECORD lists are gone; a problem
                              says which */
    const char *requires_python; /* NULL */
    const char *const *requires; /* Requires-Dist as written; NULL-ended */
    const char *const *provides_extra; /* NULL-terminated */
    struct ps_conda conda;
};

/* Something a person should know; the scan went on. */
struct ps_problem {
    const char *path;    /* file or directory */
    const char *message; /* lower case, no full stop */
    bool serious;        /* a distribution is missing from the scan by it */
};

/* A package of conda that is no Python distribution (libffi, python). */
struct ps_environment {
    const struct ps_site *site;  /* borrowed */
    const struct ps_dist *dists; /* by normal name */
    size_t count;
    const struct ps_dist *conda; /* conda packages without a Python
                                    distribution; name is conda's */
    size_t conda_count;
    bool is_conda;
    const char *const *import_dirs; /* what .pth files add, in order */
    const struct ps_problem *problems;
    size_t problem_count;
};

/* Scan; fails only when cancelled or when `prefix` is no directory at all.
 * Everything lives in the arena. */
PS_MUST_USE int ps_environment_scan(struct ps_arena *arena,
                                    const struct ps_site *site,
                                    const struct ps_cancel *cancel,
                                    struct ps_environment *out,
                                    struct ps_error *err);

/*
 * Modules in the environment's own site directories that none of its
 * distributions owns, as problems; how many, in the arena.  Reads RECORDs as
 * far as it must, so this is no part of the scan.
 */
size_t ps_orphans_find(struct ps_arena *arena,
                       const struct ps_environment *environment,
                       const struct ps_cancel *cancel,
                       const struct ps_problem **out);

/* By any spelling of the name; NULL. */
const struct ps_dist *ps_environment_find(const struct ps_environment *e,
                                          const char *name);

#endif
