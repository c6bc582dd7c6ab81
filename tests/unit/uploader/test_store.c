#include "test_util.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/store.h"
#include "store_impl.h"

struct fixture {
    char *dir;
    struct ps_store *store;
};

static int set_up(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    struct fixture *f = ps_calloc(1, sizeof(*f));
    struct ps_store_options options = { .location = NULL };

    f->dir = test_make_dir();
    options.location = f->dir;
    assert_ok(ps_store_open(&options, &f->store, &err), &err);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    ps_store_close(f->store);
    test_remove_dir(f->dir);
    free(f);
    return 0;
}

static void a_wheel_key_holds_the_digest(void **state)
{
    struct ps_sha256 empty = ps_sha256_of("", 0);
    PS_AUTO_FREE char *key = ps_store_wheel_key(&empty, "x-1-py3-none-any.whl");

    (void)state;
    assert_string_equal(
        key, "wheels/e3/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495"
             "991b7852b855/x-1-py3-none-any.whl");
    assert_string_equal(ps_key_name(key), "x-1-py3-none-any.whl");
}

static void normalises_a_location(void **state)
{
    static const struct {
        const char *given;
        const char *normal; /* NULL: refused */
    } cases[] = {
        { "/a//b/./c/", "file:///a/b/c" },
        { "/", "file:///" },
        { "/a b+\xc3\xbc", "file:///a%20b%2B%C3%BC" },
        { "file:///a%20b/", "file:///a%20b" },
        { "file://localhost/a", "file:///a" },
        { "file://other/a", NULL },
        { "file://a", NULL },
        { "file:///%00", NULL },
        { "relative", NULL },
        { "https://x/y", NULL },
        { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_error err = PS_ERROR_INIT;
        struct ps_store_options options = { .location = cases[i].given };
        struct ps_store *s = NULL;
        int rc = ps_store_open(&options, &s, &err);

        print_message("case: '%s'\n", cases[i].given);
        assert_code(cases[i].normal ? PS_OK : PS_EINVALID, rc, &err);
        if (s)
            assert_string_equal(ps_store_location(s), cases[i].normal);
        ps_store_close(s);
    }
}

static void refuses_a_key_that_leaves_the_store(void **state)
{
    static const char *const bad[] = {
        "", "/x", "x/", "a//b", ".", "..", "a/../b", "a/.", "a\nb", "a\x7f",
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(bad); i++)
        assert_false(ps_key_is_valid(bad[i]));
    assert_true(ps_key_is_valid("a/.b/..c/d+e f"));
}

static void keeps_a_document_and_gives_it_back(void **state)
{
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FREE char *path = ps_format("%s/got", f->dir);
    PS_AUTO_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    PS_AUTO_BUF struct ps_buf got = PS_BUF_INIT(100);
    struct ps_object_info info;
    bool existed = true;
    uint64_t size = 0;

    assert_ok(ps_store_put_bytes(f->store, "a/b", "text/plain", "text", 4, NULL,
                                 &existed, &err),
              &err);
    assert_false(existed);
    assert_ok(ps_store_stat(f->store, "a/b", NULL, &info, &err), &err);
    assert_true(info.exists);
    assert_int_equal(info.size, 4);
    assert_ok(ps_store_get(f->store, "a/b", fd, 4, NULL, &size, &err), &err);
    assert_int_equal(size, 4);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_ok(ps_read_all(fd, &got, &err), &err);
    assert_string_equal(ps_buf_z(&got), "text");
}

static void a_cancelled_token_stops_everything(void **state)
{
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_cancel cancel;
    struct ps_object_info info;

    assert_ok(ps_cancel_init(&cancel, &err), &err);
    ps_cancel_fire(&cancel, PS_ELOST);
    assert_code(
        PS_ELOST,
        ps_store_put_bytes(f->store, "a", NULL, "x", 1, &cancel, NULL, &err),
        &err);
    assert_code(PS_ELOST, ps_store_stat(f->store, "a", &cancel, &info, &err),
                &err);
    ps_cancel_release(&cancel);
    assert_ok(ps_store_stat(f->store, "a", NULL, &info, &err), &err);
    assert_false(info.exists);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wheel_key_holds_the_digest),
        cmocka_unit_test(normalises_a_location),
        cmocka_unit_test(refuses_a_key_that_leaves_the_store),
        cmocka_unit_test_setup_teardown(keeps_a_document_and_gives_it_back,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancelled_token_stops_everything,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
