/*
 * pylock.toml (PEP 751): each package with the one file that is installed.
 */
#include <string.h>

#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "pkgsync/requirement.h"
#include "spec_private.h"

#define TEXT_MAX (PS_SPEC_MAX_BYTES * 2)

static void write_pair(struct ps_buf *b, const char *key, const char *value)
{
    ps_buf_addf(b, "%s = ", key);
    ps_spec_add_quoted(b, value);
    ps_buf_addc(b, '\n');
}

/* The series of the interpreter, as `install` asks for it. */
static void write_python(struct ps_buf *b, const struct ps_spec *spec)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_version v;

    if (ps_version_parse(&arena, ps_str_from(spec->version), &v, &ignored) <
            0 ||
        v.release_count < 2)
        return;
    ps_buf_addf(b, "requires-python = \"==%.*s.%.*s.*\"\n",
                PS_STR_FMT(v.release[0]), PS_STR_FMT(v.release[1]));
}

/* The size and hash, with which each kind of file ends. */
static void write_rest(struct ps_buf *b, const struct ps_spec_wheel *file)
{
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&file->sha256, hex);
    if (file->size > 0)
        ps_buf_addf(b, ", size = %llu", (unsigned long long)file->size);
    ps_buf_addf(b, ", hashes = {sha256 = \"%s\"}}", hex);
}

static void write_file(struct ps_buf *b, const struct ps_spec_wheel *file)
{
    ps_buf_adds(b, "{name = ");
    ps_spec_add_quoted(b, file->file_name);
    ps_buf_adds(b, ", url = ");
    ps_spec_add_quoted(b, file->url);
    write_rest(b, file);
}

/* "file:///a%20b" -> "/a b"; NULL for another scheme, or for a byte that TOML
 * cannot hold. */
static const char *file_path(struct ps_arena *arena, const char *url)
{
    PS_AUTO_BUF struct ps_buf path = PS_BUF_INIT(PS_SPEC_MAX_STRING);

    if (!url || !ps_str_starts(ps_str_from(url), "file:///"))
        return NULL;
    for (url += strlen("file://"); *url; url++) {
        if (url[0] == '%' && ps_hex_digit(url[1]) >= 0 &&
            ps_hex_digit(url[2]) >= 0) {
            ps_buf_addc(&path, (char)(ps_hex_digit(url[1]) * 16 +
                                      ps_hex_digit(url[2])));
            url += 2;
        } else {
            ps_buf_addc(&path, *url);
        }
    }
    if (strlen(ps_buf_z(&path)) != path.len ||
        !ps_spec_text_is_clean(ps_buf_z(&path)))
        return NULL;
    return ps_arena_strdup(arena, ps_buf_z(&path));
}

/* A direct reference: installers record where it came from and its hash, which
 * is how `check` knows it again.  uv reads a local one by its path alone. */
static void write_archive(struct ps_buf *b, const struct ps_spec_wheel *file)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const char *path = file_path(&arena, file->url);

    ps_buf_adds(b, path ? "{path = " : "{url = ");
    ps_spec_add_quoted(b, path ? path : file->url);
    write_rest(b, file);
}

static bool is_wheel(const struct ps_spec_wheel *file)
{
    return ps_str_ends(ps_str_from(file->file_name), ".whl");
}

/* Where there is a file, its name says the version; an extra has no other. */
static const char *version_of(struct ps_arena *arena,
                              const struct ps_spec_package *p,
                              const struct ps_spec_wheel *file)
{
    struct ps_error ignored = PS_ERROR_INIT;
    const char *name = NULL;
    const char *version = p->version;

    if (is_wheel(file))
        (void)(ps_spec_wheel_name(arena, file->file_name, &name, &version,
                                  &ignored) < 0);
    return ps_version_canonical(arena, ps_str_from(version), false);
}

static bool is_exact(const struct ps_spec_package *p)
{
    return p->level == PS_LEVEL_CRITICAL || p->level == PS_LEVEL_EXACT ||
           p->level == PS_LEVEL_BUILD;
}

static int check_file(const struct ps_spec_package *p,
                      const struct ps_spec_wheel *file, struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const char *name = NULL;
    const char *version = NULL;

    if (!ps_spec_text_is_clean(file->file_name) || !file->url ||
        !ps_spec_text_is_clean(file->url))
        return ps_fail(err, PS_EINVALID, "the file of '%s' has no usable name",
                       p->name);
    if (!is_wheel(file))
        return PS_OK;
    if (ps_spec_wheel_name(&arena, file->file_name, &name, &version, err) < 0)
        return err->code;
    if (!ps_name_equal(ps_str_from(name), ps_str_from(p->name)) ||
        (p->requirement && !ps_levels_satisfied(p->requirement, version)))
        return ps_fail(err, PS_EINVALID, "'%s' is not what '%s' asks for",
                       file->file_name,
                       p->requirement ? p->requirement : p->name);
    return PS_OK;
}

static int write_package(struct ps_buf *b, const struct ps_spec *spec,
                         const struct ps_spec_package *p,
                         const struct ps_spec_wheel *file, struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

    if (!is_exact(p))
        return ps_fail(err, PS_EINVALID,
                       "'%s' is %s, and a lock file needs all versions "
                       "exactly; use '--match exact'",
                       p->name, p->requirement);
    if (!file)
        return ps_fail(err, PS_EINVALID,
                       "which file of '%s' is to be locked is not known",
                       p->name);
    if (check_file(p, file, err) < 0)
        return err->code;
    ps_buf_adds(b, "\n[[packages]]\n");
    write_pair(b, "name", ps_normalize_name(&arena, ps_str_from(p->name)));
    if (is_wheel(file) || p->version[0] != '\0')
        write_pair(b, "version", version_of(&arena, p, file));
    if (!p->wheel && spec->index_url)
        write_pair(b, "index", spec->index_url);
    if (p->wheel) {
        ps_buf_adds(b, "archive = ");
        write_archive(b, file);
    } else if (is_wheel(file)) {
        ps_buf_adds(b, "wheels = [");
        write_file(b, file);
        ps_buf_addc(b, ']');
    } else {
        ps_buf_adds(b, "sdist = ");
        write_file(b, file);
    }
    ps_buf_addc(b, '\n');
    return PS_OK;
}

int ps_spec_pylock(const struct ps_spec *spec,
                   const struct ps_spec_wheel *const *files, char **out,
                   struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(TEXT_MAX);
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&spec->digest, hex);
    ps_buf_addf(&b, "# Environment %s\n", hex);
    write_pair(&b, "lock-version", "1.0");
    write_pair(&b, "created-by", "pkgsync");
    write_python(&b, spec);
    for (size_t i = 0; i < spec->count; i++) {
        const struct ps_spec_package *p = &spec->packages[i];
        const struct ps_spec_wheel *file = p->wheel;

        if (p->level == PS_LEVEL_IGNORED || p->conda.name)
            continue;
        if (!file && files)
            file = files[i];
        if (write_package(&b, spec, p, file, err) < 0)
            return err->code;
    }
    if (ps_buf_check(&b, "pylock.toml", err) < 0)
        return err->code;
    *out = ps_buf_take(&b);
    return PS_OK;
}
