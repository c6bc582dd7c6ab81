"""Holds standards_driver against the packaging that is importable here, over
generated texts.  Prints a line for every difference; exits 1 if there is one.

Left out, because packaging itself is of two minds or Unicode's tables decide:
case folding beyond ASCII (=== and names), Pythons in tags that are identifiers
beyond ASCII, and texts with surrogates, which are no UTF-8.
"""

import argparse
import contextlib
import itertools
import json
import os
import subprocess
import sys
import sysconfig
from unittest import mock

from driver import Driver
from generate import Generator
from packaging import _manylinux, _musllinux, tags, utils
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

sys.set_int_max_str_digits(0)


class Comparison:
    def __init__(self, seed, count):
        self.driver = Driver()
        self.make = Generator(seed)
        self.count = count
        self.checked = {}
        self.differences = 0

    def check(self, what, given, expected, actual):
        self.checked[what] = self.checked.get(what, 0) + 1
        if expected != actual:
            self.differences += 1
            print(f"{what} {given!r}: packaging {expected!r}, pkgsync {actual!r}")

    # --- versions ---

    def version_facts(self, text):
        try:
            v = Version(text)
        except InvalidVersion:
            return None
        return {
            "epoch": str(v.epoch),
            "release": [str(n) for n in v.release],
            "pre": v.pre and [v.pre[0], str(v.pre[1])],
            "post": None if v.post is None else str(v.post),
            "dev": None if v.dev is None else str(v.dev),
            "local": v.local and v.local.split("."),
            "string": str(v),
            "public": v.public,
            "base": v.base_version,
            "is_prerelease": v.is_prerelease,
        }

    def versions(self):
        for _ in range(self.count):
            text = self.make.any_version()
            facts = self.version_facts(text)
            self.check("version", text, facts, self.driver.try_call("version", text))
            for strip in (False, True):
                self.check(
                    "canonicalize_version",
                    (text, strip),
                    utils.canonicalize_version(text, strip_trailing_zero=strip),
                    self.driver.call("canonicalize_version", text, strip),
                )

    def order(self):
        for _ in range(self.count):
            a = self.make.version()
            b = self.make.near(a) if self.make.chance(0.6) else self.make.version()
            try:
                x, y = Version(a), Version(b)
            except InvalidVersion:
                continue
            expected = (x > y) - (x < y)
            self.check("compare", (a, b), expected, self.driver.call("compare", a, b))
            self.check("compare", (b, a), -expected, self.driver.call("compare", b, a))

    # --- specifiers ---

    def specifiers(self):
        for _ in range(self.count):
            text = self.make.specifiers()
            try:
                s = SpecifierSet(text)
            except InvalidSpecifier:
                expected = None
            else:
                expected = {
                    "items": [{"op": i.operator, "version": i.version} for i in s],
                    "names_prerelease": bool(s.prereleases),
                    "string": str(s),
                }
            self.check("specifiers", text, expected, self.driver.try_call("specifiers", text))

    def some_set(self):
        while True:
            text = self.make.specifiers()
            with contextlib.suppress(InvalidSpecifier):
                if text.isascii() or "===" not in text:
                    return text, SpecifierSet(text)

    def candidate(self, spec):
        draw = self.make.random.random()
        items = list(spec)
        if items and draw < 0.7:
            version = self.make.pick(items).version
            return self.make.near(version) if draw < 0.6 else version.swapcase()
        return self.make.any_version()

    def contains(self):
        for _ in range(4 * self.count):
            text, spec = self.some_set()
            version = self.candidate(spec)
            policy = self.make.pick([None, None, True, False])
            self.check(
                "contains",
                (text, version, policy),
                spec.contains(version, prereleases=policy),
                self.driver.call("contains", text, version, policy),
            )

    def filter(self):
        for _ in range(self.count):
            text, spec = self.some_set()
            versions = [self.candidate(spec) for _ in range(self.make.random.randrange(6))]
            versions = list(dict.fromkeys(versions))
            policy = self.make.pick([None, None, True, False])
            flags = self.driver.call("filter", text, versions, policy)
            self.check(
                "filter",
                (text, versions, policy),
                sorted(spec.filter(versions, prereleases=policy)),
                sorted(itertools.compress(versions, flags)),
            )

    # --- names and tags ---

    def names(self):
        for _ in range(self.count):
            text = self.make.name()
            normal = utils.is_normalized_name(text)
            self.check(
                "is_normalized_name", text, normal, self.driver.call("is_normalized_name", text)
            )
            try:
                utils.canonicalize_name(text, validate=True)
                valid = True
            except utils.InvalidName:
                valid = False
            self.check("is_valid_name", text, valid, self.driver.call("is_valid_name", text))
            if not text.isascii():
                continue
            name = utils.canonicalize_name(text)
            self.check(
                "canonicalize_name", text, name, self.driver.call("canonicalize_name", text)
            )
            other = self.make.name() if self.make.chance(0.5) else text.swapcase()
            if other.isascii():
                self.check(
                    "names_equal",
                    (text, other),
                    name == utils.canonicalize_name(other),
                    self.driver.call("names_equal", text, other),
                )

    def parsed_tags(self):
        for _ in range(self.count):
            text = self.make.tag()
            if not text.isascii():
                continue
            try:
                expected = sorted(map(str, tags.parse_tag(text)))
            except tags.InvalidTag:
                expected = None
            actual = self.driver.try_call("parse_tag", text)
            self.check("parse_tag", text, expected, actual and sorted(actual))

    def target_tags(self):
        for target, expected in targets():
            self.check("tags", target, expected, self.driver.call("tags", target))

    def interpreters(self, executables):
        for executable in executables:
            facts = json.loads(
                subprocess.run(
                    [executable, "-c", ASK, os.path.dirname(os.path.dirname(tags.__file__))],
                    check=True,
                    capture_output=True,
                ).stdout
            )
            ours = self.driver.call("tags", facts["target"])
            self.check("sys_tags", executable, facts["tags"], ours)
            if facts["bundled"] is not None:
                # pip's own copy may be older, with another order and without
                # what newer ones add.
                self.check(
                    "sys_tags of pip", executable, [], sorted(set(facts["bundled"]) - set(ours))
                )


# What an interpreter says of itself, with packaging from outside and from pip.
ASK = """
import json, os, platform, sys, sysconfig
sys.path.insert(0, sys.argv[1])
from packaging import tags, _manylinux, _musllinux
musl = _musllinux._get_musl_version(sys.executable)
libc = musl or _manylinux._get_glibc_version()
try:
    from pip._vendor.packaging.tags import sys_tags
    bundled = [str(tag) for tag in sys_tags()]
except ImportError:
    bundled = None
json.dump({
    "tags": [str(tag) for tag in tags.sys_tags()],
    "bundled": bundled,
    "target": {
        "implementation": sys.implementation.name,
        "python": sys.version_info[:2],
        "abi": sysconfig.get_config_var("SOABI"),
        "arch": sysconfig.get_platform().partition("-")[2].replace("-", "_"),
        "libc": "musl" if musl else "glibc",
        "libc_version": libc,
    },
}, sys.stdout)
"""


# --- what packaging says of targets that are not this machine ---------------


def linux_platforms(arch, libc, version):
    glibc = _manylinux._GLibCVersion(*version) if libc == "glibc" else (-1, -1)
    musl = _musllinux._MuslVersion(*version) if libc == "musl" else None
    with mock.patch.object(sysconfig, "get_platform", lambda: f"linux-{arch}"), \
            mock.patch.object(_manylinux, "_get_glibc_version", lambda: glibc), \
            mock.patch.object(_manylinux, "_is_linux_armhf", lambda _: True), \
            mock.patch.object(_manylinux, "_is_linux_i686", lambda _: True), \
            mock.patch.object(_musllinux, "_get_musl_version", lambda _: musl):
        return list(tags._linux_platforms(is_32bit=False))


def platform_targets():
    archs = ["x86_64", "i686", "aarch64", "ppc64", "ppc64le", "s390x", "riscv64"]
    archs += ["loongarch64", "armv7l", "armv8l", "armv6l", "mips64"]
    glibc = [(2, 36), (2, 17), (2, 16), (2, 12), (2, 5), (2, 4), (2, 0), (3, 1)]
    for arch in archs:
        for version in glibc:
            yield arch, "glibc", version, linux_platforms(arch, "glibc", version)
        for version in [(1, 2), (1, 0), (2, 11)]:
            yield arch, "musl", version, linux_platforms(arch, "musl", version)
    for arch in ["x86_64", "arm64", "i386", "ppc", "ppc64", "intel"]:
        for version in [(9, 9), (10, 0), (10, 3), (10, 4), (10, 5), (10, 6), (10, 15)] + [
            (10, 16), (11, 0), (11, 7), (12, 1), (26, 2)
        ]:
            yield arch, "macos", version, list(tags.mac_platforms(version, arch))
    for platform in ["win-amd64", "win32", "freebsd-14.1-amd64"]:
        normal = platform.replace("-", "_").replace(".", "_")
        yield platform, None, (0, 0), [normal]


def python_targets():
    """implementation, version, ABI for the driver, for packaging."""
    for minor in (0, 1, 2, 3, 7, 8, 11, 13, 14, 15, 20):
        python = (3, minor)
        nodot = f"3{minor}"
        old = "m" if minor < 8 else ""
        yield "cpython", python, None, [f"cp{nodot}{old}"]
        yield "cpython", python, f"cp{nodot}", [f"cp{nodot}"]
        yield "cpython", python, f"cpython-{nodot}-x86_64-linux-gnu", [f"cp{nodot}"]
        if minor >= 8:
            yield "cpython", python, f"cp{nodot}d", [f"cp{nodot}d", f"cp{nodot}"]
        if minor >= 13:
            yield "cpython", python, f"cp{nodot}t", [f"cp{nodot}t"]
            yield "cpython", python, f"cp{nodot}td", [f"cp{nodot}td", f"cp{nodot}t"]
    for minor in (6, 9, 10, 11):
        python = (3, minor)
        yield "pypy", python, f"pypy3{minor}_pp73", [f"pypy3{minor}_pp73"]
        yield "pypy", python, f"pypy3{minor}-pp73-x86_64-linux-gnu", [f"pypy3{minor}_pp73"]
        yield "pypy", python, None, []
    yield "graalpy", (3, 11), "graalpy-241-native-x86_64-linux", ["graalpy_241_native"]
    yield "jython", (2, 7), None, []


def expected_tags(implementation, python, abis, platforms):
    # An empty list would mean those of this machine.
    platforms = iter(platforms) if not platforms else platforms
    name = tags.INTERPRETER_SHORT_NAMES.get(implementation, implementation)
    interpreter = f"{name}{python[0]}{python[1]}"
    if name == "cp":
        first = tags.cpython_tags(python, list(abis), platforms)
    else:
        first = tags.generic_tags(interpreter, list(abis), platforms)
    compatible = {"cp": interpreter, "pp": "pp3"}.get(name)
    first = list(first)
    return first + list(tags.compatible_tags(python, compatible, platforms))


def targets():
    """The cross product is large: each platform with a few Pythons, each
    Python with a few platforms."""
    platforms = list(platform_targets())
    pythons = list(python_targets())
    pairs = [(platform, python) for platform in platforms for python in pythons[::9]]
    pairs += [(platform, python) for platform in platforms[::17] for python in pythons]
    for (arch, libc, version, names), (implementation, python, abi, abis) in pairs:
        target = {
            "implementation": implementation,
            "python": python,
            "abi": abi,
            "arch": arch,
            "libc": libc,
            "libc_version": version,
        }
        expected = expected_tags(implementation, python, abis, names)
        yield target, [str(tag) for tag in expected]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=20260729)
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("executables", nargs="*")
    args = parser.parse_args()
    c = Comparison(args.seed, args.count)
    for part in (
        c.versions, c.order, c.specifiers, c.contains, c.filter, c.names,
        c.parsed_tags, c.target_tags,
    ):
        part()
    c.interpreters(args.executables or [sys.executable])
    for what, count in c.checked.items():
        print(f"{count:7} {what}")
    return 1 if c.differences else 0


if __name__ == "__main__":
    sys.exit(main())
