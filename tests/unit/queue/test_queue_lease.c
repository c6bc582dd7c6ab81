/*
 * Conformance of queue engines: leases, the fence, budgets, the clock.  Runs
 * once for each engine.
 */
#include "queue_fixture.h"

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

static const struct CMUnitTest tests[] = {
    T(a_zombie_is_refused_everything),
    T(a_reaped_job_is_fenced_before_anyone_claims_it),
    T(a_heartbeat_keeps_the_lease),
    T(a_crash_after_built_hands_the_wheel_on),
    T(a_permanent_failure_is_not_tried_again),
    T(a_passing_failure_is_tried_five_times_ever_later),
    T(a_job_that_kills_its_workers_stops_after_three),
    T(giving_back_costs_nothing),
    T(a_clock_set_back_strands_no_delayed_job),
    T(a_clock_set_back_strands_no_lost_job),
};

int main(void)
{
    return RUN_FOR_EACH_ENGINE(tests);
}
