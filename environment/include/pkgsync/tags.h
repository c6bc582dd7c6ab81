/*
 * Compatibility tags of wheels (PEP 425; PEP 600 manylinux, PEP 656
 * musllinux, macOS, and plain linux).  Pure functions; any thread.
 */
#ifndef PKGSYNC_TAGS_H
#define PKGSYNC_TAGS_H

#include <stdbool.h>
#include <stddef.h>

#include "pkgsync/arena.h"
#include "pkgsync/error.h"
#include "pkgsync/str.h"

struct ps_tag {
    struct ps_str python, abi, platform; /* lower case */
};

/*
 * Expand a compressed tag set, "py2.py3-none-any"; each tag once.
 *
 *   PS_EINVALID  it is not three parts, one is empty, or a Python that is no
 *                identifier
 *   PS_ETOOBIG   it stands for more than 65,536 tags
 */
PS_MUST_USE int ps_tags_parse(struct ps_arena *arena, struct ps_str text,
                              const struct ps_tag **out, size_t *count,
                              struct ps_error *err);

/* For whom tags are made. */
struct ps_tag_target {
    const char *implementation; /* "cpython", "pypy" */
    unsigned major, minor;      /* of Python */
    const char *abi;  /* "cp311", "cp313t", "pypy39_pp73", or as sysconfig's
                         SOABI has it, "cpython-311-x86_64-linux-gnu"; NULL:
                         derived for CPython, else none */
    const char *arch; /* "x86_64", "aarch64", ...; of the interpreter, so
                         "i686" for one of 32 bits */
    const char *libc; /* "glibc", "musl" or "macos"; NULL: `arch` is the whole
                         platform, "win-amd64" */
    unsigned libc_major, libc_minor; /* or macOS' version */
};

/*
 * All tags that the target installs, best first, in the order of
 * packaging.tags.sys_tags() (since its release 26.3: linux_* comes before
 * manylinux and musllinux); NULL-terminated texts in the arena.
 */
const char *const *ps_tags_of(struct ps_arena *arena,
                              const struct ps_tag_target *target);

/* Whether one of the expanded tags is in the list. */
bool ps_tags_match(const struct ps_tag *tags, size_t count,
                   const char *const *supported);

#endif
