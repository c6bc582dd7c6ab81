"""Wheels and environment specs, written by hand: what the tests of the
installer start from, without a build."""

import base64
import hashlib
import json
import pathlib
import platform
import sys
import sysconfig
import zipfile


def make_wheel(directory, name, version, files, requires=()):
    """A wheel with these files; its path."""
    stem = "%s-%s" % (name.replace("-", "_"), version)
    info = stem + ".dist-info/"
    content = dict(files)
    content[info + "METADATA"] = (
        "Metadata-Version: 2.1\nName: %s\nVersion: %s\n" % (name, version)
        + "".join("Requires-Dist: %s\n" % each for each in requires)
    )
    content[info + "WHEEL"] = (
        "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n"
    )
    record = ""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / (stem + "-py3-none-any.whl")
    with zipfile.ZipFile(path, "w") as out:
        for member, text in content.items():
            data = text.encode()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
            record += "%s,sha256=%s,%d\n" % (
                member, digest.decode().rstrip("="), len(data))
            out.writestr(zipfile.ZipInfo(member), data)
        out.writestr(zipfile.ZipInfo(info + "RECORD"), record + info + "RECORD,,\n")
    return path


def index_package(name, version, requirement=None, level="compatible"):
    return {
        "name": name, "version": version, "level": level, "reason": "",
        "requirement": requirement or "%s~=%s" % (name, version),
        "source": {"kind": "index", "url": None}, "conda": None, "wheel": None,
    }


def built_package(name, version, path, url=None, kind="editable"):
    data = pathlib.Path(path).read_bytes()
    return {
        "name": name, "version": version, "level": "build", "reason": "",
        "requirement": None, "source": {"kind": kind, "url": None},
        "conda": None,
        "wheel": {
            "filename": pathlib.Path(path).name, "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "url": url or pathlib.Path(path).as_uri(), "key": None,
        },
    }


def make_payload(packages, find_links=(), version=None, carry=True):
    """What PackageSync sends, for these packages."""
    document = {
        "schema": 1,
        "python": {
            "implementation": sys.implementation.name,
            "version": version or platform.python_version(),
            "abi": sysconfig.get_config_var("SOABI"),
            "platform": sysconfig.get_platform(),
        },
        "indexes": {"index_url": None, "extra_index_urls": [],
                    "find_links": [str(place) for place in find_links]},
        "packages": packages,
    }
    text = json.dumps(document, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    wheels = []
    for package in packages:
        wheel = package["wheel"]
        if wheel:
            entry = {"name": package["name"], "url": wheel["url"]}
            if carry:
                path = wheel["url"][len("file://"):]
                entry["data"] = pathlib.Path(path).read_bytes()
            wheels.append(entry)
    return {"digest": digest, "url": "file:///spec/%s.json" % digest,
            "document": document, "requirements": "", "wheels": wheels,
            "origin": {"prefix": "/elsewhere", "inodes": []}}
