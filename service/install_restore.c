/*
 * Going back, the second half: from the journal and the backup.
 *
 * Restoring removes what was not there, then puts every old file back under
 * its name by rename(2).  It can be done any number of times, so one that is
 * interrupted is done again.  Nothing is removed but what the wheels of that
 * install name, and what was installed by somebody else since is left alone.
 *
 *   <control>/unrestored/   journal and backup of what could not be undone
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
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

extern const char ps_install_later_py[]; /* scripts/install_later.py */

struct trouble {
    size_t count;
    struct ps_error first;
};

static void note(struct trouble *t, const struct ps_error *err)
{
    if (t->count++ == 0)
        t->first = *err;
}

static bool is_skipped(const json_t *skip, const json_t *path)
{
    return skip && json_object_get(skip, json_string_value(path));
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

static void remove_new(const json_t *journal, const json_t *skip,
                       struct trouble *t)
{
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach(json_object_get(journal, "new"), i, item)
    {
        PS_AUTO_FREE char *path = ps_install_path_of(item);
        struct ps_error err = PS_ERROR_INIT;

        if (!path || is_skipped(skip, item))
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
        PS_AUTO_FREE char *path = ps_install_path_of(item);

        if (path)
            (void)rmdir(path);
    }
}

/* Directories that were removed and made again. */
static void put_modes_back(const json_t *journal)
{
    size_t i = 0;
    json_t *row = NULL;
    struct stat st;

    json_array_foreach(json_object_get(journal, "modes"), i, row)
    {
        PS_AUTO_FREE char *path = ps_install_path_of(json_array_get(row, 0));
        mode_t wanted =
            (mode_t)json_integer_value(json_array_get(row, 1)) & 07777;

        if (path && lstat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
            (st.st_mode & 07777) != wanted)
            (void)chmod(path, wanted);
    }
}

/* What pip renamed, to remove it later. */
static void remove_stashes(const json_t *journal, struct trouble *t)
{
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach(json_object_get(journal, "stashes"), i, item)
    {
        PS_AUTO_FREE char *path = ps_install_path_of(item);
        struct ps_error err = PS_ERROR_INIT;

        if (path && access(path, F_OK) == 0 &&
            ps_remove_tree_at(AT_FDCWD, path, &err) < 0)
            note(t, &err);
    }
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
    rc = ps_install_duplicate(from, temp, err);
    if (rc == PS_OK && rename(temp, path) < 0)
        rc = ps_fail_errno(err, errno, "put back '%s'", path);
    /* Two names of one file are left as they are by rename(2). */
    (void)unlink(temp);
    return rc;
}

static void put_all_back(const char *control, const json_t *journal,
                         const json_t *skip, struct trouble *t)
{
    size_t i = 0;
    json_t *item = NULL;

    json_array_foreach(json_object_get(journal, "old"), i, item)
    {
        PS_AUTO_FREE char *path = ps_install_path_of(item);
        PS_AUTO_FREE char *from = ps_format("%s/backup/%zu", control, i);
        struct ps_error err = PS_ERROR_INIT;

        if (path && !is_skipped(skip, item) && put_back(from, path, &err) < 0)
            note(t, &err);
    }
}

static int read_journal(const char *control, struct ps_buf *text,
                        json_t **journal, struct ps_error *err)
{
    PS_AUTO_FREE char *path = ps_install_journal_path(control);
    int rc = ps_read_file_at(AT_FDCWD, path, text, err);

    if (rc == PS_OK)
        rc = ps_json_parse(ps_buf_str(text), path, journal, err);
    return rc < 0 ? ps_context(err, "read the journal of an install") : PS_OK;
}

/* All but what is in `skip` (NULL: nothing is). */
static int restore(const char *control, const json_t *journal,
                   const json_t *skip, struct ps_error *err)
{
    struct trouble t = { .first = PS_ERROR_INIT };
    int rc = PS_OK;

    remove_new(journal, skip, &t);
    remove_dirs(journal);
    remove_stashes(journal, &t);
    put_all_back(control, journal, skip, &t);
    put_modes_back(journal);
    if (t.count == 0) {
        rc = ps_install_commit(control, err);
        ps_install_drop_backup(control);
        return rc;
    }
    *err = t.first;
    return ps_hint(err, "%zu of the changed files could not be put back",
                   t.count);
}

int ps_install_restore(const char *control, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(PS_INSTALL_JOURNAL_MAX);
    PS_AUTO_JSON json_t *journal = NULL;
    int rc = read_journal(control, &text, &journal, err);

    if (rc == PS_OK)
        rc = restore(control, journal, NULL, err);
    return rc < 0 ? ps_hint(err,
                            "their copies and the list (journal.json) are in "
                            "'%s', and the next install tries again",
                            control)
                  : PS_OK;
}

int ps_install_keep_shared(const char *control, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(PS_INSTALL_JOURNAL_MAX);
    PS_AUTO_JSON json_t *journal = NULL;
    int rc = read_journal(control, &text, &journal, err);
    size_t i = 0;
    json_t *number = NULL;

    if (rc < 0)
        return rc;
    json_array_foreach(json_object_get(journal, "shared"), i, number)
    {
        size_t n = (size_t)json_integer_value(number);
        PS_AUTO_FREE char *from = ps_format("%s/backup/%zu", control, n);
        PS_AUTO_FREE char *path = ps_install_path_of(
            json_array_get(json_object_get(journal, "old"), n));

        if (!path || access(path, F_OK) == 0)
            continue;
        rc = put_back(from, path, err);
        if (rc < 0)
            return ps_context(err, "keep what another package has as well");
    }
    return PS_OK;
}

/* ---- what a killed install left ---- */

/* Out of the way of this install and of those to come. */
static const char *give_up(struct ps_install *in)
{
    const char *kept = ps_arena_format(in->arena, "%s/unrestored", in->control);
    PS_AUTO_FREE char *journal = ps_install_journal_path(in->control);
    PS_AUTO_FREE char *journal_to = ps_format("%s/journal.json", kept);
    PS_AUTO_FREE char *backup = ps_format("%s/backup", in->control);
    PS_AUTO_FREE char *backup_to = ps_format("%s/backup", kept);
    struct ps_error ignored = PS_ERROR_INIT;

    (void)!ps_remove_tree_at(AT_FDCWD, kept, &ignored);
    if (ps_mkdirs(kept, 0700, &ignored) == PS_OK) {
        (void)rename(backup, backup_to);
        (void)rename(journal, journal_to);
    }
    (void)unlink(journal);
    return kept;
}

/* Packages that were installed since; in the arena; NULL. */
static const char *list_changed(struct ps_install *in, const json_t *later)
{
    const char *list = NULL;
    size_t i = 0;
    json_t *name = NULL;

    json_array_foreach(json_object_get(later, "changed"), i, name) list =
        ps_arena_format(in->arena, "%s%s'%s'", list ? list : "",
                        list ? ", " : "", json_string_value(name));
    return list;
}

/* { path: true }; caller decrefs. */
static json_t *skipped_of(const json_t *later)
{
    json_t *set = json_object();
    size_t i = 0;
    json_t *path = NULL;

    json_array_foreach(json_object_get(later, "skip"), i, path)
        json_object_set_new(set, json_string_value(path), json_true());
    return set;
}

int ps_install_recover(struct ps_install *in, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf text = PS_BUF_INIT(PS_INSTALL_JOURNAL_MAX);
    PS_AUTO_JSON json_t *journal = NULL;
    PS_AUTO_JSON json_t *later = NULL;
    PS_AUTO_JSON json_t *skip = NULL;
    struct ps_error why = PS_ERROR_INIT;
    const char *changed = NULL;
    int rc = read_journal(in->control, &text, &journal, &why);

    if (rc == PS_OK)
        rc = ps_install_ask(in, ps_install_later_py, ps_buf_z(&text), &later,
                            &why);
    if (rc == PS_OK) {
        skip = skipped_of(later);
        changed = list_changed(in, later);
        rc = restore(in->control, journal, skip, &why);
    }
    /* Stopped by the person: the next install does it. */
    if (rc < 0 && ps_cancel_check(in->o->cancel, err) < 0)
        return err->code;
    in->restored = true;
    if (rc < 0)
        in->unrestored =
            ps_arena_format(in->arena,
                            "not all of it could be undone: %s; what was kept "
                            "of it is in '%s'",
                            why.text, give_up(in));
    else if (changed)
        in->unrestored = ps_arena_format(
            in->arena, "%s was installed anew since, and is left as it is",
            changed);
    return PS_OK;
}
