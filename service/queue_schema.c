/*
 * The queue's file: opening it, telling whose it is, and its schema.
 *
 * A file is ours when its application_id says so; a fresh one is empty.
 * Anything else is refused before a byte of it is changed.  user_version
 * counts the migrations that were applied; they only ever get appended.
 */
#include "queue_sqlite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pkgsync/clock.h"
#include "pkgsync/fd.h"
#include "pkgsync/mem.h"
#include "pkgsync/util.h"

#define APPLICATION_ID 0x706b7173 /* "pkqs" */

/*
 * States: 0 ready, 1 running, 2 done, 3 failed, 4 dead, 5 cancelled,
 * 6 delayed.  vft: virtual finish time, the order between tenants.
 */
/* clang-format off */
static const char *const migrations[] = {
    "CREATE TABLE tenant("
    "  id INTEGER PRIMARY KEY,"
    "  name TEXT NOT NULL UNIQUE,"
    "  weight INTEGER NOT NULL DEFAULT 100 CHECK(weight>0),"
    "  max_running INTEGER NOT NULL DEFAULT 1000000,"
    "  vlast INTEGER NOT NULL DEFAULT 0) STRICT;"

    "CREATE TABLE job("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  key BLOB NOT NULL CHECK(length(key)=32),"
    "  tenant INTEGER NOT NULL REFERENCES tenant(id),"
    "  first_req TEXT NOT NULL,"
    "  state INTEGER NOT NULL DEFAULT 0 CHECK(state BETWEEN 0 AND 6),"
    "  prio INTEGER NOT NULL DEFAULT 0,"
    "  vft INTEGER NOT NULL,"
    "  run_at INTEGER NOT NULL,"
    "  attempt INTEGER NOT NULL DEFAULT 0,"
    "  max_attempts INTEGER NOT NULL DEFAULT 5,"
    "  lost INTEGER NOT NULL DEFAULT 0,"
    "  max_lost INTEGER NOT NULL DEFAULT 3,"
    "  epoch INTEGER NOT NULL DEFAULT 0,"
    "  worker TEXT,"
    "  lease_until INTEGER,"
    "  cancel INTEGER NOT NULL DEFAULT 0,"
    "  phase TEXT,"
    "  spec TEXT NOT NULL,"
    "  built_sha256 BLOB CHECK(length(built_sha256)=32),"
    "  built_size INTEGER,"
    "  built_name TEXT,"
    "  err_class TEXT,"
    "  error TEXT,"
    "  created INTEGER NOT NULL,"
    "  started INTEGER,"
    "  finished INTEGER,"
    "  CHECK((state=1)=(lease_until IS NOT NULL)),"
    "  CHECK((state IN (0,1,6))=(finished IS NULL))) STRICT;"
    "CREATE UNIQUE INDEX job_live ON job(key) WHERE state IN (0,1,6);"
    "CREATE INDEX job_ready ON job(prio DESC, vft, id) WHERE state=0;"
    "CREATE INDEX job_due ON job(run_at) WHERE state=6;"
    "CREATE INDEX job_run ON job(tenant, lease_until) WHERE state=1;"

    "CREATE TABLE waiter("
    "  req TEXT PRIMARY KEY,"
    "  job INTEGER NOT NULL REFERENCES job(id),"
    "  tenant INTEGER NOT NULL,"
    "  cancelled INTEGER NOT NULL DEFAULT 0,"
    "  created INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX waiter_job ON waiter(job, cancelled);"

    "CREATE TABLE artifact("
    "  key BLOB PRIMARY KEY CHECK(length(key)=32),"
    "  sha256 BLOB NOT NULL CHECK(length(sha256)=32),"
    "  size INTEGER NOT NULL,"
    "  name TEXT NOT NULL,"
    "  created INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
};
/* clang-format on */

/* Another process's transaction is short: try again soon, not in SQLite's own
 * steps of up to 100 ms, which starve one process among several. */
static int on_busy(void *user, int count)
{
    struct ps_sqlite *db = user;
    uint64_t now = ps_boot_ms();
    unsigned wait_us = 0;

    if (count == 0)
        db->busy_since_ms = now;
    if (now - db->busy_since_ms >= atomic_load(&db->settings->busy_ms))
        return 0;
    sqlite3_randomness(sizeof(wait_us), &wait_us);
    usleep(200 + wait_us % (count < 20 ? 1000 : 8000));
    return 1;
}

static int pragma_int(struct ps_sqlite *db, const char *sql, int64_t *out,
                      struct ps_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);

    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW) {
            *out = sqlite3_column_int64(stmt, 0);
            rc = SQLITE_OK;
        }
    }
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        (void)ps_sql_fail(db, sqlite3_extended_errcode(db->handle), err);
    (void)sqlite3_finalize(stmt);
    return err->code;
}

/* PS_OK with *version: 0 for a fresh file. */
static int check_owner(struct ps_sqlite *db, int64_t *version,
                       struct ps_error *err)
{
    const int64_t newest = PS_ARRAY_SIZE(migrations);
    int64_t id = 0;
    int64_t objects = 0;

    if (pragma_int(db, "PRAGMA application_id", &id, err) < 0 ||
        pragma_int(db, "PRAGMA user_version", version, err) < 0 ||
        pragma_int(db, "SELECT count(*) FROM sqlite_schema", &objects, err) < 0)
        return err->code;
    if (id == 0 && *version == 0 && objects == 0)
        return PS_OK;
    if (id != APPLICATION_ID)
        return ps_fail(err, PS_EINVALID,
                       "'%s' is a database of another program; name another "
                       "file for the queue, or move this one away",
                       db->path);
    if (*version > newest)
        return ps_fail(err, PS_EUNSUPPORTED,
                       "queue '%s' was made by a newer pkgsync (schema %lld, "
                       "this one knows %lld); install that version, or name "
                       "another file for the queue",
                       db->path, (long long)*version, (long long)newest);
    return PS_OK;
}

/* In one transaction: another process may be making the file just now. */
static int check_owner_at_once(struct ps_sqlite *db, int64_t *version,
                               struct ps_error *err)
{
    if (ps_sql_exec(db, "BEGIN", err) < 0)
        return err->code;
    (void)check_owner(db, version, err);
    if (!sqlite3_get_autocommit(db->handle))
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    return err->code;
}

static int migrate_locked(struct ps_sqlite *db, struct ps_error *err)
{
    int64_t version = 0;

    /* Another process may have done it while we waited for the lock. */
    if (check_owner(db, &version, err) < 0)
        return err->code;
    for (; version < (int64_t)PS_ARRAY_SIZE(migrations); version++) {
        PS_AUTO_FREE char *mark =
            ps_format("PRAGMA user_version=%lld; PRAGMA application_id=%d",
                      (long long)version + 1, APPLICATION_ID);

        if (ps_sql_exec(db, migrations[version], err) < 0 ||
            ps_sql_exec(db, mark, err) < 0)
            return ps_context(err, "schema %lld", (long long)version + 1);
    }
    return PS_OK;
}

static int migrate(struct ps_sqlite *db, struct ps_error *err)
{
    if (ps_sql_exec(db, "BEGIN IMMEDIATE", err) < 0)
        return err->code;
    if (migrate_locked(db, err) < 0) {
        if (!sqlite3_get_autocommit(db->handle))
            (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
        return err->code;
    }
    return ps_sql_exec(db, "COMMIT", err);
}

static int try_wal(struct ps_sqlite *db, struct ps_error *err)
{
    sqlite3_stmt *stmt = NULL;
    int rc = sqlite3_prepare_v2(db->handle, "PRAGMA journal_mode=WAL", -1,
                                &stmt, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    /* The answer is the mode that the file has now. */
    if (rc == SQLITE_ROW) {
        const char *mode = (const char *)sqlite3_column_text(stmt, 0);

        if (!mode || strcmp(mode, "wal") != 0)
            (void)ps_fail(err, PS_EUNSUPPORTED,
                          "queue '%s': this file system cannot share memory "
                          "between processes; put the queue on a local disk",
                          db->path);
    } else {
        (void)ps_sql_fail(db, sqlite3_extended_errcode(db->handle), err);
    }
    (void)sqlite3_finalize(stmt);
    return err->code;
}

/* The switch to WAL needs the file alone for a moment, and SQLite does not
 * ask the busy handler for that lock. */
static int set_wal(struct ps_sqlite *db, struct ps_error *err)
{
    uint64_t since = ps_boot_ms();

    for (;;) {
        struct ps_error local = PS_ERROR_INIT;

        if (try_wal(db, &local) == PS_OK)
            return PS_OK;
        if (local.code != PS_EBUSY ||
            ps_boot_ms() - since >= atomic_load(&db->settings->busy_ms)) {
            *err = local;
            return err->code;
        }
        usleep(2000);
    }
}

/* The file and its directory, for this user only. */
static int make_file(const struct ps_sqlite *db, struct ps_error *err)
{
    PS_AUTO_FREE char *dir = ps_strdup(db->path);
    char *slash = strrchr(dir, '/');
    struct stat st;

    /* SQLite opens "./x" and "/x" as files, whatever x is. */
    if (!slash)
        return ps_fail(err, PS_EINTERNAL, "queue '%s': no directory", db->path);
    *slash = '\0';
    if (dir[0] != '\0' && ps_mkdirs(dir, 0700, err) < 0)
        return ps_context(err, "directory of the queue '%s'", db->path);

    /* Not open(2): closing a descriptor of this file would drop the locks
     * that another queue of this process holds on it. */
    if (mknod(db->path, S_IFREG | 0600, 0) < 0 && errno != EEXIST) {
        if (errno == ENOSPC || errno == EDQUOT)
            return ps_sql_fail(db, SQLITE_FULL, err);
        if (errno == EACCES || errno == EROFS || errno == EPERM)
            return ps_sql_fail(db, SQLITE_READONLY, err);
        return ps_fail_errno(err, errno, "make the queue '%s'", db->path);
    }
    if (stat(db->path, &st) < 0)
        return ps_fail_errno(err, errno, "queue '%s'", db->path);
    if (!S_ISREG(st.st_mode))
        return ps_fail(err, PS_EINVALID,
                       "'%s' is not a regular file; name another one for the "
                       "queue",
                       db->path);
    return PS_OK;
}

int ps_sqlite_open(struct ps_sqlite *db, struct ps_error *err)
{
    const int64_t newest = PS_ARRAY_SIZE(migrations);
    int64_t version = 0;
    int rc = 0;

    if (make_file(db, err) < 0)
        return err->code;
    rc = sqlite3_open_v2(db->path, &db->handle,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return ps_sql_fail(db, rc, err);
    (void)sqlite3_extended_result_codes(db->handle, 1);
    (void)sqlite3_busy_handler(db->handle, on_busy, db);

    if (check_owner_at_once(db, &version, err) < 0)
        return err->code;
    /* What may not be written is opened for reading without a word. */
    if (sqlite3_db_readonly(db->handle, "main") == 1)
        return ps_sql_fail(db, SQLITE_READONLY, err);
    if (set_wal(db, err) < 0 ||
        ps_sql_exec(db, "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON",
                    err) < 0)
        return err->code;
    return version < newest ? migrate(db, err) : PS_OK;
}

void ps_sqlite_close(struct ps_sqlite *db)
{
    for (size_t i = 0; i < db->cached; i++)
        (void)sqlite3_finalize(db->cache[i].stmt);
    db->cached = 0;
    (void)sqlite3_close(db->handle);
    db->handle = NULL;
}
