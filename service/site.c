#include "pkgsync/site.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/str.h"

/* The directories of PYTHONPATH, absolute. */
static int split_path(struct ps_arena *arena, const char *text,
                      const char *const **out, struct ps_error *err)
{
    PS_AUTO_FREE char *cwd = NULL;
    struct ps_str rest = ps_str_from(text);
    bool more = rest.len > 0;
    const char **list = NULL;
    size_t count = 0;

    for (size_t i = 0; i < rest.len; i++)
        count += rest.data[i] == ':';
    list = ps_arena_alloc(arena, count + 2, sizeof(*list));
    count = 0;
    while (more) {
        struct ps_str part;

        more = ps_str_cut(&rest, ':', &part);
        if (part.len > 0 && part.data[0] == '/') {
            list[count++] = ps_arena_dup(arena, part);
            continue;
        }
        if (!cwd)
            cwd = getcwd(NULL, 0);
        if (!cwd)
            return ps_fail_errno(err, errno,
                                 "PYTHONPATH names '%.*s', but there is no "
                                 "working directory",
                                 PS_STR_FMT(part));
        list[count++] = part.len == 0 ? ps_arena_strdup(arena, cwd)
                                      : ps_arena_format(arena, "%s/%.*s", cwd,
                                                        PS_STR_FMT(part));
    }
    *out = list;
    return PS_OK;
}

/* "3.11.7" -> "3.11" */
static const char *minor_version(struct ps_arena *arena, const char *version)
{
    const char *dot = strchr(version, '.');
    size_t len = dot ? (size_t)(dot - version) + 1 : strlen(version);

    if (dot)
        len += strspn(dot + 1, "0123456789");
    return ps_arena_dup(arena, (struct ps_str){ .data = version, .len = len });
}

int ps_site_of(struct ps_arena *arena, const struct ps_python *python,
               const char *pythonpath, struct ps_site *out,
               struct ps_error *err)
{
    struct utsname kernel;
    const char *const *path = NULL;
    int rc = split_path(arena, pythonpath, &path, err);

    if (rc < 0)
        return rc;
    if (uname(&kernel) < 0)
        return ps_fail_errno(err, errno, "ask the kernel for its name");
    *out = (struct ps_site){
        .executable = python->executable,
        .prefix = python->prefix,
        .implementation = python->implementation,
        .version = python->version,
        .abi = python->abi,
        .platform = python->platform,
        .path = path,
        .dirs = python->site_dirs,
        .stdlib = python->stdlib,
        .markers = {
            .os_name = python->os_name,
            .sys_platform = python->sys_platform,
            .platform_machine = ps_arena_strdup(arena, kernel.machine),
            .platform_python_implementation =
                python->platform_python_implementation,
            .platform_release = ps_arena_strdup(arena, kernel.release),
            .platform_system = ps_arena_strdup(arena, kernel.sysname),
            .platform_version = ps_arena_strdup(arena, kernel.version),
            .python_version = minor_version(arena, python->version),
            .python_full_version = python->python_full_version,
            .implementation_name = python->implementation,
            .implementation_version = python->implementation_version,
        },
    };
    return PS_OK;
}
