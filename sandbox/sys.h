/*
 * What the kernel offers and the C library's headers may not know yet, and
 * the small things every step of the helper needs.  Single-threaded.
 */
#ifndef PKGSYNC_SANDBOX_SYS_H
#define PKGSYNC_SANDBOX_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "pkgsync/error.h"

/* Inside the sandbox the command is this user, never a mapped root. */
#define PS_INNER_ID 1000u

/* As fork(), with namespace flags, and a pidfd.  0 in the child. */
pid_t ps_sys_clone(uint64_t flags, int *pidfd);

int ps_sys_openat2(int dir, const char *path, uint64_t flags, uint64_t resolve);
int ps_sys_close_from(unsigned first);
int ps_sys_pivot_root(const char *new_root, const char *put_old);

/* Write a short file in one write(2): what /proc's map files ask for. */
PS_MUST_USE int ps_sys_write_file(const char *path, const char *text,
                                  struct ps_error *err);

/* True if the effective set holds every capability the helper uses as root. */
int ps_sys_is_privileged(void);

/*
 * Die with the parent.  Set after the last change of user: setresuid clears
 * it.  alive_fd is the reading end of a pipe that only the parent writes to.
 */
PS_MUST_USE int ps_sys_die_with_parent(int alive_fd, struct ps_error *err);

#endif
