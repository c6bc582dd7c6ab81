/* From a real interpreter to where it looks for distributions. */
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "pkgsync/python.h"
#include "pkgsync/site.h"
#include "test_util.h"

struct fixture {
    char *root;
    struct ps_arena arena;
    struct ps_python python;
    struct ps_site site;
};

static int setup(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->root = test_make_dir();
    (void)unsetenv("PYTHONNOUSERSITE");
    (void)unsetenv("VIRTUAL_ENV");
    assert_int_equal(setenv("PYTHONUSERBASE", f->root, 1), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ps_arena_release(&f->arena);
    test_remove_dir(f->root);
    free(f);
    return 0;
}

static void look(struct fixture *f, const char *program, const char *path)
{
    PS_AUTO_FREE char *cache = ps_format("%s/cache", f->root);
    struct ps_error err = PS_ERROR_INIT;

    assert_ok(
        ps_python_probe(&f->arena, program, cache, NULL, &f->python, &err),
        &err);
    assert_ok(ps_site_of(&f->arena, &f->python, path, &f->site, &err), &err);
}

/* A virtual environment, as far as an interpreter needs one; its path. */
static const char *make_venv(struct fixture *f, const char *cfg)
{
    const char *dir = ps_arena_format(&f->arena, "%s/venv", f->root);
    const char *bin = ps_arena_format(&f->arena, "%s/bin", dir);
    struct ps_error err = PS_ERROR_INIT;

    look(f, NULL, NULL);
    free(test_write(
        dir, "pyvenv.cfg",
        ps_arena_format(&f->arena, "home = %.*s\n%s",
                        (int)(strrchr(f->python.base_executable, '/') -
                              f->python.base_executable),
                        f->python.base_executable, cfg)));
    assert_ok(ps_mkdirs(bin, 0755, &err), &err);
    assert_int_equal(symlink(f->python.base_executable,
                             ps_arena_format(&f->arena, "%s/python", bin)),
                     0);
    return dir;
}

static size_t position(const struct ps_site *site, const char *start)
{
    size_t i = 0;

    while (site->dirs[i] && strncmp(site->dirs[i], start, strlen(start)) != 0)
        i++;
    return i;
}

static size_t length(const char *const *list)
{
    size_t n = 0;

    while (list[n])
        n++;
    return n;
}

static void variables_of_markers_are_complete(void **state)
{
    struct fixture *f = *state;
    const struct ps_marker_env *m = &f->site.markers;
    struct utsname kernel;

    look(f, NULL, NULL);
    assert_int_equal(uname(&kernel), 0);
    assert_string_equal(m->os_name, "posix");
    assert_string_equal(m->sys_platform, "linux");
    assert_string_equal(m->platform_machine, kernel.machine);
    assert_string_equal(m->platform_release, kernel.release);
    assert_string_equal(m->platform_version, kernel.version);
    assert_string_equal(m->platform_system, "Linux");
    assert_string_equal(m->implementation_name, f->site.implementation);
    assert_non_null(m->platform_python_implementation);
    assert_non_null(m->implementation_version);
    assert_int_equal(strncmp(m->python_full_version, f->site.version,
                             strlen(m->python_version)),
                     0);
    assert_int_equal(strncmp(m->python_version, "3.", 2), 0);
    assert_null(strchr(m->python_version + 2, '.'));
    assert_true(length(f->site.stdlib) > 100);
}

static void a_venv_alone_has_only_its_own_directory(void **state)
{
    struct fixture *f = *state;
    const char *venv = make_venv(f, "include-system-site-packages = false\n");

    look(f, venv, NULL); /* its directory instead of a program */
    assert_string_equal(f->site.prefix, venv);
    assert_int_equal(position(&f->site, venv), 0);
    assert_non_null(f->site.dirs[0]);
    for (const char *const *d = f->site.dirs; *d; d++)
        assert_int_equal(strncmp(*d, venv, strlen(venv)), 0);
}

static void a_venv_with_the_systems_packages_comes_before_them(void **state)
{
    struct fixture *f = *state;
    const char *venv = make_venv(f, ""); /* without the key they are on */
    size_t user = 0;

    look(f, venv, NULL);
    user = position(&f->site, ps_arena_format(&f->arena, "%s/lib/", f->root));
    assert_int_equal(position(&f->site, venv), 0);
    assert_true(user > 0);
    assert_true(user + 1 < length(f->site.dirs));
}

static void the_users_directory_is_decided_in_every_call(void **state)
{
    struct fixture *f = *state;
    const char *below = ps_arena_format(&f->arena, "%s/lib/python3", f->root);
    size_t with = 0;

    look(f, NULL, NULL);
    with = length(f->site.dirs);
    assert_int_equal(position(&f->site, below), 0);
    assert_int_equal(setenv("PYTHONNOUSERSITE", "1", 1), 0);
    look(f, NULL, NULL);
    assert_int_equal(length(f->site.dirs), with - 1);
    (void)unsetenv("PYTHONNOUSERSITE");
    assert_int_equal(setenv("PYTHONUSERBASE", "/elsewhere", 1), 0);
    look(f, NULL, NULL);
    assert_int_equal(position(&f->site, "/elsewhere/lib/python3"), 0);
}

static void pythonpath_is_made_absolute(void **state)
{
    struct fixture *f = *state;
    PS_AUTO_FREE char *cwd = getcwd(NULL, 0);

    look(f, NULL, "/a:relative::/b");
    assert_string_equal(f->site.path[0], "/a");
    assert_string_equal(f->site.path[1],
                        ps_arena_format(&f->arena, "%s/relative", cwd));
    assert_string_equal(f->site.path[2], cwd);
    assert_string_equal(f->site.path[3], "/b");
    assert_null(f->site.path[4]);
    look(f, NULL, "");
    assert_null(f->site.path[0]);
}

static void a_directory_without_an_interpreter_is_no_environment(void **state)
{
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;

    assert_code(
        PS_ENOTFOUND,
        ps_python_probe(&f->arena, f->root, f->root, NULL, &f->python, &err),
        &err);
    assert_non_null(strstr(err.text, "no bin/python"));
}

static void
a_program_that_is_no_interpreter_is_told_in_a_few_words(void **state)
{
    struct fixture *f = *state;
    struct ps_error err = PS_ERROR_INIT;

    assert_code(
        PS_EIO,
        ps_python_probe(&f->arena, "/bin/ls", f->root, NULL, &f->python, &err),
        &err);
    assert_non_null(strstr(err.text, "'/bin/ls'"));
    assert_non_null(strstr(err.text, "--python"));
    assert_true(strlen(err.text) < 200);
}

/* A script that counts how often it is run, in front of an interpreter. */
static const char *make_script(struct fixture *f, const char *name)
{
    char *path = NULL;
    const char *kept = NULL;

    look(f, NULL, NULL);
    path = test_write(f->root, name,
                      ps_arena_format(&f->arena,
                                      "#!/bin/sh\necho >>%s/runs\nexec %s "
                                      "\"$@\"\n",
                                      f->root, f->python.base_executable));
    assert_int_equal(chmod(path, 0755), 0);
    kept = ps_arena_strdup(&f->arena, path);
    free(path);
    return kept;
}

static long runs(struct fixture *f)
{
    struct stat st;

    assert_int_equal(stat(ps_arena_format(&f->arena, "%s/runs", f->root), &st),
                     0);
    return (long)st.st_size;
}

static void a_script_is_asked_in_every_call(void **state)
{
    struct fixture *f = *state;
    const char *script = make_script(f, "bin/python3");

    look(f, script, NULL);
    look(f, script, NULL);
    assert_int_equal(runs(f), 2);
}

static void a_shim_of_pyenv_is_asked_once_for_each_choice(void **state)
{
    struct fixture *f = *state;
    const char *shim = make_script(f, "pyenv/shims/python3");

    free(test_write(f->root, "pyenv/versions/x", ""));
    look(f, shim, NULL);
    look(f, shim, NULL);
    assert_int_equal(runs(f), 1);
    assert_int_equal(setenv("PYENV_VERSION", "3.12", 1), 0);
    look(f, shim, NULL);
    look(f, shim, NULL);
    assert_int_equal(runs(f), 2);
    (void)unsetenv("PYENV_VERSION");
    free(test_write(f->root, "pyenv/version", "3.9\n"));
    look(f, shim, NULL);
    assert_int_equal(runs(f), 3);
    free(test_write(f->root, "project/.python-version", "3.9\n"));
    assert_int_equal(
        setenv("PYENV_DIR",
               ps_arena_format(&f->arena, "%s/project/sub", f->root), 1),
        0);
    look(f, shim, NULL);
    look(f, shim, NULL);
    assert_int_equal(runs(f), 4);
    (void)unsetenv("PYENV_DIR");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(variables_of_markers_are_complete,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_venv_alone_has_only_its_own_directory,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            a_venv_with_the_systems_packages_comes_before_them, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            the_users_directory_is_decided_in_every_call, setup, teardown),
        cmocka_unit_test_setup_teardown(pythonpath_is_made_absolute, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_directory_without_an_interpreter_is_no_environment, setup,
            teardown),
        cmocka_unit_test_setup_teardown(
            a_program_that_is_no_interpreter_is_told_in_a_few_words, setup,
            teardown),
        cmocka_unit_test_setup_teardown(a_script_is_asked_in_every_call, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_shim_of_pyenv_is_asked_once_for_each_choice, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
