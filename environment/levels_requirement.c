/*
 * Writing the requirement of one version.
 *
 * Which form a version gets is the table's (levels.json, "requirements"): the
 * first row whose `when` holds decides.  Here is what each `when` asks and
 * what each `write` writes.
 */
#include <ctype.h>
#include <string.h>

#include "levels_private.h"
#include "pkgsync/name.h"
#include "pkgsync/requirement.h"
#include "pkgsync/util.h"

struct subject {
    struct ps_str raw;
    struct ps_version v; /* set if is_pep440 */
    bool is_pep440;
    bool exact;
    bool trusted;
};

static bool has_no_version(const struct subject *s)
{
    return s->raw.len == 0;
}

/*
 * === takes anything, but its text ends where a requirement's version ends,
 * and in a requirements file "${NAME}" is a variable and "--" an option.
 */
static bool is_unwritable(const struct subject *s)
{
    if (s->is_pep440)
        return false;
    for (size_t i = 0; i < s->raw.len; i++) {
        unsigned char c = (unsigned char)s->raw.data[i];

        if (c <= ' ' || c >= 0x7f || strchr(",;()#'\"\\${}@`&|<>=*?[]", c))
            return true;
    }
    return s->raw.len > 0 && s->raw.data[0] == '-';
}

static bool is_not_pep440(const struct subject *s)
{
    return !s->is_pep440;
}

static bool has_vcs_label(const struct subject *s)
{
    for (size_t i = 0; !s->trusted && i < s->v.local_count; i++)
        if (ps_rule_is_vcs_label(s->v.local[i]))
            return true;
    return false;
}

static bool has_local(const struct subject *s)
{
    return s->v.local_count > 0;
}

static bool is_exact(const struct subject *s)
{
    return s->exact;
}

static bool is_dev(const struct subject *s)
{
    return s->v.has_dev;
}

static bool is_pre(const struct subject *s)
{
    return s->v.pre_kind.len > 0;
}

static bool has_one_segment(const struct subject *s)
{
    return s->v.release_count == 1;
}

static bool is_any(const struct subject *s)
{
    return s->is_pep440;
}

/* The rows stand in an order in which each may rely on those before it. */
static const struct {
    const char *name;
    bool (*holds)(const struct subject *s);
} conditions[] = {
    { "no-version", has_no_version },   { "unwritable", is_unwritable },
    { "not-pep440", is_not_pep440 },    { "vcs-label", has_vcs_label },
    { "local-label", has_local },       { "exact", is_exact },
    { "development-release", is_dev },  { "pre-release", is_pre },
    { "one-segment", has_one_segment }, { "any", is_any },
};

static bool row_holds(const struct ps_rule_row *row, const struct subject *s)
{
    for (size_t i = 0; i < PS_ARRAY_SIZE(conditions); i++)
        if (strcmp(conditions[i].name, row->when) == 0)
            return conditions[i].holds(s);
    return false;
}

/* "1.post1" -> "1.0.post1": the suffix stays, the release gets a part. */
static char *with_second_part(struct ps_arena *arena,
                              const struct ps_version *v)
{
    const char *base = ps_version_base(arena, v);
    const char *all = ps_version_public(arena, v);

    return ps_arena_format(arena, "%s.0%s", base, all + strlen(base));
}

static const char *write_version(struct ps_arena *arena,
                                 const struct ps_rule_row *row,
                                 const struct subject *s)
{
    if (strcmp(row->write, "===") == 0)
        return ps_arena_format(arena, "===%.*s", PS_STR_FMT(s->raw));
    if (strcmp(row->write, "~=.0") == 0)
        return ps_arena_format(arena, "~=%s", with_second_part(arena, &s->v));
    return ps_arena_format(arena, "%s%s", row->write,
                           ps_version_string(arena, &s->v));
}

static int refuse(const struct ps_dist *dist, const struct ps_rule_row *row,
                  struct ps_error *err)
{
    int rc = ps_fail(err, PS_EINVALID,
                     "'%s' %s: %s; install it again, from an index or from "
                     "its repository or directory, or leave it out with "
                     "'--ignore %s'",
                     dist->name, dist->version, row->reason, dist->name);

    if (strcmp(row->when, "vcs-label") == 0)
        return ps_hint(err,
                       "if an index has this very version, say so with "
                       "'--exact %s'",
                       dist->name);
    return rc;
}

static const struct ps_rule_row *find_row(const struct subject *s)
{
    size_t count = 0;
    const struct ps_rule_row *rows = ps_rule_rows(&count);

    for (size_t i = 0; i < count; i++)
        if (row_holds(&rows[i], s))
            return &rows[i];
    return NULL;
}

int ps_levels_write(struct ps_arena *arena, const struct ps_dist *dist,
                    bool exact, bool trusted, struct ps_written *out,
                    struct ps_error *err)
{
    struct ps_error ignored = PS_ERROR_INIT;
    struct subject s = {
        .raw = ps_str_trim(ps_str_from(dist->version)),
        .exact = exact,
        .trusted = trusted,
    };
    const struct ps_rule_row *row = NULL;

    if (!ps_name_is_valid(ps_str_from(dist->name)))
        return ps_fail(err, PS_EINVALID,
                       "'%s' is no name that a requirement can have; remove "
                       "what is at '%s' or install it again",
                       dist->name, dist->location ? dist->location : "?");
    s.is_pep440 = s.raw.len > 0 &&
                  ps_version_parse(arena, s.raw, &s.v, &ignored) == PS_OK;
    row = find_row(&s);
    if (!row)
        return ps_fail(err, PS_EINTERNAL, "no rule for '%s' %s", dist->name,
                       dist->version);
    if (strcmp(row->write, "refuse") == 0)
        return refuse(dist, row, err);
    *out = (struct ps_written){
        .requirement = ps_arena_format(arena, "%s%s", dist->name,
                                       write_version(arena, row, &s)),
        .reason = row->reason,
        .warning = row->warning,
        .is_exact = row->write[0] == '=',
    };
    return PS_OK;
}

/* Two results, neither of which is worth a struct of its own. */
/* NOLINTNEXTLINE(readability-function-size) */
int ps_levels_requirement(struct ps_arena *arena, const char *name,
                          const char *version, bool exact,
                          const char **requirement, const char **reason,
                          struct ps_error *err)
{
    struct ps_dist dist = { .name = name, .version = version };
    struct ps_written written = { .requirement = NULL };
    int rc = ps_levels_write(arena, &dist, exact, false, &written, err);

    if (rc < 0)
        return rc;
    *requirement = written.requirement;
    if (reason)
        *reason = written.reason;
    return PS_OK;
}

bool ps_levels_satisfied(const char *requirement, const char *version)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_requirement r;

    if (ps_requirement_parse(&arena, ps_str_from(requirement), &r, &err) < 0)
        return false;
    /* What is installed may be a pre-release: it is there, nobody chooses. */
    return ps_specifiers_contain(&r.specifiers, ps_str_from(version),
                                 PS_PRERELEASES_YES);
}

const char *ps_conda_series(struct ps_arena *arena, const char *version)
{
    const char *last = strrchr(version, '.');

    if (!last || last == version || last[1] == '\0')
        return NULL;
    for (const char *p = version; *p; p++)
        if (!isdigit((unsigned char)*p) && (*p != '.' || p[1] == '.'))
            return NULL;
    return ps_arena_format(arena, "%.*s.*", (int)(last - version), version);
}
