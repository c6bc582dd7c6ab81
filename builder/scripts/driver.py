# The part of a build that only Python can do.  Runs inside the sandbox:
#
#   driver.py project FILE            read pyproject.toml
#   driver.py environment WHEEL...    make /env from wheels, without an index
#   driver.py requires BACKEND PATHS SETTINGS
#                                     ask the back-end what it needs (PEP 517)
#   driver.py wheel ARGUMENT...       pip wheel, with a look at what is left
#
# Each writes one JSON document to /out/answer.json, or ends with status 3 and
# a last line that says why.  Outside the sandbox:
#
#   driver.py unpack WHEEL DIRECTORY  a wheel of ours (pip), to be run in place
import json
import os
import sys

OUT = "/out/answer.json"


def fail(text):
    print(text, file=sys.stderr)
    sys.exit(3)


def answer(value):
    with open(OUT, "w", encoding="utf-8") as out:
        json.dump(value, out)


def toml():
    try:
        import tomllib

        return tomllib
    except ImportError:
        sys.path.insert(0, "/pip")
        from pip._vendor import tomli

        return tomli


def strings(table, key, where):
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        fail("%s.%s must be an array of strings" % (where, key))
    return value


def table(parent, key, where):
    value = parent.get(key, {})
    if not isinstance(value, dict):
        fail("%s must be a table" % where)
    return value


def project(path):
    try:
        with open(path, "rb") as source:
            # PEP 518 wants UTF-8; some editors begin it with a mark.
            data = toml().loads(source.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        fail("not UTF-8: byte %d" % error.start)
    except ValueError as error:
        fail(str(error))
    except RecursionError:
        fail("nested too deeply")
    build = table(data, "build-system", "[build-system]")
    if "build-system" in data and "requires" not in build:
        fail("[build-system] has no 'requires' (PEP 518)")
    backend = build.get("build-backend")
    if backend is not None and not isinstance(backend, str):
        fail("[build-system] build-backend must be a string")
    own = table(table(data, "tool", "[tool]"), "pkgsync", "[tool.pkgsync]")
    name = table(data, "project", "[project]").get("name")
    answer(
        {
            "has_build_system": "build-system" in data,
            "requires": strings(build, "requires", "build-system"),
            "backend": backend,
            "backend_path": strings(build, "backend-path", "build-system"),
            "include": strings(own, "include", "tool.pkgsync"),
            "exclude": strings(own, "exclude", "tool.pkgsync"),
            "name": name if isinstance(name, str) else None,
        }
    )


def compile_all(root):
    """Every module, on two processors; those that do not compile are left."""
    import py_compile

    paths = [
        os.path.join(folder, name)
        for folder, _, names in os.walk(root)
        for name in names
        if name.endswith(".py")
    ]
    child = os.fork()
    for path in sorted(paths)[0 if child else 1 :: 2]:
        try:
            # Hash-based, unchecked: a copy keeps them valid whatever its times.
            py_compile.compile(
                path,
                doraise=True,
                invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
            )
        except (py_compile.PyCompileError, OSError, ValueError, RecursionError):
            pass
    if not child:
        os._exit(0)
    os.waitpid(child, 0)


def unpack(wheel, folder):
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    compile_all(folder)


def environment(wheels):
    import subprocess
    import venv

    venv.EnvBuilder(with_pip=False, symlinks=True).create("/env")
    python = "/env/bin/python"
    status = 0 if not wheels else subprocess.call(
        [python, "-I", "/pip/pip", "install", "--no-index", "--no-deps"]
        # pip itself is on the path, and must be installed all the same.
        + ["--ignore-installed"]
        + ["--no-compile", "--no-cache-dir", "--disable-pip-version-check"]
        + ["--no-warn-script-location", "--quiet", "--no-input"]
        + wheels
    )
    if status != 0:
        fail("pip install of the build requirements ended with %d" % status)
    compile_all("/env/lib")
    # Links do not leave the sandbox; the caller makes these again.
    for folder in ("/env", "/env/bin"):
        for entry in os.scandir(folder):
            if entry.is_symlink():
                os.unlink(entry.path)


def load(backend, paths):
    import importlib

    for path in reversed(paths):
        full = os.path.realpath(path)
        if os.path.commonpath([full, os.getcwd()]) != os.getcwd():
            fail("backend-path '%s' leaves the source tree (PEP 517)" % path)
        sys.path.insert(0, full)
    module, _, attributes = backend.partition(":")
    found = importlib.import_module(module)
    if paths and not any(
        os.path.realpath(found.__file__ or "").startswith(os.path.realpath(p) + os.sep)
        for p in paths
    ):
        fail("back-end '%s' is not in backend-path (PEP 517)" % module)
    for attribute in filter(None, attributes.split(".")):
        found = getattr(found, attribute)
    return found


def requires(backend, paths, settings):
    hooks = load(backend, json.loads(paths))
    hook = getattr(hooks, "get_requires_for_build_wheel", None)
    value = hook(json.loads(settings)) if hook else []
    if not isinstance(value, (list, tuple)) or not all(
        isinstance(v, str) for v in value
    ):
        fail("get_requires_for_build_wheel must return a list of strings (PEP 517)")
    answer({"requires": list(value)})


def wheel(arguments):
    """`pip wheel`; pip takes the one wheel that the back-end names and drops
    the directory that it wrote to, so what else is in there is seen here."""
    sys.path.insert(0, "/pip")
    from pip._internal.cli.main import main as pip

    left = []
    try:
        from pip._internal.utils.temp_dir import TempDirectory

        cleanup = TempDirectory.cleanup

        def look_and_clean(self):
            if os.path.basename(self.path).startswith("pip-wheel-"):
                left.extend(n for n in os.listdir(self.path) if n.endswith(".whl"))
            cleanup(self)

        TempDirectory.cleanup = look_and_clean
    except (ImportError, AttributeError):
        pass  # another pip: what is in the output is looked at anyway
    status = pip(["wheel"] + arguments)
    if status == 0 and left:
        fail("error: the back-end wrote more than one wheel: %s as well" % left[0])
    sys.exit(status)


def main(argv):
    if argv[1] == "project":
        project(argv[2])
    elif argv[1] == "environment":
        environment(argv[2:])
    elif argv[1] == "wheel":
        wheel(argv[2:])
    elif argv[1] == "unpack":
        unpack(argv[2], argv[3])
    else:
        # What runs from here on is the project's own code.  PEP 517 gives it
        # the environment and backend-path, and not this script's directory.
        sys.path[0:1] = []
        requires(argv[2], argv[3], argv[4])


if __name__ == "__main__":
    main(sys.argv)
