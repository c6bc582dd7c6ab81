/*
 * Which requirement strings may reach pip.
 *
 * A string comes from the project, so it is foreign: it must be a name with
 * optional extras, specifiers and marker (PEP 508), never an option, a path,
 * or a URL that would make pip clone or build.
 */
#include <string.h>

#include "fetch_private.h"

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

static int check_url(struct ps_str text, struct ps_str url,
                     struct ps_error *err)
{
    struct ps_str path = ps_str_trim(url);
    struct ps_str marker;

    (void)ps_str_cut(&path, ';', &marker);
    path = ps_str_trim(marker);
    marker = path;
    (void)ps_str_cut(&marker, '#', &path);
    if (ps_str_starts(path, "https://") && ps_str_ends(path, ".whl"))
        return PS_OK;
    return ps_fail(err, PS_EINVALID,
                   "build requirement '%.*s' is a direct URL, and only wheels "
                   "over https can be fetched without running their code; "
                   "build it first and name it by --find-links",
                   PS_STR_FMT(text));
}

/* pip takes a bare name that ends like this for a file of the directory that
 * it runs in. */
static bool ends_like_archive(struct ps_str name)
{
    static const char *const ends[] = { ".whl", ".zip", ".tar", ".tgz",
                                        ".tbz", ".txz", ".gz",  ".bz2",
                                        ".xz",  ".tlz", ".lzma" };

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        if (ps_str_ends(name, ends[i]))
            return true;
    }
    return false;
}

int ps_check_requirement(const char *z, struct ps_error *err)
{
    struct ps_str text = ps_str_trim(ps_str_from(z));
    size_t name = 0;
    struct ps_str rest;

    while (name < text.len && is_name_char(text.data[name]))
        name++;
    rest = ps_str_trim(ps_str_skip(text, name));
    if (name == 0 || text.data[0] == '-' || text.data[0] == '.' ||
        ends_like_archive(ps_str_first(text, name)) ||
        memchr(text.data, '\n', text.len) || text.len > 1000)
        return ps_fail(err, PS_EINVALID,
                       "'%.*s' is not a requirement (PEP 508)",
                       PS_STR_FMT(ps_str_first(text, 200)));
    if (ps_str_starts(rest, "[")) {
        struct ps_str extras;

        if (!ps_str_cut(&rest, ']', &extras))
            return ps_fail(err, PS_EINVALID,
                           "'%.*s' is not a requirement (PEP 508): '[' is not "
                           "closed",
                           PS_STR_FMT(text));
        rest = ps_str_trim(rest);
    }
    if (ps_str_starts(rest, "@"))
        return check_url(text, ps_str_skip(rest, 1), err);
    if (rest.len > 0 && !strchr("(<>=!~;", rest.data[0]))
        return ps_fail(err, PS_EINVALID,
                       "'%.*s' is not a requirement (PEP 508)",
                       PS_STR_FMT(text));
    return PS_OK;
}
