"""Versions, specifiers, names, tags, requirements and markers against the
newest packaging: its own test suite run against us (pkgsync_shim.py), and
generated texts (compare.py, compare_requirements.py)."""

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import unittest
import venv

HERE = pathlib.Path(__file__).resolve().parent
SUITES = [
    "tests/test_version.py",
    "tests/test_specifiers.py",
    "tests/test_utils.py",
    "tests/test_tags.py",
    "tests/test_requirements.py",
    "tests/test_markers.py",
]
PROPERTIES = ["tests/property/test_version*.py", "tests/property/test_specifier*.py"]


def interpreters():
    """The minor versions of Python that are there and start."""
    found = {}
    for name in ["python3", "pypy3", *(f"python3.{n}{t}" for n in range(9, 16) for t in ("", "t"))]:
        path = shutil.which(name)
        if not path:
            continue
        ask = "import sys; print(sys.executable, sys.version_info >= (3, 9))"
        answer = subprocess.run([path, "-c", ask], capture_output=True, text=True)
        if answer.returncode == 0 and answer.stdout.split()[1] == "True":
            found[answer.stdout.split()[0]] = None
    extra = os.environ.get("PKGSYNC_TEST_PYTHONS", "")
    return [*found, *filter(None, extra.split(os.pathsep))]


class Standards(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temp = tempfile.TemporaryDirectory(prefix="pkgsync-standards-")
        root = pathlib.Path(cls.temp.name)
        venv.create(root / "venv", with_pip=True)
        cls.python = root / "venv/bin/python"
        cls.pip("install", "packaging", "pytest", "pretend", "hypothesis")
        version = cls.output("-c", "import packaging; print(packaging.__version__)")
        cls.pip(
            *("download", "--no-deps", "--no-binary", ":all:", "--dest", str(root)),
            f"packaging=={version.strip()}",
        )
        (archive,) = root.glob("packaging-*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(root / "sdist", **cls.extraction())
        (cls.sdist,) = (root / "sdist").iterdir()

    @classmethod
    def tearDownClass(cls):
        cls.temp.cleanup()

    @staticmethod
    def extraction():
        return {"filter": "data"} if hasattr(tarfile, "data_filter") else {}

    @classmethod
    def pip(cls, *args):
        subprocess.run(
            [cls.python, "-m", "pip", "-q", "--disable-pip-version-check", *args], check=True
        )

    @classmethod
    def output(cls, *args):
        return subprocess.run(
            [cls.python, *args], check=True, capture_output=True, text=True
        ).stdout

    def run_python(self, *args, cwd=None):
        environment = dict(os.environ, PYTHONPATH=str(HERE), PYTHONDONTWRITEBYTECODE="1")
        result = subprocess.run([self.python, *args], cwd=cwd, env=environment)
        self.assertEqual(result.returncode, 0)

    def run_suite(self, *args):
        self.run_python(
            *("-m", "pytest", "-q", "-p", "pkgsync_shim", "-p", "no:cacheprovider"),
            *("--no-showlocals", "--maxfail=20", *args),
            cwd=self.sdist,
        )

    def test_passes_the_suite_of_packaging(self):
        self.run_suite(*SUITES)

    def test_has_the_properties_that_packaging_has(self):
        files = [
            str(path.relative_to(self.sdist))
            for pattern in PROPERTIES
            for path in sorted(self.sdist.glob(pattern))
        ]
        self.assertGreater(len(files), 0)
        self.run_suite("-m", "property", "--hypothesis-seed=0", *files)

    def test_agrees_on_generated_texts(self):
        self.run_python(HERE / "compare.py", *interpreters())

    def test_agrees_on_generated_requirements(self):
        self.run_python(HERE / "compare_requirements.py")


if __name__ == "__main__":
    sys.exit(unittest.main())
