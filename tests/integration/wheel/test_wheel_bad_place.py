#!/usr/bin/env python3
"""Full disks, read-only places, broken state: said, and survived."""

import os
import pathlib
import shutil
import subprocess
import unittest

import wheel_support as ws

# Mounts a tiny file system over one directory, then becomes the program.
TINY = """
mount -t tmpfs -o size=%(size)s,mode=777 none "$0" || exit 99
[ -z "%(fill)s" ] || dd if=/dev/zero of="$0/fill" bs=4k 2>/dev/null
exec "$@"
"""


class FullDisk(ws.WheelTest):
    def on_tiny(self, place, size, fill=""):
        """For before=: `place` is a tmpfs of this size."""
        place = self.tmp / place
        place.mkdir(parents=True, exist_ok=True)
        prefix = ["unshare", "-m"] if os.getuid() == 0 else \
            ["unshare", "-rm"]
        return [*prefix, "sh", "-c", TINY % {"size": size, "fill": fill},
                str(place)]

    def no_space(self, place, size="64k", fill=""):
        # A build in a tree of 200 KiB that cannot be compressed.
        path = self.project(more="""
def build_wheel(directory, config_settings=None, metadata_directory=None):
    return write_wheel(directory, {"big": open("big", errors="replace",
                                               encoding="latin-1").read()})
""")
        (path / "big").write_bytes(os.urandom(200000))
        result = self.wheel(path, before=self.on_tiny(place, size, fill))
        self.assertEqual(result.status, ws.NOSPACE, str(result))
        lines = [m for m in result.err.splitlines()
                 if m.startswith("pkgsync")]
        self.assertEqual(len(lines), 1, str(result))
        self.assertRegex(result.err, "(?i)no space left")
        self.assertIn(str(self.tmp / place), result.err)
        self.assertEqual(self.stored(), [])
        # With room again the same command works.
        self.build(path)

    def test_a_full_state_directory(self):
        self.no_space("state")

    def test_no_room_for_the_queue(self):
        self.no_space("state", size="16k", fill="all")

    def test_a_full_store(self):
        self.no_space("data")

    def test_a_full_cache(self):
        self.own_cache()
        self.no_space("cache", size="1m")

    def test_a_full_wheel_dir(self):
        path = self.project()
        self.build(path)
        out = self.tmp / "out"
        result = self.wheel("--wheel-dir", out, path,
                            before=self.on_tiny("out", "8k", fill="all"))
        self.assertEqual(result.status, ws.NOSPACE, str(result))
        self.assertIn(str(out), result.err)

    def test_a_full_standard_output(self):
        path = self.project()
        self.build(path)
        for json in ([], ["--json"]):
            with open("/dev/full", "w") as full:
                done = subprocess.run(
                    [ws.PKGSYNC, "wheel", *ws.HERMETIC, *json, str(path)],
                    env=self.env, stdout=full, stderr=subprocess.PIPE,
                    text=True)
            self.assertEqual(done.returncode, ws.NOSPACE, done.stderr)
            self.assertIn("standard output", done.stderr)


class ReadOnly(ws.WheelTest):
    def on_read_only(self, place):
        place = self.tmp / place
        place.mkdir(parents=True, exist_ok=True)
        prefix = ["unshare", "-m"] if os.getuid() == 0 else \
            ["unshare", "-rm"]
        return [*prefix, "sh", "-c",
                'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" || '
                'exit 99; exec "$@"', str(place)]

    def refused(self, place, *flags):
        path = self.project()
        result = self.wheel(*flags, path, before=self.on_read_only(place))
        self.assertIn(result.status, (ws.DENIED, ws.IO), str(result))
        lines = [m for m in result.err.splitlines()
                 if m.startswith("pkgsync")]
        self.assertEqual(len(lines), 1, str(result))
        self.assertRegex(result.err, "(?i)read-only")
        self.assertIn(str(self.tmp / place), result.err)
        return path

    def test_a_read_only_local_store(self):
        path = self.refused("data")
        self.assertEqual(self.stored(), [])
        self.build(path)

    def test_a_read_only_store_keeps_the_wheel_for_the_next_run(self):
        store = self.tmp / "shared"
        path = self.refused("shared", "--store", "file://%s" % store)
        self.assertEqual(len(self.stored()), 1)
        self.assertEqual(list(store.rglob("*")), [])
        self.wheel("--store", "file://%s" % store, path)
        self.assertEqual(len(list(store.glob("wheels/*/*/*"))), 1)
        logs = [p.read_text() for p in (self.state / "logs").iterdir()]
        self.assertEqual("".join(logs).count("== build\n"), 1)

    def test_a_read_only_state_directory(self):
        self.build(self.refused("state"))

    def test_a_read_only_cache(self):
        self.own_cache()
        self.build(self.refused("cache"))

    def test_a_store_that_may_not_be_written(self):
        if os.getuid() == 0:
            self.skipTest("root may write everywhere")
        store = self.tmp / "shared"
        store.mkdir(mode=0o555)
        self.fails(ws.DENIED, "--store", "file://%s" % store, self.project(),
                   says=str(store))

    def test_a_store_that_is_a_file(self):
        store = self.tmp / "shared"
        store.write_text("")
        path = self.project()
        result = self.wheel("--store", "file://%s" % store, path)
        self.assertNotEqual(result.status, 0, str(result))
        self.assertEqual(len(result.messages), 1, str(result))
        self.assertIn(str(store), result.err)
        store.unlink()
        self.build("--store", "file://%s" % store, path,
                   status=self.wheel("--no-upload", path).one["status"])


class Broken(ws.WheelTest):
    def test_a_queue_that_is_no_database(self):
        self.state.mkdir(parents=True)
        (self.state / "queue.db").write_text("not a database" * 500)
        result = self.wheel(self.project())
        self.assertNotEqual(result.status, 0, str(result))
        self.assertIn("queue.db", result.err)
        self.assertEqual(len(result.err.splitlines()), 1, str(result))

    def test_a_damaged_cache_is_made_anew(self):
        self.own_cache()
        path = self.project()
        first = self.build(path)
        for name in ("stat", "pyproject", "resolved", "python", "sandbox"):
            for file in (self.cache / name).glob("*"):
                if file.is_file():
                    file.write_bytes(b"\0garbage")
        self.build(path, status="hit")
        again = self.build("--rebuild", path)
        self.assertEqual(first["sha256"], again["sha256"])

    def test_a_cache_that_is_removed_is_filled_again(self):
        self.own_cache()
        path = self.project()
        self.build(path)
        shutil.rmtree(self.cache)
        self.build(path, status="hit")
        shutil.rmtree(self.cache, ignore_errors=True)
        self.build("--rebuild", path)

    def test_no_home_and_no_xdg_is_said(self):
        env = {k: v for k, v in self.env.items()
               if not k.startswith("XDG_") and k != "HOME"}
        done = subprocess.run([ws.PKGSYNC, "wheel", str(self.project())],
                              env=env, capture_output=True, text=True)
        if done.returncode:
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


if __name__ == "__main__":
    ws.main()
