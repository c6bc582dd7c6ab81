/* The person's git configuration: single keys, and http.* for one URL. */
#include <string.h>
#include <strings.h>

#include "git_private.h"

char *ps_git_setting(struct ps_arena *arena, git_config *config,
                     const char *key)
{
    git_buf value = { 0 };
    char *out = NULL;

    if (config && git_config_get_string_buf(&value, config, key) == 0)
        out = ps_arena_strdup(arena, value.ptr);
    git_buf_dispose(&value);
    return out && out[0] != '\0' ? out : NULL;
}

/*
 * Does the setting's URL cover this one?  Same scheme, host and port, and a
 * path that is the same or a directory above.  The result is the length that
 * matched, so that the closest setting wins.
 */
static size_t match_length(const char *url, const char *pattern, size_t len)
{
    while (len > 0 && pattern[len - 1] == '/')
        len--;
    if (len == 0 || strncasecmp(url, pattern, len) != 0)
        return 0;
    return url[len] == '\0' || url[len] == '/' || url[len] == '?' ? len : 0;
}

/* 1 for http.<name>, more for http.<url>.<name>, 0 for anything else. */
static size_t fit(const char *key, const char *url, const char *name)
{
    const char *middle = key + strlen("http.");
    const char *dot = strrchr(key, '.');

    if (strncasecmp(key, "http.", 5) != 0 || !dot ||
        strcasecmp(dot + 1, name) != 0)
        return 0;
    if (dot < middle)
        return 1;
    return match_length(url, middle, (size_t)(dot - middle));
}

char *ps_git_http_setting(struct ps_arena *arena, git_config *config,
                          const char *url, const char *name)
{
    PS_AUTO_GIT(git_config_iterator) it = NULL;
    git_config_entry *entry = NULL;
    char *best = NULL;
    size_t best_fit = 0;

    if (!config || git_config_iterator_new(&it, config) < 0)
        return NULL;
    while (git_config_next(&entry, it) == 0) {
        size_t length = fit(entry->name, url, name);

        /* Later entries are of a higher level, or later in the file. */
        if (length == 0 || length < best_fit)
            continue;
        best_fit = length;
        best = ps_arena_strdup(arena, entry->value ? entry->value : "true");
    }
    return best;
}

void ps_git_http_each(git_config *config, const char *url, const char *name,
                      ps_git_value_fn *fn, void *user)
{
    PS_AUTO_GIT(git_config_iterator) it = NULL;
    git_config_entry *entry = NULL;

    if (!config || git_config_iterator_new(&it, config) < 0)
        return;
    while (git_config_next(&entry, it) == 0)
        if (entry->value && fit(entry->name, url, name) > 0)
            fn(entry->value, user);
}

char *ps_git_instead_of(struct ps_arena *arena, git_config *config,
                        const char *url)
{
    PS_AUTO_GIT(git_config_iterator) it = NULL;
    git_config_entry *entry = NULL;
    char *best = ps_arena_strdup(arena, url);
    size_t best_length = 0;

    if (git_config_iterator_new(&it, config) < 0)
        return best;
    while (git_config_next(&entry, it) == 0) {
        struct ps_str base = ps_str_from(entry->name);
        size_t length = entry->value ? strlen(entry->value) : 0;

        if (!ps_str_starts(base, "url.") || !ps_str_ends(base, ".insteadof") ||
            length <= best_length || strncmp(url, entry->value, length) != 0)
            continue;
        base = ps_str_skip(base, strlen("url."));
        base.len -= PS_MIN(base.len, strlen(".insteadof"));
        best_length = length;
        best = ps_arena_format(arena, "%.*s%s", PS_STR_FMT(base), url + length);
    }
    return best;
}
