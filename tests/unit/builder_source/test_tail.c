/* Which line of a log says why a build failed, and what the cause is. */
#include <string.h>

#include "build_private.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "test_util.h"

static struct ps_tail *tail_of(const char *text)
{
    struct ps_tail *t = ps_calloc(1, sizeof(*t));

    ps_tail_sink(text, strlen(text), t);
    return t;
}

static const struct reason_case {
    const char *log;
    const char *line;
} reasons[] = {
    { "", "" },
    { "only this\n", "only this" },
    { "first\nsecond\n\n", "second" },
    /* An exception, whatever pip prints around it. */
    { "  Traceback (most recent call last):\n"
      "    File \"setup.py\", line 1, in <module>\n"
      "  distutils.errors.DistutilsError: no such option\n"
      "  error: subprocess-exited-with-error\n"
      "  \n"
      "  × Preparing metadata (pyproject.toml) did not run successfully.\n"
      "  │ exit code: 1\n"
      "  ╰─> See above for output.\n"
      "  \n"
      "  note: This error originates from a subprocess\n"
      "  full command: /env/bin/python /pip/hook.py\n"
      "  cwd: /build/src\n"
      "  Preparing metadata (pyproject.toml): finished with status 'error'\n"
      "error: metadata-generation-failed\n"
      "\n"
      "× Encountered error while generating package metadata.\n"
      "╰─> See above for output.\n"
      "\n"
      "note: This is an issue with the package mentioned above, not pip.\n"
      "hint: See above for details.\n",
      "distutils.errors.DistutilsError: no such option" },
    { "KeyError: 'x'\n"
      "  Getting requirements to build wheel: finished with status 'error'\n",
      "KeyError: 'x'" },
    { "RuntimeError: late\n"
      "  Building wheel for demo (pyproject.toml): finished with status "
      "'error'\n"
      "  ERROR: Failed building wheel for demo\n"
      "Failed to build demo\n"
      "ERROR: Failed to build one or more wheels\n",
      "RuntimeError: late" },
    /* Words after the reason that are no noise of pip's. */
    { "../meson.build:1:0: ERROR: Compiler cc cannot compile programs.\n"
      "\n"
      "A full log can be found at /build/src/.mesonpy/meson-log.txt\n",
      "../meson.build:1:0: ERROR: Compiler cc cannot compile programs." },
    { "a.c:1:10: fatal error: x.h: No such file or directory\n"
      "compilation terminated.\n",
      "a.c:1:10: fatal error: x.h: No such file or directory" },
    { "error: command 'gcc' failed with exit code 1\n"
      "[end of output]\n",
      "error: command 'gcc' failed with exit code 1" },
    { "error[E0432]: unresolved import `x`\n"
      "  --> src/lib.rs:1:5\n",
      "error[E0432]: unresolved import `x`" },
    { "  + Exception Group Traceback (most recent call last):\n"
      "  | ExceptionGroup: two (2 sub-exceptions)\n"
      "  +-+---------------- 1 ----------------\n"
      "    | ValueError: bad version\n"
      "    +------------------------------------\n",
      "ValueError: bad version" },
    { "KeyboardInterrupt\n"
      "goodbye\n",
      "KeyboardInterrupt" },
    /* Nothing that looks like a reason: the last that says something. */
    { "cannot go on\n"
      "  Building wheel for demo (pyproject.toml): finished with status "
      "'error'\n",
      "cannot go on" },
    { "        raise SomeError(x)\n"
      "give up\n",
      "give up" },
    /* Harmless to print. */
    { "ValueError: \033[31mred\007\n", "ValueError: ?[31mred?" },
};

static void finds_the_line_that_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(reasons); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        PS_AUTO_FREE struct ps_tail *t = tail_of(reasons[i].log);

        print_message("case: '%s'\n", reasons[i].log);
        assert_string_equal(ps_tail_last_line(&arena, t), reasons[i].line);
    }
}

static void an_error_long_before_the_end_is_not_the_reason(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_FREE struct ps_tail *t = tail_of("error: that was survived\n");

    (void)state;
    for (int i = 0; i < 100; i++)
        ps_tail_sink("compiling\n", 10, t);
    assert_string_equal(ps_tail_last_line(&arena, t), "compiling");
}

static void keeps_the_end_of_a_log_of_any_length(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_FREE struct ps_tail *t = tail_of("");
    PS_AUTO_FREE char *block = ps_calloc(1, PS_TAIL_MAX * 2);

    (void)state;
    memset(block, 'x', PS_TAIL_MAX * 2);
    for (size_t len = 1; len < PS_TAIL_MAX * 2; len += 997)
        ps_tail_sink(block, len, t);
    ps_tail_sink("\nthe end", 8, t);
    assert_int_equal(t->len, PS_TAIL_MAX);
    assert_string_equal(ps_tail_last_line(&arena, t), "the end");
}

static const struct {
    const char *log;
    const char *cause; /* a part of it; NULL: none is known */
} causes[] = {
    { "all is well\n", NULL },
    { "ModuleNotFoundError: No module named 'numpy.random'\n",
      "--build-requires numpy" },
    { "/usr/bin/python: No module named cython\n", "--build-requires cython" },
    { "<urlopen error [Errno -3] Temporary failure in name resolution>\n",
      "--network" },
    { "a.c:1:10: fatal error: ffi.h: No such file or directory\n", "'ffi.h'" },
    { "error: command 'gcc' failed: No such file or directory\n", "'gcc'" },
    { "OSError: [Errno 28] No space left on device\n", "--disk-mb" },
    { "WARNING: Building wheel for demo failed: [Errno 2] No such file or "
      "directory: '/tmp/pip-wheel-x/demo-1.0-py3-none-any.whl'\n",
      "did not write the wheel" },
};

static void names_known_causes(void **state)
{
    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(causes); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        PS_AUTO_FREE struct ps_tail *t = tail_of(causes[i].log);
        const char *cause = ps_build_cause(&arena, t, false);

        print_message("case: '%s'\n", causes[i].log);
        if (!causes[i].cause)
            assert_null(cause);
        else
            assert_non_null(strstr(cause ? cause : "", causes[i].cause));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_line_that_says_why),
        cmocka_unit_test(an_error_long_before_the_end_is_not_the_reason),
        cmocka_unit_test(keeps_the_end_of_a_log_of_any_length),
        cmocka_unit_test(names_known_causes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
