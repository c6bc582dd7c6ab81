/* Where an environment differs from a spec, and how much that matters. */
#include "spec_fixture.h"

#define WHEEL "Edit-1.0+l.1-py3-none-any.whl"

/* The worker's side; `f` is the client's. */
struct both {
    struct fixture *f;
    struct fixture *w;
    struct ps_spec spec;
    struct ps_comparison result;
};

static const char *hex_of(const char *text)
{
    static char hex[PS_SHA256_HEX_SIZE];
    struct ps_sha256 digest = ps_sha256_of(text, strlen(text));

    ps_sha256_hex(&digest, hex);
    return hex;
}

static void take_wheel(struct fixture *w, struct ps_dist *d)
{
    d->version = "1.0+l.1";
    d->source = PS_DIST_ARCHIVE;
    d->direct = (struct ps_direct_url){
        .kind = PS_DIRECT_ARCHIVE,
        .url = "file:///gone/" WHEEL,
        .path = "/gone/" WHEEL,
        .sha256 = ps_arena_strdup(&w->arena, hex_of(WHEEL)),
    };
}

static int setup(void **state)
{
    struct both *b = ps_calloc(1, sizeof(*b));
    void *f = NULL;
    void *w = NULL;

    (void)fixture_setup(&f);
    (void)fixture_setup(&w);
    b->f = f;
    b->w = w;
    b->spec = fixture_spec(b->f, false);
    fixture_add_critical(b->w);
    (void)fixture_add(b->w, "numpy", "1.26.4");
    take_wheel(b->w, fixture_add(b->w, "edit", "?"));
    (void)fixture_add(b->w, "s3fs", "2024.1.0");
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct both *b = *state;
    void *f = b->f;
    void *w = b->w;

    (void)fixture_teardown(&f);
    (void)fixture_teardown(&w);
    free(b);
    return 0;
}

static struct ps_dist *dist(struct both *b, const char *name)
{
    for (size_t i = 0; i < b->w->environment.count; i++)
        if (strcmp(b->w->dists[i].normal, name) == 0)
            return &b->w->dists[i];
    fail_msg("no '%s'", name);
    return NULL;
}

static void compare(struct both *b)
{
    assert_ok(ps_compare_spec(&b->w->arena, &b->spec, fixture_environment(b->w),
                              &b->result, &b->w->err),
              &b->w->err);
}

/* The one thing that is to be said. */
static void expect(struct both *b, const char *name, enum ps_severity severity,
                   const char *part)
{
    const struct ps_difference *d = &b->result.items[0];

    if (b->result.count != 1)
        fail_msg("%zu differences, the first about '%s': %s", b->result.count,
                 b->result.count > 0 ? d->name : "",
                 b->result.count > 0 ? d->message : "");
    assert_string_equal(d->name, name);
    assert_string_equal(ps_severity_name(d->severity),
                        ps_severity_name(severity));
    if (!strstr(d->message, part))
        fail_msg("'%s' is not in '%s'", part, d->message);
    assert_int_equal(b->result.equal, severity != PS_SEVERITY_ERROR);
}

static void the_same_is_equal(void **state)
{
    struct both *b = *state;

    compare(b);
    assert_int_equal(b->result.count, 0);
    assert_true(b->result.equal);
}

static void critical_ones_must_be_the_same(void **state)
{
    struct both *b = *state;

    dist(b, "dask")->version = "2024.1.1";
    compare(b);
    expect(b, "dask", PS_SEVERITY_ERROR, "critical");
    assert_string_equal(b->result.items[0].expected, "dask==2024.1.0");
    assert_string_equal(b->result.items[0].found, "2024.1.1");
}

static void versions_are_judged_by_level(void **state)
{
    static const struct {
        const char *name, *version;
        enum ps_severity severity;
        const char *part;
    } cases[] = {
        { "numpy", "1.26.9", PS_SEVERITY_WARNING, "distributed warns" },
        { "numpy", "1.27.0", PS_SEVERITY_ERROR, "not compatible" },
        { "numpy", "1.26.3", PS_SEVERITY_ERROR, "not compatible" },
        { "s3fs", "2024.2.0", PS_SEVERITY_ERROR, "another version" },
        { "edit", "1.1", PS_SEVERITY_ERROR, "the one built" },
    };
    struct both *b = *state;

    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        struct ps_dist *d = dist(b, cases[i].name);
        const char *before = d->version;

        d->version = cases[i].version;
        compare(b);
        expect(b, strcmp(cases[i].name, "numpy") == 0 ? "NumPy" : cases[i].name,
               cases[i].severity, cases[i].part);
        dist(b, cases[i].name)->version = before;
    }
}

static void another_compatible_version_is_said_and_fine(void **state)
{
    struct both *b = *state;
    struct fixture *f = b->f;

    (void)fixture_add(f, "fsspec", "2024.1.0");
    (void)fixture_add(b->w, "fsspec", "2024.1.5");
    assert_ok(fixture_make(f, &(struct ps_level_options){ 0 },
                           fixture_wheel(f, WHEEL, "https://h/" WHEEL),
                           &b->spec),
              &f->err);
    b->w->environment.count--; /* fsspec takes the place of s3fs */
    *dist(b, "s3fs") = b->w->dists[b->w->environment.count];
    compare(b);
    expect(b, "fsspec", PS_SEVERITY_OK, "compatible");
}

static void what_is_missing_is_an_error(void **state)
{
    struct both *b = *state;

    *dist(b, "numpy") = b->w->dists[b->w->environment.count - 1];
    b->w->environment.count--;
    compare(b);
    expect(b, "NumPy", PS_SEVERITY_ERROR, "not installed");
    assert_null(b->result.items[0].found);
}

static void what_is_ignored_is_never_missed(void **state)
{
    struct both *b = *state;

    (void)fixture_add(b->w, "appnope", "0.0.1");
    compare(b);
    assert_int_equal(b->result.count, 0);
}

static void a_built_wheel_is_known_by_its_hash(void **state)
{
    struct both *b = *state;
    struct ps_dist *d = dist(b, "edit");

    d->direct.sha256 =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    compare(b);
    expect(b, "edit", PS_SEVERITY_ERROR, "another wheel");

    d = dist(b, "edit");
    d->direct.sha256 = NULL;
    compare(b);
    expect(b, "edit", PS_SEVERITY_WARNING, "nothing says");

    /* As uv leaves it: in the URL that it was asked for. */
    d = dist(b, "edit");
    d->direct.url =
        ps_arena_format(&b->w->arena, "file:///gone#sha256=%s", hex_of(WHEEL));
    compare(b);
    assert_int_equal(b->result.count, 0);

    /* A store's URL has it. */
    d = dist(b, "edit");
    d->direct.url = ps_arena_format(&b->w->arena, "https://h/wheels/%s/" WHEEL,
                                    hex_of(WHEEL));
    compare(b);
    assert_int_equal(b->result.count, 0);

    d = dist(b, "edit");
    d->direct.url = ps_arena_format(&b->w->arena, "file:///gone#sha256=%s",
                                    hex_of("another"));
    compare(b);
    expect(b, "edit", PS_SEVERITY_ERROR, "another wheel");

    d = dist(b, "edit");
    d->direct = (struct ps_direct_url){ .kind = PS_DIRECT_NONE };
    d->source = PS_DIST_INDEX;
    compare(b);
    expect(b, "edit", PS_SEVERITY_WARNING, "nothing says");

    d = dist(b, "edit");
    d->source = PS_DIST_EDITABLE;
    d->project = "/home/other/edit";
    compare(b);
    expect(b, "edit", PS_SEVERITY_ERROR, "editable from '/home/other/edit'");
}

static void an_editable_in_the_place_of_a_release_is_doubtful(void **state)
{
    struct both *b = *state;
    struct ps_dist *d = dist(b, "numpy");

    d->source = PS_DIST_EDITABLE;
    d->project = "/home/other/numpy";
    compare(b);
    expect(b, "NumPy", PS_SEVERITY_WARNING, "may differ");
}

static void more_than_the_spec_is_listed_and_fine(void **state)
{
    struct both *b = *state;

    (void)fixture_add(b->w, "zict", "3.0");
    compare(b);
    expect(b, "zict", PS_SEVERITY_OK, "not in the spec");
}

static void pythons_are_compared_by_part(void **state)
{
    struct both *b = *state;

    b->w->site.version = "3.11.9";
    compare(b);
    expect(b, "python", PS_SEVERITY_WARNING, "patch");
    b->w->site.version = "3.12.1";
    compare(b);
    expect(b, "python", PS_SEVERITY_ERROR, "minor");
    b->w->site.version = "3.11.7";
    b->w->site.abi = "cpython-311d-x86_64-linux-gnu";
    compare(b);
    expect(b, "python", PS_SEVERITY_ERROR, "ABI");
    b->w->site.abi = b->f->site.abi;
    b->w->site.platform = "linux-aarch64";
    compare(b);
    expect(b, "python", PS_SEVERITY_ERROR, "platform");
    b->w->site.platform = b->f->site.platform;
    b->w->site.implementation = "pypy";
    compare(b);
    expect(b, "python", PS_SEVERITY_ERROR, "implementation");
}

static void errors_come_first_then_names(void **state)
{
    struct both *b = *state;

    (void)fixture_add(b->w, "aaa", "1");
    dist(b, "tornado")->version = "1";
    dist(b, "dask")->version = "1";
    dist(b, "numpy")->version = "1.26.5";
    compare(b);
    assert_int_equal(b->result.count, 4);
    assert_string_equal(b->result.items[0].name, "dask");
    assert_string_equal(b->result.items[1].name, "tornado");
    assert_string_equal(b->result.items[2].name, "NumPy");
    assert_string_equal(b->result.items[3].name, "aaa");
    assert_false(b->result.equal);
}

/* conda ------------------------------------------------------------------- */

static void conda_spec(struct both *b)
{
    (void)fixture_add_conda(b->f, "python", "3.11.7");
    (void)fixture_add_conda(b->f, "libffi", "3.4.2");
    (void)fixture_add_conda(b->f, "openssl", "1.1.1w");
    assert_ok(fixture_make(b->f, &(struct ps_level_options){ 0 },
                           fixture_wheel(b->f, WHEEL, "https://h/" WHEEL),
                           &b->spec),
              &b->f->err);
    (void)fixture_add(b->w, "appnope", "0.1.3");
    *dist(b, "s3fs") = b->w->dists[--b->w->environment.count];
}

static void condas_packages_are_compared_as_conda_does(void **state)
{
    struct both *b = *state;

    conda_spec(b);
    (void)fixture_add_conda(b->w, "python", "3.11.7");
    (void)fixture_add_conda(b->w, "libffi", "3.4.2");
    (void)fixture_add_conda(b->w, "openssl", "1.1.1w");
    compare(b);
    assert_int_equal(b->result.count, 0);
    b->w->conda[1].conda.version = "3.4.9";
    compare(b);
    expect(b, "libffi", PS_SEVERITY_OK, "same series");
    b->w->conda[1].conda.version = "3.5.0";
    compare(b);
    expect(b, "libffi", PS_SEVERITY_ERROR, "another version");
    b->w->conda[1].conda.version = "3.4.2";
    b->w->conda[2].conda.version = "1.1.1x";
    compare(b);
    expect(b, "openssl", PS_SEVERITY_ERROR, "another version");
    b->w->environment.conda_count = 2;
    compare(b);
    expect(b, "openssl", PS_SEVERITY_ERROR, "not installed");
}

static void without_conda_its_libraries_are_a_warning(void **state)
{
    struct both *b = *state;

    conda_spec(b);
    compare(b);
    assert_int_equal(b->result.count, 2);
    assert_true(b->result.equal);
    assert_string_equal(b->result.items[0].name, "libffi");
    assert_int_equal(b->result.items[0].severity, PS_SEVERITY_WARNING);
}

/* Two environments --------------------------------------------------------- */

static void compare_both(struct both *b)
{
    assert_ok(ps_compare_environments(&b->w->arena, fixture_environment(b->f),
                                      fixture_environment(b->w),
                                      &(struct ps_level_options){ 0 },
                                      &b->result, &b->w->err),
              &b->w->err);
}

static void two_environments_are_compared_by_level(void **state)
{
    struct both *b = *state;
    struct ps_dist *d = dist(b, "edit");

    d->source = PS_DIST_EDITABLE;
    d->project = "/home/me/my edit";
    d->version = "0.9";
    compare_both(b);
    expect(b, "s3fs", PS_SEVERITY_OK, "only in the second");
    dist(b, "tornado")->version = "6.5";
    dist(b, "edit")->project = "/elsewhere";
    compare_both(b);
    assert_int_equal(b->result.count, 3);
    assert_false(b->result.equal);
    assert_string_equal(b->result.items[0].name, "tornado");
    assert_string_equal(b->result.items[1].name, "edit");
    assert_int_equal(b->result.items[1].severity, PS_SEVERITY_WARNING);
    assert_non_null(strstr(b->result.items[1].message, "/elsewhere"));
    dist(b, "edit")->version = "0.8";
    compare_both(b);
    assert_string_equal(b->result.items[0].name, "edit");
    assert_int_equal(b->result.items[0].severity, PS_SEVERITY_ERROR);
}

static void the_first_environment_must_have_the_critical_ones(void **state)
{
    struct both *b = *state;

    b->f->environment.count = 1;
    assert_code(PS_ENOTFOUND,
                ps_compare_environments(
                    &b->w->arena, &b->f->environment, fixture_environment(b->w),
                    &(struct ps_level_options){ 0 }, &b->result, &b->w->err),
                &b->w->err);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_same_is_equal),
        TEST(critical_ones_must_be_the_same),
        TEST(versions_are_judged_by_level),
        TEST(another_compatible_version_is_said_and_fine),
        TEST(what_is_missing_is_an_error),
        TEST(what_is_ignored_is_never_missed),
        TEST(a_built_wheel_is_known_by_its_hash),
        TEST(an_editable_in_the_place_of_a_release_is_doubtful),
        TEST(more_than_the_spec_is_listed_and_fine),
        TEST(pythons_are_compared_by_part),
        TEST(errors_come_first_then_names),
        TEST(condas_packages_are_compared_as_conda_does),
        TEST(without_conda_its_libraries_are_a_warning),
        TEST(two_environments_are_compared_by_level),
        TEST(the_first_environment_must_have_the_critical_ones),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
