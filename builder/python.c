#include "pkgsync/python.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/process.h"
#include "pkgsync/util.h"
#include "pyenv.h"

#define ANSWER_MAX ((size_t)1024 * 1024)
#define COMPLAINT_MAX ((size_t)300)

extern const char ps_probe_py[];

/* The interpreter of an environment's directory; caller frees; NULL. */
static char *python_in(const char *dir)
{
    static const char *const names[] = { "bin/python", "bin/python3" };

    for (size_t i = 0; i < PS_ARRAY_SIZE(names); i++) {
        char *path = ps_format("%s/%s", dir, names[i]);

        if (access(path, X_OK) == 0)
            return path;
        free(path);
    }
    return NULL;
}

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int find_program(const char *program, char **out, struct ps_error *err)
{
    const char *venv = getenv("VIRTUAL_ENV");
    char *found = NULL;

    if (!program && venv && venv[0] == '/') {
        *out = python_in(venv);
        return *out ? PS_OK
                    : ps_fail(err, PS_ENOTFOUND,
                              "VIRTUAL_ENV is '%s', which has no bin/python; "
                              "deactivate it or name an interpreter with "
                              "--python",
                              venv);
    }
    if (!program)
        program = "python3";
    found = ps_find_program(program, getenv("PATH"));
    if (!found && is_directory(program)) {
        found = python_in(program);
        if (!found)
            return ps_fail(err, PS_ENOTFOUND,
                           "'%s' is no environment: it has no bin/python",
                           program);
    }
    if (!found)
        return ps_fail(err, PS_ENOTFOUND,
                       "no interpreter '%s'; name one with --python", program);
    if (found[0] != '/') {
        PS_AUTO_FREE char *cwd = getcwd(NULL, 0);
        char *absolute = ps_format("%s/%s", cwd ? cwd : "", found);

        free(found);
        found = absolute;
    }
    *out = found;
    return PS_OK;
}

static bool is_elf(const char *path)
{
    PS_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char magic[4] = { 0 };

    return fd >= 0 && read(fd, magic, 4) == 4 &&
           memcmp(magic,
                  "\x7f"
                  "ELF",
                  4) == 0;
}

static void add_stat(struct ps_buf *b, const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0)
        ps_buf_addf(b, "%s %llu %llu %lld.%ld %llu\n", path,
                    (unsigned long long)st.st_dev,
                    (unsigned long long)st.st_ino, (long long)st.st_mtim.tv_sec,
                    st.st_mtim.tv_nsec, (unsigned long long)st.st_size);
}

/* Name of the kept answer, which changes with what the answer depends on. */
static char *cache_path(const char *program, const char *cache_dir)
{
    PS_AUTO_BUF struct ps_buf facts = PS_BUF_INIT(ANSWER_MAX);
    PS_AUTO_FREE char *dir = ps_strdup(program);
    char hex[PS_SHA256_HEX_SIZE];
    struct ps_sha256 digest;
    char *slash = strrchr(dir, '/');

    if (!is_elf(program) && !ps_pyenv_facts(program, &facts))
        return NULL;
    if (slash)
        *slash = '\0';
    ps_buf_addf(&facts, "%s\n%s\n", PKGSYNC_VERSION, ps_probe_py);
    add_stat(&facts, program);
    for (size_t i = 0; i < 2; i++) {
        PS_AUTO_FREE char *cfg =
            ps_format("%s/%spyvenv.cfg", dir, i == 0 ? "../" : "");

        add_stat(&facts, cfg);
    }
    digest = ps_sha256_of(facts.data, facts.len);
    ps_sha256_hex(&digest, hex);
    return ps_format("%s/python/%.32s.json", cache_dir, hex);
}

static int ask(const char *program, const struct ps_cancel *cancel,
               struct ps_buf *answer, struct ps_error *err)
{
    const char *const argv[] = { program, "-I", "-S", "-c", ps_probe_py, NULL };
    int rc = ps_process_output(argv, NULL, cancel, answer, err);

    /* Another program says much, our own text among it. */
    if (rc == PS_EIO && strlen(err->text) > COMPLAINT_MAX)
        rc = ps_fail(err, rc,
                     "it did not answer as an interpreter of Python does; name "
                     "one with --python");
    return rc < 0 ? ps_context(err, "ask the interpreter '%s'", program)
                  : PS_OK;
}

/* The lines of a text. */
static const char *const *line_list(struct ps_arena *arena, struct ps_str text)
{
    char *rest = ps_arena_dup(arena, text);
    size_t count = 0;
    const char **list = NULL;
    size_t n = 0;

    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == '\n';
    list = ps_arena_alloc(arena, count + 2, sizeof(*list));
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
        if (line[0])
            list[n++] = line;
    }
    return list;
}

static int need_strings(struct ps_arena *arena, const json_t *answer,
                        struct ps_python *p, struct ps_error *err)
{
    const struct {
        const char *key;
        const char **to;
    } wanted[] = {
        { "executable", &p->executable },
        { "base_executable", &p->base_executable },
        { "implementation", &p->implementation },
        { "version", &p->version },
        { "abi", &p->abi },
        { "platform", &p->platform },
        { "prefix", &p->prefix },
        { "os_name", &p->os_name },
        { "sys_platform", &p->sys_platform },
        { "platform_python_implementation",
          &p->platform_python_implementation },
        { "python_full_version", &p->python_full_version },
        { "implementation_version", &p->implementation_version },
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(wanted); i++) {
        const char *value = NULL;
        int rc = ps_json_get_string(answer, wanted[i].key, &value, err);

        if (rc < 0)
            return rc;
        *wanted[i].to = ps_arena_strdup(arena, value);
    }
    return PS_OK;
}

static int check_supported(const struct ps_python *p, struct ps_error *err)
{
    struct ps_str version = ps_str_from(p->version);
    struct ps_str major;
    struct ps_str minor;
    uint64_t a = 0;
    uint64_t b = 0;

    (void)ps_str_cut(&version, '.', &major);
    (void)ps_str_cut(&version, '.', &minor);
    if (ps_str_to_u64(major, 99, &a, err) < 0 ||
        ps_str_to_u64(minor, 999, &b, err) < 0)
        return err->code;
    if (a != 3 || b < 8)
        return ps_fail(err, PS_EUNSUPPORTED,
                       "'%s' is Python %s; pkgsync needs 3.8 or later",
                       p->executable, p->version);
    if (strncmp(p->platform, "linux", 5) != 0)
        return ps_fail(err, PS_EUNSUPPORTED,
                       "'%s' is for %s; wheels are built on Linux",
                       p->executable, p->platform);
    return PS_OK;
}

int ps_python_can_build(const struct ps_python *p, struct ps_error *err)
{
    if (p->pip_wheel)
        return PS_OK;
    return ps_fail(err, PS_EUNSUPPORTED,
                   "no pip wheel for '%s' (looked beside its ensurepip and in "
                   "/usr/share/python-wheels); install python3-pip-whl or an "
                   "interpreter with ensurepip",
                   p->executable);
}

/*
 * The person's own site directory, below the one that the interpreter named;
 * NULL when it is not looked at.  A virtual environment without the system's
 * packages does not; PYTHONNOUSERSITE switches it off.
 */
static const char *user_site(struct ps_arena *arena, const json_t *answer)
{
    const char *off = getenv("PYTHONNOUSERSITE");
    const char *base = getenv("PYTHONUSERBASE");
    const char *home = getenv("HOME");
    const char *below = ps_json_string_or(answer, "user_directory", "");
    struct passwd entry;
    struct passwd *user = NULL;
    char names[4096];

    if (!json_is_true(json_object_get(answer, "user_enabled")) ||
        (off && off[0]))
        return NULL;
    if (base && base[0])
        return ps_arena_format(arena, "%s/%s", base, below);
    if (!home &&
        getpwuid_r(getuid(), &entry, names, sizeof(names), &user) == 0 && user)
        home = user->pw_dir;
    return home ? ps_arena_format(arena, "%s/.local/%s", home, below) : NULL;
}

/* As sys.path has them: the environment's, the person's, the base's. */
static const char *const *site_dirs(struct ps_arena *arena,
                                    const json_t *answer)
{
    const char *const *before =
        ps_json_to_strings(arena, json_object_get(answer, "site_before"));
    const char *const *after =
        ps_json_to_strings(arena, json_object_get(answer, "site_after"));
    const char *user = user_site(arena, answer);
    size_t count = 0;
    const char **dirs = NULL;

    for (const char *const *d = before; *d; d++)
        count++;
    for (const char *const *d = after; *d; d++)
        count++;
    dirs = ps_arena_alloc(arena, count + 2, sizeof(*dirs));
    count = 0;
    for (; *before; before++)
        dirs[count++] = *before;
    if (user)
        dirs[count++] = user;
    for (; *after; after++)
        dirs[count++] = *after;
    return dirs;
}

static int read_answer(struct ps_arena *arena, const char *program,
                       struct ps_str text, struct ps_python *out,
                       struct ps_error *err)
{
    PS_AUTO_JSON json_t *answer = NULL;
    struct ps_python p = { .executable = NULL };
    struct ps_str first;

    (void)ps_str_cut(&text, '\n', &first);
    if (ps_json_parse(first, "its answer", &answer, err) < 0 ||
        need_strings(arena, answer, &p, err) < 0)
        return ps_context(err, "ask the interpreter '%s'", program);
    p.pip_wheel =
        ps_arena_strdup(arena, ps_json_string_or(answer, "pip_wheel", NULL));
    p.prefixes = ps_json_to_strings(arena, json_object_get(answer, "prefixes"));
    p.stdlib = ps_json_to_strings(arena, json_object_get(answer, "stdlib"));
    p.site_dirs = site_dirs(arena, answer);
    p.tags = line_list(arena, text);
    *out = p;
    return PS_OK;
}

static bool is_still_there(const struct ps_python *p)
{
    return access(p->base_executable, X_OK) == 0 &&
           (!p->pip_wheel || access(p->pip_wheel, R_OK) == 0);
}

int ps_python_probe(struct ps_arena *arena, const char *program,
                    const char *cache_dir, const struct ps_cancel *cancel,
                    struct ps_python *out, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf answer = PS_BUF_INIT(ANSWER_MAX);
    PS_AUTO_FREE char *path = NULL;
    PS_AUTO_FREE char *kept = NULL;
    PS_AUTO_FREE char *dir = ps_format("%s/python", cache_dir);
    struct ps_error ignored = PS_ERROR_INIT;
    int rc = find_program(program, &path, err);

    if (rc < 0 || !path)
        return rc;
    kept = cache_path(path, cache_dir);
    if (kept && ps_read_file_at(AT_FDCWD, kept, &answer, &ignored) == PS_OK &&
        read_answer(arena, path, ps_buf_str(&answer), out, &ignored) == PS_OK &&
        is_still_there(out))
        return check_supported(out, err);

    ps_buf_clear(&answer);
    rc = ask(path, cancel, &answer, err);
    if (rc == PS_OK)
        rc = read_answer(arena, path, ps_buf_str(&answer), out, err);
    if (rc < 0)
        return rc;
    /* Not being able to keep it costs time, nothing else. */
    if (kept && ps_mkdirs(dir, 0700, &ignored) == PS_OK)
        (void)!ps_write_file_at(AT_FDCWD, kept, answer.data, answer.len, 0600,
                                &ignored);
    return check_supported(out, err);
}

json_t *ps_python_identity(const struct ps_python *p)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "implementation",
                     p->implementation, "version", p->version, "abi", p->abi,
                     "platform", p->platform, "base", p->base_executable);
}
