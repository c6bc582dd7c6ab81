/*
 * Several processes work on one queue, crash at random (SIGKILL), sleep
 * through their leases, cancel, repeat requests.  Every acknowledged step is
 * appended to a journal, from which the invariants are checked afterwards:
 *
 *   - never two live jobs of one key;
 *   - no (job, epoch) is given to two claimants, and epochs only grow;
 *   - a job is completed at most once, by the claimant of its last epoch;
 *   - everybody who was told of a key's artifact was told the same;
 *   - no job that was acknowledged is lost: each comes to an end.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pkgsync/clock.h"
#include "queue_fixture.h"

#define WORKERS 4
#define RUN_MS 6000
#define KEYS 4000
#define SHORT_LEASE_MS 150
#define SEED_STEP 7919

struct player {
    struct ps_queue *q;
    struct ps_arena arena;
    int journal;
    unsigned seed;
    unsigned requests;
};

static unsigned roll(struct player *p, unsigned sides)
{
    return (unsigned)rand_r(&p->seed) % sides;
}

static void perhaps_crash(struct player *p)
{
    if (roll(p, 200) == 0)
        (void)raise(SIGKILL);
}

static void PS_PRINTF(2, 3) note(struct player *p, const char *fmt, ...)
{
    char line[256];
    int len = 0;
    va_list ap;

    va_start(ap, fmt);
    len = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (write(p->journal, line, (size_t)len) != len)
        abort();
}

/* What no disturbance excuses ends the process with a core's signal. */
static void must(int code, const struct ps_error *err)
{
    if (code == PS_OK)
        return;
    (void)fprintf(stderr, "%s: %s\n", ps_code_name(code), err->text);
    abort();
}

static bool lost_or_ok(int code, const struct ps_error *err)
{
    if (code != PS_ELOST)
        must(code, err);
    return code == PS_OK;
}

static struct ps_sha256 key_number(unsigned n)
{
    return ps_sha256_of(&n, sizeof(n));
}

static void note_artifact(struct player *p, unsigned key,
                          const struct ps_artifact *a)
{
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&a->sha256, hex);
    note(p, "A %u 0 %s\n", key, hex);
}

static void play_enqueue(struct player *p)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_enqueue what = { .tenant = roll(p, 2) ? "one" : "two",
                               .priority = roll(p, 3) };
    /* One in five says again what it said some time ago. */
    bool again = p->requests > 0 && roll(p, 5) == 0;
    unsigned n = again ? roll(p, p->requests) : p->requests++;
    unsigned mix[2] = { (unsigned)getpid(), n };
    struct ps_sha256 hash = ps_sha256_of(mix, sizeof(mix));
    unsigned key = (hash.bytes[0] * 256U + hash.bytes[1]) % KEYS;
    struct ps_enqueued out;
    char request[64];
    char spec[32];

    (void)snprintf(request, sizeof(request), "%d-%u", getpid(), n);
    (void)snprintf(spec, sizeof(spec), "%u", key);
    what.key = key_number(key);
    what.request = request;
    what.spec = spec;
    must(ps_queue_enqueue(p->q, &p->arena, &what, &out, &err), &err);
    if (out.hit)
        note_artifact(p, key, &out.artifact);
    else
        note(p, "E %lld %u\n", (long long)out.job, key);
}

static void play_cancel(struct player *p)
{
    struct ps_error err = PS_ERROR_INIT;
    char request[64];
    int code = 0;

    if (p->requests == 0)
        return;
    (void)snprintf(request, sizeof(request), "%d-%u", getpid(),
                   roll(p, p->requests));
    code = ps_queue_cancel_request(p->q, request, &err);
    if (code != PS_ENOTFOUND) /* hits leave no request behind */
        must(code, &err);
}

static void play_complete(struct player *p, const struct ps_claim *c)
{
    struct ps_error err = PS_ERROR_INIT;
    unsigned noise[2] = { p->seed, (unsigned)getpid() };
    struct ps_artifact a = { .sha256 = ps_sha256_of(noise, sizeof(noise)),
                             .size = 1,
                             .name = (char *)"w.whl" };
    struct ps_artifact final;
    unsigned key = (unsigned)strtoul(c->spec, NULL, 10);

    if (c->has_built)
        a = c->built;
    else if (!lost_or_ok(ps_queue_built(p->q, c->job, c->epoch, &a, &err),
                         &err))
        return;
    perhaps_crash(p);
    if (!lost_or_ok(ps_queue_complete(p->q, &p->arena, c->job, c->epoch, &a,
                                      &final, &err),
                    &err))
        return;
    note(p, "D %lld %lld\n", (long long)c->job, (long long)c->epoch);
    note_artifact(p, key, &final);
}

static void play_end(struct player *p, const struct ps_claim *c)
{
    struct ps_error err = PS_ERROR_INIT;
    enum ps_job_state now = PS_JOB_READY;
    int code = roll(p, 4) == 0 ? PS_EBUILD : PS_EUNREACHABLE;

    switch (roll(p, 8)) {
    case 0:
        (void)lost_or_ok(
            ps_queue_fail(p->q, c->job, c->epoch, code, "{}", &now, &err),
            &err);
        break;
    case 1:
        (void)lost_or_ok(ps_queue_release(p->q, c->job, c->epoch, &err), &err);
        break;
    default:
        play_complete(p, c);
    }
}

static void play_claim(struct player *p)
{
    struct ps_error err = PS_ERROR_INIT;
    enum ps_job_state now = PS_JOB_READY;
    bool cancel = false;
    struct ps_claim c;

    must(ps_queue_claim(p->q, &p->arena, NULL, 0, &c, &err), &err);
    if (c.job == 0)
        return;
    note(p, "C %lld %lld\n", (long long)c.job, (long long)c.epoch);
    perhaps_crash(p);
    if (roll(p, 60) == 0) /* sleeps through its lease */
        usleep(SHORT_LEASE_MS * 2000);
    if (!lost_or_ok(
            ps_queue_heartbeat(p->q, c.job, c.epoch, "build", &cancel, &err),
            &err))
        return;
    if (cancel)
        (void)lost_or_ok(
            ps_queue_acknowledge_cancel(p->q, c.job, c.epoch, &now, &err),
            &err);
    else
        play_end(p, &c);
}

static void play_retry(struct player *p)
{
    struct ps_error err = PS_ERROR_INIT;
    int code = ps_queue_retry(p->q, 1 + (int64_t)roll(p, 200), &err);

    if (code != PS_ENOTFOUND && code != PS_EINVALID && code != PS_EEXISTS)
        must(code, &err);
}

static void play_look(struct player *p)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_job_filter live = { .live_only = true, .limit = KEYS };
    struct ps_job *rows = NULL;
    size_t count = 0;

    must(ps_queue_list(p->q, &p->arena, &live, &rows, &count, &err), &err);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (ps_sha256_equal(&rows[i].key, &rows[j].key))
                abort(); /* two live jobs of one key */
        }
    }
}

static struct ps_queue *open_short(const char *location, unsigned n)
{
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FREE char *name = ps_queue_worker_name(n);
    struct ps_queue_options options = { .location = location,
                                        .worker = name,
                                        .lease_ms = SHORT_LEASE_MS,
                                        .retry_base_ms = 2,
                                        .retry_cap_ms = 20 };
    struct ps_queue *q = NULL;

    must(ps_queue_open(&options, &q, &err), &err);
    return q;
}

static void play(const char *location, int journal, unsigned n, uint64_t until)
{
    struct player p = { .journal = journal, .seed = n * SEED_STEP };

    p.q = open_short(location, n);
    while (ps_boot_ms() < until) {
        struct ps_error err = PS_ERROR_INIT;
        unsigned what = roll(&p, 100);
        size_t reaped = 0;

        if (what < 35)
            play_enqueue(&p);
        else if (what < 85)
            play_claim(&p);
        else if (what < 93)
            play_cancel(&p);
        else if (what < 96)
            must(ps_queue_reap(p.q, &reaped, &err), &err);
        else if (what < 99)
            play_retry(&p);
        else
            play_look(&p);
        perhaps_crash(&p);
        ps_arena_release(&p.arena);
    }
    ps_queue_close(p.q);
}

static pid_t start_player(const char *location, int journal, unsigned n,
                          uint64_t until)
{
    pid_t pid = 0;

    (void)fflush(NULL);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        play(location, journal, n, until);
        _exit(0);
    }
    return pid;
}

/* Keeps WORKERS going; returns how many were killed. */
static unsigned run_players(const char *location, int journal)
{
    uint64_t until = ps_boot_ms() + RUN_MS;
    unsigned killed = 0;
    unsigned running = 0;
    unsigned n = 1;

    while (running < WORKERS) {
        (void)start_player(location, journal, n++, until);
        running++;
    }
    while (running > 0) {
        int status = 0;

        assert_true(waitpid(-1, &status, 0) > 0);
        running--;
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
            killed++;
        else if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("a worker ended with status %#x", (unsigned)status);
        if (ps_boot_ms() < until) {
            (void)start_player(location, journal, n++, until);
            running++;
        }
    }
    return killed;
}

/* Finish what is left, as the next process would. */
static void drain(struct player *p)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_job_filter live = { .live_only = true, .limit = 1 };
    struct ps_job *rows = NULL;
    size_t count = 1;
    uint64_t until = ps_boot_ms() + 20000;

    while (count > 0 && ps_boot_ms() < until) {
        struct ps_claim c;
        size_t reaped = 0;

        must(ps_queue_reap(p->q, &reaped, &err), &err);
        must(ps_queue_claim(p->q, &p->arena, NULL, 0, &c, &err), &err);
        if (c.job) {
            note(p, "C %lld %lld\n", (long long)c.job, (long long)c.epoch);
            p->seed++;
            play_complete(p, &c);
        } else {
            usleep(1000);
        }
        must(ps_queue_list(p->q, &p->arena, &live, &rows, &count, &err), &err);
    }
    assert_int_equal(count, 0);
}

#define MAX_JOBS 100000

struct facts {
    int64_t last_claim[MAX_JOBS]; /* epoch, in the order of the journal */
    int64_t done[MAX_JOBS];       /* epoch of the completion */
    bool acknowledged[MAX_JOBS];
    char artifact[KEYS][PS_SHA256_HEX_SIZE];
    unsigned claims;
    unsigned completions;
};

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* "<letter> <number> <number> <hex>", as note() wrote it. */
static void read_line(struct facts *f, struct ps_str line, uint64_t *claims)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_str what = { .data = NULL };
    struct ps_str field = { .data = NULL };
    uint64_t x = 0;
    uint64_t y = 0;

    (void)ps_str_cut(&line, ' ', &what);
    (void)ps_str_cut(&line, ' ', &field);
    must(ps_str_to_u64(field, MAX_JOBS - 1, &x, &err), &err);
    (void)ps_str_cut(&line, ' ', &field);
    must(ps_str_to_u64(field, INT32_MAX, &y, &err), &err);

    switch (what.data[0]) {
    case 'E':
        f->acknowledged[x] = true;
        break;
    case 'C':
        claims[f->claims++] = (x << 32) | y;
        f->last_claim[x] = PS_MAX(f->last_claim[x], (int64_t)y);
        break;
    case 'D':
        if (f->done[x])
            fail_msg("job %u was completed twice", (unsigned)x);
        f->done[x] = (int64_t)y;
        f->completions++;
        break;
    default:
        assert_int_equal(line.len, PS_SHA256_HEX_SIZE - 1);
        if (f->artifact[x][0] && !ps_str_is(line, f->artifact[x]))
            fail_msg("key %u has two artifacts", (unsigned)x);
        memcpy(f->artifact[x], line.data, line.len);
    }
}

static void read_journal(const char *path, struct facts *f)
{
    FILE *in = fopen(path, "re");
    uint64_t *claims = NULL;
    size_t lines = 0;
    char line[256];

    assert_non_null(in);
    while (fgets(line, sizeof(line), in))
        lines++;
    claims = ps_calloc(lines + 1, sizeof(*claims));
    rewind(in);
    while (fgets(line, sizeof(line), in))
        read_line(f, ps_str_trim(ps_str_from(line)), claims);
    assert_int_equal(fclose(in), 0);

    qsort(claims, f->claims, sizeof(*claims), compare_numbers);
    for (unsigned i = 1; i < f->claims; i++) {
        if (claims[i] == claims[i - 1])
            fail_msg("job %u, epoch %u was given out twice",
                     (unsigned)(claims[i] >> 32), (unsigned)claims[i]);
    }
    free(claims);
}

static void check_jobs(struct player *p, const struct facts *f)
{
    struct ps_error err = PS_ERROR_INIT;

    for (int64_t id = 1; id < MAX_JOBS; id++) {
        struct ps_job row;

        if (!f->acknowledged[id])
            continue;
        if (ps_queue_get(p->q, &p->arena, id, &row, &err) < 0)
            fail_msg("job %lld is lost: %s", (long long)id, err.text);
        if (row.state == PS_JOB_READY || row.state == PS_JOB_RUNNING ||
            row.state == PS_JOB_DELAYED)
            fail_msg("job %lld never ended", (long long)id);
        if (f->done[id] && row.state != PS_JOB_DONE)
            fail_msg("job %lld was done and is %s", (long long)id,
                     ps_job_state_name(row.state));
        if (f->done[id] && f->done[id] != f->last_claim[id])
            fail_msg("job %lld was completed by a zombie", (long long)id);
    }
}

static void nothing_is_lost_or_done_twice_by_crashing_workers(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    char *dir = test_make_dir();
    char *location = engine_under_test->fresh(dir);
    char *path = ps_format("%s/journal", dir);
    struct facts *facts = ps_calloc(1, sizeof(*facts));
    struct player p = { .journal = -1, .seed = 1 };
    struct ps_job *rows = NULL;
    size_t count = 0;
    unsigned killed = 0;

    (void)state;
    p.journal = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_true(p.journal >= 0);
    killed = run_players(location, p.journal);
    p.q = open_short(location, 0);
    drain(&p);
    read_journal(path, facts);
    check_jobs(&p, facts);
    must(ps_queue_list(p.q, &p.arena, NULL, &rows, &count, &err), &err);
    print_message("%u claims, %u completions, %u workers killed, last job "
                  "%lld\n",
                  facts->claims, facts->completions, killed,
                  (long long)rows[0].id);
    assert_true(killed > 0);
    assert_true(facts->completions > 50);

    ps_queue_close(p.q);
    ps_arena_release(&p.arena);
    assert_int_equal(close(p.journal), 0);
    free(facts);
    free(path);
    free(location);
    test_remove_dir(dir);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_or_done_twice_by_crashing_workers),
    };

    return RUN_FOR_EACH_ENGINE(tests);
}
