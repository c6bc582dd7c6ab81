/*
 * Conformance of queue engines: whose turn it is.  Runs once
 * for each engine.
 */
#include "queue_fixture.h"

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

static const struct CMUnitTest tests[] = {
    T(higher_priority_goes_first_then_the_older),
    T(a_tenant_with_many_jobs_does_not_shut_out_another),
    T(a_weight_of_three_to_one_is_three_jobs_to_one),
    T(busy_times_alone_are_not_held_against_a_tenant),
    T(a_tenant_runs_no_more_than_it_may),
    T(a_claim_can_be_limited_to_own_jobs),
};

int main(void)
{
    return RUN_FOR_EACH_ENGINE(tests);
}
