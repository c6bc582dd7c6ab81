#!/usr/bin/env python3
"""mypy --strict and ruff over the Python package, in the environment of the
oldest and the newest Python that it is for."""

import os
import pathlib
import subprocess
import sys

from run_dask import ROOT, VERSIONS, find_python, find_uv

TOOLS = ["mypy==2.4.1", "ruff==0.17.6"]


def main():
    kept = pathlib.Path(os.environ["PKGSYNC_DASK_DIR"])
    kept.mkdir(parents=True, exist_ok=True)
    uv = find_uv(kept / "tools")
    env = dict(os.environ, UV_CACHE_DIR=str(kept / "uv-cache"))
    lint = kept / "lint"
    python = find_python(["3.12", "3.11", "3.13", "3.10"])
    subprocess.run([uv, "venv", "-q", "--clear", "-p", python, lint], check=True, env=env)
    subprocess.run(
        [uv, "pip", "install", "-q", "-p", lint / "bin/python", *TOOLS,
         "distributed==" + VERSIONS["newest"]], check=True, env=env)
    cache = ["--cache-dir", str(kept / "lint-cache")]
    commands = [
        ["mypy", "--strict", *cache],
        ["ruff", "check", *cache, "."],
        ["ruff", "format", "--check", *cache, "."],
    ]
    failed = [c for c in commands if subprocess.run(
        [lint / "bin" / c[0], *c[1:]], cwd=ROOT / "python", check=False).returncode]
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
