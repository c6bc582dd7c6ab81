/* Wheels that need no build, into the stores and out of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "pkgsync/util.h"
#include "pkgsync/wheel.h"
#include "sync_private.h"

#define WHEEL_MAX PS_GIB(4)
#define WHEEL_TYPE "application/zip"

void ps_sync_phase(struct ps_sync_work *w, const char *phase)
{
    w->result->phase = phase;
    if (w->o->event)
        w->o->event(&(struct ps_event){ .kind = PS_EVENT_PHASE,
                                        .index = w->index,
                                        .source = w->result->source,
                                        .phase = phase },
                    w->o->user);
}

static void on_upload(uint64_t done, uint64_t total, void *user)
{
    struct ps_sync_work *w = user;

    if (w->o->event)
        w->o->event(&(struct ps_event){ .kind = PS_EVENT_PROGRESS,
                                        .index = w->index,
                                        .source = w->result->source,
                                        .phase = "upload",
                                        .done = done,
                                        .total = total },
                    w->o->user);
}

static const char *local_path(const struct ps_sync_work *w, const char *key)
{
    return ps_arena_format(w->arena, "%s/store/%s", w->o->dirs->data, key);
}

static struct ps_object object_of(const char *key, int fd,
                                  const struct ps_sha256 *sha256, uint64_t size)
{
    return (struct ps_object){ .key = key,
                               .content_type = WHEEL_TYPE,
                               .fd = fd,
                               .size = size,
                               .sha256 = *sha256 };
}

/* From the local store to the other one, unless it has it. */
static int upload(struct ps_sync_work *w, const char *key,
                  const struct ps_sha256 *sha256, uint64_t size,
                  struct ps_error *err)
{
    struct ps_store *store = w->o->store;
    struct ps_object_info info = { .exists = false };
    PS_AUTO_FD int fd = -1;
    int rc = PS_OK;

    if (!store || store == w->o->local)
        return PS_OK;
    ps_sync_phase(w, "upload");
    rc = ps_store_stat(store, key, w->o->cancel, &info, err);
    if (rc == PS_OK && (!info.exists || info.size != size)) {
        rc = ps_open_regular_at(AT_FDCWD, local_path(w, key), &fd, NULL, err);
        if (rc == PS_OK) {
            struct ps_object object = object_of(key, fd, sha256, size);

            rc = ps_store_put(store, &object, on_upload, w, w->o->cancel, NULL,
                              err);
        }
    }
    return rc < 0 ? ps_context(err, "upload to '%s'", ps_store_location(store))
                  : PS_OK;
}

static int check_name(const struct ps_sync_work *w, struct ps_str name,
                      struct ps_error *err)
{
    if (!w->item->name || ps_name_equal(ps_str_from(w->item->name), name))
        return PS_OK;
    return ps_fail(err, PS_EINVALID, "'%s' is the project '%.*s', not '%s'",
                   w->result->source, PS_STR_FMT(name), w->item->name);
}

/* It is in the local store: upload it, and say so. */
static int finish(struct ps_sync_work *w, const struct ps_sha256 *sha256,
                  uint64_t size, const char *file_name, struct ps_error *err)
{
    PS_AUTO_FREE char *key = ps_store_wheel_key(sha256, file_name);
    PS_AUTO_FREE char *url = NULL;
    struct ps_store *shown = w->o->store ? w->o->store : w->o->local;
    struct ps_wheel_result *r = w->result;
    struct ps_wheel_name name = { .name = { .len = 0 } };
    int rc = ps_wheel_name_parse(ps_str_from(file_name), &name, err);

    if (rc == PS_OK)
        rc = check_name(w, name.name, err);
    if (rc == PS_OK)
        rc = upload(w, key, sha256, size, err);
    if (rc < 0)
        return rc;
    url = ps_store_object_url(shown, key);
    r->name = ps_normalize_name(w->arena, name.name);
    r->version = ps_arena_dup(w->arena, name.version);
    r->file_name = ps_arena_strdup(w->arena, file_name);
    r->uploaded = w->o->store != NULL;
    r->path = local_path(w, key);
    r->url = ps_arena_strdup(w->arena, url);
    r->sha256 = *sha256;
    r->size = size;
    return PS_OK;
}

/* Only the other store has it: bring it back. */
static int fetch_back(struct ps_sync_work *w, const char *key,
                      const struct ps_sha256 *sha256, uint64_t size,
                      struct ps_error *err)
{
    PS_AUTO_FREE char *temp = ps_format("%s/wheel-XXXXXX", w->o->dirs->cache);
    PS_AUTO_FD int fd = mkostemp(temp, O_CLOEXEC);
    struct ps_object object = object_of(key, fd, sha256, size);
    int rc = PS_OK;

    if (fd < 0)
        return ps_fail_errno(err, errno, "create '%s'", temp);
    (void)unlink(temp);
    ps_sync_phase(w, "download");
    rc = ps_store_get(w->o->store, key, fd, size, w->o->cancel, NULL, err);
    if (rc == PS_OK)
        rc = ps_store_put(w->o->local, &object, NULL, NULL, w->o->cancel, NULL,
                          err);
    return rc;
}

/* Cut short or changed by something outside of us?  Then out of the way. */
static int look_local(struct ps_sync_work *w, const char *key,
                      const struct ps_sha256 *sha256, uint64_t size,
                      struct ps_object_info *info, struct ps_error *err)
{
    struct ps_error none = PS_ERROR_INIT;
    struct ps_sha256 found;
    bool is_whole = false;
    int rc = ps_store_stat(w->o->local, key, w->o->cancel, info, err);

    if (rc < 0 || !info->exists)
        return rc;
    is_whole = size > 0 ? info->size == size
                        : ps_sha256_file(local_path(w, key), WHEEL_MAX, &found,
                                         NULL, &none) == PS_OK &&
                              ps_sha256_equal(&found, sha256);
    if (is_whole)
        return PS_OK;
    info->exists = false;
    if (unlink(local_path(w, key)) < 0)
        return ps_fail_errno(err, errno, "remove the damaged '%s'",
                             local_path(w, key));
    return PS_OK;
}

int ps_sync_known(struct ps_sync_work *w, const struct ps_sha256 *sha256,
                  uint64_t size, const char *file_name, bool *there,
                  struct ps_error *err)
{
    PS_AUTO_FREE char *key = ps_store_wheel_key(sha256, file_name);
    struct ps_object_info info = { .exists = false };
    struct ps_store *store = w->o->store;
    int rc = look_local(w, key, sha256, size, &info, err);

    if (rc == PS_OK && !info.exists && store && store != w->o->local) {
        rc = ps_store_stat(store, key, w->o->cancel, &info, err);
        if (rc == PS_OK && info.exists)
            rc = fetch_back(w, key, sha256, info.size, err);
    }
    if (rc < 0 || !info.exists)
        return rc;
    *there = true;
    w->result->status = PS_WHEEL_HIT;
    return finish(w, sha256, info.size, file_name, err);
}

int ps_sync_keep(struct ps_sync_work *w, int dir,
                 const struct ps_wheel_info *info, struct ps_error *err)
{
    PS_AUTO_FREE char *key = ps_store_wheel_key(&info->sha256, info->file_name);
    PS_AUTO_FD int fd = -1;
    struct ps_object_info had = { .exists = false };
    struct ps_object object;
    bool existed = false;
    int rc = look_local(w, key, &info->sha256, info->size, &had, err);

    if (rc == PS_OK)
        rc = ps_open_regular_at(dir, info->file_name, &fd, NULL, err);
    if (rc < 0)
        return rc;
    object = object_of(key, fd, &info->sha256, info->size);
    rc = ps_store_put(w->o->local, &object, NULL, NULL, w->o->cancel, &existed,
                      err);
    if (rc < 0)
        return rc;
    w->result->status = existed ? PS_WHEEL_HIT : PS_WHEEL_BUILT;
    return finish(w, &info->sha256, info->size, info->file_name, err);
}
