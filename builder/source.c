#include "pkgsync/source.h"

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
#include "pkgsync/project.h"
#include "pkgsync/sdist.h"

#define SDIST_MAX (UINT64_C(2) << 30)

/* A NULL-terminated list of both; in the arena. */
static const char *const *join(struct ps_arena *arena, const char *const *a,
                               const char *const *b)
{
    const char **list = NULL;
    size_t count = 1;
    size_t n = 0;

    for (size_t i = 0; a && a[i]; i++)
        count++;
    for (size_t i = 0; b && b[i]; i++)
        count++;
    list = ps_arena_alloc(arena, count, sizeof(*list));
    for (size_t i = 0; a && a[i]; i++)
        list[n++] = a[i];
    for (size_t i = 0; b && b[i]; i++)
        list[n++] = b[i];
    return list;
}

/* Rules of the tree: the project's own, then the person's. */
static int tree_options(struct ps_arena *arena, const struct ps_source *s,
                        const struct ps_source_context *c,
                        struct ps_tree_options *out, struct ps_error *err)
{
    struct ps_project project;
    int rc = ps_project_read(arena, s->path, c->build, &project, err);

    if (rc < 0)
        return rc;
    *out = (struct ps_tree_options){
        .include = join(arena, project.include, c->include),
        .exclude = join(arena, project.exclude, c->exclude),
        .cache_dir = ps_arena_format(arena, "%s/stat", c->build->cache_dir),
    };
    return PS_OK;
}

static int resolve_directory(struct ps_arena *arena, const struct ps_source *s,
                             const struct ps_source_context *c,
                             struct ps_resolved *out, struct ps_error *err)
{
    struct ps_tree_options options;
    struct ps_tree_info info;
    int rc = tree_options(arena, s, c, &options, err);

    if (rc == PS_OK)
        rc = ps_tree_digest(s->path, &options, c->build->cancel, &info, err);
    if (rc < 0)
        return rc;
    out->digest = info.digest;
    out->commit = info.commit[0] ? ps_arena_strdup(arena, info.commit) : NULL;
    out->time_s = info.commit_time_s;
    out->files = info.files;
    out->files_read = info.files_read;
    return PS_OK;
}

static struct ps_git_options git_options(struct ps_arena *arena,
                                         const struct ps_source_context *c)
{
    return (struct ps_git_options){
        .mirror_root = ps_arena_format(arena, "%s/git", c->build->cache_dir),
        .offline = c->offline,
        .progress = c->git_progress,
        .user = c->git_user,
    };
}

static int resolve_git(struct ps_arena *arena, const struct ps_source *s,
                       const struct ps_source_context *c,
                       struct ps_resolved *out, struct ps_error *err)
{
    struct ps_git_options options = git_options(arena, c);
    int rc = ps_git_resolve(arena, &s->git, &options, c->build->cancel,
                            &out->git, err);

    if (rc < 0)
        return rc;
    out->digest = out->git.digest;
    out->commit = out->git.id;
    out->time_s = out->git.time_s;
    return PS_OK;
}

static int check_sha256(const struct ps_source *s,
                        const struct ps_sha256 *actual, struct ps_error *err)
{
    char want[PS_SHA256_HEX_SIZE];
    char got[PS_SHA256_HEX_SIZE];

    if (!s->has_sha256 || ps_sha256_equal(&s->sha256, actual))
        return PS_OK;
    ps_sha256_hex(&s->sha256, want);
    ps_sha256_hex(actual, got);
    return ps_fail(err, PS_EINTEGRITY,
                   "'%s' has the SHA-256 %s, not %s as asked for", s->given,
                   got, want);
}

static int resolve_sdist(const struct ps_source *s, struct ps_resolved *out,
                         struct ps_error *err)
{
    int rc = ps_sha256_file(s->path, SDIST_MAX, &out->digest, NULL, err);

    if (rc == PS_OK)
        rc = check_sha256(s, &out->digest, err);
    out->archive = s->path;
    return rc;
}

/* Download to a temporary file, hash it, and give it its place. */
static int fetch_sdist(struct ps_arena *arena, const struct ps_source *s,
                       const struct ps_source_context *c, const char *dir,
                       struct ps_resolved *out, struct ps_error *err)
{
    const char *name = strrchr(s->given, '/') + 1;
    PS_AUTO_FREE char *temp = ps_format("%s/.new-XXXXXX", dir);
    PS_AUTO_FREE char *place = NULL;
    PS_AUTO_FD int fd = -1;
    char hex[PS_SHA256_HEX_SIZE];
    int rc = ps_mkdirs(dir, 0700, err);

    if (rc < 0)
        return rc;
    fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return ps_fail_errno(err, errno, "create a file in '%s'", dir);
    rc = c->download(s->url, fd, SDIST_MAX, c->build->cancel, c->download_user,
                     err);
    if (rc == PS_OK)
        rc = ps_sha256_file(temp, SDIST_MAX, &out->digest, NULL, err);
    if (rc == PS_OK)
        rc = check_sha256(s, &out->digest, err);
    if (rc == PS_OK) {
        ps_sha256_hex(&out->digest, hex);
        place = ps_format("%s/%s", dir, hex);
        rc = ps_mkdirs(place, 0700, err);
    }
    if (rc == PS_OK) {
        out->archive = ps_arena_format(arena, "%s/%s", place, name);
        if (rename(temp, out->archive) < 0)
            rc = ps_fail_errno(err, errno, "rename '%s'", temp);
    }
    if (rc < 0)
        (void)unlink(temp);
    return rc;
}

static int resolve_sdist_url(struct ps_arena *arena, const struct ps_source *s,
                             const struct ps_source_context *c,
                             struct ps_resolved *out, struct ps_error *err)
{
    const char *name = strrchr(s->given, '/') + 1;
    const char *dir = ps_arena_format(arena, "%s/sdists", c->build->cache_dir);

    if (s->has_sha256) {
        char hex[PS_SHA256_HEX_SIZE];

        ps_sha256_hex(&s->sha256, hex);
        out->archive = ps_arena_format(arena, "%s/%s/%s", dir, hex, name);
        out->digest = s->sha256;
        if (access(out->archive, R_OK) == 0)
            return PS_OK;
    }
    if (c->offline)
        return ps_fail(err, PS_EUNREACHABLE,
                       "'%s' is not in the cache, and the network is off",
                       s->given);
    return fetch_sdist(arena, s, c, dir, out, err);
}

int ps_source_resolve(struct ps_arena *arena, const struct ps_source *source,
                      const struct ps_source_context *context,
                      struct ps_resolved *out, struct ps_error *err)
{
    struct ps_resolved r = { .commit = NULL };
    int rc = PS_OK;

    switch (source->kind) {
    case PS_SOURCE_DIRECTORY:
    case PS_SOURCE_EDITABLE:
        rc = resolve_directory(arena, source, context, &r, err);
        break;
    case PS_SOURCE_GIT:
        rc = resolve_git(arena, source, context, &r, err);
        break;
    case PS_SOURCE_SDIST:
        rc = resolve_sdist(source, &r, err);
        break;
    case PS_SOURCE_SDIST_URL:
        rc = resolve_sdist_url(arena, source, context, &r, err);
        break;
    }
    if (rc == PS_OK)
        *out = r;
    return rc;
}

static int changed(const struct ps_source *s, struct ps_error *err)
{
    return ps_fail(err, PS_EBUSY,
                   "'%s' changed while it was being copied; try again when it "
                   "is at rest",
                   s->given);
}

static int copy_directory(struct ps_arena *arena, const struct ps_source *s,
                          const struct ps_resolved *r,
                          const struct ps_source_context *c, const char *dest,
                          struct ps_error *err)
{
    struct ps_tree_options options;
    struct ps_tree_info info;
    int rc = tree_options(arena, s, c, &options, err);

    if (rc == PS_OK)
        rc =
            ps_tree_copy(s->path, &options, c->build->cancel, dest, &info, err);
    if (rc < 0)
        return rc;
    return ps_sha256_equal(&info.digest, &r->digest) ? PS_OK : changed(s, err);
}

static int unpack_sdist(const struct ps_source *s, const struct ps_resolved *r,
                        const struct ps_source_context *c, const char *dest,
                        struct ps_error *err)
{
    struct ps_sha256 now;
    int rc = ps_sdist_unpack(r->archive, NULL, c->build->cancel, dest, err);

    /* After the unpacking: a file replaced before or during it is noticed. */
    if (rc == PS_OK)
        rc = ps_sha256_file(r->archive, SDIST_MAX, &now, NULL, err);
    if (rc < 0)
        return rc;
    return ps_sha256_equal(&now, &r->digest) ? PS_OK : changed(s, err);
}

int ps_source_materialize(struct ps_arena *arena,
                          const struct ps_source *source,
                          const struct ps_resolved *resolved,
                          const struct ps_source_context *context,
                          const char *dest, struct ps_error *err)
{
    struct ps_git_options options = git_options(arena, context);

    switch (source->kind) {
    case PS_SOURCE_DIRECTORY:
    case PS_SOURCE_EDITABLE:
        return copy_directory(arena, source, resolved, context, dest, err);
    case PS_SOURCE_GIT:
        return ps_git_checkout(&source->git, &resolved->git, &options,
                               context->build->cancel, dest, err);
    case PS_SOURCE_SDIST:
    case PS_SOURCE_SDIST_URL:
        return unpack_sdist(source, resolved, context, dest, err);
    }
    return ps_fail(err, PS_EINTERNAL, "unknown kind of source");
}
