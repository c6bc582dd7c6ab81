"""Prints the signatures of test_sigv4.c as botocore's signer makes them."""

import datetime
import urllib.parse

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SAFE = "-_.~"
CHECKSUM = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

# method, scheme, host, path, region, time, expiry, token, headers, query
CASES = [
    ("GET", "https", "examplebucket.s3.amazonaws.com", "/test.txt",
     "us-east-1", 1369353600, 86400, None, {}, []),
    ("PUT", "https", "bucket.s3.eu-west-1.amazonaws.com",
     "/wheels/ab/demo-1.0+cu118-py3-none-any.whl", "eu-west-1", 1767225600,
     900, None, {"content-length": "18",
                 "content-type": "application/octet-stream",
                 "x-amz-checksum-sha256": CHECKSUM, "if-none-match": "*"}, []),
    ("PUT", "http", "127.0.0.1:9000", "/bucket/a b/\u00fc\u4e2d~(1)*'!",
     "us-east-1", 1767225600, 1, "to+ken/==",
     {"x-amz-meta-x": "two  blanks"}, []),
    ("HEAD", "http", "[::1]:9000", "/b.u.c/../x//y/.", "us-east-1", 951782400,
     604800, None, {"x-amz-checksum-mode": "ENABLED"}, []),
    ("PUT", "https", "h", "/b/k", "r", 4102444800, 60, None, {},
     [("uploadId", "a b+/="), ("partNumber", "7")]),
]

for method, scheme, host, path, region, when, expiry, token, headers, query \
        in CASES:
    url = "%s://%s%s" % (scheme, host, urllib.parse.quote(path, "/" + SAFE))
    if query:
        url += "?" + "&".join(
            urllib.parse.quote(name, SAFE) + "=" +
            urllib.parse.quote(value, SAFE) for name, value in query)
    request = AWSRequest(method=method, url=url, headers=headers)
    signer = S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET_KEY, token),
                              "s3", region, expires=expiry)
    moment = datetime.datetime.utcfromtimestamp(when)
    request.context["timestamp"] = moment.strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    canonical = signer.canonical_request(request)
    print(path, signer.signature(signer.string_to_sign(request, canonical),
                                 request))
