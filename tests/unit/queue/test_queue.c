/*
 * The conformance suite of queue engines: what the interface promises, and
 * every race that was seen to break it.  Runs once for each engine.
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

/* The epoch fence: whoever lost the lease changes nothing any more. */
static void a_zombie_is_refused_everything(void **state)
{
    struct fixture *f = *state;
    struct ps_artifact a = artifact_of("zombie");
    struct ps_artifact final;
    enum ps_job_state now = PS_JOB_READY;
    struct ps_claim old;
    struct ps_claim new;
    bool cancel = false;

    (void)add(f, "k", "r1");
    old = claim(f, f->a);
    ps_queue_shift_clock(f->b, LEASE_MS + 1000);
    assert_int_equal(reap(f, f->b), 1);
    ps_queue_shift_clock(f->b, LEASE_MS + 1000 + BASE_MS + 1000);
    new = claim(f, f->b);
    assert_int_equal(new.job, old.job);
    assert_true(new.epoch > old.epoch);

    assert_code(
        PS_ELOST,
        ps_queue_heartbeat(f->a, old.job, old.epoch, "x", &cancel, &f->err),
        &f->err);
    assert_code(PS_ELOST, ps_queue_built(f->a, old.job, old.epoch, &a, &f->err),
                &f->err);
    assert_code(PS_ELOST,
                ps_queue_complete(f->a, &f->arena, old.job, old.epoch, &a,
                                  &final, &f->err),
                &f->err);
    assert_code(
        PS_ELOST,
        ps_queue_fail(f->a, old.job, old.epoch, PS_EBUILD, NULL, &now, &f->err),
        &f->err);
    assert_code(
        PS_ELOST,
        ps_queue_acknowledge_cancel(f->a, old.job, old.epoch, &now, &f->err),
        &f->err);
    assert_code(PS_ELOST, ps_queue_release(f->a, old.job, old.epoch, &f->err),
                &f->err);

    assert_state(f, new.job, PS_JOB_RUNNING);
    assert_false(heartbeat(f, f->b, &new));
    complete(f, f->b, &new, "good");
    assert_string_equal(add(f, "k", "r2").artifact.name, "good");
}

/* ... also between the reaping and the next claim. */
static void a_reaped_job_is_fenced_before_anyone_claims_it(void **state)
{
    struct fixture *f = *state;
    struct ps_artifact a = artifact_of("zombie");
    struct ps_artifact final;
    struct ps_claim c;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    ps_queue_shift_clock(f->b, LEASE_MS + 1000);
    assert_int_equal(reap(f, f->b), 1);
    assert_code(
        PS_ELOST,
        ps_queue_complete(f->a, &f->arena, c.job, c.epoch, &a, &final, &f->err),
        &f->err);
    assert_state(f, c.job, PS_JOB_DELAYED);
    assert_string_equal(job(f, c.job).error_class, "lost");
    assert_non_null(strstr(job(f, c.job).error, "worker-a"));
}

static void a_heartbeat_keeps_the_lease(void **state)
{
    struct fixture *f = *state;
    struct ps_claim c;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    for (int i = 1; i <= 5; i++) {
        ps_queue_shift_clock(f->a, (int64_t)i * (LEASE_MS - 10000));
        ps_queue_shift_clock(f->b, (int64_t)i * (LEASE_MS - 10000));
        assert_false(heartbeat(f, f->a, &c));
        assert_int_equal(reap(f, f->b), 0);
    }
}

static void a_crash_after_built_hands_the_wheel_on(void **state)
{
    struct fixture *f = *state;
    struct ps_artifact a = artifact_of("wheel");
    struct ps_claim c;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    assert_ok(ps_queue_built(f->a, c.job, c.epoch, &a, &f->err), &f->err);
    assert_string_equal(job(f, c.job).phase, "upload");
    ps_queue_shift_clock(f->b, LEASE_MS + 1000);
    assert_int_equal(reap(f, f->b), 1);
    ps_queue_shift_clock(f->b, LEASE_MS + 1000 + BASE_MS + 1000);
    c = claim(f, f->b);
    assert_true(c.has_built);
    assert_true(ps_sha256_equal(&c.built.sha256, &a.sha256));
    assert_int_equal(c.built.size, a.size);
    assert_string_equal(c.built.name, "wheel");
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

static void the_last_waiter_to_go_cancels_the_job(void **state)
{
    struct fixture *f = *state;
    int64_t id = add(f, "k", "r1").job;

    (void)add(f, "k", "r2");
    assert_ok(ps_queue_cancel_request(f->a, "r1", &f->err), &f->err);
    assert_state(f, id, PS_JOB_READY);
    assert_ok(ps_queue_cancel_request(f->a, "r1", &f->err), &f->err);
    assert_state(f, id, PS_JOB_READY);
    assert_ok(ps_queue_cancel_request(f->a, "r2", &f->err), &f->err);
    assert_state(f, id, PS_JOB_CANCELLED);
    assert_int_equal(claim(f, f->a).job, 0);
    assert_true(add(f, "k", "r3").is_new);
    assert_code(PS_ENOTFOUND, ps_queue_cancel_request(f->a, "none", &f->err),
                &f->err);
}

static void a_running_job_is_told_of_its_cancel(void **state)
{
    struct fixture *f = *state;
    enum ps_job_state now = PS_JOB_READY;
    struct ps_claim c;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    assert_false(heartbeat(f, f->a, &c));
    assert_ok(ps_queue_cancel_request(f->b, "r1", &f->err), &f->err);
    assert_state(f, c.job, PS_JOB_RUNNING);
    assert_true(heartbeat(f, f->a, &c));
    assert_ok(ps_queue_acknowledge_cancel(f->a, c.job, c.epoch, &now, &f->err),
              &f->err);
    assert_int_equal(now, PS_JOB_CANCELLED);
    assert_state(f, c.job, PS_JOB_CANCELLED);
    assert_true(job(f, c.job).finished_ms > 0);
}

static void who_comes_after_a_cancel_makes_the_job_go_on(void **state)
{
    struct fixture *f = *state;
    enum ps_job_state now = PS_JOB_READY;
    struct ps_claim c;
    struct ps_claim next;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    assert_ok(ps_queue_cancel_request(f->b, "r1", &f->err), &f->err);
    assert_true(heartbeat(f, f->a, &c)); /* the worker kills its build ... */
    assert_int_equal(add(f, "k", "r2").job, c.job);
    assert_ok(ps_queue_acknowledge_cancel(f->a, c.job, c.epoch, &now, &f->err),
              &f->err);
    assert_int_equal(now, PS_JOB_READY); /* ... but somebody wants it again */
    next = claim(f, f->b);
    assert_int_equal(next.job, c.job);
    assert_int_equal(next.attempt, 1);
    assert_true(next.epoch > c.epoch);
}

static void a_cancelled_request_that_comes_back_waits_again(void **state)
{
    struct fixture *f = *state;
    struct ps_claim c;
    int64_t id = 0;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    assert_ok(ps_queue_cancel_request(f->b, "r1", &f->err), &f->err);
    assert_int_equal(add(f, "k", "r1").job, c.job);
    assert_false(heartbeat(f, f->a, &c));
    assert_int_equal(job(f, c.job).waiters, 1);

    id = add(f, "ended", "r2").job;
    assert_ok(ps_queue_cancel_request(f->b, "r2", &f->err), &f->err);
    assert_state(f, id, PS_JOB_CANCELLED);
    assert_int_not_equal(add(f, "ended", "r2").job, id);
}

static void a_result_that_comes_in_spite_of_a_cancel_counts(void **state)
{
    struct fixture *f = *state;
    struct ps_claim c;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    assert_ok(ps_queue_cancel_job(f->b, c.job, &f->err), &f->err);
    complete(f, f->a, &c, "wheel");
    assert_state(f, c.job, PS_JOB_DONE);
    assert_true(add(f, "k", "r2").hit);
}

static void cancelling_a_job_takes_all_its_waiters(void **state)
{
    struct fixture *f = *state;
    int64_t id = add(f, "k", "r1").job;

    (void)add(f, "k", "r2");
    assert_ok(ps_queue_cancel_job(f->a, id, &f->err), &f->err);
    assert_state(f, id, PS_JOB_CANCELLED);
    assert_int_equal(job(f, id).waiters, 0);
    assert_code(PS_EINVALID, ps_queue_cancel_job(f->a, id, &f->err), &f->err);
    assert_non_null(strstr(f->err.text, "cancelled already"));
    assert_code(PS_ENOTFOUND, ps_queue_cancel_job(f->a, 999, &f->err), &f->err);
}

static void failing_or_losing_a_cancelled_job_ends_it(void **state)
{
    struct fixture *f = *state;
    struct ps_claim c;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    assert_ok(ps_queue_cancel_job(f->a, c.job, &f->err), &f->err);
    assert_int_equal(fail_with(f, f->a, &c, PS_EBUSY), PS_JOB_CANCELLED);

    (void)add(f, "k", "r2");
    c = claim(f, f->a);
    assert_ok(ps_queue_cancel_job(f->a, c.job, &f->err), &f->err);
    ps_queue_shift_clock(f->b, LEASE_MS + 1000);
    assert_int_equal(reap(f, f->b), 1);
    assert_state(f, c.job, PS_JOB_CANCELLED);

    (void)add(f, "k", "r3");
    c = claim(f, f->a);
    assert_ok(ps_queue_cancel_job(f->a, c.job, &f->err), &f->err);
    assert_ok(ps_queue_release(f->a, c.job, c.epoch, &f->err), &f->err);
    assert_state(f, c.job, PS_JOB_CANCELLED);
}

static void a_permanent_failure_is_not_tried_again(void **state)
{
    struct fixture *f = *state;
    struct ps_claim c;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    assert_int_equal(fail_with(f, f->a, &c, PS_EBUILD), PS_JOB_FAILED);
    ps_queue_shift_clock(f->a, CAP_MS);
    assert_int_equal(claim(f, f->a).job, 0);
    assert_string_equal(job(f, c.job).error_class, "BUILD");
    assert_string_equal(job(f, c.job).error, "{\"phase\":\"build\"}");
    assert_true(job(f, c.job).finished_ms > 0);
}

static void a_passing_failure_is_tried_five_times_ever_later(void **state)
{
    struct fixture *f = *state;
    int64_t clock = 0;
    int64_t id = add(f, "k", "r1").job;

    for (int i = 1; i <= 5; i++) {
        struct ps_claim c = claim(f, f->a);
        int64_t delay = (int64_t)BASE_MS << (i - 1);
        int64_t now = 0;
        int64_t due = 0;

        assert_int_equal(c.job, id);
        assert_int_equal(c.attempt, i);
        now = (int64_t)job(f, id).started_ms;
        assert_int_equal(fail_with(f, f->a, &c, PS_EUNREACHABLE),
                         i < 5 ? PS_JOB_DELAYED : PS_JOB_DEAD);
        due = (int64_t)job(f, id).run_at_ms;
        assert_int_equal(claim(f, f->a).job, 0);
        /* Half to all of the delay, and the time that the test takes. */
        assert_in_range(due - now, delay / 2, delay + 5000);
        clock += delay + 5000;
        ps_queue_shift_clock(f->a, clock);
    }
    assert_int_equal(claim(f, f->a).job, 0);
    assert_true(add(f, "k", "r2").is_new);
}

static void a_job_that_kills_its_workers_stops_after_three(void **state)
{
    struct fixture *f = *state;
    int64_t clock = 0;
    int64_t id = add(f, "k", "r1").job;

    for (int i = 1; i <= 3; i++) {
        assert_int_equal(claim(f, f->a).job, id);
        clock += LEASE_MS + 1000;
        ps_queue_shift_clock(f->a, clock);
        assert_int_equal(reap(f, f->a), 1);
        assert_int_equal(job(f, id).lost, i);
        clock += BASE_MS + 1000;
        ps_queue_shift_clock(f->a, clock);
    }
    assert_state(f, id, PS_JOB_DEAD);
    assert_int_equal(claim(f, f->a).job, 0);
}

static void giving_back_costs_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t id = add(f, "k", "r1").job;

    for (int i = 1; i <= 10; i++) {
        struct ps_claim c = claim(f, f->a);

        assert_int_equal(c.job, id);
        assert_int_equal(c.attempt, 1);
        assert_int_equal(c.epoch, i);
        assert_ok(ps_queue_release(f->a, c.job, c.epoch, &f->err), &f->err);
        assert_state(f, id, PS_JOB_READY);
    }
}

static void a_clock_set_back_strands_no_delayed_job(void **state)
{
    struct fixture *f = *state;
    struct ps_claim c;

    ps_queue_shift_clock(f->a, INT64_C(86400000)); /* a day ahead */
    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    assert_int_equal(fail_with(f, f->a, &c, PS_EBUSY), PS_JOB_DELAYED);
    assert_int_equal(claim(f, f->a).job, 0);
    ps_queue_shift_clock(f->a, 0); /* set right */
    assert_int_equal(claim(f, f->a).job, c.job);
}

static void a_clock_set_back_strands_no_lost_job(void **state)
{
    struct fixture *f = *state;

    ps_queue_shift_clock(f->a, INT64_C(86400000));
    (void)add(f, "k", "r1");
    (void)claim(f, f->a);
    ps_queue_shift_clock(f->b, 0);
    assert_int_equal(reap(f, f->b), 1);
}

static void a_failed_job_can_be_retried_with_fresh_budgets(void **state)
{
    struct fixture *f = *state;
    struct ps_claim c;

    (void)add(f, "k", "r1");
    assert_code(PS_EINVALID, ps_queue_retry(f->a, 1, &f->err), &f->err);
    c = claim(f, f->a);
    assert_code(PS_EINVALID, ps_queue_retry(f->a, c.job, &f->err), &f->err);
    (void)fail_with(f, f->a, &c, PS_EBUILD);
    assert_ok(ps_queue_retry(f->a, c.job, &f->err), &f->err);
    assert_state(f, c.job, PS_JOB_READY);
    c = claim(f, f->a);
    assert_int_equal(c.attempt, 1);
    assert_int_equal(c.epoch, 2);
    complete(f, f->a, &c, "wheel");
    assert_code(PS_EINVALID, ps_queue_retry(f->a, c.job, &f->err), &f->err);
    assert_code(PS_ENOTFOUND, ps_queue_retry(f->a, 999, &f->err), &f->err);
}

static void a_cancelled_job_can_be_retried(void **state)
{
    struct fixture *f = *state;
    int64_t id = add(f, "k", "r1").job;
    struct ps_claim c;

    assert_ok(ps_queue_cancel_job(f->a, id, &f->err), &f->err);
    assert_ok(ps_queue_retry(f->a, id, &f->err), &f->err);
    /* The waiter that went cannot go a second time. */
    assert_ok(ps_queue_cancel_request(f->a, "r1", &f->err), &f->err);
    c = claim(f, f->a);
    assert_int_equal(c.job, id);
    assert_false(heartbeat(f, f->a, &c));
}

static void a_retry_names_the_live_twin(void **state)
{
    struct fixture *f = *state;
    struct ps_claim c;
    char twin[32];

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    (void)fail_with(f, f->a, &c, PS_EBUILD);
    (void)snprintf(twin, sizeof(twin), "job %lld does",
                   (long long)add(f, "k", "r2").job);
    assert_code(PS_EEXISTS, ps_queue_retry(f->a, c.job, &f->err), &f->err);
    assert_non_null(strstr(f->err.text, twin));
    assert_state(f, c.job, PS_JOB_FAILED);
}

static void a_retried_job_whose_artifact_exists_ends_in_passing(void **state)
{
    struct fixture *f = *state;
    struct ps_claim first;
    struct ps_claim second;

    (void)add(f, "k", "r1");
    first = claim(f, f->a);
    (void)fail_with(f, f->a, &first, PS_EBUILD);
    (void)add(f, "k", "r2");
    second = claim(f, f->a);
    complete(f, f->a, &second, "wheel");
    assert_ok(ps_queue_retry(f->a, first.job, &f->err), &f->err);
    assert_int_equal(claim(f, f->a).job, 0);
    assert_state(f, first.job, PS_JOB_DONE);
    assert_true(job(f, first.job).has_artifact);
}

static int64_t add_as(struct fixture *f, const char *tenant, const char *name,
                      int64_t priority)
{
    struct ps_enqueue what = { .key = key_of(name),
                               .request = name,
                               .tenant = tenant,
                               .spec = "{}",
                               .priority = priority };
    struct ps_enqueued out;

    assert_ok(ps_queue_enqueue(f->a, &f->arena, &what, &out, &f->err), &f->err);
    return out.job;
}

static void higher_priority_goes_first_then_the_older(void **state)
{
    struct fixture *f = *state;
    int64_t low = add_as(f, NULL, "low", -5);
    int64_t first = add_as(f, NULL, "first", 0);
    int64_t second = add_as(f, NULL, "second", 0);
    int64_t high = add_as(f, NULL, "high", 7);
    struct ps_enqueue what = {
        .key = key_of("low"), .request = "urgent", .spec = "{}", .priority = 3
    };
    struct ps_enqueued out;

    assert_int_equal(claim(f, f->a).job, high);
    assert_int_equal(claim(f, f->a).job, first);
    assert_ok(ps_queue_enqueue(f->a, &f->arena, &what, &out, &f->err), &f->err);
    assert_int_equal(claim(f, f->a).job, low); /* joined by an urgent one */
    assert_int_equal(claim(f, f->a).job, second);
}

static char tenant_of(struct fixture *f)
{
    struct ps_claim c = claim(f, f->a);
    char tenant = '-';

    if (c.job != 0) {
        tenant = job(f, c.job).tenant[0];
        complete(f, f->a, &c, "w");
    }
    return tenant;
}

static void add_many(struct fixture *f, const char *tenant, int from, int count)
{
    for (int i = from; i < from + count; i++) {
        char name[32];

        (void)snprintf(name, sizeof(name), "%s%d", tenant, i);
        (void)add_as(f, tenant, name, 0);
    }
}

static void a_tenant_with_many_jobs_does_not_shut_out_another(void **state)
{
    struct fixture *f = *state;
    char order[9] = "";

    add_many(f, "big", 0, 50);
    for (int i = 0; i < 5; i++)
        assert_int_equal(tenant_of(f), 'b');
    add_many(f, "small", 0, 4);
    for (int i = 0; i < 8; i++)
        order[i] = tenant_of(f);
    assert_string_equal(order, "bbsbsbsb");
}

static void a_weight_of_three_to_one_is_three_jobs_to_one(void **state)
{
    struct fixture *f = *state;
    int heavy = 0;

    assert_ok(ps_queue_set_tenant(f->a, "heavy", 300, 100, &f->err), &f->err);
    assert_ok(ps_queue_set_tenant(f->a, "light", 100, 100, &f->err), &f->err);
    add_many(f, "light", 0, 40);
    add_many(f, "heavy", 0, 40);
    for (int i = 0; i < 40; i++)
        heavy += tenant_of(f) == 'h';
    assert_in_range(heavy, 29, 31);
}

/* Whoever used an empty queue for long does not pay for it afterwards. */
static void busy_times_alone_are_not_held_against_a_tenant(void **state)
{
    struct fixture *f = *state;
    int old = 0;

    for (int i = 0; i < 50; i++) {
        add_many(f, "old", i, 1);
        assert_int_equal(tenant_of(f), 'o');
    }
    add_many(f, "new", 0, 20);
    add_many(f, "old", 100, 20);
    for (int i = 0; i < 20; i++)
        old += tenant_of(f) == 'o';
    assert_in_range(old, 9, 11);
}

static void a_tenant_runs_no_more_than_it_may(void **state)
{
    struct fixture *f = *state;
    struct ps_claim c;

    assert_ok(ps_queue_set_tenant(f->a, "capped", 100, 2, &f->err), &f->err);
    add_many(f, "capped", 0, 5);
    c = claim(f, f->a);
    assert_int_not_equal(c.job, 0);
    assert_int_not_equal(claim(f, f->b).job, 0);
    assert_int_equal(claim(f, f->b).job, 0);
    add_many(f, "other", 0, 1);
    assert_int_not_equal(claim(f, f->b).job, 0);
    complete(f, f->a, &c, "w");
    assert_int_not_equal(claim(f, f->b).job, 0);
}

static void a_claim_can_be_limited_to_own_jobs(void **state)
{
    struct fixture *f = *state;
    int64_t foreign = add(f, "foreign", "r0").job;
    int64_t own[] = { add(f, "x", "r1").job, 4711, add(f, "y", "r2").job };
    struct ps_claim c;

    assert_ok(ps_queue_claim(f->b, &f->arena, own, 3, &c, &f->err), &f->err);
    assert_int_equal(c.job, own[0]);
    assert_ok(ps_queue_claim(f->b, &f->arena, own, 3, &c, &f->err), &f->err);
    assert_int_equal(c.job, own[2]);
    assert_ok(ps_queue_claim(f->b, &f->arena, own, 3, &c, &f->err), &f->err);
    assert_int_equal(c.job, 0);
    assert_int_equal(claim(f, f->b).job, foreign);
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

static void the_list_shows_the_newest_first(void **state)
{
    struct fixture *f = *state;
    struct ps_job_filter two = { .limit = 2 };
    struct ps_job_filter live = { .live_only = true };
    struct ps_job *rows = NULL;
    size_t count = 7;
    struct ps_claim c;

    assert_ok(ps_queue_list(f->a, &f->arena, NULL, &rows, &count, &f->err),
              &f->err);
    assert_int_equal(count, 0);
    (void)add(f, "1", "r1");
    c = claim(f, f->a);
    complete(f, f->a, &c, "wheel");
    (void)add(f, "2", "r2");
    (void)add(f, "3", "r3");
    assert_ok(ps_queue_list(f->a, &f->arena, NULL, &rows, &count, &f->err),
              &f->err);
    assert_int_equal(count, 3);
    assert_true(rows[0].id > rows[1].id && rows[1].id > rows[2].id);
    assert_true(rows[2].has_artifact);
    assert_false(rows[0].has_artifact);
    assert_ok(ps_queue_list(f->a, &f->arena, &two, &rows, &count, &f->err),
              &f->err);
    assert_int_equal(count, 2);
    assert_ok(ps_queue_list(f->a, &f->arena, &live, &rows, &count, &f->err),
              &f->err);
    assert_int_equal(count, 2);
    assert_true(rows[1].id > c.job);
    assert_code(PS_ENOTFOUND, ps_queue_get(f->a, &f->arena, 999, rows, &f->err),
                &f->err);
}

static void pruning_takes_old_ended_jobs_and_keeps_artifacts(void **state)
{
    struct fixture *f = *state;
    struct ps_claim c;
    struct ps_job row;
    size_t removed = 0;
    int64_t live = 0;

    (void)add(f, "k", "r1");
    c = claim(f, f->a);
    complete(f, f->a, &c, "wheel");
    live = add(f, "live", "r2").job;
    row = job(f, c.job);
    assert_ok(ps_queue_prune(f->a, row.finished_ms, &removed, &f->err),
              &f->err);
    assert_int_equal(removed, 0);
    assert_ok(
        ps_queue_prune(f->a, row.finished_ms + 3600000, &removed, &f->err),
        &f->err);
    assert_int_equal(removed, 1);
    assert_code(PS_ENOTFOUND,
                ps_queue_get(f->a, &f->arena, c.job, &row, &f->err), &f->err);
    assert_state(f, live, PS_JOB_READY);
    assert_true(add(f, "k", "r1").hit);
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

#define T(name) \
    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

static const struct CMUnitTest tests[] = {
    T(a_new_key_makes_a_job_and_a_second_request_joins_it),
    T(a_claim_carries_what_the_worker_needs),
    T(a_finished_key_is_a_hit_without_a_job),
    T(the_same_request_twice_gives_the_same_answer),
    T(a_request_id_belongs_to_one_key),
    T(a_zombie_is_refused_everything),
    T(a_reaped_job_is_fenced_before_anyone_claims_it),
    T(a_heartbeat_keeps_the_lease),
    T(a_crash_after_built_hands_the_wheel_on),
    T(completing_twice_is_refused_and_changes_nothing),
    T(enqueue_against_completing_never_builds_twice),
    T(many_requests_at_once_make_one_job),
    T(the_last_waiter_to_go_cancels_the_job),
    T(a_running_job_is_told_of_its_cancel),
    T(who_comes_after_a_cancel_makes_the_job_go_on),
    T(a_cancelled_request_that_comes_back_waits_again),
    T(a_result_that_comes_in_spite_of_a_cancel_counts),
    T(cancelling_a_job_takes_all_its_waiters),
    T(failing_or_losing_a_cancelled_job_ends_it),
    T(a_permanent_failure_is_not_tried_again),
    T(a_passing_failure_is_tried_five_times_ever_later),
    T(a_job_that_kills_its_workers_stops_after_three),
    T(giving_back_costs_nothing),
    T(a_clock_set_back_strands_no_delayed_job),
    T(a_clock_set_back_strands_no_lost_job),
    T(a_failed_job_can_be_retried_with_fresh_budgets),
    T(a_cancelled_job_can_be_retried),
    T(a_retry_names_the_live_twin),
    T(a_retried_job_whose_artifact_exists_ends_in_passing),
    T(higher_priority_goes_first_then_the_older),
    T(a_tenant_with_many_jobs_does_not_shut_out_another),
    T(a_weight_of_three_to_one_is_three_jobs_to_one),
    T(busy_times_alone_are_not_held_against_a_tenant),
    T(a_tenant_runs_no_more_than_it_may),
    T(a_claim_can_be_limited_to_own_jobs),
    T(rebuild_does_not_take_the_old_artifact),
    T(a_forgotten_artifact_is_built_again),
    T(the_list_shows_the_newest_first),
    T(pruning_takes_old_ended_jobs_and_keeps_artifacts),
    T(a_failing_call_does_not_undo_its_neighbours),
    T(what_cannot_be_a_job_is_refused),
};

int main(void)
{
    int failed = 0;

    for (size_t i = 0; i < engine_case_count; i++) {
        engine_under_test = &engine_cases[i];
        print_message("engine: %s\n", engine_under_test->name);
        failed += cmocka_run_group_tests_name(engine_under_test->name, tests,
                                              NULL, NULL);
    }
    return failed;
}
