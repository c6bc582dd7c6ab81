"""Packed wheels, as pip, uv and zipfile see them."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
import zipfile
from pathlib import Path

DRIVER = os.environ["PACK_DRIVER"]
PYTHON = sys.executable


def run(*args, **more):
    return subprocess.run(
        [str(a) for a in args], check=True, text=True, capture_output=True, **more
    ).stdout


class PackedWheels(unittest.TestCase):
    def setUp(self):
        self.dir = Path(tempfile.mkdtemp(prefix="pkgsync-pack-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.out = self.dir / "out"
        self.out.mkdir()
        self.source = self.dir / "source"
        files = {
            "helper.py": "VALUE = 41\n",
            "tools/__init__.py": "from .more import answer\n",
            "tools/more.py": "import helper\n\ndef answer():\n"
            "    return helper.VALUE + 1\n",
            'tools/data, "raw" ü.csv': "a,b\n" * 1000,
            "tools/empty.txt": "",
        }
        for name, text in files.items():
            path = self.source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        script = self.source / "tools/run.sh"
        script.write_text("#!/bin/sh\necho here\n")
        script.chmod(0o755)
        self.names = [*files, "tools/run.sh"]

    def pack(self, *more):
        arguments = [f"{self.source / n}={n}" for n in reversed(self.names)]
        return self.out / run(DRIVER, self.out, *more, *arguments).strip()

    def environment(self):
        run(PYTHON, "-m", "venv", "--without-pip", self.dir / "env")
        return self.dir / "env/bin/python"

    def check_installed(self, python):
        code = (
            "import tools, importlib.metadata as m, importlib.resources as r, os;"
            "print(tools.answer(), m.version('pkgsync-loose-modules'));"
            "p = os.path.dirname(tools.__file__);"
            "print(open(p + '/data, \"raw\" ü.csv').read() == 'a,b\\n' * 1000,"
            " os.access(p + '/run.sh', os.X_OK), os.path.getsize(p + '/empty.txt'))"
        )
        env = {**os.environ, "PYTHONUTF8": "1"}
        answer, version, data, executable, size = run(
            python, "-c", code, env=env, cwd=self.dir
        ).split()
        self.assertEqual(answer, "42")
        self.assertRegex(version, r"^0\+loose\.x[0-9a-f]{12}$")
        self.assertEqual((data, executable, size), ("True", "True", "0"))

    def test_zipfile_reads_every_member_and_its_attributes(self):
        wheel = self.pack()
        run(PYTHON, "-m", "zipfile", "-t", wheel)
        with zipfile.ZipFile(wheel) as z:
            self.assertIsNone(z.testzip())
            names = z.namelist()
            self.assertEqual(names[:-3], sorted(self.names, key=os.fsencode))
            self.assertEqual(
                [n.split("/")[1] for n in names[-3:]], ["METADATA", "WHEEL", "RECORD"]
            )
            for info in z.infolist():
                self.assertEqual(info.date_time, (1980, 1, 1, 0, 0, 0))
                mode = 0o100755 if info.filename.endswith(".sh") else 0o100644
                self.assertEqual(info.external_attr >> 16, mode)

    def test_the_same_files_give_the_same_bytes_whatever_their_times(self):
        first = self.pack()
        data = first.read_bytes()
        first.unlink()
        for name in self.names:
            os.utime(self.source / name, (1, 1))
        (self.source / "helper.py").chmod(0o600)
        self.assertEqual(self.pack().read_bytes(), data)

    def test_pip_installs_it_and_the_modules_work(self):
        python = self.environment()
        run(
            PYTHON, "-m", "pip", "--python", python, "install", "--no-index",
            "--no-deps", "--disable-pip-version-check", self.pack(),
        )  # fmt: skip
        self.check_installed(python)

    def test_pip_replaces_it_when_a_module_was_edited(self):
        python = self.environment()
        pip = [PYTHON, "-m", "pip", "--python", python, "install", "--no-index",
               "--disable-pip-version-check"]  # fmt: skip
        run(*pip, self.pack())
        (self.source / "helper.py").write_text("VALUE = 42\n")
        run(*pip, self.pack())
        out = run(python, "-c", "import tools; print(tools.answer())", cwd=self.dir)
        self.assertEqual(out, "43\n")

    def test_pip_accepts_the_version_in_a_requirement(self):
        python = self.environment()
        version = self.pack().name.split("-")[1]
        run(
            PYTHON, "-m", "pip", "--python", python, "install", "--no-index",
            "--disable-pip-version-check", "--find-links", self.out,
            f"pkgsync-loose-modules=={version}",
        )  # fmt: skip
        self.check_installed(python)

    def test_uv_installs_it_and_the_modules_work(self):
        uv = shutil.which("uv")
        if not uv:
            self.skipTest("no uv on PATH")
        python = self.environment()
        run(
            uv, "pip", "install", "--no-index", "--offline", "--no-cache",
            "--python", python, self.pack(),
        )  # fmt: skip
        self.check_installed(python)

    def test_a_native_module_gives_the_tag_that_was_named(self):
        (self.source / "tools/_fast.so").write_bytes(b"\x7fELF")
        self.names.append("tools/_fast.so")
        wheel = self.pack("-t", "cp311-cp311-linux_x86_64")
        self.assertTrue(wheel.name.endswith("-cp311-cp311-linux_x86_64.whl"))
        with zipfile.ZipFile(wheel) as z:
            text = z.read(next(n for n in z.namelist() if n.endswith("WHEEL")))
        self.assertIn(b"Root-Is-Purelib: false\n", text)
        self.assertIn(b"Tag: cp311-cp311-linux_x86_64\n", text)


if __name__ == "__main__":
    unittest.main()
