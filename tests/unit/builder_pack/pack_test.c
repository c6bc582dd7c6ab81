#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pack_private.h"
#include "pkgsync/pack.h"
#include "pkgsync/version.h"
#include "test_util.h"
#include "wheel_private.h"

#define FILES_MAX 16u

/* A directory of files, one for wheels, one for stat caches. */
struct fixture {
    struct ps_arena arena;
    char *dir;
    char *out;
    char *cache;
    int out_fd;
    struct ps_pack_file files[FILES_MAX];
    struct ps_pack_options options;
    struct ps_error err;
};

static int setup(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->dir = test_make_dir();
    f->out = test_make_dir();
    f->cache = test_make_dir();
    f->out_fd = open(f->out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    f->options.files = f->files;
    f->options.cache_dir = f->cache;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    (void)close(f->out_fd);
    test_remove_dir(f->dir);
    test_remove_dir(f->out);
    test_remove_dir(f->cache);
    ps_arena_release(&f->arena);
    free(f);
    return 0;
}

static char *add_file(struct fixture *f, const char *name, const char *text)
{
    char *written = test_write(f->dir, name, text);
    char *path = ps_arena_strdup(&f->arena, written);

    free(written);
    f->files[f->options.count++] =
        (struct ps_pack_file){ .path = path, .name = name };
    return path;
}

static struct ps_wheel_info pack(struct fixture *f)
{
    struct ps_wheel_info info = { 0 };

    assert_ok(ps_pack_wheel(&f->arena, &f->options, f->out_fd, &info, &f->err),
              &f->err);
    return info;
}

static struct ps_pack_plan plan(struct fixture *f)
{
    struct ps_pack_plan out = { 0 };

    assert_ok(ps_pack_plan(&f->arena, &f->options, &out, &f->err), &f->err);
    return out;
}

static void expect_refusal(struct fixture *f, int code, const char *part)
{
    struct ps_wheel_info info;
    struct stat st;

    assert_code(
        code, ps_pack_wheel(&f->arena, &f->options, f->out_fd, &info, &f->err),
        &f->err);
    if (!strstr(f->err.text, part))
        fail_msg("no '%s' in: %s", part, f->err.text);
    /* Nothing is left behind. */
    assert_int_equal(fstat(f->out_fd, &st), 0);
    assert_int_equal(unlinkat(f->out_fd, ".pkgsync-pack.tmp", 0), -1);
}

static void settle(void)
{
    (void)usleep(60000);
}

static void packs_a_wheel_that_passes_the_strict_verification(void **state)
{
    struct fixture *f = *state;
    struct ps_wheel_expect expect = { .name = "Pkgsync.Loose_Modules" };
    struct ps_wheel_info info;
    struct ps_wheel_info again;

    add_file(f, "z.py", "Z = 1\n");
    add_file(f, "a/__init__.py", "");
    add_file(f, "a/b.csv", "1,2\n");
    info = pack(f);
    assert_ok(ps_wheel_verify(&f->arena, f->out_fd, info.file_name, &expect,
                              &again, &f->err),
              &f->err);
    assert_int_equal(again.members, 6);
    assert_true(again.pure);
    assert_string_equal(info.name, PS_PACK_NAME);
    assert_true(ps_sha256_equal(&info.sha256, &again.sha256));
    assert_int_equal(info.size, again.size);
}

static void the_plan_names_the_wheel_that_will_be_written(void **state)
{
    struct fixture *f = *state;
    struct ps_pack_plan before;
    struct ps_wheel_info info;

    f->options.name = "My.Modules";
    f->options.requires_python = ">=3.9";
    add_file(f, "m.py", "M = 1\n");
    before = plan(f);
    info = pack(f);
    assert_string_equal(before.file_name, info.file_name);
    assert_string_equal(before.version, info.version);
    assert_string_equal(info.name, "My.Modules");
    assert_string_equal(info.requires_python, ">=3.9");
    assert_true(ps_str_starts(ps_str_from(info.file_name), "my_modules-0+"));
}

static void the_version_is_normal_and_follows_the_content(void **state)
{
    struct fixture *f = *state;
    const char *versions[4] = { NULL };
    char *normal = NULL;
    char *path = add_file(f, "m.py", "M = 1\n");

    versions[0] = plan(f).version;
    free(test_write(f->dir, "m.py", "M = 2\n"));
    versions[1] = plan(f).version;
    assert_int_equal(chmod(path, 0755), 0);
    versions[2] = plan(f).version;
    f->files[0].name = "n.py";
    versions[3] = plan(f).version;
    for (size_t i = 0; i < 4; i++) {
        assert_ok(ps_version_normalize(&f->arena, ps_str_from(versions[i]),
                                       &normal, &f->err),
                  &f->err);
        assert_string_equal(normal, versions[i]);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(versions[i], versions[j]);
    }
}

static void the_order_of_the_list_does_not_matter(void **state)
{
    struct fixture *f = *state;
    struct ps_pack_file first;
    struct ps_wheel_info one;
    struct ps_wheel_info two;

    add_file(f, "a.py", "A = 1\n");
    add_file(f, "b.py", "B = 1\n");
    one = pack(f);
    first = f->files[0];
    f->files[0] = f->files[1];
    f->files[1] = first;
    two = pack(f);
    assert_string_equal(one.file_name, two.file_name);
    assert_true(ps_sha256_equal(&one.sha256, &two.sha256));
}

static void unchanged_files_are_not_read_again(void **state)
{
    struct fixture *f = *state;

    add_file(f, "a.py", "A = 1\n");
    add_file(f, "b.py", "B = 1\n");
    settle();
    assert_int_equal(plan(f).files_read, 2);
    assert_int_equal(plan(f).files_read, 0);
    free(test_write(f->dir, "b.py", "B = 2\n"));
    assert_int_equal(plan(f).files_read, 1);
}

static void writing_the_wheel_fills_the_stat_cache(void **state)
{
    struct fixture *f = *state;
    struct ps_wheel_info info;
    struct ps_pack_plan after;

    add_file(f, "a.py", "A = 1\n");
    settle();
    info = pack(f);
    after = plan(f);
    assert_int_equal(after.files_read, 0);
    assert_string_equal(after.version, info.version);
}

static void links_are_followed_as_an_import_does(void **state)
{
    struct fixture *f = *state;
    char *link = ps_arena_format(&f->arena, "%s/link.py", f->dir);
    const char *plain = NULL;

    add_file(f, "m.py", "M = 1\n");
    plain = plan(f).version;
    assert_int_equal(symlink("m.py", link), 0);
    f->files[0].path = link;
    assert_string_equal(plan(f).version, plain);
    assert_string_equal(pack(f).version, plain);
}

static void a_file_of_zeros_is_no_bomb(void **state)
{
    struct fixture *f = *state;
    char *path = add_file(f, "zeros.npy", "");

    /* Plain deflate would pack it 1,000 to 1, which verification refuses. */
    assert_int_equal(truncate(path, 80 << 20), 0);
    assert_int_equal(pack(f).members, 4);
}

static void refuses_names_that_no_wheel_may_hold(void **state)
{
    static const char *const names[] = { "../m.py", "/m.py", "a//m.py",
                                         "a\\m.py", "d/",    "a\nb.py" };
    struct fixture *f = *state;

    add_file(f, "m.py", "M = 1\n");
    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++) {
        f->files[0].name = names[i];
        expect_refusal(f, PS_EINVALID, "name");
    }
    f->files[0].name = "evil-1.dist-info/METADATA";
    expect_refusal(f, PS_EINVALID, "dist-info");
}

static void refuses_two_files_that_would_meet(void **state)
{
    struct fixture *f = *state;

    add_file(f, "m.py", "M = 1\n");
    add_file(f, "M.py", "M = 2\n");
    expect_refusal(f, PS_EINVALID, "duplicate members");
}

static void refuses_what_is_no_regular_file(void **state)
{
    struct fixture *f = *state;
    char *path = add_file(f, "m.py", "M = 1\n");

    assert_int_equal(unlink(path), 0);
    expect_refusal(f, PS_ENOTFOUND, path);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refusal(f, PS_EINVALID, "not a regular file");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refusal(f, PS_EINVALID, "not a regular file");
}

static void refuses_texts_that_would_add_lines_to_metadata(void **state)
{
    struct fixture *f = *state;

    add_file(f, "m.py", "M = 1\n");
    f->options.name = "a\nProvides-Extra: b";
    expect_refusal(f, PS_EINVALID, "no name of a distribution");
    f->options.name = NULL;
    f->options.requires_python = ">=3\nName: b";
    expect_refusal(f, PS_EINVALID, "Requires-Python");
    f->options.requires_python = NULL;
    f->options.count = 0;
    expect_refusal(f, PS_EINVALID, "no files");
}

static void a_shared_library_needs_a_platform(void **state)
{
    struct fixture *f = *state;
    struct ps_wheel_info info;

    add_file(f, "pkg/libx.so.1", "x");
    add_file(f, "pkg/__init__.py", "");
    expect_refusal(f, PS_EINVALID, "shared library");
    f->options.native_tag = "cp311-cp311-manylinux_2_17_x86_64.linux_x86_64";
    info = pack(f);
    assert_false(info.pure);
    f->options.native_tag = NULL;
    f->files[0].name = "pkg/notes.so.txt";
    assert_true(pack(f).pure);
}

static void a_cancelled_pack_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct ps_cancel cancel;

    add_file(f, "m.py", "M = 1\n");
    assert_ok(ps_cancel_init(&cancel, &f->err), &f->err);
    ps_cancel_fire(&cancel, PS_ECANCELED);
    f->options.cancel = &cancel;
    expect_refusal(f, PS_ECANCELED, "");
    ps_cancel_release(&cancel);
}

/* --- a file that is written to meanwhile --------------------------------- */

struct meddler {
    unsigned times; /* still to be written */
    unsigned calls;
    bool replace; /* by another file of that name */
};

static void meddle(const char *path, void *user)
{
    struct meddler *m = user;
    char *other = ps_format("%s.new", path);
    FILE *file = NULL;

    m->calls++;
    if (m->times > 0) {
        m->times--;
        file = fopen(m->replace ? other : path, m->replace ? "we" : "ae");
        assert_non_null(file);
        assert_true(fputs("# edited\n", file) >= 0);
        assert_int_equal(fclose(file), 0);
        if (m->replace)
            assert_int_equal(rename(other, path), 0);
    }
    free(other);
}

static int read_meddled(struct fixture *f, struct meddler *m,
                        struct ps_zip_writer *zip, struct ps_pack_content *out)
{
    struct ps_pack_reader reader = { .zip = zip,
                                     .after_read = meddle,
                                     .user = m };

    return ps_pack_read(&reader, f->files[0].path, PS_STR_LIT("m.py"), out,
                        &f->err);
}

static void a_file_that_changed_once_is_read_again(void **state)
{
    static const char *const texts[] = { "M = 1\n# edited\n", "# edited\n" };
    struct fixture *f = *state;

    add_file(f, "m.py", "");
    for (size_t i = 0; i < PS_ARRAY_SIZE(texts); i++) {
        PS_AUTO_ZIP_WRITER struct ps_zip_writer zip = { .fd = -1 };
        PS_AUTO_FD int fd = open(f->out, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        struct meddler m = { .times = 1, .replace = i == 1 };
        struct ps_pack_content content = { 0 };
        struct ps_sha256 expected = ps_sha256_of(texts[i], strlen(texts[i]));

        free(test_write(f->dir, "m.py", "M = 1\n"));
        ps_zip_writer_init(&zip, fd);
        assert_ok(read_meddled(f, &m, &zip, &content), &f->err);
        assert_int_equal(m.calls, 2);
        assert_int_equal(zip.count, 1);
        assert_int_equal(zip.entries[0].unpacked, strlen(texts[i]));
        assert_true(ps_sha256_equal(&content.sha256, &expected));
    }
}

static void a_file_that_changed_twice_is_busy(void **state)
{
    struct fixture *f = *state;
    struct meddler m = { .times = 9 };
    struct ps_pack_content content = { 0 };

    add_file(f, "m.py", "M = 1\n");
    assert_code(PS_EBUSY, read_meddled(f, &m, NULL, &content), &f->err);
    assert_int_equal(m.calls, 2);
    assert_non_null(strstr(f->err.text, f->files[0].path));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(packs_a_wheel_that_passes_the_strict_verification),
        TEST(the_plan_names_the_wheel_that_will_be_written),
        TEST(the_version_is_normal_and_follows_the_content),
        TEST(the_order_of_the_list_does_not_matter),
        TEST(unchanged_files_are_not_read_again),
        TEST(writing_the_wheel_fills_the_stat_cache),
        TEST(links_are_followed_as_an_import_does),
        TEST(a_file_of_zeros_is_no_bomb),
        TEST(refuses_names_that_no_wheel_may_hold),
        TEST(refuses_two_files_that_would_meet),
        TEST(refuses_what_is_no_regular_file),
        TEST(refuses_texts_that_would_add_lines_to_metadata),
        TEST(a_shared_library_needs_a_platform),
        TEST(a_cancelled_pack_leaves_nothing),
        TEST(a_file_that_changed_once_is_read_again),
        TEST(a_file_that_changed_twice_is_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
