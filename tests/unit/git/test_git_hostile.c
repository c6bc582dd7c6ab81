/* Names and links that must not be written, and trees that hold them. */
#include <dirent.h>

#include "git_fixture.h"
#include "git_private.h"

static void knows_every_spelling_of_dot_git(void **state)
{
    static const char *const hostile[] = {
        "",
        ".",
        "..",
        ".git",
        ".GIT",
        ".Git",
        "git~1",
        "GIT~1",
        ".git.",
        ".git ",
        ".git . .",
        ".git::$INDEX_ALLOCATION",
        ".g\xe2\x80\x8cit",
        "\xe2\x80\x8e.git",
        ".gi\xef\xbb\xbft",
        "a/b",
        "a\\b",
        "a\nb",
        "a\x7f",
    };
    static const char *const fine[] = {
        ".gitignore", ".github", "git",         ".git-blame-ignore-revs",
        "git~2",      "a.git",   ".gitmodules", "...",
        "\xc3\xa4",   "-x",      "a b",         ".gi",
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(hostile); i++)
        if (!ps_git_name_is_hostile(hostile[i]))
            fail_msg("'%s' was taken", hostile[i]);
    for (size_t i = 0; i < PS_ARRAY_SIZE(fine); i++)
        if (ps_git_name_is_hostile(fine[i]))
            fail_msg("'%s' was refused", fine[i]);
}

static void knows_which_links_leave_the_tree(void **state)
{
    static const struct {
        const char *path;
        const char *target;
        bool leaves;
    } cases[] = {
        { "a", "b", false },          { "a", "./b/c", false },
        { "d/a", "../b", false },     { "d/e/a", "../../b", false },
        { "a", "../b", true },        { "d/a", "../../b", true },
        { "a", "/etc/passwd", true }, { "a", "", true },
        { "a", "b/../../c", true },   { "d/a", "../x/..", true },
        { "d/a", "..", false },       { "a", "..", true },
        { "a", ".", false },          { "d/a", ".//../b", false },
    };

    (void)state;
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++)
        if (ps_git_link_leaves(cases[i].path, ps_str_from(cases[i].target)) !=
            cases[i].leaves)
            fail_msg("%s -> '%s'", cases[i].path, cases[i].target);
}

static size_t entries_of(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    assert_int_equal(closedir(dir), 0);
    return count - 2; /* "." and ".." */
}

/* Trees as only `git mktree` makes them: $b is a blob, $up a link's target,
 * $t a tree with one file. */
static void hostile_trees_are_refused_before_anything_is_written(void **state)
{
    static const struct {
        const char *entries;
        int code;
    } cases[] = {
        { "100644 blob $b\tok", PS_OK },
        { "100644 blob $b\t.GIT", PS_EINVALID },
        { "040000 tree $t\t.git ", PS_EINVALID },
        { "100644 blob $b\tgit~1", PS_EINVALID },
        { "100644 blob $b\ta\\\\b", PS_EINVALID },
        { "100644 blob $b\tA\\n100644 blob $b\ta", PS_EINVALID },
        { "120000 blob $up\tlink", PS_EINVALID },
        { "120000 blob $b\t.gitmodules", PS_EINVALID },
        { "040000 tree $t\tdir", PS_OK },
    };
    char *dir = test_make_dir();

    (void)state;
    git_do(dir, "git init -q repo");
    for (size_t i = 0; i < PS_ARRAY_SIZE(cases); i++) {
        PS_AUTO_ARENA struct ps_arena arena = PS_ARENA_INIT;
        struct ps_error err = PS_ERROR_INIT;
        struct ps_git_url url = { 0 };
        struct ps_git_commit commit = { 0 };
        const char *mirrors = ps_arena_format(&arena, "%s/mirrors", dir);
        const char *dest = ps_arena_format(&arena, "%s/out%zu", dir, i);
        struct ps_git_options options = { .mirror_root = mirrors };
        char *script =
            ps_format("cd repo; b=$(echo x | git hash-object -w --stdin); "
                      "up=$(printf ../../x | git hash-object -w --stdin); "
                      "t=$(printf \"100644 blob $b\\tf\\n\" | git mktree); "
                      "tree=$(printf \"%s\\n\" | git mktree); "
                      "git update-ref refs/heads/case%zu "
                      "$(git commit-tree -m x $tree)",
                      cases[i].entries, i);
        const char *text =
            ps_arena_format(&arena, "git+file://%s/repo@case%zu", dir, i);

        git_do(dir, script);
        free(script);
        assert_ok(ps_mkdirs(dest, 0755, &err), &err);
        assert_ok(ps_git_url_parse(&arena, ps_str_from(text), &url, &err),
                  &err);
        assert_ok(ps_git_resolve(&arena, &url, &options, NULL, &commit, &err),
                  &err);
        assert_code(cases[i].code,
                    ps_git_checkout(&url, &commit, &options, NULL, dest, &err),
                    &err);
        assert_int_equal(entries_of(dest), cases[i].code ? 0 : 2);
    }
    test_remove_dir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_every_spelling_of_dot_git),
        cmocka_unit_test(knows_which_links_leave_the_tree),
        cmocka_unit_test(hostile_trees_are_refused_before_anything_is_written),
    };

    if (setenv("HOME", "/nonexistent", 1) < 0 || unsetenv("XDG_CONFIG_HOME"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
