/*
 * Unpacking, in the order in which it happens:
 *
 *   for every member   name, kind, encryption, count: then directories and
 *                      files are written, links are remembered
 *   the links          made when no file can be written through one any more,
 *                      then each is followed to see that it stays inside
 *   the end            of a tar's stream: checksum and end mark
 *
 * A failure leaves what was written; the caller removes the directory.
 */
#include "pkgsync/sdist.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "sdist_private.h"
#include "tree_private.h"

#define DEFAULT_MAX_BYTES PS_GIB(4)
#define DEFAULT_MAX_FILES 200000u
#define DEFAULT_MAX_RATIO 200u
#define CHUNK_SIZE 65536u
/* Headers and padding of a tar beside what is written. */
#define STREAM_SPARE PS_GIB(1)

struct unpack {
    struct archive *a; /* owned */
    struct ps_sdist_names names;
    struct ps_sdist_writer out;
    uint64_t max_files;
    uint64_t members;
};

bool ps_sdist_is_name(struct ps_str file_name)
{
    static const char *const endings[] = {
        ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz",
        ".txz",    ".tar", ".tar.zst", ".zip",
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(endings); i++) {
        size_t len = strlen(endings[i]);

        if (file_name.len > len &&
            strncasecmp(file_name.data + file_name.len - len, endings[i],
                        len) == 0)
            return true;
    }
    return false;
}

static int check_count(const struct unpack *u, struct ps_error *err)
{
    /* Directories that no member names are made all the same. */
    if (u->members > u->max_files || u->names.dirs > u->max_files)
        return ps_fail(err, PS_ETOOBIG,
                       "the archive has more than %llu members",
                       (unsigned long long)u->max_files);
    return PS_OK;
}

static int unpack_symlink(struct unpack *u, struct ps_str path,
                          struct archive_entry *entry, struct ps_error *err)
{
    const char *target = archive_entry_symlink(entry);

    if (!target || target[0] == '\0')
        return ps_fail(err, PS_EINVALID, "it is a link without a target");
    if (strlen(target) >= PATH_MAX)
        return ps_fail(err, PS_EINVALID, "its target is longer than %d bytes",
                       PATH_MAX - 1);
    u->names.bytes += path.len + strlen(target);
    ps_sdist_write_link(&u->out, ps_arena_dup(&u->names.arena, path),
                        ps_arena_strdup(&u->names.arena, target));
    return PS_OK;
}

static int unpack_hardlink(struct unpack *u, struct ps_str path,
                           const char *target, struct ps_error *err)
{
    struct ps_str source;
    int rc = ps_sdist_names_strip(&u->names, target, false, &source, err);

    if (rc < 0)
        return ps_context(err, "it is a hard link to '%s'",
                          PS_TREE_SHOW(ps_str_from(target)));
    return ps_sdist_write_copy(&u->out, path, source, err);
}

static int unpack_kind(struct unpack *u, struct ps_str path,
                       struct archive_entry *entry, struct ps_error *err)
{
    const char *hardlink = archive_entry_hardlink(entry);

    if (hardlink)
        return unpack_hardlink(u, path, hardlink, err);
    switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
        return ps_sdist_write_file(&u->out, path, u->a, entry, err);
    case AE_IFDIR:
        return ps_sdist_write_dir(&u->out, path, err);
    case AE_IFLNK:
        return unpack_symlink(u, path, entry, err);
    case AE_IFIFO:
        return ps_fail(err, PS_EINVALID, "it is a FIFO");
    case AE_IFSOCK:
        return ps_fail(err, PS_EINVALID, "it is a socket");
    default:
        return ps_fail(err, PS_EINVALID, "it is a device");
    }
}

static int unpack_member(struct unpack *u, const char *name,
                         struct archive_entry *entry, struct ps_error *err)
{
    bool is_dir = archive_entry_filetype(entry) == AE_IFDIR &&
                  !archive_entry_hardlink(entry);
    struct ps_str path;
    int rc = 0;

    u->members++;
    if (archive_entry_is_encrypted(entry))
        return ps_fail(err, PS_EINVALID, "it is encrypted");
    rc = ps_sdist_names_strip(&u->names, name, is_dir, &path, err);
    if (rc < 0)
        return rc;
    if (path.len == 0)
        return check_count(u, err);
    rc = ps_sdist_names_add(&u->names, path, is_dir, err);
    if (rc == PS_OK)
        rc = check_count(u, err);
    return rc < 0 ? rc : unpack_kind(u, path, entry, err);
}

static int unpack_members(struct unpack *u, struct ps_error *err)
{
    for (;;) {
        struct archive_entry *entry = NULL;
        int status = archive_read_next_header(u->a, &entry);
        const char *why = archive_error_string(u->a);
        int rc = ps_cancel_check(u->out.cancel, err);

        if (rc < 0)
            return rc;
        if (status == ARCHIVE_EOF)
            return PS_OK;
        /* Also warnings: a name that could not be read is one of them. */
        if (status != ARCHIVE_OK)
            return ps_fail(err, PS_EINVALID,
                           "it is damaged or no archive of a kind that sdists "
                           "have: %s",
                           why ? why : "unreadable");

        const char *name = archive_entry_pathname(entry);
        if (!name || name[0] == '\0')
            return ps_fail(err, PS_EINVALID, "a member has no name");
        if (unpack_member(u, name, entry, err) < 0)
            return ps_context(err, "member '%s'",
                              PS_TREE_SHOW(ps_str_from(name)));
    }
}

static int unpack_all(struct unpack *u, struct ps_error *err)
{
    int rc = unpack_members(u, err);

    if (rc == PS_OK)
        rc = ps_sdist_write_links(&u->out, err);
    if (rc == PS_OK && !u->names.top_is_dir)
        rc = ps_fail(err, PS_EINVALID,
                     "it holds no top directory, so it is no sdist (PEP 625)");
    return rc;
}

static int unpack_tar(struct unpack *u, int fd, struct ps_error *err)
{
    struct ps_sdist_stream stream;
    uint64_t max_fed =
        PS_MIN(u->out.max_bytes, UINT64_MAX - STREAM_SPARE) + STREAM_SPARE;
    int rc = ps_sdist_stream_open(&stream, fd, max_fed, err);

    if (rc == PS_OK && (archive_read_support_format_tar(u->a) != ARCHIVE_OK ||
                        ps_sdist_stream_feed(&stream, u->a) != ARCHIVE_OK))
        rc = ps_fail(err, PS_EINVALID, "it is no tar archive: %s",
                     archive_error_string(u->a));
    if (rc == PS_OK)
        rc = unpack_all(u, err);
    /* What stopped the stream is the better reason. */
    if (rc < 0 && stream.err.code) {
        *err = stream.err;
        rc = stream.err.code;
    }
    if (rc == PS_OK)
        rc = ps_sdist_stream_finish(&stream, u->out.cancel, err);
    ps_sdist_stream_close(&stream);
    return rc;
}

static int unpack_zip(struct unpack *u, int fd, struct ps_error *err)
{
    if (archive_read_support_format_zip_seekable(u->a) != ARCHIVE_OK ||
        archive_read_open_fd(u->a, fd, CHUNK_SIZE) != ARCHIVE_OK)
        return ps_fail(err, PS_EINVALID, "it is no zip archive: %s",
                       archive_error_string(u->a));
    return unpack_all(u, err);
}

static int unpack_fd(int fd, struct unpack *u, struct ps_error *err)
{
    char head[2] = { 0 };
    bool is_zip = pread(fd, head, 2, 0) == 2 && memcmp(head, "PK", 2) == 0;
    int rc = 0;

    u->a = archive_read_new();
    if (!u->a)
        return ps_fail(err, PS_EINTERNAL, "out of memory");
    rc = is_zip ? unpack_zip(u, fd, err) : unpack_tar(u, fd, err);
    (void)archive_read_free(u->a);
    ps_sdist_names_release(&u->names);
    free(u->out.links);
    return rc;
}

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
    return value ? value : fallback;
}

int ps_sdist_unpack(const char *archive, const struct ps_sdist_limits *limits,
                    const struct ps_cancel *cancel, const char *dest,
                    struct ps_error *err)
{
    static const struct ps_sdist_limits none = { .max_bytes = 0 };
    const struct ps_sdist_limits *l = limits ? limits : &none;
    PS_AUTO_FREE char *real = NULL;
    PS_AUTO_FD int fd = -1;
    PS_AUTO_FD int dir = -1;
    locale_t utf8 = (locale_t)0;
    locale_t before = (locale_t)0;
    struct stat st;
    int rc = ps_real_path(archive, &real, err);

    if (rc == PS_OK)
        rc = ps_open_regular_at(AT_FDCWD, real, &fd, &st, err);
    if (rc == PS_OK)
        rc = ps_open_dir(dest, false, &dir, err);
    if (rc < 0)
        return rc;

    struct unpack u = {
        .names.arena = PS_ARENA_INIT,
        .out = { .dest = dir,
                 .cancel = cancel,
                 .max_bytes = or_default(l->max_bytes, DEFAULT_MAX_BYTES),
                 .max_ratio = or_default(l->max_ratio, DEFAULT_MAX_RATIO),
                 .archive_size = (uint64_t)st.st_size },
        .max_files = or_default(l->max_files, DEFAULT_MAX_FILES),
    };
    /* libarchive turns the UTF-8 of PAX headers into the thread's charset:
     * in the C locale that loses every name that is not ASCII. */
    utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (utf8)
        before = uselocale(utf8);
    rc = unpack_fd(fd, &u, err);
    if (utf8) {
        (void)uselocale(before);
        freelocale(utf8);
    }
    return rc < 0 ? ps_context(err, "unpack '%s'", archive) : PS_OK;
}
