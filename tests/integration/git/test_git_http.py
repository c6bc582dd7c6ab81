"""http and https: nginx with `git http-backend`, logins, certificates."""

import os
import pathlib
import time
import unittest

from git_support import GitTest
from git_servers import PASSWORD, USER, HttpServer, SilentServer, free_port

LOGIN = f"{USER}:{PASSWORD}@"


class Http(GitTest):
    def setUp(self):
        super().setUp()
        self.source = self.repo()
        self.first = self.git(self.source, "rev-parse", "HEAD")
        self.git(self.source, "tag", "-a", "-m", "x", "v1")
        self.second = self.commit(self.source, "file.txt", "two\n")
        self.server = HttpServer(self.tmp / "web", self.tmp / "srv")
        self.addCleanup(self.server.close)

    def use_helper(self, user, password):
        """A credential helper that answers, and logs what it is asked."""
        helper = self.tmp / "helper"
        self.asked = self.tmp / "asked"
        helper.write_text(
            "#!/bin/sh\n"
            f'{{ echo "== $1"; cat; }} >> {self.asked}\n'
            f'[ "$1" = get ] || exit 0\n'
            f"echo username={user}\necho password={password}\n"
        )
        helper.chmod(0o755)
        self.set_global("credential.helper", str(helper))

    def verbs(self):
        return [
            line[3:] for line in self.asked.read_text().splitlines()
            if line.startswith("== ")
        ]

    def test_branches_tags_and_commits_over_http(self):
        url = self.server.url("public/repo")
        for rev, commit in (
            ("", self.second),
            ("@main", self.second),
            ("@v1", self.first),
            ("@" + self.first, self.first),
        ):
            with self.subTest(rev=rev):
                self.assertEqual(self.resolve(url + rev).commit, commit)

    def test_a_checkout_over_http_describes_itself(self):
        _, dest = self.checkout(self.server.url("public/repo"))
        self.assertRegex(self.git(dest, "describe"), "^v1-1-g")
        self.assertEqual(self.git(dest, "status", "--porcelain"), "")

    def test_a_branch_that_moves_is_fetched_again(self):
        url = self.server.url("public/repo@main")
        self.resolve(url)
        third = self.commit(self.source, "file.txt", "three\n")
        self.assertEqual(self.resolve(url).commit, third)

    def test_a_full_commit_that_is_known_makes_no_request(self):
        url = self.server.url("public/repo")
        self.resolve(url)
        before = self.server.requests()
        self.resolve(f"{url}@{self.second}")
        self.assertEqual(self.server.requests(), before)
        self.server.close()
        self.checkout(f"{url}@{self.second}")

    def test_a_commit_of_no_branch_is_asked_for_when_the_server_allows(self):
        hidden = self.git(self.source, "commit-tree", "-m", "x",
                          "HEAD^{tree}")
        url = self.server.url(f"public/repo@{hidden}")
        self.fails("NOTFOUND", url)
        self.git(self.source, "config", "uploadpack.allowAnySHA1InWant",
                 "true")
        self.assertEqual(self.resolve(url).commit, hidden)

    def test_unknown_revision_and_unknown_repository(self):
        self.assertIn(
            "nope", self.fails("NOTFOUND",
                               self.server.url("public/repo@nope"))
        )
        self.assertIn(
            "/public/gone",
            self.fails("NOTFOUND", self.server.url("public/gone")),
        )

    def test_a_page_that_is_no_repository_is_not_taken_for_one(self):
        self.assertIn(
            "no git repository",
            self.fails("NOTFOUND", self.server.url("page/x")),
        )

    def test_a_server_error_may_be_tried_again(self):
        self.assertIn(
            "503", self.fails("UNREACHABLE", self.server.url("broken/x"))
        )

    def test_a_redirect_is_followed(self):
        self.assertEqual(
            self.resolve(self.server.url("moved/repo")).commit, self.second
        )

    def test_the_helper_is_asked_once_and_told_that_it_was_right(self):
        self.use_helper(USER, PASSWORD)
        result = self.resolve(self.server.url("private/repo"))
        self.assertEqual(result.commit, self.second)
        self.assertEqual(self.verbs(), ["get", "store"])
        self.assertIn("host=127.0.0.1:", self.asked.read_text())

    def test_a_refused_login_is_rejected_at_the_helper(self):
        self.use_helper(USER, "wrong")
        text = self.fails("AUTH", self.server.url("private/repo"))
        self.assertIn("refused", text)
        self.assertNotIn("wrong", text)
        self.assertEqual(self.verbs(), ["get", "erase"])

    def test_no_login_to_be_had_says_how_to_get_one(self):
        text = self.fails("AUTH", self.server.url("private/repo"))
        self.assertIn("credential helper", text)

    def test_a_login_in_the_url_is_used_and_never_shown(self):
        self.use_helper("other", "other")
        result = self.resolve(
            self.server.url("private/repo", login=LOGIN)
        )
        self.assertEqual(result.commit, self.second)
        self.assertFalse(self.asked.exists())
        self.assertNotIn(PASSWORD, result.output)
        for path in self.mirrors.rglob("*"):
            if path.is_file():
                self.assertNotIn(PASSWORD.encode(), path.read_bytes(), path)

    def test_a_wrong_login_in_the_url_is_not_asked_for_again(self):
        self.use_helper(USER, PASSWORD)
        text = self.fails(
            "AUTH", self.server.url("private/repo", login="alice:nonsense@")
        )
        self.assertNotIn("nonsense", text)
        self.assertFalse(self.asked.exists())

    def test_netrc_is_read_as_git_does(self):
        netrc = self.tmp / "home/.netrc"
        netrc.write_text(
            f"machine 127.0.0.1 login {USER} password {PASSWORD}\n"
        )
        netrc.chmod(0o600)
        self.resolve(self.server.url("private/repo"))

    def test_an_extra_header_for_the_url_is_sent(self):
        import base64

        token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        self.set_global(
            f"http.http://127.0.0.1:{self.server.http}/.extraheader",
            f"Authorization: Basic {token}",
        )
        self.resolve(self.server.url("private/repo"))

    def test_https_needs_an_authority_that_is_trusted(self):
        url = self.server.url("public/repo", "https")
        text = self.fails("AUTH", url)
        self.assertIn("sslCAInfo", text)
        self.resolve(url, env={"GIT_SSL_CAINFO": str(self.server.ca)})
        self.set_global("http.sslCAInfo", str(self.server.ca))
        self.assertEqual(self.resolve(url).commit, self.second)

    def test_https_with_a_login(self):
        self.set_global("http.sslCAInfo", str(self.server.ca))
        self.use_helper(USER, PASSWORD)
        _, dest = self.checkout(self.server.url("private/repo", "https"))
        self.assertTrue((dest / "file.txt").exists())
        self.assertIn("protocol=https", self.asked.read_text())

    def test_the_proxy_of_the_configuration_is_used(self):
        port = free_port()
        self.set_global("http.proxy", f"http://127.0.0.1:{port}")
        self.fails("UNREACHABLE", self.server.url("public/repo"))
        self.set_global("http.proxy", "")
        self.resolve(self.server.url("public/repo"))

    def test_an_instead_of_rule_leads_to_the_server(self):
        base = self.server.url("public/")[4:]
        self.set_global(f"url.{base}.insteadOf", "https://forge.invalid/")
        self.resolve("git+https://forge.invalid/repo")

    def test_a_submodule_with_a_relative_url(self):
        self.repo("inner")
        self.git(self.source, "-c", "protocol.file.allow=always", "submodule",
                 "--quiet", "add", "../inner", "inner")
        self.commit(self.source, "s")
        _, dest = self.checkout(self.server.url("public/repo"))
        self.assertEqual((dest / "inner/file.txt").read_text(), "one\n")


class Slow(GitTest):
    """Fetches that take long, or never end."""

    def setUp(self):
        super().setUp()
        self.source = self.repo()
        for i in range(4):
            self.commit(self.source, f"f{i}", os.urandom(500_000))
        self.server = HttpServer(self.tmp / "web", self.tmp / "srv")
        self.addCleanup(self.server.close)
        self.silent = SilentServer()
        self.addCleanup(self.silent.close)
        self.url = self.server.url("slow/repo")

    def test_a_cancel_ends_a_fetch_at_once(self):
        start = time.monotonic()
        self.fails("CANCELED", self.url, "--cancel-after-ms", "1000")
        self.assertLess(time.monotonic() - start, 4)
        self.resolve(self.server.url("public/repo"))

    def test_a_cancel_ends_the_wait_for_a_silent_server(self):
        for url in (f"git+http://127.0.0.1:{self.silent.port}/x",
                    f"git+https://127.0.0.1:{self.silent.port}/x",
                    f"git+git://127.0.0.1:{self.silent.port}/x"):
            with self.subTest(url=url):
                start = time.monotonic()
                self.fails("CANCELED", url, "--cancel-after-ms", "300")
                self.assertLess(time.monotonic() - start, 3)

    def test_a_server_that_says_nothing_is_given_up(self):
        for url in (f"git+http://127.0.0.1:{self.silent.port}/x",
                    f"git+https://127.0.0.1:{self.silent.port}/x",
                    f"git+git://127.0.0.1:{self.silent.port}/x"):
            with self.subTest(url=url):
                start = time.monotonic()
                self.fails("TIMEOUT", url, "--stall-ms", "700")
                self.assertLess(time.monotonic() - start, 5)

    def test_a_slow_server_is_no_silent_one(self):
        self.resolve(self.url, "--stall-ms", "3000")

    def test_an_unreachable_host_is_named(self):
        port = free_port()
        for scheme in ("http", "https", "git"):
            with self.subTest(scheme=scheme):
                text = self.fails(
                    "UNREACHABLE", f"git+{scheme}://127.0.0.1:{port}/x"
                )
                self.assertIn(str(port), text)

    def test_a_killed_fetch_leaves_nothing_that_harms_the_next(self):
        import subprocess

        process = subprocess.Popen(self.argv(self.url), env=self.env,
                                   stdout=subprocess.DEVNULL)
        end = time.monotonic() + 20
        halves = []
        while not halves and time.monotonic() < end:
            halves = [
                p for p in self.mirrors.rglob("objects/pack/*")
                if p.is_file() and p.stat().st_size > 0
            ]
            time.sleep(0.05)
        process.kill()
        process.wait()
        self.assertTrue(halves, "the fetch never began to write")
        result, dest = self.checkout(self.server.url("public/repo"))
        self.assertEqual(self.git(dest, "status", "--porcelain"), "")
        # The slow URL is another mirror: the one with the half pack.
        result, dest = self.checkout(self.url, "again")
        left = [
            p.name for p in pathlib.Path(result.mirror).rglob("pack/*")
            if not p.name.startswith("pack-")
        ]
        self.assertEqual(left, [])


if __name__ == "__main__":
    unittest.main()
