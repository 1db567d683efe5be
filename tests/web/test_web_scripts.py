"""The scripts' pure parts, run where they will run: in Chromium. The tests are in pure_tests.js."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page
from pure_page import names, passes, pure_page

from hustings.audio.line_rate import LineRate
from hustings.audio.opus import OpusEncoder
from hustings.cmaf.chunker import Chunker

TESTS = Path(__file__).with_name("pure_tests.js")
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


MOVE = """async () => {
  const { PushSource } = await import('/js/push_source.js');
  const record = (type, text) => {
    const payload = new TextEncoder().encode(text);
    const bytes = new Uint8Array(8 + payload.length);
    bytes[0] = type;
    new DataView(bytes.buffer).setUint32(4, payload.length);
    bytes.set(payload, 8);
    return bytes;
  };
  const lines = [];
  window.fetch = async (_url, { signal }) => {
    const line = { number: lines.length, signal };
    const start = (controller) => { line.send = (bytes) => controller.enqueue(bytes); };
    line.body = new ReadableStream({ start });
    signal.addEventListener('abort', () => { line.left = true; });
    lines.push(line);
    return new Response(line.body, { status: 200 });
  };
  const said = [];
  const source = new PushSource('/live', {
    record: ({ payload }) => said.push(new TextDecoder().decode(payload)),
    connected: () => said.push('connected'), lost: () => said.push('lost'),
    full: () => said.push('full'), over: (why) => said.push(why),
  });
  const until = async (what) => { while (!what()) await new Promise((resolve) => setTimeout(resolve, 5)); };
  source.start();
  await until(() => lines.length === 1);
  lines[0].send(record(2, 'a'));
  lines[0].send(record(7, JSON.stringify({ reason: 'draining', within: 0 })));
  await until(() => lines.length === 2);
  lines[0].send(record(2, 'b'));
  await until(() => said.includes('b'));
  const before = lines[0].left ?? false;
  lines[1].send(record(2, 'c'));
  await until(() => said.includes('c') && lines[0].left);
  lines[1].send(record(2, 'd'));
  await until(() => said.includes('d'));
  source.stop();
  return { said, before, lines: lines.length };
}"""


def test_a_listener_moves_to_another_process_without_a_gap(page: Page) -> None:
    """Asked to move it hears the old connection until the new one has brought something."""
    found = page.evaluate(MOVE)
    assert found["said"] == ["connected", "a", "b", "connected", "c", "d"]
    assert found["before"] is False
    assert found["lines"] == 2


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
