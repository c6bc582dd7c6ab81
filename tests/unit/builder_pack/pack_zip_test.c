/* The zip writer, held against the strict reader. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pack_private.h"
#include "test_util.h"
#include "wheel_private.h"

static const struct ps_wheel_limits limits = {
    .max_bytes = PS_GIB(4),
    .max_unpacked = PS_GIB(16),
    .max_members = 200000,
    .max_ratio = 2000,
};

static int scratch_file(void)
{
    int fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    return fd;
}

static uint64_t size_of(int fd)
{
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    return (uint64_t)st.st_size;
}

static void add(struct ps_zip_writer *w, const char *name, const char *text)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_zip_new member = { .name = ps_str_from(name),
                                 .size_hint = strlen(text) };

    assert_ok(ps_zip_begin(w, &member, &err), &err);
    assert_ok(ps_zip_add(w, text, strlen(text), &err), &err);
    assert_ok(ps_zip_end(w, &err), &err);
}

static void expect_member(struct ps_zip *zip, const char *name,
                          const char *text)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_zip_member *m = ps_zip_find(zip, ps_str_from(name));
    struct ps_str found;

    assert_non_null(m);
    assert_ok(ps_zip_read_text(&arena, zip, m, PS_MIB(1), &found, &err), &err);
    assert_int_equal(found.len, strlen(text));
    assert_memory_equal(found.data, text, found.len);
}

static void the_strict_reader_reads_back_what_was_written(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_ZIP_WRITER struct ps_zip_writer w = { .fd = -1 };
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FD int fd = scratch_file();
    struct ps_zip zip;

    (void)state;
    ps_zip_writer_init(&w, fd);
    add(&w, "a.py", "A = 1\n");
    add(&w, "empty", "");
    add(&w, "\xc3\xbc.txt", "with a name beyond ASCII");
    assert_ok(ps_zip_finish(&w, &err), &err);
    assert_ok(ps_zip_open(&arena, fd, size_of(fd), &limits, &zip, &err), &err);
    assert_int_equal(zip.count, 3);
    expect_member(&zip, "a.py", "A = 1\n");
    expect_member(&zip, "empty", "");
    expect_member(&zip, "\xc3\xbc.txt", "with a name beyond ASCII");
}

static void sizes_are_written_with_64_bits_when_they_ask_for_it(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_ZIP_WRITER struct ps_zip_writer w = { .fd = -1 };
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FD int fd = scratch_file();
    struct ps_zip zip;

    (void)state;
    ps_zip_writer_init(&w, fd);
    w.zip64_from = 8;
    add(&w, "narrow", "7 bytes");
    add(&w, "wide", "more than eight bytes");
    assert_false(w.entries[0].wide);
    assert_true(w.entries[1].wide);
    assert_ok(ps_zip_finish(&w, &err), &err);
    assert_ok(ps_zip_open(&arena, fd, size_of(fd), &limits, &zip, &err), &err);
    expect_member(&zip, "narrow", "7 bytes");
    expect_member(&zip, "wide", "more than eight bytes");
}

static void members_beyond_four_gib_are_found_again(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_ZIP_WRITER struct ps_zip_writer w = { .fd = -1 };
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FD int fd = scratch_file();
    unsigned char end[20] = { 0 };
    uint64_t at = 0;

    (void)state;
    ps_zip_writer_init(&w, fd);
    add(&w, "first", "1");
    w.offset = PS_GIB(5); /* a hole: the reader refuses it, the numbers hold */
    add(&w, "far", "2");
    assert_ok(ps_zip_finish(&w, &err), &err);
    at = size_of(fd) - 22 - sizeof(end);
    assert_int_equal(pread(fd, end, sizeof(end), (off_t)at), sizeof(end));
    assert_int_equal(ps_le32(end), 0x07064b50);
    assert_int_equal(ps_le64(end + 8), at - 56);
    assert_code(PS_EINVALID,
                ps_zip_open(&arena, fd, size_of(fd), &limits,
                            &(struct ps_zip){ 0 }, &err),
                &err);
    /* Both members are where the directory says; only the hole is wrong. */
    assert_non_null(strstr(err.text, "unexplained bytes after it"));
}

static void more_than_65535_members_need_a_zip64_end_record(void **state)
{
    static char names[70000][8];
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_ZIP_WRITER struct ps_zip_writer w = { .fd = -1 };
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FD int fd = scratch_file();
    struct ps_zip zip;

    (void)state;
    ps_zip_writer_init(&w, fd);
    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++) {
        (void)snprintf(names[i], sizeof(names[i]), "f%zu", i);
        add(&w, names[i], "");
    }
    assert_ok(ps_zip_finish(&w, &err), &err);
    assert_ok(ps_zip_open(&arena, fd, size_of(fd), &limits, &zip, &err), &err);
    assert_int_equal(zip.count, 70000);
}

static void a_member_can_be_taken_back(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_ZIP_WRITER struct ps_zip_writer w = { .fd = -1 };
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FD int fd = scratch_file();
    struct ps_zip_new half = { .name = PS_STR_LIT("half") };
    struct ps_zip zip;

    (void)state;
    ps_zip_writer_init(&w, fd);
    add(&w, "kept", "kept");
    add(&w, "whole", "a member that was complete");
    assert_ok(ps_zip_undo(&w, &err), &err);
    assert_ok(ps_zip_begin(&w, &half, &err), &err);
    assert_ok(ps_zip_add(&w, "half", 4, &err), &err);
    assert_ok(ps_zip_undo(&w, &err), &err);
    add(&w, "last", "last");
    assert_ok(ps_zip_finish(&w, &err), &err);
    assert_ok(ps_zip_open(&arena, fd, size_of(fd), &limits, &zip, &err), &err);
    assert_int_equal(zip.count, 2);
    expect_member(&zip, "kept", "kept");
    expect_member(&zip, "last", "last");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_strict_reader_reads_back_what_was_written),
        cmocka_unit_test(sizes_are_written_with_64_bits_when_they_ask_for_it),
        cmocka_unit_test(members_beyond_four_gib_are_found_again),
        cmocka_unit_test(more_than_65535_members_need_a_zip64_end_record),
        cmocka_unit_test(a_member_can_be_taken_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
