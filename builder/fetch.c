#include "pkgsync/fetch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fetch_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/clock.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"

#define WHEEL_MAX (UINT64_C(8) << 30)
#define NOTE_MAX ((size_t)1024 * 1024)

static int by_name(const void *a, const void *b)
{
    const struct ps_wheel_file *x = a;
    const struct ps_wheel_file *y = b;

    return strcmp(x->name, y->name);
}

/* <cache>/wheelhouse/<sha256>/<name>; in the arena. */
static const char *house_path(struct ps_arena *arena, const struct ps_fetch *f,
                              const struct ps_sha256 *sha256, const char *name)
{
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(sha256, hex);
    return ps_arena_format(arena, "%s/wheelhouse/%s/%s", f->cache_dir, hex,
                           name);
}

static int store_one(struct ps_arena *arena, const struct ps_fetch *f,
                     const char *dest, const char *name,
                     struct ps_wheel_file *out, struct ps_error *err)
{
    PS_AUTO_FREE char *from = ps_format("%s/%s", dest, name);
    PS_AUTO_FREE char *dir = NULL;
    int rc = ps_sha256_file(from, WHEEL_MAX, &out->sha256, NULL, err);

    if (rc < 0)
        return rc;
    out->name = ps_arena_strdup(arena, name);
    out->path = house_path(arena, f, &out->sha256, name);
    dir = ps_strdup(out->path);
    *strrchr(dir, '/') = '\0';
    rc = ps_mkdirs(dir, 0755, err);
    /* rename(2) replaces an equal file: whoever comes second does no harm. */
    if (rc == PS_OK && rename(from, out->path) < 0)
        rc = ps_fail_errno(err, errno, "move '%s' to '%s'", from, out->path);
    return rc;
}

/* Move what pip left in `dest` into the cache, by digest. */
static int store_all(struct ps_arena *arena, const struct ps_fetch *f,
                     const char *dest, struct ps_wheel_set *out,
                     struct ps_error *err)
{
    PS_AUTO_DIR DIR *dir = opendir(dest);
    struct ps_wheel_file *files = NULL;
    size_t count = 0;
    size_t cap = 0;
    struct dirent *e = NULL;

    if (!dir)
        return ps_fail_errno(err, errno, "open directory '%s'", dest);
    while ((e = readdir(dir)) != NULL) {
        if (e->d_name[0] == '.')
            continue;
        if (count == cap) {
            struct ps_wheel_file *more = NULL;

            cap = cap ? cap * 2 : 16;
            more = ps_arena_alloc(arena, cap, sizeof(*more));
            if (count > 0)
                memcpy(more, files, count * sizeof(*more));
            files = more;
        }
        if (store_one(arena, f, dest, e->d_name, &files[count], err) < 0)
            return err->code;
        count++;
    }
    if (count > 0)
        qsort(files, count, sizeof(*files), by_name);
    *out = (struct ps_wheel_set){ .files = files, .count = count };
    return PS_OK;
}

json_t *ps_wheel_set_json(const struct ps_wheel_set *set)
{
    json_t *list = json_array();

    for (size_t i = 0; i < set->count; i++) {
        char hex[PS_SHA256_HEX_SIZE];

        ps_sha256_hex(&set->files[i].sha256, hex);
        json_array_append_new(
            list, json_pack("{s:o, s:s}", "name",
                            ps_json_string(set->files[i].name), "sha256", hex));
    }
    return list;
}

/* The URL without credentials, as a JSON string. */
static json_t *url_without_secret(const char *url)
{
    PS_AUTO_FREE char *clean = ps_url_redact(url);

    return ps_json_string(clean);
}

static json_t *url_list(const char *const *urls)
{
    json_t *list = json_array();

    for (size_t i = 0; urls && urls[i]; i++)
        json_array_append_new(list, url_without_secret(urls[i]));
    return list;
}

json_t *ps_index_identity(const struct ps_index *index)
{
    /* Settings that reach pip by its environment are settings as well. */
    static const char *const variables[] = {
        "PIP_INDEX_URL",   "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",  "PIP_NO_INDEX",
        "PIP_PRE",         "PIP_CONSTRAINT",
        "PIP_CONFIG_FILE",
    };
    json_t *id = json_pack(
        "{s:o, s:o, s:o, s:b}", "index_url",
        index->index_url ? url_without_secret(index->index_url) : json_null(),
        "extra_index_urls", url_list(index->extra_index_urls), "find_links",
        url_list(index->find_links), "no_index", index->no_index);

    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        const char *value = getenv(variables[i]);

        if (value)
            json_object_set_new(id, variables[i], url_without_secret(value));
    }
    return id;
}

/* Where a resolution of these requirements is kept; caller frees. */
static char *note_path(const struct ps_fetch *f)
{
    PS_AUTO_JSON json_t *wanted = ps_json_from_strings(f->requirements);
    PS_AUTO_JSON json_t *id = NULL;
    char hex[PS_SHA256_HEX_SIZE];
    struct ps_sha256 digest;

    id = json_pack("{s:O, s:o, s:o}", "requirements", wanted, "index",
                   ps_index_identity(f->index), "python",
                   ps_python_identity(f->python));
    if (f->no_deps)
        json_object_set_new(id, "no_deps", json_true());
    digest = ps_json_digest(id);
    ps_sha256_hex(&digest, hex);
    return ps_format("%s/resolved/%s.json", f->cache_dir, hex);
}

static int note_files(struct ps_arena *arena, const struct ps_fetch *f,
                      const json_t *note, struct ps_wheel_set *out,
                      struct ps_error *err)
{
    const json_t *list = json_object_get(note, "files");
    size_t count = json_array_size(list);
    struct ps_wheel_file *files = ps_arena_alloc(arena, count, sizeof(*files));

    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        const char *name = NULL;
        const char *hex = NULL;

        if (ps_json_get_string(item, "name", &name, err) < 0 ||
            ps_json_get_string(item, "sha256", &hex, err) < 0 ||
            ps_sha256_parse(ps_str_from(hex), &files[i].sha256, err) < 0)
            return err->code;
        files[i].name = ps_arena_strdup(arena, name);
        files[i].path = house_path(arena, f, &files[i].sha256, name);
        if (access(files[i].path, R_OK) < 0)
            return ps_fail(err, PS_ENOTFOUND, "'%s' is gone", files[i].path);
    }
    *out = (struct ps_wheel_set){ .files = files, .count = count };
    return PS_OK;
}

bool ps_note_read(const char *path, uint64_t keep_s, json_t **out)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(NOTE_MAX);
    struct ps_error ignored = PS_ERROR_INIT;
    struct stat st;
    uint64_t now_s = ps_now_ms() / 1000;

    if (keep_s == 0 || stat(path, &st) < 0 ||
        (uint64_t)st.st_mtim.tv_sec + keep_s < now_s)
        return false;
    return ps_read_file_at(AT_FDCWD, path, &text, &ignored) == PS_OK &&
           ps_json_parse(ps_buf_str(&text), path, out, &ignored) == PS_OK;
}

void ps_note_write(const char *path, const json_t *note)
{
    PS_AUTO_FREE char *text = ps_json_canonical(note);
    PS_AUTO_FREE char *dir = ps_strdup(path);
    struct ps_error ignored = PS_ERROR_INIT;

    *strrchr(dir, '/') = '\0';
    if (ps_mkdirs(dir, 0700, &ignored) == PS_OK)
        (void)!ps_write_file_at(AT_FDCWD, path, text, strlen(text), 0600,
                                &ignored);
}

static bool note_read(struct ps_arena *arena, const struct ps_fetch *f,
                      const char *path, struct ps_wheel_set *out)
{
    PS_AUTO_JSON json_t *note = NULL;
    struct ps_error ignored = PS_ERROR_INIT;

    return ps_note_read(path, f->index->keep_s, &note) &&
           note_files(arena, f, note, out, &ignored) == PS_OK;
}

static void note_write(const char *path, const struct ps_wheel_set *set)
{
    PS_AUTO_JSON json_t *note =
        json_pack("{s:o}", "files", ps_wheel_set_json(set));

    ps_note_write(path, note);
}

static int fetch_now(struct ps_arena *arena, const struct ps_fetch *f,
                     struct ps_wheel_set *out, struct ps_error *err)
{
    PS_AUTO_FREE char *parent = ps_format("%s/tmp", f->cache_dir);
    PS_AUTO_FREE char *dest = NULL;
    struct ps_error ignored = PS_ERROR_INIT;
    int rc = ps_make_temp_dir(parent, "fetch-", &dest, err);

    if (rc < 0)
        return rc;
    rc = ps_pip_download(arena, f, dest, err);
    if (rc == PS_OK)
        rc = store_all(arena, f, dest, out, err);
    (void)!ps_remove_tree_at(AT_FDCWD, dest, &ignored);
    return rc;
}

int ps_fetch_wheels(struct ps_arena *arena, const struct ps_fetch *f,
                    struct ps_wheel_set *out, struct ps_error *err)
{
    PS_AUTO_FREE char *note = note_path(f);
    int rc = 0;

    for (size_t i = 0; f->requirements[i]; i++) {
        rc = ps_check_requirement(f->requirements[i], err);
        if (rc < 0)
            return rc;
    }
    if (!f->requirements[0]) {
        *out = (struct ps_wheel_set){ .count = 0 };
        return PS_OK;
    }
    if (note_read(arena, f, note, out))
        return PS_OK;
    rc = fetch_now(arena, f, out, err);
    if (rc == PS_OK)
        note_write(note, out);
    return rc;
}
