/* pack_driver OUT [-t TAG] PATH=NAME...: pack, and print the wheel's name. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"
#include "pkgsync/pack.h"

int main(int argc, char **argv)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_FREE struct ps_pack_file *files =
        ps_calloc((size_t)argc, sizeof(*files));
    struct ps_pack_options options = { .files = files };
    struct ps_error err = PS_ERROR_INIT;
    struct ps_wheel_info info;
    PS_AUTO_FD int out = -1;

    if (argc < 3)
        return 64;
    out = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 2; i < argc; i++) {
        char *name = strrchr(argv[i], '=');

        if (strcmp(argv[i], "-t") == 0 && i + 1 < argc) {
            options.native_tag = argv[++i];
            continue;
        }
        if (!name)
            return 64;
        *name++ = '\0';
        files[options.count++] =
            (struct ps_pack_file){ .path = argv[i], .name = name };
    }
    if (ps_pack_wheel(&arena, &options, out, &info, &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return ps_code_exit_status(err.code);
    }
    (void)printf("%s\n", info.file_name);
    return 0;
}
