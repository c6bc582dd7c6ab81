"""What an interpreter itself says of its environment, as JSON on standard
output.  Run by that interpreter; needs nothing but the standard library."""

import importlib.metadata
import json
import os
import re
import sys

if sys.path[0] in ("", os.path.dirname(os.path.abspath(__file__))):
    del sys.path[0]


def read(dist, name):
    try:
        return dist.read_text(name)
    except (OSError, UnicodeDecodeError):
        return None


def main():
    found = {}
    for dist in importlib.metadata.distributions():
        try:
            name, version = dist.metadata["Name"], dist.version
        except Exception:  # what cannot be read is another test's business
            continue
        # pip's leftovers of a removal that did not end well.
        if not name or os.path.basename(str(dist._path)).startswith("~"):
            continue
        normal = re.sub(r"[-_.]+", "-", name).lower()
        if normal in found:
            continue  # the earlier entry of sys.path is what gets imported
        direct = read(dist, "direct_url.json")
        installer = read(dist, "INSTALLER")
        found[normal] = {
            "name": name,
            "version": version,
            "location": str(dist._path),
            "direct_url": json.loads(direct) if direct else None,
            "installer": installer.split()[0] if installer and installer.split() else None,
            "requested": read(dist, "REQUESTED") is not None,
        }
    json.dump({"path": sys.path, "version": sys.version.split()[0],
               "packages": found}, sys.stdout)  # fmt: skip


main()
