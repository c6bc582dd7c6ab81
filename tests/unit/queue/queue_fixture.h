/*
 * A queue for one test: a fresh location of the engine under test, and two
 * handles on it, as two workers would have.
 */
#ifndef PKGSYNC_QUEUE_FIXTURE_H
#define PKGSYNC_QUEUE_FIXTURE_H

#include "pkgsync/arena.h"
#include "pkgsync/queue.h"
#include "queue_private.h"
#include "test_util.h"

/* Another engine is another row in engine_cases[]. */
struct engine_case {
    const char *name;
    /* A location nobody uses yet; `dir` is an empty directory. */
    char *(*fresh)(const char *dir);
};

extern const struct engine_case engine_cases[];
extern const size_t engine_case_count;
extern const struct engine_case *engine_under_test;

#define LEASE_MS 60000
#define BASE_MS 1000
#define CAP_MS 600000

struct fixture {
    char *dir;
    char *location;
    struct ps_queue *a;
    struct ps_queue *b;
    struct ps_arena arena;
    struct ps_error err;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

struct ps_queue *open_queue(const char *location, const char *worker);
struct ps_sha256 key_of(const char *name);
struct ps_artifact artifact_of(const char *content);

/* Each asserts success. */
struct ps_enqueued add(struct fixture *f, const char *key, const char *request);
struct ps_claim claim(struct fixture *f, struct ps_queue *q);
struct ps_job job(struct fixture *f, int64_t id);
void complete(struct fixture *f, struct ps_queue *q, const struct ps_claim *c,
              const char *content);
enum ps_job_state fail_with(struct fixture *f, struct ps_queue *q,
                            const struct ps_claim *c, int code);
bool heartbeat(struct fixture *f, struct ps_queue *q, const struct ps_claim *c);
size_t reap(struct fixture *f, struct ps_queue *q);

#define assert_state(f, id, expected)                            \
    assert_string_equal(ps_job_state_name(job((f), (id)).state), \
                        ps_job_state_name(expected))

#define T(name) \
    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

/* The number of tests that failed. */
#define RUN_FOR_EACH_ENGINE(tests)                                          \
    __extension__({                                                         \
        int failed_ = 0;                                                    \
        for (size_t i_ = 0; i_ < engine_case_count; i_++) {                 \
            engine_under_test = &engine_cases[i_];                          \
            failed_ += cmocka_run_group_tests_name(engine_under_test->name, \
                                                   tests, NULL, NULL);      \
        }                                                                   \
        failed_;                                                            \
    })

#endif
