"""What the doctor finds, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

type Level = Literal["ok", "warning", "wrong"]

MAX_FINDINGS = 100
MAX_TEXT = 400
"""Characters of one text; a path may be long."""
_COLOURS: dict[Level, str] = {"ok": "\033[32m", "warning": "\033[33m", "wrong": "\033[31m"}
_PLAIN = "\033[0m"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: how bad, about what, what is so, and the one thing to do ("" when there is nothing)."""

    level: Level
    subject: str
    what: str
    todo: str = ""


type Check = Callable[[], Iterable[Finding]]


def ok(subject: str, what: str) -> Finding:
    return Finding("ok", subject, what)


def warning(subject: str, what: str, todo: str) -> Finding:
    """It works, but not as well as it could, or not for long."""
    return Finding("warning", subject, what, todo)


def wrong(subject: str, what: str, todo: str) -> Finding:
    """Something does not work."""
    return Finding("wrong", subject, what, todo)


def examine(checks: Sequence[tuple[str, Check]]) -> list[Finding]:
    """All findings, in order. A check that fails is a finding, never a traceback."""
    found: list[Finding] = []
    for subject, check in checks:
        try:
            found += check()
        except Exception as error:  # noqa: BLE001  # whatever it is: the other checks matter, too
            what = f"cannot be looked at: {type(error).__name__}: {error}"
            found.append(warning(subject, what, "Look at it by hand, and report this."))
    return [_bounded(each) for each in found[:MAX_FINDINGS]]


def _bounded(finding: Finding) -> Finding:
    texts = (" ".join(text.split())[:MAX_TEXT] for text in (finding.subject, finding.what, finding.todo))
    return Finding(finding.level, *texts)


def is_well(findings: Iterable[Finding]) -> bool:
    """Whether nothing is wrong; warnings do not count."""
    return all(finding.level != "wrong" for finding in findings)


def as_text(findings: Sequence[Finding], *, coloured: bool) -> str:
    """A line each; what to do stands below, indented."""
    width = max((len(finding.subject) for finding in findings), default=0)
    lines: list[str] = []
    for finding in findings:
        level = f"{finding.level:<7}"
        if coloured:
            level = f"{_COLOURS[finding.level]}{level}{_PLAIN}"
        lines.append(f"{level}  {finding.subject:<{width}}  {finding.what}")
        if finding.todo:
            lines.append(f"{'':9}{'':{width}}  -> {finding.todo}")
    return "\n".join(lines)


def as_json(findings: Sequence[Finding], version: str) -> str:
    """One document: ok, version, findings (level, subject, what, todo). Bounded, as `examine` bounds them."""
    rows = [
        {"level": each.level, "subject": each.subject, "what": each.what, "todo": each.todo}
        for each in findings
    ]
    return json.dumps({"ok": is_well(findings), "version": version, "findings": rows}, ensure_ascii=False)
