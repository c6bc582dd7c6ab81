/*
 * A writer of zip archives for tests that has no manners: each part of the
 * format can be set to what a decent writer would never write.
 *
 * zw_write() writes members in order and tells where each record landed, so
 * that a test can go on to change single fields with zw_patch().
 */
#ifndef PKGSYNC_TEST_ZIP_WRITER_H
#define PKGSYNC_TEST_ZIP_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pkgsync/buf.h"
#include "pkgsync/str.h"

#define ZW_MEMBERS_MAX 64u

struct zw_member {
    struct ps_str name;
    struct ps_str local_name; /* data NULL: the same */
    struct ps_str data;
    unsigned method;     /* 8 is deflated; all others are stored bytes */
    unsigned flags;      /* 8: header without, descriptor with, the sizes */
    unsigned descriptor; /* bytes of it: 12, 16, 20, 24; 0 for none */
    uint32_t attributes;
    struct ps_str extra;       /* in the central header */
    struct ps_str local_extra; /* in the local header */
    struct ps_str after;       /* bytes behind its contents */
};

struct zw_archive {
    struct zw_member members[ZW_MEMBERS_MAX];
    size_t count;
    struct ps_str before;  /* bytes in front of everything */
    struct ps_str comment; /* of the archive */
    struct ps_str after;   /* bytes behind the end record */
    bool zip64;            /* with zip64 end record and locator */
};

/* Where things are in the bytes written. */
struct zw_layout {
    size_t local[ZW_MEMBERS_MAX];
    size_t data[ZW_MEMBERS_MAX];
    size_t central[ZW_MEMBERS_MAX];
    size_t end64;
    size_t locator;
    size_t end;
};

void zw_write(const struct zw_archive *archive, struct ps_buf *out,
              struct zw_layout *layout);

/* Overwrite `width` bytes at `at` with `value`, little end first. */
void zw_patch(struct ps_buf *bytes, size_t at, size_t width, uint64_t value);

#endif
