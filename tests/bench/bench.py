#!/usr/bin/env python3
"""pkgsync against pip and uv, in the same run, on the same trees.

usage: bench.py --pkgsync FILE --helper FILE --io-bench FILE --uv FILE
                --scan-bench FILE [--rounds N] [--json] [CASE...]

Cases: warm (an unchanged tree of 1,000 files), first (the first build of a
small pure package), scan (a real environment of about 300 distributions, and
a made one of 1,000), tree, hash, sandbox.  Runs of the tools alternate, so that
what else the machine does hits all alike; medians are compared.  Everything is
kept in a scratch directory; the index is the one that pip is set up for, in
the cold case and for the real environment only.
"""
import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import environments
import sandbox_start

PYTHON = "/usr/bin/python3"
FILES = 1000
SMALL_FILES = 20
FILES_A_PACKAGE = 25
HASH_BYTES = 64 << 20
PYPROJECT = """[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"

[project]
name = "{name}"
version = "1.0"

[tool.setuptools.packages.find]
include = ["{name}*"]
"""


def make_tree(root, name, files):
    """A setuptools package of so many files, pyproject.toml included."""
    root.mkdir()
    (root / "pyproject.toml").write_text(PYPROJECT.format(name=name))
    for i in range(files - 1):
        package = root / name / ("part%d" % (i // FILES_A_PACKAGE))
        package.mkdir(parents=True, exist_ok=True)
        module = i % FILES_A_PACKAGE
        file = "module%d.py" % module if module else "__init__.py"
        (package / file).write_text("VALUE = %d\n" % i * 20)


class Run:
    """Wall and CPU time of a command, its children included."""

    def __init__(self, argv, env):
        began = time.perf_counter()
        process = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )
        errors = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.wall_ms = (time.perf_counter() - began) * 1000
        self.cpu_ms = (usage.ru_utime + usage.ru_stime) * 1000
        self.max_rss_mb = usage.ru_maxrss / 1024
        process.stderr.close()
        if process.returncode != 0:
            raise SystemExit("%s failed:\n%s" % (argv[0], errors.decode()[-2000:]))


class Bench:
    def __init__(self, options, tmp):
        self.options = options
        self.tmp = tmp
        self.rows = []
        self.env = dict(os.environ)
        for name in ("CACHE", "DATA", "STATE", "CONFIG"):
            self.env["XDG_%s_HOME" % name] = str(tmp / "xdg" / name.lower())
        self.env["PIP_CACHE_DIR"] = str(tmp / "pip-cache")
        self.env["UV_CACHE_DIR"] = str(tmp / "uv-cache")
        self.env["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
        self.env.pop("VIRTUAL_ENV", None)
        self.hand_index_on()

    def hand_index_on(self):
        """To uv, which knows nothing of pip's settings."""
        for name, other in (("index-url", "UV_DEFAULT_INDEX"),
                            ("cert", "SSL_CERT_FILE")):
            for section in ("global", "download"):
                value = subprocess.run(
                    [self.options.pip_python, "-m", "pip", "config", "get",
                     "%s.%s" % (section, name)],
                    capture_output=True, text=True, check=False,
                ).stdout.strip()
                if value:
                    self.env.setdefault(other, value)

    def say(self, case, what, value, unit, ratios=None):
        self.rows.append({"case": case, "what": what, "value": round(value, 3),
                          "unit": unit, "ratios": ratios or {}})

    # ---- the tools ----

    def commands(self, trees):
        out = str(self.tmp / "out")
        return {
            "pkgsync": [self.options.pkgsync, "wheel", "-q", "--python", PYTHON,
                        str(trees["pkgsync"])],
            "uv": [self.options.uv, "build", "-q", "--wheel", "--python", PYTHON,
                   "--out-dir", out, str(trees["uv"])],
            "pip": [self.options.pip_python, "-m", "pip", "wheel", "-q", "--no-deps",
                    "--wheel-dir", out, str(trees["pip"])],
        }

    def trees(self, label, name, files):
        """One tree each: pip and uv leave build directories behind."""
        trees = {tool: self.tmp / label / tool for tool in ("pkgsync", "uv", "pip")}
        (self.tmp / label).mkdir()
        for tree in trees.values():
            make_tree(tree, name, files)
        return trees

    def compare(self, case, runs):
        """Rows for each tool; ratios say how much faster pkgsync is."""
        wall = {t: statistics.median(r.wall_ms for r in runs[t]) for t in runs}
        cpu = {t: statistics.median(r.cpu_ms for r in runs[t]) for t in runs}
        for tool in runs:
            ratios = {} if tool == "pkgsync" else {
                "wall": round(wall[tool] / wall["pkgsync"], 2),
                "cpu": round(cpu[tool] / cpu["pkgsync"], 2),
            }
            self.say(case, tool, wall[tool], "ms", ratios)
            self.say(case, tool + " cpu", cpu[tool], "ms")
        self.say(case, "pkgsync memory",
                 max(r.max_rss_mb for r in runs["pkgsync"]), "MiB")

    # ---- the cases ----

    def warm(self):
        trees = self.trees("warm", "warmpkg", FILES)
        commands = self.commands(trees)
        runs = {tool: [] for tool in commands}
        for argv in commands.values():
            Run(argv, self.env)
        # Files this young are read again; a person's are older.
        time.sleep(2.1)
        Run(commands["pkgsync"], self.env)
        for _ in range(self.options.rounds):
            for tool, argv in commands.items():
                for _ in range(10 if tool == "pkgsync" else 1):
                    runs[tool].append(Run(argv, self.env))
        self.compare("warm, %d files" % FILES, runs)

    def first(self):
        trees = self.trees("first", "smallpkg", SMALL_FILES)
        commands = self.commands(trees)
        cold = {tool: [] for tool in commands}
        prepared = {tool: [] for tool in commands}
        for i in range(self.options.rounds):
            for tool, argv in commands.items():
                for name in ("xdg", "pip-cache", "uv-cache"):
                    shutil.rmtree(self.tmp / name, ignore_errors=True)
                self.change(trees[tool], i)
                cold[tool].append(Run(argv, self.env))
        for argv in commands.values():
            Run(argv, self.env)
        for i in range(2 * self.options.rounds):
            for tool, argv in commands.items():
                self.change(trees[tool], 1000 + i)
                prepared[tool].append(Run(argv, self.env))
        self.compare("first build, nothing cached", cold)
        self.compare("first build, prepared", prepared)

    def change(self, tree, number):
        (tree / "smallpkg" / "part0" / "__init__.py").write_text(
            "VALUE = %d\n" % number
        )

    def scan(self):
        for label, make in (("real", environments.real), ("made", environments.made)):
            python = make(self.options.uv, PYTHON, self.tmp / label, self.env)
            self.scan_of(label, str(python))

    def scan_of(self, label, python):
        commands = {
            "pkgsync": [self.options.pkgsync, "scan", "--json", "--no-loose",
                        "--python", python],
            "uv": [self.options.uv, "pip", "freeze", "-q", "--python", python],
            "pip": [self.options.pip_python, "-m", "pip", "--python", python,
                    "inspect"],
        }
        runs = {tool: [] for tool in commands}
        for argv in commands.values():
            Run(argv, self.env)
        for _ in range(self.options.rounds):
            for tool, argv in commands.items():
                for _ in range(1 if tool == "pip" else 10):
                    runs[tool].append(Run(argv, self.env))
        found = json.loads(subprocess.run(
            [self.options.scan_bench, python, str(self.tmp / "scan-cache")],
            capture_output=True, text=True, check=True, env=self.env,
        ).stdout)
        case = "scan, %s, %d distributions" % (label, found["distributions"])
        self.compare(case, runs)
        self.say(case, "opening the files, cpu", found["bare_cpu"], "ms")
        self.say(case, "scan in process, cpu", found["scan_cpu"], "ms",
                 {"opening": round(found["scan_cpu"] / found["bare_cpu"], 2)})

    def io_bench(self, *argv):
        done = subprocess.run([self.options.io_bench] + list(argv),
                              capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def tree(self):
        make_tree(self.tmp / "tree", "treepkg", FILES)
        (self.tmp / "tree-cache").mkdir()
        time.sleep(2.1)
        found = self.io_bench("tree", str(self.tmp / "tree"),
                              str(self.tmp / "tree-cache"))
        case = "tree digest, %d files, cpu" % FILES
        self.say(case, "stat of each", found["stat"], "ms")
        self.say(case, "unchanged", found["warm"], "ms",
                 {"stat": round(found["warm"] / found["stat"], 2)})
        self.say(case, "without a cache", found["cold"], "ms")

    def hash(self):
        file = self.tmp / "wheel"
        with open(file, "wb") as out:
            out.write(os.urandom(HASH_BYTES))
        (self.tmp / "copy").mkdir()
        found = self.io_bench("hash", str(file), str(self.tmp / "copy"))
        case = "hash of %d MiB, cpu" % (HASH_BYTES >> 20)
        self.say(case, "OpenSSL alone", found["bare"], "ms")
        self.say(case, "hash", found["hash"], "ms",
                 {"speed of OpenSSL": round(found["bare"] / found["hash"], 3)})
        self.say(case, "copy", found["copy"], "ms")
        self.say(case, "copy and hash in one", found["copy_and_hash"], "ms",
                 {"hash, then copy": round((found["hash"] + found["copy"]) /
                                           found["copy_and_hash"], 2)})

    def sandbox(self):
        times = sandbox_start.measure(self.options.helper,
                                      50 * self.options.rounds)
        ours = statistics.median(times["pkgsync-sandbox"])
        for name, values in times.items():
            found = statistics.median(values)
            self.say("sandbox start", name, found, "ms",
                     {} if found == ours else {"wall": round(found / ours, 2)})


def main():
    parser = argparse.ArgumentParser()
    for name in ("pkgsync", "helper", "io-bench", "scan-bench", "uv"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--pip-python", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    cases = ["warm", "first", "scan", "tree", "hash", "sandbox"]
    parser.add_argument("cases", nargs="*", metavar="CASE")
    options = parser.parse_args()
    for case in options.cases:
        if case not in cases:
            parser.error("no case '%s': %s" % (case, ", ".join(cases)))
    with tempfile.TemporaryDirectory(prefix="pkgsync-bench-") as tmp:
        bench = Bench(options, pathlib.Path(tmp))
        for case in options.cases or cases:
            getattr(bench, case)()
    if options.json:
        print(json.dumps({"schema": 1, "results": bench.rows}, indent=1))
        return
    case = None
    for row in bench.rows:
        if row["case"] != case:
            case = row["case"]
            print("\n" + case)
        ratios = "  ".join("%s %gx" % r for r in row["ratios"].items())
        print("  %-24s %10.2f %-4s %s" % (row["what"], row["value"], row["unit"],
                                         ratios))


if __name__ == "__main__":
    main()
