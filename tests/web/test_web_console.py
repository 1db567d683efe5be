"""The console's pure parts, run where they will run: in Chromium. The tests are in console_pure.js."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page
from pure_page import names, passes, pure_page

TESTS = Path(__file__).with_name("console_pure.js")
NAMES = names(TESTS)

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with pure_page(TESTS) as page:
        yield page


@pytest.mark.parametrize("name", NAMES)
def test_pure(page: Page, name: str) -> None:
    passes(page, name)


def test_all_tests_are_found() -> None:
    assert len(NAMES) >= 17
