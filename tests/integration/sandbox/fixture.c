#include "fixture.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture fx = { .out_dir = -1 };

static const char *const env[] = {
    "PATH=/usr/bin:/bin",
    "LANG=C.UTF-8",
    "ASAN_OPTIONS=detect_leaks=0", /* needs ptrace, which is not there */
    NULL,
};

void fixture_begin(void)
{
    const char *uid = getenv("PKGSYNC_TEST_UID");
    struct ps_error err = PS_ERROR_INIT;
    uint64_t n = 0;

    if (!uid || geteuid() != 0)
        return;
    if (ps_str_to_u64(ps_str_from(uid), UINT32_MAX, &n, &err) < 0 ||
        setgroups(0, NULL) < 0 || setresgid((gid_t)n, (gid_t)n, (gid_t)n) < 0 ||
        setresuid((uid_t)n, (uid_t)n, (uid_t)n) < 0 ||
        /* Cleared by the change of user; kills must find us as usual. */
        prctl(PR_SET_DUMPABLE, 1) < 0) {
        perror("become an ordinary user");
        exit(1);
    }
}

/* A build directory may be closed to the ordinary user; a copy is not. */
static char *copy_program(const char *from, const char *name, int source)
{
    struct ps_error err = PS_ERROR_INIT;
    char *path = ps_format("%s/%s", fx.dir, name);
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);

    if (source < 0 || to < 0)
        fail_msg("cannot copy '%s'", from);
    assert_ok(ps_copy_fd(source, to, UINT64_MAX, NULL, NULL, &err), &err);
    assert_int_equal(fchmod(to, 0755), 0);
    assert_int_equal(close(to), 0);
    return path;
}

static void skip_if_impossible(void)
{
    struct ps_layer layers[PS_LAYERS_MAX];
    struct ps_sandbox_options options = { .helper_path = fx.helper };
    struct ps_error err = PS_ERROR_INIT;
    size_t count = 0;

    assert_ok(ps_sandbox_probe(&options, layers, &count, &err), &err);
    for (size_t i = 0; i < count; i++) {
        if (!layers[i].required || layers[i].state != PS_LAYER_ABSENT)
            continue;
        fprintf(stderr, "no %s here: %s\n", layers[i].name, layers[i].detail);
        exit(getenv("PKGSYNC_MUST_SANDBOX") ? 1 : 77);
    }
}

int fixture_group_setup(void **state)
{
    int helper = open(HELPER_PATH, O_RDONLY | O_CLOEXEC);
    int inside = open(INSIDE_PATH, O_RDONLY | O_CLOEXEC);
    struct ps_error err = PS_ERROR_INIT;
    struct ps_sandbox_options options = { .helper_path = NULL };

    (void)state;
    fixture_begin();
    umask(022);
    fx.dir = test_make_dir();
    fx.helper = copy_program(HELPER_PATH, "pkgsync-sandbox", helper);
    fx.inside = copy_program(INSIDE_PATH, "inside", inside);
    (void)close(helper);
    (void)close(inside);
    skip_if_impossible();
    options.helper_path = fx.helper;
    assert_ok(ps_sandbox_new(&options, &fx.runner, &err), &err);
    return 0;
}

static void forget_output(void)
{
    if (fx.out_dir >= 0)
        (void)close(fx.out_dir);
    fx.out_dir = -1;
    if (fx.out)
        test_remove_dir(fx.out);
    fx.out = NULL;
    ps_buf_release(&fx.log);
}

int fixture_group_teardown(void **state)
{
    (void)state;
    forget_output();
    ps_runner_free(fx.runner);
    free(fx.helper);
    free(fx.inside);
    test_remove_dir(fx.dir);
    return 0;
}

int fixture_setup(void **state)
{
    (void)state;
    forget_output();
    fx.log = PS_BUF_INIT(8u << 20);
    fx.out = test_make_dir();
    fx.out_dir = open(fx.out, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(fx.out_dir >= 0);
    return 0;
}

void fixture_collect(const char *data, size_t len, void *user)
{
    ps_buf_add(user, data, len);
}

struct ps_run_spec fixture_spec(const char *script)
{
    static const char *argv[4];

    argv[0] = "/bin/sh";
    argv[1] = "-c";
    argv[2] = script;
    return (struct ps_run_spec){
        .argv = argv,
        .env = env,
        .cwd = "/tmp",
        .out_path = "/out",
        .out_dir = fx.out_dir,
        .out_max_bytes = 1u << 20,
        .out_max_files = 100,
        .tmp_max_bytes = 16u << 20,
        .tmp_max_inodes = 2000,
        .wall_limit_ms = 60000,
        .sink = fixture_collect,
        .sink_user = &fx.log,
    };
}

void fixture_run(const struct ps_run_spec *spec)
{
    struct ps_error err = PS_ERROR_INIT;

    assert_ok(fx.runner->run(fx.runner, spec, NULL, &fx.result, &err), &err);
}

void run_script(const char *script)
{
    struct ps_run_spec spec = fixture_spec(script);

    fixture_run(&spec);
}

void run_inside(const char *what)
{
    const struct ps_mount mount = { PS_MOUNT_READ_ONLY, fx.inside, "/inside" };
    const char *argv[] = { "/inside", what, NULL };
    struct ps_run_spec spec = fixture_spec("");

    spec.argv = argv;
    spec.mounts = &mount;
    spec.mount_count = 1;
    fixture_run(&spec);
}

void assert_outcome(enum ps_run_outcome expected)
{
    if (fx.result.outcome != expected)
        fail_msg("expected %s, got %s (status %d, signal %d, '%s'); log: %s",
                 ps_run_outcome_name(expected),
                 ps_run_outcome_name(fx.result.outcome), fx.result.exit_status,
                 fx.result.term_signal, fx.result.detail, ps_buf_z(&fx.log));
}

void assert_exit(int status)
{
    assert_outcome(PS_RUN_EXIT);
    if (fx.result.exit_status != status)
        fail_msg("expected exit status %d, got %d; log: %s", status,
                 fx.result.exit_status, ps_buf_z(&fx.log));
}

void assert_log_has(const char *text)
{
    if (!strstr(ps_buf_z(&fx.log), text))
        fail_msg("'%s' is not in the log: %s", text, ps_buf_z(&fx.log));
}

void assert_log_lacks(const char *text)
{
    if (strstr(ps_buf_z(&fx.log), text))
        fail_msg("'%s' is in the log: %s", text, ps_buf_z(&fx.log));
}
