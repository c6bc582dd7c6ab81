/* URLs as pip takes them. */
#include "pkgsync/arena.h"
#include "pkgsync/git.h"
#include "test_util.h"

static void assert_text(const char *what, const char *input,
                        const char *expected, const char *actual)
{
    if (!expected != !actual || (expected && strcmp(expected, actual) != 0))
        fail_msg("%s of '%s': expected '%s', got '%s'", what, input,
                 expected ? expected : "(null)", actual ? actual : "(null)");
}

/* What pip accepts, and what becomes of it. */
static const struct {
    const char *text;
    const char *url;
    const char *display; /* NULL: the same as url */
    const char *rev;
    const char *subdirectory;
    const char *egg;
} forms[] = {
    { "git+https://h.org/a/r.git", "https://h.org/a/r.git", NULL, NULL, NULL,
      NULL },
    { "https://h.org/a/r", "https://h.org/a/r", NULL, NULL, NULL, NULL },
    { "git+https://h.org/a/r@v1.0", "https://h.org/a/r", NULL, "v1.0", NULL,
      NULL },
    { "git+https://h.org/a/r@feature/x#egg=n", "https://h.org/a/r", NULL,
      "feature/x", NULL, "n" },
    { "git+https://h.org/r#subdirectory=a/b&egg=n", "https://h.org/r", NULL,
      NULL, "a/b", "n" },
    { "git+https://h.org/r#egg=n&subdirectory=a/b", "https://h.org/r", NULL,
      NULL, "a/b", "n" },
    { "git+https://h.org/r#egg=n&sha256=1&subdirectory=./a//b/",
      "https://h.org/r", NULL, NULL, "a/b", "n" },
    { "git+https://h.org/r#subdirectory=.", "https://h.org/r", NULL, NULL, NULL,
      NULL },
    { "git+https://h.org/r#egg=one&egg=two", "https://h.org/r", NULL, NULL,
      NULL, "one" },
    { "git+ssh://git@h.org/a/r.git@main", "ssh://git@h.org/a/r.git", NULL,
      "main", NULL, NULL },
    { "git+ssh://git@h.org:2222/a/r", "ssh://git@h.org:2222/a/r", NULL, NULL,
      NULL, NULL },
    { "git+ssh://a@b@h.org/r", "ssh://a@b@h.org/r", NULL, NULL, NULL, NULL },
    { "git+ssh://u:secret@h.org/r", "ssh://u:secret@h.org/r", "ssh://u@h.org/r",
      NULL, NULL, NULL },
    { "git+https://u:secret@h.org/r@v1", "https://u:secret@h.org/r",
      "https://h.org/r", "v1", NULL, NULL },
    { "git+https://ghp_token@h.org/r", "https://ghp_token@h.org/r",
      "https://h.org/r", NULL, NULL, NULL },
    { "git+https://u%40x:p%2Fq@h.org/r", "https://u%40x:p%2Fq@h.org/r",
      "https://h.org/r", NULL, NULL, NULL },
    { "git+http://[::1]:8080/r@x", "http://[::1]:8080/r", NULL, "x", NULL,
      NULL },
    { "git+HTTPS://H.Org/Repo", "https://h.org/Repo", NULL, NULL, NULL, NULL },
    { "git+https://h.org/r/", "https://h.org/r", NULL, NULL, NULL, NULL },
    { "git+https://h.org/a%20b/r", "https://h.org/a%20b/r", NULL, NULL, NULL,
      NULL },
    { "git+git://h.org/r@x", "git://h.org/r", NULL, "x", NULL, NULL },
    { "git+file:///srv/r@v1#subdirectory=p", "file:///srv/r", NULL, "v1", "p",
      NULL },
    { "file:///srv/r", "file:///srv/r", NULL, NULL, NULL, NULL },
    { "git+file:/srv/r", "file:///srv/r", NULL, NULL, NULL, NULL },
    { "git+file://localhost/srv/r", "file://localhost/srv/r", NULL, NULL, NULL,
      NULL },
    { "/srv/r@v1#egg=n", "/srv/r", NULL, "v1", NULL, "n" },
    { "  git+https://h.org/r\n", "https://h.org/r", NULL, NULL, NULL, NULL },
    { "git+https://h.org/r@refs/pull/1/head", "https://h.org/r", NULL,
      "refs/pull/1/head", NULL, NULL },
    { "git+https://h.org/s@a/r@v1", "https://h.org/s@a/r", NULL, "v1", NULL,
      NULL },
};

static void takes_every_form_that_pip_accepts(void **state)
{
    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(forms); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        const char *text = forms[i].text;
        struct ps_git_url url = { 0 };

        if (ps_git_url_parse(&arena, ps_str_from(text), &url, &err) < 0)
            fail_msg("'%s': %s", text, err.text);
        assert_text("url", text, forms[i].url, url.url);
        assert_text("display", text,
                    forms[i].display ? forms[i].display : forms[i].url,
                    url.display);
        assert_text("rev", text, forms[i].rev, url.rev);
        assert_text("subdirectory", text, forms[i].subdirectory,
                    url.subdirectory);
        assert_text("egg", text, forms[i].egg, url.egg);
    }
}

static void refuses_what_is_wrong_and_says_what(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        { "", "empty" },
        { "git+", "empty" },
        { "git+git@h.org:a/r.git", "git+ssh://git@h.org/a/r.git" },
        { "git@h.org:a/r.git", "git+ssh://git@h.org/a/r.git" },
        { "git+ssh://git@h.org:a/r.git", "git+ssh://git@h.org/a/r.git" },
        { "git+h.org/a/r", "scheme" },
        { "git+://h.org/r", "scheme" },
        { "git+svn://h.org/r", "svn" },
        { "git+ext::sh -c id", "blank" },
        { "git+ext::sh%20-c%20id", "" },
        { "git+https:///r", "host" },
        { "git+https://h.org", "no repository" },
        { "git+https://h.org/", "no repository" },
        { "git+ssh://-oProxyCommand=id/r", "'-'" },
        { "git+ssh://%2DoProxyCommand=id/r", "host" },
        { "git+ssh://-oProxyCommand=id@h.org/r", "'-'" },
        { "git+ssh://%2Dx@h.org/r", "'-'" },
        { "git+ssh://h.org/a%0Ab", "control" },
        { "git+ssh://h.org/a%00b", "control" },
        { "git+https://h.org/r@", "'@'" },
        { "git+https://h.org/r@-x", "'-'" },
        { "git+https://h.org/r@a..b~1", "'~'" },
        { "git+https://h.org/r@:/fix", "':'" },
        { "git+https://h.org:99999/r", "port" },
        { "git+https://h.org:0/r", "port" },
        { "git+https://[::1/r", "bracket" },
        { "git+https://h.org/r#subdirectory=../x", "leaves" },
        { "git+https://h.org/r#subdirectory=a/../../x", "leaves" },
        { "git+https://h.org/r#subdirectory=/etc", "relative" },
        { "git+https://h.org/r#subdirectory=a\\b", "relative" },
        { "git+https://h.org/a b", "blank" },
        { "git+https://h.org/a\tb", "control" },
        { "git+file://other.host/srv/r", "file:///srv/r" },
        { "git+file://", "absolute" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        struct ps_git_url url = { 0 };

        if (ps_git_url_parse(&arena, ps_str_from(cases[i].text), &url, &err) !=
            PS_EINVALID)
            fail_msg("'%s' was taken, or failed otherwise: %s", cases[i].text,
                     err.text);
        if (!strstr(err.text, cases[i].says))
            fail_msg("'%s': '%s' does not say '%s'", cases[i].text, err.text,
                     cases[i].says);
        assert_null(url.url);
    }
}

static void no_message_shows_a_password(void **state)
{
    static const char *const cases[] = {
        "u:hunter2@h.org/r",
        "git+u:hunter2@h.org:r",
        "git+ssh://u:hunter2@h.org:a/r",
        "git+https://u:hunter2@h.org:a/r",
        "git+https://u:hunter2@h.org",
        "git+https://u:hunter2@-h.org/r",
        "git+https://u:hunter2@h.org/r@",
        "git+file://u:hunter2@h.org/r",
        "git+svn://u:hunter2@h.org/r",
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        struct ps_git_url url = { 0 };

        assert_code(PS_EINVALID,
                    ps_git_url_parse(&arena, ps_str_from(cases[i]), &url, &err),
                    &err);
        if (strstr(err.text, "hunter2"))
            fail_msg("'%s': %s", cases[i], err.text);
    }
}

static void an_at_sign_in_the_name_of_a_directory_is_no_revision(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_git_url url = { 0 };
    char *dir = test_make_dir();
    char *path = ps_format("%s/me@work", dir);
    char *with_rev = ps_format("%s@v1", path);

    (void)state;
    assert_ok(ps_mkdirs(path, 0755, &err), &err);
    assert_ok(ps_git_url_parse(&arena, ps_str_from(path), &url, &err), &err);
    assert_string_equal(url.url, path);
    assert_null(url.rev);
    assert_ok(ps_git_url_parse(&arena, ps_str_from(with_rev), &url, &err),
              &err);
    assert_string_equal(url.url, path);
    assert_string_equal(url.rev, "v1");
    free(with_rev);
    free(path);
    test_remove_dir(dir);
}

static void an_endless_url_is_refused(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_git_url url = { 0 };
    char *text = ps_calloc(1, 100001);

    (void)state;
    for (size_t i = 0; i < 100000; i++)
        text[i] = 'a';
    assert_code(PS_ETOOBIG,
                ps_git_url_parse(&arena, ps_str_from(text), &url, &err), &err);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_form_that_pip_accepts),
        cmocka_unit_test(refuses_what_is_wrong_and_says_what),
        cmocka_unit_test(no_message_shows_a_password),
        cmocka_unit_test(an_at_sign_in_the_name_of_a_directory_is_no_revision),
        cmocka_unit_test(an_endless_url_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
