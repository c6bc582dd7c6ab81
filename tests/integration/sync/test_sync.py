"""`pkgsync sync` from end to end: real environments, real builds."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tomllib

import sync_support
from sync_support import CRITICAL, FAILS, SyncTest, make_wheel
from wheel_support import (BUILD, DENIED, INTEGRITY, INVALID, NOTFOUND, PKGSYNC,
                           UNSUPPORTED, sha256)


class Sync(SyncTest):
    def everything(self):
        self.editable("my-editable")
        self.install(self.project("my-directory"))
        repository, _ = self.repository("my-git")
        self.install("git+file://%s" % repository)
        self.install(make_wheel(self.tmp / "archives", "my-archive", "2.5"))
        (self.work / "helper.py").write_text("answer = 42\n")

    def replicate(self, doc):
        """What the requirements install into a bare environment."""
        there = self.make_venv(self.tmp / "worker")
        requirements = self.tmp / "requirements.txt"
        requirements.write_text(doc["requirements"])
        self.pip("install", "--quiet", "--no-index", "--find-links",
                 self.wheels_dir, "-r", requirements, venv=there)
        return there

    def test_everything_arrives_on_a_worker(self):
        self.everything()
        doc = self.synced()
        self.assertEqual(self.statuses(doc), {
            "my-archive": "built", "my-directory": "built",
            "my-editable": "built", "my-git": "built",
            "pkgsync-loose-modules": "built"})
        packages = self.in_spec(doc)
        for name in ("my-archive", "my-directory", "my-editable", "my-git"):
            self.assertEqual(packages[name]["level"], "build")
            self.assertIsNone(packages[name]["requirement"])
            self.assertTrue(packages[name]["wheel"]["url"].startswith(
                "file://"))
        self.assertEqual(packages["dask"]["requirement"],
                         "dask==%s" % CRITICAL["dask"])
        self.assertEqual(doc["packages"]["index"], len(CRITICAL))
        self.assertEqual(doc["packages"]["built"], 5)
        self.assertEqual([os.path.basename(f) for f in doc["files"]],
                         ["environment.json", "requirements.txt"])
        there = self.replicate(doc)
        self.assertEqual(self.python(
            "import helper, my_editable, my_directory, my_git, my_archive\n"
            "import dask; print(helper.answer, my_editable.value,"
            " dask.__version__)", venv=there),
            "42 1 %s" % CRITICAL["dask"])

    def test_the_second_time_starts_no_process(self):
        if b"__asan_init" in pathlib.Path(PKGSYNC).read_bytes():
            self.skipTest("who is traced cannot look for leaks")
        self.everything()
        first = self.synced()
        done = subprocess.run(
            ["strace", "-f", "-qq", "-e", "trace=execve", "-e",
             "signal=none", "-o", self.tmp / "trace", "sh", "-c",
             # The tracer is one of the facts that the sandbox looks at: the
             # first run is there to get to know it.
             '"$@" >/dev/null && exec "$@"', "sh", PKGSYNC, "sync", "--json",
             *map(str, self.hermetic("sync"))],
            env=self.env, cwd=self.work, stdin=subprocess.DEVNULL, text=True,
            capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        second = json.loads(done.stdout)
        self.assertEqual(second["spec"], first["spec"])
        self.assertEqual(set(self.statuses(second).values()), {"hit"})
        started = re.findall(r'^\d+ +execve\("([^"]*)".* = 0$',
                             (self.tmp / "trace").read_text(), re.M)
        self.assertIn("sync", (self.tmp / "trace").read_text())
        self.assertEqual(started[-1], PKGSYNC, started)
        self.assertEqual(len(self.specs()), 1)

    def test_an_edit_is_another_environment(self):
        source = self.editable("my-editable")
        first = self.synced()
        (source / "module.py").write_text("value = 2\n")
        second = self.synced()
        self.assertEqual(self.statuses(second), {"my-editable": "built"})
        self.assertNotEqual(second["spec"]["digest"], first["spec"]["digest"])
        self.assertEqual(len(self.specs()), 2)

    def test_an_edited_loose_module_is_another_wheel(self):
        module = self.work / "helper.py"
        module.write_text("answer = 1\n")
        first = self.synced()["wheels"][0]
        self.assertEqual(self.synced()["wheels"][0]["status"], "hit")
        module.write_text("answer = 2\n")
        second = self.synced()["wheels"][0]
        self.assertEqual(second["status"], "built")
        self.assertNotEqual(first["version"], second["version"])
        self.assertEqual(self.synced("--no-loose")["wheels"], [])

    def test_a_loose_module_that_hides_an_installed_one_is_refused(self):
        self.install(make_wheel(self.wheels_dir, "plain", "1.0"),
                     by_name=True)
        hiding = self.work / "plain"
        hiding.mkdir()
        (hiding / "__init__.py").write_text("mine = 1\n")
        (self.work / "helper.py").write_text("answer = 1\n")
        result = self.sync(status=INVALID)
        self.assertIn("plain", result.err)
        self.assertIn("--exclude './plain'", result.err)
        self.assertEqual(self.specs(), [])
        doc = self.scan()
        told = [p for p in doc["problems"] if p["path"] == str(hiding)]
        self.assertIn("of the installed 'plain'", told[0]["message"])
        self.assertTrue(told[0]["serious"])
        rows = [p["name"] for p in doc["packages"]
                if p["source"]["kind"] == "loose"]
        self.assertEqual(rows, ["helper"])
        doc = self.synced("--exclude", "./plain")
        self.assertEqual(len(doc["wheels"]), 1)
        self.assertEqual(self.synced("--no-loose")["wheels"], [])
        # Of what does not go to the cluster it hides nothing there.
        self.synced("--ignore", "plain")

    def test_a_damaged_wheel_in_the_local_store_is_made_again(self):
        self.everything()
        doc = self.synced()
        for wheel in doc["wheels"]:
            pathlib.Path(wheel["path"]).chmod(0o600)
            with open(wheel["path"], "r+b") as damaged:
                damaged.truncate(100)
        again = self.synced()
        self.assertEqual([w["sha256"] for w in again["wheels"]],
                         [w["sha256"] for w in doc["wheels"]])

    def test_files_where_they_are_wanted(self):
        self.editable("my-editable")
        out = self.tmp / "a/new place"
        doc = self.synced("--output-dir", out)
        self.assertEqual(sorted(p.name for p in out.iterdir()),
                         ["environment.json", "requirements.txt"])
        self.assertEqual(doc["files"], [str(out / "environment.json"),
                                        str(out / "requirements.txt")])
        self.assertEqual((out / "requirements.txt").read_text(),
                         doc["requirements"])
        self.assertEqual(json.loads((out / "environment.json").read_text()),
                         doc["spec_document"])
        # Without a wish for a place, they are still somewhere.
        for path in self.synced()["files"]:
            self.assertTrue(path.startswith(str(self.state)))

    def test_a_summary_for_people(self):
        self.editable("my-editable")
        result = self.pkgsync("sync", *self.hermetic("sync"), cwd=self.work)
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("built  my_editable-1.0-py3-none-any.whl", result.out)
        self.assertIn("6 packages: 5 from the index, 1 built", result.out)
        (spec,) = self.specs()
        self.assertIn("digest " + spec[:-len(".json")], result.out)
        self.assertIn("requirements.txt", result.out)

    def test_exact_has_a_lock_file(self):
        self.editable("my-editable")
        doc = self.synced("--match", "exact", "--output-dir", self.tmp / "out")
        lock = tomllib.loads((self.tmp / "out/pylock.toml").read_text())
        self.assertEqual(lock["lock-version"], "1.0")
        by_name = {p["name"]: p for p in lock["packages"]}
        self.assertEqual(by_name["dask"]["version"], CRITICAL["dask"])
        (wheel,) = self.wheels_dir.glob("dask-*.whl")
        self.assertEqual(
            [w["hashes"]["sha256"] for w in by_name["dask"]["wheels"]],
            [sha256(wheel)])
        self.assertIn("my-editable", by_name)
        # The same again: the index is not asked, even if it is gone.
        shutil.rmtree(self.wheels_dir)
        again = self.synced("--match", "exact")
        self.assertEqual(again["spec"], doc["spec"])
        self.assertEqual(again["problems"], [])

    def test_a_lock_that_cannot_be_made_is_told(self):
        shutil.rmtree(self.wheels_dir)
        doc = self.synced("--match", "exact")
        self.assertEqual([os.path.basename(f) for f in doc["files"]],
                         ["environment.json", "requirements.txt"])
        (problem,) = doc["problems"]
        self.assertEqual(problem["path"], "pylock.toml")
        self.assertIn("no wheel of 'cloudpickle==", problem["message"])

    def test_what_cannot_be_built_with_dependencies_is_left_to_the_index(self):
        self.install(make_wheel(self.wheels_dir, "plain", "306"),
                     by_name=True)
        doc = self.synced("--extra", "cluster-thing>=2", "--ignore", "tornado")
        self.assertIn("plain~=306.0\n", doc["requirements"])
        self.assertIn("cluster-thing>=2\n", doc["requirements"])


class Failures(SyncTest):
    def two_projects(self):
        self.editable("good")
        bad = self.editable("bad", more=FAILS)
        (bad / "broken").write_text("")

    def nothing_is_written(self):
        self.assertEqual(self.specs(), [])
        self.assertEqual(list(self.state.glob("environments/*")), [])

    def test_a_failing_build_fails_the_sync_after_the_others(self):
        self.two_projects()
        out = self.tmp / "out"
        result = self.sync("--output-dir", out, status=BUILD)
        doc = result.doc
        by_name = {w["source"].rpartition("/")[2]: w for w in doc["wheels"]}
        self.assertEqual(by_name["good"]["status"], "built")
        self.assertEqual(by_name["bad"]["status"], "failed")
        self.assertIn("the sky is falling",
                      pathlib.Path(by_name["bad"]["error"]["log"]).read_text())
        self.assertIsNone(doc["spec"])
        self.assertIsNone(doc["spec_document"])
        self.assertIsNone(doc["requirements"])
        self.assertEqual(doc["files"], [])
        self.assertIn("1 of 2 wheels failed: bad", result.err)
        self.assertIn("--allow-failed", result.err)
        self.assertFalse(out.exists())
        self.nothing_is_written()

    def test_one_that_may_fail_is_left_out_and_listed(self):
        self.two_projects()
        result = self.sync("--allow-failed", "BAD")
        package = self.in_spec(result.doc)["bad"]
        self.assertEqual(package["level"], "ignored")
        self.assertIn("--allow-failed", package["reason"])
        self.assertIsNone(package["wheel"])
        self.assertNotIn("bad @", result.doc["requirements"])
        self.assertIn("#   bad 1.0: its build failed",
                      result.doc["requirements"])
        self.assertIn("good @ ", result.doc["requirements"])
        (problem,) = result.doc["problems"]
        self.assertIn("'bad' is left out", problem["message"])
        self.assertIn("sky is falling", result.err)

    def test_a_name_that_is_not_built_cannot_be_allowed_to_fail(self):
        self.editable("good")
        doc = self.synced("--allow-failed", "godo")
        self.assertIn("--allow-failed 'godo'", doc["problems"][0]["message"])

    def test_missing_critical_packages_are_an_error_before_any_build(self):
        self.editable("good")
        self.pip("uninstall", "--yes", "--quiet", "msgpack", "tornado")
        result = self.sync(status=NOTFOUND)
        self.assertEqual(result.out, "")
        self.assertIn("msgpack", result.err)
        self.assertIn("tornado", result.err)
        self.assertEqual(self.jobs(), [])
        self.assertEqual(self.stored(), [])
        self.nothing_is_written()

    def test_a_place_that_cannot_be_written_to(self):
        if os.getuid() == 0:
            self.skipTest("nothing is forbidden to root")
        self.editable("good")
        out = self.tmp / "out"
        out.mkdir(mode=0o500)
        self.sync("--output-dir", out, status=DENIED)
        self.assertEqual(self.jobs(), [])

    def test_a_file_in_the_place_of_the_directory(self):
        out = self.tmp / "out"
        out.write_text("")
        result = self.pkgsync("sync", *self.hermetic("sync"), "--output-dir",
                              out / "deeper", cwd=self.work)
        self.assertNotEqual(result.status, 0)
        self.assertIn(str(out), result.err)

    def test_a_wheel_that_is_not_what_was_installed(self):
        wheel = make_wheel(self.tmp / "archives", "my-archive", "2.5")
        self.install(wheel)
        # As pip writes it since 23.1.
        (record,) = self.venv.glob("lib/*/site-packages/my_archive-*/direct_*")
        direct = json.loads(record.read_text())
        direct["archive_info"] = {"hashes": {"sha256": sha256(wheel)}}
        record.write_text(json.dumps(direct))
        make_wheel(self.tmp / "archives", "my-archive", "2.5",
                   files={"my_archive.py": "other = 1\n"})
        result = self.sync(status=INTEGRITY)
        self.assertIn("install it again", result.err)
        self.nothing_is_written()

    def test_a_wheel_that_is_none(self):
        wheel = make_wheel(self.tmp / "archives", "my-archive", "2.5")
        self.install(wheel)
        wheel.write_bytes(b"PK nothing")
        result = self.sync(status=INVALID)
        self.assertIn(str(wheel), result.err)

    def test_a_source_that_has_become_another_project(self):
        directory = self.project("my-directory")
        self.install(directory)
        for name in ("pyproject.toml", "backend.py"):
            text = (directory / name).read_text()
            (directory / name).write_text(
                text.replace("my-directory", "renamed"))
        result = self.sync(status=INVALID)
        self.assertIn("'renamed' now, not 'my-directory'", result.err)

    def test_presigned_urls_need_s3(self):
        self.editable("good")
        result = self.sync("--presign", "60", status=UNSUPPORTED)
        self.assertIn("s3://", result.err)
        self.assertEqual(self.jobs(), [])

    def test_an_extra_that_is_no_requirement(self):
        result = self.sync("--extra", "not a requirement", status=INVALID)
        self.assertIn("not a requirement", result.err)


if __name__ == "__main__":
    sync_support.main()
