# Asks an interpreter what it is.  Prints one JSON document in one line, and
# the tags of wheels that it takes, one a line, best first.  Runs with the
# person's own interpreter and rights; the working directory must not be able
# to slip a module in, so it leaves sys.path before anything is imported.
import sys

if sys.path and not sys.path[0]:
    del sys.path[0]

import json
import os
import sysconfig

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
        "site_dirs": [os.path.abspath(p) for p in sys.path if p and os.path.isdir(p)],
    },
    sys.stdout,
)
# There are a thousand of them, read at every run: as lines, which cost less.
print("", *tags, sep="\n")
