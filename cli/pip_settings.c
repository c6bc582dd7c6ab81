/*
 * pip's own settings: its variables and configuration files.
 * https://pip.pypa.io/en/stable/topics/configuration/
 *
 * pip reads them by itself where it runs, but workers have neither these
 * variables nor these files, so the spec has to say what they say; and the pip
 * that fetches is not the environment's, whose pip.conf it never sees.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "build.h"
#include "pkgsync/buf.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/str.h"
#include "pkgsync/util.h"

#define FILE_MAX PS_MIB(1)

/* [install] goes before [global], whichever file they are in. */
enum section { SECTION_OTHER, SECTION_GLOBAL, SECTION_INSTALL, SECTIONS };
enum key { KEY_INDEX, KEY_EXTRA, KEY_LINKS, KEY_NO_INDEX, KEYS, KEY_OTHER };

static const char *const key_names[KEYS] = { "index-url", "extra-index-url",
                                             "find-links", "no-index" };
static const char *const variables[KEYS] = { "PIP_INDEX_URL",
                                             "PIP_EXTRA_INDEX_URL",
                                             "PIP_FIND_LINKS", "PIP_NO_INDEX" };

struct pip_settings {
    struct cli *cli;
    const char *values[SECTIONS][KEYS]; /* as written, lines joined */
};

/* ---- files ---- */

/* "Index_URL" and "--index-url" are "index-url". */
static enum key find_key(struct ps_str name)
{
    while (ps_str_starts(name, "-"))
        name = ps_str_skip(name, 1);
    for (size_t k = 0; k < KEYS; k++) {
        size_t i = 0;

        while (i < name.len && key_names[k][i]) {
            char c = ps_ascii_lower(name.data[i]);

            if ((c == '_' ? '-' : c) != key_names[k][i])
                break;
            i++;
        }
        if (i == name.len && !key_names[k][i])
            return (enum key)k;
    }
    return KEY_OTHER;
}

static enum section find_section(struct ps_str line)
{
    if (ps_str_starts(line, "[global]"))
        return SECTION_GLOBAL;
    return ps_str_starts(line, "[install]") ? SECTION_INSTALL : SECTION_OTHER;
}

/* "key = value" or "key: value". */
static enum key split(struct ps_str line, struct ps_str *value)
{
    size_t len = 0;

    while (len < line.len && line.data[len] != '=' && line.data[len] != ':')
        len++;
    *value = ps_str_trim(ps_str_skip(line, len + 1));
    return find_key(ps_str_trim(ps_str_first(line, len)));
}

static void read_text(struct pip_settings *s, struct ps_str text)
{
    enum section section = SECTION_OTHER;
    enum key key = KEY_OTHER;

    while (text.len > 0) {
        struct ps_str line;
        struct ps_str value;
        bool is_more = false;

        (void)ps_str_cut(&text, '\n', &line);
        is_more = line.len > 0 && strchr(" \t", line.data[0]);
        line = ps_str_trim(line);
        if (line.len == 0 || strchr("#;", line.data[0]))
            continue;
        if (is_more && key != KEY_OTHER) {
            s->values[section][key] =
                ps_arena_format(&s->cli->arena, "%s %.*s",
                                s->values[section][key], PS_STR_FMT(line));
        } else if (!is_more && line.data[0] == '[') {
            section = find_section(line);
            key = KEY_OTHER;
        } else if (!is_more) {
            key = split(line, &value);
            if (key != KEY_OTHER)
                s->values[section][key] = ps_arena_dup(&s->cli->arena, value);
        }
    }
}

/* What cannot be read is pip's to complain about, when it runs. */
static void read_file(struct pip_settings *s, const char *path)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(FILE_MAX);
    PS_AUTO_FREE char *real = NULL;
    struct ps_error none = PS_ERROR_INIT;

    if (ps_real_path(path, &real, &none) == PS_OK &&
        ps_read_file_at(AT_FDCWD, real, &text, &none) == PS_OK)
        read_text(s, ps_buf_str(&text));
}

static void read_at(struct pip_settings *s, const char *dir, const char *name)
{
    if (dir && dir[0] == '/')
        read_file(s, ps_arena_format(&s->cli->arena, "%s/%s", dir, name));
}

/* The first directory that is named goes before the others. */
static void read_system(struct pip_settings *s)
{
    const char *given = getenv("XDG_CONFIG_DIRS");
    struct ps_str rest = ps_str_from(given && given[0] ? given : "/etc/xdg");

    while (rest.len > 0) {
        struct ps_str dir;
        struct ps_str before;

        if (ps_str_cut_last(&rest, ':', &before)) {
            dir = rest;
            rest = before;
        } else {
            dir = before;
        }
        read_at(s, ps_arena_dup(&s->cli->arena, dir), "pip/pip.conf");
    }
    read_file(s, "/etc/pip.conf");
}

static void read_user(struct pip_settings *s)
{
    const char *home = getenv("HOME");
    const char *config = getenv("XDG_CONFIG_HOME");

    read_at(s, home, ".pip/pip.conf");
    if (config && config[0] == '/')
        read_at(s, config, "pip/pip.conf");
    else
        read_at(s, home, ".config/pip/pip.conf");
}

static void read_files(struct pip_settings *s, const char *prefix)
{
    const char *given = getenv("PIP_CONFIG_FILE");

    /* This name means: no file at all. */
    if (given && strcmp(given, "/dev/null") == 0)
        return;
    read_system(s);
    if (!given || access(given, F_OK) < 0)
        read_user(s);
    read_at(s, prefix, "pip.conf");
    if (given)
        read_file(s, given);
}

/* ---- what they come to ---- */

static const char *value_of(const struct pip_settings *s, enum key key)
{
    const char *value = getenv(variables[key]);

    if (value && value[0])
        return value;
    value = s->values[SECTION_INSTALL][key];
    return value ? value : s->values[SECTION_GLOBAL][key];
}

static bool is_true(const char *value)
{
    static const char *const yes[] = { "1", "y", "yes", "t", "true", "on" };

    for (size_t i = 0; value && i < PS_ARRAY_SIZE(yes); i++) {
        if (strcasecmp(value, yes[i]) == 0)
            return true;
    }
    return false;
}

/* The words of `text` after those of `list`, each once. */
static const char *const *with_words(struct cli *cli, const char *const *list,
                                     const char *text)
{
    struct ps_str rest = ps_str_trim(ps_str_from(text ? text : ""));
    const char **all = NULL;
    size_t count = 0;

    while (list[count])
        count++;
    all = ps_arena_alloc(&cli->arena, count + rest.len / 2 + 2, sizeof(*all));
    if (count > 0)
        memcpy(all, list, count * sizeof(*all));
    while (rest.len > 0) {
        size_t len = 0;
        bool is_known = false;

        while (len < rest.len && !strchr(" \t\r\n", rest.data[len]))
            len++;
        for (size_t i = 0; i < count; i++)
            is_known = is_known || ps_str_is(ps_str_first(rest, len), all[i]);
        if (!is_known)
            all[count++] = ps_arena_dup(&cli->arena, ps_str_first(rest, len));
        rest = ps_str_trim(ps_str_skip(rest, len));
    }
    return all;
}

void cli_add_pip_settings(struct cli *cli, const char *cwd,
                          const struct ps_python *python,
                          struct ps_index *index)
{
    struct pip_settings s = { .cli = cli };
    bool given = index->no_index;

    read_files(&s, python->prefix);
    index->no_index = given || is_true(value_of(&s, KEY_NO_INDEX));
    index->find_links =
        with_words(cli, index->find_links, value_of(&s, KEY_LINKS));
    index->find_links = cli_absolute_links(cli, index->find_links, cwd);
    if (index->no_index)
        return;
    if (!index->index_url)
        index->index_url = value_of(&s, KEY_INDEX);
    if (!index->extra_index_urls[0])
        index->extra_index_urls =
            with_words(cli, index->extra_index_urls, value_of(&s, KEY_EXTRA));
}
