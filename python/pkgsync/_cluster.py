"""Clusters of distributed that have the environment of the client.

    sync ──▶ make each environment ready ──▶ scheduler ──▶ plugin ──▶ workers
                (subprocess, or ssh)

Environments are made ready before anything of the cluster runs in them, so a
worker may start from an interpreter that has pip and nothing else, and nothing
is started twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import logging
import math
import os
import pickle
import shlex
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Generator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, overload

import distributed
import distributed.core
from dask.system import CPU_COUNT
from distributed.core import Server, Status
from distributed.deploy.spec import ProcessInterface, SpecCluster
from distributed.deploy.utils import nprocesses_nthreads

from ._errors import PackageSyncError
from ._install import ERRAND, Errand
from .dask import PackageSync, counted, installed_text

logger = logging.getLogger("distributed.pkgsync")

# As `python -m distributed.cli.dask_spec`, but for the modules that lie about
# where we are: workers get those as a wheel, and follow edits of that.
DASK_SPEC = (
    "import sys;sys.path[:]=filter(None,sys.path);import runpy;runpy.run_module("
    "'distributed.cli.dask_spec',run_name='__main__',alter_sys=True)"
)
START_TIMEOUT_S = 60
STILL_S = 15
END_TIMEOUT_S = 5


def _answer(out: bytes, err: bytes, status: int | None, where: str) -> dict[str, Any]:
    """What an Errand printed: its report, or its error."""
    try:
        document = json.loads(out.decode().strip().splitlines()[-1])
    except (ValueError, IndexError):
        log = (err or out).decode("utf-8", "replace")
        raise PackageSyncError(
            "%s could not be made ready: the interpreter ended with status %s"
            % (where, status),
            host=where,
            phase="install",
            cause=(log.strip().splitlines() or ["no output"])[-1],
            log=log,
        ) from None
    if "error" in document:
        error = PackageSyncError("")
        error.__dict__.update(document["error"])
        raise error
    return dict(document["report"])


def _environ() -> dict[str, str]:
    """For another interpreter, which has its own standard library."""
    dropped = ("PYTHONHOME", "__PYVENV_LAUNCHER__")
    return {k: v for k, v in os.environ.items() if k not in dropped}


async def _ready_here(python: str, errand: bytes) -> dict[str, Any]:
    """The environment of an interpreter of this host."""
    try:
        process = await asyncio.create_subprocess_exec(
            python,
            "-c",
            ERRAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd="/",  # what lies beside us is not imported
            env=_environ(),
        )
    except OSError as error:
        raise PackageSyncError(
            "cannot run %s: %s" % (python, error.strerror),
            phase="install",
            cause=str(error),
        ) from None
    out, err = await process.communicate(errand)
    return _answer(out, err, process.returncode, python)


async def _ready_by_ssh(
    host: str, python: str, connect: Mapping[str, Any], errand: bytes
) -> dict[str, Any]:
    import asyncssh

    async with asyncssh.connect(host, **connect) as connection:
        done = await connection.run(
            "%s -c %s" % (shlex.quote(python), shlex.quote(ERRAND)),
            input=errand,
            encoding=None,
        )
    return _answer(done.stdout, done.stderr, done.exit_status, host)


_C = TypeVar("_C", bound="_Synchronized")


class _Synchronized:
    """What is common: a SpecCluster that syncs before it starts, and gives
    its scheduler the plugin before there are workers."""

    package_sync: PackageSync | None
    package_sync_reports: list[dict[str, Any]]

    def __init__(self, *args: Any, package_sync: Any = False, **kwargs: Any) -> None:
        self._wanted = package_sync
        self._started_once = False
        self.package_sync = None
        self.package_sync_reports = []
        try:
            super().__init__(*args, **kwargs)
        except BaseException:
            if not kwargs.get("asynchronous"):
                with contextlib.suppress(Exception):
                    self._loop_runner.stop()  # type: ignore[attr-defined]
            raise

    # As distributed's, with types.

    def __await__(self: _C) -> Generator[Any, Any, _C]:
        return super().__await__()  # type: ignore[misc,no-any-return]

    def __enter__(self: _C) -> _C:
        super().__enter__()  # type: ignore[misc]
        return self

    async def __aenter__(self: _C) -> _C:
        await super().__aenter__()  # type: ignore[misc]
        return self

    def get_client(self) -> distributed.Client:
        return super().get_client()  # type: ignore[misc]

    def scale(self, *args: Any, **kwargs: Any) -> Any:
        return super().scale(*args, **kwargs)  # type: ignore[misc]

    def adapt(self, *args: Any, **kwargs: Any) -> Any:
        return super().adapt(*args, **kwargs)  # type: ignore[misc]

    def close(self, *args: Any, **kwargs: Any) -> Any:
        return super().close(*args, **kwargs)  # type: ignore[misc]

    async def _make_ready(self, errand: bytes) -> list[dict[str, Any]]:
        """Before anything starts; the client's own environment needs nothing."""
        return []

    async def _told(self, where: str, work: Awaitable[dict[str, Any]]) -> Any:
        """The report of `work`, and progress until it is there."""
        assert self.package_sync
        tell = self.package_sync._progress
        count = len(self.package_sync.spec["packages"])
        tell(
            "%s: installing what differs of %s ..." % (where, counted(count, "package"))
        )
        began = time.monotonic()
        task = asyncio.ensure_future(work)
        try:
            while not (await asyncio.wait([task], timeout=STILL_S))[0]:
                tell("%s: installing, %d s ..." % (where, time.monotonic() - began))
        finally:
            task.cancel()  # if it is us that are
        report = await task
        tell("%s; done in %d s" % (installed_text(report), time.monotonic() - began))
        return report

    async def _start(self) -> None:
        if self._started_once:
            await super()._start()  # type: ignore[misc]
            return
        self._started_once = True
        try:
            if self._wanted:
                self.package_sync = await asyncio.to_thread(_plugin, self._wanted)
                errand = pickle.dumps(Errand(self.package_sync._payload), protocol=4)
                self.package_sync_reports = await self._make_ready(errand)
        except BaseException:
            self.status = Status.closed  # nothing was started
            raise
        await super()._start()  # type: ignore[misc]
        if self.package_sync:
            await self._register(self.package_sync)

    async def _register(self, plugin: PackageSync) -> None:
        async with distributed.Client(
            self.scheduler_address,  # type: ignore[attr-defined]
            asynchronous=True,
            security=self.security,  # type: ignore[attr-defined]
            set_as_default=False,
        ) as client:
            plugin._follow(client)
            await client.register_plugin(plugin)

    def resync(self) -> Any:
        """After an edit: bring the cluster to the environment as it is now.
        To be awaited where the cluster is asynchronous."""
        return self.sync(self._resync)  # type: ignore[attr-defined]

    async def _resync(self) -> PackageSync:
        if not self.package_sync:
            raise ValueError("the cluster was started without package_sync")
        await asyncio.to_thread(self.package_sync.refresh)
        await self._register(self.package_sync)
        return self.package_sync


def _plugin(wanted: Any) -> PackageSync:
    if isinstance(wanted, PackageSync):
        return wanted
    return PackageSync(**(wanted if isinstance(wanted, Mapping) else {}))


class LocalCluster(_Synchronized, distributed.LocalCluster):  # type: ignore[misc]
    """`distributed.LocalCluster`, whose workers live in the client's own
    environment: a sync starts those anew that imported what was edited."""


class SSHCluster(_Synchronized, SpecCluster):  # type: ignore[misc]
    """`distributed.SSHCluster` with `package_sync`; the same parameters."""

    def __init__(
        self,
        hosts: list[str],
        connect_options: dict[str, Any] | list[dict[str, Any]] | None = None,
        worker_options: dict[str, Any] | None = None,
        scheduler_options: dict[str, Any] | None = None,
        worker_class: str = "distributed.Nanny",
        remote_python: str | list[str] | None = None,
        package_sync: Any = False,
        **kwargs: Any,
    ) -> None:
        if not hosts:
            raise ValueError("hosts must name the scheduler's host and the workers'")
        count = len(hosts)
        connect = _for_each("connect_options", connect_options or {}, count)
        python = _for_each("remote_python", remote_python or sys.executable, count)
        self._places = list(zip(hosts, python, connect))
        module = "distributed.deploy.ssh."
        scheduler = {
            "cls": module + "Scheduler",
            "options": {
                "address": hosts[0],
                "connect_options": connect[0],
                "kwargs": dict(scheduler_options or {}),
                "remote_python": python[0],
            },
        }
        workers = {
            i: {
                "cls": module + "Worker",
                "options": {
                    "address": host,
                    "connect_options": connect[i + 1],
                    "kwargs": dict(worker_options or {}),
                    "worker_class": worker_class,
                    "remote_python": python[i + 1],
                },
            }
            for i, host in enumerate(hosts[1:])
        }
        kwargs.setdefault("name", "SSHCluster")
        super().__init__(
            workers=workers, scheduler=scheduler, package_sync=package_sync, **kwargs
        )

    async def _make_ready(self, errand: bytes) -> list[dict[str, Any]]:
        once = {(host, python): connect for host, python, connect in self._places}
        return list(
            await asyncio.gather(
                *(
                    self._told(host, _ready_by_ssh(host, python, connect, errand))
                    for (host, python), connect in once.items()
                )
            )
        )


def _for_each(what: str, given: Any, count: int) -> list[Any]:
    if not isinstance(given, list):
        return [given] * count
    if len(given) != count:
        raise ValueError("%s must be one for each of the %d hosts" % (what, count))
    return given


class _Interpreter(ProcessInterface):  # type: ignore[misc]
    """A scheduler or a nanny that another interpreter of this host runs."""

    def __init__(self, python: str, *arguments: str, name: object = None) -> None:
        super().__init__()
        self.name = name
        self._argv = [python, "-c", DASK_SPEC, *arguments]
        self._process: asyncio.subprocess.Process | None = None
        self._log: Any = None

    async def start(self) -> None:
        # A file, not a pipe: nobody reads on while the cluster runs.
        self._log = tempfile.TemporaryFile(prefix="pkgsync-log-")  # noqa: SIM115
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=self._log,
            start_new_session=True,
            env=_environ(),
        )
        await super().start()

    def printed(self) -> str:
        if not self._log:
            return ""
        return os.pread(self._log.fileno(), 1 << 20, 0).decode("utf-8", "replace")

    async def wait_until(self, ready: Any, what: str) -> Any:
        """`ready()`, once it is true; what was printed is the error's log."""
        assert self._process
        for _ in range(START_TIMEOUT_S * 20):
            found = await ready()
            if found:
                return found
            if self._process.returncode is not None:
                break
            await asyncio.sleep(0.05)
        raise PackageSyncError(
            "the %s did not start: %s" % (what, self._argv[0]),
            phase="start",
            cause="exit status %s" % self._process.returncode,
            log=self.printed(),
        )

    async def close(self) -> None:
        process, self._process = self._process, None
        if process and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), END_TIMEOUT_S)
            except asyncio.TimeoutError:
                logger.warning("Killing process %d and its children", process.pid)
        if process:
            # The worker of a nanny that was killed.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        if self._log:
            self._log.close()
            self._log = None
        await super().close()


class _Scheduler(_Interpreter):
    def __init__(self, python: str, options: dict[str, Any]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="pkgsync-scheduler-")
        self._file = Path(self._folder.name) / "scheduler.json"
        spec = {
            "cls": "distributed.Scheduler",
            "opts": {**options, "scheduler_file": str(self._file)},
        }
        super().__init__(python, "--spec", json.dumps(spec))
        self.address: str | None = None

    async def start(self) -> None:
        await super().start()
        self.address = await self.wait_until(self._read_address, "scheduler")

    async def _read_address(self) -> str | None:
        try:
            return str(json.loads(self._file.read_text())["address"])
        except (OSError, ValueError):
            return None

    async def close(self) -> None:
        await super().close()
        self._folder.cleanup()


class _Worker(_Interpreter):
    def __init__(
        self,
        scheduler: str,
        python: str,
        options: dict[str, Any],
        worker_class: str = "distributed.Nanny",
        name: object = None,
    ) -> None:
        self._scheduler = scheduler
        spec = {"cls": worker_class, "opts": {**options, "name": name}}
        super().__init__(python, scheduler, "--spec", json.dumps(spec), name=name)

    async def start(self) -> None:
        await super().start()
        async with distributed.core.rpc(self._scheduler) as scheduler:
            await self.wait_until(lambda: self._known_to(scheduler), "worker")

    async def _known_to(self, scheduler: Any) -> bool:
        workers = (await scheduler.identity())["workers"].values()
        return str(self.name) in {str(worker["name"]) for worker in workers}


def _absolute(python: str) -> str:
    """Its directory may be another than ours; a link stays what it is."""
    return os.path.abspath(python) if os.sep in python else python


def _name_of(worker_class: str | type) -> str:
    if isinstance(worker_class, str):
        return worker_class
    return "%s.%s" % (worker_class.__module__, worker_class.__qualname__)


def _accepted_by(*classes: Any) -> set[str]:
    names: set[str] = set()
    for each in classes:
        names.update(inspect.signature(each.__init__).parameters)
    return names - {"self", "kwargs", "worker_kwargs"}


def _refuse_given(given: Mapping[str, Any], why: Mapping[str, str]) -> None:
    for name, reason in why.items():
        if given.get(name):
            raise ValueError(
                "%s cannot be used with worker_python: %s" % (name, reason)
            )


def _check_plain(options: Mapping[str, Any]) -> None:
    """They go to another interpreter on its command line."""
    for name, value in options.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            raise ValueError(
                "%s=%r cannot be passed to another interpreter, as worker_python"
                " needs: only text, numbers, lists and mappings can" % (name, value)
            ) from None


def _count_workers(workers: int | None, threads: int | None) -> tuple[int, int]:
    """As LocalCluster."""
    if workers is None and threads is None:
        found = nprocesses_nthreads()
        return int(found[0]), int(found[1])
    if workers is None:
        return max(1, CPU_COUNT // (threads or 1)), threads or 1
    if threads is None:
        threads = max(1, math.ceil(CPU_COUNT / workers)) if workers else 1
    return workers, threads


class InterpreterCluster(_Synchronized, SpecCluster):  # type: ignore[misc]
    """A local cluster in the environment of another interpreter, `worker_python`:
    scheduler and workers are processes of their own.

    The parameters are those of LocalCluster; ValueError, with its name, for one
    that cannot be passed to another process.  A dashboard only where
    `dashboard_address` is given."""

    def __init__(
        self,
        worker_python: str | os.PathLike[str],
        n_workers: int | None = None,
        threads_per_worker: int | None = None,
        processes: bool | None = None,
        start: object = None,
        host: str | None = None,
        ip: str | None = None,
        scheduler_port: int = 0,
        dashboard_address: str | None = None,
        diagnostics_port: int | None = None,
        worker_dashboard_address: str | None = None,
        services: Mapping[str, Any] | None = None,
        worker_services: Mapping[str, Any] | None = None,
        service_kwargs: Mapping[str, Any] | None = None,
        security: Any = None,
        protocol: str | None = None,
        blocked_handlers: list[str] | None = None,
        interface: str | None = None,
        worker_class: str | type | None = None,
        scheduler_kwargs: Mapping[str, Any] | None = None,
        scheduler_options: Mapping[str, Any] | None = None,
        worker_options: Mapping[str, Any] | None = None,
        package_sync: Any = False,
        **kwargs: Any,
    ) -> None:
        self._python = _absolute(os.fspath(worker_python))
        if start is not None:
            logger.warning("start has no effect, as with LocalCluster")
        if processes is False:
            raise ValueError(
                "processes=False cannot be used with worker_python: threads of this"
                " process cannot run in another interpreter"
            )
        classes = "classes of this process cannot be passed to another interpreter"
        _refuse_given(
            {
                "services": services,
                "worker_services": worker_services,
                "security": security,
                "protocol": (protocol or "").startswith("inproc"),
            },
            {
                "services": classes,
                "worker_services": classes,
                "security": "say it by Dask's configuration (distributed.comm.tls),"
                " which scheduler and workers read as well",
                "protocol": "inproc is for threads of this process",
            },
        )
        if diagnostics_port is not None:  # what older versions called it
            dashboard_address = ":%d" % diagnostics_port
        own = _accepted_by(SpecCluster)
        ours = {name: kwargs.pop(name) for name in sorted(own & set(kwargs))}
        known = _accepted_by(distributed.Nanny, distributed.Worker, Server)
        for name in kwargs:
            if name not in known and worker_class is None:
                raise ValueError(
                    "%s is no parameter of a cluster with worker_python, nor of"
                    " distributed's Nanny or Worker" % name
                )
        host = host or ip or (None if interface else "127.0.0.1")
        common = {"host": host, "interface": interface, "protocol": protocol}
        common = {name: value for name, value in common.items() if value}
        count, threads = _count_workers(n_workers, threads_per_worker)
        worker_opts = {
            **common,
            "nthreads": threads,
            "dashboard": worker_dashboard_address is not None,
            "dashboard_address": worker_dashboard_address,
            **kwargs,
            **(worker_options or {}),
        }
        scheduler_opts = {
            **common,
            "port": scheduler_port,
            "dashboard": dashboard_address is not None,
            "dashboard_address": dashboard_address,
            **({"service_kwargs": service_kwargs} if service_kwargs else {}),
            **({"blocked_handlers": blocked_handlers} if blocked_handlers else {}),
            **(scheduler_kwargs or {}),
            **(scheduler_options or {}),
        }
        _check_plain(worker_opts)
        _check_plain(scheduler_opts)
        worker = {
            "cls": _Worker,
            "options": {
                "python": self._python,
                "worker_class": _name_of(worker_class or "distributed.Nanny"),
                "options": worker_opts,
            },
        }
        scheduler = {
            "cls": _Scheduler,
            "options": {"python": self._python, "options": scheduler_opts},
        }
        ours["name"] = ours.get("name") or "InterpreterCluster"
        super().__init__(
            workers={i: worker for i in range(count)},
            scheduler=scheduler,
            worker=worker,
            package_sync=package_sync,
            **ours,
        )

    async def _make_ready(self, errand: bytes) -> list[dict[str, Any]]:
        return [await self._told(self._python, _ready_here(self._python, errand))]


@overload
def Cluster(
    kind: Literal["local"] = "local",
    *,
    package_sync: Any = False,
    worker_python: None = None,
    **kwargs: Any,
) -> LocalCluster: ...


@overload
def Cluster(
    kind: Literal["local"] = "local",
    *,
    package_sync: Any = False,
    worker_python: str | os.PathLike[str],
    **kwargs: Any,
) -> InterpreterCluster: ...


@overload
def Cluster(
    kind: Literal["ssh"],
    *,
    package_sync: Any = False,
    worker_python: str | os.PathLike[str] | None = None,
    **kwargs: Any,
) -> SSHCluster: ...


@overload
def Cluster(
    kind: str = "local",
    *,
    package_sync: Any = False,
    worker_python: str | os.PathLike[str] | None = None,
    **kwargs: Any,
) -> LocalCluster | InterpreterCluster | SSHCluster: ...


def Cluster(  # noqa: N802 - as distributed's own SSHCluster()
    kind: str = "local",
    *,
    package_sync: Any = False,
    worker_python: str | os.PathLike[str] | None = None,
    **kwargs: Any,
) -> LocalCluster | InterpreterCluster | SSHCluster:
    """A cluster whose workers have the environment you work in.

    Parameters
    ----------
    kind
        "local" (as `distributed.LocalCluster`) or "ssh" (as
        `distributed.SSHCluster`); the other parameters are theirs.  ValueError
        for one that has no meaning with `worker_python`.
    package_sync
        True, the options of `PackageSync` as a mapping, or a `PackageSync`.
    worker_python
        The interpreter of the workers.  Their environment may hold nothing but
        pip, or an interpreter that uv can install for.
    asynchronous
        True: to be awaited.
    """
    if kind == "ssh":
        if worker_python is not None:
            kwargs.setdefault("remote_python", os.fspath(worker_python))
        return SSHCluster(package_sync=package_sync, **kwargs)
    if kind != "local":
        raise ValueError("kind is %r; it must be 'local' or 'ssh'" % kind)
    if worker_python is not None:
        return InterpreterCluster(
            worker_python=worker_python, package_sync=package_sync, **kwargs
        )
    return LocalCluster(package_sync=package_sync, **kwargs)
