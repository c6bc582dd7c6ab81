/* `pkgsync wheel`: settings into a pipeline, and its results out. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/pipeline.h"
#include "pkgsync/str.h"
#include "pkgsync/util.h"
#include "progress.h"
#include "report.h"

#define KEEP_RESOLUTION_S UINT64_C(86400)

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

/* uv lets an index have a name: "NAME=https://...". */
static struct ps_str without_name(struct ps_str word)
{
    struct ps_str rest = word;
    struct ps_str name;

    if (ps_str_cut(&rest, '=', &name) && !memchr(name.data, ':', name.len) &&
        !memchr(name.data, '/', name.len))
        return rest;
    return word;
}

/* Words of a variable, separated by blanks or commas; in the arena. */
static const char *const *split_words(struct cli *cli, const char *text)
{
    struct ps_str rest = ps_str_from(text ? text : "");
    const char **list =
        ps_arena_alloc(&cli->arena, rest.len / 2 + 2, sizeof(*list));
    size_t n = 0;

    while (rest.len > 0) {
        size_t len = 0;

        while (len < rest.len && !strchr(" ,\t\n", rest.data[len]))
            len++;
        if (len > 0)
            list[n++] = ps_arena_dup(&cli->arena,
                                     without_name(ps_str_first(rest, len)));
        rest = ps_str_skip(rest, len + 1);
    }
    return list;
}

/* Relative directories as absolute ones: pip runs elsewhere. */
static const char *const *
absolute_links(struct cli *cli, const char *const *links, const char *cwd)
{
    size_t count = 0;
    const char **list = NULL;

    while (links[count])
        count++;
    list = ps_arena_alloc(&cli->arena, count + 1, sizeof(*list));
    for (size_t i = 0; i < count; i++)
        list[i] = links[i][0] == '/' || strstr(links[i], "://")
                      ? links[i]
                      : ps_arena_format(&cli->arena, "%s/%s", cwd, links[i]);
    return list;
}

static const char *first_env(const char *a, const char *b)
{
    const char *value = getenv(a);

    return value && value[0] ? value : getenv(b);
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value && (strcmp(value, "1") == 0 || strcmp(value, "true") == 0);
}

/* Where uv has its settings, if there are any; in the arena. */
static const char *uv_settings_file(struct cli *cli)
{
    const char *given = getenv("UV_CONFIG_FILE");
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    const char *found = given;

    if (is_set("UV_NO_CONFIG"))
        return NULL;
    if (given && given[0])
        return given;
    if (config && config[0] == '/')
        found = ps_arena_format(&cli->arena, "%s/uv/uv.toml", config);
    else if (home && home[0] == '/')
        found = ps_arena_format(&cli->arena, "%s/.config/uv/uv.toml", home);
    if (found && access(found, F_OK) == 0)
        return found;
    return access("/etc/uv/uv.toml", F_OK) == 0 ? "/etc/uv/uv.toml" : NULL;
}

/*
 * What neither a flag nor a variable says is as in uv.toml.  It goes before
 * pip's own files: who has written both has written this one for uv's users.
 */
static int add_uv_settings(struct cli *cli, const struct ps_python *python,
                           struct ps_index *index, struct ps_error *err)
{
    const char *file = uv_settings_file(cli);
    struct ps_index found = { .index_url = NULL };
    int rc = PS_OK;

    if (!file)
        return PS_OK;
    rc = ps_uv_settings_read(&cli->arena, file, python, cli->dirs.cache, &found,
                             err);
    if (rc < 0)
        return rc;
    if (!index->index_url && !getenv("PIP_INDEX_URL"))
        index->index_url = found.index_url;
    if (!index->extra_index_urls[0] && !getenv("PIP_EXTRA_INDEX_URL"))
        index->extra_index_urls = found.extra_index_urls;
    if (!index->find_links[0] && !getenv("PIP_FIND_LINKS"))
        index->find_links = found.find_links;
    index->no_index = index->no_index || found.no_index;
    return PS_OK;
}

/*
 * Flags and settings first; then uv's variables, where pip has none of its
 * own; pip reads its variables and files by itself.
 */
static struct ps_index index_settings(struct cli *cli, const char *cwd)
{
    struct ps_index index = {
        .index_url = cli_text(cli, "index-url"),
        .extra_index_urls = cli_list(cli, "extra-index-url"),
        .find_links = cli_list(cli, "find-links"),
        .no_index = cli_flag(cli, "no-index"),
        .keep_s = cli_flag(cli, "refresh") || cli_flag(cli, "rebuild")
                      ? 0
                      : KEEP_RESOLUTION_S,
    };

    if (!index.index_url && !getenv("PIP_INDEX_URL"))
        index.index_url = first_env("UV_DEFAULT_INDEX", "UV_INDEX_URL");
    if (!index.extra_index_urls[0] && !getenv("PIP_EXTRA_INDEX_URL"))
        index.extra_index_urls =
            split_words(cli, first_env("UV_INDEX", "UV_EXTRA_INDEX_URL"));
    if (!index.find_links[0] && !getenv("PIP_FIND_LINKS"))
        index.find_links = split_words(cli, getenv("UV_FIND_LINKS"));
    if (is_set("UV_NO_INDEX"))
        index.no_index = true;
    index.find_links = absolute_links(cli, index.find_links, cwd);
    return index;
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

static int run_pipeline(struct cli *cli, struct ps_pipeline_options *o,
                        const char *const *sources, size_t count,
                        struct ps_error *err)
{
    struct ps_wheel_result *results =
        ps_arena_alloc(&cli->arena, count, sizeof(*results));
    struct progress progress;
    int rc = progress_start(&progress, sources, count, cli_flag(cli, "quiet"),
                            cli_flag(cli, "verbose"), err);

    if (rc < 0)
        return rc;
    o->event = progress_event;
    o->user = &progress;
    rc = ps_pipeline_wheels(&cli->arena, o, sources, count, results, err);
    progress_stop(&progress);
    return rc < 0 ? rc : report_wheels(cli, results, count, err);
}

int cli_build(struct cli *cli, const char *const *sources, size_t count,
              const char *cwd, struct ps_error *err)
{
    PS_AUTO_JSON json_t *settings = json_object();
    struct ps_python python;
    struct ps_index index = index_settings(cli, cwd);
    struct ps_pipeline_options options = {
        .dirs = &cli->dirs,
        .python = &python,
        .index = &index,
        .cwd = cwd,
        .limits = limits(cli),
        .build_requires = cli_list(cli, "build-requires"),
        .config_settings = settings,
        .env = passed_env(cli),
        .include = cli_list(cli, "include"),
        .exclude = cli_list(cli, "exclude"),
        .network = cli_flag(cli, "network"),
        .rebuild = cli_flag(cli, "rebuild"),
        .jobs = job_count(cli),
        .cancel = &cli->cancel,
    };
    const char *wheel_dir = cli_text(cli, "wheel-dir");
    int rc = read_config_settings(cli, settings, err);

    /* Before anything is built for a place that cannot be written to. */
    if (rc == PS_OK && wheel_dir)
        rc = ps_mkdirs(wheel_dir, 0755, err);
    if (rc == PS_OK && wheel_dir && access(wheel_dir, W_OK | X_OK) < 0)
        rc = ps_fail_errno(err, errno, "write to '%s'", wheel_dir);
    if (rc == PS_OK)
        rc = ps_python_probe(&cli->arena, cli_text(cli, "python"),
                             cli->dirs.cache, &cli->cancel, &python, err);
    if (rc == PS_OK)
        rc = add_uv_settings(cli, &python, &index, err);
    if (rc == PS_OK)
        rc = cli_open_stores(cli, err);
    if (rc == PS_OK)
        rc = cli_open_queue(cli, err);
    if (rc == PS_OK)
        rc = cli_open_runner(cli, err);
    if (rc < 0)
        return rc;
    options.queue = cli->queue;
    options.uploader = cli->uploader;
    options.local = cli->local;
    options.store = cli->store;
    options.runner = cli->runner;
    return run_pipeline(cli, &options, sources, count, err);
}

int cmd_wheel(struct cli *cli, struct ps_error *err)
{
    PS_AUTO_FREE char *cwd = getcwd(NULL, 0);

    if (cli->arg_count == 0)
        return ps_fail(err, PS_EUSAGE,
                       "no source named; try `pkgsync wheel .` or `pkgsync "
                       "help wheel`");
    if (!cwd)
        return ps_fail_errno(err, errno, "find the working directory");
    return cli_build(cli, (const char *const *)cli->args, cli->arg_count, cwd,
                     err);
}
