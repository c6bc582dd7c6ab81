"""Look at the environment of this interpreter: what is installed, how that
differs from a spec, and which files a process has imported of it.

Sent to workers: only the standard library, Python 3.9.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import importlib
import importlib.metadata
import json
import os
import platform
import sys
import sysconfig
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ._errors import fail
from ._versions import Version, normal, satisfies, specifiers_of

Payload = dict[str, Any]

CHANGES_KEPT = 20


class Found(NamedTuple):
    """An installed distribution."""

    name: str
    version: str
    sha256: str | None  # of the wheel that it was installed from by URL
    by_url: bool
    distribution: importlib.metadata.Distribution


def _origin_of(
    distribution: importlib.metadata.Distribution,
) -> tuple[str | None, bool]:
    """The SHA-256 in direct_url.json, and whether there is such a file."""
    try:
        text = distribution.read_text("direct_url.json")
        if not text:
            return None, False
        document = json.loads(text)
        archive = document.get("archive_info") or {}
        sha256 = (archive.get("hashes") or {}).get("sha256")
        if not sha256 and str(archive.get("hash", "")).startswith("sha256="):
            sha256 = archive["hash"][len("sha256=") :]
        if not sha256:  # uv keeps it where the requirement had it
            fragment = urllib.parse.urlsplit(document.get("url", "")).fragment
            sha256 = dict(urllib.parse.parse_qsl(fragment)).get("sha256")
        return sha256, True
    except (OSError, ValueError, AttributeError):
        return None, True


def installed() -> dict[str, Found]:
    """By normal name; what is found first is what gets imported."""
    importlib.invalidate_caches()
    here = [entry for entry in sys.path if entry and os.path.isdir(entry)]
    found: dict[str, Found] = {}
    for distribution in importlib.metadata.distributions(path=here):
        try:
            name = distribution.metadata["Name"]
            version = distribution.version
        except Exception:
            continue
        if not name or not version or name.startswith(("~", "-")):
            continue
        sha256, by_url = _origin_of(distribution)
        found.setdefault(
            normal(name), Found(name, version, sha256, by_url, distribution)
        )
    return found


def info_of(found: Found | None) -> str | None:
    """Its .dist-info, or what it has in place of one."""
    path = getattr(found.distribution, "_path", None) if found else None
    return os.path.abspath(str(path)) if path else None


def is_ours(path: str) -> bool:
    """Inside this environment."""
    return os.path.realpath(path).startswith(os.path.realpath(sys.prefix) + os.sep)


def _recorded(found: Found) -> list[str] | None:
    """The names in its RECORD; `files` costs much more, and later versions of
    Python leave out what is missing."""
    try:
        text = found.distribution.read_text("RECORD")
    except (OSError, ValueError):
        return None
    if text is None:
        return None
    return [row[0] for row in csv.reader(text.splitlines()) if row]


def is_unfinished(found: Found | None) -> bool:
    """Whether its installer was killed: the last that one writes is missing."""
    info = info_of(found)
    return (
        info is not None
        and info.endswith(".dist-info")
        and not os.path.lexists(os.path.join(info, "RECORD"))
        and not os.path.lexists(os.path.join(info, "INSTALLER"))
    )


def _missing(found: Found) -> int:
    """How many of its modules are not there."""
    by_folder: dict[str, list[str]] = {}
    for name in _recorded(found) or ():
        if name.endswith((".py", ".so")) and not name.startswith(("..", os.sep)):
            folder, base = os.path.split(name)
            by_folder.setdefault(folder, []).append(base)
    missing = 0
    for folder, names in by_folder.items():
        try:
            there = set(os.listdir(str(found.distribution.locate_file(folder))))
        except OSError:
            there = set()
        missing += len(set(names) - there)
    return missing


def _same_version(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except ValueError:
        return one == other


class Difference(NamedTuple):
    """What `pkgsync check` says of one package."""

    name: str
    expected: str
    found: str | None
    level: str
    severity: str
    message: str
    package: dict[str, Any]  # the spec's entry
    is_broken: bool  # the right one, but not all of it


def _difference(package: dict[str, Any], found: Found | None) -> Difference | None:
    level = package["level"]
    wheel = package.get("wheel")
    requirement = package.get("requirement") or ""
    if level == "ignored" or not (wheel or requirement):
        return None
    expected = "%s %s" % (package["name"], package["version"]) if wheel else requirement

    def differs(message: str, is_broken: bool = False) -> Difference:
        return Difference(
            package["name"],
            expected,
            found.version if found else None,
            level,
            "error",
            message,
            package,
            is_broken,
        )

    if not found:
        return differs("not installed")
    if wheel:
        if not _same_version(found.version, package["version"]):
            return differs("another version")
        if found.sha256 != wheel["sha256"]:
            return differs("the same version, but another wheel")
    elif not satisfies(specifiers_of(requirement), found.version):
        return differs("another version")
    if is_unfinished(found):
        return differs("its installation did not end", True)
    missing = _missing(found)
    if missing:
        return differs("%d of its files are missing" % missing, True)
    return None


def compare(document: dict[str, Any], found: dict[str, Found]) -> list[Difference]:
    """What of the spec is not so in this environment."""
    different = []
    for package in document["packages"]:
        item = _difference(package, found.get(normal(package["name"])))
        if item:
            different.append(item)
    return different


def describe(differences: Iterable[Difference]) -> str:
    return "; ".join(
        "%s: %s (expected %s, found %s)"
        % (d.name, d.message, d.expected, d.found or "nothing")
        for d in differences
    )


# Which environment this is.


def identity() -> dict[str, Any]:
    """Enough to know the client's own environment again, on this machine or
    on another that mounts the same file system."""
    numbers = []
    for path in (sys.prefix, sysconfig.get_path("purelib"), sys.executable):
        try:
            numbers.append(os.stat(path).st_ino)
        except OSError:
            numbers.append(0)
    return {"prefix": os.path.realpath(sys.prefix), "inodes": numbers}


def is_own(payload: Payload, found: dict[str, Found]) -> bool:
    """Whether this is the environment that the spec was made from: nothing is
    to be installed over a person's editable installs."""
    if payload["origin"] != identity():
        return False
    # A container of the same image looks the same, without those.
    for package in payload["document"]["packages"]:
        kind = (package.get("source") or {}).get("kind")
        built = package["level"] == "build" and kind != "loose"
        if built and normal(package["name"]) not in found:
            return False
    return True


def check_python(payload: Payload) -> None:
    """Raises for another interpreter or platform than the spec's."""
    wanted = payload["document"]["python"]
    ours = "%d.%d" % sys.version_info[:2]
    version = ".".join(wanted["version"].split(".")[:2])
    implementation = sys.implementation.name
    if wanted["implementation"].lower() != implementation or version != ours:
        raise fail(
            "%s is %s %s, and the environment is one of %s %s: start the"
            " workers with that version (nothing was installed)"
            % (sys.executable, implementation, ours, wanted["implementation"], version),
            phase="python",
            cause="another Python",
        )
    machine = (wanted.get("platform") or "").replace("-", "_")
    here = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    kinds = (machine.split("_")[0], here.split("_")[0])
    if machine and (kinds[0] != kinds[1] or not machine.endswith(platform.machine())):
        raise fail(
            "this host is %s, and the environment is one for %s (nothing was"
            " installed)" % (here, machine),
            phase="python",
            cause="another platform",
        )


# What is remembered in the environment.


def _folder() -> Path:
    path = Path(sys.prefix) / ".pkgsync"
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise fail(
            "cannot write into %s: %s; give the workers an environment of"
            " their own" % (sys.prefix, error.strerror),
            phase="install",
            cause="the environment is not writable",
        ) from None
    return path


class Locked(NamedTuple):
    """The lock of an environment.  Installers inherit the descriptors: where
    the process that started one is killed, the lock is held until it ends."""

    folder: Path
    descriptors: list[int]


@contextlib.contextmanager
def _flock(path: Path) -> Iterator[int]:
    with open(path, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


@contextlib.contextmanager
def locked() -> Iterator[Locked]:
    """One at a time in an environment, whichever process of a cluster asks."""
    folder = _folder()
    with _flock(folder / "dask.lock") as descriptor:
        yield Locked(folder, [descriptor])


@contextlib.contextmanager
def without_program(lock: Locked) -> Iterator[None]:
    """`pkgsync install` takes this lock itself."""
    with _flock(lock.folder / "lock") as descriptor:
        lock.descriptors.append(descriptor)
        try:
            yield
        finally:
            lock.descriptors.remove(descriptor)


def read_state() -> dict[str, Any]:
    try:
        text = (Path(sys.prefix) / ".pkgsync" / "state.json").read_text("utf-8")
        state = json.loads(text)
        if state["schema"] == 1 and isinstance(state["changes"], list):
            return dict(state)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {"schema": 1, "digest": None, "changes": []}


def write_state(folder: Path, state: dict[str, Any]) -> None:
    state["changes"] = state["changes"][-CHANGES_KEPT:]
    fresh = folder / ("state-%d.new" % os.getpid())
    fresh.write_text(json.dumps(state), "utf-8")
    fresh.replace(folder / "state.json")


def files_of(found: Found | None) -> list[Path]:
    """Those of its files that are there, inside this environment."""
    if not found:
        return []
    prefix = os.path.realpath(sys.prefix) + os.sep
    paths = []
    for name in _recorded(found) or ():
        path = os.path.normpath(str(found.distribution.locate_file(name)))
        parent, base = os.path.split(path)
        path = os.path.join(os.path.realpath(parent), base)
        if path.startswith(prefix) and os.path.lexists(path):
            paths.append(Path(path))
    return paths


class ImportTimes:
    """When modules were looked for, which is before they are read: the first
    finder of a process, which never finds anything."""

    pkgsync_times = True  # two versions of this may be in one process

    def __init__(self) -> None:
        self.times: dict[str, float] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name not in sys.modules:  # else somebody only asks
            self.times[name] = time.time()

    @staticmethod
    def watch() -> dict[str, float]:
        """From now on; by the names of modules."""
        for finder in sys.meta_path:
            if getattr(finder, "pkgsync_times", False):
                return dict(getattr(finder, "times", {}))
        sys.meta_path.insert(0, ImportTimes())
        return {}


def loaded_files(started: float) -> dict[str, float]:
    """Of every module that this process has imported, and since when: since
    the process `started`, where that is not known."""
    times = ImportTimes.watch()
    files: dict[str, float] = {}
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str):
            path = os.path.realpath(path)
            since = times.get(name, started)
            files[path] = min(since, files.get(path, since))
    return files


def changes_of_files() -> dict[str, float]:
    """Files of the packages that were replaced in this environment, and when
    that was last."""
    changed: dict[str, float] = {}
    for change in read_state()["changes"]:
        for path in change["files"]:
            changed[path] = max(change["at"], changed.get(path, 0.0))
    return changed
