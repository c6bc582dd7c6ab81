/* What builds are given: settings into the options of a pipeline. */
#include "build.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"
#include "pkgsync/str.h"
#include "pkgsync/util.h"

/* Variables that builds are known to read; each goes into the key. */
static bool is_build_variable(struct ps_str name)
{
    static const char *const names[] = {
        "CFLAGS", "CXXFLAGS",  "CPPFLAGS",        "LDFLAGS",   "CC",
        "CXX",    "MAKEFLAGS", "PKG_CONFIG_PATH", "RUSTFLAGS", "ARCHFLAGS",
    };
    static const char *const prefixes[] = { "SETUPTOOLS_SCM_PRETEND_VERSION",
                                            "CMAKE_", "SKBUILD_" };

    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++) {
        if (ps_str_is(name, names[i]))
            return true;
    }
    for (size_t i = 0; i < PS_ARRAY_SIZE(prefixes); i++) {
        if (ps_str_starts(name, prefixes[i]))
            return true;
    }
    return false;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "NAME=value" pairs, sorted; in the arena. */
static const char *const *passed_env(struct cli *cli)
{
    const char *const *wanted = cli_list(cli, "env");
    size_t count = 1;
    size_t n = 0;
    const char **list = NULL;

    for (char **e = environ; *e; e++)
        count++;
    for (size_t i = 0; wanted[i]; i++)
        count++;
    list = ps_arena_alloc(&cli->arena, count, sizeof(*list));
    for (char **e = environ; *e; e++) {
        struct ps_str rest = ps_str_from(*e);
        struct ps_str name;

        if (ps_str_cut(&rest, '=', &name) && is_build_variable(name))
            list[n++] = *e;
    }
    for (size_t i = 0; wanted[i]; i++) {
        const char *value = strchr(wanted[i], '=') ? NULL : getenv(wanted[i]);

        if (strchr(wanted[i], '='))
            list[n++] = wanted[i];
        else if (value)
            list[n++] = ps_arena_format(&cli->arena, "%s=%s", wanted[i], value);
    }
    if (n > 0)
        qsort(list, n, sizeof(*list), by_text);
    return list;
}

static int read_config_settings(struct cli *cli, json_t *out,
                                struct ps_error *err)
{
    for (const char *const *s = cli_list(cli, "config-settings"); *s; s++) {
        struct ps_str value = ps_str_from(*s);
        struct ps_str key;
        PS_AUTO_FREE char *name = NULL;

        if (!ps_str_cut(&value, '=', &key) || key.len == 0)
            return ps_fail(err, PS_EUSAGE,
                           "--config-settings '%s' is not KEY=VALUE", *s);
        name = ps_str_dup(key);
        json_object_set_new(out, name,
                            ps_json_string(value.data ? value.data : ""));
    }
    return PS_OK;
}

static struct ps_build_limits limits(const struct cli *cli)
{
    return (struct ps_build_limits){
        .wall_limit_ms = ps_config_number(cli->config, "timeout") * 1000,
        .tmp_max_bytes = PS_MIB(ps_config_number(cli->config, "disk-mb")),
        .memory_max_bytes = PS_MIB(ps_config_number(cli->config, "memory-mb")),
        .pids_max = ps_config_number(cli->config, "pids"),
    };
}

static unsigned job_count(const struct cli *cli)
{
    uint64_t asked = ps_config_number(cli->config, "jobs");
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (asked > 0)
        return (unsigned)asked;
    return processors > 0 ? (unsigned)processors : 1;
}

int cli_pipeline_fill(struct cli *cli, const char *cwd,
                      struct cli_pipeline *out, struct ps_error *err)
{
    int rc = PS_OK;

    if (!cli->config_settings)
        cli->config_settings = json_object();
    out->options = (struct ps_pipeline_options){
        .dirs = &cli->dirs,
        .python = &out->python,
        .index = &out->index,
        .cwd = cwd,
        .limits = limits(cli),
        .build_requires = cli_list(cli, "build-requires"),
        .config_settings = cli->config_settings,
        .env = passed_env(cli),
        .include = cli_list(cli, "include"),
        .exclude = cli_list(cli, "exclude"),
        .network = cli_flag(cli, "network"),
        .rebuild = cli_flag(cli, "rebuild"),
        .jobs = job_count(cli),
        .cancel = &cli->cancel,
    };
    rc = read_config_settings(cli, cli->config_settings, err);
    if (rc == PS_OK)
        rc = ps_python_probe(&cli->arena, cli_text(cli, "python"),
                             cli->dirs.cache, &cli->cancel, &out->python, err);
    if (rc == PS_OK)
        rc = cli_index(cli, cwd, &out->python, &out->index, err);
    return rc;
}

int cli_pipeline_open(struct cli *cli, struct cli_pipeline *p,
                      struct ps_error *err)
{
    int rc = cli_open_stores(cli, err);

    if (rc == PS_OK)
        rc = cli_open_queue(cli, err);
    if (rc == PS_OK)
        rc = cli_open_runner(cli, err);
    if (rc < 0)
        return rc;
    p->options.queue = cli->queue;
    p->options.uploader = cli->uploader;
    p->options.local = cli->local;
    p->options.store = cli->store;
    p->options.runner = cli->runner;
    return PS_OK;
}
