/* Archives as anybody could make them, hostile ones included. */
#ifndef PKGSYNC_SDIST_FIXTURE_H
#define PKGSYNC_SDIST_FIXTURE_H

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/sdist.h"
#include "test_util.h"

struct member {
    const char *name;
    const char *text; /* of a file; NULL: none */
    const char *link; /* target of a symbolic link */
    const char *hard; /* target of a hard link */
    mode_t type;      /* AE_IF*; 0: a file, or a link by the above */
    mode_t mode;      /* 0: 0644 */
    uint64_t zeros;   /* a file of so many zero bytes */
    uint64_t hole;    /* a sparse file: a hole, then the text, then a hole */
};

struct fixture {
    char *base;
    char *dest;
    char *archive;
    struct ps_sdist_limits limits;
};

static inline void remake_dest(struct fixture *f)
{
    struct ps_error err = PS_ERROR_INIT;

    assert_ok(ps_remove_tree_at(AT_FDCWD, f->dest, &err), &err);
    assert_int_equal(mkdir(f->dest, 0755), 0);
}

static inline int set_up(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->base = test_make_dir();
    f->dest = ps_format("%s/dest", f->base);
    f->archive = ps_format("%s/demo-1.0.archive", f->base);
    remake_dest(f);
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;

    test_remove_dir(f->base);
    free(f->dest);
    free(f->archive);
    free(f);
    return 0;
}

static inline struct archive_entry *entry_of(const struct member *m)
{
    struct archive_entry *e = archive_entry_new();
    size_t len = m->text ? strlen(m->text) : 0;
    mode_t type = m->type ? m->type : AE_IFREG;

    archive_entry_set_pathname(e, m->name);
    archive_entry_set_filetype(e, m->link ? AE_IFLNK : type);
    archive_entry_set_perm(e, m->mode ? m->mode : 0644);
    archive_entry_set_mtime(e, 1234567890, 0);
    if (m->link)
        archive_entry_set_symlink(e, m->link);
    if (m->hard)
        archive_entry_set_hardlink(e, m->hard);
    if (m->hole) {
        archive_entry_sparse_add_entry(e, (la_int64_t)m->hole, (la_int64_t)len);
        archive_entry_set_size(e, (la_int64_t)(2 * m->hole + len));
    } else if (m->zeros || m->text) {
        archive_entry_set_size(e, (la_int64_t)(m->zeros + len));
    }
    return e;
}

static inline void write_zeros(struct archive *a, uint64_t n)
{
    static const char zeros[65536];

    while (n > 0) {
        size_t part = (size_t)PS_MIN(n, sizeof(zeros));

        assert_int_equal(archive_write_data(a, zeros, part), part);
        n -= part;
    }
}

static inline void write_members(struct archive *a, const struct member *m)
{
    for (; m->name; m++) {
        struct archive_entry *e = entry_of(m);

        if (archive_write_header(a, e) != ARCHIVE_OK)
            fail_msg("'%s': %s", m->name, archive_error_string(a));
        write_zeros(a, m->zeros + m->hole);
        if (m->text)
            assert_int_equal(archive_write_data(a, m->text, strlen(m->text)),
                             strlen(m->text));
        write_zeros(a, m->hole);
        archive_entry_free(e);
    }
}

/* kind: a tar's filter ("gzip", "bzip2", "xz", "zstd", "none") or "zip", or
 * "zip:" with options.  members ends with a NULL name. */
static inline void make_archive(const struct fixture *f, const char *kind,
                                const struct member *members)
{
    struct archive *a = archive_write_new();

    if (strncmp(kind, "zip", 3) == 0) {
        assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
        if (kind[3] == ':') {
            assert_int_equal(archive_write_set_options(a, kind), ARCHIVE_OK);
            assert_int_equal(archive_write_set_passphrase(a, "secret"),
                             ARCHIVE_OK);
        }
    } else {
        assert_int_equal(archive_write_set_format_pax_restricted(a),
                         ARCHIVE_OK);
        if (strcmp(kind, "none") != 0)
            assert_int_equal(archive_write_add_filter_by_name(a, kind),
                             ARCHIVE_OK);
    }
    assert_int_equal(archive_write_open_filename(a, f->archive), ARCHIVE_OK);
    write_members(a, members);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
}

static inline int unpack(struct fixture *f, struct ps_error *err)
{
    *err = PS_ERROR_INIT;
    remake_dest(f);
    return ps_sdist_unpack(f->archive, &f->limits, NULL, f->dest, err);
}

static inline void expect_refusal(struct fixture *f, int code, const char *text)
{
    struct ps_error err;

    assert_code(code, unpack(f, &err), &err);
    if (!strstr(err.text, text))
        fail_msg("'%s' is not in '%s'", text, err.text);
}

static inline void expect_text(const struct fixture *f, const char *name,
                               const char *text)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_buf b = PS_BUF_INIT(1 << 20);
    char *path = ps_format("%s/%s", f->dest, name);

    assert_ok(ps_read_file_at(AT_FDCWD, path, &b, &err), &err);
    assert_string_equal(ps_buf_z(&b), text);
    ps_buf_release(&b);
    free(path);
}

#endif
