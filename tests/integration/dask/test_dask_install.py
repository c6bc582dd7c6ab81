#!/usr/bin/env python3
"""What a bare worker does with an environment spec: real virtual environments
and a real pip, wheels from a directory, no index and no distributed."""

import base64
import contextlib
import hashlib
import http.server
import itertools
import json
import os
import pathlib
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest
import venv
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "python"))
from pkgsync import _install, _installer, _program, _versions  # noqa: E402
from pkgsync._environment import identity  # noqa: E402
from pkgsync._errors import PackageSyncError  # noqa: E402

import spec_support as spec  # noqa: E402

template = None  # a virtual environment with pip, to be copied


class Case(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="pkgsync-dask-")
        self.addCleanup(temporary.cleanup)
        self.tmp = pathlib.Path(temporary.name).resolve()
        self.links = self.tmp / "links"
        self.env = {
            "PATH": "/usr/bin:/bin", "HOME": str(self.tmp), "LC_ALL": "C.UTF-8",
            "PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_CACHE_DIR": "1",
        }

    def environment(self, name="worker"):
        """A new one; its interpreter."""
        path = self.tmp / name
        shutil.copytree(template, path, symlinks=True)
        return path / "bin" / "python"

    def start(self, python, payload):
        process = subprocess.Popen(
            [python, "-c", _install.ERRAND], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env,
            cwd=self.tmp, start_new_session=True)
        process.errand = pickle.dumps(_install.Errand(payload), protocol=4)
        return process

    def finish(self, process):
        out, err = process.communicate(process.errand, timeout=120)
        self.assertTrue(out, err.decode())
        return json.loads(out.decode().splitlines()[-1])

    def bring(self, python, payload):
        """The report of an environment that is brought to a spec."""
        answer = self.finish(self.start(python, payload))
        self.assertIn("report", answer, answer)
        return answer["report"]

    def fails(self, python, payload):
        """The error of one that cannot be."""
        answer = self.finish(self.start(python, payload))
        self.assertIn("error", answer, answer)
        return answer["error"]

    def run_in(self, python, code):
        return subprocess.run(
            [python, "-c", code], capture_output=True, text=True, env=self.env,
            cwd=self.tmp, check=True).stdout.strip()

    def tree(self, python):
        """Every file of an environment but what Python and we keep for
        ourselves, by its contents."""
        prefix = pathlib.Path(python).parents[1]
        found = {}
        for path in sorted(prefix.rglob("*")):
            parts = path.relative_to(prefix).parts
            if ".pkgsync" in parts or "__pycache__" in parts:
                continue
            if path.is_file() and not path.is_symlink():
                found["/".join(parts)] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    def package(self, value, name="edit", version="1.0"):
        """A wheel of a built package that says `value`: its spec's entry."""
        path = spec.make_wheel(
            self.tmp / ("wheels-%s" % value), name, version,
            {name + ".py": "value = %r\n" % value})
        return spec.built_package(name, version, path)


class Installs(Case):
    def test_an_empty_environment_gets_everything_and_is_then_left_alone(self):
        python = self.environment()
        spec.make_wheel(self.links, "plain", "1.2.5", {"plain.py": "value = 3\n"})
        spec.make_wheel(self.links, "plain", "2.0", {"plain.py": "value = 4\n"})
        payload = spec.make_payload(
            [self.package(1), spec.index_package("plain", "1.2")], [self.links])
        report = self.bring(python, payload)
        self.assertEqual(report["method"], "pip")
        self.assertEqual(
            [(c["name"], c["from"], c["to"]) for c in report["changed"]],
            [("edit", None, "1.0"), ("plain", None, "1.2.5")])
        self.assertEqual(
            self.run_in(python, "import edit, plain; print(edit.value, plain.value)"),
            "1 3")
        before = self.tree(python)
        report = self.bring(python, payload)
        self.assertEqual((report["method"], report["changed"]), ("none", []))
        self.assertEqual(self.tree(python), before)

    def test_the_same_version_with_other_contents_is_installed_again(self):
        python = self.environment()
        self.bring(python, spec.make_payload([self.package(1)]))
        report = self.bring(python, spec.make_payload([self.package(2)]))
        self.assertEqual([c["name"] for c in report["changed"]], ["edit"])
        self.assertEqual(self.run_in(python, "import edit; print(edit.value)"), "2")

    def test_only_what_differs_is_touched(self):
        python = self.environment()
        other = self.package("same", name="other")
        self.bring(python, spec.make_payload([self.package(1), other]))
        site = next(pathlib.Path(python).parents[1].rglob("other.py"))
        before = site.stat()
        report = self.bring(python, spec.make_payload([self.package(2), other]))
        self.assertEqual([c["name"] for c in report["changed"]], ["edit"])
        self.assertEqual(site.stat().st_ino, before.st_ino)

    def test_two_at_a_time_install_once(self):
        python = self.environment()
        payload = spec.make_payload([self.package(1)])
        both = [self.start(python, payload) for _ in range(2)]
        threads = []
        answers = []
        for process in both:
            threads.append(threading.Thread(
                target=lambda p=process: answers.append(self.finish(p))))
            threads[-1].start()
        for thread in threads:
            thread.join()
        self.assertEqual(
            sorted(a["report"]["method"] for a in answers), ["none", "pip"])

    def test_it_remembers_which_files_were_replaced_and_when(self):
        python = self.environment()
        self.bring(python, spec.make_payload([self.package(1)]))
        self.bring(python, spec.make_payload([self.package(2)]))
        state = json.loads(
            (pathlib.Path(python).parents[1] / ".pkgsync/state.json").read_text())
        self.assertEqual(len(state["changes"]), 2)
        self.assertTrue(any(
            f.endswith("/edit.py") for f in state["changes"][1]["files"]))
        self.assertLess(state["changes"][0]["at"], state["changes"][1]["at"])

    def test_a_wheel_is_fetched_by_its_address(self):
        python = self.environment()
        package = self.package(1)
        served = self.tmp / "wheels-1"

        class Files(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=str(served))

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        self.addCleanup(server.server_close)
        here = "http://127.0.0.1:%d/" % server.server_address[1]
        package["wheel"]["url"] = "s3://bucket/edit"
        payload = spec.make_payload([package], carry=False)
        error = self.fails(python, payload)
        self.assertIn("cannot fetch s3://bucket/edit without", error["message"])
        payload["wheels"][0]["fetch"] = here + "gone?X-Amz-Signature=SECRET"
        error = self.fails(python, payload)
        self.assertEqual((error["phase"], error["package"]), ("fetch", "edit"))
        self.assertNotIn("SECRET", str(error))
        payload["wheels"][0]["fetch"] = (
            here + package["wheel"]["filename"] + "?X-Amz-Signature=SECRET")
        self.assertEqual(self.bring(python, payload)["method"], "pip")


class Refusals(Case):
    def setUp(self):
        super().setUp()
        self.python = self.environment()
        self.bring(self.python, spec.make_payload([self.package("old")]))
        self.before = self.tree(self.python)

    def tearDown(self):
        self.assertEqual(self.tree(self.python), self.before)

    def test_a_wheel_whose_hash_is_wrong(self):
        first, second = self.package("new"), self.package(2, name="second")
        second["wheel"]["sha256"] = "0" * 64
        error = self.fails(self.python, spec.make_payload([first, second]))
        self.assertEqual((error["phase"], error["package"]), ("verify", "second"))
        self.assertIn("nothing was installed", error["message"])

    def test_a_wheel_that_is_cut_short(self):
        payload = spec.make_payload([self.package("new")])
        payload["wheels"][0]["data"] = payload["wheels"][0]["data"][:-1]
        error = self.fails(self.python, payload)
        self.assertEqual(error["phase"], "verify")

    def test_a_version_that_no_index_has(self):
        payload = spec.make_payload(
            [self.package("new"), spec.index_package("absent", "1.2")])
        error = self.fails(self.python, payload)
        self.assertEqual((error["phase"], error["package"]), ("install", "absent"))
        self.assertIn("the environment is as it was", error["message"])
        self.assertIn("No matching distribution", error["log"])

    def test_what_is_installed_and_still_differs_is_put_back(self):
        package, fresh = self.package("new"), self.package(7, name="fresh")
        package["version"] = "9.0"  # the wheel holds 1.0
        path = spec.make_wheel(self.tmp / "lie", "edit", "1.0", {"edit.py": "x = 1\n"})
        package["wheel"].update(
            spec.built_package("edit", "9.0", path)["wheel"])
        error = self.fails(self.python, spec.make_payload([fresh, package]))
        self.assertIn("still different: edit: another version", error["message"])
        self.assertIn("the environment is as it was", error["message"])
        self.assertEqual(error["phase"], "check")

    def test_another_python(self):
        payload = spec.make_payload([self.package("new")], version="3.2.1")
        error = self.fails(self.python, payload)
        self.assertEqual(error["phase"], "python")
        self.assertIn("3.2: start the workers with that version", error["message"])

    def test_another_platform(self):
        payload = spec.make_payload([self.package("new")])
        payload["document"]["python"]["platform"] = "linux-riscv64"
        error = self.fails(self.python, payload)
        self.assertIn("one for linux_riscv64", error["message"])

    def test_a_package_of_conda(self):
        package = spec.index_package("mkl", "1.0")
        package["conda"] = {"name": "mkl", "version": "1.0"}
        error = self.fails(self.python, spec.make_payload([package]))
        self.assertIn("environment.yml", error["message"])


class Killed(Case):
    """SIGKILL while pip writes; the package is long, and its METADATA is
    written before the rest."""

    COUNT = 2000

    def setUp(self):
        super().setUp()
        self.python = self.environment()
        self.site = next(pathlib.Path(self.python).parents[1].glob(
            "lib/python*/site-packages"))
        for version in ("1.0", "2.0"):
            made = spec.make_wheel(self.tmp / "made", "long", version, {
                "long/m%04d.py" % i: "value = %r\n" % version
                for i in range(self.COUNT)})
            self.links.mkdir(exist_ok=True)
            with zipfile.ZipFile(made) as old, zipfile.ZipFile(
                    self.links / made.name, "w") as new:
                for name in sorted(
                        old.namelist(), key=lambda n: (".dist-info" not in n, n)):
                    new.writestr(name, old.read(name))

    def payload(self, version):
        return spec.make_payload(
            [spec.index_package("long", version, "long==" + version)], [self.links])

    def written(self, version):
        """How many of its files are there."""
        return sum("'%s'" % version in path.read_text()
                   for path in self.site.glob("long/m*.py"))

    def kill(self, version, kill):
        process = self.start(self.python, self.payload(version))
        process.stdin.write(process.errand)
        process.stdin.close()
        last = self.site / "long" / "m0300.py"
        limit = time.monotonic() + 60
        while not (last.exists() and version in last.read_text()):
            self.assertIsNone(process.poll())
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.001)
        kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        process.stderr.close()

    def test_what_was_half_installed_is_installed_again(self):
        self.kill("1.0", os.killpg)
        self.assertLess(self.written("1.0"), self.COUNT)
        self.assertTrue((self.site / "long-1.0.dist-info/METADATA").exists())
        report = self.bring(self.python, self.payload("1.0"))
        self.assertEqual(report["method"], "pip")
        self.assertIn("put back first", report["warnings"][0])
        self.assertEqual(self.written("1.0"), self.COUNT)
        self.assertEqual(self.bring(self.python, self.payload("1.0"))["method"], "none")

    def test_an_installer_that_outlives_its_process_is_waited_for(self):
        self.kill("1.0", os.kill)
        self.assertEqual(self.bring(self.python, self.payload("1.0"))["method"], "pip")
        self.assertEqual(self.written("1.0"), self.COUNT)
        self.assertTrue((self.site / "long-1.0.dist-info/RECORD").exists())

    def test_the_next_goes_the_way_back_before_anything_else(self):
        self.bring(self.python, self.payload("1.0"))
        before = self.tree(self.python)
        self.kill("2.0", os.killpg)
        self.assertNotEqual(self.tree(self.python), before)
        absent = spec.make_payload([spec.index_package("absent", "1.2")])
        self.assertIn("environment is as it was", self.fails(
            self.python, absent)["message"])
        self.assertEqual(self.tree(self.python), before)
        left = os.listdir(pathlib.Path(self.python).parents[1] / ".pkgsync")
        self.assertEqual([n for n in left if n.startswith(("stage", "dask-j"))], [])

    def test_without_a_journal_it_is_known_by_what_is_missing(self):
        self.kill("1.0", os.killpg)
        for path in (self.site / ".." / ".." / ".." / ".pkgsync").glob("dask-j*"):
            path.unlink()
        report = self.bring(self.python, self.payload("1.0"))
        self.assertEqual((report["method"], report["warnings"]), ("pip", []))
        self.assertEqual(self.written("1.0"), self.COUNT)


class WayBack(Case):
    def setUp(self):
        super().setUp()
        self.python = self.environment()
        self.site = next(pathlib.Path(self.python).parents[1].glob(
            "lib/python*/site-packages"))

    def test_files_of_others_and_new_ones_are_put_back(self):
        path = spec.make_wheel(
            self.tmp, "other", "1.0", {"shared/x.py": "value = 'other'\n"})
        other = spec.built_package("other", "1.0", path)
        self.bring(self.python, spec.make_payload([other]))
        # In the way of a member of the next, so that it fails in the middle.
        (self.site / "zzz.py").mkdir()
        (self.site / "zzz.py" / "kept").write_text("kept")
        before = self.tree(self.python)
        script = "fresh-1.0.data/scripts/run"
        path = spec.make_wheel(self.tmp, "fresh", "1.0", {
            "fresh/__init__.py": "", "shared/x.py": "value = 'fresh'\n",
            script: "#!python\n", "zzz.py": ""})
        plain = spec.make_wheel(self.links, "plain", "1.2", {"plain/x.py": "1\n"})
        self.assertTrue(plain.exists())
        error = self.fails(self.python, spec.make_payload(
            [spec.built_package("fresh", "1.0", path),
             spec.index_package("plain", "1.2")], [self.links]))
        self.assertIn("zzz.py", error["message"])
        self.assertIn("the environment is as it was", error["message"])
        self.assertEqual(self.tree(self.python), before)
        self.assertFalse((self.site / "fresh").exists())

    def test_a_package_of_which_a_file_is_missing_is_installed_again(self):
        spec.make_wheel(self.links, "plain", "1.2", {"plain.py": "", "more.py": ""})
        payload = spec.make_payload(
            [self.package(1), spec.index_package("plain", "1.2")], [self.links])
        self.bring(self.python, payload)
        for name in ("edit.py", "more.py"):
            (self.site / name).unlink()
            self.assertEqual(self.bring(self.python, payload)["method"], "pip")
            self.assertTrue((self.site / name).exists())

    def test_what_only_the_cluster_has_brings_what_it_requires_or_nothing(self):
        spec.make_wheel(self.links, "plain", "1.2", {"plain.py": ""})
        spec.make_wheel(self.links, "plain", "1.9", {"plain.py": ""})
        spec.make_wheel(self.links, "needed", "3.0", {"needed/x.py": ""})
        spec.make_wheel(self.links, "tool", "1.0", {"tool.py": ""},
                        requires=["needed>=2", "plain"])
        extra = spec.index_package("tool", "1.0", "tool>=1")
        extra["source"]["kind"] = "extra"
        packages = [spec.index_package("plain", "1.2", "plain==1.2"), extra]
        payload = spec.make_payload(packages, [self.links])
        for name in ("needed", "tool"):  # the last fails in the middle
            (self.site / (name + ".py")).mkdir()
            (self.site / (name + ".py") / "kept").write_text("kept")
        before = self.tree(self.python)
        error = self.fails(self.python, payload)
        self.assertIn("the environment is as it was", error["message"])
        self.assertEqual(self.tree(self.python), before)
        shutil.rmtree(self.site / "tool.py")
        self.bring(self.python, payload)
        self.assertEqual(
            sorted(path.name for path in self.site.glob("[nt]*.dist-info")),
            ["needed-3.0.dist-info", "tool-1.0.dist-info"])
        self.assertTrue((self.site / "plain-1.2.dist-info").exists())
        self.assertEqual(self.bring(self.python, payload)["method"], "none")

    def test_direct_url_names_the_wheel_where_it_stays(self):
        package = self.package(1)
        self.bring(self.python, spec.make_payload([package]))
        info = self.site / "edit-1.0.dist-info"
        data = (info / "direct_url.json").read_bytes()
        found = json.loads(data)
        self.assertEqual(found["url"], package["wheel"]["url"])
        self.assertEqual(
            found["archive_info"]["hashes"]["sha256"], package["wheel"]["sha256"])
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
        line = "edit-1.0.dist-info/direct_url.json,sha256=%s,%d" % (
            digest.rstrip("="), len(data))
        self.assertIn(line, (info / "RECORD").read_text().splitlines())

    def test_a_version_may_be_written_in_another_way(self):
        path = spec.make_wheel(self.tmp, "odd", "1.0-beta.1", {"odd.py": ""})
        named = path.with_name("odd-1.0b1-py3-none-any.whl")
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(named, "w") as new:
            for name in old.namelist():
                fixed = name.replace("odd-1.0-beta.1", "odd-1.0b1")
                text = old.read(name).replace(b"odd-1.0-beta.1", b"odd-1.0b1")
                new.writestr(fixed, text)
        payload = spec.make_payload([spec.built_package("odd", "1.0b1", named)])
        self.assertEqual(self.bring(self.python, payload)["method"], "pip")
        self.assertEqual(self.bring(self.python, payload)["method"], "none")


class Settings(Case):
    def payload(self):
        return spec.make_payload([self.package(1)])

    def test_none_of_pip_leads_elsewhere(self):
        python = self.environment()
        elsewhere = self.tmp / "elsewhere"
        (self.tmp / "pip.conf").write_text("[install]\ntarget = %s\n" % elsewhere)
        (self.tmp / "pip.py").write_text("raise SystemExit('imported')\n")
        for name, value in (
                ("TARGET", elsewhere), ("PREFIX", elsewhere), ("ROOT", elsewhere),
                ("USER", 1), ("DRY_RUN", 1), ("REQUIRE_HASHES", 1), ("NO_DEPS", 0),
                ("REQUIREMENT", "/nowhere"), ("CONSTRAINT", "/nowhere"),
                ("ONLY_BINARY", ":none:")):
            self.env["PIP_" + name] = str(value)
        self.env.update(
            PIP_CONFIG_FILE=str(self.tmp / "pip.conf"), PYTHONPATH=str(self.tmp))
        self.assertEqual(self.bring(python, self.payload())["method"], "pip")
        self.assertFalse(elsewhere.exists())

    def test_where_the_index_is_comes_from_the_files_of_pip(self):
        python = self.environment()
        spec.make_wheel(self.links, "plain", "1.2", {"plain.py": ""})
        (self.tmp / "pip.conf").write_text(
            "[global]\nfind-links = %s\n[install]\nno-deps = no\n" % self.links)
        self.env["PIP_CONFIG_FILE"] = "pip.conf"
        payload = spec.make_payload([spec.index_package("plain", "1.2")])
        self.assertEqual(self.bring(python, payload)["method"], "pip")

    def test_what_is_kept_of_an_environment(self):
        kept = {"HOME": "/h", "PIP_INDEX_URL": "i", "PIP_TRUSTED_HOST": "t",
                "UV_INDEX_PRIVATE_PASSWORD": "p", "UV_CACHE_DIR": "/c",
                "https_proxy": "x", "UV_DEFAULT_INDEX": "d", "SSL_CERT_FILE": "/s"}
        dropped = ("PIP_TARGET", "UV_TARGET", "UV_PREFIX", "UV_CONSTRAINT",
                   "UV_EXCLUDE_NEWER", "UV_REQUIRE_HASHES", "PYTHONHOME",
                   "PYTHONPATH", "VIRTUAL_ENV", "UV_SYSTEM_PYTHON")
        cleaned = _installer.clean_environ({**kept, **dict.fromkeys(dropped, "1")})
        self.assertEqual({k: cleaned.get(k) for k in kept}, kept)
        self.assertEqual([name for name in dropped if name in cleaned], [])

    def test_what_uv_and_pip_say_they_would_install(self):
        self.assertEqual(
            [pin.line for pin in _installer.pins_of_uv(
                "Resolved 3 packages\n + a==1.0\n - b==1\n + b==2\n"
                " + c==1 (from https://h/c.whl)\n")],
            ["a==1.0", "b==2", "c @ https://h/c.whl"])


class Environments(Case):
    def test_without_pip_and_uv_it_says_what_is_missing(self):
        path = self.tmp / "bare"
        venv.create(path, with_pip=False)
        error = self.fails(path / "bin/python", spec.make_payload([self.package(1)]))
        self.assertIn("no pip, and there is no uv", error["message"])

    def test_the_environment_of_the_client_is_not_written_to(self):
        python = self.environment()
        code = ("import sys, json; sys.path.insert(0, %r)\n"
                "from pkgsync._environment import identity\n"
                "print(json.dumps(identity()))" % str(ROOT / "python"))
        self.bring(python, spec.make_payload([self.package("old")]))
        payload = spec.make_payload([self.package("new")])
        payload["origin"] = json.loads(self.run_in(python, code))
        before = self.tree(python)
        self.assertEqual(self.bring(python, payload)["method"], "own")
        self.assertEqual(self.tree(python), before)

    def test_one_that_only_looks_like_it_is_brought_to_the_spec(self):
        # A second container of the same image: the same path and numbers, but
        # without what was installed since.
        python = self.environment()
        code = ("import sys, json; sys.path.insert(0, %r)\n"
                "from pkgsync._environment import identity\n"
                "print(json.dumps(identity()))" % str(ROOT / "python"))
        payload = spec.make_payload([self.package("new")])
        payload["origin"] = json.loads(self.run_in(python, code))
        self.assertEqual(self.bring(python, payload)["method"], "pip")


class Sent(unittest.TestCase):
    """What unpickles where the package is not."""

    def foreign(self, code, data):
        return subprocess.run(
            [sys.executable, "-I", "-c", textwrap.dedent(code)], input=data,
            capture_output=True, check=True, cwd="/").stdout

    def test_an_error_comes_through_a_bare_interpreter_and_back(self):
        error = PackageSyncError(
            "m", package="p", phase="build", cause="c", host="h", log="the log")
        back = pickle.loads(self.foreign("""
            import pickle, sys
            try:
                import pkgsync
                raise SystemExit("this interpreter is not bare")
            except ImportError:
                pass
            error = pickle.load(sys.stdin.buffer)
            assert str(error).endswith("the log"), str(error)
            assert type(error).__module__.startswith("_pkgsync_")
            sys.stdout.buffer.write(pickle.dumps(error))
            """, pickle.dumps(error)))
        self.assertIs(type(back), PackageSyncError)
        self.assertEqual(back.__dict__, error.__dict__)

    def test_two_versions_of_the_package_live_in_one_process(self):
        first = pickle.dumps(PackageSyncError("first"))
        from pkgsync import _portable

        mine = dict(_portable.bundle())
        self.addCleanup(_portable._bundle.update, mine)
        _portable._bundle["_errors"] = mine["_errors"] + "\nANOTHER = 1\n"
        second = pickle.dumps(PackageSyncError("second"))
        out = self.foreign("""
            import pickle, sys
            for data in eval(sys.stdin.read()):
                error = pickle.loads(data)
                module = sys.modules[type(error).__module__]
                print(error, hasattr(module, "ANOTHER"))
            """, repr([first, second]).encode())
        self.assertEqual(out.decode().splitlines(), ["first False", "second True"])


class Imports(unittest.TestCase):
    def test_since_when_a_module_is_loaded_is_known(self):
        with tempfile.TemporaryDirectory(prefix="pkgsync-dask-") as made:
            for name in ("early", "late"):
                pathlib.Path(made, name + ".py").write_text("")
            code = """
                import importlib.util, json, os, sys, time
                sys.path[:0] = [%r, %r]
                import early
                from pkgsync._environment import ImportTimes, loaded_files
                ImportTimes.watch()
                before = time.time()
                import late
                after = time.time()
                for finder in sys.meta_path:  # only asks
                    finder.find_spec("early", None)
                files = {os.path.basename(k): v for k, v in loaded_files(5.0).items()}
                ImportTimes.watch()
                found = [f for f in sys.meta_path if hasattr(f, "pkgsync_times")]
                print(json.dumps([files["early.py"], len(found),
                                  before <= files["late.py"] <= after]))
                """ % (made, str(ROOT / "python"))
            out = subprocess.run(
                [sys.executable, "-B", "-c", textwrap.dedent(code)],
                capture_output=True, text=True, check=True).stdout
        self.assertEqual(json.loads(out), [5.0, 1, True])


class Versions(unittest.TestCase):
    TEXTS = """1 1.0 1.2 1.2.3 1.0a1 1.0rc1 1.0.post1 1.0.dev1 1.0a1.dev2
        1.0.post1.dev3 1!1.0 1.2+cu118 1.2+cu.118 1.2.0 2.0 2.2 2.2.post1 1.1a1
        1.10 1.0b2.post3 1.0-1 v1.0 1.0.0.0.1 1.2+abc 1.2+5 2024.7.1""".split()

    def test_they_compare_as_the_reference_implementation_compares_them(self):
        try:
            from packaging.version import Version
        except ImportError:
            from pip._vendor.packaging.version import Version
        for a, b in itertools.product(self.TEXTS, self.TEXTS):
            ours = (_versions.Version(a) < _versions.Version(b),
                    _versions.Version(a) == _versions.Version(b))
            self.assertEqual(ours, (Version(a) < Version(b), Version(a) == Version(b)),
                             (a, b))

    def test_specifiers_of_a_spec_hold_as_in_the_reference_implementation(self):
        try:
            from packaging.specifiers import SpecifierSet
        except ImportError:
            from pip._vendor.packaging.specifiers import SpecifierSet
        # Normal forms only: old versions of it take others literally.
        normal = [t for t in self.TEXTS if t not in ("v1.0", "1.0-1")]
        checked = 0
        for version, text in itertools.product(normal, normal):
            for specifier in ("==" + text, "~=" + text, "!=" + text, ">=" + text,
                              "<=" + text, "===" + text, "==" + text + ".*"):
                if specifier.endswith(".*") and not specifier[2:-2].replace(
                        ".", "").isdigit():
                    continue  # what old versions of it allowed
                if "+" in text and specifier[:2] not in ("==", "!="):
                    continue  # as well
                try:
                    theirs = SpecifierSet(specifier).contains(version, prereleases=True)
                except ValueError:
                    continue
                ours = _versions.satisfies(specifier, version)
                self.assertEqual(ours, theirs, (version, specifier))
                checked += 1
        self.assertGreater(checked, 2000)

    def test_requirements_give_their_specifiers(self):
        for text, expected in (
                ("a~=1.2", "~=1.2"), ("a[b,c] >=1,<2 ; x=='1'", ">=1,<2"),
                ("a", ""), ("a @ https://h/x.whl", ""), ("a (>=1)", ">=1")):
            self.assertEqual(_versions.specifiers_of(text), expected)


class Program(unittest.TestCase):
    """Calling `pkgsync sync`: here a script that says what a test wants."""

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="pkgsync-dask-")
        self.addCleanup(temporary.cleanup)
        self.tmp = pathlib.Path(temporary.name)
        self.lines = []

    def script(self, text):
        path = self.tmp / "pkgsync"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return [str(path), "sync"]

    def fails(self, text):
        with self.assertRaises(PackageSyncError) as caught:
            _program.sync(self.script(text), None, None, self.lines.append)
        return caught.exception

    def test_a_build_that_failed_is_named_with_its_log(self):
        log = self.tmp / "log"
        log.write_text("x" * 10000 + "\nModuleNotFoundError: numpy\n")
        document = {"schema": 1, "wheels": [
            {"name": "good", "source": "/g", "status": "built", "error": None},
            {"name": "bad", "source": "/b", "status": "failed", "error": {
                "phase": "build", "cause": "numpy is not there",
                "message": "the build failed", "log": str(log)}}]}
        error = self.fails(
            "echo building >&2\ncat <<'E'\n%s\nE\nexit 1\n" % json.dumps(document))
        self.assertEqual((error.package, error.phase, error.cause),
                         ("bad", "build", "numpy is not there"))
        self.assertTrue(error.log.endswith("ModuleNotFoundError: numpy\n"))
        self.assertLessEqual(len(error.log), 6000)
        self.assertIn("ModuleNotFoundError: numpy", str(error))
        self.assertEqual(self.lines, ["building"])

    def test_a_failure_before_any_build_says_what_the_program_said(self):
        error = self.fails("echo 'pkgsync sync: tornado is missing' >&2; exit 66")
        self.assertIn("tornado is missing", str(error))

    def test_what_is_no_document_is_an_error(self):
        self.assertIn("no JSON", self.fails("echo hello").log)
        self.assertIn("schema 2", str(self.fails("echo '{\"schema\":2}'")))

    def test_a_program_that_is_nowhere_says_how_to_point_to_it(self):
        with changed_environ(PATH="/nowhere"):
            with self.assertRaisesRegex(PackageSyncError, "PKGSYNC_PROGRAM"):
                _program.find_program()
            with self.assertRaisesRegex(PackageSyncError, "named by program="):
                _program.find_program("/not/there")
        with changed_environ(PKGSYNC_PROGRAM="/not/there"):
            with self.assertRaisesRegex(PackageSyncError, "named by PKGSYNC_PROG"):
                _program.find_program()

    def answer(self, url="file:///s/x.whl"):
        path = spec.make_wheel(self.tmp, "edit", "1.0", {"edit.py": "x" * 5000})
        package = spec.built_package("edit", "1.0", path, url)
        payload = spec.make_payload([package], carry=False)
        wheel = dict(package["wheel"], path=str(path), name="edit")
        return {"spec_document": payload["document"], "wheels": [wheel],
                "requirements": "edit @ https://h/x.whl?sig=1#sha256=00\nother~=1\n",
                "spec": {"digest": payload["digest"], "url": "u", "path": "p"}}

    def test_wheels_of_a_local_store_are_sent_along(self):
        payload = _program.payload_of(self.answer(), 1 << 20, False)
        self.assertEqual(payload["wheels"][0]["data"][:2], b"PK")
        self.assertEqual(payload["origin"], identity())

    def test_but_not_beyond_the_limit(self):
        with self.assertRaisesRegex(PackageSyncError, "carry_limit") as caught:
            _program.payload_of(self.answer(), 1000, False)
        self.assertEqual(caught.exception.package, "edit")

    def test_those_of_a_bucket_are_fetched_by_the_presigned_address(self):
        answer = self.answer("s3://bucket/x.whl")
        payload = _program.payload_of(answer, 1 << 20, True)
        self.assertEqual(payload["wheels"][0]["fetch"], "https://h/x.whl?sig=1")
        self.assertNotIn("data", payload["wheels"][0])
        payload = _program.payload_of(answer, 1 << 20, False)
        self.assertNotIn("fetch", payload["wheels"][0])


@contextlib.contextmanager
def changed_environ(**changes):
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="pkgsync-venv-") as made:
        template = os.path.join(made, "venv")
        venv.create(template, with_pip=True)
        program = unittest.main(exit=False)
    sys.exit(not program.result.wasSuccessful())
