"""The steps of the GitHub action and of the GitLab template, run for real.

A small stand-in for the two CI systems fills in inputs and variables as they
do, and hands each step to a shell; the program, its builds and its sandbox are
the real ones.
"""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[3]
ACTION = ROOT / "ci/github-action/action.yml"
GITLAB = ROOT / "ci/gitlab/pkgsync-warm.yml"
PKGSYNC = os.environ["PKGSYNC"]
SANDBOX = os.environ["PKGSYNC_SANDBOX"]
PYTHON = "/usr/bin/python3"
HERMETIC = "--no-index\n  # the wheels of Debian\n\n--find-links=/usr/share/python-wheels"
LIMIT_S = 240


class Runs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # Prepared build environments; what was built is each test's own.
        cls.cache = tempfile.mkdtemp(prefix="pkgsync-templates-cache-")
        cls.addClassCleanup(shutil.rmtree, cls.cache)

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="pkgsync-templates-"))
        self.addCleanup(shutil.rmtree, self.dir)
        self.work = self.dir / "work"
        self.store = self.dir / "store"
        for name in ("good", "with space"):
            self.project(name)
        broken = self.project("broken")
        (broken / "setup.py").write_text("raise SystemExit('this one is broken')\n")

    def project(self, name):
        root = self.work / name
        root.mkdir(parents=True)
        module = name.replace(" ", "_")
        (root / "setup.py").write_text(
            "from setuptools import setup\n"
            f"setup(name='{module}', version='1.0', py_modules=['{module}'])\n"
        )
        (root / f"{module}.py").write_text("")
        return root

    def variables(self, **more):
        """What a runner gives a job: nothing of this test's own."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.dir), "LANG": "C.UTF-8",
               "XDG_CACHE_HOME": self.cache}  # fmt: skip
        return {**env, **more}

    def shell(self, argv, script, env, cwd):
        path = self.dir / "step.sh"
        path.write_text(script)
        return subprocess.run(
            [*argv, str(path)], env=env, cwd=cwd, timeout=LIMIT_S,
            capture_output=True, text=True,
        )  # fmt: skip

    def wheels(self):
        return sorted(p.name.split("-")[0] for p in self.store.rglob("*.whl"))

    def expect_nothing_ran(self):
        self.assertEqual([p for p in self.dir.rglob("pwned*")], [])


HOSTILE = [
    "$(touch pwned-1)",
    "`touch pwned-2`",
    "; touch pwned-3",
    "good; touch pwned-4",
    "'; touch pwned-5 #",
    '" && touch pwned-6 "',
    "${IFS}touch${IFS}pwned-7",
    "--store=file:///pwned-8",
    "--weaken=all",
    "*",
]


class GitHub(Runs):
    """Composite steps, one after the other, until one fails."""

    def expand(self, text, inputs, outputs):
        def value(found):
            kind, _, rest = found.group(1).partition(".")
            if kind == "inputs":
                return inputs[rest]
            step, _, name = rest.partition(".outputs.")
            return outputs[step].get(name, "")

        return re.sub(r"\$\{\{\s*([\w.-]+)\s*\}\}", value, str(text))

    def run_action(self, **given):
        action = yaml.safe_load(ACTION.read_text())
        inputs = {k: v.get("default", "") for k, v in action["inputs"].items()}
        for name, text in given.items():
            self.assertIn(name.replace("_", "-"), inputs)
            inputs[name.replace("_", "-")] = text
        outputs, status, log = {}, 0, ""
        (self.dir / "runner").mkdir(exist_ok=True)
        self.summary = self.dir / "summary.md"
        for step in action["runs"]["steps"]:
            if "run" not in step or status:
                continue
            file = self.dir / f"output-{step['id']}"
            file.write_text("")
            env = self.variables(
                GITHUB_ACTION_PATH=str(ACTION.parent), GITHUB_OUTPUT=str(file),
                RUNNER_TEMP=str(self.dir / "runner"), CI="true",
                GITHUB_STEP_SUMMARY=str(self.summary), GITHUB_ACTIONS="true",
                **{k: self.expand(v, inputs, outputs)
                   for k, v in step["env"].items()},
            )  # fmt: skip
            self.assertEqual(step["shell"], "bash")
            where = self.expand(step.get("working-directory", "."), inputs, outputs)
            done = self.shell(
                ["bash", "--noprofile", "--norc", "-eo", "pipefail"],
                step["run"], env, self.work / where,
            )  # fmt: skip
            status, log = done.returncode, log + done.stdout + done.stderr
            outputs[step["id"]] = dict(
                line.split("=", 1) for line in file.read_text().splitlines()
            )
        return status, log, outputs

    def warm(self, **given):
        given = {"program": PKGSYNC, "python": PYTHON, "args": HERMETIC,
                 "store": f"file://{self.store}", **given}  # fmt: skip
        return self.run_action(**given)

    def test_it_builds_and_stores_what_is_listed(self):
        status, log, outputs = self.warm(sources="\n ./good\n# not this\n./with space\n")
        self.assertEqual(status, 0, log)
        self.assertEqual(self.wheels(), ["good", "with_space"])
        document = json.loads(pathlib.Path(outputs["warm"]["result"]).read_text())
        self.assertEqual(
            [w["status"] for w in document["wheels"]], ["built", "built"]
        )
        self.assertIn("good", self.summary.read_text())

    def test_a_second_run_finds_everything_there(self):
        self.assertEqual(self.warm(sources="./good")[0], 0)
        status, log, outputs = self.warm(sources="./good")
        self.assertEqual(status, 0, log)
        document = json.loads(pathlib.Path(outputs["warm"]["result"]).read_text())
        self.assertEqual([w["status"] for w in document["wheels"]], ["hit"])

    def test_the_job_fails_after_everything_was_tried(self):
        status, log, outputs = self.warm(sources="./broken\n./good")
        self.assertEqual(status, 1, log)
        self.assertEqual(self.wheels(), ["good"])
        self.assertIn("::error::", log)
        self.assertIn("broken", self.summary.read_text())
        document = json.loads(pathlib.Path(outputs["warm"]["result"]).read_text())
        self.assertIn("failed", [w["status"] for w in document["wheels"]])

    def test_requirements_files_and_the_working_directory(self):
        (self.work / "good/needs.txt").write_text("-e ../good\n")
        status, log, _ = self.warm(requirements="needs.txt", working_directory="good")
        self.assertEqual(status, 0, log)
        self.assertEqual(self.wheels(), ["good"])

    def test_hostile_sources_stay_data(self):
        for text in HOSTILE:
            with self.subTest(source=text):
                status, log, _ = self.warm(sources=text)
                self.assertNotEqual(status, 0, log)
                self.expect_nothing_ran()
                self.assertEqual(self.wheels(), [])

    def test_other_hostile_inputs_stay_data(self):
        for name in ("requirements", "spec", "python", "region", "program",
                     "release_url", "release_sha256"):  # fmt: skip
            with self.subTest(input=name):
                self.warm(sources="./good", **{name: "$(touch pwned); touch pwned"})
                self.expect_nothing_ran()

    def release(self):
        archive = self.dir / "release.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(PKGSYNC, "pkgsync-1.0/bin/pkgsync")
            tar.add(SANDBOX, "pkgsync-1.0/libexec/pkgsync-sandbox")
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        return f"file://{archive}", digest

    def test_a_release_is_installed_when_its_hash_is_right(self):
        url, digest = self.release()
        status, log, outputs = self.warm(
            program="", release_url=url, release_sha256=digest, sources="./good"
        )
        self.assertEqual(status, 0, log)
        self.assertTrue(outputs["install"]["program"].startswith(str(self.dir)))
        self.assertEqual(self.wheels(), ["good"])

    def test_a_release_with_another_hash_is_not_run(self):
        url, digest = self.release()
        for wrong in ("", "0" * 64, digest[:-1]):
            status, log, outputs = self.warm(
                program="", release_url=url, release_sha256=wrong, sources="./good"
            )
            self.assertNotEqual(status, 0)
            self.assertIn("release", log)
            self.assertNotIn("program", outputs["install"])


class GitLab(Runs):
    """before_script and script are one shell's, as GitLab's runner does it."""

    def run_job(self, shell, **given):
        job = yaml.safe_load(GITLAB.read_text())[".pkgsync-warm"]
        env = self.variables(CI_PROJECT_DIR=str(self.work), CI="true")
        for name, text in {**job["variables"], **given}.items():
            if name not in given:
                text = text.replace("$CI_PROJECT_DIR", str(self.work))
            env[name] = text
        script = "\n".join(job["before_script"] + job["script"])
        done = self.shell([shell, "-e"], script, env, self.work)
        return done.returncode, done.stdout + done.stderr

    def warm(self, shell="sh", **given):
        return self.run_job(
            shell, **{
                "PKGSYNC_WARM_PROGRAM": PKGSYNC, "PKGSYNC_PYTHON": PYTHON,
                "PKGSYNC_STORE": f"file://{self.store}",
                "PKGSYNC_WARM_ARGS": HERMETIC, **given,
            }
        )  # fmt: skip

    def test_it_builds_and_stores_what_is_listed_in_either_shell(self):
        for shell in ("sh", "bash"):
            status, log = self.warm(
                shell, PKGSYNC_WARM_SOURCES="\n./good\n  # no\n ./with space\n"
            )
            self.assertEqual(status, 0, log)
            self.assertEqual(self.wheels(), ["good", "with_space"])
            document = json.loads((self.work / "pkgsync-warm.json").read_text())
            self.assertEqual(len(document["wheels"]), 2)

    def test_the_cache_lies_where_gitlab_can_keep_it(self):
        self.assertEqual(self.warm(PKGSYNC_WARM_SOURCES="./good")[0], 0)
        self.assertTrue((self.work / ".pkgsync-cache/pkgsync").is_dir())

    def test_the_job_fails_after_everything_was_tried(self):
        status, log = self.warm(PKGSYNC_WARM_SOURCES="./broken\n./good")
        self.assertEqual(status, 1, log)
        self.assertEqual(self.wheels(), ["good"])

    def test_hostile_variables_stay_data(self):
        for text in HOSTILE:
            with self.subTest(source=text):
                status, log = self.warm(PKGSYNC_WARM_SOURCES=text)
                self.assertNotEqual(status, 0, log)
                self.expect_nothing_ran()
        for name in ("REQUIREMENTS", "SPEC", "PROGRAM", "RELEASE_URL", "REPOSITORY"):
            with self.subTest(variable=name):
                self.warm(
                    PKGSYNC_WARM_SOURCES="./good",
                    **{"PKGSYNC_WARM_" + name: "$(touch pwned); touch pwned"},
                )
                self.expect_nothing_ran()

    def test_without_a_program_it_says_what_to_set(self):
        status, log = self.warm(PKGSYNC_WARM_PROGRAM="")
        self.assertEqual(status, 1)
        self.assertIn("PKGSYNC_WARM_RELEASE_URL", log)


if __name__ == "__main__":
    unittest.main()
