"""A real server: two voices recorded, one taken down: nothing of it is left, at no address and on no disk.
And an edition whose scribe is killed is made all the same."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import time
import wave
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from harness import HUSTINGS, Room, Server, serve, until
from recording_folder import BROADCAST, write_recording

from hustings.archive.index import write_index
from hustings.archive.signatures import holds
from hustings.archive.tombstone import decode_tombstone

pytestmark = pytest.mark.e2e

SLUG = "rents"
TONES = {"Ada": 440.0, "Bertolt": 1130.0}
LEFT = -60.0
"""dB below what it was: gone."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("edited")) as running:
        yield running


def api(server: Server, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.token}", **more.pop("headers", {})}
    url = f"{server.studio_url}/api/rooms/{path}"
    return httpx.request(method, url, headers=headers, trust_env=False, timeout=30, **more)


def get(url: str, **more: Any) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=30, **more)


def tone(folder: Path, name: str) -> Path:
    """A voice that pauses every second, as speech does: 20 s."""
    at = np.arange(20 * 48_000) / 48_000
    sound = 0.25 * np.sin(2 * np.pi * TONES[name] * at) * (at % 1 < 0.7)
    path = folder / f"{name}.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 48_000, 0, "NONE", ""))
        file.writeframes((sound * 32_767).astype("<i2").tobytes())
    return path


def recorded(server: Server, folder: Path) -> tuple[Room, str, dict[str, str]]:
    """Both have spoken for some seconds: the room, its broadcast, who is who."""
    room = server.room("Rents & homes", slug=SLUG, speakers=list(TONES))
    room.open()
    speakers = [
        subprocess.Popen(
            [
                *HUSTINGS,
                "speak",
                SLUG,
                f"--ticket={room.tickets[name]}",
                f"--file={tone(folder, name)}",
                "--loop",
            ],
            env={**os.environ, "HUSTINGS_STUDIO": server.studio_url},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in TONES
    ]
    try:
        until(lambda: sum(each["connected"] for each in room.state()["participants"]) == 2 or None)
        people = {each["name"]: each["id"] for each in room.state()["participants"]}
        room.start()
        (on_air,) = until(lambda: api(server, "GET", f"{SLUG}/recordings").json()["recordings"])
        time.sleep(9.0)  # something to hear
        room.stop()
    finally:
        for speaker in speakers:
            speaker.terminate()
            speaker.wait(20)
    return room, str(on_air["broadcast"]), people


def levels(data: bytes) -> dict[str, float]:
    """dB of each voice's tone in a file of sound, at its loudest second."""
    with av.open(io.BytesIO(data), "r") as file:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=48_000)
        frames = [part for frame in file.decode(audio=0) for part in resampler.resample(frame)]
    sound = np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])
    found = {}
    for name, hertz in TONES.items():
        seconds = [sound[at : at + 48_000] for at in range(0, len(sound) - 48_000, 24_000)] or [sound]
        found[name] = max(_level(each, hertz) for each in seconds)
    return found


def _level(sound: np.ndarray[Any, Any], hertz: float) -> float:
    window = np.blackman(sound.shape[0])
    turned = np.exp(-2j * np.pi * hertz * np.arange(sound.shape[0]) / 48_000)
    return float(20 * np.log10(abs(np.dot(sound * window, turned)) / window.sum() * 2 + 1e-9))


def public_key(server: Server) -> bytes:
    key = load_pem_public_key((server.data / "keys" / "server.pub.pem").read_bytes())
    assert isinstance(key, Ed25519PublicKey)
    return key.public_bytes_raw()


def addresses(folder: Path) -> list[str]:
    """Everything there is of a recording at the audience's door."""
    tracks = [f"tracks/{path.name}" for path in (folder / "tracks").glob("*.opus")]
    segments = [
        f"{codec}/{path.name}"
        for codec in ("opus", "aac")
        for path in (folder / "program" / codec).glob("*.m4s")
    ]
    made = [f"made/{path.name}" for path in (folder / "made").glob("program.*")]
    return [
        *(
            "index.m3u8",
            "opus.m3u8",
            "aac.m3u8",
            "program.m4a",
            "program.opus",
            "peaks.json",
            "timeline.json",
        ),
        *("downloads.json", "everything.zip", "about.json", "clip/1000-5000.m4a", "clip/1000-5000.opus"),
        *("clip/1000-5000.json", *tracks, *segments, *made),
    ]


@pytest.mark.slow
def test_one_voice_is_taken_down(server: Server, tmp_path: Path) -> None:
    room, broadcast, people = recorded(server, tmp_path)
    door = f"{server.audience_url}/r/{SLUG}"
    original = server.data / "rooms" / SLUG / broadcast
    until(lambda: get(f"{door}/replay/{broadcast}/downloads.json").json()["downloads"], 180.0)
    before = addresses(original)
    for address in before:
        assert get(f"{door}/replay/{broadcast}/{address}").status_code == 200, address
    heard = levels(get(f"{door}/replay/{broadcast}/program.m4a").content)
    assert min(heard.values()) > -40, heard

    answer = api(
        server,
        "POST",
        f"{SLUG}/recordings/{broadcast}/edits",
        json={"without": [people["Bertolt"]], "take_down": True},
    )
    assert answer.status_code == 202, answer.text
    # Answered: and from now on, not only once the edition is there.
    until(lambda: get(f"{door}/replay/{broadcast}/index.m3u8").status_code == 410 or None, 20.0)
    for address in before:
        assert get(f"{door}/replay/{broadcast}/{address}").status_code == 410, address
    edition = answer.json()["edition"]
    until(lambda: get(f"{door}/replay/{edition}/index.m3u8").status_code == 200 or None, 180.0)
    until(lambda: [path.name for path in original.iterdir()] == ["deleted.json"] or None)
    until(lambda: get(f"{door}/replay/{edition}/downloads.json").json()["downloads"], 180.0)
    until(
        lambda: (
            not any("state" in path.name for path in (original.parent / edition / "made").iterdir()) or None
        )
    )

    _nothing_left_at_the_door(door, original.parent / edition, people["Bertolt"], heard)
    _nothing_left_on_the_disk(original.parent, people["Bertolt"])
    for address in before:
        gone = get(f"{door}/replay/{broadcast}/{address}")
        assert gone.status_code == 410, address
    stone = decode_tombstone(get(f"{door}/replay/{broadcast}/deleted.json").content)
    assert holds(stone, public_key(server))
    assert (stone.broadcast, stone.why) == (broadcast, "take_down")
    page = get(f"{door}/replay/", headers={"Accept-Language": "en"})
    until(lambda: b"parts taken down: 1" in get(f"{door}/replay/?lang=en").content or None, 20.0)
    assert page.status_code == 200
    assert room.state()["links"]["replay"]


def _nothing_left_at_the_door(door: str, folder: Path, who: str, heard: dict[str, float]) -> None:
    replay = f"{door}/replay/{folder.name}/"
    for address in addresses(folder):
        answer = get(replay + address)
        assert answer.status_code == 200, address
        assert who.encode() not in answer.content, address
        assert b"Bertolt" not in answer.content, address
        if address.endswith((".m4a", ".opus", ".mp3")):
            found = levels(answer.content)
            assert found["Bertolt"] < heard["Bertolt"] + LEFT, (address, found)
            assert found["Ada"] > heard["Ada"] - 12, (address, found)
    archive = zipfile.ZipFile(io.BytesIO(get(f"{replay}everything.zip").content))
    for name in archive.namelist():
        assert "Bertolt" not in name
        assert who.encode() not in archive.read(name), name
        if name.endswith((".m4a", ".opus", ".mp3")):
            assert levels(archive.read(name))["Bertolt"] < heard["Bertolt"] + LEFT, name
    said = json.loads(get(f"{replay}timeline.json").content)
    assert [each["name"] for each in said["speakers"]] == ["Ada"]
    assert list(json.loads(get(f"{replay}peaks.json").content)["tracks"]) == [said["speakers"][0]["id"]]
    # Who sits in the room is the room's affair, in what is (or was last) live; in its episodes he is not.
    until(
        lambda: (
            b"Bertolt"
            not in re.sub(
                rb"(?s)<podcast:liveItem.*?</podcast:liveItem>", b"", get(f"{door}/feed.xml").content
            )
            or None
        ),
        20.0,
    )
    for page in (f"{door}/replay/", f"{door}/recordings", f"{door}/replay/recordings.json"):
        assert b"Bertolt" not in get(page).content, page
    assert get(f"{door}/hls/index.m3u8").status_code == 404  # what the edges had in memory


def _nothing_left_on_the_disk(room: Path, who: str) -> None:
    for path in room.rglob("*"):
        assert who not in path.name
        if path.is_file():
            data = path.read_bytes()
            assert who.encode() not in data, path
            assert b"Bertolt" not in data, path


@pytest.mark.slow
def test_the_scribe_is_killed_while_it_makes_one(server: Server) -> None:
    server.room("Long", slug="long")
    folder = write_recording(server.data, 240.0, slug="long", broadcast=BROADCAST).folder
    write_index(folder, whole=True)
    edits = f"long/recordings/{BROADCAST}/edits"
    answer = api(server, "POST", edits, json={"from": 3.0, "cuts": [[10.0, 12.5]]})
    assert answer.status_code == 202, answer.text
    edition = folder.parent / answer.json()["edition"]
    part = folder.parent / f".{BROADCAST}.1.editing"
    until(lambda: next((part / "program" / "opus").glob("*.m4s"), None))
    (scribe,) = server.pids("scribe")
    os.kill(scribe, signal.SIGKILL)
    named = f"{server.audience_url}/r/long/replay/"
    assert not edition.exists()
    assert get(f"{named}{edition.name}/index.m3u8").status_code == 404
    assert get(f"{named}{BROADCAST}/index.m3u8").status_code == 200
    until(lambda: api(server, "GET", edits).json()["edits"][0]["state"] == "made" or None, 300.0)
    until(lambda: not part.exists() or None)
    assert get(f"{named}{edition.name}/index.m3u8").status_code == 404  # not published
    preview = api(server, "GET", f"{edits}/1/program.m4a", headers={"Range": "bytes=0-7"})
    assert (preview.status_code, preview.content[4:]) == (206, b"ftyp")
    assert api(server, "POST", f"{edits}/1/publish").status_code == 200
    until(lambda: get(f"{named}{edition.name}/index.m3u8").status_code == 200 or None, 60.0)
    until(lambda: get(f"{named}{BROADCAST}/index.m3u8").status_code == 410 or None, 60.0)
    said = json.loads(get(f"{named}{edition.name}/timeline.json").content)
    assert said["duration"] == pytest.approx(240.0 - 3.0 - 2.5, abs=0.02)
