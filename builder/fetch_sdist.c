/* The sdist of a requirement that the index has no wheel of. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build_private.h"
#include "fetch_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/sdist.h"
#include "pkgsync/util.h"

#define FIND_LIMIT_MS ((uint64_t)10 * 60 * 1000)
#define NO_SDIST_STATUS 4
#define SDIST_MAX (UINT64_C(2) << 30)

extern const char ps_find_sdist_py[]; /* scripts/find_sdist.py */

/* What is wanted, and where it is put at first. */
struct wanted {
    const struct ps_fetch *f;
    const char *requirement;
    const struct ps_hash_list *hashes; /* NULL: any */
    const char *dest;
};

static int find(struct ps_arena *arena, const struct wanted *w,
                struct ps_buf *name, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf question = PS_BUF_INIT(PS_MIB(1));
    const char *args[] = { w->dest, NULL, NULL };
    struct ps_pip_script script = {
        .code = ps_find_sdist_py,
        .args = args,
        .cwd = w->dest,
        .limit_ms = FIND_LIMIT_MS,
        .expected = NO_SDIST_STATUS,
        .what =
            ps_arena_format(arena, "find the sdist of '%s'", w->requirement),
    };
    int status = 0;
    int rc = PS_OK;

    ps_add_question(&question, w->requirement, w->hashes);
    args[1] = ps_buf_z(&question);
    rc = ps_pip_script(arena, w->f, &script, name, &status, err);
    if (rc == PS_OK && status == NO_SDIST_STATUS)
        return ps_fail(err, PS_ENOTFOUND,
                       "the index has neither a wheel nor a source "
                       "distribution of '%s' for this interpreter",
                       w->requirement);
    return rc;
}

/* Give the file its place, by its hash. */
static int keep(struct ps_arena *arena, const struct wanted *w,
                struct ps_str name, const char **path, struct ps_error *err)
{
    PS_AUTO_FREE char *from = ps_format("%s/%.*s", w->dest, PS_STR_FMT(name));
    PS_AUTO_FREE char *dir = NULL;
    struct ps_sha256 digest;
    char hex[PS_SHA256_HEX_SIZE];
    int rc = PS_OK;

    if (name.len == 0 || memchr(name.data, '/', name.len) ||
        !ps_sdist_is_name(name))
        return ps_fail(err, PS_EINVALID,
                       "'%.*s' from the index is not an sdist's name",
                       PS_STR_FMT(name));
    rc = ps_sha256_file(from, SDIST_MAX, &digest, NULL, err);
    if (rc < 0)
        return rc;
    if (w->hashes && !ps_hash_list_has(w->hashes, &digest))
        return ps_fail(err, PS_EINTEGRITY,
                       "'%.*s' of the index has none of the hashes that are "
                       "asked for",
                       PS_STR_FMT(name));
    ps_sha256_hex(&digest, hex);
    dir = ps_format("%s/sdists/%s", w->f->cache_dir, hex);
    rc = ps_mkdirs(dir, 0700, err);
    if (rc < 0)
        return rc;
    *path = ps_arena_format(arena, "%s/%.*s", dir, PS_STR_FMT(name));
    if (rename(from, *path) < 0)
        return ps_fail_errno(err, errno, "move '%s'", from);
    return PS_OK;
}

int ps_fetch_sdist(struct ps_arena *arena, const struct ps_fetch *f,
                   const char *requirement, const struct ps_hash_list *hashes,
                   const char **path, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf name = PS_BUF_INIT(4096);
    PS_AUTO_FREE char *parent = ps_format("%s/tmp", f->cache_dir);
    PS_AUTO_FREE char *dest = NULL;
    struct wanted w = { .f = f, .requirement = requirement, .hashes = hashes };
    struct ps_error ignored = PS_ERROR_INIT;
    int rc = ps_check_requirement(requirement, err);

    if (rc == PS_OK)
        rc = ps_make_temp_dir(parent, "sdist-", &dest, err);
    if (rc < 0)
        return rc;
    w.dest = dest;
    rc = find(arena, &w, &name, err);
    if (rc == PS_OK)
        rc = keep(arena, &w, ps_str_trim(ps_buf_str(&name)), path, err);
    (void)!ps_remove_tree_at(AT_FDCWD, dest, &ignored);
    return rc;
}
