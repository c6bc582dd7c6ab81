"""A pytest plugin under which packaging's own tests run against pkgsync.

The public classes and functions of packaging are replaced by ones that ask
standards_driver: what a text means, how it is written, what is equal, what
comes first, what is admitted.  Left to packaging is the Python around that
(operators, types of arguments, pickles), so tests of it are not run: EXCLUDED
says which, and why.  The wording of messages is not compared either.
"""

import collections
import importlib
import re
import sys

import hypothesis
import packaging.markers
import packaging.requirements
import packaging.specifiers
import packaging.tags
import packaging.utils
import packaging.version
import pytest
from driver import Driver, Refused

sys.set_int_max_str_digits(0)  # our numbers have no limit
driver = Driver()

RealVersion = packaging.version.Version
RealSpecifier = packaging.specifiers.Specifier
RealSpecifierSet = packaging.specifiers.SpecifierSet
RealMarker = packaging.markers.Marker
RealRequirement = packaging.requirements.Requirement
real_parse_tag = packaging.tags.parse_tag


# --- version ----------------------------------------------------------------


class Version(RealVersion):
    def __init__(self, version):
        if not isinstance(version, str):
            raise packaging.version.InvalidVersion(f"Invalid version: {version!r}")
        try:
            parts = driver.call("version", version)
        except Refused as e:
            raise packaging.version.InvalidVersion(str(e)) from None
        self._epoch = int(parts["epoch"])
        self._release = tuple(map(int, parts["release"]))
        self._pre = parts["pre"] and (parts["pre"][0], int(parts["pre"][1]))
        self._post = parts["post"] and ("post", int(parts["post"]))
        self._dev = parts["dev"] and ("dev", int(parts["dev"]))
        self._local = parts["local"] and tuple(
            int(part) if part.isdigit() else part for part in parts["local"]
        )
        self._key_cache = None
        self._hash_cache = None

    def _ask(self):
        # From the parts, since some are made of parts and never parsed.
        text = f"{self._epoch}!" + ".".join(map(str, self._release))
        for part in (self._pre, self._post, self._dev):
            if part:
                text += part[0] + str(part[1])
        if self._local:
            text += "+" + ".".join(map(str, self._local))
        return driver.call("version", text)

    def __str__(self):
        return self._ask()["string"]

    @property
    def public(self):
        return self._ask()["public"]

    @property
    def base_version(self):
        return self._ask()["base"]

    @property
    def is_prerelease(self):
        return self._ask()["is_prerelease"]

    def __hash__(self):
        return hash(driver.call("canonicalize_version", str(self), True))


def compare(name, test):
    def method(self, other):
        if not isinstance(other, RealVersion):
            return getattr(RealVersion, name)(self, other)
        return test(driver.call("compare", str(self), str(other)))

    setattr(Version, name, method)


compare("__lt__", lambda order: order < 0)
compare("__le__", lambda order: order <= 0)
compare("__eq__", lambda order: order == 0)
compare("__ne__", lambda order: order != 0)
compare("__ge__", lambda order: order >= 0)
compare("__gt__", lambda order: order > 0)


# --- specifiers -------------------------------------------------------------


def parse_set(text, invalid):
    try:
        return driver.call("specifiers", text)
    except Refused as e:
        raise invalid(str(e)) from None


def names_prerelease(text):
    """True, or None, which packaging takes for "not known"."""
    return driver.call("specifiers", text)["names_prerelease"] or None


def filtered(spec, iterable, key, prereleases):
    items = list(iterable)
    versions = [item if key is None else key(item) for item in items]
    known = [v is not None for v in versions]
    flags = iter(
        driver.call("filter", spec, [str(v) for v in versions if v is not None], prereleases)
    )
    for item, is_known in zip(items, known):
        if is_known and next(flags):
            yield item


class Specifier(RealSpecifier):
    def __init__(self, spec="", prereleases=None):
        parsed = parse_set(spec, packaging.specifiers.InvalidSpecifier)
        if len(parsed["items"]) != 1 or "," in spec:
            raise packaging.specifiers.InvalidSpecifier(spec)
        item = parsed["items"][0]
        self._spec = (item["op"], item["version"])
        self._prereleases = prereleases
        self._spec_version = None
        self._ranges = None

    @property
    def prereleases(self):
        if self._prereleases is not None:
            return self._prereleases
        if self.operator == "===" and driver.try_call("version", self.version) is None:
            return None
        return bool(names_prerelease(str(self)))

    @prereleases.setter
    def prereleases(self, value):
        self._prereleases = value

    def __str__(self):
        return driver.call("specifiers", "".join(self._spec))["string"]

    def __eq__(self, other):
        if isinstance(other, str):
            try:
                other = Specifier(other)
            except packaging.specifiers.InvalidSpecifier:
                return NotImplemented
        elif not isinstance(other, RealSpecifier):
            return NotImplemented
        # Of equal ones the set keeps one.
        return "," not in driver.call("specifiers", f"{self},{other}")["string"]

    def __hash__(self):
        if self.operator == "===" or self.version.endswith(".*"):
            return hash(str(self))
        strip = self.operator != "~="
        return hash((self.operator, driver.call("canonicalize_version", self.version, strip)))

    def contains(self, item, prereleases=None):
        if prereleases is None:
            prereleases = self._prereleases
        return driver.call("contains", str(self), str(item), prereleases)

    def filter(self, iterable, prereleases=None, key=None):
        if prereleases is None:
            prereleases = self._prereleases
        return filtered(str(self), iterable, key, prereleases)


class SpecifierSet(RealSpecifierSet):
    def __init__(self, specifiers="", prereleases=None):
        if isinstance(specifiers, str):
            items = parse_set(specifiers, packaging.specifiers.InvalidSpecifier)["items"]
            specifiers = [Specifier(item["op"] + item["version"]) for item in items]
        super().__init__(specifiers, prereleases)

    def _text(self):
        return ",".join("".join(s._spec) for s in self._specs)

    @property
    def prereleases(self):
        if self._prereleases is not None:
            return self._prereleases
        if any(s._prereleases for s in self._specs):
            return True
        return names_prerelease(self._text())

    @prereleases.setter
    def prereleases(self, value):
        self._prereleases = value
        self._is_unsatisfiable = None

    def __str__(self):
        return driver.call("specifiers", self._text())["string"]

    def __eq__(self, other):
        if isinstance(other, (str, RealSpecifier)):
            other = SpecifierSet(str(other))
        elif not isinstance(other, RealSpecifierSet):
            return NotImplemented
        both = driver.call("specifiers", f"{self},{other}")["string"]
        count = both.count(",")
        return count == str(self).count(",") == str(other).count(",") and bool(
            both
        ) == bool(str(self)) == bool(str(other))

    def __hash__(self):
        return hash(frozenset(Specifier(s) for s in str(self).split(",") if s))

    def contains(self, item, prereleases=None, installed=None):
        if installed and Version_or_none(item) and Version_or_none(item).is_prerelease:
            prereleases = True
        if prereleases is None:
            prereleases = self._prereleases
        return driver.call("contains", self._text(), str(item), prereleases)

    def filter(self, iterable, prereleases=None, key=None):
        if prereleases is None:
            prereleases = self.prereleases
        return filtered(self._text(), iterable, key, prereleases)


def Version_or_none(item):
    if isinstance(item, RealVersion):
        return item
    try:
        return Version(item)
    except packaging.version.InvalidVersion:
        return None


# --- names, tags ------------------------------------------------------------


def canonicalize_name(name, *, validate=False):
    if validate and not driver.call("is_valid_name", name):
        raise packaging.utils.InvalidName(f"name is invalid: {name!r}")
    return driver.call("canonicalize_name", name)


def is_normalized_name(name):
    return driver.call("is_normalized_name", name)


def canonicalize_version(version, *, strip_trailing_zero=True):
    return driver.call("canonicalize_version", str(version), strip_trailing_zero)


def parse_tag(tag, *, validate_order=False, limit=None):
    if validate_order or limit is not None:
        return real_parse_tag(tag, validate_order=validate_order, limit=limit)
    try:
        return frozenset(
            packaging.tags.Tag(*text.split("-")) for text in driver.call("parse_tag", tag)
        )
    except Refused as e:
        raise packaging.tags.InvalidTag(str(e)) from None


def platforms(arch, libc, version):
    """Those of a target whose tags are easy to tell apart."""
    target = {
        "implementation": "cpython",
        "python": [3, 1],
        "abi": "none",
        "arch": arch,
        "libc": libc,
        "libc_version": list(version),
    }
    for tag in driver.call("tags", target):
        if tag.startswith("py31-none-") and not tag.endswith("-any"):
            yield tag.split("-")[2]


real_mac_platforms = packaging.tags.mac_platforms
real_manylinux = packaging._manylinux.platform_tags


def mac_platforms(version=None, arch=None):
    if version is None or arch is None:
        return real_mac_platforms(version, arch)
    return platforms(arch, "macos", version)


def manylinux_platforms(archs):
    """What packaging found out about this machine goes to the driver."""
    module = packaging._manylinux
    version = module._get_glibc_version()
    if module._get_manylinux_module() or version.major < 0:
        yield from real_manylinux(archs)
    elif module._have_compatible_abi(sys.executable, archs):
        for name in platforms(archs[0], "glibc", version):
            if name.startswith("manylinux"):
                yield name


def musllinux_platforms(archs):
    version = packaging._musllinux._get_musl_version(sys.executable)
    for name in platforms(archs[0], "musl", version) if version else ():
        if name.startswith("musllinux"):
            yield name


packaging._manylinux.platform_tags = manylinux_platforms
packaging._musllinux.platform_tags = musllinux_platforms


# --- markers, requirements --------------------------------------------------


class Marker(RealMarker):
    __slots__ = ()

    def __init__(self, marker):
        try:
            self._markers = []
            text = driver.call("marker", marker)
        except Refused as e:
            raise packaging.markers.InvalidMarker(str(e)) from None
        # For the operators & and |, which join trees.
        super().__init__(text)

    def __str__(self):
        return driver.call("marker", super().__str__())

    def evaluate(self, environment=None, context="metadata"):
        env = dict(packaging.markers.default_environment())
        if context == "lock_file":
            env.update(extras=[], dependency_groups=[])
        env.update(environment or {})
        env = {
            key: sorted(value) if isinstance(value, (set, frozenset)) else value
            for key, value in env.items()
        }
        extra = env.pop("extra", None)
        try:
            return driver.call("marker_eval", str(self), env, extra or None)
        except Refused as e:
            kind = packaging.markers.UndefinedComparison
            if "has no value here" in str(e):
                kind = packaging.markers.UndefinedEnvironmentName
            raise kind(str(e)) from None


class Requirement(RealRequirement):
    __slots__ = ()

    def __init__(self, requirement_string):
        try:
            parts = driver.call("requirement", requirement_string)
        except Refused as e:
            raise packaging.requirements.InvalidRequirement(str(e)) from None
        self.name = parts["name"]
        self.extras = set(parts["extras"])
        self.specifier = SpecifierSet(parts["specifiers"])
        self.url = parts["url"]
        self.marker = parts["marker"] and Marker(parts["marker"])

    def __str__(self):
        return driver.call("requirement", super().__str__())["string"]


for module, names in {
    packaging.version: ["Version"],
    packaging._ranges: ["Version"],
    packaging.utils: [
        "Version",
        "parse_tag",
        "canonicalize_name",
        "canonicalize_version",
        "is_normalized_name",
    ],
    packaging.specifiers: ["Version", "Specifier", "SpecifierSet", "canonicalize_version"],
    packaging.tags: ["parse_tag", "mac_platforms"],
    packaging.markers: ["Specifier", "canonicalize_name", "Marker"],
    packaging.requirements: ["Requirement", "SpecifierSet", "Marker", "canonicalize_name"],
}.items():
    for name in names:
        assert hasattr(module, name), (module, name)
        setattr(module, name, globals()[name])


# --- which tests ------------------------------------------------------------

PYTHON = "pickles, caches and other insides of Python objects"
RANGES = "ranges of versions, which pkgsync does not have"
MACHINE = "finding out what the running interpreter and its machine are"
EXCLUDED = [
    (r"pickle|setstate|structures_shim|test_deprecated__version", PYTHON),
    (r"TestSpecifierInternal|_cache\b|cached_bounds|is_lazy|_TrimmedRelease", PYTHON),
    (r"test_trimmed_release_hash|test_markers\.py::TestNode", PYTHON),
    (r"TestIsUnsatisfiable|ToRangeEquivalence|boundary_closure|range_bounds", RANGES),
    (r"test_is_subset|test_is_superset|test_is_disjoint|test_set_relations", RANGES),
    (r"oversized_version", "the limit of Python's int(); our numbers have none"),
    (r"test_limit|test_parse_wheel_unsorted_tags_invalid|raises_with_validate",
     "limits and order of tag sets on request, which pkgsync does not have"),
    (r"test_new_string_rules",
     "the second of two literals in a marker, which packaging takes for a "
     "variable's name"),
    (r"test_missing_environment_key", "the arguments of an exception"),
    (r"test_tags\.py::(?!TestParseTag|TestMacOSPlatforms|TestManylinux)", MACHINE),
    (r"TestMacOSPlatforms::test_(architectures|binary_formats|version_detection)",
     MACHINE),
    (r"TestMacOSPlatforms::test_(arch_detection|no_mac_ver)", MACHINE),
    (r"TestManylinuxPlatform::test_(get_config_var|linux_not_linux)", MACHINE),
    (r"TestDefaultEnvironment", MACHINE),
    (r"manylinux_unsupported|platforms_manylinux1\b|2014_armhf_abi",
     "a part of packaging that the test replaces and the driver knows nothing of"),
]


def pytest_sessionstart(session):
    """Every example asks the driver a few times: a fifth of packaging's 300."""
    sys.path.insert(0, str(session.config.rootpath))
    strategies = importlib.import_module("tests.property.strategies")
    # How many inputs a strategy of packaging's throws away is not our business.
    strategies.SETTINGS = hypothesis.settings(
        max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
    )


def pytest_collection_modifyitems(config, items):
    kept, left_out, counts = [], [], collections.Counter()
    for item in items:
        name = item.nodeid.split("/")[-1]
        for pattern, reason in EXCLUDED:
            if re.search(pattern, name):
                left_out.append(item)
                counts[reason] += 1
                break
        else:
            kept.append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)
    config.pkgsync_left_out = counts


def pytest_report_collectionfinish(config):
    return [
        f"not run: {count:4} about {reason}"
        for reason, count in sorted(config.pkgsync_left_out.items())
    ]


# --- messages ---------------------------------------------------------------
# Their wording is each program's own: a refusal counts, whatever it says.


class AnyText(str):
    __hash__ = str.__hash__

    def __eq__(self, other):
        return True


real_raises = pytest.raises
real_exconly = pytest.ExceptionInfo.exconly


def raises(*args, match=None, **kwargs):
    return real_raises(*args, **kwargs)


def exconly(self, tryshort=False):
    return AnyText(real_exconly(self, tryshort))


pytest.raises = raises
pytest.ExceptionInfo.exconly = exconly
