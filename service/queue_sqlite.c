/* Statements, columns and errors of the SQLite engine. */
#include "queue_sqlite.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "pkgsync/clock.h"
#include "pkgsync/mem.h"

static bool is_disk_full(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT;
}

static bool is_denied(int errnum)
{
    return errnum == EACCES || errnum == EPERM || errnum == EROFS;
}

static int fail_denied(const struct ps_sqlite *db, struct ps_error *err)
{
    return ps_fail(err, PS_EDENIED,
                   "queue '%s' cannot be written; make the file and its "
                   "directory writable for this user, or name another one",
                   db->path);
}

static int fail_full(const struct ps_sqlite *db, struct ps_error *err)
{
    return ps_fail(err, PS_ENOSPACE,
                   "queue '%s': no space left on the device; free some and "
                   "try again, nothing that was acknowledged is lost",
                   db->path);
}

static int fail_by_errno(const struct ps_sqlite *db, struct ps_error *err)
{
    int errnum = sqlite3_system_errno(db->handle);

    if (is_disk_full(errnum))
        return fail_full(db, err);
    if (is_denied(errnum))
        return fail_denied(db, err);
    if (errnum)
        return ps_fail_errno(err, errnum, "queue '%s'", db->path);
    return ps_fail(err, PS_EIO, "queue '%s': %s", db->path,
                   sqlite3_errmsg(db->handle));
}

int ps_sql_fail(const struct ps_sqlite *db, int rc, struct ps_error *err)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: /* many processes recovering at once */
        return ps_fail(err, PS_EBUSY,
                       "queue '%s' is locked by another process for %u ms "
                       "now; end that process (see 'fuser %s') or try later",
                       db->path, atomic_load(&db->settings->busy_ms), db->path);
    case SQLITE_FULL:
        return fail_full(db, err);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return fail_denied(db, err);
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        return fail_by_errno(db, err);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ps_fail(err, PS_EINVALID,
                       "queue '%s' is damaged or no queue at all (%s); stop "
                       "every pkgsync, move the file and its -wal and -shm "
                       "away, and a new one is made; stored wheels stay",
                       db->path, sqlite3_errstr(rc));
    case SQLITE_TOOBIG:
        return ps_fail(err, PS_ETOOBIG,
                       "queue '%s': a spec or an error is too large to keep",
                       db->path);
    default:
        return ps_fail(err, PS_EINTERNAL, "queue '%s': %s", db->path,
                       sqlite3_errmsg(db->handle));
    }
}

static int prepare(struct ps_sqlite *db, const char *sql, size_t *slot,
                   struct ps_error *err)
{
    size_t i = 0;
    int rc = 0;

    while (i < db->cached && db->cache[i].sql != sql)
        i++;
    *slot = i;
    if (i < db->cached)
        return PS_OK;
    if (i == PS_SQL_CACHE)
        return ps_fail(err, PS_EINTERNAL, "more SQL statements than planned");

    rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT,
                            &db->cache[i].stmt, NULL);
    if (rc != SQLITE_OK)
        return ps_sql_fail(db, rc, err);
    db->cache[i].sql = sql;
    db->cached++;
    return PS_OK;
}

static int bind(sqlite3_stmt *stmt, int at, const struct ps_sql_value *v)
{
    switch (v->kind) {
    case PS_SQL_NULL:
        return sqlite3_bind_null(stmt, at);
    case PS_SQL_INT:
        return sqlite3_bind_int64(stmt, at, v->number);
    case PS_SQL_TEXT:
        return sqlite3_bind_text(stmt, at, v->data, -1, SQLITE_STATIC);
    case PS_SQL_BLOB:
        return sqlite3_bind_blob64(stmt, at, v->data, v->len, SQLITE_STATIC);
    }
    return SQLITE_MISUSE;
}

int ps_sql_first(struct ps_sqlite *db, const char *sql,
                 const struct ps_sql_value *values, size_t count,
                 sqlite3_stmt **row, struct ps_error *err)
{
    size_t slot = 0;

    *row = NULL;
    if (prepare(db, sql, &slot, err) < 0)
        return err->code;
    /* The result repeats the last step's, which was reported then. */
    (void)sqlite3_reset(db->cache[slot].stmt);
    db->cache[slot].active = true;
    for (size_t i = 0; i < count; i++) {
        int rc = bind(db->cache[slot].stmt, (int)i + 1, &values[i]);

        if (rc != SQLITE_OK)
            return ps_sql_fail(db, rc, err);
    }
    *row = db->cache[slot].stmt;
    return ps_sql_next(db, row, err);
}

int ps_sql_next(struct ps_sqlite *db, sqlite3_stmt **row, struct ps_error *err)
{
    int rc = sqlite3_step(*row);

    if (rc == SQLITE_ROW)
        return PS_OK;
    *row = NULL;
    if (rc == SQLITE_DONE)
        return PS_OK;
    return ps_sql_fail(db, sqlite3_extended_errcode(db->handle), err);
}

int ps_sql_run(struct ps_sqlite *db, const char *sql,
               const struct ps_sql_value *values, size_t count,
               struct ps_error *err)
{
    sqlite3_stmt *row = NULL;

    return ps_sql_first(db, sql, values, count, &row, err);
}

int ps_sql_exec(struct ps_sqlite *db, const char *sql, struct ps_error *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK)
        return PS_OK;
    return ps_sql_fail(db, sqlite3_extended_errcode(db->handle), err);
}

void ps_sql_reset_all(struct ps_sqlite *db)
{
    for (size_t i = 0; i < db->cached; i++) {
        if (!db->cache[i].active)
            continue;
        (void)sqlite3_reset(db->cache[i].stmt);
        (void)sqlite3_clear_bindings(db->cache[i].stmt);
        db->cache[i].active = false;
    }
}

char *ps_sql_column_text(struct ps_arena *arena, sqlite3_stmt *row, int column)
{
    return ps_arena_strdup(arena,
                           (const char *)sqlite3_column_text(row, column));
}

void ps_sql_column_sha256(sqlite3_stmt *row, int column, struct ps_sha256 *out)
{
    const void *data = sqlite3_column_blob(row, column);
    int len = sqlite3_column_bytes(row, column);

    /* The schema's CHECKs promise the length. */
    memset(out, 0, sizeof(*out));
    if (data && len == PS_SHA256_SIZE)
        memcpy(out->bytes, data, PS_SHA256_SIZE);
}

bool ps_sql_column_artifact(struct ps_arena *arena, sqlite3_stmt *row,
                            int column, struct ps_artifact *out)
{
    if (sqlite3_column_type(row, column) == SQLITE_NULL)
        return false;
    ps_sql_column_sha256(row, column, &out->sha256);
    out->size = (uint64_t)sqlite3_column_int64(row, column + 1);
    out->name = ps_sql_column_text(arena, row, column + 2);
    return true;
}

int64_t ps_sqlite_now_ms(const struct ps_sqlite *db)
{
    return (int64_t)ps_now_ms() + atomic_load(&db->settings->clock_shift_ms);
}
