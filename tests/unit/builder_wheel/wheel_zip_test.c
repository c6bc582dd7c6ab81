/* Hostile archives: each way in which a zip file can bend the format. */
#include "wheel_fixture.h"

#define LIT(s) PS_STR_LIT(s)

enum where { LOCAL, CENTRAL, END, END64, LOCATOR, DATA };

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): reads as a row */
struct patch {
    const char *what;
    enum where where;
    size_t offset;
    size_t width;
    uint64_t value;
    int code;
    const char *text;
};

static size_t place(const struct fixture *f, enum where where, size_t member)
{
    switch (where) {
    case LOCAL:
        return f->layout.local[member];
    case CENTRAL:
        return f->layout.central[member];
    case END:
        return f->layout.end;
    case END64:
        return f->layout.end64;
    case LOCATOR:
        return f->layout.locator;
    case DATA:
        return f->layout.data[member];
    }
    return 0;
}

static void expect_patches(struct fixture *f, size_t member,
                           const struct patch *p, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fixture_write(f);
        zw_patch(&f->bytes, place(f, p[i].where, member) + p[i].offset,
                 p[i].width, p[i].value);
        print_message("  %s\n", p[i].what);
        fixture_expect_bytes(f, p[i].code, p[i].text);
    }
}

static void accepts_a_plain_wheel(void **state)
{
    struct fixture *f = *state;

    fixture_expect(f, PS_OK, "");
    assert_string_equal(f->info.name, "demo");
    assert_string_equal(f->info.version, "1.0");
    assert_string_equal(f->info.requires_python, ">=3.8");
    assert_string_equal(f->info.file_name, f->file_name);
    assert_true(f->info.pure);
    assert_int_equal(f->info.members, F_COUNT);
    assert_int_equal(f->info.size, f->bytes.len);
    struct ps_sha256 digest = ps_sha256_of(f->bytes.data, f->bytes.len);
    assert_true(ps_sha256_equal(&digest, &f->info.sha256));
}

static void accepts_zip64_directories_and_descriptors(void **state)
{
    static const unsigned lengths[] = { 12, 16, 20, 24 };
    struct fixture *f = *state;
    struct zw_member *m = fixture_add(f, LIT("demo/sub/"), "");

    m->attributes = 0040755u << 16 | 0x10;
    f->archive.zip64 = true;
    for (size_t i = 0; i < PS_ARRAY_SIZE(lengths); i++) {
        f->archive.members[F_DATA].flags = 8;
        f->archive.members[F_DATA].descriptor = lengths[i];
        fixture_expect(f, PS_OK, "");
    }
    fixture_add(f, LIT("demo/\xc3\xa9.py"), "")->flags = 0x800;
    fixture_set(f, F_RECORD, fixture_record(f));
    fixture_expect(f, PS_OK, "");
}

static void accepts_zip64_sizes_of_one_member(void **state)
{
    struct fixture *f = *state;
    struct zw_member *m = &f->archive.members[F_INIT];

    /* 10 bytes of contents, at offset 0. */
    m->local_extra = LIT("\x01\0\x10\0\x0a\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0");
    m->extra = LIT("\x01\0\x18\0\x0a\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0"
                   "\0\0\0\0\0\0\0\0");
    fixture_write(f);
    zw_patch(&f->bytes, f->layout.local[F_INIT] + 18, 8, UINT64_MAX);
    zw_patch(&f->bytes, f->layout.central[F_INIT] + 20, 8, UINT64_MAX);
    zw_patch(&f->bytes, f->layout.central[F_INIT] + 42, 4, UINT32_MAX);
    fixture_expect_bytes(f, PS_OK, "");
}

static void refuses_patched_fields_of_a_stored_member(void **state)
{
    static const struct patch patches[] = {
        { "end record gone", END, 0, 4, 0, PS_EINVALID, "no zip end record" },
        { "disk number", END, 4, 2, 1, PS_EINVALID, "several disks" },
        { "directory's disk", END, 6, 2, 1, PS_EINVALID, "several disks" },
        { "entries of this disk", END, 8, 2, 4, PS_EINVALID, "several disks" },
        { "fewer entries", END, 8, 4, 0x00040004, PS_EINVALID, "unexplained" },
        { "more entries", END, 8, 4, 0x00060006, PS_EINVALID, "malformed" },
        { "far more entries", END, 8, 4, 0xfffefffe, PS_EINVALID, "too small" },
        { "directory's size", END, 12, 4, 46, PS_EINVALID, "does not end" },
        { "huge directory", END, 12, 4, 0x7fffffff, PS_ETOOBIG, "directory" },
        { "directory's offset", END, 16, 4, 0, PS_EINVALID, "does not end" },
        { "comment length", END, 20, 2, 7, PS_EINVALID, "comment" },

        { "central signature", CENTRAL, 0, 4, 0, PS_EINVALID, "malformed" },
        { "encrypted", CENTRAL, 8, 2, 0x0001, PS_EINVALID, "encrypted" },
        { "strong encryption", CENTRAL, 8, 2, 0x0041, PS_EINVALID,
          "encrypted" },
        { "masked headers", CENTRAL, 8, 2, 0x2000, PS_EINVALID, "encrypted" },
        { "patch data", CENTRAL, 8, 2, 0x0020, PS_EINVALID, "unknown flags" },
        { "reserved flag", CENTRAL, 8, 2, 0x8000, PS_EINVALID,
          "unknown flags" },
        { "bzip2", CENTRAL, 10, 2, 12, PS_EINVALID, "bzip2" },
        { "zstd", CENTRAL, 10, 2, 93, PS_EINVALID, "zstd" },
        { "method 77", CENTRAL, 10, 2, 77, PS_EINVALID, "unknown method" },
        { "CRC", CENTRAL, 16, 4, 1, PS_EINVALID, "disagree on its CRC" },
        { "packed size", CENTRAL, 20, 4, 9, PS_EINVALID, "two sizes" },
        { "both sizes", CENTRAL, 20, 8, 0x0000000900000009, PS_EINVALID,
          "disagree on its size" },
        { "huge packed size", CENTRAL, 20, 4, 0x7fffffff, PS_EINVALID,
          "two sizes" },
        { "unbacked zip64", CENTRAL, 20, 8, UINT64_MAX, PS_EINVALID,
          "larger than the archive" },
        { "name length", CENTRAL, 28, 2, 15, PS_EINVALID, "malformed" },
        { "long name", CENTRAL, 28, 2, 0xffff, PS_EINVALID, "longer than" },
        { "extra length", CENTRAL, 30, 2, 0xffff, PS_EINVALID, "longer than" },
        { "extra out of names", CENTRAL, 30, 2, 20, PS_EINVALID, "extra" },
        { "comment length", CENTRAL, 32, 2, 0xffff, PS_EINVALID,
          "longer than" },
        { "disk", CENTRAL, 34, 2, 1, PS_EINVALID, "another disk" },
        { "link", CENTRAL, 40, 2, 0120777, PS_EINVALID, "symbolic link" },
        { "device", CENTRAL, 40, 2, 0060600, PS_EINVALID, "device" },
        { "character device", CENTRAL, 40, 2, 0020600, PS_EINVALID, "device" },
        { "FIFO", CENTRAL, 40, 2, 0010600, PS_EINVALID, "pipe" },
        { "socket", CENTRAL, 40, 2, 0140600, PS_EINVALID, "socket" },
        { "mode of a directory", CENTRAL, 40, 2, 0040755, PS_EINVALID,
          "mode of a directory" },
        { "offset", CENTRAL, 42, 4, 1, PS_EINVALID, "before the first" },
        { "offset of another", CENTRAL, 42, 4, 56, PS_EINVALID, "" },
        { "offset in directory", CENTRAL, 42, 4, 0x7fffffff, PS_EINVALID, "" },

        { "local signature", LOCAL, 0, 4, 0, PS_EINVALID, "no local header" },
        { "local flags", LOCAL, 6, 2, 0x0800, PS_EINVALID, "its flags" },
        { "local method", LOCAL, 8, 2, 8, PS_EINVALID, "its compression" },
        { "local CRC", LOCAL, 14, 4, 0, PS_EINVALID, "its CRC" },
        { "local packed size", LOCAL, 18, 4, 0, PS_EINVALID, "its size" },
        { "local size", LOCAL, 22, 4, 11, PS_EINVALID, "its size" },
        { "local name", LOCAL, 30, 1, 'D', PS_EINVALID, "its name" },
        { "local name length", LOCAL, 26, 2, 15, PS_EINVALID, "its name" },
        { "local name too long", LOCAL, 26, 2, 0xffff, PS_EINVALID, "overlap" },
        { "local extra length", LOCAL, 28, 2, 0xffff, PS_EINVALID, "overlap" },

        { "contents", DATA, 0, 1, 'V', PS_EINVALID, "its CRC differs" },
    };

    expect_patches(*state, F_INIT, patches, PS_ARRAY_SIZE(patches));
}

static void lie_about_size(struct fixture *f, unsigned size)
{
    char *record = fixture_record(f);
    char *at = strstr(record, ",200000\n");

    assert_non_null(at);
    *at = '\0';
    fixture_set(f, F_RECORD,
                ps_arena_format(&f->arena, "%s,%u\n%s", record, size,
                                at + strlen(",200000\n")));
    fixture_write(f);
    zw_patch(&f->bytes, f->layout.central[F_DATA] + 24, 4, size);
    zw_patch(&f->bytes, f->layout.local[F_DATA] + 22, 4, size);
}

static void refuses_patched_fields_of_a_deflated_member(void **state)
{
    static const struct patch patches[] = {
        { "damaged", DATA, 0, 2, 0xffff, PS_EINVALID, "damaged" },
        { "smaller size", CENTRAL, 24, 4, 1000, PS_EINVALID, "its size" },
    };
    struct fixture *f = *state;
    uint64_t packed = 0;

    expect_patches(f, F_DATA, patches, PS_ARRAY_SIZE(patches));

    /* Headers and RECORD agree, and only the contents know better. */
    lie_about_size(f, 1000);
    fixture_expect_bytes(f, PS_EINVALID, "unpacks to more than the 1000");
    lie_about_size(f, 200001);
    fixture_expect_bytes(f, PS_EINVALID, "not to 200001");
    fixture_set(f, F_RECORD, fixture_record(f));

    /* A byte after the end of the deflate stream. */
    f->archive.members[F_DATA].after = LIT("x");
    fixture_write(f);
    packed = ps_le32((const unsigned char *)f->bytes.data +
                     f->layout.central[F_DATA] + 20);
    zw_patch(&f->bytes, f->layout.central[F_DATA] + 20, 4, packed + 1);
    zw_patch(&f->bytes, f->layout.local[F_DATA] + 18, 4, packed + 1);
    fixture_expect_bytes(f, PS_EINVALID, "1 bytes follow");
}

static void refuses_patched_zip64_records(void **state)
{
    static const struct patch patches[] = {
        { "signature", END64, 0, 4, 0, PS_EINVALID, "malformed" },
        { "record size", END64, 4, 8, 100, PS_EINVALID, "malformed" },
        { "disk", END64, 16, 4, 1, PS_EINVALID, "several disks" },
        { "disk of directory", END64, 20, 4, 1, PS_EINVALID, "several disks" },
        { "entries here", END64, 24, 8, 4, PS_EINVALID, "differ" },
        { "entries", END64, 32, 8, UINT64_MAX, PS_EINVALID, "differ" },
        { "size", END64, 40, 8, UINT64_MAX, PS_ETOOBIG, "directory" },
        { "offset", END64, 48, 8, UINT64_MAX, PS_EINVALID, "does not end" },
        { "short entries", END, 8, 2, 4, PS_EINVALID, "differ" },
        { "short size", END, 12, 4, 4, PS_EINVALID, "differ" },
        { "short offset", END, 16, 4, 4, PS_EINVALID, "differ" },
        { "locator's disk", LOCATOR, 4, 4, 1, PS_EINVALID, "several disks" },
        { "locator's disks", LOCATOR, 16, 4, 2, PS_EINVALID, "several disks" },
        { "locator's offset", LOCATOR, 8, 8, 0, PS_EINVALID, "has to be" },
        { "locator gone", LOCATOR, 0, 4, 0, PS_ETOOBIG, "" },
    };
    struct fixture *f = *state;

    f->archive.zip64 = true;
    expect_patches(f, F_INIT, patches, PS_ARRAY_SIZE(patches));
}

static void refuses_bytes_outside_the_members(void **state)
{
    struct fixture *f = *state;

    f->archive.before = LIT("#!/bin/sh\n");
    fixture_expect(f, PS_EINVALID, "10 bytes before the first member");
    f->archive.before = LIT("");

    f->archive.after = LIT("x");
    fixture_expect(f, PS_EINVALID, "no zip end record at the very end");
    f->archive.after = LIT("");

    f->archive.comment = LIT("hello");
    fixture_expect(f, PS_EINVALID, "no zip end record at the very end");
    f->archive.comment = LIT("");

    f->archive.members[F_INIT].after = LIT("abc");
    fixture_expect(f, PS_EINVALID, "3 unexplained bytes after it");
}

static void refuses_bad_data_descriptors(void **state)
{
    struct fixture *f = *state;
    struct zw_member *m = &f->archive.members[F_DATA];

    m->flags = 8;
    fixture_expect(f, PS_EINVALID, "not its data descriptor");
    m->descriptor = 16;
    for (size_t i = 0; i < 16; i += 4) {
        fixture_write(f);
        zw_patch(&f->bytes, f->layout.local[F_DATA + 1] - 16 + i, 4, 1);
        fixture_expect_bytes(f, PS_EINVALID, "not its data descriptor");
    }
    m->after = LIT("x");
    fixture_expect(f, PS_EINVALID, "not its data descriptor");
    m->after = LIT("");
    m->method = 0;
    fixture_expect(f, PS_EINVALID, "cannot be read as a stream");
}

static void refuses_overlapping_members(void **state)
{
    struct fixture *f = *state;

    /* Two entries, one local header. */
    fixture_add(f, LIT("demo/__init__.pyc"), "value = 1\n");
    fixture_write(f);
    zw_patch(&f->bytes, f->layout.central[F_COUNT] + 42, 4, 0);
    fixture_expect_bytes(f, PS_EINVALID, "overlaps what follows it");

    /* The second one starts in the first one's contents. */
    fixture_write(f);
    zw_patch(&f->bytes, f->layout.central[F_COUNT] + 42, 4, 50);
    fixture_expect_bytes(f, PS_EINVALID, "overlaps what follows it");
}

static void refuses_bad_extra_fields(void **state)
{
    static const struct {
        struct ps_str extra;
        const char *text;
    } rows[] = {
        { LIT("\x01"), "malformed" },
        { LIT("\x99\x99\x05\0abcd"), "malformed" },
        { LIT("\x75\x70\x01\0x"), "second name" },
        { LIT("\x01\0\0\0\x01\0\0\0"), "two zip64" },
        { LIT("\x01\0\x08\0"
              "12345678"),
          "no field asks for" },
    };
    struct fixture *f = *state;
    struct zw_member *m = &f->archive.members[F_INIT];

    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        m->extra = rows[i].extra;
        fixture_expect(f, PS_EINVALID, rows[i].text);
        m->extra = LIT("");
        m->local_extra = rows[i].extra;
        fixture_expect(f, PS_EINVALID, rows[i].text);
        m->local_extra = LIT("");
    }
    m->extra = LIT("\x01\0\x04\0"
                   "1234");
    fixture_write(f);
    zw_patch(&f->bytes, f->layout.central[F_INIT] + 24, 4, UINT32_MAX);
    fixture_expect_bytes(f, PS_EINVALID, "zip64 record is too short");
}

static void refuses_names_that_are_not_safe(void **state)
{
    static char long_part[300];
    static const struct {
        struct ps_str name;
        const char *text;
    } rows[] = {
        { LIT(""), "empty" },
        { LIT("/etc/passwd"), "absolute" },
        { LIT("/"), "absolute" },
        { LIT("../x"), "'..'" },
        { LIT("demo/../../x"), "'..'" },
        { LIT("demo/.."), "'..'" },
        { LIT("demo/../"), "'..'" },
        { LIT("./x"), "'.'" },
        { LIT("demo//x"), "empty part" },
        { LIT("demo/x//"), "empty part" },
        { LIT("demo\\x"), "backslash" },
        { LIT("C:x"), "drive" },
        { LIT("c:/x"), "drive" },
        { LIT("demo/x\0y"), "control character 0x00" },
        { LIT("demo/x\ny"), "control character 0x0a" },
        { LIT("demo/\x1b[2J"), "control character 0x1b" },
        { LIT("demo/\xff"), "not UTF-8" },
        { LIT("demo/\xc0\xae"), "not UTF-8" },
        { LIT("demo/\xed\xa0\x80"), "not UTF-8" },
        { LIT("demo/\xc3\xa9"), "not marked as UTF-8" },
        { LIT("demo/dir/"), "name of a directory" },
        { { long_part, sizeof(long_part) }, "more than 255" },
    };
    struct fixture *f = *state;
    struct zw_member *m = fixture_add(f, LIT("x"), "");

    memset(long_part, 'x', sizeof(long_part));
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        m->name = rows[i].name;
        fixture_expect(f, PS_EINVALID, rows[i].text);
    }
    m->name = LIT("demo/dir/");
    m->data = LIT("contents");
    m->attributes = 0;
    fixture_expect(f, PS_EINVALID, "directory with contents");
}

static void refuses_names_that_meet_in_a_file_system(void **state)
{
    static const struct {
        const char *name;
        const char *text;
    } rows[] = {
        { "demo/__init__.py", "duplicate" },
        { "demo/__INIT__.py", "duplicate" },
        { "Demo/table.txt", "duplicate" },
        { "demo/table.txt/x", "below the file" },
        { "DEMO/table.txt/x", "below the file" },
        { "demo/__init__.py/", "duplicate" },
        { "demo", "below the file" },
    };
    struct fixture *f = *state;
    struct zw_member *m = fixture_add(f, LIT("x"), "");

    m->attributes = 0;
    fixture_add(f, LIT("demo/__init__.py-x"), ""); /* sorts in between */
    fixture_add(f, LIT("demo/table.txt!"), "");
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        m->name = ps_str_from(rows[i].name);
        fixture_expect(f, PS_EINVALID, rows[i].text);
    }
}

static void refuses_what_is_no_archive(void **state)
{
    struct fixture *f = *state;
    size_t full = 0;

    fixture_write(f);
    full = f->bytes.len;
    for (size_t len = 0; len < full; len += len < 64 ? 1 : 997) {
        f->bytes.len = len;
        fixture_expect_bytes(f, PS_EINVALID, "");
    }
    ps_buf_clear(&f->bytes);
    ps_buf_add(&f->bytes, "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);
    fixture_expect_bytes(f, PS_EINVALID, "no .dist-info");
}

/* Versions, times, attributes: what no reader acts on. */
static bool is_free(const struct fixture *f, size_t at)
{
    for (size_t i = 0; i < f->archive.count; i++) {
        size_t local = at - f->layout.local[i];
        size_t central = at - f->layout.central[i];

        if ((local >= 4 && local < 6) || (local >= 10 && local < 14) ||
            (central >= 4 && central < 8) || (central >= 12 && central < 16) ||
            (central >= 36 && central < 42))
            return true;
    }
    return at >= f->layout.end64 + 12 && at < f->layout.end64 + 16;
}

static void notices_every_changed_byte(void **state)
{
    static const unsigned char masks[] = { 0x01, 0x20, 0x80 };
    struct fixture *f = *state;

    f->archive.zip64 = true;
    f->archive.members[F_DATA].method = 0;
    fixture_set(f, F_DATA, "short");
    fixture_write(f);
    for (size_t at = 0; at < f->bytes.len; at++) {
        unsigned char byte = (unsigned char)f->bytes.data[at];

        for (size_t i = 0; i < sizeof(masks); i++) {
            struct ps_error err = PS_ERROR_INIT;

            zw_patch(&f->bytes, at, 1, byte ^ masks[i]);
            if (fixture_verify(f, &err) == PS_OK && !is_free(f, at))
                fail_msg("byte %zu changed by 0x%02x passes", at, masks[i]);
            zw_patch(&f->bytes, at, 1, byte);
        }
    }
}

static void keeps_to_the_limits(void **state)
{
    struct fixture *f = *state;
    static char *zeros;

    f->expect.limits.max_members = F_COUNT - 1;
    fixture_expect(f, PS_ETOOBIG, "more than 4 members");
    f->expect.limits.max_members = 0;
    f->expect.limits.max_bytes = 1000;
    fixture_expect(f, PS_ETOOBIG, "more than 1000 bytes");
    f->expect.limits.max_bytes = 0;
    f->expect.limits.max_unpacked = 150000;
    fixture_expect(f, PS_ETOOBIG, "unpack to more than 150000 bytes");
    f->expect.limits.max_unpacked = 0;

    /* 65 MiB of zeros in 65 KiB: beyond what is free, a ratio of 1000. */
    zeros = ps_calloc(65, 1 << 20);
    f->archive.members[F_DATA].data =
        (struct ps_str){ .data = zeros, .len = (size_t)65 << 20 };
    f->archive.members[F_RECORD].data = LIT("");
    f->archive.members[F_RECORD].data.data = NULL;
    fixture_expect(f, PS_ETOOBIG, "more than 200 times");
    f->expect.limits.max_ratio = 2000;
    fixture_expect(f, PS_OK, "");
    f->archive.members[F_DATA].data.len = (size_t)63 << 20;
    f->archive.members[F_RECORD].data = LIT("");
    f->archive.members[F_RECORD].data.data = NULL;
    f->expect.limits.max_ratio = 0;
    fixture_expect(f, PS_OK, "");
    free(zeros);
}

#define TEST(f) \
    cmocka_unit_test_setup_teardown(f, fixture_init, fixture_release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(accepts_a_plain_wheel),
        TEST(accepts_zip64_directories_and_descriptors),
        TEST(accepts_zip64_sizes_of_one_member),
        TEST(refuses_patched_fields_of_a_stored_member),
        TEST(refuses_patched_fields_of_a_deflated_member),
        TEST(refuses_patched_zip64_records),
        TEST(refuses_bytes_outside_the_members),
        TEST(refuses_bad_data_descriptors),
        TEST(refuses_overlapping_members),
        TEST(refuses_bad_extra_fields),
        TEST(refuses_names_that_are_not_safe),
        TEST(refuses_names_that_meet_in_a_file_system),
        TEST(refuses_what_is_no_archive),
        TEST(notices_every_changed_byte),
        TEST(keeps_to_the_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
