"""The public record of a real evening: complete, whole over restarts, checked by anybody with `verify`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import HUSTINGS, Room, Server, serve, until

import hustings

pytestmark = pytest.mark.e2e

VOICE = Path(hustings.__file__).parent / "web" / "demo" / "host.opus"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(tmp_path_factory.mktemp("record")) as running:
        yield running


def verified(*arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of `hustings verify --json`."""
    done = subprocess.run(
        [*HUSTINGS, "verify", "--json", *arguments], capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout) if done.stdout else {}


def kinds(server: Server, slug: str) -> list[str]:
    answer = httpx.get(f"{server.audience_url}/r/{slug}/record.jsonl", trust_env=False, timeout=30)
    if answer.status_code != 200:
        return []
    assert answer.headers["content-type"].startswith("application/jsonl")
    return [json.loads(line)["kind"] for line in answer.text.splitlines()]


def speak(server: Server, room: Room, slug: str) -> None:
    """Ada talks for some seconds, live."""
    command = [*HUSTINGS, "speak", slug, f"--ticket={room.tickets['Ada']}", f"--file={VOICE}", "--loop"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "HUSTINGS_STUDIO": server.studio_url}
    speaker = subprocess.Popen(command, env=environment, **quiet)  # type: ignore[call-overload]  # two streams
    try:
        until(lambda: any(each["connected"] for each in room.state()["participants"]) or None)
        room.start()
        until(lambda: "first_sound" in kinds(server, slug) or None)
        time.sleep(3.0)  # something to keep
        room.stop()
    finally:
        speaker.terminate()
        speaker.wait(20)


def test_an_evening_is_in_the_record_and_anybody_can_check_it(server: Server, tmp_path: Path) -> None:
    slug = "rents"
    room = server.room("Rents & homes", slug=slug, speakers=["Ada"])
    room.open()
    speak(server, room, slug)
    found = until(lambda: ((k := kinds(server, slug)) and "recording" in k and k) or None)
    for kind in ("created", "doors_opened", "on_stage", "live", "first_speaker", "first_sound", "talk_time"):
        assert found.count(kind) == 1, (kind, found)
    assert found[0] == "key"
    assert found[-1] == "head"
    assert found.index("live") < found.index("first_sound") < found.index("ended") < found.index("recording")

    address = f"{server.audience_url}/r/{slug}"
    code, answer = verified(address)
    assert (code, answer["ok"], answer["first_bad"], answer["entries"]) == (0, True, None, len(found) - 1)
    (key,) = answer["keys"]
    assert verified(address, "--key", key)[0] == 0
    assert verified(address, "--key", "A" * 43 + "=")[0] == 1

    recording = next(each.parent for each in (server.data / "rooms" / slug).glob("*/recording.json"))
    until(lambda: (recording / "record.jsonl").exists() or None)
    copied = tmp_path / "copy"
    shutil.copytree(recording, copied)
    code, answer = verified(str(copied))
    assert code == 0, answer
    assert answer["files"] >= 2
    assert answer["keys"] == [key]

    line_file = tmp_path / "record.jsonl"
    text = (copied / "record.jsonl").read_text().replace("Rents", "Rants", 1)
    line_file.write_text(text)
    code, answer = verified(str(line_file))
    assert (code, answer["ok"], answer["first_bad"]) == (1, False, 1)

    segment = sorted((copied / "program" / "opus").glob("*.m4s"))[0]
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(bytes(data))
    code, answer = verified(str(copied))
    assert (code, answer["first_bad"]) == (1, f"program/opus/{segment.name}")
    assert verified(str(tmp_path / "nothing.jsonl"))[0] == 2
    assert verified(f"{server.audience_url}/r/no-such-room")[0] == 2


def test_it_outlives_a_killed_studio_and_a_copy_that_was_cut(server: Server) -> None:
    slug = "cut"
    server.room("Before", slug=slug)
    until(lambda: "created" in kinds(server, slug) or None)
    before = verified(f"{server.audience_url}/r/{slug}")[1]["entries"]
    (studio,) = server.pids("studio")
    os.kill(studio, signal.SIGKILL)
    copy = server.data / "records" / f"{slug}.entries"
    copy.write_bytes(copy.read_bytes()[:-40])  # as a machine that lost its power may leave it
    until(lambda: [pid for pid in server.pids("studio") if pid != studio] or None)

    def whole() -> bool | None:
        code, answer = verified(f"{server.audience_url}/r/{slug}")
        return (code == 0 and answer["entries"] == before) or None

    until(whole)
    room = server.room("After", slug="after")
    until(lambda: verified(f"{server.audience_url}/r/after")[0] == 0 or None)
    assert room.state()["links"]["record"] == "/r/after/record.jsonl"
