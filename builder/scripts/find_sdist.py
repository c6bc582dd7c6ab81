# Finds and fetches the source distribution of one requirement, with the
# person's own pip and its settings, without running any code of it:
#
#   python -I -c SCRIPT DIRECTORY REQUIREMENT [pip download option...]
#
# REQUIREMENT is "requirement<TAB>sha256,sha256": a file with one of these
# hashes is preferred.  Prints the file's name.  Status 4: the index has no sdist of it either.
# pip is the one in PKGSYNC_PIP; its command objects know index, credentials,
# proxies and certificates, and are asked for those alone.
import hashlib
import os
import sys

sys.path.insert(0, os.environ["PKGSYNC_PIP"])

from pip._internal.commands import create_command
from pip._internal.utils.hashes import Hashes
from pip._vendor.packaging.requirements import Requirement


def fetch(session, link, path):
    strong = link.hash_name in ("sha256", "sha384", "sha512")
    seen = hashlib.new(link.hash_name if strong else "sha256")
    if link.is_file:
        with open(link.file_path, "rb") as source:
            data = source.read()
        seen.update(data)
        with open(path, "wb") as out:
            out.write(data)
    else:
        answer = session.get(link.url_without_fragment, stream=True)
        answer.raise_for_status()
        with open(path, "wb") as out:
            for block in answer.iter_content(1 << 16):
                seen.update(block)
                out.write(block)
    if strong and seen.hexdigest() != link.hash:
        os.unlink(path)
        sys.exit("%s does not have the hash that the index gives" % link.filename)


def main(directory, text, options):
    text, _, hashes = text.rpartition("\t")
    requirement = Requirement(text)
    command = create_command("download")
    parsed, _ = command.parse_args(
        ["--no-binary", ":all:", "--disable-pip-version-check", "--no-input"]
        + options
        + [requirement.name]
    )
    with command.main_context():
        session = command.get_default_session(parsed)
        finder = command._build_package_finder(options=parsed, session=session)
        best = finder.find_best_candidate(
            requirement.name,
            requirement.specifier,
            Hashes({"sha256": hashes.split(",")}) if hashes else None,
        ).best_candidate
        if best is None:
            sys.exit(4)
        fetch(session, best.link, os.path.join(directory, best.link.filename))
        print(best.link.filename)


main(sys.argv[1], sys.argv[2], sys.argv[3:])
