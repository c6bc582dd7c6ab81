"""`pkgsync scan` of real environments, held against what their interpreters
and `pip inspect` say."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

import environments

PKGSYNC = os.environ["PKGSYNC"]
HERE = pathlib.Path(__file__).resolve().parent
LIMIT_S = 300


def normalize(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def url_path(url):
    return os.path.realpath(urllib.parse.unquote(urllib.parse.urlsplit(url).path))


class Compared(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory(prefix="pkgsync-environment-")
        cls.addClassCleanup(temporary.cleanup)
        cls.tmp = pathlib.Path(temporary.name)
        cls.empty = cls.tmp / "empty"
        cls.empty.mkdir()

    def variables(self, more=None):
        env = environments.clean_env(**(more or {}))
        for name in ("CACHE", "DATA", "STATE", "CONFIG"):
            env[f"XDG_{name}_HOME"] = str(self.tmp / name.lower())
        return env

    def pkgsync(self, *args, env=None, status=0):
        done = subprocess.run(
            [PKGSYNC, *map(str, args)], cwd=self.empty, env=self.variables(env),
            capture_output=True, text=True, timeout=LIMIT_S,
        )  # fmt: skip
        if status is not None:
            self.assertEqual(done.returncode, status, done.stderr)
        return done

    def scan(self, python, env=None):
        # The status tells of critical packages that are missing.
        done = self.pkgsync(
            "scan", "--json", "--no-loose", "--python", python, env=env, status=None
        )
        self.assertTrue(done.stdout, done.stderr)
        document = json.loads(done.stdout)
        self.assertEqual(document["schema"], 1)
        return document

    def reference(self, python, env=None):
        text = environments.run(
            python, HERE / "reference.py", env=self.variables(env), cwd=self.empty
        )
        return json.loads(text)

    def by_name(self, document):
        """The rows that are Python distributions; each name once."""
        rows = {}
        for row in document["packages"]:
            normal = normalize(row["name"])
            self.assertNotIn(normal, rows)
            rows[normal] = row
        return rows

    def compare(self, python, env=None, without=()):
        """Both, after everything that both say was found equal."""
        document = self.scan(python, env)
        reference = self.reference(python, env)
        rows = self.by_name(document)
        expected = {k: v for k, v in reference["packages"].items() if k not in without}
        self.assertEqual(
            {k: v["version"] for k, v in rows.items() if k not in without},
            {k: v["version"] for k, v in expected.items()},
        )
        for normal, wanted in expected.items():
            with self.subTest(package=normal):
                self.compare_row(rows[normal], wanted)
        self.assertEqual(document["python"]["version"], reference["version"])
        return rows, expected

    def compare_row(self, row, wanted):
        self.assertEqual(row["name"], wanted["name"])
        self.assertEqual(row["installer"], wanted["installer"])
        # Of an egg-link the interpreter tells what it leads to.
        if not row["location"].endswith(".egg-link"):
            self.assertEqual(
                os.path.realpath(row["location"]), os.path.realpath(wanted["location"])
            )
        self.compare_source(row["source"], wanted["direct_url"])

    def compare_source(self, source, direct):
        if direct is None:
            self.assertIn(source["kind"], ("index", "conda", "editable"))
            return
        if "vcs_info" in direct:
            self.assertEqual(source["kind"], "vcs")
            self.assertEqual(source["commit"], direct["vcs_info"]["commit_id"])
            self.assertIn(direct["url"], source["url"])
        elif "archive_info" in direct:
            self.assertEqual(source["kind"], "archive")
            self.assertIn(direct["url"], source["url"])
        else:
            editable = direct["dir_info"].get("editable", False)
            self.assertEqual(source["kind"], "editable" if editable else "directory")
            self.assertEqual(source["editable"], editable)
            self.assertEqual(url_path(source["url"]), url_path(direct["url"]))

    def expect_editables(self, rows, facts):
        for name, root in facts["editables"].items():
            with self.subTest(editable=name):
                row = rows[normalize(name)]
                self.assertEqual(row["source"]["kind"], "editable")
                self.assertEqual(url_path(row["source"]["url"]), os.path.realpath(root))
                self.assertEqual(row["level"], "build")

    def compare_with_pip(self, env):
        """The same with `pip inspect`, which tells of REQUESTED, too."""
        document = json.loads(environments.run(
            environments.tools() / "bin/python", "-m", "pip", "--python", env.python,
            "inspect", env=self.variables(env.variables)))  # fmt: skip
        rows = self.by_name(self.scan(env.python, env.variables))
        theirs = {}
        for item in document["installed"]:
            theirs.setdefault(normalize(item["metadata"]["name"]), item)
        self.assertEqual(
            {k: v["version"] for k, v in rows.items()},
            {k: v["metadata"]["version"] for k, v in theirs.items()},
        )
        for normal, item in theirs.items():
            with self.subTest(package=normal):
                self.assertEqual(rows[normal]["installer"], item.get("installer") or None)
                self.compare_source(rows[normal]["source"], item.get("direct_url"))


class Editables(Compared):
    def test_every_kind_that_pip_makes_is_found_with_its_project(self):
        env = environments.editables()
        rows, _ = self.compare(env.python)
        self.expect_editables(rows, env.facts)
        self.compare_with_pip(env)

    def test_every_kind_that_uv_makes_is_found_without_pip(self):
        env = environments.editables_uv()
        rows, _ = self.compare(env.python)
        self.expect_editables(rows, env.facts)
        self.assertEqual(rows["idna"]["installer"], "uv")
        self.assertNotIn("pip", rows)

    def test_what_setuptools_did_before_wheels_is_found(self):
        env = environments.legacy()
        rows, _ = self.compare(env.python)
        self.expect_editables(rows, env.facts)
        for name in ("old-egg", "old-egg-info", "old-file"):
            self.assertEqual(rows[name]["source"]["kind"], "index")


class Origins(Compared):
    def check(self, env, prefix):
        rows, expected = self.compare(env.python)
        self.compare_with_pip(env)
        facts = env.facts
        git = rows[f"{prefix}-git"]
        self.assertEqual(git["source"]["commit"], facts["commit"])
        self.assertEqual(git["level"], "build")
        lib = rows[f"{prefix}-git-lib"]
        self.assertNotEqual(lib["source"]["commit"], facts["commit"])
        self.assertIn(
            "lib", (lib["source"].get("subdirectory"), lib["source"]["url"][-3:])
        )
        self.assertIn(prefix + "-http", rows)
        for name in ("directory", "spaced"):
            self.assertEqual(rows[f"{prefix}-{name}"]["level"], "build")
        self.assertTrue(
            expected[f"{prefix}-spaced"]["direct_url"]["url"].endswith("with%20space")
        )

    def test_git_archives_and_directories_by_pip(self):
        self.check(environments.origins(), "o")

    def test_git_archives_and_directories_by_uv(self):
        self.check(environments.origins_uv(), "u")


class Sites(Compared):
    def test_an_environment_of_sixty_distributions(self):
        env = environments.sixty()
        rows, _ = self.compare(env.python)
        self.compare_with_pip(env)
        self.assertGreaterEqual(len(rows), 60)
        for name in ("dask", "distributed", "tornado", "cloudpickle", "msgpack"):
            self.assertEqual(rows[name]["level"], "critical")
            self.assertIn("==", rows[name]["requirement"])
        self.assertTrue(rows["pandas"]["requirement"].startswith("pandas~="))

    def test_the_requirements_of_a_scan_admit_what_is_installed(self):
        env = environments.sixty()
        rows = self.by_name(self.scan(env.python))
        lines = [r["requirement"] for r in rows.values() if r["requirement"]]
        self.assertGreater(len(lines), 50)
        wanted = self.tmp / "wanted.txt"
        wanted.write_text("\n".join(lines) + "\n")
        out = environments.run(
            environments.tools() / "bin/python", "-m", "pip", "--python", env.python,
            "install", "--no-index", "--dry-run", "-r", wanted, env=self.variables(),
        )  # fmt: skip
        self.assertNotIn("Would install", out)

    def test_the_user_site_comes_before_the_interpreters(self):
        env = environments.user_site()
        rows, _ = self.compare(
            env.python, {"PYTHONUSERBASE": env.facts["userbase"]}
        )
        self.assertEqual(rows["idna"]["version"], "3.6")
        self.assertTrue(rows["six"]["location"].startswith(env.facts["userbase"]))

    def test_no_user_site_when_the_interpreter_is_told_so(self):
        env = environments.user_site()
        rows, _ = self.compare(
            env.python,
            {"PYTHONUSERBASE": env.facts["userbase"], "PYTHONNOUSERSITE": "1"},
        )
        self.assertNotEqual(rows.get("idna", {}).get("version"), "3.6")

    def test_debians_packages_show_through_a_virtual_environment(self):
        env = environments.system_site()
        rows, _ = self.compare(env.python)
        self.expect_editables(rows, env.facts)
        self.assertEqual(rows["six"]["version"], "1.15.0")

    def test_debians_own_interpreter(self):
        rows, _ = self.compare("/usr/bin/python3")
        self.assertIn("botocore", rows)

    def test_directories_on_pythonpath_come_first(self):
        env = environments.python_path()
        path = {"PYTHONPATH": os.pathsep.join(env.facts["path"])}
        rows, _ = self.compare(env.python, path)
        self.assertEqual(rows["idna"]["version"], "3.6")
        self.assertIn("attrs", rows)
        rows, _ = self.compare(env.python)
        self.assertEqual(rows["idna"]["version"], "3.7")
        self.assertNotIn("attrs", rows)


class Conda(Compared):
    def rows(self):
        env = environments.conda()
        document = self.scan(env.python)
        return env, self.by_name(document)

    def test_distributions_agree_with_the_interpreter(self):
        env, rows = self.rows()
        expected = self.reference(env.python)["packages"]
        self.assertEqual(
            {k: rows[k]["version"] for k in expected if k in rows},
            {k: v["version"] for k, v in expected.items()},
        )

    def test_what_conda_installed_is_condas(self):
        _, rows = self.rows()
        for name in ("dask", "distributed", "msgpack", "conda-direct"):
            self.assertEqual(rows[name]["source"]["kind"], "conda", name)

    def test_what_pip_installed_inside_is_pips(self):
        env, rows = self.rows()
        self.assertEqual(rows["idna"]["source"]["kind"], "index")
        self.assertEqual(rows["idna"]["installer"], "pip")
        self.expect_editables(rows, env.facts)

    def test_what_pip_overwrote_is_no_longer_condas(self):
        _, rows = self.rows()
        self.assertEqual(rows["overwritten"]["version"], "2.1")
        self.assertNotEqual(rows["overwritten"]["source"]["kind"], "conda")

    def test_packages_that_are_no_distributions_are_listed_as_condas(self):
        env, rows = self.rows()
        for name, version in (("libdemo", "1.2.0"), ("tzdemo", "2023c"),
                              ("python", env.facts["version"])):  # fmt: skip
            self.assertEqual(rows[name]["version"], version)
            self.assertEqual(rows[name]["source"]["kind"], "conda")

    def yaml(self, text):
        """As much of YAML as environment.yml needs: the two lists."""
        channels, conda, pip = [], [], []
        into = None
        for line in text.splitlines():
            item = line.strip().removeprefix("- ").strip('"')
            if line.startswith("channels:"):
                into = channels
            elif line.startswith("dependencies:"):
                into = conda
            elif line.strip() == "- pip:":
                into = pip
            elif into is not None and line.strip().startswith("- "):
                into.append(item)
        return channels, conda, pip

    def test_environment_yml_gives_condas_packages_again(self):
        env, rows = self.rows()
        out = self.tmp / "conda-out"
        self.pkgsync(
            "sync", "--json", "--no-loose", "--python", env.python,
            "--output-dir", out,
        )  # fmt: skip
        channels, conda, pip = self.yaml((out / "environment.yml").read_text())
        self.assertEqual(len(channels), 1)
        solved = json.loads(environments.run(
            environments.tools() / "bin/python", HERE / "conda_solve.py", channels[0],
            *[spec for spec in conda if spec != "pip"], env=self.variables()))  # fmt: skip
        for row in rows.values():
            if row["source"]["kind"] == "conda":
                name = {"dask": "dask-core", "msgpack": "msgpack-python"}.get(
                    row["name"], row["name"])  # fmt: skip
                self.assertEqual(solved[name], row["version"])
        names = sorted(re.split(r"[ ~=@]", line)[0] for line in pip)
        self.assertEqual(names, ["idna", "inside-conda", "overwritten"])
        self.assertFalse(any("idna" in spec for spec in conda))


class Synced(Compared):
    """Wheels of editables, built by `pkgsync sync`."""

    def warm(self, env, *more):
        done = self.pkgsync(
            "warm", "--json", "--python", env.python, *more
        )
        return {normalize(w["name"]): w for w in json.loads(done.stdout)["wheels"]}

    def install(self, env, wheels):
        """Into a directory of its own: nothing can be imported from a project."""
        target = self.tmp / f"installed-{env.root.name}"
        environments.run(
            environments.tools() / "bin/python", "-m", "pip", "install", "-q",
            "--no-deps", "--no-index", "--target", target,
            *[w["path"] for w in wheels.values()], env=self.variables(),
        )  # fmt: skip
        return target

    def test_warm_builds_every_kind_of_editable_into_a_wheel_that_works(self):
        env = environments.editables()
        wheels = self.warm(env)
        names = [normalize(n) for n in env.facts["editables"]]
        self.assertEqual(sorted(wheels), sorted(names))
        target = self.install(env, wheels)
        # -S: no .pth file of the environment, so no editable.
        code = "import importlib, sys; sys.path.insert(0, sys.argv[1])\n" \
               "for m in sys.argv[2:]: print(importlib.import_module(m).__file__)"  # fmt: skip
        modules = [
            ("edns." if n == "ed-setuptools-ns" else "") + n.replace("-", "_")
            for n in names if n != "ed-setuptools-c"
        ]  # fmt: skip
        files = environments.run(
            env.python, "-S", "-c", code, target, *modules, cwd=self.empty
        )
        for file in files.splitlines():
            self.assertTrue(file.startswith(str(target)), file)

    def test_warm_builds_what_setuptools_linked_before_wheels(self):
        env = environments.legacy()
        wheels = self.warm(env)
        self.assertEqual(list(wheels), ["leg-acy-pkg"])
        target = self.install(env, wheels)
        self.assertTrue((target / "leg_acy_pkg/__init__.py").is_file())

    def test_warm_builds_git_and_directory_installs_again(self):
        env = environments.origins()
        # The server that o-http came from is gone.
        wheels = self.warm(env, "--ignore", "o-http")
        self.assertNotIn("o-http", wheels)
        for name in ("o-git", "o-git-lib", "o-directory", "o-spaced", "o-sdist"):
            self.assertIn(wheels[name]["status"], ("built", "hit"))

    def test_sync_builds_every_editable_of_three_back_ends(self):
        env = environments.sixty()
        out = self.tmp / "out"
        names = env.facts["editables"]
        done = self.pkgsync(
            "sync", "--json", "--no-loose", "--python", env.python,
            "--output-dir", out,
        )  # fmt: skip
        wheels = {normalize(w["name"]): w for w in json.loads(done.stdout)["wheels"]}
        self.assertEqual(sorted(wheels), sorted(names))
        text = (out / "requirements.txt").read_text()
        for wheel in wheels.values():
            self.assertIn(wheel["status"], ("built", "hit"))
            self.assertTrue(pathlib.Path(wheel["path"]).is_file())
            self.assertIn(wheel["sha256"], text)


if __name__ == "__main__":
    try:
        environments.tools()
    except environments.NoIndex as reason:
        print(f"skipped: {reason}", file=sys.stderr)
        sys.exit(environments.SKIP)
    unittest.main()
