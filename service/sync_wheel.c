/* Wheels that are wheels already, by path or URL. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/install.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "pkgsync/wheel.h"
#include "sync_private.h"

#define WHEEL_MAX PS_GIB(4)

struct wheel_source {
    const char *place;     /* without the fragment */
    const char *file_name; /* its last part, decoded */
    bool has_sha256;
    struct ps_sha256 sha256;
};

static bool is_url(const char *text)
{
    return strncmp(text, "https://", 8) == 0 ||
           strncmp(text, "http://", 7) == 0;
}

/* Percent-encoded, as the last part of a URL is; in the arena. */
static const char *decode(struct ps_arena *arena, struct ps_str text)
{
    char *out = ps_arena_dup(arena, text);
    char *to = out;

    for (const char *p = out; *p; p++) {
        int high = p[0] == '%' ? ps_hex_digit(p[1]) : -1;
        int low = high >= 0 ? ps_hex_digit(p[2]) : -1;

        if (low >= 0) {
            *to++ = (char)(high * 16 + low);
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
    return out;
}

static int split_source(struct ps_arena *arena, const char *text,
                        struct wheel_source *out, struct ps_error *err)
{
    struct ps_str fragment = ps_str_from(text);
    struct ps_str place;
    struct ps_str name;
    struct ps_str path;
    bool more = ps_str_cut(&fragment, '#', &place);

    *out = (struct wheel_source){ .has_sha256 = false };
    if (ps_str_starts(place, "file://"))
        place = ps_str_from(decode(arena, ps_str_skip(place, 7)));
    out->place = ps_arena_dup(arena, place);
    name = place;
    if (is_url(out->place)) {
        (void)ps_str_cut(&name, '?', &path);
        name = path;
    }
    path = name;
    (void)ps_str_cut_last(&path, '/', &name);
    name = path.len > 0 ? path : name;
    out->file_name =
        is_url(out->place) ? decode(arena, name) : ps_arena_dup(arena, name);
    while (more) {
        struct ps_str item;

        more = ps_str_cut(&fragment, '&', &item);
        if (!ps_str_starts(item, "sha256="))
            continue;
        if (ps_sha256_parse(ps_str_skip(item, 7), &out->sha256, err) < 0)
            return err->code;
        out->has_sha256 = true;
    }
    return PS_OK;
}

bool ps_sync_is_wheel(const char *source)
{
    struct ps_str rest = ps_str_from(source);
    struct ps_str place;
    struct ps_str path;

    if (strncmp(source, "git+", 4) == 0)
        return false;
    (void)ps_str_cut(&rest, '#', &place);
    path = place;
    if (is_url(source))
        (void)ps_str_cut(&place, '?', &path);
    return ps_str_ends(path, ".whl");
}

/* The person's pip follows redirects, and knows certificates, proxies and the
 * credentials that a URL of an installed archive no longer has. */
static int download_by_pip(struct ps_sync_work *w,
                           const struct wheel_source *source, const char **path,
                           struct ps_error *err)
{
    struct ps_wheel_name name;
    struct ps_wheel_set set = { .count = 0 };
    char hex[PS_SHA256_HEX_SIZE] = "";
    struct ps_index index = { .keep_s = w->o->index->keep_s };
    const char *wanted[2] = { NULL, NULL };
    struct ps_fetch fetch = {
        .requirements = wanted,
        .index = &index,
        .python = w->o->python,
        .cache_dir = w->o->dirs->cache,
        .no_deps = true,
        .cancel = w->o->cancel,
    };
    int rc = ps_wheel_name_parse(ps_str_from(source->file_name), &name, err);

    if (rc < 0)
        return rc;
    if (source->has_sha256)
        ps_sha256_hex(&source->sha256, hex);
    wanted[0] =
        ps_arena_format(w->arena, "%.*s @ %s%s%s", PS_STR_FMT(name.name),
                        source->place, hex[0] ? "#sha256=" : "", hex);
    rc = ps_fetch_wheels(w->arena, &fetch, &set, err);
    if (rc == PS_OK && set.count != 1)
        rc = ps_fail(err, PS_EINTERNAL, "pip fetched %zu files for one URL",
                     set.count);
    if (rc == PS_OK)
        *path = set.files[0].path;
    return rc;
}

/* Into the directory `temp`, under its own name. */
static int download_plainly(struct ps_sync_work *w,
                            const struct wheel_source *source, const char *temp,
                            const char **path, struct ps_error *err)
{
    const struct ps_location_options options = { .uploader = w->o->uploader,
                                                 .cancel = w->o->cancel };
    struct ps_locations *locations = ps_locations_new(&options);
    const char *to =
        ps_arena_format(w->arena, "%s/%s", temp, source->file_name);
    PS_AUTO_FD int fd = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int rc = fd < 0 ? ps_fail_errno(err, errno, "create '%s'", to)
                    : ps_location_get(locations, source->place,
                                      source->has_sha256, fd, WHEEL_MAX, err);

    ps_locations_free(locations);
    *path = to;
    return rc;
}

static int verify_and_keep(struct ps_sync_work *w,
                           const struct wheel_source *source, const char *path,
                           struct ps_error *err)
{
    const struct ps_wheel_expect expect = { .name = w->item->name,
                                            .tags = w->o->python->tags };
    PS_AUTO_FREE char *dir = ps_strdup(path);
    PS_AUTO_FD int fd = -1;
    char *slash = strrchr(dir, '/');
    struct ps_wheel_info info = { .size = 0 };
    int rc = PS_OK;

    *slash = '\0';
    ps_sync_phase(w, "verify");
    rc = ps_open_dir(dir[0] ? dir : "/", false, &fd, err);
    if (rc == PS_OK)
        rc = ps_wheel_verify(w->arena, fd, slash + 1, &expect, &info, err);
    if (rc < 0)
        return rc;
    if (source->has_sha256 && !ps_sha256_equal(&source->sha256, &info.sha256)) {
        char hex[PS_SHA256_HEX_SIZE];

        ps_sha256_hex(&source->sha256, hex);
        return ps_fail(err, PS_EINTEGRITY,
                       "'%s' does not have the SHA-256 %s that it was "
                       "installed with; install it again",
                       w->result->source, hex);
    }
    if (!ps_hash_list_has(&w->item->hashes, &info.sha256))
        return ps_fail(err, PS_EINTEGRITY,
                       "'%s' has none of the hashes that --hash gives",
                       w->result->source);
    return ps_sync_keep(w, fd, &info, err);
}

static int fetch_and_keep(struct ps_sync_work *w,
                          const struct wheel_source *source,
                          struct ps_error *err)
{
    PS_AUTO_FREE char *parent = ps_format("%s/tmp", w->o->dirs->cache);
    PS_AUTO_FREE char *temp = NULL;
    struct ps_error ignored = PS_ERROR_INIT;
    const char *path = NULL;
    int rc = ps_make_temp_dir(parent, "url-", &temp, err);

    if (rc < 0)
        return rc;
    ps_sync_phase(w, "download");
    rc = strncmp(source->place, "https://", 8) == 0
             ? download_by_pip(w, source, &path, err)
             : download_plainly(w, source, temp, &path, err);
    if (rc == PS_OK)
        rc = verify_and_keep(w, source, path, err);
    (void)!ps_remove_tree_at(AT_FDCWD, temp, &ignored);
    return rc;
}

int ps_sync_take_wheel(struct ps_sync_work *w, struct ps_error *err)
{
    struct wheel_source source;
    struct ps_wheel_name name;
    PS_AUTO_FREE char *real = NULL;
    bool there = false;
    int rc = split_source(w->arena, w->item->source, &source, err);

    /* Its name becomes that of a file: not before it has been looked at. */
    if (rc == PS_OK)
        rc = ps_wheel_name_parse(ps_str_from(source.file_name), &name, err);
    if (rc == PS_OK && source.has_sha256 &&
        !ps_hash_list_has(&w->item->hashes, &source.sha256))
        rc = ps_fail(err, PS_EINTEGRITY,
                     "the #sha256= of '%s' is none of the hashes that --hash "
                     "gives",
                     w->result->source);
    if (rc == PS_OK && source.has_sha256 && !w->o->rebuild)
        rc = ps_sync_known(w, &source.sha256, 0, source.file_name, &there, err);
    if (rc < 0 || there)
        return rc;
    if (is_url(source.place))
        return fetch_and_keep(w, &source, err);
    rc = ps_real_path(source.place, &real, err);
    return rc < 0 ? rc : verify_and_keep(w, &source, real, err);
}
