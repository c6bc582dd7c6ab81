/* The digest of a tree: what changes it, what does not, what is refused. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tree_fixture.h"

static void modes_and_times_do_not_count_but_the_executable_bit(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info first;
    struct ps_tree_info now;

    put(f->root, "a.py", "print(1)\n");
    put(f->root, "sub/b.py", "print(2)\n");
    set_mode(f->root, "a.py", 0644);
    first = digest_of(f);
    assert_int_equal(first.files, 2);
    assert_int_equal(first.bytes, 18);

    set_mode(f->root, "a.py", 0664);
    now = digest_of(f);
    assert_same_digest(first, now);
    set_mode(f->root, "a.py", 0600);
    set_mode(f->root, "sub", 0700);
    now = digest_of(f);
    assert_same_digest(first, now);
    set_mtime(f->root, "a.py", (struct timespec){ .tv_sec = 1000000000 });
    now = digest_of(f);
    assert_same_digest(first, now);

    set_mode(f->root, "a.py", 0755);
    now = digest_of(f);
    assert_other_digest(first, now);
    set_mode(f->root, "a.py", 0644);
    now = digest_of(f);
    assert_same_digest(first, now);
}

static void names_and_contents_count(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info first;
    struct ps_tree_info now;
    char *a = ps_format("%s/a.py", f->root);
    char *b = ps_format("%s/b.py", f->root);

    put(f->root, "a.py", "1");
    put(f->root, "c.py", "2");
    first = digest_of(f);
    assert_int_equal(rename(a, b), 0);
    now = digest_of(f);
    assert_other_digest(first, now);
    assert_int_equal(rename(b, a), 0);
    now = digest_of(f);
    assert_same_digest(first, now);

    put(f->root, "a.py", "2");
    now = digest_of(f);
    assert_other_digest(first, now);
    remove_file(f->root, "a.py");
    now = digest_of(f);
    assert_other_digest(first, now);
    put(f->root, "a.py", "1");
    now = digest_of(f);
    assert_same_digest(first, now);

    put(f->root, "new.py", "");
    now = digest_of(f);
    assert_other_digest(first, now);
    free(a);
    free(b);
}

static void a_link_is_not_its_target(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info linked;
    struct ps_tree_info now;

    put(f->root, "a", "x");
    put_link(f->root, "b", "a");
    linked = digest_of(f);
    remove_file(f->root, "b");
    put(f->root, "b", "x");
    now = digest_of(f);
    assert_other_digest(linked, now);
    remove_file(f->root, "b");
    put_link(f->root, "b", "./a");
    now = digest_of(f);
    assert_other_digest(linked, now);
}

static void boundaries_between_names_and_contents_count(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info first;
    struct ps_tree_info now;

    put(f->root, "ab/c", "x");
    first = digest_of(f);
    remove_file(f->root, "ab/c");
    set_up(state);
    put(((struct fixture *)*state)->root, "a/bc", "x");
    now = digest_of(*state);
    assert_other_digest(first, now);
    tear_down(state);
    *state = f;
}

/* The format is a contract with every key that was ever recorded. */
static void the_format_is_as_documented(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info info;
    struct ps_sha256_ctx ctx = { .md = NULL };
    struct ps_sha256 expected;
    struct ps_sha256 text = ps_sha256_of("hi", 2);
#define LEN(n) (n), 0, 0, 0, 0, 0, 0, 0
    const unsigned char dash[] = { 'f', LEN(3), 'a', '-', 'b' };
    const unsigned char dir[] = { 'd', LEN(1), 'a' };
    const unsigned char run[] = { 'x', LEN(3), 'a', '/', 'x' };
    const unsigned char after[] = { 'f', LEN(2), 'a', '0' };
    const unsigned char link[] = { 'l', LEN(1), 'l', LEN(3), 'a', '/', 'x' };

    put(f->root, "a0", "hi");
    put(f->root, "a-b", "hi");
    put(f->root, "a/x", "hi");
    set_mode(f->root, "a/x", 0755);
    put_link(f->root, "l", "a/x");
    info = digest_of(f);

    ps_sha256_init(&ctx);
    ps_sha256_update(&ctx, "pkgsync-tree-1\n", 15);
    ps_sha256_update(&ctx, dash, sizeof(dash));
    ps_sha256_update(&ctx, text.bytes, sizeof(text.bytes));
    ps_sha256_update(&ctx, dir, sizeof(dir));
    ps_sha256_update(&ctx, run, sizeof(run));
    ps_sha256_update(&ctx, text.bytes, sizeof(text.bytes));
    ps_sha256_update(&ctx, after, sizeof(after));
    ps_sha256_update(&ctx, text.bytes, sizeof(text.bytes));
    ps_sha256_update(&ctx, link, sizeof(link));
    ps_sha256_update(&ctx, "n", 1);
    ps_sha256_final(&ctx, &expected);
    ps_sha256_release(&ctx);
    assert_memory_equal(info.digest.bytes, expected.bytes, PS_SHA256_SIZE);
}

static void any_bytes_are_a_name(void **state)
{
    static const char *const names[] = {
        "new\nline", "tab\t", "\xff\xfe", "caf\xc3\xa9",
        "-rf",       " ",     "a\\b",     "\xc3(/\x80",
    };
    struct fixture *f = *state;
    struct ps_tree_info info;

    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++)
        put(f->root, names[i], "x");
    info = copy_of(f);
    assert_int_equal(info.files, PS_ARRAY_SIZE(names));
    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++)
        assert_true(is_there(f->copy, names[i]));
    assert_same_digest(info, digest_of(f));
}

static void messages_show_names_harmlessly(void **state)
{
    struct fixture *f = *state;

    put_link(f->root,
             "a\n\x1b[31m\xff"
             "caf\xc3\xa9",
             "/etc");
    expect_refusal(f, PS_EINVALID, "'a\\x0a\\x1b[31m\\xffcaf\xc3\xa9'");
}

static void a_socket_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    (void)snprintf(name.sun_path, sizeof(name.sun_path), "%s/s", f->root);
    assert_int_equal(bind(fd, (const void *)&name, sizeof(name)), 0);
    expect_refusal(f, PS_EINVALID, "'s' is a socket");
    assert_int_equal(close(fd), 0);
}

/* Run by somebody whom permissions bind; returns the exit status. */
static int as_ordinary_user(struct fixture *f, const char *text)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        struct ps_error err = PS_ERROR_INIT;
        struct ps_tree_info info;

        if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
            _exit(3);
        if (ps_tree_digest(f->root, &f->options, NULL, &info, &err) !=
            PS_EDENIED)
            _exit(1);
        _exit(strstr(err.text, text) ? 0 : 2);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void what_cannot_be_read_is_named(void **state)
{
    struct fixture *f = *state;

    set_mode(f->base, ".", 0755);
    put(f->root, "ok.py", "x");
    put(f->root, "sub/secret", "x");
    set_mode(f->root, "sub/secret", 0000);
    assert_int_equal(as_ordinary_user(f, "'sub/secret'"), 0);
    set_mode(f->root, "sub/secret", 0644);
    set_mode(f->root, "sub", 0000);
    assert_int_equal(as_ordinary_user(f, "'sub'"), 0);
    set_mode(f->root, "sub", 0755);
}

static void a_missing_or_wrong_root_is_named(void **state)
{
    struct fixture *f = *state;
    char *root = f->root;

    put(f->base, "file", "x");
    f->root = ps_format("%s/none", f->base);
    expect_refusal(f, PS_ENOTFOUND, "/none'");
    free(f->root);
    f->root = ps_format("%s/file", f->base);
    expect_refusal(f, PS_ENOTFOUND, "/file'");
    free(f->root);
    f->root = root;
}

static void too_many_bytes_are_refused_before_reading(void **state)
{
    struct fixture *f = *state;
    char *path = test_write(f->root, "sub/huge.bin", "");

    /* tmpfs and others cannot hold such a file, even as a hole */
    if (truncate(path, (off_t)(PS_TREE_MAX_BYTES + 1)) < 0) {
        free(path);
        skip();
    }
    expect_refusal(f, PS_ETOOBIG, "'sub/huge.bin'");
    free(path);
}

static int count_visit(const struct ps_tree_entry *e, void *user,
                       struct ps_error *err)
{
    (void)e;
    (void)err;
    ++*(int *)user;
    return PS_OK;
}

static void too_many_files_are_refused(void **state)
{
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    int visits = 0;
    struct ps_tree_walk walk = {
        .root = f->root,
        .options = &f->options,
        .max_entries = 4,
        .visit = count_visit,
        .user = &visits,
    };

    put(f->root, "a/1", "");
    put(f->root, "a/2", "");
    put(f->root, "b", "");
    assert_ok(ps_tree_walk(&walk, &err), &err);
    assert_int_equal(visits, 4);
    put(f->root, "c", "");
    assert_code(PS_ETOOBIG, ps_tree_walk(&walk, &err), &err);
    walk.max_entries = 2; /* names in one directory, before any visit */
    assert_code(PS_ETOOBIG, ps_tree_walk(&walk, &err), &err);
}

static void a_cancel_ends_the_walk(void **state)
{
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_cancel cancel;
    struct ps_tree_info info;

    put(f->root, "a", "");
    assert_ok(ps_cancel_init(&cancel, &err), &err);
    assert_ok(ps_tree_digest(f->root, NULL, &cancel, &info, &err), &err);
    ps_cancel_fire(&cancel, PS_ECANCELED);
    assert_code(PS_ECANCELED,
                ps_tree_digest(f->root, NULL, &cancel, &info, &err), &err);
    ps_cancel_release(&cancel);
}

/* 5,000 levels: longer than PATH_MAX, deeper than descriptors allow. */
static void depth_needs_few_descriptors(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info info;
    struct ps_tree_info again;
    int fd = open(f->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    for (int i = 0; i < 5000; i++) {
        int next = -1;
        int file = -1;

        assert_int_equal(mkdirat(fd, "d", 0755), 0);
        if (i % 100 == 0) { /* on both sides of the way down */
            file = openat(fd, "a", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
            assert_int_equal(close(file), 0);
            file = openat(fd, "z", O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
            assert_int_equal(close(file), 0);
        }
        next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        assert_int_equal(close(fd), 0);
        fd = next;
    }
    assert_int_equal(symlinkat("../../nowhere", fd, "link"), 0);
    assert_int_equal(close(fd), 0);

    f->options.cache_dir = f->cache;
    info = copy_of(f);
    assert_int_equal(info.files, 101);
    let_time_pass();
    again = digest_of(f);
    assert_same_digest(info, again);
    again = digest_of(f);
    assert_int_equal(again.files_read, 0);
    free(f->root);
    f->root = ps_strdup(f->copy); /* what was copied is the same tree */
    again = digest_of(f);
    assert_same_digest(info, again);
    free(f->root);
    f->root = ps_format("%s/tree", f->base);
}

static void an_empty_tree_has_a_digest(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info empty = digest_of(f);
    struct ps_tree_info other;
    char *dir = ps_format("%s/d", f->root);

    assert_int_equal(empty.files, 0);
    assert_string_equal(empty.commit, "");
    assert_int_equal(mkdir(dir, 0755), 0); /* a build would see it */
    other = copy_of(f);
    assert_other_digest(empty, other);
    assert_true(is_there(f->copy, "d"));
    free(dir);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(modes_and_times_do_not_count_but_the_executable_bit),
        T(names_and_contents_count),
        T(a_link_is_not_its_target),
        T(boundaries_between_names_and_contents_count),
        T(the_format_is_as_documented),
        T(any_bytes_are_a_name),
        T(messages_show_names_harmlessly),
        T(a_socket_is_refused_by_name),
        T(what_cannot_be_read_is_named),
        T(a_missing_or_wrong_root_is_named),
        T(too_many_bytes_are_refused_before_reading),
        T(too_many_files_are_refused),
        T(a_cancel_ends_the_walk),
        T(depth_needs_few_descriptors),
        T(an_empty_tree_has_a_digest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
