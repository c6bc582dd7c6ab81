/*
 * Completions for bash and zsh.  They hold the tables as they were when
 * pkgsync was built, so completing starts no program; only the numbers of
 * jobs are asked for.
 */
#include <stdio.h>
#include <string.h>

#include "help_export.h"

/* What a value or an argument is, as far as a shell can help with it. */
enum completes { COMPLETES_NOTHING, COMPLETES_FILE, COMPLETES_DIR };

static enum completes value_kind(const struct cli_option *o)
{
    if (!o->metavar)
        return COMPLETES_NOTHING;
    if (strcmp(o->metavar, "DIR") == 0)
        return COMPLETES_DIR;
    if (strcmp(o->metavar, "PATH") == 0 || strcmp(o->metavar, "FILE") == 0 ||
        strcmp(o->metavar, "PYTHON") == 0)
        return COMPLETES_FILE;
    return COMPLETES_NOTHING;
}

static void put_names(const char *separator)
{
    for (const struct cmd *c = cmds; c->name; c++)
        (void)printf("%s%s", c == cmds ? "" : separator, c->name);
}

/* "[prune]" without its brackets; NULL if the synopsis is no such word. */
static const char *only_word(const struct cmd *c, char room[static 32])
{
    size_t len = strlen(c->synopsis);

    if (len < 3 || len > 32 || c->synopsis[0] != '[' || c->synopsis[1] < 'a')
        return NULL;
    memcpy(room, c->synopsis + 1, len - 2);
    room[len - 2] = '\0';
    return room;
}

static bool takes_sources(const struct cmd *c)
{
    return strncmp(c->synopsis + (c->synopsis[0] == '['), "SOURCE", 6) == 0;
}

/* ---- bash ---- */

static void bash_values(enum completes kind, const char *answer)
{
    const char *separator = "    ";

    for (const struct cli_option *o = cli_options; o->name; o++) {
        if (!o->metavar || value_kind(o) != kind)
            continue;
        (void)fputs(separator, stdout);
        if (o->letter)
            (void)printf("-%c | ", o->letter);
        (void)printf("--%s", o->name);
        separator = " | ";
    }
    (void)printf(")\n        %s\n        return\n        ;;\n", answer);
}

static void bash_arguments(const struct cmd *c)
{
    char word[32];

    if (takes_sources(c))
        (void)fputs(
            "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n",
            stdout);
    else if (strncmp(c->synopsis, "JOB", 3) == 0)
        (void)fputs("        words=$(_pkgsync_jobs)\n", stdout);
    else if (c->bit == CMD_HELP)
        (void)fputs("        words=$commands\n", stdout);
    else if (only_word(c, word))
        (void)printf("        words='%s'\n", word);
}

static void bash_command(const struct cmd *c)
{
    (void)printf("    %s)\n        flags='--help", c->name);
    for (const struct cli_option *o = cli_options; o->name; o++) {
        if (!(o->commands & c->bit))
            continue;
        (void)printf(" --%s", o->name);
        if (o->letter)
            (void)printf(" -%c", o->letter);
    }
    (void)fputs("'\n", stdout);
    bash_arguments(c);
    (void)fputs("        ;;\n", stdout);
}

void help_bash_completions(void)
{
    (void)fputs(
        "# Completions of pkgsync for bash.  Made by ci/update-docs.\n"
        "# shellcheck shell=bash\n\n"
        "_pkgsync_jobs() {\n"
        "    pkgsync jobs --all 2>/dev/null | awk '$1 ~ /^[0-9]+$/ { print $1 "
        "}'\n"
        "}\n\n"
        "_pkgsync() {\n"
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD "
        "- "
        "1]}\n"
        "    local commands flags='' words=''\n"
        "    commands='",
        stdout);
    put_names(" ");
    (void)fputs(
        "'\n"
        "    COMPREPLY=()\n"
        "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
        "        mapfile -t COMPREPLY < <(compgen -W \"$commands --help "
        "--version\" -- \"$cur\")\n"
        "        return\n"
        "    fi\n"
        "    case $prev in\n",
        stdout);
    bash_values(COMPLETES_DIR,
                "mapfile -t COMPREPLY < <(compgen -d -- \"$cur\")");
    bash_values(COMPLETES_FILE,
                "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")");
    bash_values(COMPLETES_NOTHING, ": # a value that nobody can guess");
    (void)fputs("    esac\n    case ${COMP_WORDS[1]} in\n", stdout);
    for (const struct cmd *c = cmds; c->name; c++)
        bash_command(c);
    (void)fputs("    esac\n"
                "    if [[ $cur == -* ]]; then\n"
                "        mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- "
                "\"$cur\")\n"
                "    elif [ -n \"$words\" ]; then\n"
                "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- "
                "\"$cur\")\n"
                "    fi\n"
                "}\n"
                "complete -o filenames -F _pkgsync pkgsync\n",
                stdout);
}

/* ---- zsh ---- */

/* Inside single quotes, where brackets and colons mean something. */
static void put_zsh(const char *text)
{
    for (const char *p = text; *p && *p != '\n'; p++) {
        if (*p == '\'')
            (void)fputs("'\\''", stdout);
        else if (strchr("[]:\\`$", *p))
            (void)printf("\\%c", *p);
        else
            (void)putchar(*p);
    }
}

static void zsh_option(const struct cli_option *o)
{
    static const char *const actions[] = {
        [COMPLETES_NOTHING] = " ",
        [COMPLETES_FILE] = "_files",
        [COMPLETES_DIR] = "_files -/",
    };
    const struct ps_setting *s = help_setting_of(o);
    const char *repeats = s->type == PS_SETTING_LIST ? "*" : "";
    const char *equals = o->metavar ? "=" : "";

    (void)fputs("            ", stdout);
    if (o->letter && repeats[0])
        (void)printf("'*'{-%c+,--%s%s}'", o->letter, o->name, equals);
    else if (o->letter)
        (void)printf("'(-%c --%s)'{-%c%s,--%s%s}'", o->letter, o->name,
                     o->letter, o->metavar ? "+" : "", o->name, equals);
    else
        (void)printf("'%s--%s%s", repeats, o->name, equals);
    (void)putchar('[');
    put_zsh(s->help);
    (void)putchar(']');
    if (o->metavar) {
        (void)putchar(':');
        put_zsh(o->metavar);
        (void)printf(":%s", actions[value_kind(o)]);
    }
    (void)fputs("' \\\n", stdout);
}

static void zsh_arguments(const struct cmd *c)
{
    char word[32];

    if (takes_sources(c)) {
        (void)fputs("            '*:source:_files' \\\n", stdout);
    } else if (strncmp(c->synopsis, "JOB", 3) == 0) {
        (void)printf("            '%s:job:_pkgsync_jobs' \\\n",
                     strstr(c->synopsis, "...") ? "*" : "1");
    } else if (c->bit == CMD_HELP) {
        (void)fputs("            '1:command:(", stdout);
        put_names(" ");
        (void)fputs(")' \\\n", stdout);
    } else if (only_word(c, word)) {
        (void)printf("            '1:action:(%s)' \\\n", word);
    }
}

void help_zsh_completions(void)
{
    (void)fputs("#compdef pkgsync\n"
                "# Completions of pkgsync for zsh.  Made by ci/update-docs.\n\n"
                "_pkgsync_jobs() {\n"
                "    local -a jobs\n"
                "    jobs=(${(f)\"$(pkgsync jobs --all 2>/dev/null |\n"
                "        awk '$1 ~ /^[0-9]+$/ { print $1 }')\"})\n"
                "    compadd -a jobs\n"
                "}\n\n"
                "_pkgsync() {\n"
                "    local -a commands\n"
                "    commands=(\n",
                stdout);
    for (const struct cmd *c = cmds; c->name; c++) {
        (void)printf("        '%s:", c->name);
        put_zsh(c->summary);
        (void)fputs("'\n", stdout);
    }
    (void)fputs("    )\n"
                "    if (( CURRENT == 2 )); then\n"
                "        _describe command commands\n"
                "        return\n"
                "    fi\n"
                "    local name=$words[2]\n"
                "    shift words\n"
                "    (( CURRENT-- ))\n"
                "    case $name in\n",
                stdout);
    for (const struct cmd *c = cmds; c->name; c++) {
        (void)printf("    %s)\n        _arguments -s -S \\\n", c->name);
        zsh_arguments(c);
        for (const struct cli_option *o = cli_options; o->name; o++) {
            if (o->commands & c->bit)
                zsh_option(o);
        }
        (void)fputs("            '(-h --help)'{-h,--help}'[explain it]'\n"
                    "        ;;\n",
                    stdout);
    }
    (void)fputs("    esac\n}\n\n_pkgsync \"$@\"\n", stdout);
}
