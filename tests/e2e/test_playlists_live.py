"""The LL-HLS playlists of a live broadcast, as the audience gets them: against RFC 8216bis, through ffmpeg
and through hls.js. Silence is sound too: nobody has to speak for this."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness import Room, serve
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "cmaf"))
from hls_rules import validate, validate_group

pytestmark = pytest.mark.e2e

ALLOWED_OF_FFMPEG = re.compile(r"Found duplicated MOOV Atom\. Skipped it|^\s*$|Last message repeated")
"""ffmpeg 5.1 reads the init segment again with every reload of any live fMP4 playlist and says so."""
CHROMIUM = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    with serve(tmp_path_factory.mktemp("playlists"), levelling=False) as server:
        room = server.room("Playlists")
        room.open()
        room.start()
        room.wait_for_state("live")
        time.sleep(7.0)  # a whole segment
        yield room


def media_uris(client: httpx.Client, room: Room) -> tuple[str, dict[str, str]]:
    """The multivariant playlist's text and the media playlists' addresses by their relative URIs."""
    index = client.get(f"{room.audience_url}/hls/index.m3u8")
    index.raise_for_status()
    uris = [line for line in index.text.splitlines() if line and not line.startswith("#")]
    return index.text, {uri: str(index.url.join(uri)) for uri in uris}


def last_part(text: str) -> tuple[int, int]:
    """Media sequence number and part that a client has to ask for next."""
    msn = int(re.search(r"#EXT-X-MEDIA-SEQUENCE:(\d+)", text)[1])  # type: ignore[index]
    part = 0
    for line in text.splitlines():
        if line.startswith("#EXT-X-PART:"):
            part += 1
        elif line and not line.startswith("#"):
            msn, part = msn + 1, 0
    skipped = re.search(r"SKIPPED-SEGMENTS=(\d+)", text)
    return msn + (int(skipped[1]) if skipped else 0), part


def test_every_playlist_of_both_codecs_follows_the_rules(room: Room) -> None:
    with httpx.Client(trust_env=False, timeout=30) as client:
        multivariant, uris = media_uris(client, room)
        assert len(uris) == 2
        assert validate([multivariant]) == []
        for uri, address in uris.items():
            texts = [client.get(address).text]
            for turn in range(24):
                msn, part = last_part(texts[-1])
                query = {"_HLS_msn": msn, "_HLS_part": part} | ({"_HLS_skip": "YES"} if turn % 2 else {})
                answer = client.get(address, params=query)
                assert answer.status_code == 200, (uri, query, answer.text)
                texts.append(answer.text)
            assert validate(texts) == [], uri
        # Rendition reports are relative to the playlist, which lies one folder deeper.
        group = {uri.rpartition("/")[2]: client.get(address).text for uri, address in uris.items()}
        assert validate_group(group, re.sub(r"^[^#\n]*/", "", multivariant, flags=re.M)) == []


def test_requests_outside_the_rules_are_refused(room: Room) -> None:
    """RFC 8216bis 6.2.5.2: a part without a segment, and one too far ahead, are 400."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        _, uris = media_uris(client, room)
        address = next(iter(uris.values()))
        msn, _ = last_part(client.get(address).text)
        for query in ({"_HLS_part": 0}, {"_HLS_msn": msn + 3}, {"_HLS_msn": "x"}):
            answer = client.get(address, params=query)
            assert answer.status_code == 400, query
            assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("codec", ["opus", "aac"])
def test_ffmpeg_plays_the_live_playlist_without_a_warning(room: Room, codec: str) -> None:
    with httpx.Client(trust_env=False, timeout=30) as client:
        _, uris = media_uris(client, room)
    address = next(address for uri, address in uris.items() if codec in uri)
    command = [
        "ffmpeg",
        "-nostdin",
        "-v",
        "warning",
        "-i",
        address,
        "-t",
        "14",
        "-f",
        "s16le",
        "-ac",
        "1",
        "-",
    ]
    done = subprocess.run(command, capture_output=True, timeout=120, check=True)
    said = [line for line in done.stderr.decode().splitlines() if not ALLOWED_OF_FFMPEG.search(line)]
    assert said == []
    assert len(done.stdout) >= 2 * 48_000 * 13


def test_hls_js_plays_it_without_an_error_or_warning(room: Room) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(CHROMIUM))
        try:
            page = browser.new_page()
            said: list[str] = []
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.goto(f"{room.audience_url}?door=hls")
            page.click("#play")
            page.wait_for_selector("#player[data-state=playing]", timeout=30_000)
            page.wait_for_timeout(10_000)
            figures = page.locator("#player").evaluate("element => ({...element.dataset})")
        finally:
            browser.close()
    assert said == []
    assert figures["door"] == "hls"
    assert figures["state"] == "playing"
    assert int(figures["stalls"]) == 0
