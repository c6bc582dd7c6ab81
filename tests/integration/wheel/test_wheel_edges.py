#!/usr/bin/env python3
"""Mistakes that were made once: each test failed before it was mended."""

import http.server
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

import wheel_support as ws


class Edges(ws.WheelTest):
    def git(self, path, *args):
        subprocess.run(
            ["git", "-C", str(path), "-c", "user.name=a", "-c",
             "user.email=a@example.org", *args],
            check=True, env=self.env, stdout=subprocess.DEVNULL)

    def repository(self):
        """A repository with a project at its root and another below it."""
        path = self.project("outer")
        self.project("inner", at=path / "lib")
        self.git(path, "init", "-q", "-b", "main")
        self.git(path, "add", ".")
        self.git(path, "commit", "-q", "-m", "first")
        return path

    def test_nothing_of_the_environment_runs_outside_the_sandbox(self):
        mark = self.tmp / "mark"
        path = self.project()
        code = "open(%r, 'w')\n" % str(mark)
        for name in ("sitecustomize.py", "usercustomize.py", "json.py"):
            (path / name).write_text(code)
        venv = self.tmp / "venv"
        subprocess.run([ws.PYTHON, "-m", "venv", "--without-pip", str(venv)],
                       check=True)
        (site,) = venv.glob("lib/python*/site-packages")
        (site / "evil.pth").write_text("import os; " + code)
        self.own_cache()
        result = self.wheel(
            "--python", venv / "bin/python", path, cwd=path,
            env={"PYTHONPATH": str(path), "PYTHONSTARTUP": str(path)})
        self.assertEqual(result.status, 0, str(result))
        self.assertFalse(mark.exists())

    def test_a_subdirectory_of_a_bare_repository_by_path_counts(self):
        bare = self.tmp / "bare.git"
        self.git(self.repository(), "clone", "-q", "--bare", ".", str(bare))
        one = self.build("%s#subdirectory=lib" % bare)
        self.assertEqual(one["name"], "inner")

    def test_a_subdirectory_that_is_not_there_is_named(self):
        error = self.fails(
            ws.NOTFOUND,
            "git+file://%s#subdirectory=nope" % self.repository(),
            says="has no directory 'nope'")
        self.assertNotIn(str(self.state / "jobs"), error["message"])

    def test_an_egg_with_another_name_is_refused_built_or_not(self):
        url = "git+file://%s#egg=other" % self.repository()
        self.fails(ws.BUILD, url, says="'other' was expected")
        self.build(url.replace("other", "outer"))
        self.fails(ws.INVALID, url, says="not 'other'")

    def test_a_data_directory_may_have_any_name(self):
        self.env["XDG_DATA_HOME"] = str(self.tmp / "my data, =100%")
        one = self.build(self.project())
        self.assertTrue(os.path.exists(one["path"]))

    def test_a_wheel_that_was_cut_short_is_made_again(self):
        path = self.project()
        one = self.build(path)
        os.truncate(one["path"], 10)
        self.assertEqual(self.build(path)["sha256"], one["sha256"])

    def test_two_wheels_of_one_name_do_not_overwrite_each_other(self):
        second = self.project("demo", at=self.tmp / "second")
        (second / "module.py").write_text("value = 2\n")
        result = self.wheel("--wheel-dir", self.tmp / "out", self.project(),
                            second)
        self.assertEqual(result.status, 73, str(result))

    def test_a_place_that_cannot_be_written_is_refused_before_a_build(self):
        result = self.wheel("--wheel-dir", "/proc/out", self.project())
        self.assertNotEqual(result.status, 0)
        self.assertEqual(self.stored(), [])

    def test_a_layer_that_there_is_none_of_is_refused(self):
        result = self.wheel("--weaken", "everything", self.project())
        self.assertEqual(result.status, ws.USAGE, str(result))

    def test_runs_that_were_killed_do_not_use_a_job_up(self):
        path = self.project(more="\nimport time\n"
                            "def get_requires_for_build_wheel(c=None):\n"
                            "    time.sleep(2)\n    return []\n")
        for _ in range(4):
            process = self.start(path)
            self.wait_for("the job", lambda: list(
                (self.state / "jobs").glob("*/src/backend.py")))
            time.sleep(0.3)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        self.build(path)

    def test_a_hang_up_ends_like_an_interrupt(self):
        process = self.start(self.project(more="\nimport time\n"
                                          "time.sleep(60)\n"))
        self.wait_for("the job", lambda: list(
            (self.state / "jobs").glob("*/src/backend.py")))
        process.send_signal(signal.SIGHUP)
        self.assertEqual(self.finish(process).status, ws.INTERRUPTED)

    def test_pruning_takes_nothing_from_a_build_that_runs(self):
        process = self.start(self.project(more="\nimport time\n"
                                          "time.sleep(3)\n"))
        self.wait_for("the job", lambda: list(
            (self.state / "jobs").glob("*/src/backend.py")))
        pruned = self.pkgsync("cache", "prune", "--older-than", "0")
        self.assertEqual(pruned.status, ws.TRY_LATER, str(pruned))
        self.assertEqual(self.finish(process).status, 0)

    def test_a_password_of_an_index_is_no_argument_of_a_process(self):
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        path = self.project(pyproject="[build-system]\n"
                            "requires = ['nothing']\nbuild-backend = 'x'\n")
        url = "http://joe:hunter2@127.0.0.1:%d/simple" % server.getsockname()[1]
        process = subprocess.Popen(
            [ws.PKGSYNC, "wheel", "--python", ws.PYTHON, "-q", str(path)],
            env={**self.env, "UV_INDEX_URL": url}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        commands = self.wait_for("pip", lambda: [
            command for _, command in ws.descendants(process.pid)
            if " download " in command])
        self.assertNotIn("hunter2", " ".join(commands))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        self.assertNotIn("hunter2", out + err)

    def test_a_password_of_an_sdist_is_in_no_message(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_error(404)

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            result = self.wheel("http://joe:hunter2@127.0.0.1:%d/a-1.0.tar.gz"
                                % server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
        self.assertEqual(result.status, ws.NOTFOUND, str(result))
        self.assertNotIn("hunter2", result.out + result.err)


if __name__ == "__main__":
    ws.main()
