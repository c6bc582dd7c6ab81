"""Bring the environment of this interpreter to an environment spec.

What a worker does where the program `pkgsync` is not installed: compare by
the spec's levels, fetch and verify every wheel before anything is touched,
install what differs with uv or pip, compare again.  A failure puts the
environment back, or says exactly what it could not put back.

Sent to workers: only the standard library, Python 3.9.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
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
    Payload,
    check_python,
    compare,
    describe,
    files_of,
    installed,
    is_own,
    locked,
    read_state,
    without_program,
    write_state,
)
from ._errors import LOG_TAIL, PackageSyncError, fail
from ._portable import Portable
from ._versions import normal

Report = dict[str, Any]

FETCH_TIMEOUT_S = 60
# Replaced below a process that has them loaded, these break it.
HELD = ("dask", "distributed")


# Fetching.


class _Stage:
    """The files of one installation: wheels that were verified, and the way
    back."""

    def __init__(self, payload: Payload, folder: Path) -> None:
        self.payload = payload
        self.dir = Path(tempfile.mkdtemp(prefix="stage-", dir=folder))
        self.by_name = {normal(w["name"]): w for w in payload["wheels"]}
        self.saved: list[tuple[Path, Path]] = []

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

    # The way back.

    def save(self, found: Iterable[Found | None]) -> None:
        """Hard links where they can be had: installers replace files, they do
        not write into them."""
        place = self.dir / "saved"
        place.mkdir()
        for item in found:
            for path in files_of(item):
                copy = place / str(len(self.saved))
                try:
                    os.link(path, copy, follow_symlinks=False)
                except OSError:
                    shutil.copy2(path, copy, follow_symlinks=False)
                self.saved.append((path, copy))

    def restore(self, names: Iterable[str], before: dict[str, Found]) -> str:
        """What to tell a person about the environment afterwards."""
        trouble = []
        now = installed()
        keep = {path for path, _ in self.saved}
        for name in names:
            for path in files_of(now.get(name)):
                if path not in keep:
                    try:
                        path.unlink()
                    except OSError as error:
                        trouble.append(str(error))
        for path, copy in self.saved:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                os.replace(copy, path)
            except OSError as error:
                trouble.append(str(error))
        for name in names:
            self._prune(now.get(name))
        after = installed()
        moved = [
            "%s was %s and is %s"
            % (
                name,
                before[name].version if name in before else "absent",
                after[name].version if name in after else "absent",
            )
            for name in names
            if _state_of(before.get(name)) != _state_of(after.get(name))
        ]
        if not moved and not trouble:
            return "the environment is as it was"
        return "the environment was changed: " + "; ".join(moved + trouble[:5])

    @staticmethod
    def _prune(found: Found | None) -> None:
        """Directories that have nothing left in them."""
        if not found:
            return
        parents = set()
        for name in found.distribution.files or ():
            path = Path(str(found.distribution.locate_file(name))).parent
            while path.is_relative_to(sys.prefix) and path.name != "site-packages":
                parents.add(path)
                path = path.parent
        for path in sorted(parents, key=lambda p: len(p.parts), reverse=True):
            with contextlib.suppress(OSError):
                path.rmdir()


def _state_of(found: Found | None) -> tuple[str, str | None] | None:
    return (found.version, found.sha256) if found else None


# Installing.


def _find_beside(name: str) -> str | None:
    """A program of this environment, or of PATH."""
    here = os.path.join(os.path.dirname(sys.executable), name)
    return here if os.access(here, os.X_OK) else shutil.which(name)


def find_installer() -> tuple[str, list[str]]:
    """Its name, and how its `pip install` begins."""
    uv = _find_beside("uv")
    if uv:
        return "uv", [uv, "pip", "install", "--python", sys.executable]
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install"]
        return "pip", [*command, "--disable-pip-version-check", "--no-input"]
    raise fail(
        "%s has no pip, and there is no uv beside it or in PATH: install one"
        " of them" % sys.executable,
        phase="install",
        cause="neither pip nor uv",
    )


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
        if "://" in place or os.path.isdir(place):
            arguments += ["--find-links", place]
    return arguments


def _run(command: list[str], what: str, names: Iterable[str]) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode == 0:
        return
    log = done.stdout.decode("utf-8", "replace")
    cause = "%s ended with status %d" % (what, done.returncode)
    for line in log.splitlines():
        # pip and uv both say first what stopped them.
        if line.lower().startswith(("pkgsync ", "error", "  \u00d7 ")):
            cause = line.strip(" \u00d7")
            break
    culprit = next(
        (name for name in sorted(names, key=len, reverse=True) if name in cause),
        None,
    )
    raise fail(
        "%s: %s" % (what, cause),
        package=culprit,
        phase="install",
        cause=cause,
        log=log[-LOG_TAIL:],
    )


class _Plan(NamedTuple):
    plain: list[str]  # requirement lines, each a whole pin
    wheels: list[str]  # names that a wheel is for
    extras: list[str]  # cluster-only: these bring what they require


def _lines(stage: _Stage, differences: list[Difference]) -> _Plan:
    plan = _Plan([], [], [])
    for item in differences:
        package = item.package
        if package.get("wheel"):
            path = stage.wheel(package)
            plan.plain.append(
                "%s @ %s#sha256=%s"
                % (package["name"], path.as_uri(), package["wheel"]["sha256"])
            )
            plan.wheels.append(package["name"])
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
            plan.plain.append(package["requirement"])
    return plan


def _install(stage: _Stage, differences: list[Difference]) -> str:
    document = stage.payload["document"]
    plan = _lines(stage, differences)
    name, command = find_installer()
    command += _index_arguments(document, name)
    if not stage.payload.get("allow_sdist"):
        # As `pkgsync install`: to build one would run its code, unconfined.
        command += ["--only-binary", ":all:"]
    names = [item.name for item in differences]
    if plan.plain:
        listed = stage.dir / "requirements.txt"
        listed.write_text("\n".join(plan.plain) + "\n", "utf-8")
        again = ["--force-reinstall"]
        if name == "uv":  # --reinstall would also download everything anew
            again = [a for n in plan.wheels for a in ("--reinstall-package", n)]
        _run([*command, "--no-deps", *again, "-r", str(listed)], name, names)
    if plan.extras:
        listed = stage.dir / "extras.txt"
        listed.write_text("\n".join(plan.extras) + "\n", "utf-8")
        pinned = stage.dir / "constraints.txt"
        now = installed()
        pinned.write_text(
            "".join(
                "%s==%s\n" % (p["name"], now[normal(p["name"])].version)
                for p in document["packages"]
                if normal(p["name"]) in now and not now[normal(p["name"])].by_url
            ),
            "utf-8",
        )
        _run([*command, "-r", str(listed), "-c", str(pinned)], name, names)
    return name


def find_program() -> str | None:
    """`pkgsync` on this machine, where somebody installed it."""
    given = os.environ.get("PKGSYNC_PROGRAM")
    if given and os.access(given, os.X_OK):
        return given
    path = _find_beside("pkgsync")
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
    program: str, stage: _Stage, differences: list[Difference]
) -> str:
    path = stage.dir / (stage.payload["digest"] + ".json")
    path.write_text(json.dumps(stage.payload["document"]), "utf-8")
    command = [program, "install", str(path), "--python", sys.executable]
    if stage.payload.get("allow_sdist"):
        command.append("--allow-sdist")
    _run([*command, "--json"], "pkgsync install", [d.name for d in differences])
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
    with locked() as folder:
        before = installed()
        differences = compare(payload["document"], before)
        if differences:
            if live:
                _refuse_held(differences)
            _bring_locked(payload, folder, before, differences, report)
        else:
            state = read_state()
            if state["digest"] != payload["digest"]:
                state["digest"] = payload["digest"]
                write_state(folder, state)
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
    before: dict[str, Found],
    differences: list[Difference],
) -> str:
    """All of it, or an error that says what the environment is now."""
    names = [normal(item.name) for item in differences]
    program = find_program() if payload.get("use_program", True) else None
    try:
        stage.save(before.get(name) for name in names)
        if program and _reachable(payload):
            method = _install_with_program(program, stage, differences)
        else:
            with without_program():
                method = _install(stage, differences)
        left = compare(payload["document"], installed())
        if left:
            raise fail(
                "installed, and still different: " + describe(left),
                package=left[0].name,
                phase="check",
                cause=left[0].message,
            )
        return method
    except Exception as error:
        if not isinstance(error, PackageSyncError):
            text = "%s: %s" % (type(error).__name__, error)
            error = fail(text, phase="install", cause=text)
        if "nothing was installed" not in error.message:
            error.message += "; " + stage.restore(names, before)
        raise error from None


def _bring_locked(
    payload: Payload,
    folder: Path,
    before: dict[str, Found],
    differences: list[Difference],
    report: Report,
) -> None:
    began = time.time()
    names = [normal(item.name) for item in differences]
    files = {str(path) for name in names for path in files_of(before.get(name))}
    stage = _Stage(payload, folder)
    try:
        method = _transaction(payload, stage, before, differences)
    finally:
        stage.close()
    after = installed()
    files |= {str(path) for name in names for path in files_of(after.get(name))}
    report["method"] = method
    report["changed"] = [
        {
            "name": item.name,
            "from": item.found,
            "to": after[normal(item.name)].version,
        }
        for item in differences
    ]
    state = read_state()
    state["digest"] = payload["digest"]
    state["changes"].append(
        {
            "at": began,
            "digest": payload["digest"],
            "names": names,
            "files": sorted(f for f in files if ".dist-info" + os.sep not in f),
        }
    )
    write_state(folder, state)


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
