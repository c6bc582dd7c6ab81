#include "delayed.h"

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

/* What a shell and the dynamic loader end with when a library is missing. */
#define STATUS_NOT_LOADED 127

void *ps_delayed_find(const char *library, const char *name)
{
    /* Not closed: it is needed to the end, and loading it twice is free. */
    void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
    void *found = handle ? dlsym(handle, name) : NULL;

    if (!found) {
        (void)fprintf(stderr, "pkgsync: %s\n", dlerror());
        _exit(STATUS_NOT_LOADED);
    }
    return found;
}
