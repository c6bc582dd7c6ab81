"""Clusters that are started with package_sync: from interpreters that have
nothing at all, and in the client's own environment."""

import asyncio
import os
import pathlib
import sys
import time
import unittest
import unittest.mock as mock

from distributed import Client
from pkgsync.dask import Cluster, PackageSyncError

sys.path.insert(1, os.path.dirname(__file__))
from cluster_support import (  # noqa: E402
    ALL, BESIDE, CASE, EDITED, ClusterCase, task, where)


def children():
    """Processes below this one that run."""
    import psutil

    return {p.pid for p in psutil.Process().children(recursive=True)
            if p.status() != psutil.STATUS_ZOMBIE}


class Clusters(ClusterCase):
    def setUp(self):
        super().setUp()
        self.before = children()

    def nothing_runs(self):
        self.wait_for("the end of all", lambda: not children() - self.before,
                      timeout=20)

    def test_bare_interpreters_become_a_cluster_that_follows_edits(self):
        python = self.environment("bare", bare=True)
        with Cluster(package_sync=self.options(), worker_python=python,
                     n_workers=2) as cluster, cluster.get_client() as client:
            (report,) = cluster.package_sync_reports
            self.assertEqual(report["method"], "uv")
            client.wait_for_workers(2, timeout=60)
            self.assertEqual(self.compute(client), 111)
            prefix, _ = client.submit(where, pure=False).result(60)
            self.assertEqual(prefix, str(pathlib.Path(python).parents[1]))
            # It was ready before anything started.
            self.assertFalse(self.installs(client, cluster.package_sync))
            plugin = cluster.package_sync
            self.assertEqual(self.check(plugin.spec_path, python)["equal"], True)
            EDITED.write_text("value = 3\n")
            cluster.resync()
            self.assertEqual(self.check(plugin.spec_path, python)["equal"], True)
            self.assertEqual(self.compute(client), 113)
            cluster.scale(3)
            client.wait_for_workers(3, timeout=60)
            self.assertEqual(self.compute(client), 113)
        self.nothing_runs()

    def test_a_cluster_can_be_awaited(self):
        python = self.environment("bare", bare=True)

        async def run():
            async with await Cluster(
                    package_sync=self.plugin(), worker_python=python, n_workers=1,
                    asynchronous=True) as cluster:
                async with Client(cluster, asynchronous=True) as client:
                    first, _ = await client.submit(task, pure=False)
                    EDITED.write_text("value = 4\n")
                    await cluster.resync()
                    second, _ = await client.submit(task, pure=False)
                    plugin = cluster.package_sync
                    EDITED.write_text("value = 5\n")
                    await plugin.resync(client)
                    third, _ = await client.submit(task, pure=False)
                    reports = await plugin.reports(client)
            return first, second, third, reports

        first, second, third, reports = asyncio.run(run())
        self.assertEqual((first, second, third), (111, 114, 115))
        self.assertTrue([r for r in reports if r.get("restarted")])
        self.nothing_runs()

    def test_in_the_environment_of_the_client_an_edit_is_enough(self):
        with Cluster(package_sync=self.options(), n_workers=2, threads_per_worker=1,
                     dashboard_address=None) as cluster:
            with cluster.get_client() as client:
                self.assertEqual(self.compute(client), 111)
                first = self.pids(client)
                cluster.resync()
                self.assertEqual(self.pids(client), first)
                EDITED.write_text("value = 6\n")
                cluster.resync()
                self.assertEqual(self.compute(client), 116)
                methods = {r["method"] for r in cluster.package_sync.reports(client)}
                self.assertEqual(methods, {"own"})
        # Nothing was written over the editable install.
        import importlib.metadata

        text = importlib.metadata.distribution("edited").read_text("direct_url.json")
        self.assertIn('"editable":true', text.replace(" ", ""))

    def test_who_imports_after_the_change_is_left_alone(self):
        python = self.environment("bare", bare=True)
        for options in ({"worker_python": python}, {"dashboard_address": None}):
            with Cluster(package_sync=self.options(), n_workers=1,
                         threads_per_worker=1, **options) as cluster:
                with cluster.get_client() as client:
                    first = self.pids(client)
                    EDITED.write_text("value = 8\n")
                    if python in options.values():
                        cluster.resync()
                        self.assertEqual(self.pids(client), first)
                    else:  # an edit is all that it takes there
                        time.sleep(0.2)
                    self.assertEqual(self.compute(client), 118)
                    cluster.resync()
                    self.assertEqual(self.pids(client), first)
                    BESIDE.write_text("value = 300\n")
                    cluster.resync()
                    self.assertEqual(self.compute(client), 318)
                    self.assertNotEqual(self.pids(client), first)
            BESIDE.write_text("value = 100\n")

    def test_threads_of_the_client_need_nothing(self):
        with Cluster(package_sync=self.options(), processes=False, n_workers=1,
                     dashboard_address=None) as cluster:
            with cluster.get_client() as client:
                self.assertEqual(self.compute(client), 111)

    def test_the_program_installs_where_the_workers_have_it(self):
        python = self.environment("bare", bare=True)
        home = {"XDG_%s_HOME" % name: str(self.tmp / name)
                for name in ("CACHE", "CONFIG", "DATA", "STATE")}
        home["PKGSYNC_PROGRAM"] = CASE["program"]
        with mock.patch.dict(os.environ, home):
            with Cluster(package_sync=self.options(use_program=True), n_workers=1,
                         worker_python=python) as cluster:
                self.assertEqual(
                    cluster.package_sync_reports[0]["method"], "pkgsync")
                with cluster.get_client() as client:
                    self.assertEqual(self.compute(client), 111)
                    EDITED.write_text("value = 7\n")
                    cluster.resync()
                    self.assertEqual(self.compute(client), 117)
                    (report,) = self.installs(client, cluster.package_sync)
                    self.assertEqual(report["method"], "pkgsync")

    def test_parameters_of_localcluster_hold_with_worker_python(self):
        python = self.environment("parameters")
        with Cluster(worker_python=python, n_workers=1, threads_per_worker=2,
                     processes=True, ip="127.0.0.1", protocol="tcp",
                     scheduler_port=0, dashboard_address=None, silence_logs=30,
                     scheduler_kwargs={"idle_timeout": "1h"}, blocked_handlers=["feed"],
                     memory_limit="1GB", resources={"a": 1}) as cluster:
            with cluster.get_client() as client:
                (worker,) = client.scheduler_info(**ALL)["workers"].values()
                self.assertEqual((worker["nthreads"], worker["resources"]), (2, {"a": 1}))
                self.assertEqual(worker["memory_limit"], 10 ** 9)
        with Cluster(worker_python=python, n_workers=0, interface="lo") as cluster:
            self.assertIn("tcp://127.0.0.1:", cluster.scheduler_address)
        self.nothing_runs()

    def test_one_that_cannot_hold_is_named(self):
        import inspect

        import distributed
        from pkgsync._cluster import InterpreterCluster

        taken = {"loop", "silence_logs", "name", "asynchronous", "security",
                 "scheduler_sync_interval"}
        for name in inspect.signature(distributed.LocalCluster.__init__).parameters:
            if name in ("self", "worker_kwargs") or name in taken:
                continue
            self.assertIn(name, inspect.signature(InterpreterCluster).parameters)
        for name, value in (
                ("processes", False), ("services", {"a": object}),
                ("security", distributed.Security()), ("protocol", "inproc://"),
                ("worker_services", {"a": object}), ("preload", object()),
                ("no_such_parameter", 1)):
            with self.assertRaisesRegex(ValueError, "^%s" % name):
                Cluster(worker_python="/not/there", **{name: value})
        self.nothing_runs()

    def test_what_cannot_be_made_ready_is_not_started(self):
        python = self.environment("bare", bare=True)
        with mock.patch.dict(os.environ, {"PATH": "/usr/bin:/bin"}):
            with self.assertRaisesRegex(PackageSyncError, "no pip, and there is no uv"):
                Cluster(package_sync=self.plugin(), worker_python=python)
        with self.assertRaisesRegex(PackageSyncError, "cannot run /not/there"):
            Cluster(package_sync=self.plugin(), worker_python="/not/there")
        self.nothing_runs()

    def test_a_build_that_fails_starts_nothing(self):
        EDITED.write_text("BROKEN = 1\n")
        with self.assertRaises(PackageSyncError) as caught:
            Cluster(package_sync=self.options(), n_workers=1)
        self.assertEqual(caught.exception.package, "edited")
        self.assertIn("marked as BROKEN", caught.exception.log)
        self.nothing_runs()


if __name__ == "__main__":
    unittest.main()
