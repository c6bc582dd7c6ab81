#include "pkgsync/dirs.h"

#include <pwd.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"

/* $HOME, else what the password database says; NULL if neither is absolute. */
static char *home_dir(void)
{
    const char *home = getenv("HOME");
    struct passwd pw;
    struct passwd *found = NULL;
    char room[4096];

    if (home && home[0] == '/')
        return ps_strdup(home);
    if (getpwuid_r(getuid(), &pw, room, sizeof(room), &found) == 0 && found &&
        found->pw_dir && found->pw_dir[0] == '/')
        return ps_strdup(found->pw_dir);
    return NULL;
}

/* The specification: a value that is not absolute is ignored. */
static char *xdg_dir(const char *variable, const char *home,
                     const char *below_home)
{
    const char *value = getenv(variable);

    if (value && value[0] == '/')
        return ps_format("%s/pkgsync", value);
    return home ? ps_format("%s/%s/pkgsync", home, below_home) : NULL;
}

int ps_dirs_init(struct ps_dirs *d, struct ps_error *err)
{
    PS_AUTO_FREE char *home = home_dir();
    char *made[3] = { NULL };

    d->cache = xdg_dir("XDG_CACHE_HOME", home, ".cache");
    d->data = xdg_dir("XDG_DATA_HOME", home, ".local/share");
    d->state = xdg_dir("XDG_STATE_HOME", home, ".local/state");
    d->config = xdg_dir("XDG_CONFIG_HOME", home, ".config");
    made[0] = d->cache;
    made[1] = d->data;
    made[2] = d->state;

    for (size_t i = 0; i < 3; i++) {
        int rc = 0;

        if (!made[i]) {
            ps_dirs_release(d);
            return ps_fail(err, PS_ECONFIG,
                           "no home directory: set HOME, or XDG_CACHE_HOME, "
                           "XDG_DATA_HOME and XDG_STATE_HOME");
        }
        rc = ps_mkdirs(made[i], 0700, err);
        if (rc < 0) {
            ps_dirs_release(d);
            return rc;
        }
    }
    return PS_OK;
}

void ps_dirs_release(struct ps_dirs *d)
{
    free(d->cache);
    free(d->data);
    free(d->state);
    free(d->config);
    *d = (struct ps_dirs){ .cache = NULL };
}
