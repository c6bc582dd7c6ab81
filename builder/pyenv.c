/*
 * What pyenv's shims decide by (pyenv(1), "Understanding Python version
 * selection").  A shim is a script that starts another script that starts an
 * interpreter: asking it costs more than a scan, so its answer is kept too,
 * under all that it depends on.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/mem.h"
#include "pyenv.h"

/* Which file names the versions; false if there is none. */
static bool add_file(struct ps_buf *facts, const char *dir, const char *name)
{
    PS_AUTO_FREE char *path = ps_format("%s/%s", dir, name);
    struct stat st;

    if (stat(path, &st) < 0)
        return false;
    ps_buf_addf(facts, "%s %llu %llu %lld.%ld %llu\n", path,
                (unsigned long long)st.st_dev, (unsigned long long)st.st_ino,
                (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                (unsigned long long)st.st_size);
    return true;
}

/* The nearest .python-version at or above a directory. */
static void add_local(struct ps_buf *facts, const char *from)
{
    PS_AUTO_FREE char *dir = ps_strdup(from);

    while (dir && dir[0] == '/' && !add_file(facts, dir, ".python-version")) {
        char *slash = strrchr(dir, '/');

        if (slash == dir)
            return;
        *slash = '\0';
    }
}

bool ps_pyenv_facts(const char *program, struct ps_buf *facts)
{
    const char *shims = strstr(program, "/shims/");
    const char *chosen = getenv("PYENV_VERSION");
    PS_AUTO_FREE char *root = NULL;
    PS_AUTO_FREE char *versions = NULL;
    PS_AUTO_FREE char *cwd = getcwd(NULL, 0);
    struct stat st;

    if (!shims || strchr(shims + strlen("/shims/"), '/'))
        return false;
    root = ps_strndup(program, (size_t)(shims - program));
    versions = ps_format("%s/versions", root);
    if (stat(versions, &st) < 0)
        return false; /* of something else that has shims */
    ps_buf_addf(facts, "pyenv %s\n%lld.%ld\n", chosen ? chosen : "",
                (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    /* "system" is whatever PATH has. */
    ps_buf_addf(facts, "%s\n", getenv("PATH") ? getenv("PATH") : "");
    add_local(facts, getenv("PYENV_DIR"));
    add_local(facts, cwd);
    (void)add_file(facts, root, "version");
    return true;
}
