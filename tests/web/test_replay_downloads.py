"""The files on the recording's page in Chromium: what is being made shows how far, and becomes a link."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "archive", HERE.parent / "edge"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # noqa: E402
from pages_browser import chromium, complaints  # noqa: E402
from recording_folder import BROADCAST, SLUG, write_recording  # noqa: E402
from replay_door import open_replay, replay_door, until  # noqa: E402

from hustings.archive.index import write_index  # noqa: E402
from hustings.archive.made import Episode, Made, MakingState, write_state  # noqa: E402

pytestmark = pytest.mark.e2e


def put_mp3(recording: Path) -> None:
    made = Made(
        kind="mp3",
        bytes=1_500_000,
        seconds=20.0,
        sha256="ab" * 32,
        recorded_at=0.0,
        made_at=0.0,
        lufs=-20.0,
        true_peak=-3.0,
        gain=4.0,
        episode=Episode(title="Rents"),
    )
    (recording / "made" / "program.mp3").write_bytes(bytes(made.bytes))
    (recording / "made" / "mp3.json").write_bytes(msgspec.json.encode(made))
    write_state(recording, "mp3", None)


def test_a_file_that_is_being_made_shows_how_far_and_becomes_a_link(tmp_path: Path) -> None:
    recording = write_recording(tmp_path, 20.0).folder
    write_index(recording)
    write_state(recording, "mp3", MakingState(state="making", progress=0.25))
    write_state(recording, "flac", MakingState(state="failed", problem="The disk is full."))
    with replay_door(tmp_path) as room, chromium() as browser:
        page = open_replay(browser, room)
        found = complaints(page)
        bar = page.get_by_role("progressbar", name="For podcasts, MP3: being made")
        bar.wait_for()
        assert bar.evaluate("bar => bar.value") == 0.25
        bar.evaluate("bar => { window.bar = bar; }")
        write_state(recording, "mp3", MakingState(state="making", progress=0.75))
        until(page, "window.bar.isConnected && window.bar.value === 0.75")
        assert Axe().run(page).response["violations"] == []
        put_mp3(recording)
        link = page.get_by_role("link", name="For podcasts, MP3")
        link.wait_for(timeout=40_000)
        assert "1.5 MB" in (link.text_content() or "")
        assert page.get_by_role("progressbar").count() == 0
        answer = page.request.get(link.evaluate("link => link.href"))
        assert len(answer.body()) == 1_500_000
        assert page.get_by_text("FLAC").count() == 0  # what failed is for the host to see
        everything = page.get_by_role("link", name="Everything in one archive, ZIP")
        assert everything.get_attribute("href") == f"/r/{SLUG}/replay/{BROADCAST}/everything.zip"
        assert found == []
        page.context.close()
