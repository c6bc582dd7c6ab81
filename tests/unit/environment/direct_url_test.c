/* direct_url.json: what installers write, and what nobody should believe. */
#include "test_util.h"

#include "pkgsync/direct_url.h"

static int parse(struct ps_arena *arena, const char *json,
                 struct ps_direct_url *d, struct ps_error *err)
{
    return ps_direct_url_parse(arena, ps_str_from(json), d, err);
}

static void assert_text(const char *actual, const char *expected,
                        const char *json)
{
    if (!actual != !expected || (actual && strcmp(actual, expected) != 0))
        fail_msg("%s: '%s', expected '%s'", json, actual ? actual : "NULL",
                 expected ? expected : "NULL");
}

#define VCS(url, rest) \
    "{\"url\": \"" url "\", \"vcs_info\": {\"vcs\": \"git\"" rest "}}"
#define ARCHIVE(url, info) \
    "{\"url\": \"" url "\", \"archive_info\": {" info "}}"
#define DIR(url, rest) "{\"url\": \"" url "\", \"dir_info\": {}" rest "}"
#define COMMIT "7921be1537eac1e97bc40179a57f0349c2aee67d"
#define SHA "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static void reads_what_installers_write(void **state)
{
    static const struct {
        const char *json;
        struct ps_direct_url d;
        const char *requirement;
    } cases[] = {
        /* pip: git */
        { VCS("https://h/r.git", ", \"requested_revision\": \"main\", "
                                 "\"commit_id\": \"" COMMIT "\""),
          { .kind = PS_DIRECT_VCS,
            .url = "https://h/r.git",
            .vcs = "git",
            .requested_revision = "main",
            .commit = COMMIT },
          "git+https://h/r.git@" COMMIT },
        /* uv, old: no commit; uv, with its flag for large files */
        { VCS("https://h/r", ", \"requested_revision\": \"v1\""),
          { .kind = PS_DIRECT_VCS,
            .url = "https://h/r",
            .vcs = "git",
            .requested_revision = "v1" },
          "git+https://h/r@v1" },
        { VCS("https://h/r", ", \"commit_id\": \"\", \"git_lfs\": true"),
          { .kind = PS_DIRECT_VCS, .url = "https://h/r", .vcs = "git" },
          "git+https://h/r" },
        /* Poetry: as typed */
        { VCS("git@h:o/r.git", ", \"commit_id\": \"" COMMIT "\""),
          { .kind = PS_DIRECT_VCS,
            .url = "ssh://git@h/o/r.git",
            .vcs = "git",
            .commit = COMMIT },
          "git+ssh://git@h/o/r.git@" COMMIT },
        { VCS("git+ssh://git@h/r", ", \"commit_id\": \"abc\""),
          { .kind = PS_DIRECT_VCS,
            .url = "ssh://git@h/r",
            .vcs = "git",
            .commit = "abc" },
          "git+ssh://git@h/r@abc" },
        { VCS("file:///srv/a%20repo#x", ", \"commit_id\": \"abc\""),
          { .kind = PS_DIRECT_VCS,
            .url = "file:///srv/a%20repo#x",
            .path = "/srv/a repo",
            .vcs = "git",
            .commit = "abc" },
          "git+file:///srv/a%20repo@abc" },
        { "{\"url\": \"https://h/r\", \"subdirectory\": \"pkg/a b/\", "
          "\"vcs_info\": {\"vcs\": \"git\", \"commit_id\": \"abc\"}}",
          { .kind = PS_DIRECT_VCS,
            .url = "https://h/r",
            .subdirectory = "pkg/a b",
            .vcs = "git",
            .commit = "abc" },
          "git+https://h/r@abc#subdirectory=pkg/a%20b" },
        { "{\"url\": \"svn+ssh://h/r\", "
          "\"vcs_info\": {\"vcs\": \"svn\", \"commit_id\": \"17\"}}",
          { .kind = PS_DIRECT_VCS,
            .url = "svn+ssh://h/r",
            .vcs = "svn",
            .commit = "17" },
          "svn+ssh://h/r@17" },
        /* archives: both forms of the hash, either, or none */
        { ARCHIVE("https://h/x.whl", "\"hash\": \"sha256=" SHA "\""),
          { .kind = PS_DIRECT_ARCHIVE,
            .url = "https://h/x.whl",
            .sha256 = SHA },
          "https://h/x.whl#sha256=" SHA },
        { ARCHIVE("https://h/x.whl", "\"hashes\": {\"sha256\": \"AB\"}, "
                                     "\"hash\": \"sha256=AB\""),
          { .kind = PS_DIRECT_ARCHIVE,
            .url = "https://h/x.whl",
            .sha256 = "ab" },
          "https://h/x.whl#sha256=ab" },
        { ARCHIVE("https://h/x.whl#sha256=ab", "\"hash\": \"md5=12345\""),
          { .kind = PS_DIRECT_ARCHIVE, .url = "https://h/x.whl#sha256=ab" },
          "https://h/x.whl#sha256=ab" },
        { ARCHIVE("https://h/x.whl", "\"hash\": null, \"hashes\": null"),
          { .kind = PS_DIRECT_ARCHIVE, .url = "https://h/x.whl" },
          "https://h/x.whl" },
        { ARCHIVE("file:///tmp/x%2Bcu118-1.whl",
                  "\"hash\": \"sha256=" SHA "\""),
          { .kind = PS_DIRECT_ARCHIVE,
            .url = "file:///tmp/x%2Bcu118-1.whl",
            .path = "/tmp/x+cu118-1.whl",
            .sha256 = SHA },
          "/tmp/x+cu118-1.whl" },
        { "{\"url\": \"https://h/x.zip\", \"subdirectory\": \"a\", "
          "\"archive_info\": {\"hash\": \"sha256=" SHA "\"}}",
          { .kind = PS_DIRECT_ARCHIVE,
            .url = "https://h/x.zip",
            .subdirectory = "a",
            .sha256 = SHA },
          "https://h/x.zip#sha256=" SHA "&subdirectory=a" },
        /* directories */
        { DIR("file:///home/me/p", ""),
          { .kind = PS_DIRECT_DIR,
            .url = "file:///home/me/p",
            .path = "/home/me/p" },
          "/home/me/p" },
        { "{\"url\": \"file:///p\", \"dir_info\": {\"editable\": true}}",
          { .kind = PS_DIRECT_DIR,
            .url = "file:///p",
            .path = "/p",
            .editable = true },
          "/p" },
        { "{\"url\": \"file:///p\", \"dir_info\": {\"editable\": null}, "
          "\"vcs_info\": null, \"more\": [1.5]}",
          { .kind = PS_DIRECT_DIR, .url = "file:///p", .path = "/p" },
          "/p" },
        { DIR("file:///p/", ", \"subdirectory\": \".///q/./\""),
          { .kind = PS_DIRECT_DIR,
            .url = "file:///p/",
            .path = "/p",
            .subdirectory = "q" },
          "/p/q" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        const struct ps_direct_url *want = &cases[i].d;
        const char *json = cases[i].json;
        struct ps_error err = PS_ERROR_INIT;
        struct ps_direct_url d = { 0 };

        if (parse(&arena, json, &d, &err) < 0)
            fail_msg("%s: %s", json, err.text);
        assert_int_equal(d.kind, want->kind);
        assert_int_equal(d.editable, want->editable);
        assert_text(d.url, want->url, json);
        assert_text(d.path, want->path, json);
        assert_text(d.subdirectory, want->subdirectory, json);
        assert_text(d.vcs, want->vcs, json);
        assert_text(d.requested_revision, want->requested_revision, json);
        assert_text(d.commit, want->commit, json);
        assert_text(d.sha256, want->sha256, json);
        assert_text(ps_direct_url_requirement(&arena, &d), cases[i].requirement,
                    json);
    }
}

static void keeps_no_credentials(void **state)
{
    static const struct {
        const char *written;
        const char *kept;
    } cases[] = {
        { "https://h/r", "https://h/r" },
        { "HTTPS://h/r", "https://h/r" },
        { "https://user:pass@h/r", "https://h/r" },
        { "https://user:pa@ss@h/r", "https://h/r" },
        { "https://token@h/r", "https://h/r" },
        { "ssh://git@h/r", "ssh://git@h/r" },
        { "ssh://cvs@h/r", "ssh://h/r" },
        { "https://git:pass@h/r", "https://h/r" },
        { "https://${USER}:${PASS_1-x}@h/r",
          "https://${USER}:${PASS_1-x}@h/r" },
        { "https://${TOKEN}@h/r", "https://${TOKEN}@h/r" },
        { "https://user:${PASS}@h/r", "https://h/r" },
        { "https://${USER}:pass@h/r", "https://h/r" },
        { "https://git:${PASS}@h/r", "https://h/r" },
        { "https://${}@h/r", "https://h/r" },
        { "https://${A B}@h/r", "https://h/r" },
        { "https://${A}${B}@h/r", "https://h/r" },
        { "https://h/r@v1?q=a@b#c@d", "https://h/r@v1?q=a@b#c@d" },
        { "https://h/a b#", "https://h/a%20b" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        struct ps_direct_url d = { 0 };
        char *json =
            ps_arena_format(&arena, "{\"url\": \"%s\", \"archive_info\": {}}",
                            cases[i].written);

        assert_ok(parse(&arena, json, &d, &err), &err);
        assert_string_equal(d.url, cases[i].kept);
        assert_null(strstr(d.url, "pass"));
    }
}

static void finds_the_path_of_a_file_url(void **state)
{
    static const struct {
        const char *url;
        const char *path; /* NULL: refused */
    } cases[] = {
        { "file:///home/p", "/home/p" },
        { "FILE:///home/p", "/home/p" },
        { "file:/home/p", "/home/p" },
        { "file://localhost/home/p", "/home/p" },
        { "file://LocalHost/home/p", "/home/p" },
        { "file://me:secret@localhost/p", "/p" },
        { "file:////home/p//", "/home/p" },
        { "file:///", "/" },
        { "file:///a%20b%C3%A9%2f", "/a b\xc3\xa9" },
        { "file:///a%zz%4", "/a%zz%4" },
        { "file:///a#b", "/a" },
        { "file:///a%23b", "/a#b" },
        { "file:///a?b", "/a" },
        { "file:///c/x", "/c/x" },
        { "file:", NULL },
        { "file:relative", NULL },
        { "file:./relative", NULL },
        { "file://relative", NULL },
        { "file://localhost", NULL },
        { "file://host/home/p", NULL },
        { "file:///C:/home/p", NULL },
        { "file:///c|/home", NULL },
        { "file:///C:%5Chome", NULL },
        { "file:///C:", NULL },
        { "file:///a%00b", NULL },
        { "file:///a%0Ab", NULL },
        { "file:///a%7f", NULL },
        { "https://h/p", NULL },
        { "/home/p", NULL },
        { "C:/home/p", NULL },
        { "", NULL },
        { "://", NULL },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        struct ps_direct_url d = { 0 };
        char *json = ps_arena_format(
            &arena, "{\"url\": \"%s\", \"dir_info\": {}}", cases[i].url);
        int rc = parse(&arena, json, &d, &err);

        if (!cases[i].path && rc == PS_EINVALID)
            continue;
        if (rc < 0 || !cases[i].path)
            fail_msg("%s: %s", cases[i].url, rc < 0 ? err.text : d.path);
        assert_string_equal(d.path, cases[i].path);
        assert_null(strstr(d.url, "secret"));
    }
}

static void says_what_is_wrong_with_a_document(void **state)
{
    static const struct {
        const char *json;
        const char *message;
    } cases[] = {
        { "", "line 1" },
        { "{", "line 1" },
        { "[]", "an array, expected an object" },
        { "null", "line 1" },
        { "{\"dir_info\": {}}", "'url' is missing" },
        { "{\"url\": null, \"dir_info\": {}}", "'url' is missing" },
        { "{\"url\": 1, \"dir_info\": {}}",
          "'url' is a number, expected a string" },
        { "{\"url\": \"file:///p\"}", "exactly one of" },
        { "{\"url\": \"file:///p\", \"dir_info\": null}", "exactly one of" },
        { "{\"url\": \"file:///p\", \"dir_info\": {}, \"archive_info\": {}}",
          "exactly one of" },
        { "{\"url\": \"file:///p\", \"dir_info\": []}",
          "'dir_info' is an array" },
        { "{\"url\": \"file:///p\", \"dir_info\": {\"editable\": 1}}",
          "'dir_info.editable' is a number, expected a boolean" },
        { "{\"url\": \"file:///p\", \"url\": \"file:///q\", "
          "\"dir_info\": {}}",
          "duplicate" },
        { DIR("https://h/p", ""), "expected 'file:///...' with dir_info" },
        { DIR("file:///p", ", \"subdirectory\": 1"), "'subdirectory' is a" },
        { DIR("file:///p", ", \"subdirectory\": \"/q\""), "'subdirectory' is" },
        { DIR("file:///p", ", \"subdirectory\": \"..\""), "'subdirectory' is" },
        { DIR("file:///p", ", \"subdirectory\": \"a/../../b\""),
          "'subdirectory' is" },
        { DIR("file:///p", ", \"subdirectory\": \"a\\\\b\""),
          "'subdirectory' is" },
        { DIR("file:///p", ", \"subdirectory\": \"a\\nb\""),
          "'subdirectory' has a control character" },
        { DIR("file:///p\\u0000", ""), "\\u0000" },
        { DIR("file:///p\\n", ""), "'url' has a control character" },
        { DIR("file:///p\\u007f", ""), "'url' has a control character" },
        { "{\"url\": \"https://h/r\", \"vcs_info\": {}}",
          "'vcs_info.vcs' is missing" },
        { "{\"url\": \"https://h/r\", \"vcs_info\": {\"vcs\": \"\"}}",
          "'vcs_info.vcs' is" },
        { "{\"url\": \"https://h/r\", \"vcs_info\": {\"vcs\": \"a/b\"}}",
          "'vcs_info.vcs' is" },
        { VCS("https://h/r", ", \"commit_id\": 12345"),
          "'vcs_info.commit_id' is a number" },
        { VCS("https://h/r", ", \"commit_id\": \"--upload-pack=x\""),
          "'vcs_info.commit_id' is" },
        { VCS("https://h/r", ", \"commit_id\": \"a#b\""),
          "'vcs_info.commit_id' is" },
        { VCS("https://h/r", ", \"requested_revision\": []"),
          "'vcs_info.requested_revision' is an array" },
        { VCS("h/r", ""), "no scheme" },
        { VCS("https:///r", ""), "names no host" },
        { ARCHIVE("https://h/x", "\"hash\": \"md5:12345\""),
          "expected '<algorithm>=<hash>'" },
        { ARCHIVE("https://h/x", "\"hash\": 1"),
          "'archive_info.hash' is a number" },
        { ARCHIVE("https://h/x", "\"hashes\": []"),
          "'archive_info.hashes' is an array" },
        { ARCHIVE("https://h/x", "\"hashes\": {\"md5\": 12345}"),
          "'archive_info.hashes' is a number, expected strings in it" },
        { ARCHIVE("https://h/x", "\"hash\": \"md5=1\", "
                                 "\"hashes\": {\"sha256\": \"ab\"}"),
          "differ in 'md5'" },
        { ARCHIVE("https://h/x", "\"hash\": \"md5=1\", "
                                 "\"hashes\": {\"md5\": \"2\"}"),
          "differ in 'md5'" },
        { ARCHIVE("https://h/x", "\"hash\": \"sha256=xyz\""),
          "expected hexadecimal digits" },
        { ARCHIVE("https://h/x", "\"hash\": \"sha256=\""),
          "expected hexadecimal digits" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        struct ps_direct_url d = { 0 };

        if (parse(&arena, cases[i].json, &d, &err) != PS_EINVALID)
            fail_msg("accepted: %s", cases[i].json);
        if (!strstr(err.text, "direct_url.json") ||
            !strstr(err.text, cases[i].message))
            fail_msg("%s: %s", cases[i].json, err.text);
    }
}

static void shows_no_part_of_a_url_that_may_be_a_secret(void **state)
{
    static const struct {
        const char *text;
        const char *shown;
    } cases[] = {
        { "https://h/x-1.tar.gz?token=S", "https://h/x-1.tar.gz" },
        { "https://h/x?sv=1&sig=S#sha256=ab", "https://h/x#sha256=ab" },
        { "https://h/x#S=", "https://h/x" },
        { "https://h/x#egg=a&S&subdirectory=p/q",
          "https://h/x#egg=a&subdirectory=p/q" },
        { "https://h/x#egg=S:S", "https://h/x" },
        { "https://u:S@h/x", "https://h/x" },
        { "HTTPS://S@h/x", "HTTPS://h/x" },
        { "https://u:S/PW@h.org/r", "https://h.org/r" },
        { "https://u:S?P#W@h.org/r", "https://h.org/r" },
        { "https://u@v:S/PW@h.org/r", "https://h.org/r" },
        { "https://S/PW@h.org/r", "https://h.org/r" },
        { "https:u:S@h/r", "https:h/r" },
        { "git+https://u:S@h/r@abc", "git+https://h/r@abc" },
        { "git+https://git@h/r@abc#egg=x", "git+https://git@h/r@abc#egg=x" },
        { "git+https://h:8080/r@v1.0", "git+https://h:8080/r@v1.0" },
        { "https://h.org/a@b.c/d", "https://h.org/a@b.c/d" },
        { "ssh://me:S@h/r", "ssh://me@h/r" },
        { "git+ssh://git@h/r", "git+ssh://git@h/r" },
        { "https://${U}:${S}@h/r", "https://${U}:${S}@h/r" },
        { "https://[::1]:80/r@v", "https://[::1]:80/r@v" },
        { "file:///a@b/c?d", "file:///a@b/c" },
        { "x @ https://u:S@h/x.whl?S ; python_version > '3'",
          "x @ https://h/x.whl ; python_version > '3'" },
        { "x@https://u:S@h/x.whl?S", "x@https://h/x.whl" },
        { "/a/b?c#d@e", "/a/b?c#d@e" },
        { "", "" },
        { "x>=1", "x>=1" },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;

        assert_string_equal(ps_url_shown(&arena, cases[i].text),
                            cases[i].shown);
    }
}

static void fetches_with_the_query_that_it_does_not_show(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_error err = PS_ERROR_INIT;
    struct ps_direct_url d = { 0 };

    (void)state;
    assert_ok(
        parse(&arena, ARCHIVE("https://u:S/PW@h.org/x?sig=1", ""), &d, &err),
        &err);
    assert_string_equal(ps_direct_url_requirement(&arena, &d),
                        "https://h.org/x?sig=1");
    assert_int_equal(parse(&arena, VCS("https:u:SECRET@h", ""), &d, &err),
                     PS_EINVALID);
    assert_null(strstr(err.text, "SECRET"));
}

static void needs_nothing_to_install_what_an_index_has(void **state)
{
    PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
    struct ps_direct_url none = { .kind = PS_DIRECT_NONE };

    (void)state;
    assert_null(ps_direct_url_requirement(&arena, &none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_installers_write),
        cmocka_unit_test(keeps_no_credentials),
        cmocka_unit_test(finds_the_path_of_a_file_url),
        cmocka_unit_test(says_what_is_wrong_with_a_document),
        cmocka_unit_test(shows_no_part_of_a_url_that_may_be_a_secret),
        cmocka_unit_test(fetches_with_the_query_that_it_does_not_show),
        cmocka_unit_test(needs_nothing_to_install_what_an_index_has),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
