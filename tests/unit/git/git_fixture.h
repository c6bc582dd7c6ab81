/* Repositories for tests, made by the real git with a fixed clock. */
#ifndef PKGSYNC_GIT_FIXTURE_H
#define PKGSYNC_GIT_FIXTURE_H

#include "pkgsync/process.h"
#include "test_util.h"

/* Run a shell script in `dir`; it must succeed.  Its output, trimmed of the
 * last line end; caller frees. */
static inline char *git_script(const char *dir, const char *script)
{
    static const char *const env[] = {
        "PATH=/usr/local/bin:/usr/bin:/bin",
        "HOME=/nonexistent",
        "GIT_CONFIG_NOSYSTEM=1",
        "GIT_CONFIG_GLOBAL=/dev/null",
        "GIT_AUTHOR_NAME=A",
        "GIT_AUTHOR_EMAIL=a@example.org",
        "GIT_COMMITTER_NAME=A",
        "GIT_COMMITTER_EMAIL=a@example.org",
        "GIT_AUTHOR_DATE=1700000000 +0000",
        "GIT_COMMITTER_DATE=1700000000 +0000",
        "LC_ALL=C",
        NULL,
    };
    const char *argv[] = { "/bin/sh", "-ec", script, NULL };
    struct ps_buf out = PS_BUF_INIT(PS_MIB(1));
    struct ps_error err = PS_ERROR_INIT;
    struct ps_process_spec spec = {
        .argv = argv, .env = env, .cwd = dir, .out = &out
    };
    struct ps_process_result result = { 0 };

    assert_ok(ps_process_run(&spec, NULL, &result, &err), &err);
    if (result.term_signal || result.exit_status)
        fail_msg("script failed with %d: %s", result.exit_status, script);
    if (out.len > 0 && out.data[out.len - 1] == '\n')
        out.data[--out.len] = '\0';
    return out.data ? ps_buf_take(&out) : ps_strdup("");
}

static inline void git_do(const char *dir, const char *script)
{
    free(git_script(dir, script));
}

static inline void assert_git_says(const char *dir, const char *script,
                                   const char *expected)
{
    char *got = git_script(dir, script);

    assert_string_equal(got, expected);
    free(got);
}

#endif
