"""Into the store and back: what was not read back is not called stored, and nothing local goes before."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from faulty_store import FaultyStore
from hypothesis import given, settings
from hypothesis import strategies as st
from obstore.exceptions import GenericError
from recording_folder import BROADCAST, SLUG, write_recording

from hustings.archive.blocks import Blocks
from hustings.archive.clip import Cut, clip_m4a, clip_opus
from hustings.archive.everything import everything
from hustings.archive.files import Files, Place
from hustings.archive.index import write_index
from hustings.archive.library import Library
from hustings.archive.made import Episode, Made, read_made
from hustings.archive.model import Index, read_index
from hustings.archive.objects import PART, Objects, StoreFailed
from hustings.archive.stored import (
    DAY,
    SETTLED,
    STORED_NAME,
    Changed,
    Stopped,
    ensure_local,
    forget,
    free,
    freed,
    is_large,
    key_of,
    read_stored,
    store_recording,
    unstored,
)
from hustings.archive.virtual import VirtualFile, plain_file, program_m4a, program_opus
from hustings.errors import Corrupt

NOW = 1_795_000_000.0
ROOT = f"rooms/{SLUG}/{BROADCAST}"


class Kept(NamedTuple):
    """A recording and a store."""

    folder: Path
    store: FaultyStore
    objects: Objects

    def send(self) -> int:
        return store_recording(self.folder, self.objects, lambda: NOW)

    def free(self, days: float = 0.0, now: float = NOW) -> int:
        return free(self.folder, self.objects, days, now)


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with one recording, to be copied."""
    data = tmp_path_factory.mktemp("pattern")
    folder = write_recording(data, 14.0).folder
    write_index(folder)
    (folder / "made").mkdir()
    sound = random.Random(1).randbytes(2 * PART + 1234)
    (folder / "made" / "program.mp3").write_bytes(sound)
    made = Made(
        kind="mp3",
        bytes=len(sound),
        seconds=14.0,
        sha256=hashlib.sha256(sound).hexdigest(),
        recorded_at=1.0,
        made_at=2.0,
        lufs=-16.0,
        true_peak=-2.0,
        gain=0.0,
        episode=Episode(title="Rents"),
    )
    (folder / "made" / "mp3.json").write_bytes(msgspec.json.encode(made))
    (folder / "made" / ".program.flac.part").write_bytes(b"half")
    (folder / "made" / "flac.state.json").write_bytes(b"{}")
    return data


@pytest.fixture
def kept(pattern: Path, tmp_path: Path) -> Kept:
    shutil.copytree(pattern, tmp_path / "data")
    store = FaultyStore()
    return Kept(tmp_path / "data" / ROOT, store, Objects(store))


def contents(folder: Path) -> dict[str, bytes]:
    """What is recorded, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".")
        if path.name not in (STORED_NAME, "deleted.json") and not path.name.endswith(".state.json")
    }


def in_store(store: FaultyStore) -> dict[str, bytes]:
    found = [each["path"] for some in store.inner.list("rooms") for each in some]
    return {path.removeprefix(f"{ROOT}/"): bytes(store.inner.get(path).bytes()) for path in found}


def failing_at(number: int, error: BaseException) -> Callable[[str, str, int], None]:
    def fail(_call: str, _path: str, at: int) -> None:
        if at == number:
            raise error

    return fail


def broken() -> GenericError:
    return GenericError("error sending request")


# --- storing -----------------------------------------------------------------------------------------


def test_everything_is_stored_as_it_is_and_only_once(kept: Kept) -> None:
    before = contents(kept.folder)
    assert kept.send() == len(before)
    there = in_store(kept.store)
    listed = msgspec.json.decode(there.pop(STORED_NAME))
    assert there == before
    assert listed["files"].keys() == before.keys()
    for name, each in listed["files"].items():
        assert each["bytes"] == len(before[name])
        assert each["sha256"] == hashlib.sha256(before[name]).hexdigest()
        assert each["verified_at"] == NOW
    assert unstored(kept.folder) == []
    assert kept.store.longest <= PART
    kept.store.calls.clear()
    assert kept.send() == 0
    assert kept.store.sent() == []
    assert not any(call == "get_range" for call, _ in kept.store.calls)


def test_what_comes_later_is_sent_alone_and_what_went_goes(kept: Kept) -> None:
    kept.send()
    (kept.folder / "made" / "program.flac").write_bytes(b"flac")
    (kept.folder / "events.jsonl").unlink()
    kept.store.calls.clear()
    assert unstored(kept.folder) == ["made/program.flac"]
    assert kept.send() == 1
    assert kept.store.sent() == [f"{ROOT}/made/program.flac", f"{ROOT}/{STORED_NAME}"]
    there = in_store(kept.store)
    assert "events.jsonl" not in there
    assert there["made/program.flac"] == b"flac"
    (kept.folder / "recording.json").write_bytes((kept.folder / "recording.json").read_bytes() + b"\n")
    assert kept.send() == 1


def test_wherever_the_store_fails_it_goes_on_there(kept: Kept) -> None:
    """A failure at every call there is: what was read back whole is not sent again."""
    before = contents(kept.folder)
    kept.send()
    calls = list(kept.store.calls)
    places = sorted({*range(1, 12), *range(12, len(calls), 7), *range(len(calls) - 4, len(calls) + 1)})
    for number in places:
        (kept.folder / STORED_NAME).unlink()
        store = FaultyStore()
        one = Kept(kept.folder, store, Objects(store))
        store.fail = failing_at(number, broken())
        with pytest.raises(StoreFailed, match="does not answer"):
            one.send()
        whole = set(read_stored(kept.folder).files)
        if unstored(kept.folder):
            assert one.free() == 0
        assert contents(kept.folder) == before
        store.calls.clear()
        store.fail = FaultyStore().fail
        one.send()
        assert whole.isdisjoint(key.removeprefix(f"{ROOT}/") for key in store.sent())
        there = in_store(store)
        assert there.pop(STORED_NAME)
        assert there == before


@pytest.mark.parametrize("wrong", [lambda data: data[:-1] + b"?", lambda data: data[:-1]])
def test_what_the_store_gives_back_otherwise_is_not_stored(
    kept: Kept, wrong: Callable[[bytes], bytes]
) -> None:
    lying = "tracks/"
    kept.store.lie = lambda path, data: wrong(data) if lying in path else data
    before = contents(kept.folder)
    with pytest.raises(StoreFailed, match="something else than it was given"):
        kept.send()
    assert not any(name.startswith(lying) for name in read_stored(kept.folder).files)
    assert kept.free() == 0
    assert contents(kept.folder) == before


@pytest.mark.parametrize("other", [lambda data: data[:-1], lambda data: data + b"?"])
def test_an_object_of_another_length_is_not_stored(kept: Kept, other: Callable[[bytes], bytes]) -> None:
    put = kept.store.put

    def torn(path: str, file: object, **how: Any) -> object:
        return put(path, other(file) if isinstance(file, bytes) and path.endswith(".m4s") else file, **how)

    kept.store.put = torn  # type: ignore[method-assign]
    with pytest.raises(StoreFailed, match="something else than it was given"):
        kept.send()
    assert not any(name.endswith(".m4s") for name in read_stored(kept.folder).files)


def test_a_file_that_changes_meanwhile_is_not_stored(kept: Kept) -> None:
    path = kept.folder / "program" / "opus" / "0.m4s"

    def change(call: str, key: str, _number: int) -> None:
        if call == "put" and key.endswith("opus/0.m4s"):
            path.write_bytes(path.read_bytes() + b"more")

    kept.store.fail = change
    with pytest.raises(Changed):
        kept.send()
    assert "program/opus/0.m4s" not in read_stored(kept.folder).files
    kept.store.fail = FaultyStore().fail
    kept.send()
    assert in_store(kept.store)["program/opus/0.m4s"] == path.read_bytes()


def test_it_stops_in_the_middle_of_a_long_file(kept: Kept) -> None:
    asked = []

    def stop() -> bool:
        asked.append(1)
        return any(path.endswith("program.mp3") for _, path in kept.store.calls)

    with pytest.raises(Stopped):
        store_recording(kept.folder, kept.objects, lambda: NOW, stop=stop)
    assert "made/program.mp3" not in read_stored(kept.folder).files
    assert "made/mp3.json" in read_stored(kept.folder).files


# --- freeing -----------------------------------------------------------------------------------------


def test_what_is_large_is_freed_and_what_pages_need_stays(kept: Kept) -> None:
    kept.send()
    before = contents(kept.folder)
    large = {name: data for name, data in before.items() if is_large(name)}
    assert {name.split("/")[0] for name in large} == {"program", "tracks", "made"}
    assert kept.free() == sum(map(len, large.values()))
    after = contents(kept.folder)
    assert after == {name: data for name, data in before.items() if name not in large}
    assert {"recording.json", "program/opus/init.mp4", "program/aac/head.m4a"} <= after.keys()
    assert set(freed(kept.folder)) == set(large)
    assert kept.free() == 0
    assert unstored(kept.folder) == []
    assert kept.send() == 0  # what was freed is not missing
    assert in_store(kept.store).keys() >= before.keys()


def test_nothing_is_freed_before_its_time(kept: Kept) -> None:
    kept.send()
    ended = read_index(kept.folder).ended_at
    before = contents(kept.folder)
    for days, now in ((-1.0, NOW), (0.0, ended + SETTLED - 1), (7.0, ended + 7 * DAY - 1), (1e4, NOW)):
        assert kept.free(days, now) == 0
    assert contents(kept.folder) == before
    assert kept.free(7.0, ended + 7 * DAY) > 0


def test_nothing_is_freed_that_the_store_has_lost(kept: Kept) -> None:
    kept.send()
    before = contents(kept.folder)
    kept.store.inner.delete(f"{ROOT}/program/aac/1.m4s")
    with pytest.raises(StoreFailed, match="does not have a file any more"):
        kept.free()
    kept.store.inner.put(f"{ROOT}/program/aac/1.m4s", b"short")
    with pytest.raises(StoreFailed, match="does not have a file any more"):
        kept.free()
    assert contents(kept.folder) == before


def test_nothing_is_freed_while_something_is_not_stored(kept: Kept) -> None:
    kept.send()
    (kept.folder / "made" / "program.flac").write_bytes(b"flac")
    assert kept.free() == 0
    (kept.folder / "recording.json").unlink()
    kept.send()
    assert kept.free() == 0  # no index: it may go on


# --- reading -----------------------------------------------------------------------------------------


def _whole(file: VirtualFile) -> bytes:
    return file.read(0, file.size)


READERS: list[Callable[[Place, Index], VirtualFile]] = [
    program_m4a,
    program_opus,
    everything,
    lambda place, index: clip_m4a(place, index, Cut(3_000, 9_500)),
    lambda place, index: clip_opus(place, index, Cut(3_000, 9_500)),
    lambda place, index: plain_file(place, index.tracks[0].file),
    lambda place, index: plain_file(place, "made/program.mp3"),
]


def test_what_was_freed_reads_as_before(kept: Kept) -> None:
    kept.send()
    index = read_index(kept.folder)
    before = [_whole(read(kept.folder, index)) for read in READERS]
    made = read_made(kept.folder)
    kept.free()
    recorded = Library(kept.folder.parents[2], objects=kept.objects).open(kept.folder)
    dice = random.Random(2)
    for read, data in zip(READERS, before, strict=True):
        file = read(recorded.files, recorded.index)
        assert file.size == len(data)
        for _ in range(40):
            first = dice.randrange(len(data))
            end = min(len(data), first + dice.choice((1, 1000, 200_000)))
            assert file.read(first, end) == data[first:end]
    assert read_made(recorded.files) == read_made(kept.folder) == made


def test_without_the_store_what_was_freed_is_an_error_and_the_rest_is_not(kept: Kept) -> None:
    kept.send()
    kept.free()
    kept.store.fail = lambda _call, _path, _number: (_ for _ in ()).throw(broken())
    for files, words in (
        (Files(kept.folder, Blocks(kept.objects)), "does not answer"),
        (Files(kept.folder), "names none"),
    ):
        with pytest.raises(StoreFailed, match=words):
            files.read("program/opus/0.m4s", 0, 10)
        assert files.size("program/opus/0.m4s") > 10
        assert files.read("recording.json", 0, 1) == b"{"
        with pytest.raises(FileNotFoundError):
            files.read("program/opus/999.m4s", 0, 10)
        with pytest.raises(FileNotFoundError):
            files.size("tracks/none.opus")


def test_a_store_that_gives_too_little_is_noticed_by_who_reads(kept: Kept) -> None:
    kept.send()
    kept.free()
    kept.store.lie = lambda _path, data: data[:-1]
    recorded = Library(kept.folder.parents[2], objects=kept.objects).open(kept.folder)
    with pytest.raises(Corrupt):
        _whole(program_m4a(recorded.files, recorded.index))


# --- fetching back -----------------------------------------------------------------------------------


def test_what_was_freed_comes_back_as_it_was_and_can_be_freed_again(kept: Kept) -> None:
    before = contents(kept.folder)
    times = {name: (kept.folder / name).stat().st_mtime_ns for name in before}
    kept.send()
    size = kept.free()
    assert ensure_local(kept.folder, kept.objects) == size
    assert contents(kept.folder) == before
    assert {name: (kept.folder / name).stat().st_mtime_ns for name in before} == times
    assert ensure_local(kept.folder, kept.objects) == 0
    assert unstored(kept.folder) == []
    assert kept.store.longest <= PART
    assert kept.free() == size


@settings(deadline=None, max_examples=25)
@given(number=st.integers(1, 40))
def test_fetching_goes_on_where_it_ended(
    pattern: Path, number: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("data") / ROOT
    shutil.copytree(pattern / ROOT, folder)
    store = FaultyStore()
    kept = Kept(folder, store, Objects(store))
    before = contents(folder)
    kept.send()
    kept.free()
    store.calls.clear()
    store.fail = failing_at(number, broken())
    try:
        ensure_local(folder, kept.objects)
    except StoreFailed:
        there = contents(folder)
        assert all(there[name] == before[name] for name in there)
        assert not list(folder.rglob(".[0-9]*.part"))
    assert set(freed(folder)) | set(contents(folder)) == set(before)
    store.fail = FaultyStore().fail
    ensure_local(folder, kept.objects)
    assert contents(folder) == before
    shutil.rmtree(folder)


def test_what_comes_back_otherwise_is_not_taken(kept: Kept) -> None:
    kept.send()
    kept.free()
    small = contents(kept.folder)
    kept.store.lie = lambda _path, data: bytes(len(data))
    with pytest.raises(StoreFailed, match="something else"):
        ensure_local(kept.folder, kept.objects)
    assert contents(kept.folder) == small
    with pytest.raises(StoreFailed, match="names none"):
        ensure_local(kept.folder, None)
    with pytest.raises(Stopped):
        ensure_local(kept.folder, kept.objects, stop=lambda: True)


def test_a_disk_without_room_is_not_filled(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.send()
    size = kept.free()
    usage = shutil.disk_usage(kept.folder)
    room = usage._replace(free=size + (64 << 20) - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: room)
    kept.store.calls.clear()
    with pytest.raises(OSError, match=os.strerror(28)):
        ensure_local(kept.folder, kept.objects)
    assert kept.store.calls == []


# --- deleting ----------------------------------------------------------------------------------------


def test_deleting_leaves_the_tombstone_and_nothing_else_wherever_it_was_interrupted(kept: Kept) -> None:
    kept.send()
    kept.store.inner.put("rooms/town-hall/20261128T200000-abc1234/recording.json", b"another one")
    shutil.rmtree(kept.folder)
    kept.folder.mkdir()
    (kept.folder / "deleted.json").write_bytes(b"the stone")
    for number in range(1, 40, 3):
        kept.store.calls.clear()
        kept.store.fail = failing_at(number, broken())
        try:
            forget(kept.folder, kept.objects)
        except StoreFailed:
            continue
        break
    assert in_store(kept.store) == {
        "deleted.json": b"the stone",
        "rooms/town-hall/20261128T200000-abc1234/recording.json": b"another one",
    }
    kept.store.fail = FaultyStore().fail
    forget(kept.folder, kept.objects)
    assert key_of(kept.folder) == ROOT


def test_a_store_that_keeps_what_it_should_remove_is_an_error(kept: Kept) -> None:
    kept.send()
    kept.store.delete = lambda paths: None  # type: ignore[method-assign]
    with pytest.raises(StoreFailed, match="keeps what it was told to remove"):
        forget(kept.folder, kept.objects)
