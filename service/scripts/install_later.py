"""What became of an environment after an install of it was killed.

Reads the journal of that install from standard input and prints {"changed":
names of packages that somebody has installed since, "skip": paths that are to
be left as they are}.  Only the standard library is imported.
"""
import contextlib
import csv
import hashlib
import json
import os
import re
import sys

RECORD_MAX = 1 << 26


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def shown(path):
    try:
        path.encode()
        return path
    except UnicodeEncodeError:
        return "hex:" + os.fsencode(path).hex()


def meant(text):
    return (os.fsdecode(bytes.fromhex(text[4:])) if text.startswith("hex:")
            else text)


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read(RECORD_MAX)
    except OSError:
        return None


def rows_of(data):
    text = (data or b"").decode("utf-8", "surrogateescape")
    with contextlib.suppress(csv.Error):
        return {row[0]: row[1] for row in csv.reader(text.splitlines())
                if len(row) > 1 and row[0]}
    return {}


def infos(sites):
    for site in sites:
        with contextlib.suppress(OSError):
            for entry in os.listdir(site):
                if entry.endswith(".dist-info"):
                    yield os.path.join(site, entry)


def is_of_the_killed(package, info, record):
    """Its wheel's metadata, or as much of it as was written."""
    if os.path.basename(info) != package["info"]:
        return False
    now = rows_of(record)
    return all(now.get(path) in (None, digest)
               for path, digest in package["rows"].items())


def judge(package, found):
    """Whether somebody has installed it since, and whether it was not even
    begun with."""
    begun = False
    for info in found:
        record = read(os.path.join(info, "RECORD"))
        before = package["old"].get(shown(info))
        if record is not None and before == hashlib.sha256(record).hexdigest():
            continue
        begun = True
        # A directory without METADATA is what a killed one leaves.
        if (os.path.exists(os.path.join(info, "METADATA"))
                and shown(info) not in package["old"]
                and not is_of_the_killed(package, info, record)):
            return True, True
        if shown(info) in package["old"] and before and record and \
                not is_of_the_killed(package, info, record):
            return True, True
    there = {shown(info) for info in found}
    return False, begun or not there or there != set(package["old"])


def main():
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    journal = json.loads(text)
    found = {}
    for info in infos([meant(site) for site in journal["sites"]]):
        name = normal(os.path.basename(info).partition("-")[0])
        found.setdefault(name, []).append(info)
    changed, skip = [], set()
    for package in journal["packages"]:
        is_changed, is_begun = judge(package, found.pop(package["name"], []))
        if is_changed:
            changed.append(package["name"])
            skip.update(package["paths"])
        elif not is_begun:
            # Whoever put another file there did it on purpose.
            skip.update(p for p in package["paths"]
                        if os.path.lexists(meant(p)))
    for others in found.values():
        for info in others:
            if os.lstat(info).st_mtime <= journal["written"]:
                continue
            site = os.path.dirname(info)
            for path in rows_of(read(os.path.join(info, "RECORD"))):
                path = os.path.normpath(os.path.join(site, path))
                folder = os.path.realpath(os.path.dirname(path))
                skip.add(shown(os.path.join(folder, os.path.basename(path))))
    print(json.dumps({"changed": changed, "skip": sorted(skip)}))


main()
