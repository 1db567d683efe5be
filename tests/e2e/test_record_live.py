"""The public record of a real evening: complete, whole over restarts, checked by anybody with `verify`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness import HUSTINGS, Room, Server, serve, until

import hustings

pytestmark = pytest.mark.e2e

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "recompute.py"
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


def published(server: Server, slug: str) -> None:
    """A statement and its correction by command: in the record and on its page."""
    quoted = ["--data", str(server.data), "--json"]
    said = json.loads(
        subprocess.run(
            [*HUSTINGS, "statement", slug, "Clara Weiss", "I said 400 flats.", "--broadcast=last", *quoted],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    )
    wrong = ["--was", "400 flats", "--now", "40 flats", "--entry", str(said["seq"])]
    subprocess.run([*HUSTINGS, "correct", slug, *wrong, *quoted], capture_output=True, check=True)
    until(lambda: "correction" in kinds(server, slug) or None)
    page = httpx.get(
        f"{server.audience_url}/r/{slug}/record",
        headers={"Accept": "text/html", "Accept-Language": "en"},
        trust_env=False,
        timeout=30,
    )
    assert page.status_code == 200
    for words in ("I said 400 flats.", "Statement by Clara Weiss:", "40 flats", "Ada is on the stage"):
        assert words in page.text, words
    key = httpx.get(f"{server.audience_url}/.well-known/hustings-key", trust_env=False, timeout=30).json()
    assert key["key"] in page.text
    assert verified(f"{server.audience_url}/r/{slug}", "--key", key["key"])[0] == 0


def recomputed(server: Server, slug: str, tmp_path: Path) -> None:
    """The example computes from the record alone what pages and files say."""
    address = f"{server.audience_url}/r/{slug}"
    done = subprocess.run(
        [sys.executable, "-I", str(EXAMPLE), f"{address}/record.jsonl"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    ((broadcast, figures),) = found["broadcasts"].items()
    start = httpx.get(f"{address}/start.json", trust_env=False, timeout=30).json()
    assert start["broadcast"] == broadcast
    assert start["late_seconds"] is not None
    assert figures["late_seconds"] == pytest.approx(start["late_seconds"], abs=0.006)
    between = datetime.fromisoformat(start["sound_at"]) - datetime.fromisoformat(start["live_at"])
    assert figures["first_sound_seconds"] == pytest.approx(between.total_seconds(), abs=0.002)
    state = httpx.get(f"{address}/state.json", trust_env=False, timeout=30).json()
    talked = {
        one["name"]: one["talked_seconds"] for one in state["participants"] if one["talked_seconds"] >= 1
    }
    assert figures["talk_seconds"].keys() == talked.keys() == {"Ada"}
    # Whole seconds, as known at the end; the stage reports once a second, and once more after it.
    assert figures["talk_seconds"]["Ada"] == pytest.approx(talked["Ada"], abs=2.0)
    index = json.loads((server.data / "rooms" / slug / broadcast / "recording.json").read_bytes())
    assert figures["segments"] == {name: len(codec["segments"]) for name, codec in index["codecs"].items()}
    audience = httpx.get(f"{address}/audience.json", trust_env=False, timeout=30)
    if audience.status_code == 200 and figures["audience"]["listening_seconds"]:
        (of,) = audience.json()["broadcasts"]
        net = of["totals"]["net"]
        assert figures["audience"] == {name: net[name] for name in figures["audience"]}
    changed = tmp_path / "changed.jsonl"
    record = httpx.get(f"{address}/record.jsonl", trust_env=False, timeout=30).content
    changed.write_bytes(record.replace(b"400 flats", b"401 flats", 1))
    broken = subprocess.run(
        [sys.executable, "-I", str(EXAMPLE), str(changed)], capture_output=True, text=True, check=False
    )
    assert (broken.returncode, broken.stderr.startswith("BROKEN at entry ")) == (1, True)


def clip_by_the_record_alone(server: Server, slug: str, broadcast: str, tmp_path: Path) -> None:
    """A reader fetches a clip, the segments it names, and the record; nothing else of the recording."""
    replay = f"{server.audience_url}/r/{slug}/replay/{broadcast}"
    kept = tmp_path / "kept"

    def fetch(name: str, to: str) -> bytes:
        answer = httpx.get(f"{replay}/{name}", trust_env=False, timeout=30)
        assert answer.status_code == 200, name
        (kept / to).parent.mkdir(parents=True, exist_ok=True)
        (kept / to).write_bytes(answer.content)
        return answer.content

    facts = json.loads(fetch("clip/500-2000.json", "clip.json"))
    for file in facts["files"]:
        fetch(f"clip/{file['name']}", file["name"])
        fetch(f"{file['tree']['codec']}/init.mp4", f"{file['tree']['codec']}/init.mp4")
        for segment in file["cut_from"]:
            fetch(segment["file"], segment["file"])
    record = f"{server.audience_url}/r/{slug}"
    code, answer = verified(str(kept / "clip.json"), "--record", record)
    assert (code, answer["reason"], answer["files"]) == (0, "", len(facts["files"])), answer
    one = facts["files"][0]["cut_from"][0]["file"]
    fetch(f"proof/{one.removesuffix('.m4s')}.json", "proof.json")
    assert verified(str(kept / "proof.json"), "--record", record)[0] == 0
    data = bytearray((kept / one).read_bytes())
    data[-1] ^= 1
    (kept / one).write_bytes(bytes(data))
    assert verified(str(kept / "proof.json"), "--record", record)[0] == 1
    code, answer = verified(str(kept / "clip.json"), "--record", record)
    assert (code, answer["first_bad"]) == (1, one)


def test_an_evening_is_in_the_record_and_anybody_can_check_it(server: Server, tmp_path: Path) -> None:
    slug = "rents"
    room = server.room("Rents & homes", slug=slug, speakers=["Ada"])
    # Started by hand before its time: minutes early is a lateness, too.
    planned = {
        "at": (datetime.now(UTC) + timedelta(minutes=5)).isoformat(),
        "time_zone": "UTC",
        "weekly": False,
    }
    server.api._call("POST", f"/api/rooms/{slug}/schedule", planned)
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
    assert verified(f"{address}/record", "--key", key)[0] == 0, "the page's own address"
    assert verified(address, "--key", "A" * 43 + "=")[0] == 1

    recording = next(each.parent for each in (server.data / "rooms" / slug).glob("*/recording.json"))
    until(lambda: (recording / "record.jsonl").exists() or None)
    copied = tmp_path / "copy"
    shutil.copytree(recording, copied)
    code, answer = verified(str(copied))
    assert code == 0, answer
    assert answer["files"] >= 2
    assert answer["keys"] == [key]

    published(server, slug)
    recomputed(server, slug, tmp_path)
    clip_by_the_record_alone(server, slug, recording.name, tmp_path)

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
