#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"

static struct ps_cancel *signalled; /* what a signal fires */

static void on_signal(int number)
{
    /* Asked twice: do not wait for anything; the next run cleans up. */
    if (ps_cancel_is_fired(signalled))
        _exit(128 + number);
    ps_cancel_fire(signalled, PS_ECANCELED);
}

static int watch_signals(struct cli *cli, struct ps_error *err)
{
    struct sigaction act = { .sa_handler = on_signal };
    int rc = ps_cancel_init(&cli->cancel, err);

    if (rc < 0)
        return rc;
    signalled = &cli->cancel;
    (void)sigaction(SIGINT, &act, NULL);
    (void)sigaction(SIGTERM, &act, NULL);
    (void)sigaction(SIGHUP, &act, NULL);
    /* A reader that goes away is an error of a write, not the end of us. */
    act.sa_handler = SIG_IGN;
    (void)sigaction(SIGPIPE, &act, NULL);
    /* Ignored by whoever started us, children could not be waited for. */
    act.sa_handler = SIG_DFL;
    (void)sigaction(SIGCHLD, &act, NULL);
    return PS_OK;
}

static int load_settings(struct cli *cli, int argc, char **argv,
                         struct ps_error *err)
{
    PS_AUTO_FREE char *file = NULL;
    int rc = PS_OK;

    cli->config = ps_config_new(cli_settings);
    /* Help must work where nothing else does. */
    if (cli->cmd->bit == CMD_HELP)
        return cli_parse(cli, argc, argv, err);
    rc = ps_dirs_init(&cli->dirs, err);
    if (rc < 0)
        return rc;
    file = ps_format("%s/pkgsync.conf", cli->dirs.config);
    rc = ps_config_load_file(cli->config, file, false, err);
    if (rc == PS_OK)
        rc = ps_config_load_env(cli->config, environ, err);
    if (rc == PS_OK)
        rc = cli_parse(cli, argc, argv, err);
    return rc;
}

/* Whoever reads us may stop when they have seen enough: nobody is told. */
static int output_failed(int errnum, struct ps_error *err)
{
    (void)ps_fail_errno(err, errnum, "write standard output");
    if (errnum == EPIPE)
        err->text[0] = '\0';
    if (errnum != ENOSPC)
        err->code = PS_EIO;
    return err->code;
}

static int run(struct cli *cli, int argc, char **argv, struct ps_error *err)
{
    int rc = watch_signals(cli, err);

    if (rc == PS_OK)
        rc = load_settings(cli, argc, argv, err);
    if (rc == PS_OK && cli->arg_count > 0 && cli->cmd->synopsis[0] == '\0')
        rc = ps_fail(err, PS_EUSAGE, "takes no argument, such as '%s'",
                     cli->args[0]);
    if (rc == PS_OK)
        rc = cli->cmd->run(cli, err);
    /* A full disk behind standard output is a failure like any other. */
    if (rc == PS_OK && (fflush(stdout) != 0 || ferror(stdout)))
        rc = output_failed(errno, err);
    return rc;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

int main(int argc, char **argv)
{
    struct cli cli = { .cancel = { .fd = -1 } };
    struct ps_error err = PS_ERROR_INIT;
    const char *name = argc > 1 ? argv[1] : "help";
    int rc = PS_OK;

    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        (void)printf("pkgsync %s\n", PKGSYNC_VERSION);
        return 0;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    cli.cmd = cmd_find(name);
    if (!cli.cmd) {
        (void)fprintf(stderr,
                      "pkgsync: no command is called '%s'; `pkgsync help` "
                      "lists them\n",
                      name);
        return ps_code_exit_status(PS_EUSAGE);
    }
    argc = argc > 2 ? argc - 2 : 0;
    if (wants_help(argc, argv + 2)) {
        cli_print_command_help(cli.cmd);
        return 0;
    }
    rc = run(&cli, argc, argv + 2, &err);
    if (rc < 0 && err.text[0])
        (void)fprintf(stderr, "pkgsync %s: %s\n", cli.cmd->name,
                      cli_clean(&cli, err.text));
    cli_release(&cli);
    return ps_code_exit_status(rc);
}
