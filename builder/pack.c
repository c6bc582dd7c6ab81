/*
 * A wheel of loose files, in this order: the files, sorted, then METADATA,
 * WHEEL and RECORD.  So each file is hashed while it is written, and what the
 * hashes give (version, RECORD) comes last, which is where the wheel format
 * wants .dist-info.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pack_private.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/name.h"
#include "pkgsync/pack.h"
#include "wheel_private.h"

#define PURE_TAG "py3-none-any"
#define TEMPORARY ".pkgsync-pack.tmp"

static void cleanup_pack(struct ps_pack *p)
{
    ps_stat_cache_release(&p->cache);
}

/* --- what is asked for -------------------------------------------------- */

static int compare_items(const void *a, const void *b)
{
    /* strcmp(3) is byte order, and names hold no NUL. */
    return strcmp(((const struct ps_pack_item *)a)->name.data,
                  ((const struct ps_pack_item *)b)->name.data);
}

/* "x.so", "libx.so.1": what one platform alone can load. */
static bool is_native(struct ps_str name)
{
    const char *at = strstr(name.data, ".so.");

    return ps_str_ends(name, ".so") ||
           (at && at[4] >= '0' && at[4] <= '9' && !strchr(at, '/'));
}

/* Names that can be unpacked anywhere, without meeting each other. */
static int check_names(struct ps_pack *p, struct ps_error *err)
{
    struct ps_zip zip = { .count = p->count };

    zip.members = ps_arena_alloc(p->arena, p->count, sizeof(*zip.members));
    for (size_t i = 0; i < p->count; i++) {
        zip.members[i].name = p->items[i].name;
        if (ps_zip_check_name(p->items[i].name, err) < 0)
            return ps_context(err, "'%s'", p->items[i].path);
        if (ps_str_ends(p->items[i].name, "/"))
            return ps_fail(err, PS_EINVALID, "'%s' is the name of a directory",
                           p->items[i].name.data);
    }
    return ps_zip_check_collisions(p->arena, &zip, err);
}

static int choose_tag(struct ps_pack *p, struct ps_error *err)
{
    for (size_t i = 0; i < p->count && !p->native; i++) {
        if (!is_native(p->items[i].name))
            continue;
        p->native = true;
        p->tag = p->options->native_tag;
        if (!p->tag)
            return ps_fail(err, PS_EINVALID,
                           "'%s' is a shared library, and no platform was "
                           "named that it is for",
                           p->items[i].path);
    }
    return PS_OK;
}

/* Both become lines of METADATA. */
static int check_texts(const struct ps_pack *p, struct ps_error *err)
{
    const char *python = p->options->requires_python;

    if (!ps_name_is_valid(ps_str_from(p->name)))
        return ps_fail(err, PS_EINVALID, "'%s' is no name of a distribution",
                       p->name);
    if (python && python[strspn(python, "0123456789abcdefghijklmnopqrstuvwxyz"
                                        ".,*+!=<>~ ")])
        return ps_fail(err, PS_EINVALID, "'%s' is no Requires-Python", python);
    return PS_OK;
}

/* The directory that a name is relative to; a stat cache is kept for each. */
static struct ps_str root_of(const struct ps_pack_item *item)
{
    struct ps_str path = ps_str_from(item->path);
    struct ps_str root = path;

    if (ps_str_ends(path, item->name.data))
        return ps_str_first(path, path.len - item->name.len);
    (void)ps_str_cut_last(&path, '/', &root);
    return root;
}

/* The first root in byte order stands for all, whatever files are new. */
static void open_cache(struct ps_pack *p)
{
    char *least = ps_arena_dup(p->arena, root_of(&p->items[0]));

    for (size_t i = 1; i < p->count; i++) {
        char *root = ps_arena_dup(p->arena, root_of(&p->items[i]));

        if (strcmp(root, least) < 0)
            least = root;
    }
    ps_stat_cache_init(
        &p->cache, p->options->cache_dir,
        ps_arena_format(p->arena, "%s packed as %s", least, p->name));
}

static int prepare(struct ps_pack *p, struct ps_error *err)
{
    const struct ps_pack_options *o = p->options;

    if (o->count == 0)
        return ps_fail(err, PS_EINVALID, "no files to pack");
    p->count = o->count;
    p->items = ps_arena_alloc(p->arena, p->count, sizeof(*p->items));
    for (size_t i = 0; i < p->count; i++) {
        p->items[i].path = o->files[i].path;
        p->items[i].name = ps_str_from(o->files[i].name);
    }
    qsort(p->items, p->count, sizeof(*p->items), compare_items);
    if (check_texts(p, err) < 0 || check_names(p, err) < 0 ||
        choose_tag(p, err) < 0)
        return err->code;
    open_cache(p);
    return PS_OK;
}

/* --- digest and version ------------------------------------------------- */

static void digest_text(struct ps_sha256_ctx *sha, const char *text)
{
    ps_sha256_update(sha, text, strlen(text) + 1);
}

/* Whatever decides the bytes of the wheel, compression aside. */
static void make_digest(struct ps_pack *p)
{
    PS_AUTO_SHA256 struct ps_sha256_ctx sha = { NULL };
    const char *python = p->options->requires_python;

    ps_sha256_init(&sha);
    digest_text(&sha, "pkgsync-pack 1");
    digest_text(&sha, p->name);
    digest_text(&sha, p->tag);
    digest_text(&sha, python ? python : "");
    for (size_t i = 0; i < p->count; i++) {
        const struct ps_pack_item *item = &p->items[i];

        digest_text(&sha, item->name.data);
        digest_text(&sha, item->content.executable ? "x" : "-");
        ps_sha256_update(&sha, item->content.sha256.bytes, PS_SHA256_SIZE);
    }
    ps_sha256_final(&sha, &p->plan.digest);
}

static void make_plan(struct ps_pack *p)
{
    struct ps_pack_plan *plan = &p->plan;
    char hex[PS_SHA256_HEX_SIZE];

    make_digest(p);
    ps_sha256_hex(&plan->digest, hex);
    plan->name = ps_arena_strdup(p->arena, p->name);
    plan->version = ps_arena_format(p->arena, "0+loose.x%.12s", hex);
    plan->file_name = ps_arena_format(p->arena, "%s-%s-%s.whl",
                                      ps_pack_escaped_name(p->arena, p->name),
                                      plan->version, p->tag);
}

/* From the stat cache, or by reading it. */
static int look_up(struct ps_pack *p, struct ps_pack_item *item,
                   struct ps_error *err)
{
    struct ps_pack_reader reader = { .cancel = p->options->cancel };
    struct ps_pack_content *c = &item->content;
    struct stat st = { 0 };

    if (stat(item->path, &st) < 0)
        return ps_fail_errno(err, errno, "stat '%s'", item->path);
    c->key = ps_stat_key_of(&st);
    c->size = c->key.size;
    c->executable = (st.st_mode & S_IXUSR) != 0;
    if (ps_stat_cache_find(&p->cache, item->name, &c->key, &c->sha256))
        return PS_OK;
    if (ps_pack_read(&reader, item->path, item->name, c, err) < 0)
        return err->code;
    ps_stat_cache_add(&p->cache, item->name, &c->key, &c->sha256);
    p->plan.files_read++;
    return PS_OK;
}

static struct ps_pack begin(struct ps_arena *arena,
                            const struct ps_pack_options *options)
{
    return (struct ps_pack){
        .arena = arena,
        .options = options,
        .name = options->name ? options->name : PS_PACK_NAME,
        .tag = PURE_TAG,
        .cache = { .dir = -1 },
    };
}

int ps_pack_plan(struct ps_arena *arena, const struct ps_pack_options *options,
                 struct ps_pack_plan *out, struct ps_error *err)
{
    PS_CLEANUP(cleanup_pack)
    struct ps_pack p = begin(arena, options);

    if (prepare(&p, err) < 0)
        return err->code;
    for (size_t i = 0; i < p.count; i++) {
        if (ps_cancel_check(options->cancel, err) < 0 ||
            look_up(&p, &p.items[i], err) < 0)
            return err->code;
    }
    ps_stat_cache_save(&p.cache);
    make_plan(&p);
    *out = p.plan;
    return PS_OK;
}

/* --- the wheel ---------------------------------------------------------- */

static int add_files(struct ps_pack *p, struct ps_zip_writer *zip,
                     struct ps_error *err)
{
    struct ps_pack_reader reader = { .cancel = p->options->cancel, .zip = zip };

    for (size_t i = 0; i < p->count; i++) {
        struct ps_pack_item *item = &p->items[i];

        if (ps_cancel_check(p->options->cancel, err) < 0 ||
            ps_pack_read(&reader, item->path, item->name, &item->content, err) <
                0)
            return err->code;
        ps_stat_cache_add(&p->cache, item->name, &item->content.key,
                          &item->content.sha256);
    }
    return PS_OK;
}

static int write_archive(struct ps_pack *p, int fd, struct ps_wheel_info *out,
                         struct ps_error *err)
{
    PS_AUTO_ZIP_WRITER struct ps_zip_writer zip = { .fd = -1 };

    ps_zip_writer_init(&zip, fd);
    if (add_files(p, &zip, err) < 0)
        return err->code;
    make_plan(p);
    if (ps_pack_add_info(p, &zip, err) < 0 || ps_zip_finish(&zip, err) < 0 ||
        ps_wheel_verify_fd(p->arena, fd, p->plan.file_name, NULL, out, err) < 0)
        return ps_context(err, "pack '%s'", p->plan.file_name);
    return PS_OK;
}

int ps_pack_wheel(struct ps_arena *arena, const struct ps_pack_options *options,
                  int out_dir, struct ps_wheel_info *out, struct ps_error *err)
{
    PS_CLEANUP(cleanup_pack)
    struct ps_pack p = begin(arena, options);
    PS_AUTO_FD int fd = -1;
    int rc = 0;

    if (prepare(&p, err) < 0)
        return err->code;
    fd =
        openat(out_dir, TEMPORARY, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return ps_fail_errno(err, errno, "create '%s'", TEMPORARY);
    rc = write_archive(&p, fd, out, err);
    if (rc == PS_OK &&
        renameat(out_dir, TEMPORARY, out_dir, p.plan.file_name) < 0)
        rc = ps_fail_errno(err, errno, "rename to '%s'", p.plan.file_name);
    if (rc < 0) {
        (void)unlinkat(out_dir, TEMPORARY, 0);
        return rc;
    }
    ps_stat_cache_save(&p.cache);
    return PS_OK;
}
