#include "test_util.h"

#include "pkgsync/sigv4.h"

static struct ps_aws_credentials example_key(void)
{
    return (struct ps_aws_credentials){
        .access_key = ps_strdup("AKIAIOSFODNN7EXAMPLE"),
        .secret_key = ps_strdup("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    };
}

static const struct ps_header put_headers[] = {
    /* in no order */
    { "x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" },
    { "if-none-match", "*" },
    { "content-type", "application/octet-stream" },
    { "content-length", "18" },
};
static const struct ps_header blank_headers[] = {
    { "x-amz-meta-x", " two  blanks " },
};
static const struct ps_header head_headers[] = {
    { "x-amz-checksum-mode", "ENABLED" },
};
static const struct ps_header part_query[] = {
    { "uploadId", "a b+/=" },
    { "partNumber", "7" },
};

/* The first is published by Amazon; all are what botocore's signer gives:
 * make_vectors.py. */
static const struct {
    struct ps_presign request;
    const char *token;
    const char *start;
    const char *signature;
} vectors[] = {
    { { .method = "GET",
        .scheme = "https",
        .host = "examplebucket.s3.amazonaws.com",
        .path = "/test.txt",
        .region = "us-east-1",
        .service = "s3",
        .time_s = 1369353600,
        .expires_s = 86400 },
      NULL,
      "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-"
      "HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-"
      "1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&"
      "X-Amz-SignedHeaders=host&X-Amz-Signature=",
      "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404" },
    { { .method = "PUT",
        .scheme = "https",
        .host = "bucket.s3.eu-west-1.amazonaws.com",
        .path = "/wheels/ab/demo-1.0+cu118-py3-none-any.whl",
        .region = "eu-west-1",
        .service = "s3",
        .time_s = 1767225600,
        .expires_s = 900,
        .headers = put_headers,
        .header_count = PS_ARRAY_SIZE(put_headers) },
      NULL,
      "https://bucket.s3.eu-west-1.amazonaws.com/wheels/ab/"
      "demo-1.0%2Bcu118-py3-none-any.whl?",
      "c7c4ff21510403d17416bf86c35a7fbc518b0687531e212d0932c12ab516eee0" },
    { { .method = "PUT",
        .scheme = "http",
        .host = "127.0.0.1:9000",
        .path = "/bucket/a b/\u00fc\u4e2d~(1)*'!",
        .region = "us-east-1",
        .service = "s3",
        .time_s = 1767225600,
        .expires_s = 1,
        .headers = blank_headers,
        .header_count = PS_ARRAY_SIZE(blank_headers) },
      "to+ken/==",
      "http://127.0.0.1:9000/bucket/a%20b/%C3%BC%E4%B8%AD~%281%29%2A%27%21?",
      "afb7a05018dded7cc3d123d5d220b36e649ed7aef83db1e21dbeec8a48b1fdb2" },
    { { .method = "HEAD",
        .scheme = "http",
        .host = "[::1]:9000",
        .path = "/b.u.c/../x//y/.",
        .region = "us-east-1",
        .service = "s3",
        .time_s = 951782400,
        .expires_s = 604800,
        .headers = head_headers,
        .header_count = PS_ARRAY_SIZE(head_headers) },
      NULL,
      "http://[::1]:9000/b.u.c/../x//y/.?",
      "bfacd5807747918612c5ea0086ffad1195d2e3700b0126778a748f0044e66f9e" },
    { { .method = "PUT",
        .scheme = "https",
        .host = "h",
        .path = "/b/k",
        .region = "r",
        .service = "s3",
        .time_s = 4102444800,
        .expires_s = 60,
        .query = part_query,
        .query_count = PS_ARRAY_SIZE(part_query) },
      NULL,
      "https://h/b/k?",
      "70ef01ed8d8f152928ed949f6209fb10df08ae4f97058f9139141c9643868a6b" },
};

static void signs_as_amazon_and_botocore_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(vectors); i++) {
        struct ps_error err = PS_ERROR_INIT;
        struct ps_aws_credentials key = example_key();
        PS_AUTO_FREE char *url = NULL;
        const char *signature = NULL;

        print_message("case: %s\n", vectors[i].start);
        key.session_token = ps_strdup(vectors[i].token);
        assert_ok(ps_sigv4_presign(&vectors[i].request, &key, &url, &err),
                  &err);
        assert_memory_equal(url, vectors[i].start, strlen(vectors[i].start));
        signature = strstr(url, "&X-Amz-Signature=");
        assert_non_null(signature);
        assert_string_equal(signature + strlen("&X-Amz-Signature="),
                            vectors[i].signature);
        ps_aws_credentials_release(&key);
    }
}

static void the_token_is_in_the_url_encoded(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_aws_credentials key = example_key();
    PS_AUTO_FREE char *url = NULL;

    (void)state;
    key.session_token = ps_strdup("to+ken/==");
    assert_ok(ps_sigv4_presign(&vectors[2].request, &key, &url, &err), &err);
    assert_non_null(strstr(url, "X-Amz-Security-Token=to%2Bken%2F%3D%3D&"));
    ps_aws_credentials_release(&key);
}

static void expect_refusal(struct ps_presign request, int code)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_aws_credentials key = example_key();
    char *url = NULL;

    assert_code(code, ps_sigv4_presign(&request, &key, &url, &err), &err);
    assert_null(url);
    assert_null(strstr(err.text, key.secret_key));
    ps_aws_credentials_release(&key);
}

static void refuses_an_expiry_out_of_range(void **state)
{
    struct ps_presign request = vectors[0].request;

    (void)state;
    request.expires_s = 0;
    expect_refusal(request, PS_EINVALID);
    request.expires_s = 604801;
    expect_refusal(request, PS_EINVALID);
}

static void refuses_a_header_that_would_smuggle_another(void **state)
{
    static const struct ps_header bad[] = {
        { "x-a", "1\r\nx-b: 2" }, { "x-a\n", "1" },    { "", "1" },
        { "Upper-Case", "1" },    { "host", "other" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(bad); i++) {
        struct ps_presign request = vectors[0].request;

        request.headers = &bad[i];
        request.header_count = 1;
        expect_refusal(request, PS_EINVALID);
    }
}

static void refuses_what_has_no_place_in_a_scope(void **state)
{
    struct ps_presign request = vectors[0].request;

    (void)state;
    request.region = "a/b";
    expect_refusal(request, PS_EINVALID);
    request.region = "";
    expect_refusal(request, PS_EINVALID);
    request = vectors[0].request;
    request.path = "relative";
    expect_refusal(request, PS_EINVALID);
    request = vectors[0].request;
    request.host = "";
    expect_refusal(request, PS_EINVALID);
}

static void needs_a_key(void **state)
{
    struct ps_error err = PS_ERROR_INIT;
    struct ps_aws_credentials none = { .access_key = NULL };
    char *url = NULL;

    (void)state;
    assert_code(PS_EAUTH,
                ps_sigv4_presign(&vectors[0].request, &none, &url, &err), &err);
}

static void released_credentials_are_empty(void **state)
{
    struct ps_aws_credentials key = example_key();

    (void)state;
    ps_aws_credentials_release(&key);
    assert_null(key.access_key);
    assert_null(key.secret_key);
    ps_aws_credentials_release(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_as_amazon_and_botocore_do),
        cmocka_unit_test(the_token_is_in_the_url_encoded),
        cmocka_unit_test(refuses_an_expiry_out_of_range),
        cmocka_unit_test(refuses_a_header_that_would_smuggle_another),
        cmocka_unit_test(refuses_what_has_no_place_in_a_scope),
        cmocka_unit_test(needs_a_key),
        cmocka_unit_test(released_credentials_are_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
