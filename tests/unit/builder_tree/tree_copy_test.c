/* The copy of a tree, also while somebody edits it. */
#include <pthread.h>
#include <stdatomic.h>

#include "tree_fixture.h"

static void a_copy_is_the_tree_with_plain_modes(void **state)
{
    struct fixture *f = *state;
    struct timespec then = { .tv_sec = 1234567890, .tv_nsec = 123456789 };
    mode_t mask = umask(0077);
    struct ps_tree_info info;
    struct stat st;
    char text[16] = "";
    int fd = -1;

    put(f->root, "a.py", "print(1)\n");
    put(f->root, "sub/run.sh", "#!/bin/sh\n");
    set_mode(f->root, "a.py", 0664);
    set_mode(f->root, "sub/run.sh", 0700);
    set_mode(f->root, "sub", 0770);
    set_mtime(f->root, "a.py", then);
    put_link(f->root, "link", "sub/run.sh");
    info = copy_of(f);
    (void)umask(mask);

    st = stat_of(f->copy, "a.py");
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(st.st_mtim.tv_sec, then.tv_sec);
    assert_int_equal(st.st_mtim.tv_nsec, then.tv_nsec);
    st = stat_of(f->copy, "sub/run.sh");
    assert_int_equal(st.st_mode & 07777, 0755);
    st = stat_of(f->copy, "sub");
    assert_int_equal(st.st_mode & 07777, 0755);
    st = stat_of(f->copy, "link");
    assert_true(S_ISLNK(st.st_mode));

    fd = open(f->copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    {
        int file = openat(fd, "a.py", O_RDONLY | O_CLOEXEC);

        assert_int_equal(read(file, text, sizeof(text)), 9);
        assert_memory_equal(text, "print(1)\n", 9);
        assert_int_equal(close(file), 0);
    }
    assert_int_equal(close(fd), 0);
    assert_same_digest(info, digest_of(f));
    assert_int_equal(info.files_read, 2);
}

static void a_copy_into_the_tree_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_tree_info info;
    char *inside = ps_format("%s/work/copy", f->root);

    put(f->root, "work/copy/x", "");
    remove_file(f->root, "work/copy/x");
    assert_code(PS_EINVALID,
                ps_tree_copy(f->root, NULL, NULL, inside, &info, &err), &err);
    assert_non_null(strstr(err.text, "lies inside the tree"));
    err = PS_ERROR_INIT;
    assert_code(PS_EINVALID,
                ps_tree_copy(f->root, NULL, NULL, f->root, &info, &err), &err);
    free(inside);
}

static void a_copy_never_overwrites(void **state)
{
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_tree_info info;

    put(f->root, "a", "new");
    put(f->copy, "a", "old");
    assert_code(PS_EEXISTS,
                ps_tree_copy(f->root, NULL, NULL, f->copy, &info, &err), &err);
}

/* --- a tree that is edited ----------------------------------------------- */

struct editor {
    const char *root;
    atomic_bool started;
    atomic_bool stop;
    bool replace; /* by rename, as editors do; else in place */
};

#define EDITED_SIZE 300000u

static void edit_once(const struct editor *e, unsigned round, char *text)
{
    char *path = ps_format("%s/m%u.py", e->root, round % 4);
    char *temp = ps_format("%s/.m%u.swp", e->root, round % 4);
    int fd = -1;

    memset(text, 'a' + (int)(round % 26), EDITED_SIZE);
    if (e->replace)
        fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    else
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0) {
        /* In two halves, so that a reader may come in between. */
        for (int half = 0; half < 2; half++) {
            if (write(fd, text, EDITED_SIZE / 2) < 0)
                abort();
        }
        (void)close(fd);
    }
    if (e->replace && rename(temp, path) < 0)
        abort();
    free(path);
    free(temp);
}

static void *edit(void *user)
{
    struct editor *e = user;
    char *text = ps_calloc(1, EDITED_SIZE);

    for (unsigned round = 0; !atomic_load(&e->stop); round++) {
        const struct timespec pause = { .tv_nsec = 300000 };

        edit_once(e, round, text);
        (void)nanosleep(&pause, NULL);
    }
    free(text);
    return NULL;
}

/*
 * Whatever the copy got, its digest is that of the copy; and what the cache
 * remembers afterwards is what the files hold.
 */
static void copy_while_edited(struct fixture *f, bool replace)
{
    struct editor e = { .root = f->root, .replace = replace };
    char *root = f->root;
    pthread_t thread;
    int copied = 0;

    f->options.cache_dir = f->cache;
    for (unsigned i = 0; i < 4; i++) {
        char *text = ps_calloc(1, EDITED_SIZE);

        edit_once(&e, i, text);
        free(text);
    }
    assert_int_equal(pthread_create(&thread, NULL, edit, &e), 0);
    for (int i = 0; i < 60; i++) {
        struct ps_error err = PS_ERROR_INIT;
        struct ps_tree_info info;
        struct ps_tree_info truth;
        int rc = 0;

        remake_copy(f);
        rc = ps_tree_copy(root, &f->options, NULL, f->copy, &info, &err);
        if (rc == PS_EBUSY)
            continue;
        assert_ok(rc, &err);
        copied++;
        f->root = f->copy;
        f->options.cache_dir = NULL;
        truth = digest_of(f);
        f->options.cache_dir = f->cache;
        f->root = root;
        assert_same_digest(info, truth);
    }
    atomic_store(&e.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    print_message("%d of 60 copies\n", copied);
    assert_true(copied > 0);

    struct ps_tree_info cached = digest_of(f);
    f->options.cache_dir = NULL;
    struct ps_tree_info fresh = digest_of(f);
    assert_same_digest(cached, fresh);
}

static void edits_in_place_never_give_a_wrong_digest(void **state)
{
    copy_while_edited(*state, false);
}

static void edits_by_rename_never_give_a_wrong_digest(void **state)
{
    copy_while_edited(*state, true);
}

static void *append_always(void *user)
{
    struct editor *e = user;
    char *path = ps_format("%s/run.log", e->root);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);

    while (!atomic_load(&e->stop)) {
        if (write(fd, "a line of a log\n", 16) < 0)
            abort();
        atomic_store(&e->started, true);
    }
    (void)close(fd);
    free(path);
    return NULL;
}

static void a_file_that_never_rests_is_named(void **state)
{
    struct fixture *f = *state;
    struct editor e = { .root = f->root };
    struct ps_error digest_err = PS_ERROR_INIT;
    struct ps_error copy_err = PS_ERROR_INIT;
    struct ps_tree_info info;
    char *path = test_write(f->root, "run.log", "");
    int digest_rc = 0;
    int copy_rc = 0;
    pthread_t thread;

    /* A hole, so long that some line comes while it is read. */
    assert_int_equal(truncate(path, 128 << 20), 0);
    assert_int_equal(pthread_create(&thread, NULL, append_always, &e), 0);
    while (!atomic_load(&e.started))
        let_time_pass();
    digest_rc = ps_tree_digest(f->root, NULL, NULL, &info, &digest_err);
    copy_rc = ps_tree_copy(f->root, NULL, NULL, f->copy, &info, &copy_err);
    atomic_store(&e.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    free(path);
    assert_code(PS_EBUSY, digest_rc, &digest_err);
    assert_non_null(strstr(digest_err.text, "'run.log'"));
    assert_code(PS_EBUSY, copy_rc, &copy_err);
    assert_non_null(strstr(copy_err.text, "'run.log'"));
}

static void *come_and_go(void *user)
{
    struct editor *e = user;

    while (!atomic_load(&e->stop)) {
        put(e->root, "tmp1/x", "x");
        put(e->root, "4913", "x");
        put(e->root, "tmp2/deep/x", "x");
        remove_file(e->root, "4913");
        remove_file(e->root, "tmp1/x");
        remove_file(e->root, "tmp2/deep/x");
    }
    return NULL;
}

static void files_that_vanish_meanwhile_are_not_missed(void **state)
{
    struct fixture *f = *state;
    struct editor e = { .root = f->root };
    pthread_t thread;

    put(f->root, "a.py", "x");
    assert_int_equal(pthread_create(&thread, NULL, come_and_go, &e), 0);
    for (int i = 0; i < 200; i++) {
        struct ps_error err = PS_ERROR_INIT;
        struct ps_tree_info info;
        struct ps_tree_info truth;
        char *root = f->root;
        int rc = 0;

        remake_copy(f);
        rc = ps_tree_copy(root, NULL, NULL, f->copy, &info, &err);
        if (rc == PS_EBUSY)
            continue;
        assert_ok(rc, &err);
        f->root = f->copy;
        truth = digest_of(f);
        f->root = root;
        assert_same_digest(info, truth);
    }
    atomic_store(&e.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_copy_is_the_tree_with_plain_modes),
        T(a_copy_into_the_tree_is_refused),
        T(a_copy_never_overwrites),
        T(edits_in_place_never_give_a_wrong_digest),
        T(edits_by_rename_never_give_a_wrong_digest),
        T(a_file_that_never_rests_is_named),
        T(files_that_vanish_meanwhile_are_not_missed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
