#include "test_util.h"

#include "s3_endpoint.h"

static const struct {
    struct ps_s3_endpoint_request request;
    const char *scheme;
    const char *host;
    const char *path;
} places[] = {
    { { .region = "eu-west-1", .bucket = "my-bucket" },
      "https",
      "my-bucket.s3.eu-west-1.amazonaws.com",
      "" },
    { { .region = "cn-north-1", .bucket = "my-bucket" },
      "https",
      "my-bucket.s3.cn-north-1.amazonaws.com.cn",
      "" },
    /* a wildcard certificate covers one label */
    { { .region = "us-east-1", .bucket = "my.bucket" },
      "https",
      "s3.us-east-1.amazonaws.com",
      "/my.bucket" },
    { { .region = "us-east-1", .bucket = "My_Bucket" },
      "https",
      "s3.us-east-1.amazonaws.com",
      "/My_Bucket" },
    { { .url = "https://Store.Example:443/", .bucket = "buck" },
      "https",
      "store.example",
      "/buck" },
    { { .url = "https://store.example:8443/a%20b/", .bucket = "buck" },
      "https",
      "store.example:8443",
      "/a b/buck" },
    { { .url = "https://store.example",
        .bucket = "buck",
        .virtual_host = true },
      "https",
      "buck.store.example",
      "" },
    { { .url = "https://store.example",
        .bucket = "bu.ck",
        .virtual_host = true },
      "https",
      "store.example",
      "/bu.ck" },
    { { .url = "http://127.0.0.1:9000", .bucket = "buck" },
      "http",
      "127.0.0.1:9000",
      "/buck" },
    { { .url = "http://[::1]:9000", .bucket = "buck" },
      "http",
      "[::1]:9000",
      "/buck" },
    { { .url = "http://[::1]:80", .bucket = "buck" },
      "http",
      "[::1]",
      "/buck" },
    { { .url = "http://localhost:9000",
        .bucket = "bu.ck",
        .virtual_host = true },
      "http",
      "bu.ck.localhost:9000",
      "" },
    { { .url = "http://far.example", .bucket = "buck", .is_explicit = true },
      "http",
      "far.example",
      "/buck" },
};

static void finds_server_and_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(places); i++) {
        struct ps_error err = PS_ERROR_INIT;
        struct ps_s3_endpoint e = { .scheme = NULL };

        print_message("case: %s\n", places[i].host);
        assert_ok(ps_s3_endpoint_find(&places[i].request, &e, &err), &err);
        assert_string_equal(e.scheme, places[i].scheme);
        assert_string_equal(e.host, places[i].host);
        assert_string_equal(e.path, places[i].path);
        ps_s3_endpoint_release(&e);
    }
}

static void refuses_an_endpoint_that_is_none(void **state)
{
    static const struct ps_s3_endpoint_request cases[] = {
        { .url = "", .bucket = "buck" },
        { .url = "ftp://x", .bucket = "buck", .is_explicit = true },
        { .url = "file:///x", .bucket = "buck", .is_explicit = true },
        { .url = "https://user:word@x", .bucket = "buck" },
        { .url = "https://x/?a=b", .bucket = "buck" },
        { .url = "https://x/#a", .bucket = "buck" },
        { .url = "http://far.example", .bucket = "buck" },
        { .url = "http://127.0.0.1.example", .bucket = "buck" },
        { .url = "http://192.0.2.1", .bucket = "buck" },
        { .url = "http://127.0.0.1", .bucket = "buck", .virtual_host = true },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_error err = PS_ERROR_INIT;
        struct ps_s3_endpoint e = { .scheme = NULL };

        print_message("case: %s\n", cases[i].url);
        assert_code(PS_ECONFIG, ps_s3_endpoint_find(&cases[i], &e, &err), &err);
        assert_null(strstr(err.text, "word"));
    }
}

static void knows_the_name_of_a_bucket(void **state)
{
    static const char *const good[] = { "abc", "a.b-c_D9" };
    static const char *const bad[] = {
        "",
        "ab",
        "-abc",
        "abc.",
        "a..b",
        "a/bc",
        "a bc",
        "1.2.3.4",
        ("\xc3\xbc"
         "12"),
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(good); i++)
        assert_true(ps_s3_bucket_is_valid(good[i]));
    for (size_t i = 0; i < PS_ARRAY_SIZE(bad); i++)
        assert_false(ps_s3_bucket_is_valid(bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_server_and_path),
        cmocka_unit_test(refuses_an_endpoint_that_is_none),
        cmocka_unit_test(knows_the_name_of_a_bucket),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
