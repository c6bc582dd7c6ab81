# Finds the file that an index would give for each of many requirements, with
# the person's own pip and its settings.  Fetches nothing but index pages and
# runs no code of any package:
#
#   python -I -c SCRIPT [pip download option...]   < one requirement a line
#
# A line is "requirement<TAB>sha256,sha256": files with one of these hashes are
# preferred.  Prints a line of JSON for each: {"filename", "url", "sha256",
# "wheel"}, null where there is none, or {"failed": {"url", "reason",
# "refused"}} where an index that may have it did not answer.
import concurrent.futures
import hashlib
import json
import logging
import os
import sys
import threading

sys.path.insert(0, os.environ["PKGSYNC_PIP"])

from pip._internal.commands import create_command
from pip._internal.utils.hashes import Hashes
from pip._vendor.packaging.requirements import Requirement

AT_ONCE = 8


class Failures(logging.Handler):
    """Which pages could not be had: pip tells its log alone, and goes on."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.of_thread = threading.local()
        logger = logging.getLogger("pip._internal.index.collector")
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        logger.addHandler(self)

    def begin(self):
        self.of_thread.found = []

    def emit(self, record):
        if not str(record.msg).startswith("Could not fetch URL"):
            return
        if len(record.args) < 2 or not hasattr(self.of_thread, "found"):
            return
        url, reason = str(record.args[0]), str(record.args[1])
        refused = reason.startswith(("401 ", "403 "))
        # An index says by 404, or 410, that it does not have it.
        if refused or not reason.startswith("4"):
            self.of_thread.found.append(
                {"url": url, "reason": reason[:500], "refused": refused}
            )

    def first(self):
        found = self.of_thread.found
        return {"failed": found[0]} if found else None


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


def find(finder, failures, line):
    text, _, hashes = line.rpartition("\t")
    requirement = Requirement(text)
    failures.begin()
    best = finder.find_best_candidate(
        requirement.name,
        requirement.specifier,
        Hashes({"sha256": hashes.split(",")}) if hashes else None,
    ).best_candidate
    if best is None:
        return failures.first()
    return {
        "filename": best.link.filename,
        "url": best.link.url_without_fragment,
        "sha256": sha256_of(best.link),
        "wheel": best.link.is_wheel,
    }


def main(options):
    lines = sys.stdin.read().split("\n")[:-1]
    command = create_command("download")
    parsed, _ = command.parse_args(
        ["--disable-pip-version-check", "--no-input", "--quiet"]
        + options
        + ["placeholder"]
    )
    with command.main_context():
        session = command.get_default_session(parsed)
        failures = Failures()
        finder = command._build_package_finder(options=parsed, session=session)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for found in pool.map(
                lambda line: find(finder, failures, line), lines
            ):
                print(json.dumps(found))


main(sys.argv[1:])
