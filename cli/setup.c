/* Opening what commands need, from the settings. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

int cli_open_queue(struct cli *cli, struct ps_error *err)
{
    PS_AUTO_FREE char *location = NULL;
    PS_AUTO_FREE char *worker = NULL;
    struct ps_queue_options options = { .lease_ms = 0 };

    if (cli->queue)
        return PS_OK;
    location = ps_format("sqlite:%s/queue.db", cli->dirs.state);
    worker = ps_queue_worker_name(0);
    options.location = location;
    options.worker = worker;
    return ps_queue_open(&options, &cli->queue, err);
}

static int open_store(struct cli *cli, const char *location,
                      struct ps_store **out, struct ps_error *err)
{
    const struct ps_store_options options = {
        .location = location,
        .endpoint_url = cli_text(cli, "endpoint-url"),
        .region = cli_text(cli, "region"),
        .profile = cli_text(cli, "profile"),
        .virtual_host = cli_flag(cli, "virtual-host"),
        .uploader = cli->uploader,
    };

    return ps_store_open(&options, out, err);
}

int cli_open_stores(struct cli *cli, struct ps_error *err)
{
    const struct ps_uploader_options options = {
        .ca_file = getenv("AWS_CA_BUNDLE"),
    };
    PS_AUTO_FREE char *local = NULL;
    const char *wanted = cli_text(cli, "store");
    int rc = PS_OK;

    if (!cli->uploader)
        rc = ps_uploader_new(&options, &cli->uploader, err);
    if (rc == PS_OK && !cli->local) {
        local = ps_format("%s/store", cli->dirs.data);
        rc = open_store(cli, local, &cli->local, err);
    }
    if (rc < 0 || cli->store || cli_flag(cli, "no-upload"))
        return rc;
    if (!wanted) {
        cli->store = cli->local;
        return PS_OK;
    }
    return open_store(cli, wanted, &cli->store, err);
}

/* Installed, or in a build tree, or where the setting says. */
static const char *find_helper(struct cli *cli)
{
    static const char *const beside[] = { "pkgsync-sandbox",
                                          "../libexec/pkgsync-sandbox",
                                          "../sandbox/pkgsync-sandbox" };
    const char *given = cli_text(cli, "sandbox-helper");
    PS_AUTO_FREE char *exe = realpath("/proc/self/exe", NULL);

    if (given)
        return given;
    if (exe)
        *strrchr(exe, '/') = '\0';
    for (size_t i = 0; exe && i < PS_ARRAY_SIZE(beside); i++) {
        PS_AUTO_FREE char *path = ps_format("%s/%s", exe, beside[i]);
        PS_AUTO_FREE char *real = realpath(path, NULL);

        if (real && access(real, X_OK) == 0)
            return ps_arena_strdup(&cli->arena, real);
    }
    return NULL;
}

int cli_sandbox_options(struct cli *cli, struct ps_sandbox_options *out,
                        struct ps_error *err)
{
    const char *helper = find_helper(cli);

    if (!helper)
        return ps_fail(err, PS_ENOTFOUND,
                       "the program pkgsync-sandbox is not installed beside "
                       "pkgsync; name it with --sandbox-helper");
    *out = (struct ps_sandbox_options){
        .helper_path = helper,
        .weaken = cli_list(cli, "weaken"),
        .extra_paths = cli_list(cli, "expose"),
        .cache_dir = cli->dirs.cache,
    };
    return PS_OK;
}

int cli_open_runner(struct cli *cli, struct ps_error *err)
{
    struct ps_sandbox_options options;
    int rc = PS_OK;

    if (cli->runner)
        return PS_OK;
    rc = cli_sandbox_options(cli, &options, err);
    return rc < 0 ? rc : ps_sandbox_new(&options, &cli->runner, err);
}

void cli_release(struct cli *cli)
{
    ps_runner_free(cli->runner);
    if (cli->store != cli->local)
        ps_store_close(cli->store);
    ps_store_close(cli->local);
    ps_uploader_free(cli->uploader);
    ps_queue_close(cli->queue);
    json_decref(cli->config_settings);
    ps_config_free(cli->config);
    ps_dirs_release(&cli->dirs);
    ps_cancel_release(&cli->cancel);
    ps_arena_release(&cli->arena);
}
