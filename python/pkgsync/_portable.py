"""Objects that unpickle where this package is not installed.

A worker is bare: what is sent there brings its own code.  A pickled
`Portable` holds the *source* of the modules in `MODULES`, not their bytecode,
so a worker with another version of Python gets as far as saying so.  On the
other side the installed package is used if it is the same; else the modules
are made from the source, under a name that has its digest in it, so that two
versions of pkgsync can send to one cluster.

This file is one of those modules: only the standard library, Python 3.9.
"""

from __future__ import annotations

import hashlib
import importlib.resources
from typing import Any

MODULES = (
    "_portable",
    "_errors",
    "_versions",
    "_environment",
    "_installer",
    "_way_back",
    "_install",
    "_plugins",
)

# What runs first on the other side.  It must not need anything of ours.
BOOT = """
def load(bundle, digest, module, name):
    import importlib, sys, types
    try:
        ours = importlib.import_module("pkgsync._portable")
        if ours.bundle() == bundle:
            return getattr(importlib.import_module("pkgsync." + module), name)
    except Exception:
        pass
    package = "_pkgsync_" + digest[:16]
    if package not in sys.modules:
        made = types.ModuleType(package)
        made.__path__ = []
        sys.modules[package] = made
    wanted = package + "." + module
    if wanted not in sys.modules:
        if module != "_portable":
            load(bundle, digest, "_portable", "Portable")
        made = types.ModuleType(wanted)
        made.__package__ = package
        made.__file__ = "<pkgsync>/" + module + ".py"
        for other in bundle:
            text = "from ." + other + " import"
            if other != module and text in bundle[module]:
                load(bundle, digest, other, "__name__")
        sys.modules[wanted] = made
        try:
            exec(compile(bundle[module], made.__file__, "exec"), made.__dict__)
        except BaseException:
            del sys.modules[wanted]
            raise
        if module == "_portable":
            made._bundle.update(bundle)
    return getattr(sys.modules[wanted], name)
"""

_EXPRESSION = (
    "(lambda g: (exec(boot, g), g['load'](bundle, digest, module, name))[1])"
    "({}).blank()"
)

_bundle: dict[str, str] = {}


def bundle() -> dict[str, str]:
    """The source of every module that travels, by name."""
    if not _bundle:
        here = importlib.resources.files(__package__)
        for name in MODULES:
            _bundle[name] = (here / (name + ".py")).read_text("utf-8")
    return _bundle


def bundle_digest() -> str:
    digest = hashlib.sha256()
    for name, text in sorted(bundle().items()):
        digest.update(b"%s\0%s\0" % (name.encode(), text.encode()))
    return digest.hexdigest()


class Portable:
    """A base class.  The state is the instance's attributes."""

    @classmethod
    def blank(cls) -> Portable:
        return cls.__new__(cls)

    def __reduce__(self) -> tuple[Any, ...]:
        where = {
            "boot": BOOT,
            "bundle": bundle(),
            "digest": bundle_digest(),
            "module": type(self).__module__.rpartition(".")[2],
            "name": type(self).__name__,
        }
        return eval, (_EXPRESSION, where), self.__dict__
