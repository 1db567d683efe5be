"""Logs: one line per event on stderr, as text or JSON, with the role's name and without personal data.

Addresses and bearer tickets have no place in a log. Code does not log them; the last step here
replaces what looks like one all the same (an exception's text, a library's warning).
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Protocol

import structlog

SUPERVISED = "HUSTINGS_SUPERVISED"
"""Set for the supervisor's children: it puts the role's name before their lines itself."""

type Event = MutableMapping[str, Any]

# IPv4, also at the end of an IPv6 address (::ffff:192.0.2.1).
_IPV4 = re.compile(r"(?:(?<![\w:])[0-9a-f:]*:)?(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)", re.IGNORECASE)
_IPV6 = re.compile(
    r"(?<![\w:])(?:(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}"
    r"|(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){0,6})?)(?![\w:])",
    re.IGNORECASE,
)
# Our own secrets say what they are: tickets, links, sessions, tokens, invitations, resets, webhooks' keys.
_OURS = re.compile(r"(?<![\w-])(?:[tlshir]|whsec)_[\w+/=-]{20,}")
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_SECRET = re.compile(r"(?i)(\bbearer\s+|\bticket[=:]\s?|\btoken[=:]\s?|//[^\s/@:]*:)[\w.~+/=-]{8,}@?")


class LineSink(Protocol):
    """What takes log lines."""

    def write(self, text: str, /) -> int: ...

    def flush(self) -> None: ...


class _StandardError:
    """stderr as it is when a line is written: tests replace it again and again.

    Whoever read our lines may be gone (a supervisor that was killed); a log call never fails for that.
    """

    def write(self, text: str, /) -> int:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()


def scrub(line: str) -> str:
    """`line` without IP addresses, tickets, tokens, passwords in URLs and mail addresses."""
    line = _MAIL.sub("[mail]", _OURS.sub("[secret]", _SECRET.sub(r"\1[secret]", line)))
    return _IPV6.sub("[address]", _IPV4.sub("[address]", line))


class _Text:
    """`stage    20:00:01.123 info     event key=value`."""

    def __init__(self, role: str) -> None:
        self._role = "" if os.environ.get(SUPERVISED) else f"{role:<8} "

    def __call__(self, _logger: object, _method: str, event: Event) -> str:
        time = event.pop("timestamp", "")[:12]
        level = event.pop("level", "info")
        message = event.pop("event", "")
        exception = event.pop("exception", None)
        rest = "".join(f" {key}={value}" for key, value in event.items() if not key.startswith("_"))
        line = f"{self._role}{time} {level:<8} {message}{rest}"
        return f"{line}\n{exception}" if exception else line


def _scrubbed(_logger: object, _method: str, rendered: str) -> str:
    return scrub(rendered)


def configure_logging(role: str, *, json_lines: bool, stream: LineSink | None = None) -> None:
    """Sets up structlog and the standard library's logging for this process; may be called again.

    Lines go to `stream`, or stderr.
    """
    sink: Any = stream or _StandardError()
    structlog.contextvars.clear_contextvars()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if json_lines else "%H:%M:%S.%f", utc=True),
        structlog.processors.format_exc_info,
    ]
    if json_lines:
        structlog.contextvars.bind_contextvars(role=role)
        render: list[Any] = [structlog.processors.JSONRenderer()]
    else:
        render = [_Text(role)]
    render.append(_scrubbed)
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sink),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sink)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
