/* Sources that must have one of the hashes that a line gives. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/sdist.h"
#include "pkgsync/util.h"
#include "sync_private.h"
#include "warm_private.h"

#define ARCHIVE_MAX PS_GIB(4)

static int mismatch(const char *source, const struct ps_sha256 *sha256,
                    struct ps_error *err)
{
    PS_AUTO_FREE char *shown = ps_url_redact(source);
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(sha256, hex);
    return ps_fail(err, PS_EINTEGRITY,
                   "'%s' has the SHA-256 %s, which is none of those that "
                   "--hash gives",
                   shown, hex);
}

/* "#sha256=<hex>" at its end holds whoever opens it to what was seen. */
static const char *with_pin(struct ps_arena *arena, const char *source,
                            const struct ps_sha256 *sha256)
{
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(sha256, hex);
    return ps_arena_format(arena, "%s%csha256=%s", source,
                           strchr(source, '#') ? '&' : '#', hex);
}

static int pin_path(struct ps_collect *c, struct ps_sync_item *item,
                    struct ps_error *err)
{
    struct ps_sha256 sha256;
    struct stat st;
    int rc = PS_OK;

    if (stat(item->source, &st) == 0 && !S_ISREG(st.st_mode))
        return ps_fail(err, PS_EINVALID,
                       "'%s' is no archive: a directory has no --hash",
                       item->source);
    rc = ps_sha256_file(item->source, ARCHIVE_MAX, &sha256, NULL, err);
    if (rc < 0)
        return rc == PS_EINVALID
                   ? ps_fail(err, PS_EINTEGRITY, "'%s' cannot be hashed",
                             item->source)
                   : rc;
    if (!ps_hash_list_has(&item->hashes, &sha256))
        return mismatch(item->source, &sha256, err);
    item->source = with_pin(c->arena, item->source, &sha256);
    return PS_OK;
}

/* Fetched to `path`, which is then moved to the place of its hash. */
static int fetch_archive(struct ps_collect *c, struct ps_sync_item *item,
                         const char *path, const char *name,
                         struct ps_error *err)
{
    PS_AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    PS_AUTO_FREE char *dir = NULL;
    struct ps_sha256 sha256;
    char hex[PS_SHA256_HEX_SIZE];
    int rc = fd < 0 ? ps_fail_errno(err, errno, "create '%s'", path)
                    : ps_location_get(c->o->locations, item->source, true, fd,
                                      ARCHIVE_MAX, err);

    if (rc == PS_OK)
        rc = ps_sha256_file(path, ARCHIVE_MAX, &sha256, NULL, err);
    if (rc < 0)
        return rc;
    if (!ps_hash_list_has(&item->hashes, &sha256))
        return mismatch(item->source, &sha256, err);
    ps_sha256_hex(&sha256, hex);
    dir = ps_format("%s/sdists/%s", c->o->pipeline->dirs->cache, hex);
    rc = ps_mkdirs(dir, 0700, err);
    if (rc < 0)
        return rc;
    item->source = ps_arena_format(c->arena, "%s/%s", dir, name);
    if (rename(path, item->source) < 0)
        return ps_fail_errno(err, errno, "move '%s'", path);
    item->source = with_pin(c->arena, item->source, &sha256);
    return PS_OK;
}

/* Of several hashes only the file tells which it is. */
static int pin_by_download(struct ps_collect *c, struct ps_sync_item *item,
                           struct ps_error *err)
{
    PS_AUTO_FREE char *parent =
        ps_format("%s/tmp", c->o->pipeline->dirs->cache);
    PS_AUTO_FREE char *temp = NULL;
    PS_AUTO_FREE char *path = NULL;
    struct ps_str place = ps_str_from(item->source);
    struct ps_error ignored = PS_ERROR_INIT;
    const char *name = NULL;
    int rc = PS_OK;

    place = ps_str_first(place, strcspn(item->source, "?#"));
    name = ps_arena_dup(c->arena, place);
    name = strrchr(name, '/') + 1;
    if (!ps_sdist_is_name(ps_str_from(name)))
        return ps_fail(err, PS_EINVALID, "'%s' is not an archive's name", name);
    rc = ps_make_temp_dir(parent, "pin-", &temp, err);
    if (rc < 0)
        return rc;
    path = ps_format("%s/%s", temp, name);
    rc = fetch_archive(c, item, path, name, err);
    (void)!ps_remove_tree_at(AT_FDCWD, temp, &ignored);
    return rc;
}

static int pin_url(struct ps_collect *c, struct ps_sync_item *item,
                   struct ps_error *err)
{
    const char *given = strchr(item->source, '#');
    struct ps_sha256 sha256;
    int rc = PS_OK;

    given = given ? strstr(given, "sha256=") : NULL;
    if (!given && item->hashes.count > 1)
        return pin_by_download(c, item, err);
    if (!given) {
        item->source = with_pin(c->arena, item->source, &item->hashes.items[0]);
        return PS_OK;
    }
    given += strlen("sha256=");
    rc = ps_sha256_parse(ps_str_first(ps_str_from(given), strcspn(given, "&")),
                         &sha256, err);
    if (rc < 0)
        return rc;
    return ps_hash_list_has(&item->hashes, &sha256)
               ? PS_OK
               : mismatch(item->source, &sha256, err);
}

int ps_pin_source(struct ps_collect *c, struct ps_sync_item *item,
                  struct ps_error *err)
{
    struct ps_str source = ps_str_from(item->source);

    if (ps_str_starts(source, "file://")) {
        item->source = item->source + strlen("file://");
        source = ps_str_from(item->source);
    }
    if (!ps_is_address(source))
        return pin_path(c, item, err);
    if (ps_str_starts(source, "git+"))
        return ps_fail(err, PS_EINVALID,
                       "a repository has no --hash: name the commit, "
                       "git+URL@COMMIT");
    /* A wheel is looked at when it is there. */
    if (ps_sync_is_wheel(item->source))
        return PS_OK;
    return pin_url(c, item, err);
}
