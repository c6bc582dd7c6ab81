#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "pack_private.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define READ_SIZE ((size_t)128 << 10)
/* A wheel whose members unpack to more than 200 times their size is refused
 * as a bomb; a person's file of zeros is none. */
#define RATIO_MAX 150u
#define RATIO_FREE PS_KIB(4)

/* One pass over one file. */
struct pass {
    const struct ps_pack_reader *reader;
    const char *path;
    struct ps_zip_new member;
    int fd;
    struct stat st;
};

static int open_file(struct pass *p, struct ps_error *err)
{
    /* Not blocking: somebody may have put a FIFO there. */
    p->fd = open(p->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (p->fd < 0)
        return ps_fail_errno(err, errno, "open '%s'", p->path);
    if (fstat(p->fd, &p->st) < 0)
        return ps_fail_errno(err, errno, "stat '%s'", p->path);
    if (!S_ISREG(p->st.st_mode))
        return ps_fail(err, PS_EINVALID, "'%s' is not a regular file", p->path);
    p->member.executable = (p->st.st_mode & S_IXUSR) != 0;
    p->member.size_hint = (uint64_t)p->st.st_size;
    return PS_OK;
}

/* To the end, or one byte more than it had: then it is growing. */
static int read_content(const struct pass *p, struct ps_pack_content *out,
                        struct ps_error *err)
{
    PS_AUTO_FREE char *buf = ps_calloc(READ_SIZE, 1);
    PS_AUTO_SHA256 struct ps_sha256_ctx sha = { NULL };
    struct ps_zip_writer *zip = p->reader->zip;
    uint64_t size = (uint64_t)p->st.st_size;

    ps_sha256_init(&sha);
    out->size = 0;
    while (out->size <= size) {
        ssize_t n = read(p->fd, buf, READ_SIZE);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ps_fail_errno(err, errno, "read '%s'", p->path);
        if (n == 0)
            break;
        if (ps_cancel_check(p->reader->cancel, err) < 0)
            return err->code;
        ps_sha256_update(&sha, buf, (size_t)n);
        if (zip && ps_zip_add(zip, buf, (size_t)n, err) < 0)
            return ps_context(err, "pack '%s'", p->path);
        out->size += (uint64_t)n;
    }
    ps_sha256_final(&sha, &out->sha256);
    return PS_OK;
}

/* Is what was read what is there?  Also by name: editors replace files. */
static bool is_at_rest(const struct pass *p, const struct ps_pack_content *out)
{
    struct ps_stat_key after = { 0 };
    struct stat st = { 0 };

    if (p->reader->after_read)
        p->reader->after_read(p->path, p->reader->user);
    if (fstat(p->fd, &st) < 0)
        return false;
    after = ps_stat_key_of(&st);
    if (!ps_stat_key_equal(&out->key, &after) || out->size != after.size)
        return false;
    if (stat(p->path, &st) < 0)
        return false;
    after = ps_stat_key_of(&st);
    return ps_stat_key_equal(&out->key, &after);
}

static int run_pass(struct pass *p, struct ps_pack_content *out, bool *at_rest,
                    struct ps_error *err)
{
    struct ps_zip_writer *zip = p->reader->zip;

    if (open_file(p, err) < 0)
        return err->code;
    out->key = ps_stat_key_of(&p->st);
    out->executable = p->member.executable;
    if (zip && ps_zip_begin(zip, &p->member, err) < 0)
        return ps_context(err, "pack '%s'", p->path);
    if (read_content(p, out, err) < 0)
        return err->code;
    if (zip && ps_zip_end(zip, err) < 0)
        return ps_context(err, "pack '%s'", p->path);
    *at_rest = is_at_rest(p, out);
    return PS_OK;
}

static void close_pass(struct pass *p)
{
    if (p->fd >= 0)
        (void)close(p->fd);
    p->fd = -1;
}

static bool looks_like_a_bomb(const struct ps_zip_writer *zip)
{
    const struct ps_zip_entry *e = &zip->entries[zip->count - 1];

    return e->unpacked > RATIO_FREE && e->unpacked / RATIO_MAX > e->packed;
}

int ps_pack_read(const struct ps_pack_reader *reader, const char *path,
                 struct ps_str name, struct ps_pack_content *out,
                 struct ps_error *err)
{
    struct ps_zip_writer *zip = reader->zip;
    struct pass p = {
        .reader = reader, .path = path, .member = { .name = name }, .fd = -1
    };
    unsigned changes = 0;

    while (changes < 2) {
        bool at_rest = false;
        int rc = run_pass(&p, out, &at_rest, err);

        close_pass(&p);
        if (rc < 0)
            return rc;
        if (at_rest && (!zip || p.member.plain || !looks_like_a_bomb(zip)))
            return PS_OK;
        if (zip && ps_zip_undo(zip, err) < 0)
            return err->code;
        if (at_rest)
            p.member.plain = true;
        else
            changes++;
    }
    return ps_fail(err, PS_EBUSY,
                   "'%s' changed twice while it was read; try again when "
                   "nothing writes to it",
                   path);
}
