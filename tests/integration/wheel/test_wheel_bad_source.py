#!/usr/bin/env python3
"""Sources that are not what they should be: one clear message each."""

import http.server
import os
import time
import unittest

import wheel_support as ws


class BadSource(ws.WheelTest):
    def pyproject(self, text, name="demo"):
        """A project whose pyproject.toml has this text."""
        path = self.tmp / "src" / name
        path.mkdir(parents=True, exist_ok=True)
        (path / "pyproject.toml").write_bytes(
            text if isinstance(text, bytes) else text.encode())
        return path

    def refused(self, status, path, *says, **kwargs):
        """Refused before a job is made for it, quickly, named."""
        began = time.monotonic()
        error = self.fails(status, path, says=says, **kwargs)
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(self.stored(), [])
        return error

    # What is no project.

    def test_a_path_that_does_not_exist(self):
        self.refused(ws.NOTFOUND, "./absent", "absent")

    def test_a_name_that_is_neither_path_nor_editable(self):
        self.refused(ws.NOTFOUND, "absent", "absent", "editable")

    def test_an_empty_directory(self):
        path = self.tmp / "empty"
        path.mkdir()
        self.refused(ws.INVALID, path, str(path), "pyproject.toml",
                     "setup.py")

    def test_a_directory_that_is_no_package(self):
        path = self.tmp / "notes"
        path.mkdir()
        (path / "notes.txt").write_text("hello")
        self.refused(ws.INVALID, path, "not a Python project")

    def test_an_empty_argument(self):
        self.refused(ws.USAGE, "", "empty")

    def test_a_fifo_a_socket_and_a_device(self):
        fifo = self.tmp / "fifo-1.0.tar.gz"
        os.mkfifo(fifo)
        self.refused(ws.INVALID, fifo, "neither a directory nor a file")
        self.refused(ws.INVALID, "/dev/null",
                     "neither a directory nor a file")

    def test_a_directory_that_may_not_be_read(self):
        if os.getuid() == 0:
            self.skipTest("root may read everything")
        path = self.project()
        path.chmod(0)
        self.addCleanup(path.chmod, 0o755)
        self.refused(ws.DENIED, path, str(path))

    def test_a_directory_of_pipes_and_sockets_is_named(self):
        path = self.project()
        os.mkfifo(path / "pipe")
        result = self.wheel(path)
        self.assertIn(result.status, (0, ws.INVALID), str(result))
        if result.status:
            self.assertIn("pipe", result.err)

    def test_a_link_out_of_the_tree_brings_nothing_in(self):
        secret = self.tmp / "secret.txt"
        secret.write_text("s3cret-content")
        path = self.project(more="""
def build_wheel(directory, config_settings=None, metadata_directory=None):
    return write_wheel(directory, {"got": open("link.txt").read()})
""")
        (path / "link.txt").symlink_to(secret)
        result = self.wheel(path)
        self.assertNotEqual(result.status, 0, str(result))
        self.assertNotIn("s3cret-content", result.out + result.err)
        self.assertEqual(self.stored(), [])

    # pyproject.toml.

    def test_a_broken_pyproject(self):
        error = self.refused(ws.INVALID, self.pyproject("[build-system\n"),
                             "pyproject.toml", "line 1")
        self.assertIn("Expected", error["message"])

    def test_a_pyproject_that_is_not_utf8(self):
        self.refused(ws.INVALID, self.pyproject(b"# caf\xe9\n[project]\n"),
                     "pyproject.toml", "UTF-8")

    def test_a_pyproject_that_is_nested_without_end(self):
        self.refused(ws.INVALID, self.pyproject("a = " + "[" * 100000),
                     "pyproject.toml")

    def test_a_pyproject_that_is_a_fifo(self):
        path = self.pyproject("")
        (path / "pyproject.toml").unlink()
        os.mkfifo(path / "pyproject.toml")
        self.refused(ws.INVALID, path, "pyproject.toml", "regular file")

    def test_a_pyproject_of_two_gigabytes(self):
        path = self.pyproject("")
        os.truncate(path / "pyproject.toml", 2 << 30)
        self.refused(ws.TOOBIG, path, "pyproject.toml")

    def test_a_pyproject_that_is_a_link(self):
        path = self.pyproject("")
        (path / "pyproject.toml").unlink()
        (path / "pyproject.toml").symlink_to("/etc/hostname")
        self.refused(ws.INVALID, path, "pyproject.toml", "link")

    def test_a_pyproject_that_is_a_directory(self):
        path = self.pyproject("")
        (path / "pyproject.toml").unlink()
        (path / "pyproject.toml").mkdir()
        self.refused(ws.INVALID, path, "pyproject.toml")

    def test_tables_of_the_wrong_kind(self):
        for text, says in (
                ("build-system = 3", "[build-system]"),
                ("[build-system]\nbuild-backend = 'x'", "requires"),
                ("[build-system]\nrequires = 'x'", "build-system.requires"),
                ("[build-system]\nrequires = [3]", "build-system.requires"),
                ("[build-system]\nrequires = []\nbuild-backend = 3",
                 "build-backend")):
            self.refused(ws.INVALID, self.pyproject(text), says,
                         "pyproject.toml")

    # Requirements.

    def test_requirements_that_are_hostile(self):
        for text in ("--index-url=http://evil", "-r /etc/passwd",
                     "x @ file:///etc/passwd", "../x", "./x", "/etc/x",
                     "x @ git+https://host/x", "x\\nname @ file:///etc",
                     "-e .", "x-1.0.tar.gz", ""):
            error = self.refused(
                ws.INVALID,
                self.pyproject("[build-system]\nrequires = [\"%s\"]" % text),
                "fetch the build requirements")
            self.assertIn("requirement", error["message"])

    def test_requirements_of_a_hook_that_are_hostile(self):
        path = self.project(more="""
def get_requires_for_build_wheel(config_settings=None):
    return ["x @ file:///etc/passwd"]
""")
        self.refused(ws.INVALID, path, "x @ file:///etc/passwd")

    def test_a_requirement_that_no_index_has(self):
        path = self.pyproject(
            "[build-system]\nrequires = ['no-such-thing>=3']")
        error = self.refused(ws.NOTFOUND, path, "no-such-thing>=3",
                             "--find-links")
        self.assertEqual(error["phase"], "fetch")

    def test_a_requirement_that_is_too_new(self):
        path = self.pyproject("[build-system]\nrequires = ['wheel>=999']")
        self.refused(ws.NOTFOUND, path, "wheel>=999")

    def test_requirements_that_contradict_each_other(self):
        path = self.pyproject(
            "[build-system]\nrequires = ['wheel<0.1', 'wheel>0.2']")
        result = self.wheel(path)
        self.assertIn(result.status, (ws.INVALID, ws.NOTFOUND), str(result))
        self.assertIn("wheel", result.one["error"]["message"])

    def test_an_index_that_does_not_answer(self):
        index = "http://127.0.0.1:%d/simple" % ws.free_port()
        path = self.setuptools_project()
        began = time.monotonic()
        result = self.pkgsync("wheel", "--quiet", "--python", ws.PYTHON,
                              "--index-url", index, path)
        self.assertLess(time.monotonic() - began, 40)
        self.assertEqual(result.status, ws.UNREACHABLE, str(result))
        self.assertEqual(len(result.messages), 1, str(result))
        self.assertIn("does not answer", result.err)
        self.assertIn("--index-url", result.err)

    def test_an_index_that_wants_credentials(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(401)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        url = self.serve(self.tmp, Handler)
        result = self.pkgsync(
            "wheel", "--quiet", "--python", ws.PYTHON, "--index-url",
            url + "/simple", self.setuptools_project())
        self.assertEqual(result.status, ws.AUTH, str(result))
        self.assertEqual(len(result.messages), 1, str(result))
        self.assertIn("credentials", result.err)

    def test_an_interpreter_that_is_none(self):
        project = self.project()
        result = self.pkgsync("wheel", "--quiet", "--python", "/no/python",
                              project)
        self.assertEqual(result.status, ws.NOTFOUND, str(result))
        self.assertIn("/no/python", result.err)
        result = self.pkgsync("wheel", "--quiet", "--python", "/bin/false",
                              project)
        self.assertNotEqual(result.status, 0)
        self.assertEqual(len(result.messages), 1, str(result))
        self.assertIn("/bin/false", result.err)


if __name__ == "__main__":
    ws.main()
