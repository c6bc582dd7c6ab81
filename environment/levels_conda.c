/*
 * Packages of conda that are no Python distributions: python itself, its
 * libraries, tools.
 *
 * Their versions are conda's, which PEP 440 does not describe, so what is
 * written here is a conda MatchSpec: "libffi>=3.4.2,3.4.*" is what ~= would
 * mean, "openssl=1.1.1w" where a version is not only numbers.  Neither is a
 * requirement of PEP 508, so the two kinds are told apart by their text.
 */
#include <string.h>

#include "levels_asked.h"
#include "levels_private.h"

static bool is_for_linux(const struct ps_conda *conda)
{
    return !conda->subdir || strcmp(conda->subdir, "noarch") == 0 ||
           strncmp(conda->subdir, "linux-", 6) == 0;
}

static void write_spec(struct ps_arena *arena, bool exact,
                       struct ps_decision *d)
{
    const char *series = ps_conda_series(arena, d->version);

    if (!exact && series) {
        d->level = PS_LEVEL_COMPATIBLE;
        d->requirement =
            ps_arena_format(arena, "%s>=%s,%s", d->name, d->version, series);
        return;
    }
    d->level = PS_LEVEL_EXACT;
    d->requirement = ps_arena_format(arena, "%s=%s", d->name, d->version);
}

void ps_conda_decide(struct ps_arena *arena, const struct ps_dist *dist,
                     bool match_exact, enum ps_asked how,
                     struct ps_decision *out)
{
    const char *system = ps_rule_system_only(dist);
    bool exact =
        how == PS_ASKED_EXACT || (match_exact && how == PS_ASKED_NOTHING);

    *out = (struct ps_decision){
        .dist = dist,
        .name = dist->name,
        .version = dist->conda.version ? dist->conda.version : dist->version,
        .level = PS_LEVEL_IGNORED,
        .conda = true,
    };
    if (how == PS_ASKED_IGNORE) {
        out->reason = "asked for with --ignore";
    } else if (how == PS_ASKED_NOTHING && strcmp(dist->name, "python") == 0) {
        write_spec(arena, true, out);
        out->reason = "the interpreter is part of the environment";
    } else if (how == PS_ASKED_NOTHING && system) {
        out->reason = ps_arena_format(arena, "exists for %s only", system);
    } else if (how == PS_ASKED_NOTHING && !is_for_linux(&dist->conda) &&
               !dist->requested) {
        out->reason = ps_arena_format(
            arena,
            "of conda's %s; its solver finds what Linux needs in its place",
            dist->conda.subdir);
    } else {
        write_spec(arena, exact, out);
        if (out->level == PS_LEVEL_COMPATIBLE)
            out->reason = "compatible, by conda";
        else if (exact)
            out->reason = "exact, by conda";
        else
            out->reason = "exact, by conda: its version is of no series";
    }
}
