/*
 * Whether a marker holds, as packaging decides it:
 *
 *   - the left side's variable decides how to compare, else the right side's;
 *     what stands opposite a variable is a string, also when it is a name;
 *   - four variables are versions: where the operator and the right side make
 *     a specifier, the left side is held against it;
 *   - everything else is compared as strings, which have no order;
 *   - every comparison is made, also one that can change nothing, so that a
 *     marker without meaning is an error on every machine.
 */
#include <string.h>

#include "requirement_private.h"

#include "pkgsync/name.h"
#include "pkgsync/util.h"

/* The value of a variable: a string, or a set of names. */
struct value {
    struct ps_str text;
    const char *const *set; /* NULL: a string */
};

struct evaluation {
    struct ps_arena *arena;
    const struct ps_marker_env *env;
    const char *extra;
    struct ps_error *err;
};

static const struct {
    const char *name;
    size_t offset;
    bool is_version;
} variables[] = {
#define V(name, version)                                     \
    {                                                        \
#name, offsetof(struct ps_marker_env, name), version \
    }
    V(os_name, false),
    V(sys_platform, false),
    V(platform_machine, false),
    V(platform_python_implementation, false),
    V(platform_release, true),
    V(platform_system, false),
    V(platform_version, false),
    V(python_version, true),
    V(python_full_version, true),
    V(implementation_name, false),
    V(implementation_version, true),
#undef V
};

static bool is_version(struct ps_str key)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(variables); i++) {
        if (ps_str_is(key, variables[i].name))
            return variables[i].is_version;
    }
    return false;
}

static const char *lookup_string(const struct evaluation *e, struct ps_str key)
{
    const char *value = NULL;

    if (ps_str_is(key, "extra"))
        return e->extra;
    for (size_t i = 0; i < PS_ARRAY_SIZE(variables); i++) {
        if (ps_str_is(key, variables[i].name))
            memcpy(&value, (const char *)e->env + variables[i].offset,
                   sizeof(value));
    }
    /* A Python built from a checkout says "3.13.0+", which is no version. */
    if (value && ps_str_is(key, "python_full_version") &&
        ps_str_ends(ps_str_from(value), "+"))
        return ps_arena_format(e->arena, "%slocal", value);
    return value;
}

static int lookup(const struct evaluation *e, struct ps_str key,
                  struct value *out)
{
    const char *value = NULL;

    *out = (struct value){ 0 };
    if (ps_str_is(key, "extras"))
        out->set = e->env->extras;
    else if (ps_str_is(key, "dependency_groups"))
        out->set = e->env->dependency_groups;
    else
        value = lookup_string(e, key);
    if (!out->set && !value)
        return ps_fail(e->err, PS_EINVALID,
                       "marker: '%.*s' has no value here; compare with a "
                       "variable of the environment",
                       PS_STR_FMT(ps_str_first(key, 100)));
    out->text = ps_str_from(value);
    return PS_OK;
}

static int fail_comparison(const struct evaluation *e,
                           const struct ps_marker *m, const char *why)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(200);

    ps_marker_write(&text, m);
    return ps_fail(e->err, PS_EINVALID, "marker: '%s' has no meaning: %s",
                   ps_buf_z(&text), why);
}

static bool contains(struct ps_str haystack, struct ps_str needle)
{
    return needle.len == 0 ||
           (haystack.len >= needle.len &&
            memmem(haystack.data, haystack.len, needle.data, needle.len));
}

static bool equal_ignoring_case(struct ps_str a, struct ps_str b)
{
    return a.len == b.len &&
           (a.len == 0 || strncasecmp(a.data, b.data, a.len) == 0);
}

/* One version specifier made of the operator and `right`; false: they make
 * none.  A comma would make two of it: only === can hold one. */
static bool compare_versions(const struct evaluation *e, struct ps_str left,
                             enum ps_marker_op op, struct ps_str right,
                             bool *out)
{
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_specifiers set = { 0 };
    char *text = NULL;

    if (op == PS_MARKER_IN || op == PS_MARKER_NOT_IN ||
        (right.len > 0 && memchr(right.data, '\0', right.len)))
        return false;
    text = ps_arena_format(e->arena, "%s%.*s", ps_marker_op_text(op),
                           PS_STR_FMT(right));
    if (strchr(text, ',')) {
        struct ps_str version = { 0 };

        if (strncmp(text, "===", 3) != 0)
            return false;
        version = ps_str_trim(ps_str_from(text + 3));
        if (strcspn(version.data, " \t\n\v\f\r;)") < version.len)
            return false;
        *out = equal_ignoring_case(left, version);
        return true;
    }
    if (ps_specifiers_parse(e->arena, ps_str_from(text), &set, &ignored) < 0)
        return false;
    *out = ps_specifiers_contain(&set, left, PS_PRERELEASES_YES);
    return true;
}

/* Against strings; a string has no order, <= and >= are equality. */
static int compare_strings(const struct evaluation *e,
                           const struct ps_marker *m, struct ps_str left,
                           struct ps_str right, bool *out)
{
    switch (m->op) {
    case PS_MARKER_LT:
    case PS_MARKER_GT:
        *out = false;
        return PS_OK;
    case PS_MARKER_LE:
    case PS_MARKER_GE:
    case PS_MARKER_EQ:
        *out = ps_str_equal(left, right);
        return PS_OK;
    case PS_MARKER_NE:
        *out = !ps_str_equal(left, right);
        return PS_OK;
    case PS_MARKER_IN:
        *out = contains(right, left);
        return PS_OK;
    case PS_MARKER_NOT_IN:
        *out = !contains(right, left);
        return PS_OK;
    case PS_MARKER_COMPATIBLE:
    case PS_MARKER_ARBITRARY:
        break;
    }
    return fail_comparison(e, m, "it compares versions, and these are none");
}

/* A string is never equal to a set, but may be in it. */
static int compare_set(const struct evaluation *e, const struct ps_marker *m,
                       struct ps_str left, const char *const *set, bool *out)
{
    bool member = false;

    if (m->op == PS_MARKER_COMPATIBLE || m->op == PS_MARKER_ARBITRARY)
        return fail_comparison(e, m, "use 'in' or 'not in' with a set");
    for (; *set; set++)
        member = member || ps_name_equal(left, ps_str_from(*set));
    if (m->op == PS_MARKER_IN)
        *out = member;
    else if (m->op == PS_MARKER_NOT_IN)
        *out = !member;
    else
        *out = m->op == PS_MARKER_NE;
    return PS_OK;
}

static int compare(const struct evaluation *e, const struct ps_marker *m,
                   bool *out)
{
    bool from_left = m->left.is_variable;
    struct ps_str key = from_left ? m->left.value : m->right.value;
    struct ps_str left = m->left.value;
    struct ps_str right = m->right.value;
    struct value value = { 0 };

    if (lookup(e, key, &value) < 0)
        return e->err->code;
    if (value.set) {
        if (from_left)
            return fail_comparison(e, m, "a set stands on the right of 'in'");
        return compare_set(e, m, left, value.set, out);
    }
    *(from_left ? &left : &right) = value.text;
    if (is_version(key) && compare_versions(e, left, m->op, right, out))
        return PS_OK;
    return compare_strings(e, m, left, right, out);
}

/* `or` of groups joined by `and`. */
static int evaluate(const struct evaluation *e, const struct ps_marker *m,
                    bool *out)
{
    bool any = false;
    bool group = true;
    bool holds = false;

    if (m->count == 0)
        return compare(e, m, out);
    for (size_t i = 0; i < m->count; i++) {
        if (evaluate(e, m->nodes[i].marker, &holds) < 0)
            return e->err->code;
        if (i > 0 && m->nodes[i].is_or) {
            any = any || group;
            group = true;
        }
        group = group && holds;
    }
    *out = any || group;
    return PS_OK;
}

int ps_marker_holds(const struct ps_marker *m, const struct ps_marker_env *env,
                    const char *extra, bool *out, struct ps_error *err)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct evaluation e = { .arena = &arena, .env = env, .err = err };

    if (!m) {
        *out = true;
        return PS_OK;
    }
    e.extra = ps_normalize_name(&arena, ps_str_from(extra));
    return evaluate(&e, m, out);
}
