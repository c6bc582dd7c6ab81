# Asks an interpreter what it is.  Prints one JSON document in one line, and
# the tags of wheels that it takes, one a line, best first.  Runs outside the
# sandbox, with -I and -S: neither PYTHONPATH nor the working directory, no
# sitecustomize and no .pth file gets to run anything.  Where distributions
# are is therefore not read from sys.path: site's own functions are asked which
# directories they would add.  What belongs to the person and not to the
# interpreter (HOME, PYTHONPATH, the kernel) is added by who reads this.
import json
import os
import platform
import site
import sys
import sysconfig

directories = []


def note_directories(known, prefixes=None):
    directories.extend(site.getsitepackages(prefixes))
    return known


def site_directories():
    """Those before the user's own directory, those after it, and whether the
    user's own one is looked at."""
    site.addsitepackages = note_directories
    try:
        site.venv(set())
    except UnicodeDecodeError:  # of pyvenv.cfg; the interpreter would end
        pass
    before = list(directories)
    note_directories(None)
    after = [path for path in directories if path not in before]
    return before, after, site.ENABLE_USER_SITE is not False


def user_directory():
    """The user's own directory, below PYTHONUSERBASE."""
    try:
        path = site._get_path("@")
    except AttributeError:
        path = sysconfig.get_path("purelib", "posix_user", {"userbase": "@"})
    return path[2:]


def standard_library():
    try:
        return sorted(sys.stdlib_module_names)
    except AttributeError:  # before 3.10
        pass
    names = set(sys.builtin_module_names)
    stdlib = sysconfig.get_path("stdlib")
    for directory in (stdlib, os.path.join(stdlib, "lib-dynload")):
        if os.path.isdir(directory):
            names.update(name.split(".")[0] for name in os.listdir(directory))
    return sorted(name for name in names if name.isidentifier())


def version_text(info):
    text = "%d.%d.%d" % info[:3]
    if info.releaselevel != "final":
        text += info.releaselevel[0] + str(info.serial)
    return text


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
prefixes = sorted({sys.base_prefix, sys.base_exec_prefix, os.path.dirname(base)})
platform_tag = sysconfig.get_platform()
before, after, user = site_directories()
json.dump(
    {
        "executable": sys.executable,
        "base_executable": base,
        "implementation": sys.implementation.name,
        "version": ".".join(map(str, sys.version_info[:3])),
        "abi": sysconfig.get_config_var("SOABI") or sys.implementation.cache_tag,
        "platform": platform_tag,
        "pip_wheel": pip_wheel,
        "prefixes": prefixes,
        "prefix": sys.prefix,
        "site_before": before,
        "site_after": after,
        "user_enabled": user,
        "user_directory": user_directory(),
        "os_name": os.name,
        "sys_platform": sys.platform,
        "platform_python_implementation": platform.python_implementation(),
        "python_full_version": platform.python_version(),
        "implementation_version": version_text(sys.implementation.version),
        "stdlib": standard_library(),
    },
    sys.stdout,
)
# There are a thousand of them, read at every run: as lines, which cost less.
print("", *tags, sep="\n")
