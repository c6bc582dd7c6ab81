"""Projects of every back-end, as people write them, to be installed editable.

Each function writes one project into a directory and returns what installing
it takes: the requirements of its back-end are its own business, since pip and
uv build in isolation.
"""

import pathlib
import textwrap


def write(root, files):
    for name, text in files.items():
        path = pathlib.Path(root) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
    return pathlib.Path(root)


def pyproject(requires, backend, name, version="1.0", more=""):
    return (
        "[build-system]\n"
        f"requires = {requires!r}\n"
        f'build-backend = "{backend}"\n'
        "[project]\n"
        f'name = "{name}"\n'
        f'version = "{version}"\n' + textwrap.dedent(more)
    )


def module(name):
    return name.replace("-", "_").replace(".", "_").lower()


def setuptools_src(root, name):
    """src layout: a .pth file with the directory."""
    return write(root, {
        "pyproject.toml": pyproject(
            ["setuptools>=64"], "setuptools.build_meta", name, "1.1"),
        f"src/{module(name)}/__init__.py": "WHO = 'src'\n",
        f"src/{module(name)}/data.txt": "data\n",
    })  # fmt: skip


def setuptools_flat(root, name):
    """Package beside other things: a finder module."""
    return write(root, {
        "pyproject.toml": pyproject(
            ["setuptools>=64"], "setuptools.build_meta", name, "1.2",
            f"[tool.setuptools]\npackages = ['{module(name)}']\n"),
        f"{module(name)}/__init__.py": "WHO = 'flat'\n",
        "tests/test_it.py": "",
    })  # fmt: skip


def setuptools_mapped(root, name):
    """Packages whose directories have other names: a finder with a map."""
    return write(root, {
        "pyproject.toml": pyproject(
            ["setuptools>=64"], "setuptools.build_meta", name, "1.3",
            f"[tool.setuptools]\npackages = ['{module(name)}', '{module(name)}.b']\n"
            "[tool.setuptools.package-dir]\n"
            f"'{module(name)}' = 'one'\n'{module(name)}.b' = 'two/b'\n"),
        "one/__init__.py": "WHO = 'mapped'\n",
        "two/b/__init__.py": "",
    })  # fmt: skip


def setuptools_namespace(root, name):
    """A part of a namespace package: the .pth carries code."""
    return write(root, {
        "pyproject.toml": pyproject(
            ["setuptools>=64"], "setuptools.build_meta", name, "1.4",
            "[tool.setuptools.packages.find]\nwhere = ['lib']\n"
            "namespaces = true\n"),
        f"lib/edns/{module(name)}/__init__.py": "WHO = 'namespace'\n",
    })  # fmt: skip


def setuptools_c(root, name):
    """With a C extension, built in place."""
    m = module(name)
    return write(root, {
        "pyproject.toml": pyproject(
            ["setuptools>=64"], "setuptools.build_meta", name, "1.5"),
        "setup.py": f"""
            from setuptools import Extension, setup
            setup(ext_modules=[Extension("{m}._c", ["src/{m}/_c.c"])],
                  package_dir={{"": "src"}}, packages=["{m}"])
            """,
        f"src/{m}/__init__.py": "from ._c import who\nWHO = who()\n",
        f"src/{m}/_c.c": """
            #include <Python.h>
            static PyObject *who(PyObject *self, PyObject *args)
            {
                return PyUnicode_FromString("c");
            }
            static PyMethodDef methods[] = {
                { "who", who, METH_NOARGS, NULL }, { NULL, NULL, 0, NULL }
            };
            static struct PyModuleDef definition = {
                PyModuleDef_HEAD_INIT, "_c", NULL, -1, methods
            };
            PyMODINIT_FUNC PyInit__c(void)
            {
                return PyModule_Create(&definition);
            }
            """,
    })  # fmt: skip


def setup_py_only(root, name):
    """Old style: no pyproject.toml at all."""
    return write(root, {
        "setup.py": f"""
            from setuptools import setup
            setup(name="{name}", version="1.6", py_modules=["{module(name)}"])
            """,
        f"{module(name)}.py": "WHO = 'old'\n",
    })  # fmt: skip


def flit(root, name):
    return write(root, {
        "pyproject.toml": pyproject(
            ["flit_core>=3.9,<4"], "flit_core.buildapi", name, "2.1",
            "description = 'made by flit'\n"),
        f"src/{module(name)}/__init__.py": "WHO = 'flit'\n",
    })  # fmt: skip


def hatch(root, name):
    return write(root, {
        "pyproject.toml": pyproject(
            ["hatchling"], "hatchling.build", name, "2.2",
            "dependencies = ['six']\n"),
        f"src/{module(name)}/__init__.py": "WHO = 'hatch'\n",
    })  # fmt: skip


def hatch_exact(root, name):
    """dev-mode-exact: hatchling uses the library `editables`."""
    return write(root, {
        "pyproject.toml": pyproject(
            ["hatchling"], "hatchling.build", name, "2.3",
            "[tool.hatch.build]\ndev-mode-exact = true\n"),
        f"{module(name)}/__init__.py": "WHO = 'exact'\n",
    })  # fmt: skip


def poetry(root, name):
    return write(root, {
        "pyproject.toml": f"""
            [build-system]
            requires = ["poetry-core>=1.9"]
            build-backend = "poetry.core.masonry.api"
            [tool.poetry]
            name = "{name}"
            version = "2.4"
            description = ""
            authors = []
            packages = [{{ include = "{module(name)}", from = "src" }}]
            """,
        f"src/{module(name)}/__init__.py": "WHO = 'poetry'\n",
    })  # fmt: skip


def pdm(root, name):
    return write(root, {
        "pyproject.toml": pyproject(
            ["pdm-backend"], "pdm.backend", name, "2.5"),
        f"src/{module(name)}/__init__.py": "WHO = 'pdm'\n",
    })  # fmt: skip


def pdm_editables(root, name):
    return write(root, {
        "pyproject.toml": pyproject(
            ["pdm-backend"], "pdm.backend", name, "2.6",
            "[tool.pdm.build]\neditable-backend = 'editables'\n"),
        f"src/{module(name)}/__init__.py": "WHO = 'pdm-editables'\n",
    })  # fmt: skip


def uv_build(root, name):
    return write(root, {
        "pyproject.toml": pyproject(
            ["uv_build>=0.8"], "uv_build", name, "2.7"),
        f"src/{module(name)}/__init__.py": "WHO = 'uv'\n",
    })  # fmt: skip


def scikit_build(root, name):
    return write(root, {
        "pyproject.toml": pyproject(
            ["scikit-build-core"], "scikit_build_core.build", name, "3.1",
            "[tool.scikit-build]\neditable.mode = 'redirect'\n"
            f"wheel.packages = ['src/{module(name)}']\n"),
        "CMakeLists.txt": f"""
            cmake_minimum_required(VERSION 3.15)
            project(x LANGUAGES C)
            install(FILES made.txt DESTINATION {module(name)})
            """,
        "made.txt": "made\n",
        f"src/{module(name)}/__init__.py": "WHO = 'scikit'\n",
    })  # fmt: skip


def meson(root, name):
    return write(root, {
        "pyproject.toml": pyproject(
            ["meson-python"], "mesonpy", name, "3.2"),
        "meson.build": f"""
            project('x', version: '3.2')
            py = import('python').find_installation(pure: true)
            py.install_sources('{module(name)}/__init__.py',
                               subdir: '{module(name)}')
            """,
        f"{module(name)}/__init__.py": "WHO = 'meson'\n",
    })  # fmt: skip


def maturin(root, name):
    return write(root, {
        "pyproject.toml": pyproject(
            ["maturin>=1,<2"], "maturin", name, "3.3",
            "[tool.maturin]\npython-source = 'python'\nmodule-name = '" + module(name) + "'\n"
            "bindings = 'bin'\n"),
        "Cargo.toml": f"""
            [package]
            name = "{name}"
            version = "3.3.0"
            edition = "2021"
            [[bin]]
            name = "{name}"
            path = "main.rs"
            """,
        "main.rs": 'fn main() { println!("rust"); }\n',
        f"python/{module(name)}/__init__.py": "WHO = 'maturin'\n",
    })  # fmt: skip


def egg(root, name):
    """For the `develop` and `install` of old setuptools."""
    return write(root, {
        "setup.py": f"""
            from setuptools import setup
            setup(name="{name}", version="4.1", packages=["{module(name)}"],
                  package_dir={{"": "lib"}}, zip_safe=False)
            """,
        f"lib/{module(name)}/__init__.py": "WHO = 'egg'\n",
    })  # fmt: skip


def plain_distutils(root, name):
    """distutils alone writes its egg-info as one file."""
    return write(root, {
        "setup.py": f"""
            from distutils.core import setup
            setup(name="{name}", version="4.2", py_modules=["{module(name)}"])
            """,
        f"{module(name)}.py": "WHO = 'distutils'\n",
    })  # fmt: skip
