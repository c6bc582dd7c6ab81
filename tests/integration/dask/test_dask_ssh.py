"""SSHCluster with a real sshd on each of two hosts: network namespaces of
their own where that is possible (root), else two servers on loopback."""

import getpass
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

from pkgsync.dask import Cluster

sys.path.insert(1, os.path.dirname(__file__))
sys.path.insert(2, str(pathlib.Path(__file__).resolve().parents[2] / "support"))
import git_servers  # noqa: E402
from cluster_support import EDITED, ClusterCase, where  # noqa: E402

NETWORK = "10.231.%d." % (os.getpid() % 250)


def ip(*arguments):
    subprocess.run([git_servers.find("ip"), *arguments], check=True,
                   stderr=subprocess.PIPE)


class Hosts:
    """Namespaces, joined by a bridge; the client is on the bridge's host."""

    def __init__(self, count):
        number = os.getpid() % 100000
        self.bridge = "psb%d" % number
        self.names = ["pkgsync-%d-%d" % (number, i) for i in range(count)]
        self.addresses = [NETWORK + str(i + 2) for i in range(count)]
        self.made = []
        try:
            self._make(number)
        except BaseException:
            self.close()
            raise

    def _make(self, number):
        ip("link", "add", self.bridge, "type", "bridge")
        self.made.append(("link", "del", self.bridge))
        ip("addr", "add", NETWORK + "1/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")
        for i, (name, address) in enumerate(zip(self.names, self.addresses)):
            ip("netns", "add", name)
            self.made.append(("netns", "del", name))
            outer = "psv%d%d" % (i, number)
            ip("link", "add", outer, "type", "veth", "peer", "name", "eth0",
               "netns", name)
            ip("link", "set", outer, "master", self.bridge)
            ip("link", "set", outer, "up")
            for command in (["link", "set", "lo", "up"],
                            ["addr", "add", address + "/24", "dev", "eth0"],
                            ["link", "set", "eth0", "up"]):
                ip("-n", name, *command)

    def close(self):
        for command in reversed(self.made):
            ip(*command)
        self.made = []


class SshCluster(ClusterCase):
    def setUp(self):
        super().setUp()
        self.processes = git_servers.Processes()
        self.stack.callback(self.processes.close)
        self.keys = self.tmp / "ssh"
        self.keys.mkdir(mode=0o700)
        for name in ("host", "client"):
            subprocess.run([git_servers.find("ssh-keygen"), "-q", "-t", "ed25519",
                            "-N", "", "-f", self.keys / name], check=True)
        shutil.copy(self.keys / "client.pub", self.keys / "authorized_keys")
        if os.getuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)

    def server(self, address, prefix=()):
        """An sshd; its port.  Its sessions have uv, what the client downloaded
        and no network but ours."""
        port = 2222 if prefix else git_servers.free_port()
        env = dict(self.worker_env(), UV_OFFLINE="1")
        settings = " ".join('"%s=%s"' % item for item in env.items()
                            if item[0] in ("PATH", "UV_CACHE_DIR", "UV_OFFLINE"))
        config = self.keys / ("config-" + address)
        config.write_text(
            "ListenAddress %s:%d\nHostKey %s/host\nPidFile none\n"
            "AuthorizedKeysFile %s/authorized_keys\nSetEnv %s\n"
            "PermitRootLogin yes\nPasswordAuthentication no\nUsePAM no\n"
            "KbdInteractiveAuthentication no\nStrictModes no\n"
            % (address, port, self.keys, self.keys, settings))
        log = open(self.keys / ("log-" + address), "wb")
        self.stack.callback(log.close)
        sshd = self.processes.start(
            [*prefix, git_servers.find("sshd"), "-D", "-e", "-f", config], stderr=log)
        self.wait_for(
            "sshd", lambda: "listening" in pathlib.Path(log.name).read_text(), None,
            pathlib.Path(log.name))
        self.assertIsNone(sshd.poll())
        return port

    def hosts(self):
        """Addresses, ports, and whether each has a network of its own."""
        try:
            made = Hosts(2)
        except (OSError, subprocess.CalledProcessError) as error:
            if os.environ.get("PKGSYNC_MUST_SANDBOX"):
                raise
            print("no network namespaces: %s" % error, file=sys.stderr)
            return ["127.0.0.1"] * 2, [self.server("127.0.0.1")] * 2, False
        self.stack.callback(made.close)
        ports = [self.server(address, (git_servers.find("ip"), "netns", "exec", name))
                 for name, address in zip(made.names, made.addresses)]
        return made.addresses, ports, True

    def test_hosts_without_anything_become_a_cluster_that_follows_edits(self):
        pythons = [self.environment("host-%d" % i, bare=True) for i in range(2)]
        addresses, ports, apart = self.hosts()
        connect = [{"port": port, "username": getpass.getuser(), "known_hosts": None,
                    "client_keys": [str(self.keys / "client")], "config": None,
                    "agent_path": None} for port in ports]
        with Cluster(
                "ssh", package_sync=self.options(),
                hosts=[addresses[0], *addresses],
                connect_options=[connect[0], *connect],
                remote_python=[pythons[0], *pythons],
                scheduler_options={"host": addresses[0], "port": 0,
                                   "dashboard": False},
                worker_options={"nthreads": 1}) as cluster:
            self.assertEqual(
                [r["method"] for r in cluster.package_sync_reports], ["uv", "uv"])
            with cluster.get_client() as client:
                client.wait_for_workers(2, timeout=60)
                self.assertEqual(self.compute(client), 111)
                prefixes = {prefix for prefix, _ in client.run(where).values()}
                self.assertEqual(len(prefixes), 2)
                if apart:
                    found = {a.rpartition(":")[0] for a in self.addresses(client)}
                    self.assertEqual(found, {"tcp://" + a for a in addresses})
                EDITED.write_text("value = 8\n")
                cluster.resync()
                self.assertEqual(self.compute(client), 118)
                # One installation a host.
                self.assertEqual(len(self.installs(client, cluster.package_sync)), 2)


if __name__ == "__main__":
    unittest.main()
