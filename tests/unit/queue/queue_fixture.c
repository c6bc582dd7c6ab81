#include "queue_fixture.h"

static char *fresh_sqlite(const char *dir)
{
    return ps_format("sqlite:%s/state/queue.db", dir);
}

const struct engine_case engine_cases[] = {
    { "sqlite", fresh_sqlite },
};
const size_t engine_case_count = PS_ARRAY_SIZE(engine_cases);
const struct engine_case *engine_under_test = &engine_cases[0];

struct ps_queue *open_queue(const char *location, const char *worker)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_queue *q = NULL;
    struct ps_queue_options options = { .location = location,
                                        .worker = worker,
                                        .lease_ms = LEASE_MS,
                                        .retry_base_ms = BASE_MS,
                                        .retry_cap_ms = CAP_MS };

    assert_ok(ps_queue_open(&options, &q, &err), &err);
    return q;
}

int fixture_setup(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->dir = test_make_dir();
    f->location = engine_under_test->fresh(f->dir);
    f->a = open_queue(f->location, "worker-a");
    f->b = open_queue(f->location, "worker-b");
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    ps_queue_close(f->a);
    ps_queue_close(f->b);
    ps_arena_release(&f->arena);
    test_remove_dir(f->dir);
    free(f->location);
    free(f);
    return 0;
}

struct ps_sha256 key_of(const char *name)
{
    return ps_sha256_of(name, strlen(name));
}

struct ps_artifact artifact_of(const char *content)
{
    return (struct ps_artifact){ .sha256 = key_of(content),
                                 .size = strlen(content),
                                 .name = (char *)content };
}

struct ps_enqueued add(struct fixture *f, const char *key, const char *request)
{
    struct ps_enqueue what = { .key = key_of(key),
                               .request = request,
                               .spec = "{\"schema\":1}" };
    struct ps_enqueued out;

    assert_ok(ps_queue_enqueue(f->a, &f->arena, &what, &out, &f->err), &f->err);
    return out;
}

struct ps_claim claim(struct fixture *f, struct ps_queue *q)
{
    struct ps_claim out;

    assert_ok(ps_queue_claim(q, &f->arena, NULL, 0, &out, &f->err), &f->err);
    return out;
}

struct ps_job job(struct fixture *f, int64_t id)
{
    struct ps_job out;

    assert_ok(ps_queue_get(f->a, &f->arena, id, &out, &f->err), &f->err);
    return out;
}

void complete(struct fixture *f, struct ps_queue *q, const struct ps_claim *c,
              const char *content)
{
    struct ps_artifact a = artifact_of(content);
    struct ps_artifact final;

    assert_ok(
        ps_queue_complete(q, &f->arena, c->job, c->epoch, &a, &final, &f->err),
        &f->err);
}

enum ps_job_state fail_with(struct fixture *f, struct ps_queue *q,
                            const struct ps_claim *c, int code)
{
    enum ps_job_state now = PS_JOB_READY;

    assert_ok(ps_queue_fail(q, c->job, c->epoch, code, "{\"phase\":\"build\"}",
                            &now, &f->err),
              &f->err);
    return now;
}

bool heartbeat(struct fixture *f, struct ps_queue *q, const struct ps_claim *c)
{
    bool cancel = false;

    assert_ok(
        ps_queue_heartbeat(q, c->job, c->epoch, "build", &cancel, &f->err),
        &f->err);
    return cancel;
}

size_t reap(struct fixture *f, struct ps_queue *q)
{
    size_t reaped = 0;

    assert_ok(ps_queue_reap(q, &reaped, &f->err), &f->err);
    return reaped;
}
