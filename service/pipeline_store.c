/* Between a wheel on disk, the local store, and the one it is uploaded to. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipeline_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/wheel.h"

#define WHEEL_MAX (UINT64_C(4) << 30)
#define WHEEL_TYPE "application/zip"
#define RECORD_MAX ((size_t)1024 * 1024)
#define RECORD_TYPE "application/json"

static const struct ps_cancel *token(const struct ps_work *w)
{
    return w->beat ? &w->beat->cancel : w->p->o->cancel;
}

/* Where the local store keeps it; in the arena of the work. */
static const char *local_path(struct ps_work *w, const char *key)
{
    return ps_arena_format(&w->arena, "%s/store/%s", w->p->o->dirs->data, key);
}

int ps_work_keep(struct ps_work *w, int dir, const char *file_name,
                 const struct ps_sha256 *sha256, uint64_t size,
                 struct ps_error *err)
{
    PS_AUTO_FREE char *key = ps_store_wheel_key(sha256, file_name);
    PS_AUTO_FD int fd = -1;
    struct ps_object object = {
        .key = key, .content_type = WHEEL_TYPE, .size = size, .sha256 = *sha256
    };
    int rc = ps_open_regular_at(dir, file_name, &fd, NULL, err);

    if (rc < 0)
        return rc;
    object.fd = fd;
    return ps_store_put(w->p->o->local, &object, NULL, NULL, token(w), NULL,
                        err);
}

/*
 * Which record belongs to a request: <state>/records/<request key> holds the
 * build key, which an upload by a later run does not know.
 */
static char *record_note(const struct ps_work *w)
{
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&w->key, hex);
    return ps_format("%s/records/%s", w->p->o->dirs->state, hex);
}

int ps_work_keep_record(struct ps_work *w, const struct ps_sha256 *build_key,
                        const char *text, struct ps_error *err)
{
    PS_AUTO_FREE char *dir = ps_format("%s/records", w->p->o->dirs->state);
    PS_AUTO_FREE char *note = record_note(w);
    PS_AUTO_FREE char *key = NULL;
    char hex[PS_SHA256_HEX_SIZE];
    int rc = PS_OK;

    ps_sha256_hex(build_key, hex);
    key = ps_format("builds/%s.json", hex);
    rc = ps_store_put_bytes(w->p->o->local, key, RECORD_TYPE, text,
                            strlen(text), token(w), NULL, err);
    if (rc == PS_OK)
        rc = ps_mkdirs(dir, 0700, err);
    if (rc == PS_OK)
        rc = ps_write_file_at(AT_FDCWD, note, key, strlen(key), 0600, err);
    return rc;
}

/* After the wheel: a record never names what is not there. */
static int upload_record(struct ps_work *w, struct ps_error *err)
{
    PS_AUTO_FREE char *note = record_note(w);
    PS_AUTO_BUF struct ps_buf key = PS_BUF_INIT(RECORD_MAX);
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(RECORD_MAX);
    PS_AUTO_FREE char *name = NULL;
    struct ps_error none = PS_ERROR_INIT;

    /* A wheel that came from a store has its record there. */
    if (ps_read_file_at(AT_FDCWD, note, &key, &none) < 0)
        return PS_OK;
    name = ps_str_dup(ps_buf_str(&key));
    if (ps_read_file_at(AT_FDCWD, local_path(w, name), &text, &none) < 0)
        return PS_OK;
    return ps_store_put_bytes(w->p->o->store, name, RECORD_TYPE, text.data,
                              text.len, token(w), NULL, err);
}

static void on_upload(uint64_t done, uint64_t total, void *user)
{
    struct ps_work *w = user;

    ps_work_event(w, (struct ps_event){ .kind = PS_EVENT_PROGRESS,
                                        .phase = "upload",
                                        .done = done,
                                        .total = total });
}

static int upload(struct ps_work *w, const char *key, const char *path,
                  const struct ps_artifact *a, struct ps_error *err)
{
    PS_AUTO_FD int fd = -1;
    struct ps_object object = { .key = key,
                                .content_type = WHEEL_TYPE,
                                .size = a->size,
                                .sha256 = a->sha256 };
    int rc = ps_open_regular_at(AT_FDCWD, path, &fd, NULL, err);

    if (rc < 0)
        return rc;
    object.fd = fd;
    ps_work_phase(w, "upload");
    return ps_store_put(w->p->o->store, &object, on_upload, w, token(w), NULL,
                        err);
}

/* The bytes are gone here but may be there: bring them back. */
static int fetch_back(struct ps_work *w, const char *key,
                      const struct ps_artifact *a, struct ps_error *err)
{
    PS_AUTO_FREE char *temp =
        ps_format("%s/wheel-XXXXXX", w->p->o->dirs->cache);
    PS_AUTO_FD int fd = mkostemp(temp, O_CLOEXEC);
    struct ps_object object = { .key = key,
                                .content_type = WHEEL_TYPE,
                                .fd = fd,
                                .size = a->size,
                                .sha256 = a->sha256 };
    int rc = 0;

    if (fd < 0)
        return ps_fail_errno(err, errno, "create '%s'", temp);
    (void)unlink(temp);
    rc = ps_store_get(w->p->o->store, key, fd, a->size, token(w), NULL, err);
    if (rc == PS_OK)
        rc = ps_store_put(w->p->o->local, &object, NULL, NULL, token(w), NULL,
                          err);
    return rc;
}

static int ensure_local(struct ps_work *w, const char *key,
                        const struct ps_artifact *a, struct ps_error *err)
{
    struct ps_object_info info;
    int rc = ps_store_stat(w->p->o->local, key, token(w), &info, err);

    if (rc < 0)
        return rc;
    if (info.exists && info.size == a->size)
        return PS_OK;
    /* Cut short by something outside of us: out of the way of a whole one. */
    if (info.exists && unlink(local_path(w, key)) < 0)
        return ps_fail_errno(err, errno, "remove the damaged '%s'",
                             local_path(w, key));
    if (!w->p->o->store || w->p->o->store == w->p->o->local)
        return ps_fail(err, PS_ENOTFOUND, "'%s' is gone from '%s'", key,
                       ps_store_location(w->p->o->local));
    return fetch_back(w, key, a, err);
}

static int ensure_uploaded(struct ps_work *w, const char *key,
                           const struct ps_artifact *a, struct ps_error *err)
{
    struct ps_store *store = w->p->o->store;
    struct ps_object_info info = { .exists = false };
    int rc = PS_OK;

    if (store == w->p->o->local)
        return PS_OK;
    /* A wheel just built is new: asking first would cost a round trip. */
    if (!w->beat) {
        ps_work_phase(w, "upload");
        rc = ps_store_stat(store, key, token(w), &info, err);
    }
    if (rc == PS_OK && (!info.exists || info.size != a->size)) {
        rc = upload(w, key, local_path(w, key), a, err);
        if (rc == PS_OK)
            rc = upload_record(w, err);
    }
    return rc < 0 ? ps_context(err, "upload to '%s'", ps_store_location(store))
                  : PS_OK;
}

static void fill_names(struct ps_work *w, const struct ps_artifact *a)
{
    struct ps_wheel_name name;
    struct ps_error ignored = PS_ERROR_INIT;

    w->result.file_name = ps_arena_strdup(&w->arena, a->name);
    if (ps_wheel_name_parse(ps_str_from(a->name), &name, &ignored) < 0)
        return;
    w->result.name = ps_normalize_name(&w->arena, name.name);
    w->result.version = ps_arena_dup(&w->arena, name.version);
}

/* A wheel that is known already may have been built under another name than
 * the one that is asked for now (`#egg=`). */
static int check_name(struct ps_work *w, struct ps_error *err)
{
    const char *wanted = w->build.expect_name;

    if (!wanted || !w->result.name ||
        strcmp(ps_normalize_name(&w->arena, ps_str_from(wanted)),
               w->result.name) == 0)
        return PS_OK;
    return ps_fail(err, PS_EINVALID, "'%s' is the project '%s', not '%s'",
                   w->result.source, w->result.name, wanted);
}

int ps_work_accept(struct ps_work *w, const struct ps_artifact *artifact,
                   enum ps_wheel_status status, bool *gone,
                   struct ps_error *err)
{
    PS_AUTO_FREE char *key =
        ps_store_wheel_key(&artifact->sha256, artifact->name);
    PS_AUTO_FREE char *url = NULL;
    struct ps_store *shown = w->p->o->store ? w->p->o->store : w->p->o->local;
    int rc = ensure_local(w, key, artifact, err);

    *gone = rc == PS_ENOTFOUND;
    fill_names(w, artifact);
    if (rc == PS_OK)
        rc = check_name(w, err);
    if (rc == PS_OK && w->p->o->store)
        rc = ensure_uploaded(w, key, artifact, err);
    if (rc < 0)
        return rc;
    url = ps_store_object_url(shown, key);
    w->result.status = status;
    w->result.uploaded = w->p->o->store != NULL;
    w->result.path = local_path(w, key);
    w->result.url = ps_arena_strdup(&w->arena, url);
    w->result.sha256 = artifact->sha256;
    w->result.size = artifact->size;
    return PS_OK;
}
