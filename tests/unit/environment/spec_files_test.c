/* The files beside a spec: requirements.txt, pylock.toml, environment.yml. */
#include "spec_fixture.h"

#define WHEEL "Edit-1.0+l.1-py3-none-any.whl"

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

/* "<what>#sha256=<of the wheel>\n" */
static char *with_hash(const char *what)
{
    struct ps_sha256 digest = ps_sha256_of(WHEEL, strlen(WHEEL));
    char hex[PS_SHA256_HEX_SIZE];

    ps_sha256_hex(&digest, hex);
    return ps_format("%s#sha256=%s\n", what, hex);
}

static void requirements_are_lines_for_an_installer(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec = fixture_spec(f, false);
    PS_AUTO_FREE char *text = ps_spec_requirements(&spec, NULL);
    PS_AUTO_FREE char *wheel = with_hash("edit @ s3://bucket/w/" WHEEL);
    PS_AUTO_FREE char *again = ps_spec_requirements(&spec, NULL);

    has(text, "\ndask==2024.1.0\n");
    has(text, "\nNumPy~=1.26.4\n");
    has(text, "\ns3fs[boto3]==2024.1.0\n");
    has(text, wheel);
    has(text, "\n--index-url https://index/simple");
    has(text, "\n--extra-index-url https://host/simple\n");
    has(text, "\n--extra-index-url https://${USER}:${TOKEN}@other/\n");
    has(text, "\n--find-links file:///srv/my%20wheels\n");
    has(text, "\n#   appnope 0.1.3: exists for macOS only\n");
    has(text, "cpython 3.11.7");
    has_not(text, "\nappnope");
    has_not(text, "secret");
    assert_string_equal(text, again);
}

static void another_url_may_stand_for_a_wheels_own(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec = fixture_spec(f, false);
    const char *urls[FIXTURE_MAX] = { NULL };
    PS_AUTO_FREE char *wheel =
        with_hash("edit @ https://host/w/" WHEEL "?X-Amz-Signature=1");
    PS_AUTO_FREE char *text = NULL;

    urls[4] = "https://host/w/" WHEEL "?X-Amz-Signature=1";
    text = ps_spec_requirements(&spec, urls);
    has(text, wheel);
    has_not(text, "s3://");
}

static int pylock(struct fixture *f, const struct ps_spec *spec,
                  const char *file_name, char **out)
{
    const struct ps_spec_wheel *files[FIXTURE_MAX] = { NULL };

    for (size_t i = 0; i < spec->count; i++) {
        const struct ps_spec_package *p = &spec->packages[i];
        const char *version =
            strcmp(p->name, "s3fs") == 0 ? "2024.1.0" : p->version;

        if (p->wheel || p->level == PS_LEVEL_IGNORED)
            continue;
        files[i] =
            fixture_wheel(f,
                          ps_arena_format(&f->arena, "%s-%s-py3-none-any.whl",
                                          p->name, version),
                          "https://files/x.whl");
        if (file_name && strcmp(p->name, "msgpack") == 0)
            files[i] = file_name[0] ? fixture_wheel(f, file_name, "https://f/y")
                                    : NULL;
    }
    f->err = PS_ERROR_INIT;
    return ps_spec_pylock(spec, files, out, &f->err);
}

static void a_lock_file_has_one_file_a_package(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec = fixture_spec(f, true);
    PS_AUTO_FREE char *text = NULL;

    assert_ok(pylock(f, &spec, "msgpack-1.0.7.tar.gz", &text), &f->err);
    has(text, "lock-version = \"1.0\"\n");
    has(text, "requires-python = \"==3.11.*\"\n");
    has(text, "name = \"numpy\"\nversion = \"1.26.4\"\n"
              "index = \"https://index/simple\"\nwheels = [{name = "
              "\"NumPy-1.26.4-py3-none-any.whl\", url = "
              "\"https://files/x.whl\", size = 1234, hashes = {sha256 = ");
    has(text, "name = \"edit\"\nversion = \"1.0+l.1\"\narchive = {url = ");
    has(text, "name = \"s3fs\"\nversion = \"2024.1.0\"\n");
    has(text, "sdist = {name = \"msgpack-1.0.7.tar.gz\"");
    has_not(text, "appnope");
}

static void a_lock_file_takes_nothing_that_is_not_exact(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec = fixture_spec(f, false);
    char *text = NULL;

    assert_code(PS_EINVALID, pylock(f, &spec, NULL, &text), &f->err);
    has(f->err.text, "'NumPy'");
    has(f->err.text, "--match exact");
}

static void a_lock_file_takes_no_other_file(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec = fixture_spec(f, true);
    char *text = NULL;

    assert_code(PS_EINVALID, pylock(f, &spec, "", &text), &f->err);
    has(f->err.text, "'msgpack'");
    assert_code(PS_EINVALID,
                pylock(f, &spec, "msgpack-1.0.8-py3-none-any.whl", &text),
                &f->err);
    has(f->err.text, "msgpack==1.0.7");
    assert_code(PS_EINVALID,
                pylock(f, &spec, "tornado-1.0.7-py3-none-any.whl", &text),
                &f->err);
    assert_null(text);
}

/* A conda environment with pip's packages inside. */
static struct ps_spec conda_spec(struct fixture *f, bool exact)
{
    struct ps_spec spec;
    struct ps_dist *d = NULL;

    fixture_fill(f);
    for (size_t i = 0; i < 6; i++) { /* the critical ones, and NumPy */
        d = &f->dists[i];
        d->source = PS_DIST_CONDA;
        d->conda = (struct ps_conda){ .name = d->normal,
                                      .version = d->version,
                                      .build = "py311_0",
                                      .channel = "conda-forge",
                                      .subdir = "linux-64" };
    }
    f->dists[4].conda.name = "msgpack-python";
    (void)fixture_add_conda(f, "python", "3.11.7");
    (void)fixture_add_conda(f, "libffi", "3.4.2");
    (void)fixture_add_conda(f, "_libgcc_mutex", "0.1");
    d = fixture_add_conda(f, "openssl", "1.1.1w");
    d->conda.channel = "https://repo.example.org/pkgs/main";
    assert_ok(fixture_make(f,
                           &(struct ps_level_options){ .match_exact = exact },
                           fixture_wheel(f, WHEEL, "https://h/" WHEEL), &spec),
              &f->err);
    return spec;
}

static void conda_gets_its_own_file(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec = conda_spec(f, false);
    PS_AUTO_FREE char *text = ps_spec_conda_yaml(&spec, "my: env");
    PS_AUTO_FREE char *requirements = ps_spec_requirements(&spec, NULL);
    PS_AUTO_FREE char *json = fixture_text(&spec);
    struct ps_spec read;

    has(text, "\nname: \"my: env\"\nchannels:\n  - conda-forge\n"
              "  - defaults\ndependencies:\n  - python=3.11.7\n");
    has(text, "\n  - msgpack-python==1.0.7\n");
    has(text, "\n  - \"numpy>=1.26.4,1.26.*\"\n");
    has(text, "\n  - \"libffi>=3.4.2,3.4.*\"\n");
    has(text, "\n  - pip\n  - pip:\n");
    has(text, "--index-url https://index/simple");
    has(text, "edit @ https://h/" WHEEL "#sha256=");
    has_not(text, "appnope");
    has_not(requirements, "\ndask");
    has(requirements, "10 packages of conda are in environment.yml");
    has(requirements, "\nedit @ https://h/" WHEEL);
    assert_ok(ps_spec_parse(&f->arena, ps_str_from(json), "x", &read, &f->err),
              &f->err);
}

static void exact_conda_packages_have_their_build(void **state)
{
    struct fixture *f = *state;
    struct ps_spec spec = conda_spec(f, true);
    PS_AUTO_FREE char *text = ps_spec_conda_yaml(&spec, "env");

    has(text, "\nname: env\n");
    has(text, "  - numpy=1.26.4=py311_0\n");
    has(text, "  - libffi=3.4.2=h123_0\n");
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(requirements_are_lines_for_an_installer),
        TEST(another_url_may_stand_for_a_wheels_own),
        TEST(a_lock_file_has_one_file_a_package),
        TEST(a_lock_file_takes_nothing_that_is_not_exact),
        TEST(a_lock_file_takes_no_other_file),
        TEST(conda_gets_its_own_file),
        TEST(exact_conda_packages_have_their_build),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
