#!/usr/bin/env python3
"""Specs and wheels that are wrong: a clear message, nothing installed."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys

import install_support as s

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "s3"))


class Specs(s.InstallTest):
    def setUp(self):
        super().setUp()
        self.env_dir = self.venv()
        self.good = s.document([s.built(self.wheel("demo", "1.0"))])

    def write(self, data, name="environment.json"):
        path = self.tmp / name
        path.write_bytes(data if isinstance(data, bytes)
                         else s.canonical(data))
        return path

    def signed(self, **changes):
        doc = {**self.good, **changes}
        del doc["digest"]
        doc["digest"] = s.hash_of(s.canonical(doc))
        return self.write(doc)

    def test_a_dry_run_foresees_what_would_be_refused(self):
        venv = self.venv()
        self.refuses(s.UNSUPPORTED, venv, "--dry-run", self.spec(s.built(
            self.wheel("demo", "1.0", tag="cp27-cp27m-win32"))),
            says="cannot be installed into Python")
        spec = self.spec(s.built(self.wheel("demo", "1.0")))
        result = self.pkgsync(*self.arguments(self.base(), "--dry-run", spec))
        self.assertEqual(result.status, s.DENIED, str(result))
        self.assertIn("PEP 668", result.err)
        (venv / ".pkgsync").mkdir()
        (venv / ".pkgsync/journal.json").write_text("{}")
        result = self.pkgsync(*self.arguments(venv, "--dry-run", spec))
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("was interrupted", result.err)
        self.assertTrue((venv / ".pkgsync/journal.json").exists())

    def test_a_full_disk_is_said_wherever_the_installer_says_it(self):
        venv = self.venv()
        self.program("uv", """
            import sys
            print("error: failed to install: demo-1.0", file=sys.stderr)
            print("  Caused by: failed to copy " + "x" * 900 +
                  ": No space left on device (os error 28)", file=sys.stderr)
            sys.exit(2)
        """)
        self.refuses(s.NOSPACE, venv, self.spec(s.built(
            self.wheel("demo", "1.0"))), says="No space left on device")

    def test_keys_in_a_location_are_not_shown(self):
        venv = self.venv()
        for location in ("s3://AK:hunter2@bucket/x.json",
                         "s3://AK:SEC/hunter2@bucket/x.json",
                         "ftp://me:hunter2@host/x.json",
                         "http://me:hunter2@host.invalid/x.json"):
            result = self.pkgsync("install", "--python", venv, location)
            self.assertNotIn(result.status, (0, s.DIFFERS), str(result))
            self.assertNotIn("hunter2", result.err)

    def test_a_spec_that_was_edited(self):
        self.good["packages"][0]["wheel"]["url"] = "https://evil.example/x.whl"
        self.refuses(s.INTEGRITY, self.env_dir, self.write(self.good),
                     says=["environment.json", "edited"])

    def test_a_spec_of_a_newer_schema(self):
        self.refuses(s.UNSUPPORTED, self.env_dir, self.signed(schema=2),
                     says=["schema is 2", "pkgsync"])

    def test_what_is_no_spec(self):
        for data in (b"", b"{", b"[]", b"null", b"\0" * 4096, b"\xff\xfe{}",
                     b'{"schema": 1}', os.urandom(4096), b"x" * 100000,
                     b"[" * 100000, json.dumps("x").encode()):
            self.refuses(s.INVALID, self.env_dir, self.write(data),
                         says="environment.json")

    def test_a_directory(self):
        self.refuses(s.INVALID, self.env_dir, self.wheels,
                     says="is a directory")

    def test_a_file_that_is_not_there(self):
        self.refuses(s.NOTFOUND, self.env_dir, self.tmp / "nothing.json",
                     says="nothing.json")

    def test_a_fifo_and_a_device(self):
        os.mkfifo(self.tmp / "fifo")
        self.refuses(s.INVALID, self.env_dir, self.tmp / "fifo",
                     says="not a regular file")
        self.refuses(s.INVALID, self.env_dir, "/dev/zero",
                     says="not a regular file")

    def test_a_file_of_a_gigabyte(self):
        path = self.tmp / "huge.json"
        with open(path, "wb") as out:
            out.truncate(1 << 30)
        self.refuses(s.TOOBIG, self.env_dir, path, says="huge.json")

    def test_another_python(self):
        spec = self.spec(s.built(self.wheel("demo", "1.0")),
                         python={"version": "3.99.1"})
        self.refuses(s.UNSUPPORTED, self.env_dir, spec, says=[
            "3.99", s.IDENTITY["version"], "--any-python", "--python"])
        result = self.pkgsync(*self.arguments(self.env_dir, "--any-python",
                                              spec))
        self.assertEqual(self.versions(self.env_dir), {"demo": "1.0"})
        self.assertEqual([d["name"] for d in result.doc["differences"]
                          if d["severity"] == "error"], ["python"])

    def test_another_implementation(self):
        spec = self.spec(python={"implementation": "pypy"})
        self.refuses(s.UNSUPPORTED, self.env_dir, spec,
                     says=["pypy", "cpython"])

    def test_another_patch_version_is_fine(self):
        minor = s.IDENTITY["version"].rpartition(".")[0]
        self.install(self.env_dir, self.spec(python={
            "version": minor + ".99"}))

    def test_another_platform(self):
        spec = self.spec(python={"platform": "macosx-11.0-arm64"})
        self.refuses(s.UNSUPPORTED, self.env_dir, spec, says=[
            "macosx-11.0-arm64", s.IDENTITY["platform"], "--any-platform"])

    def test_a_wheel_for_another_interpreter(self):
        wheel = self.wheel("demo", "1.0", tag="cp27-cp27mu-win32")
        self.refuses(s.UNSUPPORTED, self.env_dir, self.spec(s.built(wheel)),
                     says=["cp27-cp27mu-win32", "demo"])
        self.assertEqual(self.cached(), [])

    def test_a_wheel_of_another_name(self):
        entry = s.built(self.wheel("demo", "1.0"))
        entry["name"] = "other"
        result = self.pkgsync(*self.arguments(self.env_dir, self.spec(entry)))
        self.assertEqual(result.status, s.INVALID, str(result))
        self.assertIn("other", result.err)

    def test_a_pin_that_is_another(self):
        spec = self.write(self.good)
        self.refuses(s.INTEGRITY, self.env_dir, "%s#sha256=%s" % (
            spec, "0" * 64), says="0" * 64)
        self.refuses(s.INVALID, self.env_dir, "%s#sha256=12" % spec)

    def test_schemes_that_are_not_read(self):
        for location in ("ftp://host/x.json", "data://x", "S3://bucket/x"):
            self.refuses(s.UNSUPPORTED, self.env_dir, location,
                         says=location)

    def test_plain_http_from_elsewhere(self):
        for location in ("http://example.com/x.json",
                         "http://127.0.0.1.example.com/x.json",
                         "http://127.0.0.1@example.com/x.json",
                         "http://[2001:db8::1]/x.json"):
            self.refuses(s.UNSUPPORTED, self.env_dir, location,
                         says=["https://", "#sha256="])

    def test_not_found_and_forbidden(self):
        def change(handler):
            if "secret" in handler.path:
                handler.send_error(403)
                return True
            return False

        url = self.serve(self.tmp, change)
        self.refuses(s.NOTFOUND, self.env_dir, url + "/nothing.json",
                     says="404")
        result = self.refuses(s.DENIED, self.env_dir,
                              url + "/secret.json?X-Amz-Signature=abcdef",
                              says="403")
        self.assertNotIn("abcdef", result.err)

    def test_nobody_listens(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = "http://127.0.0.1:%d/x.json" % free.getsockname()[1]
        self.refuses(s.UNREACHABLE, self.env_dir, url, says=url)

    def test_wrong_usage(self):
        for arguments in ([], ["a", "b"]):
            result = self.pkgsync("install", *arguments)
            self.assertEqual(result.status, s.USAGE, str(result))
        self.refuses(s.USAGE, self.env_dir, "--installer", "conda",
                     self.write(self.good))

    def test_an_installer_that_is_not_there(self):
        if any(os.access(os.path.join(d, "uv"), os.X_OK)
               for d in self.env["PATH"].split(":")):
            self.skipTest("uv is installed for everybody")
        self.refuses(s.NOTFOUND, self.env_dir, "--installer", "uv",
                     self.write(self.good), says="--installer pip")


class Wheels(s.InstallTest):
    """Each with a second wheel that is good and must not be installed."""

    def setUp(self):
        super().setUp()
        self.env_dir = self.venv(packages=[
            s.make_wheel(self.tmp / "old", "demo", "0.9")])
        self.path = self.wheel("demo", "1.0")
        self.other = self.wheel("fine", "1.0")

    def refuses_wheel(self, status, entry, says=()):
        result = self.refuses(status, self.env_dir, self.spec(
            entry, s.built(self.other)), says=says)
        self.assertIn("demo-1.0-py3-none-any.whl", result.err)
        self.assertNotIn(self.path.name, self.cached())
        self.assertEqual(self.left_behind(self.env_dir), [])
        self.assertFalse((self.env_dir / ".pkgsync.json").exists())
        return result

    def test_a_wheel_with_another_hash(self):
        entry = s.built(self.path)
        data = self.path.read_bytes()
        self.path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        self.refuses_wheel(s.INTEGRITY, entry, says=[
            entry["wheel"]["sha256"], s.hash_of(self.path.read_bytes()),
            "nothing was installed"])

    def test_a_wheel_that_is_cut_short_or_too_long(self):
        entry = s.built(self.path)
        data = self.path.read_bytes()
        for wrong in (data[:-10], b"", data + b"x"):
            self.path.write_bytes(wrong)
            self.refuses_wheel(s.INTEGRITY, entry)

    def test_a_download_that_breaks_off(self):
        data = self.path.read_bytes()

        def change(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data[:len(data) // 2])
            handler.wfile.flush()
            with contextlib.suppress(OSError):
                handler.connection.shutdown(socket.SHUT_RDWR)
            handler.close_connection = True
            return True

        url = self.serve(self.wheels, change)
        self.refuses_wheel(s.UNREACHABLE, s.built(
            self.path, "%s/%s" % (url, self.path.name)))

    def test_a_server_that_sends_something_else(self):
        def change(handler):
            body = b"<html>please log in</html>"
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
            return True

        url = self.serve(self.wheels, change)
        self.refuses_wheel(s.INTEGRITY, s.built(
            self.path, "%s/%s" % (url, self.path.name)))

    def test_a_wheel_that_is_gone(self):
        entry = s.built(self.path)
        self.path.unlink()
        self.refuses_wheel(s.NOTFOUND, entry, says="pkgsync sync")
        url = self.serve(self.wheels)
        entry["wheel"]["url"] = "%s/%s" % (url, self.path.name)
        self.refuses_wheel(s.NOTFOUND, entry, says="404")

    def test_a_wheel_that_may_not_be_read(self):
        def change(handler):
            handler.send_error(403)
            return True

        url = self.serve(self.wheels, change)
        self.refuses_wheel(s.DENIED, s.built(
            self.path, "%s/%s" % (url, self.path.name)))

    def rebuilt(self, change):
        """The wheel with other members, named rightly by the spec."""
        with s.zipfile.ZipFile(self.path) as old:
            members = {n: old.read(n) for n in old.namelist()}
        change(members)
        with s.zipfile.ZipFile(self.path, "w") as new:
            for name, data in members.items():
                new.writestr(s.zipfile.ZipInfo(name), data)
        return s.built(self.path)

    def test_a_wheel_that_is_no_good_is_not_unpacked(self):
        self.refuses_wheel(s.INTEGRITY, self.rebuilt(
            lambda m: m.update({"demo.py": b"changed"})), says="demo.py")
        self.refuses_wheel(s.INVALID, self.rebuilt(
            lambda m: m.update({"../../../x.py": b""})), says="no good wheel")

    def test_a_wheel_that_would_change_what_the_environment_is(self):
        for name in ("pyvenv.cfg", ".pkgsync.json", ".pkgsync/lock"):
            wheel = self.wheel("evil", "1.0", files={
                "evil-1.0.data/data/" + name: "home = /tmp\n"})
            self.refuses(s.INVALID, self.env_dir, self.spec(s.built(wheel)),
                         says=[name, "belongs to the environment"])

    def test_a_redirect_on_the_same_server_is_followed(self):
        def change(handler):
            if handler.path.startswith("/moved/"):
                handler.send_response(302)
                handler.send_header("Location", handler.path[6:] + "?sig=1")
                handler.send_header("Content-Length", "4")
                handler.end_headers()
                handler.wfile.write(b"gone")
                return True
            return False

        url = self.serve(self.wheels, change)
        self.install(self.env_dir, self.spec(s.built(
            self.path, "%s/moved/%s" % (url, self.path.name))))
        self.assertEqual(self.requests[1], "/%s?sig=1" % self.path.name)

    def test_a_redirect_to_elsewhere_is_named_and_not_followed(self):
        for target in ("http://127.0.0.1:1/x.whl?token=hunter2",
                       "http://me:hunter2@other.invalid/x.whl",
                       "ftp://other.invalid/x.whl", "file:///etc/passwd"):
            def change(handler):
                handler.send_response(302)
                handler.send_header("Location", target)
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return True

            url = self.serve(self.wheels, change)
            result = self.refuses_wheel(s.UNSUPPORTED, s.built(
                self.path, "%s/%s" % (url, self.path.name)),
                says=["redirects to", target.partition("?")[0]
                      .replace("me:hunter2@", "")])
            self.assertNotIn("hunter2", result.err)
            self.assertNotIn("bucket", result.err)

    def test_redirects_in_a_circle_end(self):
        def change(handler):
            handler.send_response(302)
            handler.send_header("Location", handler.path)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return True

        url = self.serve(self.wheels, change)
        self.refuses_wheel(s.UNSUPPORTED, s.built(
            self.path, "%s/%s" % (url, self.path.name)),
            says="more than 5 times")
        self.assertEqual(len(self.requests), 6)

    def test_a_wheel_damaged_in_the_cache_is_fetched_again(self):
        self.install(self.env_dir, self.spec(s.built(self.path)))
        cached = next((self.cache / "wheels").glob("*/*.whl"))
        cached.write_bytes(b"x" * cached.stat().st_size)
        venv = self.venv("second")
        self.install(venv, self.spec(s.built(self.path)))
        self.assertEqual(self.versions(venv), {"demo": "1.0"})

    def test_an_index_package_damaged_in_the_cache_is_fetched_again(self):
        self.on_index("other", "2.3.1")
        spec = self.spec(s.from_index("other", "2.3"))
        self.install(self.env_dir, spec)
        cached = next((self.cache / "wheelhouse").glob("*/*.whl"))
        cached.write_bytes(b"x" * cached.stat().st_size)
        venv = self.venv("second")
        self.install(venv, spec)
        self.assertEqual(self.versions(venv), {"other": "2.3.1"})

    def test_what_a_killed_download_left_is_removed(self):
        entry = s.built(self.path)
        folder = self.cache / "wheels" / entry["wheel"]["sha256"]
        folder.mkdir(parents=True)
        (folder / ".part-abcdef").write_bytes(b"half")
        self.install(self.env_dir, self.spec(entry))
        self.assertEqual(self.left_behind(self.env_dir), [])

    def test_a_wheel_that_no_installer_takes(self):
        self.path.write_bytes(b"this is no zip")
        self.refuses(s.INVALID, self.env_dir, self.spec(
            s.built(self.path), s.built(self.other)), says="demo")

    def test_an_index_package_that_is_not_there(self):
        self.refuses(s.NOTFOUND, self.env_dir, self.spec(
            s.built(self.path), s.from_index("missing", "2.3")),
            says=["missing~=2.3", "--allow-sdist"])

    def test_an_index_package_that_has_only_an_sdist(self):
        self.sdist("plain", "2.3")
        self.refuses(s.NOTFOUND, self.env_dir, self.spec(
            s.from_index("plain", "2.3")),
            says=["plain~=2.3", "--allow-sdist"])

    def test_an_sdist_is_built_where_that_is_allowed(self):
        self.sdist("plain", "2.3")
        self.install(self.env_dir, "--allow-sdist",
                     self.spec(s.from_index("plain", "2.3")))
        self.assertEqual(self.versions(self.env_dir)["plain"], "2.3")

    def sdist(self, name, version):
        """A source distribution with a back-end of its own."""
        import io
        import tarfile

        backend = (
            "import sys, os\n"
            "sys.dont_write_bytecode = True\n"
            "sys.path.insert(0, %r)\n"
            "os.environ.setdefault('PKGSYNC', '')\n"
            "import install_support\n"
            "def build_wheel(d, config_settings=None, metadata_directory=None):"
            "\n    return install_support.make_wheel(d, %r, %r).name\n" % (
                str(pathlib.Path(__file__).parent), name, version))
        stem = "%s-%s" % (name, version)
        files = {
            "pyproject.toml": "[build-system]\nrequires = []\n"
                              "build-backend = 'backend'\n"
                              "backend-path = ['.']\n",
            "backend.py": backend,
            "PKG-INFO": "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (
                name, version),
        }
        with tarfile.open(self.index / (stem + ".tar.gz"), "w:gz") as out:
            for path, text in files.items():
                info = tarfile.TarInfo("%s/%s" % (stem, path))
                info.size = len(text)
                out.addfile(info, io.BytesIO(text.encode()))


class Places(s.InstallTest):
    def setUp(self):
        super().setUp()
        self.document = self.spec(s.built(self.wheel("demo", "1.0")))

    def test_an_environment_that_cannot_be_written_to(self):
        if os.getuid() == 0:
            self.skipTest("root may write everywhere")
        venv = self.venv()
        self.site(venv).chmod(0o555)
        self.refuses(s.DENIED, venv, self.document, says=[
            str(self.site(venv)), "cannot be written to", "--python"])
        self.site(venv).chmod(0o755)

    def test_one_that_cannot_be_written_to_but_needs_nothing(self):
        venv = self.venv()
        self.install(venv, self.document)
        for path in [venv, self.site(venv)]:
            path.chmod(0o555)
        self.install(venv, self.document)

    def test_an_interpreter_of_the_operating_system(self):
        mark = "/usr/lib/python%s/EXTERNALLY-MANAGED" % s.MINOR
        if not os.path.exists(mark):
            self.skipTest("not marked by PEP 668")
        result = self.pkgsync(*self.arguments(s.PYTHON, self.document))
        self.assertEqual(result.status, s.DENIED, str(result))
        for text in ("PEP 668", "-m venv", "--break-system-packages"):
            self.assertIn(text, result.err)
        self.assertEqual(subprocess.run(
            [s.PYTHON, "-I", "-c", "import demo"],
            capture_output=True).returncode, 1)

    def test_an_environment_that_is_none(self):
        for place in (self.tmp / "nothing", self.wheels, "/dev/null"):
            result = self.pkgsync(*self.arguments(place, self.document))
            self.assertNotEqual(result.status, 0, str(result))
            self.assertEqual(len(result.messages), 1, str(result))
            self.assertIn(str(place), result.err)


class S3(s.InstallTest):
    @classmethod
    def setUpClass(cls):
        try:
            import botocore  # noqa: F401
        except ImportError:
            raise s.unittest.SkipTest("botocore is not installed")
        import s3_support
        cls.s3 = s3_support
        cls.stub = s3_support.Stub()
        cls.addClassCleanup(cls.stub.close)

    def setUp(self):
        super().setUp()
        self.stub.reset()
        self.env.update({
            "AWS_ACCESS_KEY_ID": self.s3.ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": self.s3.SECRET_KEY,
            "AWS_REGION": "us-east-1",
        })

    def upload(self, key, data):
        import botocore.session
        from botocore.config import Config

        client = botocore.session.Session().create_client(
            "s3", region_name="us-east-1", endpoint_url=self.stub.url,
            aws_access_key_id=self.s3.ACCESS_KEY,
            aws_secret_access_key=self.s3.SECRET_KEY,
            config=Config(signature_version="s3v4",
                          s3={"addressing_style": "path"}))
        url = client.generate_presigned_url(
            "put_object", {"Bucket": "bucket", "Key": key}, ExpiresIn=60)
        request = self.s3.urllib.request.Request(url, data, method="PUT")
        with self.s3.opener.open(request, timeout=20):
            pass
        return "s3://bucket/" + key

    def arguments(self, venv, *args):
        return super().arguments(venv, "--endpoint-url", self.stub.url, *args)

    def test_spec_and_wheels_come_from_a_bucket(self):
        wheel = self.wheel("demo", "1.0")
        url = self.upload("team/wheels/" + wheel.name, wheel.read_bytes())
        doc = s.document([s.built(wheel, url)])
        spec = self.upload("team/environments/%s.json" % doc["digest"],
                        s.canonical(doc))
        venv = self.venv()
        self.install(venv, spec)
        self.assertEqual(self.versions(venv), {"demo": "1.0"})

    def test_a_spec_under_the_name_of_another(self):
        venv = self.venv()
        spec = self.upload("environments/%s.json" % ("0" * 64),
                        s.canonical(s.document([])))
        self.refuses(s.INTEGRITY, venv, spec, says="0" * 64)

    def test_objects_that_are_not_there(self):
        venv = self.venv()
        self.refuses(s.NOTFOUND, venv, "s3://bucket/none.json",
                     says="s3://bucket/none.json")
        wheel = self.wheel("demo", "1.0")
        self.refuses(s.NOTFOUND, venv, self.spec(
            s.built(wheel, "s3://bucket/wheels/" + wheel.name)),
            says=["demo-1.0", "pkgsync sync"])
        self.refuses(s.INVALID, venv, "s3://bucket", says="s3://bucket/key")

    def test_no_credentials(self):
        venv = self.venv()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            del self.env[name]
        self.refuses(s.AUTH, venv, "s3://bucket/environment.json",
                     says="AWS_ACCESS_KEY_ID")


if __name__ == "__main__":
    s.main()
