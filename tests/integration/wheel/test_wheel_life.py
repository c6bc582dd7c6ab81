#!/usr/bin/env python3
"""Runs beside each other, runs that are killed, and steering them."""

import json
import os
import pathlib
import re
import signal
import subprocess
import time
import unittest
import zipfile

import wheel_support as ws

# Waits for a file of the host, which the sandbox cannot see: for ever.
HANG = """
def build_wheel(directory, config_settings=None, metadata_directory=None):
    print("hanging now", flush=True)
    time.sleep(3600)
"""
SLOW = """
def build_wheel(directory, config_settings=None, metadata_directory=None):
    print("slow now", flush=True)
    time.sleep(2)
    print("slow no more", flush=True)
    return write_wheel(directory)
"""
RAISES = """
def build_wheel(directory, config_settings=None, metadata_directory=None):
    raise ValueError("broken on purpose")
"""


class Beside(ws.WheelTest):
    def test_two_processes_build_the_same_source_once(self):
        path = self.project(more=SLOW)
        runs = [self.start(path) for _ in range(3)]
        results = [self.finish(run) for run in runs]
        for result in results:
            self.assertEqual(result.status, 0, str(result))
            self.check_document(result)
        self.assertEqual(sorted(r.one["status"] for r in results),
                         ["built", "hit", "hit"])
        self.assertEqual(len({r.one["sha256"] for r in results}), 1)
        self.assertEqual(len({r.one["job"] for r in results}), 1)
        self.assertEqual(len(list((self.state / "logs").iterdir())), 1)

    def test_who_waits_for_a_failing_build_hears_the_same(self):
        path = self.project(more=SLOW.replace(
            "return", "raise ValueError('broken on purpose') #"))
        runs = [self.start(path) for _ in range(2)]
        results = [self.finish(run) for run in runs]
        for result in results:
            self.assertEqual(result.status, ws.BUILD, str(result))
            self.assertIn("broken on purpose",
                          result.one["error"]["message"])
        self.assertEqual(len({r.one["job"] for r in results}), 1)

    def test_the_same_source_twice_on_one_command_line_is_built_once(self):
        path = self.project()
        result = self.wheel("-j", "2", path, path)
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(len({w["sha256"] for w in result.wheels}), 1)
        self.assertEqual(len(list((self.state / "logs").iterdir())), 1)

    def test_one_failure_does_not_stop_the_others(self):
        sources = [self.project("one"), self.project("two", more=RAISES),
                   self.tmp / "absent", self.project("three")]
        result = self.wheel("-j", "2", *sources)
        self.assertEqual([w["status"] for w in result.wheels],
                         ["built", "failed", "failed", "built"])
        # Of the first that failed, in the order of the command line.
        self.assertEqual(result.status, ws.BUILD, str(result))
        self.assertEqual(len(result.messages), 2, str(result))
        self.assertEqual(self.stored(), ["one-1.0-py3-none-any.whl",
                                         "three-1.0-py3-none-any.whl"])

    def test_builds_run_in_parallel(self):
        """None of them ends by itself, so the last runs beside the rest."""
        sources = [self.project("p%d" % i, more=HANG) for i in range(4)]
        logs = [self.log_says(i + 1, "hanging now") for i in range(4)]
        run = self.start("-j", "4", *sources)
        self.wait_for("four builds at once",
                      lambda: all(begun() for begun in logs))
        run.send_signal(signal.SIGINT)
        result = self.finish(run)
        self.assertEqual(result.status, ws.INTERRUPTED, str(result))
        self.assertIn("4 unfinished", result.err)

    def test_not_more_than_asked_run_at_once(self):
        sources = [self.project("p%d" % i, more=HANG) for i in range(2)]
        run = self.start("-j", "1", *sources)
        self.wait_for("the first", self.log_says(1, "hanging now"))
        time.sleep(1)
        self.assertEqual(len(list((self.state / "logs").iterdir())), 1)
        run.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(run).status, ws.INTERRUPTED)


class Killed(ws.WheelTest):
    def hanging(self, name="demo"):
        """A run in the middle of a build that does not end by itself."""
        path = self.project(name, more=HANG)
        run = self.start(path)
        self.wait_for("the build", self.log_says(1, "hanging now"))
        self.assertGreater(len(self.stray_processes()), 2)
        return path, run

    def heal(self, path):
        """The source as it was, but for the hanging: another key."""
        text = (path / "backend.py").read_text()
        (path / "backend.py").write_text(text.replace("3600", "0") +
                                         "    return write_wheel(directory)\n")

    def test_killing_leaves_no_process_and_the_next_run_cleans_up(self):
        path, run = self.hanging()
        run.kill()
        run.wait()
        self.ours = set()
        self.wait_for("the end of all processes",
                      lambda: not self.stray_processes(), timeout=10)
        self.heal(path)
        self.build(path)
        # tearDown() looks for directories.

    def test_the_next_run_picks_the_job_of_a_killed_one_up_at_once(self):
        path = self.project(more=SLOW)
        run = self.start(path)
        self.wait_for("the build", self.log_says(1, "slow now"))
        run.kill()
        run.wait()
        began = time.monotonic()
        one = self.build(path)
        self.assertLess(time.monotonic() - began, 20)
        self.assertEqual(one["job"], 1)

    def test_who_waits_for_a_killed_run_takes_over(self):
        path = self.project(more=SLOW)
        first = self.start(path)
        self.wait_for("the build", self.log_says(1, "slow now"))
        second = self.start(path)
        time.sleep(0.5)
        first.kill()
        first.wait()
        result = self.finish(second)
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(result.one["status"], "built")
        self.assertEqual(result.one["job"], 1)

    def interrupted(self, number):
        path, run = self.hanging()
        run.send_signal(number)
        result = self.finish(run, timeout=20)
        self.assertEqual(result.status, ws.INTERRUPTED, str(result))
        self.assertIn("Run the same command again", result.err)
        self.assertEqual(result.one["status"], "failed")
        self.nothing_is_left()
        self.heal(path)
        self.build(path)

    def test_an_interrupt_stops_the_build_and_says_how_to_go_on(self):
        self.interrupted(signal.SIGINT)

    def test_a_termination_does_the_same(self):
        self.interrupted(signal.SIGTERM)

    def test_an_interrupted_job_is_taken_up_again(self):
        path = self.project(more=SLOW)
        run = self.start(path)
        self.wait_for("the build", self.log_says(1, "slow now"))
        run.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(run).status, ws.INTERRUPTED)
        self.assertEqual(self.build(path)["job"], 1)

    def test_an_interrupt_keeps_what_is_done(self):
        good, bad = self.project("good"), self.project("bad", more=HANG)
        run = self.start("-j", "2", good, bad)
        self.wait_for("the good one", lambda: self.stored() and any(
            "hanging now" in p.read_text()
            for p in (self.state / "logs").iterdir()))
        time.sleep(0.5)
        run.send_signal(signal.SIGINT)
        result = self.finish(run)
        self.assertEqual(result.status, ws.INTERRUPTED, str(result))
        self.assertEqual([w["status"] for w in result.wheels],
                         ["built", "failed"])
        self.assertIn("1 unfinished", result.err)
        self.build(good, status="hit")

    def test_an_interrupt_before_the_build_is_heard(self):
        """While the build requirements are fetched by a pip of ours."""
        path = self.setuptools_project()
        self.own_cache()
        run = self.start(path, json=False)
        self.wait_for("the fetch", lambda: any(
            " download " in command for _, command in self.stray_processes()))
        run.send_signal(signal.SIGINT)
        result = self.finish(run, timeout=20)
        self.assertEqual(result.status, ws.INTERRUPTED, str(result))
        self.assertEqual(result.out, "")


class Steered(ws.WheelTest):
    def jobs(self, *args):
        result = self.pkgsync("jobs", "--json", *args)
        self.assertEqual(result.status, 0, str(result))
        self.assertEqual(result.doc["schema"], 1)
        return result.doc["jobs"]

    def test_another_process_cancels_a_job(self):
        run = self.start(self.project(more=HANG))
        self.wait_for("the build", self.log_says(1, "hanging now"))
        (job,) = self.jobs()
        self.assertEqual((job["id"], job["state"]), (1, "running"))
        # Phases are told with the heartbeat.
        self.wait_for("the phase",
                      lambda: self.jobs()[0]["phase"] == "build", timeout=10)
        done = self.pkgsync("cancel", "1")
        self.assertEqual(done.status, 0, str(done))
        result = self.finish(run, timeout=20)
        self.assertEqual(result.status, ws.INTERRUPTED, str(result))
        self.assertIn("cancelled", result.one["error"]["message"])
        self.assertEqual(self.jobs(), [])
        (job,) = self.jobs("--all")
        self.assertEqual(job["state"], "cancelled")

    def test_cancelling_what_has_ended_or_never_was_is_an_error(self):
        self.build(self.project())
        for job, status in (("1", ws.INVALID), ("99", ws.NOTFOUND),
                            ("x", ws.USAGE)):
            result = self.pkgsync("cancel", job)
            self.assertNotEqual(result.status, 0, str(result))
            self.assertEqual(len(result.err.splitlines()), 1, str(result))
            self.assertIn(job, result.err)

    def test_a_log_is_shown_in_full_and_without_control_bytes(self):
        path = self.project(more=RAISES.replace(
            "raise", "print('\\x1b[2Jwiped')\n    raise"))
        self.fails(ws.BUILD, path)
        result = self.pkgsync("logs", "1")
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("== build\n", result.out)
        self.assertIn("broken on purpose", result.out)
        self.assertIn("wiped", result.out)
        result = self.pkgsync("logs", "7")
        self.assertEqual(result.status, ws.NOTFOUND, str(result))

    def test_a_log_is_followed_until_the_job_ends(self):
        run = self.start(self.project(more=SLOW))
        self.wait_for("the build", self.log_says(1, "slow now"))
        result = self.pkgsync("logs", "--follow", "1", timeout=30)
        self.assertEqual(result.status, 0, str(result))
        self.assertIn("slow no more", result.out)
        self.assertIn("== done", result.out)
        self.finish(run)

    def test_a_failed_job_stays_failed_until_it_is_retried(self):
        path = self.project(more=RAISES)
        first = self.wheel(path).one
        self.assertEqual(first["status"], "failed")
        result = self.pkgsync("retry", "1", "--json", "--no-index",
                              "--find-links", ws.WHEELS)
        self.assertEqual(result.status, ws.BUILD, str(result))
        self.assertIn("broken on purpose", result.one["error"]["message"])
        states = [(j["state"]) for j in self.jobs("--all")]
        self.assertIn("failed", states)

    def test_a_retry_keeps_the_settings_of_the_job(self):
        path = self.project(more=SLOW.replace("(directory)\n", """(
        directory, {"c": repr(config_settings),
                    "e": repr(os.environ.get("FLAVOUR"))})
"""))
        run = self.start("-C", "colour=blue", "--env", "FLAVOUR=sweet", path)
        self.wait_for("the build", self.log_says(1, "slow now"))
        self.assertEqual(self.pkgsync("cancel", "1").status, 0)
        self.finish(run)
        result = self.pkgsync("retry", "1", "--json")
        self.assertEqual(result.status, 0, str(result))
        with zipfile.ZipFile(result.one["path"]) as wheel:
            self.assertEqual(wheel.read("c"), b"{'colour': 'blue'}")
            self.assertEqual(wheel.read("e"), b"'sweet'")

    def test_jobs_are_listed_for_people_and_programs(self):
        good = self.project("good")
        bad = self.project("bad", more=RAISES)
        self.wheel("-j", "1", good, bad)
        self.assertEqual(self.jobs(), [])
        done, failed = sorted(self.jobs("--all"), key=lambda j: j["id"])
        self.assertEqual(done["state"], "done")
        self.assertEqual(done["filename"], "good-1.0-py3-none-any.whl")
        self.assertEqual(failed["state"], "failed")
        self.assertEqual(failed["error"]["phase"], "build")
        self.assertIn("broken on purpose", failed["error"]["message"])
        self.assertRegex(done["finished"], r"^20\d\d-\d\d-\d\dT.*Z$")
        table = self.pkgsync("jobs", "--all").out
        self.assertIn(str(good), table)
        self.assertIn("broken on purpose", table)
        self.assertEqual(self.pkgsync("jobs").out, "no live jobs\n")


class Kept(ws.WheelTest):
    def test_the_cache_is_measured_and_pruned(self):
        self.own_cache()
        path = self.project()
        self.build(path)
        parts = {p["name"]: p for p in
                 self.pkgsync("cache", "--json").doc["parts"]}
        for name in ("envs", "store", "logs"):
            self.assertGreater(parts[name]["files"], 0, name)
        self.assertIn("envs", self.pkgsync("cache").out)
        # Nothing is old enough.
        self.assertEqual(self.pkgsync("cache", "prune", "--json").doc,
                         {"schema": 1, "removed": 0, "jobs": 0})
        time.sleep(1.1)
        done = self.pkgsync("cache", "prune", "--older-than", "0", "--json")
        self.assertEqual(done.status, 0, str(done))
        self.assertGreater(done.doc["removed"], 0)
        self.assertEqual(done.doc["jobs"], 1)
        self.assertEqual(list((self.cache / "envs").iterdir()), [])
        self.assertEqual(list((self.state / "logs").iterdir()), [])
        # Wheels stay: that is not a cache.
        self.build(path, status="hit")
        self.build("--rebuild", path)

    def test_pruning_beside_a_build_does_not_harm_it(self):
        self.own_cache()
        run = self.start(self.project(more=SLOW))
        self.wait_for("the build", self.log_says(1, "slow now"))
        time.sleep(1.1)
        self.pkgsync("cache", "prune", "--older-than", "0")
        result = self.finish(run)
        self.assertEqual(result.status, 0, str(result))

    def setting(self, name, *args, env=None):
        result = self.pkgsync("config", "--json", *args, env=env)
        self.assertEqual(result.status, 0, str(result))
        (found,) = [s for s in result.doc["settings"] if s["name"] == name]
        return found["value"], found["origin"]

    def test_flag_beats_environment_beats_file_beats_default(self):
        conf = self.tmp / "config/pkgsync/pkgsync.conf"
        value, origin = self.setting("timeout")
        self.assertEqual((value, origin), (3600, "default"))
        conf.parent.mkdir(parents=True)
        conf.write_text("# mine\ntimeout = 11\n")
        value, origin = self.setting("timeout")
        self.assertEqual(value, 11)
        self.assertIn("pkgsync.conf", origin)
        env = {"PKGSYNC_TIMEOUT": "12"}
        value, origin = self.setting("timeout", env=env)
        self.assertEqual(value, 12)
        self.assertIn("PKGSYNC_TIMEOUT", origin)
        # And a flag, seen by what it does: the hanging build ends after it.
        began = time.monotonic()
        self.fails(ws.LIMIT, "--timeout", "1", self.project(more=HANG),
                   env=env, says="1 s")
        self.assertLess(time.monotonic() - began, 11)

    def test_a_wrong_setting_is_named_with_its_place(self):
        conf = self.tmp / "config/pkgsync/pkgsync.conf"
        conf.parent.mkdir(parents=True)
        conf.write_text("\nno-such = 1\n")
        result = self.pkgsync("config")
        self.assertEqual(result.status, 78, str(result))
        self.assertIn("pkgsync.conf", result.err)
        self.assertIn("no-such", result.err)
        self.assertIn("2", result.err)
        conf.write_text("timeout = soon\n")
        result = self.pkgsync("config")
        self.assertEqual(result.status, 78, str(result))
        self.assertIn("soon", result.err)

    def test_wrong_flags_are_usage_errors(self):
        for args in (["--no-such", "."], ["--timeout", "soon", "."],
                     ["--timeout"], [], ["-C", "novalue", "."],
                     ["--jobs", "-1", "."]):
            result = self.pkgsync("wheel", *args)
            self.assertEqual(result.status, ws.USAGE, str(result))
            self.assertEqual(len(result.err.splitlines()), 1, str(result))
        self.assertEqual(self.pkgsync("weel").status, ws.USAGE)

    def test_doctor_reports_each_layer(self):
        result = self.pkgsync("doctor", "--json", "--python", ws.PYTHON)
        self.assertEqual(result.doc["schema"], 1)
        for layer in result.doc["layers"]:
            self.assertLessEqual({"name", "state", "detail", "remedy"},
                                 set(layer))
            self.assertIn(layer["state"], ("present", "weak", "absent"))
            if layer["state"] == "absent":
                self.assertTrue(layer["remedy"], layer)
        names = {layer["name"] for layer in result.doc["layers"]}
        self.assertLessEqual({"seccomp", "landlock", "store", "queue"}, names)
        self.assertIn("seccomp", self.pkgsync("doctor").out)


if __name__ == "__main__":
    ws.main()
