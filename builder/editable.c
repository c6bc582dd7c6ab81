/*
 * Editable installs: which distribution of an environment is which directory.
 *
 * Reads `direct_url.json` (PEP 610) of every .dist-info in the interpreter's
 * site directories, and the `.egg-link` files of older setuptools.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/source.h"
#include "pkgsync/wheel.h"

#define DIRECT_URL_MAX ((size_t)64 * 1024)

/* Called for each editable install; true ends the search. */
typedef bool(editable_fn)(struct ps_str name, const char *root, void *user);

/* "file:///a%20b" -> "/a b"; caller frees; NULL if it is no such URL. */
static char *file_url_path(const char *url)
{
    char *path = NULL;
    size_t n = 0;

    if (strncmp(url, "file://", 7) != 0)
        return NULL;
    url += 7;
    if (strncmp(url, "localhost/", 10) == 0)
        url += 9;
    if (url[0] != '/')
        return NULL;
    path = ps_calloc(strlen(url) + 1, 1);
    for (; *url; url++) {
        int high = *url == '%' ? ps_hex_digit(url[1]) : -1;
        int low = high >= 0 ? ps_hex_digit(url[2]) : -1;

        if (low < 0) {
            path[n++] = *url;
            continue;
        }
        path[n++] = (char)(high << 4 | low);
        url += 2;
    }
    return path;
}

/* The root of an editable .dist-info; caller frees; NULL if it is not one. */
static char *dist_info_root(int site, const char *dist_info)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(DIRECT_URL_MAX);
    PS_AUTO_FREE char *file = ps_format("%s/direct_url.json", dist_info);
    PS_AUTO_JSON json_t *doc = NULL;
    struct ps_error ignored = PS_ERROR_INIT;
    const char *url = NULL;

    if (ps_read_file_at(site, file, &text, &ignored) < 0 ||
        ps_json_parse(ps_buf_str(&text), file, &doc, &ignored) < 0)
        return NULL;
    url = ps_json_string_or(doc, "url", "");
    if (!json_is_true(
            json_object_get(json_object_get(doc, "dir_info"), "editable")))
        return NULL;
    return file_url_path(url);
}

/* Line 1 of an .egg-link joined with line 2; caller frees; NULL. */
static char *egg_link_root(int site, const char *name)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(DIRECT_URL_MAX);
    PS_AUTO_FREE char *joined = NULL;
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_str rest;
    struct ps_str first;
    struct ps_str second;

    if (ps_read_file_at(site, name, &text, &ignored) < 0)
        return NULL;
    rest = ps_buf_str(&text);
    (void)ps_str_cut(&rest, '\n', &first);
    (void)ps_str_cut(&rest, '\n', &second);
    first = ps_str_trim(first);
    second = ps_str_trim(second);
    joined = ps_format("%.*s/%.*s", PS_STR_FMT(first), PS_STR_FMT(second));
    return realpath(joined, NULL);
}

static bool visit_entry(int site, const char *entry, editable_fn *fn,
                        void *user)
{
    struct ps_str name = ps_str_from(entry);
    PS_AUTO_FREE char *root = NULL;

    /* "~ip" and "-ip" are leftovers of a pip that was interrupted. */
    if (entry[0] == '~' || entry[0] == '-' || entry[0] == '.')
        return false;
    if (ps_str_ends(name, ".dist-info")) {
        struct ps_str rest = ps_str_first(name, name.len - 10);

        root = dist_info_root(site, entry);
        (void)ps_str_cut(&rest, '-', &name);
    } else if (ps_str_ends(name, ".egg-link")) {
        root = egg_link_root(site, entry);
        name = ps_str_first(name, name.len - 9);
    }
    return root && fn(name, root, user);
}

static void each_editable(const struct ps_python *python, editable_fn *fn,
                          void *user)
{
    for (const char *const *site = python->site_dirs; *site; site++) {
        PS_AUTO_DIR DIR *dir = opendir(*site);
        struct dirent *e = NULL;

        while (dir && (e = readdir(dir)) != NULL) {
            if (visit_entry(dirfd(dir), e->d_name, fn, user))
                return;
        }
    }
}

struct search {
    struct ps_arena *arena;
    const char *name; /* normalised, or NULL */
    const char *path; /* or NULL */
    const char *found;
};

static bool match_name(struct ps_str name, const char *root, void *user)
{
    struct search *s = user;

    if (strcmp(ps_normalize_name(s->arena, name), s->name) != 0)
        return false;
    s->found = ps_arena_strdup(s->arena, root);
    return true;
}

static bool match_path(struct ps_str name, const char *root, void *user)
{
    struct search *s = user;
    PS_AUTO_FREE char *real = realpath(root, NULL);

    if (!real || strcmp(real, s->path) != 0)
        return false;
    s->found = ps_normalize_name(s->arena, name);
    return true;
}

int ps_editable_find(struct ps_arena *arena, const struct ps_python *python,
                     const char *name, const char **path, struct ps_error *err)
{
    struct search s = { .arena = arena,
                        .name = ps_normalize_name(arena, ps_str_from(name)) };

    each_editable(python, match_name, &s);
    if (s.found && access(s.found, R_OK | X_OK) < 0)
        return ps_fail_errno(err, errno,
                             "the editable install '%s' points to '%s'", name,
                             s.found);
    *path = s.found;
    return PS_OK;
}

const char *ps_editable_at(struct ps_arena *arena,
                           const struct ps_python *python, const char *path)
{
    struct search s = { .arena = arena, .path = path };

    each_editable(python, match_path, &s);
    return s.found;
}
