"""Bring the workers of a Dask cluster to the environment you work in.

    from pkgsync.dask import Cluster

    with Cluster(package_sync=True) as cluster, cluster.get_client() as client:
        ...

or, for a cluster that runs already,

    plugin = PackageSync()
    client.register_plugin(plugin)
    ...                       # edit an editable package
    plugin.resync(client)     # the new code runs
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any

from distributed import Client
from distributed.diagnostics.plugin import SchedulerPlugin

from ._environment import Payload
from ._errors import PackageSyncError
from ._plugins import NAME, TOPIC, SchedulerSync
from ._program import (
    CARRY_LIMIT,
    Progress,
    find_program,
    payload_of,
    sync,
    to_stderr,
)

__all__ = [
    "Cluster",
    "LocalCluster",
    "PackageSync",
    "PackageSyncError",
    "SSHCluster",
]

OURSELVES = "pkgsync"
SENT_ONCE_S = 1  # it may be pickled twice for one registration


def counted(count: int, what: str) -> str:
    return "%d %s%s" % (count, what, "" if count == 1 else "s")


def installed_text(report: Mapping[str, Any]) -> str:
    """Of a host's report, in one line."""
    if not report["changed"]:
        return "%s: nothing to install in %s" % (report["host"], report["prefix"])
    return "%s: installed %s in %s with %s" % (
        report["host"],
        counted(len(report["changed"]), "package"),
        report["prefix"],
        report["method"],
    )


def _listed(values: Iterable[str]) -> list[str]:
    return [values] if isinstance(values, str) else list(values)


class PackageSync(SchedulerPlugin):  # type: ignore[misc]
    """A plugin that brings scheduler and workers to this environment.

    Runs `pkgsync sync` when it is made: what is editable, from git or lies
    about loose becomes wheels.  `client.register_plugin()` then installs what
    differs on every host, now and whenever a worker comes later; registering
    another one takes the place of the first.  Workers need Python and pip or
    uv, nothing of pkgsync.

    Parameters
    ----------
    program
        The program; else `PKGSYNC_PROGRAM`, beside this interpreter, `PATH`.
    python
        The interpreter whose environment is replicated; else this one.
    store
        Where wheels go, for instance "s3://bucket/prefix"; else a local
        directory, and the wheels are sent along, up to `carry_limit` bytes.
    presign
        Seconds for which workers may fetch from the store without credentials.
    match
        "compatible" or "exact".
    only, ignore, exact, compatible, extra, allow_failed
        Names (requirements for `extra`), as the program's options.
    arguments
        Further options of `pkgsync sync`, as they are.
    env, cwd
        Of the program; `cwd` is also where loose modules are looked for.
    progress
        Called with each line that the program prints about its progress; else
        they go to standard error.
    loose
        False: modules that lie in the working directory or `PYTHONPATH` are left
        out.
    allow_sdist
        True: workers build packages of the index that have no wheel, outside
        any sandbox; else such a package is an error.
    use_program
        False: workers install with pip or uv even where they have the program.

    This package itself is not sent: the plugin brings its own code.

    Raises
    ------
    PackageSyncError
        With the package, the phase, the cause and the end of the log.
    """

    name = NAME

    def __init__(
        self,
        *,
        program: str | os.PathLike[str] | None = None,
        python: str | os.PathLike[str] | None = None,
        store: str | None = None,
        presign: int | None = None,
        match: str | None = None,
        only: Iterable[str] = (),
        ignore: Iterable[str] = (),
        exact: Iterable[str] = (),
        compatible: Iterable[str] = (),
        extra: Iterable[str] = (),
        allow_failed: Iterable[str] = (),
        arguments: Iterable[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        carry_limit: int = CARRY_LIMIT,
        progress: Progress | None = None,
        loose: bool = True,
        allow_sdist: bool = False,
        use_program: bool = True,
    ) -> None:
        command = ["sync", "--json", "--python", os.fspath(python or sys.executable)]
        for option, value in (("--store", store), ("--match", match)):
            if value:
                command += [option, value]
        if presign:
            command += ["--presign", str(presign)]
        if not loose:
            command += ["--no-loose"]
        for option, values in (
            ("--only", only),
            ("--ignore", [OURSELVES, *_listed(ignore)]),
            ("--exact", exact),
            ("--compatible", compatible),
            ("--extra", extra),
            ("--allow-failed", allow_failed),
        ):
            for value in _listed(values):
                command += [option, value]
        self._command = [find_program(program), *command, *arguments]
        self._env = dict(env or {})
        self._cwd = cwd
        self._carry_limit = carry_limit
        self._presign = bool(presign)
        self._progress = progress or to_stderr
        self._how = {"allow_sdist": allow_sdist, "use_program": use_program}
        self._answer: dict[str, Any] = {}
        self._payload: Payload = {}
        self._sent = 0.0
        self._heard: set[float] = set()
        self.refresh()

    def refresh(self) -> PackageSync:
        """Look at the environment again, and build what changed."""
        answer = sync(self._command, self._env, self._cwd, self._progress)
        payload = payload_of(answer, self._carry_limit, self._presign)
        payload.update(self._how)
        self._answer, self._payload = answer, payload
        return self

    @property
    def digest(self) -> str:
        """Of the environment spec; what workers are brought to."""
        return str(self._payload["digest"])

    @property
    def spec_url(self) -> str:
        """Where the spec is: what `pkgsync install` and `check` take."""
        return str(self._payload["url"])

    @property
    def spec_path(self) -> str:
        """The spec's file on this machine."""
        return str(self._answer["spec"]["path"])

    @property
    def spec(self) -> dict[str, Any]:
        """The spec itself."""
        return dict(self._payload["document"])

    @property
    def requirements(self) -> str:
        """requirements.txt: wheels by URL, pinned by SHA-256."""
        return str(self._payload["requirements"])

    @property
    def wheels(self) -> list[dict[str, Any]]:
        """What was built or found, as `pkgsync sync --json` says it."""
        return list(self._answer["wheels"])

    @property
    def problems(self) -> list[dict[str, Any]]:
        return list(self._answer.get("problems") or ())

    def resync(self, client: Any) -> Any:
        """After an edit: `refresh()`, and bring the cluster to the result.

        With an asynchronous client, to be awaited.
        """
        if getattr(client, "asynchronous", False):
            return self._resync(client)
        self.refresh()
        client.register_plugin(self)
        return self

    async def _resync(self, client: Any) -> PackageSync:
        import asyncio

        await asyncio.to_thread(self.refresh)
        await client.register_plugin(self)
        return self

    def reports(self, client: Any) -> Any:
        """What scheduler, nannies and workers did, oldest first; with an
        asynchronous client, to be awaited."""
        if getattr(client, "asynchronous", False):
            return self._reports(client)
        return [message for _, message in client.get_events(TOPIC)]

    async def _reports(self, client: Any) -> list[dict[str, Any]]:
        return [message for _, message in await client.get_events(TOPIC)]

    # Progress on the hosts: they tell the scheduler, and that tells us.

    def _follow(self, client: Any) -> None:
        client.subscribe_topic(TOPIC, self._hear)

    def _hear(self, event: tuple[float, Any]) -> None:
        stamp, message = event
        if stamp in self._heard or not isinstance(message, dict):
            return
        self._heard.add(stamp)
        if message.get("error"):
            self._progress(str(message["error"]).partition("\n")[0])
        elif message.get("changed"):
            self._progress(
                "%s, after %d s" % (installed_text(message), time.time() - self._sent)
            )

    def _say_sent(self) -> None:
        self._sent = time.time()
        self._progress(
            "to the cluster: %s; its hosts install what differs ..."
            % counted(len(self._payload["document"]["packages"]), "package")
        )
        with contextlib.suppress(ValueError):  # there is none
            self._follow(Client.current())

    def __reduce__(self) -> tuple[Any, ...]:
        """What is sent is not this, but what works on a bare worker."""
        if time.time() - self._sent > SENT_ONCE_S:
            self._say_sent()
        return SchedulerSync(self._payload).__reduce__()

    def __repr__(self) -> str:
        return "<PackageSync %s, %d packages, %d wheels>" % (
            self.digest[:12],
            len(self._payload["document"]["packages"]),
            len(self._payload["wheels"]),
        )


from ._cluster import Cluster, LocalCluster, SSHCluster  # noqa: E402
