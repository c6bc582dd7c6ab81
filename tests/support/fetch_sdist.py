"""Fetch sdists from the index that pip is configured for, without building.

usage: fetch_sdist.py DIRECTORY NAME==VERSION...

`pip download` runs a project's code even to read its metadata, which is what
pkgsync is tested for not doing; so this asks the index itself (PEP 691) and
checks the hash that it gives.  Prints one path a line.
"""

import hashlib
import json
import os
import subprocess
import sys
import urllib.parse
import urllib.request


def index_url():
    url = os.environ.get("PIP_INDEX_URL")
    for key in ("global.index-url", "download.index-url"):
        url = url or subprocess.run(
            [sys.executable, "-m", "pip", "config", "get", key],
            capture_output=True, text=True, check=False,
        ).stdout.strip()
    if not url:
        from pip._internal.models.index import PyPI

        url = PyPI.simple_url
    return url.rstrip("/") + "/"


def get(url, accept="*/*"):
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def fetch(base, directory, requirement):
    name, _, version = requirement.partition("==")
    page = urllib.parse.urljoin(base, name.lower().replace("_", "-") + "/")
    files = json.loads(get(page, "application/vnd.pypi.simple.v1+json"))["files"]
    for item in files:
        filename = item["filename"]
        stem = filename[: -len(".tar.gz")]
        if filename.endswith(".tar.gz") and stem.endswith("-" + version):
            break
    else:
        raise SystemExit("no sdist of %s on the index" % requirement)
    data = get(urllib.parse.urljoin(page, item["url"]))
    if hashlib.sha256(data).hexdigest() != item["hashes"]["sha256"]:
        raise SystemExit("%s does not have the SHA-256 that the index gives" % filename)
    path = os.path.join(directory, filename)
    with open(path, "wb") as out:
        out.write(data)
    return path


def main(argv):
    os.makedirs(argv[1], exist_ok=True)
    base = index_url()
    for requirement in argv[2:]:
        print(fetch(base, argv[1], requirement), flush=True)


if __name__ == "__main__":
    main(sys.argv)
