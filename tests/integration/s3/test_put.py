"""The S3 store against the strict stub, with every fault that it plays."""

import base64
import concurrent.futures
import hashlib
import json
import re
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.request

from s3_support import ACCESS_KEY, SECRET_KEY, DriverCase, Metadata, Stub

DATA = b"content of a wheel"
SHA256 = hashlib.sha256(DATA).hexdigest()
KEY = "wheels/ab/abcd/demo-1.0+cu118-py3-none-any.whl"


class S3Case(DriverCase):
    @classmethod
    def setUpClass(cls):
        cls.stub = Stub()

    @classmethod
    def tearDownClass(cls):
        cls.stub.close()

    def setUp(self):
        super().setUp()
        self.stub.reset()
        self.env.update(STORE="s3://bucket/pre", ENDPOINT=self.stub.url,
                        DELAY_MS="5", AWS_ACCESS_KEY_ID=ACCESS_KEY,
                        AWS_SECRET_ACCESS_KEY=SECRET_KEY)

    def statuses(self, method="PUT"):
        return [r["status"] for r in self.stub.log() if r["method"] == method]

    def put(self, **more):
        return self.ok("put", KEY, self.file(DATA), **more)

    def put_fails(self, code, **more):
        text = self.fails(code, "put", KEY, self.file(DATA), **more)
        self.assertEqual(self.stub.objects(), {})
        self.assert_no_secret(text)
        return text

    def assert_no_secret(self, text):
        for secret in (SECRET_KEY, "X-Amz-Signature", "Signature="):
            self.assertNotIn(secret, text)


class Puts(S3Case):
    def test_an_object_arrives_and_comes_back(self):
        self.assertFalse(self.put()["existed"])
        self.assertEqual(self.stub.objects()["/bucket/pre/" + KEY]["sha256"],
                         base64.b64encode(hashlib.sha256(DATA).digest())
                         .decode())
        out = self.ok("stat", KEY)
        self.assertEqual((out["exists"], out["size"], out["sha256"]),
                         (True, len(DATA), SHA256))
        target = self.dir / "got"
        target.write_bytes(b"something longer that must not show behind it")
        self.assertEqual(self.ok("get", KEY, target)["size"], len(DATA))
        self.assertEqual(target.read_bytes(), DATA)

    def test_length_type_checksum_and_put_once_are_signed(self):
        self.put()
        self.assertEqual(
            self.stub.log()[0]["signed"],
            "content-length;content-type;host;if-none-match;"
            "x-amz-checksum-sha256")
        self.assertEqual(self.stub.log()[0]["expires"], "900")

    def test_awkward_keys(self):
        for key in ("a+b.whl", "a b/c  d", "\u00fcn\u00ef/\u4e2d", "~t~ilde",
                    "per%cent%2B", "a=b&c?d#e", "q'u\"ote(1)*!;:@,$",
                    "..hidden/...", "%2e%2e"):
            with self.subTest(key):
                self.ok("put", key, self.file(key.encode()))
                self.ok("get", key, self.dir / "got")
                self.assertEqual((self.dir / "got").read_bytes(), key.encode())
                self.assertIn("/bucket/pre/" + key, self.stub.objects())

    def test_an_empty_object(self):
        self.ok("put", KEY, self.file(b""))
        self.assertEqual(self.ok("stat", KEY)["size"], 0)
        self.assertTrue(self.ok("put", KEY, self.file(b""))["existed"])

    def test_one_connection_serves_many_objects(self):
        self.ok("put", "k", self.file(DATA), REPEAT=20)
        self.assertEqual(len(self.stub.objects()), 20)
        self.assertEqual(len({r["port"] for r in self.stub.log()}), 1)

    def test_threads_share_one_store_and_its_connections(self):
        self.stub.faults({"do": "status", "status": 503, "code": "SlowDown",
                          "count": 6}, {"do": "reset", "count": 4})
        self.ok("put", "k", self.file(DATA), REPEAT=200, THREADS=24)
        self.assertEqual(len(self.stub.objects()), 200)
        self.assertEqual(self.statuses().count(200), 200)
        self.assertLessEqual(len({r["port"] for r in self.stub.log()}), 64)

    def test_a_cancel_reaches_every_thread(self):
        self.stub.config(delay_s=30)
        process = subprocess.Popen(
            self.command("put", "k", self.file(DATA)),
            env={**self.env, "REPEAT": "100", "THREADS": "8"},
            stdout=subprocess.PIPE)
        time.sleep(0.5)
        process.terminate()
        out = json.loads(process.communicate(timeout=5)[0])
        self.assertEqual(out["code"], "CANCELED")

    def test_expect_100_continue_only_above_1_mib(self):
        self.ok("put", "small", self.large_file(1 << 20))
        self.ok("put", "large", self.large_file(2 << 20))
        self.assertEqual([r["expect"] for r in self.stub.log()],
                         ["", "100-continue"])

    def test_what_is_not_there(self):
        self.assertFalse(self.ok("stat", KEY)["exists"])
        self.assertIn("NoSuchKey", self.fails("NOTFOUND", "get", KEY,
                                              self.dir / "got"))

    def test_get_stops_at_the_limit(self):
        self.put()
        self.fails("TOOBIG", "get", KEY, self.dir / "got", 5)

    def test_a_document_is_put_once(self):
        self.assertFalse(self.ok("put-bytes", "d", "one")["existed"])
        self.assertTrue(self.ok("put-bytes", "d", "two")["existed"])
        self.ok("get", "d", self.dir / "got")
        self.assertEqual((self.dir / "got").read_text(), "one")

    def test_progress_ends_with_the_size_and_is_not_too_frequent(self):
        path = self.large_file(24 << 20)
        self.stub.config(rate=32 << 20)
        begin = time.monotonic()
        out = self.ok("put", "large", path)
        took = time.monotonic() - begin
        self.assertEqual(out["progress_last"], 24 << 20)
        self.assertLessEqual(out["progress_calls"], took * 10 + 2)
        self.assertGreater(out["progress_calls"], 1)


class MovesTheBytesSafely(S3Case):
    def test_memory_does_not_grow_with_the_file(self):
        self.skip_if_sanitized()
        path = self.large_file(512 << 20)
        out = self.ok("put", "large", path, timeout=150)
        self.assertEqual(self.stub.objects()["/bucket/pre/large"]["size"],
                         512 << 20)
        self.assertLessEqual(out["rss_kib"], 40 << 10)

    def test_a_file_that_is_not_what_was_announced_never_arrives(self):
        other = hashlib.sha256(b"other").hexdigest()
        for data in (DATA, b"x" * (3 << 20), b""):
            with self.subTest(len(data)):
                text = self.fails("INTEGRITY", "put", KEY, self.file(data),
                                  other)
                self.assertIn("does not hash", text)
                self.assertEqual(self.stub.objects(), {})

    def test_the_server_keeping_something_else_is_noticed(self):
        self.stub.faults({"do": "corrupt"})
        text = self.fails("INTEGRITY", "put", KEY, self.file(DATA))
        self.assertIn("another SHA-256", text)

    def test_a_cancel_ends_it_at_once(self):
        self.stub.config(rate=1 << 20)
        out = self.driver("put", KEY, self.large_file(8 << 20),
                          CANCEL_AFTER=1)
        self.assertEqual(out["code"], "CANCELED")
        self.assertEqual(out["status"], 130)
        self.assertLess(out["cancel_ms"], 500)
        self.assertEqual(self.stub.objects(), {})


class MeetsWhatIsThere(S3Case):
    def put_again(self, existed=True, **more):
        self.assertEqual(self.put(**more)["existed"], existed)

    def test_the_same_content_is_success_after_its_checksum(self):
        self.put()
        self.put_again()
        self.assertEqual(self.statuses("GET"), [])

    def test_without_a_checksum_the_object_itself_is_hashed(self):
        self.put()
        self.stub.config(checksums=False)
        self.put_again()
        self.assertEqual(self.statuses("GET"), [200])
        self.assertEqual(self.ok("stat", KEY)["sha256"], "")

    def test_another_content_is_refused(self):
        for checksums in (True, False):
            for other in (b"longer than it", b"CONTENT of a wheel"):
                with self.subTest(checksums=checksums, size=len(other)):
                    self.stub.reset()
                    self.stub.config(checksums=checksums)
                    self.ok("put", KEY, self.file(other))
                    text = self.fails("INTEGRITY", "put", KEY,
                                      self.file(DATA))
                    self.assertIn("never replaced", text)

    def test_a_put_whose_answer_was_lost_is_found_again(self):
        self.stub.faults({"do": "reset-answer", "method": "PUT"})
        self.put_again()
        self.assertEqual(self.statuses(), ["reset-answer", 412])

    def test_what_is_there_and_then_is_not_is_put_again(self):
        self.stub.faults({"do": "status", "status": 412, "method": "PUT",
                          "code": "PreconditionFailed", "count": 2})
        self.ok("put", "k", self.file(DATA))
        self.assertEqual(len(self.stub.objects()), 1)

    def test_what_is_never_to_be_seen_is_not_put_for_ever(self):
        self.stub.faults({"do": "status", "status": 412, "method": "PUT",
                          "code": "PreconditionFailed", "count": 50})
        self.fails("NOTFOUND", "put", "k", self.file(DATA))

    def test_a_server_without_put_once_is_asked_first(self):
        self.stub.config(put_once="501")
        self.put_again(existed=False)
        self.put_again()
        self.assertEqual([r["method"] for r in self.stub.log()],
                         ["PUT", "HEAD", "PUT", "PUT", "HEAD", "HEAD"])
        self.fails("INTEGRITY", "put", KEY, self.file(b"other"))

    def test_the_answer_501_is_remembered(self):
        self.stub.config(put_once="501")
        self.ok("put", "k", self.file(DATA), REPEAT=3)
        self.assertEqual(self.statuses(), [501, 200, 200, 200])

    def test_of_16_writers_at_once_one_wins(self):
        path = self.file(DATA)
        self.stub.config(delay_s=0.1)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            outs = list(pool.map(lambda _: self.driver("put", KEY, path),
                                 range(16)))
        self.assertEqual([o["status"] for o in outs], [0] * 16,
                         [o["text"] for o in outs])
        self.assertEqual([o["existed"] for o in outs].count(False), 1)


class TriesAgain(S3Case):
    def test_what_passes(self):
        for fault in (
                {"do": "status", "status": 503, "code": "SlowDown"},
                {"do": "status", "status": 500, "code": "InternalError"},
                {"do": "status", "status": 502, "code": ""},
                {"do": "status", "status": 429, "code": "TooManyRequests"},
                {"do": "status", "status": 408, "code": "RequestTimeout"},
                {"do": "status", "status": 400, "code": "RequestTimeout"},
                {"do": "status", "status": 409,
                 "code": "ConditionalRequestConflict"},
                {"do": "reset", "after": 0},
                {"do": "reset", "after": 10}):
            with self.subTest(**fault):
                self.stub.reset()
                self.stub.faults({**fault, "count": 2})
                self.put()
                self.assertEqual(len(self.stub.log()), 3)

    def test_a_reset_in_the_middle_of_a_large_file(self):
        self.stub.faults({"do": "reset", "after": 2 << 20, "count": 2})
        self.ok("put", "large", self.large_file(8 << 20))
        self.assertEqual(self.statuses(), ["reset", "reset", 200])

    def test_each_over_a_fresh_connection(self):
        self.stub.faults({"do": "status", "status": 503, "code": "SlowDown",
                          "count": 2})
        self.put()
        self.assertEqual(len({r["port"] for r in self.stub.log()}), 3)

    def test_a_stall(self):
        self.stub.faults({"do": "stall", "seconds": 5})
        begin = time.monotonic()
        self.put(STALL_MS=400)
        self.assertLess(time.monotonic() - begin, 4)
        self.assertEqual(self.statuses(), ["stall", 200])

    def test_only_so_often(self):
        self.stub.faults({"do": "status", "status": 503, "code": "SlowDown",
                          "count": 99})
        text = self.put_fails("UNREACHABLE")
        self.assertIn("503 SlowDown", text)
        self.assertIn("10 tries", text)
        self.assertEqual(len(self.stub.log()), 10)

    def test_a_cancel_between_two_tries(self):
        self.stub.faults({"do": "status", "status": 503, "count": 99})
        process = subprocess.Popen(
            self.command("put", KEY, self.file(DATA)),
            env={**self.env, "DELAY_MS": "20000"}, stdout=subprocess.PIPE)
        while not self.stub.log():
            time.sleep(0.05)
        process.terminate()
        out = json.loads(process.communicate(timeout=3)[0])
        self.assertEqual(out["code"], "CANCELED")

    def test_a_bad_digest_once_and_no_more(self):
        bad = {"do": "status", "status": 400, "code": "BadDigest"}
        self.stub.faults(bad)
        self.put()
        self.stub.reset()
        self.stub.faults({**bad, "count": 2})
        self.assertIn("BadDigest", self.put_fails("INTEGRITY"))
        self.assertEqual(len(self.stub.log()), 2)

    def test_with_a_new_grant_after_an_expiry(self):
        for fault in ({"do": "expired"},
                      {"do": "status", "status": 400, "code": "ExpiredToken"}):
            with self.subTest(**fault):
                self.stub.reset()
                self.stub.faults(fault)
                self.put()
                self.assertEqual(len(self.stub.log()), 2)
                self.stub.reset()
                self.stub.faults({**fault, "count": 9})
                text = self.put_fails("EXPIRED")
                self.assertIn("renew the credentials", text)
                self.assertEqual(len(self.stub.log()), 2)

    def test_never_after_another_refusal(self):
        for status, code, expected in (
                (400, "InvalidRequest", "INVALID"),
                (403, "AccessDenied", "DENIED"),
                (404, "NoSuchBucket", "NOTFOUND"),
                (405, "MethodNotAllowed", "DENIED"),
                (413, "EntityTooLarge", "TOOBIG"),
                (507, "InsufficientStorage", "NOSPACE")):
            with self.subTest(status):
                self.stub.reset()
                self.stub.faults({"do": "status", "status": status,
                                  "code": code, "count": 9})
                self.assertIn(code, self.put_fails(expected))
                self.assertEqual(len(self.stub.log()), 1)


class SaysWhatIsWrong(S3Case):
    def test_a_wrong_secret(self):
        text = self.put_fails("AUTH", AWS_SECRET_ACCESS_KEY="wrong/secret")
        self.assertIn("'%s'" % ACCESS_KEY, text)
        self.assertNotIn("wrong/secret", text)
        self.assertEqual(len(re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", text)), 2)
        self.assertEqual(len(self.stub.log()), 1)

    def test_an_unknown_key(self):
        text = self.put_fails("AUTH", AWS_ACCESS_KEY_ID="AKIDOTHER")
        self.assertIn("InvalidAccessKeyId", text)
        self.assertIn("'AKIDOTHER'", text)

    def test_a_clock_that_is_ahead_with_both_times(self):
        self.stub.config(clock_offset_s=-3600)
        text = self.put_fails("CLOCK")
        times = [time.mktime(time.strptime(t, "%Y-%m-%dT%H:%M:%SZ"))
                 for t in re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", text)]
        self.assertEqual(len(times), 2)
        self.assertAlmostEqual(times[0] - times[1], 3600, delta=5)

    def test_a_clock_that_is_ahead_when_looking(self):
        self.stub.config(clock_offset_s=-3600)
        self.fails("CLOCK", "stat", KEY)

    def test_a_clock_that_is_behind_is_corrected(self):
        self.stub.config(clock_offset_s=3600)
        self.put()
        self.assertEqual(self.statuses(), [403, 200])
        self.assertTrue(self.ok("stat", KEY)["exists"])

    def test_a_clock_that_is_behind_and_a_server_that_does_not_tell(self):
        self.stub.config(clock_offset_s=3600, date_header=False)
        self.assertIn("expired", self.put_fails("EXPIRED"))

    def test_a_closed_port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        text = self.put_fails("UNREACHABLE", TRIES=3,
                              ENDPOINT="http://127.0.0.1:%d" % port)
        self.assertIn("3 tries", text)
        self.assertIn(str(port), text)

    def test_a_name_that_does_not_resolve(self):
        self.put_fails("UNREACHABLE", TRIES=2, ENDPOINT="http://none.invalid")

    def test_a_redirect_is_not_followed(self):
        other = Stub()
        self.addCleanup(other.close)
        self.stub.faults({"do": "redirect", "location": other.url + "/x?q=1",
                          "region": "eu-north-1",
                          "endpoint": "bucket.s3.eu-north-1.example"})
        text = self.put_fails("CONFIG")
        self.assertIn("'eu-north-1'", text)
        self.assertIn("'bucket.s3.eu-north-1.example'", text)
        self.assertEqual(other.log(), [])

    def test_another_region(self):
        text = self.put_fails("CONFIG", AWS_REGION="eu-west-1")
        self.assertIn("'us-east-1'", text)

    def test_no_such_bucket(self):
        self.assertIn("NoSuchBucket",
                      self.put_fails("NOTFOUND", STORE="s3://no-such-bucket"))

    def test_not_allowed(self):
        self.put_fails("DENIED", STORE="s3://forbidden-bucket")

    def test_a_location_that_is_none(self):
        for store in ("s3://", "s3://ab", "s3://bad_bucket-", "http://x/y",
                      "relative", "file://host/x", "s3://bucket/../x",
                      "file:///%zz"):
            with self.subTest(store):
                self.put_fails("INVALID", STORE=store)

    def test_a_key_that_leaves_the_store(self):
        for key in ("../x", "/x", "a/../x", "a//b", "", "a\nb", "x" * 2000):
            with self.subTest(key[:20]):
                self.fails("INVALID", "put", key, self.file(DATA))

    def test_an_endpoint_that_is_none(self):
        for url in ("nonsense://x", "http://u:p@127.0.0.1/", "http://", ""):
            with self.subTest(url):
                self.fails("CONFIG", "stat", KEY, ENDPOINT="",
                           AWS_ENDPOINT_URL=url or "ftp://x")

    def test_plain_http_elsewhere_must_be_asked_for(self):
        url = "http://192.0.2.1"
        text = self.fails("CONFIG", "stat", KEY, ENDPOINT="",
                          AWS_ENDPOINT_URL_S3=url)
        self.assertIn("--endpoint-url", text)


class FindsCredentials(S3Case):
    def setUp(self):
        super().setUp()
        del self.env["AWS_ACCESS_KEY_ID"], self.env["AWS_SECRET_ACCESS_KEY"]

    def write(self, name, text, mode=0o600):
        path = self.dir / ".aws" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    KEYS = ("aws_access_key_id = %s\naws_secret_access_key = %s\n"
            % (ACCESS_KEY, SECRET_KEY))
    WRONG = "aws_access_key_id = AKIDWRONG\naws_secret_access_key = s\n"

    def test_nowhere_and_says_where_it_looked(self):
        text = self.put_fails("AUTH")
        for place in ("AWS_ACCESS_KEY_ID", "'default'",
                      str(self.dir / ".aws/credentials"),
                      str(self.dir / ".aws/config")):
            self.assertIn(place, text)

    def test_in_the_credentials_file(self):
        self.write("credentials", "[other]\n%s\n[default]\n%s"
                   % (self.WRONG, self.KEYS))
        self.put()

    def test_in_a_file_behind_a_link(self):
        real = self.write("real", "[default]\n" + self.KEYS)
        (self.dir / ".aws" / "credentials").symlink_to(real)
        self.put()

    def test_in_the_config_file_under_a_profile(self):
        self.write("config", "[default]\n%s[profile work]\n%s"
                   % (self.WRONG, self.KEYS))
        self.put(AWS_PROFILE="work")
        self.put(PROFILE="work")

    def test_where_the_variables_point(self):
        path = self.write("elsewhere", "[p]\n" + self.KEYS)
        self.put(AWS_SHARED_CREDENTIALS_FILE=path, AWS_PROFILE="p")
        self.put(AWS_SHARED_CREDENTIALS_FILE="~/.aws/elsewhere",
                 AWS_PROFILE="p")

    def test_region_and_endpoint_of_the_profile(self):
        self.write("config", "[default]\nregion = us-east-1\n"
                   "endpoint_url = %s\n%s" % (self.stub.url, self.KEYS))
        self.put(ENDPOINT="")
        self.write("config", "[default]\nregion = eu-west-1\n" + self.KEYS)
        self.fails("CONFIG", "put", "other", self.file(DATA))

    def test_the_environment_before_the_files_but_not_before_a_profile(self):
        self.write("credentials", "[default]\n%s[p]\n%s"
                   % (self.WRONG, self.KEYS))
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        self.put(**keys)
        self.put(PROFILE="p", AWS_ACCESS_KEY_ID="AKIDWRONG",
                 AWS_SECRET_ACCESS_KEY="s")

    def test_half_a_pair(self):
        self.assertIn("AWS_SECRET_ACCESS_KEY is not",
                      self.put_fails("AUTH", AWS_ACCESS_KEY_ID="x"))

    def test_a_profile_of_a_kind_that_needs_the_aws_program(self):
        self.write("config", "[default]\nrole_arn = arn:aws:iam::1:role/x\n")
        self.assertIn("export-credentials", self.put_fails("AUTH"))

    def process(self, answer, status=0):
        script = self.dir / "give creds"
        script.write_text("#!/bin/sh\necho x >>'%s/calls'\ncat <<'E'\n%s\nE\n"
                          "echo some trouble >&2\nexit %d\n"
                          % (self.dir, answer, status))
        script.chmod(0o700)
        self.write("config", "[default]\ncredential_process = \"%s\" --now\n"
                   % script)

    def answer(self, **more):
        return json.dumps({"Version": 1, "AccessKeyId": ACCESS_KEY,
                           "SecretAccessKey": SECRET_KEY, **more})

    def test_from_a_process_once(self):
        self.process(self.answer())
        self.ok("put", "k", self.file(DATA), REPEAT=3)
        self.assertEqual((self.dir / "calls").read_text(), "x\n")

    def ends_in(self, seconds):
        return time.strftime("%Y-%m-%dT%H:%M:%SZ",
                             time.gmtime(time.time() + seconds))

    def test_a_grant_ends_a_minute_before_its_credentials(self):
        self.process(self.answer(Expiration=self.ends_in(360)))
        self.put()
        self.assertIn(int(self.stub.log()[0]["expires"]), range(295, 301))

    def test_credentials_that_have_ended(self):
        self.process(self.answer(Expiration=self.ends_in(30)))
        self.assertIn("renew them", self.put_fails("AUTH"))

    def test_a_process_that_fails_or_talks_nonsense(self):
        self.process("", 3)
        self.assertIn("some trouble", self.put_fails("AUTH"))
        self.process("nonsense " + SECRET_KEY)
        self.assertIn("credential_process", self.put_fails("AUTH"))
        self.process(json.dumps({"Version": 2, "AccessKeyId": "a",
                                 "SecretAccessKey": "b"}))
        self.put_fails("AUTH")

    def test_temporary_ones_with_a_token(self):
        stub = Stub("--token", "to+ken/=")
        self.addCleanup(stub.close)
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "ENDPOINT": stub.url,
                "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
        self.put(AWS_SESSION_TOKEN="to+ken/=", **keys)
        text = self.fails("AUTH", "put", "k", self.file(DATA),
                          AWS_SESSION_TOKEN="old", **keys)
        self.assertNotIn("old", text.replace("told", ""))


class AsksForTheRole(S3Case):
    """Of a container and of an instance."""

    def setUp(self):
        super().setUp()
        del self.env["AWS_ACCESS_KEY_ID"], self.env["AWS_SECRET_ACCESS_KEY"]
        self.tokened = Stub("--token", "to+ken/=")
        self.addCleanup(self.tokened.close)
        self.env.update(ENDPOINT=self.tokened.url)

    def service(self, **more):
        end = time.strftime("%Y-%m-%dT%H:%M:%SZ",
                            time.gmtime(time.time() + 3600))
        service = Metadata(json.dumps({
            "Code": "Success", "AccessKeyId": ACCESS_KEY,
            "SecretAccessKey": SECRET_KEY, "Token": "to+ken/=",
            "Expiration": end}), **more)
        self.addCleanup(service.close)
        return service

    def instance(self, service):
        return {"AWS_EC2_METADATA_DISABLED": "false",
                "AWS_EC2_METADATA_SERVICE_ENDPOINT": service.url}

    def test_an_instance_by_version_2_of_its_service(self):
        service = self.service()
        self.ok("put", "k", self.file(DATA), REPEAT=3,
                **self.instance(service))
        self.assertEqual([r[0] for r in service.log], ["PUT", "GET", "GET"])

    def test_an_instance_without_a_role(self):
        text = self.put_fails("AUTH", **self.instance(self.service(role="")))
        self.assertIn("no role", text)

    def test_not_when_that_is_switched_off(self):
        service = self.service()
        self.put_fails("AUTH", AWS_EC2_METADATA_SERVICE_ENDPOINT=service.url)
        self.assertEqual(service.log, [])

    def test_a_container(self):
        url = self.service().url + "/container"
        self.put(AWS_CONTAINER_CREDENTIALS_FULL_URI=url)

    def test_a_container_with_an_authorization(self):
        url = self.service(authorization="Bearer x").url + "/container"
        self.put(AWS_CONTAINER_CREDENTIALS_FULL_URI=url,
                 AWS_CONTAINER_AUTHORIZATION_TOKEN="Bearer x")
        path = self.file(b"Bearer x\n", "token")
        self.put(AWS_CONTAINER_CREDENTIALS_FULL_URI=url,
                 AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=path)
        text = self.fails("AUTH", "put", KEY, self.file(DATA),
                          AWS_CONTAINER_CREDENTIALS_FULL_URI=url,
                          AWS_CONTAINER_AUTHORIZATION_TOKEN="Bearer wrong")
        self.assertIn("401", text)
        self.assertNotIn("Bearer", text)

    def test_a_container_whose_service_is_far_away(self):
        for url in ("http://192.0.2.1/x", "http://127.0.0.1@192.0.2.1/x",
                    "http://127.0.0.1.example/x", "ftp://127.0.0.1/x"):
            with self.subTest(url):
                self.put_fails("AUTH", AWS_CONTAINER_CREDENTIALS_FULL_URI=url)

    def test_a_service_that_talks_nonsense(self):
        service = Metadata("secret nonsense")
        self.addCleanup(service.close)
        text = self.put_fails("AUTH", **self.instance(service))
        self.assertNotIn("secret nonsense", text)


class Encrypts(S3Case):
    def setUp(self):
        super().setUp()
        self.pem = self.dir / "pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
             "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.pem,
             "-out", self.dir / "cert"], check=True, stderr=subprocess.DEVNULL)
        with open(self.pem, "ab") as f:
            f.write((self.dir / "cert").read_bytes())
        self.tls = Stub("--certificate", str(self.pem))
        self.addCleanup(self.tls.close)
        self.env["ENDPOINT"] = "https://127.0.0.1:%d" % self.tls.port

    def test_with_the_authority_that_the_environment_names(self):
        self.put(AWS_CA_BUNDLE=self.dir / "cert")
        self.assertTrue(self.put(AWS_CA_BUNDLE=self.dir / "cert")["existed"])
        self.ok("put", "large", self.large_file(8 << 20),
                AWS_CA_BUNDLE=self.dir / "cert")

    def test_never_with_an_unknown_one(self):
        text = self.fails("UNREACHABLE", "put", KEY, self.file(DATA))
        self.assertIn("AWS_CA_BUNDLE", text)
        self.assertIn("(1 try)", text)

    def test_a_bundle_that_is_not_there(self):
        self.fails("UNREACHABLE", "put", KEY, self.file(DATA),
                   AWS_CA_BUNDLE="/nonexistent")


class Addresses(S3Case):
    def test_the_bucket_in_the_host_name(self):
        # "*.localhost" is loopback for libcurl, without any resolver.
        self.ok("put", KEY, self.file(DATA), VIRTUAL_HOST=1,
                ENDPOINT="http://localhost:%d" % self.stub.port)
        self.assertEqual(list(self.stub.objects()), ["/pre/" + KEY])

    def test_a_bucket_with_dots(self):
        self.put(STORE="s3://my.dotted.bucket/")
        self.assertEqual(list(self.stub.objects()),
                         ["/my.dotted.bucket/" + KEY])

    def test_an_ipv6_endpoint(self):
        if not socket.has_ipv6:
            self.skipTest("no IPv6")
        try:
            stub = Stub(host="::1")
        except ValueError:
            self.skipTest("no IPv6 loopback address")
        self.addCleanup(stub.close)
        self.put(ENDPOINT=stub.url)
        self.assertEqual(list(stub.objects()), ["/bucket/pre/" + KEY])

    def test_the_endpoint_from_the_environment(self):
        self.put(ENDPOINT="", AWS_ENDPOINT_URL=self.stub.url)
        self.put(ENDPOINT="", AWS_ENDPOINT_URL="http://127.0.0.1:1",
                 AWS_ENDPOINT_URL_S3=self.stub.url)


class Presigned(S3Case):
    def presign(self, seconds, **more):
        return self.ok("presign", KEY, seconds, **more)

    def fetch(self, url):
        """What comes, whatever the status: the URL is all that is needed."""
        try:
            with urllib.request.urlopen(url) as answer:
                return answer.read()
        except urllib.error.HTTPError as refused:
            return refused.read()

    def test_anybody_can_fetch_by_it(self):
        self.put()
        out = self.presign(3600)
        self.assertEqual(self.fetch(out["presigned"]), DATA)
        left_s = out["until_ms"] / 1000 - time.time()
        self.assertTrue(3500 < left_s <= 3600, left_s)

    def test_it_is_for_this_object_alone(self):
        self.put()
        url = self.presign(3600)["presigned"]
        self.assertIn(b"SignatureDoesNotMatch",
                      self.fetch(url.replace("demo-1.0", "demo-1.1")))

    def test_its_time_has_limits(self):
        for seconds in (0, 604801):
            with self.subTest(seconds):
                self.fails("INVALID", "presign", KEY, seconds)
        self.assertIn("X-Amz-Expires=604800",
                      self.presign(604800)["presigned"])

    def test_it_does_not_outlive_the_credentials(self):
        end = time.time() + 1000
        out = self.presign(
            3600, AWS_SESSION_TOKEN="token",
            AWS_CREDENTIAL_EXPIRATION=time.strftime(
                "%Y-%m-%dT%H:%M:%SZ", time.gmtime(end)))
        self.assertLess(out["until_ms"] / 1000, end)
        self.assertIn("X-Amz-Security-Token=token", out["presigned"])

    def test_credentials_are_needed(self):
        self.fails("AUTH", "presign", KEY, 60, AWS_ACCESS_KEY_ID="",
                   AWS_SECRET_ACCESS_KEY="")


if __name__ == "__main__":
    unittest.main()
