/*
 * Links that stay inside.
 *
 * Two questions, both must be answered yes.  By the text: does the target,
 * joined with the link's directory, stay below the root?  By what is there:
 * does it stay below when every link on the way is followed too?  The walk
 * never went through a link, so the depth of the link's directory is known,
 * and counting levels is enough.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/mem.h"
#include "pkgsync/str.h"
#include "tree_private.h"

#define MAX_FOLLOWED 40 /* as the kernel */

struct place {
    int fd; /* owned; -1: nothing is there, go on by the text */
    size_t depth;
};

static int go_up(struct place *p, struct ps_error *err)
{
    int up = -1;

    if (p->depth == 0)
        return ps_fail(err, PS_EINVALID, "it leads out of the tree");
    p->depth--;
    if (p->fd < 0)
        return PS_OK;
    up = openat(p->fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
    (void)close(p->fd);
    p->fd = up;
    return PS_OK;
}

/* Go into `name`; if that is a link, *target is what it says. */
static void go_down(struct place *p, const char *name, char *target,
                    bool *is_link)
{
    int down = -1;
    ssize_t len = -1;

    *is_link = false;
    if (p->fd >= 0)
        len = readlinkat(p->fd, name, target, PATH_MAX);
    if (len >= 0 && len < PATH_MAX) {
        target[len] = '\0';
        *is_link = true;
        return;
    }
    p->depth++;
    if (p->fd < 0)
        return;
    down = openat(p->fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    (void)close(p->fd);
    p->fd = down;
}

static bool stays_by_text(size_t depth, const char *target)
{
    struct ps_str rest = ps_str_from(target);
    bool more = true;

    while (more) {
        struct ps_str part;

        more = ps_str_cut(&rest, '/', &part);
        if (part.len == 0 || ps_str_is(part, "."))
            continue;
        if (!ps_str_is(part, ".."))
            depth++;
        else if (depth-- == 0)
            return false;
    }
    return true;
}

static int follow(struct place *p, const char *first, struct ps_error *err)
{
    PS_AUTO_FREE char *todo = ps_strdup(first);
    PS_AUTO_FREE char *target = ps_calloc(1, PATH_MAX);
    struct ps_str rest = ps_str_from(todo);
    int followed = 0;

    while (rest.len > 0) {
        struct ps_str part;
        bool is_link = false;

        (void)ps_str_cut(&rest, '/', &part);
        if (part.len == 0 || ps_str_is(part, "."))
            continue;
        if (ps_str_is(part, "..")) {
            int rc = go_up(p, err);

            if (rc < 0)
                return rc;
            continue;
        }

        PS_AUTO_FREE char *name = ps_str_dup(part);
        go_down(p, name, target, &is_link);
        if (!is_link)
            continue;
        if (target[0] == '/')
            return ps_fail(err, PS_EINVALID,
                           "it leads through '%s', a link with an absolute "
                           "target",
                           PS_TREE_SHOW(part));
        if (++followed > MAX_FOLLOWED)
            return PS_OK; /* leads nowhere, and so not out */

        char *longer = ps_format("%s/%.*s", target, PS_STR_FMT(rest));
        free(todo);
        todo = longer;
        rest = ps_str_from(todo);
    }
    return PS_OK;
}

int ps_tree_check_link(int dir, size_t depth, const char *target,
                       struct ps_error *err)
{
    struct place p = { .fd = -1, .depth = depth };
    int rc = 0;

    if (target[0] == '/')
        return ps_fail(err, PS_EINVALID, "its target is absolute");
    if (!stays_by_text(depth, target))
        return ps_fail(err, PS_EINVALID, "it leads out of the tree");

    p.fd = openat(dir, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (p.fd < 0)
        return ps_fail_errno(err, errno, "open its directory");
    rc = follow(&p, target, err);
    if (p.fd >= 0)
        (void)close(p.fd);
    return rc;
}
