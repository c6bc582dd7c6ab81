"""Replicate a Python environment as it is.

The program `pkgsync` does the work; this package calls it from Python.
`pkgsync.dask` brings the workers of a Dask cluster to the environment that
the client runs in.
"""

from ._errors import PackageSyncError

__all__ = ["PackageSyncError", "__version__"]
__version__ = "0.1.0"
