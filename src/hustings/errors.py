"""Every error Hustings raises on purpose.

HustingsError
├── UsageError            the command line or a setting is wrong          (exit 2)
├── Refused               a request cannot be served; carries an HTTP status (problem+json)
├── Unavailable           a role, the bus or the database did not answer
└── Corrupt               bytes that do not follow their format
"""

from __future__ import annotations


class HustingsError(Exception):
    """Base of all. `str(error)` is one line that says what to do; never shown with a traceback."""


class UsageError(HustingsError):
    """The command line or a setting is wrong."""


class Refused(HustingsError):
    """A request that cannot be served. Becomes `application/problem+json` (RFC 9457)."""

    def __init__(self, status: int, title: str, detail: str = "", where: str = "") -> None:
        super().__init__(f"{title}: {detail}" if detail else title)
        self.status = status
        self.title = title
        self.detail = detail
        self.where = where

    def problem(self) -> dict[str, object]:
        """The members of the problem document, RFC 9457 section 3.1."""
        body: dict[str, object] = {"type": "about:blank", "title": self.title, "status": self.status}
        if self.detail:
            body["detail"] = self.detail
        if self.where:
            body["where"] = self.where
        return body


class Unavailable(HustingsError):
    """A role, the bus or the database did not answer in time."""


class Corrupt(HustingsError, ValueError):
    """Bytes from outside that do not follow their format."""
