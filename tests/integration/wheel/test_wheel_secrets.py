#!/usr/bin/env python3
"""A build that looks for what is not its business, and finds nothing."""

import json
import os
import pathlib
import socket
import unittest
import zipfile

import wheel_support as ws

SECRET = "pkgsync-s3cret-cafe"

# Runs when setup.py does; what it finds goes into the log and the wheel.
SPY = '''
import glob, json, os, socket, stat
SECRET = %(secret)r
HOME = %(home)r
found = {"environment": dict(os.environ), "files": [], "processes": [],
         "network": [], "secrets": [], "cwd": os.getcwd(), "ids": os.getuid()}

def look(path):
    try:
        with open(path, "rb") as f:
            data = f.read(1 << 20)
    except OSError:
        return
    found["files"].append(path)
    if SECRET.encode() in data:
        found["secrets"].append(path)

for root in (HOME, "/root", "/home", "/etc", "/run", "/var", "/srv", "/opt",
             "/tmp"):
    for folder, _, names in os.walk(root):
        if not folder.startswith("/src"):
            for name in names:
                look(os.path.join(folder, name))
for path in glob.glob("/proc/[0-9]*"):
    found["processes"].append(path[6:])
    for name in ("environ", "cmdline", "maps", "mountinfo", "status"):
        look(path + "/" + name)
for path in glob.glob("/proc/*/fd/*"):
    try:
        target = os.readlink(path)
    except OSError:
        continue
    if not target.startswith(("pipe:", "/dev/null", "/proc", "/src", "/tmp")):
        found["files"].append(target)

def connect(family, address):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.settimeout(2)
    try:
        s.connect(address)
        found["network"].append(repr(address))
    except OSError:
        pass

for port in %(ports)r:
    connect(socket.AF_INET, ("127.0.0.1", port))
connect(socket.AF_INET, ("192.0.2.1", 80))
for address in ([os.environ.get("SSH_AUTH_SOCK", "/none"), %(agent)r,
                 "/run/docker.sock", "/var/run/docker.sock",
                 "\\0" + %(abstract)r]):
    try:
        connect(socket.AF_UNIX, address)
    except (OSError, ValueError):
        pass
with open("found.json", "w") as out:
    json.dump(found, out)
print("the spy saw", json.dumps(found))
'''


class Secrets(ws.WheelTest):
    def spy_on(self, *flags, env=None):
        home = self.tmp / "home"
        for name in (".aws/credentials", ".netrc", ".ssh/id_ed25519",
                     ".config/pip/pip.conf", ".git-credentials", ".pypirc"):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_text(
                "" if "pip.conf" in name else SECRET + "\n")
        agent = self.tmp / "agent"
        sockets = []
        for address in (str(agent), "\0" + SECRET):
            s = socket.socket(socket.AF_UNIX)
            s.bind(address)
            s.listen()
            sockets.append(s)
            self.addCleanup(s.close)
        server = self.serve(home)
        spy = SPY % {"secret": SECRET, "home": str(home),
                     "ports": [int(server.rpartition(":")[2])],
                     "agent": str(agent), "abstract": SECRET}
        path = self.project(more=spy + """
def build_wheel(directory, config_settings=None, metadata_directory=None):
    return write_wheel(directory, {"found.json": open("found.json").read()})
""")
        secrets = {
            "AWS_ACCESS_KEY_ID": "AKID" + SECRET,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_SESSION_TOKEN": SECRET,
            "PIP_INDEX_URL": "http://u:%s@127.0.0.1:9/simple" % SECRET,
            "PIP_EXTRA_INDEX_URL": "http://u:%s@127.0.0.1:9/s" % SECRET,
            "SSH_AUTH_SOCK": str(agent),
            "GITHUB_TOKEN": SECRET,
            "PGPASSWORD": SECRET,
            "LD_PRELOAD_NOT": SECRET,
        }
        one = self.build(*flags, path, env={**secrets, **(env or {})})
        with zipfile.ZipFile(one["path"]) as wheel:
            self.found = json.loads(wheel.read("found.json"))
        return one

    def test_a_build_finds_no_secret(self):
        one = self.spy_on()
        found = self.found
        self.assertEqual(found["secrets"], [])
        self.assertEqual(found["network"], [])
        self.assertNotIn(SECRET, json.dumps(found["environment"]))
        for name in found["environment"]:
            self.assertFalse(name.startswith(("AWS_", "SSH_", "GITHUB_",
                                              "PG", "XDG_", "PKGSYNC")), name)
            self.assertFalse(name.startswith("PIP_") and "INDEX" in name, name)
        # Its own processes only: the first of them is the sandbox's.
        self.assertLessEqual({int(p) for p in found["processes"]},
                             set(range(1, 40)))
        self.assertNotEqual(found["ids"], 0)
        for name in found["files"]:
            self.assertFalse(name.startswith(str(self.tmp)), name)
        # And nothing of it is in what was kept.
        kept = [*self.store.rglob("*"), *(self.state / "logs").iterdir(),
                self.state / "queue.db"]
        for path in filter(pathlib.Path.is_file, kept):
            if path.suffix != ".whl":
                text = path.read_bytes().replace(
                    b"SECRET = '%s'" % SECRET.encode(), b"")
                self.assertNotIn(SECRET.encode(), text, path)
        self.assertEqual(self.pkgsync("jobs", "--all", "--json")
                         .out.count(SECRET), 0)
        self.assertTrue(one["path"])

    def test_a_variable_that_is_let_through_is_there(self):
        self.spy_on("--env", "GITHUB_TOKEN")
        self.assertEqual(self.found["environment"]["GITHUB_TOKEN"], SECRET)

    def test_the_effective_settings_hide_passwords(self):
        result = self.pkgsync(
            "config", "--json",
            env={"PKGSYNC_INDEX_URL": "https://u:%s@host/simple" % SECRET,
                 "PKGSYNC_EXTRA_INDEX_URL":
                     "https://u:%s@host/a https://u:%s@host/b" % (
                         SECRET, SECRET)})
        self.assertEqual(result.status, 0, str(result))
        self.assertNotIn(SECRET, result.out + result.err)

    def test_an_index_password_is_in_no_message_or_log(self):
        port = ws.free_port()
        path = self.setuptools_project()
        result = self.pkgsync(
            "wheel", "--python", ws.PYTHON, "--index-url",
            "http://user:%s@127.0.0.1:%d/simple" % (SECRET, port), path)
        self.assertEqual(result.status, ws.UNREACHABLE, str(result))
        self.assertNotIn(SECRET, result.out + result.err)
        for log in (self.state / "logs").iterdir():
            self.assertNotIn(SECRET, log.read_text())
        self.assertNotIn(SECRET.encode(),
                         (self.state / "queue.db").read_bytes())


if __name__ == "__main__":
    ws.main()
