#!/usr/bin/env python3
"""What a run leaves and says: wheels, documents, records, hits."""

import json
import os
import pathlib
import shutil
import subprocess
import unittest
import zipfile

import wheel_support as ws


class Results(ws.WheelTest):
    def test_a_directory_becomes_a_wheel_in_the_store(self):
        one = self.build(self.project())
        self.assertEqual(one["name"], "demo")
        self.assertEqual(one["version"], "1.0")
        self.assertEqual(one["filename"], "demo-1.0-py3-none-any.whl")
        self.assertEqual(one["size"], os.path.getsize(one["path"]))
        self.assertEqual(one["url"], "file://" + one["path"])
        self.assertEqual(
            one["path"], str(self.store / "wheels" / one["sha256"][:2] /
                             one["sha256"] / one["filename"]))
        with zipfile.ZipFile(one["path"]) as wheel:
            self.assertEqual(wheel.read("demo.py"), b"value = 1\n")

    def test_a_second_run_is_a_hit_and_starts_no_process(self):
        path = self.project()
        first = self.build(path)
        trace = self.tmp / "trace"
        result = self.wheel(path, before=[
            "strace", "-f", "-qq", "-e", "trace=execve", "-o", str(trace)],
            # A program that is traced cannot look for leaks.
            env={"ASAN_OPTIONS": "detect_leaks=0"})
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(result.one["status"], "hit")
        self.assertEqual(result.one["sha256"], first["sha256"])
        # What the self-test of the sandbox found is not believed by a run
        # that is traced; apart from that, no program is started.
        started = [line for line in trace.read_text().splitlines()
                   if "execve(" in line and "--self-test" not in line]
        self.assertEqual(len(started), 1, started)
        self.assertIn(ws.PKGSYNC, started[0])

    def test_a_second_run_does_not_even_start_the_sandbox_helper(self):
        calls = self.tmp / "calls"
        helper = self.tmp / "helper"
        real = pathlib.Path(ws.PKGSYNC).resolve().parents[1] / \
            "sandbox/pkgsync-sandbox"
        helper.write_text('#!/bin/sh\necho "$1" >>%s\nexec %s "$@"\n' %
                          (calls, real))
        helper.chmod(0o755)
        path = self.project()
        self.build("--sandbox-helper", helper, path)
        self.assertGreater(len(calls.read_text().splitlines()), 1)
        calls.unlink()
        self.build("--sandbox-helper", helper, path, status="hit")
        self.assertFalse(calls.exists())

    def test_an_edit_is_built_anew_and_its_undoing_is_a_hit(self):
        path = self.project()
        first = self.build(path)
        (path / "module.py").write_text("value = 2\n")
        second = self.build(path)
        self.assertNotEqual(first["sha256"], second["sha256"])
        self.assertNotEqual(first["key"], second["key"])
        (path / "module.py").write_text("value = 1\n")
        third = self.build(path, status="hit")
        self.assertEqual(first["sha256"], third["sha256"])

    def test_caches_of_python_do_not_count_as_edits(self):
        path = self.project()
        self.build(path)
        (path / "__pycache__").mkdir()
        (path / "__pycache__/module.cpython-311.pyc").write_bytes(b"x")
        self.build(path, status="hit")

    def test_rebuild_builds_and_gives_the_same_bytes(self):
        path = self.project()
        first = self.build(path)
        second = self.build("--rebuild", path)
        self.assertEqual(first["sha256"], second["sha256"])
        self.assertNotEqual(first["job"], second["job"])

    def test_another_machine_gives_the_same_bytes(self):
        """Same source elsewhere, own store and cache: setuptools, whose
        wheels hold the times of files."""
        path = self.setuptools_project()
        first = self.build(path)
        other = self.tmp / "elsewhere/deep/demo"
        shutil.copytree(path, other)
        self.own_cache()
        for name in ("DATA", "STATE"):
            self.env["XDG_%s_HOME" % name] = str(self.tmp / "other" / name)
        second = self.build(other, env={"TZ": "Asia/Tokyo"})
        self.assertEqual(first["sha256"], second["sha256"])
        self.assertEqual(first["key"], second["key"])

    def test_wheel_dir_gets_a_whole_copy(self):
        path = self.project()
        for status in ("built", "hit"):
            one = self.build("--wheel-dir", "out", path, status=status)
            copy = self.tmp / "out" / one["filename"]
            self.assertEqual(ws.sha256(copy), one["sha256"])
            self.assertEqual(copy.stat().st_mode & 0o777, 0o644)
            self.assertEqual(os.listdir(self.tmp / "out"), [one["filename"]])
            self.assertEqual(pathlib.Path(one["path"]), copy)

    def test_two_wheels_of_one_name_do_not_overwrite_each_other(self):
        one = self.project("demo", at=self.tmp / "a/demo")
        two = self.project("demo", at=self.tmp / "b/demo")
        (two / "module.py").write_text("value = 2\n")
        result = self.wheel("-j", "1", "--wheel-dir", "out", one, two)
        self.assertEqual(result.status, 73, str(result))
        self.assertIn("demo-1.0-py3-none-any.whl", result.err)
        self.assertEqual(list((self.tmp / "out").glob("*")), [])

    def test_relative_paths_start_from_the_working_directory(self):
        path = self.project()
        one = self.build(".", cwd=path)
        self.assertEqual(one["source"], str(path))
        self.build("../demo", cwd=path, status="hit")

    def test_a_directory_store_gets_wheel_and_record(self):
        store = self.tmp / "shared"
        one = self.build("--store", "file://%s" % store, self.project())
        self.assertTrue(one["uploaded"])
        copy = store / "wheels" / one["sha256"][:2] / one["sha256"] / \
            one["filename"]
        self.assertEqual(one["url"], "file://%s" % copy)
        self.assertEqual(ws.sha256(copy), one["sha256"])
        self.assertEqual(len(list(store.glob("builds/*.json"))), 1)

    def test_no_upload_keeps_and_a_later_run_uploads_without_building(self):
        store = self.tmp / "shared"
        path = self.project()
        one = self.build("--store", "file://%s" % store, "--no-upload", path)
        self.assertFalse(one["uploaded"])
        self.assertFalse(store.exists())
        again = self.build("--store", "file://%s" % store, path, status="hit")
        self.assertTrue(again["uploaded"])
        self.assertEqual(len(list(store.glob("wheels/*/*/*"))), 1)

    def test_somebody_elses_record_in_the_store_is_a_hit(self):
        """Another person with the same store, nothing local."""
        store = "file://%s" % (self.tmp / "shared")
        path = self.project()
        first = self.build("--store", store, path)
        for name in ("DATA", "STATE"):
            self.env["XDG_%s_HOME" % name] = str(self.tmp / "other" / name)
        second = self.build("--store", store, path, status="hit")
        self.assertEqual(first["sha256"], second["sha256"])

    def test_a_wheel_that_is_gone_from_the_store_is_built_again(self):
        path = self.project()
        one = self.build(path)
        shutil.rmtree(self.store)
        again = self.build(path)
        self.assertEqual(one["sha256"], again["sha256"])

    def test_a_wheel_that_was_changed_in_the_store_is_not_handed_out(self):
        path = self.project()
        one = self.build(path)
        changed = pathlib.Path(one["path"])
        changed.chmod(0o644)
        changed.write_bytes(b"x" * one["size"])
        result = self.wheel("--wheel-dir", "out", path)
        self.assertNotEqual(result.status, 0, str(result))
        self.assertEqual(list((self.tmp / "out").glob("*")), [])
        # The check of every test must not trip over our own damage.
        shutil.rmtree(self.store)

    def test_the_build_record_says_what_was_built_from_what(self):
        one = self.build("-C", "colour=blue", self.setuptools_project())
        (record,) = self.store.glob("builds/*.json")
        doc = json.loads(record.read_text())
        self.assertEqual(doc["_type"], "https://in-toto.io/Statement/v1")
        self.assertEqual(doc["predicateType"],
                         "https://slsa.dev/provenance/v1")
        (subject,) = doc["subject"]
        self.assertEqual(subject["name"], one["filename"])
        self.assertEqual(subject["digest"], {"sha256": one["sha256"]})
        text = record.read_text()
        self.assertIn(record.stem, text)
        self.assertIn(one["key"], text)
        self.assertIn("setuptools-66.1.1-py3-none-any.whl", text)
        self.assertIn(ws.sha256(
            ws.WHEELS + "/setuptools-66.1.1-py3-none-any.whl"), text)
        self.assertIn("blue", text)
        self.assertIn("landlock", text)

    def test_config_settings_reach_the_back_end_and_the_key(self):
        path = self.project(more="""
def build_wheel(directory, config_settings=None, metadata_directory=None):
    return write_wheel(directory, {"settings.txt": repr(config_settings)})
""")
        plain = self.build(path)
        one = self.build("-C", "colour=blue", path)
        self.assertNotEqual(plain["key"], one["key"])
        with zipfile.ZipFile(one["path"]) as wheel:
            self.assertIn(b"'colour': 'blue'", wheel.read("settings.txt"))

    def test_variables_that_are_let_through_are_part_of_the_key(self):
        path = self.project(more="""
def build_wheel(directory, config_settings=None, metadata_directory=None):
    return write_wheel(directory, {"v.txt": repr(os.environ.get("FLAVOUR"))})
""")
        plain = self.build(path, env={"FLAVOUR": "sweet"})
        one = self.build("--env", "FLAVOUR", path, env={"FLAVOUR": "sweet"})
        self.assertNotEqual(plain["key"], one["key"])
        for built, text in ((plain, b"None"), (one, b"'sweet'")):
            with zipfile.ZipFile(built["path"]) as wheel:
                self.assertEqual(wheel.read("v.txt"), text)

    def test_people_get_a_table_and_plain_progress(self):
        result = self.pkgsync("wheel", *ws.HERMETIC, self.project())
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("built  demo-1.0-py3-none-any.whl", result.out)
        self.assertRegex(result.out, r"sha256 [0-9a-f]{64}\n")
        self.assertIn("demo: build\n", result.err)
        self.assertNotIn("\x1b", result.err + result.out)
        self.assertNotIn("\r", result.err)

    def test_verbose_shows_what_the_build_prints(self):
        path = self.project(more="print('hello from the build')\n")
        result = self.pkgsync("wheel", *ws.HERMETIC, "--verbose", path)
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("hello from the build", result.err)
        self.assertNotIn("hello from the build", result.out)

    def test_the_wheel_installs_without_an_index(self):
        one = self.build(self.setuptools_project())
        target = self.tmp / "target"
        subprocess.run(
            [ws.PYTHON, "-m", "pip", "install", "--no-index", "--quiet",
             "--no-deps", "--target", str(target), one["path"]], check=True,
            env=self.env)
        done = subprocess.run(
            [ws.PYTHON, "-c", "import demo_module; print(demo_module.value)"],
            env={**self.env, "PYTHONPATH": str(target)}, capture_output=True,
            text=True, check=True)
        self.assertEqual(done.stdout, "1\n")

    def test_an_interpreter_without_pip_will_do(self):
        venv = self.tmp / "venv"
        subprocess.run([ws.PYTHON, "-m", "venv", "--without-pip", str(venv)],
                       check=True, env=self.env)
        one = self.build("--python", venv / "bin/python", self.project())
        self.assertEqual(one["name"], "demo")


if __name__ == "__main__":
    ws.main()
