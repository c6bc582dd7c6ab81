/*
 * Conformance of queue engines: cancel, retry, list, prune.  Runs once
 * for each engine.
 */
#include "queue_fixture.h"

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

static const struct CMUnitTest tests[] = {
    T(the_last_waiter_to_go_cancels_the_job),
    T(a_running_job_is_told_of_its_cancel),
    T(who_comes_after_a_cancel_makes_the_job_go_on),
    T(a_cancelled_request_that_comes_back_waits_again),
    T(a_result_that_comes_in_spite_of_a_cancel_counts),
    T(cancelling_a_job_takes_all_its_waiters),
    T(failing_or_losing_a_cancelled_job_ends_it),
    T(a_failed_job_can_be_retried_with_fresh_budgets),
    T(a_cancelled_job_can_be_retried),
    T(a_retry_names_the_live_twin),
    T(a_retried_job_whose_artifact_exists_ends_in_passing),
    T(the_list_shows_the_newest_first),
    T(pruning_takes_old_ended_jobs_and_keeps_artifacts),
};

int main(void)
{
    return RUN_FOR_EACH_ENGINE(tests);
}
