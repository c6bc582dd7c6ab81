"""The environments that `scan` is measured on: a real one of about 300
distributions, and a made one of 1,000.
"""
import pathlib
import subprocess

MADE = 1000
CRITICAL = ("dask", "distributed", "tornado", "cloudpickle", "msgpack")
HEADER = """Metadata-Version: 2.1
Name: {name}
Version: {version}
Summary: Distribution {number} of a made environment
Author-email: Somebody <somebody@example.org>
License: BSD-3-Clause
Keywords: made,bench
{classifiers}Requires-Python: >=3.8
Description-Content-Type: text/markdown
{requires}
"""
CLASSIFIER = "Classifier: Programming Language :: Python :: 3.%d\n"


def real(uv, python, directory, env):
    """Whatever the newest releases of environment.txt's packages require."""
    listed = pathlib.Path(__file__).with_name("environment.txt")
    subprocess.run([uv, "venv", "-q", "--python", python, directory], check=True,
                   env=env)
    subprocess.run([uv, "pip", "install", "-q", "--python",
                    directory / "bin" / "python", "-r", listed],
                   check=True, env=env)
    return directory / "bin" / "python"


def made(uv, python, directory, env):
    subprocess.run([uv, "venv", "-q", "--python", python, directory], check=True,
                   env=env)
    site, = directory.glob("lib/python*/site-packages")
    for number in range(MADE):
        write_distribution(site, number)
    return directory / "bin" / "python"


def write_distribution(site, number):
    name = CRITICAL[number] if number < len(CRITICAL) else "made-%d" % number
    version = "1.%d" % (number % 30)
    module = name.replace("-", "_")
    info = "%s-%s.dist-info" % (module, version)
    requires = "".join(
        "Requires-Dist: made-%d>=1; python_version >= '3.%d'\n" % (other, other % 12)
        for other in range(max(len(CRITICAL), number - 5), number)
    )
    files = {
        info + "/INSTALLER": "pip\n",
        info + "/METADATA": HEADER.format(
            name=name, version=version, number=number, requires=requires,
            classifiers="".join(CLASSIFIER % minor for minor in range(8, 14)),
        ) + "A description of some length. " * 200,
        info + "/RECORD": "",
        info + "/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"
                         "Tag: py3-none-any\n",
        module + "/__init__.py": "VALUE = %d\n" % number,
        module + "/part.py": "VALUE = %d\n" % number,
    }
    if number % 10 == 0:
        files[info + "/REQUESTED"] = ""
    files[info + "/RECORD"] = "".join("%s,,\n" % path for path in files)
    for path, text in files.items():
        file = site / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
