/* What `pkgsync help` prints for the manual and for scripts. */
#include "help_export.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "pkgsync/util.h"

const struct ps_setting *help_setting_of(const struct cli_option *o)
{
    const struct ps_setting *s = cli_settings;

    while (s->name && strcmp(s->name, o->name) != 0)
        s++;
    return s;
}

/* Text as mdoc(7) wants it: escapes, real hyphens and quotes. */
static void put_mdoc(const char *text)
{
    bool quoted = false;

    for (const char *p = text; *p; p++) {
        if (*p == '\\') {
            (void)fputs("\\e", stdout);
        } else if (*p == '-') {
            (void)fputs("\\-", stdout);
        } else if (*p == '`') {
            quoted = !quoted;
            (void)fputs(quoted ? "\\(oq" : "\\(cq", stdout);
        } else if (*p == '\n' || (*p == ' ' && p > text && p[-1] == '.')) {
            /* A sentence begins a line; so may any other word. */
            (void)putchar('\n');
        } else {
            (void)putchar(*p);
        }
    }
}

/* A line of a table as a sentence. */
static void put_sentence(const char *text)
{
    const char first[2] = { (char)toupper((unsigned char)text[0]), '\0' };

    put_mdoc(first);
    put_mdoc(text + 1);
    (void)fputs(".\n", stdout);
}

static void put_range(const struct ps_setting *s)
{
    if (s->type != PS_SETTING_NUMBER)
        return;
    (void)printf("The default is %s, the range %llu to %llu%s%s.\n",
                 s->fallback, (unsigned long long)s->min,
                 (unsigned long long)s->max, s->unit ? " " : "",
                 s->unit ? s->unit : "");
}

static void mdoc_option(const struct cli_option *o)
{
    const struct ps_setting *s = help_setting_of(o);

    (void)fputs(".It ", stdout);
    if (o->letter)
        (void)printf("Fl %c , ", o->letter);
    (void)fputs("Fl \\-", stdout);
    put_mdoc(o->name);
    (void)printf("%s%s\n", o->metavar ? " Ar " : "",
                 o->metavar ? o->metavar : "");
    put_sentence(s->help);
    put_range(s);
    if (s->type == PS_SETTING_LIST)
        (void)fputs("May be given several times.\n", stdout);
}

static bool has_options(const struct cmd *cmd)
{
    const struct cli_option *o = cli_options;

    while (o->name && !(o->commands & cmd->bit))
        o++;
    return o->name != NULL;
}

static int mdoc_command(const char *name, struct ps_error *err)
{
    const struct cmd *cmd = cmd_find(name ? name : "");

    if (!cmd)
        return ps_fail(err, PS_EUSAGE, "no command is called '%s'",
                       name ? name : "");
    put_sentence(cmd->summary);
    if (cmd->details) {
        put_mdoc(cmd->details);
        (void)putchar('\n');
    }
    if (!has_options(cmd))
        return PS_OK;
    (void)fputs(".Bl -tag -width Ds\n", stdout);
    for (const struct cli_option *o = cli_options; o->name; o++) {
        if (o->commands & cmd->bit)
            mdoc_option(o);
    }
    (void)fputs(".El\n", stdout);
    return PS_OK;
}

static void mdoc_synopsis(void)
{
    for (const struct cmd *c = cmds; c->name; c++) {
        (void)printf(".Nm\n.Cm %s\n", c->name);
        if (has_options(c))
            (void)fputs(".Op Ar options\n", stdout);
        if (c->synopsis[0])
            (void)printf(".Ar %s\n", c->synopsis);
    }
    (void)fputs(".Nm\n.Fl V | Fl \\-version\n", stdout);
}

static const char *type_name(enum ps_setting_type type)
{
    switch (type) {
    case PS_SETTING_TEXT:
        return "text";
    case PS_SETTING_NUMBER:
        return "whole number";
    case PS_SETTING_BOOL:
        return "true or false";
    case PS_SETTING_LIST:
        return "list";
    }
    return "";
}

static void put_variable(const char *name)
{
    (void)fputs(".Ev PKGSYNC_", stdout);
    for (const char *p = name; *p; p++)
        (void)putchar(*p == '-' ? '_' : toupper((unsigned char)*p));
    (void)putchar('\n');
}

static void mdoc_setting(const struct ps_setting *s)
{
    const struct cli_option *o = cli_options;
    const char *separator = ":";

    (void)printf(".It Cm %s\n", s->name);
    put_sentence(s->help);
    (void)printf(".br\nType: %s%s%s; ", type_name(s->type),
                 s->unit ? ", unit: " : "", s->unit ? s->unit : "");
    if (s->type == PS_SETTING_NUMBER)
        (void)printf("default: %s, range: %llu to %llu.\n", s->fallback,
                     (unsigned long long)s->min, (unsigned long long)s->max);
    else
        (void)printf("default: %s.\n", s->fallback ? s->fallback : "none");
    (void)fputs(".br\nVariable:\n", stdout);
    put_variable(s->name);
    while (o->name && strcmp(o->name, s->name) != 0)
        o++;
    (void)fputs(".br\nCommands", stdout);
    for (const struct cmd *c = cmds; o->name && c->name; c++) {
        if (!(o->commands & c->bit))
            continue;
        (void)printf("%s %s", separator, c->name);
        separator = ",";
    }
    (void)fputs(".\n", stdout);
}

static void mdoc_settings(void)
{
    (void)fputs(".Bl -tag -width Ds\n", stdout);
    for (const struct ps_setting *s = cli_settings; s->name; s++)
        mdoc_setting(s);
    (void)fputs(".El\n", stdout);
}

struct status_row {
    int status;
    const char *name;
    const char *text;
};

static void mdoc_statuses(void)
{
    static const struct status_row rows[] = {
#define X(name, value, exit, http, retry, text) { (exit), #name, (text) },
        PS_CODE_MAP(X)
#undef X
    };

    (void)fputs(".Bl -tag -width Ds\n.It 0\nSuccess.\n", stdout);
    for (int status = 1; status < 256; status++) {
        const char *separator = "";

        for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
            if (rows[i].status != status)
                continue;
            if (!separator[0])
                (void)printf(".It %d\n", status);
            (void)printf("%s%s (%s)", separator, rows[i].text, rows[i].name);
            separator = ";\n";
        }
        if (separator[0])
            (void)fputs(".\n", stdout);
    }
    (void)fputs(".El\n", stdout);
}

static void list_names(void)
{
    for (const struct cmd *c = cmds; c->name; c++)
        (void)printf("%s\n", c->name);
}

/* As they are typed, one a line, with a metavariable where one is needed. */
static int list_options(const char *name, struct ps_error *err)
{
    const struct cmd *cmd = cmd_find(name ? name : "");

    if (!cmd)
        return ps_fail(err, PS_EUSAGE, "no command is called '%s'",
                       name ? name : "");
    for (const struct cli_option *o = cli_options; o->name; o++) {
        if (!(o->commands & cmd->bit))
            continue;
        if (o->letter)
            (void)printf("-%c%s%s\n", o->letter, o->metavar ? " " : "",
                         o->metavar ? o->metavar : "");
        (void)printf("--%s%s%s\n", o->name, o->metavar ? " " : "",
                     o->metavar ? o->metavar : "");
    }
    return PS_OK;
}

static int completions(const char *shell, struct ps_error *err)
{
    if (shell && strcmp(shell, "bash") == 0)
        help_bash_completions();
    else if (shell && strcmp(shell, "zsh") == 0)
        help_zsh_completions();
    else
        return ps_fail(err, PS_EUSAGE,
                       "there are completions for bash and zsh, not for '%s'",
                       shell ? shell : "");
    return PS_OK;
}

int help_export(const char *form, const char *word, struct ps_error *err)
{
    static const struct {
        const char *form;
        void (*print)(void);
        int (*print_of)(const char *word, struct ps_error *err);
    } forms[] = {
        { "--names", list_names, NULL },
        { "--options", NULL, list_options },
        { "--mdoc", NULL, mdoc_command },
        { "--synopsis-mdoc", mdoc_synopsis, NULL },
        { "--settings-mdoc", mdoc_settings, NULL },
        { "--exit-mdoc", mdoc_statuses, NULL },
        { "--completions", NULL, completions },
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(forms); i++) {
        if (strcmp(form, forms[i].form) != 0)
            continue;
        if (forms[i].print_of)
            return forms[i].print_of(word, err);
        forms[i].print();
        return PS_OK;
    }
    return ps_fail(err, PS_EUSAGE,
                   "unknown option '%s'; see `pkgsync help help`", form);
}
