/* The waiters' side of the SQLite engine: enqueue, artifacts, tenants. */
#include <string.h>

#include "queue_sqlite.h"

#define DEFAULT_TENANT "default"

int ps_sqlite_artifact(struct ps_sqlite *db, struct ps_arena *arena,
                       const struct ps_sha256 *key, bool *found,
                       struct ps_artifact *out, struct ps_error *err)
{
    static const char sql[] =
        "SELECT sha256, size, name FROM artifact WHERE key=?1";
    sqlite3_stmt *row = NULL;

    *found = false;
    if (ps_sql_first(db, sql, PS_SQL_ARGS(ps_sql_sha256(key)), &row, err) < 0)
        return err->code;
    if (row)
        *found = ps_sql_column_artifact(arena, row, 0, out);
    return PS_OK;
}

int ps_sqlite_lookup(struct ps_sqlite *db, const struct ps_queue_call *call,
                     struct ps_error *err)
{
    return ps_sqlite_artifact(db, call->arena, call->key, call->flag,
                              call->result, err);
}

static int forget(struct ps_sqlite *db, const struct ps_sha256 *key,
                  struct ps_error *err)
{
    static const char sql[] = "DELETE FROM artifact WHERE key=?1";

    return ps_sql_run(db, sql, PS_SQL_ARGS(ps_sql_sha256(key)), err);
}

int ps_sqlite_forget(struct ps_sqlite *db, const struct ps_queue_call *call,
                     struct ps_error *err)
{
    return forget(db, call->key, err);
}

/* The live job of a key, which the newcomer joins, with the higher of both
 * priorities; a cancel that its worker has not seen yet is taken back. */
static int join_live(struct ps_sqlite *db, const struct ps_enqueue *what,
                     int64_t *job, struct ps_error *err)
{
    static const char sql[] = "UPDATE job SET prio=max(prio, ?2), cancel=0"
                              " WHERE key=?1 AND state IN (0,1,6) RETURNING id";
    sqlite3_stmt *row = NULL;

    *job = 0;
    if (ps_sql_first(
            db, sql,
            PS_SQL_ARGS(ps_sql_sha256(&what->key), ps_sql_int(what->priority)),
            &row, err) < 0)
        return err->code;
    if (row)
        *job = sqlite3_column_int64(row, 0);
    return PS_OK;
}

/*
 * A request that was sent before: its answer was lost, or it comes back after
 * it was cancelled.  *settled: *out holds the answer.
 */
static int repeated(struct ps_sqlite *db, const struct ps_queue_call *call,
                    bool *settled, struct ps_error *err)
{
    static const char sql[] =
        "SELECT w.job, w.cancelled, j.state, j.key=?2"
        " FROM waiter w JOIN job j ON j.id=w.job WHERE w.req=?1";
    static const char back[] = "UPDATE waiter SET cancelled=0 WHERE req=?1";
    const struct ps_enqueue *what = call->enqueue;
    struct ps_enqueued *out = call->enqueued;
    sqlite3_stmt *row = NULL;
    bool cancelled = false;
    int state = 0;
    int64_t job = 0;

    *settled = false;
    if (ps_sql_first(
            db, sql,
            PS_SQL_ARGS(ps_sql_text(what->request), ps_sql_sha256(&what->key)),
            &row, err) < 0 ||
        !row)
        return err->code;
    job = sqlite3_column_int64(row, 0);
    cancelled = sqlite3_column_int(row, 1) != 0;
    state = sqlite3_column_int(row, 2);
    if (sqlite3_column_int(row, 3) == 0)
        return ps_fail(err, PS_EINVALID,
                       "request '%s' was used for another key (job %lld); use "
                       "a new id for each request",
                       what->request, (long long)job);

    out->job = job;
    switch (state) {
    case PS_JOB_READY:
    case PS_JOB_RUNNING:
    case PS_JOB_DELAYED:
        *settled = true;
        if (ps_sql_run(db, back, PS_SQL_ARGS(ps_sql_text(what->request)), err) <
            0)
            return err->code;
        return join_live(db, what, &job, err);
    case PS_JOB_DONE:
        if (cancelled)
            return PS_OK;
        /* Not there any more: it was forgotten, so it is built again. */
        if (ps_sqlite_artifact(db, call->arena, &what->key, &out->hit,
                               &out->artifact, err) < 0)
            return err->code;
        *settled = out->hit;
        return PS_OK;
    case PS_JOB_FAILED:
    case PS_JOB_DEAD:
        *settled = !cancelled;
        return PS_OK;
    default:
        return PS_OK;
    }
}

static int tenant_id(struct ps_sqlite *db, const char *name, int64_t *id,
                     struct ps_error *err)
{
    static const char make[] =
        "INSERT INTO tenant(name) VALUES(?1) ON CONFLICT(name) DO NOTHING";
    static const char find[] = "SELECT id FROM tenant WHERE name=?1";
    sqlite3_stmt *row = NULL;

    for (;;) {
        if (ps_sql_first(db, find, PS_SQL_ARGS(ps_sql_text(name)), &row, err) <
            0)
            return err->code;
        if (row) {
            *id = sqlite3_column_int64(row, 0);
            return PS_OK;
        }
        if (ps_sql_run(db, make, PS_SQL_ARGS(ps_sql_text(name)), err) < 0)
            return err->code;
    }
}

/*
 * Fair share: a job costs its tenant 1,000,000 / weight of virtual time, and
 * jobs run in the order in which they would finish.  Who was idle starts at
 * the front of the queue, or, when nobody waits, level with the busiest:
 * idleness is not saved up, and no one who was busy pays for it later.
 */
static int charge(struct ps_sqlite *db, int64_t tenant, int64_t prio,
                  int64_t *vft, struct ps_error *err)
{
    static const char sql[] =
        "UPDATE tenant SET vlast=1000000/weight+max(vlast, coalesce("
        "  (SELECT vft FROM job WHERE state=0 AND prio=?2 ORDER BY vft LIMIT "
        "1),"
        "  (SELECT max(vlast) FROM tenant)))"
        " WHERE id=?1 RETURNING vlast";
    sqlite3_stmt *row = NULL;

    if (ps_sql_first(db, sql, PS_SQL_ARGS(ps_sql_int(tenant), ps_sql_int(prio)),
                     &row, err) < 0)
        return err->code;
    *vft = row ? sqlite3_column_int64(row, 0) : 0;
    return PS_OK;
}

static int insert_job(struct ps_sqlite *db, const struct ps_enqueue *what,
                      int64_t tenant, int64_t *job, struct ps_error *err)
{
    static const char sql[] =
        "INSERT INTO job(key, tenant, first_req, prio, vft, run_at, spec,"
        " created) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?6)";
    int64_t vft = 0;

    if (charge(db, tenant, what->priority, &vft, err) < 0 ||
        ps_sql_run(db, sql,
                   PS_SQL_ARGS(ps_sql_sha256(&what->key), ps_sql_int(tenant),
                               ps_sql_text(what->request),
                               ps_sql_int(what->priority), ps_sql_int(vft),
                               ps_sql_int(ps_sqlite_now_ms(db)),
                               ps_sql_text(what->spec)),
                   err) < 0)
        return err->code;
    *job = sqlite3_last_insert_rowid(db->handle);
    return PS_OK;
}

static int enter(struct ps_sqlite *db, const struct ps_queue_call *call,
                 struct ps_error *err)
{
    /* A conflict: an old request of the same id, whose job has ended. */
    static const char sql[] =
        "INSERT INTO waiter(req, job, tenant, created) VALUES(?1, ?2, ?3, ?4)"
        " ON CONFLICT(req) DO UPDATE SET job=excluded.job,"
        " tenant=excluded.tenant, cancelled=0, created=excluded.created";
    const struct ps_enqueue *what = call->enqueue;
    struct ps_enqueued *out = call->enqueued;
    int64_t tenant = 0;

    if (tenant_id(db, what->tenant ? what->tenant : DEFAULT_TENANT, &tenant,
                  err) < 0 ||
        join_live(db, what, &out->job, err) < 0)
        return err->code;
    out->is_new = out->job == 0;
    if (out->is_new && insert_job(db, what, tenant, &out->job, err) < 0)
        return err->code;
    return ps_sql_run(db, sql,
                      PS_SQL_ARGS(ps_sql_text(what->request),
                                  ps_sql_int(out->job), ps_sql_int(tenant),
                                  ps_sql_int(ps_sqlite_now_ms(db))),
                      err);
}

int ps_sqlite_enqueue(struct ps_sqlite *db, const struct ps_queue_call *call,
                      struct ps_error *err)
{
    const struct ps_enqueue *what = call->enqueue;
    struct ps_enqueued *out = call->enqueued;
    bool settled = false;

    memset(out, 0, sizeof(*out));
    if (repeated(db, call, &settled, err) < 0 || settled)
        return err->code;

    memset(out, 0, sizeof(*out));
    if (what->rebuild) {
        if (forget(db, &what->key, err) < 0)
            return err->code;
    } else if (ps_sqlite_artifact(db, call->arena, &what->key, &out->hit,
                                  &out->artifact, err) < 0 ||
               out->hit) {
        return err->code;
    }
    return enter(db, call, err);
}

int ps_sqlite_tenant(struct ps_sqlite *db, const struct ps_queue_call *call,
                     struct ps_error *err)
{
    static const char sql[] =
        "INSERT INTO tenant(name, weight, max_running) VALUES(?1, ?2, ?3)"
        " ON CONFLICT(name) DO UPDATE SET weight=excluded.weight,"
        " max_running=excluded.max_running";

    return ps_sql_run(db, sql,
                      PS_SQL_ARGS(ps_sql_text(call->text),
                                  ps_sql_int(call->weight),
                                  ps_sql_int(call->max_running)),
                      err);
}
