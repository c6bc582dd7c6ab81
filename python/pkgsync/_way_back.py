"""What an installation may touch, and the way back from it.

    <prefix>/.pkgsync/stage-…/          wheels that were verified
    <prefix>/.pkgsync/stage-…/saved/    links to, or copies of, what was there
    <prefix>/.pkgsync/dask-journal.json written before anything is touched

While the journal is there, an installation is under way or was killed; whoever
takes the lock next goes the way back first.

Sent to workers: only the standard library, Python 3.9.
"""

from __future__ import annotations

import configparser
import contextlib
import json
import os
import shutil
import sys
import sysconfig
import time
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ._environment import (
    Found,
    Locked,
    files_of,
    info_of,
    installed,
    read_state,
    without_program,
    write_state,
)
from ._errors import fail

JOURNAL = "dask-journal.json"
# What installers add to a .dist-info.
ADDED = (
    "INSTALLER",
    "RECORD",
    "REQUESTED",
    "direct_url.json",
    "uv_build.json",
    "uv_cache.json",
)

Stamp = list[int]


def _sites() -> list[str]:
    return sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})


def _compiled(path: str) -> Iterator[str]:
    """Where the bytecode of a source file may lie."""
    parent, base = os.path.split(path)
    stem = os.path.join(parent, "__pycache__", base[:-3])
    for optimized in ("", ".opt-1", ".opt-2"):
        yield "%s.%s%s.pyc" % (stem, sys.implementation.cache_tag, optimized)


def _headers(name: str) -> str:
    version = "python%d.%d" % sys.version_info[:2]
    return os.path.join(sys.prefix, "include", "site", version, name)


def _scripts_of(text: str) -> list[str]:
    """Of an entry_points.txt."""
    parser = configparser.RawConfigParser(delimiters=("=",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    with contextlib.suppress(configparser.Error):
        parser.read_string(text)
    return [
        name
        for section in ("console_scripts", "gui_scripts")
        if parser.has_section(section)
        for name in parser.options(section)
    ]


def _places(name: str, data_of: str) -> list[str]:
    """Where a member of a wheel goes; `data_of`: its package's name."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or name.startswith("/"):
        return []  # no installer takes it
    # uv unpacks a .data there first.
    unpacked = [os.path.join(site, *parts) for site in _sites()]
    if not parts[0].endswith(".data") or len(parts) < 3:
        return unpacked
    rest = parts[2:]
    roots = {
        "purelib": _sites(),
        "platlib": _sites(),
        "scripts": [sysconfig.get_path("scripts")],
        "data": [sysconfig.get_path("data")],
        "headers": [_headers(data_of)],
    }
    return unpacked + [os.path.join(root, *rest) for root in roots.get(parts[1], [])]


def targets_of_wheel(wheel: Path) -> set[str]:
    """Every path that an installation of it writes to, or may."""
    targets: set[str] = set()
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if not n.endswith("/")]
        for name in names:
            targets.update(_places(name, wheel.name.split("-")[0]))
            top, _, base = name.partition("/")
            if not top.endswith(".dist-info"):
                continue
            for added in ADDED:
                targets.update(_places("%s/%s" % (top, added), ""))
            if base == "entry_points.txt":
                text = archive.read(name).decode("utf-8", "replace")
                targets.update(_script_paths(_scripts_of(text)))
    for path in [t for t in targets if t.endswith(".py")]:
        targets.update(_compiled(path))
    return targets


def _script_paths(names: Iterable[str]) -> list[str]:
    return [os.path.join(sysconfig.get_path("scripts"), name) for name in names]


def targets_of_trial(trial: Path) -> set[str]:
    """As above, of packages that `uv pip install --target` put there.  Which
    scheme a file was of is not to be seen: it may be any of them."""
    targets: set[str] = set()
    for folder, _, files in os.walk(trial):
        for file in files:
            name = os.path.relpath(os.path.join(folder, file), trial)
            parts = name.split(os.sep)
            targets.update(os.path.join(site, name) for site in _sites())
            targets.add(os.path.join(sysconfig.get_path("data"), name))
            if parts[0] == "bin":
                targets.update(_script_paths([os.path.join(*parts[1:])]))
            if parts[0] == "include" and len(parts) > 2:
                targets.add(_headers(os.path.join(*parts[1:])))
            if parts[0].endswith(".dist-info"):
                targets.update(
                    os.path.join(site, parts[0], added)
                    for site in _sites()
                    for added in ADDED
                )
                data = parts[0][: -len(".dist-info")] + ".data"
                targets.update(os.path.join(site, data) for site in _sites())
    for path in [t for t in targets if t.endswith(".py")]:
        targets.update(_compiled(path))
    return targets


def _stamp(path: str) -> Stamp | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return [status.st_ino, status.st_size, status.st_mtime_ns]


def _is_folder(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)


def _remove(path: str) -> None:
    if _is_folder(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


class WayBack:
    """What was there before.  Paths are relative to the environment, which may
    be moved before somebody needs them."""

    def __init__(self, folder: Path, stage: Path) -> None:
        self.folder = folder
        self.stage = stage
        self.prefix = os.path.realpath(sys.prefix)
        self.saved: dict[str, tuple[str, Stamp | None]] = {}
        self.fresh: set[str] = set()
        self.leftovers = self._leftovers()

    def _leftovers(self) -> list[str]:
        """pip renames what it uninstalls; where it is killed, that stays."""
        found = []
        for site in _sites():
            with contextlib.suppress(OSError):
                found += [
                    os.path.join(site, name)
                    for name in os.listdir(site)
                    if name.startswith("~")
                ]
        return found

    def _relative(self, path: str) -> str | None:
        parent, base = os.path.split(os.path.normpath(path))
        path = os.path.join(os.path.realpath(parent), base)
        if not path.startswith(self.prefix + os.sep):
            return None
        return path[len(self.prefix) + 1 :]

    def _is_fresh(self, name: str) -> bool:
        while name:
            if name in self.fresh:
                return True
            name = os.path.dirname(name)
        return False

    def expect(self, found: Iterable[Found | None], targets: Iterable[str]) -> None:
        """These are replaced, and these paths written to."""
        owned: set[str] = set()
        for item in found:
            owned.update(str(path) for path in files_of(item))
            info = info_of(item)
            if info and _is_folder(info):
                owned.update(os.path.join(info, name) for name in os.listdir(info))
        for path in [p for p in owned if p.endswith(".py")]:
            owned.update(_compiled(path))
        place = self.stage / "saved"
        place.mkdir(exist_ok=True)
        for path in sorted(owned):
            self._expect(path, True)
        for path in sorted(set(targets) - owned):
            self._expect(path, False)

    def _expect(self, path: str, is_owned: bool) -> None:
        name = self._relative(path)
        if name is None or name in self.saved or self._is_fresh(name):
            return
        path = os.path.join(self.prefix, name)
        if os.path.lexists(path):
            if not _is_folder(path):
                self._save(path, name, is_owned)
            return
        while name and not os.path.lexists(os.path.join(self.prefix, name)):
            missing, name = name, os.path.dirname(name)
        self.fresh.add(missing)

    def _save(self, path: str, name: str, is_owned: bool) -> None:
        """A hard link where it can be had: what is uninstalled is unlinked.
        What belongs to others an installer may also write into."""
        copy = str(len(self.saved))
        place = self.stage / "saved" / copy
        stamp = None
        try:
            if not is_owned:
                raise OSError
            os.link(path, place, follow_symlinks=False)
        except OSError:
            shutil.copy2(path, place, follow_symlinks=False)
            stamp = _stamp(path)
        self.saved[name] = (copy, stamp)

    def write(self) -> None:
        """From here on there is a way back, whoever ends."""
        document = {
            "schema": 1,
            "stage": self.stage.name,
            "saved": [[name, *how] for name, how in self.saved.items()],
            "fresh": sorted(self.fresh),
            "leftovers": self.leftovers,
        }
        new = self.folder / (JOURNAL + ".new")
        with open(new, "w", encoding="utf-8") as out:
            json.dump(document, out)
            out.flush()
            os.fsync(out.fileno())
        new.replace(self.folder / JOURNAL)

    def done(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self.folder / JOURNAL).unlink()

    def files(self) -> list[str]:
        return [os.path.join(self.prefix, name) for name in (*self.saved, *self.fresh)]

    def restore(self) -> list[str]:
        """What could not be put back; may be done again."""
        trouble = []
        for path in self._leftovers():
            if path not in self.leftovers:
                shutil.rmtree(path, ignore_errors=True)
        for name in sorted(self.fresh, reverse=True):
            try:
                _remove(os.path.join(self.prefix, name))
            except OSError as error:
                trouble.append(str(error))
        for name, (copy, stamp) in self.saved.items():
            try:
                self._put_back(name, copy, stamp)
            except OSError as error:
                trouble.append(str(error))
        return trouble

    def _put_back(self, name: str, copy: str, stamp: Stamp | None) -> None:
        path = os.path.join(self.prefix, name)
        source = self.stage / "saved" / copy
        if stamp and _stamp(path) == stamp:
            return
        if not os.path.lexists(source):
            if not os.path.lexists(path):
                raise OSError("%s is missing, and so is its copy" % path)
            return  # this was done before
        if _is_folder(path):
            shutil.rmtree(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.replace(source, path)


def _read(folder: Path) -> WayBack | None:
    path = folder / JOURNAL
    try:
        document: dict[str, Any] = json.loads(path.read_text("utf-8"))
        way = WayBack(folder, folder / os.path.basename(document["stage"]))
        way.saved = {name: (copy, stamp) for name, copy, stamp in document["saved"]}
        way.fresh = set(document["fresh"])
        way.leftovers = list(document["leftovers"])
        return way
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise fail(
            "an installation into %s was killed, and its journal %s cannot be"
            " read (%s): make the environment anew" % (sys.prefix, path, error),
            phase="install",
            cause="the journal cannot be read",
        ) from None


def recover(lock: Locked) -> bool:
    """Whether an installation was killed here; its way back is gone first."""
    way = _read(lock.folder)
    if way:
        with without_program(lock):
            trouble = way.restore()
        if trouble:
            raise fail(
                "an installation into %s was killed, and what it replaced cannot"
                " be put back: %s" % (sys.prefix, "; ".join(trouble[:5])),
                phase="install",
                cause=trouble[0],
            )
        # Whoever imported something in between has the other files.
        state = read_state()
        state["digest"] = None
        state["changes"].append(
            {"at": time.time(), "digest": None, "names": [], "files": way.files()}
        )
        write_state(lock.folder, state)
        way.done()
    for left in lock.folder.glob("stage-*"):
        shutil.rmtree(left, ignore_errors=True)
    return way is not None


def version_of(found: dict[str, Found], name: str) -> str:
    return found[name].version if name in found else "absent"


def describe_after(
    trouble: list[str], names: Iterable[str], before: dict[str, Found]
) -> str:
    """What to tell a person about the environment after the way back."""
    after = installed()
    moved = [
        "%s was %s and is %s"
        % (name, version_of(before, name), version_of(after, name))
        for name in names
        if _state_of(before.get(name)) != _state_of(after.get(name))
    ]
    if not moved and not trouble:
        return "the environment is as it was"
    return "the environment was changed: " + "; ".join(moved + trouble[:5])


def _state_of(found: Found | None) -> tuple[str, str | None] | None:
    return (found.version, found.sha256) if found else None
