# Finds the file that an index would give for each of many requirements, with
# the person's own pip and its settings.  Fetches nothing but index pages and
# runs no code of any package:
#
#   python -I -c SCRIPT [pip download option...]   < one requirement a line
#
# Prints a line of JSON for each: {"filename", "url", "sha256", "wheel"}, or
# null where there is none.
import concurrent.futures
import hashlib
import json
import os
import sys

sys.path.insert(0, os.environ["PKGSYNC_PIP"])

from pip._internal.commands import create_command
from pip._vendor.packaging.requirements import Requirement

AT_ONCE = 8


def sha256_of(link):
    if link.is_file:
        seen = hashlib.sha256()
        with open(link.file_path, "rb") as source:
            for block in iter(lambda: source.read(1 << 20), b""):
                seen.update(block)
        return seen.hexdigest()
    # Newer versions of pip keep all hashes of an index, older ones the best.
    known = dict(getattr(link, "_hashes", None) or {})
    if link.hash_name:
        known.setdefault(link.hash_name, link.hash)
    return known.get("sha256")


def find(finder, line):
    requirement = Requirement(line)
    best = finder.find_best_candidate(
        requirement.name, requirement.specifier
    ).best_candidate
    if best is None:
        return None
    return {
        "filename": best.link.filename,
        "url": best.link.url_without_fragment,
        "sha256": sha256_of(best.link),
        "wheel": best.link.is_wheel,
    }


def main(options):
    lines = sys.stdin.read().splitlines()
    command = create_command("download")
    parsed, _ = command.parse_args(
        ["--disable-pip-version-check", "--no-input", "--quiet"]
        + options
        + ["placeholder"]
    )
    with command.main_context():
        session = command.get_default_session(parsed)
        finder = command._build_package_finder(options=parsed, session=session)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for found in pool.map(lambda line: find(finder, line), lines):
                print(json.dumps(found))


main(sys.argv[1:])
