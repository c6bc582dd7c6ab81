/* The build record: in-toto and SLSA field names, canonical JSON. */
#include "pkgsync/json.h"
#include "pkgsync/record.h"
#include "test_util.h"

#define HEX64 "0101010101010101010101010101010101010101010101010101010101010101"

static const struct ps_record_requirement requirements[] = {
    { .file_name = "setuptools-66.1.1-py3-none-any.whl",
      .sha256 = { .bytes = { 0xab } } },
};
static const char *const weakened[] = { "landlock", NULL };

static struct ps_build_record sample(void)
{
    struct ps_build_record r = {
        .wheel_name = "demo-1.0-py3-none-any.whl",
        .wheel_size = 1234,
        .request_key = "request",
        .invocation_id = "job-7",
        .source_kind = "vcs",
        .source_url = "git+https://git@example.org/demo.git",
        .source_commit = "0123456789012345678901234567890123456789",
        .subdirectory = "python",
        .python_implementation = "cpython",
        .python_version = "3.11.2",
        .python_abi = "cp311",
        .python_platform = "linux_x86_64",
        .requirements = requirements,
        .requirement_count = PS_ARRAY_SIZE(requirements),
        .builder_version = "0.1.0",
        .sandbox = "{\"layers\":[\"seccomp\"]}",
        .weakened = weakened,
        .network = true,
        .started_s = 1700000000,
        .finished_s = 1700000060,
    };

    memset(&r.wheel_sha256, 1, sizeof(r.wheel_sha256));
    memset(&r.build_key, 2, sizeof(r.build_key));
    memset(&r.source_digest, 3, sizeof(r.source_digest));
    return r;
}

static json_t *make(const struct ps_build_record *r)
{
    struct ps_error err = PS_ERROR_INIT;
    PS_AUTO_FREE char *text = NULL;
    PS_AUTO_FREE char *again = NULL;
    json_t *value = NULL;

    assert_ok(ps_build_record_json(r, &text, &err), &err);
    assert_ok(ps_json_parse(ps_str_from(text), "record", &value, &err), &err);
    again = ps_json_canonical(value);
    assert_string_equal(text, again);
    return value;
}

/* The string at a path such as "predicate/runDetails/builder/id"; a number
 * is an index. */
static const char *at(const json_t *value, const char *path)
{
    struct ps_str rest = ps_str_from(path);
    struct ps_str part;
    bool more = true;

    while (more) {
        more = ps_str_cut(&rest, '/', &part);
        PS_AUTO_FREE char *key = ps_str_dup(part);

        value = json_is_array(value)
                    ? json_array_get(value, strtoul(key, NULL, 10))
                    : json_object_get(value, key);
    }
    return json_string_value(value);
}

static void assert_at(const json_t *value, const char *path,
                      const char *expected)
{
    const char *found = at(value, path);

    if (!found || strcmp(found, expected) != 0)
        fail_msg("%s: expected '%s', got '%s'", path, expected,
                 found ? found : "nothing");
}

static void writes_the_fields_of_the_specification(void **state)
{
    static const char *const rows[][2] = {
        { "_type", "https://in-toto.io/Statement/v1" },
        { "predicateType", "https://slsa.dev/provenance/v1" },
        { "subject/0/name", "demo-1.0-py3-none-any.whl" },
        { "subject/0/digest/sha256", HEX64 },
        { "predicate/buildDefinition/buildType", PS_RECORD_BUILD_TYPE },
        { "predicate/buildDefinition/externalParameters/source/kind", "vcs" },
        { "predicate/buildDefinition/externalParameters/source/uri",
          "git+https://git@example.org/demo.git" },
        { "predicate/buildDefinition/externalParameters/source/subdirectory",
          "python" },
        { "predicate/buildDefinition/externalParameters/python/abi", "cp311" },
        { "predicate/buildDefinition/externalParameters/configSettings/"
          "--build-option",
          "x" },
        { "predicate/buildDefinition/internalParameters/requestKey",
          "request" },
        { "predicate/buildDefinition/internalParameters/sandbox/layers/0",
          "seccomp" },
        { "predicate/buildDefinition/internalParameters/weakened/0",
          "landlock" },
        { "predicate/buildDefinition/resolvedDependencies/0/uri",
          "git+https://git@example.org/demo.git" },
        { "predicate/buildDefinition/resolvedDependencies/0/digest/gitCommit",
          "0123456789012345678901234567890123456789" },
        { "predicate/buildDefinition/resolvedDependencies/1/name",
          "setuptools-66.1.1-py3-none-any.whl" },
        { "predicate/buildDefinition/resolvedDependencies/1/digest/sha256",
          "ab00000000000000000000000000000000000000000000000000000000000000" },
        { "predicate/runDetails/builder/id", PS_RECORD_BUILDER_ID },
        { "predicate/runDetails/builder/version/pkgsync", "0.1.0" },
        { "predicate/runDetails/metadata/invocationId", "job-7" },
        { "predicate/runDetails/metadata/startedOn", "2023-11-14T22:13:20Z" },
        { "predicate/runDetails/metadata/finishedOn", "2023-11-14T22:14:20Z" },
    };
    struct ps_build_record r = sample();
    PS_AUTO_JSON json_t *settings = json_pack("{s:s}", "--build-option", "x");
    PS_AUTO_JSON json_t *value = NULL;

    (void)state;
    r.config_settings = settings;
    value = make(&r);
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++)
        assert_at(value, rows[i][0], rows[i][1]);
}

static void leaves_out_what_is_absent(void **state)
{
    struct ps_build_record r = sample();
    PS_AUTO_JSON json_t *value = NULL;

    (void)state;
    r.source_commit = "";
    r.subdirectory = NULL;
    r.request_key = NULL;
    r.invocation_id = NULL;
    r.weakened = NULL;
    value = make(&r);
    assert_null(at(value, "predicate/buildDefinition/resolvedDependencies/0/"
                          "digest/gitCommit"));
    assert_null(at(value, "predicate/buildDefinition/internalParameters/"
                          "requestKey"));
    assert_at(value, "predicate/runDetails/metadata/invocationId",
              "020202020202020202020202020202020202020202020202020202020202020"
              "2/2023-11-14T22:13:20Z");
}

static void refuses_passwords_and_broken_json(void **state)
{
    static const struct {
        const char *url;
        const char *sandbox;
        int code;
    } rows[] = {
        { "https://u:p@example.org/x", "{}", PS_EINVALID },
        { "https://u:p@x@example.org/x", "{}", PS_EINVALID },
        { "https://u@example.org:8080/a:b@c", "{}", PS_OK },
        { "ssh://git@example.org:22/x", "{}", PS_OK },
        { "https://example.org", "{", PS_EINVALID },
        { "https://example.org", "[]", PS_EINVALID },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(rows); i++) {
        struct ps_build_record r = sample();
        struct ps_error err = PS_ERROR_INIT;
        PS_AUTO_FREE char *text = NULL;

        r.source_url = rows[i].url;
        r.sandbox = rows[i].sandbox;
        assert_code(rows[i].code, ps_build_record_json(&r, &text, &err), &err);
        assert_null(strstr(err.text, "u:p"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_the_fields_of_the_specification),
        cmocka_unit_test(leaves_out_what_is_absent),
        cmocka_unit_test(refuses_passwords_and_broken_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
