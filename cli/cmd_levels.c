/* `pkgsync levels`: the rules by which packages get their level; and the
 * settings that override them. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "pkgsync/levels.h"
#include "pkgsync/util.h"
#include "plan.h"
#include "table.h"

#define LINE_WIDTH 78

int cli_level_options(struct cli *cli, struct ps_level_options *out,
                      struct ps_error *err)
{
    const char *match = cli_text(cli, "match");
    bool is_exact = strcmp(match, "exact") == 0;

    if (!is_exact && strcmp(match, "compatible") != 0)
        return ps_fail(err, PS_EUSAGE,
                       "--match is 'exact' or 'compatible', not '%s'", match);
    *out = (struct ps_level_options){
        .match_exact = is_exact,
        .exact = cli_list(cli, "exact"),
        .compatible = cli_list(cli, "compatible"),
        .ignore = cli_list(cli, "ignore"),
        .only = cli_list(cli, "only"),
        .extras = cli_list(cli, "extra"),
    };
    return PS_OK;
}

/* Names, with line breaks between them where a line gets long. */
static void print_names(const json_t *names, const char *indent)
{
    size_t column = 0;
    size_t i = 0;
    json_t *name = NULL;

    json_array_foreach(names, i, name)
    {
        size_t len = json_string_length(name);

        if (column > 0 && column + len + 1 > LINE_WIDTH) {
            (void)putchar('\n');
            column = 0;
        }
        if (column == 0)
            column = (size_t)printf("%s%s", indent, json_string_value(name));
        else
            column += (size_t)printf(" %s", json_string_value(name));
    }
    (void)putchar('\n');
}

/* A section that is a reason and names. */
static void print_named(const json_t *rules, const char *key, const char *title)
{
    const json_t *section = json_object_get(rules, key);

    (void)printf("%s: %s\n", title, ps_json_string_or(section, "reason", ""));
    print_names(json_object_get(section, "names"), "  ");
    (void)putchar('\n');
}

static void print_ignored(const json_t *rules)
{
    size_t i = 0;
    json_t *group = NULL;

    json_array_foreach(json_object_get(rules, "ignored"), i, group)
    {
        (void)printf("ignored, for %s only (%s):\n",
                     ps_json_string_or(group, "system", ""),
                     ps_json_string_or(group, "ecosystem", ""));
        print_names(json_object_get(group, "names"), "  ");
        (void)putchar('\n');
    }
}

/* "2.1.0+cu118 -> x==2.1.0+cu118" */
static const char *first_example(struct cli *cli, json_t *row)
{
    void *first = json_object_iter(json_object_get(row, "examples"));
    const char *text = NULL;

    if (!first)
        return "";
    text = json_string_value(json_object_iter_value(first));
    return ps_arena_format(
        &cli->arena, "%s -> %s",
        json_object_iter_key(first)[0] ? json_object_iter_key(first) : "none",
        text ? text : "refused");
}

static void print_requirements(struct cli *cli, const json_t *rules)
{
    static const char *const heads[] = { "VERSION", "WRITTEN", "EXAMPLE",
                                         "REASON" };
    struct table table = { .heads = heads, .columns = PS_ARRAY_SIZE(heads) };
    size_t i = 0;
    json_t *row = NULL;

    (void)printf("requirements: the first row that fits\n");
    json_array_foreach(json_object_get(rules, "requirements"), i, row)
    {
        table_add(
            cli, &table,
            (const char *const[]){ ps_json_string_or(row, "when", ""),
                                   ps_json_string_or(row, "write", ""),
                                   first_example(cli, row),
                                   ps_json_string_or(row, "reason", "") });
    }
    table_print(&table);
}

static void print_levels(struct cli *cli)
{
    static const char *const heads[] = { "LEVEL", "WHICH", "WRITTEN" };
    struct table table = { .heads = heads, .columns = PS_ARRAY_SIZE(heads) };
    static const char *const rows[][3] = {
        { "critical", "those below; if one is missing, nothing is built",
          "==" },
        { "ignored", "what exists for another operating system only", "-" },
        { "build", "what no index has: editables, directories, git, modules",
          "a wheel, by its SHA-256" },
        { "exact", "--match exact, --exact NAME, or where ~= cannot say it",
          "==" },
        { "compatible", "everything else", "~=" },
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++)
        table_add(cli, &table, rows[i]);
    table_print(&table);
    (void)putchar('\n');
}

int cmd_levels(struct cli *cli, struct ps_error *err)
{
    const json_t *rules = ps_levels_rules();

    (void)err;
    if (cli_flag(cli, "json")) {
        cli_print_json(rules);
        return PS_OK;
    }
    print_levels(cli);
    print_named(rules, "critical", "critical");
    print_ignored(rules);
    print_named(rules, "never_by_name", "never ignored by name alone");
    print_named(rules, "compared_by_distributed", "compared by distributed");
    print_requirements(cli, rules);
    return PS_OK;
}
