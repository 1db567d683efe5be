"""Deleting a recording: everything goes but a tombstone that can be checked, wherever one is stopped."""

from __future__ import annotations

import errno
import hashlib
import shutil
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from recording_folder import BROADCAST, LIVE_SINCE, SLUG, write_recording

from hustings.archive.index import write_index
from hustings.archive.library import Library
from hustings.archive.orders import Deletion
from hustings.archive.signatures import holds, signed
from hustings.archive.small import put
from hustings.archive.tombstone import Tombstone, decode_tombstone, encode_tombstone, read_tombstone
from hustings.errors import Corrupt
from hustings.scribe import remove
from hustings.scribe.remove import Remover
from hustings.stage.record_finish import finish_folders, without_index

ORDER = Deletion(slug=SLUG, broadcast=BROADCAST, why="host")
AT = 1_790_100_000.5
KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw()
EARLIER = "20261127T200000-abc123"


def record(data: Path, broadcast: str = BROADCAST) -> Path:
    folder = write_recording(data, 4.0, broadcast=broadcast).folder
    write_index(folder)
    (folder / "made").mkdir()
    (folder / "made" / "program.mp3").write_bytes(b"sound")
    return folder


def files(data: Path) -> list[str]:
    return sorted(str(path.relative_to(data)) for path in data.rglob("*") if path.is_file())


def test_everything_goes_and_a_signed_tombstone_stays(tmp_path: Path) -> None:
    data, spare = tmp_path / "data", tmp_path / "spare"
    folder = record(data)
    digest = hashlib.sha256((folder / "recording.json").read_bytes()).hexdigest()
    other = record(data, EARLIER)
    before = files(other)
    shutil.copytree(folder, spare / "rooms" / SLUG / BROADCAST)
    stone = Remover(data, spare, KEY).delete(ORDER, AT)
    assert stone is not None
    assert files(folder) == ["deleted.json"]
    assert files(other) == before
    assert files(spare) == []
    assert [path.name for path in (data / "rooms" / SLUG).iterdir() if path.name.startswith(".")] == []
    assert (stone.slug, stone.broadcast, stone.why, stone.sha256) == (SLUG, BROADCAST, "host", digest)
    assert (stone.duration, stone.deleted_at) == (4 * 48_000, "2026-09-22T18:00:00.500Z")
    assert stone.live_since is not None
    assert stone.live_since.startswith("2026-09-21T")
    assert LIVE_SINCE < AT
    assert holds(stone, PUBLIC)
    assert b64decode(stone.key) == PUBLIC


def test_deleting_twice_keeps_the_first_tombstone(tmp_path: Path) -> None:
    folder = record(tmp_path)
    remover = Remover(tmp_path, None, KEY)
    first = remover.delete(ORDER, AT)
    assert remover.delete(ORDER, AT + 60) == first
    assert files(folder) == ["deleted.json"]
    assert remover.delete(Deletion(slug=SLUG, broadcast=EARLIER, why="host"), AT) is None  # never was


class Killed(BaseException):
    """As SIGKILL: nothing is cleaned up."""


STEPS = ("_sync", "_tombstone", "put", "_remove")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_step_nothing_half_is_served_and_it_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    folder = record(tmp_path)
    digest = hashlib.sha256((folder / "recording.json").read_bytes()).hexdigest()
    real: Callable[..., object] = getattr(remove, step)

    def stopped(*arguments: object, **more: object) -> object:
        if after:
            real(*arguments, **more)
        raise Killed

    monkeypatch.setattr(remove, step, stopped)
    with pytest.raises(Killed):
        Remover(tmp_path, None, KEY).delete(ORDER, AT)
    library = Library(tmp_path)
    assert library.folder(SLUG) is None
    assert library.folder(SLUG, BROADCAST) is None
    assert without_index(tmp_path) == []  # and no stage takes it for one to recover
    monkeypatch.setattr(remove, step, real)
    stone = Remover(tmp_path, None, KEY).delete(ORDER, AT + 30)
    assert stone is not None
    assert stone.sha256 == digest
    assert holds(stone, PUBLIC)
    assert files(tmp_path) == [f"rooms/{SLUG}/{BROADCAST}/deleted.json"]
    assert [path.name for path in (tmp_path / "rooms" / SLUG).iterdir()] == [BROADCAST]


def test_a_full_disk_gets_its_room_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = record(tmp_path)
    real = put

    def full(path: Path, data: bytes) -> None:
        if any(tmp_path.rglob("*.m4s")):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, data)

    monkeypatch.setattr(remove, "put", full)
    stone = Remover(tmp_path, None, KEY).delete(ORDER, AT)
    assert stone is not None
    assert stone.sha256
    assert files(folder) == ["deleted.json"]


def test_what_comes_to_lie_beside_a_tombstone_is_nobodys_and_swept(tmp_path: Path) -> None:
    folder = record(tmp_path)
    remover = Remover(tmp_path, None, KEY)
    remover.delete(ORDER, AT)
    write_again = tmp_path / "again"
    shutil.copytree(record(write_again), folder, dirs_exist_ok=True)  # a stage that was late
    assert Library(tmp_path).folder(SLUG) is None
    (folder / "recording.json").unlink()
    assert without_index(tmp_path) == []
    with pytest.raises(Corrupt, match="deleted"):
        finish_folders([folder], live_since=None, whole=False)
    assert remover.sweep() == 1
    assert files(folder) == ["deleted.json"]
    assert remover.sweep() == 0


def test_without_an_index_it_is_deleted_all_the_same(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, 4.0).folder
    stone = Remover(tmp_path, None, KEY).delete(ORDER, AT)
    assert stone is not None
    assert (stone.live_since, stone.duration, stone.sha256) == (None, None, "")
    assert files(folder) == ["deleted.json"]


def test_the_library_finds_the_tombstone(tmp_path: Path) -> None:
    record(tmp_path, EARLIER)
    record(tmp_path)
    stone = Remover(tmp_path, None, KEY).delete(ORDER, AT)
    library = Library(tmp_path)
    last = library.folder(SLUG, over=True)
    assert last is not None
    assert last.name == EARLIER
    assert library.tombstone(SLUG, BROADCAST) == stone
    assert library.tombstone(SLUG, EARLIER) is None
    assert library.tombstone("../x", "../y") is None
    assert read_tombstone(last) is None


TEXTS = st.text(max_size=20)
STONES = st.builds(
    Tombstone,
    slug=TEXTS,
    broadcast=TEXTS,
    live_since=st.none() | TEXTS,
    duration=st.none() | st.integers(0, 2**53),
    sha256=TEXTS,
    deleted_at=TEXTS,
    why=st.sampled_from(["host", "retention"]),
)


@given(stone=STONES, other=STONES, name=st.sampled_from(Tombstone.__struct_fields__))
def test_whatever_is_changed_is_found(stone: Tombstone, other: Tombstone, name: str) -> None:
    whole = signed(stone, KEY)
    assert holds(decode_tombstone(encode_tombstone(whole)), PUBLIC)
    changed = msgspec.structs.replace(whole, **{name: getattr(signed(other, KEY), name)})
    assert holds(changed, PUBLIC) == (changed == whole)
    assert not holds(whole, Ed25519PrivateKey.generate().public_key().public_bytes_raw())


def test_what_was_being_made_of_it_goes_with_it(tmp_path: Path) -> None:
    folder = record(tmp_path)
    half = folder.parent / f".{BROADCAST}.3.editing"
    shutil.copytree(folder, half)
    other = folder.parent / f".{EARLIER}.1.editing"
    shutil.copytree(folder, other)
    Remover(tmp_path, None, KEY).delete(ORDER, AT)
    assert files(folder.parent)[-1] == f"{BROADCAST}/deleted.json"
    assert not half.exists()
    assert other.is_dir()
