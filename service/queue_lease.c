/*
 * The workers' side of the SQLite engine.  Every statement of a worker names
 * job, epoch and state: whoever was thought dead changes nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "pkgsync/buf.h"
#include "pkgsync/mem.h"
#include "queue_sqlite.h"

static int fail_lost(int64_t job, struct ps_error *err)
{
    return ps_fail(err, PS_ELOST,
                   "job %lld: this worker's lease is gone; stop the build and "
                   "drop its result",
                   (long long)job);
}

/* A fenced statement that returns one number; no row: the lease is lost. */
static int fenced(struct ps_sqlite *db, const char *sql,
                  const struct ps_sql_value *values, size_t count, int64_t *out,
                  struct ps_error *err)
{
    sqlite3_stmt *row = NULL;

    if (ps_sql_first(db, sql, values, count, &row, err) < 0)
        return err->code;
    /* By convention ?1 is the job. */
    if (!row)
        return fail_lost(values[0].number, err);
    *out = sqlite3_column_int64(row, 0);
    return PS_OK;
}

/* The second arm: the clock was set back after run_at was written. */
static int promote(struct ps_sqlite *db, int64_t now, struct ps_error *err)
{
    static const char sql[] = "UPDATE job SET state=0"
                              " WHERE state=6 AND (run_at<=?1 OR run_at>?2)";

    return ps_sql_run(
        db, sql,
        PS_SQL_ARGS(ps_sql_int(now), ps_sql_int(now + PS_QUEUE_MAX_DELAY_MS)),
        err);
}

/* The JSON array of the ids.  Caller frees. */
static char *id_list(const int64_t *ids, size_t count)
{
    struct ps_buf text = PS_BUF_INIT(SIZE_MAX);

    ps_buf_addc(&text, '[');
    for (size_t i = 0; i < count; i++)
        ps_buf_addf(&text, "%s%lld", i ? "," : "", (long long)ids[i]);
    ps_buf_addc(&text, ']');
    return ps_buf_take(&text);
}

#define SHARE                                                            \
    " state=0 AND tenant NOT IN (SELECT r.tenant FROM job r"             \
    "  JOIN tenant t ON t.id=r.tenant WHERE r.state=1 GROUP BY r.tenant" \
    "  HAVING count(*)>=t.max_running)"                                  \
    " ORDER BY prio DESC, vft, id LIMIT 1"

/* The job whose turn it is; 0: none. */
static int choose(struct ps_sqlite *db, const char *only, int64_t *job,
                  struct ps_sha256 *key, struct ps_error *err)
{
    static const char any[] = "SELECT id, key FROM job WHERE" SHARE;
    /* Not through the index of all that wait: by the few ids. */
    static const char some[] =
        "SELECT id, key FROM job NOT INDEXED"
        " WHERE id IN (SELECT value FROM json_each(?1)) AND" SHARE;
    sqlite3_stmt *row = NULL;
    int rc = PS_OK;

    *job = 0;
    if (only)
        rc = ps_sql_first(db, some, PS_SQL_ARGS(ps_sql_text(only)), &row, err);
    else
        rc = ps_sql_first(db, any, PS_SQL_NO_ARGS, &row, err);
    if (rc < 0 || !row)
        return rc;
    *job = sqlite3_column_int64(row, 0);
    ps_sql_column_sha256(row, 1, key);
    return PS_OK;
}

static int finish_in_passing(struct ps_sqlite *db, int64_t job,
                             struct ps_error *err)
{
    static const char sql[] = "UPDATE job SET state=2, finished=?2 WHERE id=?1";

    return ps_sql_run(
        db, sql, PS_SQL_ARGS(ps_sql_int(job), ps_sql_int(ps_sqlite_now_ms(db))),
        err);
}

static int take(struct ps_sqlite *db, const struct ps_queue_call *call,
                int64_t job, struct ps_error *err)
{
    static const char sql[] =
        "UPDATE job SET state=1, epoch=epoch+1, attempt=attempt+1, worker=?2,"
        " lease_until=?3, started=?4, phase=NULL WHERE id=?1"
        " RETURNING epoch, attempt, spec, built_sha256, built_size, built_name";
    struct ps_claim *out = call->claim;
    int64_t now = ps_sqlite_now_ms(db);
    sqlite3_stmt *row = NULL;

    if (ps_sql_first(db, sql,
                     PS_SQL_ARGS(ps_sql_int(job),
                                 ps_sql_text(db->settings->worker),
                                 ps_sql_int(now + db->settings->lease_ms),
                                 ps_sql_int(now)),
                     &row, err) < 0)
        return err->code;
    if (!row)
        return ps_fail(err, PS_EINTERNAL, "job %lld vanished", (long long)job);
    out->job = job;
    out->epoch = sqlite3_column_int64(row, 0);
    out->attempt = sqlite3_column_int64(row, 1);
    out->spec = ps_sql_column_text(call->arena, row, 2);
    out->has_built = ps_sql_column_artifact(call->arena, row, 3, &out->built);
    return PS_OK;
}

int ps_sqlite_claim(struct ps_sqlite *db, const struct ps_queue_call *call,
                    struct ps_error *err)
{
    PS_AUTO_FREE char *only = NULL;
    struct ps_claim *out = call->claim;
    bool found = true;
    int64_t job = 0;

    memset(out, 0, sizeof(*out));
    if (call->only_count > 0)
        only = id_list(call->only, call->only_count);
    if (promote(db, ps_sqlite_now_ms(db), err) < 0)
        return err->code;
    while (found) {
        struct ps_artifact ignored;

        if (choose(db, only, &job, &out->key, err) < 0 || job == 0)
            return err->code;
        if (ps_sqlite_artifact(db, call->arena, &out->key, &found, &ignored,
                               err) < 0 ||
            (found && finish_in_passing(db, job, err) < 0))
            return err->code;
    }
    return take(db, call, job, err);
}

int ps_sqlite_heartbeat(struct ps_sqlite *db, const struct ps_queue_call *call,
                        struct ps_error *err)
{
    static const char sql[] =
        "UPDATE job SET lease_until=?3, phase=coalesce(?4, phase)"
        " WHERE id=?1 AND epoch=?2 AND state=1 RETURNING cancel";
    int64_t until = ps_sqlite_now_ms(db) + db->settings->lease_ms;
    int64_t cancel = 0;

    if (fenced(db, sql,
               PS_SQL_ARGS(ps_sql_int(call->job), ps_sql_int(call->epoch),
                           ps_sql_int(until), ps_sql_text(call->text)),
               &cancel, err) < 0)
        return err->code;
    *call->flag = cancel != 0;
    return PS_OK;
}

int ps_sqlite_built(struct ps_sqlite *db, const struct ps_queue_call *call,
                    struct ps_error *err)
{
    static const char sql[] =
        "UPDATE job SET built_sha256=?3, built_size=?4, built_name=?5,"
        " phase='upload' WHERE id=?1 AND epoch=?2 AND state=1 RETURNING id";
    const struct ps_artifact *a = call->artifact;
    int64_t job = 0;

    return fenced(db, sql,
                  PS_SQL_ARGS(ps_sql_int(call->job), ps_sql_int(call->epoch),
                              ps_sql_sha256(&a->sha256),
                              ps_sql_int((int64_t)a->size),
                              ps_sql_text(a->name)),
                  &job, err);
}

/* First writer wins: what everybody reads is the artifact's row. */
int ps_sqlite_complete(struct ps_sqlite *db, const struct ps_queue_call *call,
                       struct ps_error *err)
{
    static const char end[] =
        "UPDATE job SET state=2, finished=?3, lease_until=NULL, worker=NULL,"
        " cancel=0 WHERE id=?1 AND epoch=?2 AND state=1 RETURNING id";
    static const char publish[] =
        "INSERT INTO artifact(key, sha256, size, name, created)"
        " SELECT key, ?2, ?3, ?4, ?5 FROM job WHERE id=?1"
        " ON CONFLICT(key) DO NOTHING";
    static const char result[] =
        "SELECT a.sha256, a.size, a.name FROM job j"
        " JOIN artifact a ON a.key=j.key WHERE j.id=?1";
    const struct ps_artifact *a = call->artifact;
    int64_t now = ps_sqlite_now_ms(db);
    sqlite3_stmt *row = NULL;
    int64_t job = 0;

    if (fenced(db, end,
               PS_SQL_ARGS(ps_sql_int(call->job), ps_sql_int(call->epoch),
                           ps_sql_int(now)),
               &job, err) < 0 ||
        ps_sql_run(db, publish,
                   PS_SQL_ARGS(ps_sql_int(job), ps_sql_sha256(&a->sha256),
                               ps_sql_int((int64_t)a->size),
                               ps_sql_text(a->name), ps_sql_int(now)),
                   err) < 0 ||
        ps_sql_first(db, result, PS_SQL_ARGS(ps_sql_int(job)), &row, err) < 0)
        return err->code;
    if (!row || !ps_sql_column_artifact(call->arena, row, 0, call->result))
        return ps_fail(err, PS_EINTERNAL,
                       "job %lld: no artifact after "
                       "completion",
                       (long long)job);
    return PS_OK;
}

int ps_sqlite_fail(struct ps_sqlite *db, const struct ps_queue_call *call,
                   struct ps_error *err)
{
    /* Half to all of an exponential delay, so that what failed together does
     * not come back together. */
    static const char sql[] =
        "UPDATE job SET lease_until=NULL, worker=NULL, err_class=?4, error=?5,"
        " run_at=?6+min(?8, ?7*(1<<min(max(attempt-1, 0), 20)))"
        "  *(50+abs(random()%51))/100,"
        " state=CASE WHEN cancel=1 THEN 5 WHEN ?3 THEN 3"
        "  WHEN attempt>=max_attempts THEN 4 ELSE 6 END,"
        " finished=CASE WHEN cancel=1 OR ?3 OR attempt>=max_attempts"
        "  THEN ?6 END"
        " WHERE id=?1 AND epoch=?2 AND state=1 RETURNING state";
    int64_t state = 0;

    if (fenced(db, sql,
               PS_SQL_ARGS(ps_sql_int(call->job), ps_sql_int(call->epoch),
                           ps_sql_int(!ps_code_is_retryable(call->code)),
                           ps_sql_text(ps_code_name(call->code)),
                           ps_sql_text(call->text),
                           ps_sql_int(ps_sqlite_now_ms(db)),
                           ps_sql_int(db->settings->retry_base_ms),
                           ps_sql_int(db->settings->retry_cap_ms)),
               &state, err) < 0)
        return err->code;
    *call->state = (enum ps_job_state)state;
    return PS_OK;
}

/* Gives a running job back, or ends it when every waiter has gone.  Its run
 * was no failure and is not counted. */
static int give_back(struct ps_sqlite *db, const struct ps_queue_call *call,
                     int64_t *state, struct ps_error *err)
{
    static const char sql[] =
        "UPDATE job SET lease_until=NULL, worker=NULL, attempt=attempt-1,"
        " run_at=?3, state=CASE WHEN cancel=1 THEN 5 ELSE 0 END,"
        " finished=CASE WHEN cancel=1 THEN ?3 END"
        " WHERE id=?1 AND epoch=?2 AND state=1 RETURNING state";

    return fenced(db, sql,
                  PS_SQL_ARGS(ps_sql_int(call->job), ps_sql_int(call->epoch),
                              ps_sql_int(ps_sqlite_now_ms(db))),
                  state, err);
}

int ps_sqlite_acknowledge_cancel(struct ps_sqlite *db,
                                 const struct ps_queue_call *call,
                                 struct ps_error *err)
{
    int64_t state = 0;

    /* Somebody who came after the cancel makes it go on. */
    if (give_back(db, call, &state, err) < 0)
        return err->code;
    *call->state = (enum ps_job_state)state;
    return PS_OK;
}

int ps_sqlite_release(struct ps_sqlite *db, const struct ps_queue_call *call,
                      struct ps_error *err)
{
    int64_t state = 0;

    return give_back(db, call, &state, err);
}

/* Running jobs whose worker may be gone. */
struct suspects {
    int64_t *ids;
    size_t count;
};

static void cleanup_suspects(struct suspects *s)
{
    free(s->ids);
}

static int find_suspects(struct ps_sqlite *db, struct suspects *out,
                         struct ps_error *err)
{
    static const char sql[] =
        "SELECT id, worker, lease_until<?1 OR lease_until>?2"
        " FROM job WHERE state=1";
    int64_t now = ps_sqlite_now_ms(db);
    sqlite3_stmt *row = NULL;

    /* A lease that far in the future: the clock was set back. */
    if (ps_sql_first(db, sql,
                     PS_SQL_ARGS(ps_sql_int(now),
                                 ps_sql_int(now + 2 * PS_QUEUE_MAX_DELAY_MS)),
                     &row, err) < 0)
        return err->code;
    while (row) {
        const char *worker = (const char *)sqlite3_column_text(row, 1);

        if (sqlite3_column_int(row, 2) || ps_queue_worker_is_dead(worker)) {
            out->ids = ps_realloc(out->ids, out->count + 1, sizeof(*out->ids));
            out->ids[out->count++] = sqlite3_column_int64(row, 0);
        }
        if (ps_sql_next(db, &row, err) < 0)
            return err->code;
    }
    return PS_OK;
}

int ps_sqlite_reap(struct ps_sqlite *db, const struct ps_queue_call *call,
                   struct ps_error *err)
{
    static const char sql[] =
        "UPDATE job SET epoch=epoch+1, lost=lost+1, lease_until=NULL,"
        " err_class='lost', error=json_object('phase', phase, 'cause', 'lost',"
        "  'message', 'the worker ' || worker || ' is gone'), worker=NULL,"
        " run_at=?2+?3, state=CASE WHEN cancel=1 THEN 5"
        "  WHEN lost+1>=max_lost THEN 4 ELSE 6 END,"
        " finished=CASE WHEN cancel=1 OR lost+1>=max_lost THEN ?2 END"
        " WHERE id=?1 AND state=1";
    PS_CLEANUP(cleanup_suspects) struct suspects s = { .ids = NULL };

    *call->count = 0;
    if (find_suspects(db, &s, err) < 0)
        return err->code;
    for (size_t i = 0; i < s.count; i++) {
        if (ps_sql_run(db, sql,
                       PS_SQL_ARGS(ps_sql_int(s.ids[i]),
                                   ps_sql_int(ps_sqlite_now_ms(db)),
                                   ps_sql_int(db->settings->retry_base_ms)),
                       err) < 0)
            return err->code;
    }
    *call->count = s.count;
    return PS_OK;
}
