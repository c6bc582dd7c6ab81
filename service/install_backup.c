/*
 * Going back, the first half: a copy of all that an installer may change, and
 * a journal.
 *
 *   <control>/backup/<n>     old[n] of the journal, linked where possible
 *   <control>/journal.json   written when the backup is whole, removed when
 *                            the change is final
 *
 * The journal is what install_paths.py prints, with when and for what.
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

#define LIMIT_MS ((uint64_t)10 * 60 * 1000)

extern const char ps_install_paths_py[]; /* scripts/install_paths.py */

char *ps_install_journal_path(const char *control)
{
    return ps_format("%s/journal.json", control);
}

bool ps_install_has_journal(const char *control)
{
    PS_AUTO_FREE char *path = ps_install_journal_path(control);

    return access(path, F_OK) == 0;
}

void ps_install_drop_backup(const char *control)
{
    PS_AUTO_FREE char *dir = ps_format("%s/backup", control);
    struct ps_error ignored = PS_ERROR_INIT;

    (void)!ps_remove_tree_at(AT_FDCWD, dir, &ignored);
}

/* ---- the backup ---- */

/* What the script is to look at; caller decrefs. */
static json_t *question(const struct ps_install *in)
{
    json_t *packages = json_array();

    for (size_t i = 0; i < in->count; i++) {
        const struct ps_target *t = &in->targets[i];
        json_t *dist = NULL;

        if (t->found)
            dist = json_pack("{s:o, s:o}", "location",
                             ps_install_path_json(t->found->location), "site",
                             ps_install_path_json(t->found->site));
        json_array_append_new(packages,
                              json_pack("{s:o, s:o, s:o}", "name",
                                        ps_json_string(t->normal), "wheel",
                                        ps_install_path_json(t->path), "dist",
                                        dist ? dist : json_null()));
    }
    return json_pack("{s:o}", "packages", packages);
}

int ps_install_ask(const struct ps_install *in, const char *script,
                   const char *question, json_t **answer, struct ps_error *err)
{
    PS_AUTO_BUF struct ps_buf out = PS_BUF_INIT(PS_INSTALL_JOURNAL_MAX);
    /* Not -S: without `site` an interpreter does not know its venv. */
    const char *const argv[] = { in->o->python->executable, "-I", "-c", script,
                                 NULL };
    const struct ps_process_spec spec = { .argv = argv,
                                          .input = ps_str_from(question),
                                          .out = &out,
                                          .sink = in->o->log,
                                          .sink_user = in->o->user,
                                          .wall_limit_ms = LIMIT_MS,
                                          .ends_with_us = true };
    struct ps_process_result result = { .exit_status = 0 };
    int rc = ps_process_run(&spec, in->o->cancel, &result, err);

    if (rc == PS_OK && (result.exit_status != 0 || result.term_signal != 0))
        rc = ps_fail(err, PS_EIO,
                     "'%s' did not list the files of what is replaced; "
                     "--verbose shows why",
                     argv[0]);
    return rc < 0 ? rc
                  : ps_json_parse(ps_buf_str(&out), "the list of files", answer,
                                  err);
}

static int ask_paths(struct ps_install *in, json_t **answer,
                     struct ps_error *err)
{
    PS_AUTO_JSON json_t *asked = question(in);
    PS_AUTO_FREE char *text = ps_json_canonical(asked);

    return ps_install_ask(in, ps_install_paths_py, text, answer, err);
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
        PS_AUTO_FREE char *from = ps_install_path_of(path);
        PS_AUTO_FREE char *to = ps_format("%s/%zu", dir, i);

        if (rc == PS_OK && from)
            rc = ps_install_duplicate(from, to, err);
        if (rc == PS_OK)
            rc = ps_cancel_check(in->o->cancel, err);
    }
    return rc;
}

/* What makes an environment one, and what we keep in it, is no package's. */
static int check_refused(const json_t *journal, struct ps_error *err)
{
    PS_AUTO_FREE char *path = ps_install_path_of(
        json_array_get(json_object_get(journal, "refused"), 0));

    if (!path)
        return PS_OK;
    return ps_fail(err, PS_EINVALID,
                   "one of the wheels would write '%s', which belongs to the "
                   "environment itself; nothing was installed",
                   path);
}

static int set_aside(const json_t *journal, struct ps_error *err)
{
    size_t i = 0;
    json_t *path = NULL;

    json_array_foreach(json_object_get(journal, "aside"), i, path)
    {
        PS_AUTO_FREE char *dir = ps_install_path_of(path);
        int rc = dir ? ps_remove_tree_at(AT_FDCWD, dir, err) : PS_OK;

        if (rc < 0)
            return rc;
    }
    return PS_OK;
}

int ps_install_backup(struct ps_install *in, struct ps_error *err)
{
    PS_AUTO_JSON json_t *journal = NULL;
    PS_AUTO_FREE char *path = ps_install_journal_path(in->control);
    PS_AUTO_FREE char *text = NULL;
    char digest[PS_SHA256_HEX_SIZE];
    char now[PS_RFC3339_SIZE];
    int rc = PS_OK;

    ps_install_drop_backup(in->control);
    rc = ask_paths(in, &journal, err);
    if (rc == PS_OK)
        rc = check_refused(journal, err);
    if (rc == PS_OK)
        rc = back_up_files(in, journal, err);
    if (rc == PS_OK) {
        ps_sha256_hex(&in->o->spec->digest, digest);
        ps_rfc3339((int64_t)(ps_now_ms() / 1000), now);
        json_object_set_new(journal, "schema", json_integer(2));
        json_object_set_new(journal, "spec", json_string(digest));
        json_object_set_new(journal, "time", json_string(now));
        json_object_set_new(journal, "written",
                            json_integer((json_int_t)(ps_now_ms() / 1000)));
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
    PS_AUTO_FREE char *path = ps_install_journal_path(control);

    if (unlink(path) < 0 && errno != ENOENT)
        return ps_fail_errno(err, errno, "remove '%s'", path);
    return PS_OK;
}
