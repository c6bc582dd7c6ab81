/* Reading files that anybody may have put there. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "scan_private.h"

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

static ssize_t read_some(int fd, char *to, size_t want)
{
    ssize_t got = 0;

    do {
        got = read(fd, to, want);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* Why nothing came: the errno that says what is no file, else `otherwise`. */
static int why_nothing(int fd, int otherwise)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    return S_ISREG(st.st_mode) ? otherwise : ESPIPE;
}

/*
 * Open it and read what fits into s->first, which for nearly every file is all
 * of it or all that matters: three system calls.  Only what gives nothing is
 * asked what it is.
 */
static int read_first(struct ps_scan *s, int dir, const char *path, int *fd)
{
    ssize_t got = 0;

    s->content = (struct ps_str){ .data = s->first };
    *fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0)
        return errno;
    got = read_some(*fd, s->first, sizeof(s->first));
    if (got <= 0)
        return why_nothing(*fd, got < 0 ? errno : 0);
    s->content.len = (size_t)got;
    return 0;
}

/* Go on after s->first, in s->text; *more is false at the end of the file. */
static int read_next(struct ps_scan *s, int fd, bool *more)
{
    char chunk[NEXT_READ];
    ssize_t got = read_some(fd, chunk, sizeof(chunk));

    if (got < 0)
        return errno;
    *more = got > 0;
    if (s->content.data == s->first) {
        ps_buf_clear(&s->text);
        ps_buf_add(&s->text, s->first, s->content.len);
    }
    ps_buf_add(&s->text, chunk, (size_t)got);
    s->content = ps_buf_str(&s->text);
    return 0;
}

/* What never ends (a device) or would take long is not read to its end. */
static int check_size(int fd, size_t max)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return errno;
    if (!S_ISREG(st.st_mode))
        return ESPIPE;
    return st.st_size > (off_t)max ? EFBIG : 0;
}

int ps_scan_read(struct ps_scan *s, int dir, const char *path, size_t max)
{
    PS_AUTO_FD int fd = -1;
    int error = read_first(s, dir, path, &fd);
    bool more = s->content.len == sizeof(s->first);

    if (error == 0 && more)
        error = check_size(fd, max);
    while (error == 0 && more) {
        error = read_next(s, fd, &more);
        if (error == 0 && s->content.len > max)
            error = EFBIG;
    }
    return error;
}

int ps_scan_read_some(struct ps_scan *s, int dir, const char *path)
{
    PS_AUTO_FD int fd = -1;

    return read_first(s, dir, path, &fd);
}

int ps_scan_read_head(struct ps_scan *s, int dir, const char *path)
{
    PS_AUTO_FD int fd = -1;
    size_t looked = 0;
    int error = read_first(s, dir, path, &fd);
    bool more = s->content.len == sizeof(s->first);

    while (error == 0) {
        size_t end = ps_metadata_end(s->content, looked);

        if (end > 0 && memchr(s->content.data, '\0', end))
            return EILSEQ;
        if (!more || end < s->content.len)
            return 0;
        if (s->content.len >= HEAD_MAX)
            return EFBIG;
        /* The end of the last line may be the first half of a blank one. */
        looked = s->content.len - 2;
        error = read_next(s, fd, &more);
    }
    return error;
}

char *ps_scan_path(struct ps_scan *s, const char *dir, const char *name)
{
    size_t room = strlen(dir) + strlen(name) + 2;
    char *out = ps_arena_alloc(s->arena, room, 1);

    (void)stpcpy(stpcpy(stpcpy(out, dir), "/"), name);
    return out;
}

const char *ps_scan_below(char out[PS_SCAN_PATH], const char *entry,
                          const char *name)
{
    if (strlen(entry) + strlen(name) + 2 > PS_SCAN_PATH)
        return ""; /* no such file: names of entries are shorter */
    (void)stpcpy(stpcpy(stpcpy(out, entry), "/"), name);
    return out;
}
