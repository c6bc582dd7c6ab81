/* `pkgsync config`: every setting, its value, and where that comes from. */
#include <stdio.h>

#include "cli.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/str.h"

static json_t *value_json(const struct cli *cli, const struct ps_setting *s)
{
    json_t *list = NULL;

    if (s->type == PS_SETTING_LIST) {
        list = json_array();
        for (const char *const *v = cli_list(cli, s->name); *v; v++) {
            PS_AUTO_FREE char *clean = ps_url_redact(*v);

            json_array_append_new(list, ps_json_string(clean));
        }
        return list;
    }
    if (!ps_config_is_set(cli->config, s->name))
        return json_null();
    if (s->type == PS_SETTING_BOOL)
        return json_boolean(cli_flag(cli, s->name));
    if (s->type == PS_SETTING_NUMBER)
        return json_integer((json_int_t)ps_config_number(cli->config, s->name));
    {
        PS_AUTO_FREE char *clean = ps_url_redact(cli_text(cli, s->name));

        return ps_json_string(clean);
    }
}

static void print_row(const struct cli *cli, const struct ps_setting *s)
{
    PS_AUTO_JSON json_t *value = value_json(cli, s);
    PS_AUTO_FREE char *text = ps_json_canonical(value);
    const char *origin = ps_config_origin_text(cli->config, s->name);

    (void)printf("%-16s %-28s %s\n", s->name, json_is_null(value) ? "" : text,
                 origin);
}

int cmd_config(struct cli *cli, struct ps_error *err)
{
    PS_AUTO_JSON json_t *settings = json_array();
    PS_AUTO_JSON json_t *doc = NULL;

    (void)err;
    if (!cli_flag(cli, "json")) {
        (void)printf("# file: %s/pkgsync.conf\n", cli->dirs.config);
        for (const struct ps_setting *s = cli_settings; s->name; s++)
            print_row(cli, s);
        return PS_OK;
    }
    for (const struct ps_setting *s = cli_settings; s->name; s++)
        json_array_append_new(
            settings, json_pack("{s:s, s:o, s:s, s:s}", "name", s->name,
                                "value", value_json(cli, s), "origin",
                                ps_config_origin_text(cli->config, s->name),
                                "help", s->help));
    doc = json_pack("{s:i, s:O}", "schema", 1, "settings", settings);
    cli_print_json(doc);
    return PS_OK;
}
