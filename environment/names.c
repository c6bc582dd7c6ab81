/* Words for the enumerations, as they are written into documents. */
#include "pkgsync/levels.h"
#include "pkgsync/scan.h"
#include "pkgsync/spec.h"

const char *ps_dist_source_name(enum ps_dist_source source)
{
    switch (source) {
    case PS_DIST_INDEX:
        return "index";
    case PS_DIST_CONDA:
        return "conda";
    case PS_DIST_EDITABLE:
        return "editable";
    case PS_DIST_DIRECTORY:
        return "directory";
    case PS_DIST_VCS:
        return "vcs";
    case PS_DIST_ARCHIVE:
        return "archive";
    case PS_DIST_LOOSE:
        return "loose";
    }
    return "unknown";
}

const char *ps_level_name(enum ps_level level)
{
    switch (level) {
    case PS_LEVEL_CRITICAL:
        return "critical";
    case PS_LEVEL_COMPATIBLE:
        return "compatible";
    case PS_LEVEL_EXACT:
        return "exact";
    case PS_LEVEL_IGNORED:
        return "ignored";
    case PS_LEVEL_BUILD:
        return "build";
    }
    return "unknown";
}

const char *ps_severity_name(enum ps_severity s)
{
    switch (s) {
    case PS_SEVERITY_OK:
        return "ok";
    case PS_SEVERITY_WARNING:
        return "warning";
    case PS_SEVERITY_ERROR:
        return "error";
    }
    return "unknown";
}
