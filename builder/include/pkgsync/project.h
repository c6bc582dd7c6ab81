/*
 * What a project says of its own build: pyproject.toml (PEP 518, 517, 621).
 *
 * TOML is read by Python's own parser inside the sandbox, and the answer is
 * kept by the file's SHA-256, so an unchanged file costs one small read.
 * Blocking; any thread.
 */
#ifndef PKGSYNC_PROJECT_H
#define PKGSYNC_PROJECT_H

#include <stdbool.h>

#include <stddef.h>

#include "pkgsync/arena.h"
#include "pkgsync/error.h"

struct ps_build; /* build.h */

#define PS_PYPROJECT_MAX ((size_t)1024 * 1024)

struct ps_project {
    bool has_pyproject;
    const char *backend;             /* "setuptools.build_meta:__legacy__" when
                                        the file names none */
    const char *const *requires_;    /* NULL-terminated requirement strings */
    const char *const *backend_path; /* NULL-terminated; PEP 517 */
    const char *const *include;      /* [tool.pkgsync]; NULL-terminated */
    const char *const *exclude;
    const char *name; /* [project] name; NULL */
};

/*
 * Read <root>/pyproject.toml, with the runner, interpreter, cache directory
 * and cancel token of `with`.  Without one, <root>/setup.py or setup.cfg must
 * be there, and the defaults of PEP 518 hold.
 *
 *   PS_EINVALID  not a project (empty directory, no build file), a file that
 *                is not regular, or TOML or tables that are wrong (names file
 *                and line)
 *   PS_ETOOBIG   over PS_PYPROJECT_MAX
 */
PS_MUST_USE int ps_project_read(struct ps_arena *arena, const char *root,
                                const struct ps_build *with,
                                struct ps_project *out, struct ps_error *err);

#endif
