"""A conda channel made on the spot, and an environment installed from it.

Run by the interpreter that has py-rattler:
    conda_channel.py CHANNEL PREFIX INTERPRETER VERSION

rattler indexes, solves and links, as pixi and conda do; so conda-meta is the
real thing.  One package is not: `python` is a virtual environment's pyvenv.cfg
and a link to the interpreter of the machine, since no channel can be reached.
"""

import asyncio
import base64
import hashlib
import io
import json
import os
import pathlib
import sys
import tarfile
import zipfile

import rattler
import rattler.index
import zstandard

PYTHON_DEPENDS = ["python"]
CRITICAL = {
    # conda's name: distribution, version
    "dask-core": ("dask", "2024.8.0"),
    "distributed": ("distributed", "2024.8.0"),
    "tornado": ("tornado", "6.4.1"),
    "cloudpickle": ("cloudpickle", "3.0.0"),
    "msgpack-python": ("msgpack", "1.0.8"),
}


def dist_info(name, version, files, **more):
    """A distribution's files and metadata, below site-packages."""
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\n"
        f"Version: {version}\n",
        f"{info}/INSTALLER": "conda",
        f"{info}/REQUESTED": "",
        **{f"{info}/{k}": v for k, v in more.items()},
    }
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
        rows.append(f"{path},sha256={digest.decode().rstrip('=')},{len(text)}\n")
    files[f"{info}/RECORD"] = "".join(rows) + f"{info}/RECORD,,\n"
    return {f"site-packages/{k}": v for k, v in files.items()}


def add(tar, name, data, link=None, mode=0o644):
    entry = tarfile.TarInfo(name)
    entry.mode = mode
    if link:
        entry.type = tarfile.SYMTYPE
        entry.linkname = link
        tar.addfile(entry)
        return
    data = data.encode() if isinstance(data, str) else data
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def info_files(name, version, build, files, links, subdir, depends, noarch):
    paths = [
        {"_path": path, "path_type": "hardlink", "size_in_bytes": len(text),
         "sha256": hashlib.sha256(text.encode()).hexdigest()}
        for path, text in sorted(files.items())
    ] + [{"_path": path, "path_type": "softlink"} for path in sorted(links)]  # fmt: skip
    index = {
        "name": name, "version": version, "build": build, "build_number": 0,
        "depends": depends, "constrains": [], "subdir": subdir,
        "license": "MIT", "timestamp": 1700000000000,
    }  # fmt: skip
    if noarch:
        index["noarch"] = noarch
    if subdir == "linux-64":
        index.update(arch="x86_64", platform="linux")
    out = {
        "info/index.json": json.dumps(index),
        "info/paths.json": json.dumps({"paths": paths, "paths_version": 1}),
        "info/files": "".join(f"{p}\n" for p in [*files, *links]),
        "info/about.json": "{}",
    }
    if noarch == "python":
        out["info/link.json"] = json.dumps(
            {"noarch": {"type": "python"}, "package_metadata_version": 1}
        )
    return out


def tar_bytes(files, links=None):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in files.items():
            add(tar, path, text)
        for path, target in (links or {}).items():
            add(tar, path, None, link=target)
    return out.getvalue()


def write_package(channel, name, version, files, links=None, subdir="noarch",
                  depends=(), noarch=None, new_format=False):  # fmt: skip
    build = "py_0" if noarch == "python" else "h123_0"
    links = links or {}
    info = info_files(name, version, build, files, links, subdir,
                      list(depends), noarch)  # fmt: skip
    directory = channel / subdir
    directory.mkdir(parents=True, exist_ok=True)
    stem = f"{name}-{version}-{build}"
    if not new_format:
        with tarfile.open(directory / f"{stem}.tar.bz2", "w:bz2") as tar:
            for path, text in {**info, **files}.items():
                add(tar, path, text)
            for path, target in links.items():
                add(tar, path, None, link=target)
        return
    pack = zstandard.ZstdCompressor().compress
    with zipfile.ZipFile(directory / f"{stem}.conda", "w") as z:
        z.writestr("metadata.json", json.dumps({"conda_pkg_format_version": 2}))
        z.writestr(f"pkg-{stem}.tar.zst", pack(tar_bytes(files, links)))
        z.writestr(f"info-{stem}.tar.zst", pack(tar_bytes(info)))


def write_channel(channel, interpreter, version):
    minor = ".".join(version.split(".")[:2])
    write_package(
        channel, "python", version,
        {"pyvenv.cfg": f"home = {os.path.dirname(interpreter)}\n"
                       "include-system-site-packages = false\n"
                       f"version = {version}\n"},
        links={"bin/python": interpreter, "bin/python3": "python",
               f"bin/python{minor}": "python"},
        subdir="linux-64", depends=["libdemo >=1.2"],
    )  # fmt: skip
    # Not a Python distribution; its version would parse as 2023rc0.
    write_package(channel, "tzdemo", "2023c", {"share/tzdemo/zone": "UTC\n"},
                  noarch="generic")  # fmt: skip
    write_package(channel, "libdemo", "1.2.0", {"lib/libdemo.so.1": "not ELF\n"},
                  subdir="linux-64", new_format=True)  # fmt: skip
    for conda, (name, number) in CRITICAL.items():
        write_package(
            channel, conda, number,
            dist_info(name, number, {f"{name}/__init__.py": ""}),
            noarch="python", depends=PYTHON_DEPENDS,
        )  # fmt: skip
    # A name without a distribution of its own, over dask-core.
    write_package(channel, "dask", "2024.8.0", {}, noarch="generic",
                  depends=[*CRITICAL, "tzdemo"])  # fmt: skip
    # conda-forge ships the builder's direct_url.json with some packages.
    write_package(
        channel, "conda-direct", "1.5",
        dist_info("conda-direct", "1.5", {"conda_direct.py": "X = 1\n"},
                  **{"direct_url.json": json.dumps(
                      {"dir_info": {}, "url": "file:///home/conda/feedstock/work"})}),
        noarch="python", depends=PYTHON_DEPENDS, new_format=True,
    )  # fmt: skip
    write_package(
        channel, "overwritten", "1.0",
        dist_info("overwritten", "1.0", {"overwritten.py": "X = 1\n"}),
        noarch="python", depends=PYTHON_DEPENDS,
    )  # fmt: skip


async def make(channel, prefix):
    await rattler.index.index_fs(channel)
    records = await rattler.solve(
        [f"file://{channel}"],
        ["python", "dask", "conda-direct", "overwritten"],
        platforms=["linux-64", "noarch"],
        gateway=rattler.Gateway(cache_dir=channel.parent / "rattler-cache"),
    )
    await rattler.install(
        records, prefix, cache_dir=channel.parent / "rattler-cache",
        platform=rattler.Subdir("linux-64"), show_progress=False,
    )  # fmt: skip


def main():
    channel, prefix = (pathlib.Path(a) for a in sys.argv[1:3])
    write_channel(channel, *sys.argv[3:5])
    asyncio.run(make(channel, prefix))
    # Its threads do not always survive the end of the interpreter.
    os._exit(0)


main()
