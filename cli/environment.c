#include "environment.h"

#include <stdio.h>
#include <stdlib.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/site.h"
#include "table.h"

int cli_find_environment(struct cli *cli, const char *program,
                         bool with_pythonpath, struct cli_environment *out,
                         struct ps_error *err)
{
    int rc = ps_python_probe(&cli->arena,
                             program ? program : cli_text(cli, "python"),
                             cli->dirs.cache, &cli->cancel, &out->python, err);

    if (rc == PS_OK)
        rc = ps_site_of(&cli->arena, &out->python,
                        with_pythonpath ? getenv("PYTHONPATH") : NULL,
                        &out->site, err);
    return rc;
}

int cli_scan_environment(struct cli *cli, const char *program,
                         struct cli_environment *out, struct ps_error *err)
{
    int rc = cli_find_environment(cli, program, true, out, err);

    if (rc == PS_OK)
        rc = ps_environment_scan(&cli->arena, &out->site, &cli->cancel,
                                 &out->found, err);
    return rc;
}

int cli_locations(struct cli *cli, struct ps_locations **out,
                  struct ps_error *err)
{
    const struct ps_uploader_options uploader = {
        .ca_file = getenv("AWS_CA_BUNDLE"),
    };
    struct ps_store_options *store =
        ps_arena_alloc(&cli->arena, 1, sizeof(*store));
    struct ps_location_options options = { .store = store,
                                           .cancel = &cli->cancel };

    *store = (struct ps_store_options){
        .endpoint_url = cli_text(cli, "endpoint-url"),
        .region = cli_text(cli, "region"),
        .profile = cli_text(cli, "profile"),
        .virtual_host = cli_flag(cli, "virtual-host"),
    };
    if (!cli->uploader && ps_uploader_new(&uploader, &cli->uploader, err) < 0)
        return err->code;
    options.uploader = cli->uploader;
    *out = ps_locations_new(&options);
    return PS_OK;
}

json_t *cli_differences_json(const struct ps_comparison *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->count; i++) {
        const struct ps_difference *d = &c->items[i];

        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:s, s:s, s:o}", "name",
                            ps_json_string(d->name), "expected",
                            ps_json_string(d->expected), "found",
                            ps_json_string(d->found), "level",
                            ps_level_name(d->level), "severity",
                            ps_severity_name(d->severity), "message",
                            ps_json_string(d->message)));
    }
    return list;
}

static size_t count_of(const struct ps_comparison *c, enum ps_severity severity)
{
    size_t n = 0;

    for (size_t i = 0; i < c->count; i++)
        n += c->items[i].severity == severity;
    return n;
}

void cli_print_differences(struct cli *cli, const struct ps_comparison *c)
{
    static const char *const heads[] = { "NAME",  "EXPECTED", "FOUND",
                                         "LEVEL", "SEVERITY", "WHY" };
    struct table table = { .heads = heads, .columns = 6 };

    for (size_t i = 0; i < c->count; i++) {
        const struct ps_difference *d = &c->items[i];
        const char *const cells[] = {
            d->name,
            d->expected,
            d->found ? d->found : "(none)",
            ps_level_name(d->level),
            ps_severity_name(d->severity),
            d->message,
        };

        if (d->severity != PS_SEVERITY_OK)
            table_add(cli, &table, cells);
    }
    if (table.rows > 0)
        table_print(&table);
    (void)printf("%s: %zu error%s, %zu warning%s\n",
                 c->equal ? "equal" : "not equal",
                 count_of(c, PS_SEVERITY_ERROR),
                 count_of(c, PS_SEVERITY_ERROR) == 1 ? "" : "s",
                 count_of(c, PS_SEVERITY_WARNING),
                 count_of(c, PS_SEVERITY_WARNING) == 1 ? "" : "s");
}
