/* `pkgsync doctor`: what this machine can and cannot do, and how to mend it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/python.h"
#include "pkgsync/util.h"

struct report {
    struct cli *cli;
    json_t *rows; /* owned */
    bool unfit;   /* something required is absent */
};

static void add_row(struct report *r, const char *name,
                    enum ps_layer_state state, const char *detail,
                    const char *remedy)
{
    const char *word = ps_layer_state_name(state);

    json_array_append_new(r->rows, json_pack("{s:s, s:s, s:o, s:o}", "name",
                                             name, "state", word, "detail",
                                             ps_json_string(detail), "remedy",
                                             ps_json_string(remedy)));
    if (cli_flag(r->cli, "json"))
        return;
    (void)printf("%-8s %-18s %s\n", word, name, detail);
    if (remedy[0] && state != PS_LAYER_PRESENT)
        (void)printf("%28s-> %s\n", "", remedy);
}

static int check_sandbox(struct report *r, struct ps_error *err)
{
    struct ps_layer layers[PS_LAYERS_MAX];
    struct ps_sandbox_options options;
    size_t count = 0;
    int rc = cli_sandbox_options(r->cli, &options, err);

    if (rc == PS_OK)
        rc = ps_sandbox_probe(&options, layers, &count, err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < count; i++) {
        bool waived = false;

        for (const char *const *w = options.weaken; *w; w++)
            waived = waived || strcmp(*w, layers[i].name) == 0;
        add_row(r, layers[i].name, layers[i].state, layers[i].detail,
                layers[i].remedy);
        if (layers[i].required && !waived && layers[i].state == PS_LAYER_ABSENT)
            r->unfit = true;
    }
    return PS_OK;
}

static void check_python(struct report *r)
{
    struct cli *cli = r->cli;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_python p;
    PS_AUTO_FREE char *detail = NULL;

    if (ps_python_probe(&cli->arena, cli_text(cli, "python"), cli->dirs.cache,
                        &cli->cancel, &p, &err) < 0) {
        add_row(r, "python", PS_LAYER_ABSENT, err.text,
                "name an interpreter with --python");
        r->unfit = true;
        return;
    }
    detail = ps_format("%s %s, %s", p.implementation, p.version, p.executable);
    add_row(r, "python", PS_LAYER_PRESENT, detail, "");
    if (ps_python_can_build(&p, &err) < 0) {
        add_row(r, "pip-wheel", PS_LAYER_ABSENT, err.text,
                "install python3-pip-whl, or name an interpreter with "
                "ensurepip with --python");
        r->unfit = true;
        return;
    }
    add_row(r, "pip-wheel", PS_LAYER_PRESENT, p.pip_wheel, "");
}

static void check_program(struct report *r, const char *name,
                          const char *program, const char *remedy)
{
    PS_AUTO_FREE char *path = ps_find_program(program, getenv("PATH"));

    add_row(r, name, path ? PS_LAYER_PRESENT : PS_LAYER_WEAK,
            path ? path : "not found", path ? "" : remedy);
}

static void check_disk(struct report *r)
{
    struct cli *cli = r->cli;
    struct statvfs fs;
    uint64_t room = 0;
    const char *detail = NULL;

    if (statvfs(cli->dirs.state, &fs) < 0)
        return;
    room = (uint64_t)fs.f_bavail * fs.f_frsize;
    detail = ps_arena_format(&cli->arena, "%s free in %s",
                             cli_size(&cli->arena, room), cli->dirs.state);
    add_row(r, "disk", room > PS_GIB(1) ? PS_LAYER_PRESENT : PS_LAYER_WEAK,
            detail, room > PS_GIB(1) ? "" : "make room, or set XDG_STATE_HOME");
}

static void check_store(struct report *r)
{
    struct cli *cli = r->cli;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_object_info info;
    int rc = cli_open_stores(cli, &err);

    if (rc == PS_OK)
        rc = ps_store_stat(cli->store ? cli->store : cli->local,
                           "wheels/pkgsync-doctor", &cli->cancel, &info, &err);
    add_row(r, "store", rc == PS_OK ? PS_LAYER_PRESENT : PS_LAYER_ABSENT,
            rc == PS_OK
                ? ps_store_location(cli->store ? cli->store : cli->local)
                : err.text,
            rc == PS_OK ? "" : "see --store, --endpoint-url and --profile");
    if (rc < 0)
        r->unfit = true;
}

static void check_queue(struct report *r)
{
    struct ps_error err = PS_ERROR_INIT;
    int rc = cli_open_queue(r->cli, &err);
    const char *detail = ps_arena_format(&r->cli->arena, "sqlite:%s/queue.db",
                                         r->cli->dirs.state);

    add_row(r, "queue", rc == PS_OK ? PS_LAYER_PRESENT : PS_LAYER_ABSENT,
            rc == PS_OK ? detail : err.text, "");
    if (rc < 0)
        r->unfit = true;
}

int cmd_doctor(struct cli *cli, struct ps_error *err)
{
    PS_AUTO_JSON json_t *doc = NULL;
    struct report r = { .cli = cli, .rows = json_array() };
    int rc = check_sandbox(&r, err);

    if (rc == PS_OK) {
        check_python(&r);
        check_program(&r, "git", "git",
                      "needed for private https repositories: apt-get install "
                      "git");
        check_program(&r, "ssh", "ssh",
                      "needed for git+ssh: apt-get install openssh-client");
        check_program(&r, "compiler", "cc",
                      "needed for C extensions: apt-get install "
                      "build-essential");
        check_queue(&r);
        check_store(&r);
        check_disk(&r);
    }
    doc = json_pack("{s:i, s:b, s:o}", "schema", 1, "fit", !r.unfit, "layers",
                    r.rows);
    if (rc < 0)
        return rc;
    if (cli_flag(cli, "json"))
        cli_print_json(doc);
    if (r.unfit)
        return ps_fail(err, PS_EUNSUPPORTED,
                       "this machine lacks something that builds need");
    return PS_OK;
}
