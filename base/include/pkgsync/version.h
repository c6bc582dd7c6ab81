/*
 * Versions and version specifiers (PEP 440, with what packaging.version and
 * packaging.specifiers settle where the text leaves room).
 *
 * Numbers have no upper limit.  A parsed value is views into an arena and is
 * never changed.  Any thread.
 */
#ifndef PKGSYNC_VERSION_H
#define PKGSYNC_VERSION_H

#include <stdbool.h>
#include <stddef.h>

#include "pkgsync/arena.h"
#include "pkgsync/error.h"
#include "pkgsync/str.h"

/* Digits without leading zeros ("0" for zero); empty where there is none. */
struct ps_version {
    struct ps_str epoch;          /* "0" when not written */
    const struct ps_str *release; /* at least one */
    size_t release_count;
    struct ps_str pre_kind; /* "a", "b", "rc", or empty */
    struct ps_str pre;
    bool has_post;
    struct ps_str post;
    bool has_dev;
    struct ps_str dev;
    const struct ps_str *local; /* lower case; numbers without leading zeros */
    size_t local_count;
};

/* PS_EINVALID naming the version when PEP 440 does not allow it, or when it is
 * longer than 64 KiB.  Surrounding blanks and every spelling of appendix B are
 * accepted. */
PS_MUST_USE int ps_version_parse(struct ps_arena *arena, struct ps_str text,
                                 struct ps_version *out, struct ps_error *err);

/* <0, 0, >0 by the order of PEP 440, local labels included. */
int ps_version_compare(const struct ps_version *a, const struct ps_version *b);

/* The normal form; its part without the local label; epoch and release only.
 * In the arena. */
char *ps_version_string(struct ps_arena *arena, const struct ps_version *v);
char *ps_version_public(struct ps_arena *arena, const struct ps_version *v);
char *ps_version_base(struct ps_arena *arena, const struct ps_version *v);

bool ps_version_is_prerelease(const struct ps_version *v); /* pre or dev */

/* packaging.utils.canonicalize_version: the normal form, with trailing zeros
 * of the release left out if `strip`; what does not parse comes back as it
 * is.  In the arena. */
char *ps_version_canonical(struct ps_arena *arena, struct ps_str text,
                           bool strip);

/* PS_EINVALID, or the normal form; what builds compare versions by. */
PS_MUST_USE int ps_version_normalize(struct ps_arena *arena,
                                     struct ps_str version, char **out,
                                     struct ps_error *err);

enum ps_specifier_op {
    PS_OP_COMPATIBLE, /* ~= */
    PS_OP_EQ,         /* == also with .* */
    PS_OP_NE,
    PS_OP_LE,
    PS_OP_GE,
    PS_OP_LT,
    PS_OP_GT,
    PS_OP_ARBITRARY, /* === */
};
const char *ps_specifier_op_text(enum ps_specifier_op op); /* "~=" */

struct ps_specifier {
    enum ps_specifier_op op;
    bool wildcard;       /* ==1.2.* */
    struct ps_str text;  /* the version as written, without ".*"; may be empty
                            for === */
    struct ps_version v; /* unset for === */
};

struct ps_specifiers {
    const struct ps_specifier *items; /* as written */
    size_t count;
};

/* Comma-separated; empty is allowed and admits all. */
PS_MUST_USE int ps_specifiers_parse(struct ps_arena *arena, struct ps_str text,
                                    struct ps_specifiers *out,
                                    struct ps_error *err);

/* As packaging writes a SpecifierSet: sorted, without blanks, duplicates
 * once. */
char *ps_specifiers_string(struct ps_arena *arena,
                           const struct ps_specifiers *set);

/* Whether a specifier other than != and ==1.2.* names a pre-release. */
bool ps_specifiers_name_prerelease(const struct ps_specifiers *set);

enum ps_prereleases {
    PS_PRERELEASES_AUTO, /* only where a specifier names one */
    PS_PRERELEASES_YES,
    PS_PRERELEASES_NO,
};

/*
 * `version` may be one that PEP 440 does not allow: only === and the empty set
 * admit it.  packaging's contains(version) asked as AUTO before its release
 * 26 and asks as YES since then: a version that stands alone has no final
 * release beside it that could be preferred.
 */
bool ps_specifiers_contain(const struct ps_specifiers *set,
                           struct ps_str version, enum ps_prereleases policy);

/*
 * The same for versions of which one will be chosen.  AUTO admits pre-releases
 * where a specifier names one, and where no final release is admitted.
 */
void ps_specifiers_filter(const struct ps_specifiers *set,
                          const struct ps_str *versions, size_t count,
                          enum ps_prereleases policy, bool *admitted);

#endif
