/* A tree that is a git repository: its state counts, its bytes do not. */
#include "pkgsync/process.h"
#include "tree_fixture.h"

static const char *const git_env[] = {
    "PATH=/usr/local/bin:/usr/bin:/bin",
    "HOME=/nonexistent",
    "GIT_CONFIG_NOSYSTEM=1",
    "GIT_CONFIG_GLOBAL=/dev/null",
    "GIT_AUTHOR_NAME=a",
    "GIT_AUTHOR_EMAIL=a@example.org",
    "GIT_AUTHOR_DATE=1234567890 +0000",
    "GIT_COMMITTER_NAME=a",
    "GIT_COMMITTER_EMAIL=a@example.org",
    "GIT_COMMITTER_DATE=1234567890 +0000",
    NULL,
};

/* One git command in `dir`; its output without the newline, to free. */
static char *git(const char *dir, const char *a, const char *b, const char *c,
                 const char *d)
{
    char *program = ps_find_program("git", "/usr/local/bin:/usr/bin:/bin");
    const char *const argv[] = { program, "-C", dir, a, b, c, d, NULL };
    struct ps_error err = PS_ERROR_INIT;
    struct ps_buf out = PS_BUF_INIT(1 << 16);
    char *text = NULL;

    assert_non_null(program);
    assert_ok(ps_process_output(argv, git_env, NULL, &out, &err), &err);
    text = ps_str_dup(ps_str_trim(ps_buf_str(&out)));
    ps_buf_release(&out);
    free(program);
    return text;
}

static int set_up_repository(void **state)
{
    struct fixture *f = NULL;

    set_up(state);
    f = *state;
    put(f->root, "pyproject.toml", "[project]\n");
    put(f->root, ".gitignore", "ignored\n");
    free(git(f->root, "init", "-q", "-b", "main"));
    free(git(f->root, "add", ".", NULL, NULL));
    free(git(f->root, "commit", "-q", "-m", "first"));
    return 0;
}

static void commits_and_tags_count(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info first = digest_of(f);
    struct ps_tree_info now = digest_of(f);
    char *head = git(f->root, "rev-parse", "HEAD", NULL, NULL);

    assert_same_digest(first, now);
    assert_string_equal(first.commit, head);
    assert_int_equal(first.commit_time_s, 1234567890);
    assert_int_equal(first.files, 2);
    free(head);

    free(git(f->root, "tag", "v1", NULL, NULL));
    now = digest_of(f);
    assert_other_digest(first, now);
    first = now;
    free(git(f->root, "commit", "-q", "--allow-empty", "-msecond"));
    now = digest_of(f);
    assert_other_digest(first, now);
}

static void ignored_and_untracked_files_count(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info first = digest_of(f);
    struct ps_tree_info now;

    put(f->root, "ignored", "generated");
    now = digest_of(f);
    assert_other_digest(first, now);
}

/* setuptools-scm packs what is tracked, so tracking alone is a change. */
static void tracking_a_file_counts(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info before;

    put(f->root, "data.txt", "x");
    before = digest_of(f);
    free(git(f->root, "add", "data.txt", NULL, NULL));
    assert_other_digest(before, digest_of(f));
}

static void what_git_does_for_itself_does_not_count(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info first = digest_of(f);
    struct ps_tree_info now;

    free(git(f->root, "gc", "-q", NULL, NULL));
    free(git(f->root, "config", "user.name", "x", NULL));
    put(f->root, ".git/hooks/pre-commit", "exit 1\n");
    now = digest_of(f);
    assert_same_digest(first, now);
}

static void a_copy_has_a_usable_repository(void **state)
{
    struct fixture *f = *state;
    struct ps_tree_info info;
    struct ps_tree_info again;
    char *text = NULL;

    free(git(f->root, "tag", "v1.5", NULL, NULL));
    info = copy_of(f);
    again = digest_of(f);
    assert_same_digest(info, again);

    text = git(f->copy, "describe", "--tags", "--dirty", NULL);
    assert_string_equal(text, "v1.5");
    free(text);
    text = git(f->copy, "status", "--porcelain", NULL, NULL);
    assert_string_equal(text, "");
    free(text);
    free(f->root);
    f->root = ps_strdup(f->copy);
    again = digest_of(f);
    assert_same_digest(info, again);
    free(f->root);
    f->root = ps_format("%s/tree", f->base);
}

int main(void)
{
#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up_repository, tear_down)
    const struct CMUnitTest tests[] = {
        T(commits_and_tags_count),
        T(ignored_and_untracked_files_count),
        T(tracking_a_file_counts),
        T(what_git_does_for_itself_does_not_count),
        T(a_copy_has_a_usable_repository),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
