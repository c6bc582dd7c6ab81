/* What the files of the comparison share.  Private to environment. */
#ifndef PKGSYNC_COMPARE_PRIVATE_H
#define PKGSYNC_COMPARE_PRIVATE_H

#include "pkgsync/spec.h"

/* One package as it should be: of a spec, or decided from an environment. */
struct ps_expected {
    const char *name;
    const char *version;     /* "" where only the requirement is known */
    const char *requirement; /* NULL for level build */
    enum ps_level level;
    bool is_conda;                  /* no Python distribution */
    const struct ps_sha256 *sha256; /* of the wheel; NULL */
    const struct ps_dist *dist;     /* of another environment; NULL */
};

/* Judge what was found (NULL: nothing).  false: there is nothing to say. */
bool ps_compare_package(struct ps_arena *arena, const struct ps_expected *want,
                        const struct ps_dist *found, bool found_is_conda_env,
                        struct ps_difference *out);

#endif
