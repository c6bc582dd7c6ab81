#include "test_util.h"

#include "pkgsync/json.h"
#include "plan.h"
#include "report.h"

static const char *const true_argv[] = { "/bin/true", NULL };

static struct ps_plan good_plan(void)
{
    return (struct ps_plan){
        .spec = { .argv = true_argv, .cwd = "/tmp", .out_dir = -1 },
    };
}

static void refuse(const struct ps_plan *plan, int code, const char *says)
{
    struct ps_error err = PS_ERROR_INIT;

    assert_code(code, ps_plan_check(plan, &err), &err);
    if (!strstr(err.text, says))
        fail_msg("'%s' should say '%s'", err.text, says);
}

static void a_plain_command_is_a_plan(void **state)
{
    struct ps_plan plan = good_plan();
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    assert_ok(ps_plan_check(&plan, &err), &err);
}

static void defaults_stand_for_zero(void **state)
{
    struct ps_plan plan = good_plan();

    (void)state;
    plan.spec.pids_max = 7;
    ps_plan_defaults(&plan);
    assert_int_equal(plan.spec.pids_max, 7);
    assert_int_equal(plan.spec.tmp_max_bytes, PS_GIB(1));
    assert_int_equal(plan.spec.tmp_max_inodes, 200000);
    assert_int_equal(plan.spec.log_max_bytes, PS_MIB(64));
    assert_int_equal(plan.spec.wall_limit_ms, 0);
    assert_int_equal(plan.spec.memory_max_bytes, 0);
}

static void a_command_must_be_named_absolutely(void **state)
{
    static const char *const none[] = { NULL };
    static const char *const relative[] = { "true", NULL };
    static const char *const sly[] = { "/bin/../tmp/x", NULL };
    struct ps_plan plan = good_plan();

    (void)state;
    plan.spec.argv = none;
    refuse(&plan, PS_EINVALID, "no command");
    plan.spec.argv = relative;
    refuse(&plan, PS_EINVALID, "absolute");
    plan.spec.argv = sly;
    refuse(&plan, PS_EINVALID, "'..'");
    plan = good_plan();
    plan.spec.cwd = NULL;
    refuse(&plan, PS_EINVALID, "working directory");
}

static void a_variable_has_a_name_and_a_value(void **state)
{
    static const char *const no_value[] = { "A=1", "B", NULL };
    static const char *const no_name[] = { "=x", NULL };
    struct ps_plan plan = good_plan();

    (void)state;
    plan.spec.env = no_value;
    refuse(&plan, PS_EINVALID, "'B'");
    plan.spec.env = no_name;
    refuse(&plan, PS_EINVALID, "'=x'");
}

static void mounts_keep_away_from_what_the_sandbox_makes(void **state)
{
    static const char *const places[] = {
        "/",       "/proc",      "/proc/x",   "/dev/shm", "/etc/passwd",
        "/tmp",    "/usr/local", "/bin",      "src",      "/src/",
        "/src//a", "/src/./a",   "/a/../usr", "",
    };
    struct ps_mount mount = { PS_MOUNT_READ_ONLY, "/home/x", NULL };
    struct ps_plan plan = good_plan();
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    plan.spec.mounts = &mount;
    plan.spec.mount_count = 1;
    for (size_t i = 0; i < PS_ARRAY_SIZE(places); i++) {
        mount.path = places[i];
        refuse(&plan, PS_EINVALID, places[i]);
    }
    mount.path = "/usrx";
    assert_ok(ps_plan_check(&plan, &err), &err);
    mount.path = "/tmp/project";
    assert_ok(ps_plan_check(&plan, &err), &err);
    mount.path = "/src";
    mount.host_path = "../x";
    refuse(&plan, PS_EINVALID, "host path");
}

static void two_mounts_do_not_share_a_place(void **state)
{
    const struct ps_mount mounts[] = {
        { PS_MOUNT_READ_ONLY, "/a", "/src" },
        { PS_MOUNT_SCRATCH, "/b", "/src" },
    };
    struct ps_plan plan = good_plan();

    (void)state;
    plan.spec.mounts = mounts;
    plan.spec.mount_count = 2;
    refuse(&plan, PS_EINVALID, "two mounts");
}

static void an_output_directory_needs_limits(void **state)
{
    const struct ps_mount mount = { PS_MOUNT_SCRATCH, "/b", "/out/src" };
    struct ps_plan plan = good_plan();
    struct ps_error err = PS_ERROR_INIT;

    (void)state;
    plan.spec.out_path = "/out";
    refuse(&plan, PS_EINVALID, "out_max_bytes");
    plan.spec.out_max_bytes = 1;
    plan.spec.out_max_files = 1;
    assert_ok(ps_plan_check(&plan, &err), &err);
    plan.spec.mounts = &mount;
    plan.spec.mount_count = 1;
    refuse(&plan, PS_EINVALID, "output directory");
}

static void a_plan_survives_the_way_through_json(void **state)
{
    static const char *const env[] = { "A=\xc3\xa9\n\"", "B=", NULL };
    static const char *const extra[] = { "/opt/python", "/usr/x", NULL };
    static const char *const weaken[] = { "landlock", NULL };
    const struct ps_mount mounts[] = {
        { PS_MOUNT_READ_ONLY, "/a", "/x" },
        { PS_MOUNT_SCRATCH, "/b", "/src" },
    };
    struct ps_plan plan = good_plan();
    struct ps_plan again;
    struct ps_arena a = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    json_t *json = NULL;
    json_t *json_again = NULL;
    char *text = NULL;

    (void)state;
    plan.spec.env = env;
    plan.spec.mounts = mounts;
    plan.spec.mount_count = 2;
    plan.spec.out_path = "/out";
    plan.spec.out_max_bytes = UINT64_MAX; /* "no limit", written large */
    plan.spec.out_max_files = 5;
    plan.spec.network = true;
    plan.extra_paths = extra;
    plan.weaken = weaken;
    ps_plan_defaults(&plan);
    assert_ok(ps_plan_to_json(&plan, &json, &err), &err);
    text = ps_json_canonical(json);
    assert_ok(ps_plan_parse(&a, ps_str_from(text), &again, &err), &err);
    assert_ok(ps_plan_check(&again, &err), &err);
    assert_string_equal(again.spec.env[0], env[0]);
    assert_int_equal(again.spec.mounts[1].kind, PS_MOUNT_SCRATCH);
    assert_int_equal(again.spec.out_max_bytes, INT64_MAX);
    assert_true(again.spec.network);
    assert_true(ps_plan_list_has(again.weaken, "landlock"));
    assert_ok(ps_plan_to_json(&again, &json_again, &err), &err);
    assert_true(json_equal(json, json_again));
    json_decref(json);
    json_decref(json_again);
    free(text);
    ps_arena_release(&a);
}

static void bytes_that_are_no_text_are_refused_not_changed(void **state)
{
    static const char *const argv[] = { "/bin/echo", "\xff", NULL };
    struct ps_plan plan = good_plan();
    struct ps_error err = PS_ERROR_INIT;
    json_t *json = NULL;

    (void)state;
    plan.spec.argv = argv;
    assert_code(PS_EINVALID, ps_plan_to_json(&plan, &json, &err), &err);
    assert_non_null(strstr(err.text, "argv"));
}

static void malformed_plans_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        { "", "line 1" },
        { "[]", "not a JSON object" },
        { "{\"argv\": \"/bin/true\"}", "'argv' must be a list" },
        { "{\"argv\": [1]}", "list of strings" },
        { "{\"cwd\": 1}", "'cwd' must be a string" },
        { "{\"pids_max\": -1}", "0 or more" },
        { "{\"pids_max\": 1.5}", "whole number" },
        { "{\"network\": 1}", "true or false" },
        { "{\"mounts\": {}}", "'mounts' must be a list" },
        { "{\"mounts\": [{\"kind\": \"rw\"}]}", "unknown kind" },
        { "{\"mounts\": [[]]}", "unknown kind" },
        { "{\"argz\": []}", "'argz'" },
        { "{\"cwd\": \"/a\", \"cwd\": \"/b\"}", "duplicate" },
        { "{\"cwd\": \"/a\\u0000b\"}", "line 1" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_arena a = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        struct ps_plan plan;

        assert_code(PS_EINVALID,
                    ps_plan_parse(&a, ps_str_from(rows[i].text), &plan, &err),
                    &err);
        if (!strstr(err.text, rows[i].says))
            fail_msg("'%s' should say '%s'", err.text, rows[i].says);
        ps_arena_release(&a);
    }
}

static void a_result_survives_the_way_through_json(void **state)
{
    struct ps_run_result in = {
        .outcome = PS_RUN_DISK,
        .exit_status = 3,
        .term_signal = 0,
        .wall_ms = 5000000000ULL,
        .detail = "'/tmp' is full",
    };
    struct ps_run_result out;
    struct ps_error err = PS_ERROR_INIT;
    json_t *json = ps_report_result(&in);
    char *text = ps_json_canonical(json);

    (void)state;
    assert_ok(ps_report_parse(ps_str_from(text), &out, &err), &err);
    assert_int_equal(out.outcome, in.outcome);
    assert_int_equal(out.exit_status, 3);
    assert_int_equal(out.wall_ms, in.wall_ms);
    assert_string_equal(out.detail, in.detail);
    json_decref(json);
    free(text);
}

static void an_error_survives_the_way_through_json(void **state)
{
    struct ps_error in = PS_ERROR_INIT;
    struct ps_error out = PS_ERROR_INIT;
    struct ps_run_result result;
    json_t *json = NULL;
    char *text = NULL;

    (void)state;
    ps_fail(&in, PS_EBUSY, "100%% of it is in use");
    json = ps_report_error(&in);
    text = ps_json_canonical(json);
    assert_code(PS_EBUSY, ps_report_parse(ps_str_from(text), &result, &out),
                &out);
    assert_string_equal(out.text, in.text);
    json_decref(json);
    free(text);
}

static void a_broken_result_is_an_error(void **state)
{
    static const char unknown[] =
        "{\"outcome\": \"best\", \"exit_status\": 0, \"term_signal\": 0, "
        "\"wall_ms\": 1, \"detail\": \"\"}";
    const char *const texts[] = {
        unknown,
        "",
        "{}",
        "[]",
        "{\"outcome\": \"exit\"}",
        "{\"error\": {}}",
        "{\"error\": {\"code\": 0, \"os_errno\": 0, \"text\": \"x\"}}",
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(texts); i++) {
        struct ps_run_result result;
        struct ps_error err = PS_ERROR_INIT;

        assert_code(PS_EIO,
                    ps_report_parse(ps_str_from(texts[i]), &result, &err),
                    &err);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_command_is_a_plan),
        cmocka_unit_test(defaults_stand_for_zero),
        cmocka_unit_test(a_command_must_be_named_absolutely),
        cmocka_unit_test(a_variable_has_a_name_and_a_value),
        cmocka_unit_test(mounts_keep_away_from_what_the_sandbox_makes),
        cmocka_unit_test(two_mounts_do_not_share_a_place),
        cmocka_unit_test(an_output_directory_needs_limits),
        cmocka_unit_test(a_plan_survives_the_way_through_json),
        cmocka_unit_test(bytes_that_are_no_text_are_refused_not_changed),
        cmocka_unit_test(malformed_plans_are_refused_with_a_reason),
        cmocka_unit_test(a_result_survives_the_way_through_json),
        cmocka_unit_test(an_error_survives_the_way_through_json),
        cmocka_unit_test(a_broken_result_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
