/* From the text of an argument to a source. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/cleanup.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/sdist.h"
#include "pkgsync/source.h"

const char *ps_source_kind_name(enum ps_source_kind kind)
{
    static const char *const names[] = {
        [PS_SOURCE_DIRECTORY] = "directory",
        [PS_SOURCE_EDITABLE] = "editable",
        [PS_SOURCE_GIT] = "git",
        [PS_SOURCE_SDIST] = "sdist",
        [PS_SOURCE_SDIST_URL] = "sdist-url",
    };

    return names[kind];
}

static bool has_entry(const char *path, const char *name, mode_t kind)
{
    PS_AUTO_FREE char *full = ps_format("%s/%s", path, name);
    struct stat st;

    return stat(full, &st) == 0 && (st.st_mode & S_IFMT) == kind;
}

/* A bare repository: what git itself looks for. */
static bool is_bare_repository(const char *path)
{
    return has_entry(path, "HEAD", S_IFREG) &&
           has_entry(path, "objects", S_IFDIR) &&
           has_entry(path, "refs", S_IFDIR);
}

static int parse_git(struct ps_arena *arena, struct ps_str text,
                     struct ps_source *s, struct ps_error *err)
{
    int rc = ps_git_url_parse(arena, text, &s->git, err);

    if (rc < 0)
        return rc;
    s->kind = PS_SOURCE_GIT;
    s->subdirectory = s->git.subdirectory;
    s->given =
        ps_arena_format(arena, "git+%s%s%s%s%s", s->git.display,
                        s->git.rev ? "@" : "", s->git.rev ? s->git.rev : "",
                        s->git.subdirectory ? "#subdirectory=" : "",
                        s->git.subdirectory ? s->git.subdirectory : "");
    return PS_OK;
}

/* `#sha256=...&subdirectory=...&egg=...` of an sdist. */
static int parse_fragment(struct ps_arena *arena, struct ps_str fragment,
                          struct ps_source *s, struct ps_error *err)
{
    bool more = fragment.len > 0;

    while (more) {
        struct ps_str item;

        more = ps_str_cut(&fragment, '&', &item);
        if (ps_str_starts(item, "sha256=")) {
            if (ps_sha256_parse(ps_str_skip(item, 7), &s->sha256, err) < 0)
                return err->code;
            s->has_sha256 = true;
        } else if (ps_str_starts(item, "subdirectory=")) {
            s->subdirectory = ps_arena_dup(arena, ps_str_skip(item, 13));
            if (s->subdirectory[0] == '/' || strstr(s->subdirectory, ".."))
                return ps_fail(err, PS_EINVALID,
                               "subdirectory '%s' leaves the archive",
                               s->subdirectory);
        }
    }
    return PS_OK;
}

static const char *without_userinfo(struct ps_arena *arena, struct ps_str url)
{
    PS_AUTO_FREE char *copy = ps_str_dup(url);
    PS_AUTO_FREE char *clean = ps_url_redact(copy);

    return ps_arena_strdup(arena, clean);
}

static int parse_url(struct ps_arena *arena, struct ps_str text,
                     struct ps_source *s, struct ps_error *err)
{
    struct ps_str fragment = text;
    struct ps_str url;
    struct ps_str path;
    struct ps_str query;
    int rc = 0;

    (void)ps_str_cut(&fragment, '#', &url);
    query = url;
    (void)ps_str_cut(&query, '?', &path);
    if (!ps_sdist_is_name(path))
        return ps_fail(err, PS_EINVALID,
                       "'%s' does not end like an sdist (.tar.gz, .zip); for a "
                       "repository write git+%s",
                       without_userinfo(arena, url),
                       without_userinfo(arena, url));
    s->kind = PS_SOURCE_SDIST_URL;
    s->url = ps_arena_dup(arena, url);
    s->given = without_userinfo(arena, url);
    rc = parse_fragment(arena, fragment, s, err);
    return rc < 0 ? ps_context(err, "'%s'", s->given) : PS_OK;
}

static int parse_directory(struct ps_arena *arena,
                           const struct ps_python *python, struct ps_source *s,
                           struct ps_error *err)
{
    if (is_bare_repository(s->path) && !has_entry(s->path, "setup.py", S_IFREG))
        return parse_git(arena,
                         ps_str_from(ps_arena_format(
                             arena, "git+file://%s%s%s", s->path,
                             s->subdirectory ? "#subdirectory=" : "",
                             s->subdirectory ? s->subdirectory : "")),
                         s, err);
    s->name = ps_editable_at(arena, python, s->path);
    s->kind = s->name ? PS_SOURCE_EDITABLE : PS_SOURCE_DIRECTORY;
    return PS_OK;
}

static int parse_path(struct ps_arena *arena, const char *path,
                      struct ps_str fragment, const struct ps_python *python,
                      struct ps_source *s, struct ps_error *err)
{
    PS_AUTO_FREE char *real = NULL;
    struct stat st;
    int rc = ps_real_path(path, &real, err);

    if (rc == PS_ENOTFOUND)
        return ps_fail(err, rc,
                       "there is no '%s'; name a directory, an sdist, a git+ "
                       "URL or an editable install",
                       path);
    if (rc < 0)
        return rc;
    s->path = ps_arena_strdup(arena, real);
    s->given = s->path;
    rc = parse_fragment(arena, fragment, s, err);
    if (rc < 0)
        return rc;
    if (stat(real, &st) < 0)
        return ps_fail_errno(err, errno, "stat '%s'", real);
    if (S_ISDIR(st.st_mode))
        return parse_directory(arena, python, s, err);
    if (!S_ISREG(st.st_mode))
        return ps_fail(err, PS_EINVALID,
                       "'%s' is neither a directory nor a file", real);
    if (!ps_sdist_is_name(ps_str_from(s->path)))
        return ps_fail(err, PS_EINVALID,
                       "'%s' is a file that does not end like an sdist "
                       "(.tar.gz, .zip); name the project's directory",
                       real);
    s->kind = PS_SOURCE_SDIST;
    return PS_OK;
}

static bool looks_like_path(const char *text)
{
    return strchr(text, '/') || text[0] == '.' || text[0] == '~' ||
           ps_sdist_is_name(ps_str_from(text));
}

static int parse_name(struct ps_arena *arena, const char *text,
                      const char *full, const struct ps_python *python,
                      struct ps_source *s, struct ps_error *err)
{
    const char *root = NULL;
    int rc = ps_editable_find(arena, python, text, &root, err);

    if (rc < 0)
        return rc;
    if (!root && access(full, F_OK) == 0)
        return parse_path(arena, full, PS_STR_LIT(""), python, s, err);
    if (!root)
        return ps_fail(err, PS_ENOTFOUND,
                       "'%s' is neither a path nor an editable install of "
                       "'%s'; packages of an index are installed, not built: "
                       "name a directory, an sdist or a git+ URL",
                       text, python->executable);
    s->kind = PS_SOURCE_EDITABLE;
    s->path = ps_arena_strdup(arena, root);
    s->name = ps_normalize_name(arena, ps_str_from(text));
    s->given = s->name;
    return PS_OK;
}

/* git-like URLs that pip would not take, each with the form to write. */
static int check_scheme(struct ps_str text, struct ps_error *err)
{
    static const char *const vcs[] = { "hg+", "svn+", "bzr+" };

    for (size_t i = 0; i < sizeof(vcs) / sizeof(vcs[0]); i++) {
        if (ps_str_starts(text, vcs[i]))
            return ps_fail(err, PS_EUNSUPPORTED,
                           "'%.*s': of version control systems only git is "
                           "built; clone it and name the directory",
                           PS_STR_FMT(text));
    }
    if (ps_str_starts(text, "ssh://") || ps_str_starts(text, "git://"))
        return ps_fail(err, PS_EINVALID, "write git+%.*s", PS_STR_FMT(text));
    return PS_OK;
}

static const char *absolute(struct ps_arena *arena, const char *cwd,
                            struct ps_str path)
{
    return path.len > 0 && path.data[0] == '/'
               ? ps_arena_dup(arena, path)
               : ps_arena_format(arena, "%s/%.*s", cwd, PS_STR_FMT(path));
}

/* What looks like an address and names no file, with the form to write. */
static int check_missing(struct ps_str given, const char *full,
                         struct ps_error *err)
{
    struct ps_str rest = given;
    struct ps_str before;

    if (access(full, F_OK) == 0)
        return PS_OK;
    if (memmem(given.data, given.len, "://", 3))
        return ps_fail(err, PS_EINVALID,
                       "'%.*s': of addresses, git+https://, git+ssh:// and "
                       "git+file:// name repositories and https:// names an "
                       "sdist",
                       PS_STR_FMT(given));
    if (ps_str_cut(&rest, ':', &before) &&
        memchr(before.data, '@', before.len) && rest.len > 0)
        return ps_fail(err, PS_EINVALID,
                       "'%.*s' is git's short form of an ssh address; write "
                       "git+ssh://%.*s/%.*s",
                       PS_STR_FMT(given), PS_STR_FMT(before), PS_STR_FMT(rest));
    return PS_OK;
}

/* A path, perhaps with a fragment, or the name of an editable install. */
static int parse_local(struct ps_arena *arena, struct ps_str given,
                       const char *cwd, const struct ps_python *python,
                       struct ps_source *s, struct ps_error *err)
{
    struct ps_str path = given;
    struct ps_str fragment = { .len = 0 };
    const char *full = absolute(arena, cwd, given);
    const char *text = NULL;

    /* A '#' may also be part of a name that exists. */
    if (access(full, F_OK) < 0 && memchr(given.data, '#', given.len)) {
        fragment = given;
        (void)ps_str_cut(&fragment, '#', &path);
        full = absolute(arena, cwd, path);
    }
    if (check_missing(path, full, err) < 0)
        return err->code;
    text = ps_arena_dup(arena, path);
    return looks_like_path(text)
               ? parse_path(arena, full, fragment, python, s, err)
               : parse_name(arena, text, full, python, s, err);
}

int ps_source_parse(struct ps_arena *arena, const char *text, const char *cwd,
                    const struct ps_python *python, struct ps_source *out,
                    struct ps_error *err)
{
    struct ps_source s = { .kind = PS_SOURCE_DIRECTORY };
    struct ps_str given = ps_str_trim(ps_str_from(text));
    int rc = check_scheme(given, err);

    if (rc < 0)
        return rc;
    if (given.len == 0)
        return ps_fail(err, PS_EUSAGE, "an empty source name");
    if (ps_str_starts(given, "file://"))
        given = ps_str_skip(given, 7);
    if (ps_str_starts(given, "git+"))
        rc = parse_git(arena, given, &s, err);
    else if (ps_str_starts(given, "https://") ||
             ps_str_starts(given, "http://"))
        rc = parse_url(arena, given, &s, err);
    else
        rc = parse_local(arena, given, cwd, python, &s, err);
    if (rc == PS_OK)
        *out = s;
    return rc;
}

json_t *ps_source_json(const struct ps_source *s)
{
    return json_pack("{s:s, s:o, s:o, s:o}", "kind",
                     ps_source_kind_name(s->kind), "given",
                     ps_json_string(s->given), "name", ps_json_string(s->name),
                     "subdirectory", ps_json_string(s->subdirectory));
}
