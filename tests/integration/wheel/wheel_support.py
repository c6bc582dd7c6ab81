"""What the end-to-end tests share: the program in a scratch home, projects
with a back-end of their own, and a check that nothing is left after each test.

Everything is hermetic: build requirements come from the wheels that Debian
ships, servers listen on loopback.
"""

import contextlib
import ctypes
import hashlib
import http.server
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PKGSYNC = os.environ["PKGSYNC"]
PYTHON = "/usr/bin/python3"
WHEELS = "/usr/share/python-wheels"
HERMETIC = ["--python", PYTHON, "--no-index", "--find-links", WHEELS]
SKIP = 77
RUN_LIMIT_S = 120
PR_SET_CHILD_SUBREAPER = 36

# Exit statuses of base/include/pkgsync/error.h.
BUILD = LIMIT = 1
USAGE = 64
INVALID = TOOBIG = INTEGRITY = 65
NOTFOUND = 66
UNREACHABLE = UNSUPPORTED = 69
IO = NOSPACE = 74
TRY_LATER = 75  # BUSY, TIMEOUT, CLOCK, EXPIRED
DENIED = AUTH = 77
INTERRUPTED = 130

# A whole PEP 517 back-end without requirements: builds start at once.
BACKEND = '''
import base64, hashlib, os, sys, time, zipfile

NAME = %(name)r
VERSION = %(version)r


def metadata(name=NAME, version=VERSION):
    return {
        "METADATA": "Metadata-Version: 2.1\\nName: %%s\\nVersion: %%s\\n"
                    %% (name, version),
        "WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\n"
                 "Root-Is-Purelib: true\\nTag: py3-none-any\\n",
    }


def stem(name=NAME, version=VERSION):
    return "%%s-%%s" %% (name.replace("-", "_"), version)


def write_wheel(directory, files=None, name=NAME, version=VERSION,
                file_name=None):
    info = stem(name, version) + ".dist-info/"
    content = {NAME.replace("-", "_") + ".py": open("module.py").read()}
    content.update(files or {})
    content.update({info + k: v for k, v in metadata(name, version).items()})
    record = ""
    file_name = file_name or stem(name, version) + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, file_name), "w") as out:
        for path, text in content.items():
            digest = hashlib.sha256(text.encode()).digest()
            record += "%%s,sha256=%%s,%%d\\n" %% (
                path, base64.urlsafe_b64encode(digest).decode().rstrip("="),
                len(text.encode()))
            out.writestr(zipfile.ZipInfo(path), text)
        out.writestr(zipfile.ZipInfo(info + "RECORD"),
                     record + info + "RECORD,,\\n")
    return file_name


def prepare_metadata_for_build_wheel(directory, config_settings=None):
    info = stem() + ".dist-info"
    os.mkdir(os.path.join(directory, info))
    for key, text in metadata().items():
        with open(os.path.join(directory, info, key), "w") as out:
            out.write(text)
    return info


def build_wheel(directory, config_settings=None, metadata_directory=None):
    return write_wheel(directory)
'''

SETUPTOOLS = """\
[build-system]
requires = ["setuptools", "wheel"]
build-backend = "setuptools.build_meta"
[project]
name = "%(name)s"
version = "%(version)s"
[tool.setuptools]
py-modules = ["%(module)s"]
"""

warm = None  # the cache that tests share, unless they want one of their own


def free_port():
    """A port of loopback on which nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def descendants(pid):
    """Processes below `pid` that run: (pid, command)."""
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task)) as children:
                for child in map(int, children.read().split()):
                    with contextlib.suppress(OSError):
                        with open("/proc/%d/stat" % child) as stat:
                            state = stat.read().rpartition(")")[2].split()[0]
                        with open("/proc/%d/cmdline" % child) as line:
                            command = line.read().replace("\0", " ")
                        if state not in "ZX":
                            found.append((child, command))
                    found += descendants(child)
    return found


class Result:
    """One run of the program."""

    def __init__(self, argv, status, out, err):
        self.argv = argv
        self.status = status
        self.out = out
        self.err = err

    def __str__(self):
        return "%s\nstatus %s\n%s\n%s" % (
            " ".join(self.argv), self.status, self.out, self.err)

    @property
    def doc(self):
        return json.loads(self.out)

    @property
    def wheels(self):
        return self.doc["wheels"]

    @property
    def one(self):
        (wheel,) = self.wheels
        return wheel

    @property
    def messages(self):
        return [line for line in self.err.splitlines()
                if line.startswith(("pkgsync: ", "pkgsync wheel: "))]


class WheelTest(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="pkgsync-e2e-")
        self.addCleanup(temporary.cleanup)
        self.tmp = pathlib.Path(temporary.name).resolve()
        self.data = self.tmp / "data/pkgsync"
        self.state = self.tmp / "state/pkgsync"
        self.cache = pathlib.Path(warm) / "pkgsync"
        self.store = self.data / "store"
        self.ours = set()  # processes that the test itself runs
        (self.tmp / "home").mkdir()
        (self.tmp / "scratch").mkdir()
        self.env = base_env(self.tmp, warm)
        self.mounts = self.mounted()

    def tearDown(self):
        self.nothing_is_left()

    # The program.

    def own_cache(self):
        """From here on a cache that nobody has warmed."""
        self.env["XDG_CACHE_HOME"] = str(self.tmp / "cache")
        self.cache = self.tmp / "cache/pkgsync"

    def pkgsync(self, *args, env=None, cwd=None, timeout=RUN_LIMIT_S,
                before=()):
        argv = [*before, PKGSYNC, *map(str, args)]
        done = subprocess.run(
            argv, env={**self.env, **(env or {})}, cwd=cwd or self.tmp,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout, errors="replace")
        return Result(argv, done.returncode, done.stdout, done.stderr)

    def wheel(self, *args, **kwargs):
        """`pkgsync wheel --json`; the document is checked whatever it says."""
        result = self.pkgsync("wheel", *HERMETIC, "--quiet", "--json", *args,
                              **kwargs)
        if result.out:
            self.check_document(result)
        return result

    def build(self, *args, status="built", **kwargs):
        """One source that must succeed: its entry of the document."""
        result = self.wheel(*args, **kwargs)
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(result.one["status"], status, str(result))
        self.assertEqual(sha256(result.one["path"]), result.one["sha256"])
        return result.one

    def fails(self, status, *args, says=(), code=None, **kwargs):
        """One source that must fail with one message: its error."""
        result = self.wheel(*args, **kwargs)
        self.assertEqual(result.status, status, str(result))
        self.assertEqual(len(result.messages), 1, str(result))
        self.assertEqual(result.err.splitlines()[0], result.messages[0],
                         str(result))
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, result.err)
        error = {}
        if result.out:
            error = result.one["error"]
            self.assertIn("".join(c if c.isprintable() else "?"
                                  for c in error["message"]), result.err)
            if code:
                self.assertEqual(error["code"], code, str(result))
        return error

    def start(self, *args, env=None, before=(), json=True):
        """The program in the background; ended with the test."""
        process = subprocess.Popen(
            [*before, PKGSYNC, "wheel", *HERMETIC,
             *(["--json"] if json else []), *map(str, args)],
            env={**self.env, **(env or {})}, cwd=self.tmp, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE)

        def end():
            if process.poll() is None:
                process.kill()
            process.communicate()

        self.addCleanup(end)
        return process

    def finish(self, process, timeout=RUN_LIMIT_S):
        out, err = process.communicate(timeout=timeout)
        return Result(process.args, process.returncode, out, err)

    def wait_for(self, what, test, timeout=40):
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            found = test()
            if found:
                return found
            time.sleep(0.05)
        self.fail("waited in vain for " + what)

    def log_says(self, job, text):
        path = self.state / "logs" / ("%d.log" % job)
        return lambda: path.exists() and text in path.read_text(
            errors="replace")

    # Sources.

    def project(self, name="demo", more="", version="1.0", pyproject=None,
                at=None):
        """A directory with a project that has its back-end in itself."""
        path = pathlib.Path(at or self.tmp / "src" / name)
        path.mkdir(parents=True)
        (path / "module.py").write_text("value = 1\n")
        (path / "backend.py").write_text(
            BACKEND % {"name": name, "version": version} + more)
        (path / "pyproject.toml").write_text(pyproject or (
            "[build-system]\nrequires = []\nbuild-backend = 'backend'\n"
            "backend-path = ['.']\n"
            "[project]\nname = '%s'\nversion = '%s'\n" % (name, version)))
        return path

    def setuptools_project(self, name="demo", version="1.0", at=None):
        path = pathlib.Path(at or self.tmp / "src" / name)
        path.mkdir(parents=True)
        module = name.replace("-", "_") + "_module"
        (path / (module + ".py")).write_text("value = 1\n")
        (path / "pyproject.toml").write_text(
            SETUPTOOLS % {"name": name, "version": version, "module": module})
        return path

    # Servers.

    def serve(self, directory, handler=None):
        """A web server, for a directory if it has no handler of its own; its
        address."""
        class Files(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=str(directory))

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                 handler or Files)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def close():
            server.shutdown()
            thread.join()
            server.server_close()

        self.addCleanup(close)
        return "http://127.0.0.1:%d" % server.server_address[1]

    # What must hold after every run.

    def check_document(self, result):
        doc = json.loads(result.out)  # exactly one, or this raises
        self.assertEqual(doc["schema"], 1)
        self.assertEqual(set(doc), {"schema", "wheels"})
        for wheel in doc["wheels"]:
            self.assertLessEqual(
                {"source", "name", "version", "filename", "path", "sha256",
                 "size", "status", "url", "key", "error"}, set(wheel))
            self.assertIn(wheel["status"], ("built", "hit", "failed"))
            failed = wheel["status"] == "failed"
            self.assertEqual(failed, wheel["error"] is not None)
            for key in ("sha256", "path", "url", "size"):
                self.assertEqual(failed, wheel[key] is None, key)
            # Where only the upload failed, what was built has a name.
            if not failed or wheel["error"]["phase"] != "upload":
                self.assertEqual(failed, wheel["filename"] is None)
            if failed:
                self.assertLessEqual({"phase", "cause", "message", "log"},
                                     set(wheel["error"]))
                self.assertTrue(wheel["error"]["message"])

    def mounted(self):
        with open("/proc/self/mountinfo") as info:
            # Network namespaces are those of other tests that run beside us.
            return {line for line in info
                    if "pkgsync" in line and " /run/netns/" not in line}

    def stray_processes(self):
        return [(pid, command) for pid, command in descendants(os.getpid())
                if pid not in self.ours]

    def stray_files(self):
        """Whatever is neither a whole wheel, nor a record, nor a cache."""
        stray = []
        if self.store.exists():
            for path in self.store.rglob("*"):
                if path.is_dir() and not path.is_symlink():
                    continue
                parts = path.relative_to(self.store).parts
                if parts[0] == "wheels" and len(parts) == 4:
                    good = (parts[1] == parts[2][:2]
                            and sha256(path) == parts[2]
                            and path.name.endswith(".whl"))
                else:
                    good = (parts[0] == "builds" and len(parts) == 2
                            and bool(json.loads(path.read_text())))
                if not good:
                    stray.append(path)
        for pattern in ("tmp/*", "envs/new-*", "pip/new-*", "record-*",
                        "wheel-*", "sdists/.new-*"):
            stray += self.cache.glob(pattern)
        stray += (self.state / "jobs").glob("*")
        stray += (self.tmp / "scratch").glob("*")
        return stray

    def nothing_is_left(self):
        limit = time.monotonic() + 5
        while self.stray_processes() and time.monotonic() < limit:
            time.sleep(0.05)
        self.assertEqual(self.stray_processes(), [])
        self.assertEqual(self.stray_files(), [])
        self.assertEqual(self.mounted(), self.mounts)

    def stored(self):
        """Wheels that are visible in the local store."""
        return sorted(p.name for p in self.store.glob("wheels/*/*/*"))


def base_env(tmp, cache):
    env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp / "home"),
        "TMPDIR": str(tmp / "scratch"),
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "XDG_CACHE_HOME": str(cache),
        "XDG_DATA_HOME": str(tmp / "data"),
        "XDG_STATE_HOME": str(tmp / "state"),
        "XDG_CONFIG_HOME": str(tmp / "config"),
        # No packet leaves this machine.
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
                 "TSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    return env


def become(uid):
    """For the rest of this process, an ordinary user."""
    if os.getuid() != 0:
        print("only root can become another user")
        sys.exit(SKIP)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def warm_up(tmp):
    """Fill the shared cache; find out whether builds are possible at all."""
    path = tmp / "first"
    path.mkdir()
    (path / "module.py").write_text("")
    (path / "backend.py").write_text(
        BACKEND % {"name": "first", "version": "1"})
    (path / "pyproject.toml").write_text(
        "[build-system]\nrequires = []\nbuild-backend = 'backend'\n"
        "backend-path = ['.']\n")
    (tmp / "home").mkdir()
    (tmp / "scratch").mkdir()
    done = subprocess.run(
        [PKGSYNC, "wheel", *HERMETIC, "--quiet", str(path)],
        env=base_env(tmp, tmp / "cache"), stdin=subprocess.DEVNULL,
        capture_output=True, text=True)
    if done.returncode == UNSUPPORTED:
        print(done.stderr)
        sys.exit(1 if os.environ.get("PKGSYNC_MUST_SANDBOX") else SKIP)
    if done.returncode != 0:
        print(done.stdout, done.stderr)
        sys.exit(1)


def main():
    global warm
    if os.environ.get("PKGSYNC_TEST_UID"):
        become(int(os.environ["PKGSYNC_TEST_UID"]))
    # What loses its parent becomes our child, and so cannot hide.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    with tempfile.TemporaryDirectory(prefix="pkgsync-warm-") as tmp:
        warm = os.path.join(tmp, "cache")
        warm_up(pathlib.Path(tmp))
        program = unittest.main(module="__main__", exit=False)
    sys.exit(not program.result.wasSuccessful())
