"""A segment of a broadcast on air, out of the pieces that a failing disk has left of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from recording_folder import SLOT, write_recording

from hustings.archive.live_segment import live_segment
from hustings.archive.playlist import Entry, silence
from hustings.archive.segment_file import read_segment
from hustings.cmaf.timeline import CODECS, UNIT_SAMPLES, Codec, chunk_media_time, units_in_chunk


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_recording(tmp_path, 20.0).folder


def pieces(codec: Codec, data: bytes) -> list[bytes]:
    """The chunks of a file."""
    found, begins = [], 0
    for chunk in read_segment(codec, data).chunks:
        end = chunk.offset + sum(chunk.unit_sizes())
        found.append(data[begins:end])
        begins = end
    return found


def silent(codec: Codec, seq: int) -> bytes:
    samples = units_in_chunk(codec, seq) * UNIT_SAMPLES[codec]
    return silence(codec, Entry(chunk_media_time(codec, seq), samples))


def file_of(folder: Path, codec: Codec, name: str) -> Path:
    return folder / "program" / codec / name


@pytest.mark.parametrize("codec", CODECS)
def test_what_is_whole_is_the_file(folder: Path, codec: Codec) -> None:
    whole = file_of(folder, codec, "1.m4s").read_bytes()
    assert live_segment([folder, folder.parent / "spare"], codec, 1, 30, 59) == (whole, True)
    assert live_segment([folder], codec, 1, 33, 59) == (whole, True), "the edge came in its middle"


@pytest.mark.parametrize("codec", CODECS)
def test_pieces_in_two_folders_are_put_together_and_the_rest_is_silence(
    folder: Path, tmp_path: Path, codec: Codec
) -> None:
    whole = pieces(codec, file_of(folder, codec, "1.m4s").read_bytes())
    spare = tmp_path / "spare"
    file_of(spare, codec, "").mkdir(parents=True)
    # Chunk 11 was written in both; 12 to 14 were never; the last part begins in the data folder again.
    file_of(folder, codec, "1.m4s").write_bytes(b"".join(whole[:12]) + b"torn")
    file_of(spare, codec, "1.1.m4s").write_bytes(b"".join(whole[11:12] + whole[15:20]))
    file_of(folder, codec, "1.2.m4s").write_bytes(b"".join(whole[20:]))
    file_of(folder, codec, "11.2.m4s").write_bytes(b"another segment's")
    data, all_there = live_segment([folder, spare], codec, 1, 30, 59)
    assert not all_there
    assert pieces(codec, data) == [
        whole[n] if n not in (12, 13, 14) else silent(codec, 30 + n) for n in range(30)
    ]
    stored = read_segment(codec, data)
    assert not stored.torn
    at = chunk_media_time(codec, 30)
    for chunk in stored.chunks:
        assert chunk.media_time == at, "no hole"
        at += chunk.units * UNIT_SAMPLES[codec]
    file_of(spare, codec, "1.1.m4s").write_bytes(b"".join(whole[11:20]))
    assert live_segment([folder, spare], codec, 1, 30, 59)[1], "all of it is there, in three files"


@pytest.mark.parametrize("codec", CODECS)
def test_where_nothing_is_or_nothing_can_be_read_there_is_silence(tmp_path: Path, codec: Codec) -> None:
    unreadable = tmp_path / "file"
    unreadable.write_bytes(b"no folder")
    data, all_there = live_segment([tmp_path / "missing", unreadable], codec, 2, 60, 89)
    assert not all_there
    assert pieces(codec, data) == [silent(codec, seq) for seq in range(60, 90)]
    assert read_segment(codec, data).end - read_segment(codec, data).media_time == pytest.approx(
        30 * SLOT, abs=1_024
    )
