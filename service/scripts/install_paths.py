"""What an installer is about to write and to remove.

Reads {"packages": [{"name", "wheel", "dist": {"location", "site"}}]} from
standard input and prints

  new       paths that are not there yet
  old       paths that may change
  aside     broken leftovers that an installer stumbles over
  dirs      directories that are not there yet, the deepest first
  modes     [path, mode] of the directories of "old"
  shared    which of "old" a package that stays has as well, by number
  stashes   what pip would make of "old" before it removes it
  sites     where packages are
  refused   paths that no wheel may write
  packages  of each: {"name", "paths", "old": {info: hash of its RECORD},
            "info", "rows": {path: hash}} of its wheel

Only what lies in the environment itself is named: what it sees of the
interpreter that it was made from stays as it is.  A path that is no UTF-8 is
written as "hex:" and its bytes.  Only the standard library is imported.
"""
import contextlib
import csv
import hashlib
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
            return file.read(RECORD_MAX).decode("utf-8", "surrogateescape")
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


def special_scripts(name):
    """What pip makes of these two beyond what their wheels name."""
    if name == "pip":
        yield "pip%d" % sys.version_info[0]
        yield "pip%d.%d" % sys.version_info[:2]
        yield "pip-%d.%d" % sys.version_info[:2]
    if name == "setuptools":
        yield "easy_install-%d.%d" % sys.version_info[:2]


def in_wheel(path):
    """Where the members of a wheel go."""
    name = os.path.basename(path).partition("-")[0]
    version = "python%d.%d" % sys.version_info[:2]
    headers = [os.path.join(sys.prefix, "include", "site", version, name),
               os.path.join(BASES["include"], name)]
    kinds = {"purelib": SITES, "platlib": SITES, "headers": headers,
             "scripts": [BASES["scripts"]], "data": [BASES["data"]]}
    for script in special_scripts(normal(name)):
        yield os.path.join(BASES["scripts"], script)
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


def scripts_that_name(name):
    """Those of `setup.py develop` name their project in their text."""
    for path in walk(BASES["scripts"]):
        if (os.path.isfile(path) and not os.path.islink(path)
                and os.lstat(path).st_size < SCRIPT_MAX
                and name in read(path)):
            yield path


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
        yield from scripts_that_name(os.path.basename(location)[:-9])
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
        while folder not in found and folder not in roots and folder != "/":
            found[folder] = os.lstat(folder).st_mode & 0o7777
            folder = os.path.dirname(folder)
    return [[shown(path), mode] for path, mode in found.items()]


def shown(path):
    try:
        path.encode()
        return path
    except UnicodeEncodeError:
        return "hex:" + os.fsencode(path).hex()


def meant(text):
    return (os.fsdecode(bytes.fromhex(text[4:])) if text.startswith("hex:")
            else text)


def records(text):
    """path: hash, of a RECORD's text."""
    with contextlib.suppress(csv.Error):
        return {row[0]: row[1] for row in csv.reader(text.splitlines())
                if len(row) > 1 and row[0]}
    return {}


def described_by(path):
    """The directory of metadata in a wheel, and what its RECORD says."""
    with contextlib.suppress(zipfile.BadZipFile, KeyError):
        with zipfile.ZipFile(path) as wheel:
            for member in wheel.namelist():
                top, _, rest = member.partition("/")
                if rest == "RECORD" and top.endswith(".dist-info"):
                    text = wheel.read(member).decode("utf-8", "replace")
                    return top, {p: h for p, h in records(text).items() if h}
    return None, {}


def infos_of(name):
    for site in SITES:
        with contextlib.suppress(OSError):
            for entry in os.listdir(site):
                if (entry.endswith(".dist-info")
                        and normal(entry.partition("-")[0]) == name):
                    yield os.path.join(site, entry)


def hash_of(path):
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None


def shared_with(names, roots):
    """What packages that stay have."""
    found = set()
    for site in dict.fromkeys(SITES):
        entries = []
        with contextlib.suppress(OSError):
            entries = os.listdir(site)
        for entry in entries:
            if (not entry.endswith(".dist-info")
                    or normal(entry.partition("-")[0]) in names):
                continue
            for path in records(read(os.path.join(site, entry, "RECORD"))):
                found.add(ours(os.path.normpath(os.path.join(site, path)),
                               roots))
    return found


def stashes(paths):
    """pip renames "demo" to "~emo" before it removes it."""
    found = {}
    for path in paths:
        for site in SITES:
            site = os.path.realpath(site)
            if path.startswith(site + os.sep):
                top = path[len(site) + 1:].partition(os.sep)[0]
                stash = os.path.join(site, "~" + top[1:])
                if not os.path.lexists(stash):
                    found[stash] = True
    return found


def roots():
    found = [*SITES, BASES["scripts"], BASES["data"]]
    if sys.prefix != sys.base_prefix:
        found.append(sys.prefix)
    return [os.path.realpath(path) for path in found]


def paths_of(package, aside):
    """What its wheel writes, and what of it is there."""
    # What is no wheel is for the installer to refuse.
    with contextlib.suppress(zipfile.BadZipFile):
        yield from in_wheel(package["wheel"])
    if package["dist"]:
        yield from of_dist(package["dist"]["location"],
                           package["dist"]["site"])
    for path in aside:
        if normal(os.path.basename(path).partition("-")[0]) == package["name"]:
            yield from walk(path)


def is_refused(path):
    """What makes an environment one, and what pkgsync keeps in it."""
    prefix = os.path.realpath(sys.prefix)
    return (path in (os.path.join(prefix, "pyvenv.cfg"),
                     os.path.join(prefix, ".pkgsync.json"))
            or path.startswith(os.path.join(prefix, ".pkgsync") + os.sep))


def main():
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    asked = json.loads(text)["packages"]
    for package in asked:
        package["wheel"] = meant(package["wheel"])
        if package["dist"]:
            package["dist"] = {k: meant(v) for k, v in package["dist"].items()}
    names = {p["name"] for p in asked}
    tops = roots()
    aside = [p for p in broken(names) if ours(p, tops)]
    new, old, packages = {}, {}, []
    for package in asked:
        own = {}
        for path in paths_of(package, aside):
            full = ours(os.path.normpath(path), tops)
            if not full or "\0" in full:
                continue
            if os.path.islink(full) or os.path.isfile(full):
                own[full] = old[full] = True
            elif not os.path.lexists(full):
                own[full] = new[full] = True
        info, rows = described_by(package["wheel"])
        packages.append({
            "name": package["name"], "paths": [shown(p) for p in own],
            "info": info, "rows": {shown(p): h for p, h in rows.items()},
            "old": {shown(p): hash_of(os.path.join(p, "RECORD"))
                    for p in infos_of(package["name"])}})
    shared = shared_with(names, tops)
    print(json.dumps({
        "new": [shown(p) for p in sorted(new)],
        "old": [shown(p) for p in sorted(old)],
        "aside": [shown(p) for p in aside],
        "dirs": [shown(p) for p in missing_above(new)],
        "modes": modes_above(old, tops),
        "shared": [i for i, p in enumerate(sorted(old)) if p in shared],
        "stashes": [shown(p) for p in stashes(old)],
        "sites": [shown(p) for p in SITES],
        "refused": [shown(p) for p in (*new, *old) if is_refused(p)],
        "packages": packages}))


main()
