/* Where packages come from: flags and settings, then pip's and uv's own. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/str.h"

#define KEEP_RESOLUTION_S UINT64_C(86400)

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

const char *const *cli_absolute_links(struct cli *cli, const char *const *links,
                                      const char *cwd)
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
    index.find_links = cli_absolute_links(cli, index.find_links, cwd);
    return index;
}

int cli_index(struct cli *cli, const char *cwd, const struct ps_python *python,
              struct ps_index *out, struct ps_error *err)
{
    *out = index_settings(cli, cwd);
    return add_uv_settings(cli, python, out, err);
}
