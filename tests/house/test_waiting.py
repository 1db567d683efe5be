"""What tests wait with works under the pages' own policy."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
A_STRING = re.compile(r'wait_for_function\(\s*f?["\'](?!\(|async)')


def test_what_is_waited_for_in_a_page_is_a_function() -> None:
    # A bare expression is evaluated anew by the page at each look, which its Content-Security-Policy forbids:
    # it passes when it is true at once and fails when it has to wait.
    files = TESTS.rglob("*.py")
    found = [str(file.relative_to(TESTS)) for file in files if A_STRING.search(file.read_text())]
    assert found == []
