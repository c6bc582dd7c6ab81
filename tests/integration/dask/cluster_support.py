"""What the tests with a real `distributed` share: the client's projects, new
environments for workers, and schedulers and workers started in them."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock as mock

from pkgsync.dask import PackageSync


CASE = json.loads(os.environ["DASK_CASE"])
DIR = pathlib.Path(CASE["dir"])
EDITED = DIR / "edited/src/edited.py"
BESIDE = DIR / "work/beside.py"
# As in a notebook: what lies beside it can be imported.
sys.path.insert(0, str(DIR / "work"))


def task():
    """Needs the editable package, the one from git, the module that lies
    beside, and two of the index."""
    import sys

    import beside
    import cloned
    import edited
    import six
    import toml

    assert six.PY3 and toml.loads("a = 1") == {"a": 1}
    return edited.value + cloned.value + beside.value, sys.prefix


def where():
    import os
    import sys

    return sys.prefix, os.getpid()


# As in a notebook: sent by value, since workers do not have this module.
task.__module__ = where.__module__ = "__main__"


class ClusterCase(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="cluster-", dir=DIR)
        self.addCleanup(temporary.cleanup)
        self.tmp = pathlib.Path(temporary.name)
        EDITED.write_text("value = 1\n")
        BESIDE.write_text("value = 100\n")
        self.lines = []
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

        # The program is given to the client by its path, and to nobody else.
        self.stack.enter_context(
            mock.patch.dict(os.environ, {"PATH": self.worker_env()["PATH"]}))

    # The client's side.

    def options(self, **more):
        """Of PackageSync: the program in a home of its own, warm from test to
        test."""
        home = DIR / "home"
        env = {"XDG_%s_HOME" % name: str(home / name.lower())
               for name in ("CACHE", "CONFIG", "DATA", "STATE")}
        env["AWS_EC2_METADATA_DISABLED"] = "true"
        return {"program": CASE["program"], "env": env,
                "progress": self.lines.append, "use_program": False, **more}

    def plugin(self, **more):
        return PackageSync(**self.options(**more))

    def check(self, spec, python):
        """What the program says of an environment that it did not install."""
        done = subprocess.run(
            [CASE["program"], "check", "--json", spec, "--python", python],
            env=dict(os.environ, **self.options()["env"]), capture_output=True,
            text=True, check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return json.loads(done.stdout)

    # The workers' side.

    def environment(self, name, bare=False):
        """Made by uv, so without pip; its interpreter."""
        path = self.tmp / name
        if bare:
            self.uv("venv", "-q", "-p", CASE["python"], str(path))
        else:
            subprocess.run(["cp", "-a", self.template(), path], check=True)
        return str(path / "bin/python")

    def template(self):
        """With distributed, and compiled: made once, then copied."""
        path = DIR / "template"
        if not path.exists():
            self.uv("venv", "-q", "-p", CASE["python"], str(path))
            python = str(path / "bin/python")
            self.uv("pip", "install", "-q", "-p", python,
                    "distributed==" + CASE["version"], "dask==" + CASE["version"])
            subprocess.run(
                [python, "-c", "import distributed.cli.dask_scheduler,"
                 "distributed.cli.dask_worker, distributed.cli.dask_spec,"
                 "distributed.http.scheduler, distributed.http.worker"],
                check=True)
        return path

    @staticmethod
    def uv(*arguments):
        subprocess.run([CASE["uv"], *arguments], check=True)

    def worker_env(self, **more):
        """Without the program, and with no trace of the client; uv is in PATH."""
        tools = self.tmp / "tools"
        if not tools.exists():
            tools.mkdir()
            (tools / "uv").symlink_to(shutil.which(CASE["uv"]))
        env = {k: v for k, v in os.environ.items()
               if k.startswith(("UV_", "PIP_", "LANG", "SSL_"))}
        env.update(PATH="%s:/usr/bin:/bin" % tools, HOME=str(self.tmp), **more)
        return env

    def start(self, python, *arguments, env=None):
        """A process of the cluster; ended with the test."""
        log = open(self.tmp / ("log-%d" % len(list(self.tmp.glob("log-*")))), "wb")
        process = subprocess.Popen(
            [python, "-m", *arguments], env=env or self.worker_env(), cwd=self.tmp,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        log.close()
        process.log = pathlib.Path(log.name)

        def end():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                pass
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

        self.stack.callback(end)
        return process

    def scheduler(self, python, **kwargs):
        """Its address."""
        place = self.tmp / "scheduler.json"
        process = self.start(
            python, "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
            "--port", "0", "--no-dashboard", "--scheduler-file", str(place), **kwargs)

        def address():
            # It is written in place: first it is empty.
            with contextlib.suppress(OSError, ValueError):
                return json.loads(place.read_text())["address"]

        return self.wait_for("the scheduler", address, process)

    def worker(self, python, address, *arguments, **kwargs):
        return self.start(
            python, "distributed.cli.dask_worker", address, "--nthreads", "1",
            "--host", "127.0.0.1", "--no-dashboard", *arguments, **kwargs)

    def client(self, address):
        from distributed import Client

        return self.stack.enter_context(Client(address, timeout=60))

    def wait_for(self, what, test, process=None, log=None, timeout=40):
        limit = time.monotonic() + timeout
        while time.monotonic() < limit:
            found = test()
            if found:
                return found
            if process and process.poll() is not None:
                self.fail("%s ended:\n%s" % (what, process.log.read_text()))
            time.sleep(0.05)
        log = process.log if process else log
        self.fail("waited in vain for %s\n%s" % (
            what, log.read_text() if log else ""))

    def addresses(self, client):
        return sorted(client.scheduler_info(**ALL)["workers"])

    def pids(self, client):
        return sorted(client.run(os.getpid).values())

    def compute(self, client, worker=None):
        """The value, on one worker or on each of them."""
        workers = [worker] if worker else self.addresses(client)
        values = {client.submit(task, pure=False, workers=[w]).result(60)[0]
                  for w in workers}
        self.assertEqual(len(values), 1, values)
        return values.pop()

    def installs(self, client, plugin):
        """Reports of those that changed something, of this plugin's spec."""
        return [r for r in plugin.reports(client)
                if r.get("digest") == plugin.digest and r.get("changed")]


def _all_workers():
    """Newer versions show only some unless asked."""
    import inspect

    from distributed import Client

    known = inspect.signature(Client.scheduler_info).parameters
    return {"n_workers": -1} if "n_workers" in known else {}


ALL = _all_workers()
