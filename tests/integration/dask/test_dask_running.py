"""PackageSync on a cluster that runs: scheduler and workers are processes of
other interpreters, which have distributed and nothing of the client."""

import os
import pathlib
import sys
import unittest

from pkgsync.dask import PackageSyncError

sys.path.insert(1, os.path.dirname(__file__))
from cluster_support import BESIDE, EDITED, ClusterCase  # noqa: E402


def edited_value():
    import edited

    return edited.value


class Running(ClusterCase):
    def setUp(self):
        super().setUp()
        self.python = self.environment("workers")
        self.address = self.scheduler(self.python)

    def cluster(self, *arguments, count=2, **kwargs):
        processes = [self.worker(self.python, self.address, *arguments, **kwargs)
                     for _ in range(count)]
        client = self.client(self.address)
        client.wait_for_workers(count, timeout=60)
        return client, processes

    def test_an_environment_arrives_edits_follow_and_nothing_restarts_in_vain(self):
        client, _ = self.cluster()
        first = self.pids(client)
        plugin = self.plugin()
        self.assertTrue(self.lines, "no progress was shown")
        client.register_plugin(plugin)
        self.assertEqual(self.compute(client), 111)
        # Three processes, one environment.
        self.assertEqual(len(self.installs(client, plugin)), 1)
        # Nothing that they had imported was replaced.
        self.assertEqual(self.pids(client), first)

        EDITED.write_text("value = 2\n")
        self.assertEqual(self.compute(client), 111)
        plugin.resync(client)
        self.assertEqual(self.compute(client), 112)
        self.assertEqual(len(self.installs(client, plugin)), 1)
        second = self.pids(client)
        self.assertFalse(set(first) & set(second), "both had imported it")

        BESIDE.write_text("value = 200\n")
        self.plugin().resync(client)
        self.assertEqual(self.compute(client), 212)
        third = self.pids(client)
        # The same once more: nothing is installed, nobody restarts.
        again = self.plugin()
        client.register_plugin(again)
        client.register_plugin(again)
        self.assertEqual(self.pids(client), third)
        self.assertEqual(self.compute(client), 212)

    def test_only_the_worker_that_imported_it_is_started_anew(self):
        client, _ = self.cluster()
        plugin = self.plugin()
        client.register_plugin(plugin)
        one, other = self.addresses(client)
        self.assertEqual(self.compute(client, one), 111)
        before = client.run(os.getpid)
        EDITED.write_text("value = 5\n")
        plugin.resync(client)
        after = client.run(os.getpid)
        self.assertEqual(after.get(other), before[other])
        self.assertNotIn(before[one], after.values())
        # The other has imported nothing of it to this day.
        self.assertEqual(client.submit(
            edited_value, pure=False, workers=[other]).result(60), 5)
        BESIDE.write_text("value = 200\n")
        plugin.resync(client)
        self.assertEqual(client.run(os.getpid)[other], before[other])
        self.assertEqual(self.compute(client), 215)

    def test_a_worker_that_comes_later_is_ready_before_it_takes_a_task(self):
        client, _ = self.cluster(count=1)
        plugin = self.plugin()
        client.register_plugin(plugin)
        other = self.environment("later")
        self.worker(other, self.address, "--name", "later")
        client.wait_for_workers(2, timeout=60)
        self.assertEqual(self.compute(client), 111)
        (report,) = [r for r in plugin.reports(client)
                     if "later" in r["prefix"] and r["role"] == "nanny"]
        self.assertTrue(report["changed"])
        self.assertFalse(report["restarted"])

    def test_a_later_worker_that_cannot_be_made_ready_takes_no_task(self):
        client, _ = self.cluster(count=1)
        plugin = self.plugin()
        client.register_plugin(plugin)
        ready = self.addresses(client)
        broken = self.environment("broken")
        for more in ([], ["--no-nanny"]):
            process = self.worker(broken, self.address, *more,
                                  env=dict(self.worker_env(), PATH="/nowhere"))
            self.wait_for("its end", lambda p=process: p.poll() is not None,
                          log=process.log)
            self.assertIn("no pip, and there is no uv", process.log.read_text())
        self.wait_for("its departure", lambda: self.addresses(client) == ready)
        self.assertTrue([r for r in plugin.reports(client)
                         if "no uv" in str(r.get("error"))])
        self.assertEqual(self.compute(client), 111)

    def test_an_installation_that_fails_is_told_and_leaves_the_workers_alone(self):
        client, _ = self.cluster(env=dict(self.worker_env(), PATH="/nowhere"))
        before = self.pids(client)
        # The scheduler shares their environment, and has uv.
        plugin = self.plugin(extra=["no-such-distribution-at-all==1.0"])
        with self.assertRaises(PackageSyncError) as caught:
            client.register_plugin(plugin)
        self.assertIn("no-such-distribution-at-all", str(caught.exception))
        self.assertIn("the environment is as it was", str(caught.exception))
        self.assertTrue(caught.exception.log)
        self.assertTrue(caught.exception.host)
        self.assertEqual(self.pids(client), before)
        self.assertFalse(list(
            pathlib.Path(self.python).parents[1].rglob("edited.py")))

    def test_a_failure_of_a_worker_reaches_the_client(self):
        client, _ = self.cluster(count=1)
        other = self.environment("other")
        self.worker(other, self.address, env=dict(self.worker_env(), PATH="/nowhere"))
        client.wait_for_workers(2, timeout=60)
        with self.assertRaisesRegex(PackageSyncError, "no pip, and there is no uv"):
            client.register_plugin(self.plugin())

    def test_without_a_nanny_what_is_missing_comes_and_what_is_loaded_stays(self):
        client, _ = self.cluster("--no-nanny", count=1)
        plugin = self.plugin()
        client.register_plugin(plugin)
        self.assertEqual(self.compute(client), 111)
        self.worker(self.environment("later"), self.address, "--no-nanny")
        client.wait_for_workers(2, timeout=60)
        self.assertEqual(self.compute(client), 111)

        EDITED.write_text("value = 2\n")
        with self.assertRaises(PackageSyncError) as caught:
            plugin.resync(client)
        self.assertIn("without a nanny", str(caught.exception))
        self.assertEqual(caught.exception.package, "edited")

    def test_a_build_that_fails_carries_its_log_and_nothing_is_sent(self):
        EDITED.write_text("BROKEN = 1\n")
        with self.assertRaises(PackageSyncError) as caught:
            self.plugin()
        error = caught.exception
        self.assertEqual(error.package, "edited")
        self.assertIn("this module is marked as BROKEN", error.log)
        self.assertTrue(error.phase and error.cause)

    def test_another_distributed_is_not_put_under_a_cluster_that_runs(self):
        client, _ = self.cluster(count=1)
        plugin = self.plugin()
        for package in plugin._payload["document"]["packages"]:
            if package["name"] == "distributed":
                package.update(version="2099.1", requirement="distributed==2099.1")
        with self.assertRaisesRegex(PackageSyncError, "start the.*cluster with that"):
            client.register_plugin(plugin)


if __name__ == "__main__":
    unittest.main()
