"""Real environments, made by pip and uv from the index, kept between runs.

Each is made by one function below and kept in a directory that is named by
the function, its source and the interpreter: change the recipe, and a new one
is made.  Where the index cannot be reached, tests are skipped.
"""

import contextlib
import functools
import hashlib
import http.server
import inspect
import json
import os
import pathlib
import shutil
import subprocess
import sys
import threading
import unittest
import urllib.parse

import projects

CACHE = pathlib.Path(os.environ["PKGSYNC_TEST_ENVIRONMENTS"])
PYTHON = os.environ.get("PKGSYNC_TEST_PYTHON", sys.executable)
SKIP = 77
LIMIT_S = 900


class NoIndex(Exception):
    """The index cannot be reached."""


def run(*args, env=None, cwd=None, check=True):
    """Run; the output belongs to the error."""
    done = subprocess.run(
        [str(a) for a in args], env=env, cwd=cwd, timeout=LIMIT_S,
        capture_output=True, text=True,
    )  # fmt: skip
    if check and done.returncode:
        text = done.stdout + done.stderr
        # An index that answers knows some version of everything asked for here.
        if "(from versions: none)" in text or "dns error" in text:
            raise NoIndex(text)
        raise RuntimeError(f"{' '.join(map(str, args))}:\n{text}")
    return done.stdout


def clean_env(**more):
    """Nothing of the caller's Python settings but where the index is."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("PYTHON") and k not in ("VIRTUAL_ENV", "PIP_FIND_LINKS")}
    return {**env, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **more}


class Environment:
    """A directory with a virtual environment `env` and whatever belongs to it."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.python = self.root / "env/bin/python"
        self.variables = {}

    @property
    def facts(self):
        """What the recipe wrote down for the tests."""
        return json.loads((self.root / "facts.json").read_text())

    def note(self, **facts):
        path = self.root / "facts.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps({**known, **facts}))

    def venv(self, *args, python=PYTHON):
        run(python, "-m", "venv", *args, self.root / "env", env=clean_env())

    def pip(self, *args, **env):
        run(self.python, "-m", "pip", "install", "-q", *args, env=clean_env(**env))

    def uv(self, *args):
        run(uv(), "pip", "install", "-q", "--python", self.python, *args,
            env=clean_env())  # fmt: skip

    def project(self, write, name):
        return write(self.root / "projects" / name, name)


def environment(recipe):
    """A recipe makes its environment once; what failed half-way is made anew."""

    @functools.lru_cache(None)
    def get():
        text = inspect.getsource(recipe) + inspect.getsource(projects) + PYTHON
        key = hashlib.sha256(text.encode()).hexdigest()[:12]
        root = CACHE / f"{recipe.__name__}-{key}"
        env = Environment(root)
        if not (root / "complete").exists():
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir(parents=True)
            try:
                recipe(env)
            except NoIndex as reason:
                raise unittest.SkipTest(f"no index: {reason}") from reason
            (root / "complete").touch()
        return env

    return get


@functools.lru_cache(None)
def tools():
    """An environment for the tools themselves."""
    root = CACHE / "tools"
    if not (root / "complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        run(PYTHON, "-m", "venv", root, env=clean_env())
        run(root / "bin/pip", "install", "-q", "-U", "pip", "uv",
            "py-rattler", "zstandard", env=clean_env())  # fmt: skip
        (root / "complete").touch()
    return root


def uv():
    return tools() / "bin/uv"


# --- recipes ----------------------------------------------------------------


def have(*programs):
    return all(shutil.which(p) for p in programs)


@environment
def editables(env):
    """Every kind of editable that pip can make."""
    env.venv()
    env.pip("-U", "pip")
    made = {}
    for write, name, arguments in [
        (projects.setuptools_src, "ed-setuptools-src", []),
        (projects.setuptools_flat, "Ed.Setuptools_flat", []),
        (projects.setuptools_mapped, "ed-setuptools-mapped", []),
        (projects.setuptools_namespace, "ed-setuptools-ns", []),
        (projects.setuptools_c, "ed-setuptools-c", []),
        (projects.setuptools_src, "ed-setuptools-strict",
         ["--config-settings", "editable_mode=strict"]),
        (projects.setuptools_flat, "ed-setuptools-compat",
         ["--config-settings", "editable_mode=compat"]),
        (projects.setup_py_only, "ed-setup-py", ["--use-pep517"]),
        (projects.flit, "ed-flit", []),
        (projects.hatch, "ed-hatch", []),
        (projects.hatch_exact, "ed-hatch-exact", []),
        (projects.poetry, "ed-poetry", []),
        (projects.pdm, "ed-pdm", []),
        (projects.pdm_editables, "ed-pdm-editables", []),
        (projects.uv_build, "ed-uv-build", []),
        (projects.scikit_build, "ed-scikit", []),
        (projects.meson, "ed-meson", []),
        (projects.maturin, "ed-maturin", []),
    ]:  # fmt: skip
        if write is projects.maturin and not have("cargo"):
            continue
        root = env.project(write, name)
        env.pip(*arguments, "-e", root)
        made[name] = str(root)
    env.pip("idna==3.7")
    env.note(editables=made)


@environment
def editables_uv(env):
    """Editables that uv makes; the environment has no pip."""
    run(uv(), "venv", "-q", "--python", PYTHON, env.root / "env", env=clean_env())
    made = {}
    for write, name in [
        (projects.setuptools_src, "uv-setuptools-src"),
        (projects.setuptools_flat, "uv-setuptools-flat"),
        (projects.flit, "uv-flit"),
        (projects.hatch, "uv-hatch"),
        (projects.uv_build, "uv-uv-build"),
    ]:
        root = env.project(write, name)
        env.uv("-e", root)
        made[name] = str(root)
    env.uv("idna==3.7")
    env.note(editables=made)


@environment
def legacy(env):
    """What setuptools and distutils did before wheels."""
    env.venv()
    env.pip("setuptools==58.5.3", "wheel==0.37.1")
    develop = env.project(projects.egg, "Leg.Acy-pkg")
    install = env.project(projects.egg, "old-egg")
    single = env.project(projects.egg, "old-egg-info")
    plain = env.project(projects.plain_distutils, "old-file")
    setup = [env.python, "setup.py", "-q"]
    run(*setup, "develop", cwd=develop, env=clean_env())
    run(*setup, "install", cwd=install, env=clean_env())
    run(*setup, "install", "--single-version-externally-managed",
        "--record", env.root / "record", cwd=single, env=clean_env())  # fmt: skip
    run(*setup, "install", cwd=plain,
        env=clean_env(SETUPTOOLS_USE_DISTUTILS="stdlib"))  # fmt: skip
    env.note(editables={"Leg.Acy-pkg": str(develop)})


def repository(env, name):
    """A git repository with a project at its root and one in `lib`."""
    root = env.project(projects.hatch, name)
    projects.flit(root / "lib", name + "-lib")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    run("git", "init", "-q", "-b", "main", root)
    run("git", "-C", root, "add", ".")
    run("git", "-C", root, *identity, "commit", "-q", "-m", "first")
    run("git", "-C", root, "tag", "v1.0")
    commit = run("git", "-C", root, "rev-parse", "HEAD").strip()
    projects.write(root, {"later.txt": "later\n"})
    run("git", "-C", root, "add", ".")
    run("git", "-C", root, *identity, "commit", "-q", "-m", "second")
    return root, commit


@contextlib.contextmanager
def served(directory):
    """The directory by HTTP, on loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=directory)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def install_origins(env, install, prefix):
    root, commit = repository(env, f"{prefix}-git")
    files = env.root / "files"
    files.mkdir()
    for kind, name in (("--wheel", "wheel"), ("--sdist", "sdist"),
                       ("--wheel", "http")):  # fmt: skip
        source = env.project(projects.hatch, f"{prefix}-{name}")
        run(uv(), "build", "-q", kind, source, "-o", files, env=clean_env())
    wheel = next(files.glob("*_wheel-*.whl"))
    sdist = next(files.glob("*_sdist-*.tar.gz"))
    by_http = next(files.glob("*_http-*.whl"))
    digest = hashlib.sha256(by_http.read_bytes()).hexdigest()
    directory = env.project(projects.setuptools_src, f"{prefix}-directory")
    spaced = projects.flit(env.root / "projects/with space", f"{prefix}-spaced")
    url = "git+file://" + urllib.parse.quote(str(root))
    install(f"{url}@v1.0")
    install(f"{prefix}-git-lib @ {url}@main#subdirectory=lib")
    install(str(wheel))
    install(f"{prefix}-sdist @ file://{sdist}")
    with served(files) as base:
        install(f"{prefix}-http @ {base}/{by_http.name}#sha256={digest}")
    install(str(directory))
    install(str(spaced))
    install("idna==3.7")
    env.note(commit=commit, sha256=digest)


@environment
def origins(env):
    """git, archives and directories, by pip."""
    env.venv()
    env.pip("-U", "pip")
    install_origins(env, env.pip, "o")


@environment
def origins_uv(env):
    """The same by uv."""
    run(uv(), "venv", "-q", "--python", PYTHON, env.root / "env", env=clean_env())
    install_origins(env, env.uv, "u")


@environment
def sixty(env):
    """Such an environment as people work in."""
    env.venv()
    env.pip("-U", "pip")
    env.pip("dask[array,dataframe,distributed]", "requests", "flask", "httpx[http2]",
            "pytest", "ipython", "sqlalchemy", "rich", "typer", "pydantic",
            "matplotlib", "boto3", "attrs", "python-dateutil", "black",
            "beautifulsoup4", "networkx", "ruamel.yaml", "zope.interface")  # fmt: skip
    made = {}
    for write, name in [
        (projects.setuptools_src, "my-setuptools"),
        (projects.flit, "my-flit"),
        (projects.hatch, "my-hatch"),
    ]:
        made[name] = str(env.project(write, name))
        env.pip("-e", made[name])
    env.note(editables=made)


@environment
def user_site(env):
    """Packages of the user beside those of an interpreter."""
    env.venv("--system-site-packages")
    base = env.root / "userbase"
    env.pip("--user", "--ignore-installed", "six", "idna==3.6",
            PYTHONUSERBASE=str(base))  # fmt: skip
    env.note(userbase=str(base))


@environment
def system_site(env):
    """A virtual environment over Debian's interpreter, which shows through."""
    env.venv("--system-site-packages", python="/usr/bin/python3")
    env.pip("--ignore-installed", "six==1.15.0", "PyYAML")
    project = env.project(projects.flit, "over-system")
    env.pip("-e", project)
    env.note(editables={"over-system": str(project)})


@environment
def python_path(env):
    """Directories on PYTHONPATH, one of which shadows the environment."""
    env.venv()
    env.pip("idna==3.7", "six")
    for directory, requirement in (("one", "idna==3.6"), ("two", "attrs")):
        env.pip("--target", env.root / directory, requirement)
    env.note(path=[str(env.root / "one"), str(env.root / "two")])


@environment
def conda(env):
    """A conda environment from a channel made on the spot, with packages of pip
    inside, one of which has overwritten conda's."""
    here = pathlib.Path(__file__).parent
    base, version = json.loads(run(PYTHON, "-c",
        "import json, os, platform, sys; print(json.dumps([os.path.realpath("
        "sys.executable), platform.python_version()]))"))  # fmt: skip
    run(tools() / "bin/python", here / "conda_channel.py", env.root / "channel",
        env.root / "env", base, version, env=clean_env())  # fmt: skip
    pip = [tools() / "bin/python", "-m", "pip", "--python", env.python,
           "install", "-q", "--no-deps"]  # fmt: skip
    newer = projects.flit(env.root / "projects/newer", "overwritten")
    wheels = env.root / "wheels"
    run(uv(), "build", "-q", "--wheel", newer, "-o", wheels, env=clean_env())
    inside = env.project(projects.flit, "inside-conda")
    run(*pip, "idna==3.7", env=clean_env())
    run(*pip, "--no-index", "-f", wheels, "overwritten==2.1", env=clean_env())
    run(*pip, "-e", inside, env=clean_env())
    env.note(editables={"inside-conda": str(inside)}, version=version)
