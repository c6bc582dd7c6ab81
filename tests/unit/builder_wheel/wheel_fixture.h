/*
 * A small wheel to bend: demo 1.0, pure, with a member of each kind.
 *
 *   struct fixture f;  fixture_init(&f);
 *   ... change f.archive, or f.file_name, f.expect ...
 *   fixture_expect(&f, PS_EINVALID, "words of the error");
 *
 * RECORD is written last, from what the members then hold, unless the test
 * has given it data of its own.
 */
#ifndef PKGSYNC_TEST_WHEEL_FIXTURE_H
#define PKGSYNC_TEST_WHEEL_FIXTURE_H

#include "test_util.h"
#include "wheel_private.h"
#include "zip_writer.h"

/* Where the parts are in archive.members. */
enum {
    F_INIT,
    F_DATA, /* deflated, large */
    F_METADATA,
    F_WHEEL,
    F_RECORD,
    F_COUNT,
};

struct fixture {
    struct ps_arena arena;
    struct zw_archive archive;
    struct zw_layout layout;
    struct ps_buf bytes;
    const char *file_name;
    struct ps_wheel_expect expect;
    struct ps_wheel_info info;
};

int fixture_init(void **state);    /* a cmocka setup: *state */
int fixture_release(void **state); /* a cmocka teardown */

/* One more member with contents; the wheel's RECORD lists it. */
struct zw_member *fixture_add(struct fixture *f, struct ps_str name,
                              const char *data);
void fixture_set(struct fixture *f, size_t member, const char *data);

/* RECORD for the members as they are. */
char *fixture_record(struct fixture *f);

/* Make f->bytes; fixture_verify() then verifies them. */
void fixture_write(struct fixture *f);
int fixture_verify(struct fixture *f, struct ps_error *err);

/* Verify f->bytes: the code, and what the text has to say ("" for OK). */
void fixture_expect_bytes(struct fixture *f, int code, const char *text);

/* Write, then as above. */
void fixture_expect(struct fixture *f, int code, const char *text);

#endif
