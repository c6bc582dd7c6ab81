"""uv or pip, as this environment has them: found, and run.

Nobody's settings may lead an installation elsewhere; where an index is and how
to get there is theirs to say.

Sent to workers: only the standard library, Python 3.9.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.machinery
import json
import os
import shutil
import site
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ._environment import Locked
from ._errors import LOG_TAIL, fail
from ._versions import normal

# Of pip: as an option is called, without "PIP_".
PIP_KEPT = (
    "CACHE_DIR",
    "CERT",
    "CLIENT_CERT",
    "DEFAULT_TIMEOUT",
    "EXTRA_INDEX_URL",
    "FIND_LINKS",
    "INDEX_URL",
    "KEYRING_PROVIDER",
    "NO_CACHE_DIR",
    "NO_COMPILE",
    "NO_INDEX",
    "PROXY",
    "RETRIES",
    "TIMEOUT",
    "TRUSTED_HOST",
)
UV_KEPT = (
    "CACHE_DIR",
    "COMPILE_BYTECODE",
    "CONCURRENT_",
    "DEFAULT_INDEX",
    "EXTRA_INDEX_URL",
    "FIND_LINKS",
    "HTTP_",
    "INDEX",
    "INSECURE_HOST",
    "KEYRING_PROVIDER",
    "LINK_MODE",
    "NATIVE_TLS",
    "NO_CACHE",
    "NO_INDEX",
    "OFFLINE",
    "REQUEST_TIMEOUT",
    "SYSTEM_CERTS",
    "THREAD_STACK_SIZE",
)
DROPPED = ("PIP_", "UV_", "PYTHON")
DROPPED_NAMES = ("VIRTUAL_ENV", "CONDA_PREFIX", "__PYVENV_LAUNCHER__")
# Whose values may be paths that are relative to where we are.
PATHS = ("PIP_FIND_LINKS", "UV_FIND_LINKS", "PIP_CERT", "PIP_CACHE_DIR", "UV_CACHE_DIR")


def _is_kept(name: str) -> bool:
    if name.startswith("PIP_"):
        return name[len("PIP_") :] in PIP_KEPT
    if name.startswith("UV_"):
        return name[len("UV_") :].startswith(UV_KEPT)
    return not name.startswith(DROPPED) and name not in DROPPED_NAMES


def _absolute(name: str, value: str) -> str:
    if name not in PATHS or "://" in value:
        return value
    separator = "," if name.startswith("UV_") else " "
    return separator.join(
        os.path.abspath(word) if os.path.exists(word) else word
        for word in (value.split(",") if separator == "," else value.split())
    )


def clean_environ(environ: Mapping[str, str]) -> dict[str, str]:
    kept = {k: _absolute(k, v) for k, v in environ.items() if _is_kept(k)}
    return {**kept, "PIP_ROOT_USER_ACTION": "ignore", "NO_COLOR": "1"}


def find_beside(name: str) -> str | None:
    """A program of this environment, or of PATH."""
    here = os.path.join(os.path.dirname(sys.executable), name)
    if os.access(here, os.X_OK):
        return here
    found = shutil.which(name)
    return os.path.abspath(found) if found else None


def run(
    command: list[str],
    what: str,
    names: Iterable[str],
    cwd: Path,
    lock: Locked,
    environ: Mapping[str, str],
) -> str:
    """What it printed; an error names the package where that is to be seen."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        cwd=cwd,
        env=environ,
        pass_fds=lock.descriptors,
    )
    log = done.stdout.decode("utf-8", "replace")
    if done.returncode == 0:
        return log
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


def _has_pip() -> bool:
    """In the environment itself: nothing of PYTHONPATH or where we are."""
    return bool(importlib.machinery.PathFinder.find_spec("pip", site.getsitepackages()))


class Pin(NamedTuple):
    """A version of an index, or what is to be had at an address."""

    name: str
    line: str


class Installer:
    """Calls of one installation."""

    arguments: list[str]

    def __init__(self, stage: Path, lock: Locked) -> None:
        self.stage = stage
        self.lock = lock
        self.cwd = stage / "cwd"  # what lies beside us is not imported
        self.cwd.mkdir()
        self.environ = clean_environ(os.environ)
        self.arguments = []
        self.uv = find_beside("uv")
        self.name = "uv" if self.uv else "pip"
        if not self.uv and not _has_pip():
            raise fail(
                "%s has no pip, and there is no uv beside it or in PATH: install"
                " one of them" % sys.executable,
                phase="install",
                cause="neither pip nor uv",
            )
        if not self.uv:
            self._read_pip_config()

    def _read_pip_config(self) -> None:
        """Of pip's files what is kept of its variables; they may hold more."""
        if os.environ.get("PIP_CONFIG_FILE") != os.devnull:
            environ = dict(self.environ)
            if "PIP_CONFIG_FILE" in os.environ:
                path = os.path.abspath(os.environ["PIP_CONFIG_FILE"])
                environ["PIP_CONFIG_FILE"] = path
            listed = run(
                [*self._pip(), "config", "list"],
                "pip",
                (),
                self.cwd,
                self.lock,
                environ,
            )
            for name, value in settings_of(listed).items():
                self.environ.setdefault(name, value)
        self.environ["PIP_CONFIG_FILE"] = os.devnull

    @staticmethod
    def _pip() -> list[str]:
        return [
            *(sys.executable, "-I", "-m", "pip"),
            *("--disable-pip-version-check", "--no-input"),
        ]

    def _command(self, verb: str) -> list[str]:
        if self.uv:
            python = ["--python", sys.executable]
            return [self.uv, "pip", verb, *python, "--no-progress", *self.arguments]
        return [*self._pip(), verb, *self.arguments]

    def _run(self, command: list[str], names: Iterable[str]) -> str:
        return run(command, self.name, names, self.cwd, self.lock, self.environ)

    def _listed(self, name: str, lines: Iterable[str]) -> list[str]:
        path = self.stage / name
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return ["-r", str(path)]

    # Without touching the environment.

    def fetch(self, lines: list[str], place: Path, build: bool) -> None:
        """Wheels of these into `place`; with uv, which cannot say what it
        would write, the packages themselves."""
        place.mkdir()
        listed = ["--no-deps", *self._listed(place.name + ".txt", lines)]
        if self.uv:
            command = [*self._command("install"), "--target", str(place)]
        elif build:
            command = [*self._command("wheel"), "-w", str(place)]
        else:
            command = [*self._command("download"), "-d", str(place)]
        self._run([*command, *listed], [line.split("~")[0] for line in lines])

    def plan(self, lines: list[str], constraints: list[str]) -> list[Pin]:
        """What these would bring, with what they require."""
        pinned = self.stage / "constraints.txt"
        pinned.write_text("".join(line + "\n" for line in constraints), "utf-8")
        command = [*self._command("install"), "--dry-run", "-c", str(pinned)]
        command += self._listed("extras.txt", lines)
        if self.uv:
            return pins_of_uv(self._run(command, lines))
        report = self.stage / "report.json"
        self._run([*command, "--report", str(report)], lines)
        return pins_of_report(json.loads(report.read_text("utf-8")))

    # Touching it.

    def install(
        self, lines: list[str], names: list[str], again: list[str], found: list[Path]
    ) -> None:
        """`again`: names of those that are installed even if they seem to be
        there; `found`: where `fetch` put wheels."""
        command = [*self._command("install"), "--no-deps"]
        for place in found:
            command += ["--find-links", str(place)]
        if self.uv:  # --reinstall would also download everything anew
            command += [a for n in again for a in ("--reinstall-package", n)]
        elif again:
            command += ["--force-reinstall"]
        self._run([*command, *self._listed("requirements.txt", lines)], names)


def settings_of(listed: str) -> dict[str, str]:
    """Of `pip config list`: as variables; for `install` before `global`."""
    settings: dict[str, str] = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.partition(".")
        name = option.upper().replace("-", "_")
        if section not in ("global", "install") or name not in PIP_KEPT:
            continue
        with contextlib.suppress(ValueError, SyntaxError):
            text = " ".join(str(ast.literal_eval(value)).split())
            if section == "install":
                settings["PIP_" + name] = text
            else:
                settings.setdefault("PIP_" + name, text)
    return settings


def pins_of_uv(printed: str) -> list[Pin]:
    """Of its dry run: " + name==version (from address)"."""
    pins = []
    for line in printed.splitlines():
        if not line.startswith((" + ", " ~ ")):
            continue
        pin, _, rest = line[3:].partition(" (from ")
        name = pin.partition("==")[0]
        address = rest.rstrip(")")
        pins.append(
            Pin(normal(name), "%s @ %s" % (name, address) if address else pin.strip())
        )
    return pins


def pins_of_report(report: dict[str, Any]) -> list[Pin]:
    """Of `pip install --dry-run --report`."""
    pins = []
    for item in report["install"]:
        name = item["metadata"]["name"]
        line = "%s==%s" % (name, item["metadata"]["version"])
        if item.get("is_direct"):
            line = "%s @ %s" % (name, item["download_info"]["url"])
        pins.append(Pin(normal(name), line))
    return pins
