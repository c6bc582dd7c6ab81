/* Markers: printed, they read the same and decide the same. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/requirement.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void promise(bool holds)
{
    if (!holds)
        abort();
}

static const char *const names[] = { "foo", "Foo_Bar", NULL };

static const struct ps_marker_env env = {
    .os_name = "posix",
    .sys_platform = "linux",
    .platform_machine = "x86_64",
    .platform_python_implementation = "CPython",
    .platform_release = "6.1.0-18-amd64",
    .platform_system = "Linux",
    .platform_version = "#1 SMP",
    .python_version = "3.11",
    .python_full_version = "3.11.7+",
    .implementation_name = "cpython",
    .implementation_version = "3.11.7",
    .extras = names,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    const struct ps_marker *m = NULL;
    const struct ps_marker *again = NULL;
    char *printed = NULL;
    bool first = false;
    bool second = false;
    int rc = 0;

    if (ps_marker_parse(&arena, (struct ps_str){ (const char *)data, size }, &m,
                        &err) < 0) {
        promise(err.code == PS_EINVALID);
        return 0;
    }
    printed = ps_marker_string(&arena, m);
    promise(ps_marker_parse(&arena, ps_str_from(printed), &again, &err) ==
            PS_OK);
    promise(strcmp(printed, ps_marker_string(&arena, again)) == 0);
    rc = ps_marker_holds(m, &env, "Foo.Bar", &first, &err);
    promise(rc == PS_OK || rc == PS_EINVALID);
    promise(ps_marker_holds(again, &env, "foo-bar", &second, &err) == rc);
    promise(first == second);
    return 0;
}
