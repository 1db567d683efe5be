"""Tests of the scripts' pure parts, run where they will run: an empty page in Chromium that has our scripts.

A file of tests is a module of JavaScript with `export const tests = {"name"() {...}, ...}`.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from pages_browser import chromium
from playwright.sync_api import Page, Route

import hustings

WEB = Path(hustings.__file__).parent / "web"


def names(tests: Path) -> list[str]:
    """Of the tests in a file."""
    return re.findall(r'^  "(.+)"\(\) \{$', tests.read_text(), re.M)


@contextlib.contextmanager
def pure_page(tests: Path) -> Iterator[Page]:
    """With the file as /tests.js."""

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix("http://hustings.test")
        if path == "/":
            route.fulfill(body="<!doctype html><title>tests</title>", content_type="text/html")
        else:
            file = tests if path == "/tests.js" else WEB / path.removeprefix("/")
            route.fulfill(body=file.read_bytes(), content_type="text/javascript")

    with chromium() as browser:
        page = browser.new_page()
        page.route("http://hustings.test/**", answer)
        page.goto("http://hustings.test/")
        yield page


def passes(page: Page, name: str) -> None:
    """Runs one of its tests."""
    error = page.evaluate(
        "async (name) => { const { tests } = await import('/tests.js');"
        " try { tests[name](); return ''; } catch (error) { return String(error.stack ?? error); } }",
        name,
    )
    assert not error, error
