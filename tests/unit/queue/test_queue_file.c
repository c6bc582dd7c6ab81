/*
 * What is particular to the SQLite engine: the file, its owner, its damage,
 * its disk, and the processes that share it.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue_fixture.h"

#define NOBODY 65534

struct place {
    char *dir;
    char *path;
    char *location;
    struct ps_arena arena;
    struct ps_error err;
};

static int place_setup(void **state)
{
    struct place *p = ps_calloc(1, sizeof(*p));

    p->dir = test_make_dir();
    p->path = ps_format("%s/queue.db", p->dir);
    p->location = ps_format("sqlite:%s", p->path);
    *state = p;
    return 0;
}

static int place_teardown(void **state)
{
    struct place *p = *state;

    ps_arena_release(&p->arena);
    test_remove_dir(p->dir);
    free(p->path);
    free(p->location);
    free(p);
    return 0;
}

static int try_open(const char *location, struct ps_queue **out,
                    struct ps_error *err)
{
    struct ps_queue_options options = { .location = location,
                                        .worker = "worker" };

    *err = PS_ERROR_INIT;
    *out = NULL;
    return ps_queue_open(&options, out, err);
}

static void assert_refused(struct place *p, int code, const char *text)
{
    struct ps_queue *q = NULL;

    assert_code(code, try_open(p->location, &q, &p->err), &p->err);
    assert_null(q);
    assert_non_null(strstr(p->err.text, p->path));
    if (!strstr(p->err.text, text))
        fail_msg("no '%s' in: %s", text, p->err.text);
}

static int enqueue_text(struct ps_queue *q, struct ps_arena *arena,
                        const char *name, const char *spec,
                        struct ps_error *err)
{
    struct ps_enqueue what = { .key = key_of(name),
                               .request = name,
                               .spec = spec };
    struct ps_enqueued out;

    return ps_queue_enqueue(q, arena, &what, &out, err);
}

static void enqueue_one(struct place *p, struct ps_queue *q, const char *name)
{
    assert_ok(enqueue_text(q, &p->arena, name, "{}", &p->err), &p->err);
}

static sqlite3 *raw_open(const char *path)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

static void raw(sqlite3 *db, const char *sql)
{
    char *why = NULL;

    if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", sql, why);
}

static void assert_mode(const char *path, const char *suffix, mode_t mode)
{
    PS_AUTO_FREE char *full = ps_format("%s%s", path, suffix);
    struct stat st;

    assert_int_equal(stat(full, &st), 0);
    assert_int_equal(st.st_mode & 07777, mode);
}

static void the_file_and_new_directories_are_private(void **state)
{
    struct place *p = *state;
    PS_AUTO_FREE char *location =
        ps_format("sqlite:%s/new/deeper/queue.db", p->dir);
    struct ps_queue *q = open_queue(location, "worker");

    enqueue_one(p, q, "r1");
    assert_mode(p->dir, "/new", 0700);
    assert_mode(p->dir, "/new/deeper", 0700);
    assert_mode(p->dir, "/new/deeper/queue.db", 0600);
    assert_mode(p->dir, "/new/deeper/queue.db-wal", 0600);
    assert_mode(p->dir, "/new/deeper/queue.db-shm", 0600);
    ps_queue_close(q);
}

static void jobs_are_there_when_the_file_is_opened_again(void **state)
{
    struct place *p = *state;
    struct ps_queue *q = open_queue(p->location, "first");
    struct ps_claim c;

    enqueue_one(p, q, "r1");
    ps_queue_close(q);
    q = open_queue(p->location, "second");
    assert_ok(ps_queue_claim(q, &p->arena, NULL, 0, &c, &p->err), &p->err);
    assert_int_equal(c.job, 1);
    ps_queue_close(q);
}

static void locations_without_an_engine_or_a_file_are_refused(void **state)
{
    static const struct {
        const char *location;
        int code;
    } cases[] = {
        { "", PS_EINVALID },
        { "/var/lib/queue.db", PS_EINVALID },
        { "sqlite:", PS_EINVALID },
        { "sqlite:/tmp/", PS_EINVALID },
        { "oracle:user:secret@host", PS_EUNSUPPORTED },
    };
    struct place *p = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_queue *q = NULL;

        print_message("case: '%s'\n", cases[i].location);
        assert_code(cases[i].code, try_open(cases[i].location, &q, &p->err),
                    &p->err);
        assert_null(strstr(p->err.text, "secret"));
    }
}

static void a_file_that_is_no_database_is_named_and_kept(void **state)
{
    struct place *p = *state;
    struct ps_buf text = PS_BUF_INIT(1 << 20);
    struct ps_buf after = PS_BUF_INIT(1 << 20);

    for (int i = 0; i < 500; i++)
        ps_buf_adds(&text, "my diary, not a queue\n");
    free(test_write(p->dir, "queue.db", ps_buf_z(&text)));
    assert_refused(p, PS_EINVALID, "move the file");
    assert_ok(ps_read_file_at(AT_FDCWD, p->path, &after, &p->err), &p->err);
    assert_true(ps_str_equal(ps_buf_str(&text), ps_buf_str(&after)));
    ps_buf_release(&text);
    ps_buf_release(&after);
}

static void a_damaged_page_is_reported_not_swallowed(void **state)
{
    struct place *p = *state;
    struct ps_queue *q = open_queue(p->location, "worker");
    struct ps_job_filter all = { .limit = 1000 };
    struct ps_job *rows = NULL;
    char junk[4096];
    size_t count = 0;
    int fd = -1;

    for (int i = 0; i < 300; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "r%d", i);
        enqueue_one(p, q, name);
    }
    ps_queue_close(q);

    memset(junk, 0xa5, sizeof(junk));
    fd = open(p->path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (off_t at = 4096; at < lseek(fd, 0, SEEK_END); at += 4096)
        assert_int_equal(pwrite(fd, junk, sizeof(junk), at), sizeof(junk));
    assert_int_equal(close(fd), 0);

    if (try_open(p->location, &q, &p->err) == PS_OK)
        (void)!ps_queue_list(q, &p->arena, &all, &rows, &count, &p->err);
    assert_code(PS_EINVALID, p->err.code, &p->err);
    assert_non_null(strstr(p->err.text, p->path));
    assert_non_null(strstr(p->err.text, "away"));
    ps_queue_close(q);
}

static void a_database_of_another_program_is_left_alone(void **state)
{
    struct place *p = *state;
    struct ps_buf before = PS_BUF_INIT(1 << 20);
    struct ps_buf after = PS_BUF_INIT(1 << 20);
    sqlite3 *db = raw_open(p->path);

    raw(db, "CREATE TABLE song(title); INSERT INTO song VALUES('x')");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_ok(ps_read_file_at(AT_FDCWD, p->path, &before, &p->err), &p->err);
    assert_refused(p, PS_EINVALID, "another program");
    assert_ok(ps_read_file_at(AT_FDCWD, p->path, &after, &p->err), &p->err);
    assert_true(ps_str_equal(ps_buf_str(&before), ps_buf_str(&after)));
    ps_buf_release(&before);
    ps_buf_release(&after);
}

static void a_newer_schema_asks_for_the_newer_program(void **state)
{
    struct place *p = *state;
    sqlite3 *db = NULL;

    ps_queue_close(open_queue(p->location, "worker"));
    db = raw_open(p->path);
    raw(db, "PRAGMA user_version=99");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_refused(p, PS_EUNSUPPORTED, "schema 99");
}

static void what_is_not_a_regular_file_is_refused(void **state)
{
    struct place *p = *state;

    assert_int_equal(mkfifo(p->path, 0600), 0);
    assert_refused(p, PS_EINVALID, "not a regular file");
    assert_int_equal(unlink(p->path), 0);
    assert_int_equal(mkdir(p->path, 0700), 0);
    assert_refused(p, PS_EINVALID, "not a regular file");
}

/* SQLite's special names are none here. */
static void a_relative_path_is_a_file_whatever_its_name(void **state)
{
    struct place *p = *state;
    PS_AUTO_FREE char *made = ps_format("%s/:memory:", p->dir);
    int back = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_true(back >= 0);
    assert_int_equal(chdir(p->dir), 0);
    ps_queue_close(open_queue("sqlite::memory:", "worker"));
    assert_int_equal(fchdir(back), 0);
    assert_int_equal(close(back), 0);
    assert_int_equal(access(made, F_OK), 0);
}

/* Runs `body` in a child; its result is the child's exit status. */
static int in_child(int (*body)(struct place *p), struct place *p)
{
    int status = 0;
    pid_t pid = 0;

    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(body(p));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int expect_code(int want, int got, const struct ps_error *err)
{
    if (got == want)
        return 0;
    (void)fprintf(stderr, "expected %s, got %s: %s\n", ps_code_name(want),
                  ps_code_name(got), err->text);
    return 1;
}

static int open_as_nobody(struct place *p)
{
    struct ps_queue *q = NULL;

    if (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return 2;
    return expect_code(PS_EDENIED, try_open(p->location, &q, &p->err), &p->err);
}

static void a_directory_without_write_permission_is_denied(void **state)
{
    struct place *p = *state;

    assert_int_equal(chmod(p->dir, 0555), 0);
    assert_int_equal(in_child(open_as_nobody, p), 0);
    assert_int_equal(chmod(p->dir, 0755), 0);
}

static void a_file_that_may_only_be_read_is_denied(void **state)
{
    struct place *p = *state;

    ps_queue_close(open_queue(p->location, "worker"));
    assert_int_equal(chmod(p->dir, 0755), 0);
    assert_int_equal(chmod(p->path, 0444), 0);
    assert_int_equal(in_child(open_as_nobody, p), 0);
    assert_int_equal(chmod(p->path, 0000), 0);
    assert_int_equal(in_child(open_as_nobody, p), 0);
}

#define CANNOT_MOUNT 77

static bool write_proc(const char *path, const char *text)
{
    size_t len = strlen(text);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;

    if (fd >= 0)
        (void)close(fd);
    return ok;
}

/* An ordinary user becomes root of a namespace of its own. */
static bool become_root(void)
{
    PS_AUTO_FREE char *uid = ps_format("0 %u 1", geteuid());
    PS_AUTO_FREE char *gid = ps_format("0 %u 1", getegid());

    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
           write_proc("/proc/self/setgroups", "deny") &&
           write_proc("/proc/self/uid_map", uid) &&
           write_proc("/proc/self/gid_map", gid);
}

/* A file system of that size on p->dir, seen by this process only. */
static bool mount_small(struct place *p, const char *options)
{
    if (geteuid() == 0 ? unshare(CLONE_NEWNS) < 0 : !become_root())
        return false;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", p->dir, "tmpfs", 0, options) == 0;
}

/* Fills the disk by jobs, frees it, and finds every acknowledged job. */
static int fill_and_recover(struct place *p)
{
    struct ps_queue *q = NULL;
    char spec[8192];
    size_t acknowledged = 0;
    size_t count = 0;
    struct ps_job_filter all = { .limit = 10000 };
    struct ps_job *rows = NULL;

    if (!mount_small(p, "size=1m"))
        return CANNOT_MOUNT;
    memset(spec, 'x', sizeof(spec));
    spec[sizeof(spec) - 1] = '\0';
    if (try_open(p->location, &q, &p->err) < 0)
        return expect_code(PS_OK, p->err.code, &p->err);
    while (p->err.code == PS_OK && acknowledged < 1000) {
        char name[32];

        (void)snprintf(name, sizeof(name), "r%zu", acknowledged);
        if (enqueue_text(q, &p->arena, name, spec, &p->err) == PS_OK)
            acknowledged++;
    }
    if (expect_code(PS_ENOSPACE, p->err.code, &p->err) ||
        !strstr(p->err.text, "no space left") || acknowledged == 0)
        return 1;

    if (mount("tmpfs", p->dir, "tmpfs", MS_REMOUNT, "size=16m") < 0)
        return CANNOT_MOUNT;
    p->err = PS_ERROR_INIT;
    if (enqueue_text(q, &p->arena, "after", spec, &p->err) < 0 ||
        ps_queue_list(q, &p->arena, &all, &rows, &count, &p->err) < 0)
        return expect_code(PS_OK, p->err.code, &p->err);
    ps_queue_close(q);
    return count == acknowledged + 1 ? 0 : 1;
}

static void a_full_disk_is_told_and_recovered_from(void **state)
{
    int status = in_child(fill_and_recover, *state);

    if (status == CANNOT_MOUNT)
        skip();
    assert_int_equal(status, 0);
}

static int open_on_full(struct place *p)
{
    struct ps_queue *q = NULL;

    if (!mount_small(p, "size=16k"))
        return CANNOT_MOUNT;
    return expect_code(PS_ENOSPACE, try_open(p->location, &q, &p->err),
                       &p->err);
}

static void a_disk_too_full_for_a_queue_is_told(void **state)
{
    int status = in_child(open_on_full, *state);

    if (status == CANNOT_MOUNT)
        skip();
    assert_int_equal(status, 0);
}

static void a_file_locked_for_long_is_busy_and_then_works(void **state)
{
    struct place *p = *state;
    struct ps_queue *q = open_queue(p->location, "worker");
    sqlite3 *db = raw_open(p->path);

    ps_queue_set_busy_ms(q, 100);
    raw(db, "BEGIN IMMEDIATE");
    assert_code(PS_EBUSY, enqueue_text(q, &p->arena, "r1", "{}", &p->err),
                &p->err);
    assert_non_null(strstr(p->err.text, "locked by another process"));
    raw(db, "ROLLBACK");
    p->err = PS_ERROR_INIT;
    enqueue_one(p, q, "r1");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    ps_queue_close(q);
}

static void a_file_that_is_moved_away_takes_no_more_jobs(void **state)
{
    struct place *p = *state;
    struct ps_queue *q = open_queue(p->location, "worker");
    PS_AUTO_FREE char *away = ps_format("%s/away.db", p->dir);

    enqueue_one(p, q, "r1");
    assert_int_equal(rename(p->path, away), 0);
    assert_code(PS_EIO, enqueue_text(q, &p->arena, "r2", "{}", &p->err),
                &p->err);
    assert_non_null(strstr(p->err.text, "moved or removed"));
    assert_int_equal(rename(away, p->path), 0);
    p->err = PS_ERROR_INIT;
    enqueue_one(p, q, "r2");
    ps_queue_close(q);
}

/* Only one row can be there first; here it comes from elsewhere. */
static void the_first_writer_of_an_artifact_wins(void **state)
{
    struct place *p = *state;
    struct ps_queue *q = open_queue(p->location, "worker");
    struct ps_artifact late = artifact_of("late");
    struct ps_artifact final;
    struct ps_claim c;
    sqlite3 *db = NULL;

    enqueue_one(p, q, "k");
    assert_ok(ps_queue_claim(q, &p->arena, NULL, 0, &c, &p->err), &p->err);
    db = raw_open(p->path);
    raw(db, "INSERT INTO artifact SELECT key, zeroblob(32), 5, 'early', 1"
            " FROM job");
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_ok(
        ps_queue_complete(q, &p->arena, c.job, c.epoch, &late, &final, &p->err),
        &p->err);
    assert_string_equal(final.name, "early");
    assert_int_equal(final.size, 5);
    ps_queue_close(q);
}

struct caller {
    struct ps_queue *q;
    char name[16];
    int code;
};

static void *call_enqueue(void *user)
{
    struct caller *c = user;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_arena arena = PS_ARENA_INIT;

    c->code = enqueue_text(c->q, &arena, c->name, "{}", &err);
    ps_arena_release(&arena);
    return NULL;
}

static void *call_close(void *user)
{
    ps_queue_close(user);
    return NULL;
}

static void calls_in_flight_finish_before_the_close(void **state)
{
    struct place *p = *state;
    struct ps_queue *q = open_queue(p->location, "worker");
    sqlite3 *db = raw_open(p->path);
    struct caller callers[100];
    pthread_t threads[100];
    pthread_t closer;
    struct ps_job_filter all = { .limit = 1000 };
    struct ps_job *rows = NULL;
    size_t count = 0;

    raw(db, "BEGIN IMMEDIATE"); /* nobody gets done before the close */
    for (int i = 0; i < 100; i++) {
        callers[i] = (struct caller){ .q = q, .code = 1 };
        (void)snprintf(callers[i].name, sizeof(callers[i].name), "r%d", i);
        assert_int_equal(
            pthread_create(&threads[i], NULL, call_enqueue, &callers[i]), 0);
    }
    while (ps_queue_callers(q) < 100)
        usleep(1000);
    assert_int_equal(pthread_create(&closer, NULL, call_close, q), 0);
    usleep(20000);
    raw(db, "ROLLBACK");
    assert_int_equal(pthread_join(closer, NULL), 0);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(callers[i].code, PS_OK);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);

    q = open_queue(p->location, "later");
    assert_ok(ps_queue_list(q, &p->arena, &all, &rows, &count, &p->err),
              &p->err);
    assert_int_equal(count, 100);
    ps_queue_close(q);
}

/* Waits for the pipe to close, so that all children start together. */
static int open_and_enqueue(const char *location, int gate, int n)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_arena arena = PS_ARENA_INIT;
    struct ps_queue *q = NULL;
    char name[16];
    char byte = 0;

    (void)!read(gate, &byte, 1);
    (void)snprintf(name, sizeof(name), "r%d", n);
    if (try_open(location, &q, &err) < 0 ||
        enqueue_text(q, &arena, name, "{}", &err) < 0)
        return expect_code(PS_OK, err.code, &err);
    ps_queue_close(q);
    ps_arena_release(&arena);
    return 0;
}

static void processes_that_open_a_fresh_file_at_once_all_work(void **state)
{
    struct place *p = *state;

    for (int round = 0; round < 20; round++) {
        PS_AUTO_FREE char *location =
            ps_format("sqlite:%s/%d/queue.db", p->dir, round);
        struct ps_queue *q = NULL;
        struct ps_job *rows = NULL;
        size_t count = 0;
        pid_t pids[6];
        int gate[2];

        assert_ok(ps_pipe(gate, &p->err), &p->err);
        for (int i = 0; i < 6; i++) {
            (void)fflush(NULL);
            pids[i] = fork();
            assert_true(pids[i] >= 0);
            if (pids[i] == 0) {
                (void)close(gate[1]);
                _exit(open_and_enqueue(location, gate[0], i));
            }
        }
        (void)close(gate[0]);
        (void)close(gate[1]);
        for (int i = 0; i < 6; i++) {
            int status = 1;

            assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
            assert_int_equal(status, 0);
        }
        q = open_queue(location, "after");
        assert_ok(ps_queue_list(q, &p->arena, NULL, &rows, &count, &p->err),
                  &p->err);
        assert_int_equal(count, 6);
        ps_queue_close(q);
    }
}

static int claim_and_die(struct place *p)
{
    PS_AUTO_FREE char *name = ps_queue_worker_name(1);
    struct ps_queue *q = open_queue(p->location, name);
    struct ps_claim c;

    if (ps_queue_claim(q, &p->arena, NULL, 0, &c, &p->err) < 0 || c.job == 0)
        return 1;
    (void)raise(SIGKILL);
    return 1;
}

static void jobs_of_a_killed_process_are_taken_at_once(void **state)
{
    struct place *p = *state;
    struct ps_queue *q = open_queue(p->location, "elsewhere/boot/1/1/0");
    struct ps_job row;
    siginfo_t info;
    size_t reaped = 9;
    pid_t pid = 0;

    enqueue_one(p, q, "r1");
    ps_queue_close(q);
    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(claim_and_die(p));
    /* Dead, but not yet collected: a zombie still has an entry in /proc. */
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(info.si_code, CLD_KILLED);

    q = open_queue(p->location, "elsewhere/boot/1/1/0");
    assert_ok(ps_queue_reap(q, &reaped, &p->err), &p->err);
    assert_int_equal(reaped, 1);
    assert_ok(ps_queue_get(q, &p->arena, 1, &row, &p->err), &p->err);
    assert_int_equal(row.state, PS_JOB_DELAYED);
    assert_int_equal(row.lost, 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    ps_queue_close(q);
}

static void jobs_of_living_and_of_foreign_workers_keep_their_lease(void **state)
{
    struct place *p = *state;
    PS_AUTO_FREE char *name = ps_queue_worker_name(1);
    struct ps_queue *own = open_queue(p->location, name);
    struct ps_queue *other = open_queue(p->location, "elsewhere/boot/1/1/0");
    struct ps_claim c;
    size_t reaped = 9;

    enqueue_one(p, own, "r1");
    enqueue_one(p, own, "r2");
    assert_ok(ps_queue_claim(own, &p->arena, NULL, 0, &c, &p->err), &p->err);
    assert_ok(ps_queue_claim(other, &p->arena, NULL, 0, &c, &p->err), &p->err);
    assert_int_not_equal(c.job, 0);
    assert_ok(ps_queue_reap(other, &reaped, &p->err), &p->err);
    assert_int_equal(reaped, 0);
    ps_queue_shift_clock(other, LEASE_MS + 1000);
    assert_ok(ps_queue_reap(other, &reaped, &p->err), &p->err);
    assert_int_equal(reaped, 2);
    ps_queue_close(own);
    ps_queue_close(other);
}

static void only_a_name_that_proves_it_is_dead(void **state)
{
    PS_AUTO_FREE char *own = ps_queue_worker_name(3);
    PS_AUTO_FREE char *reused = ps_strdup(own);
    char *start = NULL;

    (void)state;
    assert_false(ps_queue_worker_is_dead(NULL));
    assert_false(ps_queue_worker_is_dead(""));
    assert_false(ps_queue_worker_is_dead("worker"));
    assert_false(ps_queue_worker_is_dead("host/boot/1/2/3"));
    assert_false(ps_queue_worker_is_dead(own));
    assert_non_null(strstr(own, "/3"));

    /* The same pid with another start time is another process. */
    *strrchr(reused, '/') = '\0';
    start = strrchr(reused, '/') + 1;
    assert_true(*start >= '1' && *start <= '9');
    *start = *start == '9' ? '8' : '9';
    assert_true(ps_queue_worker_is_dead(reused));
    *start = '\0';
    assert_false(ps_queue_worker_is_dead(reused)); /* no start time */
}

#define P(name) \
    cmocka_unit_test_setup_teardown(name, place_setup, place_teardown)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        P(the_file_and_new_directories_are_private),
        P(jobs_are_there_when_the_file_is_opened_again),
        P(locations_without_an_engine_or_a_file_are_refused),
        P(a_file_that_is_no_database_is_named_and_kept),
        P(a_damaged_page_is_reported_not_swallowed),
        P(a_database_of_another_program_is_left_alone),
        P(a_newer_schema_asks_for_the_newer_program),
        P(what_is_not_a_regular_file_is_refused),
        P(a_relative_path_is_a_file_whatever_its_name),
        P(a_directory_without_write_permission_is_denied),
        P(a_file_that_may_only_be_read_is_denied),
        P(a_full_disk_is_told_and_recovered_from),
        P(a_disk_too_full_for_a_queue_is_told),
        P(a_file_locked_for_long_is_busy_and_then_works),
        P(a_file_that_is_moved_away_takes_no_more_jobs),
        P(the_first_writer_of_an_artifact_wins),
        P(calls_in_flight_finish_before_the_close),
        P(processes_that_open_a_fresh_file_at_once_all_work),
        P(jobs_of_a_killed_process_are_taken_at_once),
        P(jobs_of_living_and_of_foreign_workers_keep_their_lease),
        P(only_a_name_that_proves_it_is_dead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
