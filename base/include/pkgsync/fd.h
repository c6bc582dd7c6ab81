/*
 * Descriptors, files and directories.
 *
 * Every descriptor made here is close-on-exec.  Functions ending in `_at`
 * resolve `path` relative to a directory descriptor (AT_FDCWD for the working
 * directory).  A path that somebody else may have placed is opened without
 * following links and without blocking on a FIFO.  Any thread.
 */
#ifndef PKGSYNC_FD_H
#define PKGSYNC_FD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "pkgsync/buf.h"
#include "pkgsync/digest.h"
#include "pkgsync/error.h"

/* Write all of it, through EINTR and short writes. */
PS_MUST_USE int ps_write_all(int fd, const void *data, size_t len,
                             struct ps_error *err);

/* Append to `out` until end of file; PS_ETOOBIG over out->max. */
PS_MUST_USE int ps_read_all(int fd, struct ps_buf *out, struct ps_error *err);

/* A regular file, opened without following a link at its end. */
PS_MUST_USE int ps_open_regular_at(int dir, const char *path, int *out,
                                   struct stat *st, struct ps_error *err);
PS_MUST_USE int ps_read_file_at(int dir, const char *path, struct ps_buf *out,
                                struct ps_error *err);

/*
 * Write a file so that its name shows the old content or the whole new one,
 * also after a power failure: hidden temporary file in the same directory,
 * fsync, rename, fsync of the directory.  The mode is subject to the umask; a
 * link under this name is replaced, not followed.
 */
PS_MUST_USE int ps_write_file_at(int dir, const char *path, const void *data,
                                 size_t len, mode_t mode, struct ps_error *err);

/*
 * Copy from the present offset to the end.  Uses a reflink for a whole file
 * into an empty one, where the file system can and no digest is asked for.
 * digest and size may be NULL.
 */
PS_MUST_USE int ps_copy_fd(int from, int to, uint64_t max_bytes,
                           struct ps_sha256 *digest, uint64_t *size,
                           struct ps_error *err);

/* `mkdir -p`: absolute or relative path; existing directories are fine.
 * Anything else under one of the names is PS_EEXISTS or PS_ENOTFOUND. */
PS_MUST_USE int ps_mkdirs(const char *path, mode_t mode, struct ps_error *err);

/* Open a directory; `create` makes it (and its parents, mode 0700) first. */
PS_MUST_USE int ps_open_dir(const char *path, bool create, int *out,
                            struct ps_error *err);

/* A new directory <parent>/<prefix>XXXXXX, mode 0700; caller frees *path. */
PS_MUST_USE int ps_make_temp_dir(const char *parent, const char *prefix,
                                 char **path, struct ps_error *err);

/*
 * Remove a file or a whole tree; absent is success.  Never follows links,
 * leaves the tree or enters a file system mounted in it (PS_EBUSY), needs few
 * descriptors at any depth, and makes directories that forbid it writable
 * first (own files only).
 */
PS_MUST_USE int ps_remove_tree_at(int dir, const char *path,
                                  struct ps_error *err);

/* A close-on-exec pipe. */
PS_MUST_USE int ps_pipe(int fds[2], struct ps_error *err);

/* Absolute path of an existing file, links resolved; caller frees *out. */
PS_MUST_USE int ps_real_path(const char *path, char **out,
                             struct ps_error *err);

/* The program `name` on `path` (a PATH value); caller frees; NULL if none. */
char *ps_find_program(const char *name, const char *path);

#endif
