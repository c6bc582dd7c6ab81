"""`pkgsync scan` and `pkgsync levels` over a real virtual environment."""

import json
import pathlib

import sync_support
from sync_support import CRITICAL, SyncTest, make_wheel
from wheel_support import INVALID, NOTFOUND, TOOBIG, USAGE


class Scan(SyncTest):
    def test_every_source_is_told(self):
        editable = self.editable("my-editable")
        directory = self.project("my-directory")
        self.install(directory)
        repository, commit = self.repository("my-git")
        self.install("git+file://%s" % repository)
        archive = make_wheel(self.tmp / "archives", "my-archive", "2.5")
        self.install(archive)
        found = self.packages()

        self.assertEqual(found["my-editable"]["source"], {
            "kind": "editable", "url": "file://%s" % editable, "commit": None,
            "editable": True, "subdirectory": None})
        self.assertEqual(found["my-directory"]["source"]["kind"], "directory")
        self.assertEqual(found["my-git"]["source"], {
            "kind": "vcs", "url": "file://%s" % repository, "commit": commit,
            "editable": False, "subdirectory": None})
        self.assertEqual(found["my-archive"]["source"]["kind"], "archive")
        for name in ("my-editable", "my-directory", "my-git", "my-archive"):
            self.assertEqual(found[name]["level"], "build", name)
            self.assertIsNone(found[name]["requirement"])
            self.assertEqual(found[name]["installer"], "pip")
            self.assertTrue(found[name]["location"].startswith(
                str(self.venv)))
        for name, version in CRITICAL.items():
            self.assertEqual(found[name]["level"], "critical")
            self.assertEqual(found[name]["requirement"],
                             "%s==%s" % (name, version))
            self.assertEqual(found[name]["source"]["kind"], "index")
        self.assertEqual(self.jobs(), [])

    def test_the_interpreter_is_told(self):
        python = self.scan()["python"]
        self.assertEqual(python["implementation"], "cpython")
        self.assertEqual(
            python["version"],
            self.python("import platform; print(platform.python_version())"))
        self.assertTrue(python["platform"].startswith("linux-"))

    def test_what_no_cluster_can_get_ends_no_scan(self):
        names = ("labelled", "mercurial", "broken")
        site = pathlib.Path(self.python(
            "import sysconfig; print(sysconfig.get_path('purelib'))"))
        for name, version, vcs in (("labelled", "1.0+g1234567", None),
                                   ("mercurial", "1.0", "hg"),
                                   ("broken", "1.0", "")):
            info = site / ("%s-%s.dist-info" % (name, version))
            info.mkdir()
            (info / "METADATA").write_text(
                "Metadata-Version: 2.1\nName: %s\nVersion: %s\n"
                % (name, version))
            if vcs is not None:
                (info / "direct_url.json").write_text(json.dumps({
                    "url": "https://user:SECRET/PW@host.example/x?sig=SECRET",
                    "vcs_info": {"vcs": vcs, "commit_id": "1"}}))
        with open(self.work / "huge.py", "wb") as huge:
            huge.truncate(1 << 40)
        result = self.run_json("scan")
        self.assertNotIn("SECRET", str(result))
        serious = " ".join(p["message"] for p in result.doc["problems"]
                           if p["serious"])
        found = [row["name"] for row in result.doc["packages"]]
        for name in names:
            self.assertIn(name, found)
            self.assertIn("'%s'" % name, serious)
        self.assertIn("huge.py", serious)

        result = self.sync(status=INVALID)
        for name in names:
            self.assertIn("'%s'" % name, str(result))
        result = self.sync("--ignore", "mercurial", "--ignore", "labelled",
                           "--exact", "broken", status=TOOBIG)
        self.assertIn("huge.py", str(result))
        self.assertEqual(self.jobs(), [])
        doc = self.synced("--only", "mercurial", "--ignore", "labelled",
                          "--exact", "broken", "--allow-failed", "mercurial")
        self.assertEqual(self.in_spec(doc)["mercurial"]["level"], "ignored")

    def test_overrides(self):
        for name in ("plain", "other", "far-away"):
            self.install(make_wheel(self.wheels_dir, name, "1.2.3"),
                         by_name=True)
        found = self.packages("--exact", "Plain", "--ignore", "far_away",
                              "--extra", "cluster-thing>=2")
        self.assertEqual(found["plain"]["requirement"], "plain==1.2.3")
        self.assertEqual(found["other"]["requirement"], "other~=1.2.3")
        self.assertEqual(found["far-away"]["level"], "ignored")
        self.assertIsNone(found["far-away"]["requirement"])
        self.assertIn("far-away", found)
        self.assertEqual(found["cluster-thing"]["source"]["kind"], "extra")

        found = self.packages("--match", "exact", "--compatible", "other")
        self.assertEqual(found["plain"]["requirement"], "plain==1.2.3")
        self.assertEqual(found["other"]["requirement"], "other~=1.2.3")

        found = self.packages("--only", "plain")
        self.assertEqual(found["plain"]["level"], "compatible")
        self.assertEqual(found["other"]["level"], "ignored")
        self.assertEqual(found["dask"]["level"], "critical")

    def test_overrides_from_the_configuration_file(self):
        for name in ("plain", "other"):
            self.install(make_wheel(self.wheels_dir, name, "1.2.3"),
                         by_name=True)
        config = self.tmp / "config/pkgsync/pkgsync.conf"
        config.parent.mkdir(parents=True)
        config.write_text("match = exact\ncompatible = plain\n"
                          "ignore = other\n")
        found = self.packages()
        self.assertEqual(found["plain"]["requirement"], "plain~=1.2.3")
        self.assertEqual(found["other"]["level"], "ignored")
        self.assertEqual(found["dask"]["requirement"],
                         "dask==%s" % CRITICAL["dask"])
        self.assertEqual(self.packages("--match=compatible")["plain"]["level"],
                         "compatible")

    def test_a_missing_critical_package_is_told_after_all_the_rest(self):
        self.pip("uninstall", "--yes", "--quiet", "msgpack")
        result = self.run_json("scan", status=NOTFOUND)
        self.assertIn("dask", [p["name"] for p in result.doc["packages"]])
        self.assertIn("msgpack", result.err)
        self.assertTrue([p for p in result.doc["problems"]
                         if "msgpack" in p["message"]], str(result))

    def test_a_broken_installation_is_a_problem_of_its_own(self):
        site = next(self.venv.glob("lib/python*/site-packages"))
        (site / "~eftover-1.0.dist-info").mkdir()
        empty = site / "hollow-1.0.dist-info"
        empty.mkdir()
        doc = self.scan()
        self.assertNotIn("hollow", [p["name"] for p in doc["packages"]])
        paths = [p["path"] for p in doc["problems"]]
        self.assertIn(str(empty), paths)
        for problem in doc["problems"]:
            self.assertEqual(set(problem), {"path", "message", "serious"})

    def test_loose_modules_are_one_row(self):
        (self.work / "helper.py").write_text("x = 1\n")
        package = self.work / "tools"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "table.csv").write_text("1,2\n")
        rows = [p for p in self.scan()["packages"]
                if p["source"]["kind"] == "loose"]
        self.assertEqual([r["name"] for r in rows], ["helper, tools"])
        self.assertEqual(rows[0]["level"], "build")
        self.assertIn(str(self.work), rows[0]["location"])
        self.assertIn("one wheel: 3 files, 10 B", rows[0]["reason"])
        self.assertEqual([p for p in self.scan("--no-loose")["packages"]
                          if p["source"]["kind"] == "loose"], [])

    def test_the_files_of_loose_modules_are_listed_on_demand(self):
        (self.work / "helper.py").write_text("x = 1\n")
        package = self.work / "tools"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "id_rsa").write_text("secret\n")
        args = ("scan", "--python", self.venv)
        self.assertNotIn("LOOSE FILE", self.pkgsync(*args, cwd=self.work).out)
        result = self.pkgsync(*args, "--verbose", cwd=self.work)
        listed = result.out[result.out.index("LOOSE FILE"):].splitlines()[1:]
        self.assertEqual([line.split()[0] for line in listed],
                         ["helper.py", "tools/__init__.py"])
        self.assertIn("--include './tools/id_rsa'", result.err)
        result = self.pkgsync(*args, "-v", "--include", "id_rsa",
                              cwd=self.work)
        self.assertIn("tools/id_rsa", result.out)

    def test_a_table_for_people(self):
        self.editable("my-editable")
        self.install(make_wheel(self.wheels_dir, "plain", "1.2.3"),
                     by_name=True)
        result = self.pkgsync("scan", "--python", self.venv, cwd=self.work)
        self.assertEqual(result.status, 0, str(result))
        lines = result.out.splitlines()
        self.assertEqual(lines[0].split(), [
            "DISTRIBUTION", "VERSION", "SOURCE", "LEVEL", "REQUIREMENT",
            "REASON"])
        row = next(line for line in lines if line.startswith("plain "))
        self.assertEqual(row.split()[:5], ["plain", "1.2.3", "index",
                                           "compatible", "plain~=1.2.3"])
        row = next(line for line in lines if line.startswith("my-editable "))
        self.assertEqual(row.split()[1:5], ["1.0", "editable", "build", "-"])

    def test_a_directory_that_is_gone_becomes_a_requirement(self):
        editable = self.editable("my-editable")
        editable.rename(self.tmp / "moved")
        result = self.run_json("scan")
        package = {p["name"]: p for p in result.doc["packages"]}["my-editable"]
        told = json.dumps(package) + json.dumps(result.doc["problems"])
        self.assertIn(str(editable), told)
        self.assertNotEqual(package["level"], "build")

    def test_wrong_usage(self):
        result = self.pkgsync("scan", "--match", "roughly")
        self.assertEqual(result.status, USAGE)
        self.assertIn("'roughly'", result.err)
        result = self.pkgsync("scan", "something")
        self.assertEqual(result.status, USAGE)
        result = self.pkgsync("scan", "--python", self.tmp / "nowhere")
        self.assertEqual(result.status, NOTFOUND)


class Levels(SyncTest):
    def test_the_rules_are_printed(self):
        result = self.pkgsync("levels", "--json")
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(sorted(result.doc["critical"]["names"]),
                         sorted(CRITICAL))
        text = self.pkgsync("levels").out
        for name in (*CRITICAL, "pywin32", "appnope", "~="):
            self.assertIn(name, text)


if __name__ == "__main__":
    sync_support.main()
