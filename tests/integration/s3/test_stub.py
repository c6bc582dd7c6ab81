"""The strict stub against botocore as the client.

Stub and client under test must not share a mistake, so the stub answers to a
third party first: what botocore sends is accepted, and each thing that S3
refuses is refused.
"""

import base64
import datetime
import hashlib
import http.client
import unittest
import urllib.parse

import botocore.exceptions
import botocore.session
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from s3_support import ACCESS_KEY, SECRET_KEY, Stub

STAMP = "%Y%m%dT%H%M%SZ"


def digest(data):
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


class StubCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stub = Stub()

    @classmethod
    def tearDownClass(cls):
        cls.stub.close()

    def setUp(self):
        self.stub.reset()

    def client(self, key=ACCESS_KEY, secret=SECRET_KEY, region="us-east-1"):
        session = botocore.session.get_session()
        return session.create_client(
            "s3", endpoint_url=self.stub.url, region_name=region,
            aws_access_key_id=key, aws_secret_access_key=secret,
            config=Config(s3={"addressing_style": "path"},
                          signature_version="s3v4", proxies={},
                          retries={"max_attempts": 0}))

    def presigned(self, method, path, headers, offset_s=0, expires=900,
                  secret=SECRET_KEY, region="us-east-1"):
        """A URL made by botocore as if at another time."""
        request = AWSRequest(method=method, url=self.stub.url + path,
                             headers=headers)
        signer = S3SigV4QueryAuth(Credentials(ACCESS_KEY, secret), "s3",
                                  region, expires=expires)
        now = datetime.datetime.utcnow() + datetime.timedelta(seconds=offset_s)
        request.context["timestamp"] = now.strftime(STAMP)
        signer._modify_request_before_signing(request)
        canonical = signer.canonical_request(request)
        signer._inject_signature_to_request(
            request, signer.signature(
                signer.string_to_sign(request, canonical), request))
        return request.url

    def send(self, method, url, headers=None, body=None):
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        connection.request(method, parts.path + "?" + parts.query, body,
                           headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def put(self, path="/b/k", data=b"abc", send=None, **more):
        headers = {"content-length": str(len(data)),
                   "x-amz-checksum-sha256": digest(data),
                   "if-none-match": "*"}
        url = self.presigned("PUT", path, headers, **more)
        return self.send("PUT", url, {**headers, **(send or {})}, data)

    def refused(self, answer, status, code):
        self.assertEqual(answer[0], status, answer[1])
        self.assertIn("<Code>%s</Code>" % code, answer[1])
        self.assertEqual(self.stub.objects(), {})


class AcceptsBotocore(StubCase):
    def test_header_signed_put_head_get(self):
        s3 = self.client()
        data = b"x" * 100000
        for key in ("plain", "a+b c~d/\u00fc.whl", "per%cent"):
            with self.subTest(key):
                s3.put_object(Bucket="b", Key=key, Body=data,
                              ChecksumSHA256=digest(data))
                head = s3.head_object(Bucket="b", Key=key,
                                      ChecksumMode="ENABLED")
                self.assertEqual(head["ContentLength"], len(data))
                self.assertEqual(head["ChecksumSHA256"], digest(data))
                got = s3.get_object(Bucket="b", Key=key)["Body"].read()
                self.assertEqual(got, data)

    def test_presigned_put_and_get(self):
        self.assertEqual(self.put("/b/a%2Bb%20c.whl")[0], 200)
        url = self.client().generate_presigned_url(
            "get_object", {"Bucket": "b", "Key": "a+b c.whl"})
        self.assertEqual(self.send("GET", url), (200, "abc"))


class Refuses(StubCase):
    def test_a_wrong_secret(self):
        self.refused(self.put(secret="wrong"), 403, "SignatureDoesNotMatch")
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.client(secret="wrong").put_object(Bucket="b", Key="k",
                                                   Body=b"abc")
        self.assertEqual(caught.exception.response["Error"]["Code"],
                         "SignatureDoesNotMatch")

    def test_an_unknown_access_key(self):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.client(key="AKIDOTHER").put_object(Bucket="b", Key="k",
                                                    Body=b"abc")
        self.assertEqual(caught.exception.response["Error"]["Code"],
                         "InvalidAccessKeyId")

    def test_another_region(self):
        self.refused(self.put(region="eu-west-1"), 400,
                     "AuthorizationQueryParametersError")

    def test_no_signature_at_all(self):
        self.refused(self.send("PUT", self.stub.url + "/b/k",
                               {"content-length": "0"}), 403, "AccessDenied")

    def test_an_expired_url(self):
        answer = self.put(offset_s=-100, expires=60)
        self.refused(answer, 403, "AccessDenied")
        self.assertIn("Request has expired", answer[1])

    def test_an_old_url_that_still_lives_is_fine(self):
        self.assertEqual(self.put(offset_s=-1800, expires=3600)[0], 200)

    def test_a_date_ahead(self):
        self.assertEqual(self.put(offset_s=800)[0], 200)
        self.stub.reset()
        answer = self.put(offset_s=3600)
        self.refused(answer, 403, "RequestTimeTooSkewed")
        self.assertIn("<RequestTime>", answer[1])
        self.assertIn("<ServerTime>", answer[1])

    def test_a_header_signed_date_on_either_side(self):
        for offset_s in (3600, -3600):
            self.stub.config(clock_offset_s=offset_s)
            with self.subTest(offset_s), \
                    self.assertRaises(botocore.exceptions.ClientError) as c:
                self.client().put_object(Bucket="b", Key="k", Body=b"abc")
            self.assertEqual(c.exception.response["Error"]["Code"],
                             "RequestTimeTooSkewed")

    def test_an_expiry_out_of_range(self):
        for expires in (0, 604801):
            with self.subTest(expires):
                self.refused(self.put(expires=expires), 400,
                             "AuthorizationQueryParametersError")

    def test_another_body(self):
        url = self.presigned("PUT", "/b/k", {
            "x-amz-checksum-sha256": digest(b"abc")})
        self.refused(self.send("PUT", url, {
            "x-amz-checksum-sha256": digest(b"abc")}, b"abd"),
            400, "BadDigest")

    def test_another_length_than_was_signed(self):
        headers = {"content-length": "3"}
        url = self.presigned("PUT", "/b/k", headers)
        self.refused(self.send("PUT", url, {"content-length": "4"}, b"abcd"),
                     403, "SignatureDoesNotMatch")

    def test_another_value_than_was_signed(self):
        self.refused(self.put(send={"if-none-match": "x"}), 403,
                     "SignatureDoesNotMatch")

    def test_an_amz_header_that_was_not_signed(self):
        self.refused(self.put(send={"x-amz-acl": "public-read"}), 403,
                     "AccessDenied")

    def test_a_path_that_was_not_signed(self):
        url = self.presigned("PUT", "/b/k", {}).replace("/b/k?", "/b/l?")
        self.refused(self.send("PUT", url, {"content-length": "0"}), 403,
                     "SignatureDoesNotMatch")

    def test_a_second_put_once(self):
        self.assertEqual(self.put()[0], 200)
        status, text = self.put()
        self.assertEqual(status, 412)
        self.assertIn("PreconditionFailed", text)

    def test_what_is_not_there(self):
        with self.assertRaises(botocore.exceptions.ClientError) as caught:
            self.client().get_object(Bucket="b", Key="k")
        self.assertEqual(caught.exception.response["Error"]["Code"],
                         "NoSuchKey")


class PlaysFaults(StubCase):
    def test_in_order_and_as_often_as_asked(self):
        self.stub.faults({"do": "status", "status": 503, "code": "SlowDown",
                          "count": 2}, {"do": "expired"})
        self.assertEqual([self.put()[0] for _ in range(4)],
                         [503, 503, 403, 200])

    def test_reset(self):
        self.stub.faults({"do": "reset", "after": 1})
        with self.assertRaises(ConnectionError):
            self.put(data=b"x" * 100000)
        self.assertEqual(self.stub.objects(), {})

    def test_redirect(self):
        self.stub.faults({"do": "redirect", "location": "http://other/",
                          "region": "eu-north-1"})
        self.assertEqual(self.put()[0], 307)

    def test_a_server_without_put_once(self):
        self.stub.config(put_once="501")
        self.assertEqual(self.put()[0], 501)


if __name__ == "__main__":
    unittest.main()
