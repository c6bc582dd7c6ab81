/* The stat cache: what it answers, what it must not believe. */
#include <sys/wait.h>

#include "tree_fixture.h"

static int set_up_cached(void **state)
{
    struct fixture *f = NULL;

    set_up(state);
    f = *state;
    f->options.cache_dir = f->cache;
    put(f->root, "a.py", "one");
    put(f->root, "sub/b.py", "two");
    put(f->root, "sub/c.py", "three");
    let_time_pass();
    return 0;
}

/* The one file in the cache directory; caller frees. */
static char *cache_file(const struct fixture *f)
{
    char name[PS_SHA256_HEX_SIZE];
    char *real = realpath(f->root, NULL);
    struct ps_sha256 id = ps_sha256_of(real, strlen(real));

    ps_sha256_hex(&id, name);
    free(real);
    return ps_format("%s/%s", f->cache, name);
}

static void an_unchanged_tree_is_not_read(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info first = digest_of(f);
    struct ps_tree_info again = digest_of(f);
    char *path = cache_file(f);
    struct stat before = stat_of(path, "");
    struct stat after;

    assert_int_equal(first.files_read, 3);
    assert_int_equal(again.files_read, 0);
    assert_int_equal(again.files, 3);
    assert_int_equal(again.bytes, first.bytes);
    assert_same_digest(first, again);
    (void)digest_of(f);
    after = stat_of(path, ""); /* nothing new: not written again */
    assert_int_equal(before.st_ino, after.st_ino);
    free(path);
}

static void a_copy_fills_the_cache_too(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info copied = copy_of(f);
    struct ps_tree_info again = digest_of(f);

    assert_int_equal(copied.files_read, 3);
    assert_int_equal(again.files_read, 0);
    assert_same_digest(copied, again);
}

static void a_touched_file_is_read_but_not_different(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info first = digest_of(f);
    struct ps_tree_info now;

    set_mtime(f->root, "a.py", (struct timespec){ .tv_nsec = UTIME_NOW });
    let_time_pass();
    now = digest_of(f);
    assert_int_equal(now.files_read, 1);
    assert_same_digest(first, now);
    assert_int_equal(digest_of(f).files_read, 0);
}

static void a_change_of_same_size_with_its_old_time_is_found(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info first = digest_of(f);
    struct stat st = stat_of(f->root, "a.py");
    struct ps_tree_info now;

    put(f->root, "a.py", "eno");
    set_mtime(f->root, "a.py", st.st_mtim);
    now = digest_of(f);
    assert_int_equal(now.files_read, 1);
    assert_other_digest(first, now);
}

static void a_replaced_file_is_found(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info first = digest_of(f);
    struct stat st = stat_of(f->root, "a.py");
    char *from = test_write(f->base, "other", "eno");
    char *to = ps_format("%s/a.py", f->root);
    struct ps_tree_info now;

    assert_int_equal(rename(from, to), 0);
    set_mtime(f->root, "a.py", st.st_mtim);
    now = digest_of(f);
    assert_other_digest(first, now);
    free(from);
    free(to);
}

/* Written in the same tick as the scan: stat may not show a later write. */
static void a_young_file_is_read_again(void **state)
{
    struct fixture *f = *state;

    put(f->root, "a.py", "new");
    assert_int_equal(digest_of(f).files_read, 3);
    let_time_pass();
    assert_int_equal(digest_of(f).files_read, 1);
    assert_int_equal(digest_of(f).files_read, 0);
}

static void edits_in_quick_succession_are_all_found(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 200; i++) {
        char text[16] = "";
        struct ps_tree_info cached;
        struct ps_tree_info fresh;

        (void)snprintf(text, sizeof(text), "%03d", i);
        put(f->root, "a.py", text);
        f->options.cache_dir = f->cache;
        cached = digest_of(f);
        f->options.cache_dir = NULL;
        fresh = digest_of(f);
        assert_same_digest(cached, fresh);
    }
}

static void other_patterns_keep_the_hashes(void **state)
{
    static const char *const exclude[] = { "sub", NULL };
    struct fixture *f = *state;

    assert_int_equal(digest_of(f).files_read, 3);
    f->options.exclude = exclude;
    assert_int_equal(digest_of(f).files_read, 0);
    put(f->root, "a.py", "new"); /* the cache is written again */
    let_time_pass();
    assert_int_equal(digest_of(f).files_read, 1);
    f->options.exclude = NULL;
    assert_int_equal(digest_of(f).files_read, 0);
}

/* Not met by the scan that wrote the cache: its new start proves nothing. */
static void a_young_file_that_was_not_met_is_read_again(void **state)
{
    static const char *const exclude[] = { "sub", NULL };
    struct fixture *f = *state;

    put(f->root, "sub/b.py", "new");
    (void)digest_of(f);
    let_time_pass();
    f->options.exclude = exclude;
    put(f->root, "a.py", "new");
    let_time_pass();
    (void)digest_of(f);
    f->options.exclude = NULL;
    assert_int_equal(digest_of(f).files_read, 1);
}

static void what_is_gone_is_forgotten_in_time(void **state)
{
    struct fixture *f = *state;
    char *path = cache_file(f);
    struct stat before;
    struct stat after;

    (void)digest_of(f);
    before = stat_of(path, "");
    remove_file(f->root, "sub/c.py");
    for (int i = 0; i < 12; i++) {
        set_mtime(f->root, "a.py", (struct timespec){ .tv_sec = 1000 + i });
        (void)digest_of(f);
    }
    after = stat_of(path, "");
    assert_true(after.st_size < before.st_size);
    free(path);
}

static void damage_is_noticed_wherever_it_is(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info first = digest_of(f);
    char *path = cache_file(f);
    off_t size = stat_of(path, "").st_size;

    for (off_t at = 0; at < size; at++) {
        unsigned char c = 0;
        int fd = open(path, O_RDWR | O_CLOEXEC);
        struct ps_tree_info now;

        assert_true(fd >= 0);
        assert_int_equal(pread(fd, &c, 1, at), 1);
        c ^= 0x41;
        assert_int_equal(pwrite(fd, &c, 1, at), 1);
        assert_int_equal(close(fd), 0);
        now = digest_of(f);
        assert_int_equal(now.files_read, 3);
        assert_same_digest(first, now);
        assert_int_equal(stat_of(path, "").st_size, size);
    }
    for (off_t len = 0; len < size; len += 7) {
        assert_int_equal(truncate(path, len), 0);
        assert_int_equal(digest_of(f).files_read, 3);
    }
    assert_int_equal(digest_of(f).files_read, 0);
    free(path);
}

static void the_cache_of_another_tree_is_not_believed(void **state)
{
    struct fixture *f = *state;
    char *path = cache_file(f);
    char *root = f->root;
    char *other = NULL;

    (void)digest_of(f);
    f->root = ps_format("%s/tree2", f->base);
    assert_int_equal(rename(root, f->root), 0);
    other = cache_file(f);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(digest_of(f).files_read, 3);
    assert_int_equal(digest_of(f).files_read, 0);
    free(root);
    free(path);
    free(other);
}

static void a_cache_that_cannot_be_made_is_done_without(void **state)
{
    struct fixture *f = *state;

    f->options.cache_dir = "/proc/nowhere";
    assert_int_equal(digest_of(f).files_read, 3);
    assert_int_equal(digest_of(f).files_read, 3);
}

static void a_cache_inside_the_tree_is_no_part_of_it(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info first;
    struct ps_tree_info again;
    char *inside = ps_format("%s/.cache", f->root);

    f->options.cache_dir = inside;
    first = digest_of(f);
    again = digest_of(f);
    assert_same_digest(first, again);
    assert_int_equal(again.files, 3);
    free(inside);
}

static void processes_at_once_do_no_harm(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info first = digest_of(f);
    pid_t pids[4];

    for (size_t i = 0; i < PS_ARRAY_SIZE(pids); i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            for (int k = 0; k < 30; k++) {
                struct ps_error err = PS_ERROR_INIT;
                struct ps_tree_info info;

                set_mtime(f->root, "sub/b.py",
                          (struct timespec){ .tv_sec = 1000 + k });
                if (ps_tree_digest(f->root, &f->options, NULL, &info, &err) <
                        0 &&
                    err.code != PS_EBUSY)
                    _exit(1);
                if (!err.code && !ps_sha256_equal(&info.digest, &first.digest))
                    _exit(2);
            }
            _exit(0);
        }
        assert_true(pids[i] > 0);
    }
    for (size_t i = 0; i < PS_ARRAY_SIZE(pids); i++) {
        int status = 0;

        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    let_time_pass();
    (void)digest_of(f);
    assert_int_equal(digest_of(f).files_read, 0);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up_cached, tear_down)
    const struct CMUnitTest tests[] = {
        T(an_unchanged_tree_is_not_read),
        T(a_copy_fills_the_cache_too),
        T(a_touched_file_is_read_but_not_different),
        T(a_change_of_same_size_with_its_old_time_is_found),
        T(a_replaced_file_is_found),
        T(a_young_file_is_read_again),
        T(edits_in_quick_succession_are_all_found),
        T(other_patterns_keep_the_hashes),
        T(a_young_file_that_was_not_met_is_read_again),
        T(what_is_gone_is_forgotten_in_time),
        T(damage_is_noticed_wherever_it_is),
        T(the_cache_of_another_tree_is_not_believed),
        T(a_cache_that_cannot_be_made_is_done_without),
        T(a_cache_inside_the_tree_is_no_part_of_it),
        T(processes_at_once_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
