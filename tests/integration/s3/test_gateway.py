"""A real server that verifies signatures: versitygw, of another maker.

The program is looked for in PKGSYNC_VERSITYGW, on the PATH and in Go's own
folders; without it everything here is skipped, which ctest shows.
"""

import concurrent.futures
import hashlib
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from s3_support import DriverCase, base_env

KEY = "wheels/ab/abcd/demo-1.0+cu118-py3-none-any.whl"
DATA = b"content of a wheel"
ACCESS_KEY = "AKIDGATEWAY"
SECRET_KEY = "gateway/secret+key"


def find_program():
    places = [os.environ.get("GOBIN", ""), os.path.expanduser("~/go/bin"),
              "/usr/local/bin"]
    return (os.environ.get("PKGSYNC_VERSITYGW")
            or shutil.which("versitygw")
            or shutil.which("versitygw", path=":".join(filter(None, places))))


PROGRAM = find_program()


class Gateway:
    """The server over a scratch directory, with one bucket; ends with us."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pkgsync-gateway-"))
        (self.dir / "data" / "bucket").mkdir(parents=True)
        (self.dir / "side").mkdir()
        for _ in range(5):
            if self.start():
                return
        self.close()
        raise RuntimeError("versitygw does not start: "
                           + (self.dir / "log").read_text()[-500:])

    def start(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.url = "http://127.0.0.1:%d" % port
        env = base_env(self.dir)
        env.update(ROOT_ACCESS_KEY_ID=ACCESS_KEY,
                   ROOT_SECRET_ACCESS_KEY=SECRET_KEY)
        with open(self.dir / "log", "w") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--port", "127.0.0.1:%d" % port, "--quiet",
                 "--keep-alive", "posix", "--sidecar", self.dir / "side",
                 self.dir / "data"],
                env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(200):
            if self.process.poll() is not None:
                return False
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return True
            except OSError:
                time.sleep(0.05)
        return False

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.dir)

    def files(self):
        root = self.dir / "data" / "bucket"
        return sorted(str(p.relative_to(root)) for p in root.rglob("*")
                      if p.is_file() and not p.relative_to(root)
                      .parts[0].startswith("."))


class GatewayCase(DriverCase):
    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway()
        cls.addClassCleanup(cls.gateway.close)

    def setUp(self):
        super().setUp()
        self.prefix = "p-" + self.id().rpartition(".")[2]
        self.env.update(STORE="s3://bucket/" + self.prefix, DELAY_MS="5",
                        ENDPOINT=self.gateway.url,
                        AWS_ACCESS_KEY_ID=ACCESS_KEY,
                        AWS_SECRET_ACCESS_KEY=SECRET_KEY)

    def files(self):
        return [f for f in self.gateway.files()
                if f.startswith(self.prefix + "/")]

    def test_an_object_arrives_and_comes_back(self):
        for key in (KEY, "a b/\u00fcn\u00ef~(1)'!", "per%cent%2B"):
            with self.subTest(key):
                data = key.encode()
                self.assertFalse(
                    self.ok("put", key, self.file(data))["existed"])
                out = self.ok("stat", key)
                self.assertEqual(out["size"], len(data))
                self.assertEqual(out["sha256"],
                                 hashlib.sha256(data).hexdigest())
                self.ok("get", key, self.dir / "got")
                self.assertEqual((self.dir / "got").read_bytes(), data)
        self.assertIn("%s/%s" % (self.prefix, KEY), self.files())

    def test_the_same_again_is_success_and_another_content_is_not(self):
        self.ok("put", KEY, self.file(DATA))
        self.assertTrue(self.ok("put", KEY, self.file(DATA))["existed"])
        self.fails("INTEGRITY", "put", KEY, self.file(b"CONTENT of a wheel"))
        self.ok("get", KEY, self.dir / "got")
        self.assertEqual((self.dir / "got").read_bytes(), DATA)

    def test_a_document_is_put_once(self):
        self.assertFalse(self.ok("put-bytes", "d", "one")["existed"])
        self.assertTrue(self.ok("put-bytes", "d", "two")["existed"])

    def test_a_large_file(self):
        path = self.large_file(64 << 20)
        self.ok("put", "large", path)
        self.ok("get", "large", self.dir / "got")
        done = subprocess.run(["cmp", path, self.dir / "got"])
        self.assertEqual(done.returncode, 0)

    def test_many_small_ones(self):
        self.ok("put", "k", self.file(DATA), REPEAT=100)
        self.assertEqual(len(self.files()), 100)

    def test_of_8_writers_at_once_one_wins(self):
        path = self.file(DATA)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            outs = list(pool.map(lambda _: self.driver("put", KEY, path),
                                 range(8)))
        self.assertEqual([o["status"] for o in outs], [0] * 8,
                         [o["text"] for o in outs])
        self.assertEqual([o["existed"] for o in outs].count(False), 1)

    def test_a_file_that_is_not_what_was_announced_never_arrives(self):
        self.fails("INTEGRITY", "put", KEY, self.large_file(3 << 20),
                   hashlib.sha256(b"other").hexdigest())
        self.assertEqual(self.files(), [])

    def test_a_wrong_secret(self):
        text = self.fails("AUTH", "put", KEY, self.file(DATA),
                          AWS_SECRET_ACCESS_KEY="wrong")
        self.assertIn("SignatureDoesNotMatch", text)
        self.assertEqual(self.files(), [])

    def test_another_region(self):
        text = self.fails("CONFIG", "put", KEY, self.file(DATA),
                          AWS_REGION="eu-west-1")
        self.assertIn("us-east-1", text)

    def test_what_is_not_there(self):
        self.assertFalse(self.ok("stat", KEY)["exists"])
        self.fails("NOTFOUND", "get", KEY, self.dir / "got")
        self.fails("NOTFOUND", "put", KEY, self.file(DATA),
                   STORE="s3://no-such-bucket")


if __name__ == "__main__":
    if not PROGRAM:
        print("skipped: versitygw is not installed (go install "
              "github.com/versity/versitygw/cmd/versitygw@latest)")
        sys.exit(77)
    unittest.main()
