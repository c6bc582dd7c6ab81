/*
 * The interpreter that builds: what it is, and what a sandbox must show.
 *
 * An interpreter is started once to be asked, and the answer is kept under
 * the cache directory until the program, what it links to, or its
 * environment's pyvenv.cfg changes; a warm run starts nothing.  A program
 * that is itself a script (a pyenv shim) may answer differently each time, so
 * its answer is not kept.
 *
 * Blocking; any thread.
 */
#ifndef PKGSYNC_PYTHON_H
#define PKGSYNC_PYTHON_H

#include <stddef.h>

#include "pkgsync/arena.h"
#include "pkgsync/cancel.h"
#include "pkgsync/error.h"
#include "pkgsync/json.h"

struct ps_python {
    const char *executable;       /* as asked for, absolute */
    const char *base_executable;  /* of the installation, links resolved */
    const char *implementation;   /* "cpython" */
    const char *version;          /* "3.11.7" */
    const char *abi;              /* "cpython-311-x86_64-linux-gnu" */
    const char *platform;         /* "linux-x86_64" */
    const char *pip_wheel;        /* the pip wheel that ensurepip bundles */
    const char *const *prefixes;  /* NULL-terminated: directories that it needs
                                     beside /usr */
    const char *const *site_dirs; /* NULL-terminated: where distributions are
                                     looked for, in order */
    const char *const *tags;      /* NULL-terminated: PEP 425 tags it installs,
                                     best first */
};

/*
 * Ask the interpreter `program`: a path, or a name to find on PATH; NULL: the
 * active virtual environment (VIRTUAL_ENV), else `python3` on PATH.  Strings
 * live in the arena.
 *
 *   PS_ENOTFOUND     no such program
 *   PS_EUNSUPPORTED  not Python 3.8 or later, not Linux, or no pip wheel to be
 *                    found (says where it looked and what to install)
 *   PS_EINVALID      it does not answer as an interpreter does
 */
PS_MUST_USE int ps_python_probe(struct ps_arena *arena, const char *program,
                                const char *cache_dir,
                                const struct ps_cancel *cancel,
                                struct ps_python *out, struct ps_error *err);

/* What of it goes into build keys; caller decrefs. */
json_t *ps_python_identity(const struct ps_python *p);

#endif
