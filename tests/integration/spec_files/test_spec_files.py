"""The files beside an environment spec, given to real installers.

Every wheel is made here and every index is a directory, so nothing is fetched
but, with PKGSYNC_TEST_INDEX=1, the newest pip, uv, packaging and PyYAML, which
read what we write.  Without it, the pip of a virtual environment does.
"""

import base64
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import unittest
import venv
import zipfile

DRIVER = os.environ["SPEC_DRIVER"]
INDEX = os.environ.get("PKGSYNC_TEST_INDEX") == "1"
TOOLS = ["pip", "uv", "packaging", "PyYAML"]


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_wheel(folder, name, version, code="", extras=""):
    """A wheel of one module."""
    module = name.replace("-", "_").lower()
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{module}.py": f"VERSION = {version!r}\n{code}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\n"
        f"Version: {version}\n{extras}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
        record += f"{path},sha256={digest.decode().rstrip('=')},{len(text)}\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    path = folder / f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in files.items():
            archive.writestr(member, text)
    return path


def package(name, version, level, requirement=None, wheel=None, conda=None, kind="index"):
    entry = None
    if wheel:
        entry = {
            "filename": wheel.name,
            "size": wheel.stat().st_size,
            "sha256": sha256(wheel),
            "url": wheel.as_uri(),
            "key": None,
        }
    source = {"kind": kind, "url": None, "commit": None, "subdirectory": None}
    return {
        "name": name,
        "version": version,
        "level": level,
        "requirement": requirement,
        "reason": 'said "so": \\ and # too',
        "source": dict(source, editable=False),
        "conda": conda,
        "wheel": entry,
    }


def write_spec(path, packages, find_links=()):
    document = {
        "schema": 1,
        "created_by": "pkgsync 0.1.0",
        "python": {
            "implementation": sys.implementation.name,
            "version": platform.python_version(),
            "abi": sysconfig.get_config_var("SOABI"),
            "platform": sysconfig.get_platform(),
        },
        "indexes": {
            "index_url": None,
            "extra_index_urls": [],
            "find_links": [str(p) for p in find_links],
        },
        "packages": sorted(packages, key=lambda p: p["name"].lower()),
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    document["digest"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(document, ensure_ascii=False))
    return document


def run(*command, code=0, env=None):
    done = subprocess.run(
        [str(c) for c in command],
        capture_output=True,
        text=True,
        env=env,
    )
    if done.returncode != code:
        raise AssertionError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class SpecFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="pkgsync spec "))
        cls.uv = None
        cls.tools = None
        cls.env = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("PIP_", "UV_", "VIRTUAL_ENV", "PYTHON", "CONDA"))
        }
        if INDEX:
            cls.tools = cls.root / "tools"
            venv.create(cls.tools, with_pip=True)
            run(cls.tools / "bin/python", "-m", "pip", "install", "-q", "-U", *TOOLS)
            cls.uv = cls.tools / "bin/uv"
        cls.env["PIP_NO_INDEX"] = "1"
        cls.env["UV_NO_INDEX"] = "1"
        cls.env["PIP_CONFIG_FILE"] = os.devnull
        cls.env["UV_NO_CONFIG"] = "1"
        cls.env["UV_CACHE_DIR"] = str(cls.root / "uv cache")
        cls.links = cls.root / "my wheels"
        cls.links.mkdir()
        for name, version in [
            ("dask", "2024.1.0"),
            ("NumPy_like", "1.26.4"),
            ("NumPy_like", "1.26.7"),
            ("NumPy_like", "1.27.0"),
            ("one-segment", "306"),
            ("epoch", "1!2"),
            ("beta", "2.0b1"),
            ("beta", "2.0b2"),
            ("label", "2.1+cu118"),
            ("more", "1.0"),
        ]:
            make_wheel(cls.links, name, version)
        make_wheel(
            cls.links,
            "with-extra",
            "1.0",
            extras="Provides-Extra: x\nRequires-Dist: more; extra == 'x'\n",
        )
        cls.built = cls.root / "built"
        cls.built.mkdir()
        made = make_wheel(cls.built, "Edit", "1.0+l.1", "BUILT = True")
        # As in a store: under its hash.
        (cls.built / sha256(made)).mkdir()
        cls.edit = made.rename(cls.built / sha256(made) / made.name)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.root)

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(dir=self.root))

    def packages(self, exact):
        like = "==1.26.4" if exact else "~=1.26.4"
        return [
            package("dask", "2024.1.0", "critical", "dask==2024.1.0"),
            package("NumPy_like", "1.26.4", "exact" if exact else "compatible", f"NumPy_like{like}"),
            package("one-segment", "306", "exact", "one-segment==306")
            if exact
            else package("one-segment", "306", "compatible", "one-segment~=306.0"),
            package("epoch", "1!2", "exact", "epoch==1!2")
            if exact
            else package("epoch", "1!2", "compatible", "epoch~=1!2.0"),
            package("beta", "2.0b1", "exact", "beta==2.0b1"),
            package("label", "2.1+cu118", "exact", "label==2.1+cu118"),
            package("with-extra", "", "exact", "with-extra[x]==1.0", kind="extra"),
            package("more", "1.0", "exact", "more==1.0"),
            package("winonly", "3", "ignored"),
            package("Edit", "1.0+l.1", "build", wheel=self.edit, kind="editable"),
        ]

    def write(self, exact=False, packages=None, lock=False):
        spec = self.dir / "environment.json"
        document = write_spec(spec, packages or self.packages(exact), [self.links])
        command = [DRIVER, "write", spec, self.dir]
        if lock:
            files = self.dir / "files.json"
            files.write_text(json.dumps([self.file_of(p) for p in document["packages"]]))
            command.append(files)
        run(*command)
        return spec

    def file_of(self, p):
        if p["level"] in ("ignored", "build"):
            return None
        version = p["version"] or "1.0"
        path = self.links / f"{p['name'].replace('-', '_')}-{version}-py3-none-any.whl"
        return {
            "filename": path.name,
            "url": path.as_uri(),
            "size": path.stat().st_size,
            "sha256": sha256(path),
        }

    def environment(self, name, with_pip):
        root = self.dir / name
        venv.create(root, with_pip=with_pip, symlinks=True)
        site = next(root.glob("lib/python*/site-packages"))
        return root, root / "bin/python", site

    def check(self, spec, root, site, expected):
        done = subprocess.run(
            [DRIVER, "compare", spec, root, site], capture_output=True, text=True
        )
        found = [
            line
            for line in done.stdout.splitlines()
            if not line.endswith("not in the spec")
        ]
        self.assertEqual(found, expected, done.stdout + done.stderr)
        self.assertEqual(done.returncode, 0)

    def version(self, python, module):
        return run(python, "-c", f"import {module}; print({module}.VERSION)").stdout.strip()

    def check_installed(self, spec, root, python, site, like):
        self.assertEqual(self.version(python, "numpy_like"), like)
        self.assertEqual(self.version(python, "beta"), "2.0b1")
        self.assertEqual(self.version(python, "label"), "2.1+cu118")
        self.assertEqual(self.version(python, "more"), "1.0")
        run(python, "-c", "import edit; assert edit.BUILT")
        other = ["ok NumPy_like: another version, compatible"]
        self.check(spec, root, site, other if like != "1.26.4" else [])

    def damage(self, text):
        """Another hash than the wheel's."""
        digest = sha256(self.edit)
        self.assertIn(digest, text)
        for before in ("#sha256=", 'sha256 = "'):
            text = text.replace(before + digest, before + "0" * 64)
        return text

    def test_pip_installs_the_requirements_as_they_are(self):
        spec = self.write()
        root, python, site = self.environment("pip", True)
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r"]
        run(*install, self.dir / "requirements.txt", env=self.env)
        self.check_installed(spec, root, python, site, "1.26.7")

    def test_pip_refuses_another_wheel_than_the_one_built(self):
        self.write()
        _, python, _ = self.environment("pip", True)
        text = self.dir / "requirements.txt"
        text.write_text(self.damage(text.read_text()))
        done = subprocess.run(
            [python, "-m", "pip", "install", "-q", "-r", text],
            capture_output=True,
            text=True,
            env=self.env,
        )
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("hash", (done.stdout + done.stderr).lower())

    @unittest.skipUnless(INDEX, "uv comes from the index")
    def test_the_newest_pip_installs_the_requirements(self):
        spec = self.write()
        root, python, site = self.environment("pip", False)
        run(
            self.tools / "bin/python", "-m", "pip", "--python", python, "install",
            "-q", "-r", self.dir / "requirements.txt", env=self.env,
        )
        self.check_installed(spec, root, python, site, "1.26.7")

    @unittest.skipUnless(INDEX, "uv comes from the index")
    def test_uv_installs_the_requirements_as_they_are(self):
        spec = self.write()
        root, python, site = self.environment("uv", False)
        run(
            self.uv, "pip", "install", "-q", "--python", python,
            "-r", self.dir / "requirements.txt", env=self.env,
        )
        self.check_installed(spec, root, python, site, "1.26.7")

    @unittest.skipUnless(INDEX, "uv comes from the index")
    def test_uv_refuses_another_wheel_than_the_one_built(self):
        self.write()
        _, python, _ = self.environment("uv", False)
        text = self.dir / "requirements.txt"
        text.write_text(self.damage(text.read_text()))
        done = subprocess.run(
            [self.uv, "pip", "install", "--python", python, "-r", text],
            capture_output=True,
            text=True,
            env=self.env,
        )
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("hash", done.stderr.lower())

    @unittest.skipUnless(INDEX, "packaging comes from the index")
    def test_packaging_reads_the_lock_file(self):
        self.write(exact=True, lock=True)
        out = run(
            self.tools / "bin/python", "-c",
            "import sys, tomllib\n"
            "from packaging.pylock import Pylock\n"
            "lock = Pylock.from_dict(tomllib.load(open(sys.argv[1], 'rb')))\n"
            "lock.validate()\n"
            "for p in lock.packages: print(p.name, p.version, bool(p.archive) or len(p.wheels))\n",
            self.dir / "pylock.toml",
        ).stdout.splitlines()
        self.assertEqual(
            out,
            [
                "beta 2.0b1 1", "dask 2024.1.0 1", "edit 1.0+l.1 True", "epoch 1!2 1",
                "label 2.1+cu118 1", "more 1.0 1", "numpy-like 1.26.4 1",
                "one-segment 306 1", "with-extra 1.0 1",
            ],
        )

    @unittest.skipUnless(INDEX, "uv comes from the index")
    def test_uv_installs_the_lock_file(self):
        spec = self.write(exact=True, lock=True)
        for verb, more in [("sync", []), ("install", ["-r"])]:
            root, python, site = self.environment(f"uv {verb}", False)
            run(
                self.uv, "pip", verb, "-q", "--python", python, *more,
                self.dir / "pylock.toml", env=self.env,
            )
            self.check_installed(spec, root, python, site, "1.26.4")

    @unittest.skipUnless(INDEX, "uv comes from the index")
    def test_uv_refuses_a_lock_file_with_another_hash(self):
        self.write(exact=True, lock=True)
        _, python, _ = self.environment("uv", False)
        lock = self.dir / "pylock.toml"
        lock.write_text(self.damage(lock.read_text()))
        done = subprocess.run(
            [self.uv, "pip", "sync", "--python", python, lock],
            capture_output=True,
            text=True,
            env=self.env,
        )
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("hash", done.stderr.lower())

    def test_yaml_reads_the_conda_file_as_it_is_meant(self):
        try:
            import yaml  # noqa: F401
            python = sys.executable
        except ImportError:
            if not INDEX:
                self.skipTest("no PyYAML")
            python = self.tools / "bin/python"

        def conda(name, version, channel="conda-forge"):
            return {"name": name, "version": version, "build": "h0_1", "channel": channel,
                    "subdir": "linux-64"}

        packages = self.packages(False) + [
            package("_libgcc_mutex", "0.1", "exact", "_libgcc_mutex=0.1",
                    kind="conda", conda=conda("_libgcc_mutex", "0.1")),
            package("libffi", "3.4.2", "compatible", "libffi>=3.4.2,3.4.*",
                    kind="conda", conda=conda("libffi", "3.4.2", "https://h.example/c: d")),
            package("msgpack", "1.0.7", "critical", "msgpack==1.0.7",
                    kind="conda", conda=conda("msgpack-python", "1.0.7")),
        ]
        packages.sort(key=lambda p: p["name"].lower().replace("_", "-"))
        self.write(packages=packages)
        out = run(
            python, "-c",
            "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))",
            self.dir / "environment.yml",
        ).stdout
        document = json.loads(out)
        self.assertEqual(document["name"], "test")
        self.assertEqual(document["channels"], ["conda-forge", "https://h.example/c: d"])
        *conda_lines, pip = document["dependencies"]
        self.assertEqual(
            conda_lines,
            [
                f"python={platform.python_version()}", "_libgcc_mutex=0.1=h0_1",
                "libffi>=3.4.2,3.4.*", "msgpack-python==1.0.7", "pip",
            ],
        )
        self.assertEqual(list(pip), ["pip"])
        self.assertIn("NumPy_like~=1.26.4", pip["pip"])
        self.assertIn("epoch~=1!2.0", pip["pip"])
        self.assertIn(f"Edit @ {self.edit.as_uri()}#sha256={sha256(self.edit)}", pip["pip"])


if __name__ == "__main__":
    unittest.main()
