/* `pkgsync install`: settings into an install, and what became of it out. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "build.h"
#include "environment.h"
#include "pkgsync/cleanup.h"
#include "plan.h"

struct watcher {
    struct cli *cli;
    bool quiet;
    bool live; /* a terminal */
    bool has_line;
    enum ps_install_phase last;
    bool told_any;
};

static void end_line(struct watcher *w)
{
    if (w->has_line)
        (void)fputs("\r\033[K", stderr);
    w->has_line = false;
}

static const char *phase_text(const struct ps_install_event *e)
{
    static const char *const texts[] = {
        [PS_INSTALL_WAIT] = "waiting for another install of this environment",
        [PS_INSTALL_RESTORE] = "putting the environment back as it was",
        [PS_INSTALL_RESOLVE] = "asking the index",
        [PS_INSTALL_FETCH] = "fetching wheels",
        [PS_INSTALL_BACKUP] = "keeping a copy of what is to be replaced",
        [PS_INSTALL_RUN] = "installing",
        [PS_INSTALL_CHECK] = "checking",
    };

    return texts[e->phase];
}

static void on_event(const struct ps_install_event *e, void *user)
{
    struct watcher *w = user;
    bool is_new = !w->told_any || w->last != e->phase;
    char total[64] = "";

    if (w->quiet || (!is_new && !w->live))
        return;
    w->told_any = true;
    w->last = e->phase;
    if (e->total > 0 && w->live)
        (void)snprintf(total, sizeof(total), " %llu of %llu KiB",
                       (unsigned long long)(e->done / 1024),
                       (unsigned long long)(e->total / 1024));
    end_line(w);
    (void)fputs(phase_text(e), stderr);
    if (e->count > 0)
        (void)fprintf(stderr, " (%zu package%s)", e->count,
                      e->count == 1 ? "" : "s");
    (void)fprintf(stderr, "%s%s", total, w->live ? "" : "\n");
    (void)fflush(stderr);
    w->has_line = w->live;
}

static void on_log(const char *data, size_t len, void *user)
{
    struct watcher *w = user;

    if (!cli_flag(w->cli, "verbose"))
        return;
    end_line(w);
    (void)fwrite(data, 1, len, stderr);
}

static int read_installer(struct cli *cli, enum ps_installer *out,
                          struct ps_error *err)
{
    static const struct {
        const char *name;
        enum ps_installer installer;
    } names[] = { { "auto", PS_INSTALLER_AUTO },
                  { "uv", PS_INSTALLER_UV },
                  { "pip", PS_INSTALLER_PIP } };
    const char *given = cli_text(cli, "installer");

    for (size_t i = 0; i < 3; i++) {
        if (strcmp(given, names[i].name) == 0) {
            *out = names[i].installer;
            return PS_OK;
        }
    }
    return ps_fail(err, PS_EUSAGE,
                   "--installer is 'auto', 'uv' or 'pip', not '%s'", given);
}

/* ---- what is printed ---- */

static json_t *item_json(const struct ps_install_item *i)
{
    return json_pack(
        "{s:o, s:o, s:s, s:o, s:o}", "name", ps_json_string(i->name), "version",
        ps_json_string(i->version), "from", i->from_wheel ? "wheel" : "index",
        "was", ps_json_string(i->was), "reason", ps_json_string(i->because));
}

static json_t *problems_json(const struct ps_install_result *r)
{
    json_t *list = json_array();

    for (size_t i = 0; i < r->problem_count; i++)
        json_array_append_new(
            list,
            json_pack("{s:o, s:o}", "path", ps_json_string(r->problems[i].path),
                      "message", ps_json_string(r->problems[i].message)));
    return list;
}

static void print_json(struct cli *cli, const struct ps_install_result *r)
{
    json_t *items = json_array();
    PS_AUTO_JSON json_t *doc = NULL;

    for (size_t i = 0; i < r->count; i++)
        json_array_append_new(items, item_json(&r->items[i]));
    doc = json_pack("{s:i, s:b, s:o, s:I, s:o, s:b, s:o, s:o, s:b, s:o}",
                    "schema", 1, "dry_run", cli_flag(cli, "dry-run"),
                    "installed", items, "unchanged", (json_int_t)r->unchanged,
                    "installer", ps_json_string(r->installer), "restored",
                    r->restored, "unrestored", ps_json_string(r->unrestored),
                    "problems", problems_json(r), "equal", r->comparison.equal,
                    "differences", cli_differences_json(&r->comparison));
    cli_print_json(doc);
}

static void print_summary(struct cli *cli, const struct ps_install_result *r)
{
    bool dry = cli_flag(cli, "dry-run");

    for (size_t i = 0; i < r->count; i++) {
        const struct ps_install_item *item = &r->items[i];

        (void)printf("%s %s %s%s%s  (%s)\n",
                     dry ? "would install" : "installed",
                     cli_clean(cli, item->name), cli_clean(cli, item->version),
                     item->was ? ", was " : "",
                     item->was ? cli_clean(cli, item->was) : "",
                     cli_clean(cli, item->because));
    }
    (void)printf("%zu %s, %zu unchanged\n", r->count,
                 dry ? "to install" : "installed", r->unchanged);
    if (!dry)
        cli_print_differences(cli, &r->comparison);
}

static int report(struct cli *cli, const struct ps_install_result *r)
{
    if (r->restored)
        (void)fprintf(stderr,
                      "pkgsync: the last install of this environment was "
                      "interrupted; what it left was put back first\n");
    if (r->unrestored)
        (void)fprintf(stderr, "pkgsync: of the interrupted install: %s\n",
                      cli_clean(cli, r->unrestored));
    cli_print_problems(cli, r->problems, r->problem_count);
    if (cli_flag(cli, "json"))
        print_json(cli, r);
    else
        print_summary(cli, r);
    if (cli_flag(cli, "dry-run"))
        return PS_OK;
    return r->comparison.equal ? PS_OK : PS_EDIFFERS;
}

static int install(struct cli *cli, struct ps_locations *locations,
                   const char *cwd, struct ps_error *err)
{
    struct watcher watcher = { .cli = cli,
                               .quiet = cli_flag(cli, "quiet"),
                               .live = isatty(STDERR_FILENO) };
    struct cli_environment e;
    struct ps_spec spec;
    struct ps_index index;
    struct ps_install_result result = { .count = 0 };
    struct ps_install_options options = {
        .spec = &spec,
        .python = &e.python,
        .site = &e.site,
        .dirs = &cli->dirs,
        .index = &index,
        .locations = locations,
        .cancel = &cli->cancel,
        .any_python = cli_flag(cli, "any-python"),
        .any_platform = cli_flag(cli, "any-platform"),
        .break_system_packages = cli_flag(cli, "break-system-packages"),
        .allow_sdist = cli_flag(cli, "allow-sdist"),
        .dry_run = cli_flag(cli, "dry-run"),
        .jobs = (unsigned)ps_config_number(cli->config, "jobs"),
        .event = on_event,
        .log = on_log,
        .user = &watcher,
    };
    int rc = read_installer(cli, &options.installer, err);

    if (rc == PS_OK)
        rc = ps_spec_read(&cli->arena, locations, cli->args[0], &spec, err);
    if (rc == PS_OK)
        rc = cli_find_environment(cli, NULL, false, &e, err);
    if (rc == PS_OK)
        rc = cli_index(cli, cwd, &e.python, &index, err);
    if (rc == PS_OK)
        rc = ps_install(&cli->arena, &options, &result, err);
    end_line(&watcher);
    if (rc == PS_OK && options.dry_run &&
        ps_install_is_interrupted(&e.site, &cli->dirs))
        (void)fprintf(stderr, "pkgsync: the last install of this environment "
                              "was interrupted; the next one puts back what "
                              "it left, and may then have more to do\n");
    return rc < 0 ? rc : report(cli, &result);
}

int cmd_install(struct cli *cli, struct ps_error *err)
{
    PS_CLEANUP(cli_cleanup_locations) struct ps_locations *locations = NULL;
    PS_AUTO_FREE char *cwd = getcwd(NULL, 0);
    int rc = PS_OK;

    if (cli->arg_count != 1)
        return ps_fail(err, PS_EUSAGE,
                       "name one spec: a path, https:// or s3://; `pkgsync "
                       "sync` writes them");
    if (!cwd)
        return ps_fail_errno(err, errno, "find the working directory");
    rc = cli_locations(cli, &locations, err);
    return rc < 0 ? rc : install(cli, locations, cwd, err);
}
