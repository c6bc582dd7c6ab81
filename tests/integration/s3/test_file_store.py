"""The directory as a store: on full, read-only and shared disks."""

import concurrent.futures
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

from s3_support import DriverCase

DATA = b"content of a wheel"
KEY = "wheels/ab/abcd/demo-1.0+cu118-py3-none-any.whl"
PART = ".pkgsync-part-"


def can_unshare():
    return subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


class FileCase(DriverCase):
    def setUp(self):
        super().setUp()
        self.store = self.dir / "store"
        self.env.update(STORE=str(self.store))

    def put(self, data=DATA, **more):
        return self.ok("put", KEY, self.file(data), **more)

    def files(self):
        return sorted(str(p.relative_to(self.store))
                      for p in self.store.rglob("*") if p.is_file())


class Puts(FileCase):
    def test_an_object_arrives_and_comes_back(self):
        out = self.put()
        self.assertFalse(out["existed"])
        self.assertEqual(out["location"], "file://%s" % self.store)
        self.assertEqual(out["url"], "file://%s/k" % self.store)
        self.assertEqual((self.store / KEY).read_bytes(), DATA)
        self.assertEqual(self.files(), [KEY])
        self.assertEqual(self.ok("stat", KEY)["size"], len(DATA))
        target = self.dir / "got"
        target.write_bytes(b"something longer that must not show behind it")
        self.ok("get", KEY, target)
        self.assertEqual(target.read_bytes(), DATA)

    def test_others_may_read_it(self):
        old = os.umask(0o022)
        try:
            self.put()
        finally:
            os.umask(old)
        self.assertEqual((self.store / KEY).stat().st_mode & 0o777, 0o644)
        for path in (self.store, (self.store / KEY).parent):
            self.assertEqual(path.stat().st_mode & 0o777, 0o755)

    def test_a_url_is_decoded(self):
        name = "st ore+\u00fc%"
        quoted = "%s/st%%20ore+%%C3%%BC%%25//./" % self.dir
        out = self.put(STORE="file://" + quoted)
        self.assertEqual((self.dir / name / KEY).read_bytes(), DATA)
        self.assertTrue(self.put(STORE=out["location"])["existed"])
        self.assertTrue(self.put(STORE=self.dir / name)["existed"])
        self.assertTrue(self.put(STORE="file://localhost" + quoted)["existed"])

    def test_an_empty_object(self):
        self.put(b"")
        self.assertTrue(self.put(b"")["existed"])

    def test_a_document_is_put_once(self):
        self.assertFalse(self.ok("put-bytes", "d", "one")["existed"])
        self.assertTrue(self.ok("put-bytes", "d", "two")["existed"])
        self.assertEqual((self.store / "d").read_text(), "one")

    def test_what_is_not_there(self):
        self.assertFalse(self.ok("stat", KEY)["exists"])
        self.fails("NOTFOUND", "get", KEY, self.dir / "got")
        self.assertFalse(self.store.exists())
        self.put()
        self.fails("NOTFOUND", "get", "other", self.dir / "got")
        self.fails("TOOBIG", "get", KEY, self.dir / "got", 5)

    def test_memory_does_not_grow_with_the_file(self):
        self.skip_if_sanitized()
        out = self.ok("put", KEY, self.large_file(256 << 20), timeout=120)
        self.assertLessEqual(out["rss_kib"], 40 << 10)


class KeepsItWhole(FileCase):
    def test_the_same_content_again_is_success(self):
        self.put()
        before = (self.store / KEY).stat()
        self.assertTrue(self.put()["existed"])
        self.assertEqual((self.store / KEY).stat().st_ino, before.st_ino)

    def test_another_content_is_refused(self):
        self.put()
        for other in (b"longer than it was", b"CONTENT of a wheel", b""):
            with self.subTest(other):
                text = self.fails("INTEGRITY", "put", KEY, self.file(other))
                self.assertIn("never replaced", text)
        self.assertEqual((self.store / KEY).read_bytes(), DATA)

    def test_a_file_that_is_not_what_was_announced_leaves_nothing(self):
        self.fails("INTEGRITY", "put", KEY, self.file(DATA),
                   hashlib.sha256(b"other").hexdigest())
        self.assertEqual(self.files(), [])

    def test_of_16_writers_at_once_one_wins(self):
        path = self.large_file(4 << 20)
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            outs = list(pool.map(lambda _: self.driver("put", KEY, path),
                                 range(16)))
        self.assertEqual([o["status"] for o in outs], [0] * 16,
                         [o["text"] for o in outs])
        self.assertEqual([o["existed"] for o in outs].count(False), 1)
        self.assertEqual(self.files(), [KEY])

    def test_there_are_no_presigned_urls(self):
        self.put()
        text = self.fails("UNSUPPORTED", "presign", KEY, 60)
        self.assertIn("only an s3:// store", text)

    def test_a_cancel_leaves_nothing(self):
        out = self.driver("put", KEY, self.large_file(64 << 20),
                          CANCEL_AFTER=1)
        self.assertEqual(out["code"], "CANCELED")
        self.assertEqual(self.files(), [])

    def killed_in_the_middle(self):
        """A writer that was killed while it copied: its part stays."""
        source = self.large_file(512 << 20)
        process = subprocess.Popen(self.command("put", KEY, source),
                                   env=self.env, stdout=subprocess.DEVNULL)
        directory = (self.store / KEY).parent
        while not (directory.is_dir() and any(directory.iterdir())):
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def test_a_killed_writer_shows_no_object_and_the_next_cleans_up(self):
        self.killed_in_the_middle()
        left = self.files()
        self.assertEqual(len(left), 1)
        self.assertIn(PART, left[0])
        self.put()
        self.assertEqual(self.files(), [KEY])

    def test_the_part_of_a_living_writer_is_left_alone(self):
        directory = (self.store / KEY).parent
        directory.mkdir(parents=True)
        part = directory / (PART + "0123")
        holder = subprocess.Popen(
            ["flock", str(part), "sh", "-c", "echo ready; read x"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holder.stdout.readline()
        self.put()
        self.assertTrue(part.exists())
        holder.communicate(b"\n")
        self.ok("put", KEY + "2", self.file(DATA))
        self.assertFalse(part.exists())

    def test_a_link_in_the_store_is_not_followed(self):
        outside = self.dir / "outside"
        outside.mkdir()
        self.store.mkdir()
        (self.store / "wheels").symlink_to(outside)
        self.assertNotEqual(
            self.driver("put", KEY, self.file(DATA))["status"], 0)
        self.assertEqual(list(outside.iterdir()), [])

    def test_a_fifo_in_the_place_of_an_object(self):
        (self.store / KEY).parent.mkdir(parents=True)
        os.mkfifo(self.store / KEY)
        self.assertNotEqual(
            self.driver("put", KEY, self.file(DATA), timeout=5)["status"], 0)
        self.assertNotEqual(
            self.driver("get", KEY, self.dir / "g", timeout=5)["status"], 0)


@unittest.skipUnless(can_unshare(), "no user namespaces here")
class MeetsBadDisks(FileCase):
    def within(self, mount):
        """Run under `mount`, in a mount namespace of its own."""
        return ("unshare", "-rm", "sh", "-ec", mount + '; exec "$@"', "sh")

    def test_a_full_disk_leaves_nothing(self):
        self.store.mkdir()
        path = self.large_file(8 << 20)
        script = ("mount -t tmpfs -o size=2m none '%s'; \"$@\"; status=$?; "
                  "find '%s' -type f >'%s/found'; exit $status"
                  % (self.store, self.store, self.dir))
        out = self.driver("put", KEY, path,
                          prefix=("unshare", "-rm", "sh", "-c", script, "sh"))
        self.assertEqual(out["code"], "NOSPACE", out["text"])
        self.assertIn(str(self.store), out["text"])
        self.assertEqual((self.dir / "found").read_text(), "")

    def test_a_read_only_disk(self):
        self.store.mkdir()
        mount = ("mount --bind '%s' '%s'; mount -o remount,bind,ro '%s'"
                 % (self.store, self.store, self.store))
        text = self.fails("DENIED", "put", KEY, self.file(DATA),
                          prefix=self.within(mount))
        self.assertIn(str(self.store), text)
        self.assertIn("read-only", text)

    def test_a_read_only_directory_that_holds_the_object_already(self):
        self.put()
        mount = ("mount --bind '%s' '%s'; mount -o remount,bind,ro '%s'"
                 % (self.store, self.store, self.store))
        out = self.ok("put", KEY, self.file(DATA), prefix=self.within(mount))
        self.assertTrue(out["existed"])


class MeetsOtherOwners(FileCase):
    def test_a_directory_of_somebody_else(self):
        if os.geteuid() != 0:
            self.store.mkdir(mode=0o555)
            prefix = ()
        else:
            # Under /tmp, where `nobody` may search.
            base = tempfile.mkdtemp(prefix="pkgsync-s3-")
            self.addCleanup(shutil.rmtree, base)
            os.chmod(base, 0o755)
            self.store = self.dir / "store"
            self.env["STORE"] = base
            os.chmod(self.dir, 0o755)
            driver = shutil.copy(os.environ["S3_DRIVER"], base)
            os.chmod(driver, 0o755)
            path = shutil.copy(self.file(DATA), base)
            os.chmod(path, 0o644)
            done = subprocess.run(
                ["setpriv", "--reuid=65534", "--regid=65534",
                 "--clear-groups", driver, "put", KEY, path],
                env=self.env, stdout=subprocess.PIPE, text=True)
            self.assertIn('"DENIED"', done.stdout)
            self.assertIn(base, done.stdout)
            return
        text = self.fails("DENIED", "put", KEY, self.file(DATA),
                          prefix=prefix)
        self.assertIn(str(self.store), text)


if __name__ == "__main__":
    unittest.main()
