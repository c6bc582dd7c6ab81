/*
 * Going back: a copy of all that an installer may change, and a journal.
 *
 *   <control>/backup/<n>     old[n] of the journal, linked where possible
 *   <control>/journal.json   written when the backup is whole, removed when
 *                            the change is final
 *
 * Restoring removes what was not there, then puts every old file back under
 * its name by rename(2).  It can be done any number of times, so one that is
 * interrupted is done again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "install_private.h"
#include "pkgsync/cleanup.h"
#include "pkgsync/clock.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/process.h"
#include "pkgsync/util.h"

#define ANSWER_MAX PS_MIB(256)
#define LINK_MAX 4096
#define FILE_MAX_BYTES (UINT64_C(1) << 62)
#define LIMIT_MS ((uint64_t)10 * 60 * 1000)

extern const char ps_install_paths_py[]; /* scripts/install_paths.py */

static char *journal_path(const char *control)
{
    return ps_format("%s/journal.json", control);
}

bool ps_install_has_journal(const char *control)
{
    PS_AUTO_FREE char *path = journal_path(control);

    return access(path, F_OK) == 0;
}

void ps_install_drop_backup(const char *control)
{
    PS_AUTO_FREE char *dir = ps_format("%s/backup", control);
    struct ps_error ignored = PS_ERROR_INIT;

    (void)!ps_remove_tree_at(AT_FDCWD, dir, &ignored);
}

/* ---- one file ---- */

static int copy_link(const char *from, const char *to, struct ps_error *err)
{
    char target[LINK_MAX];
    ssize_t len = readlink(from, target, sizeof(target) - 1);

    if (len < 0)
        return ps_fail_errno(err, errno, "read the link '%s'", from);
    target[len] = '\0';
    if (symlink(target, to) < 0)
        return ps_fail_errno(err, errno, "make the link '%s'", to);
    return PS_OK;
}

static int copy_file(const char *from, const char *to, const struct stat *st,
                     struct ps_error *err)
{
    const struct timespec times[] = { st->st_atim, st->st_mtim };
    PS_AUTO_FD int in = -1;
    PS_AUTO_FD int out = -1;
    int rc = ps_open_regular_at(AT_FDCWD, from, &in, NULL, err);

    if (rc < 0)
        return rc;
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0)
        return ps_fail_errno(err, errno, "create '%s'", to);
    rc = ps_copy_fd(in, out, FILE_MAX_BYTES, NULL, NULL, err);
    if (rc == PS_OK &&
        (fchmod(out, st->st_mode & 07777) < 0 || futimens(out, times) < 0))
        rc = ps_fail_errno(err, errno, "write '%s'", to);
    /* Somebody else's file stays theirs, where we may say so. */
    if (rc == PS_OK && fchown(out, st->st_uid, st->st_gid) < 0 &&
        errno != EPERM)
        rc = ps_fail_errno(err, errno, "give '%s' its owner", to);
    return rc;
}

/* .pth files are the ones that installers write in place. */
static bool may_be_linked(const char *path)
{
    return !ps_str_ends(ps_str_from(path), ".pth");
}

/* A second name of the file, or a copy of it. */
static int duplicate(const char *from, const char *to, struct ps_error *err)
{
    struct stat st;

    if (lstat(from, &st) < 0)
        return ps_fail_errno(err, errno, "stat '%s'", from);
    if (S_ISLNK(st.st_mode))
        return copy_link(from, to, err);
    if (may_be_linked(from) && link(from, to) == 0)
        return PS_OK;
    return copy_file(from, to, &st, err);
}

/* ---- the backup ---- */

/* What the script is to look at; caller decrefs. */
static json_t *question(const struct ps_install *in)
{
    json_t *names = json_array();
    json_t *wheels = json_array();
    json_t *dists = json_array();

    for (size_t i = 0; i < in->count; i++) {
        const struct ps_target *t = &in->targets[i];

        json_array_append_new(names, ps_json_string(t->normal));
        json_array_append_new(wheels, ps_json_string(t->path));
        if (t->found)
            json_array_append_new(
                dists, json_pack("{s:o, s:o}", "location",
                                 ps_json_string(t->found->location), "site",
                                 ps_json_string(t->found->site)));
    }
    return json_pack("{s:o, s:o, s:o}", "names", names, "wheels", wheels,
                     "dists", dists);
}

static int ask_paths(struct ps_install *in, json_t **answer,
                     struct ps_error *err)
{
    PS_AUTO_JSON json_t *asked = question(in);
    PS_AUTO_FREE char *text = ps_json_canonical(asked);
    PS_AUTO_BUF struct ps_buf out = PS_BUF_INIT(ANSWER_MAX);
    /* Not -S: without `site` an interpreter does not know its venv. */
    const char *const argv[] = { in->o->python->executable, "-I", "-c",
                                 ps_install_paths_py, NULL };
    const struct ps_process_spec spec = { .argv = argv,
                                          .input = ps_str_from(text),
                                          .out = &out,
                                          .sink = in->o->log,
                                          .sink_user = in->o->user,
                                          .wall_limit_ms = LIMIT_MS };
    struct ps_process_result result = { .exit_status = 0 };
    int rc = ps_process_run(&spec, in->o->cancel, &result, err);

    if (rc == PS_OK && (result.exit_status != 0 || result.term_signal != 0))
        rc = ps_fail(err, PS_EIO,
                     "'%s' did not list the files of what is to be replaced; "
                     "--verbose shows why",
                     argv[0]);
    return rc < 0 ? rc
                  : ps_json_parse(ps_buf_str(&out), "the list of files", answer,
                                  err);
}

static json_t *list_dir(const char *path, char first)
{
    json_t *list = json_array();
    PS_AUTO_DIR DIR *dir = opendir(path);
    struct dirent *e = NULL;

    while (dir && (e = readdir(dir)) != NULL) {
        if (!first || e->d_name[0] == first)
            json_array_append_new(list, ps_json_string(e->d_name));
    }
    return list;
}

/* What is there beside the files: leftovers, and scripts of unknown names. */
static void add_listings(json_t *journal)
{
    json_t *tildes = json_object();
    const char *scripts = ps_json_string_or(journal, "scripts", "/");
    size_t i = 0;
    json_t *site = NULL;

    json_array_foreach(json_object_get(journal, "sites"), i, site)
        json_object_set_new(tildes, json_string_value(site),
                            list_dir(json_string_value(site), '~'));
    json_object_set_new(journal, "tildes", tildes);
    json_object_set_new(journal, "bin", list_dir(scripts, 0));
}

static int back_up_files(const struct ps_install *in, const json_t *journal,
                         struct ps_error *err)
{
    PS_AUTO_FREE char *dir = ps_format("%s/backup", in->control);
    size_t i = 0;
    json_t *path = NULL;
    int rc = ps_mkdirs(dir, 0700, err);

    json_array_foreach(json_object_get(journal, "old"), i, path)
    {
        PS_AUTO_FREE char *to = ps_format("%s/%zu", dir, i);

        if (rc == PS_OK)
            rc = duplicate(json_string_value(path), to, err);
        if (rc == PS_OK)
            rc = ps_cancel_check(in->o->cancel, err);
    }
    return rc;
}

static int set_aside(const json_t *journal, struct ps_error *err)
{
    size_t i = 0;
    json_t *path = NULL;

    json_array_foreach(json_object_get(journal, "aside"), i, path)
    {
        int rc = ps_remove_tree_at(AT_FDCWD, json_string_value(path), err);

        if (rc < 0)
            return rc;
    }
    return PS_OK;
}

int ps_install_backup(struct ps_install *in, struct ps_error *err)
{
    PS_AUTO_JSON json_t *journal = NULL;
    PS_AUTO_FREE char *path = journal_path(in->control);
    PS_AUTO_FREE char *text = NULL;
    char digest[PS_SHA256_HEX_SIZE];
    char now[PS_RFC3339_SIZE];
    int rc = PS_OK;

    ps_install_drop_backup(in->control);
    rc = ask_paths(in, &journal, err);
    if (rc == PS_OK)
        rc = back_up_files(in, journal, err);
    if (rc == PS_OK) {
        ps_sha256_hex(&in->o->spec->digest, digest);
        ps_rfc3339((int64_t)(ps_now_ms() / 1000), now);
        json_object_set_new(journal, "schema", json_integer(1));
        json_object_set_new(journal, "spec", json_string(digest));
        json_object_set_new(journal, "time", json_string(now));
        add_listings(journal);
        text = ps_json_canonical(journal);
        rc = ps_write_file_at(AT_FDCWD, path, text, strlen(text), 0600, err);
    }
    if (rc < 0) {
        ps_install_drop_backup(in->control);
        return ps_context(err, "keep a copy of what is to be replaced");
    }
    rc = set_aside(journal, err);
    return rc < 0 ? ps_context(err, "remove what is broken") : PS_OK;
}

int ps_install_commit(const char *control, struct ps_error *err)
{
    PS_AUTO_FREE char *path = journal_path(control);

    if (unlink(path) < 0 && errno != ENOENT)
        return ps_fail_errno(err, errno, "remove '%s'", path);
    return PS_OK;
}

/* ---- going back ---- */

struct trouble {
    size_t count;
    struct ps_error first;
};

static void note(struct trouble *t, const struct ps_error *err)
{
    if (t->count++ == 0)
        t->first = *err;
}

/* mod.py leaves __pycache__/mod.cpython-311.pyc. */
static void remove_compiled(const char *path)
{
    const char *slash = strrchr(path, '/');
    PS_AUTO_FREE char *cache = NULL;
    PS_AUTO_FREE char *stem = NULL;
    PS_AUTO_DIR DIR *dir = NULL;
    struct dirent *e = NULL;

    if (!slash || !ps_str_ends(ps_str_from(slash), ".py"))
        return;
    cache = ps_format("%.*s/__pycache__", (int)(slash - path), path);
    stem = ps_format("%.*s.", (int)strlen(slash + 1) - 3, slash + 1);
    dir = opendir(cache);
    while (dir && (e = readdir(dir)) != NULL) {
        if (strncmp(e->d_name, stem, strlen(stem)) == 0 &&
            ps_str_ends(ps_str_from(e->d_name), ".pyc"))
            (void)unlinkat(dirfd(dir), e->d_name, 0);
    }
    (void)rmdir(cache);
}

static void remove_new(const json_t *journal, struct trouble *t)
{
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach(json_object_get(journal, "new"), i, item)
    {
        const char *path = json_string_value(item);
        struct ps_error err = PS_ERROR_INIT;

        if (!path)
            continue;
        remove_compiled(path);
        if (unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR) {
            (void)ps_fail_errno(&err, errno, "remove '%s'", path);
            note(t, &err);
        }
    }
}

/* The deepest first; what is in one that was not there stays, with it. */
static void remove_dirs(const json_t *journal)
{
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach(json_object_get(journal, "dirs"), i, item)
    {
        if (json_string_value(item))
            (void)rmdir(json_string_value(item));
    }
}

/* Directories that were removed and made again. */
static void put_modes_back(const json_t *journal)
{
    const char *path = NULL;
    json_t *mode = NULL;
    struct stat st;

    json_object_foreach(json_object_get(journal, "modes"), path, mode)
    {
        mode_t wanted = (mode_t)json_integer_value(mode) & 07777;

        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
            (st.st_mode & 07777) != wanted)
            (void)chmod(path, wanted);
    }
}

/* Entries of a directory that a list of before does not have; `first`: only
 * those that begin so. */
static void remove_unlisted(const char *path, const json_t *before, char first,
                            struct trouble *t)
{
    PS_AUTO_JSON json_t *now = list_dir(path, first);
    PS_AUTO_JSON json_t *known = json_object();
    size_t i = 0;
    json_t *name = NULL;

    json_array_foreach(before, i, name)
        json_object_set_new(known, json_string_value(name), json_true());
    json_array_foreach(now, i, name)
    {
        PS_AUTO_FREE char *entry =
            ps_format("%s/%s", path, json_string_value(name));
        struct ps_error err = PS_ERROR_INIT;

        if (!json_object_get(known, json_string_value(name)) &&
            ps_remove_tree_at(AT_FDCWD, entry, &err) < 0)
            note(t, &err);
    }
}

static void remove_listings(const json_t *journal, struct trouble *t)
{
    const char *site = NULL;
    json_t *before = NULL;
    const char *scripts = ps_json_string_or(journal, "scripts", NULL);

    json_object_foreach(json_object_get(journal, "tildes"), site, before)
        remove_unlisted(site, before, '~', t);
    if (scripts)
        remove_unlisted(scripts, json_object_get(journal, "bin"), 0, t);
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x;
    struct stat y;

    return lstat(a, &x) == 0 && lstat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

static int put_back(const char *from, const char *path, struct ps_error *err)
{
    PS_AUTO_FREE char *dir = ps_strdup(path);
    PS_AUTO_FREE char *temp = NULL;
    int rc = PS_OK;

    if (is_same_file(from, path))
        return PS_OK;
    *strrchr(dir, '/') = '\0';
    temp = ps_format("%s/.pkgsync-restore", dir[0] ? dir : "/");
    rc = ps_mkdirs(dir, 0755, err);
    if (rc < 0)
        return rc;
    if (unlink(temp) < 0 && errno != ENOENT)
        return ps_fail_errno(err, errno, "remove '%s'", temp);
    rc = duplicate(from, temp, err);
    if (rc == PS_OK && rename(temp, path) < 0)
        rc = ps_fail_errno(err, errno, "put back '%s'", path);
    /* Two names of one file are left as they are by rename(2). */
    (void)unlink(temp);
    return rc;
}

static void put_all_back(const char *control, const json_t *journal,
                         struct trouble *t)
{
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach(json_object_get(journal, "old"), i, item)
    {
        const char *path = json_string_value(item);
        PS_AUTO_FREE char *from = ps_format("%s/backup/%zu", control, i);
        struct ps_error err = PS_ERROR_INIT;

        if (path && path[0] == '/' && put_back(from, path, &err) < 0)
            note(t, &err);
    }
}

int ps_install_restore(const char *control, struct ps_error *err)
{
    PS_AUTO_FREE char *path = journal_path(control);
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(ANSWER_MAX);
    PS_AUTO_JSON json_t *journal = NULL;
    struct trouble t = { .first = PS_ERROR_INIT };
    int rc = ps_read_file_at(AT_FDCWD, path, &text, err);

    if (rc == PS_OK)
        rc = ps_json_parse(ps_buf_str(&text), path, &journal, err);
    if (rc < 0)
        return ps_context(err, "read the journal of an install");
    remove_new(journal, &t);
    remove_dirs(journal);
    remove_listings(journal, &t);
    put_all_back(control, journal, &t);
    put_modes_back(journal);
    if (t.count == 0) {
        rc = ps_install_commit(control, err);
        ps_install_drop_backup(control);
        return rc;
    }
    *err = t.first;
    return ps_hint(err,
                   "%zu of the changed files could not be put back; their "
                   "copies and the list (journal.json) are in '%s', and "
                   "the next install tries again",
                   t.count, control);
}
