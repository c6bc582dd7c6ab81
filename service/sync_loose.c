/*
 * The wheel of loose modules.
 *
 * <state>/loose/<digest of their content> holds the hash of the wheel that was
 * packed of it, so that modules that did not change are neither read nor
 * packed again.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/pack.h"
#include "sync_private.h"

#define NOTE_MAX ((size_t)256)

/* The tag of what was compiled on this very machine: "cp311-cp311-linux_..."
 */
static const char *native_tag(const struct ps_python *python)
{
    for (const char *const *tag = python->tags; tag && *tag; tag++) {
        const char *platform = strrchr(*tag, '-');

        if (platform && strncmp(platform, "-linux_", 7) == 0)
            return *tag;
    }
    return NULL;
}

static struct ps_pack_options pack_options(struct ps_sync_work *w)
{
    const struct ps_loose *loose = w->item->loose;
    struct ps_pack_file *files =
        ps_arena_alloc(w->arena, loose->count, sizeof(*files));

    for (size_t i = 0; i < loose->count; i++)
        files[i] = (struct ps_pack_file){ .path = loose->files[i].path,
                                          .name = loose->files[i].name };
    return (struct ps_pack_options){
        .files = files,
        .count = loose->count,
        .native_tag = native_tag(w->o->python),
        .cache_dir = ps_arena_format(w->arena, "%s/stat", w->o->dirs->cache),
        .cancel = w->o->cancel,
    };
}

static char *note_path(const struct ps_sync_work *w,
                       const struct ps_sha256 *digest)
{
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(digest, hex);
    return ps_format("%s/loose/%s", w->o->dirs->state, hex);
}

static int try_known(struct ps_sync_work *w, const struct ps_pack_plan *plan,
                     bool *there, struct ps_error *err)
{
    PS_AUTO_FREE char *note = note_path(w, &plan->digest);
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(NOTE_MAX);
    struct ps_error none = PS_ERROR_INIT;
    struct ps_sha256 sha256;

    if (w->o->rebuild || ps_read_file_at(AT_FDCWD, note, &text, &none) < 0 ||
        ps_sha256_parse(ps_str_trim(ps_buf_str(&text)), &sha256, &none) < 0)
        return PS_OK;
    return ps_sync_known(w, &sha256, 0, plan->file_name, there, err);
}

/* Not being able to note it costs time, nothing else. */
static void note(const struct ps_sync_work *w, const struct ps_sha256 *digest,
                 const struct ps_sha256 *sha256)
{
    PS_AUTO_FREE char *dir = ps_format("%s/loose", w->o->dirs->state);
    PS_AUTO_FREE char *path = note_path(w, digest);
    struct ps_error ignored = PS_ERROR_INIT;
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(sha256, hex);
    if (ps_mkdirs(dir, 0700, &ignored) == PS_OK)
        (void)!ps_write_file_at(AT_FDCWD, path, hex, strlen(hex), 0600,
                                &ignored);
}

static int pack(struct ps_sync_work *w, const struct ps_pack_options *options,
                struct ps_error *err)
{
    PS_AUTO_FREE char *parent = ps_format("%s/tmp", w->o->dirs->cache);
    PS_AUTO_FREE char *temp = NULL;
    PS_AUTO_FD int dir = -1;
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_wheel_info info = { .size = 0 };
    struct ps_pack_plan plan;
    int rc = ps_make_temp_dir(parent, "loose-", &temp, err);

    if (rc < 0)
        return rc;
    ps_sync_phase(w, "pack");
    rc = ps_open_dir(temp, false, &dir, err);
    if (rc == PS_OK)
        rc = ps_pack_wheel(w->arena, options, dir, &info, err);
    if (rc == PS_OK)
        rc = ps_sync_keep(w, dir, &info, err);
    /* What was packed may be newer than what was looked at before. */
    if (rc == PS_OK &&
        ps_pack_plan(w->arena, options, &plan, &ignored) == PS_OK &&
        strcmp(plan.file_name, info.file_name) == 0) {
        w->result->key = plan.digest;
        note(w, &plan.digest, &info.sha256);
    }
    (void)!ps_remove_tree_at(AT_FDCWD, temp, &ignored);
    return rc;
}

int ps_sync_pack_loose(struct ps_sync_work *w, struct ps_error *err)
{
    const struct ps_pack_options options = pack_options(w);
    struct ps_pack_plan plan;
    bool there = false;
    int rc = PS_OK;

    ps_sync_phase(w, "resolve");
    rc = ps_pack_plan(w->arena, &options, &plan, err);
    if (rc < 0)
        return rc;
    w->result->key = plan.digest;
    rc = try_known(w, &plan, &there, err);
    return rc < 0 || there ? rc : pack(w, &options, err);
}
