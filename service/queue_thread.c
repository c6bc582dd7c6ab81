/*
 * The SQLite engine's one database thread, with group commit.
 *
 * Callers post their call and sleep.  The thread takes what has gathered,
 * runs it in one transaction, a savepoint around each call so that one that
 * fails does not undo its neighbours, commits once for all, and wakes them.
 * While it waits for the disk, the next group gathers.
 */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "pkgsync/mem.h"
#include "pkgsync/util.h"
#include "queue_sqlite.h"

/* Bounds how long the first of a group waits for the last. */
#define MAX_GROUP 64

struct request {
    const struct ps_queue_call *call; /* borrowed: its caller sleeps */
    struct ps_error err;
    bool done;
    pthread_cond_t wake;
    struct request *next;
};

struct engine {
    struct ps_sqlite db; /* the thread's alone while it runs */
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows, and request.done */
    pthread_cond_t work;
    struct request *first;
    struct request **last;
    bool closing;
};

/* clang-format off */
static const struct {
    ps_sqlite_op_fn *run;
    bool writes;
} operations[PS_QUEUE_VERBS] = {
    [PS_QUEUE_ENQUEUE]            = { ps_sqlite_enqueue, true },
    [PS_QUEUE_LOOKUP]             = { ps_sqlite_lookup, false },
    [PS_QUEUE_FORGET]             = { ps_sqlite_forget, true },
    [PS_QUEUE_CLAIM]              = { ps_sqlite_claim, true },
    [PS_QUEUE_HEARTBEAT]          = { ps_sqlite_heartbeat, true },
    [PS_QUEUE_BUILT]              = { ps_sqlite_built, true },
    [PS_QUEUE_COMPLETE]           = { ps_sqlite_complete, true },
    [PS_QUEUE_FAIL]               = { ps_sqlite_fail, true },
    [PS_QUEUE_ACKNOWLEDGE_CANCEL] = { ps_sqlite_acknowledge_cancel, true },
    [PS_QUEUE_RELEASE]            = { ps_sqlite_release, true },
    [PS_QUEUE_REAP]               = { ps_sqlite_reap, true },
    [PS_QUEUE_CANCEL_REQUEST]     = { ps_sqlite_cancel_request, true },
    [PS_QUEUE_CANCEL_JOB]         = { ps_sqlite_cancel_job, true },
    [PS_QUEUE_RETRY]              = { ps_sqlite_retry, true },
    [PS_QUEUE_GET]                = { ps_sqlite_get, false },
    [PS_QUEUE_LIST]               = { ps_sqlite_list, false },
    [PS_QUEUE_PRUNE]              = { ps_sqlite_prune, true },
    [PS_QUEUE_TENANT]             = { ps_sqlite_tenant, true },
};
/* clang-format on */

static void fail_all(struct request **group, size_t count,
                     const struct ps_error *err)
{
    for (size_t i = 0; i < count; i++)
        group[i]->err = *err;
}

static void roll_back(struct ps_sqlite *db)
{
    /* Some failures (a full disk) have rolled back by themselves. */
    if (!sqlite3_get_autocommit(db->handle))
        (void)sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

/* One call inside its savepoint.  Negative: the whole transaction is lost. */
static int run_one(struct ps_sqlite *db, struct request *r,
                   struct ps_error *err)
{
    r->err = PS_ERROR_INIT;
    if (ps_sql_exec(db, "SAVEPOINT one", err) < 0)
        return err->code;
    if (operations[r->call->verb].run(db, r->call, &r->err) < 0) {
        ps_sql_reset_all(db);
        if (sqlite3_get_autocommit(db->handle)) {
            *err = r->err;
            return err->code;
        }
        if (ps_sql_exec(db, "ROLLBACK TO one", err) < 0)
            return err->code;
    }
    ps_sql_reset_all(db);
    return ps_sql_exec(db, "RELEASE one", err);
}

/* What is written to a file without a name is gone with the process. */
static int check_in_place(const struct ps_sqlite *db, struct ps_error *err)
{
    int moved = 0;

    if (sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_HAS_MOVED,
                             &moved) == SQLITE_OK &&
        moved)
        return ps_fail(err, PS_EIO,
                       "queue '%s' was moved or removed while it was in use; "
                       "put it back, or start again with a new one",
                       db->path);
    return PS_OK;
}

/* Negative: nothing of the group happened. */
static int run_transaction(struct ps_sqlite *db, struct request **group,
                           size_t count, struct ps_error *err)
{
    bool writes = false;

    for (size_t i = 0; i < count; i++)
        writes = writes || operations[group[i]->call->verb].writes;
    if (check_in_place(db, err) < 0)
        return err->code;
    if (ps_sql_exec(db, writes ? "BEGIN IMMEDIATE" : "BEGIN", err) < 0)
        return err->code;
    for (size_t i = 0; i < count; i++) {
        if (run_one(db, group[i], err) < 0) {
            roll_back(db);
            return err->code;
        }
    }
    if (ps_sql_exec(db, "COMMIT", err) < 0) {
        roll_back(db);
        return err->code;
    }
    return PS_OK;
}

static void run_group(struct ps_sqlite *db, struct request **group,
                      size_t count)
{
    struct ps_error err = PS_ERROR_INIT;

    if (run_transaction(db, group, count, &err) == PS_OK)
        return;
    if (count == 1 || err.code == PS_EBUSY || err.code == PS_EIO) {
        fail_all(group, count, &err);
        return;
    }
    /* One call took the others' transaction down: each by itself, then. */
    for (size_t i = 0; i < count; i++) {
        err = PS_ERROR_INIT;
        if (run_transaction(db, &group[i], 1, &err) < 0)
            group[i]->err = err;
    }
}

/* Holds the lock. */
static size_t take_group(struct engine *e, struct request **group)
{
    size_t count = 0;

    while (e->first && count < MAX_GROUP) {
        group[count++] = e->first;
        e->first = e->first->next;
    }
    if (!e->first)
        e->last = &e->first;
    return count;
}

static void *serve(void *user)
{
    struct engine *e = user;
    struct request *group[MAX_GROUP];

    (void)pthread_mutex_lock(&e->lock);
    for (;;) {
        size_t count = 0;

        while (!e->first && !e->closing)
            (void)pthread_cond_wait(&e->work, &e->lock);
        count = take_group(e, group);
        if (count == 0)
            break;
        (void)pthread_mutex_unlock(&e->lock);
        run_group(&e->db, group, count);
        (void)pthread_mutex_lock(&e->lock);
        for (size_t i = 0; i < count; i++) {
            group[i]->done = true;
            (void)pthread_cond_signal(&group[i]->wake);
        }
    }
    (void)pthread_mutex_unlock(&e->lock);
    return NULL;
}

/* Signals are for the program's own threads. */
static int start_thread(struct engine *e)
{
    sigset_t all;
    sigset_t old;
    int rc = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&e->thread, NULL, serve, e);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

static void engine_free(struct engine *e)
{
    ps_sqlite_close(&e->db);
    free(e->db.path);
    (void)pthread_cond_destroy(&e->work);
    (void)pthread_mutex_destroy(&e->lock);
    free(e);
}

static int engine_open(const struct ps_queue_settings *settings,
                       const char *where, void **self, struct ps_error *err)
{
    struct engine *e = NULL;
    int rc = 0;

    if (where[0] == '\0' || where[strlen(where) - 1] == '/')
        return ps_fail(err, PS_EINVALID,
                       "queue location 'sqlite:%s' names no file", where);
    e = ps_calloc(1, sizeof(*e));
    e->last = &e->first;
    e->db.settings = settings;
    /* Also keeps SQLite's special names (":memory:") from being special. */
    e->db.path = ps_format("%s%s", where[0] == '/' ? "" : "./", where);
    (void)pthread_mutex_init(&e->lock, NULL);
    (void)pthread_cond_init(&e->work, NULL);
    if (ps_sqlite_open(&e->db, err) < 0) {
        engine_free(e);
        return err->code;
    }
    rc = start_thread(e);
    if (rc != 0) {
        engine_free(e);
        return ps_fail_errno(err, rc, "start the queue's thread");
    }
    *self = e;
    return PS_OK;
}

static int engine_run(void *self, const struct ps_queue_call *call,
                      struct ps_error *err)
{
    struct engine *e = self;
    struct request r = { .call = call };

    (void)pthread_cond_init(&r.wake, NULL);
    (void)pthread_mutex_lock(&e->lock);
    *e->last = &r;
    e->last = &r.next;
    (void)pthread_cond_signal(&e->work);
    while (!r.done)
        (void)pthread_cond_wait(&r.wake, &e->lock);
    (void)pthread_mutex_unlock(&e->lock);
    (void)pthread_cond_destroy(&r.wake);

    if (r.err.code < 0)
        *err = r.err;
    return r.err.code;
}

static void engine_close(void *self)
{
    struct engine *e = self;

    (void)pthread_mutex_lock(&e->lock);
    e->closing = true;
    (void)pthread_cond_signal(&e->work);
    (void)pthread_mutex_unlock(&e->lock);
    (void)pthread_join(e->thread, NULL);
    engine_free(e);
}

const struct ps_queue_engine ps_queue_sqlite = {
    .scheme = "sqlite",
    .open = engine_open,
    .run = engine_run,
    .close = engine_close,
};
