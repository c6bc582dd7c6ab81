"""`pkgsync sync` and `warm`: pip's settings, files of earlier runs, and what
must not stop or deceive a person.
"""

import http.server
import json
import os
import pty

import sync_support
from sync_support import FAILS, SyncTest, make_wheel
from wheel_support import BUILD, INVALID, WHEELS


class PipSettings(SyncTest):
    """What pip knows by its variables and files, workers have to be told."""

    def setUp(self):
        super().setUp()
        for name in list(self.env):
            if name.startswith(("PIP_", "UV_")):
                del self.env[name]
        self.home = self.tmp / "home"
        self.config = self.tmp / "config"
        self.env.update(HOME=str(self.home), XDG_CONFIG_HOME=str(self.config),
                        XDG_CONFIG_DIRS=str(self.tmp / "system"),
                        PIP_CONFIG_FILE=str(self.tmp / "env.conf"))

    def conf(self, path, text):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def indexes(self, *args, **env):
        result = self.pkgsync("sync", "--json", "--quiet", "--python",
                              self.venv, "--output-dir", self.tmp / "out",
                              *args, cwd=self.work, env=env)
        self.assertEqual(result.status, 0, str(result))
        self.assertNotIn("PASSWORD", result.out + result.err)
        for path in (self.tmp / "out").iterdir():
            self.assertNotIn("PASSWORD", path.read_text())
        self.requirements = (self.tmp / "out/requirements.txt").read_text()
        return result.doc["spec_document"]["indexes"]

    def test_variables(self):
        found = self.indexes(
            PIP_INDEX_URL="https://u:PASSWORD@one.invalid/simple",
            PIP_EXTRA_INDEX_URL="https://PASSWORD@two.invalid/s "
                                "https://three.invalid/s",
            PIP_FIND_LINKS=str(self.wheels_dir))
        self.assertEqual(found, {
            "index_url": "https://one.invalid/simple",
            "extra_index_urls": ["https://two.invalid/s",
                                 "https://three.invalid/s"],
            "find_links": [str(self.wheels_dir)]})
        for line in ("--index-url https://one.invalid/simple",
                     "--extra-index-url https://two.invalid/s"):
            self.assertIn(line, self.requirements)
        found = self.indexes("--index-url", "https://flag.invalid/simple",
                             PIP_INDEX_URL="https://one.invalid/simple")
        self.assertEqual(found["index_url"], "https://flag.invalid/simple")

    def test_files_in_the_order_of_pip(self):
        files = [self.tmp / "system/pip/pip.conf",
                 self.home / ".pip/pip.conf", self.config / "pip/pip.conf",
                 self.venv / "pip.conf", self.tmp / "env.conf"]
        del self.env["PIP_CONFIG_FILE"]
        for i, path in enumerate(files):
            if i == 4:
                self.env["PIP_CONFIG_FILE"] = str(path)
            self.conf(path, "[global]\nindex-url = https://u:PASSWORD@"
                      "n%d.invalid/s\n" % i)
            with self.subTest(str(path)):
                self.assertEqual(self.indexes()["index_url"],
                                 "https://n%d.invalid/s" % i)
        # A section of the command goes before, whichever file it is in.
        self.conf(files[0], "[install]\nindex_url: https://i.invalid/s\n")
        self.assertEqual(self.indexes()["index_url"], "https://i.invalid/s")
        self.assertIsNone(
            self.indexes(PIP_CONFIG_FILE="/dev/null")["index_url"])

    def test_lists_over_several_lines_and_no_index(self):
        conf = self.tmp / "env.conf"
        self.conf(conf, "# extra-index-url = https://no.invalid\n[global]\n"
                  "Extra-Index-URL =\n    https://a.invalid/s\n"
                  "    ; no\n    https://b.invalid/s\n[freeze]\n"
                  "index-url = https://no.invalid/s\n[global]\n"
                  "find-links = %s\n" % self.wheels_dir)
        self.assertEqual(self.indexes(), {
            "index_url": None,
            "extra_index_urls": ["https://a.invalid/s",
                                 "https://b.invalid/s"],
            "find_links": [str(self.wheels_dir)]})
        with conf.open("a") as more:
            more.write("no-index = yes\n")
        self.assertEqual(self.indexes(), {
            "index_url": None, "extra_index_urls": [],
            "find_links": [str(self.wheels_dir)]})


class Locks(SyncTest):
    def exact(self, *args, index=None, status=0):
        where = ["--no-index"] if not index else ["--index-url", index]
        result = self.pkgsync(
            "sync", "--json", "--quiet", "--match", "exact", "--python",
            self.venv, *where, *args, cwd=self.work,
            env={"PIP_RETRIES": "0", "PIP_TIMEOUT": "5",
                 "PIP_CONFIG_FILE": "/dev/null"})
        self.assertEqual(result.status, status, str(result))
        found = [p for p in result.doc["problems"]
                 if p["path"] == "pylock.toml"]
        return result, found[0] if found else None

    def test_a_lock_that_cannot_be_made_is_a_serious_problem(self):
        result, problem = self.exact()
        self.assertTrue(problem["serious"], problem)
        self.assertIn("no lock", problem["message"])
        result = self.pkgsync("sync", "--match", "exact", "--quiet",
                              "--python", self.venv, "--no-index",
                              cwd=self.work)
        self.assertIn("warning: pylock.toml: not written", result.err)

    def index(self, status):
        asked = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *args):
                pass

        return self.serve(None, Handler) + "/simple", asked

    def test_that_an_index_has_nothing_is_kept_until_refresh(self):
        url, asked = self.index(404)
        self.assertTrue(self.exact(index=url)[1])
        self.assertTrue(asked)
        asked.clear()
        self.assertTrue(self.exact(index=url)[1])
        self.assertEqual(asked, [])
        self.assertTrue(self.exact("--refresh", index=url)[1])
        self.assertTrue(asked)

    def test_an_index_that_does_not_answer_is_named_and_asked_again(self):
        url, asked = self.index(500)
        for _ in range(2):
            asked.clear()
            _, problem = self.exact(index=url)
            self.assertIn("does not answer", problem["message"])
            self.assertIn(url, problem["message"])
            self.assertTrue(asked)


class EarlierFiles(SyncTest):
    def test_a_stale_lock_goes_and_a_persons_file_stays(self):
        out = self.tmp / "out"
        self.synced("--match", "exact", "--output-dir", out)
        lock = out / "pylock.toml"
        self.assertTrue(lock.read_text().startswith("# Environment "))
        doc = self.synced("--output-dir", out)
        self.assertFalse(lock.exists())
        (problem,) = [p for p in doc["problems"] if p["path"] == str(lock)]
        self.assertIn("removed", problem["message"])
        for mine in ("lock-version = '1.0'\n", "# Environment of mine\n", ""):
            lock.write_text(mine)
            doc = self.synced("--output-dir", out)
            self.assertEqual(lock.read_text(), mine)
        lock.unlink()
        other = self.tmp / "other.toml"
        other.write_text("# Environment %s\n" % ("0" * 64))
        lock.symlink_to(other)
        self.synced("--output-dir", out)
        self.assertTrue(other.exists() and lock.is_symlink())


class Critical(SyncTest):
    def test_one_that_may_fail_is_warned_of(self):
        source = self.project("tornado", version="6.5", more=(
            sync_support.EDITABLE + FAILS))
        self.install("--editable", source)
        (source / "broken").write_text("")
        doc = self.synced("--allow-failed", "tornado")
        self.assertIn("critical, and left to the cluster",
                      [p["message"].split(":")[0] for p in doc["problems"]
                       if p["path"] == "tornado"])


class Warm(SyncTest):
    def test_what_no_cluster_can_get_does_not_stop_the_others(self):
        self.editable("good")
        bad = make_wheel(self.tmp / "archives", "from-hg", "1.0")
        self.install(bad)
        (info,) = self.venv.glob("lib/python*/site-packages/from_hg*info")
        (info / "direct_url.json").write_text(json.dumps(
            {"url": "https://host.invalid/hg", "vcs_info":
             {"vcs": "hg", "commit_id": "0" * 40}}))
        result = self.warm(status=BUILD)
        self.assertEqual(self.statuses(result.doc), {
            "good": "built", "from-hg": "failed"})
        self.assertIn("from-hg", result.err)

    def test_a_summary_that_is_a_fifo_is_an_error(self):
        path = self.tmp / "summary"
        os.mkfifo(path)
        self.env["GITHUB_STEP_SUMMARY"] = str(path)
        result = self.pkgsync("warm", *self.hermetic("warm"),
                              self.project("good"), timeout=60)
        self.assertNotEqual(result.status, 0)
        self.assertIn("GITHUB_STEP_SUMMARY", result.err)

    def test_a_configuration_that_is_a_fifo_is_an_error(self):
        config = self.tmp / "config/pkgsync/pkgsync.conf"
        config.parent.mkdir(parents=True)
        os.mkfifo(config)
        result = self.pkgsync("config", timeout=20, env={
            "XDG_CONFIG_HOME": str(self.tmp / "config")})
        self.assertEqual(result.status, INVALID, str(result))
        self.assertIn("not a regular file", result.err)

    def test_no_control_sequence_reaches_a_terminal(self):
        evil = self.project("evil", at=self.tmp / "a\x1b]0;x\x07\u009b2Jb")
        args = ["--python", str(self.venv), "--no-index", "-f", WHEELS]
        result = self.pkgsync("warm", *args, evil, cwd=self.work)
        self.assertEqual(result.status, 0, str(result))
        for control in ("\x1b", "\x07", "\u009b"):
            self.assertNotIn(control, result.err)
        self.assertNotIn("\x1b]", self.on_terminal("warm", *args, str(evil)))

    def on_terminal(self, *args):
        pid, fd = pty.fork()
        if pid == 0:
            os.chdir(self.work)
            os.execve(sync_support.wheel_support.PKGSYNC,
                      ["pkgsync", *args, "--rebuild"],
                      {**self.env, "TERM": "xterm"})
        data = b""
        while True:
            try:
                part = os.read(fd, 65536)
            except OSError:
                part = b""
            if not part:
                break
            data += part
        os.close(fd)
        _, status = os.waitpid(pid, 0)
        text = data.decode(errors="replace")
        self.assertEqual(os.waitstatus_to_exitcode(status), 0, text)
        self.assertIn("[0/1]", text)
        return text


if __name__ == "__main__":
    sync_support.main()
