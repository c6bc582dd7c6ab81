/* Texts that a spec may hold: lines, URLs, names of wheels. */
#include <string.h>

#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "pkgsync/util.h"
#include "pkgsync/version.h"
#include "spec_private.h"

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

bool ps_spec_text_is_clean(const char *z)
{
    size_t len = strlen(z);

    if (len > PS_SPEC_MAX_STRING)
        return false;
    for (size_t i = 0; i < len; i++)
        if (is_control(z[i]))
            return false;
    return ps_utf8_valid_prefix(ps_str_from(z)) == len;
}

const char *ps_spec_clean_text(struct ps_arena *arena, const char *z)
{
    char *out = NULL;
    size_t good = 0;

    if (!z || ps_spec_text_is_clean(z))
        return z;
    out = ps_arena_dup(arena, ps_str_first(ps_str_from(z), PS_SPEC_MAX_STRING));
    for (char *p = out; *p; p++)
        if (is_control(*p))
            *p = '?';
    for (char *p = out; *p; p += good + 1) {
        good = ps_utf8_valid_prefix(ps_str_from(p));
        if (p[good] == '\0')
            break;
        p[good] = '?';
    }
    return out;
}

bool ps_spec_url_has_secret(const char *url)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    return strcmp(url, ps_url_shown(&arena, url)) != 0;
}

const char *ps_spec_url_without_secret(struct ps_arena *arena, const char *url)
{
    return url ? ps_url_shown(arena, url) : NULL;
}

bool ps_spec_url_is_valid(const char *url, const char *const *schemes)
{
    bool is_known = false;

    for (; *schemes && !is_known; schemes++)
        is_known = ps_str_starts(ps_str_from(url), *schemes) &&
                   url[strlen(*schemes)] != '\0';
    return is_known && ps_spec_text_is_clean(url) && !strpbrk(url, " #\"<>\\");
}

const char *ps_spec_file_url(struct ps_arena *arena, const char *path)
{
    static const char hex[] = "0123456789ABCDEF";
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(PS_KIB(64));

    ps_buf_adds(&b, "file://");
    for (; *path; path++) {
        unsigned char c = (unsigned char)*path;

        if (c < 0x80 && (strchr("/-._~+", c) || (c >= '0' && c <= '9') ||
                         (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) {
            ps_buf_addc(&b, (char)c);
            continue;
        }
        ps_buf_addc(&b, '%');
        ps_buf_addc(&b, hex[c >> 4]);
        ps_buf_addc(&b, hex[c & 15]);
    }
    return ps_arena_strdup(arena, ps_buf_z(&b));
}

static bool is_wheel_text(const char *z)
{
    for (; *z; z++)
        if (!((*z >= '0' && *z <= '9') || (*z >= 'A' && *z <= 'Z') ||
              (*z >= 'a' && *z <= 'z') || strchr("-_.+!", *z)))
            return false;
    return true;
}

int ps_spec_wheel_name(struct ps_arena *arena, const char *file_name,
                       const char **name, const char **version,
                       struct ps_error *err)
{
    struct ps_str rest = ps_str_from(file_name);
    struct ps_str parts[7];
    size_t count = 0;
    char *normal = NULL;
    bool more = true;

    if (!ps_str_ends(rest, ".whl") || !is_wheel_text(file_name) ||
        strstr(file_name, "..") || file_name[0] == '.')
        return ps_fail(err, PS_EINVALID, "'%s' is no name of a wheel",
                       file_name);
    rest.len -= strlen(".whl");
    while (more && count < PS_ARRAY_SIZE(parts))
        more = ps_str_cut(&rest, '-', &parts[count++]);
    if (count < 5 || count > 6)
        return ps_fail(err, PS_EINVALID,
                       "'%s' is no name of a wheel: it has %zu parts between "
                       "dashes, not 5 or 6",
                       file_name, count);
    if (!ps_name_is_valid(parts[0]))
        return ps_fail(err, PS_EINVALID,
                       "'%s' is no name of a wheel: '%.*s' is no name",
                       file_name, PS_STR_FMT(parts[0]));
    /* A dash of the version is written as '_'. */
    normal = ps_arena_dup(arena, parts[1]);
    for (char *p = normal; *p; p++)
        if (*p == '_')
            *p = '-';
    if (ps_version_normalize(arena, ps_str_from(normal), &normal, err) < 0)
        return ps_context(err, "'%s'", file_name);
    *name = ps_arena_dup(arena, parts[0]);
    *version = normal;
    return PS_OK;
}

void ps_spec_add_quoted(struct ps_buf *b, const char *z)
{
    ps_buf_addc(b, '"');
    for (; *z; z++) {
        if (*z == '"' || *z == '\\')
            ps_buf_addc(b, '\\');
        ps_buf_addc(b, *z);
    }
    ps_buf_addc(b, '"');
}
