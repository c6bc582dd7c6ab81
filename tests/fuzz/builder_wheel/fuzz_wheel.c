/* A whole wheel, called demo-1.0-py2.py3-none-any.whl whatever it holds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pkgsync/fd.h"
#include "wheel_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_FD int fd = memfd_create("wheel", MFD_CLOEXEC);
    struct ps_error err = PS_ERROR_INIT;
    struct ps_wheel_info info;
    struct ps_wheel_expect expect = {
        .limits = { .max_unpacked = PS_MIB(8), .max_members = 1000 },
    };

    if (fd < 0 || ps_write_all(fd, data, size, &err) < 0)
        abort();
    if (ps_wheel_verify_fd(&arena, fd, "demo-1.0-py2.py3-none-any.whl", &expect,
                           &info, &err) == PS_OK &&
        (info.size != size || strcmp(info.version, "") == 0))
        abort();
    return 0;
}
