/*
 * Install: bring an environment to what a spec says.
 *
 *   restore ─▶ compare ─▶ fetch ─▶ verify ─▶ back up ─▶ installer ─▶ compare
 *                │equal                                     │failed
 *                ▼                                          ▼
 *              done                                      restore
 *
 * Nothing of the environment is touched before every file is there and has
 * the hash that the spec names.  What is replaced is kept until the installer
 * has succeeded; a journal lets the next install put back what one that was
 * killed has left.  Installs of one environment take turns.
 *
 * Beside a virtual environment's own files these are kept in its prefix:
 * `.pkgsync.json`, what was installed last, and `.pkgsync/`, the lock, the
 * journal and the backup; of an interpreter that is no virtual environment in
 * <state>/installs/.  Blocking; any thread.
 */
#ifndef PKGSYNC_INSTALL_H
#define PKGSYNC_INSTALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/buf.h"
#include "pkgsync/cancel.h"
#include "pkgsync/dirs.h"
#include "pkgsync/error.h"
#include "pkgsync/fetch.h"
#include "pkgsync/json.h"
#include "pkgsync/python.h"
#include "pkgsync/scan.h"
#include "pkgsync/spec.h"
#include "pkgsync/store.h"
#include "pkgsync/uploader.h"

/* Where specs and wheels are fetched from; several threads may use one. */
struct ps_locations;

struct ps_location_options {
    struct ps_uploader *uploader;         /* Required; borrowed */
    const struct ps_store_options *store; /* Optional: settings for s3://, but
                                             for its location; borrowed */
    const struct ps_cancel *cancel;       /* Optional; borrowed */
};
struct ps_locations *
ps_locations_new(const struct ps_location_options *options);
void ps_locations_free(struct ps_locations *l);

/*
 * Fetch a path, file://, https://, http:// or s3:// into `fd`, from 0.
 * Over plain http only from a loopback address, unless `pinned`: the caller
 * knows the hash.
 *
 *   PS_ENOTFOUND, PS_EDENIED, PS_EUNREACHABLE, PS_ETOOBIG, ...
 *   PS_EUNSUPPORTED  another scheme, or http:// that nothing vouches for
 */
PS_MUST_USE int ps_location_get(struct ps_locations *locations,
                                const char *location, bool pinned, int fd,
                                uint64_t max_bytes, struct ps_error *err);

/*
 * Read and verify a spec from any of these; "#sha256=<hex>" at the end is the
 * hash of the file, or the spec's own digest, and must hold.  Strings in the
 * arena.  Further errors as of ps_spec_parse().
 */
PS_MUST_USE int ps_spec_read(struct ps_arena *arena,
                             struct ps_locations *locations,
                             const char *location, struct ps_spec *out,
                             struct ps_error *err);

enum ps_installer { PS_INSTALLER_AUTO, PS_INSTALLER_UV, PS_INSTALLER_PIP };

enum ps_install_phase {
    PS_INSTALL_WAIT,    /* for another install of this environment */
    PS_INSTALL_RESTORE, /* what an interrupted or failed one left */
    PS_INSTALL_RESOLVE, /* index packages */
    PS_INSTALL_FETCH,   /* wheels: done of total bytes */
    PS_INSTALL_BACKUP,
    PS_INSTALL_RUN, /* the installer */
    PS_INSTALL_CHECK,
};
const char *ps_install_phase_name(enum ps_install_phase phase);

struct ps_install_event {
    enum ps_install_phase phase;
    uint64_t done; /* bytes, when total is not 0 */
    uint64_t total;
    size_t count; /* packages that it is about */
};

/* From any thread of the install, one call at a time. */
typedef void(ps_install_event_fn)(const struct ps_install_event *event,
                                  void *user);

struct ps_install_options {
    const struct ps_spec *spec;     /* Required */
    const struct ps_python *python; /* Required: of the environment */
    const struct ps_site *site;     /* Required: of the same */
    const struct ps_dirs *dirs;     /* Required */
    const struct ps_index *index;   /* Required */
    struct ps_locations *locations; /* Required */
    const struct ps_cancel *cancel; /* Optional */
    enum ps_installer installer;
    bool any_python;            /* another version or implementation */
    bool any_platform;          /* another platform */
    bool break_system_packages; /* as pip means it */
    bool allow_sdist; /* build index packages that have no wheel, with this
                         person's rights */
    bool dry_run;
    unsigned jobs;              /* downloads at once; 0: 8 */
    ps_install_event_fn *event; /* Optional */
    ps_sink_fn *log;            /* Optional: what pip or uv print */
    void *user;                 /* of both */
};

struct ps_install_item {
    const char *name;
    const char *version; /* dry run, of an index package: that of the spec */
    bool from_wheel;     /* of the spec; else of an index */
    const char *was;     /* version; NULL: it was not installed */
    const char *because; /* one line for people */
};

/* Strings in the arena. */
struct ps_install_result {
    const struct ps_install_item *items; /* installed, or to be (dry run) */
    size_t count;
    size_t unchanged;
    bool restored;                     /* an interrupted one was undone */
    const char *unrestored;            /* but for this; NULL */
    const char *installer;             /* "uv", "pip"; NULL: none was run */
    const struct ps_problem *problems; /* of the environment, afterwards */
    size_t problem_count;
    struct ps_comparison comparison; /* afterwards; dry run: now */
};

/*
 *   PS_EUNSUPPORTED  another Python or platform than the spec's, a wheel that
 *                    does not suit it, no installer
 *   PS_EINTEGRITY    a file with another hash or size than the spec names
 *   PS_ENOTFOUND     a wheel that is gone, an index package without a wheel
 *   PS_EDENIED       an environment that cannot be written to, or that belongs
 *                    to the system (PEP 668)
 *   PS_EIO           the installer failed, with its last words; the text says
 *                    that the environment is as it was, or what changed
 *
 * With PS_OK the comparison may still show differences.
 */
PS_MUST_USE int ps_install(struct ps_arena *arena,
                           const struct ps_install_options *options,
                           struct ps_install_result *out, struct ps_error *err);

/* Whether the last install of this environment was interrupted; restoring is
 * left to the next one. */
bool ps_install_is_interrupted(const struct ps_site *site,
                               const struct ps_dirs *dirs);

#endif
