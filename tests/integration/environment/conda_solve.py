"""Solve an environment.yml's conda part, as conda would, and print what it
gives: conda_solve.py CHANNEL SPEC...; run by the interpreter with py-rattler."""

import asyncio
import json
import os
import pathlib
import sys

import rattler


async def solve(channel, specs):
    return await rattler.solve(
        [channel], [rattler.MatchSpec(s) for s in specs],
        platforms=["linux-64", "noarch"],
        gateway=rattler.Gateway(
            cache_dir=pathlib.Path(os.environ["XDG_CACHE_HOME"]) / "rattler"),
    )  # fmt: skip


records = asyncio.run(solve(sys.argv[1], sys.argv[2:]))
print(json.dumps({r.name.normalized: str(r.version) for r in records}), flush=True)
os._exit(0)
