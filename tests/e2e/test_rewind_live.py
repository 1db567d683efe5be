"""A real server whose memory reaches back a minute: the recording reaches back to the start, and holds no
word of what was off the record."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from harness import HUSTINGS, Room, Server, serve

import hustings

DEMO = Path(hustings.__file__).parent / "web" / "demo"
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def get(url: str, within: float = 20.0) -> httpx.Response:
    """Also while the edge is being started again."""
    end = time.monotonic() + within
    while True:
        try:
            answer = httpx.get(url, trust_env=False, timeout=20)
            if answer.status_code != 503:
                return answer
        except httpx.HTTPError:
            pass
        assert time.monotonic() < end, f"{url} did not answer"
        time.sleep(0.1)


def loudness(data: bytes, path: Path) -> float:
    """The largest sample of a segment with its init segment before it, 0 to 1."""
    path.write_bytes(data)
    with av.open(str(path), "r") as container:
        frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
    return float(np.abs(np.concatenate(frames, axis=1)).max())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("rewind")
    with serve(folder, environment={"HUSTINGS_WINDOW": "60"}) as running:
        yield running


def _connected(room: Room) -> bool:
    people: list[dict[str, Any]] = room.state()["participants"]
    return any(person["connected"] for person in people)


def test_back_to_the_start_after_the_memory_has_let_go(server: Server, tmp_path: Path) -> None:
    room = server.room("Long", speakers=["Ada"], slug="long")
    room.open()
    command = [*HUSTINGS, "speak", "long", f"--ticket={room.tickets['Ada']}", f"--file={DEMO / 'host.opus'}"]
    speaker = subprocess.Popen(
        [*command, "--loop"],
        env={"HUSTINGS_STUDIO": server.studio_url, "PATH": "/usr/bin:/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _connected(room):
            time.sleep(0.1)
        room.start()
        began = time.monotonic()
        _off_record(server, began + 11, True)
        _off_record(server, began + 20, False)
        # The third segment (12 to 18 s) is off the record from end to end.
        _sleep_until(began + 27)
        hls = f"{room.audience_url}/hls/"
        first = get(hls + "opus/0.m4s").content
        secret = get(hls + "opus/2.m4s")
        init = get(hls + "opus/init.mp4").content
        assert secret.headers["cache-control"] in ("no-store", "no-cache")
        assert loudness(init + secret.content, tmp_path / "live.mp4") > 0.02
        _sleep_until(began + 80)
        for _ in range(2):
            text = get(hls + "opus.m3u8").text
            listed = [line for line in text.splitlines() if not line.startswith("#")]
            assert listed[:4] == [f"opus/{number}.m4s" for number in range(4)]
            assert get(hls + "opus/0.m4s").content == first
            again = get(hls + "opus/2.m4s")
            assert again.status_code == 200
            assert again.content != secret.content
            assert loudness(init + again.content, tmp_path / "again.mp4") < 1e-3
            # Once more at an edge that knows nothing of what went before.
            _restart_edge(server, room)
        stored = server.data / "rooms" / "long" / room.state()["broadcast"] / "program" / "opus"
        assert (stored / "0.m4s").read_bytes() == first
        assert re.search(r"#EXT-X-MEDIA-SEQUENCE:0\n", text)
        room.stop()
    finally:
        speaker.terminate()
        speaker.wait(10)


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _off_record(server: Server, moment: float, off: bool) -> None:
    _sleep_until(moment)
    answer = httpx.post(
        f"{server.studio_url}/api/rooms/long/off-record",
        json={"off": off},
        headers={"Authorization": f"Bearer {server.token}"},
        trust_env=False,
        timeout=10,
    )
    assert answer.status_code in (200, 202), answer.text


def _restart_edge(server: Server, room: Room) -> None:
    (pid,) = server.pids("edge")
    os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 20
    while server.pids("edge") in ([], [pid]):
        assert time.monotonic() < end
        time.sleep(0.1)
    room.wait_for_state("live", 20)
