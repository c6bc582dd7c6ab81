/*
 * The rule table: environment/levels.json as the program uses it.
 *
 * The table is our own and compiled in, so one that cannot be read is a
 * mistake of ours and ends the program; a unit test reads it first.
 */
#include <fnmatch.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "levels_private.h"
#include "pkgsync/name.h"

extern const char ps_levels_json[];

struct only_on {
    const char *system;
    bool of_conda; /* the names are conda's own */
    const char *const *names;
};

struct label_row {
    regex_t pattern;
    regex_t unless;
    bool has_unless;
};

static struct {
    json_t *json; /* all strings below are borrowed from it */
    struct ps_arena arena;
    const char *critical_reason;
    const char *const *critical;
    const char *const *compared;
    struct only_on *only_on;
    size_t only_on_count;
    struct label_row *labels;
    size_t label_count;
    struct ps_rule_row *rows;
    size_t row_count;
} rules;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void die(const char *what)
{
    (void)fprintf(stderr, "pkgsync: the rule table is broken: %s\n", what);
    abort();
}

static const json_t *part(const char *name)
{
    const json_t *value = json_object_get(rules.json, name);

    if (!value)
        die(name);
    return value;
}

static const char *const *names_of(const json_t *object)
{
    const json_t *names = json_object_get(object, "names");

    if (!json_is_array(names) || json_array_size(names) == 0)
        die("names");
    return ps_json_to_strings(&rules.arena, names);
}

static void read_only_on(void)
{
    const json_t *list = part("ignored");
    size_t n = json_array_size(list);

    rules.only_on = ps_arena_alloc(&rules.arena, n, sizeof(*rules.only_on));
    rules.only_on_count = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(list, i);
        const char *of = ps_json_string_or(row, "ecosystem", "");

        rules.only_on[i] = (struct only_on){
            .system = ps_json_string_or(row, "system", NULL),
            .of_conda = strcmp(of, "conda") == 0,
            .names = names_of(row),
        };
        if (!rules.only_on[i].system)
            die("system");
    }
}

static void compile(regex_t *out, const char *pattern)
{
    if (!pattern || regcomp(out, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        die("vcs_labels");
}

static void read_labels(void)
{
    const json_t *list = json_object_get(part("vcs_labels"), "rows");
    size_t n = json_array_size(list);

    rules.labels = ps_arena_alloc(&rules.arena, n, sizeof(*rules.labels));
    rules.label_count = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(list, i);
        const char *unless = ps_json_string_or(row, "unless", NULL);

        compile(&rules.labels[i].pattern,
                ps_json_string_or(row, "pattern", NULL));
        rules.labels[i].has_unless = unless != NULL;
        if (unless)
            compile(&rules.labels[i].unless, unless);
    }
}

static void read_rows(void)
{
    const json_t *list = part("requirements");
    size_t n = json_array_size(list);

    rules.rows = ps_arena_alloc(&rules.arena, n, sizeof(*rules.rows));
    rules.row_count = n;
    for (size_t i = 0; i < n; i++) {
        const json_t *row = json_array_get(list, i);

        rules.rows[i] = (struct ps_rule_row){
            .when = ps_json_string_or(row, "when", ""),
            .write = ps_json_string_or(row, "write", ""),
            .reason = ps_json_string_or(row, "reason", NULL),
            .warning = ps_json_string_or(row, "warning", NULL),
        };
    }
}

static void read_rules(void)
{
    struct ps_error err = PS_ERROR_INIT;

    if (ps_json_parse(ps_str_from(ps_levels_json), "levels.json", &rules.json,
                      &err) < 0)
        die(err.text);
    rules.critical = names_of(part("critical"));
    rules.critical_reason = ps_json_string_or(part("critical"), "reason", "");
    rules.compared = names_of(part("compared_by_distributed"));
    read_only_on();
    read_labels();
    read_rows();
}

static void load(void)
{
    (void)pthread_once(&once, read_rules);
}

const json_t *ps_levels_rules(void)
{
    load();
    return rules.json;
}

const struct ps_rule_row *ps_rule_rows(size_t *count)
{
    load();
    *count = rules.row_count;
    return rules.rows;
}

static bool is_listed(const char *const *list, const char *name)
{
    for (; *list; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

const char *const *ps_rule_critical_names(void)
{
    load();
    return rules.critical;
}

const char *ps_rule_critical_reason(void)
{
    load();
    return rules.critical_reason;
}

bool ps_rule_is_critical(const char *normal)
{
    load();
    return is_listed(rules.critical, normal);
}

bool ps_rule_is_compared(const char *normal)
{
    load();
    return is_listed(rules.compared, normal);
}

bool ps_rule_is_vcs_label(struct ps_str text)
{
    PS_AUTO_FREE char *z = ps_str_dup(text);

    load();
    for (size_t i = 0; i < rules.label_count; i++) {
        const struct label_row *row = &rules.labels[i];

        if (regexec(&row->pattern, z, 0, NULL, 0) == 0 &&
            (!row->has_unless || regexec(&row->unless, z, 0, NULL, 0) != 0))
            return true;
    }
    return false;
}

static bool matches(const char *const *patterns, const char *name)
{
    for (; name && *patterns; patterns++)
        if (fnmatch(*patterns, name, 0) == 0)
            return true;
    return false;
}

const char *ps_rule_system_only(const struct ps_dist *dist)
{
    load();

    /* conda says for which system it made this one: on Linux it has libcxx
     * and menuinst as well. */
    if (dist->conda.subdir && strncmp(dist->conda.subdir, "linux-", 6) == 0)
        return NULL;
    for (size_t i = 0; i < rules.only_on_count; i++) {
        const struct only_on *row = &rules.only_on[i];
        const char *name = row->of_conda ? dist->conda.name : dist->normal;

        if (matches(row->names, name))
            return row->system;
    }
    return NULL;
}
