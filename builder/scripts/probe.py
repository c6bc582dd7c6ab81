# Asks an interpreter what it is.  Prints one JSON document in one line, and
# the tags of wheels that it takes, one a line, best first.  Runs outside the
# sandbox, with -I and -S: neither PYTHONPATH nor the working directory, no
# sitecustomize and no .pth file gets to run anything.  Where distributions
# are is therefore worked out here instead of read from sys.path.
import json
import os
import sys
import sysconfig


def venv_of(executable):
    """The virtual environment of an interpreter, and whether it is alone."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(executable)))
    try:
        with open(os.path.join(root, "pyvenv.cfg"), encoding="utf-8") as cfg:
            pairs = dict(
                (key.strip().lower(), value.strip().lower())
                for key, mark, value in (line.partition("=") for line in cfg)
                if mark
            )
    except (OSError, UnicodeDecodeError):
        return None, False
    return root, pairs.get("include-system-site-packages", "true") != "true"


def site_dirs():
    name = "python%d.%d" % sys.version_info[:2]
    root, alone = venv_of(sys.executable)
    found = []
    if root:
        found += [
            os.path.join(root, lib, name, "site-packages") for lib in ("lib", "lib64")
        ]
    if not alone:
        if not root:
            found.append(os.path.expanduser("~/.local/lib/%s/site-packages" % name))
        paths = sysconfig.get_paths()
        found += [
            "/usr/local/lib/%s/dist-packages" % name,
            paths["purelib"],
            paths["platlib"],
            os.path.join(sys.base_prefix, "lib", name, "site-packages"),
        ]
        if sys.base_prefix == "/usr":
            found.append("/usr/lib/python3/dist-packages")
    # Those that are not there (yet) are kept: the answer outlives this run.
    unique = {}
    for path in found:
        unique.setdefault(os.path.realpath(path), path)
    return list(unique.values())


pip_dirs = []
try:
    import ensurepip

    pip_dirs.append(os.path.join(os.path.dirname(ensurepip.__file__), "_bundled"))
except ImportError:
    pass
pip_dirs += [sysconfig.get_config_var("WHEEL_PKG_DIR"), "/usr/share/python-wheels"]

pip_wheel = None
for directory in filter(None, pip_dirs):
    if os.path.isdir(directory):
        for name in sorted(os.listdir(directory), reverse=True):
            if name.startswith("pip-") and name.endswith(".whl") and not pip_wheel:
                pip_wheel = os.path.join(directory, name)

tags = []
if pip_wheel:
    sys.path.insert(0, pip_wheel)
    try:
        from pip._vendor.packaging.tags import sys_tags

        tags = [str(tag) for tag in sys_tags()]
    finally:
        del sys.path[0]

base = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
json.dump(
    {
        "executable": sys.executable,
        "base_executable": base,
        "implementation": sys.implementation.name,
        "version": ".".join(map(str, sys.version_info[:3])),
        "abi": sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag,
        "platform": sysconfig.get_platform(),
        "pip_wheel": pip_wheel,
        "pip_looked": [d for d in pip_dirs if d],
        "prefixes": sorted({sys.base_prefix, sys.base_exec_prefix, os.path.dirname(base)}),
        "site_dirs": site_dirs(),
    },
    sys.stdout,
)
# There are a thousand of them, read at every run: as lines, which cost less.
print("", *tags, sep="\n")
