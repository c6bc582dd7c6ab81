/* From argv to settings and arguments. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"
#include "pkgsync/str.h"

static const struct cli_option *find_long(struct ps_str name, unsigned bit)
{
    for (const struct cli_option *o = cli_options; o->name; o++) {
        if ((o->commands & bit) && ps_str_is(name, o->name))
            return o;
    }
    return NULL;
}

static const struct cli_option *find_short(char letter, unsigned bit)
{
    for (const struct cli_option *o = cli_options; o->name; o++) {
        if ((o->commands & bit) && o->letter == letter)
            return o;
    }
    return NULL;
}

/* A word of argv that is a flag; *used: it took the next word as its value. */
static int parse_flag(struct cli *cli, const char *word, const char *next,
                      bool *used, struct ps_error *err)
{
    const struct cli_option *o = NULL;
    const char *value = NULL;

    if (word[1] == '-') {
        struct ps_str rest = ps_str_from(word + 2);
        struct ps_str name;

        if (ps_str_cut(&rest, '=', &name))
            value = rest.data ? rest.data : "";
        o = find_long(name, cli->cmd->bit);
    } else {
        o = find_short(word[1], cli->cmd->bit);
        if (word[2] != '\0')
            value = word + 2;
    }
    if (!o)
        return ps_fail(err, PS_EUSAGE,
                       "unknown option '%s'; see `pkgsync help %s`", word,
                       cli->cmd->name);
    if (!o->metavar && value && word[1] == '-')
        return ps_config_set_flag(cli->config, o->name, value, err);
    if (!o->metavar && value)
        return ps_fail(err, PS_EUSAGE, "option '-%c' takes no value", word[1]);
    if (!o->metavar)
        return ps_config_set_flag(cli->config, o->name, "true", err);
    if (!value) {
        if (!next)
            return ps_fail(err, PS_EUSAGE, "option '%s' needs a value (%s)",
                           word, o->metavar);
        value = next;
        *used = true;
    }
    return ps_config_set_flag(cli->config, o->name, value, err);
}

int cli_parse(struct cli *cli, int argc, char **argv, struct ps_error *err)
{
    /* `help` has no settings; what looks like a flag is its argument. */
    bool flags = cli->cmd->bit != CMD_HELP;

    cli->args = ps_arena_alloc(&cli->arena, (size_t)argc + 1, sizeof(char *));
    for (int i = 0; i < argc; i++) {
        bool used = false;
        int rc = PS_OK;

        if (flags && strcmp(argv[i], "--") == 0) {
            flags = false;
            continue;
        }
        if (!flags || argv[i][0] != '-' || argv[i][1] == '\0') {
            cli->args[cli->arg_count++] = argv[i];
            continue;
        }
        rc = parse_flag(cli, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used,
                        err);
        if (rc < 0)
            return rc;
        if (used)
            i++;
    }
    return PS_OK;
}
