"""What the tests of install and check share: tiny wheels, specs written here,
real virtual environments, and pictures of them before and after.

Hermetic: no index is asked, servers listen on loopback.
"""

import base64
import contextlib
import hashlib
import http.server
import json
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest
import zipfile

PKGSYNC = os.environ["PKGSYNC"]
PYTHON = "/usr/bin/python3"
SKIP = 77
RUN_LIMIT_S = 120

# Exit statuses of base/include/pkgsync/error.h.
DIFFERS = 1
USAGE = 64
INVALID = TOOBIG = INTEGRITY = 65
NOTFOUND = 66
UNREACHABLE = UNSUPPORTED = 69
IO = NOSPACE = 74
DENIED = AUTH = 77

MINOR = "%d.%d" % sys.version_info[:2]
IDENTITY = json.loads(subprocess.run(
    [PYTHON, "-I", "-c", textwrap.dedent("""
        import json, platform, sys, sysconfig
        print(json.dumps({
            "implementation": sys.implementation.name,
            "version": platform.python_version(),
            "abi": sysconfig.get_config_var("SOABI"),
            "platform": sysconfig.get_platform()}))
    """)], stdout=subprocess.PIPE, check=True).stdout)


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def hash_of(data):
    return hashlib.sha256(data).hexdigest()


def make_wheel(directory, name, version, files=None, requires=(),
               entry_points="", tag="py3-none-any"):
    """A wheel of one module, `name`.py, unless `files` says otherwise."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    stem = "%s-%s" % (name.replace("-", "_"), version)
    info = stem + ".dist-info/"
    if files is None:
        files = {name.replace("-", "_") + ".py":
                 "VERSION = %r\n" % version}
    content = dict(files)
    content[info + "METADATA"] = "Metadata-Version: 2.1\nName: %s\n" \
        "Version: %s\n%s" % (name, version, "".join(
            "Requires-Dist: %s\n" % r for r in requires))
    content[info + "WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\n" \
        "Root-Is-Purelib: true\nTag: %s\n" % tag
    if entry_points:
        content[info + "entry_points.txt"] = entry_points
    record = ""
    path = directory / ("%s-%s.whl" % (stem, tag))
    with zipfile.ZipFile(path, "w") as out:
        for member, text in content.items():
            digest = hashlib.sha256(text.encode()).digest()
            record += "%s,sha256=%s,%d\n" % (
                member, base64.urlsafe_b64encode(digest).decode().rstrip("="),
                len(text.encode()))
            out.writestr(zipfile.ZipInfo(member), text)
        out.writestr(zipfile.ZipInfo(info + "RECORD"),
                     record + info + "RECORD,,\n")
    return path


def package(name, version, level="compatible", requirement=None, wheel=None,
            url=None, kind="index"):
    """One entry of a spec; `wheel` is a path, `url` where it will be."""
    entry = {
        "name": name, "version": version, "level": level, "reason": "a test",
        "requirement": requirement, "conda": None, "wheel": None,
        "source": {"kind": kind, "url": None, "commit": None,
                   "subdirectory": None, "editable": kind == "editable"},
    }
    if wheel:
        data = pathlib.Path(wheel).read_bytes()
        entry["wheel"] = {
            "filename": pathlib.Path(wheel).name, "size": len(data),
            "sha256": hash_of(data), "key": None,
            "url": url or pathlib.Path(wheel).as_uri()}
    return entry


def built(wheel, url=None):
    """The entry of an editable package that became this wheel."""
    name, version = pathlib.Path(wheel).name.split("-")[:2]
    return package(name.replace("_", "-"), version, "build", wheel=wheel,
                   url=url, kind="editable")


def from_index(name, version):
    return package(name, version, requirement="%s~=%s" % (name, version))


def document(packages, python=None, schema=1, **indexes):
    doc = {
        "schema": schema, "created_by": "pkgsync 0.1.0",
        "python": {**IDENTITY, **(python or {})},
        "indexes": {"index_url": None, "extra_index_urls": [],
                    "find_links": [], **indexes},
        "packages": sorted(packages, key=lambda p: normal(p["name"])),
    }
    doc["digest"] = hash_of(canonical(doc))
    return doc


def canonical(doc):
    return json.dumps(doc, sort_keys=True, separators=(",", ":"),
                      ensure_ascii=False).encode()


class Result:
    """One run of the program."""

    def __init__(self, argv, done):
        self.argv = argv
        self.status = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    def __str__(self):
        return "%s\nstatus %s\n%s\n%s" % (
            " ".join(self.argv), self.status, self.out, self.err)

    @property
    def doc(self):
        return json.loads(self.out)

    @property
    def installed(self):
        return {i["name"]: i for i in self.doc["installed"]}

    @property
    def messages(self):
        return [line for line in self.err.splitlines()
                if re.match(r"pkgsync (install|check): ", line)]


class InstallTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="pkgsync-install-")
        self.addCleanup(temporary.cleanup)
        self.tmp = pathlib.Path(temporary.name).resolve()
        self.addCleanup(self.make_removable)
        for name in ("home", "scratch", "bin"):
            (self.tmp / name).mkdir()
        self.wheels = self.tmp / "wheels"
        self.index = self.tmp / "index"
        self.index.mkdir()
        self.cache = self.tmp / "cache/pkgsync"
        self.env = {
            "PATH": "%s:/usr/bin:/bin" % (self.tmp / "bin"),
            "HOME": str(self.tmp / "home"),
            "TMPDIR": str(self.tmp / "scratch"),
            "LC_ALL": "C.UTF-8",
            "XDG_CACHE_HOME": str(self.tmp / "cache"),
            "XDG_DATA_HOME": str(self.tmp / "data"),
            "XDG_STATE_HOME": str(self.tmp / "state"),
            "XDG_CONFIG_HOME": str(self.tmp / "config"),
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def make_removable(self):
        for path in self.tmp.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                with contextlib.suppress(OSError):
                    path.chmod(0o700)

    # The program.

    def pkgsync(self, *args, env=None, timeout=RUN_LIMIT_S):
        argv = [PKGSYNC, *map(str, args)]
        done = subprocess.run(
            argv, env={**self.env, **(env or {})}, cwd=self.tmp,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout, errors="replace")
        return Result(argv, done)

    def arguments(self, venv, *args):
        return ["install", "--python", venv, "--no-index", "--find-links",
                self.index, "--json", *args]

    def install(self, venv, *args, status=0, **kwargs):
        result = self.pkgsync(*self.arguments(venv, *args), **kwargs)
        self.assertEqual(result.status, status, str(result))
        if status == 0:
            self.assertTrue(result.doc["equal"], str(result))
        return result

    def refuses(self, status, venv, *args, says=(), **kwargs):
        """It fails with one message, and the environment is as it was."""
        before = self.picture(venv)
        result = self.pkgsync(*self.arguments(venv, *args), **kwargs)
        self.assertEqual(result.status, status, str(result))
        self.assertEqual(len(result.messages), 1, str(result))
        self.assertEqual(result.out, "")
        for text in [says] if isinstance(says, str) else says:
            self.assertIn(text, result.err)
        self.assertEqual(self.picture(venv), before)
        return result

    def check(self, *args, status=0, **kwargs):
        result = self.pkgsync("check", "--json", *args, **kwargs)
        self.assertEqual(result.status, status, str(result))
        return result

    # Environments.

    def venv(self, name="env", packages=()):
        """A virtual environment without pip, as uv makes them."""
        path = self.tmp / name
        subprocess.run([PYTHON, "-m", "venv", "--without-pip", path],
                       check=True, env=self.env)
        for wheel in packages:
            self.put(path, wheel)
        return path

    def base(self):
        """An interpreter that is no virtual environment and nobody's else."""
        path = self.tmp / "base"
        (path / "bin").mkdir(parents=True)
        (path / "lib").mkdir()
        name = "python" + MINOR
        shutil.copy(os.path.realpath(PYTHON), path / "bin" / name)
        (path / "bin/python3").symlink_to(name)
        (path / "lib" / name).symlink_to("/usr/lib/" + name)
        return path

    def base_site(self, base):
        """Where packages of it are; made, for it looks only where some are."""
        site = base / "local/lib" / ("python" + MINOR) / "dist-packages"
        site.mkdir(parents=True, exist_ok=True)
        return site

    def site(self, venv):
        return venv / "lib" / ("python" + MINOR) / "site-packages"

    def put(self, venv, wheel):
        """Unpack a wheel as an installer would, without one."""
        site = self.site(venv)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
        info = next(site.glob("-".join(wheel.name.split("-")[:2])
                              + ".dist-info"))
        (info / "INSTALLER").write_text("test\n")
        with open(info / "RECORD", "a") as record:
            record.write(info.name + "/INSTALLER,,\n")

    def picture(self, venv):
        """Every file of it, but for what Python compiles and we note."""
        seen = {}
        for path in sorted(venv.rglob("*")):
            name = str(path.relative_to(venv))
            if name.startswith(".pkgsync") or "__pycache__" in name:
                continue
            info = path.lstat()
            if path.is_symlink():
                seen[name] = os.readlink(path)
            elif path.is_file():
                seen[name] = (hash_of(path.read_bytes()),
                              stat.S_IMODE(info.st_mode), info.st_mtime_ns)
            else:
                seen[name] = "directory"
        return seen

    def versions(self, venv):
        found = {}
        for path in self.site(venv).glob("*.dist-info"):
            if (path / "METADATA").exists():
                name, version = path.name[:-len(".dist-info")].split("-")
                found[name] = version
        return found

    def run_python(self, venv, code):
        return subprocess.run(
            [venv / "bin/python", "-B", "-I", "-c", code], env=self.env,
            check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    # Specs and servers.

    def spec(self, *packages, name="environment.json", **kwargs):
        path = self.tmp / name
        path.write_bytes(canonical(document(packages, **kwargs)))
        return path

    def wheel(self, name, version, **kwargs):
        return make_wheel(self.wheels, name, version, **kwargs)

    def on_index(self, name, version, **kwargs):
        return make_wheel(self.index, name, version, **kwargs)

    def program(self, name, text):
        """An executable on the PATH of the program."""
        path = self.tmp / "bin" / name
        path.write_text("#!%s\n%s" % (PYTHON, textwrap.dedent(text)))
        path.chmod(0o755)
        return path

    def serve(self, directory, change=None):
        """A web server for a directory; its address.  `change` may answer a
        request itself: it gets the handler and returns whether it did."""
        test = self
        self.requests = []

        class Files(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=str(directory))

            def do_GET(self):
                test.requests.append(self.path)
                if not (change and change(self)):
                    super().do_GET()

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()

        def close():
            server.shutdown()
            thread.join()
            server.server_close()

        self.addCleanup(close)
        return "http://127.0.0.1:%d" % server.server_address[1]

    def cached(self):
        return sorted(p.name for p in (self.cache / "wheels").glob("*/*.whl"))

    def left_behind(self, venv):
        """What an install keeps only while it runs."""
        return [str(p) for pattern in ("journal.json", "backup/*")
                for p in (venv / ".pkgsync").glob(pattern)] + [
            str(p) for p in (self.cache / "wheels").glob("*/.part-*")]


def become(uid):
    """For the rest of this process, an ordinary user."""
    if os.getuid() != 0:
        print("only root can become another user")
        sys.exit(SKIP)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def main():
    if os.environ.get("PKGSYNC_TEST_UID"):
        become(int(os.environ["PKGSYNC_TEST_UID"]))
    unittest.main(module="__main__")
