/* Which requirement strings of a project may reach pip. */
#include "fetch_private.h"
#include "test_util.h"

static void lets_names_specifiers_extras_and_markers_through(void **state)
{
    static const char *const good[] = {
        "setuptools",
        "setuptools>=61",
        "setuptools >= 61, != 62.0",
        "Cython~=3.0",
        "numpy==2.0.*; python_version >= '3.9'",
        "setuptools_scm[toml]>=8",
        "zope.interface (>=5)",
        "a@https://example.org/a-1.0-py3-none-any.whl",
        "a @ https://example.org/a-1.0-py3-none-any.whl#sha256=00 ; "
        "sys_platform == 'linux'",
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(good); i++) {
        struct ps_error err = PS_ERROR_INIT;

        print_message("case: '%s'\n", good[i]);
        assert_ok(ps_check_requirement(good[i], &err), &err);
    }
}

static void refuses_options_paths_and_urls_that_run_code(void **state)
{
    static const char *const bad[] = {
        "",
        "   ",
        "-r requirements.txt",
        "--index-url=https://example.org",
        "./evil",
        "../evil",
        "/etc/passwd",
        "evil/dir",
        "evil.zip\n--pre",
        "evil.tar.gz",
        "evil-1.0.zip",
        "evil-1.0-py3-none-any.whl",
        "a @ file:///etc/passwd",
        "a @ git+https://example.org/a",
        "a @ https://example.org/a-1.0.tar.gz",
        "a @ http://example.org/a-1.0-py3-none-any.whl",
        "a[b",
        "a b",
        "https://example.org/a.whl",
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(bad); i++) {
        struct ps_error err = PS_ERROR_INIT;

        print_message("case: '%s'\n", bad[i]);
        assert_code(PS_EINVALID, ps_check_requirement(bad[i], &err), &err);
        assert_true(err.text[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_names_specifiers_extras_and_markers_through),
        cmocka_unit_test(refuses_options_paths_and_urls_that_run_code),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
