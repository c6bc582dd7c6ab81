"""What the client does before there is a cluster: its options, and what it
says of a build that fails, in every form in which a cluster is started."""

import asyncio
import contextlib
import io
import logging
import os
import pathlib
import sys
import unittest

from pkgsync.dask import Cluster, PackageSync, PackageSyncError

sys.path.insert(1, os.path.dirname(__file__))
from cluster_support import EDITED, ClusterCase  # noqa: E402

NOISY = ('print("\\n".join("compiling %d" % i for i in range(40)), flush=True);'
         ' raise SystemExit(')


def start_in_each_form(**options):
    """The errors, by form."""

    async def async_with():
        async with Cluster(asynchronous=True, **options):
            pass

    async def awaited():
        await Cluster(asynchronous=True, **options)

    def plainly():
        with Cluster(**options):
            pass

    errors = {}
    for name, start in (("async with", lambda: asyncio.run(async_with())),
                        ("await", lambda: asyncio.run(awaited())),
                        ("with", plainly)):
        try:
            start()
        except Exception as error:
            errors[name] = error
    return errors


class Program(ClusterCase):
    def fail_noisily(self):
        """From now on a build of `edited` prints a lot, and fails."""
        backend = EDITED.parents[1] / "backend.py"
        text = backend.read_text()
        self.addCleanup(backend.write_text, text)
        backend.write_text(text.replace("raise SystemExit(", NOISY))
        EDITED.write_text("BROKEN = 1\n")

    def test_a_failure_before_the_start_comes_through_in_every_form(self):
        EDITED.write_text("BROKEN = 1\n")
        bare = self.environment("bare", bare=True)
        said = io.StringIO()
        handler = logging.StreamHandler(said)
        logging.getLogger().addHandler(handler)
        self.addCleanup(logging.getLogger().removeHandler, handler)
        for more in ({}, {"worker_python": bare}):
            for package_sync, kind, text in (
                    (self.options(), PackageSyncError, "marked as BROKEN"),
                    ({"program": "/not/there"}, PackageSyncError, "/not/there"),
                    ({"mistyped": 1}, TypeError, "mistyped")):
                with self.subTest(text, **more):
                    with contextlib.redirect_stderr(said):
                        errors = start_in_each_form(package_sync=package_sync, **more)
                    self.assertEqual(list(errors), ["async with", "await", "with"])
                    for error in errors.values():
                        self.assertIs(type(error), kind)
                        self.assertIn(text, str(error))
        self.assertNotIn("Traceback", said.getvalue())

    def test_a_build_that_fails_is_told_once_and_says_where_the_log_is(self):
        self.fail_noisily()
        with self.assertRaises(PackageSyncError) as caught:
            self.plugin()
        error = caught.exception
        text = str(error)
        self.assertTrue(text.startswith("edited: build: "), text)
        self.assertEqual(text.count("marked as BROKEN"), 2, "itself, and the log")
        self.assertIn("compiling 39", error.log)
        self.assertLessEqual(len(text.splitlines()), 15, text)
        path = text.rpartition("all of the log: ")[2].partition(" (pkgsync logs ")[0]
        self.assertIn("compiling 7\n", pathlib.Path(path).read_text())
        self.assertNotIn("BROKEN", "\n".join(self.lines))
        self.assertTrue([line for line in self.lines if "edited: failed" in line])

    def test_what_hosts_install_is_told_while_they_do(self):
        python = self.environment("bare", bare=True)
        with Cluster(package_sync=self.options(), worker_python=python,
                     n_workers=1) as cluster:
            told = "\n".join(self.lines)
            self.assertRegex(told, "bare/bin/python: installing what differs of ")
            self.assertRegex(told, r"installed \d+ packages in \S+ with uv; done in ")
            del self.lines[:]
            EDITED.write_text("value = 2\n")
            with cluster.get_client() as client:
                plugin = self.plugin()
                client.register_plugin(plugin)
                self.wait_for("the report", lambda: [
                    line for line in self.lines
                    if "installed 1 package in" in line and ", after " in line])
                told = [line for line in self.lines if "installed 1 package" in line]
                self.assertEqual(len(told), 1, self.lines)
                self.assertTrue([line for line in self.lines
                                 if line.startswith("to the cluster: ")])

    def test_modules_that_lie_about_can_be_left_out(self):
        def names(plugin):
            return {package["name"] for package in plugin.spec["packages"]}

        self.assertEqual(len(self.plugin().wheels), 3)
        self.assertEqual(len(self.plugin(loose=False).wheels), 2)
        self.assertGreater(names(self.plugin()), names(self.plugin(loose=False)))

    def test_every_option_is_in_the_readme(self):
        import inspect

        text = (pathlib.Path(__file__).resolve().parents[3]
                / "python/README.md").read_text()
        for name in inspect.signature(PackageSync).parameters:
            self.assertIn("`%s`" % name, text)


if __name__ == "__main__":
    unittest.main()
