"""Downloads from outside: a recording in the data folder of a real server, its files, archive and feed."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import feedparser  # type: ignore[import-untyped]  # it has no types
import httpx
import mutagen
import numpy as np
import pytest
from harness import HUSTINGS, Server, serve, until
from recording_folder import write_recording

import hustings
from hustings.archive.index import write_index

pytestmark = pytest.mark.e2e

BROADCAST = "20261128T200000-abc123"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("scribe")) as running:
        yield running


def recorded(server: Server, slug: str, seconds: float = 12.0) -> Path:
    """A room with a recording, as its stage would have left it."""
    server.room("Rents & homes", slug=slug)
    folder = write_recording(server.data, seconds, slug=slug, broadcast=BROADCAST).folder
    write_index(folder)
    return folder


def api(server: Server, method: str, slug: str, **more: Any) -> Any:
    answer = httpx.request(
        method,
        f"{server.studio_url}/api/rooms/{slug}/downloads",
        headers={"Authorization": f"Bearer {server.token}"},
        trust_env=False,
        timeout=10,
        **more,
    )
    assert answer.status_code in (200, 202), answer.text
    return answer.json()


def finished(server: Server, slug: str, kind: str) -> dict[str, Any] | None:
    listed = api(server, "GET", slug)["downloads"]
    found: dict[str, Any] = next(each for each in listed if each["format"] == kind)
    assert found["state"] != "failed", found["problem"]
    return found if found["state"] == "made" else None


def get(url: str, **more: Any) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=30, **more)


def test_ordered_made_served_and_in_the_feed(server: Server, tmp_path: Path) -> None:
    recorded(server, "rents")
    ordered = api(server, "POST", "rents", json={"format": "mp3"})
    assert ordered["state"] in ("waiting", "making", "made")
    made = until(lambda: finished(server, "rents", "mp3"))
    whole = get(made["url"])
    assert whole.headers["content-type"] == "audio/mpeg"
    assert len(whole.content) == made["bytes"]
    part = get(made["url"], headers={"Range": "bytes=1000-1999"})
    assert (part.status_code, part.content) == (206, whole.content[1000:2000])
    (tmp_path / "x.mp3").write_bytes(whole.content)
    assert mutagen.File(tmp_path / "x.mp3").info.length == pytest.approx(12.0, abs=0.1)

    def entry() -> Any:
        feed = feedparser.parse(get(f"{server.audience_url}/r/rents/feed.xml").content)
        assert not feed.bozo
        return feed.entries[0] if feed.entries else None

    episode = until(entry)
    assert episode.title == "Rents & homes"
    (sound,) = episode.enclosures
    assert get(sound.href).content == whole.content
    assert get(f"{server.audience_url}/r/rents/replay/{BROADCAST}/made/chapters.json").json()["version"]
    atom = feedparser.parse(get(f"{server.audience_url}/r/rents/feed.atom").content)
    assert not atom.bozo
    listed = get(f"{server.audience_url}/r/rents/replay/downloads.json").json()
    # The studio orders an M4A by itself: on a quick machine that is there already.
    assert "mp3" in [each["kind"] for each in listed["downloads"]]


def test_everything_as_one_archive(server: Server, tmp_path: Path) -> None:
    recorded(server, "all-of-it", 60.0)
    url = f"{server.audience_url}/r/all-of-it/replay/{BROADCAST}/everything.zip"
    with httpx.stream("GET", url, trust_env=False, timeout=30) as answer:
        length = int(answer.headers["content-length"])
        content = b"".join(answer.iter_bytes())
    assert len(content) == length
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.testzip() is None
    path = tmp_path / "everything.zip"
    path.write_bytes(content)
    if unzip := shutil.which("unzip"):
        subprocess.run([unzip, "-tq", str(path)], check=True)


@pytest.mark.slow
def test_from_a_voice_on_air_to_an_episode(server: Server, tmp_path: Path) -> None:
    """Nobody asks for anything: the broadcast ends, and the podcast has it."""
    room = server.room("On air", speakers=["Ada"])
    voice = Path(hustings.__file__).parent / "web" / "demo" / "host.opus"
    room.open()
    speaker = subprocess.Popen(
        [*HUSTINGS, "speak", room.slug, f"--ticket={room.tickets['Ada']}", f"--file={voice}", "--loop"],
        env={**os.environ, "HUSTINGS_STUDIO": server.studio_url},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: any(each["connected"] for each in room.state()["participants"]) or None)
        room.start()
        time.sleep(10.0)  # something to hear
        room.stop()
    finally:
        speaker.terminate()
        speaker.wait(20)

    def entry() -> Any:
        answer = get(f"{server.audience_url}/r/{room.slug}/feed.xml")
        feed = feedparser.parse(answer.content)
        return feed.entries[0] if feed.entries else None

    episode = until(entry)
    assert episode.title == "On air"
    path = tmp_path / "episode.mp3"
    path.write_bytes(get(episode.enclosures[0].href).content)
    assert mutagen.File(path).info.length > 8.0
    assert str(mutagen.File(path).tags["TPE1"]) == "Ada"
    with av.open(str(path), "r") as source:
        frames = [frame.to_ndarray() for frame in source.decode(audio=0)]
    heard = np.concatenate([frame[0] for frame in frames])
    assert float(np.sqrt(np.mean(heard**2))) > 0.02  # about -16 LUFS, not silence


@pytest.mark.slow
def test_a_killed_scribe_s_job_is_done_again(server: Server) -> None:
    """kill -9 in the middle: no process is left, and the next scribe makes it when the lease has run out."""
    folder = recorded(server, "again", 600.0)
    api(server, "POST", "again", json={"format": "m4a"})
    making = folder / "made" / ".program.m4a.part"
    until(making.exists)
    (scribe,) = server.pids("scribe")
    (child,) = (int(pid) for pid in Path(f"/proc/{scribe}/task/{scribe}/children").read_text().split())
    os.kill(child, signal.SIGSTOP)  # held in the middle, however quick the machine is
    assert not (folder / "made" / "m4a.json").exists()
    os.kill(scribe, signal.SIGKILL)
    os.kill(child, signal.SIGCONT)
    until(lambda: not Path(f"/proc/{child}").exists() or None, 20.0)
    made = until(lambda: finished(server, "again", "m4a"), 240.0)
    assert made["seconds"] == pytest.approx(600.0)
    assert not making.exists()
