"""Repositories on this machine: revisions, checkouts, submodules, damage."""

import os
import pathlib
import signal
import subprocess
import time
import unittest

from git_support import GitTest


class Revisions(GitTest):
    def setUp(self):
        super().setUp()
        self.source = self.repo()
        self.first = self.git(self.source, "rev-parse", "HEAD")
        self.git(self.source, "tag", "light")
        self.git(self.source, "tag", "-a", "-m", "x", "annotated")
        self.git(self.source, "branch", "feature/x")
        self.second = self.commit(self.source, "file.txt", "two\n")
        self.url = f"git+file://{self.source}"

    def test_the_default_branch_without_a_revision(self):
        self.assertEqual(self.resolve(self.url).commit, self.second)

    def test_a_plain_path_is_a_repository_too(self):
        self.assertEqual(self.resolve(str(self.source)).commit, self.second)

    def test_branches_tags_and_commits(self):
        for rev, commit in (
            ("main", self.second),
            ("feature/x", self.first),
            ("light", self.first),
            ("annotated", self.first),
            (self.first, self.first),
            (self.first[:10], self.first),
            ("refs/heads/main", self.second),
        ):
            with self.subTest(rev=rev):
                self.assertEqual(
                    self.resolve(f"{self.url}@{rev}").commit, commit
                )

    def test_a_branch_wins_over_a_tag_of_the_same_name(self):
        self.git(self.source, "tag", "main", self.first)
        self.assertEqual(self.resolve(f"{self.url}@main").commit, self.second)

    def test_an_unknown_revision_is_named_with_its_repository(self):
        text = self.fails("NOTFOUND", f"{self.url}@nope")
        self.assertIn("nope", text)
        self.assertIn(str(self.source), text)

    def test_an_unknown_repository_is_named(self):
        text = self.fails("NOTFOUND", f"git+file://{self.tmp}/gone")
        self.assertIn(f"{self.tmp}/gone", text)

    def test_a_reference_that_is_no_branch_can_be_asked_for(self):
        hidden = self.git(
            self.source, "commit-tree", "-p", "HEAD", "-m", "pull",
            "HEAD^{tree}",
        )
        self.git(self.source, "update-ref", "refs/pull/1/head", hidden)
        self.assertEqual(
            self.resolve(f"{self.url}@refs/pull/1/head").commit, hidden
        )

    def test_a_branch_that_moves_is_fetched_again(self):
        self.resolve(f"{self.url}@main")
        third = self.commit(self.source, "file.txt", "three\n")
        self.assertEqual(self.resolve(f"{self.url}@main").commit, third)

    def test_a_branch_that_was_rewound_is_followed(self):
        self.resolve(f"{self.url}@main")
        self.git(self.source, "reset", "-q", "--hard", self.first)
        self.assertEqual(self.resolve(f"{self.url}@main").commit, self.first)

    def test_a_branch_may_give_way_to_a_directory_of_branches(self):
        self.git(self.source, "branch", "topic")
        self.resolve(self.url)
        self.git(self.source, "branch", "-m", "topic", "topic/a")
        self.resolve(f"{self.url}@topic/a")
        self.fails("NOTFOUND", f"{self.url}@topic")

    def test_a_known_commit_needs_no_repository_any_more(self):
        self.resolve(self.url)
        os.rename(self.source, self.tmp / "gone")
        result, dest = self.checkout(f"{self.url}@{self.first}")
        self.assertEqual(result.commit, self.first)
        self.assertEqual((dest / "file.txt").read_text(), "one\n")

    def test_offline_uses_what_the_mirror_has_and_says_so_when_it_has_not(self):
        self.fails("NOTFOUND", self.url, "--offline")
        self.resolve(self.url)
        self.assertEqual(
            self.resolve(f"{self.url}@main", "--offline").commit, self.second
        )
        self.assertIn(
            "offline", self.fails("NOTFOUND", f"{self.url}@new", "--offline")
        )

    def test_an_empty_repository_says_that_it_has_no_commit(self):
        empty = self.tmp / "empty"
        self.git(self.tmp, "init", "-q", str(empty))
        self.assertIn(
            "no commit", self.fails("NOTFOUND", f"git+file://{empty}")
        )

    def test_the_digest_knows_tags_of_the_history_and_subdirectories(self):
        before = self.resolve(self.url).digest
        self.assertEqual(self.resolve(self.url).digest, before)
        self.assertNotEqual(
            self.resolve(f"{self.url}#subdirectory=a").digest, before
        )
        side = self.git(
            self.source, "commit-tree", "-m", "elsewhere", "HEAD^{tree}"
        )
        self.git(self.source, "tag", "unrelated", side)
        self.assertEqual(self.resolve(self.url).digest, before)
        self.git(self.source, "tag", "later")
        self.assertNotEqual(self.resolve(self.url).digest, before)

    def test_an_instead_of_rule_of_the_person_counts(self):
        self.set_global(
            f"url.file://{self.tmp}/srv/.insteadOf", "https://forge.invalid/"
        )
        self.assertEqual(
            self.resolve("git+https://forge.invalid/repo").commit, self.second
        )

    def test_a_shallow_clone_is_refused_with_the_way_out(self):
        self.git(self.tmp, "clone", "-q", "--depth", "1",
                 f"file://{self.source}", "shallow")
        text = self.fails("UNSUPPORTED", f"git+file://{self.tmp}/shallow")
        self.assertIn("--unshallow", text)

    @unittest.skipUnless(os.getuid() == 0, "giving a file away needs root")
    def test_a_repository_of_somebody_else_names_owner_and_way_out(self):
        for path in [self.source, *self.source.rglob("*")]:
            os.lchown(path, 65534, 65534)
        text = self.fails("DENIED", self.url)
        self.assertIn("nobody", text)
        self.assertIn("safe.directory", text)
        self.set_global("safe.directory", str(self.source))
        self.resolve(self.url)


class Checkouts(GitTest):
    def setUp(self):
        super().setUp()
        self.source = self.repo()
        self.url = f"git+file://{self.source}"

    def test_the_checkout_is_a_repository_that_git_can_use(self):
        self.git(self.source, "tag", "-a", "-m", "x", "v1.0")
        self.commit(self.source, "bin/run", "#!/bin/sh\n")
        os.chmod(self.source / "bin/run", 0o755)
        os.symlink("../file.txt", self.source / "bin/link")
        self.commit(self.source, "more.txt")
        self.set_global("http.extraheader", "Authorization: secret")
        _, dest = self.checkout(self.url)
        self.assertEqual(self.git(dest, "status", "--porcelain"), "")
        self.assertRegex(self.git(dest, "describe", "--tags"), r"^v1\.0-2-g")
        self.assertEqual(self.git(dest, "remote"), "")
        self.assertTrue(os.access(dest / "bin/run", os.X_OK))
        self.assertEqual(os.readlink(dest / "bin/link"), "../file.txt")
        self.git(dest, "fsck", "--strict", stderr=subprocess.DEVNULL)
        config = (dest / ".git/config").read_text()
        self.assertNotIn(str(self.tmp), config)
        self.assertNotIn("secret", config)
        self.assertFalse((dest / ".git/hooks").exists())

    def test_no_filter_of_the_repository_runs(self):
        self.set_global("filter.evil.smudge", f"touch {self.tmp}/ran; cat")
        self.commit(self.source, ".gitattributes", "*.x filter=evil\n")
        self.commit(self.source, "a.x", "data\n")
        _, dest = self.checkout(self.url)
        self.assertEqual((dest / "a.x").read_text(), "data\n")
        self.assertFalse((self.tmp / "ran").exists())

    def test_a_git_lfs_pointer_is_refused_by_name(self):
        self.commit(self.source, ".gitattributes",
                    "*.bin filter=lfs diff=lfs merge=lfs -text\n")
        self.commit(
            self.source, "data/big.bin",
            "version https://git-lfs.github.com/spec/v1\n"
            "oid sha256:" + "0" * 64 + "\nsize 12345\n",
        )
        text = self.fails("UNSUPPORTED", self.url, dest=self.tmp / "out")
        self.assertIn("data/big.bin", text)
        self.assertIn("git-lfs", text)

    def test_a_file_that_only_looks_like_a_pointer_is_a_file(self):
        pointer = "version https://git-lfs.github.com/spec/v1\n"
        self.commit(self.source, "sample.txt", pointer)
        _, dest = self.checkout(self.url)
        self.assertEqual((dest / "sample.txt").read_text(), pointer)

    def test_hostile_trees_are_refused_before_a_file_is_written(self):
        blob = self.git(self.source, "hash-object", "-w", "file.txt")
        up = self.git(self.source, "hash-object", "-w", "--stdin",
                      input="../outside")
        for entries in (
            f"100644 blob {blob}\t.GIT",
            f"100644 blob {blob}\t.git.",
            f"100644 blob {blob}\tgit~1",
            f"100644 blob {blob}\ta\\b",
            f"100644 blob {blob}\tRead\n100644 blob {blob}\tread",
            f"120000 blob {up}\tlink",
        ):
            with self.subTest(entries=entries):
                tree = self.git(self.source, "mktree", input=entries + "\n")
                commit = self.git(self.source, "commit-tree", "-m", "x", tree)
                self.git(self.source, "update-ref", "refs/heads/bad", commit)
                dest = self.tmp / ("out-" + commit)
                text = self.fails("INVALID", f"{self.url}@bad", dest=dest)
                self.assertIn("entry", text)
                self.assertEqual(list(dest.iterdir()), [])

    def test_submodules_are_checked_out_with_relative_urls(self):
        self.repo("inner")
        self.repo("middle")
        middle = self.tmp / "srv/middle"
        self.git(middle, "-c", "protocol.file.allow=always", "submodule",
                 "--quiet", "add", "../inner", "deep", stderr=subprocess.DEVNULL)
        self.commit(middle, "m.txt")
        self.git(self.source, "-c", "protocol.file.allow=always", "submodule",
                 "--quiet", "add", "../middle", "lib/middle",
                 stderr=subprocess.DEVNULL)
        self.commit(self.source, "s.txt")
        _, dest = self.checkout(self.url)
        self.assertEqual((dest / "lib/middle/deep/file.txt").read_text(),
                         "one\n")
        self.assertEqual(self.git(dest, "status", "--porcelain"), "")

    def test_a_submodule_may_not_name_another_path_of_this_machine(self):
        other = self.repo("other")
        self.git(self.source, "-c", "protocol.file.allow=always", "submodule",
                 "--quiet", "add", str(other), "sub", stderr=subprocess.DEVNULL)
        self.commit(self.source, "s.txt")
        text = self.fails("DENIED", self.url, dest=self.tmp / "out")
        self.assertIn("protocol.file.allow", text)
        self.set_global("protocol.file.allow", "always")
        _, dest = self.checkout(self.url, "out2")
        self.assertEqual((dest / "sub/file.txt").read_text(), "one\n")

    def test_setuptools_scm_style_describe_sees_a_clean_tree(self):
        self.git(self.source, "tag", "v2.0")
        _, dest = self.checkout(self.url)
        self.assertEqual(
            self.git(dest, "describe", "--dirty", "--tags", "--long",
                     "--match", "*[0-9]*")[:7],
            "v2.0-0-",
        )


class Mirrors(GitTest):
    def setUp(self):
        super().setUp()
        self.source = self.repo()
        for i in range(5):
            self.commit(self.source, f"f{i}", os.urandom(20000))
        self.url = f"git+file://{self.source}"

    def damage(self, mirror, how):
        for path in pathlib.Path(mirror).rglob("*"):
            if path.suffix == ".pack" and how != "head":
                path.chmod(0o644)
                data = bytearray(path.read_bytes())
                if how == "cut":
                    data = data[: len(data) // 2]
                else:
                    for i in range(20, len(data) - 20, 7):
                        data[i] ^= 0x55
                path.write_bytes(data)
            elif path.suffix == ".idx" and how == "index":
                path.unlink()
            elif path.name == "HEAD" and how == "head":
                path.write_text("rubbish")

    def test_a_damaged_mirror_is_made_again(self):
        for how in ("cut", "flipped", "index", "head"):
            with self.subTest(how=how):
                before = self.resolve(self.url)
                self.damage(before.mirror, how)
                # libgit2 1.5 forgets a reference of its own when it meets
                # a damaged object in a local fetch.
                result, dest = self.checkout(
                    self.url, f"out-{how}",
                    env={"ASAN_OPTIONS": "detect_leaks=0"},
                )
                self.assertEqual(result.commit, before.commit)
                self.assertEqual(self.git(dest, "status", "--porcelain"), "")

    def test_a_directory_that_is_no_mirror_is_replaced(self):
        path = pathlib.Path(self.resolve(self.url).mirror)
        subprocess.run(["rm", "-rf", str(path)], check=True)
        path.mkdir()
        (path / "rubbish").write_text("x")
        self.resolve(self.url)
        self.assertFalse((path / "rubbish").exists())

    def test_a_mirror_that_is_fetched_often_does_not_fill_with_packs(self):
        for i in range(45):
            self.commit(self.source, "file.txt", f"{i}\n")
            result = self.resolve(self.url)
        packs = list(pathlib.Path(result.mirror).rglob("*.pack"))
        self.assertLess(len(packs), 20)
        self.checkout(f"{self.url}@{result.commit}", "out", "--offline")

    def test_many_processes_share_one_mirror(self):
        running = []
        for i in range(6):
            dest = self.tmp / f"out{i}"
            dest.mkdir()
            running.append(
                subprocess.Popen(self.argv(self.url, dest), env=self.env,
                                 stdout=subprocess.PIPE, text=True)
            )
        for i, process in enumerate(running):
            out, _ = process.communicate(timeout=120)
            self.assertTrue(out.startswith("ok "), out)
            self.assertEqual(
                self.git(self.tmp / f"out{i}", "status", "--porcelain"), ""
            )

    def test_a_lock_that_is_held_does_not_outlive_a_cancel(self):
        mirror = pathlib.Path(self.resolve(self.url).mirror)
        lock = mirror.with_suffix(".lock")
        holder = subprocess.Popen(
            ["flock", str(lock), "sleep", "60"], start_new_session=True
        )
        try:
            time.sleep(0.3)
            start = time.monotonic()
            self.fails("CANCELED", self.url, "--cancel-after-ms", "300")
            self.assertLess(time.monotonic() - start, 5)
        finally:
            os.killpg(holder.pid, signal.SIGKILL)
            holder.wait()
        self.resolve(self.url)  # a dead process holds no lock


if __name__ == "__main__":
    unittest.main()
