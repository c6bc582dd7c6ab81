/* A plan that is accepted can be written again, and then says the same. */
#include <stdint.h>
#include <stdlib.h>

#include "plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct ps_plan *plan)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_arena a = PS_ARENA_INIT;
    struct ps_plan again;
    json_t *first = NULL;
    json_t *second = NULL;
    char *text = NULL;

    if (ps_plan_to_json(plan, &first, &err) < 0)
        abort();
    text = json_dumps(first, JSON_COMPACT);
    if (!text || ps_plan_parse(&a, ps_str_from(text), &again, &err) < 0 ||
        ps_plan_to_json(&again, &second, &err) < 0 ||
        !json_equal(first, second))
        abort();
    free(text);
    json_decref(first);
    json_decref(second);
    ps_arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ps_str in = { .data = (const char *)data, .len = size };
    struct ps_error err = PS_ERROR_INIT;
    struct ps_arena a = PS_ARENA_INIT;
    struct ps_plan plan;

    if (ps_plan_parse(&a, in, &plan, &err) == PS_OK) {
        ps_plan_defaults(&plan);
        if (ps_plan_check(&plan, &err) == PS_OK)
            check_round_trip(&plan);
    }
    if (err.code != PS_OK && err.text[0] == '\0')
        abort();
    ps_arena_release(&a);
    return 0;
}
