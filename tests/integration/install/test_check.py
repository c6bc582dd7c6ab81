#!/usr/bin/env python3
"""Comparing an environment with a spec, and two environments."""

import json

import install_support as s


class Check(s.InstallTest):
    def found(self, result, severity="error"):
        return {d["name"]: d for d in result.doc["differences"]
                if d["severity"] == severity}

    def test_a_package_whose_files_are_gone_is_an_error(self):
        wheel = self.wheel("demo", "1.0", files={
            "demo/__init__.py": "", "demo/x.py": "VERSION = 1\n"})
        spec = self.spec(s.built(wheel))
        venv = self.venv()
        self.install(venv, spec)
        self.check("--python", venv, spec)
        s.shutil.rmtree(self.site(venv) / "demo")
        result = self.check("--python", venv, spec, status=s.DIFFERS)
        self.assertIn("half removed", result.doc["differences"][0]["message"])
        result = self.install(venv, spec)
        self.assertEqual(result.installed["demo"]["was"], "1.0")
        self.assertTrue((self.site(venv) / "demo/x.py").exists())
        self.check("--python", venv, spec)

    def test_an_environment_that_is_as_the_spec_says(self):
        self.on_index("other", "2.3.1")
        venv = self.venv()
        spec = self.spec(s.built(self.wheel("demo", "1.0")),
                         s.from_index("other", "2.3"))
        self.install(venv, spec)
        result = self.check("--python", venv, spec)
        self.assertEqual(set(result.doc), {"schema", "equal", "differences"})
        self.assertTrue(result.doc["equal"])
        self.assertEqual(self.found(result), {})

    def test_what_is_missing_or_another_version(self):
        venv = self.venv(packages=[self.wheel("other", "3.0")])
        spec = self.spec(s.built(self.wheel("demo", "1.0")),
                         s.from_index("other", "2.3"))
        result = self.check("--python", venv, spec, status=s.DIFFERS)
        self.assertFalse(result.doc["equal"])
        found = self.found(result)
        self.assertEqual(set(found), {"demo", "other"})
        self.assertIsNone(found["demo"]["found"])
        self.assertEqual(found["demo"]["level"], "build")
        self.assertEqual(found["other"]["found"], "3.0")
        self.assertEqual(found["other"]["expected"], "other~=2.3")
        self.assertEqual(result.messages, [])

    def test_a_person_gets_a_table(self):
        venv = self.venv()
        result = self.pkgsync("check", "--python", venv, self.spec(
            s.built(self.wheel("demo", "1.0"))))
        self.assertEqual(result.status, s.DIFFERS, str(result))
        self.assertIn("NAME", result.out)
        self.assertIn("demo", result.out)
        self.assertIn("not equal: 1 error", result.out)
        self.assertEqual(result.err, "")

    def test_strict_counts_what_the_spec_lacks(self):
        venv = self.venv(packages=[self.wheel("mine", "3.0")])
        spec = self.spec()
        self.check("--python", venv, spec)
        result = self.check("--strict", "--python", venv, spec,
                            status=s.DIFFERS)
        self.assertEqual(set(self.found(result)), {"mine"})

    def test_another_wheel_of_the_same_version(self):
        venv = self.venv()
        self.install(venv, self.spec(s.built(self.wheel("demo", "1.0"))))
        other = s.make_wheel(self.tmp / "second", "demo", "1.0",
                             files={"demo.py": ""})
        result = self.check("--python", venv, self.spec(s.built(other)),
                            status=s.DIFFERS)
        self.assertEqual(set(self.found(result)), {"demo"})

    def test_specs_that_are_wrong(self):
        venv = self.venv()
        doc = s.document([s.built(self.wheel("demo", "1.0"))])
        doc["packages"][0]["version"] = "2.0"
        path = self.tmp / "edited.json"
        path.write_text(json.dumps(doc))
        for spec, status in ((path, s.INTEGRITY), (self.wheels, s.INVALID),
                             (self.tmp / "none.json", s.NOTFOUND)):
            result = self.pkgsync("check", "--json", "--python", venv, spec)
            self.assertEqual(result.status, status, str(result))
            self.assertEqual(len(result.messages), 1, str(result))
            self.assertEqual(result.out, "")

    def test_two_environments(self):
        demo = self.wheel("demo", "1.2")
        one = self.venv("one", [demo, self.wheel("same", "1.0")])
        two = self.venv("two", [demo, self.wheel("same", "1.0"),
                                self.wheel("more", "1.0")])
        self.assertTrue(self.check(one, two).doc["equal"])
        result = self.check("--strict", one, two, status=s.DIFFERS)
        self.assertEqual(set(self.found(result)), {"more"})
        result = self.check(two, one / "bin/python", status=s.DIFFERS)
        self.assertEqual(set(self.found(result)), {"more"})

    def test_two_environments_by_level(self):
        one = self.venv("one", [self.wheel("demo", "1.2")])
        two = self.venv("two", [self.wheel("demo", "1.2.1")])
        three = self.venv("three", [self.wheel("demo", "2.0")])
        self.check(one, two)
        self.check("--match", "exact", one, two, status=s.DIFFERS)
        self.check("--exact", "demo", one, two, status=s.DIFFERS)
        self.check(one, three, status=s.DIFFERS)
        self.check("--ignore", "demo", one, three)

    def test_wrong_usage(self):
        for arguments in ([], ["a", "b", "c"], ["--match", "x", "a", "b"]):
            result = self.pkgsync("check", *arguments)
            self.assertEqual(result.status, s.USAGE, str(result))


if __name__ == "__main__":
    s.main()
