"""What the scheduler, the nannies and the workers are given.

    client ──▶ SchedulerSync.start ─┬─▶ the scheduler's own environment
                                    ├─▶ NannySync on every nanny, also on those
                                    │   that come later: installs, and starts
                                    │   the worker anew if it must
                                    └─▶ WorkerSync on every worker: checks; where
                                        there is no nanny, installs

A nanny installs before its worker process exists, so a worker that comes later
has the right environment before it is given a task, without a restart.

Sent to workers: the standard library and distributed, Python 3.9.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Iterable
from typing import Any

from distributed.diagnostics.plugin import NannyPlugin, SchedulerPlugin, WorkerPlugin
from distributed.protocol.pickle import dumps

from ._environment import (
    ImportTimes,
    Payload,
    changes_of_files,
    compare,
    files_of,
    installed,
    is_own,
    loaded_files,
)
from ._errors import PackageSyncError, fail
from ._install import Report, bring, verify
from ._portable import Portable
from ._versions import normal

NAME = "pkgsync"
TOPIC = "pkgsync"  # of the events on the scheduler
RESTART_TIMEOUT_S = 120
ASK_TIMEOUT_S = 20
LEAVE_TIMEOUT_S = 3
# Process times come from the kernel's ticks, file times from its clock.
CLOCK_SLACK_S = 0.05
# Of a nanny or a worker: when, as an attribute.
SYNCED = "_pkgsync_synced"

logger = logging.getLogger("distributed.pkgsync")


def _process_start() -> float:
    """To the kernel's tick; psutil counts from a boot time in whole seconds."""
    try:
        with open("/proc/self/stat", encoding="ascii", errors="replace") as stat:
            ticks = int(stat.read().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        return time.time() - age
    except (OSError, ValueError, AttributeError):
        import psutil

        return float(psutil.Process().create_time())


class LoadedFiles(Portable):
    """Asked of a worker by its nanny: what it imported, and since when."""

    __name__ = "pkgsync_loaded_files"

    def __call__(self) -> dict[str, float]:
        return loaded_files(_process_start())


def _edits(files: Iterable[str]) -> dict[str, float]:
    """Of the client's own environment, where an edit is an installation."""
    edits = {}
    for path in files:
        with contextlib.suppress(OSError):
            edits[path] = os.stat(path).st_mtime
    return edits


def stale_files(server: Any, payload: Payload, loaded: dict[str, float]) -> list[str]:
    """Files that a process imported before they were replaced.  What was there
    when `server` was last brought to a spec was looked at then."""
    synced = getattr(server, SYNCED, 0.0)
    own = is_own(payload, installed())
    changed = _edits(loaded) if own else changes_of_files()
    return sorted(
        path
        for path, since in loaded.items()
        if changed.get(path, 0.0) > max(since - CLOCK_SLACK_S, synced)
    )


def _owner(path: str) -> str | None:
    """The distribution that a file belongs to."""
    for found in installed().values():
        if any(str(name) == path for name in files_of(found)):
            return found.name
    return None


class SchedulerSync(Portable, SchedulerPlugin):  # type: ignore[misc]
    """Brings a cluster to one spec; takes the place of an earlier one."""

    name = NAME

    def __init__(self, payload: Payload) -> None:
        self.payload = payload

    async def start(self, scheduler: Any) -> None:
        lock = scheduler.extensions.setdefault("pkgsync-lock", asyncio.Lock())
        async with lock:
            scheduler.plugins.pop(self.name, None)
            await self._bring_scheduler(scheduler)
            await self._bring_workers(scheduler)

    async def _bring_scheduler(self, scheduler: Any) -> None:
        report = await asyncio.to_thread(bring, self.payload, True)
        report["role"] = "scheduler"
        scheduler.log_event(TOPIC, report)
        for warning in report["warnings"]:
            logger.warning("%s", warning)

    async def _bring_workers(self, scheduler: Any) -> None:
        # A worker that restarts now must not be held to the old spec.
        if self.name in scheduler.worker_plugins:
            await scheduler.unregister_worker_plugin(comm=None, name=self.name)
        nannies = await scheduler.register_nanny_plugin(
            comm=None,
            plugin=dumps(NannySync(self.payload)),
            name=self.name,
            idempotent=False,
        )
        error = _first_error(nannies)
        workers = await scheduler.register_worker_plugin(
            comm=None,
            plugin=dumps(WorkerSync(self.payload)),
            name=self.name,
            idempotent=False,
        )
        error = error or _first_error(workers)
        if error:
            raise error

    async def close(self) -> None:
        """The scheduler ends, and with it every worker."""


def _first_error(responses: dict[str, Any]) -> Exception | None:
    from distributed.core import clean_exception
    from distributed.protocol.serialize import Serialized, deserialize

    for address, response in responses.items():
        if response["status"] != "error":
            continue
        parts = {
            key: deserialize(value.header, value.frames)
            if isinstance(value, Serialized)
            else value
            for key, value in response.items()
        }
        _, error, _ = clean_exception(**parts)
        if isinstance(error, PackageSyncError):
            return error
        return fail("worker %s: %r" % (address, error), phase="install")
    return None


class NannySync(Portable, NannyPlugin):  # type: ignore[misc]
    """Installs; starts the worker anew where it imported what was replaced."""

    name = NAME
    restart = False  # by distributed's own means: always, and unchecked

    def __init__(self, payload: Payload) -> None:
        self.payload = payload

    async def setup(self, nanny: Any) -> None:
        try:
            report = await asyncio.to_thread(bring, self.payload, True)
        except PackageSyncError as error:
            await _tell(nanny, {"role": "nanny", "error": str(error)})
            if nanny.process is None:
                # Of a nanny that starts, distributed logs the error and goes
                # on; without a worker it ends.
                nanny.instantiate = _Refusal(error)
            raise
        synced = time.time()
        report["role"] = "nanny"
        report["restarted"] = False
        if nanny.process is not None and nanny.worker_address:
            report["restarted"] = await self._refresh(nanny, report)
        setattr(nanny, SYNCED, synced)
        await _tell(nanny, report)

    async def _refresh(self, nanny: Any, report: Report) -> bool:
        """Whether the worker had to be started anew; once for one spec."""
        if getattr(nanny, "_pkgsync_refreshed", None) == self.payload["digest"]:
            return False
        stale = await self._stale(nanny)
        if not stale:
            return False
        nanny._pkgsync_refreshed = self.payload["digest"]
        report["stale"] = stale[:10]
        logger.info("Starting the worker anew: %s was replaced", stale[0])
        outcome = await nanny.restart(
            timeout=RESTART_TIMEOUT_S, reason="pkgsync-%s" % self.payload["digest"][:12]
        )
        if outcome != "OK":
            raise fail(
                "the environment is installed, but the worker %s did not start"
                " again: %s" % (nanny.worker_address, outcome),
                phase="restart",
                cause="the worker did not start again",
            )
        return True

    async def _stale(self, nanny: Any) -> list[str]:
        try:
            answer = await asyncio.wait_for(
                nanny.rpc(nanny.worker_address).run(function=dumps(LoadedFiles())),
                ASK_TIMEOUT_S,
            )
            loaded = answer["result"]
        except Exception as error:
            # A worker that does not answer is no reason to leave it stale.
            return ["a worker that does not say what it imported (%r)" % error]
        return await asyncio.to_thread(stale_files, nanny, self.payload, loaded)


class _Refusal:
    def __init__(self, error: PackageSyncError) -> None:
        self.error = error

    async def __call__(self) -> None:
        raise self.error


async def _tell(server: Any, message: Report) -> None:
    """An event on the scheduler, for the client to read."""
    try:
        await server.scheduler.log_event(topic=TOPIC, msg=message)
    except OSError:
        logger.warning("Cannot tell the scheduler: %s", message)


class WorkerSync(Portable, WorkerPlugin):  # type: ignore[misc]
    """The last word: no worker with another environment takes a task."""

    name = NAME

    def __init__(self, payload: Payload) -> None:
        self.payload = payload

    async def setup(self, worker: Any) -> None:
        ImportTimes.watch()
        starting = not worker.periodic_callbacks["heartbeat"].is_running()
        try:
            if worker.nanny:
                await asyncio.to_thread(verify, self.payload)
            else:
                await self._without_nanny(worker)
        except PackageSyncError as error:
            if starting:
                await _tell(worker, {"role": "worker", "error": str(error)})
                # distributed would go on with it.
                await self._leave(worker, "pkgsync: %s" % error.message[:500])
            raise

    async def _leave(self, worker: Any, reason: str) -> None:
        """Close it, and tell a nanny that is up not to start another one."""
        if worker.nanny:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                await asyncio.wait_for(
                    worker.rpc(worker.nanny).close_gracefully(reason=reason),
                    LEAVE_TIMEOUT_S,
                )
        await worker.close(nanny=False, executor_wait=False, reason=reason)

    async def _without_nanny(self, worker: Any) -> None:
        """Nobody starts this process anew: what it imported must stay."""
        self._refuse_loaded()
        report = await asyncio.to_thread(bring, self.payload, True)
        synced = time.time()
        report["role"] = "worker"
        loaded = loaded_files(_process_start())
        stale = await asyncio.to_thread(stale_files, worker, self.payload, loaded)
        if stale and report["method"] != "own":
            # The scheduler or another worker of this environment was first.
            package = _owner(stale[0])
            raise fail(
                "%s was replaced while this worker had imported it, and without a"
                " nanny nobody can start it anew: start it with a nanny, or restart"
                " it" % (package or stale[0]),
                package=package,
                phase="restart",
                cause="no nanny",
            )
        setattr(worker, SYNCED, synced)
        await _tell(worker, report)

    def _refuse_loaded(self) -> None:
        found = installed()
        if is_own(self.payload, found):
            return
        loaded = set(loaded_files(0.0))
        for item in compare(self.payload["document"], found):
            files = {str(path) for path in files_of(found.get(normal(item.name)))}
            if files & loaded:
                raise fail(
                    "this worker has imported %s %s, the environment has %s, and"
                    " without a nanny nobody can start it anew: start it with a"
                    " nanny, or restart it (nothing was installed)"
                    % (item.name, item.found, item.expected),
                    package=item.name,
                    phase="restart",
                    cause="no nanny",
                )
