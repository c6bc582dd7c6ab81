#!/usr/bin/env python3
"""Back-ends that fail, lie, hang or attack: one clear message each."""

import os
import time
import unittest

import wheel_support as ws

HOOK = """
def build_wheel(directory, config_settings=None, metadata_directory=None):
"""


class BadBackend(ws.WheelTest):
    def broken(self, body, *flags, status=ws.BUILD, says=(), name="demo",
               **kwargs):
        """A build whose build_wheel() is this must fail and say so."""
        lines = "".join("    %s\n" % line for line in body.splitlines())
        path = self.project(name, more=HOOK + lines)
        error = self.fails(status, *flags, path, says=says, **kwargs)
        self.assertEqual(self.stored(), [])
        self.assertEqual(list(self.store.glob("builds/*")), [])
        log = self.pkgsync("logs", "1")
        self.assertEqual(log.status, 0, str(log))
        self.assertIn("== failed", log.out)
        return error

    def test_a_back_end_that_is_not_there(self):
        path = self.project(pyproject="[build-system]\nrequires = []\n"
                            "build-backend = 'no_such_backend'\n")
        error = self.fails(ws.BUILD, path, says=["no_such_backend"])
        self.assertIn("--build-requires", error["cause"])
        self.assertEqual(error["phase"], "requirements")

    def test_a_back_end_outside_the_tree(self):
        path = self.project(pyproject="[build-system]\nrequires = []\n"
                            "build-backend = 'backend'\n"
                            "backend-path = ['..']\n")
        self.fails(ws.BUILD, path, says=["backend-path"])

    def test_a_back_end_that_raises(self):
        error = self.broken("raise ValueError('broken on purpose')",
                            says=["ValueError: broken on purpose",
                                  "phase: build", "log: pkgsync logs 1"])
        self.assertEqual(error["code"], "BUILD")
        self.assertEqual(error["phase"], "build")
        self.assertTrue(os.path.exists(error["log"]))

    def test_metadata_that_raises(self):
        path = self.project(more="""
def prepare_metadata_for_build_wheel(directory, config_settings=None):
    raise KeyError("no version here")
""")
        self.fails(ws.BUILD, path, says=["KeyError: 'no version here'"])

    def test_a_setup_py_that_raises(self):
        path = self.tmp / "src/old"
        path.mkdir(parents=True)
        (path / "setup.py").write_text("raise OSError('what a pity')\n")
        error = self.fails(ws.BUILD, path, says=["OSError: what a pity"])
        self.assertEqual(error["phase"], "requirements")

    def test_a_setup_py_that_forgot_to_require(self):
        path = self.tmp / "src/old"
        path.mkdir(parents=True)
        (path / "setup.py").write_text(
            "import numpy.random\nfrom setuptools import setup\nsetup()\n")
        error = self.fails(ws.BUILD, path, says=["numpy"])
        self.assertIn("--build-requires numpy", error["cause"])
        self.assertIn("pyproject.toml", error["cause"])

    def test_what_was_forgotten_can_be_named(self):
        path = self.tmp / "src/old"
        path.mkdir(parents=True)
        (path / "pyproject.toml").write_text(
            "[build-system]\nrequires = ['setuptools']\n")
        (path / "setup.py").write_text(
            "import wheel\nfrom setuptools import setup\n"
            "setup(name='old', version='1')\n")
        one = self.build("--build-requires", "wheel", path)
        self.assertEqual(one["name"], "old")

    def test_a_syntax_error(self):
        path = self.project(more="def broken(:\n")
        self.fails(ws.BUILD, path, says=["SyntaxError"])

    def test_a_back_end_that_hangs(self):
        began = time.monotonic()
        error = self.broken("time.sleep(3600)", "--timeout", "3",
                            status=ws.LIMIT,
                            says=["did not end within 3 s", "--timeout"])
        self.assertEqual(error["code"], "LIMIT")
        self.assertLess(time.monotonic() - began, 15)

    def test_a_back_end_that_hangs_and_ignores_signals(self):
        self.broken("import signal\nfor n in range(1, 64):\n"
                    "    try: signal.signal(n, signal.SIG_IGN)\n"
                    "    except OSError: pass\n"
                    "if os.fork() == 0: os.setsid()\n"
                    "while True: time.sleep(1)",
                    "--timeout", "3", status=ws.LIMIT, says="--timeout")

    def test_a_hook_that_hangs(self):
        path = self.project(more="""
def get_requires_for_build_wheel(config_settings=None):
    time.sleep(3600)
""")
        self.fails(ws.LIMIT, "--timeout", "3", path, says="--timeout")

    def test_a_hook_that_answers_nonsense(self):
        for text in ("[3]", "3", "'x'", "None"):
            path = self.project("d" + str(abs(hash(text))), more="""
def get_requires_for_build_wheel(config_settings=None):
    return %s
""" % text)
            self.fails(ws.BUILD, path, says="get_requires_for_build_wheel")

    def test_a_back_end_that_prints_without_end(self):
        self.broken("while True: print('x' * 10000)", "--timeout", "30",
                    status=ws.LIMIT)
        logs = sum(p.stat().st_size
                   for p in (self.state / "logs").iterdir())
        self.assertLess(logs, 65 << 20)

    def test_a_back_end_that_writes_no_wheel(self):
        self.broken("return 'demo-1.0-py3-none-any.whl'",
                    says="did not write the wheel that it named")

    def test_a_back_end_that_returns_nothing(self):
        self.broken("return None", says="wheel")

    def test_a_back_end_that_writes_two_wheels(self):
        self.broken("write_wheel(directory, version='2.0')\n"
                    "return write_wheel(directory)",
                    says=["more than one wheel", "demo-2.0"])

    def test_a_back_end_that_writes_two_wheels_into_the_output(self):
        self.broken("name = write_wheel(directory)\n"
                    "write_wheel('/out', version='2.0')\n"
                    "return name", says="more than one file")

    def test_a_wheel_named_unlike_its_metadata(self):
        self.broken("return write_wheel(directory, "
                    "file_name='other-1.0-py3-none-any.whl')",
                    says="other")

    def test_a_wheel_named_unlike_the_project(self):
        self.broken("return write_wheel(directory, name='other')",
                    says=["other", "demo"])

    def test_a_wheel_with_another_version_than_its_metadata(self):
        self.broken("return write_wheel(directory, "
                    "file_name='demo-2.0-py3-none-any.whl')", says="2.0")

    def test_a_wheel_for_another_machine(self):
        self.broken("return write_wheel(directory, "
                    "file_name='demo-1.0-cp27-cp27m-win32.whl')",
                    says="cp27-cp27m-win32")

    def test_a_wheel_that_is_not_a_zip(self):
        self.broken("name = 'demo-1.0-py3-none-any.whl'\n"
                    "open(os.path.join(directory, name), 'w').write('x')\n"
                    "return name", says="demo-1.0-py3-none-any.whl")

    def test_a_wheel_with_a_wrong_hash_inside(self):
        self.broken(
            "name = write_wheel(directory)\n"
            "path = os.path.join(directory, name)\n"
            "data = open(path, 'rb').read()\n"
            "import zlib\n"
            "old, new = b'value = 1\\n', b'value = 2\\n'\n"
            "crc = [zlib.crc32(v).to_bytes(4, 'little') for v in (old, new)]\n"
            "data = data.replace(old, new).replace(*crc)\n"
            "open(path, 'wb').write(data)\n"
            "return name", says=["RECORD", "demo.py"])

    def test_a_wheel_with_a_path_that_leaves(self):
        self.broken("return write_wheel(directory, {'../evil.py': 'x'})",
                    says="../evil.py")

    def test_a_link_as_output(self):
        self.broken("name = 'demo-1.0-py3-none-any.whl'\n"
                    "os.symlink('/etc/passwd', '/out/' + name)\n"
                    "raise SystemExit(0)")

    def test_a_link_beside_the_wheel(self):
        self.broken("os.symlink('/etc/passwd', '/out/passwd')\n"
                    "return write_wheel(directory)", status=ws.LIMIT,
                    says="passwd")

    def test_a_fifo_as_output(self):
        self.broken("os.mkfifo('/out/x-1.0-py3-none-any.whl')\n"
                    "return write_wheel(directory)", status=ws.LIMIT,
                    says="x-1.0")

    def test_a_file_with_a_hostile_name(self):
        path = self.project(more=HOOK + """
    open('/out/\\x1b[31mred\\nline', 'w')
    return write_wheel(directory)
""")
        result = self.wheel(path)
        self.assertEqual(result.status, ws.BUILD, str(result))
        self.assertIn("?[31mred?line", result.err)
        shown = self.pkgsync("jobs", "--all").out
        self.assertIn("?[31mred?line", shown)
        self.assertNotIn("\x1b", shown + result.err + result.out)

    def test_a_message_with_control_bytes_is_cleaned(self):
        error = self.broken("raise ValueError('\\x1b[31mred\\x07')")
        self.assertNotIn("\x1b", error["message"])
        self.assertIn("red", error["message"])

    def test_a_fork_bomb(self):
        began = time.monotonic()
        self.broken("while True:\n"
                    "    try: os.fork()\n"
                    "    except OSError: time.sleep(0.01)",
                    "--timeout", "5", "--pids", "40", status=ws.LIMIT)
        self.assertLess(time.monotonic() - began, 30)

    def test_too_many_processes_are_named(self):
        self.broken("while True:\n"
                    "    if os.fork() == 0:\n"
                    "        os.closerange(0, 100)\n"
                    "        time.sleep(3600)",
                    "--timeout", "20", "--pids", "40", status=ws.LIMIT,
                    says=["too many processes", "--pids"])

    def test_a_full_disk_of_the_build(self):
        error = self.broken("f = open('/tmp/x', 'wb')\n"
                            "while True: f.write(b'x' * 65536)",
                            "--disk-mb", "32", status=ws.LIMIT,
                            says=["'/tmp' is full", "--disk-mb"])
        self.assertIn("--disk-mb", error["cause"])

    def test_a_source_tree_that_grows_without_end(self):
        self.broken("f = open('x', 'wb')\n"
                    "while True: f.write(b'x' * 65536)",
                    "--disk-mb", "32", status=ws.LIMIT, says="--disk-mb")

    def test_a_build_that_wants_the_network(self):
        error = self.broken("import urllib.request\n"
                            "urllib.request.urlopen('http://example.org/')")
        self.assertIn("--network", error["cause"])

    def test_a_build_that_ends_by_a_signal(self):
        self.broken("import signal\nos.kill(os.getpid(), signal.SIGSEGV)")

    def test_a_crash_of_everything(self):
        self.broken("import signal\nos.kill(-1, signal.SIGKILL)",
                    says="signal 9")


if __name__ == "__main__":
    ws.main()
