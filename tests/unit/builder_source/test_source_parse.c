/* From the text of an argument to a kind of source. */
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/source.h"
#include "test_util.h"

struct fixture {
    char *dir;
    struct ps_arena arena;
    struct ps_python python;
    const char *site[2];
};

static int setup(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));
    struct ps_error err = PS_ERROR_INIT;
    char *made = test_make_dir();

    assert_ok(ps_real_path(made, &f->dir, &err), &err);
    free(made);
    f->site[0] = ps_arena_format(&f->arena, "%s/site", f->dir);
    f->python.site_dirs = f->site;
    f->python.executable = "/usr/bin/python3";
    free(test_write(f->dir, "proj/pyproject.toml", ""));
    free(test_write(f->dir, "pkg-1.0.tar.gz", "x"));
    free(test_write(f->dir, "notes.txt", "x"));
    free(test_write(f->dir, "bare.git/HEAD", "ref: refs/heads/main"));
    free(test_write(f->dir, "bare.git/objects/x", ""));
    free(test_write(f->dir, "bare.git/refs/x", ""));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    test_remove_dir(f->dir);
    ps_arena_release(&f->arena);
    free(f);
    return 0;
}

static int parse(struct fixture *f, const char *text, struct ps_source *s,
                 struct ps_error *err)
{
    *s = (struct ps_source){ .kind = PS_SOURCE_DIRECTORY };
    *err = PS_ERROR_INIT;
    return ps_source_parse(&f->arena, text, f->dir, &f->python, s, err);
}

/* An editable install of `proj`, as PEP 610 records it. */
static void install_editable(struct fixture *f, const char *name)
{
    char *file = ps_format("site/%s-1.0.dist-info/direct_url.json", name);
    char *text = ps_format("{\"url\": \"file://%s/proj\", \"dir_info\": "
                           "{\"editable\": true}}",
                           f->dir);

    free(test_write(f->dir, file, text));
    free(file);
    free(text);
}

static void tells_kinds_apart(void **state)
{
    static const struct {
        const char *text;
        enum ps_source_kind kind;
    } cases[] = {
        { "./proj", PS_SOURCE_DIRECTORY },
        { "proj/", PS_SOURCE_DIRECTORY },
        { "proj", PS_SOURCE_DIRECTORY },
        { "./bare.git", PS_SOURCE_GIT },
        { "pkg-1.0.tar.gz", PS_SOURCE_SDIST },
        { "./pkg-1.0.tar.gz#subdirectory=a", PS_SOURCE_SDIST },
        { "https://example.org/a-1.0.tar.gz", PS_SOURCE_SDIST_URL },
        { "https://example.org/a-1.0.zip?x=1", PS_SOURCE_SDIST_URL },
        { "git+https://example.org/r@v1", PS_SOURCE_GIT },
        { "git+ssh://git@example.org/r", PS_SOURCE_GIT },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_source s;
        struct ps_error err;

        print_message("case: '%s'\n", cases[i].text);
        assert_ok(parse(f, cases[i].text, &s, &err), &err);
        assert_int_equal(s.kind, cases[i].kind);
    }
}

static void refuses_what_is_no_source(void **state)
{
    static const struct {
        const char *text;
        int code;
    } cases[] = {
        { "", PS_EUSAGE },
        { "./missing", PS_ENOTFOUND },
        { "requests", PS_ENOTFOUND },
        { "./notes.txt", PS_EINVALID },
        { "https://example.org/page", PS_EINVALID },
        { "https://example.org/a.tar.gz#sha256=12", PS_EINVALID },
        { "./pkg-1.0.tar.gz#subdirectory=../x", PS_EINVALID },
        { "hg+https://example.org/r", PS_EUNSUPPORTED },
        { "ssh://git@example.org/r", PS_EINVALID },
        { "git+git@example.org:r", PS_EINVALID },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_source s;
        struct ps_error err;

        print_message("case: '%s'\n", cases[i].text);
        assert_code(cases[i].code, parse(f, cases[i].text, &s, &err), &err);
    }
}

static void finds_an_editable_install_by_name_and_by_directory(void **state)
{
    struct fixture *f = *state;
    char *root = ps_format("%s/proj", f->dir);
    struct ps_source s;
    struct ps_error err;

    install_editable(f, "My.Pkg");
    assert_ok(parse(f, "my-pkg", &s, &err), &err);
    assert_int_equal(s.kind, PS_SOURCE_EDITABLE);
    assert_string_equal(s.path, root);
    assert_string_equal(s.name, "my-pkg");

    assert_ok(parse(f, "./proj", &s, &err), &err);
    assert_int_equal(s.kind, PS_SOURCE_EDITABLE);
    assert_string_equal(s.name, "my-pkg");
    free(root);
}

static void ignores_leftovers_of_an_interrupted_pip(void **state)
{
    struct fixture *f = *state;
    struct ps_source s;
    struct ps_error err;

    install_editable(f, "~y_pkg");
    assert_code(PS_ENOTFOUND, parse(f, "y-pkg", &s, &err), &err);
}

static void keeps_passwords_out_of_what_is_shown(void **state)
{
    struct fixture *f = *state;
    struct ps_source s;
    struct ps_error err;

    assert_ok(parse(f, "https://me:hunter2@example.org/a-1.0.tar.gz", &s, &err),
              &err);
    assert_null(strstr(s.given, "hunter2"));
    assert_non_null(strstr(s.url, "hunter2"));
    assert_ok(parse(f, "git+https://me:hunter2@example.org/r@v1", &s, &err),
              &err);
    assert_null(strstr(s.given, "hunter2"));
}

static void reads_the_hash_that_an_sdist_must_have(void **state)
{
    struct fixture *f = *state;
    char *text = ps_format("https://example.org/a-1.0.tar.gz#sha256=%064d", 7);
    struct ps_source s;
    struct ps_error err;

    assert_ok(parse(f, text, &s, &err), &err);
    assert_true(s.has_sha256);
    assert_int_equal(s.sha256.bytes[31], 7);
    assert_string_equal(s.url, "https://example.org/a-1.0.tar.gz");
    free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(tells_kinds_apart),
        TEST(refuses_what_is_no_source),
        TEST(finds_an_editable_install_by_name_and_by_directory),
        TEST(ignores_leftovers_of_an_interrupted_pip),
        TEST(keeps_passwords_out_of_what_is_shown),
        TEST(reads_the_hash_that_an_sdist_must_have),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
