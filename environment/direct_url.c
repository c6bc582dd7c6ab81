#include "pkgsync/direct_url.h"

#include <string.h>

#include "direct_url_private.h"

#include "pkgsync/buf.h"
#include "pkgsync/json.h"
#include "pkgsync/util.h"

#define DOCUMENT "direct_url.json"

/* Reading one document: where its values go, and what to say. */
struct reader {
    struct ps_arena *arena;
    struct ps_error *err;
};

/* ---- members --------------------------------------------------------------
 */

static const char *type_name(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

/* The member, or NULL: null means absent, as in packaging. */
static json_t *member(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);

    return json_is_null(value) ? NULL : value;
}

static int fail_type(const struct reader *r, const char *path,
                     const json_t *value, const char *expected)
{
    return ps_fail(r->err, PS_EINVALID, DOCUMENT ": '%s' is %s, expected %s",
                   path, type_name(value), expected);
}

/* `path` names it in errors; its last part is the key. */
static int get_string(const struct reader *r, const json_t *object,
                      const char *path, const char **out)
{
    const char *dot = strrchr(path, '.');
    const json_t *value = member(object, dot ? dot + 1 : path);
    const char *text = json_string_value(value);

    *out = NULL;
    if (!value)
        return PS_OK;
    if (!text)
        return fail_type(r, path, value, "a string");
    for (const char *c = text; *c; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return ps_fail(r->err, PS_EINVALID,
                           DOCUMENT ": '%s' has a control character", path);
    }
    *out = ps_arena_strdup(r->arena, text);
    return PS_OK;
}

static int get_object(const struct reader *r, const json_t *object,
                      const char *key, const json_t **out)
{
    const json_t *value = member(object, key);

    if (value && !json_is_object(value))
        return fail_type(r, key, value, "an object");
    *out = value;
    return PS_OK;
}

static int fail_missing(const struct reader *r, const char *path)
{
    return ps_fail(r->err, PS_EINVALID, DOCUMENT ": '%s' is missing", path);
}

/* ---- vcs_info ---------------------------------------------------------------
 */

/* It becomes the prefix of a URL's scheme, and a program's name. */
static bool is_vcs(const char *z)
{
    return z[0] != '\0' && z[strspn(z, "abcdefghijklmnopqrstuvwxyz")] == '\0';
}

/* It is written behind an '@', before a '#'. */
static bool is_commit(const char *z)
{
    return z[0] != '-' && z[strcspn(z, " #@")] == '\0';
}

static int read_vcs(const struct reader *r, const json_t *info,
                    struct ps_direct_url *d)
{
    if (get_string(r, info, "vcs_info.vcs", &d->vcs) < 0 ||
        get_string(r, info, "vcs_info.requested_revision",
                   &d->requested_revision) < 0 ||
        get_string(r, info, "vcs_info.commit_id", &d->commit) < 0)
        return r->err->code;
    if (!d->vcs)
        return fail_missing(r, "vcs_info.vcs");
    if (!is_vcs(d->vcs))
        return ps_fail(r->err, PS_EINVALID,
                       DOCUMENT ": 'vcs_info.vcs' is '%.40s', which is no "
                                "name of a version control system",
                       d->vcs);
    if (d->commit && d->commit[0] == '\0')
        d->commit = NULL;
    if (d->commit && !is_commit(d->commit))
        return ps_fail(r->err, PS_EINVALID,
                       DOCUMENT ": 'vcs_info.commit_id' is '%.80s', which is "
                                "no commit",
                       d->commit);
    return PS_OK;
}

/* ---- archive_info
 * ------------------------------------------------------------ */

static int read_hashes(const struct reader *r, const json_t *info,
                       const json_t **out)
{
    const json_t *hashes = member(info, "hashes");
    const char *key = NULL;
    json_t *value = NULL;

    if (hashes && !json_is_object(hashes))
        return fail_type(r, "archive_info.hashes", hashes, "an object");
    json_object_foreach((json_t *)hashes, key, value)
    {
        if (!json_is_string(value))
            return fail_type(r, "archive_info.hashes", value, "strings in it");
    }
    *out = hashes;
    return PS_OK;
}

/* The older member "hash": "algorithm=value"; must agree with the newer. */
static int read_hash(const struct reader *r, const json_t *info,
                     const json_t *hashes, const char **sha256)
{
    const char *text = NULL;
    const char *equals = NULL;
    const char *known = NULL;

    if (get_string(r, info, "archive_info.hash", &text) < 0)
        return r->err->code;
    if (!text)
        return PS_OK;
    equals = strchr(text, '=');
    if (!equals)
        return ps_fail(r->err, PS_EINVALID,
                       DOCUMENT ": 'archive_info.hash' is '%.80s', expected "
                                "'<algorithm>=<hash>'",
                       text);
    if (hashes) {
        known = json_string_value(
            json_object_getn(hashes, text, (size_t)(equals - text)));
        if (!known || strcmp(known, equals + 1) != 0)
            return ps_fail(r->err, PS_EINVALID,
                           DOCUMENT ": 'archive_info.hash' and "
                                    "'archive_info.hashes' differ in '%.*s'",
                           (int)PS_MIN(equals - text, 40), text);
    } else if (strncmp(text, "sha256=", 7) == 0) {
        *sha256 = equals + 1;
    }
    return PS_OK;
}

static int read_archive(const struct reader *r, const json_t *info,
                        struct ps_direct_url *d)
{
    const json_t *hashes = NULL;
    const char *sha256 = NULL;
    char *z = NULL;

    if (read_hashes(r, info, &hashes) < 0 ||
        read_hash(r, info, hashes, &sha256) < 0)
        return r->err->code;
    if (hashes)
        sha256 = ps_json_string_or(hashes, "sha256", NULL);
    if (!sha256)
        return PS_OK;
    if (sha256[0] == '\0' ||
        sha256[strspn(sha256, "0123456789abcdefABCDEF")] != '\0')
        return ps_fail(r->err, PS_EINVALID,
                       DOCUMENT ": the sha256 of 'archive_info' is '%.80s', "
                                "expected hexadecimal digits",
                       sha256);
    z = ps_arena_strdup(r->arena, sha256);
    for (char *c = z; *c; c++)
        *c = (char)(*c >= 'A' && *c <= 'F' ? *c | 0x20 : *c);
    d->sha256 = z;
    return PS_OK;
}

/* ---- the document
 * -------------------------------------------------------------- */

static int read_dir(const struct reader *r, const json_t *info,
                    struct ps_direct_url *d)
{
    const json_t *editable = member(info, "editable");

    if (editable && !json_is_boolean(editable))
        return fail_type(r, "dir_info.editable", editable, "a boolean");
    d->editable = json_is_true(editable);
    return PS_OK;
}

static int read_info(const struct reader *r, const json_t *doc,
                     struct ps_direct_url *d)
{
    const json_t *vcs = NULL;
    const json_t *archive = NULL;
    const json_t *dir = NULL;

    if (get_object(r, doc, "vcs_info", &vcs) < 0 ||
        get_object(r, doc, "archive_info", &archive) < 0 ||
        get_object(r, doc, "dir_info", &dir) < 0)
        return r->err->code;
    if ((vcs != NULL) + (archive != NULL) + (dir != NULL) != 1)
        return ps_fail(r->err, PS_EINVALID,
                       DOCUMENT ": expected exactly one of vcs_info, "
                                "archive_info, dir_info");
    if (vcs) {
        d->kind = PS_DIRECT_VCS;
        return read_vcs(r, vcs, d);
    }
    if (archive) {
        d->kind = PS_DIRECT_ARCHIVE;
        return read_archive(r, archive, d);
    }
    d->kind = PS_DIRECT_DIR;
    return read_dir(r, dir, d);
}

static bool has_parent(struct ps_str path)
{
    struct ps_str part = { 0 };
    bool more = true;

    while (more) {
        more = ps_str_cut(&path, '/', &part);
        if (ps_str_is(part, ".."))
            return true;
    }
    return false;
}

/* Without empty parts and "."; NULL when nothing is left. */
static const char *plain_path(struct ps_arena *arena, struct ps_str path)
{
    char *out = ps_arena_alloc(arena, path.len + 1, 1);
    char *end = out;
    struct ps_str part = { 0 };
    bool more = true;

    while (more) {
        more = ps_str_cut(&path, '/', &part);
        if (part.len == 0 || ps_str_is(part, "."))
            continue;
        if (end > out)
            *end++ = '/';
        memcpy(end, part.data, part.len);
        end += part.len;
    }
    return end > out ? out : NULL;
}

/* Below the root of what the URL names; "" and "." are that root. */
static int read_subdirectory(const struct reader *r, const json_t *doc,
                             struct ps_direct_url *d)
{
    const char *text = NULL;
    struct ps_str s = { 0 };

    if (get_string(r, doc, "subdirectory", &text) < 0)
        return r->err->code;
    if (!text)
        return PS_OK;
    s = ps_str_from(text);
    if (text[0] == '/' || strchr(text, '\\') || has_parent(s))
        return ps_fail(r->err, PS_EINVALID,
                       DOCUMENT ": 'subdirectory' is '%.100s', expected a "
                                "path below the project, with '/' between "
                                "its parts",
                       text);
    d->subdirectory = plain_path(r->arena, s);
    return PS_OK;
}

/* "git@host:path", which Poetry and PDM write as people type it, is a URL of
 * ssh; "git+https://..." is one of https, but "svn+ssh://..." is Subversion's
 * own. */
static struct ps_str plain_url(const struct reader *r, const char *text,
                               const struct ps_direct_url *d)
{
    size_t plus = d->vcs ? strlen(d->vcs) : 0;
    struct ps_str path = ps_str_from(text);
    struct ps_str host = { 0 };

    if (d->kind != PS_DIRECT_VCS)
        return path;
    if (strncmp(text, d->vcs, plus) == 0 && text[plus] == '+' &&
        (strcmp(d->vcs, "git") == 0 || strcmp(d->vcs, "hg") == 0))
        return ps_str_from(text + plus + 1);
    if (strcmp(d->vcs, "git") != 0 || strstr(text, "://") ||
        !ps_str_cut(&path, ':', &host) || ps_str_starts(path, "/") ||
        !host.len || !memchr(host.data, '@', host.len) ||
        memchr(host.data, '/', host.len))
        return ps_str_from(text);
    return ps_str_from(ps_arena_format(r->arena, "ssh://%.*s/%.*s",
                                       PS_STR_FMT(host), PS_STR_FMT(path)));
}

static int read_url(const struct reader *r, const json_t *doc,
                    struct ps_direct_url *d)
{
    struct ps_url_parts parts = { 0 };
    const char *text = NULL;
    char *path = NULL;

    if (get_string(r, doc, "url", &text) < 0)
        return r->err->code;
    if (!text)
        return fail_missing(r, "url");
    if (ps_url_split(plain_url(r, text, d), &parts, r->err) < 0)
        return ps_context(r->err, DOCUMENT ": 'url'");
    d->url = ps_url_without_credentials(r->arena, &parts);
    if (!ps_url_is_file(&parts)) {
        if (d->kind == PS_DIRECT_DIR)
            return ps_fail(r->err, PS_EINVALID,
                           DOCUMENT ": 'url' is '%.100s', expected "
                                    "'file:///...' with dir_info",
                           ps_url_shown(r->arena, d->url));
        if (parts.has_authority && parts.host.len > 0)
            return PS_OK;
        return ps_fail(r->err, PS_EINVALID,
                       DOCUMENT ": 'url' is '%.100s', which names no host",
                       ps_url_shown(r->arena, d->url));
    }
    if (ps_url_file_path(r->arena, &parts, &path, r->err) < 0)
        return ps_context(r->err, DOCUMENT ": 'url'");
    d->path = path;
    return PS_OK;
}

int ps_direct_url_parse(struct ps_arena *arena, struct ps_str json,
                        struct ps_direct_url *out, struct ps_error *err)
{
    struct reader r = { .arena = arena, .err = err };
    struct ps_direct_url d = { 0 };
    PS_AUTO_JSON json_t *doc = NULL;
    int rc = ps_json_parse(json, DOCUMENT, &doc, err);

    if (rc < 0)
        return rc;
    if (!json_is_object(doc))
        return ps_fail(err, PS_EINVALID, DOCUMENT ": %s, expected an object",
                       type_name(doc));
    if (read_info(&r, doc, &d) < 0 || read_url(&r, doc, &d) < 0 ||
        read_subdirectory(&r, doc, &d) < 0)
        return err->code;
    *out = d;
    return PS_OK;
}

/* ---- what installs it again -------------------------------------------------
 */

static void add_fragment(struct ps_buf *b, const char *subdirectory)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz0123456789-._~/";

    ps_buf_adds(b, "subdirectory=");
    for (const char *c = subdirectory; *c; c++) {
        if (strchr(plain, *c))
            ps_buf_addc(b, *c);
        else
            ps_buf_addf(b, "%%%02X", (unsigned char)*c);
    }
}

static void add_vcs(struct ps_buf *b, const struct ps_direct_url *d)
{
    const char *revision = d->commit ? d->commit : d->requested_revision;
    size_t plus = strlen(d->vcs);
    size_t path = strcspn(d->url, "?#");

    if (strncmp(d->url, d->vcs, plus) != 0 || d->url[plus] != '+')
        ps_buf_addf(b, "%s+", d->vcs);
    ps_buf_add(b, d->url, path);
    if (revision)
        ps_buf_addf(b, "@%s", revision);
    ps_buf_add(b, d->url + path, strcspn(d->url + path, "#"));
    if (d->subdirectory) {
        ps_buf_addc(b, '#');
        add_fragment(b, d->subdirectory);
    }
}

static void add_archive(struct ps_buf *b, const struct ps_direct_url *d)
{
    if (d->path && !d->subdirectory) {
        ps_buf_adds(b, d->path);
        return;
    }
    if (!d->sha256 && !d->subdirectory) {
        ps_buf_adds(b, d->url);
        return;
    }
    ps_buf_add(b, d->url, strcspn(d->url, "#"));
    ps_buf_addc(b, '#');
    if (d->sha256)
        ps_buf_addf(b, "sha256=%s%s", d->sha256, d->subdirectory ? "&" : "");
    if (d->subdirectory)
        add_fragment(b, d->subdirectory);
}

char *ps_direct_url_requirement(struct ps_arena *arena,
                                const struct ps_direct_url *d)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(SIZE_MAX / 4);

    switch (d->kind) {
    case PS_DIRECT_NONE:
        return NULL;
    case PS_DIRECT_VCS:
        add_vcs(&b, d);
        break;
    case PS_DIRECT_ARCHIVE:
        add_archive(&b, d);
        break;
    case PS_DIRECT_DIR:
        ps_buf_adds(&b, d->path);
        if (d->subdirectory)
            ps_buf_addf(&b, "/%s", d->subdirectory);
        break;
    }
    return ps_arena_dup(arena, ps_buf_str(&b));
}
