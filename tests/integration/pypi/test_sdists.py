#!/usr/bin/env python3
"""Real sdists, one for each kind of back-end, built twice.

The first run must build, the second must find the very same wheel; each wheel
must install without an index and import.  Times and hashes are printed as a
table.  Ends with 77 (a skip) only where the index cannot be reached.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import venv

sys.path.insert(
    0, str(pathlib.Path(__file__).resolve().parents[2] / "support")
)
import fetch_sdist  # noqa: E402

PKGSYNC = os.environ["PKGSYNC"]
SKIP = 77
RUN_LIMIT_S = 900
CARGO_NEEDED = (1, 63)
ANY = "py3-none-any"

# requirement: (back-end, what the wheel's tags must match, what to import,
# what that import needs beside the wheel)
SDISTS = {
    "python-dateutil==2.9.0.post0":
        ("setuptools", "py2.py3-none-any", "dateutil.parser", ["six"]),
    "idna==3.7": ("flit", ANY, "idna", []),
    "hatchling==1.25.0": ("hatchling", ANY, "hatchling", []),
    "poetry-core==1.9.0": ("poetry-core", ANY, "poetry.core", []),
    "pdm-backend==2.3.3": ("pdm-backend", ANY, "pdm.backend", []),
    "setuptools-scm==8.1.0":
        ("setuptools-scm", ANY, "setuptools_scm", ["packaging", "setuptools"]),
    "MarkupSafe==2.1.5": ("C extension", None, "markupsafe._speedups", []),
    "PyYAML==6.0.2": ("Cython", None, "yaml._yaml", []),
    "contourpy==1.2.1": ("meson-python", None, "contourpy._contourpy", ["numpy"]),
    "levenshtein==0.27.3":
        ("scikit-build-core", None, "Levenshtein", ["rapidfuzz"]),
}
RUST = {"rpds-py==0.20.0": ("maturin", None, "rpds", [])}


def cargo_version():
    """As a tuple, or None."""
    try:
        said = subprocess.run(
            ["cargo", "--version"], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.search(r"cargo (\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else None


def normalize(name):
    return re.sub(r"[-_.]+", "-", name).lower()


class Sdists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="pkgsync-pypi-")
        cls.addClassCleanup(temporary.cleanup)
        cls.tmp = pathlib.Path(temporary.name)
        cls.env = dict(os.environ)
        for name in ("CACHE", "DATA", "STATE", "CONFIG"):
            cls.env["XDG_%s_HOME" % name] = str(cls.tmp / name.lower())
        cls.table = []
        cls.sources = cls.fetch(list(SDISTS) + list(RUST))
        cls.addClassCleanup(cls.print_table)

    @classmethod
    def fetch(cls, requirements):
        """A file for each of them, from the index that pip is set up for."""
        index = fetch_sdist.index_url()
        sources = {}
        for requirement in requirements:
            sources[requirement] = fetch_sdist.fetch(
                index, str(cls.tmp), requirement
            )
        return sources

    @classmethod
    def print_table(cls):
        print("\n%-30s %-18s %8s %7s  %s" % ("sdist", "kind", "built", "hit", "sha256"))
        for row in cls.table:
            print("%-30s %-18s %6.1f s %4d ms  %s" % row)

    def wheels(self, sources, *options):
        """What `pkgsync wheel` says of the sources, by their path."""
        done = subprocess.run(
            [PKGSYNC, "wheel", "--json", "-q", "-j", "2", "--python", sys.executable]
            + list(options)
            + sources,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
            check=False,
        )
        self.assertTrue(done.stdout, done.stderr)
        document = json.loads(done.stdout)
        self.assertEqual(document["schema"], 1)
        found = {wheel["source"]: wheel for wheel in document["wheels"]}
        self.assertEqual(sorted(found), sorted(sources))
        self.assertEqual(done.returncode == 0, "failed" not in
                         {w["status"] for w in found.values()}, done.stderr)
        return found

    def check_twice(self, sdists, *options):
        sources = {name: self.sources[name] for name in sdists}
        first = self.wheels(list(sources.values()), *options)
        second = self.wheels(list(sources.values()), *options)
        for requirement, source in sources.items():
            with self.subTest(requirement):
                self.check(
                    requirement, sdists[requirement], first[source], second[source]
                )

    def check(self, requirement, expected, built, hit):
        kind, tags, module, companions = expected
        self.assertIsNone(built["error"])
        self.assertEqual(built["status"], "built")
        self.assertEqual(hit["status"], "hit")
        self.assertEqual(hit["sha256"], built["sha256"])
        self.assertEqual(hit["path"], built["path"])
        self.table.append(
            (requirement, kind, built["wall_ms"] / 1000, hit["wall_ms"], built["sha256"])
        )

        name, _, version = requirement.partition("==")
        self.assertEqual(normalize(built["name"]), normalize(name))
        self.assertEqual(built["version"], version)
        data = pathlib.Path(built["path"]).read_bytes()
        self.assertEqual(hashlib.sha256(data).hexdigest(), built["sha256"])
        self.assertEqual(len(data), built["size"])
        stem = built["filename"].removesuffix(".whl")
        found = "-".join(stem.split("-")[-3:])
        if tags:
            self.assertEqual(found, tags)
        else:
            here = "cp%d%d" % sys.version_info[:2]
            self.assertRegex(found, "^%s-(%s|abi3)-linux_" % (here, here))
        self.check_installs(built["path"], stem.split("-")[0], module, companions)

    def check_installs(self, wheel, distribution, module, companions):
        target = self.tmp / ("venv-" + distribution)
        venv.create(target, with_pip=True)
        python = str(target / "bin" / "python")
        pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "-q"]
        env = {k: v for k, v in self.env.items() if k != "PIP_FIND_LINKS"}
        if companions:
            subprocess.run(pip + companions, check=True, env=self.env)
        subprocess.run(
            pip + ["--no-index", "--no-deps", wheel], check=True, env=env
        )
        subprocess.run([python, "-c", "import " + module], check=True, cwd=target)
        shutil.rmtree(target)

    def test_each_builds_once_and_is_then_found(self):
        self.check_twice(SDISTS)

    def test_rust_builds_with_the_network_and_not_without(self):
        version = cargo_version()
        if not version or version < CARGO_NEEDED:
            self.skipTest(
                "rpds-py needs cargo %d.%d or later; found %s"
                % (CARGO_NEEDED + (version,))
            )
        source = self.sources[next(iter(RUST))]
        without = self.wheels([source])[source]
        self.assertEqual(without["status"], "failed")
        self.assertIn("--network", without["error"]["cause"])
        self.check_twice(RUST, "--network")


def index_answers():
    """False where nothing is there; any answer at all is one."""
    try:
        fetch_sdist.get(fetch_sdist.index_url() + "pip/")
    except urllib.error.HTTPError:
        return True
    except OSError as error:
        print("the index cannot be reached: %s" % error, file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    if not index_answers():
        sys.exit(SKIP)
    unittest.main()
