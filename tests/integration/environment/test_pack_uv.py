"""Wheels of loose modules once more, with the uv of the index on PATH."""

import os
import pathlib
import sys
import unittest

import environments

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/unit/builder_pack"))

try:
    tools = environments.tools()
except environments.NoIndex as reason:
    print(f"skipped: {reason}", file=sys.stderr)
    sys.exit(environments.SKIP)
os.environ["PATH"] = f"{tools}/bin:{os.environ['PATH']}"

from test_pack_tools import PackedWheels  # noqa: E402, F401

if __name__ == "__main__":
    unittest.main()
