/*
 * Scope-bound cleanup (GCC and Clang).
 *
 * A variable marked with one of these is released when its scope ends, on
 * every path.  Three rules keep that readable:
 *
 *   - initialise it in its declaration (NULL, -1, {0}), so that an early
 *     return before the acquisition is harmless;
 *   - one marked variable per declaration;
 *   - hand ownership out with PS_TAKE() or ps_take_fd(), never by copying.
 *
 * A function uses either these or one `goto out`, not both.
 */
#ifndef PKGSYNC_CLEANUP_H
#define PKGSYNC_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define PS_CLEANUP(fn) __attribute__((cleanup(fn)))
#define PS_AUTO_FREE PS_CLEANUP(ps_cleanup_free)
#define PS_AUTO_FD PS_CLEANUP(ps_cleanup_fd)
#define PS_AUTO_DIR PS_CLEANUP(ps_cleanup_dir)

/* The pointer in `var`, which becomes NULL: its scope no longer owns it. */
#define PS_TAKE(var)                    \
    __extension__({                     \
        __typeof__(var) taken_ = (var); \
        (var) = NULL;                   \
        taken_;                         \
    })

static inline void ps_cleanup_free(void *p)
{
    free(*(void **)p);
}

/* Closes *fd if it is open; leaves errno as it found it. */
static inline void ps_cleanup_fd(const int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void)close(*fd);
    errno = saved;
}

/* The same of a directory stream. */
static inline void ps_cleanup_dir(DIR **dir)
{
    int saved = errno;

    if (*dir)
        (void)closedir(*dir);
    errno = saved;
}

static inline int ps_take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

#endif
