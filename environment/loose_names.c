/* Names of modules: which are ones, and who else has them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loose_private.h"
#include "scan_private.h"

#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define RECORD_MAX PS_MIB(16)

/* ---- identifiers ----------------------------------------------------------
 */

/* Letters of other alphabets are letters to Python, too. */
bool ps_loose_is_identifier(struct ps_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      c == '_' || c >= 0x80;

        if (!letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.len > 0 && ps_utf8_valid_prefix(name) == name.len;
}

/* ".so", ".abi3.so", and what sysconfig calls EXT_SUFFIX */
static bool is_extension_suffix(const struct ps_loose_search *s,
                                struct ps_str suffix)
{
    const struct ps_site *site = s->options->environment->site;

    if (ps_str_is(suffix, ".so") || ps_str_is(suffix, ".abi3.so"))
        return true;
    return site && site->abi && suffix.len == strlen(site->abi) + 4 &&
           suffix.data[0] == '.' && ps_str_ends(suffix, ".so") &&
           memcmp(suffix.data + 1, site->abi, strlen(site->abi)) == 0;
}

bool ps_loose_module_name(const struct ps_loose_search *s, const char *entry,
                          struct ps_str *name, bool *native)
{
    struct ps_str whole = ps_str_from(entry);
    size_t stem = strcspn(entry, ".");

    *name = ps_str_first(whole, stem);
    *native = !ps_str_is(ps_str_skip(whole, stem), ".py");
    if (*native && !is_extension_suffix(s, ps_str_skip(whole, stem)))
        return false;
    return ps_loose_is_identifier(*name);
}

/* ---- the standard library ---------------------------------------------------
 */

/* Of every Python from 3.9 on; in the order of bytes. */
static const char *const standard[] = {
    "__future__",
    "abc",
    "antigravity",
    "argparse",
    "array",
    "ast",
    "asyncio",
    "atexit",
    "base64",
    "bdb",
    "binascii",
    "bisect",
    "builtins",
    "bz2",
    "cProfile",
    "calendar",
    "cmath",
    "cmd",
    "code",
    "codecs",
    "codeop",
    "collections",
    "colorsys",
    "compileall",
    "concurrent",
    "configparser",
    "contextlib",
    "contextvars",
    "copy",
    "copyreg",
    "csv",
    "ctypes",
    "curses",
    "dataclasses",
    "datetime",
    "dbm",
    "decimal",
    "difflib",
    "dis",
    "doctest",
    "email",
    "encodings",
    "ensurepip",
    "enum",
    "errno",
    "faulthandler",
    "fcntl",
    "filecmp",
    "fileinput",
    "fnmatch",
    "fractions",
    "ftplib",
    "functools",
    "gc",
    "genericpath",
    "getopt",
    "getpass",
    "gettext",
    "glob",
    "graphlib",
    "grp",
    "gzip",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "http",
    "idlelib",
    "imaplib",
    "importlib",
    "inspect",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "keyword",
    "linecache",
    "locale",
    "logging",
    "lzma",
    "mailbox",
    "marshal",
    "math",
    "mimetypes",
    "mmap",
    "modulefinder",
    "msvcrt",
    "multiprocessing",
    "netrc",
    "nt",
    "ntpath",
    "nturl2path",
    "numbers",
    "opcode",
    "operator",
    "optparse",
    "os",
    "pathlib",
    "pdb",
    "pickle",
    "pickletools",
    "pkgutil",
    "platform",
    "plistlib",
    "poplib",
    "posix",
    "posixpath",
    "pprint",
    "profile",
    "pstats",
    "pty",
    "pwd",
    "py_compile",
    "pyclbr",
    "pydoc",
    "pydoc_data",
    "pyexpat",
    "queue",
    "quopri",
    "random",
    "re",
    "readline",
    "reprlib",
    "resource",
    "rlcompleter",
    "runpy",
    "sched",
    "secrets",
    "select",
    "selectors",
    "shelve",
    "shlex",
    "shutil",
    "signal",
    "site",
    "smtplib",
    "socket",
    "socketserver",
    "sqlite3",
    "sre_compile",
    "sre_constants",
    "sre_parse",
    "ssl",
    "stat",
    "statistics",
    "string",
    "stringprep",
    "struct",
    "subprocess",
    "symtable",
    "sys",
    "sysconfig",
    "syslog",
    "tabnanny",
    "tarfile",
    "tempfile",
    "termios",
    "test",
    "textwrap",
    "this",
    "threading",
    "time",
    "timeit",
    "tkinter",
    "token",
    "tokenize",
    "trace",
    "traceback",
    "tracemalloc",
    "tty",
    "turtle",
    "turtledemo",
    "types",
    "typing",
    "unicodedata",
    "unittest",
    "urllib",
    "uuid",
    "venv",
    "warnings",
    "wave",
    "weakref",
    "webbrowser",
    "winreg",
    "winsound",
    "wsgiref",
    "xml",
    "xmlrpc",
    "zipapp",
    "zipfile",
    "zipimport",
    "zlib",
    "zoneinfo",
};

/* Of the minor versions from `since`, before `until`. */
static const struct {
    const char *name;
    unsigned since;
    unsigned until; /* the first without it */
} standard_of_some[] = {
    { "aifc", 0, 13 },        { "annotationlib", 14, 99 },
    { "asynchat", 0, 12 },    { "asyncore", 0, 12 },
    { "audioop", 0, 13 },     { "binhex", 0, 11 },
    { "cgi", 0, 13 },         { "cgitb", 0, 13 },
    { "chunk", 0, 13 },       { "compression", 14, 99 },
    { "crypt", 0, 13 },       { "distutils", 0, 12 },
    { "formatter", 0, 10 },   { "imghdr", 0, 13 },
    { "imp", 0, 12 },         { "lib2to3", 0, 13 },
    { "mailcap", 0, 13 },     { "msilib", 0, 13 },
    { "nis", 0, 13 },         { "nntplib", 0, 13 },
    { "ossaudiodev", 0, 13 }, { "parser", 0, 10 },
    { "pipes", 0, 13 },       { "smtpd", 0, 12 },
    { "sndhdr", 0, 13 },      { "spwd", 0, 13 },
    { "sunau", 0, 13 },       { "symbol", 0, 10 },
    { "telnetlib", 0, 13 },   { "tomllib", 11, 99 },
    { "uu", 0, 13 },          { "xdrlib", 0, 13 },
};

static int compare_text(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

static unsigned minor_version(const struct ps_loose_search *s)
{
    const struct ps_site *site = s->options->environment->site;
    const char *dot = site && site->version ? strchr(site->version, '.') : NULL;

    return dot ? (unsigned)strtoul(dot + 1, NULL, 10) : 0;
}

bool ps_loose_is_standard(const struct ps_loose_search *s, const char *name)
{
    unsigned minor = minor_version(s);

    if (bsearch(name, standard, PS_ARRAY_SIZE(standard), sizeof(standard[0]),
                compare_text))
        return true;
    for (size_t i = 0; i < PS_ARRAY_SIZE(standard_of_some); i++)
        if (strcmp(name, standard_of_some[i].name) == 0)
            return minor >= standard_of_some[i].since &&
                   minor < standard_of_some[i].until;
    return false;
}

/* ---- distributions
 * ------------------------------------------------------------ */

/* The first part of a path of RECORD, as the name of a module; empty: none. */
static struct ps_str record_module(const struct ps_loose_search *s,
                                   struct ps_arena *arena, struct ps_str line)
{
    struct ps_str path = line;
    struct ps_str part = { 0 };
    struct ps_str name = { 0 };
    bool native = false;

    if (ps_str_starts(path, "\""))
        path = ps_str_skip(path, 1);
    (void)ps_str_cut(&path, ',', &part);
    path = part;
    if (ps_str_cut(&path, '/', &part))
        return ps_loose_is_identifier(part) ? part : name;
    path = part;
    while (ps_str_ends(path, "\""))
        path.len--;
    if (!ps_loose_module_name(s, ps_arena_dup(arena, path), &name, &native))
        name.len = 0;
    return name;
}

/* Whether a line of the file says so. */
static bool file_names(const struct ps_loose_search *s, const char *dir,
                       const char *file, const char *name)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(RECORD_MAX);
    PS_AUTO_FREE char *path = ps_format("%s/%s", dir, file);
    struct ps_error ignored = PS_ERROR_INIT;
    struct ps_str rest = { 0 };
    struct ps_str line = { 0 };
    size_t len = strlen(name);

    if (ps_read_file_at(AT_FDCWD, path, &text, &ignored) < 0)
        return false;
    rest = ps_buf_str(&text);
    while (rest.len > 0) {
        (void)ps_str_cut(&rest, '\n', &line);
        line = ps_str_trim(line);
        if (line.len < len ||
            !memmem(line.data, PS_MIN(line.len, len + 1), name, len))
            continue;
        if (ps_str_is(strcmp(file, "RECORD") == 0
                          ? record_module(s, &arena, line)
                          : line,
                      name))
            return true;
    }
    return false;
}

bool ps_loose_dist_provides(const struct ps_loose_search *s,
                            const struct ps_dist *dist, const char *name)
{
    return dist->location &&
           (file_names(s, dist->location, "top_level.txt", name) ||
            file_names(s, dist->location, "RECORD", name));
}

/* Whether RECORD has that very path. */
static bool has_file(const struct ps_dist *dist, const char *name)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(RECORD_MAX);
    PS_AUTO_FREE char *path = NULL;
    PS_AUTO_FREE char *plain = ps_format("\n%s,", name);
    PS_AUTO_FREE char *quoted = ps_format("\n\"%s\",", name);
    struct ps_error ignored = PS_ERROR_INIT;

    if (!dist->location)
        return false;
    path = ps_format("%s/RECORD", dist->location);
    ps_buf_addc(&text, '\n');
    if (ps_read_file_at(AT_FDCWD, path, &text, &ignored) < 0)
        return false;
    return memmem(text.data, text.len, plain, strlen(plain)) ||
           memmem(text.data, text.len, quoted, strlen(quoted));
}

bool ps_loose_stays_here(const struct ps_loose_search *s,
                         const struct ps_dist *dist)
{
    const struct ps_decisions *d = s->options->decisions;

    for (size_t i = 0; d && i < d->count; i++)
        if (d->items[i].dist == dist)
            return d->items[i].level == PS_LEVEL_IGNORED;
    return false;
}

const char *ps_loose_file_owner(const struct ps_loose_search *s,
                                const char *name, const char **path)
{
    const struct ps_environment *e = s->options->environment;

    for (size_t i = 0; i < e->count; i++) {
        const struct ps_dist *d = &e->dists[i];

        if (!d->site || ps_loose_stays_here(s, d) ||
            !ps_loose_has(d->site, name) || !has_file(d, name))
            continue;
        *path = ps_arena_format(s->arena, "%s/%s", d->site, name);
        return d->name;
    }
    return NULL;
}

/* ---- other places of a name
 * ----------------------------------------------------- */

/* "name.py" or a shared library in that directory, as a path. */
static const char *module_in(const struct ps_loose_search *s, const char *dir,
                             const char *name)
{
    const struct ps_site *site = s->options->environment->site;
    const char *abi = site && site->abi ? site->abi : "abi3";
    const char *forms[] = {
        ps_arena_format(s->arena, "%s/%s/__init__.py", dir, name),
        ps_arena_format(s->arena, "%s/%s.%s.so", dir, name, abi),
        ps_arena_format(s->arena, "%s/%s.abi3.so", dir, name),
        ps_arena_format(s->arena, "%s/%s.so", dir, name),
        ps_arena_format(s->arena, "%s/%s.py", dir, name),
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(forms); i++)
        if (access(forms[i], F_OK) == 0)
            return forms[i];
    return NULL;
}

const char *ps_loose_installed(struct ps_loose_search *s,
                               const struct ps_loose_module *m, bool *regular)
{
    const char *portion = NULL;

    for (size_t i = 0; i < s->place_count; i++) {
        const struct ps_loose_place *p = &s->places[i];
        const char *found = NULL;

        if (strcmp(p->real, s->roots[m->root].real) == 0)
            continue;
        found = module_in(s, p->real, m->name);
        if (found) {
            *regular = true;
            return found;
        }
        if (!portion && !p->project && ps_loose_has(p->real, m->name))
            portion = ps_arena_format(s->arena, "%s/%s", p->real, m->name);
    }
    *regular = false;
    return portion;
}
