#!/usr/bin/env python3
"""Bringing an environment to what a spec says."""

import json
import os
import shutil
import subprocess
import sys
import time

import install_support as s

# With the real uv instead of pip, where there is one.
UV = None
if os.environ.get("PKGSYNC_TEST_UV"):
    UV = shutil.which(os.environ.get("PKGSYNC_UV") or "uv")
    if not UV:
        print("uv is not installed")
        sys.exit(s.SKIP)


class Install(s.InstallTest):
    def setUp(self):
        super().setUp()
        if UV:
            (self.tmp / "bin/uv").symlink_to(UV)

    def install(self, *args, **kwargs):
        result = super().install(*args, **kwargs)
        if result.status == 0 and result.doc["installed"]:
            self.assertEqual(result.doc["installer"], "uv" if UV else "pip")
        return result

    def test_wheels_and_index_packages_are_installed(self):
        self.on_index("other", "2.3.1")
        spec = self.spec(s.built(self.wheel("demo", "1.0")),
                         s.from_index("other", "2.3"))
        venv = self.venv()
        result = self.install(venv, spec)
        self.assertEqual(self.versions(venv), {"demo": "1.0",
                                               "other": "2.3.1"})
        self.assertEqual(result.installed["demo"]["from"], "wheel")
        self.assertEqual(result.installed["other"]["from"], "index")
        self.assertEqual(result.installed["other"]["version"], "2.3.1")
        self.assertIsNone(result.installed["demo"]["was"])
        self.assertEqual(result.doc["problems"], [])
        self.assertEqual(self.left_behind(venv), [])
        self.assertEqual(self.run_python(
            venv, "import demo, other; print(demo.VERSION, other.VERSION)"),
            "1.0 2.3.1")

    def test_a_second_run_starts_no_installer_and_is_quick(self):
        self.on_index("other", "2.3.1")
        spec = self.spec(s.built(self.wheel("demo", "1.0")),
                         s.from_index("other", "2.3"))
        venv = self.venv()
        self.install(venv, spec)
        before = self.picture(venv)
        began = time.monotonic()
        result = self.install(venv, spec)
        took = time.monotonic() - began
        self.assertEqual(result.doc["installed"], [])
        self.assertEqual(result.doc["unchanged"], 2)
        self.assertIsNone(result.doc["installer"])
        self.assertEqual(self.picture(venv), before)
        self.assertLess(took, 0.1 if "ASAN_OPTIONS" not in self.env else 2)

    def test_only_what_differs_is_installed(self):
        self.on_index("other", "2.3.1")
        first = self.wheel("demo", "1.0")
        venv = self.venv()
        self.install(venv, self.spec(s.built(first),
                                     s.from_index("other", "2.3")))
        second = self.wheel("demo", "2.0")
        result = self.install(venv, self.spec(s.built(second),
                                              s.from_index("other", "2.3")))
        self.assertEqual(list(result.installed), ["demo"])
        self.assertEqual(result.installed["demo"]["was"], "1.0")
        self.assertEqual(result.doc["unchanged"], 1)
        self.assertEqual(self.versions(venv), {"demo": "2.0",
                                               "other": "2.3.1"})

    def test_the_same_version_built_from_other_code_is_installed(self):
        venv = self.venv()
        self.install(venv, self.spec(s.built(self.wheel("demo", "1.0"))))
        other = s.make_wheel(self.tmp / "second", "demo", "1.0",
                             files={"demo.py": "VERSION = 'edited'\n"})
        result = self.install(venv, self.spec(s.built(other)))
        self.assertEqual(list(result.installed), ["demo"])
        self.assertEqual(
            self.run_python(venv, "import demo; print(demo.VERSION)"),
            "edited")

    def test_a_module_that_is_gone_from_the_wheel_is_gone(self):
        venv = self.venv()
        one = self.wheel("demo", "1.0", files={"demo.py": "", "old.py": ""})
        self.install(venv, self.spec(s.built(one)))
        self.assertTrue((self.site(venv) / "old.py").exists())
        two = self.wheel("demo", "1.1", files={"demo.py": ""})
        self.install(venv, self.spec(s.built(two)))
        self.assertFalse((self.site(venv) / "old.py").exists())

    def test_what_the_spec_lacks_stays(self):
        venv = self.venv(packages=[self.wheel("mine", "3.0")])
        self.install(venv, self.spec(s.built(self.wheel("demo", "1.0"))))
        self.assertEqual(self.versions(venv), {"demo": "1.0", "mine": "3.0"})

    def test_a_compatible_version_stays(self):
        venv = self.venv(packages=[self.wheel("other", "2.3.9")])
        result = self.install(venv, self.spec(s.from_index("other", "2.3")))
        self.assertEqual(result.doc["installed"], [])
        self.assertEqual(result.doc["unchanged"], 1)

    def test_an_ignored_package_is_not_installed(self):
        venv = self.venv()
        result = self.install(venv, self.spec(
            s.package("pywin32", "306", "ignored")))
        self.assertEqual(result.doc["installed"], [])

    def test_a_dry_run_changes_nothing(self):
        venv = self.venv()
        before = self.picture(venv)
        result = self.pkgsync(*self.arguments(
            venv, "--dry-run", self.spec(
                s.built(self.wheel("demo", "1.0")),
                s.from_index("other", "2.3"))))
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(sorted(result.installed), ["demo", "other"])
        self.assertFalse(result.doc["equal"])
        self.assertTrue(result.doc["dry_run"])
        self.assertEqual(self.picture(venv), before)
        self.assertFalse((venv / ".pkgsync").exists())

    def test_an_editable_becomes_the_wheel(self):
        venv = self.venv()
        project = self.tmp / "project"
        project.mkdir()
        (project / "demo.py").write_text("VERSION = 'tree'\n")
        info = self.site(venv) / "demo-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n")
        (info / "direct_url.json").write_text(json.dumps(
            {"url": project.as_uri(), "dir_info": {"editable": True}}))
        (self.site(venv) / "__editable__.demo-1.0.pth").write_text(
            "%s\n" % project)
        (info / "RECORD").write_text(
            "__editable__.demo-1.0.pth,,\ndemo-1.0.dist-info/METADATA,,\n"
            "demo-1.0.dist-info/direct_url.json,,\n"
            "demo-1.0.dist-info/RECORD,,\n")
        result = self.install(venv,
                              self.spec(s.built(self.wheel("demo", "1.0"))))
        self.assertIn("editable", result.installed["demo"]["reason"])
        self.assertFalse(
            (self.site(venv) / "__editable__.demo-1.0.pth").exists())
        self.assertEqual(
            self.run_python(venv, "import demo; print(demo.VERSION)"), "1.0")

    def test_leftovers_and_broken_packages_are_no_obstacle(self):
        venv = self.venv(packages=[self.wheel("demo", "0.9")])
        site = self.site(venv)
        (site / "~ip-22.0.dist-info").mkdir()
        (site / "~ip-22.0.dist-info/METADATA").write_text("Name: pip\n")
        (site / "demo-0.9.dist-info/RECORD").unlink()
        (site / "other-1.0.dist-info").mkdir()
        self.on_index("other", "2.3.1")
        result = self.install(venv, self.spec(
            s.built(self.wheel("demo", "1.0")), s.from_index("other", "2.3")))
        self.assertEqual(self.versions(venv), {
            "~ip": "22.0", "demo": "1.0", "other": "2.3.1"})
        self.assertIn("~ip-22.0.dist-info",
                      "".join(p["path"] for p in result.doc["problems"]))
        self.assertTrue((site / "~ip-22.0.dist-info").exists())

    def test_scripts_come_and_go(self):
        venv = self.venv()
        one = self.wheel("demo", "1.0", entry_points=(
            "[console_scripts]\ndemo-one = demo:main\n"))
        self.install(venv, self.spec(s.built(one)))
        self.assertTrue((venv / "bin/demo-one").exists())
        two = self.wheel("demo", "1.1")
        self.install(venv, self.spec(s.built(two)))
        self.assertFalse((venv / "bin/demo-one").exists())

    def test_the_marker_says_what_was_installed(self):
        venv = self.venv()
        wheel = self.wheel("demo", "1.0")
        spec = self.spec(s.built(wheel))
        self.install(venv, spec)
        marker = json.loads((venv / ".pkgsync.json").read_text())
        self.assertEqual(marker["digest"],
                         json.loads(spec.read_text())["digest"])
        self.assertEqual(marker["schema"], 1)
        self.assertEqual(marker["wheels"]["demo"]["sha256"],
                         s.hash_of(wheel.read_bytes()))

    def test_a_person_gets_a_summary(self):
        venv = self.venv()
        result = self.pkgsync("install", "--python", venv,
                              self.spec(s.built(self.wheel("demo", "1.0"))))
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("installed demo 1.0", result.out)
        self.assertIn("1 installed, 0 unchanged", result.out)
        self.assertIn("equal", result.out)

    def test_the_environment_can_be_named_by_its_interpreter(self):
        venv = self.venv()
        self.install(venv / "bin/python",
                     self.spec(s.built(self.wheel("demo", "1.0"))))
        self.assertEqual(self.versions(venv), {"demo": "1.0"})

    def test_wheels_come_over_http_once_for_all_environments(self):
        wheel = self.wheel("demo", "1.0")
        url = self.serve(self.wheels)
        spec = self.spec(s.built(wheel, "%s/%s" % (url, wheel.name)))
        for name in ("one", "two"):
            self.install(self.venv(name), spec)
        self.assertEqual(self.requests, ["/" + wheel.name])

    def test_environments_of_a_host_fetch_at_the_same_time_once(self):
        wheels = [self.wheel("demo%d" % i, "1.0") for i in range(12)]

        def slowly(handler):
            time.sleep(0.2)
            return False

        url = self.serve(self.wheels, slowly)
        spec = self.spec(*(s.built(w, "%s/%s" % (url, w.name))
                           for w in wheels))
        runs = [subprocess.Popen(
            [s.PKGSYNC, *map(str, self.arguments(self.venv("env%d" % i),
                                                 spec))],
            env=self.env, cwd=self.tmp, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for i in range(3)]
        for run in runs:
            out, err = run.communicate(timeout=s.RUN_LIMIT_S)
            self.assertEqual(run.returncode, 0, err)
            self.assertEqual(len(json.loads(out)["installed"]), 12)
        self.assertEqual(sorted(self.requests),
                         sorted("/" + w.name for w in wheels))

    def test_the_spec_itself_comes_over_http_from_loopback(self):
        spec = self.spec(s.built(self.wheel("demo", "1.0")))
        url = self.serve(self.tmp)
        venv = self.venv()
        self.install(venv, "%s/%s" % (url, spec.name))
        self.assertEqual(self.versions(venv), {"demo": "1.0"})

    def test_a_spec_may_be_a_link_or_a_file_url(self):
        spec = self.spec(s.built(self.wheel("demo", "1.0")))
        link = self.tmp / "with blank.json"
        link.symlink_to(spec)
        venv = self.venv()
        self.install(venv, link)
        self.install(venv, link.as_uri())

    def test_a_pin_is_the_hash_of_the_file_or_the_digest(self):
        spec = self.spec(s.built(self.wheel("demo", "1.0")))
        venv = self.venv()
        digest = json.loads(spec.read_text())["digest"]
        self.install(venv, "%s#sha256=%s" % (spec, digest))
        self.install(venv, "%s#sha256=%s" % (
            spec, s.hash_of(spec.read_bytes())))

    def test_names_in_any_spelling(self):
        wheel = self.wheel("My.Demo", "1.0")
        entry = s.package("My_Demo", "1.0", "build", wheel=wheel,
                          kind="editable")
        venv = self.venv()
        self.install(venv, self.spec(entry))
        result = self.install(venv, self.spec(entry))
        self.assertEqual(result.doc["installed"], [])

    def test_a_path_with_blanks_and_a_percent_sign(self):
        wheel = s.make_wheel(self.tmp / "a %20 b", "demo", "1.0")
        venv = self.venv("my env")
        self.install(venv, self.spec(s.built(wheel)))
        self.assertEqual(self.versions(venv), {"demo": "1.0"})

    def test_the_spec_says_where_packages_come_from(self):
        self.on_index("other", "2.3.1")
        spec = self.spec(s.from_index("other", "2.3"),
                         find_links=[self.index.as_uri()])
        venv = self.venv()
        result = self.pkgsync("install", "--python", venv, "--json", spec,
                              env={"PIP_NO_INDEX": "1"})
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(self.versions(venv), {"other": "2.3.1"})

    def test_an_extra_brings_what_it_requires(self):
        self.on_index("extra", "1.0", requires=[
            "base>=1", "other", "windows; sys_platform == 'win32'"])
        self.on_index("base", "1.5", requires=["deeper"])
        self.on_index("deeper", "0.1")
        self.on_index("other", "2.3.1")
        self.on_index("other", "9.0")
        venv = self.venv()
        spec = self.spec(
            s.package("extra", "", "compatible", "extra>=1", kind="extra"),
            s.from_index("other", "2.3"), s.built(self.wheel("demo", "1.0")))
        result = self.install(venv, spec)
        self.assertEqual(self.versions(venv), {
            "extra": "1.0", "base": "1.5", "deeper": "0.1", "other": "2.3.1",
            "demo": "1.0"})
        self.assertEqual(result.doc["problems"], [])
        self.assertEqual(self.install(venv, spec).doc["installed"], [])

    def test_an_extra_that_does_not_agree_with_the_rest(self):
        self.on_index("extra", "1.0", requires=["other>=3", "base"])
        self.on_index("base", "1.5")
        self.on_index("other", "2.3.1")
        venv = self.venv()
        self.on_index("other", "9.0")
        result = self.install(venv, self.spec(
            s.package("extra", "", "compatible", "extra", kind="extra"),
            s.from_index("other", "2.3")))
        self.assertEqual(self.versions(venv), {
            "extra": "1.0", "base": "1.5", "other": "2.3.1"})
        self.assertIn("extra 1.0 requires 'other>=3', and there is version "
                      "2.3.1", [p["message"] for p in result.doc["problems"]])

    def test_what_is_required_and_not_there_is_a_problem(self):
        venv = self.venv()
        result = self.install(venv, self.spec(s.built(self.wheel(
            "demo", "1.0", requires=["nowhere>=2", "x; extra == 'more'"]))))
        self.assertEqual([p["message"] for p in result.doc["problems"]], [
            "demo 1.0 requires 'nowhere>=2', and that is not installed"])

    def test_two_packages_that_contradict_each_other(self):
        """An environment is replicated as it is."""
        self.on_index("one", "1.0", requires=["two<1"])
        self.on_index("two", "2.0")
        venv = self.venv()
        self.install(venv, self.spec(s.from_index("one", "1.0"),
                                     s.from_index("two", "2.0")))
        self.assertEqual(self.versions(venv), {"one": "1.0", "two": "2.0"})


if __name__ == "__main__":
    s.main()
