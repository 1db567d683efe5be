"""A real server: recorded, deleted, and every address says so; the tombstone is the server's."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import feedparser  # type: ignore[import-untyped]  # it has no types
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from harness import HUSTINGS, Room, Server, serve, until
from recording_folder import write_recording

import hustings
from hustings.archive.index import write_index
from hustings.archive.signatures import holds
from hustings.archive.tombstone import decode_tombstone

pytestmark = pytest.mark.e2e

VOICE = Path(hustings.__file__).parent / "web" / "demo" / "host.opus"
MINUTE = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("deleted")) as running:
        yield running


def api(server: Server, method: str, path: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.token}"}
    return httpx.request(
        method, f"{server.studio_url}/api/rooms/{path}", headers=headers, trust_env=False, timeout=10
    )


def get(url: str, **more: Any) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=30, **more)


def recorded(server: Server, slug: str) -> tuple[Room, str]:
    """Somebody has spoken for some seconds; the room and its broadcast."""
    room = server.room("Rents & homes", slug=slug, speakers=["Ada"])
    room.open()
    command = [*HUSTINGS, "speak", slug, f"--ticket={room.tickets['Ada']}", f"--file={VOICE}", "--loop"]
    speaker = subprocess.Popen(
        command,
        env={**os.environ, "HUSTINGS_STUDIO": server.studio_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: any(each["connected"] for each in room.state()["participants"]) or None)
        room.start()
        (on_air,) = until(lambda: api(server, "GET", f"{slug}/recordings").json()["recordings"])
        assert on_air["state"] == "on_air"
        assert api(server, "DELETE", f"{slug}/recordings/{on_air['broadcast']}").status_code == 409
        time.sleep(8.0)  # something to hear
        room.stop()
    finally:
        speaker.terminate()
        speaker.wait(20)
    return room, str(on_air["broadcast"])


def state(server: Server, slug: str, broadcast: str) -> str:
    listed = api(server, "GET", f"{slug}/recordings").json()["recordings"]
    return next(str(each["state"]) for each in listed if each["broadcast"] == broadcast)


def public_key(server: Server) -> bytes:
    key = load_pem_public_key((server.data / "keys" / "server.pub.pem").read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    return key.public_bytes_raw()


@pytest.mark.slow
def test_recorded_deleted_gone(server: Server) -> None:
    room, broadcast = recorded(server, "rents")
    replay = f"{server.audience_url}/r/rents/replay/"
    named = f"{replay}{broadcast}/"
    links = until(lambda: links if (links := room.state()["links"]).get("replay") else None)
    assert links["replay"].endswith("/r/rents/replay/")
    until(lambda: get(f"{named}downloads.json").json()["downloads"], 180.0)
    folder = server.data / "rooms" / "rents" / broadcast
    tracks = [f"tracks/{path.name}" for path in (folder / "tracks").glob("*.opus")]
    assert tracks
    media = [f"opus/{path.name}" for path in (folder / "program" / "opus").glob("*")]
    made = [f"made/{path.name}" for path in (folder / "made").glob("program.*")]
    addresses = [
        *("index.m3u8", "opus.m3u8", "aac.m3u8", "program.m4a", "program.opus", "peaks.json"),
        *("timeline.json", "downloads.json", "everything.zip", *tracks, *made),
        *(each for each in media if "sums" not in each and "torn" not in each),
    ]
    for address in addresses:
        assert get(named + address).status_code == 200, address
    assert get(f"{server.audience_url}/r/rents/hls/index.m3u8").status_code == 200
    feed = f"{server.audience_url}/r/rents/feed.xml"
    until(lambda: feedparser.parse(get(feed).content).entries)

    answer = api(server, "DELETE", f"rents/recordings/{broadcast}")
    assert (answer.status_code, answer.json()["state"]) == (202, "deleting")
    asked = time.monotonic()
    until(lambda: get(f"{named}index.m3u8").status_code == 410 or None, MINUTE)
    for address in addresses:
        gone = get(named + address)
        assert gone.status_code == 410, address
        assert gone.headers["content-type"] == "application/problem+json"
        assert "was deleted on 20" in gone.json()["detail"]
    assert time.monotonic() - asked < MINUTE
    # The studio publishes a room every two seconds at most.
    until(lambda: get(replay, headers={"Accept": "text/html"}).status_code == 410 or None, 20.0)
    until(lambda: get(f"{server.audience_url}/r/rents/hls/index.m3u8").status_code == 404 or None, 20.0)
    until(lambda: "replay" not in room.state()["links"] or None)
    until(lambda: not feedparser.parse(get(feed).content).entries or None)
    assert broadcast.encode() not in get(f"{server.audience_url}/r/rents/feed.atom").content
    assert api(server, "GET", "rents/downloads").json()["downloads"] == []
    assert state(server, "rents", broadcast) == "deleted"
    assert [path.name for path in folder.iterdir()] == ["deleted.json"]
    assert [path.name for path in folder.parent.iterdir()] == [broadcast]
    stone = decode_tombstone(get(f"{named}deleted.json").content)
    assert holds(stone, public_key(server))
    assert (stone.slug, stone.broadcast, stone.why) == ("rents", broadcast, "host")


@pytest.mark.slow
def test_deleted_while_it_is_being_made_and_the_scribe_is_killed(server: Server) -> None:
    """The process that makes a file is ended, and after kill -9 the next scribe finishes the job."""
    server.room("Long", slug="long")
    broadcast = "20261128T200000-abc123"
    folder = write_recording(server.data, 600.0, slug="long", broadcast=broadcast).folder
    write_index(folder)
    answer = httpx.post(
        f"{server.studio_url}/api/rooms/long/downloads",
        headers={"Authorization": f"Bearer {server.token}"},
        json={"format": "flac"},
        trust_env=False,
        timeout=10,
    )
    assert answer.status_code == 202, answer.text
    (scribe,) = server.pids("scribe")
    (child,) = until(lambda: Path(f"/proc/{scribe}/task/{scribe}/children").read_text().split())
    assert api(server, "DELETE", f"long/recordings/{broadcast}").status_code == 202
    os.kill(scribe, signal.SIGKILL)
    named = f"{server.audience_url}/r/long/replay/{broadcast}/"
    until(lambda: get(f"{named}index.m3u8").status_code == 410 or None, MINUTE)
    until(lambda: not Path(f"/proc/{child}").exists() or None, 20.0)
    until(lambda: state(server, "long", broadcast) == "deleted" or None, MINUTE)
    until(lambda: [path.name for path in folder.parent.iterdir()] == [broadcast] or None, MINUTE)
    assert [path.name for path in folder.iterdir()] == ["deleted.json"]
    assert holds(decode_tombstone(get(f"{named}deleted.json").content), public_key(server))
