"""The action, its example and the GitLab template, as linters see them."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
ACTION = ROOT / "ci/github-action/action.yml"
EXAMPLE = ROOT / "ci/github-action/example.yml"
GITLAB = ROOT / "ci/gitlab/pkgsync-warm.yml"
TOOLS = pathlib.Path(os.environ["PKGSYNC_TEST_TOOLS"])
ACTIONLINT = ROOT / "build/tools/bin/actionlint"
SKIP = 77


def run(*args):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def install():
    """check-jsonschema, kept between runs; False: the index is out of reach."""
    if (TOOLS / "complete").exists():
        return True
    shutil.rmtree(TOOLS, ignore_errors=True)
    subprocess.run(["/usr/bin/python3", "-m", "venv", TOOLS], check=True)
    status, text = run(TOOLS / "bin/pip", "install", "-q", "check-jsonschema")
    if status:
        print(text, file=sys.stderr)
        return False
    (TOOLS / "complete").touch()
    return True


class Lint(unittest.TestCase):
    def expect_ok(self, *args):
        status, text = run(*args)
        self.assertEqual(status, 0, text)

    def schema(self, name, path, *more):
        return [TOOLS / "bin/check-jsonschema", "--builtin-schema", name, *more, path]

    def test_the_action_fits_its_schema(self):
        self.expect_ok(*self.schema("vendor.github-actions", ACTION))

    def test_the_example_fits_its_schema_and_actionlint(self):
        self.expect_ok(*self.schema("vendor.github-workflows", EXAMPLE))
        if not ACTIONLINT.exists():
            self.skipTest("no actionlint: run `ci/setup tools`")
        self.expect_ok(ACTIONLINT, "-shellcheck", "shellcheck", EXAMPLE)

    def test_the_gitlab_template_fits_its_schema(self):
        self.expect_ok(
            *self.schema("vendor.gitlab-ci", GITLAB, "--data-transform", "gitlab-ci")
        )

    def test_the_schemas_refuse_what_is_wrong(self):
        wrong = TOOLS / "wrong.yml"
        wrong.write_text("name: x\nruns:\n  using: composite\n  steps: 5\n")
        self.assertNotEqual(run(*self.schema("vendor.github-actions", wrong))[0], 0)

    def test_no_expression_stands_in_a_line_that_a_shell_reads(self):
        steps = yaml.safe_load(ACTION.read_text())["runs"]["steps"]
        for step in steps:
            self.assertNotIn("${{", step.get("run", ""))
        self.assertTrue(any("run" in s for s in steps))

    def test_actions_of_others_are_pinned_by_commit(self):
        for use in re.findall(r"uses: (\S+)", ACTION.read_text()):
            self.assertRegex(use, r"^[\w-]+/[\w/-]+@[0-9a-f]{40}$")

    def test_the_scripts_pass_shellcheck(self):
        scripts = sorted((ROOT / "ci/github-action").glob("*.sh"))
        self.assertEqual(len(scripts), 2)
        self.expect_ok("shellcheck", *scripts)

    def test_the_lines_of_the_gitlab_template_pass_shellcheck(self):
        job = yaml.safe_load(GITLAB.read_text())[".pkgsync-warm"]
        lines = "".join(job["before_script"] + job["script"])
        script = TOOLS / "gitlab.sh"
        # The variables come from the job.
        script.write_text("#!/bin/sh\n# shellcheck disable=SC2154\n" + lines)
        self.expect_ok("shellcheck", script)


if __name__ == "__main__":
    if not install():
        sys.exit(SKIP)
    unittest.main()
