/* Unpacking source distributions: the good, the damaged and the hostile. */
#include <locale.h>
#include <sys/stat.h>

#include "sdist_fixture.h"

static const char *const kinds[] = { "gzip", "bzip2", "xz",
                                     "zstd", "none",  "zip" };

static void names_of_sdists_are_recognised(void **state)
{
    static const struct {
        const char *name;
        bool is_sdist;
    } cases[] = {
        { "demo-1.0.tar.gz", true },
        { "demo-1.0.TAR.GZ", true },
        { "demo-1.0.tgz", true },
        { "demo-1.0.tar.bz2", true },
        { "demo-1.0.tar.xz", true },
        { "demo-1.0.tar.zst", true },
        { "demo-1.0.tar", true },
        { "demo-1.0.zip", true },
        { "demo.git", false },
        { "demo-1.0-py3-none-any.whl", false },
        { ".zip", false },
        { ".tar.gz", false },
        { "zip", false },
        { "", false },
        { "demo-1.0.tar.gz/", false },
        { "demo-1.0.tar.gz.asc", false },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        print_message("case: '%s'\n", cases[i].name);
        assert_int_equal(ps_sdist_is_name(ps_str_from(cases[i].name)),
                         cases[i].is_sdist);
    }
}

static void every_kind_unpacks_without_its_top_directory(void **state)
{
    static const struct member members[] = {
        { .name = "demo-1.0/", .type = AE_IFDIR, .mode = 0700 },
        { .name = "demo-1.0/PKG-INFO", .text = "Name: demo\n", .mode = 0600 },
        { .name = "demo-1.0/src/run.sh", .text = "#!/bin/sh\n", .mode = 0775 },
        { .name = "demo-1.0/link", .link = "src/run.sh" },
        { .name = "demo-1.0/src/up", .link = "../PKG-INFO" },
        { .name = "demo-1.0/empty", .text = "" },
        { .name = NULL },
    };
    struct fixture *f = *state;
    mode_t mask = umask(0077);

    for (size_t i = 0; i < PS_ARRAY_SIZE(kinds); i++) {
        struct ps_error err;
        char *script = ps_format("%s/src/run.sh", f->dest);
        char *dir = ps_format("%s/src", f->dest);
        struct stat st;

        print_message("kind: %s\n", kinds[i]);
        make_archive(f, kinds[i], members);
        assert_ok(unpack(f, &err), &err);
        expect_text(f, "PKG-INFO", "Name: demo\n");
        expect_text(f, "empty", "");
        assert_int_equal(lstat(script, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
        assert_int_equal(st.st_mtim.tv_sec, 1234567890);
        assert_int_equal(lstat(dir, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0755);
        free(script);
        script = ps_format("%s/link", f->dest);
        assert_int_equal(lstat(script, &st), 0);
        assert_true(S_ISLNK(st.st_mode));
        free(script);
        free(dir);
    }
    (void)umask(mask);
}

static void an_archive_of_dot_slash_names_is_an_sdist(void **state)
{
    static const struct member members[] = {
        { .name = "./", .type = AE_IFDIR },
        { .name = "./demo-1.0/", .type = AE_IFDIR },
        { .name = "./demo-1.0/setup.py", .text = "x" },
        { .name = NULL },
    };
    struct fixture *f = *state;
    struct ps_error err;

    make_archive(f, "gzip", members);
    assert_ok(unpack(f, &err), &err);
    expect_text(f, "setup.py", "x");
}

static void a_name_of_any_script_survives(void **state)
{
    static const struct member members[] = {
        { .name = "demo-1.0/caf\xc3\xa9.txt", .text = "x" },
        { .name = "demo-1.0/\xe6\x97\xa5/\xe6\x9c\xac.py", .text = "y" },
        { .name = NULL },
    };
    struct fixture *f = *state;
    struct ps_error err;

    /* Written in a UTF-8 locale, as Python does; read in the C locale. */
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    make_archive(f, "gzip", members);
    assert_non_null(setlocale(LC_CTYPE, "C"));
    assert_ok(unpack(f, &err), &err);
    expect_text(f, "caf\xc3\xa9.txt", "x");
    expect_text(f, "\xe6\x97\xa5/\xe6\x9c\xac.py", "y");
}

static void members_that_are_refused_are_named(void **state)
{
#define OK_MEMBER                    \
    {                                \
        .name = "d/ok", .text = "ok" \
    }
    static const struct {
        struct member members[6];
        const char *name; /* of the one that is refused */
        const char *why;
    } cases[] = {
        { { { .name = "/etc/x", .text = "x" } }, "'/etc/x'", "absolute" },
        { { { .name = "../x", .text = "x" } }, "'../x'", "'..'" },
        { { { .name = "d/../../x", .text = "x" } }, "'d/../../x'", "'..'" },
        { { { .name = "d/..", .type = AE_IFDIR } }, "'d/..", "'..'" },
        { { { .name = "d/./x", .text = "x" } }, "'d/./x'", "'.'" },
        { { { .name = "d//x", .text = "x" } }, "'d//x'", "empty part" },
        { { { .name = "x", .text = "x" } }, "'x'", "one top directory" },
        { { OK_MEMBER, { .name = "e/x", .text = "x" } },
          "'e/x'",
          "beside the top directory 'd'" },
        { { OK_MEMBER, { .name = "top.txt", .text = "x" } },
          "'top.txt'",
          "one top directory" },
        { { OK_MEMBER, OK_MEMBER }, "'d/ok'", "two members" },
        { { OK_MEMBER, { .name = "d/OK", .text = "x" } },
          "'d/OK'",
          "upper and lower case" },
        { { { .name = "d/a/x", .text = "x" }, { .name = "d/A/y", .text = "" } },
          "'d/A/y'",
          "upper and lower case" },
        { { OK_MEMBER, { .name = "d/ok/x", .text = "x" } },
          "'d/ok/x'",
          "not a directory" },
        { { { .name = "d/x/y", .text = "x" }, { .name = "d/x", .text = "" } },
          "'d/x'",
          "two members" },
        { { { .name = "d/l", .link = "/etc" } }, "'l' to '/etc'", "absolute" },
        { { { .name = "d/l", .link = ".." } }, "'l' to '..'", "out of" },
        { { OK_MEMBER, { .name = "d/l", .link = "../d/ok" } },
          "'l' to '../d/ok'",
          "out of" },
        { { { .name = "d/s/l", .link = "../../x" } }, "'s/l'", "out of" },
        { { { .name = "d/l", .link = "s" },
            { .name = "d/l/x", .text = "x" } }, /* through a link */
          "'d/l/x'",
          "not a directory" },
        { { { .name = "d/a/b", .link = "../c/.." },
            { .name = "d/c", .link = "a" },
            { .name = "d/e", .link = "c/b/../../.." } },
          "'e'",
          "out of" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        print_message("case: %s %s\n", cases[i].name, cases[i].why);
        make_archive(f, "none", cases[i].members);
        expect_refusal(f, PS_EINVALID, cases[i].name);
        expect_refusal(f, PS_EINVALID, cases[i].why);
    }
}

static void special_members_of_a_tar_are_refused(void **state)
{
    static const struct {
        mode_t type;
        const char *why;
    } cases[] = {
        { AE_IFIFO, "FIFO" },
        { AE_IFCHR, "device" },
        { AE_IFBLK, "device" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct member members[] = {
            { .name = "d/special", .type = cases[i].type },
            { .name = NULL },
        };

        make_archive(f, "none", members);
        expect_refusal(f, PS_EINVALID, "'d/special'");
        expect_refusal(f, PS_EINVALID, cases[i].why);
    }
}

static void a_hostile_zip_is_refused_too(void **state)
{
    static const struct {
        struct member members[3];
        const char *why;
    } cases[] = {
        { { { .name = "../x", .text = "x" } }, "'..'" },
        { { { .name = "/x", .text = "x" } }, "absolute" },
        { { { .name = "d/l", .link = "../../x" } }, "out of" },
        { { OK_MEMBER, { .name = "d/Ok", .text = "x" } }, "case" },
        { { OK_MEMBER, OK_MEMBER }, "" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        print_message("case: %s\n", cases[i].why);
        make_archive(f, "zip", cases[i].members);
        expect_refusal(f, PS_EINVALID, cases[i].why);
    }
}

static void an_encrypted_zip_is_refused(void **state)
{
    static const struct member members[] = { OK_MEMBER, { .name = NULL } };
    struct fixture *f = *state;

    make_archive(f, "zip:encryption=traditional", members);
    expect_refusal(f, PS_EINVALID, "encrypted");
    make_archive(f, "zip:encryption=aes256", members);
    expect_refusal(f, PS_EINVALID, "encrypted");
}

static void hard_links_become_files_of_their_own(void **state)
{
    static const struct member good[] = {
        { .name = "d/a", .text = "content", .mode = 0755 },
        { .name = "d/sub/b", .hard = "d/a" },
        { .name = NULL },
    };
    static const struct {
        const char *target;
        const char *why;
    } bad[] = {
        { "d/none", "no file that the archive holds before it" },
        { "/etc/passwd", "absolute" },
        { "../x", "'..'" },
        { "e/a", "beside the top directory" },
        { "d/l", "no file that the archive holds before it" },
        { "d/b", "no file that the archive holds before it" }, /* itself */
    };
    struct fixture *f = *state;
    struct ps_error err;
    struct stat st;
    char *path = ps_format("%s/sub/b", f->dest);

    make_archive(f, "gzip", good);
    assert_ok(unpack(f, &err), &err);
    expect_text(f, "sub/b", "content");
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(st.st_mode & 07777, 0755);
    free(path);

    for (size_t i = 0; i < PS_ARRAY_SIZE(bad); i++) {
        struct member members[] = {
            { .name = "d/a", .text = "content" },
            { .name = "d/l", .link = "a" },
            { .name = "d/b", .hard = bad[i].target },
            { .name = NULL },
        };

        print_message("case: %s\n", bad[i].target);
        make_archive(f, "gzip", members);
        expect_refusal(f, PS_EINVALID, "'d/b'");
        expect_refusal(f, PS_EINVALID, bad[i].why);
    }
}

/* Targets over 100 bytes travel in a PAX header. */
static void a_pax_linkpath_is_checked_as_well(void **state)
{
    struct fixture *f = *state;
    char *far = ps_calloc(1, 1024);
    struct member members[] = {
        { .name = "d/l", .link = far },
        { .name = NULL },
    };

    for (int i = 0; i < 60; i++)
        memcpy(far + strlen(far), "../", 4);
    memcpy(far + strlen(far), "etc/passwd", 11);
    make_archive(f, "gzip", members);
    expect_refusal(f, PS_EINVALID, "out of the tree");
    free(far);
}

static void what_is_written_is_bounded(void **state)
{
    static const struct member zeros[] = {
        { .name = "d/zeros", .zeros = 3 << 20 },
        { .name = NULL },
    };
    static const struct member bomb[] = {
        { .name = "d/zeros", .zeros = PS_MIB(80) },
        { .name = NULL },
    };
    static const struct member sparse[] = {
        { .name = "d/sparse", .text = "x", .hole = 2 << 20 },
        { .name = NULL },
    };
    static const struct member links[] = {
        { .name = "d/a", .zeros = 1 << 20 },
        { .name = "d/b", .hard = "d/a" },
        { .name = "d/c", .hard = "d/a" },
        { .name = NULL },
    };
    struct fixture *f = *state;
    struct ps_error err;

    for (size_t i = 0; i < PS_ARRAY_SIZE(kinds); i++) {
        make_archive(f, kinds[i], zeros);
        f->limits.max_bytes = 3 << 20;
        assert_ok(unpack(f, &err), &err);
        f->limits.max_bytes = (3 << 20) - 1;
        expect_refusal(f, PS_ETOOBIG, "more than 3145727 bytes");
    }
    make_archive(f, "none", sparse);
    f->limits.max_bytes = (4 << 20) + 1;
    assert_ok(unpack(f, &err), &err);
    f->limits.max_bytes = 4 << 20;
    expect_refusal(f, PS_ETOOBIG, "more than 4194304 bytes");
    make_archive(f, "none", links);
    f->limits.max_bytes = 3 << 20;
    assert_ok(unpack(f, &err), &err);
    f->limits.max_bytes = (3 << 20) - 1;
    expect_refusal(f, PS_ETOOBIG, "more than 3145727 bytes");

    f->limits.max_bytes = 0;
    make_archive(f, "gzip", bomb);
    expect_refusal(f, PS_ETOOBIG, "200 times its size");
    make_archive(f, "zip", bomb);
    expect_refusal(f, PS_ETOOBIG, "200 times its size");
    f->limits.max_ratio = 1000000;
    assert_ok(unpack(f, &err), &err);
}

static void a_sparse_file_keeps_its_size(void **state)
{
    static const struct member sparse[] = {
        { .name = "d/sparse", .text = "x", .hole = 1 << 20 },
        { .name = NULL },
    };
    struct fixture *f = *state;
    struct ps_error err;
    struct stat st;
    char *path = ps_format("%s/sparse", f->dest);

    make_archive(f, "gzip", sparse);
    assert_ok(unpack(f, &err), &err);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, (2 << 20) + 1);
    free(path);
}

static void the_number_of_members_is_bounded(void **state)
{
    static const struct member members[] = {
        { .name = "d/a", .text = "" },
        { .name = "d/b", .text = "" },
        { .name = "d/c", .text = "" },
        { .name = NULL },
    };
    static const struct member deep[] = {
        { .name = "d/1/2/3/4/5", .text = "" },
        { .name = "d/b", .text = "" },
        { .name = NULL },
    };
    struct fixture *f = *state;
    struct ps_error err;

    make_archive(f, "gzip", members);
    f->limits.max_files = 3;
    assert_ok(unpack(f, &err), &err);
    f->limits.max_files = 2;
    expect_refusal(f, PS_ETOOBIG, "more than 2 members");
    f->limits.max_files = 3;
    make_archive(f, "gzip", deep); /* four directories that nobody named */
    expect_refusal(f, PS_ETOOBIG, "more than 3 members");
}

static off_t size_of(const char *path)
{
    struct stat st;

    assert_int_equal(stat(path, &st), 0);
    return st.st_size;
}

/* Text that does not compress, so that every byte of the archive counts. */
static char *noise(size_t len)
{
    char *text = ps_calloc(1, len + 1);
    uint32_t x = 1;

    for (size_t i = 0; i < len; i++) {
        x = x * 1664525u + 1013904223u;
        text[i] = (char)('!' + (x >> 24) % 90);
    }
    return text;
}

static void a_truncated_archive_is_refused(void **state)
{
    struct fixture *f = *state;
    char *text = noise(3000);
    struct member members[] = {
        { .name = "d/a", .text = text },
        { .name = "d/b", .text = text },
        { .name = NULL },
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(kinds); i++) {
        off_t size = 0;
        off_t step = 0;

        make_archive(f, kinds[i], members);
        size = size_of(f->archive);
        if (strcmp(kinds[i], "none") == 0)
            size = (off_t)2 * (512 + 3072); /* what follows is the end mark */
        step = size / 40;
        for (off_t len = size - 1; len >= 0; len -= len > step ? step : 1) {
            struct ps_error err;

            assert_int_equal(truncate(f->archive, len), 0);
            if (unpack(f, &err) != PS_EINVALID)
                fail_msg("%s cut to %lld of %lld bytes: '%s'", kinds[i],
                         (long long)len, (long long)size, err.text);
        }
    }
    free(text);
}

static void flip(const char *path, off_t at)
{
    unsigned char c = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &c, 1, at), 1);
    c ^= 0x04;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    assert_int_equal(close(fd), 0);
}

/* A checksum covers the content in all of these: any flip of it shows. */
static void damaged_content_is_refused(void **state)
{
    static const char *const checked[] = { "gzip", "bzip2", "xz", "zip" };
    struct fixture *f = *state;
    char *text = noise(3000);
    struct member members[] = {
        { .name = "d/a", .text = text },
        { .name = NULL },
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(checked); i++) {
        off_t size = 0;

        make_archive(f, checked[i], members);
        size = size_of(f->archive);
        for (off_t at = size / 4; at < size * 3 / 4; at += size / 60) {
            struct ps_error err;

            flip(f->archive, at);
            if (unpack(f, &err) != PS_EINVALID)
                fail_msg("%s, byte %lld: '%s'", checked[i], (long long)at,
                         err.text);
            flip(f->archive, at);
        }
    }
    free(text);
}

static void what_is_no_archive_is_refused(void **state)
{
    static const char *const texts[] = {
        "", "x", "PK", "PK\3\4", "\x1f\x8b", "BZh9", "hello, world\n",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(texts); i++) {
        free(test_write(f->base, "demo-1.0.archive", texts[i]));
        print_message("case %zu\n", i);
        expect_refusal(f, PS_EINVALID, "demo-1.0.archive");
    }
}

static void an_archive_without_members_is_refused(void **state)
{
    static const struct member none[] = { { .name = NULL } };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(kinds); i++) {
        bool is_zip = strcmp(kinds[i], "zip") == 0;

        make_archive(f, kinds[i], none);
        expect_refusal(f, PS_EINVALID,
                       is_zip ? "no zip archive" : "no top directory");
    }
}

static void an_archive_in_an_archive_is_refused(void **state)
{
    static const struct member members[] = { OK_MEMBER, { .name = NULL } };
    struct fixture *f = *state;
    struct archive *a = archive_write_new();

    assert_int_equal(archive_write_set_format_ustar(a), ARCHIVE_OK);
    assert_int_equal(archive_write_add_filter_xz(a), ARCHIVE_OK);
    assert_int_equal(archive_write_add_filter_bzip2(a), ARCHIVE_OK);
    assert_int_equal(archive_write_open_filename(a, f->archive), ARCHIVE_OK);
    write_members(a, members);
    assert_int_equal(archive_write_close(a), ARCHIVE_OK);
    assert_int_equal(archive_write_free(a), ARCHIVE_OK);
    expect_refusal(f, PS_EINVALID, "compressed more than once");
}

static void a_cancel_ends_unpacking(void **state)
{
    static const struct member members[] = { OK_MEMBER, { .name = NULL } };
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_cancel cancel;

    make_archive(f, "gzip", members);
    assert_ok(ps_cancel_init(&cancel, &err), &err);
    ps_cancel_fire(&cancel, PS_ECANCELED);
    assert_code(PS_ECANCELED,
                ps_sdist_unpack(f->archive, NULL, &cancel, f->dest, &err),
                &err);
    ps_cancel_release(&cancel);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_of_sdists_are_recognised),
        T(every_kind_unpacks_without_its_top_directory),
        T(an_archive_of_dot_slash_names_is_an_sdist),
        T(a_name_of_any_script_survives),
        T(members_that_are_refused_are_named),
        T(special_members_of_a_tar_are_refused),
        T(a_hostile_zip_is_refused_too),
        T(an_encrypted_zip_is_refused),
        T(hard_links_become_files_of_their_own),
        T(a_pax_linkpath_is_checked_as_well),
        T(what_is_written_is_bounded),
        T(a_sparse_file_keeps_its_size),
        T(the_number_of_members_is_bounded),
        T(a_truncated_archive_is_refused),
        T(damaged_content_is_refused),
        T(what_is_no_archive_is_refused),
        T(an_archive_without_members_is_refused),
        T(an_archive_in_an_archive_is_refused),
        T(a_cancel_ends_unpacking),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
