/*
 * Wheels: names, and the verification that comes before anything is
 * published (binary distribution format; PEP 427, 425, 600, 503, 440).
 * Blocking; any thread.
 */
#ifndef PKGSYNC_WHEEL_H
#define PKGSYNC_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/arena.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"
#include "pkgsync/name.h"
#include "pkgsync/str.h"

/* The parts of `{name}-{version}(-{build})?-{python}-{abi}-{platform}.whl`;
 * views into the name that was parsed. */
struct ps_wheel_name {
    struct ps_str name;
    struct ps_str version;
    struct ps_str build; /* empty when absent */
    struct ps_str python;
    struct ps_str abi;
    struct ps_str platform;
};

/* PS_EINVALID, saying what is wrong with it. */
PS_MUST_USE int ps_wheel_name_parse(struct ps_str file_name,
                                    struct ps_wheel_name *out,
                                    struct ps_error *err);

struct ps_wheel_limits {
    uint64_t max_bytes;    /* the file; 0: 4 GiB */
    uint64_t max_unpacked; /* all members; 0: 16 GiB */
    uint64_t max_members;  /* 0: 200,000 */
    uint64_t max_ratio;    /* unpacked over packed, beyond the first 64 MiB
                              unpacked; 0: 200 */
};

struct ps_wheel_expect {
    const char *name;        /* Optional: any spelling of the name it must
                                have */
    const char *const *tags; /* Optional: NULL-terminated "cp311-cp311-x";
                                at least one of the wheel's must be here */
    struct ps_wheel_limits limits;
};

struct ps_wheel_info {
    const char *file_name;
    const char *name;    /* as METADATA writes it */
    const char *version; /* as METADATA writes it */
    struct ps_sha256 sha256;
    uint64_t size;
    uint64_t members;
    const char *requires_python; /* NULL when absent */
    bool pure;                   /* Root-Is-Purelib */
};

/*
 * Verify the wheel `file_name` in the directory `dir`: a name that parses and
 * agrees with METADATA (name, version) and with WHEEL (every tag); one
 * .dist-info; RECORD lists every member, once, and every hash holds; no
 * absolute path, "..", backslash, link, device, duplicate or encrypted member;
 * central directory and local headers agree; within the limits; tags suit.
 * The file is opened once, and what is hashed is what was checked.
 *
 *   PS_EINVALID    what is wrong, and with which member
 *   PS_EINTEGRITY  a hash in RECORD differs
 *   PS_ETOOBIG     over a limit
 *   PS_EBUSY       the file changed meanwhile
 *
 * Strings of *out live in the arena.  expect may be NULL.
 */
PS_MUST_USE int ps_wheel_verify(struct ps_arena *arena, int dir,
                                const char *file_name,
                                const struct ps_wheel_expect *expect,
                                struct ps_wheel_info *out,
                                struct ps_error *err);

#endif
