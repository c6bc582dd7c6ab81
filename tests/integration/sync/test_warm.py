"""`pkgsync warm`: everything is tried, nothing is installed."""

import json
import tarfile

import sync_support
from sync_support import FAILS, SyncTest, make_wheel
from wheel_support import BUILD, INVALID, NOTFOUND


class Warm(SyncTest):
    def summary(self):
        path = self.tmp / "summary.md"
        self.env["GITHUB_STEP_SUMMARY"] = str(path)
        return path

    def sdist(self, name, version="1.0"):
        """Into the directory that stands for an index."""
        source = self.project(name, version=version)
        (source / "PKG-INFO").write_text(
            "Metadata-Version: 2.1\nName: %s\nVersion: %s\n"
            % (name, version))
        self.wheels_dir.mkdir(exist_ok=True)
        stem = "%s-%s" % (name, version)
        with tarfile.open(self.wheels_dir / (stem + ".tar.gz"), "w:gz") as t:
            t.add(source, stem)

    def requirements(self, text, name="requirements.txt"):
        path = self.work / name
        path.write_text(text)
        return path

    def installed(self):
        return sorted(p.name for p in self.venv.glob(
            "lib/python*/site-packages/*"))


class Sources(Warm):
    def test_everything_is_tried_and_one_failure_is_status_1(self):
        good = self.project("good")
        bad = self.project("bad", more=FAILS)
        (bad / "broken").write_text("")
        last = self.project("last")
        result = self.warm(good, bad, self.tmp / "nowhere", last,
                           status=BUILD)
        self.assertEqual([w["status"] for w in result.wheels],
                         ["built", "failed", "failed", "built"])
        self.assertEqual(result.wheels[2]["error"]["code"], "NOTFOUND")
        self.assertIn("pkgsync warm: %s: " % bad, result.err)
        result = self.warm(good, last)
        self.assertEqual([w["status"] for w in result.wheels],
                         ["hit", "hit"])

    def test_the_environment_is_what_is_meant_without_a_word(self):
        self.editable("my-editable")
        repository, _ = self.repository("my-git")
        self.install("git+file://%s" % repository)
        before = self.installed()
        result = self.warm()
        self.assertEqual(self.statuses(result.doc), {
            "my-editable": "built", "my-git": "built"})
        self.assertEqual(result.doc["ready"], 5)
        self.assertEqual(self.installed(), before)
        self.assertEqual(self.specs(), [])
        # And a sync has nothing left to build.
        self.assertEqual(set(self.statuses(self.synced()).values()), {"hit"})

    def test_loose_modules_are_not_packed_but_looked_for(self):
        (self.work / "helper.py").write_text("x = 1\n")
        self.assertEqual(self.warm().wheels, [])
        result = self.pkgsync("warm", "--no-loose")
        self.assertIn("--no-loose", result.err)
        doc = self.synced()
        path = doc["spec"]["path"]
        self.assertEqual(self.warm(path).wheels[0]["status"], "hit")
        for stored in self.store.glob("wheels/*/*/*"):
            stored.unlink()
        result = self.warm(path, status=BUILD)
        self.assertEqual(result.wheels[0]["status"], "failed")
        self.assertEqual(result.wheels[0]["error"]["code"], "NOTFOUND")

    def test_wheels_are_taken_as_they_are(self):
        wheel = make_wheel(self.tmp / "archives", "my-archive", "2.5")
        (one,) = self.warm(wheel).wheels
        self.assertEqual((one["name"], one["version"], one["status"]),
                         ("my-archive", "2.5", "built"))
        (one,) = self.warm(wheel).wheels
        self.assertEqual(one["status"], "hit")

    def test_wheels_by_url(self):
        wheel = make_wheel(self.tmp / "archives", "my-archive", "2.5+cu118")
        url = "%s/%s" % (self.serve(wheel.parent),
                         wheel.name.replace("+", "%2B"))
        pin = "#sha256=" + sync_support.sha256(wheel)
        self.assertEqual(self.warm(url + pin).wheels[0]["status"], "built")
        self.assertEqual(self.warm(url + pin).wheels[0]["status"], "hit")
        result = self.warm(url + "#sha256=" + "0" * 64, status=BUILD)
        self.assertEqual(result.wheels[0]["error"]["code"], "INTEGRITY")
        result = self.warm(url.replace("2.5", "2.6"), status=BUILD)
        self.assertEqual(result.wheels[0]["error"]["code"], "NOTFOUND")

    def test_two_wheels_of_one_name_clash_in_one_directory(self):
        one = self.project("demo", at=self.tmp / "one")
        two = self.project("demo", at=self.tmp / "two")
        (two / "module.py").write_text("value = 2\n")
        result = self.pkgsync("warm", *self.hermetic("warm"), "--wheel-dir",
                              self.tmp / "out", one, two)
        self.assertNotEqual(result.status, 0)
        self.assertIn("both made", result.err)

    def test_a_table_for_people(self):
        good = self.project("good")
        result = self.pkgsync("warm", *self.hermetic("warm"), good)
        self.assertEqual(result.status, 0, str(result))
        self.assertRegex(result.out, r"SOURCE +STATUS +WHEEL +SECONDS")
        self.assertRegex(result.out, r"%s +built +good-1\.0-py3-none-any\.whl"
                         r" +\d+\.\d" % good)


class Summary(Warm):
    def test_it_is_added_to_what_other_steps_wrote(self):
        path = self.summary()
        path.write_text("before\n")
        bad = self.project("bad", more=FAILS)
        (bad / "broken").write_text("")
        self.warm(self.project("good"), bad, status=BUILD)
        lines = path.read_text().splitlines()
        self.assertEqual(lines[0], "before")
        rows = [line for line in lines if line.startswith("| ")]
        self.assertEqual(len(rows), 3, lines)
        self.assertIn("| built | good-1.0-py3-none-any.whl |", rows[1])
        self.assertIn("| failed |", rows[2])

    def test_what_a_project_chose_is_no_markup(self):
        path = self.summary()
        evil = self.tmp / "a|b\n# <script>`x`"
        self.project("good", at=evil)
        self.warm(evil)
        text = path.read_text()
        rows = [line for line in text.splitlines() if line.startswith("| ")]
        self.assertEqual(len(rows), 2, text)
        # Four cells, five bars.
        self.assertEqual(rows[1].count("|"), 5, rows[1])
        for markup in ("<script>", "`"):
            self.assertNotIn(markup, text)

    def test_a_summary_that_cannot_be_written_is_an_error(self):
        self.env["GITHUB_STEP_SUMMARY"] = str(self.tmp / "no/such/place")
        result = self.pkgsync("warm", *self.hermetic("warm"),
                              self.project("good"))
        self.assertNotEqual(result.status, 0)
        self.assertIn("GITHUB_STEP_SUMMARY", result.err)


class RequirementsFiles(Warm):
    def test_what_has_to_be_built_is_built(self):
        repository, commit = self.repository("my-git")
        self.sdist("source-only")
        wheel = make_wheel(self.wheels_dir, "has-wheel", "1.0")
        self.project("pathy", at=self.work / "pathy")
        self.project("edited", at=self.work / "edited")
        self.project("named", at=self.work / "named")
        self.env["WHERE"] = str(self.work)
        self.requirements("has-wheel\n", "more.txt")
        self.requirements("dask<1  # only limits\n", "constraints.txt")
        path = self.requirements("""\
# a comment
source-only>=1 ; python_version >= '3'   # another
not-there ; sys_platform == 'win32'
-r more.txt
-c constraints.txt
--prefer-binary
./pathy[extra]
-e edited
named @ file://${WHERE}/named
git+file://%s@%s#egg=my-git
has-wheel == \\
    1.0 --hash=sha256:%s --hash=sha256:%s
has-wheel
./pathy
""" % (repository, commit, "0" * 64,
       sync_support.sha256(wheel)))
        result = self.warm("-r", path)
        self.assertEqual(self.statuses(result.doc), {
            "edited": "built", "my-git": "built", "named": "built",
            "pathy": "built", "source-only": "built"})
        self.assertEqual(result.doc["ready"], 2)

    def test_what_the_index_does_not_have_is_one_failure(self):
        self.project("pathy", at=self.work / "pathy")
        path = self.requirements("no-such-thing==1\n./pathy\n")
        result = self.warm("-r", path, status=BUILD)
        self.assertEqual(self.statuses(result.doc), {
            "pathy": "built", "no-such-thing==1": "failed"})
        self.assertIn("no-such-thing==1", result.err)

    def test_bad_files_are_told_with_their_line(self):
        self.requirements("-r b.txt\n", "a.txt")
        self.requirements("-r a.txt\n", "b.txt")
        cases = (
            ("one ok\nx y z\n", INVALID, "line 1"),
            ("fine\n\n\\\n==1\n", INVALID, "line 3"),
            ("--no-such-option\n", INVALID, "--no-such-option"),
            ("-r\n", INVALID, "needs a value"),
            ("-r missing.txt\n", NOTFOUND, "missing.txt"),
            ("-r a.txt\n", INVALID, "names itself"),
            ("x; python_version ~~ '3'\n", INVALID, "line 1"),
            ("twice @ file:///a\ntwice @ file:///b\n", INVALID,
             "asked for twice"),
        )
        for text, status, says in cases:
            with self.subTest(text):
                path = self.requirements(text)
                result = self.warm("-r", path, status=status)
                self.assertIn(says, result.err)
                self.assertEqual(result.out, "")
        self.assertEqual(self.jobs(), [])

    def test_files_that_cannot_be_read(self):
        binary = self.work / "binary.txt"
        binary.write_bytes(b"\xff\xfe\x00demo")
        directory = self.work / "directory"
        directory.mkdir()
        for path, status in ((binary, INVALID), (directory, INVALID),
                             (self.work / "missing", NOTFOUND)):
            with self.subTest(path.name):
                result = self.warm("-r", path, status=status)
                self.assertIn(str(path), result.err)


class Specs(Warm):
    def spec(self):
        self.source = self.editable("my-editable")
        doc = self.synced("--output-dir", self.tmp / "out")
        return doc, self.tmp / "out/environment.json"

    def forget_wheels(self):
        for path in self.store.glob("wheels/*/*/*"):
            path.unlink()

    def test_what_is_there_is_known(self):
        doc, path = self.spec()
        result = self.warm(path)
        self.assertEqual(self.statuses(result.doc), {"my-editable": "hit"})
        self.assertEqual(result.doc["ready"], 5)

    def test_what_is_gone_is_built_again(self):
        doc, path = self.spec()
        self.forget_wheels()
        result = self.warm(path)
        self.assertEqual(result.wheels[0]["sha256"],
                         doc["wheels"][0]["sha256"])

    def test_another_wheel_than_that_of_the_spec_is_a_failure(self):
        doc, path = self.spec()
        self.forget_wheels()
        (self.source / "module.py").write_text("value = 2\n")
        result = self.warm(path, status=BUILD)
        self.assertEqual(result.wheels[0]["error"]["code"], "INTEGRITY")
        self.assertIn("sync anew", result.err)

    def test_an_edited_spec_is_refused_and_the_rest_goes_on(self):
        doc, path = self.spec()
        edited = json.loads(path.read_text())
        edited["packages"][0]["version"] = "9"
        path.write_text(json.dumps(edited))
        result = self.warm(path, self.project("good"), status=BUILD)
        self.assertEqual(self.statuses(result.doc),
                         {"good": "built", str(path): "failed"})
        self.assertIn("edited", result.err)

    def test_a_spec_that_is_none(self):
        path = self.tmp / "x.json"
        path.write_text("[]")
        result = self.warm(path, self.tmp / "missing.json", status=BUILD)
        self.assertEqual([w["error"]["code"] for w in result.wheels],
                         ["INVALID", "NOTFOUND"])



if __name__ == "__main__":
    sync_support.main()
