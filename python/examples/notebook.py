"""A day with a cluster, as in a notebook.

    python notebook.py

The environment that runs this gets an editable package, one from git, a module
that lies beside this "notebook", and forty packages of the index; the workers
get an interpreter with nothing at all.  Then a function that needs all of it
runs on them, the editable package is edited, and it runs again.

Needs this package, from a checkout (`pip install './python[dask]'`: the name on
the public index belongs to another project), the program pkgsync
(PKGSYNC_PROGRAM), uv in PATH, and an index.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

FORTY = {
    "attrs": "attr",
    "babel": "babel",
    "beautifulsoup4": "bs4",
    "blinker": "blinker",
    "boltons": "boltons",
    "cachetools": "cachetools",
    "certifi": "certifi",
    "chardet": "chardet",
    "charset-normalizer": "charset_normalizer",
    "colorama": "colorama",
    "decorator": "decorator",
    "filelock": "filelock",
    "future": "future",
    "humanize": "humanize",
    "idna": "idna",
    "inflection": "inflection",
    "iniconfig": "iniconfig",
    "isodate": "isodate",
    "itsdangerous": "itsdangerous",
    "jmespath": "jmespath",
    "markdown": "markdown",
    "mistune": "mistune",
    "more-itertools": "more_itertools",
    "mpmath": "mpmath",
    "networkx": "networkx",
    "numpy": "numpy",
    "oauthlib": "oauthlib",
    "parso": "parso",
    "pluggy": "pluggy",
    "prettytable": "prettytable",
    "pygments": "pygments",
    "pyparsing": "pyparsing",
    "python-dateutil": "dateutil",
    "pytz": "pytz",
    "regex": "regex",
    "six": "six",
    "sniffio": "sniffio",
    "tabulate": "tabulate",
    "toml": "toml",
    "xmltodict": "xmltodict",
}


def run(*command: object, **kwargs: Any) -> None:
    subprocess.run([str(part) for part in command], check=True, **kwargs)


def project(path: Path, name: str, text: str) -> None:
    path.mkdir(parents=True)
    (path / (name + ".py")).write_text(text)
    (path / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        '[project]\nname = "%s"\nversion = "1.0"\n' % name
    )


def prepare(folder: Path, uv: str) -> str:
    """The client's environment, and the interpreter of bare workers."""
    project(folder / "model", "model", "def predict(x):\n    return 2 * x\n")
    project(folder / "shared", "shared", "OFFSET = 1000\n")
    git = [
        "git",
        "-C",
        folder / "shared",
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b.c",
    ]
    run(*git, "init", "-q")
    run(*git, "add", ".")
    run(*git, "commit", "-q", "-m", "first")
    (folder / "helpers.py").write_text("def tidy(x):\n    return round(float(x), 3)\n")
    run(uv, "pip", "install", "-q", "-p", sys.executable, *FORTY, "-e",
        folder / "model", "git+file://%s" % (folder / "shared"))  # fmt: skip
    run(uv, "venv", "-q", "-p", os.path.realpath(sys.executable), folder / "bare")
    return str(folder / "bare" / "bin" / "python")


def analysis(modules: list[str]) -> tuple[float, str]:
    """Needs all of it."""
    import importlib
    import sys

    import helpers  # type: ignore[import-not-found]
    import model  # type: ignore[import-not-found]
    import numpy  # type: ignore[import-not-found]
    import shared  # type: ignore[import-not-found]

    for name in modules:
        importlib.import_module(name)
    total = model.predict(numpy.arange(100)).sum() + shared.OFFSET
    return helpers.tidy(total / 3), sys.prefix


def table(program: str, *arguments: str, only: int | None = None) -> None:
    print("\n$ pkgsync " + " ".join(arguments), flush=True)
    done = subprocess.run(
        [program, *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    lines = done.stdout.splitlines()
    for line in lines[:only]:
        print("  " + line)
    if only and len(lines) > only:
        print("  ... %d more lines" % (len(lines) - only))
    print("  (exit status %d)" % done.returncode, flush=True)


def expect(what: str, found: object, wanted: object) -> None:
    print("%s: %s" % (what, found), flush=True)
    if found != wanted:
        raise SystemExit("%s should have been %r" % (what, wanted))


def main() -> None:
    from pkgsync._program import find_program
    from pkgsync.dask import Cluster

    uv = shutil.which("uv")
    if not uv:
        raise SystemExit("this needs uv in PATH")
    program = find_program()
    with contextlib.ExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="notebook-"))
        ).resolve()
        bare = prepare(folder, uv)
        importlib.invalidate_caches()
        os.chdir(folder)
        table(program, "scan", "--python", sys.executable)

        cluster = stack.enter_context(
            Cluster(package_sync=True, worker_python=bare, n_workers=2)
        )
        client = stack.enter_context(cluster.get_client())
        spec = cluster.package_sync.spec_path
        modules = sorted(FORTY.values())
        futures = [client.submit(analysis, modules, pure=False) for _ in range(8)]
        results = {future.result(timeout=120) for future in futures}
        expect("result", results, {(3633.333, str(folder / "bare"))})
        table(program, "check", spec, "--python", bare)

        (folder / "model" / "model.py").write_text(
            "def predict(x):\n    return 3 * x\n"
        )
        cluster.resync()
        futures = [client.submit(analysis, modules, pure=False) for _ in range(8)]
        results = {future.result(timeout=120) for future in futures}
        expect("after the edit", results, {(5283.333, str(folder / "bare"))})
        again = cluster.package_sync.spec_path
        table(program, "check", again, "--python", bare)
        table(program, "check", spec, "--python", bare)
        for report in cluster.package_sync.reports(client):
            names = [change["name"] for change in report.get("changed", ())]
            print(
                json.dumps(
                    {
                        "role": report["role"],
                        "by": report.get("method"),
                        "installed": names,
                        "restarted": report.get("restarted", False),
                    }
                )
            )


if __name__ == "__main__":
    main()
