"""Bring the environment of this interpreter to an environment spec.

What a worker does where the program `pkgsync` is not installed: compare by
the spec's levels, fetch and verify every wheel before anything is touched,
install what differs with uv or pip, compare again.  A failure puts the
environment back, or says exactly what it could not put back.

Sent to workers: only the standard library, Python 3.9.
"""

from __future__ import annotations

import base64
import contextlib
import csv
import hashlib
import importlib.metadata
import io
import json
import os
import shutil
import socket
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from ._environment import (
    Difference,
    Found,
    Locked,
    Payload,
    check_python,
    compare,
    describe,
    files_of,
    info_of,
    installed,
    is_ours,
    is_own,
    is_unfinished,
    locked,
    read_state,
    without_program,
    write_state,
)
from ._errors import PackageSyncError, fail
from ._installer import Installer, find_beside, run
from ._portable import Portable
from ._versions import normal
from ._way_back import (
    JOURNAL,
    WayBack,
    describe_after,
    recover,
    targets_of_trial,
    targets_of_wheel,
)

Report = dict[str, Any]

FETCH_TIMEOUT_S = 60
# Replaced below a process that has them loaded, these break it.
HELD = ("dask", "distributed")


# Fetching.


class _Stage:
    """The files of one installation."""

    def __init__(self, payload: Payload, folder: Path) -> None:
        self.payload = payload
        self.dir = Path(tempfile.mkdtemp(prefix="stage-", dir=folder))
        self.by_name = {normal(w["name"]): w for w in payload["wheels"]}

    def close(self) -> None:
        shutil.rmtree(self.dir, ignore_errors=True)

    def wheel(self, package: dict[str, Any]) -> Path:
        """Fetch and verify one."""
        expected = package["wheel"]
        carried = self.by_name.get(normal(package["name"]), {})
        filename = os.path.basename(str(expected["filename"]))
        # A folder each: two wheels may have one name, and pip reads the name.
        place = self.dir / str(expected["sha256"])[:16]
        place.mkdir(exist_ok=True)
        path = place / filename
        data = carried.get("data")
        if data is None:
            url = carried.get("fetch") or expected["url"]
            data = self._fetch(package["name"], url, expected["size"])
        found = hashlib.sha256(data).hexdigest()
        if len(data) != expected["size"] or found != expected["sha256"]:
            raise fail(
                "%s: the wheel %s has SHA-256 %s (%d bytes), and the spec says"
                " %s (%d bytes); nothing was installed"
                % (
                    package["name"],
                    filename,
                    found,
                    len(data),
                    expected["sha256"],
                    expected["size"],
                ),
                package=package["name"],
                phase="verify",
                cause="the wheel's hash is wrong",
            )
        path.write_bytes(data)
        return path

    @staticmethod
    def _fetch(name: str, url: str, size: int) -> bytes:
        scheme = urllib.parse.urlsplit(url).scheme
        shown = url.partition("?")[0]  # what follows may be a signature
        if scheme not in ("file", "http", "https"):
            raise fail(
                "%s: a worker cannot fetch %s without credentials; pass"
                " presign= to PackageSync, or install pkgsync on the workers"
                % (name, shown),
                package=name,
                phase="fetch",
                cause="no credentials",
            )
        try:
            with urllib.request.urlopen(url, timeout=FETCH_TIMEOUT_S) as answer:
                return bytes(answer.read(size + 1))
        except (OSError, ValueError) as error:
            raise fail(
                "%s: cannot fetch %s: %s; nothing was installed" % (name, shown, error),
                package=name,
                phase="fetch",
                cause=str(error),
            ) from None


# Installing.


def _index_arguments(document: dict[str, Any], installer: str) -> list[str]:
    indexes = document.get("indexes") or {}
    arguments = []
    if indexes.get("index_url"):
        arguments += ["--index-url", indexes["index_url"]]
    for url in indexes.get("extra_index_urls") or ():
        arguments += ["--extra-index-url", url]
    if indexes.get("extra_index_urls") and installer == "uv":
        # As pip does; the versions are given, so no index can offer a newer.
        arguments += ["--index-strategy", "unsafe-best-match"]
    for place in indexes.get("find_links") or ():
        if "://" in place:
            arguments += ["--find-links", place]
        elif os.path.isdir(place):
            arguments += ["--find-links", os.path.abspath(place)]
    return arguments


class _Plan(NamedTuple):
    wheels: dict[str, Path]  # by normal name, verified
    lines: list[str]  # requirements for those
    pins: list[str]  # requirements, each a whole pin
    extras: list[str]  # cluster-only: these bring what they require


def _lines(stage: _Stage, differences: list[Difference]) -> _Plan:
    plan = _Plan({}, [], [], [])
    for item in differences:
        package = item.package
        if package.get("wheel"):
            path = stage.wheel(package)
            plan.lines.append(
                "%s @ %s#sha256=%s"
                % (package["name"], path.as_uri(), package["wheel"]["sha256"])
            )
            plan.wheels[normal(package["name"])] = path
        elif (package.get("conda") or {}).get("name"):
            raise fail(
                "%s: %s, and it is conda's: make the workers' environment from"
                " environment.yml (nothing was installed)"
                % (package["name"], item.message),
                package=package["name"],
                phase="install",
                cause="a package of conda",
            )
        elif (package.get("source") or {}).get("kind") == "extra":
            plan.extras.append(package["requirement"])
        else:
            plan.pins.append(package["requirement"])
    return plan


def _pins_in(place: Path) -> list[str]:
    """Of the packages or the wheels that were fetched there."""
    pins = []
    for wheel in place.glob("*.whl"):
        name, version = wheel.name.split("-")[:2]
        pins.append("%s==%s" % (name, version))
    for found in importlib.metadata.distributions(path=[str(place)]):
        pins.append("%s==%s" % (found.metadata["Name"], found.version))
    return pins


class _Installation:
    """What is touched is known, and saved, before it is touched."""

    def __init__(
        self,
        stage: _Stage,
        lock: Locked,
        differences: list[Difference],
        way: WayBack,
    ) -> None:
        document = stage.payload["document"]
        self.stage = stage
        self.differences = differences
        self.way = way
        self.build = bool(stage.payload.get("allow_sdist"))
        self.plan = _lines(stage, differences)
        self.installer = Installer(stage.dir, lock)
        arguments = _index_arguments(document, self.installer.name)
        if not self.build:
            # As `pkgsync install`: to build one would run its code, unconfined.
            arguments += ["--only-binary", ":all:"]
        self.installer.arguments = arguments

    def run(self) -> str:
        before = installed()
        plan = self.plan
        names = [item.name for item in self.differences]
        found, pins, targets = self._fetch("wheels", plan.pins)
        for wheel in plan.wheels.values():
            targets |= targets_of_wheel(wheel)
        replaced = {normal(name): before.get(normal(name)) for name in names}
        self._save(replaced, targets)
        _forget_unfinished(replaced.values())
        again = [*plan.wheels, *(d.name for d in self.differences if d.is_broken)]
        if plan.lines or pins:
            self.installer.install([*plan.lines, *pins], names, again, found)
        for item in self.differences:
            if item.package.get("wheel"):
                _set_origin(installed().get(normal(item.name)), item.package["wheel"])
        if plan.extras:
            self._bring_extras(names)
        return self.installer.name

    def _fetch(
        self, name: str, lines: list[str]
    ) -> tuple[list[Path], list[str], set[str]]:
        """Where they are, their pins, and what they would write."""
        if not lines:
            return [], [], set()
        place = self.stage.dir / name
        self.installer.fetch(lines, place, self.build)
        if self.installer.uv:
            return [], _pins_in(place), targets_of_trial(place)
        targets: set[str] = set()
        for wheel in place.glob("*.whl"):
            targets |= targets_of_wheel(wheel)
        return [place], _pins_in(place), targets

    def _save(self, replaced: dict[str, Found | None], targets: set[str]) -> None:
        if self.installer.uv:
            targets.add(os.path.join(sys.prefix, ".lock"))
        self.way.expect(replaced.values(), targets)
        self.way.write()

    def _bring_extras(self, names: list[str]) -> None:
        now = installed()
        constraints = [
            "%s==%s" % (p["name"], now[normal(p["name"])].version)
            for p in self.stage.payload["document"]["packages"]
            if normal(p["name"]) in now and not now[normal(p["name"])].by_url
        ]
        pins = self.installer.plan(self.plan.extras, constraints)
        if not pins:
            return
        lines = [pin.line for pin in pins]
        found, _, targets = self._fetch("extras", lines)
        replaced = {pin.name: now.get(pin.name) for pin in pins}
        self._save(replaced, targets)
        _forget_unfinished(replaced.values())
        broken = [d.name for d in self.differences if d.is_broken]
        self.installer.install(lines, names, broken, found)


def _forget_unfinished(found: Iterable[Found | None]) -> None:
    """Installers refuse to replace what has no RECORD."""
    for item in found:
        info = info_of(item)
        if info and is_unfinished(item) and is_ours(info):
            shutil.rmtree(info, ignore_errors=True)


def _set_origin(found: Found | None, wheel: dict[str, Any]) -> None:
    """direct_url.json names the wheel where it stays, not where we had it."""
    info = info_of(found)
    if not found or not info or not found.by_url or not is_ours(info):
        return
    sha256 = wheel["sha256"]
    document = {
        "url": wheel["url"].partition("?")[0],
        "archive_info": {"hash": "sha256=" + sha256, "hashes": {"sha256": sha256}},
    }
    data = json.dumps(document).encode()
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
    name = os.path.basename(info) + "/direct_url.json"
    text = found.distribution.read_text("RECORD") or ""
    rows = [
        [name, "sha256=" + digest.rstrip("="), str(len(data))]
        if row and row[0] == name
        else row
        for row in csv.reader(text.splitlines())
    ]
    record = io.StringIO(newline="")
    csv.writer(record, lineterminator="\n").writerows(rows)
    _replace(os.path.join(info, "direct_url.json"), data)
    _replace(os.path.join(info, "RECORD"), record.getvalue().encode())


def _replace(path: str, data: bytes) -> None:
    """Another file: what is there may be linked to from a cache."""
    fresh = path + ".new"
    with open(fresh, "wb") as out:
        out.write(data)
    os.replace(fresh, path)


def find_program() -> str | None:
    """`pkgsync` on this machine, where somebody installed it."""
    given = os.environ.get("PKGSYNC_PROGRAM")
    if given and os.access(given, os.X_OK):
        return given
    path = find_beside("pkgsync")
    if not path:
        return None
    # A script would be an entry point of something else.
    with contextlib.suppress(OSError), open(path, "rb") as opened:
        return path if opened.read(4) == b"\x7fELF" else None
    return None


def _reachable(payload: Payload) -> bool:
    """Whether the program would find every wheel where the spec says."""
    for wheel in payload["wheels"]:
        parts = urllib.parse.urlsplit(wheel["url"])
        if wheel.get("fetch"):
            return False
        path = urllib.request.url2pathname(parts.path)
        if parts.scheme == "file" and not os.path.isfile(path):
            return False
    return True


def _install_with_program(
    program: str, stage: _Stage, lock: Locked, differences: list[Difference]
) -> str:
    path = stage.dir / (stage.payload["digest"] + ".json")
    path.write_text(json.dumps(stage.payload["document"]), "utf-8")
    command = [program, "install", str(path), "--python", sys.executable]
    if stage.payload.get("allow_sdist"):
        command.append("--allow-sdist")
    names = [item.name for item in differences]
    run([*command, "--json"], "pkgsync install", names, stage.dir, lock, os.environ)
    return "pkgsync"


def _refuse_held(differences: list[Difference]) -> None:
    """Of a process that runs: what it cannot do without a new start."""
    for item in differences:
        if normal(item.name) in HELD and normal(item.name) in sys.modules:
            raise fail(
                "this process runs %s %s, and the environment has %s: start the"
                " cluster with that version, as pkgsync.dask.Cluster does"
                " (nothing was installed)"
                % (item.name, item.found or "from elsewhere", item.expected),
                package=item.name,
                phase="install",
                cause="%s cannot be replaced while it runs" % item.name,
            )


def bring(payload: Payload, live: bool) -> Report:
    """Make this environment what the spec says.

    `live`: this process is part of a cluster that runs.  Blocking.
    """
    began = time.time()
    report: Report = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "prefix": sys.prefix,
        "python": sys.executable,
        "digest": payload["digest"],
        "method": "none",
        "changed": [],
        "warnings": [],
    }
    if is_own(payload, installed()):
        report["method"] = "own"
        return report
    check_python(payload)
    with locked() as lock:
        if recover(lock):
            report["warnings"].append(
                "an installation was killed here before; it was put back first"
            )
        before = installed()
        differences = compare(payload["document"], before)
        if differences:
            if live:
                _refuse_held(differences)
            _bring_locked(payload, lock, before, differences, report)
        else:
            state = read_state()
            if state["digest"] != payload["digest"]:
                state["digest"] = payload["digest"]
                write_state(lock.folder, state)
    report["seconds"] = round(time.time() - began, 3)
    if live:
        for change in report["changed"]:
            module = normal(change["name"]).replace("-", "_")
            if change["from"] and module in sys.modules:
                report["warnings"].append(
                    "%s was replaced, and this process goes on with %s"
                    % (change["name"], change["from"])
                )
    return report


def _transaction(
    payload: Payload,
    stage: _Stage,
    lock: Locked,
    before: dict[str, Found],
    differences: list[Difference],
) -> tuple[str, list[str]]:
    """All of it, or an error that says what the environment is now.  The
    method, and the files that it replaced."""
    names = [normal(item.name) for item in differences]
    program = find_program() if payload.get("use_program", True) else None
    # It goes by what packages say of themselves.
    is_broken = any(item.is_broken for item in differences)
    way = WayBack(lock.folder, stage.dir)
    try:
        if program and not is_broken and _reachable(payload):
            way.expect((before.get(name) for name in names), ())
            method = _install_with_program(program, stage, lock, differences)
        else:
            with without_program(lock):
                _refuse_halfway(lock)
                method = _Installation(stage, lock, differences, way).run()
        left = compare(payload["document"], installed())
        if left:
            raise fail(
                "installed, and still different: " + describe(left),
                package=left[0].name,
                phase="check",
                cause=left[0].message,
            )
        return method, way.files()
    except Exception as error:
        if not isinstance(error, PackageSyncError):
            text = "%s: %s" % (type(error).__name__, error)
            error = fail(text, phase="install", cause=text)
        if "nothing was installed" not in error.message:
            trouble = way.restore()
            error.message += "; " + describe_after(trouble, names, before)
            if not trouble:
                way.done()
        raise error from None


def _refuse_halfway(lock: Locked) -> None:
    """The program goes its own way back when it is run again."""
    if (lock.folder / "journal.json").exists():
        raise fail(
            "`pkgsync install` was killed while it changed %s: run it there"
            " again (nothing was installed)" % sys.prefix,
            phase="install",
            cause="an installation was killed",
        )


def _bring_locked(
    payload: Payload,
    lock: Locked,
    before: dict[str, Found],
    differences: list[Difference],
    report: Report,
) -> None:
    names = [normal(item.name) for item in differences]
    files = {str(path) for name in names for path in files_of(before.get(name))}
    stage = _Stage(payload, lock.folder)
    try:
        method, touched = _transaction(payload, stage, lock, before, differences)
        after = installed()
        files.update(touched)
        files |= {str(path) for name in names for path in files_of(after.get(name))}
        state = read_state()
        state["digest"] = payload["digest"]
        state["changes"].append(
            {
                # Who imports one of them from now on has the new one.
                "at": time.time(),
                "digest": payload["digest"],
                "names": names,
                "files": sorted(f for f in files if ".dist-info" + os.sep not in f),
            }
        )
        write_state(lock.folder, state)
        WayBack(lock.folder, stage.dir).done()
    finally:
        if not (lock.folder / JOURNAL).exists():
            stage.close()
    report["method"] = method
    report["changed"] = [
        {
            "name": item.name,
            "from": item.found,
            "to": after[normal(item.name)].version,
        }
        for item in differences
    ]


def verify(payload: Payload) -> None:
    """Raises where this environment is not what the spec says."""
    found = installed()
    if is_own(payload, found):
        return
    left = compare(payload["document"], found)
    if left:
        raise fail(
            "this environment is not the one of the spec: " + describe(left),
            package=left[0].name,
            phase="check",
            cause=left[0].message,
        )


class Errand(Portable):
    """`python -c` reads one of these from its standard input and runs it: an
    environment is made ready before anything of the cluster starts there."""

    def __init__(self, payload: Payload) -> None:
        self.payload = payload

    def run(self) -> int:
        """Prints one JSON document; the exit status says whether it worked."""
        try:
            answer = {"report": bring(self.payload, live=False)}
        except PackageSyncError as error:
            answer = {"error": {**error.__dict__}}
        except Exception as error:
            text = "%s: %s" % (type(error).__name__, error)
            answer = {"error": fail(text, phase="install", cause=text).__dict__}
        print(json.dumps(answer), flush=True)
        return 0 if "report" in answer else 1


# What an interpreter is told to run; an Errand comes on standard input.
ERRAND = "import pickle,sys;sys.exit(pickle.load(sys.stdin.buffer).run())"
