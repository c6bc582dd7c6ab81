/* `pkgsync help`: made from the tables, as the manual's sections are. */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "help_export.h"

static void print_option(const struct cli_option *o)
{
    const struct ps_setting *s = help_setting_of(o);
    char left[64];

    (void)snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter ? '-' : ' ',
                   o->letter ? o->letter : ' ', o->letter ? "," : " ", o->name,
                   o->metavar ? " " : "", o->metavar ? o->metavar : "");
    (void)printf("  %-34s %s", left, s->help);
    if (s->fallback && s->type == PS_SETTING_NUMBER)
        (void)printf(" [%s]", s->fallback);
    (void)printf("\n");
}

void cli_print_command_help(const struct cmd *cmd)
{
    (void)printf("usage: pkgsync %s [options] %s\n\n%s.\n", cmd->name,
                 cmd->synopsis, cmd->summary);
    if (cmd->details)
        (void)printf("\n%s\n", cmd->details);
    (void)printf("\noptions:\n");
    for (const struct cli_option *o = cli_options; o->name; o++) {
        if (o->commands & cmd->bit)
            print_option(o);
    }
    (void)printf("\nEach option is also a setting: PKGSYNC_<NAME> in the "
                 "environment, or\n`name = value` in the configuration file "
                 "(see `pkgsync config`).\n");
}

static void print_exit_statuses(void)
{
    (void)printf("\nexit status: 0 success, 1 a build failed or environments "
                 "differ, 64 usage,\n65 invalid input, 66 not found, 69 "
                 "unreachable or not available here,\n70 internal error, "
                 "73 already exists, 74 input/output, 75 try again later,\n"
                 "77 denied, 78 configuration, 130 interrupted\n");
}

int cmd_help(struct cli *cli, struct ps_error *err)
{
    if (cli->arg_count > 0 && cli->args[0][0] == '-')
        return help_export(cli->args[0],
                           cli->arg_count > 1 ? cli->args[1] : NULL, err);
    if (cli->arg_count > 0) {
        const struct cmd *cmd = cmd_find(cli->args[0]);

        if (!cmd)
            return ps_fail(err, PS_EUSAGE,
                           "no command is called '%s'; `pkgsync help` lists "
                           "them",
                           cli->args[0]);
        cli_print_command_help(cmd);
        return PS_OK;
    }
    (void)printf("usage: pkgsync COMMAND [options] [arguments]\n\n"
                 "Replicates Python environments: builds wheels of what no "
                 "index has, in a\nsandbox, and uploads them.\n\n");
    for (const struct cmd *c = cmds; c->name; c++)
        (void)printf("  %-8s %s\n", c->name, c->summary);
    (void)printf("\n`pkgsync help COMMAND` explains one.\n");
    print_exit_statuses();
    return PS_OK;
}
