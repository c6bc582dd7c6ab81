/* Looking at and steering the queue: cancel, retry, get, list, prune. */
#include <stdlib.h>
#include <string.h>

#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "queue_sqlite.h"

#define DEFAULT_LIMIT 100

/* A job nobody waits for ends; a running one is told at its next heartbeat. */
static int end_unwanted(struct ps_sqlite *db, int64_t job, struct ps_error *err)
{
    static const char sql[] =
        "UPDATE job SET cancel=CASE WHEN state=1 THEN 1 ELSE cancel END,"
        " finished=CASE WHEN state=1 THEN NULL ELSE ?2 END,"
        " state=CASE WHEN state=1 THEN 1 ELSE 5 END"
        " WHERE id=?1 AND state IN (0,1,6) AND NOT EXISTS"
        "  (SELECT 1 FROM waiter WHERE job=?1 AND cancelled=0)";

    return ps_sql_run(
        db, sql, PS_SQL_ARGS(ps_sql_int(job), ps_sql_int(ps_sqlite_now_ms(db))),
        err);
}

int ps_sqlite_cancel_request(struct ps_sqlite *db,
                             const struct ps_queue_call *call,
                             struct ps_error *err)
{
    static const char find[] = "SELECT job, cancelled FROM waiter WHERE req=?1";
    static const char go[] = "UPDATE waiter SET cancelled=1 WHERE req=?1";
    sqlite3_stmt *row = NULL;
    int64_t job = 0;

    if (ps_sql_first(db, find, PS_SQL_ARGS(ps_sql_text(call->text)), &row,
                     err) < 0)
        return err->code;
    if (!row)
        return ps_fail(err, PS_ENOTFOUND, "no request '%s' in the queue",
                       call->text);
    /* Gone before: must not end a job that somebody retried since. */
    if (sqlite3_column_int(row, 1))
        return PS_OK;
    job = sqlite3_column_int64(row, 0);
    if (ps_sql_run(db, go, PS_SQL_ARGS(ps_sql_text(call->text)), err) < 0)
        return err->code;
    return end_unwanted(db, job, err);
}

static int find_job(struct ps_sqlite *db, int64_t job, enum ps_job_state *state,
                    struct ps_error *err)
{
    static const char sql[] = "SELECT state FROM job WHERE id=?1";
    sqlite3_stmt *row = NULL;

    if (ps_sql_first(db, sql, PS_SQL_ARGS(ps_sql_int(job)), &row, err) < 0)
        return err->code;
    if (!row)
        return ps_fail(err, PS_ENOTFOUND,
                       "no job %lld in the queue; 'pkgsync jobs' lists them",
                       (long long)job);
    *state = (enum ps_job_state)sqlite3_column_int(row, 0);
    return PS_OK;
}

static bool is_live(enum ps_job_state state)
{
    return state == PS_JOB_READY || state == PS_JOB_RUNNING ||
           state == PS_JOB_DELAYED;
}

int ps_sqlite_cancel_job(struct ps_sqlite *db, const struct ps_queue_call *call,
                         struct ps_error *err)
{
    static const char go[] = "UPDATE waiter SET cancelled=1 WHERE job=?1";
    enum ps_job_state state = PS_JOB_READY;

    if (find_job(db, call->job, &state, err) < 0)
        return err->code;
    if (!is_live(state))
        return ps_fail(err, PS_EINVALID,
                       "job %lld cannot be cancelled: it is %s already",
                       (long long)call->job, ps_job_state_name(state));
    if (ps_sql_run(db, go, PS_SQL_ARGS(ps_sql_int(call->job)), err) < 0)
        return err->code;
    return end_unwanted(db, call->job, err);
}

static int find_twin(struct ps_sqlite *db, int64_t job, int64_t *twin,
                     struct ps_error *err)
{
    static const char sql[] = "SELECT id FROM job WHERE state IN (0,1,6)"
                              " AND key=(SELECT key FROM job WHERE id=?1)";
    sqlite3_stmt *row = NULL;

    *twin = 0;
    if (ps_sql_first(db, sql, PS_SQL_ARGS(ps_sql_int(job)), &row, err) < 0)
        return err->code;
    if (row)
        *twin = sqlite3_column_int64(row, 0);
    return PS_OK;
}

int ps_sqlite_retry(struct ps_sqlite *db, const struct ps_queue_call *call,
                    struct ps_error *err)
{
    static const char sql[] =
        "UPDATE job SET state=0, attempt=0, lost=0, cancel=0, phase=NULL,"
        " run_at=?2, finished=NULL WHERE id=?1";
    enum ps_job_state state = PS_JOB_READY;
    int64_t twin = 0;

    if (find_job(db, call->job, &state, err) < 0)
        return err->code;
    if (is_live(state) || state == PS_JOB_DONE)
        return ps_fail(err, PS_EINVALID, "job %lld cannot be retried: it is %s",
                       (long long)call->job, ps_job_state_name(state));
    if (find_twin(db, call->job, &twin, err) < 0)
        return err->code;
    if (twin)
        return ps_fail(err, PS_EEXISTS,
                       "job %lld needs no retry: job %lld does the same work",
                       (long long)call->job, (long long)twin);
    return ps_sql_run(
        db, sql,
        PS_SQL_ARGS(ps_sql_int(call->job), ps_sql_int(ps_sqlite_now_ms(db))),
        err);
}

#define JOB_ROWS                                                            \
    "SELECT j.id, j.state, j.key, j.spec, t.name, j.worker, j.phase,"       \
    " j.err_class, j.error, j.attempt, j.lost,"                             \
    " (SELECT count(*) FROM waiter w WHERE w.job=j.id AND w.cancelled=0),"  \
    " j.created, j.started, j.finished, j.run_at, a.sha256, a.size, a.name" \
    " FROM job j JOIN tenant t ON t.id=j.tenant"                            \
    " LEFT JOIN artifact a ON a.key=j.key AND j.state=2"

static void read_job(struct ps_arena *arena, sqlite3_stmt *row,
                     struct ps_job *out)
{
    memset(out, 0, sizeof(*out));
    out->id = sqlite3_column_int64(row, 0);
    out->state = (enum ps_job_state)sqlite3_column_int(row, 1);
    ps_sql_column_sha256(row, 2, &out->key);
    out->spec = ps_sql_column_text(arena, row, 3);
    out->tenant = ps_sql_column_text(arena, row, 4);
    out->worker = ps_sql_column_text(arena, row, 5);
    out->phase = ps_sql_column_text(arena, row, 6);
    out->error_class = ps_sql_column_text(arena, row, 7);
    out->error = ps_sql_column_text(arena, row, 8);
    out->attempt = sqlite3_column_int64(row, 9);
    out->lost = sqlite3_column_int64(row, 10);
    out->waiters = sqlite3_column_int64(row, 11);
    out->created_ms = (uint64_t)sqlite3_column_int64(row, 12);
    out->started_ms = (uint64_t)sqlite3_column_int64(row, 13);
    out->finished_ms = (uint64_t)sqlite3_column_int64(row, 14);
    out->run_at_ms = (uint64_t)sqlite3_column_int64(row, 15);
    out->has_artifact = ps_sql_column_artifact(arena, row, 16, &out->artifact);
}

int ps_sqlite_get(struct ps_sqlite *db, const struct ps_queue_call *call,
                  struct ps_error *err)
{
    static const char sql[] = JOB_ROWS " WHERE j.id=?1";
    enum ps_job_state state = PS_JOB_READY;
    sqlite3_stmt *row = NULL;

    if (find_job(db, call->job, &state, err) < 0 ||
        ps_sql_first(db, sql, PS_SQL_ARGS(ps_sql_int(call->job)), &row, err) <
            0)
        return err->code;
    if (!row)
        return ps_fail(err, PS_EINTERNAL, "job %lld has no tenant",
                       (long long)call->job);
    read_job(call->arena, row, call->row);
    return PS_OK;
}

int ps_sqlite_list(struct ps_sqlite *db, const struct ps_queue_call *call,
                   struct ps_error *err)
{
    static const char all[] = JOB_ROWS " ORDER BY j.id DESC LIMIT ?1";
    /* The live ones are few among all that have ended. */
    static const char live[] =
        JOB_ROWS " WHERE j.id IN (SELECT id FROM job INDEXED BY job_live"
                 " WHERE state IN (0,1,6)) ORDER BY j.id DESC LIMIT ?1";
    size_t limit = call->filter && call->filter->limit ? call->filter->limit
                                                       : DEFAULT_LIMIT;
    const char *sql = call->filter && call->filter->live_only ? live : all;
    PS_AUTO_FREE struct ps_job *rows = NULL;
    sqlite3_stmt *row = NULL;
    size_t count = 0;
    size_t space = 0;

    if (ps_sql_first(db, sql,
                     PS_SQL_ARGS(ps_sql_int((int64_t)PS_MIN(limit, INT64_MAX))),
                     &row, err) < 0)
        return err->code;
    while (row) {
        if (count == space) {
            space = space ? space * 2 : 64;
            rows = ps_realloc(rows, space, sizeof(*rows));
        }
        read_job(call->arena, row, &rows[count++]);
        if (ps_sql_next(db, &row, err) < 0)
            return err->code;
    }
    *call->rows = ps_arena_alloc(call->arena, count, sizeof(**call->rows));
    if (count > 0)
        memcpy(*call->rows, rows, count * sizeof(*rows));
    *call->count = count;
    return PS_OK;
}

#define OLD                                        \
    "(SELECT id FROM job WHERE state IN (2,3,4,5)" \
    " AND finished<?1 ORDER BY id LIMIT ?2)"

int ps_sqlite_prune(struct ps_sqlite *db, const struct ps_queue_call *call,
                    struct ps_error *err)
{
    static const char waiters[] = "DELETE FROM waiter WHERE job IN " OLD;
    static const char jobs[] = "DELETE FROM job WHERE id IN " OLD;
    const int64_t limit = (int64_t)call->limit;

    if (ps_sql_run(db, waiters,
                   PS_SQL_ARGS(ps_sql_int(call->before_ms), ps_sql_int(limit)),
                   err) < 0 ||
        ps_sql_run(db, jobs,
                   PS_SQL_ARGS(ps_sql_int(call->before_ms), ps_sql_int(limit)),
                   err) < 0)
        return err->code;
    *call->count = (size_t)sqlite3_changes(db->handle);
    return PS_OK;
}
