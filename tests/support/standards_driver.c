/*
 * Versions, specifiers, names, tags, requirements, markers and direct URLs on
 * standard input, for tests that hold them against other implementations.
 *
 * One JSON document a line in, one a line out, in the same order:
 *
 *   {"op": OP, "args": [...]}
 *   {"ok": true, "result": ...}
 *   {"ok": false, "code": "INVALID", "error": "..."}
 *
 * A line that is no such document ends the program with status 65.  Numbers
 * of versions are texts: they have no upper limit.
 *
 *   version TEXT           {"epoch", "release": [...], "pre": [KIND, N]|null,
 *                           "post", "dev": N|null, "local": [...]|null,
 *                           "string", "public", "base", "is_prerelease"}
 *   compare A B            -1, 0 or 1
 *   specifiers TEXT        {"items": [{"op", "version"}...], "string",
 *                           "names_prerelease": bool}
 *   contains SET VERSION POLICY
 *                          bool.  POLICY is true, false, "auto", or null: as
 *                          packaging has it for one version, which is true
 *   filter SET [VERSION...] POLICY
 *                          [bool...].  POLICY is true, false or null
 *   canonicalize_version TEXT STRIP    text
 *   canonicalize_name TEXT             text
 *   is_valid_name TEXT, is_normalized_name TEXT, names_equal A B
 *                          bool
 *   parse_tag TEXT         ["py3-none-any"...]
 *   tags {"implementation", "python": [3, 11], "abi": text|null, "arch",
 *         "libc": text|null, "libc_version": [2, 36]}
 *                          ["cp311-cp311-linux_x86_64"...], best first
 *   tags_match TEXT [TAG...]           bool
 *   requirement TEXT       {"name", "extras": [...], "specifiers", "url":
 *                           text|null, "marker": text|null, "string"}
 *   marker TEXT            text
 *   marker_eval TEXT {VARIABLE: text...} EXTRA|null
 *                          bool.  "extras" and "dependency_groups" among the
 *                          variables are lists
 *   direct_url TEXT        {"kind", "url", "path", "subdirectory", "editable",
 *                           "vcs", "requested_revision", "commit", "sha256",
 *                           "requirement"}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/direct_url.h"
#include "pkgsync/json.h"
#include "pkgsync/name.h"
#include "pkgsync/requirement.h"
#include "pkgsync/tags.h"
#include "pkgsync/util.h"
#include "pkgsync/version.h"

struct call {
    struct ps_arena *arena;
    const json_t *args;
    json_t *result; /* owned */
};

typedef int(op_fn)(struct call *c, struct ps_error *err);

/* --- Arguments and results ---------------------------------------------- */

static struct ps_str text_of(const json_t *value)
{
    return (struct ps_str){ .data = json_string_value(value),
                            .len = json_string_length(value) };
}

static struct ps_str text_arg(const struct call *c, size_t i)
{
    return text_of(json_array_get(c->args, i));
}

static const char *text_or_null(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static json_t *text_json(struct ps_str s)
{
    return json_stringn(s.data ? s.data : "", s.len);
}

static json_t *optional_json(const char *z)
{
    return z ? json_string(z) : json_null();
}

static json_t *list_json(const struct ps_str *items, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, text_json(items[i]));
    return list;
}

/* --- base --------------------------------------------------------------- */

static int op_version(struct call *c, struct ps_error *err)
{
    struct ps_version v;
    json_t *out = NULL;

    if (ps_version_parse(c->arena, text_arg(c, 0), &v, err) < 0)
        return err->code;
    out = json_object();
    json_object_set_new(out, "epoch", text_json(v.epoch));
    json_object_set_new(out, "release", list_json(v.release, v.release_count));
    json_object_set_new(
        out, "pre",
        v.pre_kind.len
            ? json_pack("[oo]", text_json(v.pre_kind), text_json(v.pre))
            : json_null());
    json_object_set_new(out, "post",
                        v.has_post ? text_json(v.post) : json_null());
    json_object_set_new(out, "dev", v.has_dev ? text_json(v.dev) : json_null());
    json_object_set_new(out, "local",
                        v.local_count ? list_json(v.local, v.local_count)
                                      : json_null());
    json_object_set_new(out, "string",
                        json_string(ps_version_string(c->arena, &v)));
    json_object_set_new(out, "public",
                        json_string(ps_version_public(c->arena, &v)));
    json_object_set_new(out, "base",
                        json_string(ps_version_base(c->arena, &v)));
    json_object_set_new(out, "is_prerelease",
                        json_boolean(ps_version_is_prerelease(&v)));
    c->result = out;
    return PS_OK;
}

static int op_compare(struct call *c, struct ps_error *err)
{
    struct ps_version a;
    struct ps_version b;
    int order = 0;

    if (ps_version_parse(c->arena, text_arg(c, 0), &a, err) < 0 ||
        ps_version_parse(c->arena, text_arg(c, 1), &b, err) < 0)
        return err->code;
    order = ps_version_compare(&a, &b);
    c->result = json_integer((order > 0) - (order < 0));
    return PS_OK;
}

static json_t *set_text(struct ps_arena *arena, const struct ps_specifiers *set)
{
    return json_string(ps_specifiers_string(arena, set));
}

static int op_specifiers(struct call *c, struct ps_error *err)
{
    struct ps_specifiers set;
    json_t *items = NULL;

    if (ps_specifiers_parse(c->arena, text_arg(c, 0), &set, err) < 0)
        return err->code;
    items = json_array();
    for (size_t i = 0; i < set.count; i++) {
        const struct ps_specifier *s = &set.items[i];
        struct ps_str text = s->text;

        if (s->wildcard) /* the text goes on after the view */
            text.len += 2;
        json_array_append_new(items, json_pack("{s:s, s:o}", "op",
                                               ps_specifier_op_text(s->op),
                                               "version", text_json(text)));
    }
    c->result = json_pack("{s:o, s:o, s:b}", "items", items, "string",
                          set_text(c->arena, &set), "names_prerelease",
                          (int)ps_specifiers_name_prerelease(&set));
    return PS_OK;
}

static enum ps_prereleases policy_of(const json_t *value,
                                     enum ps_prereleases otherwise)
{
    if (json_is_boolean(value))
        return json_is_true(value) ? PS_PRERELEASES_YES : PS_PRERELEASES_NO;
    return json_is_string(value) ? PS_PRERELEASES_AUTO : otherwise;
}

static int op_contains(struct call *c, struct ps_error *err)
{
    struct ps_specifiers set;

    if (ps_specifiers_parse(c->arena, text_arg(c, 0), &set, err) < 0)
        return err->code;
    c->result = json_boolean(ps_specifiers_contain(
        &set, text_arg(c, 1),
        policy_of(json_array_get(c->args, 2), PS_PRERELEASES_YES)));
    return PS_OK;
}

static int op_filter(struct call *c, struct ps_error *err)
{
    const json_t *list = json_array_get(c->args, 1);
    size_t count = json_array_size(list);
    struct ps_str *versions =
        ps_arena_alloc(c->arena, count, sizeof(*versions));
    bool *admitted = ps_arena_alloc(c->arena, count, sizeof(*admitted));
    struct ps_specifiers set;

    if (ps_specifiers_parse(c->arena, text_arg(c, 0), &set, err) < 0)
        return err->code;
    for (size_t i = 0; i < count; i++)
        versions[i] = text_of(json_array_get(list, i));
    ps_specifiers_filter(
        &set, versions, count,
        policy_of(json_array_get(c->args, 2), PS_PRERELEASES_AUTO), admitted);
    c->result = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(c->result, json_boolean(admitted[i]));
    return PS_OK;
}

static int op_canonicalize_version(struct call *c, struct ps_error *err)
{
    (void)err;
    c->result = json_string(ps_version_canonical(
        c->arena, text_arg(c, 0), json_is_true(json_array_get(c->args, 1))));
    return PS_OK;
}

static int op_canonicalize_name(struct call *c, struct ps_error *err)
{
    (void)err;
    c->result = json_string(ps_normalize_name(c->arena, text_arg(c, 0)));
    return PS_OK;
}

static int op_is_valid_name(struct call *c, struct ps_error *err)
{
    (void)err;
    c->result = json_boolean(ps_name_is_valid(text_arg(c, 0)));
    return PS_OK;
}

static int op_is_normalized_name(struct call *c, struct ps_error *err)
{
    (void)err;
    c->result = json_boolean(ps_name_is_normal(text_arg(c, 0)));
    return PS_OK;
}

static int op_names_equal(struct call *c, struct ps_error *err)
{
    (void)err;
    c->result = json_boolean(ps_name_equal(text_arg(c, 0), text_arg(c, 1)));
    return PS_OK;
}

/* --- tags --------------------------------------------------------------- */

static int op_parse_tag(struct call *c, struct ps_error *err)
{
    const struct ps_tag *tags = NULL;
    size_t count = 0;

    if (ps_tags_parse(c->arena, text_arg(c, 0), &tags, &count, err) < 0)
        return err->code;
    c->result = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            c->result,
            json_string(ps_arena_format(
                c->arena, "%.*s-%.*s-%.*s", PS_STR_FMT(tags[i].python),
                PS_STR_FMT(tags[i].abi), PS_STR_FMT(tags[i].platform))));
    return PS_OK;
}

static unsigned number_at(const json_t *list, size_t i)
{
    return (unsigned)json_integer_value(json_array_get(list, i));
}

static int op_tags(struct call *c, struct ps_error *err)
{
    const json_t *t = json_array_get(c->args, 0);
    const json_t *python = json_object_get(t, "python");
    const json_t *libc = json_object_get(t, "libc_version");
    const struct ps_tag_target target = {
        .implementation = text_or_null(t, "implementation"),
        .major = number_at(python, 0),
        .minor = number_at(python, 1),
        .abi = text_or_null(t, "abi"),
        .arch = text_or_null(t, "arch"),
        .libc = text_or_null(t, "libc"),
        .libc_major = number_at(libc, 0),
        .libc_minor = number_at(libc, 1),
    };

    if (!target.implementation || !target.arch)
        return ps_fail(err, PS_EINVALID, "the target lacks a member");
    c->result = ps_json_from_strings(ps_tags_of(c->arena, &target));
    return PS_OK;
}

static int op_tags_match(struct call *c, struct ps_error *err)
{
    const struct ps_tag *tags = NULL;
    size_t count = 0;

    if (ps_tags_parse(c->arena, text_arg(c, 0), &tags, &count, err) < 0)
        return err->code;
    c->result = json_boolean(ps_tags_match(
        tags, count, ps_json_to_strings(c->arena, json_array_get(c->args, 1))));
    return PS_OK;
}

/* --- requirements, direct URLs ------------------------------------------ */

static int op_requirement(struct call *c, struct ps_error *err)
{
    struct ps_requirement r;
    const char *marker = NULL;

    if (ps_requirement_parse(c->arena, text_arg(c, 0), &r, err) < 0)
        return err->code;
    if (r.marker)
        marker = ps_marker_string(c->arena, r.marker);
    c->result = json_pack(
        "{s:o, s:o, s:o, s:o, s:o, s:s}", "name", text_json(r.name), "extras",
        list_json(r.extras, r.extra_count), "specifiers",
        set_text(c->arena, &r.specifiers), "url",
        r.url.len ? text_json(r.url) : json_null(), "marker",
        optional_json(marker), "string", ps_requirement_string(c->arena, &r));
    return PS_OK;
}

static int op_marker(struct call *c, struct ps_error *err)
{
    const struct ps_marker *m = NULL;

    if (ps_marker_parse(c->arena, text_arg(c, 0), &m, err) < 0)
        return err->code;
    c->result = json_string(ps_marker_string(c->arena, m));
    return PS_OK;
}

static const char *const *names_of(const struct call *c, const json_t *env,
                                   const char *key)
{
    const json_t *list = json_object_get(env, key);

    return list ? ps_json_to_strings(c->arena, list) : NULL;
}

static struct ps_marker_env marker_env(const struct call *c, const json_t *env)
{
    struct ps_marker_env out = {
        .extras = names_of(c, env, "extras"),
        .dependency_groups = names_of(c, env, "dependency_groups"),
    };

    out.os_name = text_or_null(env, "os_name");
    out.sys_platform = text_or_null(env, "sys_platform");
    out.platform_machine = text_or_null(env, "platform_machine");
    out.platform_python_implementation =
        text_or_null(env, "platform_python_implementation");
    out.platform_release = text_or_null(env, "platform_release");
    out.platform_system = text_or_null(env, "platform_system");
    out.platform_version = text_or_null(env, "platform_version");
    out.python_version = text_or_null(env, "python_version");
    out.python_full_version = text_or_null(env, "python_full_version");
    out.implementation_name = text_or_null(env, "implementation_name");
    out.implementation_version = text_or_null(env, "implementation_version");
    return out;
}

static int op_marker_eval(struct call *c, struct ps_error *err)
{
    struct ps_marker_env env = marker_env(c, json_array_get(c->args, 1));
    const char *extra = json_string_value(json_array_get(c->args, 2));
    const struct ps_marker *m = NULL;
    bool holds = false;

    if (ps_marker_parse(c->arena, text_arg(c, 0), &m, err) < 0 ||
        ps_marker_holds(m, &env, extra, &holds, err) < 0)
        return err->code;
    c->result = json_boolean(holds);
    return PS_OK;
}

static int op_direct_url(struct call *c, struct ps_error *err)
{
    static const char *const kinds[] = { "none", "vcs", "archive", "dir" };
    struct ps_direct_url d;

    if (ps_direct_url_parse(c->arena, text_arg(c, 0), &d, err) < 0)
        return err->code;
    c->result = json_pack(
        "{s:s, s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o}", "kind",
        kinds[d.kind], "url", optional_json(d.url), "path",
        optional_json(d.path), "subdirectory", optional_json(d.subdirectory),
        "editable", (int)d.editable, "vcs", optional_json(d.vcs),
        "requested_revision", optional_json(d.requested_revision), "commit",
        optional_json(d.commit), "sha256", optional_json(d.sha256),
        "requirement", optional_json(ps_direct_url_requirement(c->arena, &d)));
    return PS_OK;
}

/* --- The loop ----------------------------------------------------------- */

static const struct {
    const char *name;
    op_fn *run;
    const char *args; /* t: text, o: object, l: list, *: any */
} ops[] = {
    { "version", op_version, "t" },
    { "compare", op_compare, "tt" },
    { "specifiers", op_specifiers, "t" },
    { "contains", op_contains, "tt*" },
    { "filter", op_filter, "tl*" },
    { "canonicalize_version", op_canonicalize_version, "t*" },
    { "canonicalize_name", op_canonicalize_name, "t" },
    { "is_valid_name", op_is_valid_name, "t" },
    { "is_normalized_name", op_is_normalized_name, "t" },
    { "names_equal", op_names_equal, "tt" },
    { "parse_tag", op_parse_tag, "t" },
    { "tags", op_tags, "o" },
    { "tags_match", op_tags_match, "tl" },
    { "requirement", op_requirement, "t" },
    { "marker", op_marker, "t" },
    { "marker_eval", op_marker_eval, "to*" },
    { "direct_url", op_direct_url, "t" },
};

static bool fits(const json_t *args, const char *shape)
{
    if (json_array_size(args) != strlen(shape))
        return false;
    for (size_t i = 0; shape[i]; i++) {
        const json_t *value = json_array_get(args, i);

        if ((shape[i] == 't' && !json_is_string(value)) ||
            (shape[i] == 'o' && !json_is_object(value)) ||
            (shape[i] == 'l' && !json_is_array(value)))
            return false;
    }
    return true;
}

static int run(struct call *c, const char *name, struct ps_error *err)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(ops); i++) {
        if (strcmp(name, ops[i].name) != 0)
            continue;
        if (!fits(c->args, ops[i].args))
            return ps_fail(err, PS_EINTERNAL, "%s: other arguments", name);
        return ops[i].run(c, err);
    }
    return ps_fail(err, PS_EINTERNAL, "there is no operation '%s'", name);
}

static bool answer(const char *line, size_t len)
{
    PS_AUTO_JSON json_t *request = json_loadb(line, len, JSON_ALLOW_NUL, NULL);
    PS_AUTO_JSON json_t *reply = NULL;
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    const char *name = json_string_value(json_object_get(request, "op"));
    struct call c = { .arena = &arena,
                      .args = json_object_get(request, "args") };

    if (!name || !c.args)
        return false;
    if (run(&c, name, &err) < 0) {
        PS_AUTO_JSON json_t *text = ps_json_string(err.text);

        reply = json_pack("{s:b, s:s, s:O}", "ok", 0, "code",
                          ps_code_name(err.code), "error", text);
    } else {
        reply = json_pack("{s:b, s:o}", "ok", 1, "result", c.result);
    }
    if (!reply || json_dumpf(reply, stdout, JSON_COMPACT) < 0)
        return false;
    return putchar('\n') != EOF && fflush(stdout) == 0;
}

int main(void)
{
    PS_AUTO_FREE char *line = NULL;
    size_t cap = 0;
    ssize_t len = getline(&line, &cap, stdin);

    while (len > 0) {
        if (!answer(line, (size_t)len)) {
            (void)fprintf(stderr, "standards_driver: cannot answer %s", line);
            return 65;
        }
        len = getline(&line, &cap, stdin);
    }
    return ferror(stdin) ? 74 : 0;
}
