/* What every cmocka program of ours needs. */
#ifndef PKGSYNC_TEST_UTIL_H
#define PKGSYNC_TEST_UTIL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pkgsync/error.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

/* The code expected, or a failure that shows the error's text. */
#define assert_code(expected, actual, err)                              \
    do {                                                                \
        int actual_ = (actual);                                         \
        if (actual_ != (expected))                                      \
            fail_msg("expected %s, got %s: %s", ps_code_name(expected), \
                     ps_code_name(actual_), (err)->text);               \
    } while (0)

#define assert_ok(actual, err) assert_code(PS_OK, actual, err)

/* A fresh directory; remove it with test_remove_dir(), which fails the test
 * if that cannot be done. */
static inline char *test_make_dir(void)
{
    struct ps_error err = PS_ERROR_INIT;
    const char *tmp = getenv("TMPDIR");
    char *path = NULL;

    assert_ok(
        ps_make_temp_dir(tmp ? tmp : "/tmp", "pkgsync-test-", &path, &err),
        &err);
    return path;
}

static inline void test_remove_dir(char *path)
{
    struct ps_error err = PS_ERROR_INIT;

    assert_ok(ps_remove_tree_at(-100 /* AT_FDCWD */, path, &err), &err);
    free(path);
}

/* Write `text` to <dir>/<name>, making parents; returns the path, to free. */
static inline char *test_write(const char *dir, const char *name,
                               const char *text)
{
    struct ps_error err = PS_ERROR_INIT;
    char *path = ps_format("%s/%s", dir, name);
    char *slash = strrchr(path, '/');
    FILE *f = NULL;

    *slash = '\0';
    assert_ok(ps_mkdirs(path, 0755, &err), &err);
    *slash = '/';
    f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    assert_int_equal(fclose(f), 0);
    return path;
}

#endif
