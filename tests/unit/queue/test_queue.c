/*
 * Conformance of queue engines: requests, artifacts, single flight.  Runs once
 * for each engine.
 */
#include <pthread.h>

#include "queue_fixture.h"

static void a_new_key_makes_a_job_and_a_second_request_joins_it(void **state)
{
    struct fixture *f = *state;
    struct ps_enqueued first = add(f, "k", "r1");
    struct ps_enqueued second = add(f, "k", "r2");
    struct ps_enqueued other = add(f, "other", "r3");

    assert_true(first.is_new);
    assert_false(first.hit);
    assert_false(second.is_new);
    assert_int_equal(second.job, first.job);
    assert_true(other.is_new);
    assert_int_not_equal(other.job, first.job);
    assert_int_equal(job(f, first.job).waiters, 2);
    assert_int_equal(claim(f, f->a).job, first.job);
    assert_int_equal(claim(f, f->b).job, other.job);
    assert_int_equal(claim(f, f->b).job, 0);
}

static void a_claim_carries_what_the_worker_needs(void **state)
{
    struct fixture *f = *state;
    struct ps_enqueued e = add(f, "k", "r1");
    struct ps_claim c = claim(f, f->a);
    struct ps_sha256 key = key_of("k");
    struct ps_job row;

    assert_int_equal(c.job, e.job);
    assert_int_equal(c.attempt, 1);
    assert_int_equal(c.epoch, 1);
    assert_true(ps_sha256_equal(&c.key, &key));
    assert_string_equal(c.spec, "{\"schema\":1}");
    assert_false(c.has_built);
    assert_null(job(f, e.job).phase);
    assert_false(heartbeat(f, f->a, &c));

    row = job(f, e.job);
    assert_int_equal(row.state, PS_JOB_RUNNING);
    assert_string_equal(row.worker, "worker-a");
    assert_string_equal(row.phase, "build");
    assert_string_equal(row.tenant, "default");
    assert_true(row.created_ms > 0 && row.started_ms >= row.created_ms);
    assert_int_equal(row.finished_ms, 0);
}

static void a_finished_key_is_a_hit_without_a_job(void **state)
{
    struct fixture *f = *state;
    struct ps_artifact want = artifact_of("wheel");
    struct ps_artifact got;
    struct ps_sha256 key = key_of("k");
    struct ps_sha256 other = key_of("other");
    struct ps_enqueued e;
    struct ps_claim c;
    bool found = false;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    complete(f, f->a, &c, "wheel");
    e = add(f, "k", "r2");
    assert_true(e.hit);
    assert_int_equal(e.job, 0);
    assert_true(ps_sha256_equal(&e.artifact.sha256, &want.sha256));
    assert_int_equal(e.artifact.size, want.size);
    assert_string_equal(e.artifact.name, "wheel");

    assert_ok(ps_queue_lookup(f->b, &f->arena, &key, &found, &got, &f->err),
              &f->err);
    assert_true(found);
    assert_string_equal(got.name, "wheel");
    assert_ok(ps_queue_lookup(f->b, &f->arena, &other, &found, &got, &f->err),
              &f->err);
    assert_false(found);
    assert_true(job(f, c.job).has_artifact);
    assert_int_equal(job(f, c.job).state, PS_JOB_DONE);
    assert_true(job(f, c.job).finished_ms > 0);
    assert_null(job(f, c.job).worker);
}

static void the_same_request_twice_gives_the_same_answer(void **state)
{
    struct fixture *f = *state;
    struct ps_enqueued first = add(f, "k", "r1");
    struct ps_enqueued again = add(f, "k", "r1");
    struct ps_claim c = claim(f, f->a);

    assert_int_equal(again.job, first.job);
    assert_false(again.is_new);
    assert_int_equal(job(f, first.job).waiters, 1);

    assert_int_equal(fail_with(f, f->a, &c, PS_EBUILD), PS_JOB_FAILED);
    again = add(f, "k", "r1");
    assert_int_equal(again.job, first.job);
    assert_state(f, first.job, PS_JOB_FAILED);
    assert_true(add(f, "k", "r2").is_new); /* somebody else tries anew */
}

static void a_request_id_belongs_to_one_key(void **state)
{
    struct fixture *f = *state;
    struct ps_enqueue what = { .key = key_of("other"),
                               .request = "r1",
                               .spec = "{}" };
    struct ps_enqueued out;

    (void)add(f, "k", "r1");
    assert_code(PS_EINVALID,
                ps_queue_enqueue(f->a, &f->arena, &what, &out, &f->err),
                &f->err);
    assert_non_null(strstr(f->err.text, "'r1'"));
}

static void completing_twice_is_refused_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct ps_artifact a = artifact_of("second");
    struct ps_artifact final;
    struct ps_claim c;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    complete(f, f->a, &c, "first");
    assert_code(
        PS_ELOST,
        ps_queue_complete(f->a, &f->arena, c.job, c.epoch, &a, &final, &f->err),
        &f->err);
    assert_string_equal(add(f, "k", "r2").artifact.name, "first");
}

struct racer {
    struct ps_queue *q;
    pthread_barrier_t *start;
    struct ps_claim claim;
    struct ps_enqueued enqueued;
    char request[32];
};

static void *race_complete(void *user)
{
    struct racer *r = user;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_arena arena = PS_ARENA_INIT;
    struct ps_artifact a = artifact_of("wheel");
    struct ps_artifact final;

    (void)pthread_barrier_wait(r->start);
    assert_ok(ps_queue_complete(r->q, &arena, r->claim.job, r->claim.epoch, &a,
                                &final, &err),
              &err);
    ps_arena_release(&arena);
    return NULL;
}

/* The request gets the artifact or joins the live job, never a second one. */
static void enqueue_against_completing_never_builds_twice(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 100; i++) {
        pthread_barrier_t start;
        pthread_t thread;
        struct racer r = { .q = f->b, .start = &start };
        struct ps_enqueued e;
        char key[32];
        char request[32];

        (void)snprintf(key, sizeof(key), "k%d", i);
        (void)snprintf(request, sizeof(request), "first-%d", i);
        (void)add(f, key, request);
        r.claim = claim(f, f->b);
        assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
        assert_int_equal(pthread_create(&thread, NULL, race_complete, &r), 0);
        (void)pthread_barrier_wait(&start);
        (void)snprintf(request, sizeof(request), "second-%d", i);
        e = add(f, key, request);
        assert_int_equal(pthread_join(thread, NULL), 0);
        (void)pthread_barrier_destroy(&start);
        assert_false(e.is_new);
        assert_true(e.hit || e.job == r.claim.job);
        assert_int_equal(claim(f, f->a).job, 0);
    }
}

static void *race_enqueue(void *user)
{
    struct racer *r = user;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_arena arena = PS_ARENA_INIT;
    struct ps_enqueue what = { .key = key_of("k"),
                               .request = r->request,
                               .spec = "{}" };

    (void)pthread_barrier_wait(r->start);
    assert_ok(ps_queue_enqueue(r->q, &arena, &what, &r->enqueued, &err), &err);
    ps_arena_release(&arena);
    return NULL;
}

static void many_requests_at_once_make_one_job(void **state)
{
    struct fixture *f = *state;
    struct racer racers[16];
    pthread_t threads[16];
    pthread_barrier_t start;
    int made = 0;

    assert_int_equal(pthread_barrier_init(&start, NULL, 16), 0);
    for (int i = 0; i < 16; i++) {
        racers[i] = (struct racer){ .q = i % 2 ? f->a : f->b, .start = &start };
        (void)snprintf(racers[i].request, sizeof(racers[i].request), "r%d", i);
        assert_int_equal(
            pthread_create(&threads[i], NULL, race_enqueue, &racers[i]), 0);
    }
    for (int i = 0; i < 16; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        made += racers[i].enqueued.is_new;
        assert_int_equal(racers[i].enqueued.job, racers[0].enqueued.job);
    }
    (void)pthread_barrier_destroy(&start);
    assert_int_equal(made, 1);
    assert_int_equal(job(f, racers[0].enqueued.job).waiters, 16);
}

static void rebuild_does_not_take_the_old_artifact(void **state)
{
    struct fixture *f = *state;
    struct ps_enqueue what = {
        .key = key_of("k"), .request = "again", .spec = "{}", .rebuild = true
    };
    struct ps_enqueued out;
    struct ps_claim c;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    complete(f, f->a, &c, "old");
    assert_ok(ps_queue_enqueue(f->a, &f->arena, &what, &out, &f->err), &f->err);
    assert_false(out.hit);
    assert_true(out.is_new);
    assert_false(add(f, "k", "r2").hit);
    assert_false(job(f, c.job).has_artifact);
    c = claim(f, f->a);
    complete(f, f->a, &c, "new");
    assert_string_equal(add(f, "k", "r3").artifact.name, "new");

    /* The same request once more is an answer lost, not another rebuild. */
    assert_ok(ps_queue_enqueue(f->a, &f->arena, &what, &out, &f->err), &f->err);
    assert_true(out.hit);
    assert_string_equal(out.artifact.name, "new");
}

static void a_forgotten_artifact_is_built_again(void **state)
{
    struct fixture *f = *state;
    struct ps_sha256 key = key_of("k");
    struct ps_claim c;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    complete(f, f->a, &c, "wheel");
    assert_ok(ps_queue_forget(f->b, &key, &f->err), &f->err);
    assert_ok(ps_queue_forget(f->b, &key, &f->err), &f->err);
    assert_true(add(f, "k", "r1").is_new);
    assert_int_not_equal(claim(f, f->a).job, c.job);
}

static void a_failing_call_does_not_undo_its_neighbours(void **state)
{
    struct fixture *f = *state;
    struct racer racers[8];
    pthread_t threads[8];
    pthread_barrier_t start;

    for (int round = 0; round < 20; round++) {
        assert_int_equal(pthread_barrier_init(&start, NULL, 9), 0);
        for (int i = 0; i < 8; i++) {
            racers[i] = (struct racer){ .q = f->a, .start = &start };
            (void)snprintf(racers[i].request, sizeof(racers[i].request),
                           "r%d-%d", round, i);
            assert_int_equal(
                pthread_create(&threads[i], NULL, race_enqueue, &racers[i]), 0);
        }
        (void)pthread_barrier_wait(&start);
        for (int i = 0; i < 8; i++)
            assert_code(PS_ELOST, ps_queue_release(f->a, 1, 99, &f->err),
                        &f->err);
        for (int i = 0; i < 8; i++)
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        (void)pthread_barrier_destroy(&start);
        assert_int_equal(job(f, racers[0].enqueued.job).waiters,
                         (round + 1) * 8);
    }
}

static void what_cannot_be_a_job_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ps_artifact nameless = { .size = 1 };
    struct ps_enqueue what = { .key = key_of("k"), .spec = "{}" };
    struct ps_enqueued out;

    assert_code(PS_EINVALID,
                ps_queue_enqueue(f->a, &f->arena, &what, &out, &f->err),
                &f->err);
    what.request = "r1";
    what.spec = NULL;
    assert_code(PS_EINVALID,
                ps_queue_enqueue(f->a, &f->arena, &what, &out, &f->err),
                &f->err);
    assert_code(PS_EINVALID, ps_queue_built(f->a, 1, 1, &nameless, &f->err),
                &f->err);
}

static const struct CMUnitTest tests[] = {
    T(a_new_key_makes_a_job_and_a_second_request_joins_it),
    T(a_claim_carries_what_the_worker_needs),
    T(a_finished_key_is_a_hit_without_a_job),
    T(the_same_request_twice_gives_the_same_answer),
    T(a_request_id_belongs_to_one_key),
    T(completing_twice_is_refused_and_changes_nothing),
    T(enqueue_against_completing_never_builds_twice),
    T(many_requests_at_once_make_one_job),
    T(rebuild_does_not_take_the_old_artifact),
    T(a_forgotten_artifact_is_built_again),
    T(a_failing_call_does_not_undo_its_neighbours),
    T(what_cannot_be_a_job_is_refused),
};

int main(void)
{
    return RUN_FOR_EACH_ENGINE(tests);
}
