"""ssh: a real sshd on loopback, the person's own ssh program."""

import os
import pathlib
import time
import unittest

from git_support import GitTest
from git_servers import SilentServer, SshServer, free_port


class Ssh(GitTest):
    def setUp(self):
        super().setUp()
        self.source = self.repo()
        self.second = self.commit(self.source, "file.txt", "two\n")
        self.server = SshServer(self.tmp / "ssh")
        self.addCleanup(self.server.close)
        self.url = self.server.url(str(self.source))
        self.with_key = {"GIT_SSH_COMMAND": self.server.command}

    def test_the_command_of_the_environment_is_used(self):
        _, dest = self.checkout(self.url, env=self.with_key)
        self.assertEqual((dest / "file.txt").read_text(), "two\n")
        self.assertEqual(self.git(dest, "status", "--porcelain"), "")

    def test_the_command_of_the_configuration_is_used(self):
        self.set_global("core.sshCommand", self.server.command)
        self.assertEqual(self.resolve(self.url).commit, self.second)

    def test_the_program_of_the_environment_is_used(self):
        wrapper = self.tmp / "my ssh"
        wrapper.write_text(f'#!/bin/sh\nexec {self.server.command} "$@"\n')
        wrapper.chmod(0o755)
        self.resolve(self.url, env={"GIT_SSH": str(wrapper)})

    def test_a_host_alias_of_the_ssh_configuration_works(self):
        self.resolve(f"git+ssh://forge{self.source}", env=self.with_key)

    def test_an_instead_of_rule_may_lead_to_the_scp_form(self):
        self.set_global(f"url.forge:{self.tmp}/srv/.insteadOf",
                        "https://forge.invalid/")
        self.resolve("git+https://forge.invalid/repo", env=self.with_key)

    def test_a_path_with_blanks_and_quotes_reaches_the_server_whole(self):
        odd = self.tmp / "srv" / "it's a repo!"
        os.rename(self.source, odd)
        quoted = str(odd).replace(" ", "%20").replace("'", "%27")
        self.resolve(self.server.url(quoted), env=self.with_key)

    def test_a_moving_branch_is_fetched_again(self):
        self.resolve(self.url + "@main", env=self.with_key)
        third = self.commit(self.source, "file.txt", "three\n")
        self.assertEqual(
            self.resolve(self.url + "@main", env=self.with_key).commit, third
        )

    def test_a_refused_key_is_a_refused_login(self):
        command = self.server.command_with("stranger", "known_hosts")
        text = self.fails("AUTH", self.url, env={"GIT_SSH_COMMAND": command})
        self.assertIn("Permission denied", text)

    def test_an_unknown_host_key_says_what_to_do(self):
        (self.server.dir / "nobody").write_text("")
        command = self.server.command_with("client", "nobody")
        text = self.fails("AUTH", self.url, env={"GIT_SSH_COMMAND": command})
        self.assertIn("known_hosts", text)

    def test_unknown_repository_and_unknown_revision(self):
        self.fails("NOTFOUND", self.server.url("/no/such/repository"),
                   env=self.with_key)
        text = self.fails("NOTFOUND", self.url + "@nope", env=self.with_key)
        self.assertIn("nope", text)

    def test_a_port_where_nobody_listens_is_unreachable(self):
        self.fails("UNREACHABLE",
                   f"git+ssh://127.0.0.1:{free_port()}/x", env=self.with_key)

    def test_a_missing_ssh_program_is_said(self):
        self.fails("CONFIG", self.url,
                   env={"GIT_SSH_COMMAND": "/no/such/ssh"})
        self.assertIn(
            "/no/such/ssh",
            self.fails("NOTFOUND", self.url, env={"GIT_SSH": "/no/such/ssh"}),
        )

    def test_a_silent_server_is_given_up_and_its_ssh_ended(self):
        silent = SilentServer()
        self.addCleanup(silent.close)
        pids = self.tmp / "pids"
        command = f"echo $$ >> {pids}; exec {self.server.command}"
        for option, limit, code in (("--stall-ms", "700", "TIMEOUT"),
                                    ("--cancel-after-ms", "400", "CANCELED")):
            with self.subTest(code=code):
                start = time.monotonic()
                self.fails(code, f"git+ssh://127.0.0.1:{silent.port}/x",
                           option, limit, env={"GIT_SSH_COMMAND": command})
                self.assertLess(time.monotonic() - start, 5)
        for pid in pids.read_text().split():
            self.assertFalse(pathlib.Path(f"/proc/{pid}").exists())


if __name__ == "__main__":
    unittest.main()
