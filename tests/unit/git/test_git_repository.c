/* A person's repository: its state, its digest, a copy of it. */
#include <unistd.h>

#include "git_fixture.h"
#include "pkgsync/arena.h"
#include "pkgsync/git.h"

struct fixture {
    struct ps_arena arena;
    struct ps_error err;
    char *dir;
    char *root; /* <dir>/root: a repository with two commits */
    char *copy; /* <dir>/copy: the same files, no .git */
};

static int setup(void **state)
{
    struct fixture *f = ps_calloc(1, sizeof(*f));

    f->dir = test_make_dir();
    f->root = ps_format("%s/root", f->dir);
    f->copy = ps_format("%s/copy", f->dir);
    git_do(f->dir, "git init -q -b main root; cd root; echo 1 >a; git add a; "
                   "git commit -qm one; git tag v1; echo 2 >a; "
                   "git commit -qam two");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    ps_arena_release(&f->arena);
    test_remove_dir(f->dir);
    free(f->root);
    free(f->copy);
    free(f);
    return 0;
}

static struct ps_git_state inspect(struct fixture *f, const char *root)
{
    struct ps_git_state out = { 0 };

    assert_ok(ps_git_inspect(&f->arena, root, &out, &f->err), &f->err);
    return out;
}

static struct ps_sha256 digest(struct fixture *f)
{
    return inspect(f, f->root).digest;
}

/* Asked twice with a memory, as without one. */
static void assert_remembered(struct fixture *f, const struct ps_sha256 *plain)
{
    char *cache = ps_format("%s/cache", f->dir);

    for (int i = 0; i < 2; i++) {
        struct ps_git_state got = { 0 };

        assert_ok(
            ps_git_inspect_cached(&f->arena, f->root, cache, &got, &f->err),
            &f->err);
        assert_true(ps_sha256_equal(&got.digest, plain));
    }
    free(cache);
}

static bool changes(struct fixture *f, const char *script)
{
    struct ps_sha256 before = digest(f);
    struct ps_sha256 after;

    assert_remembered(f, &before);
    git_do(f->root, script);
    after = digest(f);
    assert_remembered(f, &after);
    return !ps_sha256_equal(&before, &after);
}

/* The files and then the `.git`, as tree.h does it. */
static void copy(struct fixture *f)
{
    git_do(f->dir, "mkdir copy; cp -R root/. copy/; rm -rf copy/.git");
    assert_ok(ps_git_copy_repository(f->root, f->copy, NULL, &f->err), &f->err);
}

static void a_directory_without_dot_git_is_no_repository(void **state)
{
    struct fixture *f = *state;

    /* Even below a repository: parents are not searched. */
    git_do(f->root, "mkdir sub");
    assert_false(inspect(f, f->dir).is_repository);
    git_do(f->dir, "mkdir root/sub/.git");
    f->err = PS_ERROR_INIT;
    char *sub = ps_format("%s/sub", f->root);

    assert_false(inspect(f, sub).is_repository);
    free(sub);
}

static void head_and_its_time_are_reported(void **state)
{
    struct fixture *f = *state;
    struct ps_git_state got = inspect(f, f->root);

    assert_true(got.is_repository);
    assert_git_says(f->root, "git rev-parse HEAD", got.head);
    assert_int_equal(got.time_s, 1700000000);
}

static void before_the_first_commit_there_is_no_head(void **state)
{
    struct fixture *f = *state;
    char *empty = ps_format("%s/empty", f->dir);
    struct ps_git_state got;

    git_do(f->dir, "git init -q empty");
    got = inspect(f, empty);
    assert_true(got.is_repository);
    assert_null(got.head);
    free(empty);
}

static void the_digest_changes_with_what_a_build_can_see(void **state)
{
    struct fixture *f = *state;

    assert_false(changes(f, "git status"));
    assert_false(changes(f, "git branch other"));
    assert_false(changes(f, "git gc -q"));
    assert_false(changes(f, "git pack-refs --all"));
    assert_false(changes(f, "git config remote.origin.url https://x/"));
    assert_false(changes(f, "echo dirty >a"));
    assert_true(changes(f, "git tag v2"));
    assert_true(changes(f, "git tag old HEAD~"));
    assert_true(changes(f, "git tag -a -m x annotated"));
    assert_true(changes(f, "git tag -f -a -m y annotated"));
    assert_true(changes(f, "git tag -d old"));
    assert_true(changes(f, "git commit -qam three"));
}

static void tags_elsewhere_do_not_count(void **state)
{
    struct fixture *f = *state;

    assert_false(
        changes(f, "git tag side $(git commit-tree -m x HEAD^{tree})"));
    assert_false(changes(f, "git tag child $(git commit-tree -p HEAD -m x "
                            "HEAD^{tree})"));
    assert_false(changes(f, "git tag tree HEAD^{tree}"));
}

static void a_tag_is_found_behind_merges_and_wrong_clocks(void **state)
{
    struct fixture *f = *state;

    /* A side branch whose commit claims to be from 2001. */
    git_do(f->root, "s=$(GIT_COMMITTER_DATE='1000000000 +0000' "
                    "git commit-tree -m old HEAD^{tree}); "
                    "m=$(git commit-tree -p HEAD -p $s -m merge HEAD^{tree});"
                    "git reset -q --hard $m");
    assert_true(changes(f, "git tag behind HEAD^2"));
    assert_true(changes(f, "git tag first HEAD~2"));
}

static void a_worktree_and_a_shallow_clone_are_read_like_others(void **state)
{
    struct fixture *f = *state;
    char *tree = ps_format("%s/wt", f->dir);
    char *shallow = ps_format("%s/shallow", f->dir);
    struct ps_sha256 expected = digest(f);
    struct ps_git_state got;

    git_do(f->root, "git worktree add -q --detach ../wt HEAD");
    got = inspect(f, tree);
    assert_true(ps_sha256_equal(&got.digest, &expected));

    git_do(f->dir, "git clone -q --depth 1 file://$PWD/root shallow; "
                   "git -C shallow tag here");
    got = inspect(f, shallow);
    assert_git_says(shallow, "git rev-parse HEAD", got.head);
    free(tree);
    free(shallow);
}

static void a_copy_is_a_repository_that_git_can_use(void **state)
{
    struct fixture *f = *state;

    copy(f);
    assert_git_says(f->copy, "git status --porcelain", "");
    assert_git_says(f->copy, "git describe --tags | cut -c1-6", "v1-1-g");
    assert_git_says(f->copy, "git symbolic-ref HEAD", "refs/heads/main");
    git_do(f->copy, "git fsck --strict; git log -p >/dev/null");
}

static void a_copy_of_a_packed_repository_has_every_object(void **state)
{
    struct fixture *f = *state;

    git_do(f->root, "git gc -q; echo 3 >b; git add b; git commit -qm three");
    copy(f);
    assert_git_says(f->copy, "git rev-list --objects --all | wc -l | tr -d ' '",
                    "9");
    assert_git_says(f->copy, "git status --porcelain", "");
}

static void changes_of_the_working_copy_stay_visible(void **state)
{
    struct fixture *f = *state;

    git_do(f->root, "echo dirty >a; echo n >new; git add new");
    copy(f);
    assert_git_says(f->copy, "git status --porcelain", " M a\nA  new");
}

static void neither_hooks_nor_secrets_travel(void **state)
{
    struct fixture *f = *state;

    git_do(f->root,
           "git config http.extraheader 'Authorization: Bearer TOPSECRET'; "
           "git remote add origin https://user:TOPSECRET@h.invalid/r; "
           "git config core.hooksPath /tmp/TOPSECRET; "
           "git config core.fsmonitor /tmp/TOPSECRET; "
           "git config filter.x.smudge TOPSECRET; "
           "git config core.autocrlf input; "
           "printf '#!/bin/sh\\n' >.git/hooks/post-checkout; "
           "chmod +x .git/hooks/post-checkout; "
           "echo TOPSECRET >.git/FETCH_HEAD; "
           "echo TOPSECRET >.git/objects/pack/tmp_pack_x");
    copy(f);
    assert_git_says(f->copy, "grep -rl TOPSECRET .git || true", "");
    assert_git_says(f->copy, "ls .git/hooks 2>&1 | grep -c post || true", "0");
    assert_git_says(f->copy, "git config core.autocrlf", "input");
    assert_git_says(f->copy, "git remote", "");
}

static void objects_borrowed_from_another_repository_are_copied(void **state)
{
    struct fixture *f = *state;
    char *borrower = ps_format("%s/borrower", f->dir);
    char *dest = ps_format("%s/dest", f->dir);

    git_do(f->dir, "git clone -q --shared root borrower; mkdir dest; "
                   "cp borrower/a dest/");
    assert_ok(ps_git_copy_repository(borrower, dest, NULL, &f->err), &f->err);
    git_do(f->dir, "rm -rf root borrower");
    assert_git_says(dest, "git status --porcelain", "");
    git_do(dest, "git fsck; git log -p >/dev/null");
    free(borrower);
    free(dest);
}

static void a_worktree_gets_a_repository_of_its_own(void **state)
{
    struct fixture *f = *state;
    char *tree = ps_format("%s/wt", f->dir);

    git_do(f->root, "git worktree add -q -b side ../wt HEAD~");
    git_do(f->dir, "mkdir copy; cp wt/a copy/");
    assert_ok(ps_git_copy_repository(tree, f->copy, NULL, &f->err), &f->err);
    git_do(f->dir, "rm -rf root wt");
    assert_git_says(f->copy, "git symbolic-ref --short HEAD", "side");
    assert_git_says(f->copy, "git status --porcelain", "");
    assert_git_says(f->copy, "git describe --tags", "v1");
    free(tree);
}

static void a_shallow_clone_stays_shallow(void **state)
{
    struct fixture *f = *state;
    char *shallow = ps_format("%s/shallow", f->dir);

    git_do(f->dir, "git clone -q --depth 1 file://$PWD/root shallow; "
                   "mkdir copy; cp shallow/a copy/");
    assert_ok(ps_git_copy_repository(shallow, f->copy, NULL, &f->err), &f->err);
    assert_git_says(f->copy, "git rev-list --count HEAD", "1");
    assert_git_says(f->copy, "git status --porcelain", "");
    free(shallow);
}

static void an_unborn_branch_can_be_copied(void **state)
{
    struct fixture *f = *state;
    char *empty = ps_format("%s/empty", f->dir);

    git_do(f->dir, "git init -q -b trunk empty; mkdir copy; echo 1 >empty/x; "
                   "git -C empty add x; cp empty/x copy/");
    assert_ok(ps_git_copy_repository(empty, f->copy, NULL, &f->err), &f->err);
    assert_git_says(f->copy, "git symbolic-ref HEAD", "refs/heads/trunk");
    assert_git_says(f->copy, "git status --porcelain", "A  x");
    free(empty);
}

static void a_cancel_ends_a_copy(void **state)
{
    struct fixture *f = *state;
    struct ps_cancel cancel;

    assert_ok(ps_cancel_init(&cancel, &f->err), &f->err);
    ps_cancel_fire(&cancel, PS_ECANCELED);
    git_do(f->dir, "mkdir copy");
    assert_code(PS_ECANCELED,
                ps_git_copy_repository(f->root, f->copy, &cancel, &f->err),
                &f->err);
    ps_cancel_release(&cancel);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_directory_without_dot_git_is_no_repository),
        TEST(head_and_its_time_are_reported),
        TEST(before_the_first_commit_there_is_no_head),
        TEST(the_digest_changes_with_what_a_build_can_see),
        TEST(tags_elsewhere_do_not_count),
        TEST(a_tag_is_found_behind_merges_and_wrong_clocks),
        TEST(a_worktree_and_a_shallow_clone_are_read_like_others),
        TEST(a_copy_is_a_repository_that_git_can_use),
        TEST(a_copy_of_a_packed_repository_has_every_object),
        TEST(changes_of_the_working_copy_stay_visible),
        TEST(neither_hooks_nor_secrets_travel),
        TEST(objects_borrowed_from_another_repository_are_copied),
        TEST(a_worktree_gets_a_repository_of_its_own),
        TEST(a_shallow_clone_stays_shallow),
        TEST(an_unborn_branch_can_be_copied),
        TEST(a_cancel_ends_a_copy),
    };

    /* The person's own settings must not decide a test. */
    if (setenv("HOME", "/nonexistent", 1) < 0 || unsetenv("XDG_CONFIG_HOME"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
