"""`pkgsync sync` into S3: a strict server on loopback, which checks signatures
with another implementation than ours."""

import json
import pathlib
import sys
import time

import sync_support
from sync_support import SyncTest
from wheel_support import AUTH, INVALID

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "s3"))
import s3_support  # noqa: E402

STORE = "s3://wheels/team/a"


class S3(SyncTest):
    @classmethod
    def setUpClass(cls):
        cls.stub = s3_support.Stub()
        cls.addClassCleanup(cls.stub.close)

    def setUp(self):
        super().setUp()
        self.stub.reset()
        self.ours = {self.stub.process.pid}
        self.env.update({
            "AWS_ACCESS_KEY_ID": s3_support.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": s3_support.SECRET_KEY,
            "AWS_REGION": "us-east-1",
        })
        self.flags = ["--store", STORE, "--endpoint-url", self.stub.url]
        self.editable("my-editable")
        (self.work / "helper.py").write_text("answer = 42\n")

    def keys(self):
        prefix = "/wheels/team/a/"
        return sorted(k[len(prefix):] for k in self.stub.objects())

    def test_the_spec_is_beside_its_wheels(self):
        doc = self.synced(*self.flags)
        spec = doc["spec"]
        self.assertEqual(spec["url"], "%s/environments/%s.json"
                         % (STORE, spec["digest"]))
        self.assertIn("environments/%s.json" % spec["digest"], self.keys())
        for wheel in doc["wheels"]:
            self.assertTrue(wheel["uploaded"])
            self.assertIn(wheel["url"][len(STORE) + 1:], self.keys())
        for package in self.in_spec(doc).values():
            if package["wheel"]:
                self.assertTrue(package["wheel"]["url"].startswith(STORE))
        before = self.keys()
        again = self.synced(*self.flags)
        self.assertEqual(set(self.statuses(again).values()), {"hit"})
        self.assertEqual(self.keys(), before)

    def test_what_one_machine_made_another_need_not_make(self):
        self.synced(*self.flags)
        self.env["XDG_DATA_HOME"] = str(self.tmp / "data2")
        self.data = self.tmp / "data2/pkgsync"
        self.store = self.data / "store"
        doc = self.synced(*self.flags)
        # The queue knows the hash of the wheel, and so where it is.
        self.assertEqual(set(self.statuses(doc).values()), {"hit"})

    def test_presigned_urls_need_no_credentials(self):
        out = self.tmp / "out"
        doc = self.synced(*self.flags, "--presign", "3600", "--output-dir",
                          out)
        self.assertIn("X-Amz-Signature=", doc["requirements"])
        path = out / "requirements.txt"
        self.assertEqual(path.read_text(), doc["requirements"])
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        until = time.strptime(doc["presigned"]["until"],
                              "%Y-%m-%dT%H:%M:%SZ")
        left_s = time.mktime(until) - time.mktime(time.gmtime())
        self.assertTrue(3000 < left_s <= 3600, left_s)
        # Neither the spec nor what is kept holds one.
        self.assertNotIn("X-Amz-", json.dumps(doc["spec_document"]))
        for kept in self.state.glob("environments/*/*"):
            self.assertNotIn("X-Amz-", kept.read_text())
        there = self.make_venv(self.tmp / "worker")
        for name in list(self.env):
            if name.startswith("AWS_"):
                del self.env[name]
        self.pip("install", "--quiet", "--no-index", "--find-links",
                 self.wheels_dir, "-r", path, venv=there)
        self.assertEqual(self.python(
            "import helper, my_editable; print(helper.answer)", venv=there),
            "42")

    def test_without_presigning_there_is_none(self):
        doc = self.synced(*self.flags)
        self.assertIsNone(doc["presigned"])
        self.assertNotIn("X-Amz-", doc["requirements"])

    def test_presigning_needs_credentials_before_any_build(self):
        self.env["AWS_ACCESS_KEY_ID"] = ""
        result = self.sync(*self.flags, "--presign", "60", status=AUTH)
        self.assertEqual(self.jobs(), [])
        self.assertNotIn("Traceback", result.err)

    def test_what_is_not_uploaded_has_no_url_to_sign(self):
        result = self.sync("--no-upload", "--presign", "60", status=INVALID)
        self.assertIn("not uploaded", result.err)

    def test_a_store_that_refuses_leaves_no_spec(self):
        self.env["AWS_SECRET_ACCESS_KEY"] = "wrong"
        result = self.sync(*self.flags, status=AUTH)
        self.assertEqual(self.specs(), [])
        self.assertEqual(self.keys(), [])
        self.assertIn("SignatureDoesNotMatch", result.err)


if __name__ == "__main__":
    sync_support.main()
