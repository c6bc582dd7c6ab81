/* What is in a wheel: .dist-info, .data, WHEEL, METADATA, RECORD. */
#include <fcntl.h>
#include <sys/stat.h>

#include "wheel_fixture.h"

#define INFO "demo-1.0.dist-info/"
#define HASH "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU" /* of "" */

struct row {
    const char *text; /* of the file */
    int code;
    const char *says;
};

static void expect_rows(struct fixture *f, size_t member,
                        const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fixture_set(f, member, rows[i].text);
        f->archive.members[F_RECORD].data = (struct ps_str){ 0 };
        print_message("  %s\n", rows[i].says);
        fixture_expect(f, rows[i].code, rows[i].says);
    }
}

#define W "Wheel-Version: 1.0\n"
#define P "Root-Is-Purelib: true\n"
#define T "Tag: py2-none-any\nTag: py3-none-any\n"

static void checks_wheel(void **state)
{
    static const struct row rows[] = {
        { W P T, PS_OK, "" },
        { "\xef\xbb\xbf" W P T, PS_OK, "" },
        { "WHEEL-VERSION:1.9\r\nroot-is-purelib:\tFALSE \r\n"
          "tag: py3-none-any\r\nTAG: py2-none-any\r\n\r\nx",
          PS_OK, "" },
        { W P "Tag: py2.py3-none-any\n", PS_OK, "" },
        { W P "Tag: py2-none-any\n " T, PS_EINVALID, "not a compatibility" },
        { "", PS_EINVALID, "WHEEL: no Wheel-Version" },
        { "Wheel-Version: 2.0\n" P T, PS_EINVALID, "not 1.x" },
        { "Wheel-Version: 10.0\n" P T, PS_EINVALID, "not 1.x" },
        { W W P T, PS_EINVALID, "Wheel-Version is there 2 times" },
        { W T, PS_EINVALID, "no Root-Is-Purelib" },
        { W "Root-Is-Purelib: maybe\n" T, PS_EINVALID, "not true or false" },
        { W "Root-Is-Purelib:\n" T, PS_EINVALID, "is empty" },
        { W P, PS_EINVALID, "no Tag" },
        { W P "Tag: py3-none-any\n", PS_EINVALID,
          "the file name has the tag py2-none-any, WHEEL has not" },
        { W P T "Tag: py4-none-any\n", PS_EINVALID,
          "WHEEL has the tag py4-none-any, the file name has not" },
        { W P T "Tag: py4-none\n", PS_EINVALID, "not a compatibility tag" },
        { W P T "Build: 1\n", PS_EINVALID, "build tag '1'" },
        { W P "no colon\n" T, PS_EINVALID, "line 3 is not a header" },
        { W "\n" P T, PS_EINVALID, "no Root-Is-Purelib" },
    };

    expect_rows(*state, F_WHEEL, rows, PS_ARRAY_SIZE(rows));
}

static void compares_the_build_tag(void **state)
{
    struct fixture *f = *state;

    f->file_name = "demo-1.0-7-py2.py3-none-any.whl";
    fixture_expect(f, PS_EINVALID, "the file name '7'");
    fixture_set(f, F_WHEEL, W P T "Build: 7\n");
    f->archive.members[F_RECORD].data = (struct ps_str){ 0 };
    fixture_expect(f, PS_OK, "");
}

#define M "Metadata-Version: 2.1\n"

static void checks_metadata(void **state)
{
    static const struct row rows[] = {
        { M "Name: demo\nVersion: 1.0\n", PS_OK, "" },
        { "\xef\xbb\xbf" M "NAME: Demo\nversion:v1.0\n", PS_OK, "" },
        { M "Name: demo\r\nVersion: 1.0\r\nSummary: a\r\n  b: c\r\n", PS_OK,
          "" },
        { M "Name: demo\rVersion: 1.0\r", PS_OK, "" },
        { M "Name:\n demo\nVersion: 1.0", PS_OK, "" },
        { "Name: demo\nVersion: 1.0\n", PS_EINVALID, "no Metadata-Version" },
        { "Metadata-Version: 3.0\nName: demo\nVersion: 1.0\n", PS_EINVALID,
          "not 1.x or 2.x" },
        { M "Version: 1.0\n", PS_EINVALID, "no Name" },
        { M "Name: demo\n", PS_EINVALID, "no Version" },
        { M "Name: demo\nName: evil\nVersion: 1.0\n", PS_EINVALID,
          "Name is there 2 times" },
        { M "Name: demo\nname: demo\nVersion: 1.0\n", PS_EINVALID, "2 times" },
        { M "Name: demo\n\nVersion: 1.0\n", PS_EINVALID, "no Version" },
        { M "Name: other\nVersion: 1.0\n", PS_EINVALID, "the name 'other'" },
        { M "Name: demo\nVersion: 1.1\n", PS_EINVALID, "the version '1.1'" },
        { M "Name: demo\nVersion: 1.0.0\n", PS_EINVALID, "'1.0.0'" },
        { M "Name: demo\nVersion: one\n", PS_EINVALID, "not a PEP 440" },
        { M "Name: demo\nVersion: 1.0\nRequires-Python: >3\n"
            "Requires-Python: <3\n",
          PS_EINVALID, "twice" },
        { " " M "Name: demo\nVersion: 1.0\n", PS_EINVALID, "line 1" },
        { M ": x\nName: demo\nVersion: 1.0\n", PS_EINVALID, "line 2" },
        { M "Na me: x\nName: demo\nVersion: 1.0\n", PS_EINVALID, "line 2" },
    };

    expect_rows(*state, F_METADATA, rows, PS_ARRAY_SIZE(rows));
}

static void refuses_a_nul_in_metadata(void **state)
{
    struct fixture *f = *state;

    f->archive.members[F_METADATA].data =
        PS_STR_LIT(M "Name: demo\nVersion: 1.0\0\n");
    fixture_expect(f, PS_EINVALID, "line 3 holds a NUL");
}

static void compares_versions_in_their_normal_form(void **state)
{
    struct fixture *f = *state;

    f->file_name = "Demo-v1.0-py2.py3-none-any.whl";
    fixture_expect(f, PS_OK, "");
    f->file_name = "demo-1.0_1-py2.py3-none-any.whl";
    fixture_expect(f, PS_EINVALID, "does not belong to the version '1.0_1'");
    f->file_name = "demo-x-py2.py3-none-any.whl";
    fixture_expect(f, PS_EINVALID, "not a PEP 440 version");
}

static void wants_one_matching_dist_info(void **state)
{
    static const struct {
        const char *name;
        const char *text;
    } rows[] = {
        { "other-1.0.dist-info/METADATA", "two .dist-info" },
        { "demo-1.0.dist-info-x", "is not listed" },
        { "demo-1.0.DIST-INFO-2.dist-info/x", "two .dist-info" },
        { "x.Dist-Info/y", "not a .dist-info directory" },
        { "x.dist-info", "not a .dist-info directory" },
    };
    struct fixture *f = *state;
    struct zw_member *m = NULL;

    fixture_write(f);
    m = fixture_add(f, PS_STR_LIT("x"), "");
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        m->name = ps_str_from(rows[i].name);
        fixture_expect(f, PS_EINVALID, rows[i].text);
    }
    m->name = PS_STR_LIT("vendored/other-1.0.dist-info/METADATA");
    f->archive.members[F_RECORD].data = (struct ps_str){ 0 };
    fixture_expect(f, PS_OK, "");

    f->file_name = "other-1.0-py2.py3-none-any.whl";
    fixture_expect(f, PS_EINVALID, "does not belong to the project 'other'");
    f->file_name = "demo-2.0-py2.py3-none-any.whl";
    fixture_expect(f, PS_EINVALID, "does not belong to the version '2.0'");
}

static void wants_each_file_of_dist_info(void **state)
{
    static const struct {
        size_t member;
        const char *text;
    } rows[] = {
        { F_WHEEL, "no 'demo-1.0.dist-info/WHEEL'" },
        { F_METADATA, "no 'demo-1.0.dist-info/METADATA'" },
        { F_RECORD, "no 'demo-1.0.dist-info/RECORD'" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_str name = f->archive.members[rows[i].member].name;

        f->archive.members[rows[i].member].name = PS_STR_LIT(INFO "something");
        fixture_expect(f, PS_EINVALID, rows[i].text);
        f->archive.members[rows[i].member].name = name;
    }
}

static void checks_data_directories(void **state)
{
    static const struct {
        const char *name;
        int code;
        const char *text;
    } rows[] = {
        { "demo-1.0.data/scripts/run", PS_OK, "" },
        { "demo-1.0.data/data/share/x", PS_OK, "" },
        { "demo/x.data/y", PS_OK, "" },
        { "demo-1.1.data/scripts/run", PS_EINVALID, "is not 'demo-1.0.data/'" },
        { "demo.data/x", PS_EINVALID, "is not 'demo-1.0.data/'" },
        { "demo-1.0.DATA/scripts/run", PS_EINVALID, "not a .data" },
        { "demo-1.0.data/secrets/run", PS_EINVALID, "only purelib" },
        { "demo-1.0.data/run", PS_EINVALID, "only purelib" },
        { "demo-1.0.data", PS_EINVALID, "not a .data" },
    };
    struct fixture *f = *state;
    struct zw_member *m = fixture_add(f, PS_STR_LIT("x"), "");

    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        m->name = ps_str_from(rows[i].name);
        f->archive.members[F_RECORD].data = (struct ps_str){ 0 };
        fixture_expect(f, rows[i].code, rows[i].text);
    }
}

/* RECORD with one more row than the true one. */
static void expect_row(struct fixture *f, const char *row, int code,
                       const char *text)
{
    fixture_set(f, F_RECORD,
                ps_arena_format(&f->arena, "%s%s", fixture_record(f), row));
    fixture_expect(f, code, text);
}

static void refuses_bad_rows_of_record(void **state)
{
    static const struct row rows[] = {
        { "x," HASH ",0\n", PS_EINVALID, "not a file of the archive" },
        { "demo/__INIT__.py," HASH ",0\n", PS_EINVALID, "not a file" },
        { "./demo/table.txt," HASH ",0\n", PS_EINVALID, "not a file" },
        { "dir," HASH ",0\n", PS_EINVALID, "not a file" },
        { "dir/," HASH ",0\n", PS_EINVALID, "not a file" },
        { "demo/table.txt," HASH ",0\n", PS_EINVALID, "listed twice" },
        { INFO "RECORD,,\n", PS_EINVALID, "listed twice" },
        { "\n", PS_EINVALID, "not 'path,hash,size'" },
        { "a,b\n", PS_EINVALID, "not 'path,hash,size'" },
        { "a,b,c,d\n", PS_EINVALID, "not 'path,hash,size'" },
        { "\"a\"b,c,d\n", PS_EINVALID, "not 'path,hash,size'" },
        { "a\"b,c,d\n", PS_EINVALID, "not 'path,hash,size'" },
        { "\"a,b,c\n", PS_EINVALID, "quote is not closed" },
    };
    struct fixture *f = *state;

    fixture_add(f, PS_STR_LIT("dir/"), "")->attributes = 0;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++)
        expect_row(f, rows[i].text, rows[i].code, rows[i].says);
}

static void refuses_bad_hashes_in_record(void **state)
{
    static const struct row rows[] = {
        { "empty," HASH ",0\n", PS_OK, "" },
        { "\"empty\"," HASH ",0\r\n", PS_OK, "" },
        { "empty," HASH ",0", PS_OK, "" },
        { "empty,sha384=OLBgp1GsljhM2TJ-sbHjaiH9txEUvgdDTAzHv2P24donTt6_529l-"
          "9Ua0vFImLlb,0\n",
          PS_OK, "" },
        { "empty,sha512=z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg_SpIdNs6c5H0NE8XYXysP-"
          "DGNKHfuwvY7kxvUdBeoGlODJ6-SfaPg,0\n",
          PS_OK, "" },
        { "", PS_EINVALID, "'empty' is not listed in RECORD" },
        { "empty,,0\n", PS_EINVALID, "no hash" },
        { "empty,,\n", PS_EINVALID, "no hash" },
        { "empty," HASH ",\n", PS_EINVALID, "no size" },
        { "empty," HASH ",x\n", PS_EINVALID, "size" },
        { "empty," HASH ",-0\n", PS_EINVALID, "size" },
        { "empty," HASH ",1\n", PS_EINTEGRITY, "listed with 1" },
        { "empty," HASH "=,0\n", PS_EINVALID, "without padding" },
        { "empty,sha256=,0\n", PS_EINVALID, "without padding" },
        { "empty,SHA256=x,0\n", PS_EINVALID, "not sha256" },
        { "empty,md5=1B2M2Y8AsgTpgAmY7PhCfg,0\n", PS_EINVALID, "not sha256" },
        { "empty,sha1=2jmj7l5rSw0yVb_vlWAYkK_YBwk,0\n", PS_EINVALID,
          "not sha256" },
        { "empty,e3b0c44298fc1c14,0\n", PS_EINVALID, "not sha256" },
        { "empty,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFV,0\n",
          PS_EINTEGRITY, "RECORD says" },
        { "empty,sha256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU,0\n",
          PS_EINTEGRITY, "RECORD says" },
    };
    struct fixture *f = *state;
    char *record = fixture_record(f);

    fixture_add(f, PS_STR_LIT("empty"), "");
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        fixture_set(f, F_RECORD,
                    ps_arena_format(&f->arena, "%s%s", record, rows[i].text));
        fixture_expect(f, rows[i].code, rows[i].says);
    }
}

static void reads_quoted_paths(void **state)
{
    struct fixture *f = *state;
    char *record = fixture_record(f);

    fixture_add(f, PS_STR_LIT("demo/a \"b\", c"), "");
    fixture_set(f, F_RECORD,
                ps_arena_format(&f->arena, "%s\"demo/a \"\"b\"\", c\",%s,0\n",
                                record, HASH));
    fixture_expect(f, PS_OK, "");
}

static void leaves_signatures_out_of_record(void **state)
{
    struct fixture *f = *state;

    fixture_write(f); /* RECORD without them */
    fixture_add(f, PS_STR_LIT(INFO "RECORD.jws"), "{}");
    fixture_add(f, PS_STR_LIT(INFO "RECORD.p7s"), "x");
    fixture_expect(f, PS_OK, "");
    fixture_add(f, PS_STR_LIT("demo/RECORD"), "x");
    fixture_expect(f, PS_EINVALID, "'demo/RECORD' is not listed");
}

static void refuses_changed_contents(void **state)
{
    struct fixture *f = *state;

    fixture_write(f);
    fixture_set(f, F_INIT, "value = 2\n");
    fixture_expect(f, PS_EINTEGRITY, "member 'demo/__init__.py': its hash");
    fixture_set(f, F_INIT, "value = 20\n");
    fixture_expect(f, PS_EINTEGRITY, "is listed with 10");
}

static void compares_with_what_was_expected(void **state)
{
    static const char *const good[] = { "cp311-cp311-x", "py3-none-any", NULL };
    static const char *const bad[] = { "cp311-cp311-x", NULL };
    struct fixture *f = *state;

    f->expect.name = "DEMO";
    f->expect.tags = good;
    fixture_expect(f, PS_OK, "");
    f->expect.tags = bad;
    fixture_expect(f, PS_EINVALID, "py2.py3-none-any does not suit");
    f->expect.tags = NULL;
    f->expect.name = "other";
    fixture_expect(f, PS_EINVALID, "'demo' was built, 'other' was expected");
}

static void verifies_a_file_of_a_directory(void **state)
{
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    char *dir = test_make_dir();
    PS_AUTO_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(fd >= 0);
    fixture_write(f);
    assert_ok(ps_write_file_at(fd, f->file_name, f->bytes.data, f->bytes.len,
                               0644, &err),
              &err);
    assert_ok(
        ps_wheel_verify(&f->arena, fd, f->file_name, NULL, &f->info, &err),
        &err);
    assert_string_equal(f->info.name, "demo");

    assert_int_equal(symlinkat(f->file_name, fd, "demo-1.0-py3-none-any.whl"),
                     0);
    assert_true(ps_wheel_verify(&f->arena, fd, "demo-1.0-py3-none-any.whl",
                                NULL, &f->info, &err) < 0);
    assert_int_equal(mkfifoat(fd, "demo-1-py3-none-any.whl", 0600), 0);
    assert_true(ps_wheel_verify(&f->arena, fd, "demo-1-py3-none-any.whl", NULL,
                                &f->info, &err) < 0);
    assert_code(PS_ENOTFOUND,
                ps_wheel_verify(&f->arena, fd, "demo-2-py3-none-any.whl", NULL,
                                &f->info, &err),
                &err);
    test_remove_dir(dir);
}

#define TEST(f) \
    cmocka_unit_test_setup_teardown(f, fixture_init, fixture_release)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(checks_wheel),
        TEST(compares_the_build_tag),
        TEST(checks_metadata),
        TEST(refuses_a_nul_in_metadata),
        TEST(compares_versions_in_their_normal_form),
        TEST(wants_one_matching_dist_info),
        TEST(wants_each_file_of_dist_info),
        TEST(checks_data_directories),
        TEST(refuses_bad_rows_of_record),
        TEST(refuses_bad_hashes_in_record),
        TEST(reads_quoted_paths),
        TEST(leaves_signatures_out_of_record),
        TEST(refuses_changed_contents),
        TEST(compares_with_what_was_expected),
        TEST(verifies_a_file_of_a_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
