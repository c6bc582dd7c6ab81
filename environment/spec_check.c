/* What holds of every spec. */
#include <string.h>

#include "levels_private.h"
#include "pkgsync/name.h"
#include "pkgsync/requirement.h"
#include "pkgsync/util.h"
#include "spec_private.h"

static const char *const wheel_schemes[] = { "https://", "http://", "s3://",
                                             "file:///", NULL };
static const char *const index_schemes[] = { "https://", "http://", "file:///",
                                             NULL };
static const char *const source_kinds[] = {
    "index", "conda",   "editable", "directory",
    "vcs",   "archive", "loose",    "extra",
};

/* A conda MatchSpec as we write it ("libffi=3.4.2", "libffi>=3.4.2,3.4.*") is
 * no requirement of PEP 508. */
bool ps_spec_is_conda(const struct ps_spec_package *p)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_requirement r;

    if (!p->conda.name || strcmp(p->source_kind, "conda") != 0)
        return false;
    return !p->requirement ||
           ps_requirement_parse(&arena, ps_str_from(p->requirement), &r,
                                &ignored) < 0;
}

/* A token of one word: an ABI, a platform, a conda build. */
static bool is_word(const char *z)
{
    return z[0] != '\0' && ps_spec_text_is_clean(z) && !strchr(z, ' ');
}

static bool is_conda_name(const char *z)
{
    return z[0] != '\0' && z[0] != '-' && z[0] != '.' &&
           z[strspn(z, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                       "0123456789_-.")] == '\0';
}

static int check_python(const struct ps_spec *spec, struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_version v;

    if (ps_version_parse(&arena, ps_str_from(spec->version), &v, err) < 0)
        return ps_context(err, "python");
    if (v.release_count < 2)
        return ps_fail(err, PS_EINVALID, "python: '%s' has no minor version",
                       spec->version);
    if (!is_word(spec->implementation) || !is_word(spec->abi) ||
        !is_word(spec->platform))
        return ps_fail(err, PS_EINVALID,
                       "python: implementation, abi and platform are words");
    return PS_OK;
}

static int check_url(const char *url, const char *const *schemes,
                     struct ps_error *err)
{
    PS_AUTO_FREE char *shown = ps_url_redact(url);

    if (!ps_spec_url_is_valid(url, schemes))
        return ps_fail(err, PS_EINVALID, "'%s' is no URL that is used here",
                       shown);
    if (ps_spec_url_has_secret(url)) {
        shown[strcspn(shown, "?")] = '\0';
        return ps_fail(err, PS_EINVALID,
                       "the URL '%s' has credentials in it; a spec may not",
                       shown);
    }
    return PS_OK;
}

static bool is_path(const char *z)
{
    return z[0] == '/' && ps_spec_text_is_clean(z);
}

static int check_indexes(const struct ps_spec *spec, struct ps_error *err)
{
    const char *const *u = spec->extra_index_urls;
    int rc = PS_OK;

    if (spec->index_url)
        rc = check_url(spec->index_url, index_schemes, err);
    for (; rc == PS_OK && u && *u; u++)
        rc = check_url(*u, index_schemes, err);
    for (u = spec->find_links; rc == PS_OK && u && *u; u++)
        if (!is_path(*u))
            rc = check_url(*u, index_schemes, err);
    return rc < 0 ? ps_context(err, "indexes") : PS_OK;
}

static int check_wheel(const struct ps_spec_package *p, struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const struct ps_spec_wheel *w = p->wheel;
    const char *name = NULL;
    const char *version = NULL;
    char *expected = NULL;

    if (ps_spec_wheel_name(&arena, w->file_name, &name, &version, err) < 0)
        return err->code;
    if (!ps_name_equal(ps_str_from(name), ps_str_from(p->name)))
        return ps_fail(err, PS_EINVALID, "the wheel '%s' is of another name",
                       w->file_name);
    if (ps_version_normalize(&arena, ps_str_from(p->version), &expected, err) <
        0)
        return err->code;
    if (strcmp(expected, version) != 0)
        return ps_fail(err, PS_EINVALID,
                       "the wheel '%s' is of another version than %s",
                       w->file_name, p->version);
    if (w->size == 0 || w->size > PS_SPEC_MAX_WHEEL_BYTES)
        return ps_fail(err, PS_EINVALID,
                       "the wheel '%s' cannot have %llu bytes", w->file_name,
                       (unsigned long long)w->size);
    if (w->key && (strlen(w->key) != 64 ||
                   w->key[strspn(w->key, "0123456789abcdef")] != '\0'))
        return ps_fail(err, PS_EINVALID, "the key of '%s' is no SHA-256",
                       w->file_name);
    return check_url(w->url, wheel_schemes, err);
}

static int check_requirement(const struct ps_spec_package *p,
                             struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_requirement r;

    if (!ps_spec_text_is_clean(p->requirement))
        return ps_fail(err, PS_EINVALID,
                       "its requirement is too long or not printable");
    /* A conda MatchSpec, which only environment.yml holds. */
    if (ps_spec_is_conda(p)) {
        size_t len = strlen(p->name);

        if (is_word(p->requirement) &&
            strncmp(p->requirement, p->name, len) == 0 &&
            strchr("<>=~! ", p->requirement[len]))
            return PS_OK;
        return ps_fail(err, PS_EINVALID, "'%s' does not ask for it",
                       p->requirement);
    }
    if (ps_requirement_parse(&arena, ps_str_from(p->requirement), &r, err) < 0)
        return err->code;
    if (!ps_name_equal(r.name, ps_str_from(p->name)))
        return ps_fail(err, PS_EINVALID, "'%s' asks for something else",
                       p->requirement);
    if (r.url.len > 0)
        return ps_fail(err, PS_EINVALID,
                       "'%s' is a URL, which only a wheel may have",
                       p->requirement);
    return PS_OK;
}

static int check_level(const struct ps_spec_package *p, struct ps_error *err)
{
    bool wants_requirement = false;

    switch (p->level) {
    case PS_LEVEL_CRITICAL:
    case PS_LEVEL_COMPATIBLE:
    case PS_LEVEL_EXACT:
        wants_requirement = true;
        break;
    case PS_LEVEL_IGNORED:
    case PS_LEVEL_BUILD:
        break;
    }
    if (wants_requirement != (p->requirement != NULL))
        return ps_fail(err, PS_EINVALID, "level '%s' %s a requirement",
                       ps_level_name(p->level),
                       wants_requirement ? "needs" : "has not");
    if ((p->level == PS_LEVEL_BUILD) != (p->wheel != NULL))
        return ps_fail(err, PS_EINVALID,
                       p->wheel ? "level '%s' has no wheel"
                                : "level '%s' needs a wheel",
                       ps_level_name(p->level));
    if (p->requirement && check_requirement(p, err) < 0)
        return err->code;
    return p->wheel ? check_wheel(p, err) : PS_OK;
}

static bool is_known_kind(const char *kind)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(source_kinds); i++)
        if (strcmp(source_kinds[i], kind) == 0)
            return true;
    return false;
}

static int check_source(const struct ps_spec_package *p, struct ps_error *err)
{
    const char *texts[] = { p->source_url,    p->commit,        p->subdirectory,
                            p->conda.name,    p->conda.version, p->conda.build,
                            p->conda.channel, p->conda.subdir };

    if (!is_known_kind(p->source_kind))
        return ps_fail(err, PS_EINVALID, "unknown kind of source '%s'",
                       p->source_kind);
    for (size_t i = 0; i < PS_ARRAY_SIZE(texts); i++)
        if (texts[i] && !ps_spec_text_is_clean(texts[i]))
            return ps_fail(err, PS_EINVALID,
                           "its source has a text that is too long or not "
                           "printable");
    if (p->source_url && ps_spec_url_has_secret(p->source_url))
        return ps_fail(err, PS_EINVALID, "its source has credentials in it");
    if (p->conda.channel && strstr(p->conda.channel, "/t/"))
        return ps_fail(err, PS_EINVALID, "its channel has a token in it");
    if (p->commit &&
        (strlen(p->commit) < 40 || strlen(p->commit) > 64 ||
         p->commit[strspn(p->commit, "0123456789abcdefABCDEF")] != '\0'))
        return ps_fail(err, PS_EINVALID, "'%s' is no commit", p->commit);
    return PS_OK;
}

static int check_package(const struct ps_spec_package *p, struct ps_error *err)
{
    bool is_conda = ps_spec_is_conda(p);

    if (!(is_conda ? is_conda_name(p->name)
                   : ps_name_is_valid(ps_str_from(p->name))))
        return ps_fail(err, PS_EINVALID, "that is no name");
    if (!ps_spec_text_is_clean(p->version) || !ps_spec_text_is_clean(p->reason))
        return ps_fail(err, PS_EINVALID,
                       "its version or reason is too long or not printable");
    if (p->version[0] == '\0' && p->level != PS_LEVEL_IGNORED &&
        strcmp(p->source_kind, "extra") != 0)
        return ps_fail(err, PS_EINVALID, "it has no version");
    if (check_source(p, err) < 0)
        return err->code;
    return check_level(p, err);
}

static int check_order(const struct ps_spec *spec, struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    const char *before = "";

    for (size_t i = 0; i < spec->count; i++) {
        const char *name = spec->packages[i].name;
        const char *normal = ps_normalize_name(&arena, ps_str_from(name));

        if (strcmp(before, normal) >= 0)
            return ps_fail(err, PS_EINVALID,
                           "package '%s' comes twice or not in its place",
                           name);
        before = normal;
    }
    return PS_OK;
}

int ps_spec_check(const struct ps_spec *spec, struct ps_error *err)
{
    if (!ps_spec_text_is_clean(spec->created_by))
        return ps_fail(err, PS_EINVALID, "created_by is not printable");
    if (check_python(spec, err) < 0 || check_indexes(spec, err) < 0)
        return err->code;
    if (spec->count > PS_SPEC_MAX_PACKAGES)
        return ps_fail(err, PS_ETOOBIG, "more than %d packages",
                       PS_SPEC_MAX_PACKAGES);
    for (size_t i = 0; i < spec->count; i++)
        if (check_package(&spec->packages[i], err) < 0)
            return ps_context(err, "package '%s'", spec->packages[i].name);
    return check_order(spec, err);
}
