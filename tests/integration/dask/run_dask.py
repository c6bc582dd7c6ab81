#!/usr/bin/env python3
"""Run tests in a client's environment with a real `distributed`.

usage: run_dask.py oldest|newest TEST [ARGUMENT...]

Makes, with uv, a virtual environment that has `distributed` and this tree's
Python package, an editable package, one from git, and some of the index, and
runs TEST in it.  Downloads are kept under PKGSYNC_DASK_DIR from run to run.
Ends with 77 (a skip) where the index cannot be reached, or where no
interpreter fits.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SKIP = 77
# What `python/pyproject.toml` promises, and what is the latest.
VERSIONS = {"oldest": "2023.9.2", "newest": "2026.8.0"}
PYTHONS = {"oldest": ["3.9", "3.10", "3.11"], "newest": ["3.12", "3.11", "3.10", "3.13"]}
FROM_INDEX = ["six", "toml", "pluggy", "asyncssh"]

# A whole back-end without requirements: builds and installs take no time.
BACKEND = '''
import base64, hashlib, os, zipfile

NAME, VERSION = %(name)r, %(version)r
INFO = "%%s-%%s.dist-info/" %% (NAME, VERSION)


def write(directory, files):
    files = dict(files)
    files[INFO + "METADATA"] = (
        "Metadata-Version: 2.1\\nName: %%s\\nVersion: %%s\\n" %% (NAME, VERSION))
    files[INFO + "WHEEL"] = ("Wheel-Version: 1.0\\nGenerator: test\\n"
                             "Root-Is-Purelib: true\\nTag: py3-none-any\\n")
    record = ""
    name = "%%s-%%s-py3-none-any.whl" %% (NAME, VERSION)
    with zipfile.ZipFile(os.path.join(directory, name), "w") as out:
        for path, text in files.items():
            data = text.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
            record += "%%s,sha256=%%s,%%d\\n" %% (
                path, digest.decode().rstrip("="), len(data))
            out.writestr(zipfile.ZipInfo(path), data)
        out.writestr(zipfile.ZipInfo(INFO + "RECORD"), record + INFO + "RECORD,,\\n")
    return name


def build_wheel(directory, config_settings=None, metadata_directory=None):
    text = open("src/%%s.py" %% NAME).read()
    if "BROKEN" in text:
        raise SystemExit("error: this module is marked as BROKEN")
    return write(directory, {NAME + ".py": text})


def build_editable(directory, config_settings=None, metadata_directory=None):
    return write(directory, {NAME + ".pth": os.path.abspath("src") + "\\n"})
'''


def project(path, name, version, text):
    (path / "src").mkdir(parents=True)
    (path / "src" / (name + ".py")).write_text(text)
    (path / "backend.py").write_text(BACKEND % {"name": name, "version": version})
    (path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\n'
        'backend-path = ["."]\n[project]\nname = "%s"\nversion = "%s"\n'
        % (name, version))


def git(path, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments],
        cwd=path, check=True, stdout=subprocess.DEVNULL)


def find_uv(tools):
    """uv, from PATH or from the index."""
    found = shutil.which("uv") or shutil.which(str(tools / "bin" / "uv"))
    if found:
        return found
    subprocess.run([sys.executable, "-m", "venv", tools], check=True)
    done = subprocess.run([tools / "bin" / "pip", "install", "-q", "uv"], check=False)
    if done.returncode:
        print("the index cannot be reached", file=sys.stderr)
        sys.exit(SKIP)
    return str(tools / "bin" / "uv")


def find_python(wanted):
    """The first that runs; PKGSYNC_TEST_PYTHONS names more, by colons."""
    places = [p for p in os.environ.get("PKGSYNC_TEST_PYTHONS", "").split(":") if p]
    for version in wanted:
        names = ["python" + version, *places, "/usr/bin/python" + version]
        for name in names:
            path = shutil.which(name)
            if not path:
                continue
            done = subprocess.run(
                [path, "-c", "import sys, ensurepip; print(sys.executable);"
                 "print('%d.%d' % sys.version_info[:2])"],
                capture_output=True, text=True, check=False)
            said = done.stdout.split()
            if done.returncode == 0 and said[1] == version:
                return said[0]
    print("no interpreter of", wanted, file=sys.stderr)
    sys.exit(SKIP)


def main():
    which, test, *arguments = sys.argv[1:]
    kept = pathlib.Path(os.environ["PKGSYNC_DASK_DIR"])
    kept.mkdir(parents=True, exist_ok=True)
    uv = find_uv(kept / "tools")
    python = find_python(PYTHONS[which])
    version = VERSIONS[which]
    env = dict(os.environ, UV_CACHE_DIR=str(kept / "uv-cache"),
               UV_PYTHON_DOWNLOADS="never")
    env.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory(prefix="pkgsync-dask-", dir=kept) as made:
        case = pathlib.Path(made)
        project(case / "edited", "edited", "1.0", "value = 1\n")
        project(case / "cloned", "cloned", "2.0", "value = 10\n")
        git(case / "cloned", "init", "-q")
        git(case / "cloned", "add", ".")
        git(case / "cloned", "commit", "-q", "-m", "first")
        (case / "work").mkdir()
        (case / "work" / "beside.py").write_text("value = 100\n")
        client = case / "client"
        subprocess.run([uv, "venv", "-q", "-p", python, client], check=True, env=env)
        subprocess.run(
            [uv, "pip", "install", "-q", "-p", client / "bin/python",
             "--refresh-package", "pkgsync",
             "distributed==" + version, "dask==" + version, *FROM_INDEX, ROOT / "python",
             "-e", case / "edited", "git+file://%s" % (case / "cloned")],
            check=True, env=env)
        env["DASK_CASE"] = json.dumps({
            "dir": str(case), "uv": uv, "python": python, "version": version,
            "program": os.environ["PKGSYNC"]})
        # A program in a home of its own, for what runs it by the environment.
        home = case / "home"
        for name in ("CACHE", "CONFIG", "DATA", "STATE"):
            env["XDG_%s_HOME" % name] = str(home / name.lower())
        if test.endswith("notebook.py"):
            env["PKGSYNC_PROGRAM"] = os.environ["PKGSYNC"]
            env["PATH"] = "%s:%s" % (os.path.dirname(uv), env["PATH"])
        done = subprocess.run(
            [client / "bin/python", "-B", HERE / test, *arguments], env=env,
            cwd=case / "work", check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
