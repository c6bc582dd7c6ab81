"""What the tests of scan, sync and warm share: real virtual environments made
by venv and filled by pip, from wheels that the tests make themselves.
"""

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent
                       / "wheel"))

import wheel_support
from wheel_support import PYTHON, WHEELS, WheelTest, sha256

CRITICAL = {"dask": "2024.8.1", "distributed": "2024.8.1",
            "tornado": "6.4.1", "cloudpickle": "3.0.0", "msgpack": "1.0.8"}

# Beside build_wheel of wheel_support.BACKEND.
EDITABLE = '''

def build_editable(directory, config_settings=None, metadata_directory=None):
    here = os.getcwd()
    return write_wheel(directory, {"__editable__%s.pth" % NAME: here + "\\n"})
'''

FAILS = '''

_build_wheel = build_wheel


def build_wheel(directory, config_settings=None, metadata_directory=None):
    if os.path.exists("broken"):
        raise RuntimeError("the sky is falling")
    return _build_wheel(directory)
'''


def make_wheel(directory, name, version="1.0", requires=(), files=None,
               tag="py3-none-any"):
    """A wheel file: its path."""
    stem = "%s-%s" % (name.replace("-", "_"), version)
    info = stem + ".dist-info/"
    content = {name.replace("-", "_") + ".py":
               "__version__ = %r\n" % version} if files is None else files
    content = {**content,
               info + "METADATA": "Metadata-Version: 2.1\nName: %s\n"
               "Version: %s\n%s" % (name, version, "".join(
                   "Requires-Dist: %s\n" % r for r in requires)),
               info + "WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
               "Root-Is-Purelib: true\nTag: %s\n" % tag}
    record = ""
    path = pathlib.Path(directory) / ("%s-%s.whl" % (stem, tag))
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as out:
        for member, text in content.items():
            digest = base64.urlsafe_b64encode(
                hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
            record += "%s,sha256=%s,%d\n" % (member, digest,
                                             len(text.encode()))
            out.writestr(zipfile.ZipInfo(member), text)
        out.writestr(zipfile.ZipInfo(info + "RECORD"),
                     record + info + "RECORD,,\n")
    return path


class SyncTest(WheelTest):
    def setUp(self):
        super().setUp()
        self.wheels_dir = self.tmp / "wheels"
        self.venv = self.tmp / "venv"
        # Loose modules are looked for in the directory we are in.
        self.work = self.tmp / "work"
        self.work.mkdir()
        self.make_venv(self.venv)
        self.install(*(make_wheel(self.wheels_dir, n, v)
                       for n, v in CRITICAL.items()), by_name=True)

    # Environments.

    def make_venv(self, path):
        subprocess.run([PYTHON, "-m", "venv", "--without-pip", path],
                       check=True, capture_output=True)
        return path

    def pip(self, *args, venv=None):
        done = subprocess.run(
            [PYTHON, "-m", "pip", "--python",
             (venv or self.venv) / "bin/python",
             "--disable-pip-version-check", "--no-cache-dir", *args],
            env={**self.env, "PIP_CONFIG_FILE": "/dev/null"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def install(self, *what, by_name=False, venv=None):
        """By pip; `by_name`: wheels as if they came from an index."""
        args = ["install", "--quiet", "--no-index", "--no-deps"]
        if by_name:
            names = ["==".join(path.name.split("-")[:2]) for path in what]
            self.pip(*args, "--find-links", self.wheels_dir, *names,
                     venv=venv)
        else:
            self.pip(*args, *what, venv=venv)

    def python(self, code, venv=None):
        done = subprocess.run(
            [(venv or self.venv) / "bin/python", "-c", code], text=True,
            env=self.env, cwd=self.tmp, stdin=subprocess.DEVNULL,
            capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    # Projects.

    def editable(self, name, more="", **kwargs):
        path = self.project(name, more=EDITABLE + more, **kwargs)
        self.install("--editable", path)
        return path

    def repository(self, name, more=""):
        path = self.project(name, more=more)

        def git(*args):
            return subprocess.run(
                ["git", "-c", "user.name=A", "-c", "user.email=a@b.invalid",
                 *args], cwd=path, env=self.env, check=True,
                capture_output=True, text=True).stdout.strip()

        git("init", "-q")
        git("add", ".")
        git("commit", "-q", "-m", "first")
        return path, git("rev-parse", "HEAD")

    # The program.

    def run_json(self, command, *args, status=0, **kwargs):
        result = self.pkgsync(
            command, "--json", *self.hermetic(command), *args,
            cwd=kwargs.pop("cwd", self.work), **kwargs)
        self.assertEqual(result.status, status, str(result))
        return result

    def hermetic(self, command):
        args = ["--python", self.venv]
        if command != "scan":
            args += ["--quiet", "--no-index", "--find-links", WHEELS,
                     "--find-links", self.wheels_dir]
        return args

    def scan(self, *args, **kwargs):
        doc = self.run_json("scan", *args, **kwargs).doc
        self.assertEqual(set(doc), {"schema", "python", "packages",
                                    "problems"})
        self.assertEqual(set(doc["python"]), {"implementation", "version",
                                              "abi", "platform"})
        for package in doc["packages"]:
            self.assertEqual(
                set(package), {"name", "version", "level", "requirement",
                               "source", "location", "installer", "reason",
                               "warning"})
            self.assertEqual(
                set(package["source"]), {"kind", "url", "commit", "editable",
                                         "subdirectory"})
            self.assertIn(package["level"], (
                "critical", "compatible", "exact", "ignored", "build"))
            self.assertTrue(package["reason"])
        return doc

    def packages(self, *args, **kwargs):
        return {p["name"]: p for p in self.scan(*args, **kwargs)["packages"]}

    def sync(self, *args, **kwargs):
        return self.run_json("sync", *args, **kwargs)

    def synced(self, *args, **kwargs):
        """A sync that must succeed: its document, checked."""
        doc = self.sync(*args, **kwargs).doc
        self.assertEqual(doc["schema"], 1)
        self.assertEqual(doc["spec_document"]["digest"],
                         doc["spec"]["digest"])
        stored = json.loads(pathlib.Path(doc["spec"]["path"]).read_text())
        self.assertEqual(stored, doc["spec_document"])
        for path in doc["files"]:
            self.assertTrue(pathlib.Path(path).read_text())
        for wheel in doc["wheels"]:
            if wheel["status"] != "failed":
                self.assertEqual(sha256(wheel["path"]), wheel["sha256"])
        return doc

    def warm(self, *args, status=0, **kwargs):
        return self.run_json("warm", *args, status=status, **kwargs)

    def jobs(self):
        return self.pkgsync("jobs", "--all", "--json").doc["jobs"]

    def statuses(self, doc):
        return {w["name"] or w["source"]: w["status"] for w in doc["wheels"]}

    def in_spec(self, doc):
        return {p["name"]: p for p in doc["spec_document"]["packages"]}

    def specs(self):
        return sorted(p.name for p in self.store.glob("environments/*"))

    # What must hold after every run.

    def stray_files(self):
        stray = []
        for path in super().stray_files():
            known = (path.parent == self.store / "environments"
                     and path.suffix == ".json")
            if not known:
                stray.append(path)
                continue
            # A spec is named by the digest of all but the digest.
            doc = json.loads(path.read_text())
            digest = doc.pop("digest")
            text = json.dumps(doc, sort_keys=True, separators=(",", ":"),
                              ensure_ascii=False)
            if (digest != path.stem
                    or hashlib.sha256(text.encode()).hexdigest() != digest):
                stray.append(path)
        return stray


def main():
    wheel_support.main()
