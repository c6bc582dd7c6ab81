/*
 * The phases of a build, with a runner that plays the sandbox: it looks at
 * what it is asked to run, and writes what a command would have left behind.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build_private.h"
#include "test_util.h"

struct fake {
    struct ps_runner runner;
    const char *requires_for_build; /* what the back-end's hook answers */
    enum ps_run_outcome outcome;    /* of the build itself */
    int exit_status;
    const char *output;   /* what the build prints */
    const char *files[3]; /* what it leaves in its output */
    unsigned project_runs;
    unsigned hook_runs;
    unsigned build_runs;
    bool saw_network;
};

struct fixture {
    char *dir;
    struct ps_arena arena;
    struct fake fake;
    struct ps_python python;
    const char *none[1];
    struct ps_index index;
    struct ps_build build;
    struct ps_build_failure failure;
};

static void leave(int dir, const char *name, const char *text)
{
    struct ps_error err = PS_ERROR_INIT;

    assert_ok(ps_write_file_at(dir, name, text, strlen(text), 0644, &err),
              &err);
}

static bool has_arg(const struct ps_run_spec *spec, const char *arg)
{
    for (size_t i = 0; spec->argv[i]; i++) {
        if (strcmp(spec->argv[i], arg) == 0)
            return true;
    }
    return false;
}

static void play_project(struct fake *f, const struct ps_run_spec *spec)
{
    f->project_runs++;
    leave(spec->out_dir, "answer.json",
          "{\"has_build_system\": true, \"requires\": [], \"backend\": "
          "\"thing.api\", \"backend_path\": [], \"include\": [], "
          "\"exclude\": [], \"name\": \"demo\"}");
}

static void play_hook(struct fake *f, const struct ps_run_spec *spec)
{
    char *text = ps_format("{\"requires\": [%s]}", f->requires_for_build);

    f->hook_runs++;
    leave(spec->out_dir, "answer.json", text);
    free(text);
}

static void play_build(struct fake *f, const struct ps_run_spec *spec,
                       struct ps_run_result *result)
{
    f->build_runs++;
    f->saw_network = spec->network;
    if (f->output)
        spec->sink(f->output, strlen(f->output), spec->sink_user);
    result->outcome = f->outcome;
    result->exit_status = f->exit_status;
    for (size_t i = 0; i < 3 && f->files[i]; i++)
        leave(spec->out_dir, f->files[i], "not a wheel");
}

static int fake_run(struct ps_runner *self, const struct ps_run_spec *spec,
                    const struct ps_cancel *cancel,
                    struct ps_run_result *result, struct ps_error *err)
{
    struct fake *f = PS_CONTAINER_OF(self, struct fake, runner);

    (void)cancel;
    (void)err;
    *result = (struct ps_run_result){ .outcome = PS_RUN_EXIT };
    if (has_arg(spec, "project"))
        play_project(f, spec);
    else if (has_arg(spec, "requires"))
        play_hook(f, spec);
    else if (has_arg(spec, "wheel"))
        play_build(f, spec, result);
    else
        assert_true(has_arg(spec, "environment"));
    return PS_OK;
}

static int setup(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->dir = test_make_dir();
    free(test_write(f->dir, "src/pyproject.toml", "[project]\n"));
    free(test_write(f->dir, "pip-1.0-py3-none-any.whl", "pip"));
    f->fake.runner.run = fake_run;
    f->fake.requires_for_build = "";
    f->python = (struct ps_python){
        .executable = "/usr/bin/python3",
        .base_executable = "/usr/bin/python3",
        .implementation = "cpython",
        .version = "3.11.2",
        .abi = "cp311",
        .platform = "linux-x86_64",
        .prefixes = f->none,
        .site_dirs = f->none,
        .tags = f->none,
        .pip_wheel =
            ps_arena_format(&f->arena, "%s/pip-1.0-py3-none-any.whl", f->dir),
    };
    f->build = (struct ps_build){
        .runner = &f->fake.runner,
        .python = &f->python,
        .index = &f->index,
        .cache_dir = ps_arena_format(&f->arena, "%s/cache", f->dir),
        .tree = ps_arena_format(&f->arena, "%s/src", f->dir),
        .failure = &f->failure,
        .limits = { .wall_limit_ms = 5000 },
    };
    /* The bundled pip, as if it had been unpacked before. */
    {
        struct ps_error err = PS_ERROR_INIT;
        struct ps_sha256 d;
        char hex[PS_SHA256_HEX_SIZE];
        char *name = NULL;

        assert_ok(ps_sha256_file(f->python.pip_wheel, 100, &d, NULL, &err),
                  &err);
        ps_sha256_hex(&d, hex);
        name = ps_format("cache/pip/%.32s/pip/__main__.py", hex);
        free(test_write(f->dir, name, ""));
        free(name);
    }
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

static int prepare(struct fixture *f, struct ps_prepared *p,
                   struct ps_error *err)
{
    *err = PS_ERROR_INIT;
    return ps_build_prepare(&f->arena, &f->build, p, err);
}

static int build(struct fixture *f, struct ps_error *err)
{
    struct ps_prepared prepared;
    struct ps_wheel_info info;
    char *out = ps_format("%s/out", f->dir);
    int fd = -1;
    int rc = prepare(f, &prepared, err);

    assert_ok(rc, err);
    assert_ok(ps_open_dir(out, true, &fd, err), err);
    rc = ps_build_wheel(&f->arena, &f->build, &prepared, fd, &info, err);
    (void)close(fd);
    free(out);
    return rc;
}

static void prepares_an_environment_once_and_shares_it(void **state)
{
    struct fixture *f = *state;
    struct ps_prepared first;
    struct ps_prepared second;
    struct ps_error err;

    assert_ok(prepare(f, &first, &err), &err);
    assert_false(first.reused);
    assert_ok(prepare(f, &second, &err), &err);
    assert_true(second.reused);
    assert_string_equal(first.environment, second.environment);
    assert_int_equal(access(second.environment, R_OK), 0);
    /* pyproject.toml did not change, so it was read once. */
    assert_int_equal(f->fake.project_runs, 1);
    assert_string_equal(first.project.name, "demo");
}

static void refuses_a_hostile_requirement_of_a_hook(void **state)
{
    struct fixture *f = *state;
    struct ps_prepared p;
    struct ps_error err;

    f->fake.requires_for_build = "\"--index-url=https://example.org\"";
    assert_code(PS_EINVALID, prepare(f, &p, &err), &err);
    assert_string_equal(f->failure.phase, "fetch");
}

static void names_the_phase_and_the_cause_of_a_failed_build(void **state)
{
    struct fixture *f = *state;
    struct ps_error err;

    f->fake.exit_status = 1;
    f->fake.output = "Traceback\n"
                     "ModuleNotFoundError: No module named 'numpy.core'\n";
    assert_code(PS_EBUILD, build(f, &err), &err);
    assert_string_equal(f->failure.phase, "build");
    assert_non_null(f->failure.cause);
    assert_non_null(strstr(f->failure.cause, "--build-requires numpy"));
    assert_non_null(strstr(err.text, "No module named 'numpy.core'"));
}

static void says_which_limit_was_reached_and_what_raises_it(void **state)
{
    static const struct {
        enum ps_run_outcome outcome;
        const char *flag;
    } cases[] = {
        { PS_RUN_TIMEOUT, "--timeout" },
        { PS_RUN_DISK, "--disk-mb" },
        { PS_RUN_PIDS, "--pids" },
        { PS_RUN_OOM, "--memory-mb" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_error err;

        f->fake.outcome = cases[i].outcome;
        assert_code(PS_ELIMIT, build(f, &err), &err);
        assert_non_null(strstr(err.text, cases[i].flag));
    }
}

static void wants_exactly_one_file(void **state)
{
    struct fixture *f = *state;
    struct ps_error err;

    assert_code(PS_EBUILD, build(f, &err), &err);
    assert_non_null(strstr(err.text, "no wheel"));
    f->fake.files[0] = "a-1.0-py3-none-any.whl";
    f->fake.files[1] = "b-1.0-py3-none-any.whl";
    assert_code(PS_EBUILD, build(f, &err), &err);
    assert_non_null(strstr(err.text, "more than one"));
}

static void verifies_what_the_back_end_wrote(void **state)
{
    struct fixture *f = *state;
    struct ps_error err;

    f->fake.files[0] = "demo-1.0-py3-none-any.whl";
    assert_code(PS_EBUILD, build(f, &err), &err);
    assert_string_equal(f->failure.phase, "verify");
}

static void gives_the_network_only_when_asked(void **state)
{
    struct fixture *f = *state;
    struct ps_error err;

    (void)build(f, &err);
    assert_false(f->fake.saw_network);
    f->build.network = true;
    (void)build(f, &err);
    assert_true(f->fake.saw_network);
}

static void refuses_what_is_no_project(void **state)
{
    struct fixture *f = *state;
    struct ps_prepared p;
    struct ps_error err;
    char *path = ps_format("%s/src/pyproject.toml", f->dir);

    assert_int_equal(unlink(path), 0);
    assert_code(PS_EINVALID, prepare(f, &p, &err), &err);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_code(PS_EINVALID, prepare(f, &p, &err), &err);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_code(PS_EINVALID, prepare(f, &p, &err), &err);
    assert_int_equal(unlink(path), 0);
    free(test_write(f->dir, "src/pyproject.toml", ""));
    assert_int_equal(truncate(path, INT64_C(1) << 31), 0);
    assert_code(PS_ETOOBIG, prepare(f, &p, &err), &err);
    assert_int_equal(f->fake.build_runs, 0);
    free(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(prepares_an_environment_once_and_shares_it),
        TEST(refuses_a_hostile_requirement_of_a_hook),
        TEST(names_the_phase_and_the_cause_of_a_failed_build),
        TEST(says_which_limit_was_reached_and_what_raises_it),
        TEST(wants_exactly_one_file),
        TEST(verifies_what_the_back_end_wrote),
        TEST(gives_the_network_only_when_asked),
        TEST(refuses_what_is_no_project),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
