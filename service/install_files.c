/* Files of an environment: their names in JSON, and copies of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "install_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define LINK_MAX 4096
#define FILE_MAX_BYTES (UINT64_C(1) << 62)
#define HEX "hex:"

json_t *ps_install_path_json(const char *path)
{
    static const char digits[] = "0123456789abcdef";
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(PS_KIB(64));

    if (ps_utf8_valid_prefix(ps_str_from(path)) == strlen(path))
        return ps_json_string(path);
    ps_buf_adds(&b, HEX);
    for (const char *p = path; *p; p++) {
        ps_buf_addc(&b, digits[(unsigned char)*p >> 4]);
        ps_buf_addc(&b, digits[(unsigned char)*p & 15]);
    }
    return ps_json_string(ps_buf_z(&b));
}

char *ps_install_path_of(const json_t *item)
{
    const char *text = json_string_value(item);
    PS_AUTO_FREE char *path = NULL;
    size_t len = 0;

    if (!text || strncmp(text, HEX, strlen(HEX)) != 0)
        return text && text[0] == '/' ? ps_strdup(text) : NULL;
    text += strlen(HEX);
    path = ps_calloc(strlen(text) / 2 + 1, 1);
    for (; text[0] && text[1]; text += 2)
        path[len++] =
            (char)(ps_hex_digit(text[0]) << 4 | ps_hex_digit(text[1]));
    return path[0] == '/' ? PS_TAKE(path) : NULL;
}

static int copy_link(const char *from, const char *to, struct ps_error *err)
{
    char target[LINK_MAX];
    ssize_t len = readlink(from, target, sizeof(target) - 1);

    if (len < 0)
        return ps_fail_errno(err, errno, "read the link '%s'", from);
    target[len] = '\0';
    if (symlink(target, to) < 0)
        return ps_fail_errno(err, errno, "make the link '%s'", to);
    return PS_OK;
}

static int copy_file(const char *from, const char *to, const struct stat *st,
                     struct ps_error *err)
{
    const struct timespec times[] = { st->st_atim, st->st_mtim };
    PS_AUTO_FD int in = -1;
    PS_AUTO_FD int out = -1;
    int rc = ps_open_regular_at(AT_FDCWD, from, &in, NULL, err);

    if (rc < 0)
        return rc;
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return ps_fail_errno(err, errno, "create '%s'", to);
    rc = ps_copy_fd(in, out, FILE_MAX_BYTES, NULL, NULL, err);
    if (rc == PS_OK &&
        (fchmod(out, st->st_mode & 07777) < 0 || futimens(out, times) < 0))
        rc = ps_fail_errno(err, errno, "write '%s'", to);
    /* Somebody else's file stays theirs, where we may say so. */
    if (rc == PS_OK && fchown(out, st->st_uid, st->st_gid) < 0 &&
        errno != EPERM)
        rc = ps_fail_errno(err, errno, "give '%s' its owner", to);
    return rc;
}

/* .pth files are the ones that installers write in place. */
static bool may_be_linked(const char *path)
{
    return !ps_str_ends(ps_str_from(path), ".pth");
}

int ps_install_duplicate(const char *from, const char *to, struct ps_error *err)
{
    struct stat st;

    if (lstat(from, &st) < 0)
        return ps_fail_errno(err, errno, "stat '%s'", from);
    if (S_ISLNK(st.st_mode))
        return copy_link(from, to, err);
    if (may_be_linked(from) && link(from, to) == 0)
        return PS_OK;
    return copy_file(from, to, &st, err);
}
