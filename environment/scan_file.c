/* Reading files that anybody may have put there. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/util.h"
#include "scan_private.h"

#define FIRST_READ ((size_t)8 * 1024)
#define NEXT_READ ((size_t)56 * 1024)
#define HEAD_MAX ((size_t)4 * 1024 * 1024)

const char *ps_scan_reason(int error)
{
    switch (error) {
    case EISDIR:
        return "it is a directory";
    case ESPIPE:
        return "it is no regular file";
    case EFBIG:
        return "it is larger than any such file";
    case EILSEQ:
        return "it is binary";
    case ELOOP:
        return "its link leads in a circle";
    default:
        return strerrordesc_np(error) ? strerrordesc_np(error)
                                      : "it cannot be read";
    }
}

int ps_scan_open(int dir, const char *path, int *fd, struct stat *st)
{
    /* O_NONBLOCK: a FIFO must not be waited for. */
    PS_AUTO_FD int opened =
        openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (opened < 0)
        return errno;
    if (fstat(opened, st) < 0)
        return errno;
    if (S_ISDIR(st->st_mode))
        return EISDIR;
    if (!S_ISREG(st->st_mode))
        return ESPIPE;
    *fd = ps_take_fd(&opened);
    return 0;
}

/* Append up to `want` bytes; how many came, or -1. */
static ssize_t read_more(int fd, struct ps_buf *text, size_t want)
{
    char chunk[NEXT_READ];
    ssize_t got = 0;

    do {
        got = read(fd, chunk, PS_MIN(want, sizeof(chunk)));
    } while (got < 0 && errno == EINTR);
    if (got > 0)
        ps_buf_add(text, chunk, (size_t)got);
    return got;
}

int ps_scan_read(struct ps_scan *s, int dir, const char *path, size_t max)
{
    PS_AUTO_FD int fd = -1;
    struct stat st;
    ssize_t got = 0;
    int error = ps_scan_open(dir, path, &fd, &st);

    ps_buf_clear(&s->text);
    if (error)
        return error;
    if (st.st_size > (off_t)max)
        return EFBIG;
    do {
        got = read_more(fd, &s->text, FIRST_READ);
        if (got < 0)
            return errno;
        if (s->text.len > max)
            return EFBIG;
        /* Short of what there was: a file that grows is read as it was. */
    } while (got > 0 && s->text.len < (size_t)st.st_size);
    return 0;
}

int ps_scan_read_head(struct ps_scan *s, int dir, const char *path,
                      struct timespec *mtime)
{
    PS_AUTO_FD int fd = -1;
    struct stat st;
    size_t looked = 0;
    int error = ps_scan_open(dir, path, &fd, &st);

    ps_buf_clear(&s->text);
    if (error)
        return error;
    *mtime = st.st_mtim;
    for (size_t want = FIRST_READ;; want = NEXT_READ) {
        ssize_t got = read_more(fd, &s->text, want);
        struct ps_str text = ps_buf_str(&s->text);
        size_t end = 0;

        if (got < 0)
            return errno;
        end = ps_metadata_end(text, looked);
        if (end > 0 && memchr(text.data, '\0', end))
            return EILSEQ;
        if (got == 0 || end < text.len || text.len >= (size_t)st.st_size)
            return 0;
        /* The end of the last line may be the first half of a blank one. */
        looked = text.len > 2 ? text.len - 2 : 0;
        if (text.len >= HEAD_MAX)
            return EFBIG;
    }
}
