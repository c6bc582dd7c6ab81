/* The environment spec: made, written, read, refused. */
#include "spec_fixture.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in:\n%s", part, text);
}

static void has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' is in:\n%s", part, text);
}

static int parse(struct fixture *f, const char *text, struct ps_spec *out)
{
    f->err = PS_ERROR_INIT;
    return ps_spec_parse(&f->arena, ps_str_from(text), "environment.json", out,
                         &f->err);
}

static const struct ps_spec_package *package(const struct ps_spec *spec,
                                             const char *name)
{
    for (size_t i = 0; i < spec->count; i++)
        if (strcmp(spec->packages[i].name, name) == 0)
            return &spec->packages[i];
    fail_msg("no package '%s'", name);
    return NULL;
}

static void what_is_written_is_read_as_the_same(void **state)
{
    struct fixture *f = *state;
    struct ps_spec made = fixture_spec(f, false);
    PS_AUTO_FREE char *text = fixture_text(&made);
    PS_AUTO_FREE char *again = NULL;
    struct ps_spec read;

    assert_ok(parse(f, text, &read), &f->err);
    again = fixture_text(&read);
    assert_string_equal(text, again);
    assert_true(ps_sha256_equal(&made.digest, &read.digest));
    assert_int_equal(read.count, 9);
    assert_string_equal(read.version, "3.11.7");
    assert_string_equal(package(&read, "NumPy")->requirement, "NumPy~=1.26.4");
    assert_string_equal(package(&read, "s3fs")->source_kind, "extra");
    assert_int_equal(package(&read, "appnope")->level, PS_LEVEL_IGNORED);
}

static void a_wheel_says_which_version_was_built(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec = fixture_spec(f, false);
    const struct ps_spec_package *p = package(&spec, "edit");

    assert_string_equal(p->version, "1.0+l.1");
    assert_null(p->requirement);
    assert_true(p->editable);
    assert_string_equal(p->source_url, "file:///home/me/my%20edit");
}

static void credentials_stay_at_home(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec = fixture_spec(f, false);
    PS_AUTO_FREE char *text = fixture_text(&spec);

    has_not(text, "secret");
    has_not(text, "token@");
    has(text, "https://index/simple");
    has(text, "https://host/simple");
    has(text, "${TOKEN}");
}

static void an_edited_spec_is_refused_with_both_digests(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec = fixture_spec(f, false);
    PS_AUTO_FREE char *text = fixture_text(&spec);
    char *at = strstr(text, "1.26.4");
    char hex[PS_SHA256_HEX_SIZE];
    struct ps_spec out;

    ps_sha256_hex(&spec.digest, hex);
    at[0] = '2';
    assert_code(PS_EINTEGRITY, parse(f, text, &out), &f->err);
    has(f->err.text, hex);
    has(f->err.text, "and it is ");
}

static void a_spec_under_anothers_digest_is_refused(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec = fixture_spec(f, false);
    PS_AUTO_FREE char *text = fixture_text(&spec);
    char hex[PS_SHA256_HEX_SIZE];
    char name[128];
    struct ps_spec out;

    ps_sha256_hex(&spec.digest, hex);
    (void)snprintf(name, sizeof(name), "s3://b/environments/%s.json", hex);
    assert_ok(ps_spec_parse(&f->arena, ps_str_from(text), name, &out, &f->err),
              &f->err);
    name[strlen("s3://b/environments/")] = hex[0] == '0' ? '1' : '0';
    assert_code(
        PS_EINTEGRITY,
        ps_spec_parse(&f->arena, ps_str_from(text), name, &out, &f->err),
        &f->err);
    has(f->err.text, hex);
}

/* Change a document, give it its right digest, and see it refused. */
struct change {
    const char *path;  /* "packages.0.name" */
    const char *value; /* JSON; NULL: removed */
    int code;
    const char *part; /* of the error */
};

static json_t *step(json_t *at, const char *key)
{
    if (json_is_array(at))
        return json_array_get(at, strtoul(key, NULL, 10));
    return json_object_get(at, key);
}

static void apply(json_t *root, const struct change *change)
{
    PS_AUTO_FREE char *path = ps_strdup(change->path);
    char *rest = path;
    char *dot = strchr(rest, '.');
    json_t *at = root;
    json_t *value = NULL;

    for (; dot; dot = strchr(rest, '.')) {
        *dot = '\0';
        at = step(at, rest);
        rest = dot + 1;
    }
    if (change->value)
        value = json_loads(change->value, JSON_DECODE_ANY, NULL);
    if (!change->value)
        assert_int_equal(json_object_del(at, rest), 0);
    else if (json_is_array(at))
        assert_int_equal(json_array_set_new(at, strtoul(rest, NULL, 10), value),
                         0);
    else
        assert_int_equal(json_object_set_new(at, rest, value), 0);
}

static int parse_changed(struct fixture *f, const struct ps_spec *spec,
                         const struct change *change)
{
    PS_AUTO_JSON json_t *json = ps_spec_json(spec);
    PS_AUTO_FREE char *text = NULL;
    struct ps_sha256 digest;
    char hex[PS_SHA256_HEX_SIZE];
    struct ps_spec out;

    apply(json, change);
    (void)json_object_del(json, "digest");
    digest = ps_json_digest(json);
    ps_sha256_hex(&digest, hex);
    (void)json_object_set_new(json, "digest", json_string(hex));
    text = ps_json_canonical(json);
    return parse(f, text, &out);
}

/* By normal name: 0 appnope, 1 cloudpickle, 2 dask, 3 distributed, 4 edit,
 * 5 msgpack, 6 NumPy, 7 s3fs, 8 tornado. */
static const struct change changes[] = {
    { "created_by", "7", PS_EINVALID, "created_by" },
    { "python", "[]", PS_EINVALID, "'python'" },
    { "python.version", "\"3\"", PS_EINVALID, "minor" },
    { "python.version", "\"three\"", PS_EINVALID, "three" },
    { "python.abi", "\"\"", PS_EINVALID, "abi" },
    { "python.platform", "null", PS_EINVALID, "'platform'" },
    { "indexes", NULL, PS_EINVALID, "'indexes'" },
    { "indexes.index_url", "\"https://me:pw@h/\"", PS_EINVALID, "credentials" },
    { "indexes.index_url", "\"https://tok@h/\"", PS_EINVALID, "credentials" },
    { "indexes.index_url", "\"ftp://h/\"", PS_EINVALID, "no URL" },
    { "indexes.index_url", "\"https://h/ --pre\"", PS_EINVALID, "no URL" },
    { "indexes.extra_index_urls", "{}", PS_EINVALID, "extra_index_urls" },
    { "indexes.extra_index_urls", "[1]", PS_EINVALID, "extra_index_urls" },
    { "indexes.find_links", "[\"/a\\nb\"]", PS_EINVALID, "indexes" },
    { "indexes.find_links", "[\"rel\"]", PS_EINVALID, "rel" },
    { "packages", "{}", PS_EINVALID, "'packages'" },
    { "packages.0", "3", PS_EINVALID, "package 1" },
    { "packages.1.name", "\"cloud pickle\"", PS_EINVALID, "no name" },
    { "packages.1.name", "\"dask\"", PS_EINVALID, "dask" },
    { "packages.1.name", "\"../x\"", PS_EINVALID, "no name" },
    { "packages.1.name", "\"a\\u001b[1m\"", PS_EINVALID, "not printable" },
    { "packages.1.name", NULL, PS_EINVALID, "'name'" },
    { "packages.1.version", "3", PS_EINVALID, "'version'" },
    { "packages.1.version", "\"\"", PS_EINVALID, "no version" },
    { "packages.1.version", "\"1\\n2\"", PS_EINVALID, "not printable" },
    { "packages.1.level", "\"highest\"", PS_EINVALID, "highest" },
    { "packages.1.level", "\"ignored\"", PS_EINVALID, "has not" },
    { "packages.1.level", "\"build\"", PS_EINVALID, "requirement" },
    { "packages.1.requirement", "null", PS_EINVALID, "needs a requirement" },
    { "packages.1.requirement", "7", PS_EINVALID, "'requirement'" },
    { "packages.1.requirement", "\"dask==1\"", PS_EINVALID, "something else" },
    { "packages.1.requirement", "\"cloudpickle==1\\n--pre\"", PS_EINVALID,
      "not printable" },
    { "packages.1.requirement", "\"cloudpickle @ https://h/x.whl\"",
      PS_EINVALID, "URL" },
    { "packages.1.requirement", "\"cloudpickle==\"", PS_EINVALID,
      "cloudpickle" },
    { "packages.1.reason", "\"a\\r\\nb\"", PS_EINVALID, "not printable" },
    { "packages.1.reason", NULL, PS_EINVALID, "'reason'" },
    { "packages.1.source", "null", PS_EINVALID, "'source'" },
    { "packages.1.source.kind", "\"moon\"", PS_EINVALID, "moon" },
    { "packages.1.source.editable", "1", PS_EINVALID, "'editable'" },
    { "packages.1.source.url", "\"https://a:b@h/\"", PS_EINVALID,
      "credentials" },
    { "packages.1.source.commit", "\"main\"", PS_EINVALID, "no commit" },
    { "packages.1.conda", "[]", PS_EINVALID, "'conda'" },
    { "packages.1.conda", "{}", PS_EINVALID, "conda" },
    { "packages.1.conda",
      "{\"name\":\"c\",\"version\":\"1\",\"channel\":\"https://h/t/tk/c\"}",
      PS_EINVALID, "token" },
    { "packages.1.wheel", "{}", PS_EINVALID, "wheel" },
    { "packages.4.wheel", "null", PS_EINVALID, "needs a wheel" },
    { "packages.4.version", "\"2.0\"", PS_EINVALID, "another version" },
    { "packages.4.name", "\"edit2\"", PS_EINVALID, "another name" },
    { "packages.4.wheel.sha256", "\"12\"", PS_EINVALID, "wheel" },
    { "packages.4.wheel.sha256", "12", PS_EINVALID, "sha256" },
    { "packages.4.wheel.size", "-1", PS_EINVALID, "size" },
    { "packages.4.wheel.size", "0", PS_EINVALID, "0 bytes" },
    { "packages.4.wheel.size", "9000000000000000000", PS_EINVALID, "bytes" },
    { "packages.4.wheel.key", "\"xyz\"", PS_EINVALID, "key" },
    { "packages.4.wheel.url", "\"https://h/x?X-Amz-Signature=1\"", PS_EINVALID,
      "credentials" },
    { "packages.4.wheel.url", "\"javascript:x\"", PS_EINVALID, "no URL" },
    { "packages.4.wheel.url", "\"file://host/x\"", PS_EINVALID, "no URL" },
    { "packages.4.wheel.url", "\"s3://b/a b\"", PS_EINVALID, "no URL" },
    { "packages.4.wheel.filename", "\"../Edit-1.0+l.1-py3-none-any.whl\"",
      PS_EINVALID, "no name of a wheel" },
    { "packages.4.wheel.filename", "\"/etc/Edit-1.0+l.1-py3-none-any.whl\"",
      PS_EINVALID, "no name of a wheel" },
    { "packages.4.wheel.filename", "\"Edit-1.0+l.1-py3-none-..any.whl\"",
      PS_EINVALID, "no name of a wheel" },
    { "packages.4.wheel.filename", "\"Edit-1.0+l.1-py3-none-any.tar.gz\"",
      PS_EINVALID, "no name of a wheel" },
    { "packages.4.wheel.filename", "\"Edit-1.0+l.1.whl\"", PS_EINVALID,
      "parts" },
    { "packages.4.wheel.filename", "\"Edit-one-py3-none-any.whl\"", PS_EINVALID,
      "one" },
    { "schema", "0", PS_EINVALID, "schema" },
    { "schema", "\"1\"", PS_EINVALID, "'schema'" },
    { "schema", "-1", PS_EINVALID, "'schema'" },
    { "schema", "2", PS_EUNSUPPORTED, "schema is 2" },
};

static void whatever_is_wrong_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec = fixture_spec(f, false);

    for (size_t i = 0; i < PS_ARRAY_SIZE(changes); i++) {
        const struct change *c = &changes[i];

        if (parse_changed(f, &spec, c) != c->code ||
            !strstr(f->err.text, c->part))
            fail_msg("%s = %s: %s", c->path, c->value, f->err.text);
    }
}

static void a_newer_schema_says_what_reads_it(void **state)
{
    struct fixture *f = *state;
    struct ps_spec out;

    assert_code(PS_EUNSUPPORTED,
                parse(f,
                      "{\"schema\":7,\"created_by\":\"pkgsync 9.1\","
                      "\"packages\":1.5}",
                      &out),
                &f->err);
    has(f->err.text, "pkgsync 9.1");
    has(f->err.text, "schema is 7");
}

static void what_is_no_spec_is_refused(void **state)
{
    static const char with_real[] =
        "{\"schema\":1,\"packages\":[1.5],\"digest\":\"" HEX "\"}";
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"schema\":1}",
        "\xff\xfe",
        "\"x\"",
        "1",
        "{\"schema\":1,\"schema\":1}",
        "{\"schema\":1,\"packages\":[]}",
        "{\"schema\":1,\"packages\":[],\"digest\":\"12\"}",
        with_real,
    };
    struct fixture *f = *state;
    struct ps_spec out;

    for (size_t i = 0; i < PS_ARRAY_SIZE(texts); i++) {
        if (parse(f, texts[i], &out) != PS_EINVALID)
            fail_msg("'%s': %s", texts[i], f->err.text);
        has(f->err.text, "environment.json");
    }
}

static void unknown_members_are_left_alone(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec = fixture_spec(f, false);
    const struct change more[] = {
        { "python.gil", "true", PS_OK, "" },
        { "packages.1.hashes", "[1,2]", PS_OK, "" },
        { "news", "{}", PS_OK, "" },
    };

    for (size_t i = 0; i < PS_ARRAY_SIZE(more); i++)
        assert_ok(parse_changed(f, &spec, &more[i]), &f->err);
}

static void a_build_without_its_wheel_makes_no_spec(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec;

    fixture_fill(f);
    assert_code(PS_EINVALID,
                fixture_make(f, &(struct ps_level_options){ 0 }, NULL, &spec),
                &f->err);
    has(f->err.text, "'edit'");
    f->err = PS_ERROR_INIT;
    assert_code(PS_EINVALID,
                fixture_make(f, &(struct ps_level_options){ 0 },
                             fixture_wheel(f, "other-1-py3-none-any.whl",
                                           "https://h/w.whl"),
                             &spec),
                &f->err);
    has(f->err.text, "another name");
}

static void texts_that_are_not_printable_are_made_so(void **state)
{
    struct fixture *f = *state;
    PS_AUTO_FREE char *text = NULL;
    struct ps_spec spec;
    struct ps_spec read;

    fixture_fill(f);
    f->dists[7].project = "/home/me/a\nb\xff";
    assert_ok(fixture_make(f, &(struct ps_level_options){ 0 },
                           fixture_wheel(f, "edit-1-py3-none-any.whl",
                                         "file:///w/edit-1-py3-none-any.whl"),
                           &spec),
              &f->err);
    text = fixture_text(&spec);
    assert_ok(parse(f, text, &read), &f->err);
    has(package(&read, "edit")->reason, "/home/me/a?b?");
    assert_string_equal(package(&read, "edit")->source_url,
                        "file:///home/me/a%0Ab%FF");
}

static void loose_modules_are_one_package(void **state)
{
    struct fixture *f = *state;
    struct ps_decisions decisions;
    struct ps_spec_parts parts = {
        .environment = &f->environment,
        .decisions = &decisions,
        .loose = fixture_wheel(f, "loose_modules-0.1-py3-none-any.whl",
                               "https://h/l.whl"),
        .loose_name = "loose-modules",
        .loose_version = "0.1",
    };
    struct ps_spec spec;

    fixture_add_critical(f);
    assert_ok(ps_levels_decide(&f->arena, fixture_environment(f),
                               &(struct ps_level_options){ 0 }, &decisions,
                               &f->err),
              &f->err);
    assert_ok(ps_spec_make(&f->arena, &parts, &spec, &f->err), &f->err);
    assert_int_equal(spec.count, 6);
    assert_string_equal(spec.packages[3].name, "loose-modules");
    assert_string_equal(spec.packages[3].source_kind, "loose");
    parts.loose_name = "dask";
    parts.loose =
        fixture_wheel(f, "dask-0.1-py3-none-any.whl", "https://h/l.whl");
    assert_code(PS_EINVALID, ps_spec_make(&f->arena, &parts, &spec, &f->err),
                &f->err);
    has(f->err.text, "twice");
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_written_is_read_as_the_same),
        TEST(a_wheel_says_which_version_was_built),
        TEST(credentials_stay_at_home),
        TEST(an_edited_spec_is_refused_with_both_digests),
        TEST(a_spec_under_anothers_digest_is_refused),
        TEST(whatever_is_wrong_is_refused_by_name),
        TEST(a_newer_schema_says_what_reads_it),
        TEST(what_is_no_spec_is_refused),
        TEST(unknown_members_are_left_alone),
        TEST(a_build_without_its_wheel_makes_no_spec),
        TEST(texts_that_are_not_printable_are_made_so),
        TEST(loose_modules_are_one_package),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
