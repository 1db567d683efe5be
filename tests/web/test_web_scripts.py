"""The scripts' pure parts, run where they will run: in Chromium. The tests are in pure_tests.js."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pages_browser import chromium
from playwright.sync_api import Page, Route

import hustings
from hustings.audio.line_rate import LineRate
from hustings.audio.opus import OpusEncoder
from hustings.cmaf.chunker import Chunker

WEB = Path(hustings.__file__).parent / "web"
TESTS = Path(__file__).with_name("pure_tests.js")
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
    assert len(NAMES) >= 12


def test_the_decode_time_of_our_own_chunks_is_read(page: Page) -> None:
    chunker = Chunker("opus", 70_000, 0)
    encoder = OpusEncoder(64_000, application="audio")
    silence = np.zeros(960, np.float32)
    chunks = [chunk for _ in range(40) for chunk in chunker.push(encoder.encode(silence), 960)]
    assert len(chunks) >= 3
    for chunk in chunks:
        found = page.evaluate(
            "async (bytes) => (await import('/js/mp4_time.js')).decodeTime(Uint8Array.from(bytes))",
            list(chunk.data),
        )
        assert found == chunk.media_time


@pytest.mark.parametrize("most", [96_000, 48_000])
def test_browsers_follow_their_line_as_our_own_speaker_does(page: Page, most: int) -> None:
    dice = random.Random(most)
    full = [dice.random() < 0.3 for _ in range(40) for _ in range(dice.randrange(1, 25))]
    reports = [
        (round(dice.random() * (0.2 if bad else 0.03), 4), 0.3 if bad else dice.choice([0.03, 0.05, None]))
        for bad in full
    ]
    rate, wanted = LineRate(most), []
    for second, (lost, round_trip) in enumerate(reports):
        rate.take(lost, round_trip, second)
        wanted.append(rate.bitrate)
    found = page.evaluate(
        "async ([most, reports]) => { const { LineRate } = await import('/js/line_rate.js');"
        " const rate = new LineRate(most);"
        " const follow = ([lost, trip], second) => (rate.take(lost, trip, second), rate.bitrate);"
        " return reports.map(follow); }",
        [most, reports],
    )
    assert found == wanted
    assert len(set(wanted)) >= 3
