"""Find the program `pkgsync` and run `pkgsync sync` with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ._environment import Payload, identity, installed
from ._errors import LOG_TAIL, PackageSyncError
from ._versions import normal

SAID = "pkgsync sync: "  # how its own messages begin
CARRY_LIMIT = 64 * 1024 * 1024
Progress = Callable[[str], None]


def to_stderr(line: str) -> None:
    """Where progress goes unless told otherwise; also seen in a notebook."""
    print(line, file=sys.stderr, flush=True)


def find_program(given: str | os.PathLike[str] | None = None) -> str:
    """`given`, $PKGSYNC_PROGRAM, beside this interpreter, or in PATH."""
    named = given or os.environ.get("PKGSYNC_PROGRAM")
    if named:
        path = shutil.which(os.fspath(named))
        if path:
            return path
        raise PackageSyncError(
            "%s is not a program that can be run; it was named by %s"
            % (os.fspath(named), "program=" if given else "PKGSYNC_PROGRAM"),
            phase="program",
            cause="no such program",
        )
    beside = os.path.join(os.path.dirname(sys.executable), "pkgsync")
    path = shutil.which(beside) or shutil.which("pkgsync")
    if path:
        return path
    raise PackageSyncError(
        "the program pkgsync is neither beside %s nor in PATH: install it, or say"
        " where it is with PKGSYNC_PROGRAM or PackageSync(program=...)"
        % sys.executable,
        phase="program",
        cause="pkgsync is not installed",
    )


def _run(
    command: Sequence[str],
    env: dict[str, str] | None,
    cwd: str | os.PathLike[str] | None,
    progress: Progress,
) -> tuple[int, str, list[str]]:
    """Status, standard output, and the lines of standard error, which are
    handed on as they come; but not what the error says that will be raised."""
    lines: list[str] = []
    held: list[str] = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        cwd=cwd,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout and process.stderr
        stderr = process.stderr

        def follow() -> None:
            for line in stderr:
                lines.append(line.rstrip("\n"))
                if line.startswith(SAID) or (held and line.startswith("  ")):
                    held.append(lines[-1])
                else:
                    progress(lines[-1])

        thread = threading.Thread(target=follow, name="pkgsync", daemon=True)
        thread.start()
        try:
            out = process.stdout.read()
        except BaseException:
            process.terminate()  # it ends its builds and cleans up
            raise
        thread.join()
    for line in held if process.returncode == 0 else ():
        progress(line)
    return process.returncode, out, lines


def _log_tail(path: object) -> str:
    if not isinstance(path, str):
        return ""
    try:
        with open(path, "rb") as log:
            log.seek(0, os.SEEK_END)
            log.seek(max(0, log.tell() - LOG_TAIL))
            return log.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _named(wheel: dict[str, Any]) -> str:
    """Of a wheel that was not built: the distribution whose source it is."""
    source = str(wheel.get("source"))
    for found in installed().values():
        if found.by_url:
            text = found.distribution.read_text("direct_url.json") or "{}"
            url = str(json.loads(text).get("url"))
            path = urllib.request.url2pathname(urllib.parse.urlsplit(url).path)
            if source == path or source.startswith("git+" + url):
                return found.name
    return source


def _failure(status: int, document: Any, lines: list[str]) -> PackageSyncError:
    """Of a run of `pkgsync sync` that failed."""
    failed = []
    if isinstance(document, dict):
        failed = [
            wheel
            for wheel in document.get("wheels") or ()
            if wheel.get("status") == "failed" and wheel.get("error")
        ]
    said = [line for line in lines if line.startswith("pkgsync")]
    if not failed:
        text = (said or lines or ["pkgsync ended with status %d" % status])[-1]
        return PackageSyncError(
            text, phase="sync", cause=text, log="\n".join(lines)[-LOG_TAIL:]
        )
    first = failed[0]
    error = first["error"]
    names = [str(wheel.get("name") or _named(wheel)) for wheel in failed]
    texts = [
        "%s: %s: %s" % (name, wheel["error"].get("phase"), wheel["error"]["message"])
        for name, wheel in zip(names, failed)
    ]
    text = "\n  also ".join(texts)
    place = str(error.get("log") or "")
    if place and first.get("job"):
        place += " (pkgsync logs %s)" % first["job"]
    return PackageSyncError(
        text,
        package=names[0],
        phase=error.get("phase"),
        cause=error.get("cause") or error.get("message"),
        log=_log_tail(error.get("log")) or "\n".join(lines)[-LOG_TAIL:],
        log_place=place or None,
    )


def sync(
    command: Sequence[str],
    env: dict[str, str] | None,
    cwd: str | os.PathLike[str] | None,
    progress: Progress,
) -> dict[str, Any]:
    """The document of `pkgsync sync --json`; raises `PackageSyncError`."""
    try:
        status, out, lines = _run(command, env, cwd, progress)
    except OSError as error:
        raise PackageSyncError(
            "cannot run %s: %s" % (command[0], error.strerror),
            phase="program",
            cause=str(error),
        ) from None
    document: Any = None
    try:
        document = json.loads(out) if out.strip() else None
    except ValueError:
        lines.append("pkgsync printed no JSON: %r" % out[:200])
    if status != 0 or not isinstance(document, dict):
        raise _failure(status, document, lines)
    if document.get("schema") != 1:
        raise PackageSyncError(
            "pkgsync speaks schema %r, this package reads 1: install those of one"
            " release" % document.get("schema"),
            phase="sync",
            cause="another schema",
        )
    return document


# What is sent to the workers.


def _presigned(requirements: str) -> dict[str, str]:
    """ "name @ URL#sha256=..." of requirements.txt, by normal name."""
    urls = {}
    for line in requirements.splitlines():
        name, separator, url = line.partition("@")
        if separator and "://" in url:
            urls[normal(name.strip())] = url.strip().partition("#")[0]
    return urls


def _built(document: dict[str, Any]) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    for package in document["packages"]:
        if package.get("wheel"):
            yield package, package["wheel"]


def payload_of(answer: dict[str, Any], carry_limit: int, presign: bool) -> Payload:
    """Everything that a bare worker needs.

    Wheels of a `file://` store go along as bytes: the worker may be on another
    host.  Those of a bucket are fetched by URL.
    """
    document = answer["spec_document"]
    urls = _presigned(answer.get("requirements") or "") if presign else {}
    paths = {w["sha256"]: w["path"] for w in answer["wheels"] if w.get("sha256")}
    wheels = []
    carried = 0
    for package, wheel in _built(document):
        entry = {"name": package["name"], "url": wheel["url"]}
        if wheel["url"].startswith("file:"):
            carried += wheel["size"]
            if carried > carry_limit:
                raise PackageSyncError(
                    "the wheels are larger than %d MiB, too much to send along: use"
                    " a store that the workers reach (store='s3://...'), or raise"
                    " carry_limit" % (carry_limit >> 20),
                    package=package["name"],
                    phase="send",
                    cause="too large to send",
                )
            path = paths.get(wheel["sha256"]) or urllib.request.url2pathname(
                urllib.parse.urlsplit(wheel["url"]).path
            )
            entry["data"] = Path(path).read_bytes()
        elif presign and normal(package["name"]) in urls:
            entry["fetch"] = urls[normal(package["name"])]
        wheels.append(entry)
    return {
        "digest": answer["spec"]["digest"],
        "url": answer["spec"]["url"],
        "document": document,
        "requirements": answer.get("requirements") or "",
        "wheels": wheels,
        "origin": identity(),
    }
