#!/usr/bin/env python3
"""The index that uv.toml names is the one that build requirements come from."""

import http.server
import json
import os
import pathlib
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import unittest

PKGSYNC = os.environ["PKGSYNC"]
PYTHON = "/usr/bin/python3"
WHEELS = pathlib.Path("/usr/share/python-wheels")
SKIP = 77
RUN_LIMIT_S = 120
PYPROJECT = """[build-system]
requires = ["setuptools", "wheel"]
build-backend = "setuptools.build_meta"

[project]
name = "indexed"
version = "1.0"

[tool.setuptools]
py-modules = ["indexed"]
"""


class Index(http.server.BaseHTTPRequestHandler):
    """A simple index (PEP 503) of Debian's wheels; counts what is asked."""

    def do_GET(self):
        self.server.asked.append(self.path)
        parts = self.path.strip("/").split("/")
        if len(parts) == 2 and parts[0] == "simple":
            links = "".join(
                '<a href="/files/%s">%s</a>\n' % (p.name, p.name)
                for p in WHEELS.glob(parts[1] + "-*.whl")
            )
            self.answer("text/html", ("<html>%s</html>" % links).encode())
        elif len(parts) == 2 and parts[0] == "files":
            self.answer("application/zip", (WHEELS / parts[1]).read_bytes())
        else:
            self.send_error(404)

    def answer(self, kind, data):
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


def dead_url():
    """A port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return "http://127.0.0.1:%d/simple/" % s.getsockname()[1]


class UvSettings(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="pkgsync-index-")
        self.addCleanup(temporary.cleanup)
        self.tmp = pathlib.Path(temporary.name)
        self.env = {"PATH": "/usr/bin:/bin", "HOME": str(self.tmp / "home"),
                    "PIP_CONFIG_FILE": "/dev/null", "LC_ALL": "C.UTF-8",
                    # One try: some of these ports are dead on purpose.
                    "PIP_RETRIES": "0", "PIP_TIMEOUT": "5"}
        for name in ("CACHE", "DATA", "STATE", "CONFIG"):
            self.env["XDG_%s_HOME" % name] = str(self.tmp / name.lower())
        project = self.tmp / "indexed"
        project.mkdir()
        (project / "pyproject.toml").write_text(PYPROJECT)
        (project / "indexed.py").write_text("ANSWER = 42\n")
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Index)
        self.server.asked = []
        thread = threading.Thread(target=self.server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.url = "http://127.0.0.1:%d/simple/" % self.server.server_port

    def settings(self, text, folder="config/uv"):
        file = self.tmp / folder / "uv.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def build(self, *options):
        done = subprocess.run(
            [PKGSYNC, "wheel", "--json", "-q", "--python", PYTHON]
            + list(options) + [str(self.tmp / "indexed")],
            env=self.env, capture_output=True, text=True, timeout=RUN_LIMIT_S,
            check=False,
        )
        wheel = json.loads(done.stdout)["wheels"][0] if done.stdout else None
        return done, wheel

    def assert_builds_from_the_server(self, *options):
        done, wheel = self.build(*options)
        self.assertIsNotNone(wheel, done.stderr)
        self.assertEqual(wheel["status"], "built", wheel["error"])
        self.assertIn("/simple/setuptools/", self.server.asked)
        self.assertTrue([p for p in self.server.asked if p.startswith("/files/")])

    def test_the_default_index(self):
        self.settings('[[index]]\nurl = "%s"\ndefault = true\n' % self.url)
        self.assert_builds_from_the_server()

    def test_the_older_name_of_it(self):
        self.settings('index-url = "%s"\n' % self.url)
        self.assert_builds_from_the_server()

    def test_an_index_beside_one_that_is_named_by_a_flag(self):
        self.settings('[[index]]\nname = "more"\nurl = "%s"\n' % self.url)
        self.assert_builds_from_the_server("--index-url", dead_url())

    def test_links_relative_to_the_file(self):
        file = self.settings('no-index = true\nfind-links = ["wheels"]\n')
        (file.parent / "wheels").symlink_to(WHEELS)
        done, wheel = self.build()
        self.assertEqual(wheel["status"], "built", wheel["error"])
        self.assertEqual(self.server.asked, [])

    def test_the_file_in_the_home_directory(self):
        del self.env["XDG_CONFIG_HOME"]
        self.settings('index-url = "%s"\n' % self.url, "home/.config/uv")
        self.assert_builds_from_the_server()

    def test_a_flag_goes_before_it(self):
        self.settings('index-url = "%s"\n' % dead_url())
        self.assert_builds_from_the_server("--index-url", self.url)

    def test_variables_of_pip_and_of_uv_go_before_it(self):
        self.settings('index-url = "%s"\n' % dead_url())
        for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"):
            with self.subTest(name):
                self.env[name] = self.url
                self.server.asked.clear()
                self.assert_builds_from_the_server("--rebuild", "--refresh")
                del self.env[name]

    def test_an_explicit_index_is_never_asked(self):
        self.settings('index-url = "%s"\n[[index]]\nname = "only"\nurl = "%s"\n'
                      'explicit = true\n' % (dead_url(), self.url))
        done, wheel = self.build()
        self.assertEqual(wheel["status"], "failed")
        self.assertEqual(self.server.asked, [])

    def test_no_config_means_none(self):
        self.settings('index-url = "%s"\n' % dead_url())
        self.env["UV_NO_CONFIG"] = "1"
        self.env["PIP_INDEX_URL"] = self.url
        self.assert_builds_from_the_server()

    def test_the_answer_is_kept_for_its_owner_alone(self):
        self.settings('index-url = "%s"\n' % self.url)
        self.assert_builds_from_the_server()
        kept = list((self.tmp / "cache/pkgsync/uv").iterdir())
        self.assertEqual(len(kept), 1)
        self.assertEqual(stat.S_IMODE(kept[0].stat().st_mode), 0o600)
        done, wheel = self.build()
        self.assertEqual(wheel["status"], "hit")

    def test_a_broken_file_is_named(self):
        file = self.settings("index-url = \n")
        done, wheel = self.build()
        self.assertIsNone(wheel)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(str(file), done.stderr)
        self.assertIn("line 1", done.stderr)

    def test_wrong_types_are_named(self):
        for text, said in (("index = 1\n", "index must be an array"),
                           ("[[index]]\nname = 'a'\n", "needs a url"),
                           ("index-url = 1\n", "index-url must be a string"),
                           ("find-links = 'a'\n", "find-links must be")):
            with self.subTest(text):
                self.settings(text)
                done, wheel = self.build()
                self.assertIsNone(wheel)
                self.assertIn(said, done.stderr)


if __name__ == "__main__":
    if not list(WHEELS.glob("setuptools-*.whl")):
        print("Debian's python3-setuptools-whl is not installed", file=sys.stderr)
        sys.exit(SKIP)
    unittest.main()
