"""PEP 440, as much as a check on a bare worker needs.

`packaging` may not be there yet; this is the part of it that decides whether
a version satisfies the specifiers that an environment spec contains.

Sent to workers: only the standard library, Python 3.9.
"""

from __future__ import annotations

import re
from typing import Any

_VERSION = re.compile(
    r"""\s*v?(?:(?P<epoch>\d+)!)?(?P<release>\d+(?:\.\d+)*)
    (?:[-_.]?(?P<pre>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<pre_n>\d*))?
    (?P<post>-(?P<post_short>\d+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_n>\d*))?
    (?P<dev>[-_.]?dev[-_.]?(?P<dev_n>\d*))?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*\Z""",
    re.VERBOSE | re.IGNORECASE,
)
_CLAUSE = re.compile(r"\s*(===|==|~=|!=|<=|>=|<|>)\s*(\S+)\s*\Z")
_REQUIREMENT = re.compile(
    r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(.*)\Z",
    re.DOTALL,
)
_PRE = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
# Before and after every tuple that stands for a number or a word.
_LOW = (-1,)
_HIGH = (2,)


class Version:
    """Parsed; `ValueError` for what PEP 440 does not allow."""

    def __init__(self, text: str) -> None:
        found = _VERSION.match(text)
        if not found:
            raise ValueError("%r is no version" % text)
        part = found.groupdict()
        self.epoch = int(part["epoch"] or 0)
        self.release = tuple(int(n) for n in part["release"].split("."))
        pre = (part["pre"] or "").lower()
        self.pre = (_PRE.get(pre, pre), int(part["pre_n"] or 0)) if pre else None
        self.post = (
            int(part["post_short"] or part["post_n"] or 0) if part["post"] else None
        )
        self.dev = int(part["dev_n"] or 0) if part["dev"] else None
        self.local = tuple(
            (1, int(word), "") if word.isdigit() else (0, 0, word)
            for word in re.split(r"[-_.]", (part["local"] or "").lower())
            if word
        )

    def public(self) -> Version:
        other = Version.__new__(Version)
        other.__dict__.update(self.__dict__, local=())
        return other

    @property
    def is_prerelease(self) -> bool:
        return self.pre is not None or self.dev is not None

    def key(self) -> tuple[Any, ...]:
        release = self.release
        while len(release) > 1 and release[-1] == 0:
            release = release[:-1]
        pre: tuple[Any, ...] = _HIGH
        if self.pre:
            pre = (1, *self.pre)
        elif self.post is None and self.dev is not None:
            pre = _LOW
        post = _LOW if self.post is None else (1, self.post)
        dev = _HIGH if self.dev is None else (1, self.dev)
        return self.epoch, release, pre, post, dev, self.local

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())

    def __lt__(self, other: Version) -> bool:
        return self.key() < other.key()


def _padded(release: tuple[int, ...], length: int) -> tuple[int, ...]:
    return release[:length] + (0,) * (length - len(release))


def _starts_with(version: Version, prefix: Version) -> bool:
    """`== prefix.*`: as many segments as the prefix has."""
    if version.epoch != prefix.epoch:
        return False
    length = len(prefix.release)
    release = _padded(version.release, length)
    if prefix.pre or prefix.post is not None:
        return (
            _padded(version.release, max(length, len(version.release)))
            == _padded(prefix.release, max(length, len(version.release)))
            and (not prefix.pre or version.pre == prefix.pre)
            and (prefix.post is None or version.post == prefix.post)
        )
    return release == prefix.release


def _equal(version: Version, text: str) -> bool:
    if text.endswith(".*"):
        return _starts_with(version, Version(text[:-2]))
    wanted = Version(text)
    return (version if wanted.local else version.public()) == wanted


def _compatible(version: Version, wanted: Version) -> bool:
    if len(wanted.release) < 2:
        raise ValueError("~= needs two segments")
    prefix = Version.__new__(Version)
    prefix.__dict__.update(
        wanted.__dict__, release=wanted.release[:-1], pre=None, post=None, dev=None
    )
    return not version.public() < wanted and _starts_with(version, prefix)


def _without(version: Version, *parts: str) -> Version:
    other = Version.__new__(Version)
    other.__dict__.update(version.__dict__, local=(), **dict.fromkeys(parts))
    return other


def _greater(version: Version, wanted: Version) -> bool:
    """Neither a post-release of what is named nor a build of it is greater."""
    if not wanted < version or (version.local and version.public() == wanted):
        return False
    return (
        version.post is None
        or wanted.post is not None
        or _without(version, "post", "dev") != wanted
    )


def _less(version: Version, wanted: Version) -> bool:
    """A pre-release of what is named is not less."""
    if not version < wanted:
        return False
    if wanted.is_prerelease or not version.is_prerelease:
        return True
    parts = ("pre", "post", "dev") if version.pre else ("dev",)
    return _without(version, *parts) != wanted


def _holds(operator: str, version: Version, text: str) -> bool:
    if operator == "==":
        return _equal(version, text)
    if operator == "!=":
        return not _equal(version, text)
    wanted = Version(text)
    if operator == "~=":
        return _compatible(version, wanted)
    if operator == ">=":
        return not version.public() < wanted
    if operator == "<=":
        return not wanted < version.public()
    if operator == ">":
        return _greater(version, wanted)
    return _less(version, wanted)


def satisfies(specifiers: str, version: str) -> bool:
    """Whether a version that is installed satisfies "~=1.2,!=1.3"."""
    for clause in specifiers.split(","):
        if not clause.strip():
            continue
        found = _CLAUSE.match(clause)
        if not found:
            raise ValueError("%r is no version specifier" % clause.strip())
        operator, text = found.groups()
        if operator == "===":
            if text.lower() != version.lower():
                return False
            continue
        try:
            parsed = Version(version)
        except ValueError:
            return False
        if not _holds(operator, parsed, text):
            return False
    return True


def specifiers_of(requirement: str) -> str:
    """Of "name[extra] (>=1); marker": ">=1".  "" for one with a URL."""
    found = _REQUIREMENT.match(requirement)
    if not found:
        raise ValueError("%r is no requirement" % requirement)
    rest = found.group(2).partition(";")[0].strip()
    if rest.startswith("@"):
        return ""
    return rest[1:-1] if rest.startswith("(") and rest.endswith(")") else rest


def normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()
