/* Installs that are broken: each is a problem of its own, and the rest of the
 * environment is read as if it were not there. */
#include <fcntl.h>
#include <sys/sysmacros.h>

#include "scan_fixture.h"

static const char *at(struct scan_fixture *f, const char *name)
{
    return ps_arena_format(&f->arena, "%s/%s", f->dir, name);
}

static void make_dir(struct scan_fixture *f, const char *name)
{
    struct ps_error err = PS_ERROR_INIT;

    assert_ok(ps_mkdirs(at(f, name), 0755, &err), &err);
}

static void goes_on_past_metadata_that_is_no_file(void **state)
{
    struct scan_fixture *f = *state;

    put_dist(f, "good", "1.0");
    make_dir(f, "isdir-1.dist-info/METADATA");
    make_dir(f, "fifo-1.dist-info");
    assert_int_equal(mkfifo(at(f, "fifo-1.dist-info/METADATA"), 0600), 0);
    make_dir(f, "null-1.dist-info");
    assert_int_equal(symlink("/dev/zero", at(f, "null-1.dist-info/METADATA")),
                     0);
    make_dir(f, "loop-1.dist-info");
    assert_int_equal(symlink("METADATA", at(f, "loop-1.dist-info/METADATA")),
                     0);
    assert_int_equal(symlink("self-1.dist-info", at(f, "self-1.dist-info")), 0);
    put_site(f, "file-1.dist-info", "not a directory");
    scan(f);
    assert_int_equal(f->e.count, 1);
    assert_string_equal(f->e.dists[0].name, "good");
    assert_true(problem(f, "isdir-1", "it is a directory")->serious);
    assert_true(problem(f, "fifo-1", "no regular file")->serious);
    assert_true(problem(f, "null-1", "binary")->serious);
    assert_true(problem(f, "loop-1", "circle")->serious);
    assert_true(problem(f, "self-1", "circle")->serious);
    assert_true(problem(f, "file-1", "Not a directory")->serious);
    assert_int_equal(f->e.problem_count, 6);
}

static void follows_links_that_lead_somewhere(void **state)
{
    struct scan_fixture *f = *state;
    const char *real = put(f, "store/METADATA", "Name: linked\nVersion: 4\n\n");

    make_dir(f, "linked-4.dist-info");
    assert_int_equal(symlink(real, at(f, "linked-4.dist-info/METADATA")), 0);
    scan(f);
    no_problems(f);
    assert_string_equal(need(f, "linked")->version, "4");
}

static void reports_metadata_that_says_nothing(void **state)
{
    struct scan_fixture *f = *state;

    put_dist(f, "good", "1.0");
    put_site(f, "empty-1.dist-info/METADATA", "");
    put_site(f, "none-1.dist-info/RECORD", "");
    put_site(f, "garbage-1.dist-info/METADATA", "\x80\xff\x01 \xfe\n\x02");
    put_site(f, "body-1.dist-info/METADATA", "\nName: body\nVersion: 1\n");
    scan(f);
    assert_int_equal(f->e.count, 1);
    assert_true(problem(f, "empty-1", "is empty")->serious);
    assert_true(problem(f, "none-1", "has no METADATA")->serious);
    assert_true(problem(f, "garbage-1", "neither a name")->serious);
    assert_true(problem(f, "body-1", "neither a name")->serious);
    assert_int_equal(f->e.problem_count, 4);
}

static void says_that_metadata_was_cut_short(void **state)
{
    struct scan_fixture *f = *state;

    put_site(f, "cut-1.dist-info/METADATA",
             "Name: cut\nVersion: 1\nSummary: in the mid");
    scan(f);
    assert_string_equal(need(f, "cut")->version, "1");
    assert_false(problem(f, "cut-1", "cut short")->serious);
}

static void is_not_held_up_by_gigantic_metadata(void **state)
{
    struct scan_fixture *f = *state;
    const char *sparse = put_site(f, "sparse-1.dist-info/METADATA", "");
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(8 << 20);

    assert_int_equal(truncate(sparse, (off_t)10 << 30), 0);
    ps_buf_adds(&text, "Name: endless\nVersion: 1\n");
    while (text.len < (size_t)5 << 20)
        ps_buf_adds(&text, "Keywords: a header without end and reason\n");
    put_site(f, "endless-1.dist-info/METADATA", text.data);
    put_dist(f, "good", "1.0");
    scan(f);
    assert_int_equal(f->e.count, 1);
    assert_true(problem(f, "sparse-1", "binary")->serious);
    assert_true(problem(f, "endless-1", "larger than any")->serious);
}

static void reports_leftovers_and_never_counts_them(void **state)
{
    struct scan_fixture *f = *state;

    put_site(f, "~ip-22.0.dist-info/METADATA", "Name: pip\nVersion: 22.0\n\n");
    put_site(f, "-ip-21.0.dist-info/METADATA", "Name: pip\nVersion: 21.0\n\n");
    put_site(f, "~ip/__init__.py", "");
    put_site(f, "~notes.txt", "a person's own");
    scan(f);
    assert_int_equal(f->e.count, 0);
    (void)problem(f, "~ip-22.0", "interrupted");
    (void)problem(f, "-ip-21.0", "interrupted");
    (void)problem(f, SITE "/~ip", "interrupted");
    assert_int_equal(f->e.problem_count, 3);
}

static void reports_a_package_that_was_removed_by_hand(void **state)
{
    struct scan_fixture *f = *state;

    put_dist(f, "here", "1.0");
    put_dist(f, "gone", "1.0");
    assert_int_equal(unlink(at(f, "gone.py")), 0);
    scan(f);
    assert_int_equal(f->e.count, 2);
    assert_int_equal(f->e.problem_count, 1);
    assert_false(problem(f, "gone-1.0", "'gone.py'")->serious);
    (void)problem(f, "gone-1.0", "half-removed");
    assert_true(f->e.dists[0].half_removed);
    assert_false(f->e.dists[1].half_removed);
}

static void survives_names_that_are_no_text(void **state)
{
    struct scan_fixture *f = *state;

    put_site(f, "b\xff\xfe-1.dist-info/METADATA",
             "Name: bytes\nVersion: 1\n\n");
    put_site(f, "w\xc3-1.dist-info/METADATA", "Version: 1\n\n");
    put_site(f, ".dist-info/METADATA", "Name: hidden\nVersion: 1\n\n");
    scan(f);
    assert_int_equal(f->e.count, 1);
    assert_string_equal(f->e.dists[0].name, "bytes");
    assert_true(problem(f, "w\xc3-1", "none that a distribution")->serious);
}

static void reads_a_directory_of_100000_entries(void **state)
{
    struct scan_fixture *f = *state;
    PS_AUTO_FD int dir = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (size_t i = 0; i < 100000; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "module%zu.py", i);
        assert_int_equal(mknodat(dir, name, S_IFREG | 0644, 0), 0);
    }
    put_dist(f, "good", "1.0");
    scan(f);
    no_problems(f);
    assert_int_equal(f->e.count, 1);
}

static void reports_a_site_directory_that_cannot_be_read(void **state)
{
    struct scan_fixture *f = *state;
    const char *loop = ps_arena_format(&f->arena, "%s/loop", f->root);

    assert_int_equal(symlink("loop", loop), 0);
    f->dirs[1] = loop;
    f->dirs[2] = "/nonexistent/site-packages";
    f->path[0] = put(f, "archive.zip", "PK");
    put_dist(f, "good", "1.0");
    scan(f);
    assert_int_equal(f->e.count, 1);
    assert_true(problem(f, "/loop", "circle")->serious);
    assert_false(problem(f, "archive.zip", "no directory")->serious);
    assert_int_equal(f->e.problem_count, 2);
}

static void fails_only_without_a_prefix_or_when_cancelled(void **state)
{
    struct scan_fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_cancel cancel;

    f->site.prefix = "/nonexistent/env";
    assert_code(PS_ENOTFOUND,
                ps_environment_scan(&f->arena, &f->site, NULL, &f->e, &err),
                &err);
    assert_non_null(strstr(err.text, "/nonexistent/env"));
    f->site.prefix = put(f, "file", "");
    err = PS_ERROR_INIT;
    assert_code(PS_ENOTFOUND,
                ps_environment_scan(&f->arena, &f->site, NULL, &f->e, &err),
                &err);
    f->site.prefix = f->prefix;
    err = PS_ERROR_INIT;
    assert_ok(ps_cancel_init(&cancel, &err), &err);
    ps_cancel_fire(&cancel, PS_ECANCELED);
    assert_code(PS_ECANCELED,
                ps_environment_scan(&f->arena, &f->site, &cancel, &f->e, &err),
                &err);
    ps_cancel_release(&cancel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCAN_TEST(goes_on_past_metadata_that_is_no_file),
        SCAN_TEST(follows_links_that_lead_somewhere),
        SCAN_TEST(reports_metadata_that_says_nothing),
        SCAN_TEST(says_that_metadata_was_cut_short),
        SCAN_TEST(is_not_held_up_by_gigantic_metadata),
        SCAN_TEST(reports_leftovers_and_never_counts_them),
        SCAN_TEST(reports_a_package_that_was_removed_by_hand),
        SCAN_TEST(survives_names_that_are_no_text),
        SCAN_TEST(reads_a_directory_of_100000_entries),
        SCAN_TEST(reports_a_site_directory_that_cannot_be_read),
        SCAN_TEST(fails_only_without_a_prefix_or_when_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
