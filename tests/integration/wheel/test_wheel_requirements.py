#!/usr/bin/env python3
"""Build requirements that exist as source distributions only."""

import tarfile
import unittest

import wheel_support as ws

PYPROJECT = """\
[build-system]
requires = [%(requires)s]
build-backend = 'backend'
backend-path = ['.']
[project]
name = '%(name)s'
version = '1.0'
"""


class Requirements(ws.WheelTest):
    def setUp(self):
        super().setUp()
        self.own_cache()
        self.links = self.tmp / "links"
        self.links.mkdir()

    def needing(self, name, *requires, more=""):
        quoted = ", ".join("'%s'" % r for r in requires)
        return self.project(name, more=more, pyproject=PYPROJECT % {
            "name": name, "requires": quoted})

    def sdist(self, name, *requires, more=""):
        """An sdist in the place where requirements are looked for."""
        path = self.needing(name, *requires, more=more)
        stem = name.replace("-", "_") + "-1.0"
        (path / "PKG-INFO").write_text(
            "Metadata-Version: 2.1\nName: %s\nVersion: 1.0\n" % name)
        with tarfile.open(self.links / (stem + ".tar.gz"), "w:gz") as out:
            out.add(path, stem)

    def test_one_is_built_first_as_a_job_of_its_own(self):
        self.sdist("tool-one")
        path = self.needing("demo", "tool-one>=1", more="\nimport tool_one\n")
        self.build("--find-links", self.links, path)
        self.assertEqual(self.stored(), ["demo-1.0-py3-none-any.whl",
                                         "tool_one-1.0-py3-none-any.whl"])
        jobs = self.pkgsync("jobs", "--all", "--json").doc["jobs"]
        self.assertEqual([j["state"] for j in jobs], ["done", "done"])

    def test_one_may_need_another(self):
        self.sdist("tool-two")
        self.sdist("tool-one", "tool-two", more="\nimport tool_two\n")
        path = self.needing("demo", "tool-one", more="\nimport tool_one\n")
        self.build("--find-links", self.links, path)
        self.assertEqual(len(self.stored()), 3)

    def test_one_that_is_there_already_is_not_built_again(self):
        self.sdist("tool-one")
        self.build("--find-links", self.links, self.needing("a", "tool-one"))
        self.build("--find-links", self.links, self.needing("b", "tool-one"))
        jobs = self.pkgsync("jobs", "--all", "--json").doc["jobs"]
        self.assertEqual(len(jobs), 3)

    def test_one_that_fails_is_named(self):
        self.sdist("tool-one", more="\nraise RuntimeError('broken tool')\n")
        path = self.needing("demo", "tool-one")
        self.fails(ws.BUILD, "--find-links", self.links, path,
                   says=["build requirement 'tool-one'", "broken tool"])

    def test_one_that_needs_itself_ends(self):
        self.sdist("tool-one", "tool-one")
        path = self.needing("demo", "tool-one")
        self.fails(ws.INVALID, "--find-links", self.links, path,
                   says="needs itself")

    def test_one_that_is_nowhere_is_not_found(self):
        path = self.needing("demo", "no-such-tool")
        self.fails(ws.NOTFOUND, "--find-links", self.links, path,
                   says="no-such-tool")

    def test_no_code_of_one_runs_outside_the_sandbox(self):
        mark = self.tmp / "mark"
        self.sdist("tool-one",
                   more="\ntry:\n    open(%r, 'w')\nexcept OSError:\n"
                        "    pass\n" % str(mark))
        self.build("--find-links", self.links,
                   self.needing("demo", "tool-one"))
        self.assertFalse(mark.exists())


if __name__ == "__main__":
    ws.main()
