"""The archive, read back by programs that are not ours; its length and every byte known before."""

from __future__ import annotations

import io
import random
import shutil
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hustings.archive.virtual import VirtualFile
from hustings.archive.zip_writer import Member, Source, zip_pieces

AT = 1_790_000_001.0
GIGABYTE = 1 << 30


def member(name: str, data: bytes) -> Member:
    return Member(name, len(data), AT, lambda first, end: data[first:end])


def archive(*members: Member) -> VirtualFile:
    return VirtualFile.of(zip_pieces(members))


def zeros(size: int) -> Source:
    return lambda first, end: bytes(end - first)


FILES = {"a/Müller.opus": b"one" * 1000, "a/b/empty": b"", "a/zwei ☃.txt": "Grüße".encode()}


def test_zipfile_reads_it_back() -> None:
    file = archive(*(member(name, data) for name, data in FILES.items()))
    whole = file.read(0, file.size)
    assert len(whole) == file.size
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == FILES
        for info in opened.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (2026, 9, 21, 14, 13, 20)
            assert info.external_attr >> 16 == 0o100644


def test_what_stands_behind_the_data_is_right_too() -> None:
    """Readers that cannot seek have nothing else to go by."""
    file = archive(member("a", b"some data"))
    whole = file.read(0, file.size)
    at = whole.index(b"some data") + 9
    assert whole[at : at + 16] == struct.pack("<4sIII", b"PK\x07\x08", zlib.crc32(b"some data"), 9, 9)


def test_unzip_finds_no_fault(tmp_path: Path) -> None:
    unzip = shutil.which("unzip")
    if unzip is None:
        pytest.skip("unzip is not installed")
    file = archive(*(member(name, data) for name, data in FILES.items()))
    (tmp_path / "x.zip").write_bytes(file.read(0, file.size))
    done = subprocess.run([unzip, "-t", str(tmp_path / "x.zip")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "No errors detected" in done.stdout


@given(st.lists(st.binary(max_size=300), max_size=6), st.data())
def test_any_range_is_a_part_of_the_whole(contents: list[bytes], data: st.DataObject) -> None:
    def made() -> VirtualFile:
        return archive(*(member(f"{number}.bin", each) for number, each in enumerate(contents)))

    whole = made().read(0, 1 << 30)
    first = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(first, len(whole)))
    # Of a fresh one: who resumes a download elsewhere gets the same bytes.
    assert made().read(first, end) == whole[first:end]
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        assert opened.testzip() is None
        assert [opened.read(name) for name in opened.namelist()] == contents


class Window(io.RawIOBase):
    """A file of any length for zipfile, read through the archive."""

    def __init__(self, file: VirtualFile) -> None:
        self._file = file
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._file.size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._file.size if size < 0 else min(self._at + size, self._file.size)
        data = self._file.read(self._at, end)
        self._at += len(data)
        return data


@pytest.mark.parametrize("size", [(1 << 32) - 2, (1 << 32) - 1, 1 << 32, (1 << 32) + 5])
def test_sizes_and_offsets_beyond_four_gigabytes(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """ZIP64: zipfile finds both members where they are. (The large one's CRC is not worked out here.)"""
    monkeypatch.setattr("hustings.archive.zip_writer._Placed.crc", 0x5F1D_FD54)
    small = b"after the large one"
    file = archive(Member("large", size, AT, zeros(size)), member("small", small))
    with zipfile.ZipFile(Window(file)) as opened:
        large, other = opened.infolist()
        assert (large.file_size, large.compress_size, large.header_offset) == (size, size, 0)
        assert other.header_offset > size
        with opened.open(large) as stream:
            assert stream.read(10) == bytes(10)
        monkeypatch.undo()
        assert file.read(other.header_offset, file.size).find(small) > 0


def test_more_members_than_sixteen_bits_count() -> None:
    file = archive(*(Member(f"{number}", 0, AT, zeros(0)) for number in range(0xFFFF + 2)))
    with zipfile.ZipFile(Window(file)) as opened:
        assert len(opened.infolist()) == 0xFFFF + 2


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a//b", "a/./b", "a\\b", "c:/x", "x" * 1001])
def test_names_that_lead_out_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        archive(member(name, b""))


def test_the_same_name_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="no name"):
        archive(member("a", b""), member("a", b""))


def test_a_download_reads_nothing_twice_and_a_resumed_one_only_what_it_must() -> None:
    """The program's pages are made while they are read: twice would cost twice."""
    read: list[tuple[int, int]] = []
    data = random.Random(2).randbytes(3_000_000)

    def source(first: int, end: int) -> bytes:
        read.append((first, end))
        return data[first:end]

    def in_pieces(file: VirtualFile, first: int) -> bytes:
        return b"".join(file.read(at, min(at + 65_536, file.size)) for at in range(first, file.size, 65_536))

    file = archive(Member("a", len(data), AT, source))
    whole = in_pieces(file, 0)
    assert sum(end - first for first, end in read) == len(data)
    read.clear()
    again = archive(Member("a", len(data), AT, source))
    assert in_pieces(again, 2_000_000) == whole[2_000_000:]
    assert sum(end - first for first, end in read) < 2 * len(data)
    read.clear()
    # Two who read the same archive at once, the second behind the first.
    both = archive(Member("a", len(data), AT, source))
    assert both.read(0, 1_000_000) + both.read(0, 500_000) == whole[:1_000_000] + whole[:500_000]
    assert in_pieces(both, 1_000_000) == whole[1_000_000:]
    assert sum(end - first for first, end in read) < len(data) + 500_000 + 1


def test_a_changed_byte_is_found_by_the_reader() -> None:
    """The CRC is of what was sent."""
    file = archive(member("a", bytes(random.Random(1).randbytes(5000))))
    whole = bytearray(file.read(0, file.size))
    whole[2000] ^= 1
    with zipfile.ZipFile(io.BytesIO(whole)) as opened:
        assert opened.testzip() == "a"
