/* Stand-ins for libarchive; see delayed.h. */
#include <archive.h>
#include <archive_entry.h>
#include <stdarg.h>
#include <stdio.h>

#include "delayed.h"

#define LIBRARY "libarchive.so.13"
#define MESSAGE_MAX 512

#define CALL(type, name, params, args) \
    PS_DELAYED(LIBRARY, type, name, params, args)
#define READER_CALL(name) CALL(int, name, (struct archive * a), (a))
#define ENTRY_CALL(type, name) CALL(type, name, (struct archive_entry * e), (e))

/* Headers of other versions name their parameters in other ways. */
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name) */
/* clang-format off */
CALL(struct archive *, archive_read_new, (void), ())
READER_CALL(archive_read_free)
READER_CALL(archive_read_support_filter_bzip2)
READER_CALL(archive_read_support_filter_xz)
READER_CALL(archive_read_support_filter_zstd)
READER_CALL(archive_read_support_format_raw)
READER_CALL(archive_read_support_format_tar)
READER_CALL(archive_read_support_format_zip_seekable)
READER_CALL(archive_filter_count)
CALL(const char *, archive_error_string, (struct archive *a), (a))
CALL(int, archive_read_open,
     (struct archive *a, void *user, archive_open_callback *opener,
      archive_read_callback *reader, archive_close_callback *closer),
     (a, user, opener, reader, closer))
CALL(int, archive_read_open_fd, (struct archive *a, int fd, size_t block),
     (a, fd, block))
CALL(int, archive_read_next_header,
     (struct archive *a, struct archive_entry **e), (a, e))
CALL(la_ssize_t, archive_read_data,
     (struct archive *a, void *data, size_t size), (a, data, size))
CALL(int, archive_read_data_block,
     (struct archive *a, const void **data, size_t *size, la_int64_t *offset),
     (a, data, size, offset))

ENTRY_CALL(__LA_MODE_T, archive_entry_filetype)
ENTRY_CALL(__LA_MODE_T, archive_entry_perm)
ENTRY_CALL(const char *, archive_entry_hardlink)
ENTRY_CALL(const char *, archive_entry_pathname)
ENTRY_CALL(const char *, archive_entry_symlink)
ENTRY_CALL(int, archive_entry_is_encrypted)
ENTRY_CALL(int, archive_entry_mtime_is_set)
ENTRY_CALL(int, archive_entry_sparse_count)
ENTRY_CALL(la_int64_t, archive_entry_size)
ENTRY_CALL(long, archive_entry_mtime_nsec)
ENTRY_CALL(time_t, archive_entry_mtime)
/* clang-format on */

typedef void(set_error_fn)(struct archive *a, int number, const char *fmt, ...);

/* It has no sibling that takes a va_list, so the text is made here. */
void archive_set_error(struct archive *a, int number, const char *fmt, ...)
{
    set_error_fn *real =
        (set_error_fn *)ps_delayed_find(LIBRARY, "archive_set_error");
    char text[MESSAGE_MAX];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    real(a, number, "%s", text);
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
