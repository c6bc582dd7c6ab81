"""The one error of this package.

Sent to workers: only the standard library, Python 3.9.
"""

from __future__ import annotations

import socket
from typing import Any

from ._portable import Portable

LOG_TAIL = 6000  # characters; a longer error does not travel whole
LINES_SHOWN = 10


class PackageSyncError(Portable, Exception):
    """An environment could not be built, sent or installed.

    `package`, `phase`, `cause` and `host` are None where that is not known;
    `log` is the end of what the build or the installer printed, and `log_place`
    says where all of it is.
    """

    package: str | None
    phase: str | None
    cause: str | None
    host: str | None
    log: str
    log_place: str | None = None

    def __init__(
        self,
        message: str,
        *,
        package: str | None = None,
        phase: str | None = None,
        cause: str | None = None,
        host: str | None = None,
        log: str = "",
        log_place: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.package = package
        self.phase = phase
        self.cause = cause
        self.host = host
        self.log = log
        if log_place:
            self.log_place = log_place

    def __str__(self) -> str:
        text = self.message[:2000]
        if self.host:
            text = "%s: %s" % (self.host, text)
        for what, value in (("phase", self.phase), ("likely cause", self.cause)):
            if value and value not in text:
                text += "\n  %s: %s" % (what, value)
        lines = [line for line in self.log[-LOG_TAIL:].splitlines() if line.strip()]
        if lines and self.log.strip() not in text:
            text += "\n--- the end of the log ---\n"
            text += "\n".join(lines[-LINES_SHOWN:])
        if self.log_place:
            text += "\n--- all of the log: %s ---" % self.log_place
        return text


def fail(message: str, **details: Any) -> PackageSyncError:
    return PackageSyncError(message, host=socket.gethostname(), **details)
