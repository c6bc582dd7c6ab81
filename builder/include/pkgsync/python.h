/*
 * An interpreter: what it is, where it looks for distributions, and what a
 * sandbox must show to build with it.
 *
 * An interpreter is started once to be asked, and the answer is kept under
 * the cache directory until the program, what it links to, or its
 * environment's pyvenv.cfg changes; a warm run starts nothing.  A program
 * that is itself a script may answer differently each time, so its answer is
 * not kept; but for the shims of pyenv, of which it is known what they go by.
 * What belongs to the person (HOME, PYTHONUSERBASE, PYTHONNOUSERSITE) is
 * looked at in every call.
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
    const char *pip_wheel;        /* that ensurepip bundles; NULL */
    const char *const *prefixes;  /* NULL-terminated: directories that it needs
                                     beside /usr */
    const char *prefix;           /* sys.prefix: of the environment */
    const char *const *site_dirs; /* NULL-terminated: where distributions are
                                     looked for, in order; those that are not
                                     there (yet) as well */
    const char *const *tags;      /* NULL-terminated: PEP 425 tags it installs,
                                     best first */
    const char *const *stdlib;    /* NULL-terminated: top-level names of the
                                     standard library */

    /* Of PEP 508's variables, those that the machine does not decide. */
    const char *os_name;
    const char *sys_platform;
    const char *platform_python_implementation;
    const char *python_full_version; /* "3.14.0rc1" */
    const char *implementation_version;
};

/*
 * Ask the interpreter `program`: a path, a name to find on PATH, or the
 * directory of an environment; NULL: the active virtual environment
 * (VIRTUAL_ENV), else `python3` on PATH.  Strings live in the arena.
 *
 *   PS_ENOTFOUND     no such program
 *   PS_EUNSUPPORTED  not Python 3.8 or later, or not Linux
 *   PS_EINVALID      it does not answer as an interpreter does
 */
PS_MUST_USE int ps_python_probe(struct ps_arena *arena, const char *program,
                                const char *cache_dir,
                                const struct ps_cancel *cancel,
                                struct ps_python *out, struct ps_error *err);

/* PS_EUNSUPPORTED when it cannot build: there is no pip wheel for it (says
 * where it was looked for and what to install). */
PS_MUST_USE int ps_python_can_build(const struct ps_python *p,
                                    struct ps_error *err);

/* What of it goes into build keys; caller decrefs. */
json_t *ps_python_identity(const struct ps_python *p);

#endif
