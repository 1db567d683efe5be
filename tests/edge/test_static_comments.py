"""Modules go to listeners without their comments: lines keep their numbers, nothing else goes."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from hustings.edge.static import WEB, StaticFiles, without_comments

MODULES = sorted((WEB / "js").glob("*.js"))
BEGINS = re.compile(rb"^[ \t]*(?://|/\*\*)", re.MULTILINE)


def test_lines_that_are_comments_are_left_empty() -> None:
    written = b'/** What\n * it does. */\nexport function f(a) {\n  // why\n  return "//" + a; // here\n}\n'
    served = b'\n\nexport function f(a) {\n\n  return "//" + a; // here\n}\n'
    assert without_comments(written) == served


def test_code_after_a_comment_on_its_line_stays() -> None:
    written = b"/** @type {A} */ (a).b();\nc();\n/** d */\n"
    assert without_comments(written) == b"/** @type {A} */ (a).b();\nc();\n\n"


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.name)
def test_no_text_over_several_lines_is_taken_for_a_comment(module: Path) -> None:
    body = module.read_bytes()
    assert without_comments(body).count(b"\n") == body.count(b"\n")
    for found in BEGINS.finditer(body):
        assert without_comments(body[: found.start()]).count(b"`") % 2 == 0, body[found.start() :][:80]


def test_a_quarter_less_is_sent() -> None:
    whole = sum(len(gzip.compress(module.read_bytes(), 9)) for module in MODULES)
    sent = sum(len(gzip.compress(without_comments(module.read_bytes()), 9)) for module in MODULES)
    print(f"{whole} bytes of modules packed, {sent} without their comments")
    assert sent < 0.8 * whole
    assert len(StaticFiles()) >= len(MODULES)
