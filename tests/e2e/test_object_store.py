"""A real server and a store that speaks S3: sent, interrupted, freed, played from there, deleted there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from harness import HUSTINGS, Room, Server, serve, until
from recording_folder import write_recording
from s3_support import BUCKET, SECRET, Line, S3Server, keys_in_environment

import hustings
from hustings.archive.blocks import BLOCK
from hustings.archive.everything import everything
from hustings.archive.index import write_index
from hustings.archive.made import Episode, Made
from hustings.archive.model import read_index
from hustings.archive.stored import STORED_NAME, is_large
from hustings.archive.virtual import VirtualFile, plain_file, program_m4a, program_opus

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

BROADCAST, OTHER = "20261128T200000-abc123", "20261127T200000-abc123"
ROOT = f"of/this-server/rooms/rents/{BROADCAST}"
LARGE = 40 << 20
VOICE = Path(hustings.__file__).parent / "web" / "demo" / "host.opus"


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    server = S3Server(tmp_path_factory.mktemp("s3") / "s3.log")
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def line(s3: S3Server) -> Iterator[Line]:
    line = Line(s3.port)
    yield line
    line.close()


def get(url: str, **more: Any) -> httpx.Response:
    return httpx.get(url, trust_env=False, timeout=60, **more)


def api(server: Server, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {server.token}"}
    url = f"{server.studio_url}/api/rooms/{path}"
    return httpx.request(method, url, headers=headers, trust_env=False, timeout=20, **more)


def add_large(folder: Path) -> None:
    """A file of many parts, as if a host had asked for FLAC."""
    sound = random.Random(3).randbytes(LARGE)
    (folder / "made").mkdir(exist_ok=True)
    (folder / "made" / "program.flac").write_bytes(sound)
    made = Made(
        kind="flac",
        bytes=LARGE,
        seconds=30.0,
        sha256=hashlib.sha256(sound).hexdigest(),
        recorded_at=1.0,
        made_at=2.0,
        lufs=-16.0,
        true_peak=-2.0,
        gain=0.0,
        episode=Episode(title="Rents"),
    )
    (folder / "made" / "flac.json").write_bytes(msgspec.json.encode(made))


def large_here(folder: Path) -> list[str]:
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return [name for name in names if is_large(name)]


def metric(server: Server, name: str) -> list[float]:
    lines = get(server.metrics_url).text.splitlines()
    return [float(line.split()[-1]) for line in lines if line.startswith(name)]


def same_ranges(base: str, files: dict[str, VirtualFile], count: int) -> None:
    dice = random.Random(4)
    with httpx.Client(trust_env=False, timeout=60) as client:
        for name, file in files.items():
            for _ in range(count):
                first = dice.randrange(file.size)
                end = min(file.size, first + dice.choice((1, 700, 90_000, 400_000)))
                answer = client.get(base + name, headers={"Range": f"bytes={first}-{end - 1}"})
                assert (answer.status_code, answer.content) == (206, file.read(first, end)), (
                    name,
                    first,
                    end,
                )


def killed_while_sending(server: Server, s3: S3Server, line: Line) -> None:
    """The scribe gets kill -9 in the middle of a multipart upload."""
    line.hold_after(12 << 20)
    assert api(server, "POST", "rents/downloads", json={"format": "mp3"}).status_code == 202
    until(lambda: s3.unfinished() or None)
    assert s3.unfinished() == [f"{ROOT}/made/program.flac"]
    (scribe,) = server.pids("scribe")
    os.kill(scribe, signal.SIGKILL)
    line.free()


def test_sent_interrupted_freed_played_and_deleted(tmp_path: Path, s3: S3Server, line: Line) -> None:
    environment = keys_in_environment(line.url, HUSTINGS_OBJECTS_LOCAL_DAYS="0")
    with serve(tmp_path, environment=environment) as server:
        server.room("Rents & homes", slug="rents")
        folder = write_recording(server.data, 30.0, slug="rents", broadcast=BROADCAST).folder
        add_large(folder)
        write_index(folder)
        before = {name: (folder / name).read_bytes() for name in large_here(folder)}
        base = f"{server.audience_url}/r/rents/replay/{BROADCAST}/"
        killed_while_sending(server, s3, line)
        until(lambda: {"mp3", "m4a", "flac"} == made(base) or None, 300.0)
        until(lambda: not large_here(folder) or None)
        assert (folder / "recording.json").is_file()
        assert s3.unfinished() == []  # what the killed one had begun was aborted
        until(lambda: sum(metric(server, "hustings_scribe_freed_bytes_total")) or None)

        # Somebody else's client has the very files, and what can be made of them is what the edge gives.
        there = s3.contents(f"{ROOT}/")
        copy = tmp_path / "copy" / "rooms" / "rents" / BROADCAST
        for key, data in there.items():
            path = copy / key.removeprefix(f"{ROOT}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        assert {name: (copy / name).read_bytes() for name in before} == before
        listed = msgspec.json.decode((copy / STORED_NAME).read_bytes())["files"]
        assert {f"{ROOT}/{name}" for name in (*listed, STORED_NAME)} == there.keys()
        index = read_index(copy)
        files = {
            "program.m4a": program_m4a(copy, index),
            "program.opus": program_opus(copy, index),
            "everything.zip": everything(copy, index),
            "made/program.flac": plain_file(copy, "made/program.flac"),
            "made/program.mp3": plain_file(copy, "made/program.mp3"),
            **{track.file: plain_file(copy, track.file) for track in index.tracks},
        }
        same_ranges(base, files, 40)
        segment = index.codecs["aac"].segments[1]
        answer = get(f"{base}aac/{segment.number}.m4s")
        assert hashlib.sha256(answer.content).hexdigest() == segment.sha256
        assert get(f"{base}clip/2000-9000.opus").status_code == 200
        assert not large_here(folder)  # reading leaves nothing behind

        a_dead_store(server, s3, base, files)
        fetched_back_for_a_maker(server, folder, base)
        deleted(server, s3, folder)
        for role in ("stage", "bus"):
            for pid in server.pids(role):
                assert SECRET not in Path(f"/proc/{pid}/environ").read_text()
        log = server.log.read_text(errors="replace")
        assert SECRET not in log
        assert "Traceback" not in log


def made(base: str) -> set[str]:
    return {str(each["kind"]) for each in get(f"{base}downloads.json").json()["downloads"]}


def fetched_back_for_a_maker(server: Server, folder: Path, base: str) -> None:
    """A FLAC (a real one now) is made of what is in the store only; then all of it goes again."""
    assert api(server, "POST", "rents/downloads", json={"format": "flac"}).status_code == 202
    url = f"{base}made/program.flac"

    def begins() -> bytes:
        return get(url, headers={"Range": "bytes=0-3"}).content

    until(lambda: begins() == b"fLaC" or None)
    until(lambda: not large_here(folder) or None)

    def size() -> int:
        return int(get(url, headers={"Range": "bytes=0-3"}).headers["content-range"].split("/")[1])

    until(lambda: size() < LARGE or None)  # edges know a file for half a minute
    assert begins() == b"fLaC"


def a_dead_store(server: Server, s3: S3Server, base: str, files: dict[str, VirtualFile]) -> None:
    """Gone, then silent: told quickly, nothing else concerned, right again when it is back."""
    local = write_recording(server.data, 12.0, slug="rents", broadcast=OTHER).folder
    write_index(local)
    elsewhere = f"{server.audience_url}/r/rents/replay/{OTHER}/"
    kept = s3.contents()
    url = f"{base}made/program.flac"

    def asked(block: int) -> httpx.Response:
        return get(url, headers={"Range": f"bytes={block * BLOCK}-{block * BLOCK + 999}"})

    def refused(block: int) -> float:
        began = time.monotonic()
        answer = asked(block)
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) >= 1
        assert "in a store" in answer.json()["detail"]
        return time.monotonic() - began

    forget_what_is_in_memory(server)
    s3.kill()
    assert refused(1) < 20.0
    assert refused(2) < 20.0
    assert get(f"{elsewhere}program.m4a").status_code == 200
    assert get(f"{server.audience_url}/r/rents/state.json").status_code == 200
    assert get(f"{base}timeline.json").status_code == 200
    until(lambda: 1.0 in metric(server, "hustings_edge_store_failing") or None)
    s3.start()
    s3.put(kept)

    def right(block: int) -> None:
        until(lambda: asked(block).status_code == 206 or None)
        expected = files["made/program.flac"].read(block * BLOCK, block * BLOCK + 1000)
        assert asked(block).content == expected

    right(3)
    with s3.frozen():
        assert refused(4) < 30.0
        assert min(refused(5 + at) for at in range(5)) < 5.0  # it is not asked each time
        assert get(f"{elsewhere}program.opus").status_code == 200
    right(20)
    until(lambda: 1.0 not in metric(server, "hustings_edge_store_failing") or None)


def forget_what_is_in_memory(server: Server) -> None:
    """The edge begins anew: what it has of the store is gone."""
    (edge,) = server.pids("edge")
    os.kill(edge, signal.SIGKILL)

    def is_back() -> bool | None:
        with contextlib.suppress(httpx.HTTPError):
            return server.pids("edge") != [edge] and get(f"{server.audience_url}/healthz").status_code == 200
        return None

    until(is_back)


def deleted(server: Server, s3: S3Server, folder: Path) -> None:
    """Nothing of it stays in the store but the tombstone, not even what was never ended."""
    s3.client.create_multipart_upload(Bucket=BUCKET, Key=f"{ROOT}/made/program.flac")
    s3.client.create_multipart_upload(Bucket=BUCKET, Key="of/somebody-else")
    s3.put({"of/somebody-elses": b"file", f"{ROOT}-not-of-it/x": b"file"})
    assert api(server, "DELETE", f"rents/recordings/{BROADCAST}").status_code == 202
    until(lambda: s3.names(f"{ROOT}/") == [f"{ROOT}/deleted.json"] or None)
    assert s3.contents(f"{ROOT}/")[f"{ROOT}/deleted.json"] == (folder / "deleted.json").read_bytes()
    assert s3.unfinished() == ["of/somebody-else"]
    assert s3.contents("of/somebody-elses") == {"of/somebody-elses": b"file"}
    assert s3.contents(f"{ROOT}-not-of-it/") == {f"{ROOT}-not-of-it/x": b"file"}
    url = f"{server.audience_url}/r/rents/replay/{BROADCAST}/program.m4a"
    until(lambda: get(url).status_code == 410 or None)


def test_a_folder_on_another_disk(tmp_path: Path) -> None:
    """Freed into it and played from it; a disk that is not there is 503 until it is."""
    disk = tmp_path / "disk"
    disk.mkdir()
    environment = {"HUSTINGS_OBJECTS": disk.as_uri(), "HUSTINGS_OBJECTS_LOCAL_DAYS": "0"}
    with serve(tmp_path, environment=environment) as server:
        server.room("Rents & homes", slug="rents")
        folder = write_recording(server.data, 20.0, slug="rents", broadcast=BROADCAST).folder
        index = write_index(folder)
        file = program_m4a(folder, index)
        sound = file.read(0, file.size)
        base = f"{server.audience_url}/r/rents/replay/{BROADCAST}/"
        assert api(server, "POST", "rents/downloads", json={"format": "mp3"}).status_code == 202
        until(lambda: {"mp3", "m4a"} == made(base) or None)
        until(lambda: not large_here(folder) or None)
        disk.rename(tmp_path / "elsewhere")
        answer = get(f"{base}opus/{index.codecs['opus'].segments[0].number}.m4s")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        (tmp_path / "elsewhere").rename(disk)
        until(lambda: get(f"{base}program.m4a").content == sound or None)
        assert api(server, "DELETE", f"rents/recordings/{BROADCAST}").status_code == 202

        def left() -> list[str]:
            return [path.name for path in disk.rglob("*") if path.is_file()]

        until(lambda: left() == ["deleted.json"] or None)


def problem_of(server: Server, slug: str) -> str | None:
    listed = api(server, "GET", f"{slug}/recordings").json()["recordings"]
    return next((str(each["store_problem"]) for each in listed if each["store_problem"]), None)


def test_wrong_keys_concern_nobody_on_air_and_are_said_to_the_host(tmp_path: Path) -> None:
    """Recorded, replayed and made as ever; stored once the keys are right."""
    s3 = S3Server(tmp_path / "s3.log")
    s3.start()
    s3.believe(keys=False)
    try:
        with serve(tmp_path, environment=keys_in_environment(s3.url)) as server:
            room, broadcast = spoken(server)
            until(lambda: room.state()["links"].get("replay"))
            base = f"{server.audience_url}/r/live/replay/{broadcast}/"
            assert get(f"{base}program.m4a").status_code == 200
            until(lambda: "mp3" in get(f"{base}downloads.json").text or None)
            said = until(lambda: problem_of(server, "live"))
            assert said.startswith("The store refuses: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are wrong")
            until(lambda: 1.0 in metric(server, "hustings_scribe_store_failing") or None)
            assert large_here(server.data / "rooms" / "live" / broadcast)
            s3.believe(keys=True)
            (scribe,) = server.pids("scribe")
            os.kill(scribe, signal.SIGTERM)  # it tries at once after a start
            name = f"of/this-server/rooms/live/{broadcast}/{STORED_NAME}"
            until(lambda: name in s3.names() or None, 300.0)
            until(lambda: problem_of(server, "live") is None or None)
            assert large_here(server.data / "rooms" / "live" / broadcast)  # never freed, only copied
            log = server.log.read_text(errors="replace")
            assert "The store refuses" in log
            assert SECRET not in log
    finally:
        s3.kill()


def spoken(server: Server) -> tuple[Room, str]:
    """A broadcast of some seconds; its room and its identifier."""
    room = server.room("Live", slug="live", speakers=["Ada"])
    room.open()
    command = [*HUSTINGS, "speak", "live", f"--ticket={room.tickets['Ada']}", f"--file={VOICE}", "--loop"]
    environment = {**os.environ, "HUSTINGS_STUDIO": server.studio_url}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as speaker:
        try:
            until(lambda: any(each["connected"] for each in room.state()["participants"]) or None)
            room.start()
            (on_air,) = until(lambda: api(server, "GET", "live/recordings").json()["recordings"])
            folder = server.data / "rooms" / "live" / on_air["broadcast"] / "program" / "opus"
            until(lambda: len(list(folder.glob("*.m4s"))) > 1 or None)  # something to hear
            room.stop()
        finally:
            speaker.terminate()
    return room, str(on_air["broadcast"])


def test_what_is_no_store_is_said_before_anything_starts(tmp_path: Path) -> None:
    environment = keys_in_environment("http://127.0.0.1:1", HUSTINGS_OBJECTS="bucket")
    with (
        pytest.raises(AssertionError, match="serve ended with 2") as raised,
        serve(tmp_path, environment=environment),
    ):
        pass
    assert "HUSTINGS_OBJECTS is no address of a store" in str(raised.value)
