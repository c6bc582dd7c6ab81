/*
 * Inside of the SQLite engine: one connection, owned by the database thread,
 * with its cache of prepared statements.
 *
 * Operations (`ps_sqlite_op_fn`) run inside a transaction that the thread has
 * opened.  They start statements with ps_sql_first(), read the row, and never
 * reset them: the thread resets all of them after each operation, so a row's
 * text stays readable until the operation returns.
 */
#ifndef PKGSYNC_QUEUE_SQLITE_H
#define PKGSYNC_QUEUE_SQLITE_H

#include <sqlite3.h>

#include "queue_private.h"

/* More than there are statements in the program. */
#define PS_SQL_CACHE 64

struct ps_sqlite {
    sqlite3 *handle;
    char *path;
    const struct ps_queue_settings *settings; /* borrowed */
    uint64_t busy_since_ms; /* CLOCK_BOOTTIME of the first failed try */
    size_t cached;
    struct {
        const char *sql; /* compared by address */
        sqlite3_stmt *stmt;
        bool active;
    } cache[PS_SQL_CACHE];
};

enum ps_sql_kind { PS_SQL_NULL, PS_SQL_INT, PS_SQL_TEXT, PS_SQL_BLOB };

struct ps_sql_value {
    enum ps_sql_kind kind;
    int64_t number;
    const void *data; /* lives until the operation returns */
    size_t len;
};

static inline struct ps_sql_value ps_sql_int(int64_t number)
{
    return (struct ps_sql_value){ .kind = PS_SQL_INT, .number = number };
}

/* NULL gives the SQL NULL. */
static inline struct ps_sql_value ps_sql_text(const char *z)
{
    return (struct ps_sql_value){ .kind = z ? PS_SQL_TEXT : PS_SQL_NULL,
                                  .data = z };
}

static inline struct ps_sql_value ps_sql_sha256(const struct ps_sha256 *d)
{
    return (struct ps_sql_value){ .kind = PS_SQL_BLOB,
                                  .data = d->bytes,
                                  .len = sizeof(d->bytes) };
}

/* Two arguments: the values for ?1, ?2, ... and their number. */
#define PS_SQL_ARGS(...)                                       \
    (const struct ps_sql_value[]){ __VA_ARGS__ },              \
        sizeof((const struct ps_sql_value[]){ __VA_ARGS__ }) / \
            sizeof(struct ps_sql_value)
#define PS_SQL_NO_ARGS NULL, 0

/*
 * Bind and take the first step.  *row: at the first row, or NULL when there
 * is none.  `sql` must be static: it is the statement's name in the cache.
 */
PS_MUST_USE int ps_sql_first(struct ps_sqlite *db, const char *sql,
                             const struct ps_sql_value *values, size_t count,
                             sqlite3_stmt **row, struct ps_error *err);
PS_MUST_USE int ps_sql_next(struct ps_sqlite *db, sqlite3_stmt **row,
                            struct ps_error *err);
/* A statement that gives no rows. */
PS_MUST_USE int ps_sql_run(struct ps_sqlite *db, const char *sql,
                           const struct ps_sql_value *values, size_t count,
                           struct ps_error *err);
/* Not prepared, no parameters: transaction control, pragmas, the schema. */
PS_MUST_USE int ps_sql_exec(struct ps_sqlite *db, const char *sql,
                            struct ps_error *err);
void ps_sql_reset_all(struct ps_sqlite *db);

/* Turn SQLite's last failure into ours: which file, why, what to do. */
int ps_sql_fail(const struct ps_sqlite *db, int rc, struct ps_error *err);

/* Columns.  Text is copied into the arena; NULL stays NULL. */
char *ps_sql_column_text(struct ps_arena *arena, sqlite3_stmt *row, int column);
void ps_sql_column_sha256(sqlite3_stmt *row, int column, struct ps_sha256 *out);
/* sha256, size, name from three columns; false when the first is NULL. */
bool ps_sql_column_artifact(struct ps_arena *arena, sqlite3_stmt *row,
                            int column, struct ps_artifact *out);

int64_t ps_sqlite_now_ms(const struct ps_sqlite *db);

/* Open, check whose file it is, migrate.  ps_sqlite_close() also half-open. */
PS_MUST_USE int ps_sqlite_open(struct ps_sqlite *db, struct ps_error *err);
void ps_sqlite_close(struct ps_sqlite *db);

typedef int(ps_sqlite_op_fn)(struct ps_sqlite *db,
                             const struct ps_queue_call *call,
                             struct ps_error *err);

ps_sqlite_op_fn ps_sqlite_enqueue;
ps_sqlite_op_fn ps_sqlite_lookup;
ps_sqlite_op_fn ps_sqlite_forget;
ps_sqlite_op_fn ps_sqlite_claim;
ps_sqlite_op_fn ps_sqlite_heartbeat;
ps_sqlite_op_fn ps_sqlite_built;
ps_sqlite_op_fn ps_sqlite_complete;
ps_sqlite_op_fn ps_sqlite_fail;
ps_sqlite_op_fn ps_sqlite_acknowledge_cancel;
ps_sqlite_op_fn ps_sqlite_release;
ps_sqlite_op_fn ps_sqlite_reap;
ps_sqlite_op_fn ps_sqlite_cancel_request;
ps_sqlite_op_fn ps_sqlite_cancel_job;
ps_sqlite_op_fn ps_sqlite_retry;
ps_sqlite_op_fn ps_sqlite_get;
ps_sqlite_op_fn ps_sqlite_list;
ps_sqlite_op_fn ps_sqlite_prune;
ps_sqlite_op_fn ps_sqlite_tenant;

/* The artifact of a key into call->arena; *found says whether there is one. */
PS_MUST_USE int ps_sqlite_artifact(struct ps_sqlite *db, struct ps_arena *arena,
                                   const struct ps_sha256 *key, bool *found,
                                   struct ps_artifact *out,
                                   struct ps_error *err);

#endif
