#!/usr/bin/env python3
"""A failure leaves the environment as it was, or says what changed."""

import os
import signal
import subprocess
import time

import install_support as s

# Does what uv does, as far as it is told: unpacks wheels over what was there.
UV = """
    import csv, os, pathlib, re, shutil, signal, sys, time, urllib.parse
    import zipfile
    prefix = pathlib.Path(sys.argv[sys.argv.index("--python") + 1]).parents[1]
    site = next(prefix.glob("lib/python*/site-packages"))
    tmp = pathlib.Path(%(tmp)r)
    wheels = [urllib.parse.unquote(m.group(1)) for m in (
        re.search(r"@ file://(.*)#sha256", a) for a in sys.argv) if m]

    def remove(name):
        for info in site.glob(name + "-*.dist-info"):
            for row in csv.reader(open(info / "RECORD")):
                path = pathlib.Path(os.path.normpath(site / row[0]))
                if path.exists():
                    path.unlink()
            shutil.rmtree(info)

    def install(path):
        remove(os.path.basename(path).split("-")[0])
        zipfile.ZipFile(path).extractall(site)

    %(then)s
"""


class Back(s.InstallTest):
    def setUp(self):
        super().setUp()
        self.old = s.make_wheel(
            self.tmp / "old", "demo", "0.9",
            files={"demo/__init__.py": "VERSION = '0.9'\n",
                   "demo/data.txt": "old\n", "demo/only_old.py": ""})
        self.new = self.wheel("demo", "1.0", files={
            "demo/__init__.py": "VERSION = '1.0'\n", "demo/data.txt": "new\n",
            "demo/only/new.py": ""})

    def fake_uv(self, then):
        return self.program("uv", UV % {"tmp": str(self.tmp), "then": then})

    def both(self):
        """Two packages to be installed, the first over an old one."""
        venv = self.venv(packages=[self.old])
        return venv, self.spec(s.built(self.new),
                               s.built(self.wheel("zzz", "1.0")))

    def start(self, venv, spec, **kwargs):
        argv = [s.PKGSYNC, *map(str, self.arguments(venv, spec))]
        process = subprocess.Popen(
            argv, env=self.env, cwd=self.tmp, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            **kwargs)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def wait_for(self, path):
        limit = time.monotonic() + 60
        while not path.exists():
            self.assertLess(time.monotonic(), limit, path)
            time.sleep(0.02)
        return path.read_text()

    def wait_for_end(self, pid):
        """Of what was started by a program that was killed."""
        limit = time.monotonic() + 30
        while True:
            try:
                with open("/proc/%d/stat" % pid) as stat:
                    if stat.read().rpartition(")")[2].split()[0] == "Z":
                        return
            except FileNotFoundError:
                return
            self.assertLess(time.monotonic(), limit, "it goes on")
            time.sleep(0.02)

    def test_an_installer_that_fails_in_the_middle(self):
        self.fake_uv("install(wheels[0]); print('error: no more', "
                     "file=sys.stderr); sys.exit(2)")
        venv, spec = self.both()
        result = self.refuses(s.IO, venv, spec, says=[
            "uv ended with status 2", "error: no more",
            "the environment is as it was"])
        self.assertNotIn("what changed", result.err)
        self.assertEqual(self.left_behind(venv), [])
        self.assertFalse((venv / ".pkgsync.json").exists())

    def test_an_installer_that_removes_and_then_fails(self):
        self.fake_uv("remove('demo'); sys.exit(1)")
        venv, spec = self.both()
        self.refuses(s.IO, venv, spec, says="the environment is as it was")

    def test_an_installer_that_is_killed(self):
        self.fake_uv("install(wheels[0]); os.kill(os.getpid(), 9)")
        venv, spec = self.both()
        self.refuses(s.IO, venv, spec,
                     says=["signal 9", "the environment is as it was"])

    def test_pip_that_cannot_write_a_file_of_the_last_wheel(self):
        venv = self.venv(packages=[self.old])
        bad = self.wheel("zzz", "1.0", files={
            "zzz.py": "", "zzz-1.0.data/data/lib": "a directory is here\n"},
            entry_points="[console_scripts]\nzzz = zzz:main\n")
        spec = self.spec(s.built(self.new), s.built(bad))
        result = self.refuses(s.IO, venv, spec, says=[
            "pip ended with status", "the environment is as it was"])
        self.assertNotIn("what changed", result.err)
        self.assertEqual(
            self.run_python(venv, "import demo; print(demo.VERSION)"), "0.9")

    def test_leftovers_of_the_installer_go_as_well(self):
        self.fake_uv(
            "(site / '~emo').mkdir(); (site / '~emo/x').write_text('');"
            "(prefix / 'bin/zzz-script').write_text(''); sys.exit(1)")
        venv = self.venv(packages=[self.old])
        spec = self.spec(s.built(self.new), s.built(self.wheel(
            "zzz", "1.0",
            entry_points="[console_scripts]\nzzz-script = zzz:main\n")))
        self.refuses(s.IO, venv, spec)

    def test_what_appears_beside_it_while_it_fails_stays(self):
        self.fake_uv("(prefix / 'bin/mine').write_text('precious');"
                     "(site / '~other').mkdir(); sys.exit(1)")
        venv, spec = self.both()
        result = self.pkgsync(*self.arguments(venv, spec))
        self.assertEqual(result.status, s.IO, str(result))
        self.assertEqual((venv / "bin/mine").read_text(), "precious")
        self.assertTrue((self.site(venv) / "~other").is_dir())

    def test_directories_are_as_they_were(self):
        bad = self.wheel("zzz", "1.0", files={
            "zzz/deep/er.py": "", "zzz-1.0.data/data/share/zzz/x": ""})
        venv = self.venv(packages=[self.old])
        (venv / "share").mkdir()
        (self.site(venv) / "demo").chmod(0o750)
        self.fake_uv("install(wheels[0]); (prefix / 'share/zzz').mkdir();"
                     "(prefix / 'share/zzz/x').write_text('');"
                     "shutil.rmtree(site / 'demo'); sys.exit(1)")
        self.refuses(s.IO, venv, self.spec(s.built(bad), s.built(self.new)))
        self.assertEqual(
            (self.site(venv) / "demo").stat().st_mode & 0o777, 0o750)

    def test_an_old_editable_comes_back(self):
        """`setup.py develop`: an .egg-link and a line in easy-install.pth."""
        for then, status in ((
                "(site / 'demo.egg-link').unlink();"
                "(site / 'easy-install.pth').write_text('');"
                "[install(w) for w in wheels]; sys.exit(1)", s.IO),
                (None, 0)):
            venv = self.venv("env-%d" % status)
            project = self.tmp / "project"
            (project / "demo.egg-info").mkdir(parents=True, exist_ok=True)
            (project / "demo.egg-info/PKG-INFO").write_text(
                "Metadata-Version: 2.1\nName: demo\nVersion: 0.5\n")
            (project / "demo.py").write_text("VERSION = 'tree'\n")
            (project / "setup.py").write_text("")
            (self.site(venv) / "demo.egg-link").write_text(
                "%s\n." % project)
            (self.site(venv) / "easy-install.pth").write_text(
                "%s\n" % project)
            spec = self.spec(s.built(self.new))
            if then:
                self.fake_uv(then)
                self.refuses(status, venv, spec)
                continue
            (self.tmp / "bin/uv").unlink()
            result = self.install(venv, spec)
            self.assertEqual(result.installed["demo"]["was"], "0.5")
            self.assertFalse((self.site(venv) / "demo.egg-link").exists())
            self.assertEqual(self.run_python(
                venv, "import demo; print(demo.VERSION)"), "1.0")
            self.assertTrue((project / "demo.py").exists())

    def test_a_broken_package_that_was_in_the_way_comes_back(self):
        self.fake_uv("sys.exit(1)")
        venv, spec = self.both()
        (self.site(venv) / "demo-0.9.dist-info/RECORD").unlink()
        self.refuses(s.IO, venv, spec)

    def test_the_next_install_undoes_what_a_killed_one_left(self):
        self.fake_uv("install(wheels[0]); "
                     "(tmp / 'pid.new').write_text(str(os.getpid())); "
                     "os.rename(tmp / 'pid.new', tmp / 'pid'); "
                     "time.sleep(600)")
        venv, spec = self.both()
        process = self.start(venv, spec)
        pid = int(self.wait_for(self.tmp / "pid"))
        process.kill()
        process.wait()
        self.wait_for_end(pid)
        (self.tmp / "bin/uv").unlink()
        self.assertEqual(self.versions(venv), {"demo": "1.0"})
        self.assertTrue((venv / ".pkgsync/journal.json").exists())
        result = self.check("--python", venv, spec, status=s.DIFFERS)
        self.assertIn("interrupted", result.err)

        result = self.install(venv, spec)
        self.assertIn("interrupted", result.err)
        self.assertTrue(result.doc["restored"])
        self.assertEqual(result.installed["demo"]["was"], "0.9")
        self.assertEqual(self.versions(venv), {"demo": "1.0", "zzz": "1.0"})
        self.assertFalse((self.site(venv) / "demo/only_old.py").exists())
        self.assertEqual(self.left_behind(venv), [])

    def test_an_interrupted_install_is_undone_even_if_nothing_differs(self):
        self.fake_uv("install(wheels[0]); "
                     "(tmp / 'pid.new').write_text(str(os.getpid())); "
                     "os.rename(tmp / 'pid.new', tmp / 'pid'); "
                     "time.sleep(600)")
        venv = self.venv(packages=[self.old])
        before = self.picture(venv)
        process = self.start(venv, self.spec(s.built(self.new)))
        pid = int(self.wait_for(self.tmp / "pid"))
        process.kill()
        process.wait()
        self.wait_for_end(pid)
        result = self.install(venv, self.spec())
        self.assertTrue(result.doc["restored"])
        self.assertEqual(self.picture(venv), before)

    def kill_one(self, venv, spec, then="install(wheels[0]);"):
        """An install is killed while `then` was done."""
        self.fake_uv(then + "(tmp / 'ready').write_text(''); time.sleep(600)")
        process = self.start(venv, spec)
        self.wait_for(self.tmp / "ready")
        process.kill()
        process.wait()
        (self.tmp / "bin/uv").unlink()
        (self.tmp / "ready").unlink()

    def test_work_that_was_done_since_is_not_undone(self):
        venv, spec = self.both()
        self.kill_one(venv, spec)
        self.fake_uv("[install(w) for w in wheels]")
        self.run_uv(venv, s.make_wheel(self.tmp / "later", "demo", "3.0"))
        self.put(venv, s.make_wheel(self.tmp / "later", "tool", "1.0", files={
            "tool.py": "", "demo/only/new.py": "of tool\n"}))
        (self.tmp / "bin/uv").unlink()
        (venv / "bin/mine").write_text("precious")
        (venv / "bin/tool").write_text("of tool")
        before = self.picture(venv)
        result = self.install(venv, self.spec())
        self.assertIn("'demo' was installed anew since", result.err)
        self.assertIn("'demo'", result.doc["unrestored"])
        self.assertEqual(self.picture(venv), before)
        self.assertEqual(self.left_behind(venv), [])
        self.assertIsNone(self.install(venv, self.spec()).doc["unrestored"])

    def run_uv(self, venv, wheel):
        subprocess.run([self.tmp / "bin/uv", "--python", venv / "bin/python",
                        "x @ %s#sha256=0" % wheel.as_uri()], check=True)

    def test_a_package_that_it_had_not_begun_with_keeps_its_changes(self):
        venv, spec = self.both()
        self.kill_one(venv, spec, "")
        path = self.site(venv) / "demo/data.txt"
        path.with_name("x").write_text("mine\n")
        path.with_name("x").rename(path)
        (self.site(venv) / "demo/only_old.py").unlink()
        self.assertTrue(self.install(venv, self.spec()).doc["restored"])
        self.assertEqual(path.read_text(), "mine\n")
        self.assertTrue((self.site(venv) / "demo/only_old.py").exists())

    def test_what_cannot_be_undone_is_said_once(self):
        venv, spec = self.both()
        self.kill_one(venv, spec)
        (venv / ".pkgsync/backup/0").unlink()
        (venv / ".pkgsync/backup/1").unlink()
        result = self.install(venv, spec)
        self.assertIn("not all of it could be undone", result.err)
        self.assertIn(".pkgsync/unrestored", result.err)
        self.assertEqual(self.versions(venv), {"demo": "1.0", "zzz": "1.0"})
        self.assertTrue((venv / ".pkgsync/unrestored/journal.json").exists())
        result = self.install(venv, spec)
        self.assertNotIn("undone", result.err)

    def test_a_journal_that_is_damaged_is_said_once(self):
        venv, spec = self.both()
        self.kill_one(venv, spec)
        (venv / ".pkgsync/journal.json").write_text("{}")
        result = self.install(venv, spec)
        self.assertIn("not all of it could be undone", result.err)
        self.assertEqual(self.versions(venv), {"demo": "1.0", "zzz": "1.0"})

    def test_a_name_that_is_no_text_comes_back(self):
        venv, spec = self.both()
        odd = os.fsencode(self.site(venv)) + b"/demo-0.9.dist-info/\xff.txt"
        with open(odd, "w") as out:
            out.write("kept")
        self.fake_uv("remove('demo'); sys.exit(1)")
        self.refuses(s.IO, venv, spec)
        with open(odd) as found:
            self.assertEqual(found.read(), "kept")

    def test_what_the_environment_was_made_from_is_left_alone(self):
        base = self.base()
        shared = self.base_site(base)
        venv = self.tmp / "env"
        subprocess.run([base / "bin/python3", "-m", "venv", "--without-pip",
                        "--system-site-packages", venv], check=True)
        with s.zipfile.ZipFile(self.old) as archive:
            archive.extractall(shared)
        os.utime(shared / "demo/data.txt", (1, 1))
        before = self.picture(base)
        self.fake_uv("sys.exit(1)")
        result = self.refuses(s.IO, venv, self.spec(s.built(self.new)))
        self.assertIn("the environment is as it was", result.err)
        self.assertEqual(self.picture(base), before)
        self.kill_one(venv, self.spec(s.built(self.new)), "")
        (shared / "demo/data.txt").unlink()
        (shared / "demo/data.txt").write_text("of the next version\n")
        before = self.picture(base)
        result = self.install(venv, self.spec(s.built(self.new)))
        self.assertTrue(result.doc["restored"])
        self.assertEqual(self.picture(base), before)
        self.assertEqual(self.run_python(
            venv, "import demo; print(demo.VERSION)"), "1.0")

    def test_the_next_install_waits_for_what_a_killed_one_still_runs(self):
        """A child of the installer that outlives it goes on writing."""
        self.fake_uv("""
    if os.fork():
        (tmp / 'ready').write_text('')
        time.sleep(600)
    os.setsid()
    time.sleep(3)
    (site / 'demo').mkdir(exist_ok=True)
    (site / 'demo/__init__.py').write_text('late')
    (tmp / 'ended').write_text('')
""")
        venv, spec = self.both()
        process = self.start(venv, spec)
        self.wait_for(self.tmp / "ready")
        process.kill()
        process.wait()
        (self.tmp / "bin/uv").unlink()
        result = self.install(venv, spec)
        self.assertTrue((self.tmp / "ended").exists())
        self.assertIn("waiting for another install", result.err)
        self.assertEqual(self.run_python(
            venv, "import demo; print(demo.VERSION)"), "1.0")

    def test_an_interrupt_ends_it_and_goes_back(self):
        self.fake_uv("install(wheels[0]); (tmp / 'ready').write_text(''); "
                     "time.sleep(600)")
        venv, spec = self.both()
        before = self.picture(venv)
        process = self.start(venv, spec)
        self.wait_for(self.tmp / "ready")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, err)
        self.assertIn("the environment is as it was", err)
        self.assertEqual(self.picture(venv), before)
        self.assertEqual(self.left_behind(venv), [])

    def test_when_going_back_fails_it_says_what_changed(self):
        self.fake_uv("remove('demo'); shutil.rmtree(site / 'demo');"
                     "(site / 'demo').write_text('in the way'); sys.exit(1)")
        venv, spec = self.both()
        before = self.picture(venv)
        result = self.pkgsync(*self.arguments(venv, spec))
        self.assertEqual(result.status, s.IO, str(result))
        self.assertIn("going back failed", result.err)
        self.assertIn("could not be put back", result.err)
        self.assertNotIn("the environment is as it was", result.err)
        self.assertIn("what changed", result.err)
        # With the obstacle gone the next install can do it.
        (self.site(venv) / "demo").unlink()
        self.fake_uv("sys.exit(0)")
        result = self.install(venv, self.spec())
        self.assertTrue(result.doc["restored"])
        self.assertEqual(self.picture(venv), before)

    def test_a_file_that_another_package_has_as_well_stays(self):
        shared = {"shared/x.py": "X = 1\n", "shared/data": "of both\n"}
        one = self.wheel("one", "1.0", files={**shared, "one.py": ""})
        two = self.wheel("two", "1.0", files={"two.py": ""})
        other = self.wheel("other", "1.0", files=shared)
        venv = self.venv(packages=[other])
        self.install(venv, self.spec(s.built(one)))
        newer = s.make_wheel(self.wheels, "one", "2.0", files={"one.py": ""})
        self.install(venv, self.spec(s.built(newer), s.built(two)))
        self.assertEqual(self.versions(venv),
                         {"one": "2.0", "two": "1.0", "other": "1.0"})
        self.assertEqual(self.run_python(
            venv, "import shared.x; print(shared.x.X)"), "1")
        self.assertEqual((self.site(venv) / "shared/data").read_text(),
                         "of both\n")

    def test_an_interpreter_has_one_lock_by_all_its_names(self):
        base = self.base()
        site = self.base_site(base)
        env = {"PYTHONDONTWRITEBYTECODE": "1"}
        (base / "bin/python").symlink_to("python3")
        (self.tmp / "link").symlink_to("base")
        for version, python in (("1.0", "base/bin/python3"),
                                ("2.0", "base/bin/python" + s.MINOR),
                                ("3.0", "link/bin/python")):
            self.install(self.tmp / python, "--break-system-packages",
                         self.spec(s.built(self.wheel("demo", version))),
                         env=env)
            self.assertEqual([p.name for p in site.glob("demo-*")],
                             ["demo-%s.dist-info" % version])
        self.assertEqual(
            len(list((self.tmp / "state/pkgsync/installs").iterdir())), 1)

    def test_an_installer_that_does_nothing_is_found_out(self):
        self.fake_uv("sys.exit(0)")
        venv, spec = self.both()
        result = self.pkgsync(*self.arguments(venv, spec))
        self.assertEqual(result.status, s.DIFFERS, str(result))
        self.assertFalse(result.doc["equal"])
        names = {d["name"] for d in result.doc["differences"]
                 if d["severity"] == "error"}
        self.assertEqual(names, {"demo", "zzz"})

    def test_installs_of_one_environment_take_turns(self):
        venv, spec = self.both()
        runs = [self.start(venv, spec) for _ in range(4)]
        counts = []
        for run in runs:
            out, err = run.communicate(timeout=120)
            self.assertEqual(run.returncode, 0, err)
            counts.append(len(s.json.loads(out)["installed"]))
        self.assertEqual(sorted(counts), [0, 0, 0, 2])
        self.assertEqual(self.versions(venv), {"demo": "1.0", "zzz": "1.0"})

    def test_uv_is_used_where_it_is_found_and_pip_where_it_is_asked_for(self):
        self.fake_uv("(tmp / 'uv-ran').write_text(''); "
                     "[install(w) for w in wheels]")
        venv, spec = self.both()
        result = self.install(venv, "--installer", "pip", spec)
        self.assertEqual(result.doc["installer"], "pip")
        self.assertFalse((self.tmp / "uv-ran").exists())
        result = self.install(self.venv("other"), spec)
        self.assertEqual(result.doc["installer"], "uv")
        self.assertTrue((self.tmp / "uv-ran").exists())

    def test_no_setting_of_the_person_redirects_the_installer(self):
        venv, spec = self.both()
        (self.tmp / "home/.config/pip").mkdir(parents=True)
        (self.tmp / "home/.config/pip/pip.conf").write_text(
            "[install]\ntarget = %s\n" % (self.tmp / "elsewhere"))
        self.install(venv, spec, env={
            "PIP_TARGET": str(self.tmp / "elsewhere"), "PIP_USER": "1",
            "PYTHONPATH": str(self.tmp), "UV_TARGET": "x"})
        self.assertFalse((self.tmp / "elsewhere").exists())
        self.assertEqual(self.versions(venv), {"demo": "1.0", "zzz": "1.0"})


if __name__ == "__main__":
    s.main()
