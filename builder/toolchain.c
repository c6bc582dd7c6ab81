/* Tools that are neither in /usr nor on the index. */
#include <stdlib.h>
#include <string.h>

#include "build_private.h"
#include "pkgsync/fd.h"

static bool wants_rust(const struct ps_wheel_set *wheels)
{
    static const char *const names[] = { "maturin-", "setuptools_rust-",
                                         "puccinialin-" };

    for (size_t i = 0; i < wheels->count; i++) {
        for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
            if (strncmp(wheels->files[i].name, names[k], strlen(names[k])) == 0)
                return true;
        }
    }
    return false;
}

const char *ps_toolchain_find(struct ps_arena *arena,
                              const struct ps_wheel_set *wheels,
                              const struct ps_cancel *cancel)
{
    PS_AUTO_BUF struct ps_buf out = PS_BUF_INIT(4096);
    PS_AUTO_FREE char *rustc = NULL;
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_str root;

    if (!wants_rust(wheels))
        return NULL;
    rustc = ps_find_program("rustc", getenv("PATH"));
    if (!rustc)
        return NULL;
    {
        const char *const argv[] = { rustc, "--print", "sysroot", NULL };

        if (ps_process_output(argv, NULL, cancel, &out, &ignored) < 0)
            return NULL;
    }
    root = ps_str_trim(ps_buf_str(&out));
    /* Debian's own compiler is in /usr, which is shown anyway. */
    if (root.len == 0 || root.data[0] != '/' || ps_str_is(root, "/usr"))
        return NULL;
    return ps_arena_dup(arena, root);
}
