#!/usr/bin/env python3
"""Wheels in S3: a strict server on loopback, which checks signatures with
another implementation than ours, and every way in which it can say no."""

import datetime
import hashlib
import json
import pathlib
import re
import sys
import time
import unittest

import wheel_support as ws

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "s3"))
import s3_support  # noqa: E402

STORE = "s3://wheels/team/a"


class S3(ws.WheelTest):
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

    def presigned(self, key):
        """The URL of an object, signed by botocore."""
        import botocore.session
        from botocore.config import Config

        client = botocore.session.Session().create_client(
            "s3", region_name="us-east-1", endpoint_url=self.stub.url,
            aws_access_key_id=s3_support.ACCESS_KEY,
            aws_secret_access_key=s3_support.SECRET_KEY,
            config=Config(signature_version="s3v4",
                          s3={"addressing_style": "path"}))
        return client.generate_presigned_url(
            "get_object", {"Bucket": "wheels", "Key": key}, ExpiresIn=60)

    def uploads_later(self, path, *flags):
        """Now with the right settings: uploaded, and not built again."""
        logs = list((self.state / "logs").iterdir())
        text = "".join(p.read_text() for p in logs)
        result = self.wheel(*(flags or self.flags), path)
        self.assertEqual(result.status, 0, str(result))
        now = "".join(p.read_text()
                      for p in (self.state / "logs").iterdir())
        self.assertEqual(now.count("== build\n"), text.count("== build\n"))
        self.assertTrue(result.one["uploaded"])
        names = sorted(self.stub.objects())
        self.assertEqual(len(names), 2, names)
        self.assertIn("builds/", names[0])
        self.assertIn(result.one["sha256"], names[1])

    def refused(self, status, *args, says=(), **kwargs):
        """The upload fails; the wheel stays here, nothing is there."""
        path = self.tmp / "src/demo"
        if not path.exists():
            self.project()
        error = self.fails(status, *(args or self.flags), path, says=says,
                           **kwargs)
        self.assertIn("demo-1.0-py3-none-any.whl", self.stored())
        self.assertIn(STORE, error["message"])
        self.assertNotIn(s3_support.SECRET_KEY, json.dumps(error))
        return path, error

    def test_a_wheel_is_uploaded_and_comes_back_the_same(self):
        one = self.build(*self.flags, self.project())
        self.assertTrue(one["uploaded"])
        key = "team/a/wheels/%s/%s/%s" % (one["sha256"][:2], one["sha256"],
                                          one["filename"])
        self.assertTrue(one["url"].endswith(key), one["url"])
        with s3_support.opener.open(self.presigned(key), timeout=20) as answer:
            got = answer.read()
        self.assertEqual(hashlib.sha256(got).hexdigest(), one["sha256"])
        self.assertEqual(len(got), one["size"])
        names = sorted(self.stub.objects())
        self.assertEqual(len(names), 2, names)
        self.assertIn("builds/", names[0])

    def test_a_second_run_uploads_nothing(self):
        path = self.project()
        self.build(*self.flags, path)
        before = [r for r in self.stub.log() if r["method"] == "PUT"]
        self.build(*self.flags, path, status="hit")
        after = [r for r in self.stub.log() if r["method"] == "PUT"]
        self.assertEqual(len(before), len(after))

    def test_another_machine_takes_the_wheel_from_the_store(self):
        path = self.project()
        first = self.build(*self.flags, path)
        for name in ("DATA", "STATE"):
            self.env["XDG_%s_HOME" % name] = str(self.tmp / "other" / name)
        second = self.build(*self.flags, path, status="hit")
        self.assertEqual(first["sha256"], second["sha256"])

    def test_credentials_come_from_the_shared_file(self):
        for name in list(self.env):
            if name.startswith("AWS_") and "METADATA" not in name:
                del self.env[name]
        folder = self.tmp / "home/.aws"
        folder.mkdir()
        (folder / "credentials").write_text(
            "[ci]\naws_access_key_id = %s\naws_secret_access_key = %s\n" %
            (s3_support.ACCESS_KEY, s3_support.SECRET_KEY))
        (folder / "config").write_text("[profile ci]\nregion = us-east-1\n")
        self.build(*self.flags, "--profile", "ci", self.project())

    def test_a_lost_answer_is_not_an_error(self):
        self.stub.faults({"do": "reset-answer", "method": "PUT"})
        self.build(*self.flags, self.project())

    def test_a_busy_server_is_asked_again(self):
        self.stub.faults({"do": "status", "status": 503, "code": "SlowDown",
                          "count": 2, "method": "PUT"})
        self.build(*self.flags, self.project())

    def test_no_credentials(self):
        env = dict(self.env)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            del self.env[name]
        path = self.project()
        result = self.wheel(*self.flags, path)
        self.assertEqual(result.status, ws.AUTH, str(result))
        self.assertEqual(len(result.messages), 1, str(result))
        self.assertIn("AWS_ACCESS_KEY_ID", result.err)
        self.env = env
        self.uploads_later(path)

    def test_a_wrong_key(self):
        path, error = self.refused(
            ws.AUTH, env={"AWS_SECRET_ACCESS_KEY": "wrong"},
            says="SignatureDoesNotMatch")
        self.assertEqual(self.stub.objects(), {})
        self.uploads_later(path)

    def test_an_unknown_key(self):
        path, error = self.refused(
            ws.AUTH, env={"AWS_ACCESS_KEY_ID": "AKIDNOBODY"},
            says="InvalidAccessKeyId")
        self.uploads_later(path)

    def test_no_permission(self):
        self.stub.faults({"do": "status", "status": 403,
                          "code": "AccessDenied", "count": 99})
        path, error = self.refused(ws.DENIED, says="AccessDenied")
        self.stub.reset()
        self.uploads_later(path)

    def test_an_expired_grant_is_renewed(self):
        self.stub.faults({"do": "expired", "method": "PUT"})
        self.build(*self.flags, self.project())

    def test_grants_that_expire_at_once(self):
        self.stub.faults({"do": "expired", "method": "PUT", "count": 99})
        path, error = self.refused(ws.TRY_LATER, says="expired")
        self.assertEqual(error["code"], "EXPIRED")
        self.stub.reset()
        self.uploads_later(path)

    def test_clocks_that_differ(self):
        """Corrected with the server's date, and told where it has none."""
        self.stub.config(clock_offset_s=7200)
        self.build(*self.flags, self.project("first"))
        for offset, code in ((-7200, "CLOCK"), (7200, "EXPIRED")):
            self.stub.reset()
            self.stub.config(clock_offset_s=offset, date_header=False)
            path, error = self.refused(ws.TRY_LATER)
            self.assertEqual(error["code"], code)
            self.two_hours_apart(error["message"])
        self.stub.reset()
        self.uploads_later(path)

    def two_hours_apart(self, message):
        times = re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", message)
        self.assertEqual(len(times), 2, message)
        one, two = (datetime.datetime.strptime(t, "%Y-%m-%dT%H:%M:%SZ")
                    for t in times)
        self.assertAlmostEqual(abs((one - two).total_seconds()), 7200,
                               delta=30, msg=message)

    def test_a_server_that_is_gone(self):
        gone = "http://127.0.0.1:%d" % ws.free_port()
        self.build("--no-upload", self.project())
        began = time.monotonic()
        path, error = self.refused(
            ws.UNREACHABLE, "--store", STORE, "--endpoint-url", gone,
            says=gone, timeout=100)
        self.assertLess(time.monotonic() - began, 90)
        self.uploads_later(path)

    def test_a_body_that_arrives_changed(self):
        self.stub.faults({"do": "corrupt", "method": "PUT", "count": 99})
        path = self.project()
        result = self.wheel(*self.flags, path)
        self.assertEqual(result.status, ws.INTEGRITY, str(result))

    def test_a_bucket_that_does_not_exist(self):
        self.stub.faults({"do": "status", "status": 404,
                          "code": "NoSuchBucket", "count": 99})
        path, error = self.refused(ws.NOTFOUND, says="NoSuchBucket")
        self.stub.reset()
        self.uploads_later(path)

    def test_killed_during_the_upload_the_next_run_only_uploads(self):
        self.stub.faults({"do": "stall", "seconds": 3, "method": "PUT"})
        path = self.project()
        run = self.start(*self.flags, path)
        self.wait_for("the upload", lambda: self.stored() and any(
            r["method"] == "PUT" for r in self.stub.log()) or (
                self.stored() and time.sleep(1) is None))
        run.kill()
        run.wait()
        self.uploads_later(path)

    def test_a_store_url_that_is_wrong(self):
        for store in ("s3://", "ftp://host/x", "s3:///x"):
            result = self.wheel("--store", store, self.project(
                "p%d" % len(store)))
            self.assertNotEqual(result.status, 0, str(result))
            self.assertEqual(len(result.err.splitlines()), 1, str(result))
            self.assertIn(store, result.err)


if __name__ == "__main__":
    ws.main()
