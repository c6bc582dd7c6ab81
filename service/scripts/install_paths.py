"""What an installer is about to write and to remove.

Reads {"names", "wheels", "dists": [{"location", "site"}]} from standard input
and prints {"new": paths that are not there yet, "old": paths that may change,
"aside": broken leftovers that an installer stumbles over, "dirs": directories
that are not there yet, the deepest first, "modes": of the directories of "old",
"sites", "scripts"}.
Only the standard library is imported.
"""
import contextlib
import csv
import json
import os
import re
import sys
import sysconfig
import zipfile

BASES = sysconfig.get_paths()
SITES = list(dict.fromkeys([BASES["purelib"], BASES["platlib"]]))
WRITTEN = ("INSTALLER", "RECORD", "REQUESTED", "direct_url.json",
           "uv_cache.json")
SCRIPT_MAX = 1 << 18
RECORD_MAX = 1 << 26


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def walk(top):
    for folder, folders, files in os.walk(top):
        for name in files:
            yield os.path.join(folder, name)
        for name in folders:
            if os.path.islink(os.path.join(folder, name)):
                yield os.path.join(folder, name)


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read(RECORD_MAX).decode("utf-8", "replace")
    except OSError:
        return ""


def scripts_of(text):
    section = ""
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[] ")
        elif "=" in line and section in ("console_scripts", "gui_scripts"):
            yield line.partition("=")[0].strip()


def in_wheel(path):
    """Where the members of a wheel go."""
    name = os.path.basename(path).partition("-")[0]
    version = "python%d.%d" % sys.version_info[:2]
    headers = [os.path.join(sys.prefix, "include", "site", version, name),
               os.path.join(BASES["include"], name)]
    kinds = {"purelib": SITES, "platlib": SITES, "headers": headers,
             "scripts": [BASES["scripts"]], "data": [BASES["data"]]}
    with zipfile.ZipFile(path) as wheel:
        for member in wheel.namelist():
            top, _, rest = member.partition("/")
            bases = SITES
            if member.endswith("/"):
                continue
            if top.endswith(".data"):
                kind, _, member = rest.partition("/")
                bases = kinds.get(kind, ())
            for base in bases:
                yield os.path.join(base, member)
            if rest == "METADATA" and top.endswith(".dist-info"):
                for base in SITES:
                    for extra in WRITTEN:
                        yield os.path.join(base, top, extra)
            if rest == "entry_points.txt" and top.endswith(".dist-info"):
                text = wheel.read(member).decode("utf-8", "replace")
                for script in scripts_of(text):
                    yield os.path.join(BASES["scripts"], script)


def of_egg(location, site):
    yield from walk(location)
    for line in read(os.path.join(location, "installed-files.txt")).split("\n"):
        if line.strip():
            yield os.path.join(location, line.strip())
    if not os.path.exists(os.path.join(location, "installed-files.txt")):
        for name in read(os.path.join(location, "top_level.txt")).split():
            yield os.path.join(site, name + ".py")
            yield from walk(os.path.join(site, name))


def of_dist(location, site):
    """The files of what is installed."""
    if location.endswith(".dist-info"):
        yield from walk(location)
        record = read(os.path.join(location, "RECORD"))
        for row in csv.reader(record.splitlines()):
            if row and row[0]:
                yield os.path.join(site, row[0])
        return
    if "/conda-meta/" in location:
        try:
            files = json.loads(read(location)).get("files") or []
        except (ValueError, AttributeError):
            files = []
        yield location
        for name in files:
            yield os.path.join(sys.prefix, str(name))
        return
    yield location
    yield os.path.join(site, "easy-install.pth")
    if location.endswith(".egg-link"):
        for path in walk(BASES["scripts"]):
            if os.path.lexists(path) and os.lstat(path).st_size < SCRIPT_MAX:
                yield path
    elif os.path.isdir(location):
        yield from of_egg(location, site)


def broken(names):
    """Leftovers of the packages that an installer would fail to remove."""
    for site in SITES:
        try:
            entries = os.listdir(site)
        except OSError:
            continue
        for entry in entries:
            path = os.path.join(site, entry)
            if (entry.endswith(".dist-info")
                    and normal(entry.partition("-")[0]) in names
                    and not os.path.islink(path)
                    and not all(os.path.isfile(os.path.join(path, f))
                                for f in ("METADATA", "RECORD"))):
                yield path


def ours(path, roots):
    """Inside of the environment, with the links of its folder resolved."""
    folder = os.path.realpath(os.path.dirname(path))
    full = os.path.join(folder, os.path.basename(path))
    return full if any(full.startswith(r + os.sep) for r in roots) else None


def missing_above(paths):
    """Directories that would be made for these."""
    found = set()
    for path in paths:
        folder = os.path.dirname(path)
        while folder not in found and not os.path.lexists(folder):
            found.add(folder)
            folder = os.path.dirname(folder)
    return sorted(found, key=len, reverse=True)


def modes_above(paths, roots):
    found = {}
    for path in paths:
        folder = os.path.dirname(path)
        while folder not in found and folder not in roots:
            found[folder] = os.lstat(folder).st_mode & 0o7777
            folder = os.path.dirname(folder)
    return found


def main():
    asked = json.load(sys.stdin)
    roots = [os.path.realpath(r) for r in [sys.prefix, *SITES]]
    roots += [os.path.realpath(d["site"]) for d in asked["dists"]]
    aside = list(broken(set(asked["names"])))
    written, owned = [], []
    for path in asked["wheels"]:
        # What is no wheel is for the installer to refuse.
        with contextlib.suppress(zipfile.BadZipFile):
            written += in_wheel(path)
    for dist in asked["dists"]:
        owned += of_dist(dist["location"], dist["site"])
    for path in aside:
        owned += walk(path)
    new, old = {}, {}
    for path in written + owned:
        full = ours(os.path.normpath(path), roots)
        if not full or "\0" in full:
            continue
        if os.path.islink(full) or os.path.isfile(full):
            old[full] = True
        elif not os.path.lexists(full):
            new[full] = True
    print(json.dumps({"new": sorted(new), "old": sorted(old), "aside": aside,
                      "dirs": missing_above(new),
                      "modes": modes_above(old, roots),
                      "sites": SITES, "scripts": BASES["scripts"]}))


main()
