"""The console's pure parts, run where they will run: in Chromium. The tests are in console_pure.js."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages_browser import chromium
from playwright.sync_api import Page, Route

import hustings

WEB = Path(hustings.__file__).parent / "web"
TESTS = Path(__file__).with_name("console_pure.js")
NAMES = re.findall(r'^  "(.+)"\(\) \{$', TESTS.read_text(), re.M)

pytestmark = pytest.mark.e2e


def _files(route: Route) -> None:
    path = route.request.url.removeprefix("http://hustings.test")
    if path == "/":
        route.fulfill(body="<!doctype html><title>tests</title>", content_type="text/html")
    else:
        file = TESTS if path == "/tests.js" else WEB / path.removeprefix("/")
        route.fulfill(body=file.read_bytes(), content_type="text/javascript")


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page()
        page.route("http://hustings.test/**", _files)
        page.goto("http://hustings.test/")
        yield page


@pytest.mark.parametrize("name", NAMES)
def test_pure(page: Page, name: str) -> None:
    error = page.evaluate(
        "async (name) => { const { tests } = await import('/tests.js');"
        " try { tests[name](); return ''; } catch (error) { return String(error.stack ?? error); } }",
        name,
    )
    assert not error, error


def test_all_tests_are_found() -> None:
    assert len(NAMES) >= 17
