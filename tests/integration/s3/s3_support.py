"""What the S3 tests share: the stub as a child process, and the driver."""

import http.server
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
STUB = HERE.parent.parent / "support" / "s3_stub.py"
ACCESS_KEY = "AKIDSTUB"
SECRET_KEY = "stub/secret+key"

# Straight to loopback, whatever proxy the machine has.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Stub:
    """The strict server, as a process of its own; ends with us."""

    def __init__(self, *args, host="127.0.0.1"):
        self.process = subprocess.Popen(
            [sys.executable, "-B", str(STUB), "--until-eof", "--host", host,
             *args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())
        name = "[%s]" % host if ":" in host else host
        self.url = "http://%s:%d" % (name, self.port)

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()

    def control(self, what, value=None):
        data = None if value is None else json.dumps(value).encode()
        with opener.open("%s/_stub/%s" % (self.url, what), data,
                         timeout=10) as answer:
            return json.load(answer)

    def reset(self):
        self.control("reset", {})

    def faults(self, *faults):
        self.control("faults", {"faults": list(faults)})

    def config(self, **settings):
        self.control("config", settings)

    def log(self):
        return self.control("log")

    def objects(self):
        return self.control("objects")


class Metadata:
    """The service that hands out credentials to a container or an instance,
    as strict as the real ones; `log` holds what was asked."""

    def __init__(self, answer, authorization=None, role="demo-role"):
        outer = self
        self.log = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def reply(self, status, text=""):
                outer.log.append((self.command, self.path, status))
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_PUT(self):
                if (self.path != "/latest/api/token" or not self.headers.get(
                        "X-aws-ec2-metadata-token-ttl-seconds")):
                    return self.reply(400)
                return self.reply(200, "TOKEN==")

            def do_GET(self):
                if self.path == "/container":
                    if self.headers.get("Authorization") != authorization:
                        return self.reply(401)
                    return self.reply(200, answer)
                roles = "/latest/meta-data/iam/security-credentials/"
                if self.headers.get("X-aws-ec2-metadata-token") != "TOKEN==":
                    return self.reply(401)
                if self.path == roles and role:
                    return self.reply(200, role + "\n")
                if role and self.path == roles + role:
                    return self.reply(200, answer)
                return self.reply(404)

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def base_env(home):
    """The caller's environment without anything that speaks of AWS."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith("AWS_") and not k.lower().endswith("_proxy")}
    env["HOME"] = str(home)
    # No packet leaves this machine.
    env["AWS_EC2_METADATA_DISABLED"] = "true"
    return env


class DriverCase(unittest.TestCase):
    """A scratch directory and the driver program."""

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pkgsync-s3-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.env = base_env(self.dir)

    def file(self, data=b"content of a wheel", name="file"):
        path = self.dir / name
        path.write_bytes(data)
        return str(path)

    def large_file(self, size, name="large"):
        """Not sparse: the same block over and over."""
        path = self.dir / name
        block = os.urandom(1 << 20)
        with open(path, "wb") as f:
            for _ in range(size >> 20):
                f.write(block)
        return str(path)

    def skip_if_sanitized(self):
        """A sanitizer's own memory would be measured."""
        program = pathlib.Path(os.environ["S3_DRIVER"]).read_bytes()
        if b"__asan_init" in program or b"__tsan_init" in program:
            self.skipTest("built with a sanitizer")

    def command(self, *args):
        return [os.environ["S3_DRIVER"], *map(str, args)]

    def driver(self, *args, prefix=(), timeout=60, **env):
        done = subprocess.run(
            [*prefix, *self.command(*args)],
            env={**self.env, **{k: str(v) for k, v in env.items()}},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        self.assertTrue(done.stdout, done.stderr.decode())
        out = json.loads(done.stdout)
        out["status"] = done.returncode
        return out

    def ok(self, *args, **more):
        out = self.driver(*args, **more)
        self.assertEqual(out["status"], 0, out["text"])
        return out

    def fails(self, code, *args, **more):
        out = self.driver(*args, **more)
        self.assertEqual(out["code"], code, out["text"])
        self.assertNotEqual(out["status"], 0)
        return out["text"]
