#!/usr/bin/env python3
"""A strict S3 server for tests, on loopback.

It believes nothing: signatures are computed anew by botocore's signer, an
implementation that the client under test has no part in; expiry, the date,
signed headers, length, checksum and conditions are all checked, and each
refusal has the status, code and message that Amazon S3 documents.

    s3_stub.py [--access-key K --secret-key S] [--token T] [--region R]

prints its port on standard output, then serves until it gets a signal or its
standard input ends (--until-eof).  Tests steer it over HTTP, unsigned:

    POST /_stub/faults   {"faults": [FAULT...]}   play these, in order
    POST /_stub/config   {"clock_offset_s": 3600, "checksums": false, ...}
    GET  /_stub/log      what was asked and how it ended
    POST /_stub/reset    forget objects, faults, log and configuration

A FAULT is {"do": ..., "count": n, "method": "PUT"}; "count" requests (default
one) of that method (default any) meet it.  What it can do:

    status       answer "status" with "code" (503 SlowDown, 400 ExpiredToken)
    reset        read "after" bytes of the body, then reset the connection
    reset-answer do as asked, then reset instead of answering
    stall        read the head, then keep silent for "seconds"
    redirect     307 to "location", for a bucket in "region"
    expired      403 "Request has expired"
    corrupt      store something with another checksum, and say so
"""

import argparse
import base64
import datetime
import hashlib
import http.server
import json
import re
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
from xml.sax.saxutils import escape

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SKEW_S = 900
EXPIRES_MAX_S = 604800
STAMP = "%Y%m%dT%H%M%SZ"
DEFAULTS = {
    "clock_offset_s": 0,   # the server's clock minus the machine's
    "date_header": True,   # whether answers show that clock
    "checksums": True,     # whether HEAD and GET tell the checksum
    "put_once": "412",     # "501": refuses If-None-Match; "ignored"
    "delay_s": 0,          # before each answer
    "rate": 0,             # bytes a second of a body that are read; 0: all
}


class Refused(Exception):
    def __init__(self, status, code, message, **more):
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.more = more


class State:
    """Shared by all the server's threads; `lock` guards it."""

    def __init__(self, args):
        self.lock = threading.Lock()
        self.args = args
        self.reset()

    def reset(self):
        self.objects = {}
        self.faults = []
        self.log = []
        self.config = dict(DEFAULTS)

    def now(self):
        return (datetime.datetime.now(datetime.timezone.utc)
                .replace(tzinfo=None)
                + datetime.timedelta(seconds=self.config["clock_offset_s"]))

    def take_fault(self, method):
        with self.lock:
            for fault in self.faults:
                if fault.get("method", method) != method:
                    continue
                fault["count"] = fault.get("count", 1) - 1
                if fault["count"] <= 0:
                    self.faults.remove(fault)
                return fault
        return None


def iso(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class SignedRequest:
    """The request as it came, for botocore's signer: nothing is re-encoded."""

    def __init__(self, method, target, headers):
        self.method = method
        self.path, _, self.query_text = target.partition("?")
        self.pairs = []
        for item in filter(None, self.query_text.split("&")):
            name, _, value = item.partition("=")
            self.pairs.append((urllib.parse.unquote(name),
                               urllib.parse.unquote(value)))
        self.query = dict(self.pairs)
        self.headers = headers

    def header_names(self):
        return [name.lower() for name in self.headers.keys()]


def signature_of(signer, request, signed, stamp, without):
    """What botocore signs for this request with these headers."""
    def quote(text, safe=""):
        return urllib.parse.quote(text, safe=safe + "-_.~")

    query = "&".join(quote(k) + "=" + quote(v)
                     for k, v in request.pairs if k not in without)
    # S3 decodes a path and encodes it once, its own way.
    path = quote(urllib.parse.unquote(request.path), "/")
    aws = AWSRequest(method=request.method,
                     url="http://%s%s?%s" % (request.headers["Host"], path,
                                             query))
    for name in signed:
        for value in request.headers.get_all(name) or []:
            aws.headers.add_header(name, value)
    aws.context["timestamp"] = stamp
    canonical = signer.canonical_request(aws)
    return signer.signature(signer.string_to_sign(aws, canonical), aws)


class Verifier:
    """Decides whether a request is who it says it is, and still in time."""

    def __init__(self, state, request):
        self.state = state
        self.request = request
        self.args = state.args

    def check_credential(self, credential, stamp):
        parts = credential.split("/")
        if len(parts) != 5 or parts[3:] != ["s3", "aws4_request"]:
            raise Refused(400, "AuthorizationQueryParametersError",
                          "Error parsing the X-Amz-Credential parameter")
        if parts[0] != self.args.access_key:
            raise Refused(403, "InvalidAccessKeyId",
                          "The AWS Access Key Id you provided does not exist "
                          "in our records.")
        if parts[2] != self.args.region:
            raise Refused(400, "AuthorizationQueryParametersError",
                          "Error parsing the X-Amz-Credential parameter; the "
                          "region '%s' is wrong; expecting '%s'"
                          % (parts[2], self.args.region),
                          Region=self.args.region)
        if parts[1] != stamp[:8]:
            raise Refused(400, "AuthorizationQueryParametersError",
                          "Invalid credential date")

    def check_token(self, token):
        if (token or "") != (self.args.token or ""):
            raise Refused(400, "InvalidToken",
                          "The provided token is malformed or otherwise "
                          "invalid.")

    def check_signed(self, signed):
        """Every x-amz-* header has to be signed, and the host."""
        if "host" not in signed or signed != sorted(set(signed)):
            raise Refused(400, "AuthorizationQueryParametersError",
                          "host must be signed, and the list in order")
        present = self.request.header_names()
        for name in signed:
            if name not in present:
                raise Refused(403, "SignatureDoesNotMatch",
                              "signed header %s did not come" % name)
        for name in set(present):
            if name.startswith("x-amz-") and name not in signed:
                raise Refused(403, "AccessDenied",
                              "There were headers present in the request "
                              "which were not signed", HeadersNotSigned=name)

    def parse_stamp(self, stamp):
        try:
            return datetime.datetime.strptime(stamp, STAMP)
        except ValueError:
            raise Refused(403, "AccessDenied", "X-Amz-Date is no date")

    def too_skewed(self, date):
        now = self.state.now()
        raise Refused(403, "RequestTimeTooSkewed",
                      "The difference between the request time and the "
                      "current time is too large.",
                      RequestTime=date.strftime(STAMP), ServerTime=iso(now),
                      MaxAllowedSkewMilliseconds=SKEW_S * 1000)

    def compare(self, expected, got):
        if expected != got:
            raise Refused(403, "SignatureDoesNotMatch",
                          "The request signature we calculated does not match "
                          "the signature you provided. Check your key and "
                          "signing method.",
                          AWSAccessKeyId=self.args.access_key)

    def credentials(self):
        return Credentials(self.args.access_key, self.args.secret_key,
                           self.args.token)

    def presigned(self):
        q = self.request.query
        for name in ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date",
                     "X-Amz-Expires", "X-Amz-SignedHeaders",
                     "X-Amz-Signature"):
            if name not in q:
                raise Refused(400, "AuthorizationQueryParametersError",
                              "Query-string authentication needs " + name)
        if len(self.request.pairs) != len(q):
            raise Refused(400, "InvalidArgument", "a parameter came twice")
        if q["X-Amz-Algorithm"] != "AWS4-HMAC-SHA256":
            raise Refused(400, "AuthorizationQueryParametersError",
                          "X-Amz-Algorithm only supports AWS4-HMAC-SHA256")
        if not re.fullmatch("[0-9]+", q["X-Amz-Expires"]) or not (
                1 <= int(q["X-Amz-Expires"]) <= EXPIRES_MAX_S):
            raise Refused(400, "AuthorizationQueryParametersError",
                          "X-Amz-Expires must be within 1 and 604800")
        date = self.parse_stamp(q["X-Amz-Date"])
        signed = q["X-Amz-SignedHeaders"].split(";")
        self.check_credential(q["X-Amz-Credential"], q["X-Amz-Date"])
        self.check_token(q.get("X-Amz-Security-Token"))
        self.check_signed(signed)
        signer = S3SigV4QueryAuth(self.credentials(), "s3", self.args.region)
        self.compare(
            signature_of(signer, self.request, signed, q["X-Amz-Date"],
                         {"X-Amz-Signature"}),
            q["X-Amz-Signature"])
        self.check_window(date, int(q["X-Amz-Expires"]))

    def check_window(self, date, expires_s):
        now = self.state.now()
        if date - now > datetime.timedelta(seconds=SKEW_S):
            self.too_skewed(date)
        end = date + datetime.timedelta(seconds=expires_s)
        if now > end:
            raise Refused(403, "AccessDenied", "Request has expired",
                          Expires=iso(end), ServerTime=iso(now))

    def header_signed(self):
        h = self.request.headers
        found = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?"
            r"Signature=([0-9a-f]{64})", h.get("Authorization", ""))
        if not found:
            raise Refused(403, "AccessDenied", "Access Denied")
        stamp = h.get("X-Amz-Date", "")
        date = self.parse_stamp(stamp)
        signed = found.group(2).split(";")
        self.check_credential(found.group(1), stamp)
        self.check_token(h.get("X-Amz-Security-Token"))
        self.check_signed(signed)
        payload = h.get("X-Amz-Content-SHA256", "")
        signer = S3SigV4Auth(self.credentials(), "s3", self.args.region)
        self.compare(signature_of(signer, self.request, signed, stamp, ()),
                     found.group(3))
        if abs(date - self.state.now()) > datetime.timedelta(seconds=SKEW_S):
            self.too_skewed(date)
        return payload

    def verify(self):
        """The body's hash that was signed, or UNSIGNED-PAYLOAD."""
        if "X-Amz-Signature" in self.request.query:
            self.presigned()
            return "UNSIGNED-PAYLOAD"
        return self.header_signed()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "s3-stub"
    sys_version = ""
    state = None

    def log_message(self, *args):
        pass

    def handle_expect_100(self):
        # Only when the head has been found right: see receive().
        return True

    def date_time_string(self, timestamp=None):
        moment = time.time() + self.state.config["clock_offset_s"]
        return super().date_time_string(moment)

    def send_response(self, code, message=None):
        self.log_request(code)
        self.send_response_only(code, message)
        self.send_header("Server", self.version_string())
        if self.state.config["date_header"]:
            self.send_header("Date", self.date_time_string())

    # ---- answers ----

    def answer(self, status, body=b"", **headers):
        time.sleep(self.state.config["delay_s"])
        self.note(status)
        self.send_response(status)
        length = headers.pop("content_length", len(body))
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def refuse(self, refused, **headers):
        self.note_code = refused.code
        if not self.body_was_read:
            self.drain()
        more = "".join("<%s>%s</%s>" % (k, escape(str(v)), k)
                       for k, v in refused.more.items())
        body = ('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s'
                "</Code><Message>%s</Message>%s<RequestId>1</RequestId>"
                "</Error>" % (refused.code, escape(refused.message), more))
        self.answer(refused.status, body.encode(),
                    Content_Type="application/xml", **headers)

    def drain(self):
        """Closing with unread bytes would reset the connection, and the peer
        might never see the answer; one that waits for a 100 has sent none."""
        length = self.headers.get("Content-Length", "")
        if length.isdigit() and not self.headers.get("Expect"):
            self.read_body()
        else:
            self.close_connection = True

    def note(self, status):
        with self.state.lock:
            self.state.log.append({
                "method": self.command,
                "path": self.path.partition("?")[0],
                "status": status,
                "code": self.note_code,
                "port": self.client_address[1],
                "expect": self.headers.get("Expect", ""),
                "signed": SignedRequest(self.command, self.path, self.headers)
                .query.get("X-Amz-SignedHeaders", ""),
                "expires": SignedRequest(self.command, self.path, self.headers)
                .query.get("X-Amz-Expires", ""),
            })

    def reset_connection(self):
        """The peer gets ECONNRESET, not an orderly end."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    # ---- faults ----

    def play(self, fault):
        """True: the request was dealt with."""
        kind = fault["do"]
        self.fault = kind
        if kind == "status":
            # The body is read first, as by a server that is merely busy.
            self.read_body()
            self.refuse(Refused(fault["status"], fault.get("code", "Fault"),
                                fault.get("message", "as scripted")),
                        **fault.get("headers", {}))
        elif kind == "expired":
            self.refuse(Refused(403, "AccessDenied", "Request has expired"))
        elif kind == "redirect":
            self.refuse(
                Refused(fault.get("status", 307), "TemporaryRedirect",
                        "Please re-send this request to the specified "
                        "temporary endpoint.",
                        Endpoint=fault.get("endpoint", "")),
                Location=fault["location"],
                x_amz_bucket_region=fault.get("region", ""))
        elif kind == "reset":
            self.rfile.read(fault.get("after", 0))
            self.note("reset")
            self.reset_connection()
        elif kind == "stall":
            self.note("stall")
            time.sleep(fault.get("seconds", 5))
            self.close_connection = True
        else:
            return False
        return True

    # ---- requests ----

    def length(self):
        text = self.headers.get("Content-Length")
        if self.headers.get("Transfer-Encoding") or (
                text is None and self.command == "PUT"):
            raise Refused(411, "MissingContentLength",
                          "You must provide the Content-Length HTTP header.")
        if text is not None and not re.fullmatch("[0-9]+", text):
            raise Refused(400, "InvalidArgument", "Content-Length")
        return int(text or 0)

    def read_body(self, keep=None):
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
            self.wfile.flush()
        left = self.length()
        rate = self.state.config["rate"]
        while left > 0:
            block = self.rfile.read(min(left, rate // 10 or 65536))
            if not block:
                raise ConnectionResetError("the body ended early")
            left -= len(block)
            if keep:
                keep(block)
            if rate:
                time.sleep(0.1)
        self.body_was_read = True

    def receive(self, payload):
        """The body, checked against everything that was said about it."""
        want = self.headers.get("X-Amz-Checksum-Sha256")
        if want is not None and not re.fullmatch("[A-Za-z0-9+/]{43}=", want):
            raise Refused(400, "InvalidRequest",
                          "Value for x-amz-checksum-sha256 header is invalid.")
        sha256 = hashlib.sha256()
        md5 = hashlib.md5()
        blocks = []

        def keep(block):
            sha256.update(block)
            md5.update(block)
            # Large test files are counted, not kept.
            if self.length() <= 64 << 20:
                blocks.append(block)

        self.read_body(keep)
        got = base64.b64encode(sha256.digest()).decode()
        if want is not None and want != got:
            raise Refused(400, "BadDigest",
                          "The SHA256 you specified did not match the "
                          "calculated checksum.")
        if payload not in ("UNSIGNED-PAYLOAD", sha256.hexdigest()):
            raise Refused(400, "XAmzContentSHA256Mismatch",
                          "The provided 'x-amz-content-sha256' header does "
                          "not match what was computed.")
        return {"data": b"".join(blocks), "size": self.length(),
                "sha256": got, "etag": '"%s"' % md5.hexdigest(),
                "has_checksum": want is not None,
                "type": self.headers.get("Content-Type", "")}

    def put(self, key, payload):
        once = self.headers.get("If-None-Match")
        if once is not None and self.state.config["put_once"] == "501":
            raise Refused(501, "NotImplemented",
                          "A header you provided implies functionality that "
                          "this server does not have")
        if once not in (None, "*"):
            raise Refused(501, "NotImplemented", "If-None-Match takes *")
        if self.state.config["put_once"] == "ignored":
            once = None
        exists = Refused(412, "PreconditionFailed",
                         "At least one of the pre-conditions you specified "
                         "did not hold", Condition="If-None-Match")
        if once and key in self.state.objects:
            raise exists
        thing = self.receive(payload)
        if self.fault == "corrupt":
            thing["sha256"] = base64.b64encode(bytes(32)).decode()
        with self.state.lock:
            if once and key in self.state.objects:
                raise exists
            self.state.objects[key] = thing
        if self.fault == "reset-answer":
            self.note("reset-answer")
            self.reset_connection()
            return
        more = {}
        if thing["has_checksum"] and self.state.config["checksums"]:
            more["x_amz_checksum_sha256"] = thing["sha256"]
        self.answer(200, ETag=thing["etag"], **more)

    def get(self, key):
        thing = self.state.objects.get(key)
        if thing is None:
            raise Refused(404, "NoSuchKey",
                          "The specified key does not exist.")
        more = {"ETag": thing["etag"], "Content_Type": thing["type"]}
        asked = self.headers.get("X-Amz-Checksum-Mode") == "ENABLED"
        if asked and thing["has_checksum"] and self.state.config["checksums"]:
            more["x_amz_checksum_sha256"] = thing["sha256"]
        self.answer(200, thing["data"], content_length=thing["size"], **more)

    def object(self):
        request = SignedRequest(self.command, self.path, self.headers)
        payload = Verifier(self.state, request).verify()
        key = urllib.parse.unquote(request.path)
        bucket = key.split("/")[1]
        if bucket.startswith("no-such"):
            raise Refused(404, "NoSuchBucket",
                          "The specified bucket does not exist")
        if bucket.startswith("forbidden"):
            raise Refused(403, "AccessDenied", "Access Denied")
        if self.command == "PUT":
            self.put(key, payload)
        else:
            self.body_was_read = True
            self.get(key)

    def control(self):
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        state = self.state
        what = self.path[len("/_stub/"):]
        with state.lock:
            if what == "log":
                out = list(state.log)
            elif what == "faults":
                state.faults = json.loads(data)["faults"]
                out = {}
            elif what == "config":
                given = json.loads(data)
                unknown = set(given) - set(DEFAULTS)
                if unknown:
                    raise ValueError("unknown: %s" % unknown)
                state.config.update(given)
                out = state.config
            elif what == "objects":
                out = {k: {"size": v["size"], "sha256": v["sha256"],
                           "type": v["type"]}
                       for k, v in state.objects.items()}
            elif what == "reset":
                state.reset()
                out = {}
            else:
                raise ValueError(what)
        body = json.dumps(out).encode()
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def serve(self):
        self.note_code = ""
        self.fault = ""
        self.body_was_read = False
        if self.path.startswith("/_stub/"):
            self.control()
            return
        try:
            fault = self.state.take_fault(self.command)
            if fault and self.play(fault):
                return
            self.object()
        except Refused as refused:
            self.refuse(refused)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (ConnectionError, ValueError,
                                              ssl.SSLError)):
            super().handle_error(request, client_address)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--access-key", default="AKIDSTUB")
    parser.add_argument("--secret-key", default="stub/secret+key")
    parser.add_argument("--token")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--certificate", help="PEM, with its key: https")
    parser.add_argument("--until-eof", action="store_true")
    args = parser.parse_args()
    Handler.state = State(args)
    if ":" in args.host:
        Server.address_family = socket.AF_INET6
    server = Server((args.host, 0), Handler)
    if args.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True,
                                            do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    if args.until_eof:
        def wait():
            sys.stdin.read()
            server.shutdown()
        threading.Thread(target=wait, daemon=True).start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
