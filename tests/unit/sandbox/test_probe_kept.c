#include "test_util.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "probe.h"

static const struct ps_layer layers[] = {
    { "user-namespace", PS_LAYER_PRESENT, true, "", "" },
    { "overlay", PS_LAYER_WEAK, false, "no user attributes", "Linux 6.6" },
    { "seccomp", PS_LAYER_PRESENT, true, "allow-list", "" },
};

static const struct ps_layer refused[] = {
    { "user-namespace", PS_LAYER_ABSENT, true, "EPERM", "sysctl" },
};

static char *scratch(void)
{
    struct ps_error err = PS_ERROR_INIT;
    char *dir = NULL;

    assert_ok(ps_make_temp_dir("/tmp", "pkgsync-kept-", &dir, &err), &err);
    return dir;
}

static void drop(char *dir)
{
    struct ps_error err = PS_ERROR_INIT;

    assert_ok(ps_remove_tree_at(AT_FDCWD, dir, &err), &err);
    free(dir);
}

static void what_was_saved_is_loaded_as_it_was(void **state)
{
    struct ps_layer found[PS_LAYERS_MAX];
    size_t count = 0;
    char *dir = scratch();
    char *path = ps_layers_kept_path(dir, "/bin/sh");

    (void)state;
    assert_non_null(path);
    assert_false(ps_layers_load(path, found, &count));
    ps_layers_save(path, layers, 3);
    assert_true(ps_layers_load(path, found, &count));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(found[i].name, layers[i].name);
        assert_int_equal(found[i].state, layers[i].state);
        assert_int_equal(found[i].required, layers[i].required);
        assert_string_equal(found[i].detail, layers[i].detail);
        assert_string_equal(found[i].remedy, layers[i].remedy);
    }
    free(path);
    drop(dir);
}

static void a_refusal_is_asked_for_again(void **state)
{
    struct ps_layer found[PS_LAYERS_MAX];
    size_t count = 0;
    char *dir = scratch();
    char *path = ps_layers_kept_path(dir, "/bin/sh");

    (void)state;
    ps_layers_save(path, refused, 1);
    assert_false(ps_layers_load(path, found, &count));
    free(path);
    drop(dir);
}

static void another_helper_has_another_answer(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    char *dir = scratch();
    char *helper = ps_format("%s/helper", dir);
    char *before = NULL;
    char *same = NULL;
    char *after = NULL;

    (void)state;
    assert_ok(ps_write_file_at(AT_FDCWD, helper, "a", 1, 0700, &err), &err);
    before = ps_layers_kept_path(dir, helper);
    same = ps_layers_kept_path(dir, helper);
    assert_ok(ps_write_file_at(AT_FDCWD, helper, "bb", 2, 0700, &err), &err);
    after = ps_layers_kept_path(dir, helper);
    assert_string_equal(before, same);
    assert_string_not_equal(before, after);
    free(before);
    free(same);
    free(after);
    free(helper);
    drop(dir);
}

static void a_damaged_answer_is_not_believed(void **state)
{
    struct ps_layer found[PS_LAYERS_MAX];
    struct ps_error err = PS_ERROR_INIT;
    size_t count = 0;
    char *dir = scratch();
    char *path = ps_format("%s/answer", dir);

    (void)state;
    assert_ok(ps_write_file_at(AT_FDCWD, path, "[{\"name\"", 8, 0600, &err),
              &err);
    assert_false(ps_layers_load(path, found, &count));
    free(path);
    drop(dir);
}

/* The path as a traced process has it, its tracer being a new one; caller
 * frees; NULL where nobody may be traced. */
static char *traced_path(void)
{
    char text[512] = "";
    int pipes[2];
    pid_t tracer = -1;
    ssize_t got = 0;

    assert_int_equal(pipe(pipes), 0);
    tracer = fork();
    assert_true(tracer >= 0);
    if (tracer == 0) {
        pid_t traced = fork();

        if (traced == 0) {
            char *path = ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0
                             ? ps_layers_kept_path("/c", "/bin/sh")
                             : NULL;

            _exit(path && write(pipes[1], path, strlen(path)) > 0 ? 0 : 1);
        }
        (void)waitpid(traced, NULL, 0);
        _exit(0);
    }
    (void)close(pipes[1]);
    got = read(pipes[0], text, sizeof(text) - 1);
    (void)close(pipes[0]);
    assert_int_equal(waitpid(tracer, NULL, 0), tracer);
    return got > 0 ? ps_strdup(text) : NULL;
}

static void who_traces_is_not_asked(void **state)
{
    char *plain = ps_layers_kept_path("/c", "/bin/sh");
    char *one = traced_path();
    char *other = traced_path();

    (void)state;
    if (!one || !other) {
        free(plain);
        skip();
    }
    assert_string_equal(one, other);
    assert_string_not_equal(one, plain);
    free(plain);
    free(one);
    free(other);
}

static void nothing_is_kept_without_a_place(void **state)
{
    (void)state;
    assert_null(ps_layers_kept_path(NULL, "/bin/sh"));
    assert_null(ps_layers_kept_path("/tmp", "/nonexistent/helper"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_saved_is_loaded_as_it_was),
        cmocka_unit_test(a_refusal_is_asked_for_again),
        cmocka_unit_test(another_helper_has_another_answer),
        cmocka_unit_test(a_damaged_answer_is_not_believed),
        cmocka_unit_test(who_traces_is_not_asked),
        cmocka_unit_test(nothing_is_kept_without_a_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
