"""The one error of this package.

Sent to workers: only the standard library, Python 3.9.
"""

from __future__ import annotations

import socket
from typing import Any

from ._portable import Portable

LOG_TAIL = 6000  # characters; a longer error does not travel whole


class PackageSyncError(Portable, Exception):
    """An environment could not be built, sent or installed.

    `package`, `phase`, `cause` and `host` are None where that is not known;
    `log` is the end of what the build or the installer printed.
    """

    package: str | None
    phase: str | None
    cause: str | None
    host: str | None
    log: str

    def __init__(
        self,
        message: str,
        *,
        package: str | None = None,
        phase: str | None = None,
        cause: str | None = None,
        host: str | None = None,
        log: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.package = package
        self.phase = phase
        self.cause = cause
        self.host = host
        self.log = log

    def __str__(self) -> str:
        text = self.message[:2000]
        if self.host:
            text = "%s: %s" % (self.host, text)
        if self.log:
            text += "\n--- the end of the log ---\n" + self.log[-LOG_TAIL:].rstrip()
        return text


def fail(message: str, **details: Any) -> PackageSyncError:
    return PackageSyncError(message, host=socket.gethostname(), **details)
