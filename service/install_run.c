/*
 * The installer: uv or pip, called once, with files that are all here.
 *
 * Wheels of the spec go by address and hash, so that the installer verifies
 * them again and notes the hash; index packages by name and version from the
 * directory that each lies in, so that they do not look as if somebody had
 * installed a file.
 *
 * It ends with us, and has the lock of the environment as long as it runs:
 * whatever happens here, no other install begins before it has ended.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "install_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/process.h"
#include "pkgsync/util.h"

#define LIMIT_MS ((uint64_t)60 * 60 * 1000)
#define TAIL_MAX ((size_t)16384)
#define WORDS_MAX ((size_t)500)
#define NO_SPACE "No space left on device"

/* The last that was printed. */
struct tail {
    char data[TAIL_MAX];
    size_t len;
    ps_sink_fn *next;
    void *next_user;
};

static void tail_sink(const char *data, size_t len, void *user)
{
    struct tail *t = user;

    if (t->next)
        t->next(data, len, t->next_user);
    if (len > TAIL_MAX) {
        data += len - TAIL_MAX;
        len = TAIL_MAX;
    }
    if (t->len + len > TAIL_MAX) {
        size_t drop = t->len + len - TAIL_MAX;

        memmove(t->data, t->data + drop, t->len - drop);
        t->len -= drop;
    }
    memcpy(t->data + t->len, data, len);
    t->len += len;
}

static bool is_error_line(struct ps_str line)
{
    return ps_str_starts(line, "ERROR:") || ps_str_starts(line, "error:") ||
           ps_str_starts(line, "cause:") || ps_str_starts(line, "Caused by:") ||
           ps_str_starts(line, "OSError:") ||
           ps_str_starts(line, "PermissionError:") ||
           memmem(line.data, line.len, NO_SPACE, strlen(NO_SPACE)) != NULL;
}

/* The end of a long line has the cause. */
static struct ps_str end_of(struct ps_str line, size_t max)
{
    return line.len > max ? ps_str_skip(line, line.len - max) : line;
}

/* The lines that say what went wrong, or the last one; caller frees. */
static char *last_words(const struct tail *t)
{
    struct ps_str rest = { t->data, t->len };
    struct ps_str line;
    struct ps_str last = { NULL, 0 };
    PS_AUTO_BUF struct ps_buf words = PS_BUF_INIT(WORDS_MAX);

    while (rest.len > 0) {
        (void)ps_str_cut(&rest, '\n', &line);
        line = ps_str_trim(line);
        if (line.len > 0)
            last = line;
        if (is_error_line(line) && words.len + 2 < WORDS_MAX / 2)
            ps_buf_addf(&words, "%s%.*s", words.len > 0 ? "; " : "",
                        PS_STR_FMT(end_of(line, WORDS_MAX / 2)));
    }
    if (words.len == 0)
        ps_buf_addf(&words, "%.*s", PS_STR_FMT(ps_str_first(last, 400)));
    return ps_buf_take(&words);
}

/* ---- which one ---- */

static const char *find_uv(const struct ps_install *in)
{
    PS_AUTO_FREE char *found = ps_find_program("uv", getenv("PATH"));
    const char *beside =
        ps_arena_format(in->arena, "%s/bin/uv", in->o->site->prefix);

    if (found) {
        PS_AUTO_FREE char *cwd = found[0] == '/' ? NULL : getcwd(NULL, 0);

        return found[0] == '/' ? ps_arena_strdup(in->arena, found)
                               : ps_arena_format(in->arena, "%s/%s",
                                                 cwd ? cwd : ".", found);
    }
    return access(beside, X_OK) == 0 ? beside : NULL;
}

int ps_install_find_installer(struct ps_install *in, struct ps_error *err)
{
    const char *uv = in->o->installer == PS_INSTALLER_PIP ? NULL : find_uv(in);

    if (uv) {
        in->installer = uv;
        return PS_OK;
    }
    if (in->o->installer == PS_INSTALLER_UV)
        return ps_fail(err, PS_ENOTFOUND,
                       "uv is neither on PATH nor in '%s/bin'; install it, or "
                       "use --installer pip",
                       in->o->site->prefix);
    in->installer = NULL;
    if (ps_python_can_build(in->o->python, err) < 0)
        return ps_context(err, "there is no uv, and pip is not to be had");
    return PS_OK;
}

/* The first directory that an installer would write to. */
static const char *target_dir(const struct ps_install *in)
{
    const char *prefix = in->o->site->prefix;

    for (const char *const *d = in->o->site->dirs; d && *d; d++) {
        if (strncmp(*d, prefix, strlen(prefix)) == 0 && access(*d, F_OK) == 0)
            return *d;
    }
    return prefix;
}

/* PEP 668: the mark is beside the standard library, and environments made
 * from such an interpreter do not have it. */
static bool is_externally_managed(const struct ps_install *in)
{
    const struct ps_site *site = in->o->site;
    struct ps_str version = ps_str_from(site->version);
    struct ps_str major;
    struct ps_str minor;
    PS_AUTO_FREE char *cfg = ps_format("%s/pyvenv.cfg", site->prefix);
    PS_AUTO_FREE char *mark = NULL;

    (void)ps_str_cut(&version, '.', &major);
    (void)ps_str_cut(&version, '.', &minor);
    mark = ps_format("%s/lib/python%.*s.%.*s/EXTERNALLY-MANAGED", site->prefix,
                     PS_STR_FMT(major), PS_STR_FMT(minor));
    return access(cfg, F_OK) != 0 && access(mark, F_OK) == 0;
}

int ps_install_check_writable(const struct ps_install *in, struct ps_error *err)
{
    const char *dir = target_dir(in);

    if (!in->o->break_system_packages && is_externally_managed(in))
        return ps_fail(err, PS_EDENIED,
                       "'%s' belongs to the operating system (PEP 668); make "
                       "an environment with `%s -m venv DIR` and name it with "
                       "--python DIR, or use --break-system-packages",
                       in->o->site->executable, in->o->site->executable);
    if (access(dir, W_OK | X_OK) < 0)
        return ps_fail(err, PS_EDENIED,
                       "'%s' cannot be written to (%s); install as its owner, "
                       "or make an environment of your own and name it with "
                       "--python",
                       dir, strerror(errno));
    return PS_OK;
}

/* ---- how it is called ---- */

struct args {
    const char **items;
    size_t count;
};

static void add(struct args *a, const char *text)
{
    a->items[a->count++] = text;
}

/* Settings are given by arguments here; none of the person's may redirect the
 * install.  Where caches are and how files are linked is theirs to say. */
static bool may_pass(struct ps_str variable)
{
    static const char *const kept[] = {
        "UV_CACHE_DIR=",   "UV_NO_CACHE=",
        "UV_LINK_MODE=",   "UV_CONCURRENT_INSTALLS=",
        "PIP_CACHE_DIR=",  "UV_COMPILE_BYTECODE=",
        "PIP_NO_COMPILE=", "UV_THREAD_STACK_SIZE=",
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(kept); i++) {
        if (ps_str_starts(variable, kept[i]))
            return true;
    }
    return !ps_str_starts(variable, "PIP_") &&
           !ps_str_starts(variable, "UV_") &&
           !ps_str_starts(variable, "PYTHON") &&
           !ps_str_starts(variable, "VIRTUAL_ENV=") &&
           !ps_str_starts(variable, "CONDA_PREFIX=");
}

static const char **installer_env(struct ps_arena *arena)
{
    size_t count = 0;
    size_t n = 0;
    const char **env = NULL;

    while (environ[count])
        count++;
    env = ps_arena_alloc(arena, count + 4, sizeof(*env));
    for (size_t i = 0; i < count; i++) {
        if (may_pass(ps_str_from(environ[i])))
            env[n++] = environ[i];
    }
    env[n++] = "PIP_CONFIG_FILE=/dev/null";
    env[n++] = "PIP_ROOT_USER_ACTION=ignore";
    return env;
}

static int run(struct ps_install *in, const char *what, const char **argv,
               const char **env, struct ps_error *err)
{
    PS_AUTO_FREE struct tail *tail = ps_calloc(1, sizeof(*tail));
    PS_AUTO_FREE char *words = NULL;
    const struct ps_process_spec spec = { .argv = argv,
                                          .env = env,
                                          .cwd = "/",
                                          .sink = tail_sink,
                                          .sink_user = tail,
                                          .wall_limit_ms = LIMIT_MS,
                                          .pass_fds = &in->lock,
                                          .pass_fd_count = in->lock >= 0,
                                          .ends_with_us = true };
    struct ps_process_result result = { .exit_status = 0 };
    int rc = PS_OK;

    tail->next = in->o->log;
    tail->next_user = in->o->user;
    rc = ps_process_run(&spec, in->o->cancel, &result, err);
    if (rc < 0)
        return rc;
    if (result.timed_out)
        return ps_fail(err, PS_ETIMEOUT, "%s did not end within an hour", what);
    if (result.exit_status == 0 && result.term_signal == 0)
        return PS_OK;
    words = last_words(tail);
    if (strstr(words, NO_SPACE))
        return ps_fail(err, PS_ENOSPACE, "%s: %s", what, words);
    if (result.term_signal)
        return ps_fail(err, PS_EIO, "%s was ended by signal %d%s%s", what,
                       result.term_signal, words[0] ? ": " : "", words);
    return ps_fail(err, PS_EIO, "%s ended with status %d: %s", what,
                   result.exit_status, words[0] ? words : "no word of why");
}

int ps_install_pip(struct ps_install *in, const char *const *args,
                   struct ps_error *err)
{
    struct args a = { .items = NULL };
    const char *dir = NULL;
    size_t count = 0;
    int rc = ps_fetch_pip(in->arena, in->o->python, in->o->dirs->cache,
                          in->o->cancel, &dir, err);

    if (rc < 0)
        return rc;
    while (args[count])
        count++;
    a.items = ps_arena_alloc(in->arena, count + 8, sizeof(*a.items));
    add(&a, in->o->python->executable);
    /* Nothing of PYTHONPATH or the working directory gets into pip. */
    add(&a, "-I");
    add(&a, ps_arena_format(in->arena, "%s/pip", dir));
    add(&a, "--disable-pip-version-check");
    add(&a, "--no-input");
    for (size_t i = 0; i < count; i++)
        add(&a, args[i]);
    return run(in, "pip", a.items, installer_env(in->arena), err);
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || strchr("/-._~", c) != NULL;
}

static void add_url(struct ps_buf *b, const char *path)
{
    ps_buf_adds(b, "file://");
    for (const char *p = path; *p; p++) {
        if (is_plain(*p))
            ps_buf_addc(b, *p);
        else
            ps_buf_addf(b, "%%%02X", (unsigned)(unsigned char)*p);
    }
}

/* "name @ file:///...#sha256=...", or "name==1.0" and where it lies. */
static void add_target(struct ps_install *in, const struct ps_target *t,
                       struct args *a, struct args *links)
{
    PS_AUTO_BUF struct ps_buf b = PS_BUF_INIT(PS_KIB(64));
    char hex[PS_SHA256_HEX_SIZE];
    char *dir = NULL;

    if (t->package->wheel) {
        ps_sha256_hex(&t->package->wheel->sha256, hex);
        ps_buf_addf(&b, "%s @ ", t->package->name);
        add_url(&b, t->path);
        ps_buf_addf(&b, "#sha256=%s", hex);
        add(a, ps_arena_strdup(in->arena, ps_buf_z(&b)));
        return;
    }
    dir = ps_arena_strdup(in->arena, t->path);
    *strrchr(dir, '/') = '\0';
    add(links, "--find-links");
    add(links, dir);
    add(a, ps_arena_format(in->arena, "%s==%s", t->normal, t->version));
}

static const char *const uv_args[] = { "--no-config", "--no-deps",
                                       "--offline",   "--no-index",
                                       "--reinstall", "--no-progress" };
static const char *const pip_args[] = {
    "--no-deps",      "--no-index", "--force-reinstall",
    "--progress-bar", "off",        "--no-warn-script-location"
};

/* The options of either, and after them the packages. */
static void add_all(struct ps_install *in, struct args *a)
{
    struct args packages = {
        .items = ps_arena_alloc(in->arena, in->count, sizeof(char *)),
    };
    struct args links = {
        .items = ps_arena_alloc(in->arena, in->count * 2, sizeof(char *)),
    };

    for (size_t i = 0; i < in->count; i++)
        add_target(in, &in->targets[i], &packages, &links);
    if (in->o->break_system_packages)
        add(a, "--break-system-packages");
    for (size_t i = 0; i < links.count; i++)
        add(a, links.items[i]);
    add(a, "--");
    for (size_t i = 0; i < packages.count; i++)
        add(a, packages.items[i]);
}

int ps_install_run(struct ps_install *in, struct ps_error *err)
{
    struct args a = {
        .items = ps_arena_alloc(in->arena, in->count * 3 + 32, sizeof(char *)),
    };
    const char *uv = in->installer;

    ps_install_tell(in, &(struct ps_install_event){ .phase = PS_INSTALL_RUN,
                                                    .count = in->count });
    if (!uv) {
        add(&a, "install");
        for (size_t i = 0; i < PS_ARRAY_SIZE(pip_args); i++)
            add(&a, pip_args[i]);
        add_all(in, &a);
        return ps_install_pip(in, a.items, err);
    }
    add(&a, uv);
    add(&a, "pip");
    add(&a, "install");
    add(&a, "--python");
    add(&a, in->o->python->executable);
    for (size_t i = 0; i < PS_ARRAY_SIZE(uv_args); i++)
        add(&a, uv_args[i]);
    add_all(in, &a);
    return run(in, "uv", a.items, installer_env(in->arena), err);
}
